/* sync_agent.c - a handler is a plain function: it may block, because it runs on a thread of its own.
 *
 *     curl -d '{}' http://127.0.0.1:8080/invocations
 *
 * answers {"response": "Hello from sync handler"}. */
#include "port.h"

#include <agentcore/agentcore.h>

static ac_status invoke(ac_request *request, ac_reply *reply, void *user)
{
    (void)request;
    (void)user;
    return ac_reply_pack(reply, "{s:s}", "response", "Hello from sync handler");
}

int main(int argc, char **argv)
{
    ac_app *app = ac_app_new(&(ac_app_options){.port = port_argument(argc, argv)});
    if (!app)
        return 1;
    ac_app_entrypoint(app, invoke, NULL);

    int exit_code = ac_app_run(app, NULL);
    ac_app_free(app);
    return exit_code;
}
