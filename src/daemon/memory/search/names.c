/* names.c - texts by number: open addressing over offsets into one block of texts. */
#include "daemon/memory/search/names.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define TEXTS_BYTES_MAX (UINT32_C(1) << 31)
#define SLOTS_FIRST 64

static uint64_t seed = 0x9E3779B97F4A7C15;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void seed_make(void)
{
    uint64_t random;

    if (getrandom(&random, sizeof random, GRND_NONBLOCK) == (ssize_t)sizeof random)
        seed ^= random;
}

/* Multiply and fold, eight bytes at a time. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint32_t names_hash(const char *text, size_t length)
{
    uint64_t hash;

    pthread_once(&seed_once, seed_make);
    hash = seed ^ length;
    while (length >= 8) {
        uint64_t word;

        memcpy(&word, text, 8);
        hash = mix(hash ^ word, 0xA0761D6478BD642F ^ seed);
        text += 8;
        length -= 8;
    }
    uint64_t rest = 0;
    memcpy(&rest, text, length);
    hash = mix(hash ^ rest, 0xE7037ED1A0B428DB ^ seed);
    return (uint32_t)(hash ^ hash >> 32);
}

void names_done(names *n)
{
    free(n->texts);
    free(n->offsets);
    free(n->slots);
    *n = (names){0};
}

/* The slot that has the text, or the free one where it would go. */
static uint32_t slot_of(const names *n, const char *text, size_t length)
{
    uint32_t mask = n->slot_count - 1, slot = names_hash(text, length) & mask;

    for (; n->slots[slot]; slot = (slot + 1) & mask) {
        const char *there = names_text(n, n->slots[slot] - 1);

        if (strncmp(there, text, length) == 0 && there[length] == '\0')
            break;
    }
    return slot;
}

uint32_t names_find(const names *n, const char *text, size_t length)
{
    return n->slot_count ? n->slots[slot_of(n, text, length)] - 1 : NAME_NONE;
}

static bool grow_slots(names *n)
{
    uint32_t count = n->slot_count ? n->slot_count * 2 : SLOTS_FIRST;
    uint32_t *slots = calloc(count, sizeof *slots);

    if (!slots)
        return false;
    free(n->slots);
    n->slots = slots;
    n->slot_count = count;
    for (uint32_t i = 0; i < n->count; i++) {
        const char *text = names_text(n, i);
        n->slots[slot_of(n, text, strlen(text))] = i + 1;
    }
    return true;
}

static bool make_room(names *n, size_t length)
{
    if (n->texts_length + length + 1 > n->texts_capacity) {
        size_t capacity = MAX(n->texts_capacity + n->texts_capacity / 2, n->texts_length + length + 256);
        char *texts = capacity <= TEXTS_BYTES_MAX ? realloc(n->texts, capacity) : NULL;

        if (!texts)
            return false;
        n->texts = texts;
        n->texts_capacity = capacity;
    }
    if (n->count == n->capacity) {
        uint32_t capacity = n->capacity + n->capacity / 2 + 32;
        uint32_t *offsets = realloc(n->offsets, capacity * sizeof *offsets);

        if (!offsets)
            return false;
        n->offsets = offsets;
        n->capacity = capacity;
    }
    return n->count < n->slot_count / 2 || grow_slots(n);
}

uint32_t names_add(names *n, const char *text, size_t length)
{
    uint32_t slot;

    if (n->slot_count && n->slots[slot = slot_of(n, text, length)])
        return n->slots[slot] - 1;
    if (!make_room(n, length))
        return NAME_NONE;
    n->offsets[n->count] = (uint32_t)n->texts_length;
    memcpy(n->texts + n->texts_length, text, length);
    n->texts[n->texts_length + length] = '\0';
    n->texts_length += length + 1;
    n->slots[slot_of(n, text, length)] = n->count + 1;
    return n->count++;
}

size_t names_bytes(const names *n)
{
    return n->texts_capacity + (n->capacity + n->slot_count) * sizeof(uint32_t);
}
