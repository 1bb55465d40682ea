/* minimal_agent.c - the simplest agent: JSON in, JSON out.
 *
 *     curl -d '{"prompt": "hello"}' http://127.0.0.1:8080/invocations
 *
 * answers {"response": "You said: hello"}. */
#include "port.h"

#include <agentcore/agentcore.h>

static ac_status invoke(ac_request *request, ac_reply *reply, void *user)
{
    (void)user;
    const char *message = ac_json_string(ac_request_payload(request), "prompt", "No prompt provided");
    ac_log_info("Received prompt: %s", message);

    /* Your own logic comes here: call a language model, run rules, ... */
    const char *answer = ac_request_format(request, "You said: %s", message);
    return ac_reply_pack(reply, "{s:s}", "response", answer);
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
