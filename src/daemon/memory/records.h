/* records.h - long-term memory: records in namespaces, as rows, and what finds them.
 *
 * Each namespace of a memory has a version, which every transaction that changes its records raises by one; a record's
 * row carries the version at which it last changed, and what was removed is remembered for a while.  So an index of the
 * search engine is brought up to date by reading what is newer than it. */
#ifndef DAEMON_MEMORY_RECORDS_H
#define DAEMON_MEMORY_RECORDS_H

#include "daemon/memory/events.h"

#define RECORD_ID_SIZE 41 /* "mem-" and a UUID */
#define RECORD_METADATA_BYTES_MAX ((size_t)128 << 10)
#define RECORD_BATCH_MAX 100

/* ---- filters.c ---- */

typedef struct record_filter record_filter;

typedef struct record_filters {
    const record_filter *items;
    size_t count;
    bool superseded; /* one of them asks for the key of superseded records */
} record_filters;

/* metadataFilters of an input (NULL: none), in memory.  AC_ERR_INVALID: a key that is not indexed, an operator with the
 * wrong value. */
ac_status record_filters_read(const memory_definition *d, yyjson_mut_val *list, arena *memory,
                              record_filters *ret_filters, ac_error *err) AC_MUST_USE;

/* metadata: as it is stored, or NULL. */
bool record_filters_accept(const record_filters *filters, yyjson_val *metadata, int64_t created_ms, int64_t updated_ms);

/* ---- namespaces.c ---- */

/* A template with its placeholders filled in, in memory. */
ac_status namespace_fill(const char *template, const char *strategy, const char *actor, const char *session,
                         arena *memory, const char **ret_name, ac_error *err) AC_MUST_USE;

/* Which namespaces an input is about: those in [from, to) that are `exact` or not below `after`. */
typedef struct namespace_range {
    const char *from, *to;
    const char *exact, *after;
} namespace_range;

/* Of namespace (all that begin with it) or namespacePath (itself, and what is below it).  AC_ERR_INVALID: both or
 * neither. */
ac_status namespace_range_of(front_call *call, namespace_range *ret_range, ac_error *err) AC_MUST_USE;

/* Those that hold records, with their versions; at most SEARCH_NAMESPACES_MAX. */
ac_status namespace_list(store_tx *tx, const char *memory_id, const namespace_range *range, arena *memory,
                         search_namespace **ret_namespaces, size_t *ret_count, ac_error *err) AC_MUST_USE;

/* Raise a namespace's version, and make it when it is new; whoever else does that waits until this transaction ends. */
ac_status namespace_raise(store_tx *tx, const char *memory_id, const char *name, int64_t *ret_version, ac_error *err)
    AC_MUST_USE;

/* 0: there is none. */
ac_status namespace_version(store_tx *tx, const char *memory_id, const char *name, int64_t *ret_version, ac_error *err)
    AC_MUST_USE;

/* ---- record_rows.c ---- */

typedef struct record_row {
    int64_t id;
    const char *record; /* memoryRecordId */
    const char *namespace_name;
    const char *strategy; /* NULL: none */
    int64_t session;      /* it was drawn from; 0: clients put it */
    const char *content;
    size_t content_length;
    const char *metadata; /* JSON in plain form (aws/api.h); NULL: none */
    size_t metadata_length;
    int64_t at_ms, created_ms, updated_ms, version;
    const char *superseded; /* by which record; NULL: it is not */
} record_row;

void record_id_make(char ret_id[RECORD_ID_SIZE]);

/* Add a row; version is that of its namespace. */
ac_status record_insert(store_tx *tx, const char *memory_id, const record_row *row, ac_error *err) AC_MUST_USE;

/* Write a row that was read: all but its id, memory and record may be new. */
ac_status record_update(store_tx *tx, const record_row *row, ac_error *err) AC_MUST_USE;

/* Delete a row, whose namespace has the version given now. */
ac_status record_remove(store_tx *tx, const char *memory_id, const record_row *row, int64_t version, ac_error *err)
    AC_MUST_USE;

/* It is not in this namespace any more. */
ac_status record_note_removal(store_tx *tx, const char *memory_id, const char *namespace_name, const char *record,
                              int64_t version, ac_error *err) AC_MUST_USE;

/* *ret_found is false when there is none. */
ac_status record_get(store_tx *tx, const char *memory_id, const char *record, arena *memory, record_row *ret_row,
                     bool *ret_found, ac_error *err) AC_MUST_USE;

/* Those of these ids (at most 100) that are there, in any order. */
ac_status record_get_many(store_tx *tx, const char *memory_id, const char *const *records, size_t count, arena *memory,
                          record_row *ret_rows, size_t *ret_count, ac_error *err) AC_MUST_USE;

/* Rows behind a place in a list: by namespace and age, newest first. */
typedef struct record_scan {
    const char *memory_id;
    namespace_range range;
    const char *strategy; /* NULL: any */
    const record_filters *filters;
    const char *before_namespace; /* NULL: from the beginning */
    int64_t before_id;
    size_t limit;
} record_scan;

ac_status record_scan_run(store_tx *tx, const record_scan *scan, arena *memory, record_row **ret_rows,
                          size_t *ret_count, bool *ret_more, ac_error *err) AC_MUST_USE;

typedef struct record_list {
    record_row *rows;
    size_t count;
} record_list;

/* Those that a strategy has drawn from a session and that are not superseded, oldest first. */
typedef struct record_origin {
    int64_t session;
    const char *strategy;
    const char *namespace_name;
} record_origin;

ac_status record_of_session(store_tx *tx, const record_origin *origin, size_t limit, arena *memory,
                            record_list *ret_list, ac_error *err) AC_MUST_USE;

/* Those of a namespace that have changed, superseded ones too, by version and id. */
typedef struct record_span {
    const char *memory_id;
    const char *namespace_name;
    int64_t after_version, after_id; /* behind these */
    int64_t up_to_version;
} record_span;

ac_status record_changed(store_tx *tx, const record_span *span, size_t limit, arena *memory, record_list *ret_list,
                         ac_error *err) AC_MUST_USE;

/* ---- index.c: the search engine reads the store ---- */

/* search_source.load; user is the memory_room. */
ac_status record_index_load(void *user, const char *memory_id, const char *namespace_name, int64_t since_version,
                            search_sink *sink, int64_t *ret_version, ac_error *err);

/* ---- records.c, batches.c, retrieve.c ---- */

/* score < 0: none. */
ac_status record_show(yyjson_mut_doc *doc, const record_row *row, double score, yyjson_mut_val **ret_object,
                      ac_error *err) AC_MUST_USE;

/* The memory of a call, for what is read or written in this transaction. */
ac_status record_open(store_tx *tx, front_call *call, const char **ret_memory_id,
                      const memory_definition **ret_definition, ac_error *err) AC_MUST_USE;

ac_status get_memory_record(front_call *call, ac_error *err);
ac_status list_memory_records(front_call *call, ac_error *err);
ac_status delete_memory_record(front_call *call, ac_error *err);
ac_status batch_create_memory_records(front_call *call, ac_error *err);
ac_status batch_update_memory_records(front_call *call, ac_error *err);
ac_status batch_delete_memory_records(front_call *call, ac_error *err);
ac_status retrieve_memory_records(front_call *call, ac_error *err);

#endif
