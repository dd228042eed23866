/* Who is where, who gets what: lanes, tracks, subscriptions, and the changes Python makes to them. */
#include <stdlib.h>
#include <string.h>
#include <sched.h>

#include "wire.h"

/* The thread looks at `wanting` before it takes the lock, so that Python never waits behind a row of batches. */
void lock_for_python(wire *w) {
    atomic_fetch_add(&w->wanting, 1);
    pthread_mutex_lock(&w->lock);
    atomic_fetch_sub(&w->wanting, 1);
}

static void unlock_and_destroy(wire *w) {
    pthread_mutex_unlock(&w->lock);
    pthread_mutex_destroy(&w->lock);
    for (int way = 0; way < WAYS; way++) free(w->up[way].data);
    free(w);
}

/* The last one out puts out the light: handles of Python may outlive the wire they belong to. */
void unlock_wire(wire *w) {
    if (w->refs == 0)
        unlock_and_destroy(w);
    else
        pthread_mutex_unlock(&w->lock);
}

/* ---------------------------------------------------------------- small tables */

static int grow(void **at, int count, int *room, size_t each) {
    if (count < *room) return 1;
    int wanted = *room ? 2 * *room : 4;
    void *more = realloc(*at, (size_t)wanted * each);
    if (more == NULL) return 0;
    *at = more;
    *room = wanted;
    return 1;
}

int sublist_add(sublist *list, sub *one) {
    if (!grow((void **)&list->at, list->count, &list->room, sizeof *list->at)) return 0;
    list->at[list->count++] = one;
    return 1;
}

/* Keeps the order, as the pure path does. */
int sublist_drop(sublist *list, const sub *one) {
    for (int index = 0; index < list->count; index++)
        if (list->at[index] == one) {
            list->count--;
            memmove(list->at + index, list->at + index + 1, (size_t)(list->count - index) * sizeof *list->at);
            return 1;
        }
    return 0;
}

track *binding_get(const binding *table, uint32_t ssrc) {
    for (int index = 0; index < table->count; index++)
        if (table->at[index].ssrc == ssrc) return table->at[index].track;
    return NULL;
}

static void lane_unref(lane *);
static void track_unref(track *);

static void binding_drop(binding *table, const track *of) {
    for (int index = table->count - 1; index >= 0; index--)
        if (of == NULL || table->at[index].track == of) {
            track *gone = table->at[index].track;
            table->count--;
            memmove(table->at + index, table->at + index + 1, (size_t)(table->count - index) * sizeof *table->at);
            track_unref(gone);
        }
}

static void binding_set(binding *table, uint32_t ssrc, track *to) {
    for (int index = 0; index < table->count; index++)
        if (table->at[index].ssrc == ssrc) {
            to->refs++;
            track_unref(table->at[index].track);
            table->at[index].track = to;
            return;
        }
    if (!grow((void **)&table->at, table->count, &table->room, sizeof *table->at)) return;
    to->refs++;
    table->at[table->count++] = (bound){ssrc, to};
}

/* ---------------------------------------------------------------- references */

static void track_unref(track *one) {
    if (one == NULL || --one->refs > 0) return;
    wire *w = one->wire;
    for (int index = 0; one->cache != NULL && index < CACHED; index++) free(one->cache[index].data);
    free(one->cache);
    free(one->live.at);
    free(one->arriving.at);
    lane *of = one->lane;
    free(one);
    w->refs--;
    lane_unref(of);
}

static void lane_unref(lane *one) {
    if (one == NULL || --one->refs > 0) return;
    wire *w = one->wire;
    free(one->by_ssrc.at);
    free(one->by_rtx.at);
    free(one->arrivals);
    free(one);
    w->refs--;
}

static void sub_unref(sub *one) {
    if (one == NULL || --one->refs > 0) return;
    wire *w = one->wire;
    lane *of = one->lane;
    free(one);
    w->refs--;
    lane_unref(of);
}

void set_track(track **where, track *to) {
    track *old = *where;
    if (to != NULL) to->refs++;
    *where = to;
    track_unref(old);
}

/* ---------------------------------------------------------------- addresses */

static uint32_t bucket_of(const wire *w, const place *at) {
    uint64_t one, two, sum;
    memcpy(&one, at->ip, 8);
    memcpy(&two, at->ip + 8, 8);
    sum = w->seed ^ one;
    sum = (sum ^ sum >> 29) * 0xBF58476D1CE4E5B9ULL;
    sum = (sum ^ two ^ (uint64_t)at->port << 32 ^ at->scope) * 0x94D049BB133111EBULL;
    return (uint32_t)(sum >> 40) & (BUCKETS - 1);
}

static int same_place(const place *one, const place *other) {
    return one->port == other->port && one->family == other->family && one->scope == other->scope &&
           !memcmp(one->ip, other->ip, sizeof one->ip);
}

lane *lane_at(wire *w, const place *at) {
    lane *one = w->buckets[bucket_of(w, at)];
    while (one != NULL && !same_place(&one->address, at)) one = one->chained;
    return one;
}

static void untable(lane *one) {
    if (!one->tabled) return;
    lane **link = &one->wire->buckets[bucket_of(one->wire, &one->address)];
    while (*link != NULL && *link != one) link = &(*link)->chained;
    if (*link == one) *link = one->chained;
    one->chained = NULL;
    one->tabled = 0;
}

static int place_from(place *at, const uint8_t *ip, int ip_size, int port, uint32_t flow, uint32_t scope) {
    if ((ip_size != 4 && ip_size != 16) || port < 0 || port > 65535) return 0;
    memset(at, 0, sizeof *at);
    memcpy(at->ip, ip, (size_t)ip_size);
    at->family = ip_size == 4 ? AF_INET : AF_INET6;
    at->port = htons((uint16_t)port);
    at->flow = flow;
    at->scope = scope;
    return 1;
}

static socklen_t socket_address(const place *at, struct sockaddr_in6 *into) {
    memset(into, 0, sizeof *into);
    if (at->family == AF_INET6) {
        into->sin6_family = AF_INET6;
        into->sin6_port = at->port;
        into->sin6_flowinfo = htonl(at->flow);
        into->sin6_scope_id = at->scope;
        memcpy(&into->sin6_addr, at->ip, 16);
        return sizeof *into;
    }
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = at->port};
    memcpy(&four.sin_addr, at->ip, 4);
    memcpy(into, &four, sizeof four);
    return sizeof four;
}

/* Where datagrams for this address go; 0 when it is none. */
int target_of(lane *into, const uint8_t *ip, int ip_size, int port, uint32_t flow, uint32_t scope) {
    if (!place_from(&into->address, ip, ip_size, port, flow, scope)) return 0;
    into->target_size = socket_address(&into->address, &into->target);
    return 1;
}

void place_of(const struct sockaddr_in6 *from, place *at) {
    memset(at, 0, sizeof *at);
    at->family = from->sin6_family;
    at->port = from->sin6_port; /* at the same offset in both forms */
    if (at->family == AF_INET6) {
        memcpy(at->ip, &from->sin6_addr, 16);
        at->flow = ntohl(from->sin6_flowinfo);
        at->scope = from->sin6_scope_id;
    } else {
        struct sockaddr_in four;
        memcpy(&four, from, sizeof four);
        memcpy(at->ip, &four.sin_addr, 4);
    }
}

/* ---------------------------------------------------------------- lanes */

lane *lane_open(wire *w, uint32_t id) {
    lane *one = calloc(1, sizeof *one);
    if (one == NULL) return NULL;
    lock_for_python(w);
    w->refs++;
    *one = (lane){.wire = w, .refs = 1, .id = id, .open = 1, .tokens = BURST, .resends = RESENDS_A_TICK};
    one->told_next = -1;
    one->next = w->lanes;
    if (w->lanes != NULL) w->lanes->before = one;
    w->lanes = one;
    unlock_wire(w);
    return one;
}

static void close_locked(lane *one) {
    untable(one);
    if (one->open) {
        if (one->before != NULL)
            one->before->next = one->next;
        else
            one->wire->lanes = one->next;
        if (one->next != NULL) one->next->before = one->before;
        one->next = one->before = NULL;
        one->open = 0;
    }
    one->rx = one->tx = NULL;
    binding_drop(&one->by_ssrc, NULL);
    binding_drop(&one->by_rtx, NULL);
}

void lane_close(lane *one) {
    wire *w = one->wire;
    lock_for_python(w);
    close_locked(one);
    unlock_wire(w);
}

/* Python's handle is gone. */
void lane_free(lane *one) {
    wire *w = one->wire;
    lock_for_python(w);
    close_locked(one);
    lane_unref(one);
    unlock_wire(w);
}

void lane_move(lane *one, const uint8_t *ip, int ip_size, int port, uint32_t flow, uint32_t scope) {
    place at;
    if (!place_from(&at, ip, ip_size, port, flow, scope)) return;
    wire *w = one->wire;
    lock_for_python(w);
    untable(one);
    lane *other = lane_at(w, &at);
    if (other != NULL) untable(other); /* whoever proved it last has it */
    one->address = at;
    one->target_size = socket_address(&at, &one->target);
    one->placed = 1;
    if (one->open) {
        lane **bucket = &w->buckets[bucket_of(w, &at)];
        one->chained = *bucket;
        *bucket = one;
        one->tabled = 1;
    }
    unlock_wire(w);
}

void lane_keys(lane *one, void *rx, void *tx) {
    lock_for_python(one->wire);
    if (one->open) one->rx = rx, one->tx = tx;
    unlock_wire(one->wire);
}

void lane_extensions(lane *one, int twcc, int level) {
    lock_for_python(one->wire);
    one->twcc_id = twcc, one->level_id = level;
    unlock_wire(one->wire);
}

void lane_cut(lane *one, int cut) {
    lock_for_python(one->wire);
    one->cut = cut;
    unlock_wire(one->wire);
}

int lane_take_arrivals(lane *one, uint16_t *numbers, int64_t *times_ns, int room) {
    lock_for_python(one->wire);
    int count = one->arrived < room ? one->arrived : room;
    for (int index = 0; index < count; index++) {
        numbers[index] = one->arrivals[index].number;
        times_ns[index] = one->arrivals[index].at_ns;
    }
    one->arrived = 0;
    unlock_wire(one->wire);
    return count;
}

/* ---------------------------------------------------------------- tracks */

track *track_publish(wire *w, lane *of, uint32_t id, int video, int codec, int clock_rate, int payload_type,
                     int rtx_payload_type, uint32_t ssrc) {
    track *one = calloc(1, sizeof *one);
    if (one == NULL) return NULL;
    kept *cache = video ? calloc(CACHED, sizeof *cache) : NULL;
    if (video && cache == NULL) {
        free(one);
        return NULL;
    }
    lock_for_python(w);
    w->refs++;
    *one = (track){.wire = w, .refs = 1, .id = id, .lane = of, .video = video, .codec = codec, .cache = cache};
    one->clock_rate = clock_rate, one->payload_type = payload_type, one->rtx_payload_type = rtx_payload_type;
    one->ssrc = ssrc, one->highest = -1, one->level = 127;
    if (of != NULL) of->refs++;
    unlock_wire(w);
    return one;
}

static void restart(track *one) {
    for (int index = 0; index < one->live.count; index++) {
        sub *of = one->live.at[index];
        rest(of);
        sublist_add(&one->arriving, of);
    }
    one->live.count = 0;
    one->highest = -1, one->base = one->packets = 0, one->missed = 0;
    one->expected_before = one->received_before = 0;
    for (int index = 0; one->cache != NULL && index < CACHED; index++) one->cache[index].extended = 0;
    one->needs_key = one->video;
}

void track_bind(track *one, uint32_t ssrc, uint32_t rtx_ssrc) {
    wire *w = one->wire;
    lock_for_python(w);
    lane *of = one->lane;
    if (of != NULL && of->open && !one->closed) {
        if (binding_get(&of->by_ssrc, ssrc) != one) {
            binding_drop(&of->by_ssrc, one);
            binding_set(&of->by_ssrc, ssrc, one);
            restart(one);
        }
        one->ssrc = ssrc;
        if (rtx_ssrc) {
            binding_drop(&of->by_rtx, one);
            binding_set(&of->by_rtx, rtx_ssrc, one);
        }
    }
    unlock_wire(w);
}

void track_copies(track *one, int taped, int tapped) {
    lock_for_python(one->wire);
    one->taped = taped && !one->closed, one->tapped = tapped && !one->closed;
    unlock_wire(one->wire);
}

void track_forget_missing(track *one) {
    lock_for_python(one->wire);
    one->missed = 0;
    unlock_wire(one->wire);
}

/* What is to be asked for again now; what was asked for often enough is given up, and a new picture is wanted. */
int lost(track *one, int64_t now_ns, uint16_t *numbers, int room) {
    int found = 0, left = 0;
    for (int index = 0; index < one->missed; index++) {
        gap of = one->missing[index];
        if (of.due_ns <= now_ns && of.tries >= NACK_TRIES) {
            one->needs_key = one->video;
            continue;
        }
        if (of.due_ns <= now_ns && found < room) {
            numbers[found++] = (uint16_t)of.extended;
            of.tries++;
            of.due_ns = now_ns + NACK_EVERY_NS;
        }
        one->missing[left++] = of;
    }
    one->missed = left;
    return found;
}

int track_lost(track *one, int64_t now_ns, uint16_t *numbers, int room) {
    lock_for_python(one->wire);
    int found = lost(one, now_ns, numbers, room);
    unlock_wire(one->wire);
    return found;
}

int track_subscribers(track *one, int arriving, uint32_t *ids, int room) {
    lock_for_python(one->wire);
    const sublist *list = arriving ? &one->arriving : &one->live;
    int count = list->count;
    for (int index = 0; index < count && index < room; index++) ids[index] = list->at[index]->id;
    unlock_wire(one->wire);
    return count;
}

/* ---------------------------------------------------------------- subscriptions */

sub *sub_new(lane *of, uint32_t id, int paused, uint16_t next_seq, uint32_t last_timestamp, uint16_t rtx_seq) {
    sub *one = calloc(1, sizeof *one);
    if (one == NULL) return NULL;
    wire *w = of->wire;
    lock_for_python(w);
    w->refs++;
    of->refs++;
    *one = (sub){.wire = w, .refs = 1, .id = id, .lane = of, .paused = paused};
    one->next_seq = next_seq, one->last_timestamp = last_timestamp, one->rtx_seq = rtx_seq;
    unlock_wire(w);
    return one;
}

/* Remember where its numbers stand, so that the next packet, whenever it comes, follows on. */
void rest(sub *one) {
    const track *from = one->track;
    if (from != NULL && one->running && from->highest >= one->anchor) {
        one->next_seq = (uint16_t)(from->highest + one->seq_offset + 1);
        one->last_timestamp = from->last_timestamp + one->ts_offset;
        one->last_ns = from->last_ns;
    }
    one->running = 0;
}

static void arrive(sub *one, track *to) {
    sublist_add(&to->arriving, one);
    to->needs_key = to->video;
}

/* Off every list; with `keep` what runs goes on and only a switch under way is given up. */
static void leave(sub *one, int keep) {
    if (one->target != NULL) {
        sublist_drop(&one->target->arriving, one);
        set_track(&one->target, NULL);
    }
    if (keep || one->track == NULL) return;
    if (sublist_drop(&one->track->live, one))
        rest(one);
    else
        sublist_drop(&one->track->arriving, one);
    set_track(&one->track, NULL);
}

static void layer(sub *one, track *to) {
    track *old = one->track;
    int same = old != NULL && to != NULL && old->lane == to->lane && !one->paused && one->running;
    if (to == old && one->target == NULL) return;
    leave(one, same);
    if (to == NULL || to->closed) return;
    if (!same) {
        set_track(&one->track, to);
    } else {
        set_track(&one->target, to != old ? to : NULL);
        if (one->target == NULL) return;
    }
    uint32_t known = (uint32_t)one->extension_id & 15;
    one->extension = known ? known << 28 | (to->video ? 2u << 24 : 0) : 0;
    one->extension_mask = known ? (to->video ? 0xFFFFFFu : 0xFF0000u) : 0;
    if (!one->paused) arrive(one, to);
}

static void pause_sub(sub *one, int paused) {
    if (one->paused == paused) return;
    track *of = one->target != NULL ? one->target : one->track;
    if (of != NULL) of->refs++;
    leave(one, 0);
    one->paused = paused;
    set_track(&one->track, of);
    if (of != NULL && !paused && !of->closed) arrive(one, of);
    track_unref(of);
}

void wire_swap(wire *w, const change *changes, int count) {
    lock_for_python(w);
    for (int index = 0; index < count; index++) {
        const change *one = changes + index;
        sub *of = one->sub;
        if (one->kind == CHANGE_LAYER) {
            layer(of, one->track);
        } else if (one->kind == CHANGE_PAUSE) {
            pause_sub(of, one->paused);
        } else if (one->kind == CHANGE_SINK) {
            of->payload_type = one->payload_type & 0x7F, of->rtx_payload_type = one->rtx_payload_type & 0x7F;
            of->extension_id = one->extension_id, of->ssrc = one->ssrc, of->rtx_ssrc = one->rtx_ssrc;
        }
    }
    unlock_wire(w);
}

void sub_leave(sub *one) {
    wire *w = one->wire;
    lock_for_python(w);
    leave(one, 0);
    unlock_wire(w);
}

/* Python's handle is gone. */
void sub_free(sub *one) {
    wire *w = one->wire;
    lock_for_python(w);
    leave(one, 0);
    sub_unref(one);
    unlock_wire(w);
}

static void unpublish(track *one) {
    one->closed = 1;
    one->taped = one->tapped = 0;
    for (sublist *list = &one->live; list != NULL; list = list == &one->live ? &one->arriving : NULL)
        while (list->count) {
            sub *first = list->at[0];
            leave(first, 0);
            sublist_drop(list, first);
        }
    if (one->lane != NULL) {
        binding_drop(&one->lane->by_ssrc, one);
        binding_drop(&one->lane->by_rtx, one);
    }
}

void track_unpublish(track *one) {
    wire *w = one->wire;
    lock_for_python(w);
    unpublish(one);
    unlock_wire(w);
}

/* Python's handle is gone. */
void track_free(track *one) {
    wire *w = one->wire;
    lock_for_python(w);
    unpublish(one);
    track_unref(one);
    unlock_wire(w);
}
