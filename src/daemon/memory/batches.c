/* batches.c - up to a hundred records created, changed or deleted in one transaction.
 *
 * What is wrong with one record (it is not there, its strategy is not) fails that one, in the answer, and not the
 * others.  The namespaces that a batch touches are raised in their order of names, so that two batches at the same time
 * do not wait for each other. */
#include "daemon/memory/records.h"

#include "base/clock.h"
#include "daemon/resources/transact.h"

#include <stdlib.h>
#include <string.h>

#define SUCCEEDED "SUCCEEDED"
#define FAILED "FAILED"
#define CODE_INVALID 400
#define CODE_NOT_FOUND 404

typedef struct touched {
    const char *name;
    int64_t version;
} touched;

typedef struct entry {
    yyjson_mut_val *input;
    const char *id;         /* memoryRecordId */
    const char *request_id; /* requestIdentifier, or NULL */
    int code;               /* 0: well */
    const char *problem;
    record_row row;   /* as it is to be */
    const char *from; /* the namespace it was in; NULL: it is new */
} entry;

typedef struct batch {
    front_call *call;
    const char *memory_id;
    const memory_definition *definition;
    entry *entries;
    size_t count;
    touched *touched;
    size_t touched_count;
} batch;

static void batch_done(batch *b)
{
    memory_definition_unref(b->definition);
}

static ac_status added(bool well, ac_error *err)
{
    return well ? AC_OK : memory_no_memory(err);
}

static ac_status fail(entry *e, int code, const char *problem)
{
    e->code = code;
    e->problem = problem;
    return AC_OK;
}

static ac_status open_batch(store_tx *tx, front_call *call, batch *b, ac_error *err)
{
    yyjson_mut_val *records = front_value(call, "records"), *each;
    yyjson_mut_arr_iter walk;

    b->call = call;
    AC_TRY(record_open(tx, call, &b->memory_id, &b->definition, err));
    AC_TRY(memory_definition_check_ready(b->definition, err));
    b->entries = arena_zalloc(call->memory, (yyjson_mut_arr_size(records) + 1) * sizeof *b->entries);
    b->touched = arena_zalloc(call->memory, (yyjson_mut_arr_size(records) + 1) * 2 * sizeof *b->touched);
    AC_TRY(added(b->entries && b->touched, err));
    yyjson_mut_arr_iter_init(records, &walk);
    while ((each = yyjson_mut_arr_iter_next(&walk)) != NULL) {
        b->entries[b->count++] = (entry){
            .input = each,
            .id = yyjson_mut_get_str(yyjson_mut_obj_get(each, "memoryRecordId")),
            .request_id = yyjson_mut_get_str(yyjson_mut_obj_get(each, "requestIdentifier")),
        };
    }
    return AC_OK;
}

/* ---- versions ---- */

static int by_name(const void *one, const void *other)
{
    return strcmp(((const touched *)one)->name, ((const touched *)other)->name);
}

static void touch(batch *b, const char *name)
{
    if (name)
        b->touched[b->touched_count++].name = name;
}

static ac_status raise_touched(store_tx *tx, batch *b, ac_error *err)
{
    size_t count = 0;

    for (size_t i = 0; i < b->count; i++) {
        touch(b, b->entries[i].code ? NULL : b->entries[i].row.namespace_name);
        touch(b, b->entries[i].code ? NULL : b->entries[i].from);
    }
    qsort(b->touched, b->touched_count, sizeof *b->touched, by_name);
    for (size_t i = 0; i < b->touched_count; i++) {
        if (count > 0 && strcmp(b->touched[count - 1].name, b->touched[i].name) == 0)
            continue;
        b->touched[count] = b->touched[i];
        AC_TRY(namespace_raise(tx, b->memory_id, b->touched[count].name, &b->touched[count].version, err));
        count++;
    }
    b->touched_count = count;
    return AC_OK;
}

static int64_t version_of(const batch *b, const char *name)
{
    const touched key = {.name = name};
    const touched *found = bsearch(&key, b->touched, b->touched_count, sizeof key, by_name);

    return found ? found->version : 0;
}

/* ---- inputs ---- */

static bool has_own_key(yyjson_mut_val *metadata)
{
    yyjson_mut_val *key;
    yyjson_mut_obj_iter walk;

    if (!metadata)
        return false;
    yyjson_mut_obj_iter_init(metadata, &walk);
    while ((key = yyjson_mut_obj_iter_next(&walk)) != NULL)
        if (strncmp(yyjson_mut_get_str(key), MEMORY_OWN_KEYS, strlen(MEMORY_OWN_KEYS)) == 0)
            return true;
    return false;
}

/* Members that create and update have in common; those that are absent leave the row as it is. */
static ac_status read_members(const batch *b, entry *e, ac_error *err)
{
    yyjson_mut_val *text = yyjson_mut_obj_get(yyjson_mut_obj_get(e->input, "content"), "text");
    yyjson_mut_val *namespaces = yyjson_mut_obj_get(e->input, "namespaces");
    yyjson_mut_val *metadata = yyjson_mut_obj_get(e->input, "metadata");
    const char *strategy = yyjson_mut_get_str(yyjson_mut_obj_get(e->input, "memoryStrategyId"));
    record_row *row = &e->row;

    if (memory_check_time(yyjson_mut_get_sint(yyjson_mut_obj_get(e->input, "timestamp")), "timestamp", NULL) != AC_OK)
        return fail(e, CODE_INVALID, "timestamp must not be before 1970 or more than ten years ahead");
    if (strategy && !memory_definition_strategy(b->definition, strategy))
        return fail(e, CODE_NOT_FOUND, "The memory has no strategy with this memoryStrategyId");
    if (has_own_key(metadata))
        return fail(e, CODE_INVALID, "Metadata keys that begin with " MEMORY_OWN_KEYS " are reserved");
    if (text && strlen(yyjson_mut_get_str(text)) != yyjson_mut_get_len(text))
        return fail(e, CODE_INVALID, "A text must not hold the character U+0000");
    row->at_ms = yyjson_mut_get_sint(yyjson_mut_obj_get(e->input, "timestamp"));
    if (text) {
        row->content = yyjson_mut_get_str(text);
        row->content_length = yyjson_mut_get_len(text);
    }
    if (strategy)
        row->strategy = strategy;
    if (namespaces) {
        const char *name = yyjson_mut_get_str(yyjson_mut_arr_get_first(namespaces));
        row->namespace_name = name ? name : "";
    }
    if (!metadata)
        return AC_OK;
    return memory_json_text(metadata, RECORD_METADATA_BYTES_MAX, b->call->memory, &row->metadata, &row->metadata_length,
                            err);
}

/* ---- answers ---- */

static ac_status show_entry(const batch *b, const entry *e, yyjson_mut_val *good, yyjson_mut_val *bad, ac_error *err)
{
    yyjson_mut_doc *doc = b->call->doc;
    yyjson_mut_val *object =
        ac_json_pack(doc, "{s:s, s:s}", "memoryRecordId", e->id, "status", e->code ? FAILED : SUCCEEDED);

    AC_TRY(added(object && yyjson_mut_arr_append(e->code ? bad : good, object), err));
    if (e->request_id)
        AC_TRY(added(yyjson_mut_obj_add_strcpy(doc, object, "requestIdentifier", e->request_id), err));
    if (!e->code)
        return AC_OK;
    AC_TRY(added(yyjson_mut_obj_add_int(doc, object, "errorCode", e->code), err));
    return added(yyjson_mut_obj_add_str(doc, object, "errorMessage", e->problem), err);
}

static ac_status answer(const batch *b, ac_error *err)
{
    yyjson_mut_val *good = yyjson_mut_arr(b->call->doc), *bad = yyjson_mut_arr(b->call->doc);

    for (size_t i = 0; i < b->count; i++)
        AC_TRY(show_entry(b, &b->entries[i], good, bad, err));
    AC_TRY(front_add_value(b->call, "successfulRecords", good, err));
    return front_add_value(b->call, "failedRecords", bad, err);
}

static ac_status write_with(front_call *call, transact_fn fn, ac_error *err)
{
    const memory_room *room = call->room;

    return transact_write(room->store, call, fn, NULL, err);
}

/* ---- create ---- */

static ac_status prepare_new(const batch *b, entry *e, int64_t now, ac_error *err)
{
    char *id = arena_alloc(b->call->memory, RECORD_ID_SIZE);

    AC_TRY(added(id != NULL, err));
    record_id_make(id);
    e->id = id;
    e->row = (record_row){.record = id, .namespace_name = "", .created_ms = now, .updated_ms = now};
    return read_members(b, e, err);
}

static ac_status create_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    _cleanup_(batch_done) batch b = {0};
    int64_t now = clock_unix_ms();

    (void)arg;
    AC_TRY(open_batch(tx, call, &b, err));
    for (size_t i = 0; i < b.count; i++)
        AC_TRY(prepare_new(&b, &b.entries[i], now, err));
    AC_TRY(raise_touched(tx, &b, err));
    for (size_t i = 0; i < b.count; i++) {
        entry *e = &b.entries[i];

        if (e->code)
            continue;
        e->row.version = version_of(&b, e->row.namespace_name);
        AC_TRY(record_insert(tx, b.memory_id, &e->row, err));
    }
    return answer(&b, err);
}

ac_status batch_create_memory_records(front_call *call, ac_error *err)
{
    return write_with(call, create_in, err);
}

/* ---- update and delete ---- */

static ac_status find(store_tx *tx, const batch *b, entry *e, ac_error *err)
{
    bool found;

    AC_TRY(record_get(tx, b->memory_id, e->id, b->call->memory, &e->row, &found, err));
    if (!found)
        return fail(e, CODE_NOT_FOUND, "There is no memory record with this id");
    for (const entry *before = b->entries; before < e; before++)
        if (strcmp(before->id, e->id) == 0)
            return fail(e, CODE_INVALID, "The record is in this batch before");
    e->from = e->row.namespace_name;
    return AC_OK;
}

static ac_status update_row(store_tx *tx, const batch *b, entry *e, ac_error *err)
{
    e->row.version = version_of(b, e->row.namespace_name);
    AC_TRY(record_update(tx, &e->row, err));
    if (strcmp(e->from, e->row.namespace_name) == 0)
        return AC_OK;
    return record_note_removal(tx, b->memory_id, e->from, e->id, version_of(b, e->from), err);
}

static ac_status update_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    _cleanup_(batch_done) batch b = {0};
    int64_t now = clock_unix_ms();

    (void)arg;
    AC_TRY(open_batch(tx, call, &b, err));
    for (size_t i = 0; i < b.count; i++) {
        AC_TRY(find(tx, &b, &b.entries[i], err));
        if (!b.entries[i].code)
            AC_TRY(read_members(&b, &b.entries[i], err));
        b.entries[i].row.updated_ms = now;
    }
    AC_TRY(raise_touched(tx, &b, err));
    for (size_t i = 0; i < b.count; i++)
        if (!b.entries[i].code)
            AC_TRY(update_row(tx, &b, &b.entries[i], err));
    return answer(&b, err);
}

ac_status batch_update_memory_records(front_call *call, ac_error *err)
{
    return write_with(call, update_in, err);
}

static ac_status delete_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    _cleanup_(batch_done) batch b = {0};

    (void)arg;
    AC_TRY(open_batch(tx, call, &b, err));
    for (size_t i = 0; i < b.count; i++)
        AC_TRY(find(tx, &b, &b.entries[i], err));
    AC_TRY(raise_touched(tx, &b, err));
    for (size_t i = 0; i < b.count; i++) {
        const entry *e = &b.entries[i];

        if (!e->code)
            AC_TRY(record_remove(tx, b.memory_id, &e->row, version_of(&b, e->from), err));
    }
    return answer(&b, err);
}

ac_status batch_delete_memory_records(front_call *call, ac_error *err)
{
    return write_with(call, delete_in, err);
}
