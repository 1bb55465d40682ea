/* arns.c - from resources to ARNs and back, by one table.
 *
 * A row's path is a template: {parent} and {id} stand for parts that are not empty and hold no slash, the rest is
 * literal.  Templates are told apart by their literal parts, so at most one fits a given ARN. */
#include "daemon/resources/arns.h"

#include "aws/arn.h"
#include "aws/endpoints.h"
#include "daemon/store/tags.h"

#include <string.h>
#include <strings.h>

#define PARENT "{parent}"
#define ID "{id}"
#define RESERVED_TAG_PREFIX "aws:"

static const arn_kind kinds[] = {
    {KIND_WORKLOAD_IDENTITY, AWS_SERVICE, "workload-identity-directory/default/workload-identity/" ID},
    {KIND_CODE_INTERPRETER, AWS_SERVICE, "code-interpreter-custom/" ID},
    {KIND_AGENT_RUNTIME, AWS_SERVICE, "runtime/" ID},
    {KIND_AGENT_RUNTIME_ENDPOINT, AWS_SERVICE, "runtime/" PARENT "/runtime-endpoint/" ID},
    {KIND_MEMORY, AWS_SERVICE, "memory/" ID},
};

const arn_kind *arn_kind_find(const char *kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strcmp(kinds[i].kind, kind) == 0)
            return &kinds[i];
    return NULL;
}

resource_key resource_key_of(const front_call *call, const char *kind, const char *parent, const char *id)
{
    return (resource_key){.scope = call->caller.account, .kind = kind, .parent = parent, .id = id};
}

/* ---- from a resource to its ARN ---- */

static ac_status no_memory(ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static ac_status keep(ac_status status, buf *text, arena *memory, const char **ret_text, ac_error *err)
{
    *ret_text = status == AC_OK ? arena_copy(memory, text->data, text->length) : NULL;
    if (status == AC_OK && !*ret_text)
        status = AC_ERR_NOMEM;
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "an ARN cannot be made: %s", ac_status_text(status));
}

static ac_status fill_path(const arn_kind *row, const resource_key *key, buf *out)
{
    view rest = view_of(row->path), part;
    bool first = true;

    for (; view_split(&rest, '/', &part); first = false) {
        const char *value = view_is(part, ID) ? key->id : view_is(part, PARENT) ? key->parent : NULL;

        if (!first)
            AC_TRY(buf_append(out, "/", 1));
        AC_TRY(value ? buf_append_text(out, value) : buf_append(out, part.text, part.length));
    }
    return buf_terminate(out) ? AC_OK : AC_ERR_NOMEM;
}

static const char *partition_of(const char *region)
{
    static const char *const partitions[][2] = {{"cn-", "aws-cn"}, {"us-gov-", "aws-us-gov"}};

    for (size_t i = 0; i < ARRAY_SIZE(partitions); i++)
        if (strncmp(region, partitions[i][0], strlen(partitions[i][0])) == 0)
            return partitions[i][1];
    return "aws";
}

ac_status arn_of_caller(const front_call *call, const char *service, const char *account, const char *path,
                        const char **ret_arn, ac_error *err)
{
    _cleanup_(buf_done) buf text = BUF_INIT(ARN_BYTES_MAX);
    const char *region = call->caller.region;
    ac_status status;

    AC_TRY(region_check(region, err));
    status = arn_format(&text, partition_of(region), service, region, account, path);
    return keep(status, &text, call->memory, ret_arn, err);
}

ac_status resource_arn(const front_call *call, const resource_key *key, const char **ret_arn, ac_error *err)
{
    _cleanup_(buf_done) buf path = BUF_INIT(ARN_BYTES_MAX);
    const arn_kind *row = arn_kind_find(key->kind);
    ac_status status = row ? fill_path(row, key, &path) : AC_ERR_INTERNAL;

    if (status != AC_OK)
        return ac_error_set(err, status, "a %s has no ARN: %s", key->kind, ac_status_text(status));
    return arn_of_caller(call, row->service, key->scope, path.data, ret_arn, err);
}

ac_status resource_hook(const resource_key *key, arena *memory, const char **ret_hook, ac_error *err)
{
    _cleanup_(buf_done) buf text = BUF_INIT(ARN_BYTES_MAX);
    const arn_kind *row = arn_kind_find(key->kind);
    ac_status status = row ? buf_appendf(&text, "%s:%s:", row->service, key->scope) : AC_ERR_INTERNAL;

    if (status == AC_OK)
        status = fill_path(row, key, &text);
    return keep(status, &text, memory, ret_hook, err);
}

/* ---- from an ARN to the resource ---- */

typedef struct named_parts {
    view parent;
    view id;
} named_parts;

static bool path_fits(const char *template, view path, named_parts *ret_parts)
{
    view expected = view_of(template), want, have;

    *ret_parts = (named_parts){0};
    while (view_split(&expected, '/', &want)) {
        if (!view_split(&path, '/', &have) || have.length == 0)
            return false;
        if (view_is(want, ID))
            ret_parts->id = have;
        else if (view_is(want, PARENT))
            ret_parts->parent = have;
        else if (!view_equal(want, have))
            return false;
    }
    return !path.text;
}

static bool is_partition(view partition)
{
    return view_is(partition, "aws") || (partition.length > 4 && memcmp(partition.text, "aws-", 4) == 0);
}

static ac_status take_parts(const front_call *call, const arn_kind *row, const named_parts *parts,
                            resource_key *ret_key, ac_error *err)
{
    const char *id = arena_copy(call->memory, parts->id.text, parts->id.length);
    const char *parent = NULL;

    if (parts->parent.text)
        parent = arena_copy(call->memory, parts->parent.text, parts->parent.length);
    if (!id || (parts->parent.text && !parent))
        return no_memory(err);
    *ret_key = resource_key_of(call, row->kind, parent, id);
    return AC_OK;
}

static bool is_ours(view service)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (view_is(service, kinds[i].service))
            return true;
    return false;
}

ac_status resource_of_arn(const front_call *call, const char *arn_text, resource_key *ret_key, ac_error *err)
{
    named_parts parts;
    arn a;

    AC_TRY(arn_parse(arn_text, strlen(arn_text), &a, err));
    if (!is_partition(a.partition) || !is_ours(a.service) || !region_valid(a.region.text, a.region.length))
        return ac_error_set(err, AC_ERR_INVALID, "The resourceArn is not the ARN of a resource of this service");
    for (size_t i = 0; view_is(a.account, call->caller.account) && i < ARRAY_SIZE(kinds); i++)
        if (view_is(a.service, kinds[i].service) && path_fits(kinds[i].path, a.resource, &parts))
            return take_parts(call, &kinds[i], &parts, ret_key, err);
    return ac_error_set(err, AC_ERR_NOT_FOUND, "There is no resource with the ARN %s", arn_text);
}

/* ---- inside a transaction ---- */

ac_status resource_check(store_tx *tx, const resource_key *key, bool lock, arena *memory, ac_error *err)
{
    static const char text[] =
        "SELECT version FROM resources WHERE scope = $1 AND kind = $2 AND parent = $3 AND id = $4";
    const char *hook;
    int64_t version;
    bool found;

    if (lock) {
        AC_TRY(resource_hook(key, memory, &hook, err));
        AC_TRY(store_lock(tx, hook, err));
    }
    AC_TRY(sql_query_int(tx, text,
                         SQL_VALUES(sql_text(key->scope), sql_text(key->kind), sql_text(key->parent ? key->parent : ""),
                                    sql_text(key->id)),
                         &version, &found, err));
    if (!found)
        return ac_error_set(err, AC_ERR_NOT_FOUND, "There is no %s '%s'", key->kind, key->id);
    return AC_OK;
}

ac_status resource_tag(store_tx *tx, const resource_key *key, yyjson_mut_val *tags, arena *memory, ac_error *err)
{
    size_t count = yyjson_mut_obj_size(tags), at = 0;
    yyjson_mut_val *name, *value;
    yyjson_mut_obj_iter walk;
    const char *hook;
    tag *list;

    if (count == 0)
        return AC_OK;
    AC_TRY(resource_hook(key, memory, &hook, err));
    list = arena_alloc(memory, count * sizeof *list);
    if (!list)
        return no_memory(err);
    yyjson_mut_obj_iter_init(tags, &walk);
    while ((name = yyjson_mut_obj_iter_next(&walk)) != NULL) {
        value = yyjson_mut_obj_iter_get_val(name);
        list[at++] = (tag){yyjson_mut_get_str(name), yyjson_mut_get_str(value)};
        if (strncasecmp(yyjson_mut_get_str(name), RESERVED_TAG_PREFIX, strlen(RESERVED_TAG_PREFIX)) == 0)
            return ac_error_set(err, AC_ERR_INVALID, "Tag keys that begin with " RESERVED_TAG_PREFIX " are reserved");
    }
    return tags_put(tx, hook, list, at, err);
}

ac_status resource_remove(store_tx *tx, const resource_key *key, arena *memory, ac_error *err)
{
    const char *hook;

    AC_TRY(resource_check(tx, key, true, memory, err));
    AC_TRY(resource_hook(key, memory, &hook, err));
    AC_TRY(resource_delete(tx, key, 0, err));
    return arn_forget(tx, hook, err);
}
