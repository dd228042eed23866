/* A datagram's way: in by recvmmsg, looked at, decrypted, to everybody who may have it, out by sendmmsg. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

static const uint32_t CAPACITY[WAYS] = {1u << 20, 1u << 17, 1u << 23};

int64_t clock_ns(clockid_t of) {
    struct timespec now;
    clock_gettime(of, &now);
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* Python's time.monotonic_ns(), or what a test says it is. */
static int64_t now_of(const wire *w) { return w->test_ns ? w->test_ns : clock_ns(CLOCK_MONOTONIC); }

/* 24 bits of seconds in 6.18 fixed point. */
static uint32_t abs_send_time(int64_t now_ns) {
    uint64_t whole = (uint64_t)now_ns / SECOND_NS, part = (uint64_t)now_ns % SECOND_NS;
    return (uint32_t)((whole << 18) + (part << 18) / SECOND_NS) & 0xFFFFFF;
}

static void big16(uint8_t *at, uint32_t value) { at[0] = (uint8_t)(value >> 8), at[1] = (uint8_t)value; }
static void big32(uint8_t *at, uint32_t value) { big16(at, value >> 16), big16(at + 2, value); }

/* ---------------------------------------------------------------- up to Python */

void wire_ring(wire *w) {
    uint64_t one = 1;
    if (!atomic_exchange(&w->signalled, 1)) (void)!write(w->wake, &one, sizeof one);
}

void wire_awake(wire *w) {
    uint64_t count;
    (void)!read(w->wake, &count, sizeof count);
    atomic_store(&w->signalled, 0);
}

/* What a tape keeps may wait for the next beat, unless a lot waits already; everything else rings at once. */
static int hand_up(wire *w, enum way way, record *head, const uint8_t *data) {
    if (!ring_put(&w->up[way], CAPACITY[way], head, data)) {
        w->tally.overflow++;
        return 0;
    }
    int patient = head->kind == UP_TAPE || head->kind == UP_STRAY;
    if (!patient || ring_used(&w->up[way]) > CAPACITY[way] / 4) wire_ring(w);
    return 1;
}

static void hand_up_from(wire *w, enum record_kind kind, const place *from, const uint8_t *data, int size) {
    record head = {.size = (uint32_t)size, .kind = (uint8_t)kind, .six = from->family == AF_INET6};
    head.port = ntohs(from->port);
    head.flow = from->flow, head.scope = from->scope;
    memcpy(head.ip, from->ip, sizeof head.ip);
    hand_up(w, WAY_STRANGERS, &head, data);
}

static void hand_up_of(lane *of, enum record_kind kind, const uint8_t *data, int size, int64_t at_ns) {
    record head = {.size = (uint32_t)size, .kind = (uint8_t)kind, .id = of->id, .at_ns = at_ns};
    hand_up(of->wire, WAY_LANES, &head, data);
}

/* ---------------------------------------------------------------- out */

/* Send what was made. A full socket loses it, as a network would; one that cannot be sent does not stop the others. */
void flush(wire *w) {
    int at = 0;
    while (at < w->waiting_out) {
        int sent = sendmmsg(w->fd, w->out + at, (unsigned)(w->waiting_out - at), MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) {
            w->tally.send_failed++;
            at++;
            continue;
        }
        for (int index = at; index < at + sent; index++) {
            sub *of = w->out_of[index];
            if (of == NULL) continue;
            of->packets++;
            of->octets += w->out_octets[index];
            w->tally.sent++;
        }
        at += sent;
    }
    w->sent_in_hold += w->waiting_out;
    w->waiting_out = 0;
}

static uint8_t *slot(wire *w) {
    if (w->waiting_out == BATCH) flush(w);
    return w->out_data[w->waiting_out];
}

/* The datagram in the slot goes to this lane. `of` NULL: nobody's packets and octets are counted for it. */
static void ready(wire *w, lane *to, sub *of, int size, int octets) {
    int at = w->waiting_out++;
    w->out_of[at] = of;
    w->out_octets[at] = (uint16_t)octets;
    w->out_part[at].iov_len = (size_t)size;
    w->out[at].msg_hdr.msg_name = &to->target;
    w->out[at].msg_hdr.msg_namelen = to->target_size;
}

static int takes(const lane *one) { return one->tx != NULL && one->placed && !one->cut; }

/* Fixed header and one word of extension: RFC 3550, section 5.1; RFC 8285. */
static void write_header(uint8_t *out, int marker, int payload_type, uint32_t seq, uint32_t timestamp, uint32_t ssrc,
                         uint32_t word) {
    out[0] = 0x90;
    out[1] = (uint8_t)(marker | payload_type);
    big16(out + 2, seq & 0xFFFF);
    big32(out + 4, timestamp);
    big32(out + 8, ssrc);
    big32(out + 12, 0xBEDE0001u);
    big32(out + 16, word);
}

static void spread(track *of, int64_t extended, int marker, uint32_t timestamp, const uint8_t *payload, int size,
                   uint32_t value) {
    wire *w = of->wire;
    for (int index = 0; index < of->live.count; index++) {
        sub *to = of->live.at[index];
        if (extended < to->anchor || !takes(to->lane)) continue;
        uint8_t *out = slot(w);
        memcpy(out + HEADER_OUT, payload, (size_t)size);
        write_header(out, marker, to->payload_type, (uint32_t)(extended + to->seq_offset), timestamp + to->ts_offset,
                     to->ssrc, to->extension | (value & to->extension_mask));
        int total = HEADER_OUT + size;
        if (w->protect(to->lane->tx, out, &total)) {
            w->tally.send_failed++;
            continue;
        }
        ready(w, to->lane, to, total, size);
    }
}

static void note_gap(track *of, int64_t first, int64_t after, int64_t now_ns) {
    if (after - first > MISSING_MAX) {
        of->missed = 0;
        of->needs_key = of->video;
        first = after - MISSING_MAX;
    }
    int fresh = (int)(after - first), over = of->missed + fresh - MISSING_MAX;
    if (over > 0) {
        memmove(of->missing, of->missing + over, (size_t)(of->missed - over) * sizeof *of->missing);
        of->missed -= over;
    }
    for (int64_t extended = first; extended < after; extended++)
        of->missing[of->missed++] = (gap){extended, 0, now_ns + NACK_AFTER_NS};
}

static int was_missing(track *of, int64_t extended) {
    for (int index = 0; index < of->missed; index++)
        if (of->missing[index].extended == extended) {
            of->missed--;
            memmove(of->missing + index, of->missing + index + 1, (size_t)(of->missed - index) * sizeof *of->missing);
            return 1;
        }
    return 0;
}

static void keep(track *of, int64_t extended, int marker, uint32_t timestamp, const uint8_t *payload, int size) {
    kept *place = of->cache + extended % CACHED;
    place->extended = 0;
    if (size > place->room) {
        int room = (size + 127) & ~127;
        free(place->data);
        place->data = malloc((size_t)room);
        place->room = (uint16_t)(place->data != NULL ? room : 0);
        if (place->data == NULL) return; /* then it cannot be sent again */
    }
    if (size) memcpy(place->data, payload, (size_t)size);
    *place = (kept){extended, place->data, (uint16_t)size, place->room, (uint8_t)marker, timestamp};
}

/* Everybody who waited for this packet gets the track from here on. */
static void begin(track *of, int64_t extended, uint32_t timestamp, int64_t now_ns) {
    for (int index = 0; index < of->arriving.count; index++) {
        sub *one = of->arriving.at[index];
        if (one->target == of) {
            if (one->track != NULL && sublist_drop(&one->track->live, one)) rest(one);
            set_track(&one->track, of);
            set_track(&one->target, NULL);
        }
        int64_t elapsed_ns = one->last_ns ? now_ns - one->last_ns : 0, passed = 1;
        if (elapsed_ns > 0)
            passed = elapsed_ns / SECOND_NS * of->clock_rate + elapsed_ns % SECOND_NS * of->clock_rate / SECOND_NS;
        if (passed < 1) passed = 1;
        one->anchor = extended;
        one->seq_offset = (int64_t)one->next_seq - extended;
        one->ts_offset = (uint32_t)(one->last_timestamp + (uint64_t)passed - timestamp);
        one->running = 1;
        sublist_add(&of->live, one);
    }
    of->arriving.count = 0;
}

static void copy_up(track *of, int64_t extended, int marker, uint32_t timestamp, const uint8_t *payload, int size,
                    int64_t at_ns) {
    record head = {.id = of->id, .timestamp = timestamp, .at_ns = at_ns};
    if (of->taped) {
        uint8_t whole[12 + BUFFER];
        whole[0] = 0x80;
        whole[1] = (uint8_t)(marker | of->payload_type);
        big16(whole + 2, (uint32_t)extended & 0xFFFF);
        big32(whole + 4, timestamp);
        big32(whole + 8, of->ssrc);
        memcpy(whole + 12, payload, (size_t)size);
        head.size = (uint32_t)(12 + size), head.kind = UP_TAPE;
        if (!hand_up(of->wire, WAY_TAPES, &head, whole)) of->untaped++;
    }
    if (of->tapped) {
        head.size = (uint32_t)size, head.kind = UP_TAP;
        hand_up(of->wire, WAY_TAPES, &head, payload);
    }
}

/* One packet of a track, in whatever order, to everybody who has it open. `again`: it came by RTX. */
static void accept_packet(track *of, uint16_t seq, int marker, uint32_t timestamp, const uint8_t *payload, int size,
                          int level, int64_t at_ns, int again) {
    wire *w = of->wire;
    int64_t extended;
    if (of->highest < 0) {
        if (again) return;
        extended = of->base = of->highest = 0x10000 + (int64_t)seq;
    } else {
        uint32_t step = (uint32_t)(seq - of->highest) & 0xFFFF;
        if (step && step < 0x8000 && !again) {
            extended = of->highest + step;
            if (step > 1) note_gap(of, of->highest + 1, extended, at_ns);
            of->highest = extended;
        } else {
            extended = of->highest - ((of->highest - seq) & 0xFFFF);
            if (!was_missing(of, extended)) {
                w->tally.duplicate++;
                return;
            }
        }
    }
    of->packets++;
    of->octets += size;
    if (extended == of->highest) of->last_timestamp = timestamp, of->last_ns = at_ns, of->level = level & 0x7F;
    uint32_t value = (uint32_t)level << 16;
    int opens = 1;
    if (of->video) {
        keep(of, extended, marker, timestamp, payload, size);
        value = abs_send_time(now_of(w));
        opens = starts_key_frame(of->codec, payload, size);
        if (opens) of->key_frames++, of->needs_key = 0;
    }
    if (opens && of->arriving.count) begin(of, extended, timestamp, at_ns);
    if (of->taped || of->tapped) copy_up(of, extended, marker, timestamp, payload, size, at_ns);
    spread(of, extended, marker, timestamp, payload, size, value);
}

/* ---------------------------------------------------------------- in */

static void note_arrival(lane *from, uint32_t number, int64_t at_ns) {
    if (from->arrived == ARRIVALS_MAX) return;
    if (from->arrived == from->arrivals_room) {
        int room = from->arrivals_room ? 2 * from->arrivals_room : 64;
        arrival *more = realloc(from->arrivals, (size_t)room * sizeof *more);
        if (more == NULL) return;
        from->arrivals = more;
        from->arrivals_room = room;
    }
    from->arrivals[from->arrived++] = (arrival){(uint16_t)number, at_ns};
}

/* Note the transport-wide number; returns the byte of the audio level, 0 if there is none. */
static int read_extensions(lane *from, const uint8_t *data, int at, int stop, int64_t at_ns) {
    int level = 0;
    while (at < stop) {
        int lead = data[at++];
        if (!lead) continue;
        int known = lead >> 4, size = (lead & 15) + 1;
        if (known == 15 || at + size > stop) break;
        if (known == from->twcc_id) {
            if (size == 2) note_arrival(from, (uint32_t)data[at] << 8 | data[at + 1], at_ns);
        } else if (known == from->level_id && size == 1) {
            level = data[at];
        }
        at += size;
    }
    return level;
}

/* One RTP packet, decrypted and authentic: the peer that holds the keys may still write rubbish. */
static void take_rtp(wire *w, lane *from, uint8_t *data, int size, int64_t at_ns) {
    header head;
    int level = 0;
    if (header_lead(data, size, &head)) {
        w->tally.malformed++;
        return;
    }
    if (head.extensions) level = read_extensions(from, data, head.extensions, head.extensions_end, at_ns);
    if (header_body(data, size, &head)) {
        w->tally.malformed++;
        return;
    }
    from->received++;
    from->heard_ns = at_ns;
    w->tally.received++;
    const uint8_t *payload = data + head.at;
    int length = head.end - head.at;
    track *of = binding_get(&from->by_ssrc, head.ssrc);
    if (of != NULL && head.payload_type == of->payload_type) {
        accept_packet(of, head.seq, head.marker, head.timestamp, payload, length, level, at_ns, 0);
    } else if ((of = binding_get(&from->by_rtx, head.ssrc)) != NULL) {
        if (length >= 2 && head.payload_type == of->rtx_payload_type) {
            uint16_t original = (uint16_t)((uint32_t)payload[0] << 8 | payload[1]);
            w->tally.recovered++;
            accept_packet(of, original, head.marker, head.timestamp, payload + 2, length - 2, level, at_ns, 1);
        }
    } else {
        w->tally.unknown++;
        hand_up_of(from, UP_UNKNOWN, data, size, at_ns);
    }
}

static void take_media(wire *w, lane *from, uint8_t *data, int size, int64_t at_ns) {
    int length = size;
    if (size >= 2 && data[1] >= 192 && data[1] <= 223) {
        if (size < 8 || w->unprotect_rtcp(from->rx, data, &length) || length < 0 || length > size)
            w->tally.forged++;
        else
            hand_up_of(from, UP_RTCP, data, length, at_ns);
    } else if (size < 12 || w->unprotect(from->rx, data, &length)) {
        w->tally.forged++;
    } else if (length < 12 || length > size) {
        w->tally.malformed++;
    } else {
        take_rtp(w, from, data, length, at_ns);
    }
}

/* One datagram. The kinds are told by their first byte (RFC 7983). */
static void take(wire *w, const place *at, uint8_t *data, int size, int64_t at_ns) {
    int first = size ? data[0] : 0;
    if (first >= 128 && first < 192) {
        lane *from = lane_at(w, at);
        if (from == NULL)
            w->tally.stray++;
        else if (size > LARGEST)
            w->tally.oversized++;
        else if (from->tokens <= 0)
            w->tally.flooded++;
        else if (from->rx == NULL || from->cut)
            w->tally.early++;
        else {
            from->tokens--;
            take_media(w, from, data, size, at_ns);
        }
    } else if (size > LARGEST) {
        w->tally.oversized++;
    } else if (first < 4 && size >= 20) {
        hand_up_from(w, UP_STUN, at, data, size);
    } else if (first >= 20 && first < 64 && size >= 13) {
        lane *from = lane_at(w, at);
        if (from == NULL) {
            w->tally.stray++;
            hand_up_from(w, UP_STRAY, at, NULL, 0);
        } else if (from->tokens <= 0) {
            w->tally.flooded++;
        } else if (!from->cut) {
            from->tokens--;
            hand_up_of(from, UP_DTLS, data, size, at_ns);
        }
    } else {
        w->tally.malformed++;
    }
}

/* When the kernel had it, on the monotonic clock. A wall clock that jumps in between, or a kernel without stamps, makes
 * it now. */
static int64_t arrived_ns(const wire *w, struct msghdr *of, int64_t now_ns, int64_t wall_ns) {
    if (w->test_ns) return w->test_ns;
    for (struct cmsghdr *note = CMSG_FIRSTHDR(of); note != NULL; note = CMSG_NXTHDR(of, note))
        if (note->cmsg_level == SOL_SOCKET && note->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec stamp;
            memcpy(&stamp, CMSG_DATA(note), sizeof stamp);
            int64_t ago_ns = wall_ns - ((int64_t)stamp.tv_sec * SECOND_NS + stamp.tv_nsec);
            if (ago_ns >= 0 && ago_ns < SECOND_NS) return now_ns - ago_ns;
        }
    return now_ns;
}

/* Both clocks at the same moment: if the thread was put aside between the two, once more. */
static void read_clocks(const wire *w, int64_t *now_ns, int64_t *wall_ns) {
    for (int tries = 0; tries < 4; tries++) {
        *now_ns = now_of(w);
        *wall_ns = clock_ns(CLOCK_REALTIME);
        if (now_of(w) - *now_ns < SECOND_NS / 1000) return;
    }
}

/* Fill up what each peer may send and ask for; the lock is held. */
void refill(wire *w, int ticks) {
    for (lane *one = w->lanes; one != NULL; one = one->next) {
        int tokens = one->tokens + ticks * PACKETS_A_TICK;
        one->tokens = tokens < BURST ? tokens : BURST;
        one->resends = RESENDS_A_TICK;
    }
}

/* One batch under the lock; the thread lets Python in between when much is sent. */
int step(wire *w, int threaded) {
    if (w->busy) return 0;
    for (int index = 0; index < BATCH; index++) {
        w->in[index].msg_hdr.msg_namelen = sizeof w->in_from[index];
        w->in[index].msg_hdr.msg_controllen = sizeof w->in_note[index];
        w->in[index].msg_hdr.msg_flags = 0;
    }
    int count = recvmmsg(w->fd, w->in, BATCH, MSG_DONTWAIT, NULL);
    if (count <= 0) return 0;
    int64_t now_ns, wall_ns;
    read_clocks(w, &now_ns, &wall_ns);
    w->busy = 1;
    for (int index = 0; index < count; index++) {
        place at;
        place_of(&w->in_from[index], &at);
        int64_t at_ns = arrived_ns(w, &w->in[index].msg_hdr, now_ns, wall_ns);
        take(w, &at, w->in_data[index], (int)w->in[index].msg_len, at_ns);
        if (threaded && w->sent_in_hold + w->waiting_out >= BREATH && atomic_load(&w->wanting)) {
            flush(w);
            pthread_mutex_unlock(&w->lock);
            while (atomic_load(&w->wanting)) sched_yield();
            pthread_mutex_lock(&w->lock);
            w->sent_in_hold = 0;
        }
    }
    flush(w);
    w->busy = 0;
    return count;
}

int wire_step(wire *w) {
    lock_for_python(w);
    int count = step(w, 0);
    unlock_wire(w);
    return count;
}

void wire_tick(wire *w) {
    lock_for_python(w);
    refill(w, 1);
    unlock_wire(w);
}

void wire_feed(wire *w, lane *of, const uint8_t *data, int size, int plain) {
    static const place NOBODY = {.family = AF_INET};
    if (size < 0 || size > BUFFER) return;
    uint8_t *copy = malloc((size_t)size + !size); /* no byte to spare, so that a sanitizer sees one read too many */
    if (copy == NULL) return;
    if (size) memcpy(copy, data, (size_t)size);
    lock_for_python(w);
    if (of != NULL && plain)
        take_rtp(w, of, copy, size, now_of(w));
    else
        take(w, of != NULL ? &of->address : &NOBODY, copy, size, now_of(w));
    flush(w);
    unlock_wire(w);
    free(copy);
}

/* ---------------------------------------------------------------- what Python sends */

int track_inject(track *of, const uint8_t *payload, int size, uint32_t timestamp, int marker) {
    if (size < 0 || size > LARGEST - HEADER_OUT) return 0;
    wire *w = of->wire;
    lock_for_python(w);
    uint16_t seq = (uint16_t)(of->highest + 1);
    accept_packet(of, seq, marker ? 0x80 : 0, timestamp, payload, size, 0, now_of(w), 0);
    flush(w);
    unlock_wire(w);
    return 1;
}

static int resend(sub *to, int seq) {
    wire *w = to->wire;
    track *of = to->track;
    if (of == NULL || to->paused || !to->running || of->cache == NULL || to->lane->resends <= 0) return 0;
    int64_t extended = of->highest - ((of->highest + to->seq_offset - seq) & 0xFFFF);
    if (extended <= 0 || extended < to->anchor) return 0;
    const kept *from = of->cache + extended % CACHED;
    if (from->extended != extended) return 0;
    to->lane->resends--;
    uint8_t *out = slot(w);
    uint32_t number = (uint32_t)seq & 0xFFFF, ssrc = to->ssrc;
    int at = HEADER_OUT, payload_type = to->payload_type;
    if (to->rtx_payload_type) { /* RFC 4588: the original number leads the payload */
        big16(out + at, number);
        at += 2;
        number = to->rtx_seq++, payload_type = to->rtx_payload_type, ssrc = to->rtx_ssrc;
    }
    if (from->size) memcpy(out + at, from->data, from->size);
    uint32_t word = to->extension | (abs_send_time(now_of(w)) & to->extension_mask);
    write_header(out, from->marker, payload_type, number, from->timestamp + to->ts_offset, ssrc, word);
    int total = at + from->size;
    w->tally.resent++;
    if (!takes(to->lane)) return 1;
    if (w->protect(to->lane->tx, out, &total))
        w->tally.send_failed++;
    else
        ready(w, to->lane, NULL, total, 0);
    return 1;
}

int sub_resend(sub *to, int seq) {
    lock_for_python(to->wire);
    int found = resend(to, seq);
    flush(to->wire);
    unlock_wire(to->wire);
    return found;
}

/* Encrypted into the next datagram; the lock is held, and `flush` is still to come. */
int send_rtcp(lane *to, const uint8_t *data, int size) {
    wire *w = to->wire;
    int length = size;
    if (size < 0 || size > LARGEST - 64 || !takes(to)) return 0;
    uint8_t *out = slot(w);
    if (size) memcpy(out, data, (size_t)size);
    if (w->protect_rtcp(to->tx, out, &length)) {
        w->tally.send_failed++;
        return 0;
    }
    ready(w, to, NULL, length, 0);
    return 1;
}

int lane_send_rtcp(lane *to, const uint8_t *data, int size) {
    lock_for_python(to->wire);
    int sent = send_rtcp(to, data, size);
    flush(to->wire);
    unlock_wire(to->wire);
    return sent;
}
