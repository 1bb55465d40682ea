/* relation.h - two facts held against each other: the same, more of the same, or the contrary. */
#ifndef MEMORY_EXTRACT_RELATION_H
#define MEMORY_EXTRACT_RELATION_H

#include "agent/sentences.h"
#include "daemon/memory/extract/phrase.h"
#include "daemon/memory/extract/verbs.h"

typedef enum tense { TENSE_PRESENT, TENSE_PAST, TENSE_PERFECT, TENSE_FUTURE, TENSE_WOULD } tense;

/* A fact taken apart.  Strings live in the arena. */
typedef struct relation {
    const char *text;
    phrase words;
    size_t *offsets;  /* of each token, and behind the last one, in the text that stems were counted in */
    text_word *stems; /* of all words */
    size_t stem_count;
    size_t subject_end;   /* tokens of the subject */
    size_t object_begin;  /* tokens behind verb and preposition */
    char verb[VERB_SIZE]; /* its base; "" when there is none: then only whole texts are compared */
    char preposition[16];
    const char *slot; /* what there can be but one of: "home", "employer", ...; NULL */
    tense tense;
    bool negated;
    int liking; /* 1 likes, -1 dislikes, 0 neither */
} relation;

/* AC_ERR_NOMEM. */
ac_status relation_of(const char *text, arena *a, relation *ret_relation) AC_MUST_USE;

typedef enum comparison {
    COMPARE_DIFFERENT,
    COMPARE_SAME,     /* it says no more than the known one */
    COMPARE_EXTENDS,  /* it says what the known one says, and more */
    COMPARE_CONTRARY, /* both cannot hold now */
} comparison;

comparison relation_compare(const relation *candidate, const relation *known);

/* Words to look for what a fact could contradict but shares no word with: of "moved to Bergen", "lives in". NULL:
 * none. */
const char *relation_hint(const relation *r);

#endif
