/* room.c - tags and policies, on the ARN of whatever resource there is.
 *
 * Policies are JSON objects and are kept as they were given, byte by byte; what is in them is not judged here.  A
 * resource without one is answered with an empty output, as its optional member says; deleting a policy that is not
 * there is no error, so a deletion can be repeated.
 *
 * An ARN that names nothing is ResourceNotFoundException; one that cannot name anything is ValidationException. */
#include "daemon/resources/room.h"

#include "daemon/resources/arns.h"
#include "daemon/resources/transact.h"
#include "daemon/store/tags.h"

#include <string.h>

#define POLICY_DEPTH_MAX 64

static ac_status no_memory(ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

/* The hook of the resource that resourceArn names and that is there. */
static ac_status find_hook(store_tx *tx, front_call *call, bool lock, resource_key *ret_key, const char **ret_hook,
                           ac_error *err)
{
    AC_TRY(resource_of_arn(call, front_text(call, "resourceArn"), ret_key, err));
    AC_TRY(resource_check(tx, ret_key, lock, call->memory, err));
    return resource_hook(ret_key, call->memory, ret_hook, err);
}

/* ---- tags ---- */

static ac_status tag_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    resource_key key;
    const char *hook;

    (void)arg;
    AC_TRY(find_hook(tx, call, true, &key, &hook, err));
    return resource_tag(tx, &key, front_value(call, "tags"), call->memory, err);
}

static ac_status untag_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    yyjson_mut_val *wanted = front_value(call, "tagKeys"), *item;
    const char **names = arena_alloc(call->memory, (yyjson_mut_arr_size(wanted) + 1) * sizeof *names);
    yyjson_mut_arr_iter walk;
    resource_key key;
    const char *hook;
    size_t count = 0;

    (void)arg;
    if (!names)
        return no_memory(err);
    AC_TRY(find_hook(tx, call, true, &key, &hook, err));
    yyjson_mut_arr_iter_init(wanted, &walk);
    while ((item = yyjson_mut_arr_iter_next(&walk)) != NULL)
        names[count++] = yyjson_mut_get_str(item);
    return tags_remove(tx, hook, names, count, err);
}

static ac_status list_tags_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    yyjson_mut_val *map = yyjson_mut_obj(call->doc);
    resource_key key;
    const char *hook;
    size_t count;
    tag *tags;

    (void)arg;
    if (!map)
        return no_memory(err);
    AC_TRY(find_hook(tx, call, false, &key, &hook, err));
    AC_TRY(tags_list(tx, hook, call->memory, &tags, &count, err));
    for (size_t i = 0; i < count; i++)
        if (!yyjson_mut_obj_add_strcpy(call->doc, map, tags[i].name, tags[i].value))
            return no_memory(err);
    return front_add_value(call, "tags", map, err);
}

static ac_status tag_resource(front_call *call, ac_error *err)
{
    return transact_write(call->room, call, tag_in, NULL, err);
}

static ac_status untag_resource(front_call *call, ac_error *err)
{
    return transact_write(call->room, call, untag_in, NULL, err);
}

static ac_status list_tags_for_resource(front_call *call, ac_error *err)
{
    return transact_read(call->room, call, list_tags_in, NULL, err);
}

/* ---- policies ---- */

static ac_status check_policy(const char *policy, ac_error *err)
{
    ac_error why = {.status = AC_OK};
    yyjson_doc *doc = NULL;
    ac_status status =
        ac_json_read(policy, strlen(policy), &(ac_json_read_options){.depth_max = POLICY_DEPTH_MAX}, &doc, &why);
    bool object = status == AC_OK && yyjson_is_obj(yyjson_doc_get_root(doc));

    yyjson_doc_free(doc);
    if (status == AC_ERR_NOMEM)
        return no_memory(err);
    if (status != AC_OK)
        return ac_error_set(err, AC_ERR_INVALID, "The policy is not valid JSON: %s", why.message);
    return object ? AC_OK : ac_error_set(err, AC_ERR_INVALID, "The policy is not a JSON object");
}

static ac_status put_policy_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const char *policy = front_text(call, "policy");
    resource_key key;
    const char *hook;

    (void)arg;
    AC_TRY(find_hook(tx, call, true, &key, &hook, err));
    AC_TRY(policy_put(tx, hook, policy, err));
    return front_add_text(call, "policy", policy, err);
}

static ac_status get_policy_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    resource_key key;
    const char *hook, *policy;
    ac_status status;

    (void)arg;
    AC_TRY(find_hook(tx, call, false, &key, &hook, err));
    status = policy_get(tx, hook, call->memory, &policy, err);
    if (status == AC_ERR_NOT_FOUND)
        return AC_OK;
    AC_TRY(status);
    return front_add_text(call, "policy", policy, err);
}

static ac_status delete_policy_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    resource_key key;
    const char *hook;

    (void)arg;
    AC_TRY(find_hook(tx, call, true, &key, &hook, err));
    return policy_delete(tx, hook, NULL, err);
}

static ac_status put_resource_policy(front_call *call, ac_error *err)
{
    AC_TRY(check_policy(front_text(call, "policy"), err));
    return transact_write(call->room, call, put_policy_in, NULL, err);
}

static ac_status get_resource_policy(front_call *call, ac_error *err)
{
    return transact_read(call->room, call, get_policy_in, NULL, err);
}

static ac_status delete_resource_policy(front_call *call, ac_error *err)
{
    return transact_write(call->room, call, delete_policy_in, NULL, err);
}

static const front_operation operations[] = {
    {API_TAG_RESOURCE, tag_resource, NULL, true},
    {API_UNTAG_RESOURCE, untag_resource, NULL, true},
    {API_LIST_TAGS_FOR_RESOURCE, list_tags_for_resource, NULL, false},
    {API_PUT_RESOURCE_POLICY, put_resource_policy, NULL, true},
    {API_GET_RESOURCE_POLICY, get_resource_policy, NULL, false},
    {API_DELETE_RESOURCE_POLICY, delete_resource_policy, NULL, true},
};

ac_status resources_register(front *f, store *s, ac_error *err)
{
    ac_status status = front_register(f, operations, ARRAY_SIZE(operations), s);

    return status == AC_OK ? AC_OK : ac_error_set(err, status, "its operations are served by another room");
}

static ac_status start(agentcored *d, void **ret_room, ac_error *err)
{
    (void)ret_room;
    return resources_register(d->front, d->store, err);
}

const daemon_room resources_room = {"tags and policies", start, NULL};
