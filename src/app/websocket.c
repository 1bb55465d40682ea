/* websocket.c - /ws: handlers that block, and callbacks on the loop.
 *
 * A blocking handler owns a worker for as long as its connection lives; its return closes.  With callbacks the call
 * belongs to the loop from the accept to on_close.  A connection that nobody accepts is refused with 403, as an ASGI
 * server does when the application closes before it accepts. */
#include "app/app_internal.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGE_STACK_BYTES 4096 /* messages up to here are copied to the stack for on_message */
#define SEND_BYTES_MAX ((size_t)1 << 30)

ac_status ac_app_websocket(ac_app *app, ac_websocket_fn handler, void *user)
{
    AC_TRY(app_may_register(app));
    app->websocket = handler;
    app->websocket_user = user;
    app->has_websocket_events = false;
    return AC_OK;
}

ac_status ac_app_websocket_events(ac_app *app, const ac_websocket_events *events, void *user)
{
    AC_TRY(app_may_register(app));
    app->websocket = NULL;
    app->websocket_user = user;
    app->websocket_events = events ? *events : (ac_websocket_events){NULL, NULL, NULL};
    app->has_websocket_events = events != NULL;
    return AC_OK;
}

/* ---- the connection ---- */

static http_exchange *exchange_of(const ac_websocket *websocket)
{
    return call_of_websocket(websocket)->x;
}

static bool subprotocol_offered(const ac_websocket *websocket, const char *subprotocol)
{
    const char *offers = http_exchange_header(exchange_of(websocket), "Sec-WebSocket-Protocol");

    return offers && list_has(offers, subprotocol, strlen(subprotocol), false);
}

static ac_status accept_with(ac_websocket *websocket, const char *subprotocol, const http_ws_events *events)
{
    const app_call *call = call_of_websocket(websocket);
    const ac_app_options *options = &call->app->options;

    return http_ws_accept(call->x, &(http_ws_options){
                                       .subprotocol = subprotocol,
                                       .message_bytes_max = options->websocket_message_bytes_max,
                                       .no_deflate = options->websocket_no_deflate,
                                       .events = events,
                                   });
}

ac_status ac_websocket_accept(ac_websocket *websocket, const char *subprotocol)
{
    if (websocket->accepted)
        return AC_ERR_STATE;
    if (websocket->refused)
        return AC_ERR_CLOSED;
    if (subprotocol && !subprotocol_offered(websocket, subprotocol))
        return AC_ERR_INVALID;
    AC_TRY(accept_with(websocket, subprotocol, NULL));
    websocket->accepted = true;
    return AC_OK;
}

static void refuse(app_call *call)
{
    if (call->websocket.refused)
        return;
    call->websocket.refused = true;

    ac_status status = reply_text(&call->reply, 403, "");
    if (status == AC_OK)
        status = reply_send_answer(&call->reply);
    if (status == AC_ERR_CLOSED)
        ac_log_debug("A refused WebSocket connection was gone already");
    else if (status != AC_OK)
        http_respond_bare(call->x, 500);
}

ac_status ac_websocket_receive(ac_websocket *websocket, ac_message *ret_message, int timeout_ms)
{
    http_ws_message message;

    if (!websocket->accepted)
        return AC_ERR_STATE;
    AC_TRY(http_ws_receive(exchange_of(websocket), &message, timeout_ms));
    free(websocket->message);
    websocket->message = message.data;
    *ret_message = (ac_message){
        .type = message.opcode == WS_TEXT ? AC_MESSAGE_TEXT : AC_MESSAGE_BINARY,
        .data = message.data,
        .length = message.length,
    };
    return AC_OK;
}

ac_status ac_websocket_receive_json(ac_websocket *websocket, yyjson_doc **ret_doc, int timeout_ms)
{
    ac_message message;

    AC_TRY(ac_websocket_receive(websocket, &message, timeout_ms));
    return ac_json_read(message.data, message.length, NULL, ret_doc, NULL);
}

static ac_status send_message(ac_websocket *websocket, ws_opcode opcode, const void *data, size_t length)
{
    if (!websocket->accepted)
        return websocket->refused ? AC_ERR_CLOSED : AC_ERR_STATE;
    return http_ws_send(exchange_of(websocket), opcode, data, length);
}

ac_status ac_websocket_send_text(ac_websocket *websocket, const char *text, size_t length)
{
    if (!utf8_valid(text, length))
        return AC_ERR_INVALID;
    return send_message(websocket, WS_TEXT, text, length);
}

ac_status ac_websocket_send_binary(ac_websocket *websocket, const void *data, size_t length)
{
    return send_message(websocket, WS_BINARY, data, length);
}

ac_status ac_websocket_send_value(ac_websocket *websocket, const yyjson_mut_val *value)
{
    _cleanup_(buf_done) buf text = BUF_INIT(SEND_BYTES_MAX);

    AC_TRY(json_write_logged(&text, value, JSON_COMPACT));
    return send_message(websocket, WS_TEXT, text.data, text.length);
}

ac_status ac_websocket_send_pack(ac_websocket *websocket, const char *format, ...)
{
    _cleanup_(buf_done) buf text = BUF_INIT(SEND_BYTES_MAX);
    json_repairs repairs;
    va_list args;

    va_start(args, format);
    ac_status status = json_vpack_text(&text, JSON_COMPACT, &repairs, format, args);
    va_end(args);
    if (status != AC_OK)
        return status;
    json_log_repairs(&repairs);
    return send_message(websocket, WS_TEXT, text.data, text.length);
}

ac_status ac_websocket_close(ac_websocket *websocket, int code, const char *reason)
{
    if (code == 0)
        code = WS_CODE_NORMAL;
    if (!ws_code_sendable(code) || (reason && strlen(reason) > WS_REASON_MAX))
        return AC_ERR_INVALID;
    if (!websocket->accepted) {
        refuse(call_of_websocket(websocket));
        return AC_OK;
    }
    websocket->closing = true;
    return http_ws_close(exchange_of(websocket), code, reason);
}

int ac_websocket_close_code(const ac_websocket *websocket)
{
    return websocket->accepted ? http_ws_close_code(exchange_of(websocket)) : 0;
}

const ac_context *ac_websocket_context(const ac_websocket *websocket)
{
    return &call_of_websocket(websocket)->context;
}

const char *ac_websocket_header(const ac_websocket *websocket, const char *name)
{
    return http_exchange_header(exchange_of(websocket), name);
}

static void writable(http_exchange *x, void *user)
{
    ac_websocket *websocket = user;
    websocket_writable_fn fn = atomic_exchange(&websocket->on_writable, NULL);
    app_scope previous;

    (void)x;
    if (!fn)
        return; /* the connection was over before; the exchange keeps its memory until here */
    scope_enter(&call_of_websocket(websocket)->context, &previous);
    fn(websocket, websocket->on_writable_user);
    scope_leave(&previous);
}

ac_status ac_websocket_on_writable(ac_websocket *websocket, void (*fn)(ac_websocket *websocket, void *user), void *user)
{
    if (!fn)
        return AC_ERR_INVALID;
    if (!websocket->accepted || atomic_load(&websocket->on_writable))
        return AC_ERR_STATE;
    websocket->on_writable_user = user;
    atomic_store(&websocket->on_writable, fn);

    ac_status status = http_exchange_on_writable(exchange_of(websocket), writable, websocket);
    if (status != AC_OK)
        atomic_store(&websocket->on_writable, NULL);
    return status;
}

/* ---- the end ---- */

static void websocket_over(app_call *call)
{
    call->reply.state = REPLY_SENT;
    atomic_store(&call->websocket.on_writable, NULL);
    middleware_after(call);
    call_log_access(call, call->websocket.accepted ? 101 : 403);
    free(call->websocket.message);
    call->websocket.message = NULL;
    call_free(call);
}

/* What a handler's return means for the connection. */
static void close_after(app_call *call, ac_status status)
{
    ac_websocket *websocket = &call->websocket;

    if (status == AC_ERR_CLOSED)
        ac_log_debug("WebSocket disconnected");
    else if (status != AC_OK)
        log_failure_here(ac_status_name(status), ac_status_text(status), "WebSocket handler failed");

    if (!websocket->accepted)
        refuse(call);
    else if (!websocket->closing)
        http_ws_close(call->x, status == AC_OK || status == AC_ERR_CLOSED ? WS_CODE_NORMAL : WS_CODE_INTERNAL, NULL);
}

/* Middleware sees the upgrade request too, and may answer it instead.  False: it did, and the call is over. */
static bool middleware_lets_pass(app_call *call)
{
    ac_status status = middleware_before(call);

    if (status == AC_OK && call->reply.state == REPLY_OPEN)
        return true;
    call_finish(call, status);
    return false;
}

/* ---- blocking style ---- */

static void serve_blocking(workers_job *job)
{
    app_call *call = CONTAINER_OF(job, app_call, job);
    app_scope previous;

    scope_enter(&call->context, &previous);
    if (middleware_lets_pass(call)) {
        ac_log_debug("WebSocket connection established");
        close_after(call, call->app->websocket(&call->websocket, &call->context, call->app->websocket_user));
        websocket_over(call);
    }
    scope_leave(&previous);
}

/* ---- callbacks ---- */

static void on_open(http_exchange *x, void *user)
{
    app_call *call = user;
    const ac_app *app = call->app;
    app_scope previous;

    (void)x;
    call->websocket.opened = true;
    if (!app->websocket_events.on_open)
        return;
    scope_enter(&call->context, &previous);
    app->websocket_events.on_open(&call->websocket, &call->context, app->websocket_user);
    scope_leave(&previous);
}

static void on_message(http_exchange *x, const http_ws_message *message, void *user)
{
    app_call *call = user;
    const ac_app *app = call->app;
    char room[MESSAGE_STACK_BYTES];
    char *text = message->length < sizeof(room) ? room : malloc(message->length + 1);
    app_scope previous;

    if (!app->websocket_events.on_message)
        goto done;
    if (!text) {
        http_ws_close(x, WS_CODE_INTERNAL, NULL);
        return;
    }
    /* The message lies in the connection's buffer, where the next one may follow at once: no place for a NUL. */
    memcpy(text, message->data, message->length);
    text[message->length] = '\0';

    scope_enter(&call->context, &previous);
    app->websocket_events.on_message(&call->websocket,
                                     &(ac_message){
                                         .type = message->opcode == WS_TEXT ? AC_MESSAGE_TEXT : AC_MESSAGE_BINARY,
                                         .data = text,
                                         .length = message->length,
                                     },
                                     app->websocket_user);
    scope_leave(&previous);
done:
    if (text != room)
        free(text);
}

static void on_close(http_exchange *x, int code, void *user)
{
    app_call *call = user;
    const ac_app *app = call->app;
    app_scope previous;

    (void)x;
    scope_enter(&call->context, &previous);
    if (app->websocket_events.on_close && call->websocket.opened)
        app->websocket_events.on_close(&call->websocket, code, app->websocket_user);
    websocket_over(call);
    scope_leave(&previous);
}

static void serve_events(app_call *call)
{
    app_scope previous;

    scope_enter(&call->context, &previous);
    if (middleware_lets_pass(call)) {
        http_ws_events events = {.on_open = on_open, .on_message = on_message, .on_close = on_close, .user = call};
        call->websocket.accepted = true; /* on_open may already send */
        if (accept_with(&call->websocket, NULL, &events) != AC_OK) {
            call->websocket.accepted = false;
            refuse(call);
            websocket_over(call);
        }
    }
    scope_leave(&previous);
}

static void refuse_now(app_call *call, bool here)
{
    app_scope previous;

    scope_enter(&call->context, &previous);
    if (here)
        ac_log_error("No WebSocket handler defined");
    refuse(call);
    websocket_over(call);
    scope_leave(&previous);
}

void websocket_start(app_call *call)
{
    const ac_app *app = call->app;
    bool here = strcmp(call->request.path, "/ws") == 0;

    if (here && app->has_websocket_events) {
        serve_events(call);
        return;
    }
    if (here && app->websocket) {
        call->job.run = serve_blocking;
        if (workers_submit(app->workers, &call->job) == AC_OK)
            return;
        ac_log_error("No thread for a WebSocket connection");
        call_finish(call, reply_error(&call->reply, 503, "No thread is free to serve this request", NULL));
        return;
    }
    refuse_now(call, here);
}
