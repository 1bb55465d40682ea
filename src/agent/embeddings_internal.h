/* embeddings_internal.h - the port's own state, and its reader of answers, for the fuzzer. */
#ifndef AGENT_EMBEDDINGS_INTERNAL_H
#define AGENT_EMBEDDINGS_INTERNAL_H

#include "agent/embeddings.h"

#include <agentcore/json.h>
#include <stdatomic.h>

#define EMBEDDINGS_PATH_BYTES_MAX 2048

struct embeddings {
    embeddings_kind kind;
    struct endpoint *endpoint;
    char *model;
    char path[EMBEDDINGS_PATH_BYTES_MAX];
    unsigned asked_dimensions;
    atomic_uint dimensions; /* 0: not known yet */
};

/* Read the vectors of count texts from an answer into rows, each with room for the dimensions that are known; rows
 * NULL: only learn how many dimensions there are. */
ac_status embeddings_read(embeddings *e, yyjson_val *root, float *const *rows, size_t count, ac_error *err) AC_MUST_USE;

#endif
