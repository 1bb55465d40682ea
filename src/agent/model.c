/* model.c - opening a model, and asking it.
 *
 * The kinds (model_openai.c, ...) write a request's body and read an answer's parts; what goes between is here: the
 * endpoint, streams taken apart, and the parameters that a service knows nothing of.  Servers that speak "OpenAI"
 * differ in those; one that refuses a parameter by name is asked again without it, and not sent it any more. */
#include "agent/model_internal.h"

#include "aws/eventstream.h"
#include "base/json.h"
#include "http/sse.h"

#include <stdlib.h>
#include <string.h>

#define OPENAI_URL "https://api.openai.com/v1"
#define ANTHROPIC_URL "https://api.anthropic.com"
#define ANTHROPIC_VERSION "2023-06-01"

static const char *const kind_names[] = {"builtin", "openai", "anthropic", "bedrock"};

int model_kind_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(kind_names); i++)
        if (strcmp(name, kind_names[i]) == 0)
            return (int)i;
    return -1;
}

const char *model_kind_name(model_kind kind)
{
    return kind_names[kind];
}

/* ---- opening ---- */

static ac_status open_bedrock(model *m, const model_options *o, endpoint_options *e, char url[ENDPOINT_URL_BYTES_MAX],
                              char region[REGION_SIZE], ac_error *err)
{
    AC_TRY(aws_profile_region(&aws_process_env, NULL, o->region, region, err));
    if (!o->url)
        AC_TRY(endpoint_bedrock_url(&aws_process_env, region, url, err));
    e->url = o->url ? o->url : url;
    e->region = region;
    if (e->key) {
        e->auth = ENDPOINT_AUTH_BEARER;
        return AC_OK;
    }
    e->auth = ENDPOINT_AUTH_AWS;
    e->provider = o->provider;
    if (e->provider)
        return AC_OK;
    m->own_provider = e->provider = aws_provider_chain(&(aws_chain_options){.region = region});
    return e->provider ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static ac_status open_service(model *m, const model_options *o, ac_error *err)
{
    static const http_field version = {"anthropic-version", ANTHROPIC_VERSION};
    char url[ENDPOINT_URL_BYTES_MAX], region[REGION_SIZE];
    const char *key = o->key && *o->key ? o->key : NULL;
    endpoint_options e = {
        .url = o->url,
        .key = key,
        .http = o->http,
        .timeout_ms = o->timeout_ms,
        .attempts_max = o->attempts_max,
        .backoff_base_ms = o->backoff_base_ms,
        .backoff_max_ms = o->backoff_max_ms,
        .answer_bytes_max = o->answer_bytes_max,
    };

    switch (m->kind) {
    case MODEL_OPENAI:
        m->ops = &model_openai;
        e.url = e.url ? e.url : OPENAI_URL;
        e.auth = key ? ENDPOINT_AUTH_BEARER : ENDPOINT_AUTH_NONE;
        break;
    case MODEL_ANTHROPIC:
        m->ops = &model_anthropic;
        e.url = e.url ? e.url : ANTHROPIC_URL;
        e.auth = key ? ENDPOINT_AUTH_API_KEY : ENDPOINT_AUTH_NONE;
        e.headers = &version;
        e.header_count = 1;
        break;
    default:
        m->ops = &model_bedrock;
        AC_TRY(open_bedrock(m, o, &e, url, region, err));
        break;
    }
    return endpoint_open(&e, &m->endpoint, err);
}

static ac_status set_up(model *m, const model_options *o, ac_error *err)
{
    const char *name = o->kind == MODEL_BUILTIN ? kind_names[MODEL_BUILTIN] : o->model;

    if (!name || !*name || strlen(name) > MODEL_NAME_BYTES_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "the model's name is missing or too long");
    m->name = strdup(name);
    if (!m->name)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    return o->kind == MODEL_BUILTIN ? AC_OK : open_service(m, o, err);
}

ac_status model_open(const model_options *options, model **ret_model, ac_error *err)
{
    model *m = calloc(1, sizeof *m);
    ac_status status;

    *ret_model = NULL;
    if (!m)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    m->kind = options->kind;
    m->answer_bytes_max = options->answer_bytes_max ? options->answer_bytes_max : ENDPOINT_ANSWER_BYTES_MAX;
    status = set_up(m, options, err);
    if (status == AC_OK)
        *ret_model = m;
    else
        model_close(m);
    return status;
}

void model_close(model *m)
{
    if (!m)
        return;
    endpoint_close(m->endpoint);
    aws_provider_free(m->own_provider);
    free(m->name);
    free(m);
}

model_kind model_kind_in_use(const model *m)
{
    return m->kind;
}

const char *model_name(const model *m)
{
    return m->name;
}

/* ---- streams ---- */

typedef struct stream {
    const model_ops *ops;
    gather *g;
    sse_reader sse;
    eventstream_reader events;
} stream;

static ac_status take_json(stream *s, const char *type, const char *text, size_t length, ac_error *err)
{
    yyjson_doc *doc = NULL;
    ac_status status = ac_json_read(text, length, NULL, &doc, NULL);

    if (status == AC_ERR_NOMEM)
        return ac_error_set(err, status, "out of memory");
    if (status != AC_OK)
        return model_misread(err, "an event of the stream is no JSON");
    status = s->ops->read_event(s->g, type, yyjson_doc_get_root(doc), err);
    yyjson_doc_free(doc);
    return status;
}

static ac_status take_sse(stream *s, const sse_event *event, ac_error *err)
{
    if (strcmp(event->data, "[DONE]") == 0) {
        s->g->ended = true;
        return AC_OK;
    }
    return event->length ? take_json(s, event->type, event->data, event->length, err) : AC_OK;
}

static ac_status on_sse(void *user, const char *data, size_t length, ac_error *err)
{
    stream *s = user;

    for (size_t used = 0; used < length;) {
        bool found = false;
        sse_event event;
        ac_status status = sse_read(&s->sse, data + used, length - used, &used, &found, &event);

        if (status != AC_OK)
            return ac_error_set(err, status, "an event of the model's stream is too large, or memory ran out");
        if (found)
            AC_TRY(take_sse(s, &event, err));
    }
    return AC_OK;
}

/* An exception in a stream: the service gave up in the middle of the answer. */
static ac_status fail_with(const eventstream_header *name, const eventstream_message *message, ac_error *err)
{
    static const struct {
        const char *name;
        ac_status status;
    } known[] = {{"throttlingException", AC_ERR_THROTTLED},
                 {"validationException", AC_ERR_INVALID},
                 {"modelTimeoutException", AC_ERR_TIMEOUT}};
    ac_status status = AC_ERR_IO;
    yyjson_doc *doc = NULL;

    for (size_t i = 0; name && i < ARRAY_SIZE(known); i++)
        if (name->length == strlen(known[i].name) && memcmp(name->data, known[i].name, name->length) == 0)
            status = known[i].status;
    if (ac_json_read(message->payload, message->payload_length, NULL, &doc, NULL) != AC_OK)
        doc = NULL;
    model_broke(err, status, ac_json_string(yyjson_doc_get_root(doc), "message", NULL));
    yyjson_doc_free(doc);
    return status;
}

static ac_status take_message(stream *s, const eventstream_message *message, ac_error *err)
{
    const eventstream_header *name = NULL;
    char type[64] = "";

    switch (eventstream_classify(message, &name)) {
    case EVENTSTREAM_KIND_EVENT:
        if (name && name->length < sizeof type) {
            memcpy(type, name->data, name->length);
            type[name->length] = '\0';
        }
        return take_json(s, type, message->payload, message->payload_length, err);
    case EVENTSTREAM_KIND_EXCEPTION:
    case EVENTSTREAM_KIND_ERROR:
        return fail_with(name, message, err);
    default:
        return AC_OK;
    }
}

static ac_status on_frames(void *user, const char *data, size_t length, ac_error *err)
{
    stream *s = user;
    eventstream_message message;
    eventstream_event event;

    for (size_t used = 0;;) {
        used += eventstream_read(&s->events, data + used, length - used, &event, &message);
        if (event == EVENTSTREAM_BROKEN)
            return ac_error_set(err, s->events.status, "the model's event stream is broken: %s", s->events.flaw);
        if (event == EVENTSTREAM_MORE)
            return AC_OK;
        AC_TRY(take_message(s, &message, err));
    }
}

static ac_status finish_sse(stream *s, ac_error *err)
{
    bool found = false;
    sse_event event;
    ac_status status = sse_finish(&s->sse, &found, &event);

    if (status != AC_OK)
        return ac_error_set(err, status, "out of memory");
    return found ? take_sse(s, &event, err) : AC_OK;
}

static ac_status ask_streamed(model *m, const endpoint_call *call, gather *g, ac_error *err)
{
    stream s = {.ops = m->ops, .g = g};
    ac_status status;

    sse_reader_init(&s.sse);
    eventstream_reader_init(&s.events, 0);
    status = endpoint_stream(m->endpoint, call, m->ops->event_stream ? on_frames : on_sse, &s, err);
    if (status == AC_OK && !m->ops->event_stream)
        status = finish_sse(&s, err);
    if (status == AC_OK && !g->ended)
        status = model_misread(err, "its stream ends in the middle");
    sse_reader_done(&s.sse);
    eventstream_reader_done(&s.events);
    return status;
}

static ac_status ask_whole(model *m, const endpoint_call *call, gather *g, ac_error *err)
{
    yyjson_doc *doc = NULL;

    AC_TRY(endpoint_post(m->endpoint, call, &doc, err));
    ac_status status = m->ops->read_answer(g, yyjson_doc_get_root(doc), err);
    yyjson_doc_free(doc);
    return status;
}

/* ---- asking ---- */

static const char *asked_model(const model *m, const model_request *r)
{
    return r->model ? r->model : m->name;
}

static char *write_body(const model *m, const model_request *r, unsigned dropped, size_t *ret_length)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
    char *body = NULL;

    if (root && m->ops->write_body(r, asked_model(m, r), r->on_text != NULL, dropped, doc, root))
        body = yyjson_mut_val_write(root, 0, ret_length);
    yyjson_mut_doc_free(doc);
    return body;
}

static ac_status ask_service(model *m, const model_request *r, unsigned dropped, gather *g, ac_error *err)
{
    _cleanup_(buf_done) buf path = BUF_INIT(MODEL_PATH_BYTES_MAX);
    size_t length = 0;
    char *body;
    ac_status status = m->ops->write_path(asked_model(m, r), r->on_text != NULL, &path);

    if (status != AC_OK || !buf_terminate(&path))
        return ac_error_set(err, status == AC_OK ? AC_ERR_NOMEM : status, "the model's name is too long");
    body = write_body(m, r, dropped, &length);
    if (!body)
        return ac_error_set(err, AC_ERR_NOMEM, "no memory for the question, or the arguments of a call are no JSON");
    endpoint_call call = {.path = path.data,
                          .body = body,
                          .body_length = length,
                          .accept = r->on_text ? m->ops->accept : NULL,
                          .go_on = r->go_on,
                          .user = r->user,
                          .timeout_ms = r->timeout_ms};
    status = r->on_text ? ask_streamed(m, &call, g, err) : ask_whole(m, &call, g, err);
    free(body);
    return status;
}

static ac_status ask_once(model *m, const model_request *r, unsigned dropped, arena *a, model_answer *ret_answer,
                          ac_error *err)
{
    _cleanup_(gather_done) gather g;
    ac_status status;

    gather_begin(&g, r, r->schema && m->ops && m->ops->forces_tool, m->answer_bytes_max);
    status = m->ops ? ask_service(m, r, dropped, &g, err) : model_builtin_ask(r, &g, err);
    return status == AC_OK ? gather_finish(&g, a, ret_answer, err) : status;
}

/* What the service has named when it refused the request, among what was sent. */
static unsigned refused(const model_request *r, unsigned dropped, const ac_error *err)
{
    static const struct {
        const char *word;
        unsigned what;
    } words[] = {{"max_completion_tokens", MODEL_NEW_TOKENS_NAME},
                 {"temperature", MODEL_NO_TEMPERATURE},
                 {"response_format", MODEL_NO_SCHEMA},
                 {"json_schema", MODEL_NO_SCHEMA},
                 {"stream_options", MODEL_NO_STREAM_USAGE}};
    unsigned sent = (r->max_tokens ? MODEL_NEW_TOKENS_NAME : 0) | (r->has_temperature ? MODEL_NO_TEMPERATURE : 0) |
                    (r->schema ? MODEL_NO_SCHEMA : 0) | (r->on_text ? MODEL_NO_STREAM_USAGE : 0);

    if (err->http_status != 400 && err->http_status != 422)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if ((sent & ~dropped & words[i].what) && strstr(err->message, words[i].word))
            return words[i].what;
    return 0;
}

ac_status model_ask(model *m, const model_request *request, arena *a, model_answer *ret_answer, ac_error *err)
{
    ac_error mine = {.status = AC_OK};
    ac_status status = model_request_check(m, request, &mine);

    while (status == AC_OK) {
        unsigned dropped = atomic_load(&m->dropped), more;

        status = ask_once(m, request, dropped, a, ret_answer, &mine);
        more = status == AC_ERR_INVALID ? refused(request, dropped, &mine) : 0;
        if (!more)
            break;
        atomic_fetch_or(&m->dropped, more);
        status = AC_OK;
    }
    if (status != AC_OK && err)
        *err = mine;
    return status;
}
