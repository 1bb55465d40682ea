/* command.c - InvokeAgentRuntimeCommand: a shell command in a session, its output as an event stream. */
#include "daemon/runtime/invocation.h"

#include "daemon/sessions/run.h"

#include <string.h>

#define TIMEOUT_S_DEFAULT 300
#define TIMEOUT_S_MAX 3600

/* An event {"NAME": {...}}; text (may be NULL) and number are what is in it. */
static ac_status send_chunk(front_call *call, const char *name, const char *member, const char *text, size_t length,
                            const run_result *result, ac_error *err)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc), *inner = yyjson_mut_obj(doc);
    bool well = doc && root && inner && yyjson_mut_obj_add_val(doc, root, name, inner);
    ac_status status;

    if (well && text)
        well = yyjson_mut_obj_add_strncpy(doc, inner, member, text, length);
    if (well && result)
        well = yyjson_mut_obj_add_int(doc, inner, "exitCode", result->exit_code) &&
               yyjson_mut_obj_add_str(doc, inner, "status", result->timed_out ? "TIMED_OUT" : "COMPLETED");
    if (well)
        yyjson_mut_doc_set_root(doc, root);
    status = well ? front_event(call, "chunk", doc, err) : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    yyjson_mut_doc_free(doc);
    return status;
}

static ac_status on_output(void *user, run_stream stream, const char *text, size_t length, ac_error *err)
{
    return send_chunk(user, "contentDelta", stream == RUN_STDOUT ? "stdout" : "stderr", text, length, NULL, err);
}

static bool is_wanted(void *user)
{
    const front_call *call = user;

    return !http_exchange_closed(call->exchange);
}

static ac_status stream_command(invocation *in, const char *text, unsigned timeout_s, ac_error *err)
{
    const char *const argv[] = {"/bin/sh", "-c", text, NULL};
    const run_command command = {
        .argv = argv,
        .timeout_ms = timeout_s * 1000,
        .on_output = on_output,
        .is_wanted = is_wanted,
        .user = in->call,
    };
    run_result result;
    ac_status status;

    AC_TRY(send_chunk(in->call, "contentStart", NULL, NULL, 0, NULL, err));
    status = session_run(in->session, &command, &result, err);
    if (status == AC_ERR_CLOSED && !result.started) {
        AC_TRY(invocation_renew(in, err));
        status = session_run(in->session, &command, &result, err);
    }
    AC_TRY(status);
    return send_chunk(in->call, "contentStop", NULL, NULL, 0, &result, err);
}

ac_status invoke_agent_runtime_command(front_call *call, ac_error *err)
{
    _cleanup_(invocation_dropp) invocation *in = NULL;
    yyjson_mut_val *body = front_value(call, "body");
    const char *command = yyjson_mut_get_str(yyjson_mut_obj_get(body, "command"));
    yyjson_mut_val *timeout = yyjson_mut_obj_get(body, "timeout");
    int64_t timeout_s = timeout ? yyjson_mut_get_sint(timeout) : TIMEOUT_S_DEFAULT;
    ac_status status;

    if (timeout_s < 1 || timeout_s > TIMEOUT_S_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "timeout is 1 to %d seconds", TIMEOUT_S_MAX);
    AC_TRY(invocation_open(call, front_text(call, "runtimeSessionId"), &in, err));
    if (!in)
        return AC_OK;
    AC_TRY(front_add_text(call, "contentType", "application/vnd.amazon.eventstream", err));
    AC_TRY(front_add_text(call, "runtimeSessionId", in->session_id, err));
    AC_TRY(front_events_begin(call, err));
    status = stream_command(in, command, (unsigned)timeout_s, err);
    invocation_drop(TAKE_PTR(in)); /* before the answer ends: whoever has it may need the place for another at once */
    if (status == AC_OK)
        front_events_end(call);
    else if (status != AC_ERR_CLOSED || !http_exchange_closed(call->exchange))
        front_events_fail(call, status == AC_ERR_CLOSED || status == AC_ERR_NOT_FOUND ? AC_ERR_HANDLER : status, err);
    return AC_OK;
}
