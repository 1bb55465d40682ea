/* client.h - call AgentCore: every operation of both planes, JSON in and JSON out.
 *
 *     ac_client *client = NULL;
 *     yyjson_doc *answer = NULL;
 *     ac_error err;
 *
 *     if (ac_client_new(NULL, &client, &err) == AC_OK &&
 *         ac_client_call_pack(client, "GetWorkloadIdentity", &answer, &err, "{s:s}", "name", "agent-one") == AC_OK)
 *         puts(ac_json_string(yyjson_doc_get_root(answer), "workloadIdentityArn", "?"));
 *     else
 *         fprintf(stderr, "%s: %s\n", err.aws_name, err.message);
 *     yyjson_doc_free(answer);
 *     ac_client_free(client);
 *
 * Members are named as in the AWS API, wherever they travel.  Timestamps are integers, milliseconds since 1970; blobs
 * are base64.  The answer of an operation that streams events is the list of its events, once the stream has ended;
 * ac_client_open hands them out one by one, as they come.
 *
 * Credentials, region and endpoints come from where every AWS SDK takes them: the environment, the shared files,
 * credential_process, roles, web identity, container and instance metadata.  Against agentcored: `eval "$(agentcored
 * env)"` and nothing else.
 *
 * A program that calls links libagentcore-client besides libagentcore (pkg-config agentcore-client). */
#ifndef AGENTCORE_CLIENT_H
#define AGENTCORE_CLIENT_H

#include <agentcore/context.h>
#include <agentcore/error.h>
#include <agentcore/json.h>
#include <agentcore/macros.h>
#include <yyjson.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ac_client ac_client;

/* Every field may be left zero, which means the default written beside it.  Strings are copied. */
typedef struct ac_client_options {
    const char *region;     /* AWS_REGION, AWS_DEFAULT_REGION, the profile's, us-west-2 */
    const char *profile;    /* AWS_PROFILE, "default" */
    const char *access_key; /* keys of your own instead of the chain; then secret_key is required */
    const char *secret_key;
    const char *session_token;   /* none */
    const char *endpoint;        /* base URL for both planes; AWS_ENDPOINT_URL_BEDROCK_AGENTCORE[_CONTROL],
                                    * AWS_ENDPOINT_URL, then AWS's own hosts */
    const char *ca_file;         /* PEM file of authorities; AWS_CA_BUNDLE, the system's */
    unsigned attempts_max;       /* tries of one call, the first included; AWS_MAX_ATTEMPTS, 3 */
    unsigned connect_timeout_ms; /* 10 s */
    unsigned read_timeout_ms;    /* silence before and inside an answer; 60 s */
    size_t answer_bytes_max;     /* 128 MiB */
} ac_client_options;

/* A client; one may serve many threads at once.  options may be NULL.  Nothing is sent yet.
 * Errors: AC_ERR_INVALID (region, endpoint, a key without its secret), AC_ERR_NOMEM, AC_ERR_IO. */
AC_API ac_status ac_client_new(const ac_client_options *options, ac_client **ret_client, ac_error *err) AC_MUST_USE;

/* No call may be running.  NULL is allowed. */
AC_API void ac_client_free(ac_client *client);

/* The region calls are signed for. */
AC_API const char *ac_client_region(const ac_client *client);

/* Call an operation by its name, as AWS writes it.  input is an object (NULL: no members), borrowed.  *ret_output (may
 * be NULL) is the caller's, to be freed with yyjson_doc_free.  Idempotency tokens are made when absent; throttling,
 * server errors and lost connections are tried again with growing pauses.  Blocks; any thread. Errors: AC_ERR_INVALID
 * (no such operation, or an input the client can see is wrong: the message names the member; also what the service
 * calls invalid), AC_ERR_NOT_FOUND, AC_ERR_CONFLICT, AC_ERR_DENIED, AC_ERR_UNAUTHORIZED, AC_ERR_THROTTLED,
 * AC_ERR_QUOTA, AC_ERR_TIMEOUT, AC_ERR_IO, AC_ERR_TOO_LARGE, AC_ERR_PROTOCOL, AC_ERR_UNSUPPORTED, AC_ERR_INTERNAL,
 * AC_ERR_NOMEM; err->aws_name is the exception the service named, err->http_status its status. */
AC_API ac_status ac_client_call(ac_client *client, const char *operation, yyjson_val *input, yyjson_doc **ret_output,
                                ac_error *err);

/* The same with the input built by a format string (json.h). */
AC_API ac_status ac_client_call_pack(ac_client *client, const char *operation, yyjson_doc **ret_output, ac_error *err,
                                     const char *format, ...);

/* ---- answers that stream ---------------------------------------------------------------------------------------- */

/* The events of an answer as they come: InvokeAgentRuntimeCommand, InvokeCodeInterpreter.
 *
 *     ac_client_stream *stream = NULL;
 *     yyjson_doc *event = NULL;
 *
 *     status = ac_client_open_pack(client, "InvokeCodeInterpreter", &stream, &err, "{s:s, s:s, s:{s:s, s:s}}", ...);
 *     while (status == AC_OK && (status = ac_client_stream_next(stream, -1, &event, &err)) == AC_OK && event) {
 *         yyjson_val *result = yyjson_obj_get(yyjson_doc_get_root(event), "result");
 *         ...
 *         yyjson_doc_free(event);
 *     }
 *     ac_client_stream_close(stream);
 *
 * One thread at a time reads; any may cancel.  Close it before the client is freed. */
typedef struct ac_client_stream ac_client_stream;

/* Call an operation and return when its answer begins; input as in ac_client_call.  *ret_stream is the caller's
 * (ac_client_stream_close); NULL after a failure.  A request that may have arrived is not sent again, unless the
 * service itself answered that it failed.  Blocks; any thread.  Errors as ac_client_call, and AC_ERR_INVALID when the
 * operation does not stream events. */
AC_API ac_status ac_client_open(ac_client *client, const char *operation, yyjson_val *input,
                                ac_client_stream **ret_stream, ac_error *err);

/* The same with the input built by a format string (json.h). */
AC_API ac_status ac_client_open_pack(ac_client *client, const char *operation, ac_client_stream **ret_stream,
                                     ac_error *err, const char *format, ...);

/* The members of the output that came before the stream, in headers and status (runtimeSessionId, statusCode, ...): an
 * object, borrowed from the stream. */
AC_API yyjson_val *ac_client_stream_output(const ac_client_stream *stream);

/* Wait up to timeout_ms (negative: the client's read_timeout_ms; 0: do not wait) for the next event, an object of one
 * member: {"result": {...}}, the same as in the list of ac_client_call.  *ret_event is the caller's (yyjson_doc_free);
 * NULL with AC_OK at the end of the stream, again and again.  Events that this version does not know are passed over.
 * Errors: AC_ERR_TIMEOUT (the stream goes on, call again), what an exception in the stream stands for (err->aws_name
 * names it), AC_ERR_PROTOCOL (broken off in the middle of an event, or no event stream), AC_ERR_TOO_LARGE (an event
 * over 16 MiB), AC_ERR_CLOSED (connection lost, cancelled), AC_ERR_IO, AC_ERR_NOMEM.  All but the first are final. */
AC_API ac_status ac_client_stream_next(ac_client_stream *stream, int timeout_ms, yyjson_doc **ret_event, ac_error *err)
    AC_MUST_USE;

/* Have the stream, and whoever waits for it, fail with AC_ERR_CLOSED; the service notices.  Any thread, before
 * close. */
AC_API void ac_client_stream_cancel(ac_client_stream *stream);

/* Cancel what has not come yet and free the stream.  NULL is allowed; no other call on it may run. */
AC_API void ac_client_stream_close(ac_client_stream *stream);

/* ---- which operations there are --------------------------------------------------------------------------------- */

/* How many operations AgentCore has, and the name of each: index is below the count, NULL otherwise.  Those that are
 * described come first.  Static; any thread. */
AC_API size_t ac_operation_count(void);
AC_API const char *ac_operation_name(size_t index);

/* What is known of an operation:
 *
 *     {"name": "GetMemory", "plane": "control", "method": "GET", "path": "/memories/{memoryId}/details",
 *      "described": true, "streams": false, "errors": ["ValidationException", ...],
 *      "input": SCHEMA, "output": SCHEMA}
 *
 * plane is "control" or "data"; streams says that the answer is events, for ac_client_open.  The schemas are JSON
 * Schema (2020-12) of what ac_client_call takes and gives: type, properties, required, enum, pattern, lengths and
 * limits; a blob is a string with "contentEncoding": "base64", a timestamp an integer with "format": "unix-ms".  An
 * operation that is known by name only has described false and no schemas.
 * *ret_description is the caller's (yyjson_doc_free).  Any thread.  Errors: AC_ERR_INVALID (no such operation),
 * AC_ERR_NOMEM. */
AC_API ac_status ac_operation_describe(const char *name, yyjson_doc **ret_description, ac_error *err) AC_MUST_USE;

/* ---- requests to other services of AWS --------------------------------------------------------------------------- */

/* A request that you send yourself, with whatever HTTP library.  All is borrowed during the call. */
typedef struct ac_signable {
    const char *service;      /* the signing name: "ecr", "s3", "bedrock", ... */
    const char *method;       /* "GET", ... */
    const char *url;          /* http or https; path and query encoded as they will be on the wire */
    const ac_header *headers; /* to be signed, beside Host; none */
    size_t header_count;      /* up to 32 */
    const void *body;         /* what is hashed; none */
    size_t length;
    const char *body_sha256; /* instead of body: its hash, 64 lower-case hexadecimal digits */
} ac_signable;

/* The headers to send beside the signed ones.  Read-only; released, and wiped, by ac_signature_free. */
typedef struct ac_signature {
    const ac_header *headers; /* Authorization, X-Amz-Date, X-Amz-Security-Token; for s3 X-Amz-Content-SHA256 */
    size_t header_count;
} ac_signature;

/* Sign with the client's credentials, for its region and for now: good for five minutes.  *ret_signature is the
 * caller's.  May wait for credentials; any thread.  Errors: AC_ERR_INVALID (URL, method, a header, also one whose
 * name or value is NULL), AC_ERR_NOT_FOUND ("No AWS credentials found"), those of the credentials' source,
 * AC_ERR_TOO_LARGE, AC_ERR_NOMEM. */
AC_API ac_status ac_client_sign(ac_client *client, const ac_signable *request, ac_signature **ret_signature,
                                ac_error *err) AC_MUST_USE;

/* NULL is allowed. */
AC_API void ac_signature_free(ac_signature *signature);

#ifdef __cplusplus
}
#endif

#endif
