/* index.c - the search engine's view of the store: what changed in a namespace since a version, or all of it.
 *
 * Rows are read in batches, each in a transaction of its own, and told outside of it: taking one in may mean asking a
 * service for a vector, and nobody waits for a service with a transaction open.  What changes between two batches has a
 * version above the one that the index is brought to, and is told the next time.
 *
 * Records that are superseded are not told: they are not to be found. */
#include "daemon/memory/records.h"

#define BATCH_ROWS 500
#define AFTER_ALL_RECORDS "\x7f" /* no id of a record is above it */

DEFINE_CLEANUP(yyjson_doc *, yyjson_doc_free)

typedef struct load {
    const char *memory_id, *namespace_name;
    int64_t since;
    int64_t version, floor;
    arena memory; /* of one batch */
    const char **removed;
    int64_t removed_version; /* of the last of them */
    size_t removed_count;
    record_list changed;
    /* The last of the batch before. */
    int64_t after_version, after_id;
    const char *after_record;
} load;

static void load_done(load *l)
{
    arena_done(&l->memory);
}

static ac_status version_in(store_tx *tx, void *arg, ac_error *err)
{
    static const char text[] = "SELECT version, floor FROM memory_namespaces WHERE memory = $1 AND namespace = $2";
    _cleanup_(sql_done) sql_rows rows = {0};
    load *l = arg;
    bool found;

    AC_TRY(sql_query(tx, text, SQL_VALUES(sql_text(l->memory_id), sql_text(l->namespace_name)), &rows, err));
    AC_TRY(sql_next(&rows, &found, err));
    l->version = found ? sql_get_int(&rows, 0) : 0;
    l->floor = found ? sql_get_int(&rows, 1) : 0;
    return AC_OK;
}

/* ---- removals ---- */

static ac_status removals_in(store_tx *tx, void *arg, ac_error *err)
{
    static const char text[] = "SELECT record, version FROM memory_removals WHERE memory = $1 AND namespace = $2"
                               " AND (version, record) > ($3, $4) AND version <= $5 ORDER BY version, record LIMIT $6";
    _cleanup_(sql_done) sql_rows rows = {0};
    load *l = arg;

    l->removed_count = 0;
    l->removed = arena_alloc(&l->memory, BATCH_ROWS * sizeof *l->removed);
    if (!l->removed)
        return memory_no_memory(err);
    AC_TRY(sql_query(tx, text,
                     SQL_VALUES(sql_text(l->memory_id), sql_text(l->namespace_name), sql_int(l->after_version),
                                sql_text(l->after_record), sql_int(l->version), sql_int(BATCH_ROWS)),
                     &rows, err));
    while (l->removed_count < BATCH_ROWS) {
        bool found;

        AC_TRY(sql_next(&rows, &found, err));
        if (!found)
            break;
        AC_TRY(sql_copy(&rows, 0, &l->memory, &l->removed[l->removed_count++], NULL, err));
        l->removed_version = sql_get_int(&rows, 1);
    }
    return AC_OK;
}

static ac_status load_removals(store *s, load *l, search_sink *sink, ac_error *err)
{
    l->after_version = l->since;
    l->after_record = AFTER_ALL_RECORDS;
    do {
        AC_TRY(store_read(s, removals_in, l, err));
        for (size_t i = 0; i < l->removed_count; i++)
            AC_TRY(search_sink_remove(sink, l->removed[i], err));
        if (l->removed_count) {
            l->after_version = l->removed_version;
            l->after_record = l->removed[l->removed_count - 1];
        }
    } while (l->removed_count == BATCH_ROWS);
    return AC_OK;
}

/* *ret_anew: notes of removals have been forgotten meanwhile, perhaps before they were read. */
static ac_status load_noted(store *s, load *l, search_sink *sink, bool *ret_anew, ac_error *err)
{
    int64_t version = l->version;

    AC_TRY(load_removals(s, l, sink, err));
    AC_TRY(store_read(s, version_in, l, err));
    *ret_anew = l->since < l->floor;
    if (!*ret_anew)
        l->version = version;
    return AC_OK;
}

/* ---- records ---- */

static ac_status batch_in(store_tx *tx, void *arg, ac_error *err)
{
    load *l = arg;
    const record_span span = {
        .memory_id = l->memory_id,
        .namespace_name = l->namespace_name,
        .after_version = l->after_version,
        .after_id = l->after_id,
        .up_to_version = l->version,
    };

    return record_changed(tx, &span, BATCH_ROWS, &l->memory, &l->changed, err);
}

static ac_status tell(const record_row *row, search_sink *sink, ac_error *err)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *metadata = NULL;
    search_record r = {
        .id = row->record,
        .text = row->content,
        .text_length = row->content_length,
        .strategy_id = row->strategy,
        .time_ms = row->at_ms,
        .sequence = row->id,
        .created_ms = row->created_ms,
        .updated_ms = row->updated_ms,
    };

    if (row->superseded)
        return search_sink_remove(sink, row->record, err);
    if (!row->session) /* put by a client, perhaps a turn of a conversation */
        r.group = "";
    if (row->metadata) {
        AC_TRY(ac_json_read(row->metadata, row->metadata_length, NULL, &metadata, err));
        r.metadata = yyjson_doc_get_root(metadata);
        if (r.group && r.metadata)
            r.group = ac_json_string(yyjson_obj_get(r.metadata, "sessionId"), "stringValue", "");
    }
    return search_sink_put(sink, &r, err);
}

static ac_status load_records(store *s, load *l, search_sink *sink, ac_error *err)
{
    l->after_version = l->since;
    l->after_id = INT64_MAX;
    do {
        arena_reset(&l->memory);
        AC_TRY(store_read(s, batch_in, l, err));
        for (size_t i = 0; i < l->changed.count; i++)
            AC_TRY(tell(&l->changed.rows[i], sink, err));
        if (l->changed.count) {
            l->after_version = l->changed.rows[l->changed.count - 1].version;
            l->after_id = l->changed.rows[l->changed.count - 1].id;
        }
    } while (l->changed.count == BATCH_ROWS);
    return AC_OK;
}

ac_status record_index_load(void *user, const char *memory_id, const char *namespace_name, int64_t since_version,
                            search_sink *sink, int64_t *ret_version, ac_error *err)
{
    const memory_room *room = user;
    _cleanup_(load_done) load l = {
        .memory_id = memory_id, .namespace_name = namespace_name, .since = since_version, .memory = ARENA_INIT};
    bool anew = true;

    AC_TRY(store_read(room->store, version_in, &l, err));
    if (l.since != 0 && l.since >= l.floor && l.since <= l.version)
        AC_TRY(load_noted(room->store, &l, sink, &anew, err));
    if (anew) {
        l.since = 0;
        search_sink_reset(sink);
    }
    AC_TRY(load_records(room->store, &l, sink, err));
    *ret_version = l.version;
    return AC_OK;
}
