/* endpoints.c - the names under which versions are called.
 *
 * DEFAULT is made with the runtime and follows its newest version: it cannot be pointed to another one (make an
 * endpoint for that), but it can be deleted and made again.  An endpoint is pointed to versions that are READY, or on
 * the way there; in the first case it serves the new version as soon as the operation is committed, so the answer says
 * CREATING or UPDATING and the next look READY, and in the second the end of the deployment settles it.  While an
 * update fails or is under way, the version before is served.
 *
 * Sessions stay with the version they were started with until they end, whatever becomes of the endpoint but for its
 * deletion. */
#include "daemon/runtime/control.h"

#include <string.h>

static const document_member created_members[] = {
    {"endpointName", DOCUMENT_ID, NULL},       {"agentRuntimeEndpointArn", DOCUMENT_ARN, NULL},
    {"agentRuntimeId", DOCUMENT_PARENT, NULL}, {"targetVersion", DOCUMENT_BODY, NULL},
    {"createdAt", DOCUMENT_CREATED, NULL},
};
static const document_form created = DOCUMENT_FORM(created_members);

#define LISTED_MEMBERS                                                                                                 \
    {"name", DOCUMENT_ID, NULL}, {"id", DOCUMENT_BODY, "endpointId"}, {"agentRuntimeEndpointArn", DOCUMENT_ARN, NULL}, \
        {"liveVersion", DOCUMENT_BODY, NULL}, {"targetVersion", DOCUMENT_BODY, NULL},                                  \
        {"description", DOCUMENT_BODY, NULL}, {"status", DOCUMENT_STATUS, NULL},                                       \
        {"createdAt", DOCUMENT_CREATED, NULL},                                                                         \
    {                                                                                                                  \
        "lastUpdatedAt", DOCUMENT_UPDATED, NULL                                                                        \
    }

static const document_member listed_members[] = {LISTED_MEMBERS};
static const document_member full_members[] = {LISTED_MEMBERS, {"failureReason", DOCUMENT_BODY, RUNTIME_FAILURE}};
static const document_form full = DOCUMENT_FORM(full_members);

static bool is_default(const char *name)
{
    return strcmp(name, RUNTIME_DEFAULT_ENDPOINT) == 0;
}

static resource_key runtime_of(const front_call *call)
{
    return runtime_key(call->caller.account, front_text(call, "agentRuntimeId"));
}

/* The runtime of the call, locked; a conflict while it is being deleted. */
static ac_status get_runtime(store_tx *tx, const front_call *call, runtime_row *ret_row, ac_error *err)
{
    const resource_key key = runtime_of(call);

    AC_TRY(runtime_row_get(tx, &key, true, call->memory, ret_row, err));
    if (runtime_is(&ret_row->r, RUNTIME_DELETING))
        return ac_error_set(err, AC_ERR_CONFLICT, "The agent runtime '%s' is being deleted", key.id);
    return AC_OK;
}

/* ---- pointing ---- */

/* Point an endpoint to a version; ret_status is what it then is.  unready is its status until the version is there. */
static ac_status point(store_tx *tx, const runtime_row *runtime, endpoint_row *e, const char *version,
                       const char *unready, arena *memory, const char **ret_status, ac_error *err)
{
    resource r;

    if (is_default(e->r.key.id) && strcmp(version, runtime->version) != 0)
        return ac_error_set(err, AC_ERR_CONFLICT, "The endpoint %s follows the newest version, which is %s",
                            RUNTIME_DEFAULT_ENDPOINT, runtime->version);
    AC_TRY(version_row_get(tx, &runtime->r.key, version, memory, &r, err));
    if (!runtime_is(&r, RUNTIME_READY) && !runtime_in_progress(&r))
        return ac_error_set(err, AC_ERR_CONFLICT, "Version '%s' of the agent runtime '%s' is %s", version,
                            runtime->r.key.id, r.status);
    e->target = version;
    e->failure = NULL;
    *ret_status = unready;
    if (runtime_is(&r, RUNTIME_READY)) {
        e->live = version;
        *ret_status = RUNTIME_READY;
    }
    return AC_OK;
}

static ac_status settle(store_tx *tx, endpoint_row *e, const char *failure, arena *memory, ac_error *err)
{
    const char *status = failure ? runtime_failed_status(&e->r) : RUNTIME_READY;

    e->failure = failure;
    if (!failure)
        e->live = e->target;
    return endpoint_row_update(tx, e, status, memory, err);
}

ac_status runtime_endpoints_settle(store_tx *tx, const resource_key *runtime, const char *version, const char *failure,
                                   arena *memory, ac_error *err)
{
    endpoint_row *endpoints;
    size_t count;

    AC_TRY(endpoint_rows(tx, runtime, memory, &endpoints, &count, err));
    for (size_t i = 0; i < count; i++)
        if (runtime_in_progress(&endpoints[i].r) && strcmp(endpoints[i].target, version) == 0)
            AC_TRY(settle(tx, &endpoints[i], failure, memory, err));
    return AC_OK;
}

ac_status runtime_default_create(store_tx *tx, const resource_key *runtime, arena *memory, ac_error *err)
{
    endpoint_row e = {.target = RUNTIME_FIRST_VERSION};

    e.r.key = runtime_part_key(runtime, KIND_AGENT_RUNTIME_ENDPOINT, RUNTIME_DEFAULT_ENDPOINT);
    e.r.status = RUNTIME_CREATING;
    AC_TRY(resource_make_id(RUNTIME_DEFAULT_ENDPOINT, memory, &e.id, err));
    return endpoint_row_create(tx, &e, memory, err);
}

ac_status runtime_default_follow(store_tx *tx, const resource_key *runtime, const char *version, arena *memory,
                                 ac_error *err)
{
    endpoint_row e;
    ac_status status = endpoint_row_get(tx, runtime, RUNTIME_DEFAULT_ENDPOINT, memory, &e, err);

    if (status == AC_ERR_NOT_FOUND)
        return AC_OK;
    AC_TRY(status);
    if (runtime_is(&e.r, RUNTIME_DELETING))
        return AC_OK;
    e.target = version;
    e.failure = NULL;
    return endpoint_row_update(tx, &e, RUNTIME_UPDATING, memory, err);
}

/* ---- the operations ---- */

static ac_status check_quota(store_tx *tx, const runtime_row *runtime, arena *memory, ac_error *err)
{
    endpoint_row *endpoints;
    size_t count, own = 0;

    AC_TRY(endpoint_rows(tx, &runtime->r.key, memory, &endpoints, &count, err));
    for (size_t i = 0; i < count; i++)
        own += !is_default(endpoints[i].r.key.id);
    if (own >= RUNTIME_ENDPOINTS_MAX)
        return ac_error_set(err, AC_ERR_QUOTA, "An agent runtime has at most %d endpoints beside %s",
                            RUNTIME_ENDPOINTS_MAX, RUNTIME_DEFAULT_ENDPOINT);
    return AC_OK;
}

static ac_status create_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const char *name = front_text(call, "name"), *version = front_text(call, "agentRuntimeVersion");
    endpoint_row e = {.description = front_text(call, "description")};
    runtime_row runtime;
    ac_status status;

    (void)arg;
    AC_TRY(get_runtime(tx, call, &runtime, err));
    e.r.key = runtime_part_key(&runtime.r.key, KIND_AGENT_RUNTIME_ENDPOINT, name);
    AC_TRY(resource_make_id(name, call->memory, &e.id, err));
    AC_TRY(
        point(tx, &runtime, &e, version ? version : runtime.version, RUNTIME_CREATING, call->memory, &e.r.status, err));
    if (!is_default(name))
        AC_TRY(check_quota(tx, &runtime, call->memory, err));
    status = endpoint_row_create(tx, &e, call->memory, err);
    if (status == AC_ERR_CONFLICT)
        return ac_error_set(err, status, "An endpoint with the name '%s' already exists", name);
    AC_TRY(status);
    AC_TRY(resource_tag(tx, &e.r.key, front_value(call, "tags"), call->memory, err));
    AC_TRY(document_answer(call, &e.r, &created, err));
    AC_TRY(runtime_show_arn(call, &runtime.r.key, call->output, err));
    return front_add_text(call, "status", RUNTIME_CREATING, err);
}

static ac_status get_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const resource_key key = runtime_of(call);
    endpoint_row e;

    (void)arg;
    AC_TRY(endpoint_row_get(tx, &key, front_text(call, "endpointName"), call->memory, &e, err));
    AC_TRY(document_answer(call, &e.r, &full, err));
    return runtime_show_arn(call, &key, call->output, err);
}

/* The answer is the endpoint on its way: what it serves still, and what it will. */
static ac_status answer_update(front_call *call, const endpoint_row *e, const char *live, const char *status,
                               ac_error *err)
{
    const resource_key key = runtime_of(call);
    const char *arn_text;

    AC_TRY(resource_arn(call, &e->r.key, &arn_text, err));
    AC_TRY(runtime_show_arn(call, &key, call->output, err));
    AC_TRY(front_add_text(call, "agentRuntimeEndpointArn", arn_text, err));
    if (live)
        AC_TRY(front_add_text(call, "liveVersion", live, err));
    AC_TRY(front_add_text(call, "targetVersion", e->target, err));
    AC_TRY(front_add_text(call, "status", status, err));
    AC_TRY(front_add_time(call, "createdAt", e->r.created_ms, err));
    return front_add_time(call, "lastUpdatedAt", e->r.updated_ms, err);
}

/* What the input does not name stays as it is. */
static ac_status update_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const char *name = front_text(call, "endpointName"), *version = front_text(call, "agentRuntimeVersion");
    const char *description = front_text(call, "description"), *live, *status;
    runtime_row runtime;
    endpoint_row e;

    (void)arg;
    AC_TRY(get_runtime(tx, call, &runtime, err));
    AC_TRY(endpoint_row_get(tx, &runtime.r.key, name, call->memory, &e, err));
    if (runtime_in_progress(&e.r) || runtime_is(&e.r, RUNTIME_DELETING))
        return ac_error_set(err, AC_ERR_CONFLICT, "The endpoint '%s' is %s", name, e.r.status);
    live = e.live;
    status = e.r.status;
    if (version)
        AC_TRY(point(tx, &runtime, &e, version, RUNTIME_UPDATING, call->memory, &status, err));
    if (description)
        e.description = description;
    AC_TRY(endpoint_row_update(tx, &e, status, call->memory, err));
    return answer_update(call, &e, live, runtime_is(&e.r, RUNTIME_READY) ? RUNTIME_UPDATING : e.r.status, err);
}

static ac_status delete_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const char *name = front_text(call, "endpointName");
    const resource_change change = {.status = RUNTIME_DELETING};
    const resource_key key = runtime_of(call);
    runtime_row runtime;
    endpoint_row e;

    (void)arg;
    AC_TRY(runtime_row_get(tx, &key, true, call->memory, &runtime, err));
    AC_TRY(endpoint_row_get(tx, &key, name, call->memory, &e, err));
    if (runtime_in_progress(&e.r))
        return ac_error_set(err, AC_ERR_CONFLICT, "The endpoint '%s' is %s", name, e.r.status);
    if (!runtime_is(&e.r, RUNTIME_DELETING)) {
        AC_TRY(resource_update(tx, &e.r.key, &change, NULL, err));
        AC_TRY(runtime_queue_delete(tx, &key, &e.r.key, err));
    }
    AC_TRY(front_add_text(call, "status", RUNTIME_DELETING, err));
    AC_TRY(front_add_text(call, "agentRuntimeId", key.id, err));
    return front_add_text(call, "endpointName", name, err);
}

static ac_status show_listed(front_call *call, const runtime_row *runtime, const resource *r, yyjson_mut_val *object,
                             ac_error *err)
{
    (void)r;
    return runtime_show_arn(call, &runtime->r.key, object, err);
}

static ac_status list_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const resource_key key = runtime_of(call);
    runtime_row runtime;
    const runtime_list list = {
        .of = runtime_part_key(&key, KIND_AGENT_RUNTIME_ENDPOINT, NULL),
        .member = "runtimeEndpoints",
        .form = DOCUMENT_FORM(listed_members),
        .runtime = &runtime,
        .show = show_listed,
    };

    (void)arg;
    AC_TRY(runtime_row_get(tx, &key, false, call->memory, &runtime, err));
    return runtime_answer_page(tx, call, &list, err);
}

ac_status create_agent_runtime_endpoint(front_call *call, ac_error *err)
{
    return runtime_change(call, create_in, err);
}

ac_status get_agent_runtime_endpoint(front_call *call, ac_error *err)
{
    const runtime_room *room = call->room;

    return transact_read(room->store, call, get_in, NULL, err);
}

ac_status update_agent_runtime_endpoint(front_call *call, ac_error *err)
{
    return runtime_change(call, update_in, err);
}

ac_status delete_agent_runtime_endpoint(front_call *call, ac_error *err)
{
    return runtime_change(call, delete_in, err);
}

ac_status list_agent_runtime_endpoints(front_call *call, ac_error *err)
{
    const runtime_room *room = call->room;

    return transact_read(room->store, call, list_in, NULL, err);
}
