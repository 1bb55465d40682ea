/* fuzz_embeddings.c - answers of embedding models: what is taken has as many vectors as texts, each of length 1 or all
 * zeros.  The input's first byte says how many texts, and of which kind of service. */
#include "agent/embeddings_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROOM (EMBEDDINGS_DIMENSIONS_MAX)
#define TEXTS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_vector(const float *vector, unsigned dimensions)
{
    double squares = 0;

    for (unsigned i = 0; i < dimensions; i++) {
        require(isfinite(vector[i]));
        squares += (double)vector[i] * vector[i];
    }
    require(squares == 0 || fabs(squares - 1) < 1e-3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static float vectors[TEXTS][ROOM];
    float *rows[TEXTS];
    embeddings e = {.kind = size && data[0] & 4 ? EMBEDDINGS_BEDROCK : EMBEDDINGS_OPENAI};
    size_t count = e.kind == EMBEDDINGS_BEDROCK || !size ? 1 : 1 + (data[0] & 3U);
    yyjson_doc *doc = size ? yyjson_read((const char *)data + 1, size - 1, 0) : NULL;
    ac_error err;

    atomic_init(&e.dimensions, 0);
    memset(vectors, 0, sizeof vectors);
    for (size_t i = 0; i < TEXTS; i++)
        rows[i] = vectors[i];
    if (doc && embeddings_read(&e, yyjson_doc_get_root(doc), NULL, count, &err) == AC_OK) {
        unsigned dimensions = atomic_load(&e.dimensions);

        require(dimensions > 0 && dimensions <= EMBEDDINGS_DIMENSIONS_MAX);
        if (embeddings_read(&e, yyjson_doc_get_root(doc), rows, count, &err) == AC_OK)
            for (size_t i = 0; i < count; i++)
                check_vector(vectors[i], dimensions);
    }
    yyjson_doc_free(doc);
    return 0;
}
