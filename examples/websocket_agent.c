/* websocket_agent.c - talk both ways over one WebSocket.
 *
 *     python3 -m websockets ws://127.0.0.1:8080/ws
 *
 * and type, for example:
 *
 *     {"action": "echo", "message": "hello"}
 *     {"action": "stream", "count": 3}
 *     {"action": "close"} */
#include "port.h"

#include <agentcore/agentcore.h>
#include <stdio.h>
#include <string.h>

static ac_status stream(ac_websocket *websocket, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        char text[64];
        snprintf(text, sizeof(text), "Chunk %lld of %lld", (long long)(i + 1), (long long)count);
        ac_status status =
            ac_websocket_send_pack(websocket, "{s:s, s:I, s:s}", "type", "stream_chunk", "chunk_id", i, "data", text);
        if (status != AC_OK)
            return status;
    }
    return ac_websocket_send_pack(websocket, "{s:s}", "type", "stream_complete");
}

static ac_status answer(ac_websocket *websocket, const ac_context *context, yyjson_val *data)
{
    const char *action = ac_json_string(data, "action", "");
    if (strcmp(action, "echo") == 0)
        return ac_websocket_send_pack(websocket, "{s:s, s:s?, s:s?}", "type", "echo_response", "message",
                                      ac_json_string(data, "message", NULL), "session_id",
                                      ac_context_session_id(context));
    if (strcmp(action, "stream") == 0)
        return stream(websocket, ac_json_int(data, "count", 3));
    if (strcmp(action, "close") == 0)
        return AC_ERR_CLOSED;
    return AC_OK;
}

static ac_status serve(ac_websocket *websocket, const ac_context *context, void *user)
{
    (void)user;
    ac_status status = ac_websocket_accept(websocket, NULL);
    while (status == AC_OK) {
        yyjson_doc *doc = NULL;
        status = ac_websocket_receive_json(websocket, &doc, -1);
        if (status == AC_OK)
            status = answer(websocket, context, yyjson_doc_get_root(doc));
        yyjson_doc_free(doc);
    }
    ac_websocket_close(websocket, 1000, NULL);
    return status;
}

int main(int argc, char **argv)
{
    ac_app *app = ac_app_new(&(ac_app_options){.port = port_argument(argc, argv)});
    if (!app)
        return 1;
    ac_app_websocket(app, serve, NULL);

    int exit_code = ac_app_run(app, NULL);
    ac_app_free(app);
    return exit_code;
}
