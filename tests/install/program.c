/* program.c - what somebody outside the repository would write first; scripts/check-install builds it. */
#include <agentcore/agentcore.h>
#include <agentcore/testing.h>
#include <stdio.h>
#include <string.h>

static ac_status invoke(ac_request *request, ac_reply *reply, void *user)
{
    (void)user;
    const char *prompt = ac_json_string(ac_request_payload(request), "prompt", "nothing");
    return ac_reply_pack(reply, "{s:s}", "response", prompt);
}

int main(void)
{
    ac_app *app = ac_app_new(NULL);
    if (!app || ac_app_entrypoint(app, invoke, NULL) != AC_OK)
        return 1;

    ac_test_client *client = ac_test_client_new(app, NULL);
    if (!client)
        return 1;
    ac_test_response *response = ac_test_post(client, "/invocations", "{\"prompt\": \"Hello!\"}");
    int good = response && response->status == 200 && strstr(response->body, "Hello!") != NULL;
    ac_test_client_free(client);
    ac_app_free(app);

    if (good && strcmp(ac_version(), AC_VERSION) == 0)
        printf("%s\n", ac_version());
    return good ? 0 : 1;
}
