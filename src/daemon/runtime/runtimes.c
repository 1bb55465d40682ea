/* runtimes.c - the operations on agent runtimes.
 *
 * Creating or updating one stores the input as its next version, points DEFAULT to it, and queues the deployment, all
 * in one transaction; the job (deploy.c) says how it went.  Deleting one marks it, and a job does the rest, since
 * ending its sessions takes time. */
#include "daemon/runtime/control.h"

static const document_member created_members[] = {
    {"agentRuntimeArn", DOCUMENT_ARN, NULL},
    {"agentRuntimeId", DOCUMENT_ID, NULL},
    {"agentRuntimeVersion", DOCUMENT_BODY, "version"},
    {"createdAt", DOCUMENT_CREATED, NULL},
    {"status", DOCUMENT_STATUS, NULL},
};
static const document_form created = DOCUMENT_FORM(created_members);

/* What Get shows of the runtime; the rest is its version's. */
static const document_member shared_members[] = {
    {"agentRuntimeArn", DOCUMENT_ARN, NULL},
    {"agentRuntimeId", DOCUMENT_ID, NULL},
    {"agentRuntimeName", DOCUMENT_NAME, NULL},
    {"createdAt", DOCUMENT_CREATED, NULL},
};
static const document_form shared = DOCUMENT_FORM(shared_members);

static const document_member listed_members[] = {
    {"agentRuntimeArn", DOCUMENT_ARN, NULL},   {"agentRuntimeId", DOCUMENT_ID, NULL},
    {"agentRuntimeName", DOCUMENT_NAME, NULL}, {"agentRuntimeVersion", DOCUMENT_BODY, "version"},
    {"description", DOCUMENT_BODY, NULL},      {"lastUpdatedAt", DOCUMENT_UPDATED, NULL},
    {"status", DOCUMENT_STATUS, NULL},
};

static resource_key key_of(const front_call *call)
{
    return runtime_key(call->caller.account, front_text(call, "agentRuntimeId"));
}

static const char *description_of(const front_call *call)
{
    const char *description = front_text(call, "description");

    return description ? description : "";
}

static resource_key identity_key(const runtime_row *runtime)
{
    return (resource_key){
        .scope = runtime->r.key.scope, .kind = KIND_WORKLOAD_IDENTITY, .id = runtime->workload_identity};
}

static ac_status show_identity(front_call *call, const runtime_row *runtime, ac_error *err)
{
    const resource_key key = identity_key(runtime);
    const char *arn_text;

    AC_TRY(resource_arn(call, &key, &arn_text, err));
    return front_add_value(call, "workloadIdentityDetails",
                           ac_json_pack(call->doc, "{s:s}", "workloadIdentityArn", arn_text), err);
}

static ac_status answer(front_call *call, const runtime_row *runtime, ac_error *err)
{
    AC_TRY(document_answer(call, &runtime->r, &created, err));
    return show_identity(call, runtime, err);
}

/* ---- create ---- */

/* Under the runtime's id, which nobody can have guessed. */
static ac_status create_identity(store_tx *tx, const runtime_row *runtime, ac_error *err)
{
    resource identity = {.key = identity_key(runtime), .status = RUNTIME_READY, .body = "{}"};

    return resource_create(tx, &identity, err);
}

static ac_status create_row(store_tx *tx, front_call *call, runtime_row *row, ac_error *err)
{
    const char *name = front_text(call, "agentRuntimeName"), *id;
    ac_status status;

    AC_TRY(resource_make_id(name, call->memory, &id, err));
    *row = (runtime_row){
        .r = {.key = runtime_key(call->caller.account, id), .name = name, .status = RUNTIME_CREATING},
        .version = RUNTIME_FIRST_VERSION,
        .description = description_of(call),
        .workload_identity = id,
    };
    status = runtime_row_create(tx, row, call->memory, err);
    if (status == AC_ERR_CONFLICT)
        return ac_error_set(err, status, "An agent runtime with the name '%s' already exists", name);
    return status;
}

static ac_status create_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const char *version;
    runtime_row runtime;

    (void)arg;
    AC_TRY(create_row(tx, call, &runtime, err));
    AC_TRY(resource_tag(tx, &runtime.r.key, front_value(call, "tags"), call->memory, err));
    AC_TRY(create_identity(tx, &runtime, err));
    AC_TRY(runtime_version_create(tx, call, &runtime.r.key, NULL, &version, err));
    AC_TRY(runtime_default_create(tx, &runtime.r.key, call->memory, err));
    AC_TRY(runtime_queue_deploy(tx, &runtime.r.key, version, err));
    return answer(call, &runtime, err);
}

ac_status create_agent_runtime(front_call *call, ac_error *err)
{
    const runtime_room *room = call->room;

    AC_TRY(runtime_configuration_prepare(room, call, err));
    return transact_write(room->store, call, create_in, NULL, err);
}

/* ---- update ---- */

static ac_status update_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const resource_key key = key_of(call);
    runtime_row runtime;
    resource newest;

    (void)arg;
    AC_TRY(runtime_row_get(tx, &key, true, call->memory, &runtime, err));
    if (runtime_in_progress(&runtime.r) || runtime_is(&runtime.r, RUNTIME_DELETING))
        return ac_error_set(err, AC_ERR_CONFLICT, "The agent runtime '%s' is %s", key.id, runtime.r.status);
    AC_TRY(version_row_get(tx, &key, runtime.version, call->memory, &newest, err));
    AC_TRY(runtime_version_create(tx, call, &key, &newest, &runtime.version, err));
    runtime.description = description_of(call);
    AC_TRY(runtime_row_update(tx, &runtime, RUNTIME_UPDATING, call->memory, err));
    AC_TRY(runtime_default_follow(tx, &key, runtime.version, call->memory, err));
    AC_TRY(runtime_queue_deploy(tx, &key, runtime.version, err));
    AC_TRY(answer(call, &runtime, err));
    return front_add_time(call, "lastUpdatedAt", runtime.r.updated_ms, err);
}

ac_status runtime_change(front_call *call, transact_fn fn, ac_error *err)
{
    const runtime_room *room = call->room;
    const char *account = call->caller.account, *id = front_text(call, "agentRuntimeId");
    ac_status status;

    runtime_targets_change(room->targets, account, id);
    status = transact_write(room->store, call, fn, NULL, err);
    runtime_targets_changed(room->targets, account, id);
    return status;
}

ac_status update_agent_runtime(front_call *call, ac_error *err)
{
    AC_TRY(runtime_configuration_prepare(call->room, call, err));
    return runtime_change(call, update_in, err);
}

/* ---- get and list ---- */

static ac_status get_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const char *version = front_text(call, "agentRuntimeVersion");
    const resource_key key = key_of(call);
    const resource *of;
    runtime_row runtime;
    resource r;

    (void)arg;
    AC_TRY(runtime_row_get(tx, &key, false, call->memory, &runtime, err));
    AC_TRY(version_row_get(tx, &key, version ? version : runtime.version, call->memory, &r, err));
    of = version && !runtime_is(&runtime.r, RUNTIME_DELETING) ? &r : &runtime.r;
    AC_TRY(document_answer(call, &runtime.r, &shared, err));
    AC_TRY(runtime_version_show(call, &r, err));
    AC_TRY(show_identity(call, &runtime, err));
    AC_TRY(front_add_text(call, "status", of->status, err));
    return front_add_time(call, "lastUpdatedAt", of->updated_ms, err);
}

ac_status get_agent_runtime(front_call *call, ac_error *err)
{
    const runtime_room *room = call->room;

    return transact_read(room->store, call, get_in, NULL, err);
}

static ac_status list_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const document_list list = {
        .of = runtime_key(call->caller.account, NULL),
        .member = "agentRuntimes",
        .form = DOCUMENT_FORM(listed_members),
        .page_default = RUNTIME_PAGE_DEFAULT,
    };

    (void)arg;
    return document_answer_page(tx, call, &list, err);
}

ac_status list_agent_runtimes(front_call *call, ac_error *err)
{
    const runtime_room *room = call->room;

    return transact_read(room->store, call, list_in, NULL, err);
}

/* ---- delete ---- */

static ac_status mark_endpoints(store_tx *tx, const resource_key *runtime, arena *memory, ac_error *err)
{
    const resource_change deleting = {.status = RUNTIME_DELETING};
    endpoint_row *endpoints;
    size_t count;

    AC_TRY(endpoint_rows(tx, runtime, memory, &endpoints, &count, err));
    for (size_t i = 0; i < count; i++)
        AC_TRY(resource_update(tx, &endpoints[i].r.key, &deleting, NULL, err));
    return AC_OK;
}

static ac_status delete_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const resource_change deleting = {.status = RUNTIME_DELETING};
    const resource_key key = key_of(call);
    runtime_row runtime;

    (void)arg;
    AC_TRY(runtime_row_get(tx, &key, true, call->memory, &runtime, err));
    if (runtime_in_progress(&runtime.r))
        return ac_error_set(err, AC_ERR_CONFLICT, "The agent runtime '%s' is %s", key.id, runtime.r.status);
    if (!runtime_is(&runtime.r, RUNTIME_DELETING)) {
        AC_TRY(resource_update(tx, &key, &deleting, NULL, err));
        AC_TRY(mark_endpoints(tx, &key, call->memory, err));
        AC_TRY(runtime_queue_delete(tx, &key, NULL, err));
    }
    AC_TRY(front_add_text(call, "status", RUNTIME_DELETING, err));
    return front_add_text(call, "agentRuntimeId", key.id, err);
}

ac_status delete_agent_runtime(front_call *call, ac_error *err)
{
    return runtime_change(call, front_text(call, "agentRuntimeVersion") ? runtime_version_delete_in : delete_in, err);
}
