/* versions.c - the configurations of a runtime, one after the other.
 *
 * A version is the input it was made from, with the digest of its artifact once that was found, so that it stays what
 * it is when the zip file or the tag behind it changes.  Numbers go up by one; the times of creation go up with them,
 * which a clock that was put back would not see to by itself. */
#include "daemon/runtime/control.h"

#include "base/clock.h"
#include "daemon/resources/transact.h"

#include <stdio.h>
#include <stdlib.h>

#define VERSION_NUMBER_MAX 99999             /* the API's pattern has five digits */
#define BODY_MAX (DOCUMENT_BYTES_MAX + 4096) /* what was stored, and a digest or a reason */

DEFINE_CLEANUP(yyjson_doc *, yyjson_doc_free)
DEFINE_CLEANUP(yyjson_mut_doc *, yyjson_mut_doc_free)

/* Members of the input that a version keeps, and that Get shows. */
static const char *const kept[] = {
    "agentRuntimeArtifact", "authorizerConfiguration",  "capacityProviderConfiguration", "description",
    "environmentVariables", "filesystemConfigurations", "lifecycleConfiguration",        "metadataConfiguration",
    "networkConfiguration", "protocolConfiguration",    "requestHeaderConfiguration",    "roleArn",
};

static const document_member shown_members[] = {
    {"agentRuntimeVersion", DOCUMENT_ID, NULL},
    {"agentRuntimeArtifact", DOCUMENT_BODY, NULL},
    {"authorizerConfiguration", DOCUMENT_BODY, NULL},
    {"capacityProviderConfiguration", DOCUMENT_BODY, NULL},
    {"description", DOCUMENT_BODY, NULL},
    {"environmentVariables", DOCUMENT_BODY, NULL},
    {"failureReason", DOCUMENT_BODY, RUNTIME_FAILURE},
    {"filesystemConfigurations", DOCUMENT_BODY, NULL},
    {"lifecycleConfiguration", DOCUMENT_BODY, NULL},
    {"metadataConfiguration", DOCUMENT_BODY, NULL},
    {"networkConfiguration", DOCUMENT_BODY, NULL},
    {"protocolConfiguration", DOCUMENT_BODY, NULL},
    {"requestHeaderConfiguration", DOCUMENT_BODY, NULL},
    {"roleArn", DOCUMENT_BODY, NULL},
};
static const document_form shown = DOCUMENT_FORM(shown_members);

static const document_member listed_members[] = {
    {"agentRuntimeId", DOCUMENT_PARENT, NULL},
    {"agentRuntimeVersion", DOCUMENT_ID, NULL},
    {"lastUpdatedAt", DOCUMENT_UPDATED, NULL},
    {"description", DOCUMENT_BODY, NULL},
};

static ac_status no_memory(ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

ac_status runtime_version_show(front_call *call, const resource *version, ac_error *err)
{
    return document_answer(call, version, &shown, err);
}

/* ---- made, and settled ---- */

static ac_status next_number(store_tx *tx, const resource_key *runtime, const resource *after, arena *memory,
                             const char **ret_number, ac_error *err)
{
    const resource_key of = runtime_part_key(runtime, KIND_AGENT_RUNTIME_VERSION, NULL);
    long number = after ? strtol(after->key.id, NULL, 10) + 1 : 1;
    int64_t count;
    char text[24];

    AC_TRY(resource_count(tx, &of, &count, err));
    if (count >= RUNTIME_VERSIONS_MAX || number > VERSION_NUMBER_MAX)
        return ac_error_set(err, AC_ERR_QUOTA, "An agent runtime has at most %d versions, up to number %d",
                            RUNTIME_VERSIONS_MAX, VERSION_NUMBER_MAX);
    int length = snprintf(text, sizeof text, "%ld", number);
    *ret_number = arena_copy(memory, text, (size_t)length);
    return *ret_number ? AC_OK : no_memory(err);
}

ac_status runtime_version_create(store_tx *tx, front_call *call, const resource_key *runtime, const resource *after,
                                 const char **ret_version, ac_error *err)
{
    resource r = {.status = after ? RUNTIME_UPDATING : RUNTIME_CREATING, .created_ms = clock_unix_ms()};

    if (after)
        r.created_ms = MAX(r.created_ms, after->created_ms + 1);
    AC_TRY(next_number(tx, runtime, after, call->memory, ret_version, err));
    r.key = runtime_part_key(runtime, KIND_AGENT_RUNTIME_VERSION, *ret_version);
    AC_TRY(document_body(call, kept, ARRAY_SIZE(kept), &r.body, err));
    return resource_create(tx, &r, err);
}

ac_status runtime_version_settle(store_tx *tx, const resource *version, const char *digest, const char *failure,
                                 arena *memory, ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = NULL;
    _cleanup_(yyjson_doc_freep) yyjson_doc *body = NULL;
    _cleanup_(buf_done) buf text = {.cap = BODY_MAX, .secret = true};
    resource_change change = {.status = failure ? runtime_failed_status(version) : RUNTIME_READY};
    ac_status status;

    AC_TRY(version_read(version, &body, err));
    doc = yyjson_doc_mut_copy(body, NULL);
    if (!doc || !yyjson_mut_obj_add_str(doc, yyjson_mut_doc_get_root(doc), failure ? RUNTIME_FAILURE : RUNTIME_DIGEST,
                                        failure ? failure : digest))
        return no_memory(err);
    status = json_write(&text, yyjson_mut_doc_get_root(doc), JSON_COMPACT, NULL);
    if (status != AC_OK)
        return ac_error_set(err, status, "a version cannot be written: %s", ac_status_text(status));
    change.body = arena_copy(memory, text.data, text.length);
    return change.body ? resource_update(tx, &version->key, &change, NULL, err) : no_memory(err);
}

/* ---- deleted ---- */

static ac_status conflict(ac_error *err, const resource *version, const char *why)
{
    return ac_error_set(err, AC_ERR_CONFLICT, "Version '%s' of the agent runtime '%s' %s", version->key.id,
                        version->key.parent, why);
}

static ac_status check_unused(store_tx *tx, const runtime_row *runtime, const resource *version, arena *memory,
                              ac_error *err)
{
    endpoint_row *endpoints;
    size_t count;

    if (strcmp(runtime->version, version->key.id) == 0)
        return conflict(err, version, "is the newest one; the runtime can be deleted as a whole");
    AC_TRY(endpoint_rows(tx, &runtime->r.key, memory, &endpoints, &count, err));
    for (size_t i = 0; i < count; i++)
        if (strcmp(endpoints[i].target, version->key.id) == 0 ||
            (endpoints[i].live && strcmp(endpoints[i].live, version->key.id) == 0))
            return conflict(err, version, "is used by an endpoint");
    return AC_OK;
}

ac_status runtime_version_delete_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const resource_key key = runtime_key(call->caller.account, front_text(call, "agentRuntimeId"));
    const resource_change change = {.status = RUNTIME_DELETING};
    runtime_row runtime;
    resource version;

    (void)arg;
    AC_TRY(runtime_row_get(tx, &key, true, call->memory, &runtime, err));
    AC_TRY(version_row_get(tx, &key, front_text(call, "agentRuntimeVersion"), call->memory, &version, err));
    if (!runtime_is(&version, RUNTIME_DELETING)) {
        AC_TRY(check_unused(tx, &runtime, &version, call->memory, err));
        AC_TRY(resource_update(tx, &version.key, &change, NULL, err));
        AC_TRY(runtime_queue_delete(tx, &key, &version.key, err));
    }
    AC_TRY(front_add_text(call, "status", RUNTIME_DELETING, err));
    AC_TRY(front_add_text(call, "agentRuntimeId", key.id, err));
    return front_add_text(call, "agentRuntimeVersion", version.key.id, err);
}

/* ---- listed ---- */

static ac_status show_listed(front_call *call, const runtime_row *runtime, const resource *r, yyjson_mut_val *object,
                             ac_error *err)
{
    const char *status = runtime_is(&runtime->r, RUNTIME_DELETING) ? RUNTIME_DELETING : r->status;

    AC_TRY(runtime_show_arn(call, &runtime->r.key, object, err));
    if (!yyjson_mut_obj_add_strcpy(call->doc, object, "agentRuntimeName", runtime->r.name) ||
        !yyjson_mut_obj_add_strcpy(call->doc, object, "status", status))
        return no_memory(err);
    /* The model requires a description of what need not have one. */
    if (!yyjson_mut_obj_get(object, "description") && !yyjson_mut_obj_add_str(call->doc, object, "description", ""))
        return no_memory(err);
    return AC_OK;
}

static ac_status list_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const resource_key key = runtime_key(call->caller.account, front_text(call, "agentRuntimeId"));
    runtime_row runtime;
    const runtime_list list = {
        .of = runtime_part_key(&key, KIND_AGENT_RUNTIME_VERSION, NULL),
        .member = "agentRuntimes",
        .form = DOCUMENT_FORM(listed_members),
        .newest_first = true,
        .runtime = &runtime,
        .show = show_listed,
    };

    (void)arg;
    AC_TRY(runtime_row_get(tx, &key, false, call->memory, &runtime, err));
    return runtime_answer_page(tx, call, &list, err);
}

ac_status list_agent_runtime_versions(front_call *call, ac_error *err)
{
    const runtime_room *room = call->room;

    return transact_read(room->store, call, list_in, NULL, err);
}
