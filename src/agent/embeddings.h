/* embeddings.h - the one interface to embedding models: texts to vectors.
 *
 * Two kinds of service:
 *   openai    POST {url}/embeddings as OpenAI defined it (llama.cpp, vLLM, Ollama, text-embeddings-inference, OpenAI):
 *             many texts per request;
 *   bedrock   InvokeModel of Amazon Titan Text Embeddings V2, signed: one text per request.
 * There is no built-in kind: without a model, memory search ranks by words and WordNet (see docs/memory-search.md).
 *
 * Calls block, on any thread; answers are bounded and checked: as many vectors as texts, each of the same number of
 * finite numbers.  Vectors are returned with length 1. */
#ifndef AGENT_EMBEDDINGS_H
#define AGENT_EMBEDDINGS_H

#include "aws/credentials.h"
#include "aws/view.h"

#define EMBEDDINGS_DIMENSIONS_MAX 4096
#define EMBEDDINGS_BATCH_MAX 64 /* texts in one request */
#define EMBEDDINGS_BATCH_BYTES_MAX (256U << 10)
#define EMBEDDINGS_TEXT_BYTES_MAX (24U << 10) /* of one text are sent: models cut at about 8,000 tokens */

typedef struct embeddings embeddings;

typedef enum embeddings_kind { EMBEDDINGS_OPENAI, EMBEDDINGS_BEDROCK } embeddings_kind;

/* Zero means the default beside it.  Strings are copied (the key is wiped in the end); http and provider outlive the
 * port. */
typedef struct embeddings_options {
    embeddings_kind kind;
    const char *url;        /* openai: "http://127.0.0.1:8080/v1", required; bedrock: the region's bedrock-runtime */
    const char *model;      /* openai: required; bedrock: amazon.titan-embed-text-v2:0 */
    unsigned dimensions;    /* what to ask for and to expect; 0: nothing is asked, and the first answer says it */
    const char *api_key;    /* openai: NULL: none is sent */
    const char *region;     /* bedrock: AWS_REGION, ..., us-west-2 */
    aws_provider *provider; /* bedrock: required: whose keys sign */
    http_client *http;      /* one of its own */
    unsigned timeout_ms;    /* of one request, 30 s */
    unsigned attempts_max;  /* on 429, 5xx, broken connections and time-outs, the first included; 3 */
} embeddings_options;

/* Nothing is asked yet.  AC_ERR_INVALID (url, model, dimensions), AC_ERR_NOMEM. */
ac_status embeddings_open(const embeddings_options *options, embeddings **ret_embeddings, ac_error *err) AC_MUST_USE;
void embeddings_close(embeddings *e);
DEFINE_CLEANUP(embeddings *, embeddings_close)

/* How many numbers a vector has; asks the service with one short text when that is not known yet.  timeout_ms: of one
 * attempt, 0: as the options say. */
ac_status embeddings_dimensions(embeddings *e, unsigned timeout_ms, unsigned *ret_dimensions, ac_error *err)
    AC_MUST_USE;

/* ret_vectors: count times dimensions numbers, one vector after another.  An empty text has a vector of zeros.
 * Errors: endpoint_post's; AC_ERR_PROTOCOL for an answer that is none. */
ac_status embeddings_of(embeddings *e, const view *texts, size_t count, unsigned timeout_ms, float *ret_vectors,
                        ac_error *err) AC_MUST_USE;

/* The model's name, for logs.  Lives as long as e. */
const char *embeddings_model(const embeddings *e);

#endif
