/* changes.c - from what an engine wants changed to rows.
 *
 * Engines speak of metadata in the wire's form, where times are seconds; rows hold the plain form, milliseconds. */
#include "daemon/memory/extraction.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

DEFINE_CLEANUP(yyjson_doc *, yyjson_doc_free)
DEFINE_CLEANUP(yyjson_mut_doc *, yyjson_mut_doc_free)

typedef struct writing {
    store_tx *tx;
    const extraction_changes *changes;
    arena *memory;
    const char **ids; /* of the record of each change */
    int64_t version, reflections_version;
    int64_t now;
} writing;

static ac_status added(bool well, ac_error *err)
{
    return well ? AC_OK : memory_no_memory(err);
}

/* ---- metadata ---- */

/* Times of a metadata object, from seconds to milliseconds or the other way round. */
static ac_status scale_times(yyjson_mut_doc *doc, yyjson_mut_val *metadata, bool to_ms, ac_error *err)
{
    yyjson_mut_val *key, *time, *scaled;
    yyjson_mut_obj_iter walk;

    yyjson_mut_obj_iter_init(metadata, &walk);
    while ((key = yyjson_mut_obj_iter_next(&walk)) != NULL) {
        yyjson_mut_val *value = yyjson_mut_obj_iter_get_val(key);

        time = yyjson_mut_obj_get(value, "dateTimeValue");
        if (!time)
            continue;
        scaled = to_ms ? yyjson_mut_sint(doc, (int64_t)(yyjson_mut_get_num(time) * 1000))
                       : yyjson_mut_real(doc, yyjson_mut_get_num(time) / 1000);
        AC_TRY(added(scaled && yyjson_mut_obj_put(value, yyjson_mut_str(doc, "dateTimeValue"), scaled), err));
    }
    return AC_OK;
}

ac_status extraction_metadata_told(const record_row *row, arena *memory, yyjson_val **ret_metadata, ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *value;
    yyjson_doc *told;

    *ret_metadata = NULL;
    if (!row->metadata)
        return AC_OK;
    AC_TRY(added(doc != NULL, err));
    AC_TRY(memory_json_value(doc, row->metadata, row->metadata_length, &value, err));
    AC_TRY(scale_times(doc, value, false, err));
    told = yyjson_mut_val_imut_copy(value, NULL);
    AC_TRY(added(told != NULL, err));
    if (arena_on_release(memory, (void (*)(void *))yyjson_doc_free, told) != AC_OK) {
        yyjson_doc_free(told);
        return memory_no_memory(err);
    }
    *ret_metadata = yyjson_doc_get_root(told);
    return AC_OK;
}

/* A text of an event's metadata as a value of the type that the schema says. */
static yyjson_mut_val *typed(yyjson_mut_doc *doc, const char *type, const char *text)
{
    char *end;

    if (strcmp(type, "STRINGLIST") == 0)
        return ac_json_pack(doc, "{s:[s]}", "stringListValue", text);
    if (strcmp(type, "NUMBER") != 0)
        return *text ? ac_json_pack(doc, "{s:s}", "stringValue", text) : NULL;
    double number = strtod(text, &end);
    return end != text && !*end && isfinite(number) ? ac_json_pack(doc, "{s:f}", "numberValue", number) : NULL;
}

/* STRICTLY_CONSISTENT keys have the value that the event's metadata has. */
static ac_status copy_consistent(const writing *w, bool reflection, yyjson_mut_doc *doc, yyjson_mut_val *metadata,
                                 ac_error *err)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *of_event = NULL;
    const event_row *last = w->changes->window->last;
    yyjson_val *schema = extraction_schema(w->changes->window->strategy, reflection), *each;
    size_t index, count;

    if (!last || !last->metadata || !schema)
        return AC_OK;
    AC_TRY(ac_json_read(last->metadata, last->metadata_length, NULL, &of_event, err));
    yyjson_arr_foreach(schema, index, count, each)
    {
        const char *key = ac_json_string(each, "key", "");
        yyjson_val *held = yyjson_obj_get(yyjson_doc_get_root(of_event), key);
        const char *text = ac_json_string(held, "stringValue", NULL);
        yyjson_mut_val *value;

        if (!text || strcmp(ac_json_string(each, "extractionType", ""), "STRICTLY_CONSISTENT") != 0 ||
            yyjson_mut_obj_size(metadata) >= EXTRACT_METADATA_MAX)
            continue;
        value = typed(doc, ac_json_string(each, "type", "STRING"), text);
        if (value)
            AC_TRY(added(yyjson_mut_obj_put(metadata, yyjson_mut_strcpy(doc, key), value), err));
    }
    return AC_OK;
}

static ac_status take_metadata(const writing *w, const extract_change *change, record_row *row, ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *metadata;

    AC_TRY(added(doc != NULL, err));
    metadata = change->metadata ? yyjson_mut_val_mut_copy(doc, change->metadata) : yyjson_mut_obj(doc);
    AC_TRY(added(metadata != NULL, err));
    AC_TRY(scale_times(doc, metadata, true, err));
    AC_TRY(copy_consistent(w, change->reflection, doc, metadata, err));
    row->metadata = NULL;
    if (yyjson_mut_obj_size(metadata) == 0)
        return AC_OK;
    return memory_json_text(metadata, RECORD_METADATA_BYTES_MAX, w->memory, &row->metadata, &row->metadata_length, err);
}

/* ---- rows ---- */

static const char *namespace_of(const writing *w, const extract_change *change)
{
    const extraction_changes *c = w->changes;

    return change->reflection && c->reflections ? c->reflections : c->namespace_name;
}

static int64_t version_of(const writing *w, const char *name)
{
    return w->changes->reflections && strcmp(name, w->changes->reflections) == 0 ? w->reflections_version : w->version;
}

static ac_status take_text(const writing *w, const extract_change *change, record_row *row, ac_error *err)
{
    row->content = change->text;
    row->content_length = strlen(change->text);
    row->at_ms = change->stated_ms;
    row->updated_ms = w->now;
    row->superseded = NULL;
    return take_metadata(w, change, row, err);
}

static ac_status add(writing *w, size_t index, ac_error *err)
{
    const extract_change *change = &w->changes->items[index];
    char *id = arena_alloc(w->memory, RECORD_ID_SIZE);
    record_row row = {
        .namespace_name = namespace_of(w, change),
        .strategy = w->changes->task->strategy_id,
        .session = w->changes->task->session,
        .created_ms = w->now,
    };

    AC_TRY(added(id != NULL, err));
    record_id_make(id);
    w->ids[index] = row.record = id;
    row.version = version_of(w, row.namespace_name);
    AC_TRY(take_text(w, change, &row, err));
    return record_insert(w->tx, w->changes->task->memory_id, &row, err);
}

/* One that is gone by now is made anew. */
static ac_status update(writing *w, size_t index, ac_error *err)
{
    const extract_change *change = &w->changes->items[index];
    record_row row;
    bool found;

    AC_TRY(record_get(w->tx, w->changes->task->memory_id, change->id, w->memory, &row, &found, err));
    if (!found || strcmp(row.namespace_name, namespace_of(w, change)) != 0)
        return add(w, index, err);
    w->ids[index] = row.record;
    row.version = version_of(w, row.namespace_name);
    AC_TRY(take_text(w, change, &row, err));
    return record_update(w->tx, &row, err);
}

static ac_status mark(const writing *w, record_row *row, ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *metadata = NULL, *value;

    AC_TRY(added(doc != NULL, err));
    if (row->metadata)
        AC_TRY(memory_json_value(doc, row->metadata, row->metadata_length, &metadata, err));
    else
        metadata = yyjson_mut_obj(doc);
    value = ac_json_pack(doc, "{s:s}", "stringValue", row->superseded);
    AC_TRY(added(metadata && value && yyjson_mut_obj_put(metadata, yyjson_mut_str(doc, EXTRACT_KEY_SUPERSEDED), value),
                 err));
    return memory_json_text(metadata, RECORD_METADATA_BYTES_MAX, w->memory, &row->metadata, &row->metadata_length, err);
}

static ac_status supersede(writing *w, size_t index, ac_error *err)
{
    const extract_change *change = &w->changes->items[index];
    record_row row;
    bool found;

    if (change->by >= index || !w->ids[change->by])
        return ac_error_set(err, AC_ERR_INTERNAL, "a record is superseded by nothing");
    AC_TRY(record_get(w->tx, w->changes->task->memory_id, change->id, w->memory, &row, &found, err));
    if (!found || strcmp(row.namespace_name, namespace_of(w, change)) != 0)
        return AC_OK;
    row.superseded = w->ids[change->by];
    row.updated_ms = w->now;
    row.version = version_of(w, row.namespace_name);
    AC_TRY(mark(w, &row, err));
    return record_update(w->tx, &row, err);
}

/* ---- all of them ---- */

static ac_status raise_one(const writing *w, const char *name, int64_t seen, int64_t *ret_version, ac_error *err)
{
    AC_TRY(namespace_raise(w->tx, w->changes->task->memory_id, name, ret_version, err));
    if (w->changes->check_versions && *ret_version != seen + 1)
        return ac_error_set(err, AC_ERR_CONFLICT, "the records have changed meanwhile");
    return AC_OK;
}

/* Both namespaces, in the order of their names, as batches do it. */
static ac_status raise_versions(writing *w, ac_error *err)
{
    const extraction_changes *c = w->changes;
    bool two = c->reflections && strcmp(c->reflections, c->namespace_name) != 0;
    bool reflections_first = two && strcmp(c->reflections, c->namespace_name) < 0;

    if (reflections_first)
        AC_TRY(raise_one(w, c->reflections, c->reflections_version, &w->reflections_version, err));
    AC_TRY(raise_one(w, c->namespace_name, c->version, &w->version, err));
    if (two && !reflections_first)
        AC_TRY(raise_one(w, c->reflections, c->reflections_version, &w->reflections_version, err));
    if (!two)
        w->reflections_version = w->version;
    return AC_OK;
}

ac_status extraction_changes_write(store_tx *tx, const extraction_changes *changes, arena *memory, ac_error *err)
{
    writing w = {
        .tx = tx,
        .changes = changes,
        .memory = memory,
        .ids = arena_zalloc(memory, (changes->count + 1) * sizeof *w.ids),
        .now = clock_unix_ms(),
    };

    AC_TRY(added(w.ids != NULL, err));
    if (changes->count == 0)
        return AC_OK;
    AC_TRY(raise_versions(&w, err));
    for (size_t i = 0; i < changes->count; i++) {
        switch (changes->items[i].action) {
        case EXTRACT_ADD:
            AC_TRY(add(&w, i, err));
            break;
        case EXTRACT_UPDATE:
            AC_TRY(update(&w, i, err));
            break;
        case EXTRACT_SUPERSEDE:
            AC_TRY(supersede(&w, i, err));
            break;
        }
    }
    return AC_OK;
}
