/* What is read of a stranger's bytes, every length checked before it is used. No state, no memory: made to be fuzzed. */
#include "wire.h"

static uint32_t big16(const uint8_t *at) { return (uint32_t)at[0] << 8 | at[1]; }
static uint32_t big32(const uint8_t *at) { return big16(at) << 16 | big16(at + 2); }

/* The fixed header, contributing sources and the extension block's place (RFC 3550, section 5.1; RFC 8285). */
int header_lead(const uint8_t *data, int size, header *into) {
    if (size < 12) return HEADER_BAD;
    into->marker = data[1] & 0x80;
    into->payload_type = data[1] & 0x7F;
    into->seq = (uint16_t)big16(data + 2);
    into->timestamp = big32(data + 4);
    into->ssrc = big32(data + 8);
    into->at = 12 + 4 * (data[0] & 15);
    into->end = size;
    into->extensions = into->extensions_end = 0;
    if (data[0] & 0x10) {
        if (into->at + 4 > size) return HEADER_BAD;
        uint32_t profile = big16(data + into->at);
        int words = (int)big16(data + into->at + 2);
        into->at += 4;
        int stop = into->at + 4 * words;
        if (stop > size) return HEADER_BAD;
        if (profile == 0xBEDE) {
            into->extensions = into->at;
            into->extensions_end = stop;
        }
        into->at = stop;
    }
    return HEADER_GOOD;
}

/* Where the payload ends, once the padding is off. Apart from `header_lead`, because a transport-wide number counts
 * even when the padding makes no sense. */
int header_body(const uint8_t *data, int size, header *into) {
    if (data[0] & 0x20) {
        int padding = data[size - 1];
        into->end = padding ? size - padding : -1;
    }
    return into->at > into->end ? HEADER_BAD : HEADER_GOOD;
}

static int vp8_key(const uint8_t *payload, int size) {
    if (size < 2 || (payload[0] & 0x17) != 0x10) return 0; /* RFC 7741, section 4.2: start of partition 0 */
    int at = 1;
    if (payload[0] & 0x80) {
        int extra = payload[1];
        at = 2;
        if (extra & 0x80) {
            if (size <= at) return 0;
            at += payload[at] & 0x80 ? 2 : 1;
        }
        at += (extra >> 6 & 1) + (extra & 0x30 ? 1 : 0);
    }
    return size > at && !(payload[at] & 1); /* section 4.3: the inverse key frame flag */
}

static int h264_key(const uint8_t *payload, int size) {
    if (size < 2) return 0;
    int unit = payload[0] & 31;
    if (unit == 24) return size > 3 && ((payload[3] & 31) == 5 || (payload[3] & 31) == 7);
    if (unit == 28) return (payload[1] & 0x80) && (payload[1] & 31) == 5;
    return unit == 5 || unit == 7;
}

int starts_key_frame(int codec, const uint8_t *payload, int size) {
    if (codec == CODEC_VP8) return vp8_key(payload, size);
    if (codec == CODEC_H264) return h264_key(payload, size);
    return 1;
}
