/* embeddings.c - texts to vectors: bodies for the two kinds of service, and answers held against what was asked.
 *
 *   openai    {"model", "input": [text...], "encoding_format": "float", "dimensions"?}
 *             -> {"data": [{"index", "embedding": [number...]}...]}, in any order
 *   bedrock   /model/NAME/invoke {"inputText", "dimensions"?} -> {"embedding": [number...]}
 *
 * The number of dimensions is what the options say, or what the first answer has; every later vector must have as
 * many. */
#include "agent/embeddings_internal.h"

#include "agent/endpoint.h"
#include "aws/uri.h"
#include "base/json.h"
#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TITAN "amazon.titan-embed-text-v2:0"
#define TIMEOUT_MS 30000
#define BODY_BYTES_MAX (EMBEDDINGS_BATCH_BYTES_MAX * 7U + 65536U) /* each byte of a text may be escaped: \u0001 */
#define MODEL_BYTES_MAX 512

/* ---- opening ---- */

static ac_status make_path(embeddings *e, ac_error *err)
{
    _cleanup_(buf_done) buf path = BUF_INIT(EMBEDDINGS_PATH_BYTES_MAX - 1);
    ac_status status = AC_OK;

    if (e->kind == EMBEDDINGS_OPENAI) {
        memcpy(e->path, "/embeddings", sizeof "/embeddings");
        return AC_OK;
    }
    status = buf_append_text(&path, "/model/");
    if (status == AC_OK)
        status = uri_encode(&path, e->model, strlen(e->model), URI_ENCODE_SLASH);
    if (status == AC_OK)
        status = buf_append(&path, "/invoke", sizeof "/invoke");
    if (status != AC_OK)
        return ac_error_set(err, status, "the embedding model's name is too long");
    memcpy(e->path, path.data, path.length);
    return AC_OK;
}

static ac_status open_endpoint(embeddings *e, const embeddings_options *o, ac_error *err)
{
    char bedrock[ENDPOINT_URL_BYTES_MAX], region[REGION_SIZE];
    endpoint_options options = {
        .url = o->url,
        .auth = o->api_key ? ENDPOINT_AUTH_BEARER : ENDPOINT_AUTH_NONE,
        .key = o->api_key,
        .http = o->http,
        .timeout_ms = o->timeout_ms ? o->timeout_ms : TIMEOUT_MS,
        .attempts_max = o->attempts_max,
    };

    if (e->kind == EMBEDDINGS_BEDROCK) {
        options.auth = ENDPOINT_AUTH_AWS;
        options.key = NULL;
        options.provider = o->provider;
        AC_TRY(aws_profile_region(&aws_process_env, NULL, o->region, region, err));
        options.region = region;
        if (!o->url) {
            AC_TRY(endpoint_bedrock_url(&aws_process_env, options.region, bedrock, err));
            options.url = bedrock;
        }
    }
    return endpoint_open(&options, &e->endpoint, err);
}

static ac_status fill(embeddings *e, const embeddings_options *options, ac_error *err)
{
    const char *model = options->model ? options->model : options->kind == EMBEDDINGS_BEDROCK ? TITAN : NULL;

    if (!model || !*model || strlen(model) > MODEL_BYTES_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "an embedding model needs a name of up to %d bytes", MODEL_BYTES_MAX);
    if (options->dimensions > EMBEDDINGS_DIMENSIONS_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "vectors have at most %d dimensions", EMBEDDINGS_DIMENSIONS_MAX);
    e->kind = options->kind;
    e->asked_dimensions = options->dimensions;
    atomic_init(&e->dimensions, options->dimensions);
    e->model = strdup(model);
    if (!e->model)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    AC_TRY(make_path(e, err));
    return open_endpoint(e, options, err);
}

ac_status embeddings_open(const embeddings_options *options, embeddings **ret_embeddings, ac_error *err)
{
    embeddings *e = calloc(1, sizeof *e);
    ac_status status = e ? fill(e, options, err) : ac_error_set(err, AC_ERR_NOMEM, "out of memory");

    if (status != AC_OK) {
        embeddings_close(e);
        e = NULL;
    }
    *ret_embeddings = e;
    return status;
}

void embeddings_close(embeddings *e)
{
    if (!e)
        return;
    endpoint_close(e->endpoint);
    free(e->model);
    free(e);
}

const char *embeddings_model(const embeddings *e)
{
    return e->model;
}

/* ---- asking ---- */

/* As much of a text as is sent, cut at a character; length 0: nothing but white space. */
static view sent_part(view text)
{
    size_t length = MIN(text.length, (size_t)EMBEDDINGS_TEXT_BYTES_MAX), at = 0;

    while (length < text.length && length > 0 && ((unsigned char)text.text[length] & 0xC0) == 0x80)
        length--;
    while (at < length && strchr(" \t\r\n", text.text[at]) && text.text[at])
        at++;
    return at == length ? (view){NULL, 0} : (view){text.text, length};
}

static ac_status write_dimensions(const embeddings *e, buf *out)
{
    return e->asked_dimensions ? buf_appendf(out, ", \"dimensions\": %u", e->asked_dimensions) : AC_OK;
}

static ac_status write_body(const embeddings *e, const view *texts, size_t count, buf *out)
{
    if (e->kind == EMBEDDINGS_BEDROCK) {
        AC_TRY(buf_append_text(out, "{\"inputText\": "));
        AC_TRY(json_write_string(out, texts[0].text, texts[0].length));
        AC_TRY(write_dimensions(e, out));
        return buf_append_text(out, "}");
    }
    AC_TRY(buf_append_text(out, "{\"model\": "));
    AC_TRY(json_write_string(out, e->model, strlen(e->model)));
    AC_TRY(buf_append_text(out, ", \"encoding_format\": \"float\""));
    AC_TRY(write_dimensions(e, out));
    AC_TRY(buf_append_text(out, ", \"input\": ["));
    for (size_t i = 0; i < count; i++) {
        AC_TRY(buf_append_text(out, i ? ", " : ""));
        AC_TRY(json_write_string(out, texts[i].text, texts[i].length));
    }
    return buf_append_text(out, "]}");
}

/* ---- answers ---- */

static ac_status misread(ac_error *err, const char *what)
{
    return ac_error_set(err, AC_ERR_PROTOCOL, "the answer of the embedding model is none: %s", what);
}

/* The first answer says how many dimensions there are; others must agree with it. */
static ac_status agree_on_dimensions(embeddings *e, size_t dimensions, ac_error *err)
{
    unsigned known = 0;

    if (dimensions == 0 || dimensions > EMBEDDINGS_DIMENSIONS_MAX)
        return misread(err, "a vector has no numbers, or too many");
    if (!atomic_compare_exchange_strong(&e->dimensions, &known, (unsigned)dimensions) && known != dimensions)
        return ac_error_set(err, AC_ERR_PROTOCOL, "the embedding model answered with %zu dimensions instead of %u",
                            dimensions, known);
    return AC_OK;
}

/* One vector, made one of length 1; zeros stay zeros. */
static ac_status read_vector(embeddings *e, yyjson_val *list, float *ret_vector, ac_error *err)
{
    size_t at, max;
    yyjson_val *number;
    double squares = 0;

    if (!yyjson_is_arr(list))
        return misread(err, "a vector is no list of numbers");
    AC_TRY(agree_on_dimensions(e, yyjson_arr_size(list), err));
    yyjson_arr_foreach(list, at, max, number)
    {
        double value = yyjson_get_num(number);

        if (!yyjson_is_num(number) || !isfinite(value) || fabs(value) > 1e6)
            return misread(err, "a vector is no list of numbers");
        ret_vector[at] = (float)value;
        squares += value * value;
    }
    for (size_t i = 0; squares > 0 && i < max; i++)
        ret_vector[i] = (float)(ret_vector[i] / sqrt(squares));
    return AC_OK;
}

static ac_status read_list(embeddings *e, yyjson_val *root, float *const *rows, size_t count, ac_error *err)
{
    yyjson_val *data = yyjson_obj_get(root, "data"), *one;
    bool seen[EMBEDDINGS_BATCH_MAX] = {false};
    size_t at, max;

    if (yyjson_arr_size(data) != count)
        return misread(err, "not as many vectors as texts");
    yyjson_arr_foreach(data, at, max, one)
    {
        int64_t index = ac_json_int(one, "index", (int64_t)at);

        if (index < 0 || index >= (int64_t)count || seen[index])
            return misread(err, "a vector belongs to no text");
        seen[index] = true;
        AC_TRY(read_vector(e, yyjson_obj_get(one, "embedding"), rows[index], err));
    }
    return AC_OK;
}

ac_status embeddings_read(embeddings *e, yyjson_val *root, float *const *rows, size_t count, ac_error *err)
{
    yyjson_val *first = e->kind == EMBEDDINGS_BEDROCK
                            ? yyjson_obj_get(root, "embedding")
                            : yyjson_obj_get(yyjson_arr_get_first(yyjson_obj_get(root, "data")), "embedding");

    if (!rows)
        return yyjson_is_arr(first) ? agree_on_dimensions(e, yyjson_arr_size(first), err)
                                    : misread(err, "there is no vector in it");
    return e->kind == EMBEDDINGS_BEDROCK ? read_vector(e, first, rows[0], err) : read_list(e, root, rows, count, err);
}

/* One request.  With rows NULL, only the number of dimensions is learned. */
static ac_status ask(embeddings *e, const view *texts, size_t count, unsigned timeout_ms, float *const *rows,
                     ac_error *err)
{
    _cleanup_(buf_done) buf body = BUF_INIT(BODY_BYTES_MAX);
    ac_status status = write_body(e, texts, count, &body);
    yyjson_doc *doc = NULL;

    if (status != AC_OK)
        return ac_error_set(err, status, "no memory for the texts to embed");
    endpoint_call call = {.path = e->path, .body = body.data, .body_length = body.length, .timeout_ms = timeout_ms};
    AC_TRY(endpoint_post(e->endpoint, &call, &doc, err));
    status = embeddings_read(e, yyjson_doc_get_root(doc), rows, count, err);
    yyjson_doc_free(doc);
    return status;
}

ac_status embeddings_dimensions(embeddings *e, unsigned timeout_ms, unsigned *ret_dimensions, ac_error *err)
{
    view text = view_of("dimensions");

    if (!atomic_load(&e->dimensions))
        AC_TRY(ask(e, &text, 1, timeout_ms, NULL, err));
    *ret_dimensions = atomic_load(&e->dimensions);
    return AC_OK;
}

ac_status embeddings_of(embeddings *e, const view *texts, size_t count, unsigned timeout_ms, float *ret_vectors,
                        ac_error *err)
{
    size_t batch_max = e->kind == EMBEDDINGS_BEDROCK ? 1 : EMBEDDINGS_BATCH_MAX, waiting = 0, bytes = 0;
    view batch[EMBEDDINGS_BATCH_MAX];
    float *rows[EMBEDDINGS_BATCH_MAX];
    unsigned dimensions;

    AC_TRY(embeddings_dimensions(e, timeout_ms, &dimensions, err));
    memset(ret_vectors, 0, count * dimensions * sizeof *ret_vectors);
    for (size_t i = 0; i < count; i++) {
        view text = sent_part(texts[i]);

        if (text.length == 0)
            continue;
        if (waiting == batch_max || (waiting && bytes + text.length > EMBEDDINGS_BATCH_BYTES_MAX)) {
            AC_TRY(ask(e, batch, waiting, timeout_ms, rows, err));
            waiting = bytes = 0;
        }
        batch[waiting] = text;
        rows[waiting++] = ret_vectors + i * dimensions;
        bytes += text.length;
    }
    return waiting ? ask(e, batch, waiting, timeout_ms, rows, err) : AC_OK;
}
