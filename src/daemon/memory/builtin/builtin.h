/* builtin.h - drawing memories from conversations without a model: rules for English.
 *
 * Deterministic, offline, and honest about it: what it makes says "builtin" (builtin_item.engine).  It splits sentences,
 * knows who speaks, turns first-person statements into third-person facts ("I love eating apples" -> "The user loves
 * eating apples"), finds preferences and aversions by a lexicon, resolves dates against the time of the event
 * ("yesterday" -> "on 7 May 2023"), and summarises by ranking sentences.  Pure functions; no I/O, no state. */
#ifndef DAEMON_MEMORY_BUILTIN_BUILTIN_H
#define DAEMON_MEMORY_BUILTIN_BUILTIN_H

#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>

#define BUILTIN_TURNS_MAX 200
#define BUILTIN_ITEMS_MAX 200
#define BUILTIN_TEXT_MAX 16000 /* bytes of one item */
#define BUILTIN_ENGINE "builtin"

typedef enum builtin_role { BUILTIN_USER, BUILTIN_ASSISTANT, BUILTIN_OTHER } builtin_role;

/* What was said. */
typedef struct builtin_turn {
    builtin_role role;
    const char *text; /* UTF-8; need not be NUL-terminated */
    size_t length;
    int64_t time_ms;
} builtin_turn;

typedef enum builtin_kind {
    BUILTIN_FACT,       /* "The user works at Company X." */
    BUILTIN_PREFERENCE, /* JSON: {"context", "preference", "categories"} */
    BUILTIN_SUMMARY,    /* <topic name="...">...</topic> */
    BUILTIN_EPISODE,    /* JSON: {"situation", "intent", "assessment", "turns", ...} */
    BUILTIN_REFLECTION, /* JSON over several episodes */
} builtin_kind;

typedef struct builtin_item {
    builtin_kind kind;
    const char *text;       /* NUL-terminated, at most BUILTIN_TEXT_MAX bytes */
    const char *subject;    /* what it is about, normalised: two items with one subject may contradict each other;
                               "" when it is about nothing that can change ("birthplace" of the user: "user/birthplace") */
    bool negative;          /* an aversion, a negation */
    unsigned turn;          /* that it comes from */
    int64_t time_ms;
} builtin_item;

/* Facts (kind BUILTIN_FACT) or preferences (BUILTIN_PREFERENCE) that the turns hold, without repetitions.  Only what a
 * speaker says of himself or of his world: no questions, no pleasantries, nothing of the assistant's but what it reports
 * as done.  Items live in memory.  AC_ERR_NOMEM. */
ac_status builtin_extract(builtin_kind kind, const builtin_turn *turns, size_t count, arena *memory,
                          builtin_item **ret_items, size_t *ret_count, ac_error *err) AC_MUST_USE;

/* A summary of the turns by topic; before (may be NULL) is the summary so far, which is carried on. */
ac_status builtin_summarise(const builtin_turn *turns, size_t count, const char *before, arena *memory,
                            builtin_item *ret_item, ac_error *err) AC_MUST_USE;

/* An episode out of a session's turns, and what several episodes have in common. */
ac_status builtin_episode(const builtin_turn *turns, size_t count, arena *memory, builtin_item *ret_item,
                          ac_error *err) AC_MUST_USE;
ac_status builtin_reflect(const char *const *episodes, size_t count, arena *memory, builtin_item *ret_item,
                          ac_error *err) AC_MUST_USE;

/* What a new item is to a known record of the same kind. */
typedef enum builtin_relation {
    BUILTIN_NEW,        /* says something else */
    BUILTIN_SAME,       /* says the same: leave the record */
    BUILTIN_MORE,       /* says the same and more: update the record with the item's text */
    BUILTIN_CONTRADICTS /* replaces it: "moved to Berlin" after "lives in Paris", "no longer likes sushi" */
} builtin_relation;

builtin_relation builtin_compare(const builtin_item *item, const char *record, size_t length);

#endif
