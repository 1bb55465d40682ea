/* test_agent.c - the agent's test: requests in this process, without a port. */
#undef NDEBUG /* the assertions are the test */

#include "agent.h"

#include <agentcore/testing.h>
#include <assert.h>
#include <string.h>

static void answers(ac_test_client *client)
{
    ac_test_response *r = ac_test_post(client, "/invocations", "{\"prompt\": \"Hello!\"}");

    assert(r && r->status == 200);
    assert(strcmp(ac_json_string(r->json, "response", ""), "You said: Hello!") == 0);
}

static void streams(ac_test_client *client)
{
    ac_test_response *r = ac_test_post(client, "/invocations", "{\"prompt\": \"one two\", \"stream\": true}");

    assert(r && r->status == 200 && r->event_count == 2);
    assert(strcmp(r->events[1], "{\"word\": \"two\"}") == 0);
}

static void refuses(ac_test_client *client)
{
    ac_test_response *r = ac_test_post(client, "/invocations", "{}");

    assert(r && r->status == 400);
}

static void is_healthy(ac_test_client *client)
{
    ac_test_response *r = ac_test_get(client, "/ping");

    assert(r && strcmp(ac_json_string(r->json, "status", ""), "Healthy") == 0);
}

int main(void)
{
    ac_app *app = agent_new(NULL);
    ac_test_client *client = app ? ac_test_client_new(app, NULL) : NULL;

    assert(client);
    answers(client);
    streams(client);
    refuses(client);
    is_healthy(client);
    ac_test_client_free(client);
    ac_app_free(app);
    return 0;
}
