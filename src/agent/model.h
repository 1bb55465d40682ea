/* model.h - the one interface to language models.
 *
 * Kinds of service:
 *   openai     POST {url}/chat/completions as OpenAI defined it (OpenAI, Azure, vLLM, llama.cpp, Ollama, ...)
 *   anthropic  POST {url}/v1/messages
 *   bedrock    Converse and ConverseStream of Amazon Bedrock, signed, or with a bearer key
 *   builtin    no model and no network: it looks for the sentences of the conversation that hold what is asked, and
 *              says in its answer what it is.  It follows no instructions, calls no tools and fills in no schema.
 *
 * Calls block, on any thread but a loop's; a model is used by many threads at once.  Answers are bounded, waits have
 * deadlines, and what is worth trying again is tried again (agent/endpoint.h).  Prompts, answers and keys are never
 * logged. */
#ifndef AGENT_MODEL_H
#define AGENT_MODEL_H

#include "agent/endpoint.h"
#include "base/arena.h"

#define MODEL_NAME_BYTES_MAX 512
#define MODEL_MESSAGES_MAX 4096
#define MODEL_TOOLS_MAX 128
#define MODEL_STOPS_MAX 4

typedef struct model model;

typedef enum model_kind { MODEL_BUILTIN, MODEL_OPENAI, MODEL_ANTHROPIC, MODEL_BEDROCK } model_kind;

/* "builtin", "openai", "anthropic", "bedrock"; -1 for other names. */
int model_kind_of(const char *name);
const char *model_kind_name(model_kind kind);

/* Zero means the default beside it.  Strings are copied (the key is wiped in the end); http and provider outlive the
 * model. */
typedef struct model_options {
    model_kind kind;
    const char *url;   /* openai: https://api.openai.com/v1; anthropic: https://api.anthropic.com; bedrock: the region's
                        * bedrock-runtime, or AWS_ENDPOINT_URL_BEDROCK_RUNTIME */
    const char *model; /* what to ask for; required but for builtin */
    const char *key;   /* NULL: none is sent; bedrock: a bearer key instead of signatures */
    const char *region;                       /* bedrock: AWS_REGION, ..., us-west-2 */
    aws_provider *provider;                   /* bedrock: the default chain */
    http_client *http;                        /* one of its own */
    unsigned timeout_ms;                      /* of one attempt; 60 s */
    unsigned attempts_max;                    /* 3 */
    unsigned backoff_base_ms, backoff_max_ms; /* 500 ms, 20 s */
    size_t answer_bytes_max;                  /* ENDPOINT_ANSWER_BYTES_MAX */
} model_options;

/* Nothing is asked yet.  AC_ERR_INVALID: the options; AC_ERR_NOMEM. */
ac_status model_open(const model_options *options, model **ret_model, ac_error *err) AC_MUST_USE;
void model_close(model *m);
DEFINE_CLEANUP(model *, model_close)

model_kind model_kind_in_use(const model *m);
const char *model_name(const model *m); /* "builtin" for that kind; lives as long as m */

/* ---- the question ---- */

typedef enum model_role { MODEL_SYSTEM, MODEL_USER, MODEL_ASSISTANT, MODEL_TOOL } model_role;

typedef struct model_tool_call {
    const char *id;
    const char *name;
    const char *arguments; /* JSON text of an object */
} model_tool_call;

typedef struct model_message {
    model_role role;
    const char *text;             /* UTF-8; may be NULL for an assistant that only calls tools */
    const model_tool_call *calls; /* ASSISTANT: what it asked for */
    size_t call_count;
    const char *call_id; /* TOOL: which call text answers */
    bool failed;         /* TOOL: text is why it failed */
} model_message;

typedef struct model_tool {
    const char *name;        /* 1 to 64 of [a-zA-Z0-9_-] */
    const char *description; /* may be NULL */
    yyjson_val *parameters;  /* JSON schema of an object; NULL: no parameters */
} model_tool;

typedef enum model_choice {
    MODEL_CHOICE_AUTO,
    MODEL_CHOICE_NONE, /* no tool */
    MODEL_CHOICE_ANY,  /* some tool */
} model_choice;

/* Zero means the default beside it.  Everything is borrowed until the call returns. */
typedef struct model_request {
    const char *model;             /* the one of the options */
    const model_message *messages; /* system messages first; then user and assistant (or tool) in turn */
    size_t message_count;
    const model_tool *tools;
    size_t tool_count;
    model_choice choice;
    /* The answer's text shall be JSON by this schema.  Where a service has no schemas, a tool of this name is forced
     * and its arguments become the text: then there can be no other tools.  What comes is not checked against it. */
    yyjson_val *schema;
    const char *schema_name; /* "answer" */
    unsigned max_tokens;     /* 4096 where the service must be told, otherwise left to it */
    double temperature;      /* sent only with has_temperature */
    bool has_temperature;
    const char *const *stops; /* sequences that end the answer */
    size_t stop_count;
    unsigned timeout_ms;       /* the model's */
    bool (*go_on)(void *user); /* as in endpoint_call */
    /* Streamed: called for each piece of the answer's text as it comes; false: enough, the call ends with
     * AC_ERR_CLOSED.  (Of a forced tool the pieces are parts of its JSON.)  NULL: not streamed. */
    bool (*on_text)(void *user, const char *text, size_t length);
    void *user;
} model_request;

/* ---- the answer ---- */

typedef enum model_stop {
    MODEL_STOP_END,
    MODEL_STOP_TOKENS, /* cut at max_tokens */
    MODEL_STOP_TOOLS,  /* it waits for the tools' answers */
    MODEL_STOP_SEQUENCE,
    MODEL_STOP_REFUSED, /* filtered, or refused */
    MODEL_STOP_OTHER,
} model_stop;

/* Lives in the arena of the call. */
typedef struct model_answer {
    const char *text; /* "" when there is none */
    size_t text_length;
    const model_tool_call *calls;
    size_t call_count;
    model_stop stop;
    uint64_t input_tokens, output_tokens; /* as the service counts them; 0 when it does not say */
} model_answer;

/* Ask, and wait for all of the answer.  Errors: those of endpoint_post; AC_ERR_INVALID (the request),
 * AC_ERR_UNSUPPORTED (the builtin kind with a schema or a forced tool), AC_ERR_PROTOCOL (an answer that is none of this
 * kind of service), AC_ERR_TOO_LARGE. */
ac_status model_ask(model *m, const model_request *request, arena *a, model_answer *ret_answer, ac_error *err)
    AC_MUST_USE;

#endif
