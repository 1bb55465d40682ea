/* oauth_websocket.c - talk to a deployed agent over a WebSocket, with an OAuth token in place of AWS credentials.
 *
 *     BEARER_TOKEN=eyJ... oauth_websocket arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/my-runtime
 *
 * The token is taken from the environment: arguments can be seen by everybody on the machine. */
#include <agentcore/runtime_client.h>
#include <stdio.h>
#include <stdlib.h>

#define WAIT_MS 60000

static int failed(const ac_error *err)
{
    fprintf(stderr, "%s: %s\n", err->aws_name[0] ? err->aws_name : ac_status_name(err->status), err->message);
    return 1;
}

int main(int argc, char **argv)
{
    const char *token = getenv("BEARER_TOKEN");
    ac_runtime_ws_options options = {.bearer_token = token ? token : "", .qualifier = "DEFAULT"};
    ac_runtime_message message;
    ac_client *client = NULL;
    ac_runtime_ws *ws = NULL;
    ac_error err;

    if (argc < 2) {
        fprintf(stderr, "usage: BEARER_TOKEN=... %s ARN\n", argv[0]);
        return 2;
    }
    ac_status status = ac_client_new(NULL, &client, &err);
    if (status == AC_OK)
        status = ac_runtime_ws_connect(client, argv[1], &options, &ws, &err);
    if (status == AC_OK)
        status = ac_runtime_ws_send_text(ws, "{\"prompt\": \"Hello!\"}", WAIT_MS, &err);
    if (status == AC_OK)
        status = ac_runtime_ws_receive(ws, WAIT_MS, &message, &err);
    if (status == AC_OK) {
        printf("Received: %s\n", message.data);
        status = ac_runtime_ws_close(ws, 0, NULL, WAIT_MS, &err);
    }
    ac_runtime_ws_free(ws);
    ac_client_free(client);
    return status == AC_OK ? 0 : failed(&err);
}
