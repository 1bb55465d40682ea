/* context_agent.c - who is calling: session, request id, forwarded headers, and what middleware found out.
 *
 *     curl -d '{}' -H 'X-Amzn-Bedrock-AgentCore-Runtime-Session-Id: my-session' -H 'X-User: alice' \
 *         http://127.0.0.1:8080/invocations
 *
 * answers {"session_id": "my-session", "request_id": "...", "headers": {"x-user": "alice"}, "user": "alice"}. */
#include "port.h"

#include <agentcore/agentcore.h>

/* Middleware runs before the handler; what it finds out, the handler gets with ac_request_get. */
static ac_status find_user(ac_request *request, ac_reply *reply, void *user)
{
    (void)reply;
    (void)user;
    const char *name = ac_request_header(request, "X-User");
    return name ? ac_request_set(request, "user", (void *)name) : AC_OK;
}

static ac_status invoke(ac_request *request, ac_reply *reply, void *user)
{
    (void)user;
    const ac_context *context = ac_request_context(request);
    yyjson_mut_doc *doc = ac_reply_doc(reply);
    yyjson_mut_val *forwarded = yyjson_mut_obj(doc);

    size_t count = 0;
    const ac_header *headers = ac_context_headers(context, &count);
    for (size_t i = 0; i < count; i++)
        yyjson_mut_obj_add_str(doc, forwarded, headers[i].name, headers[i].value);

    return ac_reply_pack(reply, "{s:s?, s:s, s:o, s:s?}", "session_id", ac_context_session_id(context), "request_id",
                         ac_context_request_id(context), "headers", forwarded, "user",
                         (const char *)ac_request_get(request, "user"));
}

int main(int argc, char **argv)
{
    ac_app *app = ac_app_new(&(ac_app_options){.port = port_argument(argc, argv)});
    if (!app)
        return 1;
    ac_app_middleware(app, &(ac_middleware){.before = find_user});
    ac_app_entrypoint(app, invoke, NULL);

    int exit_code = ac_app_run(app, NULL);
    ac_app_free(app);
    return exit_code;
}
