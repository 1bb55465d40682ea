/* invoke.c - InvokeAgentRuntime and GetAgentCard: requests to an agent, relayed. */
#include "daemon/runtime/invocation.h"

/* Where each protocol's requests go. */
static const char *const paths[] = {
    [RUNTIME_HTTP] = "/invocations",
    [RUNTIME_MCP] = "/mcp",
    [RUNTIME_A2A] = "/",
    [RUNTIME_AGUI] = "/invocations",
};

ac_status invoke_agent_runtime(front_call *call, ac_error *err)
{
    _cleanup_(invocation_dropp) invocation *in = NULL;
    ac_status status;

    AC_TRY(invocation_open(call, front_text(call, "runtimeSessionId"), &in, err));
    if (!in)
        return AC_OK;
    status = invocation_start(in, "POST", paths[in->target->protocol], call->payload, false, err);
    if (status == AC_OK)
        (void)TAKE_PTR(in); /* the relay's by now, and perhaps gone */
    return status;
}

ac_status get_agent_card(front_call *call, ac_error *err)
{
    _cleanup_(invocation_dropp) invocation *in = NULL;
    ac_status status;

    AC_TRY(invocation_open(call, front_text(call, "runtimeSessionId"), &in, err));
    if (!in)
        return AC_OK;
    if (in->target->protocol != RUNTIME_A2A)
        return ac_error_set(err, AC_ERR_INVALID, "Only runtimes whose serverProtocol is A2A have an agent card");
    status = invocation_start(in, "GET", "/.well-known/agent-card.json", (view){NULL, 0}, false, err);
    if (status == AC_OK)
        (void)TAKE_PTR(in);
    return status;
}
