/* records.c - the operations on single records, and their list. */
#include "daemon/memory/records.h"

#include "base/clock.h"
#include "daemon/resources/transact.h"

#include <string.h>

static ac_status added(bool well, ac_error *err)
{
    return well ? AC_OK : memory_no_memory(err);
}

ac_status record_show(yyjson_mut_doc *doc, const record_row *row, double score, yyjson_mut_val **ret_object,
                      ac_error *err)
{
    yyjson_mut_val *object, *metadata;

    object = ac_json_pack(doc, "{s:s, s:{s:s%}, s:I}", "memoryRecordId", row->record, "content", "text", row->content,
                          row->content_length, "createdAt", row->created_ms);
    AC_TRY(added(object != NULL, err));
    AC_TRY(added(yyjson_mut_obj_add_val(doc, object, "namespaces",
                                        *row->namespace_name ? ac_json_pack(doc, "[s]", row->namespace_name)
                                                             : yyjson_mut_arr(doc)),
                 err));
    if (row->strategy)
        AC_TRY(added(yyjson_mut_obj_add_strcpy(doc, object, "memoryStrategyId", row->strategy), err));
    if (row->metadata) {
        AC_TRY(memory_json_value(doc, row->metadata, row->metadata_length, &metadata, err));
        AC_TRY(added(yyjson_mut_obj_add_val(doc, object, "metadata", metadata), err));
    }
    if (score >= 0)
        AC_TRY(added(yyjson_mut_obj_add_real(doc, object, "score", score), err));
    *ret_object = object;
    return AC_OK;
}

ac_status record_open(store_tx *tx, front_call *call, const char **ret_memory_id,
                      const memory_definition **ret_definition, ac_error *err)
{
    const memory_room *room = call->room;

    AC_TRY(memory_id_of(call, ret_memory_id, err));
    return memory_definition_get(tx, room->definitions, call->caller.account, *ret_memory_id, ret_definition, err);
}

static ac_status find(store_tx *tx, front_call *call, const char **ret_memory_id, record_row *ret_row, ac_error *err)
{
    _cleanup_(memory_definition_unrefp) const memory_definition *d = NULL;
    const char *record = front_text(call, "memoryRecordId");
    bool found;

    AC_TRY(record_open(tx, call, ret_memory_id, &d, err));
    AC_TRY(record_get(tx, *ret_memory_id, record, call->memory, ret_row, &found, err));
    if (!found)
        return ac_error_set(err, AC_ERR_NOT_FOUND, "There is no memory record with the id '%s'", record);
    return AC_OK;
}

/* ---- get ---- */

static ac_status get_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    yyjson_mut_val *object;
    const char *memory_id;
    record_row row;

    (void)arg;
    AC_TRY(find(tx, call, &memory_id, &row, err));
    AC_TRY(record_show(call->doc, &row, -1, &object, err));
    return front_add_value(call, "memoryRecord", object, err);
}

ac_status get_memory_record(front_call *call, ac_error *err)
{
    const memory_room *room = call->room;

    return transact_read(room->store, call, get_in, NULL, err);
}

/* ---- delete ---- */

static ac_status delete_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const char *memory_id;
    int64_t version;
    record_row row;

    (void)arg;
    AC_TRY(find(tx, call, &memory_id, &row, err));
    AC_TRY(namespace_raise(tx, memory_id, row.namespace_name, &version, err));
    AC_TRY(record_remove(tx, memory_id, &row, version, err));
    return front_add_text(call, "memoryRecordId", row.record, err);
}

ac_status delete_memory_record(front_call *call, ac_error *err)
{
    const memory_room *room = call->room;

    return transact_write(room->store, call, delete_in, NULL, err);
}

/* ---- list ---- */

static ac_status show_records(front_call *call, const record_row *rows, size_t count, ac_error *err)
{
    yyjson_mut_val *list = yyjson_mut_arr(call->doc), *object;

    for (size_t i = 0; i < count; i++) {
        AC_TRY(record_show(call->doc, &rows[i], -1, &object, err));
        AC_TRY(added(yyjson_mut_arr_append(list, object), err));
    }
    return front_add_value(call, "memoryRecordSummaries", list, err);
}

static ac_status list_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    static const char *const shape[] = {"namespace", "namespacePath", "memoryStrategyId", "metadataFilters"};
    _cleanup_(memory_definition_unrefp) const memory_definition *d = NULL;
    record_scan scan = {
        .strategy = front_text(call, "memoryStrategyId"),
        .limit = (size_t)front_int(call, "maxResults", MEMORY_PAGE_DEFAULT),
    };
    memory_position position;
    record_filters filters;
    record_row *rows;
    bool given, more;
    const char *list;
    size_t count;

    (void)arg;
    AC_TRY(record_open(tx, call, &scan.memory_id, &d, err));
    AC_TRY(namespace_range_of(call, &scan.range, err));
    AC_TRY(record_filters_read(d, front_value(call, "metadataFilters"), call->memory, &filters, err));
    AC_TRY(memory_page_name(call, scan.memory_id, shape, ARRAY_SIZE(shape), &list, err));
    AC_TRY(memory_page_open(call, list, &position, &given, err));
    scan.filters = &filters;
    scan.before_namespace = given ? position.text : NULL;
    scan.before_id = position.first;
    AC_TRY(record_scan_run(tx, &scan, call->memory, &rows, &count, &more, err));
    AC_TRY(show_records(call, rows, count, err));
    if (!more)
        return AC_OK;
    return memory_page_add(
        call, list, &(memory_position){.first = rows[count - 1].id, .text = rows[count - 1].namespace_name}, err);
}

ac_status list_memory_records(front_call *call, ac_error *err)
{
    const memory_room *room = call->room;

    return transact_read(room->store, call, list_in, NULL, err);
}
