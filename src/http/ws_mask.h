/* ws_mask.h - the masking of RFC 6455 section 5.3, which undoes itself. */
#ifndef HTTP_WS_MASK_H
#define HTTP_WS_MASK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Plain vectors of the compiler: one AVX2, two SSE2 or two NEON registers, whatever the target has. */
typedef uint64_t ws_mask_lanes __attribute__((vector_size(32)));

/* XOR length bytes with the key; offset is where in the payload they stand. */
static inline void ws_mask(char *data, size_t length, const uint8_t key[4], uint64_t offset)
{
    uint8_t turned[8];
    for (size_t i = 0; i < sizeof(turned); i++)
        turned[i] = key[(offset + i) & 3];

    uint64_t word;
    memcpy(&word, turned, sizeof(word));
    const ws_mask_lanes keys = {word, word, word, word};

    while (length >= sizeof(keys)) {
        ws_mask_lanes lanes;
        memcpy(&lanes, data, sizeof(lanes));
        lanes ^= keys;
        memcpy(data, &lanes, sizeof(lanes));
        data += sizeof(lanes);
        length -= sizeof(lanes);
    }
    while (length >= sizeof(word)) {
        uint64_t bytes;
        memcpy(&bytes, data, sizeof(bytes));
        bytes ^= word;
        memcpy(data, &bytes, sizeof(bytes));
        data += sizeof(bytes);
        length -= sizeof(bytes);
    }
    for (size_t i = 0; i < length; i++)
        data[i] = (char)(data[i] ^ turned[i & 3]);
}

#endif
