/* model_internal.h - what the kinds of service share: the table of what each does, and the answer being gathered. */
#ifndef AGENT_MODEL_INTERNAL_H
#define AGENT_MODEL_INTERNAL_H

#include "agent/model.h"
#include "base/buf.h"

#include <stdatomic.h>

#define MODEL_CALLS_MAX 64 /* in one answer */
#define MODEL_PATH_BYTES_MAX 4096

/* ---- the answer being gathered ---- */

typedef struct gathered_call {
    unsigned index; /* the service's number of it */
    char *id, *name;
    buf arguments;
} gathered_call;

/* Both ways to an answer, whole and streamed, put its parts in here. */
typedef struct gather {
    const model_request *request;
    bool forced; /* the schema was put as a tool: its arguments are the text */
    buf text;
    gathered_call calls[MODEL_CALLS_MAX];
    size_t call_count;
    model_stop stop;
    bool ended; /* the service said that this is all */
    uint64_t input_tokens, output_tokens;
} gather;

void gather_begin(gather *g, const model_request *request, bool forced, size_t bytes_max);
void gather_done(gather *g);
ac_status gather_text(gather *g, const char *text, size_t length, ac_error *err) AC_MUST_USE;

/* A call begins; id and name are copied and may be NULL. */
ac_status gather_call(gather *g, unsigned index, const char *id, const char *name, ac_error *err) AC_MUST_USE;
ac_status gather_arguments(gather *g, unsigned index, const char *text, size_t length, ac_error *err) AC_MUST_USE;

/* The same for a value that came whole. */
ac_status gather_whole_call(gather *g, unsigned index, const char *id, const char *name, yyjson_val *arguments,
                            ac_error *err) AC_MUST_USE;
ac_status gather_finish(gather *g, arena *a, model_answer *ret_answer, ac_error *err) AC_MUST_USE;

/* ---- kinds ---- */

/* What a service has refused once and is not sent again. */
enum {
    MODEL_NO_SCHEMA = 1,
    MODEL_NO_TEMPERATURE = 2,
    MODEL_NEW_TOKENS_NAME = 4, /* max_completion_tokens instead of max_tokens */
    MODEL_NO_STREAM_USAGE = 8,
};

typedef struct model_ops {
    const char *name;
    bool forces_tool;   /* a schema is put as a tool */
    bool event_stream;  /* streams are AWS's, not SSE */
    const char *accept; /* of a streamed call */
    ac_status (*write_path)(const char *name, bool streamed, buf *out);
    /* Put the request into root, an empty object. */
    bool (*write_body)(const model_request *r, const char *name, bool streamed, unsigned dropped, yyjson_mut_doc *doc,
                       yyjson_mut_val *root);
    ac_status (*read_answer)(gather *g, yyjson_val *root, ac_error *err);
    /* One event of a stream: its type ("" for SSE without one) and its JSON. */
    ac_status (*read_event)(gather *g, const char *type, yyjson_val *root, ac_error *err);
} model_ops;

extern const model_ops model_openai, model_anthropic, model_bedrock;

struct model {
    model_kind kind;
    const model_ops *ops; /* NULL: builtin */
    char *name;
    endpoint *endpoint;
    aws_provider *own_provider;
    size_t answer_bytes_max;
    atomic_uint dropped;
};

/* AC_ERR_INVALID with what is wrong. */
ac_status model_request_check(const model *m, const model_request *r, ac_error *err) AC_MUST_USE;

ac_status model_builtin_ask(const model_request *r, gather *g, ac_error *err) AC_MUST_USE;

/* ---- for the writers of bodies ---- */

/* {type: object}, for a tool without parameters. */
yyjson_mut_val *model_parameters(yyjson_mut_doc *doc, yyjson_val *given);

/* The JSON text of a call's arguments as a value; NULL when it is none or memory runs out. */
yyjson_mut_val *model_arguments(yyjson_mut_doc *doc, const char *text);

/* Whether the message goes out as the user's: USER, and TOOL where answers of tools are the user's. */
static inline bool model_is_user(const model_message *m)
{
    return m->role == MODEL_USER || m->role == MODEL_TOOL;
}

static inline const char *model_schema_name(const model_request *r)
{
    return r->schema_name ? r->schema_name : "answer";
}

/* The service says, in the middle of an answer, that it fails: its sentence (may be NULL) becomes err's. */
ac_status model_broke(ac_error *err, ac_status status, const char *said);

/* "the answer is no answer of a model: " and what is missing. */
ac_status model_misread(ac_error *err, const char *what);

#endif
