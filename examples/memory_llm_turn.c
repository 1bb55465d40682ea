/* memory_llm_turn.c - a turn with a language model of your own: it is given what is remembered, and what was said and
 * answered is kept.
 *
 *     memory_llm_turn MEMORY-ID [ACTOR-ID [SESSION-ID [INPUT]]]
 *
 * Credentials, region and endpoint are taken from the environment, as every AWS SDK does. */
#include "memory_example.h"

#include <stdlib.h>

/* Call your model here, with the memories as its context. */
static ac_status my_llm(const char *input, yyjson_val *memories, void *userdata, char **ret_response, ac_error *err)
{
    FILE *out = NULL;
    size_t length = 0, i, n;
    yyjson_val *record;

    (void)userdata;
    out = open_memstream(ret_response, &length);
    if (!out)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    fputs("Based on ", out);
    yyjson_arr_foreach(memories, i, n, record) fprintf(out, "%s%s", i ? "\n" : "", record_text(record));
    fprintf(out, ", here's my response to: %s", input);
    return fclose(out) == 0 ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

int main(int argc, char **argv)
{
    const ac_memory_retrieval retrievals[] = {
        {.namespace_template = "support/facts/{sessionId}/", .top_k = 5, .relevance_score = 0.3},
        {.namespace_template = "user/preferences/{actorId}/", .top_k = 3, .relevance_score = 0.5},
    };
    const ac_memory_turn_options options = {.retrievals = retrievals, .retrieval_count = 2};
    const char *input = argc > 4 ? argv[4] : "What did we discuss about my preferences?";
    ac_client *client = NULL;
    ac_memory_session *session = NULL;
    ac_memory_turn turn = {0};
    ac_error err;

    if (argc < 2) {
        fprintf(stderr, "usage: %s MEMORY-ID [ACTOR-ID [SESSION-ID [INPUT]]]\n", argv[0]);
        return 2;
    }
    ac_status status = ac_client_new(NULL, &client, &err);
    if (status == AC_OK)
        status = ac_memory_session_new(client, argv[1], argc > 2 ? argv[2] : "user-123",
                                       argc > 3 ? argv[3] : "session-456", &session, &err);
    if (status == AC_OK)
        status = ac_memory_process_turn(session, input, my_llm, NULL, &options, &turn, &err);
    if (status == AC_OK)
        puts(turn.response);
    ac_memory_turn_done(&turn);
    ac_memory_session_free(session);
    ac_client_free(client);
    return example_ended(status, &err);
}
