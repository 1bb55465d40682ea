/* contract_actions.c - what an invocation of the contract agent may ask for: {"do": "<name>", ...}.
 *
 * A payload without "do" is answered as it came.  Each action is one function and one row of the table at the end. */
#include "contract_agent.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef ac_status (*action_fn)(ac_request *request, ac_reply *reply, yyjson_val *in);

/* A value of the payload, or JSON null when the key is absent. */
static yyjson_mut_val *copy_of(ac_reply *reply, yyjson_val *in, const char *key)
{
    yyjson_mut_doc *doc = ac_reply_doc(reply);
    yyjson_val *value = yyjson_obj_get(in, key);
    return value ? yyjson_val_mut_copy(doc, value) : yyjson_mut_null(doc);
}

static ac_status answer_status(ac_reply *reply, ac_status status)
{
    return ac_reply_pack(reply, "{s:s}", "status", ac_status_name(status));
}

/* ---- plain answers ---- */

static ac_status do_nothing(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    (void)request;
    (void)reply;
    (void)in;
    return AC_OK;
}

static ac_status do_fail(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    (void)request;
    const char *type = ac_json_string(in, "type", NULL);
    const char *message = ac_json_string(in, "message", "");
    int status = (int)ac_json_int(in, "status", 500);
    return type ? ac_reply_fail_as(reply, status, type, "%s", message) : ac_reply_fail(reply, status, "%s", message);
}

static ac_status do_return(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    (void)request;
    (void)reply;
    const char *name = ac_json_string(in, "status", "AC_ERR_HANDLER");
    for (int status = AC_OK; status <= AC_ERR_INTERNAL; status++)
        if (strcmp(ac_status_name((ac_status)status), name) == 0)
            return (ac_status)status;
    return AC_ERR_INVALID;
}

static ac_status do_nan(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    (void)request;
    (void)in;
    yyjson_mut_doc *doc = ac_reply_doc(reply);
    yyjson_mut_val *value = yyjson_mut_arr(doc);
    yyjson_mut_arr_add_real(doc, value, (double)NAN);
    yyjson_mut_arr_add_real(doc, value, (double)INFINITY);
    yyjson_mut_arr_add_real(doc, value, 1.5);
    return ac_reply_value(reply, value);
}

static ac_status do_bad_utf8(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    (void)request;
    (void)in;
    yyjson_mut_doc *doc = ac_reply_doc(reply);
    return ac_reply_value(reply, yyjson_mut_strncpy(doc,
                                                    "a\xff"
                                                    "b\xc3",
                                                    4));
}

static ac_status do_answer(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    (void)request;
    ac_status status = ac_reply_set_status(reply, (int)ac_json_int(in, "status", 200));
    size_t at, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(yyjson_obj_get(in, "headers"), at, count, key, value)
    {
        if (status == AC_OK)
            status = ac_reply_set_header(reply, yyjson_get_str(key), yyjson_get_str(value));
    }
    if (status != AC_OK)
        return answer_status(reply, status);
    return ac_reply_value(reply, copy_of(reply, in, "body"));
}

static ac_status do_raw(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    (void)request;
    yyjson_val *text = yyjson_obj_get(in, "text");
    return ac_reply_raw(reply, ac_json_string(in, "content_type", "text/plain; charset=utf-8"), yyjson_get_str(text),
                        yyjson_get_len(text));
}

static ac_status do_big(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    (void)request;
    size_t size = (size_t)ac_json_int(in, "bytes", 1000000);
    char *text = malloc(size + 1);
    if (!text)
        return AC_ERR_NOMEM;
    memset(text, 'x', size + 1);
    ac_status status = ac_reply_raw(reply, "text/plain", text, size);
    free(text);
    return status;
}

static ac_status do_twice(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    (void)request;
    (void)in;
    ac_status status = ac_reply_pack(reply, "{s:i}", "answer", 1);
    atomic_store(&stats.second_status, ac_reply_pack(reply, "{s:i}", "answer", 2));
    return status;
}

static ac_status do_length(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    (void)request;
    return ac_reply_pack(reply, "{s:U}", "length", (uint64_t)yyjson_get_len(yyjson_obj_get(in, "value")));
}

/* ---- streams ---- */

static ac_status send_events(ac_reply *reply, yyjson_val *in)
{
    int64_t count = ac_json_int(in, "count", 3);
    size_t pad_size = (size_t)ac_json_int(in, "pad", 0);
    const char *gate = ac_json_string(in, "gate", NULL);
    char *pad = calloc(1, pad_size + 1);
    if (!pad)
        return AC_ERR_NOMEM;
    memset(pad, 'p', pad_size);

    ac_status status = AC_OK;
    int64_t sent = 0;
    while (status == AC_OK && sent < count) {
        if (gate && !gate_wait(gate))
            status = AC_ERR_TIMEOUT;
        else
            status = ac_reply_send_pack(reply, pad_size ? "{s:I, s:s}" : "{s:I}", "i", sent, "pad", pad);
        sent += status == AC_OK;
    }
    free(pad);
    atomic_store(&stats.streamed, sent);
    atomic_store(&stats.stream_status, status);
    if (status == AC_ERR_CLOSED || status == AC_ERR_TIMEOUT)
        atomic_fetch_add(&stats.client_gone, 1);
    return status;
}

static ac_status do_stream(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    ac_status status = send_events(reply, in);
    if (status == AC_OK && yyjson_obj_get(in, "then_fail"))
        return do_fail(request, reply, yyjson_obj_get(in, "then_fail"));
    if (status == AC_OK && yyjson_obj_get(in, "then_return"))
        return do_return(request, reply, yyjson_obj_get(in, "then_return"));
    if (status == AC_OK && yyjson_obj_get(in, "then_answer"))
        atomic_store(&stats.second_status, ac_reply_pack(reply, "{s:i}", "late", 1));
    return status;
}

static ac_status do_stream_values(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    (void)request;
    ac_status status = AC_OK;
    size_t at, count;
    yyjson_val *value;
    yyjson_arr_foreach(yyjson_obj_get(in, "values"), at, count, value)
    {
        if (status == AC_OK)
            status = ac_reply_send(reply, yyjson_val_mut_copy(ac_reply_doc(reply), value));
    }
    return status;
}

/* ---- replies that outlive their handler ---- */

static void *answer_later(void *user)
{
    ac_reply *reply = user;
    yyjson_val *in = ac_request_payload(ac_reply_request(reply));
    const char *gate = ac_json_string(in, "gate", NULL);
    ac_status status = AC_OK;
    if (gate && !gate_wait(gate))
        status = AC_ERR_TIMEOUT;
    else if (yyjson_obj_get(in, "count"))
        status = send_events(reply, in);
    else if (yyjson_obj_get(in, "message"))
        status = do_fail(NULL, reply, in);
    else if (yyjson_obj_get(in, "value"))
        status = ac_reply_value(reply, copy_of(reply, in, "value"));
    ac_reply_finish(reply, status);
    return NULL;
}

static ac_status do_defer(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    (void)request;
    (void)in;
    ac_reply *kept = ac_reply_defer(reply);
    if (!kept)
        return AC_ERR_STATE;
    atomic_store(&stats.second_status, ac_reply_defer(reply) == NULL ? AC_OK : AC_ERR_STATE);
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attributes, answer_later, kept) != 0)
        ac_reply_finish(kept, AC_ERR_AGAIN);
    pthread_attr_destroy(&attributes);
    return AC_OK;
}

/* Streams from the loop thread: as many events as fit, then again when there is room. */
static void send_when_writable(ac_reply *reply, void *user)
{
    int64_t *left = user;
    ac_status status = AC_OK;
    while (*left > 0 && status == AC_OK) {
        status = ac_reply_send_pack(reply, "{s:I}", "left", *left);
        *left -= status == AC_OK;
    }
    if (status == AC_ERR_AGAIN) {
        status = ac_reply_on_writable(reply, send_when_writable, left);
        if (status == AC_OK)
            return;
    }
    atomic_store(&stats.stream_status, status);
    if (status == AC_ERR_CLOSED)
        atomic_fetch_add(&stats.client_gone, 1);
    ac_reply_finish(reply, status);
}

static ac_status do_loop_stream(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    int64_t *left = ac_request_alloc(request, sizeof(*left));
    if (!left)
        return AC_ERR_NOMEM;
    *left = ac_json_int(in, "count", 1000);
    ac_reply *kept = ac_reply_defer(reply);
    if (!kept)
        return AC_ERR_STATE;
    send_when_writable(kept, left);
    return AC_OK;
}

/* ---- holding, and letting go ---- */

static ac_status do_wait(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    (void)request;
    const char *gate = ac_json_string(in, "gate", "default");
    if (!gate_wait(gate))
        return AC_ERR_TIMEOUT;
    ac_status status = ac_reply_pack(reply, "{s:s}", "waited", gate);
    if (status == AC_ERR_CLOSED)
        atomic_fetch_add(&stats.client_gone, 1);
    return status;
}

static ac_status do_open(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    (void)request;
    gate_open(ac_json_string(in, "gate", "default"), ac_json_int(in, "count", -1));
    return ac_reply_pack(reply, "{s:b}", "opened", 1);
}

static ac_status do_waiting(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    (void)request;
    return ac_reply_pack(reply, "{s:I}", "waiting", gate_waiting(ac_json_string(in, "gate", "default")));
}

/* A long computation that asks whether anybody still listens. */
static ac_status do_until_gone(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    (void)request;
    (void)in;
    const struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < 60000 && !ac_reply_closed(reply); i++)
        nanosleep(&pause, NULL);
    if (ac_reply_closed(reply))
        atomic_fetch_add(&stats.client_gone, 1);
    return AC_ERR_CLOSED;
}

static ac_status do_stats(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    (void)request;
    (void)in;
    return ac_reply_pack(reply, "{s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "client_gone",
                         (int64_t)atomic_load(&stats.client_gone), "streamed", (int64_t)atomic_load(&stats.streamed),
                         "stream_status", ac_status_name((ac_status)atomic_load(&stats.stream_status)), "second_status",
                         ac_status_name((ac_status)atomic_load(&stats.second_status)), "handled",
                         (int64_t)atomic_load(&stats.handled), "tasks_done", (int64_t)atomic_load(&stats.tasks_done),
                         "websockets_open", (int64_t)atomic_load(&stats.websockets_open), "websockets_closed",
                         (int64_t)atomic_load(&stats.websockets_closed), "websocket_code",
                         (int64_t)atomic_load(&stats.websocket_code), "middleware_after",
                         (int64_t)atomic_load(&stats.middleware_after));
}

/* ---- tasks and health ---- */

static ac_status task_body(void *user)
{
    char *text = user; /* "GATE" or "GATE!" to fail afterwards */
    size_t length = strlen(text);
    bool fail = length > 0 && text[length - 1] == '!';
    if (fail)
        text[length - 1] = '\0';
    ac_log_info("task waits at %s", text);
    gate_wait(text);
    free(text);
    atomic_fetch_add(&stats.tasks_done, 1);
    return fail ? AC_ERR_IO : AC_OK;
}

static ac_status do_task_run(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    char *gate = strdup(ac_json_string(in, "gate", "task"));
    if (!gate)
        return AC_ERR_NOMEM;
    int64_t id = 0;
    ac_status status =
        ac_app_task_run(ac_request_app(request), ac_json_string(in, "name", "work"), task_body, gate, &id);
    if (status != AC_OK) {
        free(gate);
        return status;
    }
    return ac_reply_pack(reply, "{s:I}", "id", id);
}

static ac_status do_task_start(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    return ac_reply_pack(reply, "{s:I}", "id",
                         ac_app_task_start(ac_request_app(request), ac_json_string(in, "name", "job")));
}

static ac_status do_task_complete(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    return ac_reply_pack(reply, "{s:b}", "completed",
                         ac_app_task_complete(ac_request_app(request), ac_json_int(in, "id", 0)));
}

static ac_status do_task_info(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    (void)in;
    return ac_reply_value(reply, ac_app_task_info(ac_request_app(request), ac_reply_doc(reply)));
}

static ac_status do_force(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    int64_t status = ac_json_int(in, "status", AC_PING_UNSET);
    return answer_status(reply, ac_app_force_ping_status(ac_request_app(request), (ac_ping_status)status));
}

static ac_status do_ping_mode(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    atomic_store(&ping_mode, (int)ac_json_int(in, "mode", 0));
    return ac_reply_pack(reply, "{s:i}", "ping", (int)ac_app_get_ping_status(ac_request_app(request)));
}

/* ---- context, log, the app ---- */

yyjson_mut_val *context_value(yyjson_mut_doc *doc, const ac_context *context)
{
    if (!context)
        return yyjson_mut_null(doc);
    yyjson_mut_val *headers = yyjson_mut_obj(doc);
    size_t count = 0;
    const ac_header *header = ac_context_headers(context, &count);
    for (size_t i = 0; i < count; i++)
        yyjson_mut_obj_add_strcpy(doc, headers, header[i].name, header[i].value);
    return ac_json_pack(doc, "{s:s?, s:s, s:s?, s:s?, s:s?, s:s?, s:o}", "session_id", ac_context_session_id(context),
                        "request_id", ac_context_request_id(context), "token", ac_context_workload_token(context),
                        "callback", ac_context_oauth2_callback_url(context), "baggage", ac_context_baggage(context),
                        "authorization", ac_context_header(context, "authorization"), "headers", headers);
}

/* Library code deep below a handler: it is handed nothing. */
static __attribute__((noinline)) yyjson_mut_val *library_call(yyjson_mut_doc *doc, int depth)
{
    return depth > 0 ? library_call(doc, depth - 1) : context_value(doc, ac_context_current());
}

static void *context_elsewhere(void *user)
{
    *(bool *)user = ac_context_current() != NULL;
    return NULL;
}

static ac_status do_context(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    yyjson_mut_doc *doc = ac_reply_doc(reply);
    const char *gate = ac_json_string(in, "gate", NULL);
    if (gate && !gate_wait(gate))
        return AC_ERR_TIMEOUT;

    bool elsewhere = true;
    pthread_t thread;
    if (pthread_create(&thread, NULL, context_elsewhere, &elsewhere) == 0)
        pthread_join(thread, NULL);
    return ac_reply_pack(reply, "{s:o, s:o, s:b, s:s?}", "context", context_value(doc, ac_request_context(request)),
                         "library", library_call(doc, 5), "elsewhere", elsewhere, "order",
                         (const char *)ac_request_get(request, "order"));
}

static ac_status do_request(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    return ac_reply_pack(reply, "{s:s, s:s, s:s?, s:s?}", "method", ac_request_method(request), "path",
                         ac_request_path(request), "query", ac_request_query(request), "header",
                         ac_request_header(request, ac_json_string(in, "header", "Host")));
}

static ac_status do_log(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    (void)request;
    ac_log_level level = (ac_log_level)ac_json_int(in, "level", AC_LOG_INFO);
    ac_log_at(level, "%s", ac_json_string(in, "message", "a message"));
    return ac_reply_pack(reply, "{s:b}", "enabled", ac_log_enabled(level));
}

static ac_status do_register(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    (void)in;
    ac_app *app = ac_request_app(request);
    return ac_reply_pack(reply, "{s:s, s:s, s:i}", "entrypoint",
                         ac_status_name(ac_app_entrypoint(app, contract_invoke, NULL)), "websocket",
                         ac_status_name(ac_app_websocket(app, contract_websocket, NULL)), "port", ac_app_port(app));
}

static ac_status do_stop(ac_request *request, ac_reply *reply, yyjson_val *in)
{
    (void)in;
    ac_app_stop(ac_request_app(request));
    return ac_reply_pack(reply, "{s:b}", "stopping", 1);
}

static const struct action {
    const char *name;
    action_fn fn;
} actions[] = {
    {"nothing", do_nothing},   /* no answer at all */
    {"fail", do_fail},         /* message, status, type */
    {"return", do_return},     /* status: a name */
    {"nan", do_nan},           /* [NaN, Infinity, 1.5] */
    {"bad_utf8", do_bad_utf8}, /* a string with bytes that are not UTF-8 */
    {"answer", do_answer},     /* status, headers {}, body */
    {"raw", do_raw},           /* content_type, text */
    {"big", do_big},           /* bytes */
    {"twice", do_twice},       /* answers twice; see second_status */
    {"length", do_length},     /* the length of the string `value` */
    {"stream", do_stream},     /* count, pad, gate (one permit an event), then_fail {}, then_return {}, then_answer */
    {"stream_values", do_stream_values}, /* values [] */
    {"defer", do_defer},                 /* gate; then count.. as stream, or message.. as fail, or value */
    {"loop_stream", do_loop_stream},     /* count; for loop=1 */
    {"wait", do_wait},                   /* gate */
    {"open", do_open},                   /* gate, count (-1: for good) */
    {"waiting", do_waiting},             /* gate: how many */
    {"until_gone", do_until_gone},       /* runs until the client is gone */
    {"stats", do_stats},
    {"task_run", do_task_run},           /* name, gate ("x!": fails afterwards) */
    {"task_start", do_task_start},       /* name */
    {"task_complete", do_task_complete}, /* id */
    {"task_info", do_task_info},
    {"force", do_force},         /* status: 0, 1, 2 */
    {"ping_mode", do_ping_mode}, /* mode: 0..3 */
    {"context", do_context},     /* gate */
    {"request", do_request},     /* header */
    {"log", do_log},             /* level, message */
    {"register", do_register},   /* too late: AC_ERR_STATE */
    {"stop", do_stop},
};

ac_status contract_invoke(ac_request *request, ac_reply *reply, void *user)
{
    (void)user;
    atomic_fetch_add(&stats.handled, 1);
    yyjson_val *in = ac_request_payload(request);
    const char *name = ac_json_string(in, "do", NULL);
    if (!name)
        return ac_reply_value(reply, yyjson_val_mut_copy(ac_reply_doc(reply), in));
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(actions[i].name, name) == 0)
            return actions[i].fn(request, reply, in);
    return ac_reply_fail(reply, 400, "no such action: %s", name);
}
