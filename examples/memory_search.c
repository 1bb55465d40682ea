/* memory_search.c - what is known about something, the best first, with scores from 0 to 1.
 *
 *     memory_search MEMORY-ID [NAMESPACE-PREFIX [QUERY]]
 *
 * Credentials, region and endpoint are taken from the environment, as every AWS SDK does. */
#include "memory_example.h"

int main(int argc, char **argv)
{
    const ac_memory_place place = {.namespace_prefix = argc > 2 ? argv[2] : "/preferences/user-123/"};
    const char *query = argc > 3 ? argv[3] : "what food does the user like";
    ac_client *client = NULL;
    yyjson_doc *memories = NULL;
    yyjson_val *record;
    size_t i, n;
    ac_error err;

    if (argc < 2) {
        fprintf(stderr, "usage: %s MEMORY-ID [NAMESPACE-PREFIX [QUERY]]\n", argv[0]);
        return 2;
    }
    ac_status status = ac_client_new(NULL, &client, &err);
    if (status == AC_OK)
        status = ac_memory_search(client, argv[1], query, &place, 5, &memories, &err);
    yyjson_arr_foreach(yyjson_doc_get_root(memories), i, n, record)
        printf("%.2f %s\n", yyjson_get_num(yyjson_obj_get(record, "score")), record_text(record));
    yyjson_doc_free(memories);
    ac_client_free(client);
    return example_ended(status, &err);
}
