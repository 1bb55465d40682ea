/* context.h - who is calling: the request context that AgentCore Runtime sends in headers.
 *
 * A context belongs to one request (or WebSocket connection) and is never visible to another.  It is read-only and
 * may be read from any thread for as long as its request lives; the strings are borrowed from it. */
#ifndef AGENTCORE_CONTEXT_H
#define AGENTCORE_CONTEXT_H

#include <agentcore/macros.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Header names of the AgentCore Runtime contract. */
#define AC_HEADER_SESSION_ID "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
#define AC_HEADER_REQUEST_ID "X-Amzn-Bedrock-AgentCore-Runtime-Request-Id"
#define AC_HEADER_IDENTITY_WAT "X-Amz-Bedrock-AgentCore-Identity-WAT"
#define AC_HEADER_WORKLOAD_TOKEN "WorkloadAccessToken"
#define AC_HEADER_OAUTH2_CALLBACK "OAuth2CallbackUrl"
#define AC_HEADER_CUSTOM_PREFIX "X-Amzn-Bedrock-AgentCore-Runtime-Custom-"

typedef struct ac_context ac_context;

typedef struct ac_header {
    const char *name;
    const char *value;
} ac_header;

/* The session id, or NULL when the caller sent none. */
AC_API const char *ac_context_session_id(const ac_context *context);

/* The request id: the caller's, or a random UUID (version 4) made when the request arrived.  Never NULL. */
AC_API const char *ac_context_request_id(const ac_context *context);

/* The workload access token, or NULL.  A secret: do not log it. */
AC_API const char *ac_context_workload_token(const ac_context *context);

/* The OAuth2 callback URL, or NULL. */
AC_API const char *ac_context_oauth2_callback_url(const ac_context *context);

/* The W3C baggage header as it came, or NULL. */
AC_API const char *ac_context_baggage(const ac_context *context);

/* One forwarded header by name (any case), the last of several, or NULL.  Forwarded are Authorization and every
 * header that is not reserved: not those of HTTP itself, of proxies, cookies and CORS, and of X-Amz-* and X-Amzn-* only
 * the custom prefix and the identity token. */
AC_API const char *ac_context_header(const ac_context *context, const char *name);

/* All forwarded headers, in order of arrival, names in lower case but for Authorization; *ret_count is set to their
 * number.  NULL and 0 when memory runs out. */
AC_API const ac_header *ac_context_headers(const ac_context *context, size_t *ret_count);

/* The context of the request that the calling thread is serving, or NULL outside of a handler.  This is how library
 * code deep below a handler finds the caller's session and token without having them passed along. */
AC_API const ac_context *ac_context_current(void);

#ifdef __cplusplus
}
#endif

#endif
