/* memory_agent.c - an agent that remembers its users: every turn is kept, and what was learnt from earlier ones comes
 * back with the next.
 *
 *     MEMORY_ID=... memory_agent [PORT]
 *     curl -d '{"prompt": "I like sushi with tuna", "user": "user-123"}' http://127.0.0.1:8080/invocations
 *
 * answers {"response": ...}.  The session is that of the request, or one of its own. */
#include "memory_example.h"
#include "port.h"

#include <agentcore/agentcore.h>
#include <stdlib.h>

typedef struct memory_agent {
    ac_client *client;
    const char *memory_id;
} memory_agent;

/* Where a language model is called: "You are a helpful assistant with memory."  This one says what it was given. */
static ac_status assistant(const char *input, yyjson_val *memories, void *userdata, char **ret_response, ac_error *err)
{
    size_t length = 0, i, n;
    FILE *out = open_memstream(ret_response, &length);
    yyjson_val *record;

    (void)userdata;
    if (!out)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    fprintf(out, "You said: %s", input);
    yyjson_arr_foreach(memories, i, n, record) fprintf(out, "%s%s", i ? "; " : " - I remember: ", record_text(record));
    return fclose(out) == 0 ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static ac_status invoke(ac_request *request, ac_reply *reply, void *user)
{
    static const ac_memory_retrieval retrievals[] = {
        {.namespace_template = "/preferences/{actorId}/", .top_k = 5, .relevance_score = 0.7},
        {.namespace_template = "/facts/{actorId}/", .top_k = 10, .relevance_score = 0.3},
    };
    static const ac_memory_turn_options options = {.retrievals = retrievals, .retrieval_count = 2};
    const memory_agent *agent = user;
    yyjson_val *payload = ac_request_payload(request);
    ac_memory_session *session = NULL;
    ac_memory_turn turn = {0};
    ac_error err;

    ac_status status =
        ac_memory_session_new(agent->client, agent->memory_id, ac_json_string(payload, "user", "user-123"),
                              ac_context_session_id(ac_request_context(request)), &session, &err);
    if (status == AC_OK)
        status = ac_memory_process_turn(session, ac_json_string(payload, "prompt", ""), assistant, NULL, &options,
                                        &turn, &err);
    status = status == AC_OK ? ac_reply_pack(reply, "{s:s}", "response", turn.response)
                             : ac_reply_fail(reply, 500, "%s", err.message);
    ac_memory_turn_done(&turn);
    ac_memory_session_free(session);
    return status;
}

int main(int argc, char **argv)
{
    memory_agent agent = {.memory_id = getenv("MEMORY_ID")};
    ac_error err;

    if (!agent.memory_id) {
        fprintf(stderr, "MEMORY_ID is not set\n");
        return 2;
    }
    ac_status status = ac_client_new(NULL, &agent.client, &err);
    if (status != AC_OK)
        return example_ended(status, &err);
    ac_app *app = ac_app_new(&(ac_app_options){.port = port_argument(argc, argv)});
    if (app)
        ac_app_entrypoint(app, invoke, &agent);
    int exit_code = app ? ac_app_run(app, NULL) : 1;
    ac_app_free(app);
    ac_client_free(agent.client);
    return exit_code;
}
