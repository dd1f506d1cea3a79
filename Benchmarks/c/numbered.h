// The numbered transport stream packet that stamp writes and account reads: header, "FRSH", phase, number, time, filler
// that follows from the number.
#pragma once
#include "common.h"

enum { TS = 188, PER_DATAGRAM = PAYLOAD / TS, FILLER_AT = 28 };
enum phase { WARM_UP, COUNTED, COOL_DOWN };

static inline int64_t wall_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static inline void put_number(uint8_t *p, uint64_t value) {
    for (int i = 0; i < 8; i++) p[i] = value >> (56 - 8 * i);
}

static inline uint64_t get_number(const uint8_t *p) {
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) value = value << 8 | p[i];
    return value;
}

static inline void put_filler(uint8_t *packet, uint64_t number) {
    uint64_t state = number * 0x9E3779B97F4A7C15u + 0x1234567;
    for (int i = FILLER_AT; i < TS; i += 8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        put_number(packet + i, state);
    }
}

static inline void put_packet(uint8_t *packet, uint64_t number, int64_t at, enum phase phase) {
    memcpy(packet, "\x47\x01\x00\x10" "FRSH", 8);
    packet[3] |= number & 15;
    packet[8] = phase;
    packet[9] = packet[10] = packet[11] = 0;
    put_number(packet + 12, number);
    put_number(packet + 20, at);
    put_filler(packet, number);
}
