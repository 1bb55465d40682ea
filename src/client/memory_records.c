/* memory_records.c - long-term memories: searched, listed, deleted, waited for. */
#include "client/memory_internal.h"

#include "base/utf8.h"

#include <string.h>

#define RECORDS "memoryRecordSummaries"
#define TOP_K 3
#define WAIT_S 180
#define WAIT_POLL_MS 15000

static const char *place_name(const ac_memory_place *p)
{
    return p->namespace_prefix ? p->namespace_prefix : p->namespace_path;
}

static ac_status check_place(const ac_memory_place *p, ac_error *err)
{
    size_t filters = p ? yyjson_arr_size(p->metadata_filters) : 0;

    if (!p || !place_name(p))
        return ac_error_set(err, AC_ERR_INVALID,
                            "At least one of 'namespace_prefix' or 'namespace_path' must be provided.");
    if (p->namespace_prefix && p->namespace_path)
        return ac_error_set(err, AC_ERR_INVALID, "'namespace_prefix' and 'namespace_path' are mutually exclusive.");
    if (strchr(place_name(p), '*'))
        return ac_error_set(err, AC_ERR_INVALID, "Wildcards (*) are not supported in namespaces.");
    if (filters > MEMORY_FILTERS_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "metadata_filters supports a maximum of %d expressions; received %zu.",
                            MEMORY_FILTERS_MAX, filters);
    return AC_OK;
}

static void add_namespace(memory_call *c, const ac_memory_place *p)
{
    memory_call_text(c, "namespace", p->namespace_prefix);
    memory_call_text(c, "namespacePath", p->namespace_path);
}

/* ---- search ---- */

static yyjson_mut_val *criteria(yyjson_mut_doc *doc, const char *query, const ac_memory_place *p, unsigned top_k)
{
    yyjson_mut_val *object = yyjson_mut_obj(doc);
    bool added = yyjson_mut_obj_add_str(doc, object, "searchQuery", query) &&
                 yyjson_mut_obj_add_uint(doc, object, "topK", top_k);

    if (added && p->strategy_id)
        added = yyjson_mut_obj_add_str(doc, object, "memoryStrategyId", p->strategy_id);
    if (added && p->metadata_filters)
        added = yyjson_mut_obj_add_val(doc, object, "metadataFilters", yyjson_val_mut_copy(doc, p->metadata_filters));
    return added ? object : NULL;
}

ac_status ac_memory_search(ac_client *client, const char *memory_id, const char *query, const ac_memory_place *place,
                           unsigned top_k, yyjson_doc **ret_records, ac_error *err)
{
    _cleanup_(memory_call_done) memory_call c = memory_call_begin(client, "RetrieveMemoryRecords", memory_id);
    unsigned wanted = top_k ? top_k : TOP_K;

    *ret_records = NULL;
    AC_TRY(check_place(place, err));
    if (!query || !utf8_valid(query, strlen(query)))
        return ac_error_set(err, AC_ERR_INVALID, "query is required, in UTF-8");
    add_namespace(&c, place);
    memory_call_add(&c, "searchCriteria", c.doc ? criteria(c.doc, query, place, wanted) : NULL);
    return memory_collect(&c, RECORDS, wanted, ret_records, err);
}

/* ---- list ---- */

static void add_place(memory_call *c, const ac_memory_place *p)
{
    add_namespace(c, p);
    memory_call_text(c, "memoryStrategyId", p->strategy_id);
    if (p->metadata_filters)
        memory_call_add(c, "metadataFilters", c->doc ? yyjson_val_mut_copy(c->doc, p->metadata_filters) : NULL);
}

ac_status ac_memory_list_records(ac_client *client, const char *memory_id, const ac_memory_place *place,
                                 size_t results_max, yyjson_doc **ret_records, ac_error *err)
{
    _cleanup_(memory_call_done) memory_call c = memory_call_begin(client, "ListMemoryRecords", memory_id);

    *ret_records = NULL;
    AC_TRY(check_place(place, err));
    add_place(&c, place);
    return memory_collect(&c, RECORDS, results_max, ret_records, err);
}

ac_status ac_memory_wait_records(ac_client *client, const char *memory_id, const ac_memory_place *place,
                                 const ac_memory_wait_options *wait, ac_error *err)
{
    patience p = patience_begin_quick(wait && wait->max_wait_s ? wait->max_wait_s : WAIT_S,
                                      wait && wait->poll_interval_ms ? wait->poll_interval_ms : WAIT_POLL_MS);

    do {
        _cleanup_(yyjson_doc_freep) yyjson_doc *records = NULL;

        AC_TRY(ac_memory_list_records(client, memory_id, place, 1, &records, err));
        if (yyjson_arr_size(yyjson_doc_get_root(records)))
            return AC_OK;
    } while (patience_pause(&p));
    return ac_error_set(err, AC_ERR_TIMEOUT, "No memories in %s within %u seconds", place_name(place), p.max_wait_s);
}

/* ---- one record ---- */

ac_status ac_memory_get_record(ac_client *client, const char *memory_id, const char *record_id, yyjson_doc **ret_record,
                               ac_error *err)
{
    _cleanup_(memory_call_done) memory_call c = memory_call_begin(client, "GetMemoryRecord", memory_id);

    memory_call_text(&c, "memoryRecordId", record_id);
    return memory_call_run_for(&c, "memoryRecord", ret_record, err);
}

ac_status ac_memory_delete_record(ac_client *client, const char *memory_id, const char *record_id, ac_error *err)
{
    _cleanup_(memory_call_done) memory_call c = memory_call_begin(client, "DeleteMemoryRecord", memory_id);

    memory_call_text(&c, "memoryRecordId", record_id);
    return memory_call_run(&c, NULL, err);
}

/* ---- all records of a place ---- */

static bool append_items(yyjson_mut_doc *outcome, const char *key, yyjson_val *items)
{
    yyjson_mut_val *list = yyjson_mut_obj_get(yyjson_mut_doc_get_root(outcome), key);
    yyjson_val *item;
    size_t i, n;

    yyjson_arr_foreach(items, i, n, item)
    {
        if (!yyjson_mut_arr_append(list, yyjson_val_mut_copy(outcome, item)))
            return false;
    }
    return true;
}

/* Delete a page of records.  *ret_deleted is how many went: with none, to go on would be in vain. */
static ac_status delete_page(ac_client *client, const char *memory_id, yyjson_val *records, yyjson_mut_doc *outcome,
                             size_t *ret_deleted, ac_error *err)
{
    _cleanup_(memory_call_done) memory_call c = memory_call_begin(client, "BatchDeleteMemoryRecords", memory_id);
    _cleanup_(yyjson_doc_freep) yyjson_doc *answer = NULL;
    yyjson_mut_val *list = yyjson_mut_arr(c.doc);
    yyjson_val *record;
    size_t i, n;

    yyjson_arr_foreach(records, i, n, record)
    {
        yyjson_mut_val *item = yyjson_mut_arr_add_obj(c.doc, list);

        if (!item ||
            !yyjson_mut_obj_add_str(c.doc, item, "memoryRecordId", ac_json_string(record, "memoryRecordId", "")))
            return memory_exhausted(err);
    }
    memory_call_add(&c, "records", list);
    AC_TRY(memory_call_run(&c, &answer, err));
    yyjson_val *root = yyjson_doc_get_root(answer);
    yyjson_val *deleted = yyjson_obj_get(root, "successfulRecords");
    *ret_deleted = yyjson_arr_size(deleted);
    return append_items(outcome, "successfulRecords", deleted) &&
                   append_items(outcome, "failedRecords", yyjson_obj_get(root, "failedRecords"))
               ? AC_OK
               : memory_exhausted(err);
}

/* The first page again and again, as a token need not survive what is deleted. */
ac_status ac_memory_delete_records(ac_client *client, const char *memory_id, const ac_memory_place *place,
                                   yyjson_doc **ret_outcome, ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *outcome = memory_new_object();
    yyjson_mut_val *root = yyjson_mut_doc_get_root(outcome);

    if (ret_outcome)
        *ret_outcome = NULL;
    if (!root || !yyjson_mut_obj_add_arr(outcome, root, "successfulRecords") ||
        !yyjson_mut_obj_add_arr(outcome, root, "failedRecords"))
        return memory_exhausted(err);
    for (;;) {
        _cleanup_(yyjson_doc_freep) yyjson_doc *records = NULL;
        size_t deleted = 0;

        AC_TRY(ac_memory_list_records(client, memory_id, place, MEMORY_PAGE_MAX, &records, err));
        if (yyjson_arr_size(yyjson_doc_get_root(records)))
            AC_TRY(delete_page(client, memory_id, yyjson_doc_get_root(records), outcome, &deleted, err));
        if (deleted == 0)
            return ret_outcome ? memory_finish(outcome, ret_outcome, err) : AC_OK;
    }
}
