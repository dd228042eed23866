/* Sends and counts for a few hundred peers on one thread, so that the benchmark measures the bridge and not itself.
 *
 * Each sending peer makes opus at 50 packets a second and VP8 at 300 kbit/s; the last eight bytes of each packet are
 * the time at which it was handed to the kernel. What comes in is counted; peers that measure decrypt it, and compare
 * that time with the kernel's receive stamp: the generator's own delays are in neither.
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct load load;
#include "video_load.h"

#ifndef SCM_TIMESTAMPNS
#define SCM_TIMESTAMPNS SO_TIMESTAMPNS
#endif

enum { AUDIO_BYTES = 80, VIDEO_BYTES = 1000, KEY_EVERY = 40, BATCH = 32, OTHERS = 256, SIZE = 2048 };
#define SECOND 1000000000LL
#define AUDIO_EVERY (SECOND / 50)
#define VIDEO_EVERY (SECOND * VIDEO_BYTES * 8 / 300000)

typedef int (*srtp_call)(void *, void *, int *);

typedef struct {
    int fd, sends, measures;
    struct sockaddr_in target;
    void *tx, *rx;
    uint32_t ssrc[2], number[2];
    int64_t due[2];
    uint16_t wide;
} peer;

typedef struct {
    int peer, size;
    uint8_t data[SIZE];
} other;

struct load {
    srtp_call protect, unprotect;
    peer *peers;
    int count, room, poll;
    pthread_t thread;
    pthread_mutex_t lock;
    int running;
    atomic_int halting, sending;
    atomic_llong sent, heard, late;
    int64_t *delays;
    long delayed, delays_room;
    other others[OTHERS];
    unsigned other_head, other_tail;
    struct mmsghdr in[BATCH];
    struct iovec part[BATCH];
    uint8_t note[BATCH][128], data[BATCH][SIZE];
};

static int64_t now(void) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    return (int64_t)at.tv_sec * SECOND + at.tv_nsec;
}

load *load_new(void *protect, void *unprotect) {
    load *one = calloc(1, sizeof *one);
    if (one == NULL) return NULL;
    memcpy(&one->protect, &protect, sizeof protect);
    memcpy(&one->unprotect, &unprotect, sizeof unprotect);
    pthread_mutex_init(&one->lock, NULL);
    one->poll = epoll_create1(EPOLL_CLOEXEC);
    for (int index = 0; index < BATCH; index++) {
        one->part[index] = (struct iovec){one->data[index], SIZE};
        one->in[index].msg_hdr.msg_iov = &one->part[index];
        one->in[index].msg_hdr.msg_iovlen = 1;
        one->in[index].msg_hdr.msg_control = one->note[index];
    }
    return one;
}

void load_free(load *one) {
    load_stop(one);
    close(one->poll);
    free(one->peers);
    free(one->delays);
    free(one);
}

int load_add(load *one, int fd, uint32_t target_ip, uint16_t target_port, void *tx, void *rx, int sends, int measures,
             uint32_t audio_ssrc, uint32_t video_ssrc) {
    if (one->count == one->room) {
        int room = one->room ? 2 * one->room : 64;
        peer *more = realloc(one->peers, (size_t)room * sizeof *more);
        if (more == NULL) return -1;
        one->peers = more;
        one->room = room;
    }
    peer *made = one->peers + one->count;
    *made = (peer){.fd = fd, .sends = sends, .measures = measures, .tx = tx, .rx = rx};
    made->ssrc[0] = audio_ssrc, made->ssrc[1] = video_ssrc;
    made->target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = target_port};
    made->target.sin_addr.s_addr = target_ip;
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    struct epoll_event wanted = {.events = EPOLLIN, .data.u32 = (uint32_t)one->count};
    if (epoll_ctl(one->poll, EPOLL_CTL_ADD, fd, &wanted)) return -1;
    return one->count++;
}

static void big(uint8_t *at, uint32_t value, int bytes) {
    for (int index = bytes - 1; index >= 0; index--, value >>= 8) at[index] = (uint8_t)value;
}

static void send_one(load *one, peer *from, int video) {
    uint8_t data[SIZE] = {0x90, (uint8_t)(video ? 0x80 | 96 : 0x80 | 111)};
    uint32_t number = ++from->number[video];
    big(data + 2, number, 2);
    big(data + 4, number * (video ? 2400u : 960u), 4);
    big(data + 8, from->ssrc[video], 4);
    big(data + 12, 0xBEDE0002u, 4);
    data[16] = 0x31; /* the transport-wide number is extension 3 */
    big(data + 17, ++from->wide, 2);
    data[19] = 0x10, data[20] = 30; /* the level of the voice is extension 1 */
    int size = 24 + (video ? VIDEO_BYTES : AUDIO_BYTES);
    if (video) {
        data[24] = 0x10;
        data[25] = number % KEY_EVERY == 1 ? 0x50 : 0x51;
    } else {
        data[24] = 0xFC;
    }
    int64_t at = now();
    memcpy(data + size - 8, &at, 8);
    if (one->protect(from->tx, data, &size)) return;
    if (sendto(from->fd, data, (size_t)size, MSG_DONTWAIT, (struct sockaddr *)&from->target, sizeof from->target) > 0)
        atomic_fetch_add(&one->sent, 1);
}

static void send_due(load *one) {
    int64_t at = now();
    for (int index = 0; index < one->count; index++) {
        peer *from = one->peers + index;
        for (int video = 0; from->sends && video < 2; video++) {
            int64_t every = video ? VIDEO_EVERY : AUDIO_EVERY;
            if (!from->due[video]) from->due[video] = at + (int64_t)((double)random() / RAND_MAX * (double)every);
            if (from->due[video] + 20 * 1000000 < at) atomic_fetch_add(&one->late, 1);
            for (; from->due[video] <= at; from->due[video] += every) send_one(one, from, video);
        }
    }
}

static void measure(load *one, peer *to, struct mmsghdr *in, uint8_t *data) {
    int size = (int)in->msg_len;
    int64_t stamp = 0, sent;
    for (struct cmsghdr *note = CMSG_FIRSTHDR(&in->msg_hdr); note != NULL; note = CMSG_NXTHDR(&in->msg_hdr, note))
        if (note->cmsg_level == SOL_SOCKET && note->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec at;
            memcpy(&at, CMSG_DATA(note), sizeof at);
            stamp = (int64_t)at.tv_sec * SECOND + at.tv_nsec;
        }
    if (!stamp || one->unprotect(to->rx, data, &size) || size < 40) return;
    memcpy(&sent, data + size - 8, 8);
    pthread_mutex_lock(&one->lock);
    if (one->delayed == one->delays_room) {
        long room = one->delays_room ? 2 * one->delays_room : 4096;
        int64_t *more = realloc(one->delays, (size_t)room * sizeof *more);
        if (more != NULL) one->delays = more, one->delays_room = room;
    }
    if (one->delayed < one->delays_room) one->delays[one->delayed++] = stamp - sent;
    pthread_mutex_unlock(&one->lock);
}

static void put_other(load *one, int whose, const uint8_t *data, int size) {
    pthread_mutex_lock(&one->lock);
    if (one->other_head - one->other_tail < OTHERS) {
        other *into = one->others + one->other_head++ % OTHERS;
        into->peer = whose;
        into->size = size;
        memcpy(into->data, data, (size_t)size);
    }
    pthread_mutex_unlock(&one->lock);
}

static void receive(load *one, int whose) {
    peer *to = one->peers + whose;
    for (int index = 0; index < BATCH; index++) one->in[index].msg_hdr.msg_controllen = sizeof one->note[index];
    int count = recvmmsg(to->fd, one->in, BATCH, MSG_DONTWAIT, NULL);
    for (int index = 0; index < count; index++) {
        uint8_t *data = one->data[index];
        int size = (int)one->in[index].msg_len;
        if (size < 12) continue;
        if (data[0] >> 6 != 2) {
            put_other(one, whose, data, size);
        } else if (data[1] < 192 || data[1] > 223) {
            atomic_fetch_add(&one->heard, 1);
            if (to->measures) measure(one, to, one->in + index, data);
        }
    }
}

static void *run(void *of) {
    load *one = of;
    struct epoll_event seen[128];
    struct sched_param first = {.sched_priority = 2};
    (void)pthread_setschedparam(pthread_self(), SCHED_RR, &first); /* a clock that is late measures nothing */
    while (!atomic_load(&one->halting)) {
        if (atomic_load(&one->sending)) send_due(one);
        int count = epoll_wait(one->poll, seen, 128, 0);
        for (int index = 0; index < count; index++) receive(one, (int)seen[index].data.u32);
        /* Asleep by the clock, not by the sockets: on loopback whoever sends pays for waking who waits for it, which a
         * receiver somewhere else would not cost. The kernel's stamps tell the time all the same. */
        if (count < 128) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return NULL;
}

int load_start(load *one) {
    atomic_store(&one->halting, 0);
    one->running = !pthread_create(&one->thread, NULL, run, one);
    return one->running;
}

void load_stop(load *one) {
    if (!one->running) return;
    atomic_store(&one->halting, 1);
    pthread_join(one->thread, NULL);
    one->running = 0;
}

void load_sending(load *one, int on) {
    if (on && !atomic_load(&one->sending))
        for (int index = 0; index < one->count; index++) one->peers[index].due[0] = one->peers[index].due[1] = 0;
    atomic_store(&one->sending, on);
}

void load_reset(load *one) {
    pthread_mutex_lock(&one->lock);
    one->delayed = 0;
    pthread_mutex_unlock(&one->lock);
    atomic_store(&one->sent, 0);
    atomic_store(&one->heard, 0);
    atomic_store(&one->late, 0);
}

int64_t load_sent(load *one) { return atomic_load(&one->sent); }
int64_t load_heard(load *one) { return atomic_load(&one->heard); }
int64_t load_late(load *one) { return atomic_load(&one->late); }

long load_delays(load *one, int64_t *into, long room) {
    pthread_mutex_lock(&one->lock);
    long count = one->delayed < room ? one->delayed : room;
    if (into != NULL && count > 0) memcpy(into, one->delays, (size_t)count * sizeof *into);
    pthread_mutex_unlock(&one->lock);
    return into == NULL ? one->delayed : count;
}

int load_other(load *one, int *whose, uint8_t *into, int room) {
    int size = 0;
    pthread_mutex_lock(&one->lock);
    if (one->other_head != one->other_tail) {
        const other *from = one->others + one->other_tail++ % OTHERS;
        size = from->size < room ? from->size : room;
        memcpy(into, from->data, (size_t)size);
        *whose = from->peer;
    }
    pthread_mutex_unlock(&one->lock);
    return size;
}
