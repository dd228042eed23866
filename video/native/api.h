/* The functions that Python calls; also read by cffi, so nothing but declarations here. Every one of them takes the
 * lock by itself, and none may be called from two Python threads at once for the same wire. */

/* NULL: out of memory or descriptors. `fd` is copied. */
wire *wire_new(int fd, void *protect, void *unprotect, void *protect_rtcp, void *unprotect_rtcp, uint64_t seed);
void wire_free(wire *);
int wire_start(wire *);
void wire_stop(wire *);
int wire_wake_fd(wire *);
/* The wake-up was seen; the next record rings again. */
void wire_awake(wire *);
void wire_ring(wire *);
/* For tests: what the time is. 0 gives the machine's clocks back. */
void wire_clock(wire *, int64_t now_ns);
void wire_tick(wire *);
/* What the thread tells publishers at each tick. */
void wire_feedback(wire *);
/* Work through what lies in the socket, at most one batch. */
int wire_step(wire *);
/* For tests: one datagram, as if it had come from this lane's address (or from nobody's, NULL). Decrypted already when
 * `plain`. */
void wire_feed(wire *, lane *, const uint8_t *data, int size, int plain);
/* Whole records, oldest first, as many as fit; returns bytes. */
long wire_take(wire *, int way, uint8_t *into, long room);
void wire_send_raw(wire *, const uint8_t *ip, int ip_size, int port, uint32_t flow, uint32_t scope, const uint8_t *data,
                   int size);

lane *lane_open(wire *, uint32_t id);
void lane_free(lane *);
void lane_move(lane *, const uint8_t *ip, int ip_size, int port, uint32_t flow, uint32_t scope);
void lane_keys(lane *, void *rx, void *tx);
void lane_extensions(lane *, int twcc, int level);
void lane_cut(lane *, int cut);
void lane_close(lane *);
int lane_send_rtcp(lane *, const uint8_t *data, int size);
int lane_take_arrivals(lane *, uint16_t *numbers, int64_t *times_ns, int room);

/* `lane` NULL: what is sent is injected. */
track *track_publish(wire *, lane *, uint32_t id, int video, int codec, int clock_rate, int payload_type,
                     int rtx_payload_type, uint32_t ssrc);
void track_free(track *);
void track_bind(track *, uint32_t ssrc, uint32_t rtx_ssrc);
void track_unpublish(track *);
void track_copies(track *, int taped, int tapped);
int track_inject(track *, const uint8_t *payload, int size, uint32_t timestamp, int marker);
int track_lost(track *, int64_t now_ns, uint16_t *numbers, int room);
void track_forget_missing(track *);
void track_reported(track *, uint32_t ntp, int64_t now_ns);
/* Ids of the subscriptions that run (`arriving` 0) or wait; returns how many there are, which may be more than fit. */
int track_subscribers(track *, int arriving, uint32_t *ids, int room);

sub *sub_new(lane *, uint32_t id, int paused, uint16_t next_seq, uint32_t last_timestamp, uint16_t rtx_seq);
void sub_free(sub *);
void sub_leave(sub *);
int sub_resend(sub *, int seq);
/* All of these at once: no packet passes between the first and the last. */
void wire_swap(wire *, const change *, int count);
