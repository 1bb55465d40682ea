/* record_rows.c - records in the store. */
#include "daemon/memory/records.h"

#include "base/clock.h"
#include "base/uuid.h"

#include <stdio.h>
#include <string.h>

#define BATCH_ROWS 256
#define IDS_AT_ONCE 20

#define COLUMNS                                                                                                        \
    "id, record, namespace, strategy, session, content, metadata, at_ms, created_ms, updated_ms, version, superseded"

DEFINE_CLEANUP(yyjson_doc *, yyjson_doc_free)

void record_id_make(char ret_id[RECORD_ID_SIZE])
{
    char uuid[UUID_SIZE];

    uuid_v4(uuid);
    snprintf(ret_id, RECORD_ID_SIZE, "mem-%s", uuid);
}

/* ---- writing ---- */

static sql_value session_value(const record_row *row)
{
    return row->session ? sql_int(row->session) : sql_null();
}

ac_status record_insert(store_tx *tx, const char *memory_id, const record_row *row, ac_error *err)
{
    static const char text[] =
        "INSERT INTO memory_records (memory, record, namespace, strategy, session, content, metadata, at_ms,"
        " created_ms, updated_ms, version, superseded) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

    return sql_run(
        tx, text,
        SQL_VALUES(sql_text(memory_id), sql_text(row->record), sql_text(row->namespace_name), sql_text(row->strategy),
                   session_value(row), sql_text_n(row->content, row->content_length),
                   sql_text_n(row->metadata, row->metadata_length), sql_int(row->at_ms), sql_int(row->created_ms),
                   sql_int(row->updated_ms), sql_int(row->version), sql_text(row->superseded)),
        NULL, err);
}

ac_status record_update(store_tx *tx, const record_row *row, ac_error *err)
{
    static const char text[] =
        "UPDATE memory_records SET namespace = $2, strategy = $3, session = $4, content = $5, metadata = $6,"
        " at_ms = $7, updated_ms = $8, version = $9, superseded = $10 WHERE id = $1";

    return sql_run(tx, text,
                   SQL_VALUES(sql_int(row->id), sql_text(row->namespace_name), sql_text(row->strategy),
                              session_value(row), sql_text_n(row->content, row->content_length),
                              sql_text_n(row->metadata, row->metadata_length), sql_int(row->at_ms),
                              sql_int(row->updated_ms), sql_int(row->version), sql_text(row->superseded)),
                   NULL, err);
}

ac_status record_note_removal(store_tx *tx, const char *memory_id, const char *namespace_name, const char *record,
                              int64_t version, ac_error *err)
{
    static const char text[] = "INSERT INTO memory_removals (memory, namespace, version, record, removed_ms)"
                               " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";

    return sql_run(tx, text,
                   SQL_VALUES(sql_text(memory_id), sql_text(namespace_name), sql_int(version), sql_text(record),
                              sql_int(clock_unix_ms())),
                   NULL, err);
}

ac_status record_remove(store_tx *tx, const char *memory_id, const record_row *row, int64_t version, ac_error *err)
{
    AC_TRY(sql_run(tx, "DELETE FROM memory_records WHERE id = $1", SQL_VALUES(sql_int(row->id)), NULL, err));
    return record_note_removal(tx, memory_id, row->namespace_name, row->record, version, err);
}

/* ---- reading ---- */

static ac_status read_row(const sql_rows *rows, arena *memory, record_row *ret_row, ac_error *err)
{
    *ret_row = (record_row){
        .id = sql_get_int(rows, 0),
        .session = sql_get_int(rows, 4),
        .at_ms = sql_get_int(rows, 7),
        .created_ms = sql_get_int(rows, 8),
        .updated_ms = sql_get_int(rows, 9),
        .version = sql_get_int(rows, 10),
    };
    AC_TRY(sql_copy(rows, 1, memory, &ret_row->record, NULL, err));
    AC_TRY(sql_copy(rows, 2, memory, &ret_row->namespace_name, NULL, err));
    AC_TRY(sql_copy(rows, 3, memory, &ret_row->strategy, NULL, err));
    AC_TRY(sql_copy(rows, 5, memory, &ret_row->content, &ret_row->content_length, err));
    AC_TRY(sql_copy(rows, 6, memory, &ret_row->metadata, &ret_row->metadata_length, err));
    return sql_copy(rows, 11, memory, &ret_row->superseded, NULL, err);
}

ac_status record_get(store_tx *tx, const char *memory_id, const char *record, arena *memory, record_row *ret_row,
                     bool *ret_found, ac_error *err)
{
    static const char text[] = "SELECT " COLUMNS " FROM memory_records WHERE memory = $1 AND record = $2";
    _cleanup_(sql_done) sql_rows rows = {0};

    AC_TRY(sql_query(tx, text, SQL_VALUES(sql_text(memory_id), sql_text(record)), &rows, err));
    AC_TRY(sql_next(&rows, ret_found, err));
    return *ret_found ? read_row(&rows, memory, ret_row, err) : AC_OK;
}

static ac_status get_some(store_tx *tx, const char *memory_id, const char *const *records, size_t count, arena *memory,
                          record_row *ret_rows, size_t *ret_count, ac_error *err)
{
    static const char text[] = "SELECT " COLUMNS " FROM memory_records WHERE memory = $1 AND record IN ($2, $3, $4, $5,"
                               " $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)";
    _cleanup_(sql_done) sql_rows rows = {0};
    sql_value values[1 + IDS_AT_ONCE];

    values[0] = sql_text(memory_id);
    for (size_t i = 0; i < IDS_AT_ONCE; i++)
        values[1 + i] = sql_text(i < count ? records[i] : NULL);
    AC_TRY(sql_query(tx, text, values, ARRAY_SIZE(values), &rows, err));
    for (;;) {
        bool found;

        AC_TRY(sql_next(&rows, &found, err));
        if (!found)
            return AC_OK;
        AC_TRY(read_row(&rows, memory, &ret_rows[*ret_count], err));
        ++*ret_count;
    }
}

ac_status record_get_many(store_tx *tx, const char *memory_id, const char *const *records, size_t count, arena *memory,
                          record_row *ret_rows, size_t *ret_count, ac_error *err)
{
    *ret_count = 0;
    for (size_t i = 0; i < count; i += IDS_AT_ONCE)
        AC_TRY(get_some(tx, memory_id, records + i, MIN(count - i, (size_t)IDS_AT_ONCE), memory, ret_rows, ret_count,
                        err));
    return AC_OK;
}

static ac_status read_rows(sql_rows *rows, size_t limit, arena *memory, record_list *ret_list, ac_error *err)
{
    *ret_list = (record_list){.rows = arena_zalloc(memory, (limit + 1) * sizeof *ret_list->rows)};
    if (!ret_list->rows)
        return memory_no_memory(err);
    while (ret_list->count < limit) {
        bool found;

        AC_TRY(sql_next(rows, &found, err));
        if (!found)
            break;
        AC_TRY(read_row(rows, memory, &ret_list->rows[ret_list->count++], err));
    }
    return AC_OK;
}

ac_status record_of_session(store_tx *tx, const record_origin *origin, size_t limit, arena *memory,
                            record_list *ret_list, ac_error *err)
{
    static const char text[] = "SELECT " COLUMNS " FROM memory_records WHERE session = $1 AND strategy = $2"
                               " AND session IS NOT NULL AND namespace = $3 AND superseded IS NULL"
                               " ORDER BY id LIMIT $4";
    _cleanup_(sql_done) sql_rows rows = {0};

    AC_TRY(sql_query(tx, text,
                     SQL_VALUES(sql_int(origin->session), sql_text(origin->strategy), sql_text(origin->namespace_name),
                                sql_int((int64_t)limit)),
                     &rows, err));
    return read_rows(&rows, limit, memory, ret_list, err);
}

ac_status record_changed(store_tx *tx, const record_span *span, size_t limit, arena *memory, record_list *ret_list,
                         ac_error *err)
{
    static const char text[] =
        "SELECT " COLUMNS " FROM memory_records WHERE memory = $1 AND namespace = $2 AND (version, id) > ($3, $4)"
        " AND version <= $5 ORDER BY version, id LIMIT $6";
    _cleanup_(sql_done) sql_rows rows = {0};

    AC_TRY(sql_query(tx, text,
                     SQL_VALUES(sql_text(span->memory_id), sql_text(span->namespace_name), sql_int(span->after_version),
                                sql_int(span->after_id), sql_int(span->up_to_version), sql_int((int64_t)limit)),
                     &rows, err));
    return read_rows(&rows, limit, memory, ret_list, err);
}

/* ---- walking ---- */

typedef struct walk {
    const record_scan *scan;
    arena *memory;
    record_row *rows; /* limit + 1 */
    size_t count;
    const char *before_namespace;
    int64_t before_id;
    bool ended;
} walk;

static bool wanted(const record_scan *scan, const record_row *row)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *metadata = NULL;

    if (row->superseded && !(scan->filters && scan->filters->superseded))
        return false;
    if (scan->strategy && (!row->strategy || strcmp(row->strategy, scan->strategy) != 0))
        return false;
    if (!scan->filters || scan->filters->count == 0)
        return true;
    metadata = row->metadata ? yyjson_read(row->metadata, row->metadata_length, 0) : NULL;
    return record_filters_accept(scan->filters, yyjson_doc_get_root(metadata), row->created_ms, row->updated_ms);
}

/* Where the walk is; of many rows in one namespace, its name is kept once. */
static ac_status note_place(walk *w, const record_row *row, ac_error *err)
{
    w->before_id = row->id;
    if (strcmp(w->before_namespace, row->namespace_name) == 0)
        return AC_OK;
    w->before_namespace = arena_copy(w->memory, row->namespace_name, strlen(row->namespace_name));
    return w->before_namespace ? AC_OK : memory_no_memory(err);
}

/* A row that is not wanted leaves nothing behind: there may be very many. */
static ac_status look_at_row(walk *w, const sql_rows *rows, ac_error *err)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    record_row row;

    AC_TRY(read_row(rows, &memory, &row, err));
    AC_TRY(note_place(w, &row, err));
    return wanted(w->scan, &row) ? read_row(rows, w->memory, &w->rows[w->count++], err) : AC_OK;
}

static ac_status run_batch(store_tx *tx, walk *w, ac_error *err)
{
    static const char text[] =
        "SELECT " COLUMNS " FROM memory_records WHERE memory = $1 AND namespace >= $2 AND namespace < $3"
        " AND (namespace = $4 OR namespace >= $5) AND (namespace, id) < ($6, $7)"
        " ORDER BY namespace DESC, id DESC LIMIT $8";
    const namespace_range *range = &w->scan->range;
    _cleanup_(sql_done) sql_rows rows = {0};
    size_t seen = 0;

    AC_TRY(sql_query(tx, text,
                     SQL_VALUES(sql_text(w->scan->memory_id), sql_text(range->from), sql_text(range->to),
                                sql_text(range->exact), sql_text(range->after), sql_text(w->before_namespace),
                                sql_int(w->before_id), sql_int(BATCH_ROWS)),
                     &rows, err));
    for (; w->count <= w->scan->limit; seen++) {
        bool found;

        AC_TRY(sql_next(&rows, &found, err));
        if (!found) {
            w->ended = seen < BATCH_ROWS;
            break;
        }
        AC_TRY(look_at_row(w, &rows, err));
    }
    return AC_OK;
}

ac_status record_scan_run(store_tx *tx, const record_scan *scan, arena *memory, record_row **ret_rows,
                          size_t *ret_count, bool *ret_more, ac_error *err)
{
    walk w = {
        .scan = scan,
        .memory = memory,
        .rows = arena_zalloc(memory, (scan->limit + 1) * sizeof *w.rows),
        .before_namespace = scan->before_namespace ? scan->before_namespace : scan->range.to,
        .before_id = scan->before_namespace ? scan->before_id : INT64_MAX,
    };

    if (!w.rows)
        return memory_no_memory(err);
    while (!w.ended && w.count <= scan->limit)
        AC_TRY(run_batch(tx, &w, err));
    *ret_more = w.count > scan->limit;
    *ret_count = *ret_more ? scan->limit : w.count;
    *ret_rows = w.rows;
    return AC_OK;
}
