/* invoke_agent.c - ask a deployed agent and print its answer, which is JSON.
 *
 *     invoke_agent arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/my-runtime [PROMPT [SESSION-ID]]
 *
 * Credentials, region and endpoint are taken from the environment, as every AWS SDK does. */
#include <agentcore/runtime_client.h>
#include <stdio.h>
#include <stdlib.h>

static int failed(const ac_error *err)
{
    fprintf(stderr, "%s: %s\n", err->aws_name[0] ? err->aws_name : ac_status_name(err->status), err->message);
    return 1;
}

int main(int argc, char **argv)
{
    const char *prompt = argc > 2 ? argv[2] : "Tell me a joke";
    ac_runtime_options options = {.session_id = argc > 3 ? argv[3] : NULL};
    ac_client *client = NULL;
    yyjson_doc *result = NULL;
    ac_error err;

    if (argc < 2) {
        fprintf(stderr, "usage: %s ARN [PROMPT [SESSION-ID]]\n", argv[0]);
        return 2;
    }
    ac_status status = ac_client_new(NULL, &client, &err);
    if (status == AC_OK)
        status = ac_runtime_invoke_pack(client, argv[1], &options, &result, &err, "{s:s}", "prompt", prompt);
    if (status == AC_OK) {
        char *text = yyjson_write(result, YYJSON_WRITE_PRETTY, NULL);
        puts(text ? text : "?");
        free(text);
    }
    yyjson_doc_free(result);
    ac_client_free(client);
    return status == AC_OK ? 0 : failed(&err);
}
