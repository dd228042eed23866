/* What publishers are told, every tick: what was lost, when what arrived, and when a picture is due. The same packets as
 * video/feedback.py and video/packets.py make, byte for byte; tests compare them. Written by the thread itself, so that
 * no publisher takes an event loop that is busy for a line that is bad. */
#include <string.h>

#include "wire.h"

enum {
    OWN_SSRC = 1,
    TRANSPORT_EVERY = 2, /* ticks */
    REPORT_EVERY = 20,
    BLOCKS_MAX = 31,
    STATUSES_MAX = 1000, /* and as many bytes of deltas: a packet fits one datagram */
    PACKETS_MAX = 5,
    RUN_LEAST = 7,
    RUN_MAX = 0x1FFF,
    RR = 201,
    RTPFB = 205,
    PSFB = 206
};
#define DELTA_NS 250000LL
#define REFERENCE_NS 64000000LL
#define KEY_FRAME_EVERY_NS 500000000LL

typedef struct {
    int64_t extended, at_ns;
} seen;

static uint8_t *put16(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)(value >> 8), at[1] = (uint8_t)value;
    return at + 2;
}

static uint8_t *put32(uint8_t *at, uint32_t value) { return put16(put16(at, value >> 16), value); }

/* Version, count or form, type and length in words of the packet that ends at `end` (RFC 3550, section 6.4). */
static void lead(uint8_t *packet, int form, int type, const uint8_t *end) {
    packet[0] = (uint8_t)(0x80 | form);
    packet[1] = (uint8_t)type;
    put16(packet + 2, (uint32_t)(end - packet) / 4 - 1);
}

/* ---------------------------------------------------------------- transport-wide feedback */

/* Numbers in full, in rising order, each with its first arrival; returns how many. */
static int in_order(lane *of, seen *into) {
    int count = 0;
    int64_t near = of->told_next;
    for (int index = 0; index < of->arrived; index++) {
        uint32_t step = (uint32_t)(of->arrivals[index].number - near) & 0xFFFF;
        int64_t extended = near + step - (step >= 0x8000 ? 0x10000 : 0);
        int at = count;
        while (at && into[at - 1].extended > extended) at--;
        if (at && into[at - 1].extended == extended) continue;
        memmove(into + at + 1, into + at, (size_t)(count - at) * sizeof *into);
        into[at] = (seen){extended, of->arrivals[index].at_ns};
        count++;
        if (extended > near) near = extended;
    }
    of->arrived = 0;
    return count;
}

/* Run-length chunks where seven or more are alike, else vectors of seven two-bit symbols
 * (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1). */
static uint8_t *chunks(uint8_t *out, const uint8_t *statuses, int count) {
    for (int at = 0; at < count;) {
        int run = 1;
        while (at + run < count && statuses[at + run] == statuses[at] && run < RUN_MAX) run++;
        if (run >= RUN_LEAST || at + run == count) {
            out = put16(out, (uint32_t)statuses[at] << 13 | (uint32_t)run);
            at += run;
            continue;
        }
        uint32_t vector = 0xC000;
        for (int index = 0; index < RUN_LEAST && at + index < count; index++)
            vector |= (uint32_t)statuses[at + index] << (12 - 2 * index);
        out = put16(out, vector);
        at += RUN_LEAST;
    }
    return out;
}

/* One packet of the numbers from `first` to below `until`, or to where a time no longer fits; returns the next number.
 * `from` is the first of them that arrived. */
static int64_t transport_packet(lane *of, int64_t first, int64_t until, const seen *from, const seen *end) {
    uint8_t packet[12 + 8 + 2 * STATUSES_MAX + STATUSES_MAX + 8], statuses[STATUSES_MAX], deltas[STATUSES_MAX + 2];
    int64_t base = from->extended, number = first, reference = from->at_ns / REFERENCE_NS;
    int64_t before = reference * (REFERENCE_NS / DELTA_NS);
    int count = 0, size = 0;
    for (; number < until && size < STATUSES_MAX; number++) {
        if (from == end || from->extended != number) {
            statuses[count++] = 0;
            continue;
        }
        int64_t delta = from->at_ns / DELTA_NS - before;
        if (delta < -0x8000 || delta > 0x7FFF) break;
        before += delta;
        from++;
        if (delta >= 0 && delta <= 255) {
            statuses[count++] = 1;
            deltas[size++] = (uint8_t)delta;
        } else {
            statuses[count++] = 2;
            put16(deltas + size, (uint32_t)delta & 0xFFFF);
            size += 2;
        }
    }
    uint8_t *out = put32(put32(packet + 4, OWN_SSRC), of->by_ssrc.count ? of->by_ssrc.at[0].ssrc : 0);
    out = put16(put16(out, (uint32_t)first & 0xFFFF), (uint32_t)count);
    out = put32(out, ((uint32_t)reference & 0xFFFFFF) << 8 | of->told_count++);
    out = chunks(out, statuses, count);
    memcpy(out, deltas, (size_t)size);
    out += size;
    int padding = -(int)(out - packet) & 3;
    for (int index = 0; index < padding; index++) *out++ = (uint8_t)(index == padding - 1 ? padding : 0);
    lead(packet, padding ? 0x2F : 0x0F, RTPFB, out);
    send_rtcp(of, packet, (int)(out - packet));
    return number > base ? number : base + 1;
}

/* Every number up to the newest is reported, seen or not, whatever its SSRC. */
static void transport(lane *of) {
    seen found[ARRIVALS_MAX];
    if (of->told_next < 0) of->told_next = 0x10000 + (int64_t)of->arrivals[0].number;
    int count = in_order(of, found);
    const seen *from = found, *end = found + count;
    int64_t last = found[count - 1].extended, first = of->told_next < from->extended ? of->told_next : from->extended;
    if (first < last - PACKETS_MAX * STATUSES_MAX) first = last - PACKETS_MAX * STATUSES_MAX;
    if (of->told_next < last + 1) of->told_next = last + 1;
    while (first <= last) {
        int64_t until = first + STATUSES_MAX < last + 1 ? first + STATUSES_MAX : last + 1;
        while (from < end && from->extended < first) from++;
        first = from == end || from->extended >= until ? until : transport_packet(of, first, until, from, end);
    }
}

/* ---------------------------------------------------------------- what is missing */

/* One generic NACK (RFC 4585, section 6.2.1): a number, and a bit for each of the sixteen after it. */
static void ask_again(lane *of, uint32_t ssrc, const uint16_t *numbers, int count) {
    uint8_t packet[12 + 4 * MISSING_MAX], *out = put32(put32(packet + 4, OWN_SSRC), ssrc);
    for (int index = 0; index < count;) {
        uint32_t first = numbers[index++], mask = 0, step;
        while (index < count && (step = (numbers[index] - first) & 0xFFFF) >= 1 && step <= 16) {
            mask |= 1u << (step - 1);
            index++;
        }
        out = put16(put16(out, first), mask);
    }
    lead(packet, 1, RTPFB, out);
    send_rtcp(of, packet, (int)(out - packet));
}

static void picture(lane *of, track *one, int64_t now_ns) {
    wire *w = of->wire;
    uint16_t numbers[MISSING_MAX];
    int count = one->missed ? lost(one, now_ns, numbers, MISSING_MAX) : 0;
    if (count) {
        w->tally.nacked += count;
        ask_again(of, one->ssrc, numbers, count);
    }
    if (!one->needs_key || !(one->live.count || one->arriving.count || one->taped)) return;
    if (one->asked_ns && now_ns - one->asked_ns < KEY_FRAME_EVERY_NS) return;
    one->asked_ns = now_ns;
    w->tally.key_frames_asked++;
    uint8_t packet[12]; /* a picture loss indication: RFC 4585, section 6.3.1 */
    lead(packet, 1, PSFB, put32(put32(packet + 4, OWN_SSRC), one->ssrc));
    send_rtcp(of, packet, sizeof packet);
}

/* ---------------------------------------------------------------- receiver reports */

/* Seconds since the last sender report in 1/65536, 0 when there was none. */
static uint32_t waited(const track *one, int64_t now_ns) {
    int64_t since_ns = now_ns - one->report_ns, whole = since_ns / SECOND_NS;
    if (!one->report_ns) return 0;
    if (whole > 0xFFFF) return 0xFFFFFFFF;
    return (uint32_t)(whole << 16 | (since_ns % SECOND_NS << 16) / SECOND_NS);
}

static void report(lane *of, int64_t now_ns) {
    uint8_t packet[8 + 24 * BLOCKS_MAX], *out = put32(packet + 4, OWN_SSRC);
    int count = 0;
    for (int index = 0; index < of->by_ssrc.count; index++) {
        track *one = of->by_ssrc.at[index].track;
        if (one->highest < 0) continue;
        int64_t expected = one->highest - one->base + 1, due = expected - one->expected_before;
        int64_t missing = due - (one->packets - one->received_before), share = 0, total = expected - one->packets;
        one->expected_before = expected, one->received_before = one->packets;
        if (due > 0 && missing > 0) share = missing * 256 / due < 255 ? missing * 256 / due : 255;
        if (total < 0) total = 0;
        if (total > 0x7FFFFF) total = 0x7FFFFF;
        if (count == BLOCKS_MAX) continue;
        count++;
        out = put32(put32(out, one->ssrc), (uint32_t)share << 24 | (uint32_t)total);
        out = put32(put32(out, (uint32_t)one->highest), 0);
        out = put32(put32(out, one->report_ntp), waited(one, now_ns));
    }
    if (!count) return;
    lead(packet, count, RR, out);
    send_rtcp(of, packet, (int)(out - packet));
}

/* The lock is held, and nothing else waits to be sent. */
void feedback(wire *w, int64_t now_ns) {
    w->beats++;
    for (lane *of = w->lanes; of != NULL; of = of->next) {
        if (of->tx == NULL) continue;
        if (w->beats % TRANSPORT_EVERY == 0 && of->arrived) transport(of);
        for (int index = 0; index < of->by_ssrc.count; index++) {
            track *one = of->by_ssrc.at[index].track;
            if (one->video)
                picture(of, one, now_ns);
            else
                one->missed = 0;
        }
        if (w->beats % REPORT_EVERY == 0) report(of, now_ns);
    }
    flush(w);
}

void wire_feedback(wire *w) {
    lock_for_python(w);
    feedback(w, w->test_ns ? w->test_ns : clock_ns(CLOCK_MONOTONIC));
    unlock_wire(w);
}

void track_reported(track *one, uint32_t ntp, int64_t now_ns) {
    lock_for_python(one->wire);
    one->report_ntp = ntp, one->report_ns = now_ns;
    unlock_wire(one->wire);
}
