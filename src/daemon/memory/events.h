/* events.h - short-term memory: the ordered log of what was said in sessions, as rows.
 *
 * Order is (at_ms, id): senders' timestamps, and among equal ones the order of arrival.  An event's id for clients is
 * both, "{at_ms, 19 digits}#{id, 8 hex digits}"; of id that is the lower half, which is enough within a session and a
 * millisecond.
 *
 * Branches are labels on events.  Where a branch left its parent is a row of its own, so that it is known also when the
 * event it left at is gone. */
#ifndef DAEMON_MEMORY_EVENTS_H
#define DAEMON_MEMORY_EVENTS_H

#include "daemon/memory/memory.h"

#define EVENT_ID_SIZE 40
#define EVENT_MAIN "main" /* what clients call events without a branch */
#define EVENT_BRANCH_DEPTH_MAX 64
#define EVENT_PAYLOAD_BYTES_MAX ((size_t)64 << 20)
#define EVENT_BLOB_BYTES_MAX ((size_t)8 << 20)
#define EVENT_METADATA_BYTES_MAX ((size_t)64 << 10)

/* ---- event_rows.c ---- */

typedef struct event_row {
    int64_t id;
    int64_t at_ms;
    int64_t created_ms;
    const char *branch; /* NULL: the main line */
    const char *root;   /* rootEventId as it was given, or NULL */
    const char *metadata;
    size_t metadata_length;
    bool extractable;
    const char *payload; /* NULL when it was not asked for */
    size_t payload_length;
} event_row;

void event_id_write(int64_t at_ms, int64_t id, char ret_text[EVENT_ID_SIZE]);

/* False: no event has such an id. */
bool event_id_read(const char *text, int64_t *ret_at_ms, int64_t *ret_low);

/* The row of a session; *ret_id 0 when there is none. */
ac_status event_session(store_tx *tx, const char *memory_id, const char *actor, const char *session, int64_t *ret_id,
                        ac_error *err) AC_MUST_USE;

/* The event of this id in a session, unless it has expired.  Texts in memory.  AC_ERR_NOT_FOUND. */
ac_status event_get(store_tx *tx, int64_t session, const char *event_id, arena *memory, event_row *ret_row,
                    ac_error *err) AC_MUST_USE;

/* A part of a line of events: those of a branch, up to a place where another one left it. */
typedef struct event_segment {
    const char *branch; /* NULL: the main line */
    bool bounded;
    int64_t at_ms, id; /* the last event that belongs to it */
} event_segment;

/* The line that ends in a branch (NULL or "main": the main line): the branch itself and, with parents, what it grew
 * from. */
ac_status event_line(store_tx *tx, int64_t session, const char *branch, bool parents, arena *memory,
                     event_segment **ret_segments, size_t *ret_count, ac_error *err) AC_MUST_USE;

typedef struct event_scan {
    int64_t session;
    const event_segment *segments; /* NULL: all branches */
    size_t segment_count;
    yyjson_mut_val *filters;      /* eventMetadata of a filter; NULL: none */
    int64_t before_ms, before_id; /* INT64_MAX: from the newest */
    size_t limit;
    bool payloads;
} event_scan;

/* Up to limit events, newest first.  *ret_more: there are others.  Texts in memory. */
ac_status event_scan_run(store_tx *tx, const event_scan *scan, arena *memory, event_row **ret_rows, size_t *ret_count,
                         bool *ret_more, ac_error *err) AC_MUST_USE;

/* Whether stored metadata satisfies filters (filters.c). */
bool event_filters_accept(yyjson_mut_val *filters, const char *metadata, size_t length);

/* AC_ERR_INVALID: an operator without or with too much on its right. */
ac_status event_filters_check(yyjson_mut_val *filters, ac_error *err) AC_MUST_USE;

/* A row of a query whose columns are EVENT_COLUMNS, with or without EVENT_PAYLOAD behind them. */
#define EVENT_COLUMNS "id, at_ms, created_ms, branch, root, metadata, extractable"
#define EVENT_PAYLOAD ", payload"
ac_status event_read(const sql_rows *rows, bool payload, arena *memory, event_row *ret_row, ac_error *err) AC_MUST_USE;

/* ---- events.c ---- */

/* An event as it is shown.  payload: NULL: what the row has (left out when it has none). */
typedef struct event_names {
    const char *memory, *actor, *session;
} event_names;

ac_status event_show(yyjson_mut_doc *doc, const event_names *names, const event_row *row, yyjson_mut_val *payload,
                     yyjson_mut_val **ret_object, ac_error *err) AC_MUST_USE;

ac_status create_event(front_call *call, ac_error *err);
ac_status get_event(front_call *call, ac_error *err);
ac_status delete_event(front_call *call, ac_error *err);
ac_status list_events(front_call *call, ac_error *err);
ac_status list_actors(front_call *call, ac_error *err);
ac_status list_sessions(front_call *call, ac_error *err);

/* ---- pages.c: positions in lists ---- */

/* One number and one more, or a text; what does not count is 0 or NULL. */
typedef struct memory_position {
    int64_t first, second;
    const char *text;
} memory_position;

/* The nextToken of the input, for the list of this name: *ret_given is false for the first page.  AC_ERR_INVALID. */
ac_status memory_page_open(const front_call *call, const char *list, memory_position *ret_position, bool *ret_given,
                           ac_error *err) AC_MUST_USE;

/* Add a nextToken to the output. */
ac_status memory_page_add(front_call *call, const char *list, const memory_position *position, ac_error *err)
    AC_MUST_USE;

/* A list's name: the operation, the memory, and the named members that shape it, in call->memory. */
ac_status memory_page_name(front_call *call, const char *memory_id, const char *const *members, size_t count,
                           const char **ret_name, ac_error *err) AC_MUST_USE;

#endif
