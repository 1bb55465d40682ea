/* wordlist.h - the tables of wordlist.c, for the test that holds them to their order. */
#ifndef MEMORY_SEARCH_WORDLIST_H
#define MEMORY_SEARCH_WORDLIST_H

#include "base/util.h"

extern const char *const wordlist_stops[];
extern const size_t wordlist_stop_count;
extern const char *const wordlist_weaks[];
extern const size_t wordlist_weak_count;
extern const char *const wordlist_pairs[]; /* a form, what it is made, the next form, ... */

extern const size_t wordlist_pair_count;

#endif
