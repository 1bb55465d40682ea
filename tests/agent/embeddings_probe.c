/* embeddings_probe.c - asks an embedding model what standard input says, and writes what came: the embeddings port for
 * tests in Python.
 *
 * In: {"kind", "url", "model", "key", "dimensions", "timeout_ms", "attempts", "texts": [...], "times"}
 * Out, a line for each time: {"status", "message", "dimensions", "vectors": [[...], ...]} */
#include "agent/embeddings.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXTS_MAX 1000

static yyjson_mut_val *vectors_json(yyjson_mut_doc *doc, const float *vectors, size_t count, unsigned dimensions)
{
    yyjson_mut_val *list = yyjson_mut_arr(doc);

    for (size_t i = 0; i < count; i++) {
        yyjson_mut_val *vector = yyjson_mut_arr_add_arr(doc, list);

        for (unsigned j = 0; j < dimensions; j++)
            yyjson_mut_arr_add_real(doc, vector, (double)vectors[i * dimensions + j]);
    }
    return list;
}

static void embed(embeddings *e, const view *texts, size_t count)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    ac_error err = {.status = AC_OK};
    unsigned dimensions = 0;
    float *vectors = NULL;
    ac_status status = embeddings_dimensions(e, 0, &dimensions, &err);

    if (status == AC_OK) {
        vectors = calloc(count * dimensions + 1, sizeof *vectors);
        status = vectors ? embeddings_of(e, texts, count, 0, vectors, &err) : AC_ERR_NOMEM;
    }
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_strcpy(doc, root, "status", ac_status_name(status));
    yyjson_mut_obj_add_strcpy(doc, root, "message", err.message);
    yyjson_mut_obj_add_uint(doc, root, "dimensions", dimensions);
    if (status == AC_OK)
        yyjson_mut_obj_add_val(doc, root, "vectors", vectors_json(doc, vectors, count, dimensions));
    char *text = yyjson_mut_write(doc, 0, NULL);
    puts(text ? text : "{}");
    free(text);
    free(vectors);
    yyjson_mut_doc_free(doc);
}

int main(void)
{
    static char input[1 << 22];
    size_t length = fread(input, 1, sizeof input, stdin), count, at, max;
    yyjson_doc *doc = yyjson_read(input, length, 0);
    yyjson_val *root = yyjson_doc_get_root(doc), *texts = yyjson_obj_get(root, "texts"), *text;
    bool bedrock = strcmp(ac_json_string(root, "kind", ""), "bedrock") == 0;
    aws_provider *provider = bedrock ? aws_provider_chain(&(aws_chain_options){0}) : NULL;
    static view views[TEXTS_MAX];
    embeddings *e;
    ac_error err;
    embeddings_options options = {
        .kind = bedrock ? EMBEDDINGS_BEDROCK : EMBEDDINGS_OPENAI,
        .url = ac_json_string(root, "url", NULL),
        .model = ac_json_string(root, "model", NULL),
        .api_key = ac_json_string(root, "key", NULL),
        .dimensions = (unsigned)ac_json_int(root, "dimensions", 0),
        .provider = provider,
        .timeout_ms = (unsigned)ac_json_int(root, "timeout_ms", 5000),
        .attempts_max = (unsigned)ac_json_int(root, "attempts", 1),
    };

    count = MIN(yyjson_arr_size(texts), (size_t)TEXTS_MAX);
    yyjson_arr_foreach(texts, at, max, text)
    {
        if (at < count)
            views[at] = (view){yyjson_get_str(text), yyjson_get_len(text)};
    }
    if (embeddings_open(&options, &e, &err) != AC_OK) {
        printf("{\"status\": \"%s\"}\n", ac_status_name(err.status));
    } else {
        for (int64_t i = ac_json_int(root, "times", 1); i > 0; i--)
            embed(e, views, count);
    }
    embeddings_close(e);
    aws_provider_free(provider);
    yyjson_doc_free(doc);
    return 0;
}
