/* runtime_client.h - talk to agents that are deployed: invoke them, whole or as their answer comes, open a WebSocket to
 * them, make URLs for others to do so, and wait for deployments.
 *
 *     ac_client *client = NULL;
 *     yyjson_doc *result = NULL;
 *     ac_error err;
 *
 *     if (ac_client_new(NULL, &client, &err) == AC_OK &&
 *         ac_runtime_invoke_pack(client, arn, NULL, &result, &err, "{s:s}", "prompt", "Tell me a joke") == AC_OK)
 *         puts(ac_json_string(yyjson_doc_get_root(result), "result", "?"));
 *     else
 *         fprintf(stderr, "%s: %s\n", err.aws_name, err.message);
 *     yyjson_doc_free(result);
 *     ac_client_free(client);
 *
 * Everything here works on an ac_client (client.h), which knows region, endpoint and credentials, and may serve many
 * threads at once.  What is not here - create, list, delete, versions, ... - is ac_client_call with the operation's
 * name.
 *
 * An error that the agent itself caused has err->aws_name "RuntimeClientError", err->http_status 424 and the agent's
 * message; others are those of ac_client_call.
 *
 * Inside a handler of an agent (app.h), the workload access token of the request being served is passed on to the agent
 * that is invoked, in the header X-Amz-Bedrock-AgentCore-Identity-WAT: ac_runtime_invoke*, ac_runtime_open,
 * ac_runtime_command.  It is that of the thread that calls.
 *
 * A program that uses this links libagentcore-client (pkg-config agentcore-client). */
#ifndef AGENTCORE_RUNTIME_CLIENT_H
#define AGENTCORE_RUNTIME_CLIENT_H

#include <agentcore/client.h>
#include <agentcore/context.h>
#include <agentcore/error.h>
#include <agentcore/macros.h>
#include <stdbool.h>
#include <stddef.h>
#include <yyjson.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- invoking --------------------------------------------------------------------------------------------------- */

/* How to invoke.  Every field may be left zero, which means the default written beside it.  All is borrowed during the
 * call.  Headers are sent as they are and signed: X-Amzn-Bedrock-AgentCore-Runtime-Custom-*, Mcp-Session-Id and other
 * Mcp-*, traceparent, tracestate, baggage, X-Amzn-Trace-Id, or any that the runtime's allow-list names; up to 64.
 * Those the client makes (Host, Authorization, Content-Type, X-Amz-Date, the session id, ...) are refused, and so is an
 * option that an operation has no use for. */
typedef struct ac_runtime_options {
    const char *session_id;   /* 33 to 256 characters: which conversation; a random UUID, told in the answer */
    const char *qualifier;    /* name of the endpoint; "DEFAULT", as the service says */
    const char *account_id;   /* 12 digits: whose runtime, when it is named by id and not by ARN */
    const char *user_id;      /* 1 to 1024 characters: the end user, for whom the service makes a workload token */
    const char *content_type; /* of the payload; "application/json" */
    const char *accept;       /* media types wanted; none */
    const ac_header *headers; /* more of them; none */
    size_t header_count;
    const char *bearer_token; /* for runtimes that take OAuth tokens: sent instead of a signature; sign with SigV4 */
    unsigned read_timeout_ms; /* silence before the answer, and inside one that is read whole; the client's, 60 s */
} ac_runtime_options;

/* The whole answer of an agent.  Read-only; all of it is released by ac_runtime_answer_free. */
typedef struct ac_runtime_answer {
    int status;               /* HTTP status: 200 to 299 */
    const char *content_type; /* "" when there is none */
    const char *session_id;   /* of the conversation, for the next turn; "" when the service told none */
    const char *body;         /* the agent's bytes, NUL-terminated beyond length */
    size_t length;
} ac_runtime_answer;

/* Invoke a deployed agent and wait for all of its answer.  runtime is the ARN of the runtime (or its id, with
 * options->account_id), payload its input: any bytes, borrowed, up to 100,000,000.  options may be NULL.  *ret_answer
 * is the caller's (ac_runtime_answer_free); NULL after a failure.  Blocks; any thread.
 *
 * runtime may also be the URL of an agent that runs by itself, without the service: "http://127.0.0.1:8080".  It gets
 * the same request at /invocations, but no signature, and no qualifier, account_id or user_id.
 *
 * An agent is not asked twice: a request that may have reached it is sent again only when the service itself answered
 * that it failed or is busy (429, 500, 502, 503, 504).
 * Errors: AC_ERR_HANDLER (RuntimeClientError: the agent failed, its message), AC_ERR_NOT_FOUND (no such runtime or
 * endpoint), AC_ERR_CONFLICT (RetryableConflictException: the session is starting), AC_ERR_INVALID (an option that is
 * wrong, or what the service calls invalid), AC_ERR_UNAUTHORIZED, AC_ERR_DENIED, AC_ERR_THROTTLED, AC_ERR_QUOTA,
 * AC_ERR_TOO_LARGE (the answer is over the client's answer_bytes_max), AC_ERR_TIMEOUT, AC_ERR_CLOSED, AC_ERR_IO,
 * AC_ERR_PROTOCOL, AC_ERR_INTERNAL, AC_ERR_NOMEM.
 * Operation: InvokeAgentRuntime. */
AC_API ac_status ac_runtime_invoke(ac_client *client, const char *runtime, const void *payload, size_t length,
                                   const ac_runtime_options *options, ac_runtime_answer **ret_answer, ac_error *err)
    AC_MUST_USE;

/* A header of the answer by name (any case): Mcp-Session-Id, traceparent, baggage, ...  Borrowed; NULL when absent. */
AC_API const char *ac_runtime_answer_header(const ac_runtime_answer *answer, const char *name);

/* NULL is allowed. */
AC_API void ac_runtime_answer_free(ac_runtime_answer *answer);

/* Invoke with JSON built by a format string (json.h), and read the answer as JSON.  *ret_result (may be NULL) is the
 * caller's (yyjson_doc_free).  Errors as ac_runtime_invoke, AC_ERR_INVALID for a wrong format, and AC_ERR_PROTOCOL when
 * the answer is not JSON. */
AC_API ac_status ac_runtime_invoke_pack(ac_client *client, const char *runtime, const ac_runtime_options *options,
                                        yyjson_doc **ret_result, ac_error *err, const char *format, ...);

/* ---- answers that stream ---------------------------------------------------------------------------------------- */

/* An answer that is read while the agent makes it.  One thread at a time reads; any may cancel.  Close it before the
 * client is freed. */
typedef struct ac_runtime_stream ac_runtime_stream;

/* Invoke, and return when the answer begins.  Arguments and errors as ac_runtime_invoke; answer_bytes_max is no limit
 * here.  *ret_stream is the caller's (ac_runtime_stream_close); NULL after a failure. */
AC_API ac_status ac_runtime_open(ac_client *client, const char *runtime, const void *payload, size_t length,
                                 const ac_runtime_options *options, ac_runtime_stream **ret_stream, ac_error *err)
    AC_MUST_USE;

/* What is known of the answer before its body.  Borrowed from the stream; content_type is "" and a header NULL when the
 * agent sent none. */
AC_API int ac_runtime_stream_status(const ac_runtime_stream *stream);
AC_API const char *ac_runtime_stream_content_type(const ac_runtime_stream *stream);
AC_API const char *ac_runtime_stream_session_id(const ac_runtime_stream *stream);
AC_API const char *ac_runtime_stream_header(const ac_runtime_stream *stream, const char *name);

/* Wait up to timeout_ms (negative: the read_timeout_ms the stream was opened with; 0: do not wait) for bytes of the
 * answer, and take at most room (> 0) of them.  *ret_length 0 with AC_OK is the end.
 * Errors: AC_ERR_TIMEOUT (the stream goes on, read again), AC_ERR_CLOSED (connection lost, cancelled), AC_ERR_IO,
 * AC_ERR_PROTOCOL, AC_ERR_STATE (events were read from it, or no room). */
AC_API ac_status ac_runtime_stream_read(ac_runtime_stream *stream, void *buffer, size_t room, int timeout_ms,
                                        size_t *ret_length, ac_error *err) AC_MUST_USE;

/* One Server-Sent Event.  Everything is borrowed until the next call on its stream. */
typedef struct ac_runtime_event {
    const char *data; /* its data lines, joined by '\n'; NUL-terminated beyond length; NULL: the stream has ended */
    size_t length;
    const char *type; /* its event field; "message" when it has none */
    const char *id;   /* the last id that was seen; "" when none was */
} ac_runtime_event;

/* Wait as ac_runtime_stream_read for the next event of an answer that is text/event-stream: as soon as the agent has
 * sent it.  Comments (keep-alives) are passed over and do not lengthen the wait.
 * Errors as ac_runtime_stream_read, AC_ERR_STATE also when the answer is no event stream (or its pieces were read), and
 * AC_ERR_TOO_LARGE for an event over 16 MiB, AC_ERR_NOMEM. */
AC_API ac_status ac_runtime_stream_event(ac_runtime_stream *stream, int timeout_ms, ac_runtime_event *ret_event,
                                         ac_error *err) AC_MUST_USE;

/* The same, its data read as JSON: *ret_doc is the caller's (yyjson_doc_free), NULL with AC_OK at the end.
 * AC_ERR_PROTOCOL, too, when the data is not JSON; the stream goes on then. */
AC_API ac_status ac_runtime_stream_event_json(ac_runtime_stream *stream, int timeout_ms, yyjson_doc **ret_doc,
                                              ac_error *err) AC_MUST_USE;

/* Have the stream, and whoever waits for it, fail with AC_ERR_CLOSED; the agent is told that nobody listens.  Any
 * thread, before close. */
AC_API void ac_runtime_stream_cancel(ac_runtime_stream *stream);

/* Cancel what has not come yet and free the stream.  NULL is allowed; no other call on it may run. */
AC_API void ac_runtime_stream_close(ac_runtime_stream *stream);

/* ---- sessions --------------------------------------------------------------------------------------------------- */

/* End a session: its agent is stopped.  options (may be NULL) may have qualifier, headers, bearer_token and
 * read_timeout_ms.  Errors as ac_runtime_invoke; AC_ERR_NOT_FOUND: no such session.
 * Operation: StopRuntimeSession. */
AC_API ac_status ac_runtime_stop_session(ac_client *client, const char *runtime, const char *session_id,
                                         const ac_runtime_options *options, ac_error *err);

/* The agent card of a runtime that speaks A2A: a JSON document that is the caller's (yyjson_doc_free).  options (may be
 * NULL) may have session_id, qualifier, headers, bearer_token and read_timeout_ms.  Errors as ac_runtime_invoke.
 * Operation: GetAgentCard. */
AC_API ac_status ac_runtime_agent_card(ac_client *client, const char *runtime, const ac_runtime_options *options,
                                       yyjson_doc **ret_card, ac_error *err);

/* Run a shell command where the session's agent runs, for at most timeout_s seconds (1 to 3600; 0: the service's 300),
 * and get its output as it comes: read the stream with ac_client_stream_next.  Events are
 * {"chunk": {"contentStart": {}}}, {"chunk": {"contentDelta": {"stdout" or "stderr": text}}} and
 * {"chunk": {"contentStop": {"exitCode": n, "status": "COMPLETED" or "TIMED_OUT"}}}.  options (may be NULL)
 * may have all but user_id.  Errors as ac_runtime_invoke.  Operation: InvokeAgentRuntimeCommand. */
AC_API ac_status ac_runtime_command(ac_client *client, const char *runtime, const char *command, unsigned timeout_s,
                                    const ac_runtime_options *options, ac_client_stream **ret_stream, ac_error *err)
    AC_MUST_USE;

/* ---- WebSocket: URLs and headers for any library ---------------------------------------------------------------- */

/* What to connect to and with.  Read-only; released, and wiped, by ac_runtime_connection_free. */
typedef struct ac_runtime_connection {
    const char *url;          /* wss://host/runtimes/{encoded ARN}/ws[?qualifier=...]; ws:// for an http endpoint */
    const char *session_id;   /* the one given, or made */
    const ac_header *headers; /* of the whole upgrade request, Host and Sec-WebSocket-Key among them */
    size_t header_count;
} ac_runtime_connection;

/* How to connect; zero means the default beside it. */
typedef struct ac_runtime_ws_options {
    const char *session_id;      /* any length; a random UUID */
    const char *qualifier;       /* name of the endpoint; the service's default: DEFAULT */
    const char *bearer_token;    /* OAuth token instead of a signature; sign with SigV4 */
    const ac_header *headers;    /* more of them, not signed; none.  ac_runtime_ws_connect alone */
    size_t header_count;         /* of headers */
    const char *subprotocols;    /* offered: "a, b"; none.  ac_runtime_ws_connect alone */
    unsigned connect_timeout_ms; /* name, TLS and the server's yes; 30 s.  ac_runtime_ws_connect alone */
    size_t message_bytes_max;    /* one message that is received; 16 MiB.  ac_runtime_ws_connect alone */
} ac_runtime_ws_options;

/* URL and headers to open a WebSocket to an agent with a library of your own.  Signed are host and x-amz-date (and
 * x-amz-security-token), as the Python SDK does it, within five minutes; the session id travels in an unsigned header.
 * With options->bearer_token the headers carry the token instead, and no credentials are needed.  options may be NULL.
 * *ret_connection is the caller's.  May wait for credentials; any thread.
 * Errors: AC_ERR_INVALID ("Invalid runtime ARN format: ...", "ARN components cannot be empty", "Bearer token cannot be
 * empty", values that cannot stand in a header), AC_ERR_NOT_FOUND ("No AWS credentials found"), those of the
 * credentials' source, AC_ERR_NOMEM. */
AC_API ac_status ac_runtime_ws_connection(ac_client *client, const char *runtime_arn,
                                          const ac_runtime_ws_options *options, ac_runtime_connection **ret_connection,
                                          ac_error *err) AC_MUST_USE;

/* NULL is allowed. */
AC_API void ac_runtime_connection_free(ac_runtime_connection *connection);

#define AC_RUNTIME_PRESIGN_SECONDS_MAX 300

/* Zero means the default beside it. */
typedef struct ac_runtime_presign_options {
    const char *session_id; /* any length; a random UUID */
    const char *qualifier;  /* name of the endpoint; the service's default: DEFAULT */
    const ac_header *query; /* more query parameters, which the agent gets to see: {"user_type", "premium"}; none.  One
                             * of the same name replaces an earlier one */
    size_t query_count;
    unsigned expires_s; /* 1 to 300; 300 */
} ac_runtime_presign_options;

/* A URL that opens a WebSocket to an agent without any credentials, for expires_s seconds: for browsers.  Whoever has
 * it can use it.  *ret_url is the caller's (free).  options may be NULL.  Any thread.
 * Errors as ac_runtime_ws_connection, and AC_ERR_INVALID "Expiry timeout cannot exceed 300 seconds, got N", or for
 * query parameters of a signature and those whose name or value is NULL. */
AC_API ac_status ac_runtime_presigned_url(ac_client *client, const char *runtime_arn,
                                          const ac_runtime_presign_options *options, char **ret_url, ac_error *err)
    AC_MUST_USE;

/* ---- WebSocket: connections ------------------------------------------------------------------------------------- */

/* A WebSocket to an agent.  One thread may receive while others send.  Pings are answered while some thread receives or
 * sends. */
typedef struct ac_runtime_ws ac_runtime_ws;

/* Connect, with a signature or options->bearer_token.  options may be NULL.  *ret_ws is the caller's.  Errors as
 * ac_runtime_ws_connection, and AC_ERR_INVALID for a header that the client sets itself, or whose name or value is
 * NULL; when the server refuses: AC_ERR_DENIED (401, 403), AC_ERR_NOT_FOUND, AC_ERR_THROTTLED,
 * AC_ERR_IO (5xx), AC_ERR_INVALID (other), with err->http_status and err->aws_name as it said; AC_ERR_TIMEOUT,
 * AC_ERR_CLOSED, AC_ERR_PROTOCOL. */
AC_API ac_status ac_runtime_ws_connect(ac_client *client, const char *runtime_arn, const ac_runtime_ws_options *options,
                                       ac_runtime_ws **ret_ws, ac_error *err) AC_MUST_USE;

/* Connect to a URL of ac_runtime_presigned_url (or any ws:// or wss:// URL).  client may be NULL: it only says which
 * certificate authorities are trusted (NULL: AWS_CA_BUNDLE, the system's).  Of options, headers, subprotocols,
 * connect_timeout_ms and message_bytes_max are used; the others must be zero (AC_ERR_INVALID).  Errors as above. */
AC_API ac_status ac_runtime_ws_connect_url(ac_client *client, const char *url, const ac_runtime_ws_options *options,
                                           ac_runtime_ws **ret_ws, ac_error *err) AC_MUST_USE;

/* The session id that was sent; "" for a connection to a URL. */
AC_API const char *ac_runtime_ws_session_id(const ac_runtime_ws *ws);

/* Send one message and wait until the system has taken all of it, at most timeout_ms (negative: without end).  Text is
 * NUL-terminated UTF-8 in the first, JSON by a format string (json.h) in the second, any bytes in the third.
 * Errors: AC_ERR_TIMEOUT (part of it may be sent; the rest goes out with the next call), AC_ERR_AGAIN (too much waits
 * to be sent, nothing was taken), AC_ERR_CLOSED, AC_ERR_INVALID (not UTF-8, wrong format), AC_ERR_NOMEM. */
AC_API ac_status ac_runtime_ws_send_text(ac_runtime_ws *ws, const char *text, int timeout_ms, ac_error *err);
AC_API ac_status ac_runtime_ws_send_pack(ac_runtime_ws *ws, int timeout_ms, ac_error *err, const char *format, ...);
AC_API ac_status ac_runtime_ws_send_binary(ac_runtime_ws *ws, const void *data, size_t length, int timeout_ms,
                                           ac_error *err);

typedef struct ac_runtime_message {
    bool binary;
    const char *data; /* NUL-terminated beyond length; valid until the next receive on this WebSocket */
    size_t length;
} ac_runtime_message;

/* Wait up to timeout_ms (negative: without end) for the next message.  Errors: AC_ERR_TIMEOUT (receive again),
 * AC_ERR_CLOSED (see ac_runtime_ws_close_code), AC_ERR_STATE (another thread receives), AC_ERR_NOMEM. */
AC_API ac_status ac_runtime_ws_receive(ac_runtime_ws *ws, int timeout_ms, ac_runtime_message *ret_message,
                                       ac_error *err) AC_MUST_USE;

/* The same, read as JSON: *ret_doc is the caller's (yyjson_doc_free).  AC_ERR_PROTOCOL, too, when the message is not
 * JSON; the connection stays usable. */
AC_API ac_status ac_runtime_ws_receive_json(ac_runtime_ws *ws, int timeout_ms, yyjson_doc **ret_doc, ac_error *err)
    AC_MUST_USE;

/* Say goodbye (code 0: 1000; reason up to 123 bytes or NULL) and wait up to timeout_ms (negative: without end) for the
 * answer; messages that still come are dropped.  Errors: AC_ERR_TIMEOUT, AC_ERR_CLOSED (the connection was lost),
 * AC_ERR_INVALID (a code that cannot be sent). */
AC_API ac_status ac_runtime_ws_close(ac_runtime_ws *ws, int code, const char *reason, int timeout_ms, ac_error *err);

/* 0 while open; the agent's close code (1005: it gave none); 1006 when the connection was lost. */
AC_API int ac_runtime_ws_close_code(ac_runtime_ws *ws);

/* Have all calls on it fail with AC_ERR_CLOSED, now.  Any thread, before free. */
AC_API void ac_runtime_ws_abort(ac_runtime_ws *ws);

/* Drop the connection (ac_runtime_ws_close first, for a clean end) and free.  NULL is allowed; no other call may
 * run. */
AC_API void ac_runtime_ws_free(ac_runtime_ws *ws);

/* ---- waiting for deployments ------------------------------------------------------------------------------------ */

/* Zero means the default beside it. */
typedef struct ac_runtime_wait_options {
    unsigned max_wait_s;       /* seconds to wait at most; 300 */
    unsigned poll_interval_ms; /* between two looks; 10,000 */
} ac_runtime_wait_options;

/* Wait until a runtime, or one of its endpoints, is READY.  runtime_id is its agentRuntimeId, options may be NULL.
 * *ret_output (may be NULL) is what GetAgentRuntime or GetAgentRuntimeEndpoint then says, the caller's
 * (yyjson_doc_free).  Blocks; any thread.
 * Errors: AC_ERR_STATE "Reached CREATE_FAILED: reason" (also UPDATE_FAILED, and DELETE_FAILED of an endpoint; the
 * reason is "Unknown" when there is none), AC_ERR_TIMEOUT "Did not reach READY within N seconds", and those of
 * ac_client_call: a look that fails ends the wait.
 * Operations: GetAgentRuntime, GetAgentRuntimeEndpoint. */
AC_API ac_status ac_runtime_wait_ready(ac_client *client, const char *runtime_id,
                                       const ac_runtime_wait_options *options, yyjson_doc **ret_output, ac_error *err);
AC_API ac_status ac_runtime_wait_endpoint_ready(ac_client *client, const char *runtime_id, const char *endpoint_name,
                                                const ac_runtime_wait_options *options, yyjson_doc **ret_output,
                                                ac_error *err);

/* Wait until a runtime, or one of its endpoints, is gone.  Errors: AC_ERR_TIMEOUT "Resource was not deleted within N
 * seconds", and those of ac_client_call. */
AC_API ac_status ac_runtime_wait_deleted(ac_client *client, const char *runtime_id,
                                         const ac_runtime_wait_options *options, ac_error *err);
AC_API ac_status ac_runtime_wait_endpoint_deleted(ac_client *client, const char *runtime_id, const char *endpoint_name,
                                                  const ac_runtime_wait_options *options, ac_error *err);

/* Call an operation on a runtime, or on an endpoint of one, and wait until it has taken effect.  input is what
 * ac_client_call takes for that operation, borrowed; *ret_output (may be NULL) as of ac_runtime_wait_ready.  Errors as
 * ac_client_call and the waits.
 * Operations: CreateAgentRuntime, UpdateAgentRuntime, CreateAgentRuntimeEndpoint, UpdateAgentRuntimeEndpoint. */
AC_API ac_status ac_runtime_create_and_wait(ac_client *client, yyjson_val *input,
                                            const ac_runtime_wait_options *options, yyjson_doc **ret_output,
                                            ac_error *err);
AC_API ac_status ac_runtime_update_and_wait(ac_client *client, yyjson_val *input,
                                            const ac_runtime_wait_options *options, yyjson_doc **ret_output,
                                            ac_error *err);
AC_API ac_status ac_runtime_create_endpoint_and_wait(ac_client *client, yyjson_val *input,
                                                     const ac_runtime_wait_options *options, yyjson_doc **ret_output,
                                                     ac_error *err);
AC_API ac_status ac_runtime_update_endpoint_and_wait(ac_client *client, yyjson_val *input,
                                                     const ac_runtime_wait_options *options, yyjson_doc **ret_output,
                                                     ac_error *err);

/* Delete, and wait until it is gone.  Errors as ac_client_call and ac_runtime_wait_deleted.
 * Operations: DeleteAgentRuntime, DeleteAgentRuntimeEndpoint. */
AC_API ac_status ac_runtime_delete_and_wait(ac_client *client, const char *runtime_id,
                                            const ac_runtime_wait_options *options, ac_error *err);
AC_API ac_status ac_runtime_delete_endpoint_and_wait(ac_client *client, const char *runtime_id,
                                                     const char *endpoint_name, const ac_runtime_wait_options *options,
                                                     ac_error *err);

/* Delete an endpoint (NULL: "DEFAULT"), wait until it is gone, then do the same with its runtime.  One that does not
 * exist counts as deleted.  Errors as the two above. */
AC_API ac_status ac_runtime_teardown(ac_client *client, const char *runtime_id, const char *endpoint_name,
                                     const ac_runtime_wait_options *options, ac_error *err);

/* A runtime and its endpoint (NULL: "DEFAULT") together: {"runtime": {...}, "endpoint": {...}}, where one that does not
 * exist is {"error": message}.  *ret_status is the caller's (yyjson_doc_free).  Errors as ac_client_call. */
AC_API ac_status ac_runtime_status(ac_client *client, const char *runtime_id, const char *endpoint_name,
                                   yyjson_doc **ret_status, ac_error *err);

#ifdef __cplusplus
}
#endif

#endif
