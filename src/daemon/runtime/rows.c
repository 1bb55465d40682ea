/* rows.c - runtimes, endpoints and versions as they lie in the store.
 *
 * The bodies of the first two are flat objects of texts, read and written by one table each.  A version's body is the
 * configuration itself. */
#include "daemon/runtime/control.h"

#include <stddef.h>
#include <string.h>

#define BODY_MAX ((size_t)64 << 10)

typedef struct row_text {
    const char *name;
    size_t offset; /* of a const char *, NULL when the member is absent */
} row_text;

static const row_text runtime_texts[] = {
    {"version", offsetof(runtime_row, version)},
    {"description", offsetof(runtime_row, description)},
    {"workloadIdentity", offsetof(runtime_row, workload_identity)},
};
static const row_text endpoint_texts[] = {
    {"endpointId", offsetof(endpoint_row, id)},         {"targetVersion", offsetof(endpoint_row, target)},
    {"liveVersion", offsetof(endpoint_row, live)},      {"description", offsetof(endpoint_row, description)},
    {RUNTIME_FAILURE, offsetof(endpoint_row, failure)},
};

DEFINE_CLEANUP(yyjson_doc *, yyjson_doc_free)

/* ---- statuses and keys ---- */

bool runtime_is(const resource *r, const char *status)
{
    return strcmp(r->status, status) == 0;
}

bool runtime_in_progress(const resource *r)
{
    return runtime_is(r, RUNTIME_CREATING) || runtime_is(r, RUNTIME_UPDATING);
}

const char *runtime_failed_status(const resource *r)
{
    return runtime_is(r, RUNTIME_CREATING) ? RUNTIME_CREATE_FAILED : RUNTIME_UPDATE_FAILED;
}

resource_key runtime_key(const char *account, const char *id)
{
    return (resource_key){.scope = account, .kind = KIND_AGENT_RUNTIME, .id = id};
}

resource_key runtime_part_key(const resource_key *runtime, const char *kind, const char *id)
{
    return (resource_key){.scope = runtime->scope, .kind = kind, .parent = runtime->id, .id = id};
}

static ac_status no_memory(ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

/* ---- flat bodies ---- */

static ac_status read_object(const resource *r, yyjson_doc **ret_doc, ac_error *err)
{
    ac_status status = ac_json_read(r->body, r->body_length, NULL, ret_doc, NULL);

    if (status == AC_ERR_NOMEM)
        return no_memory(err);
    if (status == AC_OK && yyjson_is_obj(yyjson_doc_get_root(*ret_doc)))
        return AC_OK;
    if (status == AC_OK)
        yyjson_doc_free(TAKE_PTR(*ret_doc));
    return ac_error_set(err, AC_ERR_INTERNAL, "the stored %s '%s' is damaged", r->key.kind, r->key.id);
}

static ac_status read_texts(const resource *r, const row_text *texts, size_t count, arena *memory, void *row,
                            ac_error *err)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *doc = NULL;

    AC_TRY(read_object(r, &doc, err));
    for (size_t i = 0; i < count; i++) {
        yyjson_val *value = yyjson_obj_get(yyjson_doc_get_root(doc), texts[i].name);
        const char *copy = value ? arena_copy(memory, yyjson_get_str(value), yyjson_get_len(value)) : NULL;

        if (value && !copy)
            return no_memory(err);
        memcpy((char *)row + texts[i].offset, &copy, sizeof copy);
    }
    return AC_OK;
}

static ac_status append_text(buf *out, const char *name, const char *value)
{
    AC_TRY(buf_appendf(out, "%s\"%s\":", out->length > 1 ? "," : "", name));
    return json_write_string(out, value, strlen(value));
}

static ac_status write_texts(const void *row, const row_text *texts, size_t count, arena *memory, resource *r,
                             ac_error *err)
{
    _cleanup_(buf_done) buf out = BUF_INIT(BODY_MAX);
    ac_status status = buf_append(&out, "{", 1);

    for (size_t i = 0; status == AC_OK && i < count; i++) {
        const char *value;

        memcpy(&value, (const char *)row + texts[i].offset, sizeof value);
        status = value ? append_text(&out, texts[i].name, value) : AC_OK;
    }
    if (status == AC_OK)
        status = buf_append(&out, "}", 1);
    if (status != AC_OK)
        return ac_error_set(err, status, "a %s cannot be written: %s", r->key.kind, ac_status_text(status));
    r->body = arena_copy(memory, out.data, out.length);
    r->body_length = out.length;
    return r->body ? AC_OK : no_memory(err);
}

/* Change what is stored to what the row says by now, and the row's resource with it. */
static ac_status update(store_tx *tx, resource *r, const char *status, arena *memory, ac_error *err)
{
    const resource_change change = {.status = status, .body = r->body};

    AC_TRY(resource_update(tx, &r->key, &change, NULL, err));
    return resource_get(tx, &r->key, memory, r, err);
}

/* ---- runtimes ---- */

ac_status runtime_row_get(store_tx *tx, const resource_key *key, bool lock, arena *memory, runtime_row *ret_row,
                          ac_error *err)
{
    ac_status status = lock ? resource_check(tx, key, true, memory, err) : AC_OK;

    *ret_row = (runtime_row){0};
    if (status == AC_OK)
        status = resource_get(tx, key, memory, &ret_row->r, err);
    if (status == AC_ERR_NOT_FOUND)
        return ac_error_set(err, status, "There is no agent runtime '%s'", key->id);
    AC_TRY(status);
    return read_texts(&ret_row->r, runtime_texts, ARRAY_SIZE(runtime_texts), memory, ret_row, err);
}

ac_status runtime_row_create(store_tx *tx, runtime_row *row, arena *memory, ac_error *err)
{
    AC_TRY(write_texts(row, runtime_texts, ARRAY_SIZE(runtime_texts), memory, &row->r, err));
    return resource_create(tx, &row->r, err);
}

ac_status runtime_row_update(store_tx *tx, runtime_row *row, const char *status, arena *memory, ac_error *err)
{
    AC_TRY(write_texts(row, runtime_texts, ARRAY_SIZE(runtime_texts), memory, &row->r, err));
    return update(tx, &row->r, status, memory, err);
}

/* ---- endpoints ---- */

ac_status endpoint_row_read(const resource *r, arena *memory, endpoint_row *ret_row, ac_error *err)
{
    *ret_row = (endpoint_row){.r = *r};
    return read_texts(r, endpoint_texts, ARRAY_SIZE(endpoint_texts), memory, ret_row, err);
}

ac_status endpoint_row_get(store_tx *tx, const resource_key *runtime, const char *name, arena *memory,
                           endpoint_row *ret_row, ac_error *err)
{
    const resource_key key = runtime_part_key(runtime, KIND_AGENT_RUNTIME_ENDPOINT, name);
    resource r;
    ac_status status = resource_get(tx, &key, memory, &r, err);

    if (status == AC_ERR_NOT_FOUND)
        return ac_error_set(err, status, "There is no endpoint '%s' of the agent runtime '%s'", name, runtime->id);
    AC_TRY(status);
    return endpoint_row_read(&r, memory, ret_row, err);
}

ac_status endpoint_row_create(store_tx *tx, endpoint_row *row, arena *memory, ac_error *err)
{
    AC_TRY(write_texts(row, endpoint_texts, ARRAY_SIZE(endpoint_texts), memory, &row->r, err));
    return resource_create(tx, &row->r, err);
}

ac_status endpoint_row_update(store_tx *tx, endpoint_row *row, const char *status, arena *memory, ac_error *err)
{
    AC_TRY(write_texts(row, endpoint_texts, ARRAY_SIZE(endpoint_texts), memory, &row->r, err));
    return update(tx, &row->r, status, memory, err);
}

ac_status endpoint_rows(store_tx *tx, const resource_key *runtime, arena *memory, endpoint_row **ret_rows,
                        size_t *ret_count, ac_error *err)
{
    const resource_key of = runtime_part_key(runtime, KIND_AGENT_RUNTIME_ENDPOINT, NULL);
    resource_page page;

    AC_TRY(resource_list(tx, &of, false, RUNTIME_ENDPOINTS_MAX + 1, NULL, memory, &page, err));
    *ret_count = page.count;
    *ret_rows = arena_zalloc(memory, (page.count + 1) * sizeof **ret_rows);
    if (!*ret_rows)
        return no_memory(err);
    for (size_t i = 0; i < page.count; i++)
        AC_TRY(endpoint_row_read(&page.items[i], memory, &(*ret_rows)[i], err));
    return AC_OK;
}

/* ---- versions ---- */

ac_status version_row_get(store_tx *tx, const resource_key *runtime, const char *version, arena *memory,
                          resource *ret_row, ac_error *err)
{
    const resource_key key = runtime_part_key(runtime, KIND_AGENT_RUNTIME_VERSION, version);
    ac_status status = resource_get(tx, &key, memory, ret_row, err);

    if (status == AC_ERR_NOT_FOUND)
        return ac_error_set(err, status, "There is no version '%s' of the agent runtime '%s'", version, runtime->id);
    return status;
}

ac_status version_read(const resource *version, yyjson_doc **ret_doc, ac_error *err)
{
    return read_object(version, ret_doc, err);
}

/* ---- answers ---- */

ac_status runtime_show_arn(front_call *call, const resource_key *runtime, yyjson_mut_val *object, ac_error *err)
{
    const char *arn_text;

    AC_TRY(resource_arn(call, runtime, &arn_text, err));
    if (!yyjson_mut_obj_add_strcpy(call->doc, object, "agentRuntimeArn", arn_text))
        return no_memory(err);
    return AC_OK;
}

ac_status runtime_answer_page(store_tx *tx, front_call *call, const runtime_list *list, ac_error *err)
{
    int64_t limit = front_int(call, "maxResults", RUNTIME_PAGE_DEFAULT);
    yyjson_mut_val *items = yyjson_mut_arr(call->doc), *item;
    resource_page page;

    AC_TRY(resource_list(tx, &list->of, list->newest_first, (size_t)MAX(limit, 0), front_text(call, "nextToken"),
                         call->memory, &page, err));
    for (size_t i = 0; i < page.count; i++) {
        AC_TRY(document_object(call, &page.items[i], &list->form, &item, err));
        AC_TRY(list->show(call, list->runtime, &page.items[i], item, err));
        if (!yyjson_mut_arr_append(items, item))
            return no_memory(err);
    }
    AC_TRY(front_add_value(call, list->member, items, err));
    return page.next_token ? front_add_text(call, "nextToken", page.next_token, err) : AC_OK;
}
