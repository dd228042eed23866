/* The load generator's inner loop: declarations, also read by cffi. Times are nanoseconds of CLOCK_REALTIME. */
load *load_new(void *protect, void *unprotect);
void load_free(load *);
/* `fd` is a bound UDP socket of the caller's; `target` in network order. -1: no memory. */
int load_add(load *, int fd, uint32_t target_ip, uint16_t target_port, void *tx, void *rx, int sends, int measures,
             uint32_t audio_ssrc, uint32_t video_ssrc);
int load_start(load *);
void load_stop(load *);
void load_sending(load *, int on);
/* Forget what was counted until now. */
void load_reset(load *);
int64_t load_sent(load *);
int64_t load_heard(load *);
int64_t load_late(load *);
long load_delays(load *, int64_t *into, long room);
/* One datagram that is no media, and whose it is; its size, 0 when there is none. */
int load_other(load *, int *peer, uint8_t *into, int room);
