/* invoke_streaming.c - ask a deployed agent that streams, and print each event as soon as the agent has sent it.
 *
 *     invoke_streaming arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/my-runtime
 *
 * Ctrl-C ends it; the agent is told that nobody listens any more. */
#include <agentcore/runtime_client.h>
#include <stdio.h>

static const char payload[] = "{\"prompt\": \"Count to three\"}";

static int failed(const ac_error *err)
{
    fprintf(stderr, "%s: %s\n", err->aws_name[0] ? err->aws_name : ac_status_name(err->status), err->message);
    return 1;
}

int main(int argc, char **argv)
{
    ac_client *client = NULL;
    ac_runtime_stream *stream = NULL;
    ac_runtime_event event = {.data = ""};
    ac_error err;

    if (argc < 2) {
        fprintf(stderr, "usage: %s ARN\n", argv[0]);
        return 2;
    }
    ac_status status = ac_client_new(NULL, &client, &err);
    if (status == AC_OK)
        status = ac_runtime_open(client, argv[1], payload, sizeof payload - 1, NULL, &stream, &err);
    while (status == AC_OK && event.data) {
        status = ac_runtime_stream_event(stream, -1, &event, &err);
        if (event.data)
            puts(event.data);
        fflush(stdout);
    }
    ac_runtime_stream_close(stream);
    ac_client_free(client);
    return status == AC_OK ? 0 : failed(&err);
}
