/* app.h - the agent server: a handler of yours behind POST /invocations, GET /ping and the WebSocket /ws.
 *
 *     #include <agentcore/agentcore.h>
 *
 *     static ac_status invoke(ac_request *request, ac_reply *reply, void *user)
 *     {
 *         const char *prompt = ac_json_string(ac_request_payload(request), "prompt", "No prompt provided");
 *         return ac_reply_pack(reply, "{s:s}", "response", prompt);
 *     }
 *
 *     int main(void)
 *     {
 *         ac_app *app = ac_app_new(NULL);
 *         ac_app_entrypoint(app, invoke, NULL);
 *         return ac_app_run(app, NULL);
 *     }
 *
 * Life: make an app, register handlers, run it.  Registering after ac_app_run has begun is refused (AC_ERR_STATE).
 * Threads: a handler runs on a worker thread and may block as long as it likes; many run at once, so what they share
 * needs a lock of yours.  A handler registered for the loop runs on the thread that serves the sockets and must
 * return at once.  Everything below is callable from any thread unless it says otherwise. */
#ifndef AGENTCORE_APP_H
#define AGENTCORE_APP_H

#include <agentcore/context.h>
#include <agentcore/error.h>
#include <agentcore/json.h>
#include <agentcore/log.h>
#include <agentcore/macros.h>
#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ac_app ac_app;             /* the server */
typedef struct ac_request ac_request;     /* one invocation as it came in; lives as long as its reply */
typedef struct ac_reply ac_reply;         /* the answer to it */
typedef struct ac_websocket ac_websocket; /* one WebSocket connection */

/* ---- making and running an app ---------------------------------------------------------------------------------- */

/* Every field may be left zero, which means the default written beside it. */
typedef struct ac_app_options {
    bool debug;             /* debug actions in payloads, DEBUG log level, access log; off */
    const char *host;       /* numeric address or "localhost"; NULL: 0.0.0.0 inside a container (DOCKER_CONTAINER is set
                             * or /.dockerenv exists), else 127.0.0.1 */
    int port;               /* TCP port; 0: 8080; -1: any free port (see ac_app_port) */
    ac_log_level log_level; /* AC_LOG_DEFAULT: INFO, or DEBUG with debug on */

    unsigned loops;             /* threads that serve sockets; one per CPU this process may use, at most 64 */
    unsigned workers_max;       /* most handlers that may block at once; 4096.  Threads are made on demand */
    size_t worker_stack_bytes;  /* stack of a worker thread; the system's default (ulimit -s) */
    unsigned connections_max;   /* open connections; 65536, or what RLIMIT_NOFILE leaves; above it: 503 */
    size_t header_bytes_max;    /* request line and headers together; 64 KiB; above it: 431 */
    size_t body_bytes_max;      /* request body; 100 MB (104857600); above it: 413 */
    size_t stream_buffer_bytes; /* unsent bytes of one stream before its handler waits; 256 KiB */
    unsigned header_timeout_ms; /* from the first byte of a request to the end of its headers; 10 s; then 408.  A new
                                   * connection that says nothing for so long is closed */
    unsigned body_timeout_ms;   /* longest silence inside a request body; 30 s; then 408 */
    unsigned idle_timeout_ms;   /* a kept-alive connection without a request; 75 s; then closed */
    unsigned write_timeout_ms;  /* a client that takes nothing of what is written to it; 60 s; then closed */
    unsigned drain_timeout_ms;  /* after SIGTERM or ac_app_stop: how long running work may finish; 30 s */

    size_t websocket_message_bytes_max;  /* one received message, after inflating; 16 MiB; above it: close 1009 */
    unsigned websocket_ping_interval_ms; /* silence after which a ping is sent; 20 s */
    unsigned websocket_ping_timeout_ms;  /* no answer to it for this long: closed with 1011; 20 s */
    bool websocket_no_deflate;           /* never compress, even when the client offers it; off */

    ac_status (*on_start)(ac_app *app, void *user); /* before the port is opened; a failure ends ac_app_run */
    void (*on_stop)(ac_app *app, void *user);       /* after the last handler has returned, or the wait for it ended */
    void *user;                                     /* handed to the two above */
} ac_app_options;

/* A new app.  options may be NULL and is copied (host too).  NULL when memory runs out.  Free with ac_app_free. */
AC_API ac_app *ac_app_new(const ac_app_options *options);

/* Free an app that is not running.  NULL is allowed. */
AC_API void ac_app_free(ac_app *app);

/* Serve until SIGTERM, SIGINT or ac_app_stop; the calling thread becomes the first loop thread.
 *
 * On a signal the app stops accepting, lets running requests and streams finish until drain_timeout_ms, closes
 * WebSockets with 1001, and returns 0; a second signal ends the wait.  For the time it runs, it handles SIGTERM and
 * SIGINT and ignores SIGPIPE.
 * Returns an exit code: 0 after a clean stop, 1 when it could not start; what was wrong is then in err, and, when err
 * is NULL, on standard error in one line:
 * AC_ERR_STATE (no handler registered, or already running), AC_ERR_ADDRESS_IN_USE, AC_ERR_INVALID (bad host or
 * option), AC_ERR_IO, AC_ERR_NOMEM, or what on_start returned. */
AC_API int ac_app_run(ac_app *app, ac_error *err);

/* Ask a running app to stop as after SIGTERM.  Returns at once; safe from any thread and from handlers. */
AC_API void ac_app_stop(ac_app *app);

/* The port a running app listens on, for apps made with port -1; 0 when it is not listening. */
AC_API int ac_app_port(const ac_app *app);

/* ---- handlers --------------------------------------------------------------------------------------------------- */

/* Answers one invocation.
 *
 * Answer with one of ac_reply_pack, ac_reply_value or ac_reply_raw; or stream with ac_reply_send; or keep the reply
 * with ac_reply_defer and answer later.  Returning AC_OK without having answered answers `null`.  Returning any other
 * status answers 500 with {"error": "<message>"}, unless ac_reply_fail chose status and message. */
typedef ac_status (*ac_handler_fn)(ac_request *request, ac_reply *reply, void *user);

/* Register the handler behind POST /invocations, run on a worker thread.  The last registration wins.
 * user is handed to each call and stays the caller's. */
AC_API ac_status ac_app_entrypoint(ac_app *app, ac_handler_fn handler, void *user);

/* The same, but the handler declares itself cheap (no blocking call, well under a millisecond) and is run on the
 * loop thread, which saves two thread switches per request. */
AC_API ac_status ac_app_entrypoint_on_loop(ac_app *app, ac_handler_fn handler, void *user);

/* ---- the request ------------------------------------------------------------------------------------------------ */

/* The JSON value of the body, any JSON value.  Borrowed; lives as long as the request. */
AC_API yyjson_val *ac_request_payload(const ac_request *request);

/* Who calls: see context.h. */
AC_API const ac_context *ac_request_context(const ac_request *request);

/* The app that received the request. */
AC_API ac_app *ac_request_app(const ac_request *request);

/* Method ("POST") and path without query ("/invocations"), and the query without '?' (NULL when there is none). */
AC_API const char *ac_request_method(const ac_request *request);
AC_API const char *ac_request_path(const ac_request *request);
AC_API const char *ac_request_query(const ac_request *request);

/* Any header of the request by name (any case), also those that are not forwarded.  NULL when absent; the values of
 * a header that came several times are joined by ", ". */
AC_API const char *ac_request_header(const ac_request *request, const char *name);

/* size bytes of zeroed memory that live as long as the request; NULL when memory runs out.  Aligned for any type.
 * Only one thread at a time may use it for one request. */
AC_API void *ac_request_alloc(ac_request *request, size_t size);

/* Text made by a printf-style format, in the request's memory; NULL when memory runs out. */
AC_API char *ac_request_format(ac_request *request, const char *format, ...) AC_PRINTF(2, 3);

/* Values that middleware leaves for the handler (Starlette's request.state).  key is compared by content and is
 * copied; value stays the caller's.  ac_request_get: NULL when there is none. */
AC_API ac_status ac_request_set(ac_request *request, const char *key, void *value);
AC_API void *ac_request_get(const ac_request *request, const char *key);

/* ---- the reply -------------------------------------------------------------------------------------------------- */

/* HTTP status of the answer, 200 when never called.  Range 200..599.
 * Errors: AC_ERR_INVALID, AC_ERR_STATE (the head is already sent). */
AC_API ac_status ac_reply_set_status(ac_reply *reply, int status);

/* Set a header of the answer, replacing one of that name.  Both are copied.
 * Errors: AC_ERR_INVALID (a name or value that HTTP does not allow, or a header the server itself writes:
 * Content-Length, Transfer-Encoding, Connection, Date), AC_ERR_STATE, AC_ERR_NOMEM. */
AC_API ac_status ac_reply_set_header(ac_reply *reply, const char *name, const char *value);

/* A JSON document of the reply's to build an answer or an event in.  Its values live until the reply is done, so in a
 * long stream it only grows: there, use ac_reply_send_pack or a document of your own. */
AC_API yyjson_mut_doc *ac_reply_doc(ac_reply *reply);

/* Answer with a value of ac_reply_doc's document (NULL: `null`), as JSON text.  NaN and infinities, which JSON does
 * not have, are written as null with a warning; bytes that are not UTF-8 become U+FFFD.
 * Errors: AC_ERR_STATE (already answered or streaming), AC_ERR_CLOSED (client gone), AC_ERR_NOMEM. */
AC_API ac_status ac_reply_value(ac_reply *reply, yyjson_mut_val *value);

/* The same, with the value built by a format string (json.h), where `o` stands for values of ac_reply_doc's document.
 * AC_ERR_INVALID when that fails: a string in it that is not UTF-8 is an error here. */
AC_API ac_status ac_reply_pack(ac_reply *reply, const char *format, ...);

/* Answer with length bytes of any content type ("text/plain; charset=utf-8"); data is copied.  Errors as above. */
AC_API ac_status ac_reply_raw(ac_reply *reply, const char *content_type, const void *data, size_t length);

/* Send one value as a Server-Sent Event (`data: <json>` and a blank line).  The first call sends the head with
 * content type text/event-stream.  The stream ends when the handler returns (or at ac_reply_finish).
 *
 * When the client is slow, this waits until there is room in the stream's buffer: that is the back-pressure.  On the
 * loop thread it never waits: AC_ERR_AGAIN means that nothing was sent; see ac_reply_on_writable.
 * Errors: AC_ERR_CLOSED (the client went away: stop), AC_ERR_TIMEOUT (it took nothing for write_timeout_ms),
 * AC_ERR_AGAIN, AC_ERR_STATE (already answered), AC_ERR_NOMEM. */
AC_API ac_status ac_reply_send(ac_reply *reply, yyjson_mut_val *value);

/* The same, with the value built by a format string (json.h).  AC_ERR_INVALID when that fails. */
AC_API ac_status ac_reply_send_pack(ac_reply *reply, const char *format, ...);

/* Have fn called once, on the loop thread, when a stream that answered AC_ERR_AGAIN has room again or its client is
 * gone.  For deferred replies that stream from the loop.
 * Errors: AC_ERR_STATE (not streaming, or one is set already), AC_ERR_CLOSED (gone already: fn is not called),
 * AC_ERR_NOMEM. */
AC_API ac_status ac_reply_on_writable(ac_reply *reply, void (*fn)(ac_reply *reply, void *user), void *user);

/* Whether the client of this reply has gone away.  Cheap: ask in long computations. */
AC_API bool ac_reply_closed(const ac_reply *reply);

/* Say how the request failed, for `return ac_reply_fail(reply, 404, "no order %s", id);`: the answer is http_status
 * with {"error": "<message>"}.  In a stream that has begun, the last event becomes
 * {"error": "<message>", "error_type": "<type>", "message": "An error occurred during streaming"} instead.
 * Returns AC_ERR_HANDLER always.  A status outside of 200..599 becomes 500.  The message goes to the client: put no
 * secret into it. */
AC_API ac_status ac_reply_fail(ac_reply *reply, int http_status, const char *format, ...) AC_PRINTF(3, 4);

/* The same with the error_type of the stream's last event ("RuntimeError" when ac_reply_fail is used). */
AC_API ac_status ac_reply_fail_as(ac_reply *reply, int http_status, const char *type, const char *format, ...)
    AC_PRINTF(4, 5);

/* Keep the reply beyond the handler's return: the handler then returns AC_OK and somebody, on any thread, answers and
 * calls ac_reply_finish on what this returned (the same reply and its request stay valid until then).  NULL when the
 * reply was already deferred, and in middleware, which cannot defer. */
AC_API ac_reply *ac_reply_defer(ac_reply *reply);

/* End a deferred reply.  status is what a handler would have returned.  Gives up the reply: do not touch it, nor its
 * request, afterwards. */
AC_API void ac_reply_finish(ac_reply *reply, ac_status status);

/* The request a reply belongs to. */
AC_API ac_request *ac_reply_request(ac_reply *reply);

/* ---- WebSocket -------------------------------------------------------------------------------------------------- */

typedef enum ac_message_type { AC_MESSAGE_TEXT = 1, AC_MESSAGE_BINARY = 2 } ac_message_type;

typedef struct ac_message {
    ac_message_type type;
    const char *data; /* NUL-terminated beyond length; valid until the next receive on this connection */
    size_t length;    /* bytes */
} ac_message;

/* Serves one connection to /ws in blocking style, on a worker thread: accept, receive, send, close.
 * Returning closes the connection: with 1000 after AC_OK and after AC_ERR_CLOSED, with 1011 after any other status.
 * Returning before ac_websocket_accept refuses the connection with HTTP 403. */
typedef ac_status (*ac_websocket_fn)(ac_websocket *websocket, const ac_context *context, void *user);

/* Register the handler behind /ws.  Without one, connections are refused with HTTP 403. */
AC_API ac_status ac_app_websocket(ac_app *app, ac_websocket_fn handler, void *user);

/* For very many connections: callbacks on the loop thread instead of a thread per connection.  The connection is
 * accepted before on_open, and the callbacks of one connection come one at a time: on_open, any number of
 * on_message, on_close once.  Sends from them never wait (AC_ERR_AGAIN when the buffer is full).
 * Any of the functions may be NULL. */
typedef struct ac_websocket_events {
    void (*on_open)(ac_websocket *websocket, const ac_context *context, void *user);
    void (*on_message)(ac_websocket *websocket, const ac_message *message, void *user);
    void (*on_close)(ac_websocket *websocket, int code, void *user); /* last use of websocket */
} ac_websocket_events;

AC_API ac_status ac_app_websocket_events(ac_app *app, const ac_websocket_events *events, void *user);

/* Accept the connection.  subprotocol must be one the client offered, or NULL for none.
 * Errors: AC_ERR_STATE (accepted before), AC_ERR_INVALID (not offered), AC_ERR_CLOSED. */
AC_API ac_status ac_websocket_accept(ac_websocket *websocket, const char *subprotocol);

/* Wait up to timeout_ms (negative: without end) for the next message.  ret_message borrows memory of the connection.
 * Errors: AC_ERR_CLOSED (see ac_websocket_close_code), AC_ERR_TIMEOUT, AC_ERR_STATE (not accepted yet, or served by
 * callbacks). */
AC_API ac_status ac_websocket_receive(ac_websocket *websocket, ac_message *ret_message, int timeout_ms);

/* Receive and parse as JSON; *ret_doc is the caller's (yyjson_doc_free).  Errors as above, and AC_ERR_PROTOCOL when
 * the message is not JSON; the connection stays usable. */
AC_API ac_status ac_websocket_receive_json(ac_websocket *websocket, yyjson_doc **ret_doc, int timeout_ms);

/* Send one message; data is copied.  Waits while the client's buffer is full (never on the loop thread).
 * Text must be UTF-8.  Errors: AC_ERR_CLOSED, AC_ERR_TIMEOUT, AC_ERR_AGAIN (loop thread), AC_ERR_INVALID (not
 * UTF-8), AC_ERR_STATE (not accepted), AC_ERR_NOMEM. */
AC_API ac_status ac_websocket_send_text(ac_websocket *websocket, const char *text, size_t length);
AC_API ac_status ac_websocket_send_binary(ac_websocket *websocket, const void *data, size_t length);

/* Send a JSON value as a text message; the first takes a value of any document, the second a format (json.h), where
 * AC_ERR_INVALID may also mean a wrong one. */
AC_API ac_status ac_websocket_send_value(ac_websocket *websocket, const yyjson_mut_val *value);
AC_API ac_status ac_websocket_send_pack(ac_websocket *websocket, const char *format, ...);

/* Have fn called once, on the loop thread, when a send that answered AC_ERR_AGAIN would be taken again; not called when
 * the connection closes first (on_close tells that).  For callback style.
 * Errors: AC_ERR_STATE (not accepted, or one is set already), AC_ERR_CLOSED, AC_ERR_NOMEM. */
AC_API ac_status ac_websocket_on_writable(ac_websocket *websocket, void (*fn)(ac_websocket *websocket, void *user),
                                          void *user);

/* Begin the close handshake: code 1000..1003, 1007..1014 or 3000..4999 (RFC 6455 section 7.4; 0: 1000), reason up to
 * 123 bytes or NULL.  Sends fail with AC_ERR_CLOSED afterwards.  Before accept: refuses the connection with HTTP 403.
 * Never waits.  Errors: AC_ERR_INVALID (another code, or a longer reason). */
AC_API ac_status ac_websocket_close(ac_websocket *websocket, int code, const char *reason);

/* The code the connection was closed with: the peer's (1005 when it gave none), ours when the peer broke the protocol
 * or a limit, 1006 when it vanished, 0 while it is open. */
AC_API int ac_websocket_close_code(const ac_websocket *websocket);

/* The context of the connection. */
AC_API const ac_context *ac_websocket_context(const ac_websocket *websocket);

/* Any header of the upgrade request by name, as ac_request_header. */
AC_API const char *ac_websocket_header(const ac_websocket *websocket, const char *name);

/* ---- health ----------------------------------------------------------------------------------------------------- */

typedef enum ac_ping_status {
    AC_PING_UNSET = 0,
    AC_PING_HEALTHY,      /* "Healthy": ready for work */
    AC_PING_HEALTHY_BUSY, /* "HealthyBusy": working in the background, keep this session alive */
} ac_ping_status;

/* What GET /ping answers is, in this order: the forced status; what the ping handler says; HealthyBusy while any task
 * is active, else Healthy. */

/* Register a ping handler; called on loop threads, several at once if there are several, and by
 * ac_app_get_ping_status on its caller's thread, so it must not block.  A failure or a value outside the enum is logged
 * as a warning and passed over; AC_PING_UNSET, which *ret_status is before the call, is passed over silently. */
AC_API ac_status ac_app_ping(ac_app *app, ac_status (*handler)(ac_ping_status *ret_status, void *user), void *user);

/* Force the status, whatever else is the case; AC_PING_UNSET takes the force away. */
AC_API ac_status ac_app_force_ping_status(ac_app *app, ac_ping_status status);

/* What GET /ping would answer now. */
AC_API ac_ping_status ac_app_get_ping_status(ac_app *app);

/* ---- background tasks ------------------------------------------------------------------------------------------- */

/* While a task is active, /ping answers HealthyBusy, which keeps the session alive on AgentCore Runtime.
 * Returns the task's id, never 0; 0 when memory runs out.  name is copied. */
AC_API int64_t ac_app_task_start(ac_app *app, const char *name);

/* End a task.  False, with a warning logged, when there is no such task. */
AC_API bool ac_app_task_complete(ac_app *app, int64_t task_id);

/* Run fn(user) on a worker thread as a tracked task: started now, completed when fn returns (a failure is logged).
 * The calling handler's request and session ids appear in the log lines of fn.  *ret_task_id may be NULL.
 * ac_app_run waits for such tasks when it stops, up to drain_timeout_ms.
 * Errors: AC_ERR_NOMEM, AC_ERR_STATE (the app is not running; from on_start on, it is), AC_ERR_INVALID (no fn). */
AC_API ac_status ac_app_task_run(ac_app *app, const char *name, ac_status (*fn)(void *user), void *user,
                                 int64_t *ret_task_id);

/* {"active_count": n, "running_jobs": [{"name": ..., "duration": seconds}]}, built in doc; NULL when memory runs
 * out. */
AC_API yyjson_mut_val *ac_app_task_info(ac_app *app, yyjson_mut_doc *doc);

/* ---- middleware ------------------------------------------------------------------------------------------------- */

/* Functions around every HTTP request, also /ping and paths that do not exist (ac_request_payload is NULL for those).
 * before runs first, in order of registration: it may set reply headers, leave values with ac_request_set, or answer
 * (then neither the handler nor later befores run).  after runs when the handler is done, in reverse order; headers it
 * sets reach the client unless a stream has begun.  Both run on the thread of the handler (the loop thread where there
 * is none).  A before that fails answers 500 like a handler. */
typedef struct ac_middleware {
    ac_status (*before)(ac_request *request, ac_reply *reply, void *user); /* may be NULL */
    void (*after)(ac_request *request, ac_reply *reply, void *user);       /* may be NULL */
    void *user;
} ac_middleware;

AC_API ac_status ac_app_middleware(ac_app *app, const ac_middleware *middleware);

/* Cross-origin resource sharing (the Fetch standard), as middleware that ships.  Lists are comma separated. */
typedef struct ac_cors_options {
    const char *allow_origins;  /* "https://a.example, https://b.example" or "*"; NULL: "*" */
    const char *allow_methods;  /* NULL: "GET, POST" */
    const char *allow_headers;  /* NULL: "*", which mirrors what the browser asks for */
    const char *expose_headers; /* NULL: none */
    bool allow_credentials;     /* with "*" as origins, the asking origin is named instead */
    unsigned max_age_seconds;   /* how long a browser may remember a preflight; 0: 600 */
} ac_cors_options;

/* Answer preflight requests and mark answers for the allowed origins.  options may be NULL and is copied. */
AC_API ac_status ac_app_cors(ac_app *app, const ac_cors_options *options);

#ifdef __cplusplus
}
#endif

#endif
