/* builtin.h - the engine that needs no model. */
#ifndef MEMORY_EXTRACT_BUILTIN_H
#define MEMORY_EXTRACT_BUILTIN_H

#include "daemon/memory/extract/plan.h"
#include "daemon/memory/extract/rewrite.h"

/* The four kinds: changes are added to the plan. */
ac_status builtin_facts(plan *p, size_t known_max, ac_error *err) AC_MUST_USE; /* SEMANTIC, USER_PREFERENCE */
ac_status builtin_summary(plan *p, ac_error *err) AC_MUST_USE;
ac_status builtin_episodes(plan *p, size_t known_max, ac_error *err) AC_MUST_USE;

/* ---- for these ---- */

static inline bool turn_is(const extract_turn *t, const char *role)
{
    return t->role && __builtin_strcmp(t->role, role) == 0;
}

/* The facts of a turn of the user or the assistant; question: the last one of the turn before, NULL: none. */
ac_status builtin_turn_facts(rewriter *r, const extract_turn *turn, const char *question) AC_MUST_USE;

/* Sentences of a turn, cut to EXTRACT_TURN_BYTES_MAX. */
ac_status builtin_sentences(const extract_turn *turn, arena *a, sentence **ret_sentences, size_t *ret_count)
    AC_MUST_USE;

/* The records that this strategy has drawn from the session, oldest first. */
ac_status builtin_of_session(const plan *p, size_t count, extract_known **ret_known, size_t *ret_count, ac_error *err)
    AC_MUST_USE;

/* Where the turn with a key is in the window; turn_count: nowhere. */
size_t builtin_find_turn(const plan *p, const char *key);

/* The first turn that a session's summary (NULL: there is none) has not taken in; turn_count: all are. */
size_t builtin_first_unseen(const plan *p, const extract_known *summary);

/* ---- rank.c: TextRank ---- */

#define RANK_SENTENCES_MAX 300

/* Which sentences say most about what all of them say: a score for each.  count <= RANK_SENTENCES_MAX. */
ac_status rank_sentences(const char *const *texts, size_t count, arena *a, double *ret_scores) AC_MUST_USE;

/* How much two texts are about the same, 0 to 1: shared stems of all their stems. */
ac_status rank_likeness(const char *one, const char *other, arena *a, double *ret_likeness) AC_MUST_USE;

/* ---- consolidate.c ---- */

typedef struct candidate {
    const char *text;      /* of the record */
    const char *statement; /* what is compared: the fact */
    int64_t stated_ms;
} candidate;

typedef struct consolidation consolidation;

/* Lives in the plan's arena.  statement_of: the fact that a record's text holds; NULL result: none. */
consolidation *consolidation_new(plan *p, size_t known_max, const char *(*statement_of)(const char *text, arena *a));

/* Add, update, leave or supersede. */
ac_status consolidate(consolidation *c, const candidate *one, ac_error *err) AC_MUST_USE;

#endif
