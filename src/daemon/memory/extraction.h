/* extraction.h - the jobs that a strategy has with a session: drawing knowledge from its events, or handing them to
 * somebody else.
 *
 * One job per (memory, strategy, session), key "MEMORY/STRATEGY/SESSION", the last being the row of the session; its
 * payload is the account.  How far it has come is a cursor, which it moves in the transaction that stores what came of
 * it: so nothing is drawn from an event twice, whatever is killed when. */
#ifndef DAEMON_MEMORY_EXTRACTION_H
#define DAEMON_MEMORY_EXTRACTION_H

#include "daemon/memory/records.h"

/* An event that may be extracted was added to a session: queue what its strategies have to do. */
ac_status extraction_queue(store_tx *tx, const memory_definition *d, int64_t session, ac_error *err) AC_MUST_USE;

/* Whoever works in this namespace holds this one. */
pthread_mutex_t *extraction_turn(memory_room *room, const char *memory_id, const char *namespace_name);

/* A job that cannot be done now is over, and comes back in a moment. */
ac_status extraction_postpone(store_tx *tx, const job *j, ac_error *err) AC_MUST_USE;

/* ---- turns.c ---- */

/* What a job is about, and what it has read.  Texts in memory. */
typedef struct extraction_task {
    const char *account;
    const char *memory_id;
    const char *strategy_id;
    int64_t session;
} extraction_task;

/* From a job's key and payload.  AC_ERR_INTERNAL: it is damaged. */
ac_status extraction_task_read(const job *j, arena *memory, extraction_task *ret_task, ac_error *err) AC_MUST_USE;

typedef struct extraction_window {
    const memory_definition *definition;
    const memory_strategy *strategy; /* NULL: it is gone, and there is nothing to do */
    const char *actor, *session;
    int64_t cursor;     /* before */
    int64_t next;       /* cursor once these are taken in */
    bool more;          /* there are others behind */
    size_t event_count; /* new ones */
    extract_turn *turns;
    size_t turn_count, first_new;
    int64_t *arrived_ms;   /* of each turn */
    const event_row *last; /* the last new event, for its metadata; NULL: there is none */
} extraction_window;

typedef struct extraction_limits {
    size_t events;     /* new ones at a time */
    size_t history;    /* turns before the first new one */
    bool all_branches; /* else only those of the first new one's branch */
} extraction_limits;

/* Read what is new for a task: the next events in the order of their arrival, put into that of their times. */
ac_status extraction_window_read(store_tx *tx, memory_room *room, const extraction_task *task,
                                 const extraction_limits *limits, arena *memory, extraction_window *ret_window,
                                 ac_error *err) AC_MUST_USE;
void extraction_window_done(extraction_window *w);

/* Move the cursor from where it was when the window was read.  AC_ERR_CONFLICT: somebody else has moved it. */
ac_status extraction_cursor_move(store_tx *tx, const extraction_task *task, const extraction_window *w, ac_error *err)
    AC_MUST_USE;

/* ---- extraction.c, self_managed.c: job handlers ---- */

ac_status memory_extract(store *s, const job *j, const job_run *run, void *room, ac_error *err);
ac_status memory_deliver(store *s, const job *j, const job_run *run, void *room, ac_error *err);

/* memoryRecordSchema.metadataSchema of a strategy, or of its reflections; NULL: none. */
yyjson_val *extraction_schema(const memory_strategy *s, bool reflection);

/* ---- changes.c: what an engine wants changed ---- */

/* A record's metadata as engines are told of it, living as long as memory; NULL: none. */
ac_status extraction_metadata_told(const record_row *row, arena *memory, yyjson_val **ret_metadata, ac_error *err)
    AC_MUST_USE;

/* Write the changes, in order.  version: the target namespace's when the engine looked; AC_ERR_CONFLICT when it has
 * changed since. */
typedef struct extraction_changes {
    const extraction_task *task;
    const extraction_window *window;
    const extract_change *items;
    size_t count;
    const char *namespace_name; /* of the strategy, filled in */
    const char *reflections;    /* likewise; NULL: none */
    int64_t version, reflections_version;
    bool check_versions;
} extraction_changes;

ac_status extraction_changes_write(store_tx *tx, const extraction_changes *changes, arena *memory, ac_error *err)
    AC_MUST_USE;

/* ---- envelopes.c ---- */

/* Let turns whose text is a message in JSON, as agent frameworks keep it, be what was said in it. */
ac_status extraction_open_envelopes(extraction_window *w, arena *memory, ac_error *err) AC_MUST_USE;

/* ---- extraction_jobs.c ---- */

ac_status list_memory_extraction_jobs(front_call *call, ac_error *err);
ac_status start_memory_extraction_job(front_call *call, ac_error *err);

/* ---- sweep.c ---- */

ac_status memory_sweep(store *s, const job *j, const job_run *run, void *room, ac_error *err);

#endif
