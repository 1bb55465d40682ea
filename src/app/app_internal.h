/* app_internal.h - what the files of this room share: the app, one call to it, and who does what.
 *
 * A call is one request with its context, reply and job: a single allocation in the exchange's arena, born on the loop
 * thread in app_on_request and over in call_free.  One thread at a time works on a call: the loop thread, then
 * the worker, then whoever finishes a deferred reply.  Only the context may be read by several at once. */
#ifndef APP_INTERNAL_H
#define APP_INTERNAL_H

#include "base/buf.h"
#include "base/json.h"
#include "base/uuid.h"
#include "base/workers.h"
#include "http/server.h"

#include <agentcore/app.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct app_call app_call;
typedef struct app_task app_task;

/* ---- the app ---- */

typedef enum app_state {
    APP_IDLE,
    APP_OPEN,
    APP_ABANDONED, /* stopped, but handlers are stuck in it: never freed */
} app_state;

typedef struct app_ping {
    ac_status (*handler)(ac_ping_status *ret_status, void *user);
    void *user;
    atomic_int forced;         /* an ac_ping_status */
    atomic_uint_fast64_t last; /* what was said last: (unix seconds << 2) | ac_ping_status; 0: nothing yet */
} app_ping;

typedef struct app_tasks {
    pthread_mutex_t lock;
    app_task **rows; /* ascending by id */
    size_t count;
    size_t capacity;
    int64_t last_id;
    atomic_size_t active; /* == count, for /ping */
} app_tasks;

typedef struct app_cors app_cors;

/* What is registered does not change while the app is open, so calls read it without a lock. */
struct ac_app {
    ac_app_options options; /* defaults filled in; host is ours */
    ac_handler_fn handler;
    void *handler_user;
    bool handler_on_loop;
    ac_websocket_fn websocket;
    ac_websocket_events websocket_events;
    bool has_websocket_events;
    void *websocket_user;
    ac_middleware *middleware;
    size_t middleware_count;
    app_cors *cors; /* chain of all of them, for freeing */

    app_ping ping;
    app_tasks tasks;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t undeferred;
    unsigned deferred; /* calls whose reply somebody keeps */
    app_state state;
    bool stop_asked;
    http_server *server;
    workers *workers;
};

/* Everything of ac_app_run but the port: checks that a handler is registered, sets the log level, starts the workers,
 * makes the server and calls on_start.  Errors as ac_app_run; the app is closed again after a failure. */
ac_status app_open(ac_app *app, ac_error *err) AC_MUST_USE;

/* The server of an open app, to be listened on and run, or driven by http_memory_*.  NULL when it is not open. */
http_server *app_server(ac_app *app);

/* A reply was deferred, or such a call is over. */
void app_defer(ac_app *app);
void app_undefer(ac_app *app);

/* Wait for the workers (up to drain_timeout_ms), call on_stop and free the server.  Nothing may be running in the
 * server any more: after http_server_run has returned, or after http_memory_shutdown. */
void app_close(ac_app *app);

/* ---- context.c ---- */

typedef struct app_forwarded app_forwarded;

struct ac_context {
    const http_request *request;
    const char *session_id;
    const char *request_id;
    const char *workload_token;
    const char *oauth2_callback_url;
    const char *baggage;
    char made_request_id[UUID_SIZE];
    _Atomic(app_forwarded *) forwarded; /* made when first asked for */
};

void context_init(ac_context *context, http_exchange *x);
void context_done(ac_context *context);

/* What the calling thread is serving: for ac_context_current and the ids in log lines. */
typedef struct app_scope {
    const ac_context *context;
    const char *request_id;
    const char *session_id;
} app_scope;

/* Make context the calling thread's own; what it was serving before goes to *ret_previous, for scope_leave. */
void scope_enter(const ac_context *context, app_scope *ret_previous);

/* Only the ids for log lines (either may be NULL): for tasks, which outlive their request. */
void scope_enter_ids(const char *request_id, const char *session_id, app_scope *ret_previous);
void scope_leave(const app_scope *previous);

/* forward.c: whether a header may be shown to the handler; Authorization is answered with true. */
bool header_forwardable(const char *name, size_t length);

/* ---- one call ---- */

typedef struct request_value {
    struct request_value *next;
    const char *key;
    void *value;
} request_value;

struct ac_request {
    const char *path; /* percent-decoded */
    yyjson_doc *payload;
    request_value *values;
    bool parsed; /* also when parsing failed */
    json_flaw flaw;
    ac_status parse_status;
    const char *parse_details; /* what to tell the client after a failure */
};

typedef enum reply_state {
    REPLY_OPEN,      /* nothing answered */
    REPLY_ANSWERED,  /* status, content type and body are ready, held back for the afters */
    REPLY_STREAMING, /* the head of an event stream is out */
    REPLY_SENT,      /* all done, or the connection became a WebSocket */
} reply_state;

typedef void (*reply_writable_fn)(ac_reply *reply, void *user);

#define REPLY_FIELDS_INLINE 6

struct ac_reply {
    reply_state state;
    int status;                    /* 0: not chosen */
    const char *content_type;      /* of the answer */
    const char *user_content_type; /* set as a header; wins */
    buf body;                      /* the answer; while streaming, the event that is being written */
    yyjson_mut_doc *doc;
    http_field *fields;
    size_t field_count;
    size_t field_capacity;
    http_field fields_inline[REPLY_FIELDS_INLINE];
    int fail_status; /* 0: ac_reply_fail was not called */
    const char *fail_type;
    const char *fail_message;
    _Atomic(reply_writable_fn) on_writable; /* taken by whoever is first: the loop, or the end of the call */
    void *on_writable_user;
};

typedef void (*websocket_writable_fn)(ac_websocket *websocket, void *user);

struct ac_websocket {
    bool accepted;
    bool opened;  /* on_open was called */
    bool refused; /* before it was accepted */
    bool closing; /* the handler has begun to close */
    _Atomic(websocket_writable_fn) on_writable;
    void *on_writable_user;
    char *message; /* the one last received */
};

struct app_call {
    ac_app *app;
    http_exchange *x; /* one reference */
    const http_request *http;
    ac_context context;
    ac_request request;
    ac_reply reply;
    ac_websocket websocket;
    workers_job job;
    ac_status (*handle)(app_call *call); /* what the route does between befores and afters */
    size_t befores;                      /* how many middlewares have begun */
    bool invocation;                     /* POST /invocations: has a payload, is logged as the SDK does */
    bool handled;                        /* the handler was called */
    bool logged;                         /* how it went was said already */
    bool deferred;
    ac_status status;   /* what the handler said */
    ac_status finished; /* what ac_reply_finish was told */
    atomic_int holders; /* of a deferred call: the handler until it returns, the finisher until it finishes */
};

/* call.c: a call for a request that has come in; it takes over the caller's reference of x.  NULL: out of memory. */
app_call *call_new(ac_app *app, http_exchange *x);

/* Answer a request for which there is no memory to make a call. */
void call_refuse(http_exchange *x);

/* Middleware, what the route does, middleware, answer; then the call is over, unless it was deferred. */
void call_run(app_call *call);

/* The second half of it, for calls that were answered otherwise. */
void call_finish(app_call *call, ac_status status);

/* Release what the call owns outside of the arena, and the exchange with it. */
void call_free(app_call *call);

/* Seconds since the call arrived, as "0.123", written into room; pass SECONDS_ROOM. */
#define SECONDS_SIZE 26
#define SECONDS_ROOM ((char[SECONDS_SIZE]){0})
const char *call_seconds(const app_call *call, char room[SECONDS_SIZE]);

/* One line per request in debug mode. */
void call_log_access(const app_call *call, int status);

/* invoke.c: POST /invocations */
ac_status invoke_handle(app_call *call);

/* request.c */
ac_status request_init(app_call *call);

/* Parse the body unless that was done.  AC_ERR_PROTOCOL: request->flaw and parse_details say why. */
ac_status request_parse(ac_request *request);

/* reply.c */
void reply_init(ac_reply *reply);
void reply_done(ac_reply *reply);
const char *reply_get_header(const ac_reply *reply, const char *name);

/* Answer whatever was answered before, unless a stream has begun: {"error": message} or with details (NULL: none). */
ac_status reply_error(ac_reply *reply, int status, const char *message, const char *details);
ac_status reply_text(ac_reply *reply, int status, const char *text);
ac_status reply_json(ac_reply *reply, int status, const yyjson_mut_val *value, json_style style);

/* Put the answer on the wire. */
ac_status reply_send_answer(ac_reply *reply);

/* The response head that status, content type and headers make. */
http_response reply_head(const ac_reply *reply, const char *content_type);

/* reply_stream.c: the last event of a stream that failed; AC_ERR_AGAIN on the loop thread when there is no room. */
ac_status stream_fail(ac_reply *reply, ac_status status);
void stream_end(ac_reply *reply);

/* A yyjson document that is built and written within one function: its memory is a piece of stack, then malloc. */
#define SCRATCH_BYTES 2048

typedef struct json_scratch {
    yyjson_alc alc;
    size_t used;
    _Alignas(16) char room[SCRATCH_BYTES];
} json_scratch;

yyjson_mut_doc *scratch_doc(json_scratch *scratch);

/* A warning in the log about what had to be repaired in writing; json_write with it. */
void json_log_repairs(const json_repairs *repairs);
ac_status json_write_logged(buf *out, const yyjson_mut_val *value, json_style style) AC_MUST_USE;

/* ---- what the routes do ---- */

void app_on_request(http_exchange *x, void *user); /* route.c */

/* ping.c; ret_since: seconds since 1970 from when on the status has been what it is. */
ac_ping_status ping_get(ac_app *app, int64_t *ret_since);
const char *ping_status_text(ac_ping_status status);
ac_status ping_handle(app_call *call);

/* Answer with the status object of /ping. */
ac_status ping_answer(app_call *call, ac_ping_status *ret_status);

/* debug.c; *ret_done: the payload was a debug action and is answered. */
ac_status debug_handle(app_call *call, bool *ret_done);

/* websocket.c; in the way that is registered. */
void websocket_start(app_call *call);

ac_status tasks_init(app_tasks *tasks);
void tasks_done(app_tasks *tasks);

/* middleware.c: run the befores until one fails or answers, and the afters of those that ran. */
ac_status middleware_before(app_call *call);
void middleware_after(app_call *call);

void cors_free(app_cors *cors);

/* list.c: whether a comma-separated list names an item. */
bool list_has(const char *list, const char *item, size_t length, bool ignore_case);

/* AC_ERR_STATE once the app is open. */
ac_status app_may_register(ac_app *app);

static inline app_call *call_of_request(const ac_request *request)
{
    return CONTAINER_OF(request, app_call, request);
}

static inline app_call *call_of_reply(const ac_reply *reply)
{
    return CONTAINER_OF(reply, app_call, reply);
}

static inline app_call *call_of_websocket(const ac_websocket *websocket)
{
    return CONTAINER_OF(websocket, app_call, websocket);
}

#endif
