/* client_internal.h - what the files of this room share. */
#ifndef CLIENT_INTERNAL_H
#define CLIENT_INTERNAL_H

#include "aws/api.h"
#include "aws/credentials.h"
#include "aws/endpoints.h"
#include "aws/sigv4.h"
#include "http/client.h"
#include "http/client_retry.h"

#include <agentcore/client.h>
#include <agentcore/version.h>

struct ac_client {
    char region[REGION_SIZE];
    aws_endpoint endpoints[2]; /* control, data */
    aws_provider *provider;
    http_client *http;
    http_retry_quota quota;
    unsigned attempts_max;
    unsigned connect_timeout_ms;
    unsigned read_timeout_ms;
    size_t answer_bytes_max;
};

/* events.c: put the events of a whole stream into output, as a list under the name of its member; an exception in it is
 * the call's failure. */
ac_status client_read_events(const api_operation *op, const buf *body, yyjson_mut_doc *output, ac_error *err)
    AC_MUST_USE;

#endif
