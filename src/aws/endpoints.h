/* endpoints.h - which host a call goes to, and in which region.
 *
 * Nothing here reads the process environment by itself: the caller says how, so that tests need not change it. */
#ifndef AWS_ENDPOINTS_H
#define AWS_ENDPOINTS_H

#include "aws/arn.h"

#include <stdbool.h>

#define AWS_SERVICE "bedrock-agentcore" /* the signing name of both planes */

typedef enum aws_plane { AWS_DATA_PLANE, AWS_CONTROL_PLANE } aws_plane;

/* How to read a variable: its value, or NULL when it is not set.  An empty value counts as not set. */
typedef struct aws_env {
    const char *(*get)(void *user, const char *name);
    void *user;
} aws_env;

/* The environment of the process. */
extern const aws_env aws_process_env;

/* A variable's value, NULL when it is not set or empty. */
const char *aws_env_get(const aws_env *env, const char *name);

/* The region to use: explicit_region (may be NULL), AWS_REGION, AWS_DEFAULT_REGION, us-west-2.
 * AC_ERR_INVALID for a region that region_valid refuses. */
ac_status aws_region_resolve(const aws_env *env, const char *explicit_region, char ret_region[REGION_SIZE],
                             ac_error *err) AC_MUST_USE;

#define AWS_HOST_SIZE 256 /* 255 bytes, the most DNS allows, and the NUL */
#define AWS_BASE_PATH_SIZE 256

typedef struct aws_endpoint {
    bool tls;
    bool configured;                    /* not the standard host: somebody named it */
    uint16_t port;                      /* the scheme's default when the URL has none */
    char host[AWS_HOST_SIZE];           /* lower case; an IPv6 address keeps its brackets */
    char base_path[AWS_BASE_PATH_SIZE]; /* what every path begins with; "" or "/..." without a slash at the end */
    char authority[AWS_HOST_SIZE + 8];  /* host, and the port unless it is the scheme's default: the Host header */
} aws_endpoint;

/* Take http://... or https://... apart.  Refused with AC_ERR_INVALID "Invalid endpoint: ...": other schemes, user
 * names, a query, a fragment, hosts that are no host names, ports outside 1..65535, control characters. */
ac_status aws_endpoint_parse(const char *url, aws_endpoint *ret_endpoint, ac_error *err) AC_MUST_USE;

/* Where calls of a plane go.  The first of these that is set:
 *   explicit_url (may be NULL);
 *   BEDROCK_AGENTCORE_DP_ENDPOINT or BEDROCK_AGENTCORE_CP_ENDPOINT, whose host must be AWS's own;
 *   AWS_ENDPOINT_URL_BEDROCK_AGENTCORE or AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL, then AWS_ENDPOINT_URL, unless
 *   AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is true;
 *   https://bedrock-agentcore[-control].{region}.{suffix of the region's partition}.
 * A region that region_valid refuses and standard hosts outside AWS are AC_ERR_INVALID, with the Python SDK's words. */
ac_status aws_endpoint_resolve(const aws_env *env, aws_plane plane, const char *region, const char *explicit_url,
                               aws_endpoint *ret_endpoint, ac_error *err) AC_MUST_USE;

#endif
