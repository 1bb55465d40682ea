/* workload_identity.c - call AgentCore from C: make an identity for an agent, read it, count all, delete it.
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

/* Lists come in pages: the token of one asks for the next. */
static ac_status count_identities(ac_client *client, size_t *ret_count, ac_error *err)
{
    yyjson_doc *page = NULL;
    const char *token = NULL;

    *ret_count = 0;
    do {
        yyjson_doc *before = page;
        ac_status status =
            ac_client_call_pack(client, "ListWorkloadIdentities", &page, err, "{s:s?}", "nextToken", token);

        yyjson_doc_free(before); /* the token was in it */
        if (status != AC_OK)
            return status;
        *ret_count += yyjson_arr_size(yyjson_obj_get(yyjson_doc_get_root(page), "workloadIdentities"));
        token = ac_json_string(yyjson_doc_get_root(page), "nextToken", NULL);
    } while (token);
    yyjson_doc_free(page);
    return AC_OK;
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

    size_t count = 0;
    if (count_identities(client, &count, &err) != AC_OK)
        return failed("list", &err);
    printf("there are %zu\n", count);

    if (ac_client_call_pack(client, "DeleteWorkloadIdentity", NULL, &err, "{s:s}", "name", name) != AC_OK)
        return failed("delete", &err);
    printf("deleted %s\n", name);
    ac_client_free(client);
    return 0;
}
