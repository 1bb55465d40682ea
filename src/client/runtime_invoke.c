/* runtime_invoke.c - InvokeAgentRuntime with a whole answer, and the other calls to a session that are one answer. */
#include "client/runtime_internal.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>

ac_status runtime_open(ac_client *client, const char *runtime, const void *payload, size_t length,
                       const ac_runtime_options *options, client_answer *ret_answer, ac_error *err)
{
    _cleanup_(runtime_call_done) runtime_call c = {0};
    const view body = {length ? payload : "", length};
    bool typed = options && options->content_type;
    bool by_itself = strstr(runtime, "://") != NULL; /* which no ARN has */

    *ret_answer = (client_answer){0};
    if (by_itself && options && (options->qualifier || options->account_id || options->user_id))
        return ac_error_set(err, AC_ERR_INVALID,
                            "qualifier, account_id and user_id mean nothing to an agent by itself");
    AC_TRY(runtime_call_init(&c, "InvokeAgentRuntime", by_itself ? "by-itself" : runtime, options, err));
    if (by_itself)
        c.request.agent_url = runtime;
    if (!typed && !yyjson_mut_obj_add_str(c.doc, c.members, "contentType", "application/json"))
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    AC_TRY(runtime_call_ready(&c, err));
    c.request.payload = &body;
    return client_open(client, &c.request, ret_answer, err);
}

/* ---- the whole answer ---- */

typedef struct whole_answer {
    ac_runtime_answer seen; /* first: what the caller has a pointer to */
    client_answer answer;
    buf body;
} whole_answer;

static ac_status read_all(whole_answer *w, ac_error *err)
{
    ac_status status = AC_OK;
    client_input *in = malloc(sizeof *in);

    if (!in)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    *in = (client_input){.end = 0};
    while (status == AC_OK && !in->ended) {
        status = client_input_fill(in, w->answer.transfer, client_deadline(-1, w->answer.read_timeout_ms), err);
        if (status == AC_OK && (status = buf_append(&w->body, in->bytes + in->at, in->end - in->at)) != AC_OK)
            ac_error_set(err, status, "the agent's answer is larger than %zu bytes, or memory ran out", w->body.cap);
        in->at = in->end;
    }
    free(in);
    if (status == AC_OK && !buf_terminate(&w->body))
        status = ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    return status;
}

ac_status ac_runtime_invoke(ac_client *client, const char *runtime, const void *payload, size_t length,
                            const ac_runtime_options *options, ac_runtime_answer **ret_answer, ac_error *err)
{
    whole_answer *w = calloc(1, sizeof *w);

    *ret_answer = NULL;
    if (!w)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    w->body = BUF_INIT(client->answer_bytes_max);
    ac_status status = runtime_open(client, runtime, payload, length, options, &w->answer, err);
    if (status == AC_OK)
        status = read_all(w, err);
    if (status != AC_OK) {
        ac_runtime_answer_free(&w->seen);
        return status;
    }
    yyjson_val *output = yyjson_doc_get_root(w->answer.output);
    w->seen = (ac_runtime_answer){
        .status = w->answer.head->status,
        .content_type = ac_json_string(output, "contentType", ""),
        .session_id = ac_json_string(output, "runtimeSessionId", ""),
        .body = w->body.data,
        .length = w->body.length,
    };
    *ret_answer = &w->seen;
    return AC_OK;
}

const char *ac_runtime_answer_header(const ac_runtime_answer *answer, const char *name)
{
    return http_client_header(((const whole_answer *)answer)->answer.head, name);
}

void ac_runtime_answer_free(ac_runtime_answer *answer)
{
    whole_answer *w = (whole_answer *)answer;

    if (!w)
        return;
    client_answer_done(&w->answer);
    buf_done(&w->body);
    free(w);
}

/* ---- JSON in, JSON out ---- */

static ac_status read_result(const ac_runtime_answer *answer, yyjson_doc **ret_result, ac_error *err)
{
    ac_error flaw = {0};
    ac_status status = ac_json_read(answer->body, answer->length, NULL, ret_result, &flaw);

    if (status == AC_OK)
        return AC_OK;
    return ac_error_set(err, status, "the agent's answer (%.60s) is not JSON: %s", answer->content_type, flaw.message);
}

ac_status ac_runtime_invoke_pack(ac_client *client, const char *runtime, const ac_runtime_options *options,
                                 yyjson_doc **ret_result, ac_error *err, const char *format, ...)
{
    _cleanup_(buf_done) buf payload = BUF_INIT(SIZE_MAX);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    ac_runtime_answer *answer = NULL;
    va_list args;

    if (ret_result)
        *ret_result = NULL;
    va_start(args, format);
    yyjson_mut_val *value = doc ? ac_json_vpack(doc, format, args) : NULL;
    va_end(args);
    ac_status status = value ? json_write(&payload, value, JSON_COMPACT, NULL) : client_unpackable(format, err);
    yyjson_mut_doc_free(doc);
    if (value && status != AC_OK)
        return ac_error_set(err, status, "out of memory");
    if (status == AC_OK)
        status = ac_runtime_invoke(client, runtime, payload.data, payload.length, options, &answer, err);
    if (answer && ret_result)
        status = read_result(answer, ret_result, err);
    ac_runtime_answer_free(answer);
    return status;
}

/* ---- a session's other calls ---- */

ac_status ac_runtime_stop_session(ac_client *client, const char *runtime, const char *session_id,
                                  const ac_runtime_options *options, ac_error *err)
{
    _cleanup_(runtime_call_done) runtime_call c = {0};

    if (options && options->session_id)
        return ac_error_set(err, AC_ERR_INVALID, "the session id is given twice");
    AC_TRY(runtime_call_init(&c, "StopRuntimeSession", runtime, options, err));
    if (session_id && !yyjson_mut_obj_add_str(c.doc, c.members, "runtimeSessionId", session_id))
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    AC_TRY(runtime_call_ready(&c, err));
    return client_fetch(client, &c.request, NULL, err);
}

ac_status ac_runtime_agent_card(ac_client *client, const char *runtime, const ac_runtime_options *options,
                                yyjson_doc **ret_card, ac_error *err)
{
    _cleanup_(runtime_call_done) runtime_call c;
    yyjson_doc *output = NULL;

    *ret_card = NULL;
    AC_TRY(runtime_call_init(&c, "GetAgentCard", runtime, options, err));
    AC_TRY(runtime_call_ready(&c, err));
    AC_TRY(client_fetch(client, &c.request, &output, err));
    yyjson_val *card = yyjson_obj_get(yyjson_doc_get_root(output), "agentCard");
    yyjson_mut_doc *doc = card ? yyjson_mut_doc_new(NULL) : NULL;
    yyjson_mut_val *copy = doc ? yyjson_val_mut_copy(doc, card) : NULL;
    *ret_card = copy ? yyjson_mut_val_imut_copy(copy, NULL) : NULL;
    yyjson_mut_doc_free(doc);
    yyjson_doc_free(output);
    if (!card)
        return ac_error_set(err, AC_ERR_PROTOCOL, "the answer holds no agent card");
    return *ret_card ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

ac_status ac_runtime_command(ac_client *client, const char *runtime, const char *command, unsigned timeout_s,
                             const ac_runtime_options *options, ac_client_stream **ret_stream, ac_error *err)
{
    _cleanup_(runtime_call_done) runtime_call c;

    *ret_stream = NULL;
    AC_TRY(runtime_call_init(&c, "InvokeAgentRuntimeCommand", runtime, options, err));
    yyjson_mut_val *body = yyjson_mut_obj_add_obj(c.doc, c.members, "body");
    if (!body || !yyjson_mut_obj_add_str(c.doc, body, "command", command) ||
        (timeout_s && !yyjson_mut_obj_add_uint(c.doc, body, "timeout", timeout_s)))
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    AC_TRY(runtime_call_ready(&c, err));
    return client_stream_open(client, &c.request, ret_stream, err);
}
