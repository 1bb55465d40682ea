/* headers.c - which headers go to an agent and which come back.
 *
 * To the agent: the content type and what it accepts, tracing, MCP's own, the caller's custom ones
 * (X-Amzn-Bedrock-AgentCore-Runtime-Custom-*) and those that the runtime's allow-list names; then who calls, for whom,
 * and under which ids.  Nothing else of the caller's request, its signature least of all.  Back come the content type,
 * tracing and MCP's session. */
#include "daemon/runtime/invocation.h"

#include "base/clock.h"
#include "daemon/front/peer.h"
#include "daemon/identity/workload_tokens.h"

#include <string.h>
#include <strings.h>

/* The name as it is sent on. */
static const char *const passed_on[] = {
    "Accept",     "Content-Type", "Mcp-Session-Id",  "Mcp-Protocol-Version",
    "Mcp-Method", "Mcp-Name",     "X-Amzn-Trace-Id", "traceparent",
    "tracestate", "baggage",      "Last-Event-ID",
};

static const char *const passed_back[] = {
    "Mcp-Session-Id", "Mcp-Protocol-Version", "X-Amzn-Trace-Id", "traceparent", "tracestate", "baggage",
};

ac_status invocation_header(invocation *in, const char *name, const char *value, ac_error *err)
{
    if (in->header_count >= FORWARDED_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "The request has too many headers for the agent");
    in->headers[in->header_count++] = (http_field){name, value};
    return AC_OK;
}

static ac_status add_passed_on(invocation *in, ac_error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(passed_on); i++) {
        const char *value = http_exchange_header(in->call->exchange, passed_on[i]);

        if (value)
            AC_TRY(invocation_header(in, passed_on[i], value, err));
    }
    return AC_OK;
}

static bool is_wanted(const runtime_target *target, const char *name)
{
    if (strncasecmp(name, CUSTOM_HEADER_PREFIX, sizeof CUSTOM_HEADER_PREFIX - 1) == 0)
        return true;
    for (size_t i = 0; target->header_allowlist && target->header_allowlist[i]; i++)
        if (strcasecmp(name, target->header_allowlist[i]) == 0)
            return true;
    return false;
}

static bool is_there(const invocation *in, const char *name)
{
    for (size_t i = 0; i < in->header_count; i++)
        if (strcasecmp(in->headers[i].name, name) == 0)
            return true;
    return false;
}

static ac_status add_wanted(invocation *in, ac_error *err)
{
    const http_request *request = http_exchange_request(in->call->exchange);

    for (size_t i = 0; i < request->header_count; i++) {
        const char *name = request->headers[i].name;
        const char *value;

        if (!is_wanted(in->target, name) || is_there(in, name))
            continue;
        /* A signature is for agentcored alone: whoever has it could send the request again.  So is what another daemon
         * says of the caller. */
        if (strcasecmp(name, PEER_HEADER) == 0 ||
            (strcasecmp(name, "Authorization") == 0 && in->call->caller.access_key))
            continue;
        value = http_exchange_header(in->call->exchange, name);
        if (strlen(value) > FORWARDED_VALUE_MAX)
            return ac_error_set(err, AC_ERR_INVALID, "The header %s is longer than %d bytes", name,
                                FORWARDED_VALUE_MAX);
        AC_TRY(invocation_header(in, name, value, err));
    }
    return AC_OK;
}

/* Whom the agent acts for: the user that the caller names, else the one he acts for himself, else who holds the bearer
 * token.  Whoever comes with a bearer token is a user himself, and his word is not enough to make him another. */
static ac_status add_identity(invocation *in, ac_error *err)
{
    front_call *call = in->call;
    const store *s = in->room->store;
    const char *chain = http_exchange_header(call->exchange, IDENTITY_TOKEN_HEADER);
    int64_t now_s = clock_unix_ms() / 1000;
    workload_token who = {.account = in->target->account, .workload = in->target->workload_identity}, before;
    const char *text;

    who.user = call->caller.claims ? NULL : http_exchange_header(call->exchange, USER_ID_HEADER);
    if (!who.user && chain && workload_token_read(s, chain, now_s, call->memory, &before, NULL) == AC_OK &&
        strcmp(before.account, who.account) == 0) { /* another account's users are not this one's */
        who.user = before.user;
        who.issuer = before.issuer;
        who.subject = before.subject;
    } else if (!who.user && call->caller.claims) {
        who.issuer = jwt_claims_issuer(call->caller.claims);
        who.subject = jwt_claims_subject(call->caller.claims);
    }
    AC_TRY(workload_token_make(s, &who, now_s, call->memory, &text, err));
    AC_TRY(invocation_header(in, WORKLOAD_TOKEN_HEADER, text, err));
    return invocation_header(in, IDENTITY_TOKEN_HEADER, text, err);
}

ac_status headers_to_agent(invocation *in, ac_error *err)
{
    AC_TRY(invocation_header(in, "Host", "127.0.0.1", err));
    AC_TRY(add_passed_on(in, err));
    AC_TRY(invocation_header(in, SESSION_ID_HEADER, in->session_id, err));
    AC_TRY(invocation_header(in, REQUEST_ID_HEADER, in->call->request_id, err));
    AC_TRY(add_identity(in, err));
    return add_wanted(in, err); /* last: what is there by now is not the caller's to say */
}

/* ---- back ---- */

static const char *header_of(const http_upstream_head *head, const char *name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (strcasecmp(head->headers[i].name, name) == 0)
            return head->headers[i].value;
    return NULL;
}

static void add_returned(invocation *in, const char *name, const char *value)
{
    if (value && in->returned_count < RETURNED_MAX && http_field_valid(name, value))
        in->returned[in->returned_count++] = (http_field){name, value};
}

void headers_to_client(invocation *in, const http_upstream_head *head, http_relay_answer *ret_answer)
{
    const char *type = header_of(head, "Content-Type");

    in->returned_count = 0;
    add_returned(in, "x-amzn-RequestId", in->call->request_id);
    add_returned(in, SESSION_ID_HEADER, in->session_id);
    for (size_t i = 0; i < ARRAY_SIZE(passed_back); i++) {
        const char *value = header_of(head, passed_back[i]);

        add_returned(in, passed_back[i], value ? value : http_exchange_header(in->call->exchange, passed_back[i]));
    }
    if (head->status == 101)
        add_returned(in, "Sec-WebSocket-Protocol", in->subprotocol); /* NULL: the agent's, which the relay passes on */
    else
        ret_answer->content_type = type && http_field_valid("Content-Type", type) ? type : "application/octet-stream";
    ret_answer->fields = in->returned;
    ret_answer->field_count = in->returned_count;
}
