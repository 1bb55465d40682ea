/* ask.h - what a query asks for, read once and used for every index it is put to. */
#ifndef MEMORY_SEARCH_ASK_H
#define MEMORY_SEARCH_ASK_H

#include "base/arena.h"
#include "daemon/memory/search/concepts.h"
#include "daemon/memory/search/moments.h"
#include "daemon/memory/search/text.h"

#define ASK_TERMS_MAX 64  /* different ones; what comes after is not asked */
#define ASK_WORDS_MAX 512 /* looked at */

typedef struct ask_term {
    char term[WORD_BYTES_MAX + 1];
    char base[WORD_BYTES_MAX + 1];
    unsigned flags;          /* of its first word */
    concept_target *targets; /* what it may mean; in the ask's arena */
    size_t target_count;
} ask_term;

typedef struct ask {
    ask_term terms[ASK_TERMS_MAX];
    size_t term_count;
    moment moments[MOMENTS_MAX];
    size_t moment_count;
    concept_target class_targets[CONCEPTS_MAX]; /* of "what kind of instruments", "which cities" */
    size_t class_count;
    bool several; /* asks for more than one thing: "which cities has ...", "what do both ..." */
} ask;

/* w may be NULL.  *ret_ask lives in a.  AC_ERR_NOMEM. */
ac_status ask_read(text_reader *reader, const wordnet *w, const char *text, size_t length, int64_t now_ms, arena *a,
                   ask **ret_ask, ac_error *err) AC_MUST_USE;

#endif
