/* presigned_url.c - make a URL with which a browser can talk to a deployed agent for five minutes, without credentials.
 *
 *     presigned_url arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/my-runtime [SECONDS]
 *
 * In the browser: const ws = new WebSocket(url); */
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
    const ac_header query[] = {{"user_type", "premium"}};
    ac_runtime_presign_options options = {
        .qualifier = "DEFAULT",
        .query = query,
        .query_count = 1,
        .expires_s = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 300,
    };
    ac_client *client = NULL;
    char *url = NULL;
    ac_error err;

    if (argc < 2) {
        fprintf(stderr, "usage: %s ARN [SECONDS]\n", argv[0]);
        return 2;
    }
    ac_status status = ac_client_new(NULL, &client, &err);
    if (status == AC_OK)
        status = ac_runtime_presigned_url(client, argv[1], &options, &url, &err);
    if (status == AC_OK)
        puts(url);
    free(url);
    ac_client_free(client);
    return status == AC_OK ? 0 : failed(&err);
}
