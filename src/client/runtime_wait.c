/* runtime_wait.c - waiting until a runtime or an endpoint is ready or gone. */
#include "client/runtime_internal.h"

#include "client/patience.h"

#include <string.h>

#define MAX_WAIT_S 300
#define POLL_INTERVAL_MS 10000
#define ENDPOINT_DEFAULT "DEFAULT"
#define NOT_FOUND "ResourceNotFoundException"

/* A runtime, or one of its endpoints when endpoint_name is not NULL. */
typedef struct resource {
    ac_client *client;
    const char *runtime_id;
    const char *endpoint_name;
} resource;

/* ---- looking ---- */

static ac_status call_on(const resource *r, const char *on_runtime, const char *on_endpoint, yyjson_doc **ret_output,
                         ac_error *err)
{
    if (!r->endpoint_name)
        return ac_client_call_pack(r->client, on_runtime, ret_output, err, "{s:s}", "agentRuntimeId", r->runtime_id);
    return ac_client_call_pack(r->client, on_endpoint, ret_output, err, "{s:s, s:s}", "agentRuntimeId", r->runtime_id,
                               "endpointName", r->endpoint_name);
}

static ac_status look_at(const resource *r, yyjson_doc **ret_output, ac_error *err)
{
    return call_on(r, "GetAgentRuntime", "GetAgentRuntimeEndpoint", ret_output, err);
}

static ac_status delete_it(const resource *r, ac_error *err)
{
    return call_on(r, "DeleteAgentRuntime", "DeleteAgentRuntimeEndpoint", NULL, err);
}

static bool is_gone(ac_status status, const ac_error *err)
{
    return status != AC_OK && strcmp(err->aws_name, NOT_FOUND) == 0;
}

/* ---- pausing ---- */

static patience patience_of(const ac_runtime_wait_options *o)
{
    return patience_begin(o && o->max_wait_s ? o->max_wait_s : MAX_WAIT_S,
                          o && o->poll_interval_ms ? o->poll_interval_ms : POLL_INTERVAL_MS);
}

/* ---- ready ---- */

static bool is_failure(const resource *r, const char *status)
{
    return strcmp(status, "CREATE_FAILED") == 0 || strcmp(status, "UPDATE_FAILED") == 0 ||
           (r->endpoint_name && strcmp(status, "DELETE_FAILED") == 0);
}

static ac_status wait_ready(const resource *r, const ac_runtime_wait_options *options, yyjson_doc **ret_output,
                            ac_error *err)
{
    patience p = patience_of(options);

    if (ret_output)
        *ret_output = NULL;
    do {
        yyjson_doc *output = NULL;

        AC_TRY(look_at(r, &output, err));
        yyjson_val *root = yyjson_doc_get_root(output);
        const char *state = ac_json_string(root, "status", "");
        bool ready = strcmp(state, "READY") == 0, failed = is_failure(r, state);
        if (failed)
            ac_error_set(err, AC_ERR_STATE, "Reached %s: %s", state, ac_json_string(root, "failureReason", "Unknown"));
        if (ready && ret_output)
            *ret_output = TAKE_PTR(output);
        yyjson_doc_free(output);
        if (ready || failed)
            return ready ? AC_OK : AC_ERR_STATE;
    } while (patience_pause(&p));
    return ac_error_set(err, AC_ERR_TIMEOUT, "Did not reach READY within %u seconds", p.max_wait_s);
}

ac_status ac_runtime_wait_ready(ac_client *client, const char *runtime_id, const ac_runtime_wait_options *options,
                                yyjson_doc **ret_output, ac_error *err)
{
    return wait_ready(&(resource){client, runtime_id, NULL}, options, ret_output, err);
}

ac_status ac_runtime_wait_endpoint_ready(ac_client *client, const char *runtime_id, const char *endpoint_name,
                                         const ac_runtime_wait_options *options, yyjson_doc **ret_output, ac_error *err)
{
    return wait_ready(&(resource){client, runtime_id, endpoint_name}, options, ret_output, err);
}

/* ---- gone ---- */

static ac_status wait_deleted(const resource *r, const ac_runtime_wait_options *options, ac_error *err)
{
    patience p = patience_of(options);

    do {
        ac_error mine = {.status = AC_OK};
        ac_status status = look_at(r, NULL, &mine);

        if (is_gone(status, &mine))
            return AC_OK;
        if (status != AC_OK && err)
            *err = mine;
        if (status != AC_OK)
            return status;
    } while (patience_pause(&p));
    return ac_error_set(err, AC_ERR_TIMEOUT, "Resource was not deleted within %u seconds", p.max_wait_s);
}

ac_status ac_runtime_wait_deleted(ac_client *client, const char *runtime_id, const ac_runtime_wait_options *options,
                                  ac_error *err)
{
    return wait_deleted(&(resource){client, runtime_id, NULL}, options, err);
}

ac_status ac_runtime_wait_endpoint_deleted(ac_client *client, const char *runtime_id, const char *endpoint_name,
                                           const ac_runtime_wait_options *options, ac_error *err)
{
    return wait_deleted(&(resource){client, runtime_id, endpoint_name}, options, err);
}

static ac_status delete_and_wait(const resource *r, const ac_runtime_wait_options *options, ac_error *err)
{
    AC_TRY(delete_it(r, err));
    return wait_deleted(r, options, err);
}

ac_status ac_runtime_delete_and_wait(ac_client *client, const char *runtime_id, const ac_runtime_wait_options *options,
                                     ac_error *err)
{
    return delete_and_wait(&(resource){client, runtime_id, NULL}, options, err);
}

ac_status ac_runtime_delete_endpoint_and_wait(ac_client *client, const char *runtime_id, const char *endpoint_name,
                                              const ac_runtime_wait_options *options, ac_error *err)
{
    return delete_and_wait(&(resource){client, runtime_id, endpoint_name}, options, err);
}

static ac_status delete_if_there(const resource *r, const ac_runtime_wait_options *options, ac_error *err)
{
    ac_error mine = {.status = AC_OK};
    ac_status status = delete_and_wait(r, options, &mine);

    if (is_gone(status, &mine))
        return AC_OK;
    if (status != AC_OK && err)
        *err = mine;
    return status;
}

ac_status ac_runtime_teardown(ac_client *client, const char *runtime_id, const char *endpoint_name,
                              const ac_runtime_wait_options *options, ac_error *err)
{
    const char *endpoint = endpoint_name ? endpoint_name : ENDPOINT_DEFAULT;

    AC_TRY(delete_if_there(&(resource){client, runtime_id, endpoint}, options, err));
    return delete_if_there(&(resource){client, runtime_id, NULL}, options, err);
}

/* ---- an operation and its effect ---- */

/* The names that an operation's own answer gives, and else its input. */
static ac_status call_and_wait(ac_client *client, const char *operation, bool endpoint, yyjson_val *input,
                               const ac_runtime_wait_options *options, yyjson_doc **ret_output, ac_error *err)
{
    yyjson_doc *answer = NULL;

    if (ret_output)
        *ret_output = NULL;
    AC_TRY(ac_client_call(client, operation, input, &answer, err));
    yyjson_val *root = yyjson_doc_get_root(answer);
    resource r = {
        .client = client,
        .runtime_id = ac_json_string(root, "agentRuntimeId", ac_json_string(input, "agentRuntimeId", "")),
    };
    if (endpoint)
        r.endpoint_name = ac_json_string(input, "endpointName", ac_json_string(input, "name", ENDPOINT_DEFAULT));
    ac_status status = wait_ready(&r, options, ret_output, err);
    yyjson_doc_free(answer);
    return status;
}

ac_status ac_runtime_create_and_wait(ac_client *client, yyjson_val *input, const ac_runtime_wait_options *options,
                                     yyjson_doc **ret_output, ac_error *err)
{
    return call_and_wait(client, "CreateAgentRuntime", false, input, options, ret_output, err);
}

ac_status ac_runtime_update_and_wait(ac_client *client, yyjson_val *input, const ac_runtime_wait_options *options,
                                     yyjson_doc **ret_output, ac_error *err)
{
    return call_and_wait(client, "UpdateAgentRuntime", false, input, options, ret_output, err);
}

ac_status ac_runtime_create_endpoint_and_wait(ac_client *client, yyjson_val *input,
                                              const ac_runtime_wait_options *options, yyjson_doc **ret_output,
                                              ac_error *err)
{
    return call_and_wait(client, "CreateAgentRuntimeEndpoint", true, input, options, ret_output, err);
}

ac_status ac_runtime_update_endpoint_and_wait(ac_client *client, yyjson_val *input,
                                              const ac_runtime_wait_options *options, yyjson_doc **ret_output,
                                              ac_error *err)
{
    return call_and_wait(client, "UpdateAgentRuntimeEndpoint", true, input, options, ret_output, err);
}

/* ---- both together ---- */

static ac_status add_status(yyjson_mut_doc *doc, const char *key, const resource *r, ac_error *err)
{
    ac_error mine = {.status = AC_OK};
    yyjson_doc *output = NULL;
    ac_status status = look_at(r, &output, &mine);
    yyjson_mut_val *value = NULL;

    if (status == AC_OK)
        value = yyjson_val_mut_copy(doc, yyjson_doc_get_root(output));
    else if (is_gone(status, &mine))
        value = ac_json_pack(doc, "{s:s}", "error", mine.message);
    else if (err)
        *err = mine;
    bool known = status == AC_OK || is_gone(status, &mine);
    yyjson_doc_free(output);
    if (!known)
        return status;
    return value && yyjson_mut_obj_add_val(doc, yyjson_mut_doc_get_root(doc), key, value)
               ? AC_OK
               : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

ac_status ac_runtime_status(ac_client *client, const char *runtime_id, const char *endpoint_name,
                            yyjson_doc **ret_status, ac_error *err)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
    const char *endpoint = endpoint_name ? endpoint_name : ENDPOINT_DEFAULT;
    ac_status status = root ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");

    *ret_status = NULL;
    if (root)
        yyjson_mut_doc_set_root(doc, root);
    if (status == AC_OK)
        status = add_status(doc, "runtime", &(resource){client, runtime_id, NULL}, err);
    if (status == AC_OK)
        status = add_status(doc, "endpoint", &(resource){client, runtime_id, endpoint}, err);
    if (status == AC_OK && !(*ret_status = yyjson_mut_doc_imut_copy(doc, NULL)))
        status = ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    yyjson_mut_doc_free(doc);
    return status;
}
