/* index.c - the search engine's view of the store: what changed in a namespace since a version, or all of it.
 *
 * Records that are superseded are not told: they are not to be found. */
#include "daemon/memory/records.h"

#define BATCH_ROWS 1000

DEFINE_CLEANUP(yyjson_doc *, yyjson_doc_free)

typedef struct load {
    const char *memory_id, *namespace_name;
    int64_t asked, since;
    search_sink *sink;
    int64_t version, floor;
} load;

static ac_status read_version(store_tx *tx, load *l, ac_error *err)
{
    static const char text[] = "SELECT version, floor FROM memory_namespaces WHERE memory = $1 AND namespace = $2";
    _cleanup_(sql_done) sql_rows rows = {0};
    bool found;

    AC_TRY(sql_query(tx, text, SQL_VALUES(sql_text(l->memory_id), sql_text(l->namespace_name)), &rows, err));
    AC_TRY(sql_next(&rows, &found, err));
    l->version = found ? sql_get_int(&rows, 0) : 0;
    l->floor = found ? sql_get_int(&rows, 1) : 0;
    return AC_OK;
}

static ac_status load_removals(store_tx *tx, const load *l, ac_error *err)
{
    static const char text[] =
        "SELECT record FROM memory_removals WHERE memory = $1 AND namespace = $2 AND version > $3";
    _cleanup_(sql_done) sql_rows rows = {0};
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    const char *record;

    AC_TRY(sql_query(tx, text,
                     SQL_VALUES(sql_text(l->memory_id), sql_text(l->namespace_name), sql_int(l->since)), &rows, err));
    for (;;) {
        bool found;

        AC_TRY(sql_next(&rows, &found, err));
        if (!found)
            return AC_OK;
        arena_reset(&memory);
        AC_TRY(sql_copy(&rows, 0, &memory, &record, NULL, err));
        AC_TRY(search_sink_remove(l->sink, record, err));
    }
}

/* Columns: record, content, strategy, session, metadata, at_ms, id, created_ms, updated_ms, superseded. */
static ac_status load_row(const load *l, const sql_rows *rows, arena *memory, ac_error *err)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *metadata = NULL;
    const char *json;
    size_t length;
    search_record r = {
        .time_ms = sql_get_int(rows, 5),
        .sequence = sql_get_int(rows, 6),
        .created_ms = sql_get_int(rows, 7),
        .updated_ms = sql_get_int(rows, 8),
    };

    AC_TRY(sql_copy(rows, 0, memory, &r.id, NULL, err));
    if (!sql_is_null(rows, 9))
        return search_sink_remove(l->sink, r.id, err);
    AC_TRY(sql_copy(rows, 1, memory, &r.text, &r.text_length, err));
    AC_TRY(sql_copy(rows, 2, memory, &r.strategy_id, NULL, err));
    AC_TRY(sql_copy(rows, 4, memory, &json, &length, err));
    if (json) {
        AC_TRY(ac_json_read(json, length, NULL, &metadata, err));
        r.metadata = yyjson_doc_get_root(metadata);
    }
    if (sql_is_null(rows, 3)) /* put by a client, perhaps a turn of a conversation */
        r.group = ac_json_string(yyjson_obj_get(r.metadata, "sessionId"), "stringValue", "");
    return search_sink_put(l->sink, &r, err);
}

/* One batch behind (version, id); *ret_ended: there are no more. */
static ac_status load_batch(store_tx *tx, const load *l, int64_t place[2], bool *ret_ended, ac_error *err)
{
    static const char text[] =
        "SELECT record, content, strategy, session, metadata, at_ms, id, created_ms, updated_ms, superseded, version"
        " FROM memory_records WHERE memory = $1 AND namespace = $2 AND (version, id) > ($3, $4)"
        " ORDER BY version, id LIMIT $5";
    _cleanup_(sql_done) sql_rows rows = {0};
    _cleanup_(arena_done) arena memory = ARENA_INIT;

    AC_TRY(sql_query(tx, text,
                     SQL_VALUES(sql_text(l->memory_id), sql_text(l->namespace_name), sql_int(place[0]),
                                sql_int(place[1]), sql_int(BATCH_ROWS)),
                     &rows, err));
    for (size_t i = 0; i < BATCH_ROWS; i++) {
        bool found;

        AC_TRY(sql_next(&rows, &found, err));
        *ret_ended = !found;
        if (!found)
            return AC_OK;
        arena_reset(&memory);
        place[0] = sql_get_int(&rows, 10);
        place[1] = sql_get_int(&rows, 6);
        AC_TRY(load_row(l, &rows, &memory, err));
    }
    return AC_OK;
}

static ac_status load_records(store_tx *tx, const load *l, ac_error *err)
{
    int64_t place[2] = {l->since, INT64_MAX};
    bool ended = false;

    while (!ended)
        AC_TRY(load_batch(tx, l, place, &ended, err));
    return AC_OK;
}

static ac_status load_in(store_tx *tx, void *arg, ac_error *err)
{
    load *l = arg;

    l->since = l->asked;
    AC_TRY(read_version(tx, l, err));
    if (l->since == 0 || l->since < l->floor || l->since > l->version) {
        l->since = 0;
        search_sink_reset(l->sink);
    } else {
        AC_TRY(load_removals(tx, l, err));
    }
    return load_records(tx, l, err);
}

ac_status record_index_load(void *user, const char *memory_id, const char *namespace_name, int64_t since_version,
                            search_sink *sink, int64_t *ret_version, ac_error *err)
{
    const memory_room *room = user;
    load l = {.memory_id = memory_id, .namespace_name = namespace_name, .asked = since_version, .sink = sink};

    AC_TRY(store_read(room->store, load_in, &l, err));
    *ret_version = l.version;
    return AC_OK;
}
