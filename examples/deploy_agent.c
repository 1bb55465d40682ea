/* deploy_agent.c - deploy a container image as an agent, or as the next version of one, and wait until it is READY.
 *
 *     deploy_agent NAME IMAGE
 *
 * prints the agent's ARN.  The image is one that the service can find: in a registry for AWS, in the data directory's
 * images/ for agentcored. */
#include <agentcore/agentcore.h>
#include <agentcore/client.h>
#include <agentcore/runtime_client.h>
#include <stdio.h>
#include <string.h>

#define ROLE "arn:aws:iam::123456789012:role/agent"

/* The id of the runtime with this name; "" when there is none. */
static ac_status find_runtime(ac_client *client, const char *name, char *ret_id, size_t size, ac_error *err)
{
    char token[2049] = "";

    ret_id[0] = '\0';
    do {
        yyjson_doc *page = NULL;
        size_t i, count;
        yyjson_val *each;
        ac_status status = ac_client_call_pack(client, "ListAgentRuntimes", &page, err, "{s:s?}", "nextToken",
                                               token[0] ? token : NULL);

        if (status != AC_OK)
            return status;
        yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(page), "agentRuntimes"), i, count, each)
        {
            if (strcmp(ac_json_string(each, "agentRuntimeName", ""), name) == 0)
                snprintf(ret_id, size, "%s", ac_json_string(each, "agentRuntimeId", ""));
        }
        snprintf(token, sizeof token, "%s", ac_json_string(yyjson_doc_get_root(page), "nextToken", ""));
        yyjson_doc_free(page);
    } while (!ret_id[0] && token[0]);
    return AC_OK;
}

int main(int argc, char **argv)
{
    const ac_runtime_wait_options soon = {.max_wait_s = 600, .poll_interval_ms = 100};
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *input;
    yyjson_doc *given, *runtime = NULL;
    ac_client *client = NULL;
    ac_error err = {.status = AC_OK};
    char id[128];
    ac_status status;

    if (argc != 3) {
        fprintf(stderr, "usage: %s NAME IMAGE\n", argv[0]);
        return 2;
    }
    input = ac_json_pack(doc, "{s:{s:{s:s}}, s:s, s:{s:s}}", "agentRuntimeArtifact", "containerConfiguration",
                         "containerUri", argv[2], "roleArn", ROLE, "networkConfiguration", "networkMode", "PUBLIC");
    status = ac_client_new(NULL, &client, &err);
    if (status == AC_OK)
        status = find_runtime(client, argv[1], id, sizeof id, &err);
    if (status == AC_OK) {
        bool known = id[0] != '\0';

        yyjson_mut_obj_add_str(doc, input, known ? "agentRuntimeId" : "agentRuntimeName", known ? id : argv[1]);
        yyjson_mut_doc_set_root(doc, input);
        given = yyjson_mut_doc_imut_copy(doc, NULL);
        status = known ? ac_runtime_update_and_wait(client, yyjson_doc_get_root(given), &soon, &runtime, &err)
                       : ac_runtime_create_and_wait(client, yyjson_doc_get_root(given), &soon, &runtime, &err);
        yyjson_doc_free(given);
    }
    if (status == AC_OK)
        puts(ac_json_string(yyjson_doc_get_root(runtime), "agentRuntimeArn", "?"));
    else
        fprintf(stderr, "%s: %s\n", err.aws_name[0] ? err.aws_name : ac_status_name(status), err.message);
    yyjson_doc_free(runtime);
    yyjson_mut_doc_free(doc);
    ac_client_free(client);
    return status == AC_OK ? 0 : 1;
}
