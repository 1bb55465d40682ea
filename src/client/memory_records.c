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

static bool append_ids(yyjson_mut_doc *ids, yyjson_val *records)
{
    yyjson_val *record;
    size_t i, n;

    yyjson_arr_foreach(records, i, n, record)
    {
        const char *id = ac_json_string(record, "memoryRecordId", "");

        if (!yyjson_mut_arr_add_strcpy(ids, yyjson_mut_doc_get_root(ids), id))
            return false;
    }
    return true;
}

/* The ids of all records of a place; *ret_complete is false when there are more than a listing gives. */
static ac_status list_ids(ac_client *client, const char *memory_id, const ac_memory_place *place, yyjson_mut_doc *ids,
                          bool *ret_complete, ac_error *err)
{
    _cleanup_(memory_call_done) memory_call c = memory_call_begin(client, "ListMemoryRecords", memory_id);
    memory_pages pages = memory_pages_of(&c, RECORDS, SIZE_MAX);

    add_place(&c, place);
    for (;;) {
        _cleanup_(yyjson_doc_freep) yyjson_doc *page = NULL;
        yyjson_val *records = NULL;

        AC_TRY(memory_pages_next(&pages, &page, &records, err));
        *ret_complete = pages.ended;
        if (!page)
            return AC_OK;
        if (!append_ids(ids, records))
            return memory_exhausted(err);
    }
}

/* Delete the next ones, as many as one call takes; *deleted grows by how many went. */
static ac_status delete_batch(ac_client *client, const char *memory_id, yyjson_mut_arr_iter *ids,
                              yyjson_mut_doc *outcome, size_t *deleted, ac_error *err)
{
    _cleanup_(memory_call_done) memory_call c = memory_call_begin(client, "BatchDeleteMemoryRecords", memory_id);
    _cleanup_(yyjson_doc_freep) yyjson_doc *answer = NULL;
    yyjson_mut_val *list = yyjson_mut_arr(c.doc);

    for (size_t i = 0; i < MEMORY_PAGE_MAX && yyjson_mut_arr_iter_has_next(ids); i++) {
        yyjson_mut_val *item = yyjson_mut_arr_add_obj(c.doc, list), *id = yyjson_mut_arr_iter_next(ids);

        if (!item || !yyjson_mut_obj_add_str(c.doc, item, "memoryRecordId", yyjson_mut_get_str(id)))
            return memory_exhausted(err);
    }
    memory_call_add(&c, "records", list);
    AC_TRY(memory_call_run(&c, &answer, err));
    yyjson_val *root = yyjson_doc_get_root(answer);
    yyjson_val *successful = yyjson_obj_get(root, "successfulRecords");
    *deleted += yyjson_arr_size(successful);
    return append_items(outcome, "successfulRecords", successful) &&
                   append_items(outcome, "failedRecords", yyjson_obj_get(root, "failedRecords"))
               ? AC_OK
               : memory_exhausted(err);
}

/* All that a listing gives, each once; *ret_more when it does not give all, and to go on is not in vain.  Listed to the
 * end before the first is deleted, as a token need not survive what is deleted, and the first page may be full of
 * records that cannot be. */
static ac_status delete_listed(ac_client *client, const char *memory_id, const ac_memory_place *place,
                               yyjson_mut_doc *outcome, bool *ret_more, ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *ids = memory_new_list();
    yyjson_mut_arr_iter next;
    bool complete = false;
    size_t deleted = 0;

    if (!ids)
        return memory_exhausted(err);
    AC_TRY(list_ids(client, memory_id, place, ids, &complete, err));
    yyjson_mut_arr_iter_init(yyjson_mut_doc_get_root(ids), &next);
    while (yyjson_mut_arr_iter_has_next(&next))
        AC_TRY(delete_batch(client, memory_id, &next, outcome, &deleted, err));
    *ret_more = !complete && deleted > 0;
    return AC_OK;
}

ac_status ac_memory_delete_records(ac_client *client, const char *memory_id, const ac_memory_place *place,
                                   yyjson_doc **ret_outcome, ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *outcome = memory_new_object();
    yyjson_mut_val *root = yyjson_mut_doc_get_root(outcome);
    bool more = true;

    if (ret_outcome)
        *ret_outcome = NULL;
    AC_TRY(check_place(place, err));
    if (!root || !yyjson_mut_obj_add_arr(outcome, root, "successfulRecords") ||
        !yyjson_mut_obj_add_arr(outcome, root, "failedRecords"))
        return memory_exhausted(err);
    while (more) {
        /* Those that failed before are still there, and are tried and told again. */
        yyjson_mut_arr_clear(yyjson_mut_obj_get(root, "failedRecords"));
        AC_TRY(delete_listed(client, memory_id, place, outcome, &more, err));
    }
    return ret_outcome ? memory_finish(outcome, ret_outcome, err) : AC_OK;
}
