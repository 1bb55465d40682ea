/* words.h - the tables of words.c, for the test that holds them to their order. */
#ifndef MEMORY_SEARCH_WORDS_H
#define MEMORY_SEARCH_WORDS_H

#include "base/util.h"

typedef struct word_pair {
    const char *form;
    const char *regular;
} word_pair;

extern const char *const word_stops[];
extern const size_t word_stop_count;
extern const char *const word_weaks[];
extern const size_t word_weak_count;
extern const word_pair word_pairs[];
extern const size_t word_pair_count;

#endif
