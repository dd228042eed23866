/* A bounded way up: one writer (who holds the lock), one reader (the event loop), no waiting on either side. */
#include <stdlib.h>
#include <string.h>

#include "wire.h"

static uint32_t rounded(uint32_t size) { return (size + 7u) & ~7u; }

static void put(ring *way, uint32_t at, const void *data, uint32_t size) {
    uint32_t from = at & (way->size - 1), first = way->size - from;
    if (first > size) first = size;
    memcpy(way->data + from, data, first);
    memcpy(way->data, (const uint8_t *)data + first, size - first);
}

static void get(const ring *way, uint32_t at, void *into, uint32_t size) {
    uint32_t from = at & (way->size - 1), first = way->size - from;
    if (first > size) first = size;
    memcpy(into, way->data + from, first);
    memcpy((uint8_t *)into + first, way->data, size - first);
}

/* 0 when there is no room: the record is lost, and its loss is the caller's to count. Memory is taken when the first
 * record comes; `capacity` is a power of two. */
int ring_put(ring *way, uint32_t capacity, const record *head, const uint8_t *data) {
    if (way->data == NULL) {
        way->data = malloc(capacity);
        if (way->data == NULL) return 0;
        way->size = capacity;
    }
    uint32_t at = atomic_load_explicit(&way->head, memory_order_relaxed);
    uint32_t used = at - atomic_load_explicit(&way->tail, memory_order_acquire);
    uint32_t needed = (uint32_t)sizeof *head + rounded(head->size);
    if (head->size > BUFFER || needed > way->size - used) return 0;
    put(way, at, head, sizeof *head);
    if (head->size) put(way, at + (uint32_t)sizeof *head, data, head->size);
    atomic_store_explicit(&way->head, at + needed, memory_order_release);
    return 1;
}

/* As the writer sees it. */
uint32_t ring_used(const ring *way) {
    return atomic_load_explicit(&way->head, memory_order_relaxed) -
           atomic_load_explicit(&way->tail, memory_order_acquire);
}

/* Whole records, each padded to eight bytes, as many as fit into `room`; returns the bytes taken. */
long ring_take(ring *way, uint8_t *into, long room) {
    uint32_t head = atomic_load_explicit(&way->head, memory_order_acquire);
    uint32_t tail = atomic_load_explicit(&way->tail, memory_order_relaxed);
    long taken = 0;
    while (tail != head) {
        record one;
        get(way, tail, &one, sizeof one);
        uint32_t whole = (uint32_t)sizeof one + rounded(one.size);
        if (whole > head - tail || taken + (long)whole > room) break;
        get(way, tail, into + taken, whole);
        taken += whole;
        tail += whole;
    }
    atomic_store_explicit(&way->tail, tail, memory_order_release);
    return taken;
}
