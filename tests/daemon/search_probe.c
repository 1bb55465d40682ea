/* search_probe.c - memory search with an embeddings service, for tests in Python.
 *
 * In: {"url", "records": [[{"id", "text"}...]...], "queries": [text...], "nearest": [text...]}: each list of records is
 *     one more version of the only namespace; all queries are asked after each version.
 * Out, a line for each query: [{"id", "score"}...]; then, with nearest, a line with the scores of those texts against
 *     the first query. */
#include "daemon/memory/search/search.h"

#include <agentcore/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXTS_MAX 100

static yyjson_val *versions;
static int64_t newest;

static ac_status load(void *user, const char *memory, const char *namespace_name, int64_t since_version,
                      search_sink *sink, int64_t *ret_version, ac_error *err)
{
    (void)user;
    (void)memory;
    (void)namespace_name;
    for (int64_t version = since_version; version < newest; version++) {
        yyjson_val *one;
        size_t at, max;

        yyjson_arr_foreach(yyjson_arr_get(versions, (size_t)version), at, max, one)
        {
            yyjson_val *text = yyjson_obj_get(one, "text");
            search_record record = {
                .id = ac_json_string(one, "id", ""), .text = yyjson_get_str(text), .text_length = yyjson_get_len(text)};

            AC_TRY(search_sink_put(sink, &record, err));
        }
    }
    *ret_version = newest;
    return AC_OK;
}

static void ask(memory_search *search, yyjson_val *text)
{
    _cleanup_(arena_done) arena a = ARENA_INIT;
    search_namespace namespaces[] = {{"n", newest}};
    search_query query = {.memory = "memory",
                          .namespaces = namespaces,
                          .namespace_count = 1,
                          .text = yyjson_get_str(text),
                          .text_length = yyjson_get_len(text),
                          .matches_only = true};
    search_hit *hits;
    size_t count;
    ac_error err;

    if (memory_search_query(search, &query, &a, &hits, &count, &err) != AC_OK) {
        printf("\"%s\"\n", ac_status_name(err.status));
        return;
    }
    printf("[");
    for (size_t i = 0; i < count; i++)
        printf("%s{\"id\": \"%s\", \"score\": %.6f}", i ? ", " : "", hits[i].id, hits[i].score);
    printf("]\n");
}

static void compare(memory_search *search, yyjson_val *text, yyjson_val *nearest)
{
    search_text texts[TEXTS_MAX];
    double scores[TEXTS_MAX];
    size_t count = MIN(yyjson_arr_size(nearest), (size_t)TEXTS_MAX);
    ac_error err;

    for (size_t i = 0; i < count; i++) {
        yyjson_val *one = yyjson_arr_get(nearest, i);
        texts[i] = (search_text){yyjson_get_str(one), yyjson_get_len(one)};
    }
    if (memory_search_nearest(search, yyjson_get_str(text), yyjson_get_len(text), texts, count, scores, &err) != AC_OK)
        return;
    for (size_t i = 0; i < count; i++)
        printf("%s%.6f", i ? ", " : "[", scores[i]);
    printf("]\n");
}

int main(void)
{
    static char input[1 << 20];
    size_t length = fread(input, 1, sizeof input, stdin), at, max;
    yyjson_doc *doc = yyjson_read(input, length, 0);
    yyjson_val *root = yyjson_doc_get_root(doc), *queries = yyjson_obj_get(root, "queries"), *text;
    embeddings_options embedded = {
        .url = ac_json_string(root, "url", NULL), .model = "m", .timeout_ms = 20000, .attempts_max = 1};
    search_options options = {.source = {load, NULL}, .wordnet_dir = "/nowhere"};
    memory_search *search;
    ac_error err;

    ac_log_set_level(AC_LOG_OFF);
    if (embeddings_open(&embedded, &options.embeddings, &err) != AC_OK ||
        memory_search_open(&options, &search, &err) != AC_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    versions = yyjson_obj_get(root, "records");
    for (newest = 1; newest <= (int64_t)yyjson_arr_size(versions); newest++) {
        yyjson_arr_foreach(queries, at, max, text)
        {
            ask(search, text);
        }
    }
    if (yyjson_obj_get(root, "nearest"))
        compare(search, yyjson_arr_get_first(queries), yyjson_obj_get(root, "nearest"));
    memory_search_close(search);
    embeddings_close(options.embeddings);
    yyjson_doc_free(doc);
    return 0;
}
