/* workload_identity.c - call AgentCore from C: make an identity for an agent, read it, list all, delete it.
 *
 *     eval "$(agentcored env)"      # or credentials for AWS itself
 *     workload_identity my-agent
 *
 * Any operation is called in the same way, by its name and members in the AWS API. */
#include <agentcore/agentcore.h>
#include <agentcore/client.h>
#include <stdio.h>

static int failed(const char *what, const ac_error *err)
{
    fprintf(stderr, "%s: %s: %s\n", what, err->aws_name[0] ? err->aws_name : ac_status_name(err->status), err->message);
    return 1;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "my-agent";
    ac_client *client = NULL;
    yyjson_doc *answer = NULL;
    ac_error err;

    if (ac_client_new(NULL, &client, &err) != AC_OK)
        return failed("client", &err);

    if (ac_client_call_pack(client, "CreateWorkloadIdentity", &answer, &err, "{s:s}", "name", name) != AC_OK)
        return failed("create", &err);
    printf("created %s\n", ac_json_string(yyjson_doc_get_root(answer), "workloadIdentityArn", "?"));
    yyjson_doc_free(answer);

    if (ac_client_call_pack(client, "GetWorkloadIdentity", &answer, &err, "{s:s}", "name", name) != AC_OK)
        return failed("get", &err);
    printf("made at %lld ms\n", (long long)ac_json_int(yyjson_doc_get_root(answer), "createdTime", 0));
    yyjson_doc_free(answer);

    if (ac_client_call(client, "ListWorkloadIdentities", NULL, &answer, &err) != AC_OK)
        return failed("list", &err);
    printf("there are %zu\n", yyjson_arr_size(yyjson_obj_get(yyjson_doc_get_root(answer), "workloadIdentities")));
    yyjson_doc_free(answer);

    if (ac_client_call_pack(client, "DeleteWorkloadIdentity", NULL, &err, "{s:s}", "name", name) != AC_OK)
        return failed("delete", &err);
    printf("deleted %s\n", name);
    ac_client_free(client);
    return 0;
}
