/* names.h - a table of texts in which each gets a small number, from 0 on, that it keeps.
 *
 * The texts come from strangers, so where they fall in the table depends on a random number of the process. */
#ifndef MEMORY_SEARCH_NAMES_H
#define MEMORY_SEARCH_NAMES_H

#include "base/util.h"

#define NAME_NONE UINT32_MAX

typedef struct names {
    char *texts; /* one after another, each with its NUL */
    size_t texts_length, texts_capacity;
    uint32_t *offsets; /* into texts, by number */
    uint32_t count, capacity;
    uint32_t *slots; /* numbers + 1, 0: free; a power of two of them, at most half of them used */
    uint32_t slot_count;
} names;

/* All zero is an empty table. */
void names_done(names *n);

/* The number of a text; NAME_NONE when it is not there. */
uint32_t names_find(const names *n, const char *text, size_t length);

/* The same, and put it in when it is not there.  NAME_NONE: out of memory, or 2 GiB of texts. */
uint32_t names_add(names *n, const char *text, size_t length);

/* A text that is there. */
static inline const char *names_text(const names *n, uint32_t number)
{
    return n->texts + n->offsets[number];
}

/* The same hash that the table uses, for tables of another kind. */
uint32_t names_hash(const char *text, size_t length);

/* Bytes allocated. */
size_t names_bytes(const names *n);

#endif
