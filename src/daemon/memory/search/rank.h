/* rank.h - one query against the indexes of some namespaces: scores, best first. */
#ifndef MEMORY_SEARCH_RANK_H
#define MEMORY_SEARCH_RANK_H

#include "daemon/memory/search/ask.h"
#include "daemon/memory/search/index.h"

/* What counts for how much; docs/memory-search.md says how they were found. */
typedef struct rank_weights {
    /* a term in a record and around it */
    float length_share;     /* of a record's occurrences that depend on its length (BM25's b) */
    float window_half;      /* occurrences, with the neighbours', at which a term counts half */
    float own_half;         /* the same for the record's own alone */
    float own;              /* weight of the own ones beside the window's */
    float next, next_decay; /* what a turn's words are worth for the turn after it, and further on */
    float last, last_decay; /* and for the turn before it */
    float answer;           /* more, for the turn after it, when they are in a question */
    float question;         /* of words in questions: what is left of them in the turn itself */
    float question_back;    /* and for turns before it */
    /* terms against each other */
    float rarity_power; /* of the inverse document frequency */
    float weak;         /* words that questions are put with */
    float name;         /* names of speakers */
    /* meanings */
    float meaning; /* of a word that is only related, against the word itself */
    float class_;  /* of a word that is one of what is asked for, at most */
    /* records */
    float speaker;  /* more, when the query names who speaks */
    float moment;   /* more, when the query names its time */
    float asks;     /* less, for a record that only asks */
    float feedback; /* of words that the best records have in common */
    /* when several things are asked for, they are likely to be said at different times */
    float several_own;     /* of a record's own terms, more */
    float several_speaker; /* more, when the query names who speaks */
    float several_apart;   /* less, for a neighbour of a record that is among the hits */
    float vector;          /* of a vector that is as near as can be, against all words found */
} rank_weights;

extern const rank_weights rank_weights_default;

typedef struct rank_target {
    const search_index *index; /* settled */
    unsigned namespace_index;
} rank_target;

typedef struct rank_request {
    const ask *ask;
    const float *vector; /* of the query, length 1; NULL: none */
    const rank_target *targets;
    size_t target_count;
    const search_query *query; /* top_k, strategy_id, accept */
    const rank_weights *weights;
} rank_request;

/* *ret_hits lives in a. */
ac_status rank_run(const rank_request *request, arena *a, search_hit **ret_hits, size_t *ret_count, ac_error *err)
    AC_MUST_USE;

#endif
