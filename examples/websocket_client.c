/* websocket_client.c - talk to a deployed agent over a WebSocket, signed with AWS credentials.
 *
 *     websocket_client arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/my-runtime [SESSION-ID]
 *
 * With another WebSocket library: ac_runtime_ws_connection gives the URL and the signed headers. */
#include <agentcore/runtime_client.h>
#include <stdio.h>

#define WAIT_MS 60000

static int failed(const ac_error *err)
{
    fprintf(stderr, "%s: %s\n", err->aws_name[0] ? err->aws_name : ac_status_name(err->status), err->message);
    return 1;
}

static ac_status talk(ac_runtime_ws *ws, ac_error *err)
{
    ac_runtime_message message;
    ac_status status = ac_runtime_ws_send_pack(ws, WAIT_MS, err, "{s:s}", "prompt", "Hello!");

    if (status == AC_OK)
        status = ac_runtime_ws_receive(ws, WAIT_MS, &message, err);
    if (status == AC_OK) {
        printf("Received: %s\n", message.data);
        status = ac_runtime_ws_close(ws, 0, NULL, WAIT_MS, err);
    }
    return status;
}

int main(int argc, char **argv)
{
    ac_runtime_ws_options options = {.session_id = argc > 2 ? argv[2] : NULL, .qualifier = "DEFAULT"};
    ac_client *client = NULL;
    ac_runtime_ws *ws = NULL;
    ac_error err;

    if (argc < 2) {
        fprintf(stderr, "usage: %s ARN [SESSION-ID]\n", argv[0]);
        return 2;
    }
    ac_status status = ac_client_new(NULL, &client, &err);
    if (status == AC_OK)
        status = ac_runtime_ws_connect(client, argv[1], &options, &ws, &err);
    if (status == AC_OK)
        status = talk(ws, &err);
    ac_runtime_ws_free(ws);
    ac_client_free(client);
    return status == AC_OK ? 0 : failed(&err);
}
