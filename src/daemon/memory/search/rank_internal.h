/* rank_internal.h - the state of one ranking, shared by its steps: expand (which terms of an index count for a term of
 * the query), score (places), pick (the best of them). */
#ifndef MEMORY_SEARCH_RANK_INTERNAL_H
#define MEMORY_SEARCH_RANK_INTERNAL_H

#include "daemon/memory/search/rank.h"

/* A term of an index that stands for a term of the query, and how much of it. */
typedef struct rank_match {
    uint32_t term;
    float share;
} rank_match;

typedef struct rank_matches {
    rank_match *list;
    size_t count;
} rank_matches;

/* One index during a ranking. */
typedef struct rank_part {
    const search_index *index;
    unsigned namespace_index;
    uint32_t places;
    float *scores; /* by place */
    float *norms;  /* by place: how long the record is against the average, as far as that counts */
    /* of the term that is being scored, zero between terms */
    float *window, *own;
    uint32_t *touched;
    uint32_t touched_count;
    rank_matches *matches; /* by term of the query */
    rank_matches class_matches;
    bool speakers[INDEX_SPEAKERS_MAX + 1]; /* that the query names, by number + 1 */
    bool any_speaker;
} rank_part;

typedef struct ranking {
    const rank_request *request;
    const rank_weights *weights;
    arena *memory;
    rank_part *parts;
    size_t part_count;
    float *weights_of_terms; /* by term of the query */
    double full;             /* the score of a record that has each term once and nothing around it */
    uint64_t records;        /* of all parts */
    float average_length;
    float next[INDEX_WINDOW + 1], last[INDEX_WINDOW + 1]; /* by distance */
} ranking;

/* How rare something is that count of the ranking's records have. */
float rank_rarity(const ranking *r, uint64_t count);

/* Whether a word is a word of a speaker's name. */
bool rank_is_name(const rank_part *part, const char *text);

/* Fill matches, speakers, weights_of_terms and full. */
ac_status rank_expand(ranking *r, ac_error *err) AC_MUST_USE;

/* Fill scores. */
ac_status rank_score(ranking *r, ac_error *err) AC_MUST_USE;

/* The best of all parts. */
ac_status rank_pick(ranking *r, search_hit **ret_hits, size_t *ret_count, ac_error *err) AC_MUST_USE;

#endif
