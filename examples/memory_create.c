/* memory_create.c - a memory that draws knowledge from conversations: summaries, preferences and facts.  Prints its id.
 *
 *     memory_create [NAME]
 *
 * Credentials, region and endpoint are taken from the environment, as every AWS SDK does. */
#include "memory_example.h"

int main(int argc, char **argv)
{
    const ac_memory_strategy strategies[] = {
        {.kind = AC_MEMORY_SUMMARY,
         .name = "SessionSummarizer",
         .namespace_template = "/summaries/{actorId}/{sessionId}/"},
        {.kind = AC_MEMORY_USER_PREFERENCE,
         .name = "PreferenceLearner",
         .namespace_template = "/preferences/{actorId}/"},
        {.kind = AC_MEMORY_SEMANTIC, .name = "FactExtractor", .namespace_template = "/facts/{actorId}/"},
    };
    const ac_memory_spec spec = {
        .name = argc > 1 ? argv[1] : "SmartAgentMemory",
        .description = "Memory with automatic knowledge extraction",
        .strategies = strategies,
        .strategy_count = sizeof(strategies) / sizeof(strategies[0]),
    };
    ac_client *client = NULL;
    yyjson_doc *memory = NULL;
    ac_error err;

    ac_status status = ac_client_new(NULL, &client, &err);
    if (status == AC_OK)
        status = ac_memory_create_and_wait(client, &spec, NULL, &memory, &err);
    if (status == AC_OK)
        puts(ac_json_string(yyjson_doc_get_root(memory), "id", "?"));
    yyjson_doc_free(memory);
    ac_client_free(client);
    return example_ended(status, &err);
}
