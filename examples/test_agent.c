/* test_agent.c - a unit test of an agent: requests without a port or a socket.
 *
 *     ./test_agent && echo passed */
#undef NDEBUG /* the assertions are the test */

#include <agentcore/agentcore.h>
#include <agentcore/testing.h>
#include <assert.h>
#include <string.h>

static ac_status handler(ac_request *request, ac_reply *reply, void *user)
{
    (void)user;
    return ac_reply_pack(reply, "{s:s?}", "echo", ac_json_string(ac_request_payload(request), "message", NULL));
}

static void test_invocation(ac_test_client *client)
{
    ac_test_response *response = ac_test_post(client, "/invocations", "{\"message\": \"hello\"}");
    assert(response && response->status == 200);
    assert(strcmp(ac_json_string(response->json, "echo", ""), "hello") == 0);
}

static void test_ping(ac_test_client *client)
{
    ac_test_response *response = ac_test_get(client, "/ping");
    assert(response && response->status == 200);
    assert(strcmp(ac_json_string(response->json, "status", ""), "Healthy") == 0);
}

int main(void)
{
    ac_app *app = ac_app_new(NULL);
    assert(app);
    ac_app_entrypoint(app, handler, NULL);
    ac_test_client *client = ac_test_client_new(app, NULL);
    assert(client);

    test_invocation(client);
    test_ping(client);

    ac_test_client_free(client);
    ac_app_free(app);
    return 0;
}
