/* endpoint_internal.h - what endpoint.c opens and endpoint_call.c uses. */
#ifndef AGENT_ENDPOINT_INTERNAL_H
#define AGENT_ENDPOINT_INTERNAL_H

#include "agent/endpoint.h"
#include "base/buf.h"

#define HTTP_OVERLOADED 529 /* Anthropic's own */

/* Nothing but the quota, which has a lock, changes after endpoint_open. */
struct endpoint {
    aws_endpoint at;
    endpoint_auth auth;
    buf key;    /* as it came; to be kept out of messages */
    buf header; /* the value that carries it */
    char region[REGION_SIZE];
    char *service;
    aws_provider *provider;
    http_client *http;
    bool own_http;
    http_field headers[ENDPOINT_HEADERS_MAX]; /* names and values are ours */
    size_t header_count;
    unsigned connect_timeout_ms, timeout_ms;
    unsigned attempts_max, backoff_base_ms, backoff_max_ms;
    size_t answer_bytes_max;
    http_retry_quota quota;
};

/* Fill err from an answer that is none: its status, its error name and the sentence in its body.  *ret_final: asking
 * again would only repeat it, whatever the status says. */
ac_status endpoint_refusal(const endpoint *e, const http_client_head *head, const buf *body, bool *ret_final,
                           ac_error *err);

#endif
