/* The hot path in C: what the rest of it shares. Own code; libsrtp's functions are handed in by address.
 *
 * One lock guards everything below `wire`. The thread takes it for each batch of datagrams and has sent all it made of
 * them before it lets go, so whatever Python changes holds for every packet from the return of the call on. Objects are
 * counted: Python's handle is one reference, each pointer from one object to another is one more.
 *
 * Rules are those of video/forward.py, number for number; tests compare the two.
 */
#ifndef VIDEO_WIRE_H
#define VIDEO_WIRE_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#ifndef SCM_TIMESTAMPNS
#define SCM_TIMESTAMPNS SO_TIMESTAMPNS
#endif

enum {
    LARGEST = 1600,        /* bytes of the largest datagram that is looked at */
    BUFFER = 2048,         /* LARGEST, a header of ours, and what SRTP adds (at most 148) */
    HEADER_OUT = 20,
    CACHED = 512,
    MISSING_MAX = 128,
    NACK_TRIES = 5,
    PACKETS_A_TICK = 150,
    BURST = 900,
    RESENDS_A_TICK = 60,
    ARRIVALS_MAX = 2000,
    BATCH = 64,            /* datagrams of one recvmmsg or sendmmsg */
    BREATH = 256,          /* sent under one hold of the lock, before others get their turn */
    BUCKETS = 4096,
    TICK_MS = 50,
    REST_NS = 2000000,      /* the thread rests so long between two batches: waking up costs more than forwarding */
    LONG_REST_NS = 5000000, /* and so long after a small batch, where waking up is most of the cost */
    SMALL_BATCH = 12
};
#define NACK_EVERY_NS 100000000LL
#define NACK_AFTER_NS 20000000LL
#define SECOND_NS 1000000000LL

enum codec { CODEC_OTHER = 0, CODEC_VP8 = 1, CODEC_H264 = 2 };

/* Three ways up, each with room of its own: strangers cannot crowd out reports, reports no tape. */
enum way { WAY_LANES = 0, WAY_STRANGERS = 1, WAY_TAPES = 2, WAYS = 3 };
enum record_kind { UP_STUN = 1, UP_DTLS = 2, UP_RTCP = 3, UP_UNKNOWN = 4, UP_STRAY = 5, UP_TAPE = 6, UP_TAP = 7 };

/* What stands before each datagram on its way up; Python unpacks it as "=IBBHIIIIq16s". */
typedef struct {
    uint32_t size; /* of the bytes that follow */
    uint8_t kind;
    uint8_t six; /* 1: an IPv6 address */
    uint16_t port;
    uint32_t id; /* of the lane or track */
    uint32_t timestamp;
    uint32_t flow;
    uint32_t scope;
    int64_t at_ns;
    uint8_t ip[16];
} record;

typedef struct {
    uint8_t *data;
    uint32_t size; /* a power of two */
    _Atomic uint32_t head; /* written by whoever holds the lock */
    _Atomic uint32_t tail; /* written by the one reader */
} ring;

typedef struct {
    int64_t received, sent, stray, early, oversized, malformed, forged, flooded, unknown, duplicate, send_failed;
    int64_t resent, recovered, overflow, nacked, key_frames_asked;
} tally;

typedef struct wire wire;
typedef struct lane lane;
typedef struct track track;
typedef struct sub sub;

typedef struct {
    uint8_t ip[16];
    uint16_t port; /* network order, as all of it */
    uint16_t family;
    uint32_t flow, scope;
} place;

typedef struct {
    uint32_t ssrc;
    track *track;
} bound;

typedef struct {
    bound *at;
    int count, room;
} binding;

typedef struct {
    sub **at;
    int count, room;
} sublist;

typedef struct {
    uint16_t number;
    int64_t at_ns;
} arrival;

typedef struct {
    int64_t extended;
    int tries;
    int64_t due_ns;
} gap;

typedef struct {
    int64_t extended; /* 0: nothing here (numbers begin above 65,535) */
    uint8_t *data;
    uint16_t size, room;
    uint8_t marker;
    uint32_t timestamp;
} kept;

struct lane {
    wire *wire;
    int refs;
    uint32_t id;
    lane *next, *before, *chained; /* of all open ones; of those in one bucket */
    int open, placed, tabled;
    place address;
    struct sockaddr_in6 target; /* the address as the kernel wants it */
    socklen_t target_size;
    void *rx, *tx;
    int twcc_id, level_id, cut;
    int tokens, resends;
    int64_t received, heard_ns;
    binding by_ssrc, by_rtx;
    arrival *arrivals;
    int arrived, arrivals_room;
    int64_t told_next; /* the first transport-wide number that was not reported yet; -1: none came */
    uint8_t told_count;
};

struct track {
    wire *wire;
    int refs;
    uint32_t id;
    lane *lane;
    int video, codec, clock_rate, payload_type, rtx_payload_type;
    uint32_t ssrc;
    sublist live, arriving;
    kept *cache; /* CACHED of them for a picture, none for a voice */
    gap missing[MISSING_MAX];
    int missed;
    int64_t base, highest, last_ns, packets, octets, key_frames, untaped;
    uint32_t last_timestamp;
    int needs_key, level, taped, tapped, closed;
    int64_t asked_ns;               /* when a key frame was last asked for */
    int64_t report_ns;              /* when its last sender report came, 0: none */
    uint32_t report_ntp;            /* the middle of that report's time */
    int64_t expected_before, received_before; /* at our last report */
};

struct sub {
    wire *wire;
    int refs;
    uint32_t id;
    lane *lane;
    track *track, *target;
    int payload_type, rtx_payload_type, extension_id;
    uint32_t ssrc, rtx_ssrc;
    int paused, running;
    int64_t anchor, seq_offset, last_ns, packets, octets;
    uint32_t ts_offset, last_timestamp, extension, extension_mask;
    uint16_t next_seq, rtx_seq;
};

typedef int (*srtp_call)(void *, void *, int *);

struct wire {
    pthread_mutex_t lock;
    atomic_int wanting; /* Python threads that wait for the lock: the thread lets them go first */
    int refs;           /* its own and one for each object */
    int fd, wake, halt;
    pthread_t thread;
    int running;
    atomic_int halting, signalled;
    srtp_call protect, unprotect, protect_rtcp, unprotect_rtcp;
    uint64_t seed;
    lane *lanes;
    lane *buckets[BUCKETS];
    uint32_t last_id;
    tally tally;
    ring up[WAYS];
    int64_t test_ns;  /* 0: the clocks of the machine */
    int64_t ticked_ns;
    int busy;         /* a batch is being worked through: its buffers are taken */
    int waiting_out;  /* datagrams made and not sent yet */
    int sent_in_hold;
    unsigned beats;   /* of feedback */
    struct mmsghdr out[BATCH];
    struct iovec out_part[BATCH];
    sub *out_of[BATCH];
    uint16_t out_octets[BATCH];
    uint8_t out_data[BATCH][BUFFER];
    struct mmsghdr in[BATCH];
    struct iovec in_part[BATCH];
    struct sockaddr_in6 in_from[BATCH];
    uint8_t in_note[BATCH][128];
    uint8_t in_data[BATCH][BUFFER];
};

/* One change of the matrix; Python hands down as many as belong together. */
enum change_kind { CHANGE_LAYER = 1, CHANGE_PAUSE = 2, CHANGE_SINK = 3 };
typedef struct {
    sub *sub;
    track *track; /* of CHANGE_LAYER; may be NULL */
    int kind, paused;
    int payload_type, rtx_payload_type, extension_id;
    uint32_t ssrc, rtx_ssrc;
} change;

/* ring.c */
int ring_put(ring *, uint32_t capacity, const record *, const uint8_t *data);
uint32_t ring_used(const ring *);
long ring_take(ring *, uint8_t *into, long room);

/* packet.c */
typedef struct {
    uint32_t ssrc, timestamp;
    uint16_t seq;
    int marker, payload_type, at, end, extensions, extensions_end; /* extensions 0: none of the one-byte form */
} header;
enum { HEADER_GOOD = 0, HEADER_BAD = -1 };
int header_lead(const uint8_t *data, int size, header *);
int header_body(const uint8_t *data, int size, header *);
int starts_key_frame(int codec, const uint8_t *payload, int size);

/* tables.c */
void lock_for_python(wire *);
void unlock_wire(wire *);
lane *lane_at(wire *, const place *);
track *binding_get(const binding *, uint32_t ssrc);
int sublist_add(sublist *, sub *);
int sublist_drop(sublist *, const sub *);
void rest(sub *);
void set_track(track **, track *);
int target_of(lane *, const uint8_t *ip, int ip_size, int port, uint32_t flow, uint32_t scope);
void place_of(const struct sockaddr_in6 *, place *);
int lost(track *, int64_t now_ns, uint16_t *numbers, int room);

/* forward.c */
int64_t clock_ns(clockid_t);
int step(wire *, int threaded);
void refill(wire *, int ticks);
void flush(wire *);
int send_rtcp(lane *, const uint8_t *data, int size);

/* feedback.c */
void feedback(wire *, int64_t now_ns);

/* What Python calls: see api.h, where each has its words. */
#include "api.h"
#endif
