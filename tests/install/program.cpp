// program.cpp - the same from C++: the headers must compile there and the symbols must have C names.
#include <agentcore/agentcore.h>
#include <agentcore/testing.h>

#include <cstdio>
#include <cstring>
#include <memory>

int main()
{
    std::unique_ptr<ac_app, decltype(&ac_app_free)> app(ac_app_new(nullptr), ac_app_free);
    const char *answer = "from C++";
    auto invoke = [](ac_request *, ac_reply *reply, void *user) -> ac_status {
        return ac_reply_pack(reply, "{s:s}", "response", static_cast<const char *>(user));
    };
    if (!app || ac_app_entrypoint(app.get(), invoke, const_cast<char *>(answer)) != AC_OK)
        return 1;

    std::unique_ptr<ac_test_client, decltype(&ac_test_client_free)> client(ac_test_client_new(app.get(), nullptr),
                                                                           ac_test_client_free);
    ac_test_response *response = client ? ac_test_post(client.get(), "/invocations", "{}") : nullptr;
    if (!response || response->status != 200 || !std::strstr(response->body, answer))
        return 1;
    std::printf("%s\n", ac_version());
    return 0;
}
