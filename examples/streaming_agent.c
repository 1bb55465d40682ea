/* streaming_agent.c - answer piece by piece, as Server-Sent Events.
 *
 *     curl -N -d '{"prompt": "hello"}' http://127.0.0.1:8080/invocations
 *
 * answers five lines like `data: {"chunk": 0, "text": "Processing chunk 0..."}` and a final one. */
#include "port.h"

#include <agentcore/agentcore.h>
#include <stdio.h>

static ac_status stream(ac_request *request, ac_reply *reply, void *user)
{
    (void)request;
    (void)user;
    for (int i = 0; i < 5; i++) {
        char text[64];
        snprintf(text, sizeof(text), "Processing chunk %d...", i);
        ac_status status = ac_reply_send_pack(reply, "{s:i, s:s}", "chunk", i, "text", text);
        if (status != AC_OK)
            return status; /* the client went away: no need to go on */
    }
    return ac_reply_send_pack(reply, "{s:s, s:s}", "chunk", "final", "text", "Done!");
}

int main(int argc, char **argv)
{
    ac_app *app = ac_app_new(&(ac_app_options){.port = port_argument(argc, argv)});
    if (!app)
        return 1;
    ac_app_entrypoint(app, stream, NULL);

    int exit_code = ac_app_run(app, NULL);
    ac_app_free(app);
    return exit_code;
}
