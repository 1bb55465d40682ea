/* text_scan.h - looking at text sixteen bytes at a time, with the compiler's vectors: SSE2 and NEON alike. */
#ifndef BASE_TEXT_SCAN_H
#define BASE_TEXT_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define TEXT_CHUNK 16

typedef unsigned char text_chunk __attribute__((vector_size(TEXT_CHUNK)));

static inline text_chunk text_load(const char *from)
{
    text_chunk chunk;

    memcpy(&chunk, from, sizeof(chunk));
    return chunk;
}

static inline void text_store(char *to, text_chunk chunk)
{
    memcpy(to, &chunk, sizeof(chunk));
}

/* 0xFF for each byte that may not stand in a JSON string as it is. */
static inline text_chunk text_to_escape(text_chunk chunk)
{
    return (text_chunk)(chunk < ' ') | (text_chunk)(chunk == '"') | (text_chunk)(chunk == '\\');
}

/* Whether any byte has its high bit set: is not ASCII, or is marked with 0xFF. */
static inline bool text_any_high(text_chunk chunk)
{
#ifdef __SSE2__
    typedef char signed_chunk __attribute__((vector_size(TEXT_CHUNK)));

    return __builtin_ia32_pmovmskb128((signed_chunk)chunk) != 0;
#else
    uint64_t halves[2];

    memcpy(halves, &chunk, sizeof(halves));
    return ((halves[0] | halves[1]) & UINT64_C(0x8080808080808080)) != 0;
#endif
}

/* The index of the first byte with its high bit set; TEXT_CHUNK when none has. */
static inline unsigned text_first_high(text_chunk chunk)
{
#ifdef __SSE2__
    typedef char signed_chunk __attribute__((vector_size(TEXT_CHUNK)));

    return (unsigned)__builtin_ctz((unsigned)__builtin_ia32_pmovmskb128((signed_chunk)chunk) | 1U << TEXT_CHUNK);
#else
    unsigned index = 0;

    if (!text_any_high(chunk))
        return TEXT_CHUNK;
    while (chunk[index] < 0x80)
        index++;
    return index;
#endif
}

#endif
