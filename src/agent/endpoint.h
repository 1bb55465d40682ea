/* endpoint.h - calls to a service that models live in: JSON posted, tried again where that may help, the answer
 * bounded.
 *
 * What the model port and the embeddings port have in common.  Keys and bodies appear in no log and no error; of what a
 * service says about a failure, one cleaned line is told, unless it could hold the key.
 *
 * Calls block, on any thread but a loop's; an endpoint is used by many threads at once. */
#ifndef AGENT_ENDPOINT_H
#define AGENT_ENDPOINT_H

#include "aws/credentials.h"
#include "http/client_retry.h"

#include <agentcore/json.h>

#define ENDPOINT_URL_BYTES_MAX 2048
#define ENDPOINT_KEY_BYTES_MAX 8192
#define ENDPOINT_ANSWER_BYTES_MAX ((size_t)16 << 20)
#define ENDPOINT_HEADERS_MAX 4

typedef struct endpoint endpoint;

typedef enum endpoint_auth {
    ENDPOINT_AUTH_NONE,
    ENDPOINT_AUTH_BEARER,  /* Authorization: Bearer KEY */
    ENDPOINT_AUTH_API_KEY, /* x-api-key: KEY */
    ENDPOINT_AUTH_AWS,     /* SigV4 with the provider's keys */
} endpoint_auth;

/* Zero means the default beside it.  Strings are copied (the key is wiped in the end); http and provider outlive the
 * endpoint. */
typedef struct endpoint_options {
    const char *url; /* what every path is put behind: http or https, no query; required */
    endpoint_auth auth;
    const char *key;           /* BEARER, API_KEY */
    const char *region;        /* AWS */
    const char *service;       /* AWS: the signing name; "bedrock" */
    aws_provider *provider;    /* AWS: required */
    http_client *http;         /* one of its own */
    const char *ca_file;       /* for its own; AWS_CA_BUNDLE, or the system's */
    const http_field *headers; /* sent with every request; at most ENDPOINT_HEADERS_MAX */
    size_t header_count;
    unsigned connect_timeout_ms; /* 10 s */
    unsigned timeout_ms;         /* of one attempt: all of an answer, or of a streamed one each silence; 60 s */
    unsigned attempts_max;       /* the first included; 3 */
    unsigned backoff_base_ms;    /* longest wait before the second attempt; 500 ms */
    unsigned backoff_max_ms;     /* longest wait of all, whatever Retry-After says; 20 s */
    size_t answer_bytes_max;     /* ENDPOINT_ANSWER_BYTES_MAX */
} endpoint_options;

/* Nothing is asked yet.  AC_ERR_INVALID: the URL, a key that cannot stand in a header, a missing provider.
 * AC_ERR_NOMEM. */
ac_status endpoint_open(const endpoint_options *options, endpoint **ret_endpoint, ac_error *err) AC_MUST_USE;
void endpoint_close(endpoint *e);
DEFINE_CLEANUP(endpoint *, endpoint_close)

/* "https://bedrock-runtime.us-west-2.amazonaws.com", or what AWS_ENDPOINT_URL_BEDROCK_RUNTIME or AWS_ENDPOINT_URL says
 * (unless AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is true).  AC_ERR_INVALID: no region's name; AC_ERR_TOO_LARGE. */
ac_status endpoint_bedrock_url(const aws_env *env, const char *region, char ret_url[ENDPOINT_URL_BYTES_MAX],
                               ac_error *err) AC_MUST_USE;

/* One question.  Zero means the default. */
typedef struct endpoint_call {
    const char *path; /* behind the URL, encoded: "/chat/completions" */
    const char *body; /* JSON */
    size_t body_length;
    const char *accept; /* application/json */
    /* Asked a few times a second while the call waits; false: give up with AC_ERR_CLOSED.  NULL: never. */
    bool (*go_on)(void *user);
    void *user;
    unsigned timeout_ms; /* instead of the endpoint's */
} endpoint_call;

/* Post and read a JSON answer, which is the caller's (yyjson_doc_free).
 *
 * Tried again after 429, 500, 502, 503, 504, 529, broken connections and time-outs.  Errors: AC_ERR_INVALID (400, 404,
 * 422), AC_ERR_UNAUTHORIZED, AC_ERR_DENIED, AC_ERR_THROTTLED, AC_ERR_TIMEOUT, AC_ERR_TOO_LARGE (the answer, or 413),
 * AC_ERR_PROTOCOL (the answer is no JSON), AC_ERR_IO (other statuses), AC_ERR_CLOSED (go_on said no), what
 * http_client_open fails with, AC_ERR_NOMEM.  err->http_status is the service's. */
ac_status endpoint_post(endpoint *e, const endpoint_call *call, yyjson_doc **ret_doc, ac_error *err) AC_MUST_USE;

/* Post and hand on the bytes of the answer as they come.  on_data returning anything but AC_OK ends the call with that.
 * Tried again, as above, only until the first byte is handed on. */
ac_status endpoint_stream(endpoint *e, const endpoint_call *call,
                          ac_status (*on_data)(void *user, const char *data, size_t length, ac_error *err), void *user,
                          ac_error *err) AC_MUST_USE;

#endif
