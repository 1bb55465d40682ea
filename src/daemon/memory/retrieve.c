/* retrieve.c - RetrieveMemoryRecords: which namespaces, what the search engine finds in them, and the records' texts.
 *
 * The engine is asked between two transactions, since it reads the store itself when an index is behind.  A record that
 * is deleted meanwhile is left out. */
#include "daemon/memory/records.h"

#include "daemon/resources/transact.h"

#include <string.h>

#define TOP_K_DEFAULT 10

typedef struct retrieval {
    const char *memory_id;
    const memory_definition *definition;
    search_namespace *namespaces;
    size_t namespace_count;
    record_filters filters;
    const char *list; /* for page tokens */
    size_t skip;      /* hits of the pages before */
    size_t page;      /* most on this one */
    search_hit *hits;
    size_t hit_count;
} retrieval;

static void retrieval_done(retrieval *r)
{
    memory_definition_unref(r->definition);
}

static ac_status open_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    static const char *const shape[] = {"namespace", "namespacePath", "searchCriteria"};
    yyjson_mut_val *criteria = front_value(call, "searchCriteria");
    retrieval *r = arg;
    namespace_range range;
    memory_position position;
    bool given;

    memory_definition_unref(TAKE_PTR(r->definition));
    AC_TRY(record_open(tx, call, &r->memory_id, &r->definition, err));
    AC_TRY(namespace_range_of(call, &range, err));
    AC_TRY(record_filters_read(r->definition, yyjson_mut_obj_get(criteria, "metadataFilters"), call->memory,
                               &r->filters, err));
    AC_TRY(memory_page_name(call, r->memory_id, shape, ARRAY_SIZE(shape), &r->list, err));
    AC_TRY(memory_page_open(call, r->list, &position, &given, err));
    r->skip = given ? (size_t)position.first : 0;
    return namespace_list(tx, r->memory_id, &range, call->memory, &r->namespaces, &r->namespace_count, err);
}

static bool accept(void *user, const char *record_id, yyjson_val *metadata, int64_t created_ms, int64_t updated_ms)
{
    const retrieval *r = user;

    (void)record_id;
    return record_filters_accept(&r->filters, metadata, created_ms, updated_ms);
}

static ac_status search(front_call *call, retrieval *r, ac_error *err)
{
    const memory_room *room = call->room;
    yyjson_mut_val *criteria = front_value(call, "searchCriteria");
    yyjson_mut_val *text = yyjson_mut_obj_get(criteria, "searchQuery");
    yyjson_mut_val *top_k = yyjson_mut_obj_get(criteria, "topK");
    const search_query query = {
        .memory = r->memory_id,
        .namespaces = r->namespaces,
        .namespace_count = r->namespace_count,
        .text = yyjson_mut_get_str(text),
        .text_length = yyjson_mut_get_len(text),
        .top_k = (size_t)(top_k ? yyjson_mut_get_sint(top_k) : front_int(call, "maxResults", TOP_K_DEFAULT)),
        .strategy_id = yyjson_mut_get_str(yyjson_mut_obj_get(criteria, "memoryStrategyId")),
        .accept = r->filters.count ? accept : NULL,
        .user = r,
    };

    if (r->namespace_count == 0)
        return AC_OK;
    return memory_search_query(room->search, &query, call->memory, &r->hits, &r->hit_count, err);
}

static const record_row *row_of(const record_row *rows, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].record, id) == 0)
            return &rows[i];
    return NULL;
}

static ac_status show_hits(front_call *call, const search_hit *hits, size_t hit_count, const record_row *rows,
                           size_t count, ac_error *err)
{
    yyjson_mut_val *list = yyjson_mut_arr(call->doc), *object;

    for (size_t i = 0; i < hit_count; i++) {
        const record_row *row = row_of(rows, count, hits[i].id);

        if (!row)
            continue;
        AC_TRY(record_show(call->doc, row, hits[i].score, &object, err));
        if (!yyjson_mut_arr_append(list, object))
            return memory_no_memory(err);
    }
    return front_add_value(call, "memoryRecordSummaries", list, err);
}

static ac_status answer_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const retrieval *r = arg;
    size_t left = r->hit_count > r->skip ? r->hit_count - r->skip : 0, count = MIN(left, r->page), found = 0;
    const search_hit *hits = r->hits + (count ? r->skip : 0);
    const char **ids = arena_alloc(call->memory, (count + 1) * sizeof *ids);
    record_row *rows = arena_zalloc(call->memory, (count + 1) * sizeof *rows);

    if (!ids || !rows)
        return memory_no_memory(err);
    for (size_t i = 0; i < count; i++)
        ids[i] = hits[i].id;
    AC_TRY(record_get_many(tx, r->memory_id, ids, count, call->memory, rows, &found, err));
    AC_TRY(show_hits(call, hits, count, rows, found, err));
    if (count == left)
        return AC_OK;
    return memory_page_add(call, r->list, &(memory_position){.first = (int64_t)(r->skip + count)}, err);
}

ac_status retrieve_memory_records(front_call *call, ac_error *err)
{
    const memory_room *room = call->room;
    _cleanup_(retrieval_done) retrieval r = {.page = (size_t)front_int(call, "maxResults", MEMORY_PAGE_DEFAULT)};

    AC_TRY(transact_read(room->store, call, open_in, &r, err));
    AC_TRY(search(call, &r, err));
    return transact_read(room->store, call, answer_in, &r, err);
}
