/* agent.c - what the agent does.
 *
 *     {"prompt": "Hello!"}                    is answered with {"response": "You said: Hello!"}
 *     {"prompt": "Hello!", "stream": true}    word by word, as Server-Sent Events */
#include "agent.h"

#include <string.h>

/* One event for each word, sent when it is there: a model's tokens would go the same way. */
static ac_status send_words(ac_request *request, ac_reply *reply, const char *text)
{
    while (*text) {
        int length = (int)strcspn(text, " ");
        const char *word = ac_request_format(request, "%.*s", length, text);
        ac_status status = ac_reply_send_pack(reply, "{s:s?}", "word", word);

        if (status != AC_OK)
            return status; /* the caller has gone */
        text += length;
        text += strspn(text, " ");
    }
    return AC_OK;
}

static ac_status invoke(ac_request *request, ac_reply *reply, void *user)
{
    yyjson_val *payload = ac_request_payload(request);
    const char *prompt = ac_json_string(payload, "prompt", NULL);

    (void)user;
    if (!prompt)
        return ac_reply_fail(reply, 400, "the payload needs a \"prompt\"");
    ac_log_info("A prompt of %zu bytes", strlen(prompt));
    if (ac_json_bool(payload, "stream", false))
        return send_words(request, reply, prompt);

    /* Your own logic comes here: ask a model, call tools, ... */
    return ac_reply_pack(reply, "{s:s?}", "response", ac_request_format(request, "You said: %s", prompt));
}

ac_app *agent_new(const ac_app_options *options)
{
    ac_app *app = ac_app_new(options);

    if (app && ac_app_entrypoint(app, invoke, NULL) != AC_OK) {
        ac_app_free(app);
        app = NULL;
    }
    return app;
}
