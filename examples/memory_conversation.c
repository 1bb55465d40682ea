/* memory_conversation.c - keep turns of a conversation, and read the last of them.
 *
 *     memory_conversation MEMORY-ID [ACTOR-ID [SESSION-ID]]
 *
 * Credentials, region and endpoint are taken from the environment, as every AWS SDK does. */
#include "memory_example.h"

static void print_turns(yyjson_val *turns)
{
    yyjson_val *turn, *message;
    size_t i, n, j, m;

    yyjson_arr_foreach(turns, i, n, turn)
    {
        yyjson_arr_foreach(turn, j, m, message)
            printf("%s: %s\n", ac_json_string(message, "role", "?"), record_text(message));
    }
}

int main(int argc, char **argv)
{
    const ac_memory_message messages[] = {
        {.role = AC_MEMORY_USER, .text = "I love eating apples and cherries"},
        {.role = AC_MEMORY_ASSISTANT, .text = "Apples are very good for you!"},
    };
    ac_client *client = NULL;
    ac_memory_session *session = NULL;
    yyjson_doc *turns = NULL;
    ac_error err;

    if (argc < 2) {
        fprintf(stderr, "usage: %s MEMORY-ID [ACTOR-ID [SESSION-ID]]\n", argv[0]);
        return 2;
    }
    ac_status status = ac_client_new(NULL, &client, &err);
    if (status == AC_OK)
        status = ac_memory_session_new(client, argv[1], argc > 2 ? argv[2] : "user-123",
                                       argc > 3 ? argv[3] : "session-456", &session, &err);
    if (status == AC_OK)
        status = ac_memory_add_turns(session, messages, 2, NULL, NULL, &err);
    if (status == AC_OK)
        status = ac_memory_last_turns(session, 10, NULL, &turns, &err);
    if (status == AC_OK)
        print_turns(yyjson_doc_get_root(turns));
    yyjson_doc_free(turns);
    ac_memory_session_free(session);
    ac_client_free(client);
    return example_ended(status, &err);
}
