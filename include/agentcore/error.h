/* error.h - how a function says that it failed.
 *
 * Every fallible function returns an ac_status.  Functions that can say more take an ac_error last; the caller
 * owns it and may pass NULL.  There is no errno and no thread-local "last error". */
#ifndef AGENTCORE_ERROR_H
#define AGENTCORE_ERROR_H

#include <agentcore/macros.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One row per status: X(name, sentence, retryable, HTTP status, AWS exception name).
 * The SDK's codes and the wire errors of the service are this one list. */
#define AC_STATUS_MAP(X)                                                                                               \
    X(AC_OK, "success", false, 200, "")                                                                                \
    X(AC_ERR_NOMEM, "out of memory", false, 500, "InternalServerException")                                            \
    X(AC_ERR_INVALID, "invalid argument", false, 400, "ValidationException")                                           \
    X(AC_ERR_STATE, "not possible in this state", false, 409, "ConflictException")                                     \
    X(AC_ERR_NOT_FOUND, "not found", false, 404, "ResourceNotFoundException")                                          \
    X(AC_ERR_CONFLICT, "conflicts with what exists", false, 409, "ConflictException")                                  \
    X(AC_ERR_DENIED, "access denied", false, 403, "AccessDeniedException")                                             \
    X(AC_ERR_UNAUTHORIZED, "not authenticated", false, 401, "UnauthorizedException")                                   \
    X(AC_ERR_THROTTLED, "too many requests", true, 429, "ThrottlingException")                                         \
    X(AC_ERR_QUOTA, "quota exceeded", false, 402, "ServiceQuotaExceededException")                                     \
    X(AC_ERR_TOO_LARGE, "larger than the limit", false, 413, "ValidationException")                                    \
    X(AC_ERR_TIMEOUT, "timed out", true, 504, "InternalServerException")                                               \
    X(AC_ERR_AGAIN, "no room right now", true, 503, "ServiceUnavailableException")                                     \
    X(AC_ERR_CLOSED, "closed by the other side", false, 500, "InternalServerException")                                \
    X(AC_ERR_IO, "input/output error", true, 500, "InternalServerException")                                           \
    X(AC_ERR_ADDRESS_IN_USE, "address already in use", false, 500, "InternalServerException")                          \
    X(AC_ERR_PROTOCOL, "malformed data", false, 400, "ValidationException")                                            \
    X(AC_ERR_UNSUPPORTED, "not supported", false, 501, "UnknownOperationException")                                    \
    X(AC_ERR_HANDLER, "the handler failed", false, 500, "RuntimeClientError")                                          \
    X(AC_ERR_INTERNAL, "internal error", true, 500, "InternalServerException")

typedef enum ac_status {
#define AC_STATUS_ENUM_(name, sentence, retryable, http, aws) name,
    AC_STATUS_MAP(AC_STATUS_ENUM_)
#undef AC_STATUS_ENUM_
} ac_status;

/* Details of one failure.  Plain data: nothing in it needs to be freed, and it may be copied. */
typedef struct ac_error {
    ac_status status;
    int http_status;   /* what a server would answer, or did answer; 0 when that has no meaning */
    char aws_name[64]; /* AWS exception name, e.g. "ValidationException"; "" when there is none */
    char message[512]; /* one sentence for a person, never empty after a failure; UTF-8 */
} ac_error;

/* The identifier of a status, e.g. "AC_ERR_TIMEOUT".  Static; "AC_ERR_?" for values outside the table. */
AC_API const char *ac_status_name(ac_status status);

/* The sentence of a status, e.g. "timed out".  Static. */
AC_API const char *ac_status_text(ac_status status);

/* The AWS exception name of a status, "" where there is none.  Static. */
AC_API const char *ac_status_aws_name(ac_status status);

/* The HTTP status that answers a request which failed with this status. */
AC_API int ac_status_http(ac_status status);

/* Whether trying the same again later may succeed. */
AC_API bool ac_status_retryable(ac_status status);

/* Fill err (when not NULL) from status and a printf-style message, and return status, so that a failing function
 * can end in `return ac_error_set(err, AC_ERR_INVALID, "port %d is out of range", port);`.  A message longer than
 * the field is cut at a character boundary.  Thread-safe for distinct err. */
AC_API ac_status ac_error_set(ac_error *err, ac_status status, const char *format, ...) AC_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif

#endif
