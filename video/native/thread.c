/* The thread, its beginning and its end, and the wire's own life. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

wire *wire_new(int fd, void *protect, void *unprotect, void *protect_rtcp, void *unprotect_rtcp, uint64_t seed) {
    wire *w = calloc(1, sizeof *w);
    if (w == NULL) return NULL;
    w->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* ours, so that it cannot become another's while the thread runs */
    w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    w->halt = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->fd < 0 || w->wake < 0 || w->halt < 0 || pthread_mutex_init(&w->lock, NULL)) {
        if (w->fd >= 0) close(w->fd);
        if (w->wake >= 0) close(w->wake);
        if (w->halt >= 0) close(w->halt);
        free(w);
        return NULL;
    }
    int on = 1;
    (void)setsockopt(w->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    /* a function's address travels as data's: POSIX allows it, ISO C does not know it */
    memcpy(&w->protect, &protect, sizeof protect);
    memcpy(&w->unprotect, &unprotect, sizeof unprotect);
    memcpy(&w->protect_rtcp, &protect_rtcp, sizeof protect_rtcp);
    memcpy(&w->unprotect_rtcp, &unprotect_rtcp, sizeof unprotect_rtcp);
    w->seed = seed;
    w->refs = 1;
    for (int index = 0; index < BATCH; index++) {
        w->out_part[index].iov_base = w->out_data[index];
        w->out[index].msg_hdr.msg_iov = &w->out_part[index];
        w->out[index].msg_hdr.msg_iovlen = 1;
        w->in_part[index] = (struct iovec){w->in_data[index], BUFFER};
        w->in[index].msg_hdr.msg_name = &w->in_from[index];
        w->in[index].msg_hdr.msg_iov = &w->in_part[index];
        w->in[index].msg_hdr.msg_iovlen = 1;
        w->in[index].msg_hdr.msg_control = w->in_note[index];
    }
    return w;
}

/* A rest after a batch, or until a datagram comes when there was none; at most a tick. False: the thread is to end. */
static int wait_for_work(wire *w, int count) {
    struct pollfd watched[2] = {{.fd = w->halt, .events = POLLIN}, {.fd = w->fd, .events = POLLIN}};
    struct timespec rest = {.tv_nsec = count < SMALL_BATCH ? LONG_REST_NS : REST_NS}, tick = {.tv_nsec = TICK_MS * 1000000L};
    if (count == BATCH) return 1; /* a full batch: more waits already */
    int seen = ppoll(watched, count ? 1 : 2, count ? &rest : &tick, NULL);
    return (seen >= 0 && !watched[0].revents) || (seen < 0 && errno == EINTR);
}

static void *run(void *of) {
    wire *w = of;
    int count = 0;
    /* Media before everything else of this machine, where that is allowed: a nice value is a thread's own on Linux. */
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), -10);
    while (!atomic_load(&w->halting) && wait_for_work(w, count)) {
        while (atomic_load(&w->wanting)) sched_yield();
        pthread_mutex_lock(&w->lock);
        int64_t now_ns = clock_ns(CLOCK_MONOTONIC), ticks = (now_ns - w->ticked_ns) / (TICK_MS * 1000000LL);
        if (ticks > 0) {
            w->ticked_ns += ticks * TICK_MS * 1000000LL;
            refill(w, ticks < BURST ? (int)ticks : BURST);
            feedback(w, now_ns);
        }
        w->sent_in_hold = 0;
        count = step(w, 1);
        pthread_mutex_unlock(&w->lock);
    }
    return NULL;
}

int wire_start(wire *w) {
    if (w->running) return 1;
    w->ticked_ns = clock_ns(CLOCK_MONOTONIC);
    atomic_store(&w->halting, 0);
    w->running = !pthread_create(&w->thread, NULL, run, w);
    return w->running;
}

void wire_stop(wire *w) {
    uint64_t one = 1;
    if (!w->running) return;
    atomic_store(&w->halting, 1);
    (void)!write(w->halt, &one, sizeof one);
    pthread_join(w->thread, NULL);
    (void)!read(w->halt, &one, sizeof one);
    w->running = 0;
}

int wire_wake_fd(wire *w) { return w->wake; }

void wire_clock(wire *w, int64_t now_ns) {
    lock_for_python(w);
    w->test_ns = now_ns;
    unlock_wire(w);
}

long wire_take(wire *w, int way, uint8_t *into, long room) {
    if (way < 0 || way >= WAYS || w->up[way].data == NULL) return 0;
    return ring_take(&w->up[way], into, room);
}

void wire_send_raw(wire *w, const uint8_t *ip, int ip_size, int port, uint32_t flow, uint32_t scope, const uint8_t *data,
                   int size) {
    lane to = {.wire = w};
    if (size < 0 || !target_of(&to, ip, ip_size, port, flow, scope)) return;
    if (sendto(w->fd, data, (size_t)size, MSG_DONTWAIT, (struct sockaddr *)&to.target, to.target_size) < 0) {
        lock_for_python(w);
        w->tally.send_failed++;
        unlock_wire(w);
    }
}

void wire_free(wire *w) {
    wire_stop(w);
    lock_for_python(w);
    close(w->fd);
    close(w->wake);
    close(w->halt);
    w->fd = w->wake = w->halt = -1;
    w->refs--;
    unlock_wire(w);
}
