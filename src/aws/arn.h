/* arn.h - Amazon resource names and region names. */
#ifndef AWS_ARN_H
#define AWS_ARN_H

#include "aws/view.h"
#include "base/buf.h"

#include <stdbool.h>

/* arn:partition:service:region:account:resource.  The resource is the rest, colons included. */
typedef struct arn {
    view partition;
    view service;
    view region;  /* may be empty */
    view account; /* may be empty */
    view resource;
} arn;

#define ARN_BYTES_MAX 2048

/* Take text apart; the parts point into it.  Partition, service and resource must not be empty.
 * AC_ERR_INVALID with a message. */
ac_status arn_parse(const char *text, size_t length, arn *ret_arn, ac_error *err) AC_MUST_USE;

/* Append an ARN.  region and account may be "". */
ac_status arn_format(buf *out, const char *partition, const char *service, const char *region, const char *account,
                     const char *resource) AC_MUST_USE;

typedef struct runtime_arn {
    view region;
    view account;
    view id; /* after "runtime/" */
} runtime_arn;

/* Whether text is the ARN of an agent runtime, arn:{aws|aws-us-gov}:bedrock-agentcore:{region}:{account}:runtime/{id},
 * with the messages of the Python SDK.  AC_ERR_INVALID. */
ac_status runtime_arn_parse(const char *text, runtime_arn *ret_arn, ac_error *err) AC_MUST_USE;

/* The same, and the region must be the client's. */
ac_status runtime_arn_check_region(const runtime_arn *runtime, const char *client_region, ac_error *err) AC_MUST_USE;

#define REGION_SIZE 64 /* no region is longer, with its NUL */

/* Whether text may go into a host name as a region: \A[a-z]{2}(-[a-z]+)+-\d+\Z, and shorter than REGION_SIZE.  Anything
 * else could lead signed requests to a host of somebody else's choice. */
bool region_valid(const char *text, size_t length);

/* AC_ERR_INVALID with the Python SDK's message unless region_valid. */
ac_status region_check(const char *region, ac_error *err) AC_MUST_USE;

/* Append text as Python's repr() writes a string: so the SDK's messages quote what they refuse. */
ac_status text_append_repr(buf *out, const char *text) AC_MUST_USE;

#endif
