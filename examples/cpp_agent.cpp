// cpp_agent.cpp - the minimal agent in C++: the headers are C++ headers too, and a lambda is a handler.
//
//     curl -d '{"prompt": "hello"}' http://127.0.0.1:8080/invocations
//
// answers {"response": "You said: hello"}.
#include "port.h"

#include <agentcore/agentcore.h>
#include <memory>
#include <string>

int main(int argc, char **argv)
{
    ac_app_options options{};
    options.port = port_argument(argc, argv);

    std::unique_ptr<ac_app, void (*)(ac_app *)> app(ac_app_new(&options), ac_app_free);
    if (!app)
        return 1;

    auto invoke = [](ac_request *request, ac_reply *reply, void *) {
        std::string message = ac_json_string(ac_request_payload(request), "prompt", "No prompt provided");
        ac_log_info("Received prompt: %s", message.c_str());
        return ac_reply_pack(reply, "{s:s}", "response", ("You said: " + message).c_str());
    };
    ac_app_entrypoint(app.get(), invoke, nullptr);

    return ac_app_run(app.get(), nullptr);
}
