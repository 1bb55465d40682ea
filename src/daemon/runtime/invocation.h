/* invocation.h - one call to an agent: what InvokeAgentRuntime, its WebSocket and GetAgentCard have in common.
 *
 *     worker thread   find the target, find or start the session, put the request for the agent together, start the
 *                     relay; the handler returns
 *     loop thread     bytes both ways
 *     either          the end: the connection is kept, the session released, the call ended */
#ifndef DAEMON_RUNTIME_INVOCATION_H
#define DAEMON_RUNTIME_INVOCATION_H

#include "daemon/runtime/runtime.h"
#include "http/relay.h"

#define SESSION_ID_HEADER "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
#define REQUEST_ID_HEADER "X-Amzn-Bedrock-AgentCore-Runtime-Request-Id"
#define CUSTOM_HEADER_PREFIX "X-Amzn-Bedrock-AgentCore-Runtime-Custom-"
#define IDENTITY_TOKEN_HEADER "X-Amz-Bedrock-AgentCore-Identity-WAT"
#define WORKLOAD_TOKEN_HEADER "WorkloadAccessToken"

#define FORWARDED_VALUE_MAX 4096 /* bytes of a header that the caller adds */
#define FORWARDED_MAX 64         /* headers to the agent */
#define RETURNED_MAX 16          /* headers from it */

typedef struct invocation {
    front_call *call;
    runtime_room *room;
    const runtime_target *target; /* one reference */
    const char *session_id;
    session *session; /* in use */
    http_field headers[FORWARDED_MAX];
    size_t header_count;
    http_field returned[RETURNED_MAX]; /* to the client */
    size_t returned_count;
    http_relay_options relay;
    const char *subprotocol; /* that a WebSocket's client is told; NULL: what the agent says */
    workers_job job;         /* finishing, where that may block */
    ac_status status;        /* how the relay ended */
    int server_status;
    const char *collected; /* body of the agent's error */
    bool unreachable;      /* the agent could not be connected to, or said nothing */
    bool unsent;           /* it knows nothing of the request */
    bool again;            /* this is the second attempt */
} invocation;

/* Find the target and the session of a call (qualifier, accountId; session_id NULL: a new one).  *ret_invocation lives
 * in call->memory; until invocation_start has succeeded it is to be released with invocation_drop.  It is NULL when
 * another daemon has the session: the call was passed on to it, and the handler is done. */
ac_status invocation_open(front_call *call, const char *session_id, invocation **ret_invocation, ac_error *err)
    AC_MUST_USE;
void invocation_drop(invocation *in);
DEFINE_CLEANUP(invocation *, invocation_drop)

/* Once: the session that was found was dead already, which nobody knew, so get another of its id.  Blocks.
 * AC_ERR_CLOSED: it was not, or this is the second time. */
ac_status invocation_renew(invocation *in, ac_error *err) AC_MUST_USE;

/* Add a header to the agent.  AC_ERR_QUOTA: too many. */
ac_status invocation_header(invocation *in, const char *name, const char *value, ac_error *err) AC_MUST_USE;

/* Relay to the agent: method and target of the request, with the headers so far and those that every agent gets.  The
 * call is kept (front_keep) and ended by this. */
ac_status invocation_start(invocation *in, const char *method, const char *target, view body, bool upgrade,
                           ac_error *err) AC_MUST_USE;

/* ---- headers.c ---- */

/* The headers that every agent gets: session, request, token, what the caller may pass through. */
ac_status headers_to_agent(invocation *in, ac_error *err) AC_MUST_USE;

/* From the agent's answer to the client's. */
void headers_to_client(invocation *in, const http_upstream_head *head, http_relay_answer *ret_answer);

#endif
