/* client.c - ac_client_call: an operation's input to a signed request, and its answer back to JSON.
 *
 * The API table makes the request and reads the answer (aws/api.h); here is what happens between: credentials, the
 * endpoint, the signature, the connection, and trying again.  A request is signed anew for each attempt, since keys and
 * clocks move on. */
#include "client/client_internal.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define URL_BYTES_MAX (256U << 10)
#define ANSWER_BYTES_MAX ((size_t)128 << 20)
#define HEADERS_MAX (API_HEADERS_MAX + SIGV4_FIELDS_MAX + 1)

/* ---- making one ---- */

static const char *given_or(const char *given, const char *variable)
{
    return given && *given ? given : aws_env_get(&aws_process_env, variable);
}

static ac_status make_provider(ac_client *c, const ac_client_options *o, ac_error *err)
{
    if (o->access_key && *o->access_key) {
        if (!o->secret_key || !*o->secret_key)
            return ac_error_set(err, AC_ERR_INVALID, "access_key is given, but no secret_key");
        c->provider = aws_provider_static(o->access_key, o->secret_key, o->session_token);
    } else {
        c->provider = aws_provider_chain(&(aws_chain_options){.profile = o->profile, .region = c->region});
    }
    return c->provider ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static ac_status set_up(ac_client *c, const ac_client_options *o, ac_error *err)
{
    AC_TRY(aws_profile_region(&aws_process_env, o->profile, o->region, c->region, err));
    AC_TRY(aws_endpoint_resolve(&aws_process_env, AWS_CONTROL_PLANE, c->region, o->endpoint, &c->endpoints[0], err));
    AC_TRY(aws_endpoint_resolve(&aws_process_env, AWS_DATA_PLANE, c->region, o->endpoint, &c->endpoints[1], err));
    AC_TRY(make_provider(c, o, err));
    c->attempts_max =
        o->attempts_max ? o->attempts_max : http_retry_attempts(aws_env_get(&aws_process_env, "AWS_MAX_ATTEMPTS"));
    c->connect_timeout_ms = o->connect_timeout_ms;
    c->read_timeout_ms = o->read_timeout_ms;
    c->answer_bytes_max = o->answer_bytes_max ? o->answer_bytes_max : ANSWER_BYTES_MAX;
    return http_client_new(&(http_client_options){.ca_file = given_or(o->ca_file, "AWS_CA_BUNDLE"),
                                                  .user_agent = "agentcore-c/" AC_VERSION},
                           &c->http, err);
}

ac_status ac_client_new(const ac_client_options *options, ac_client **ret_client, ac_error *err)
{
    static const ac_client_options none;
    ac_client *c = calloc(1, sizeof *c);
    ac_status status;

    *ret_client = NULL;
    if (!c)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    c->quota = (http_retry_quota)HTTP_RETRY_QUOTA_INIT;
    status = set_up(c, options ? options : &none, err);
    if (status == AC_OK)
        *ret_client = c;
    else
        ac_client_free(c);
    return status;
}

void ac_client_free(ac_client *client)
{
    if (!client)
        return;
    http_client_free(client->http);
    aws_provider_free(client->provider);
    pthread_mutex_destroy(&client->quota.lock);
    free(client);
}

const char *ac_client_region(const ac_client *client)
{
    return client->region;
}

/* ---- one attempt ---- */

typedef struct call {
    ac_client *client;
    const api_operation *op;
    const aws_endpoint *endpoint;
    const api_request *request;
    buf url;  /* of the whole request */
    buf path; /* what is signed: with the endpoint's base path */
    yyjson_doc *output;
} call;

static void call_done(call *c)
{
    buf_done(&c->url);
    buf_done(&c->path);
}

static ac_status make_url(call *c)
{
    const api_request *r = c->request;
    const aws_endpoint *e = c->endpoint;

    AC_TRY(buf_append_text(&c->path, e->base_path));
    AC_TRY(buf_append(&c->path, r->path.data, r->path.length));
    AC_TRY(buf_appendf(&c->url, "%s://%s", e->tls ? "https" : "http", e->authority));
    AC_TRY(buf_append(&c->url, c->path.data, c->path.length));
    if (r->query.length) {
        AC_TRY(buf_append(&c->url, "?", 1));
        AC_TRY(buf_append(&c->url, r->query.data, r->query.length));
    }
    return buf_terminate(&c->url) && buf_terminate(&c->path) ? AC_OK : AC_ERR_NOMEM;
}

static http_header header_of(const char *name, const char *value)
{
    return (http_header){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
}

/* The headers to send: the operation's, Host (which curl sends as it is signed) and the signature. */
static ac_status sign(call *c, arena *memory, http_field fields[HEADERS_MAX], size_t *ret_count, ac_error *err)
{
    _cleanup_(aws_credentials_unrefp) aws_credentials *keys = NULL;
    const api_request *r = c->request;
    http_header headers[API_HEADERS_MAX + 1];
    sigv4_fields signature;
    size_t count = 0;

    AC_TRY(aws_provider_get(c->client->provider, &keys, err));
    headers[count++] = header_of("Host", c->endpoint->authority);
    for (size_t i = 0; i < r->header_count; i++)
        headers[count++] = header_of(r->headers[i].name, r->headers[i].value);

    sigv4_signer signer = {.access_key = keys->access_key,
                           .secret_key = keys->secret_key,
                           .session_token = keys->session_token,
                           .region = c->client->region};
    sigv4_request request = {.method = r->method,
                             .path = c->path.data,
                             .query = r->query.length ? r->query.data : NULL,
                             .headers = headers,
                             .header_count = count,
                             .body = r->body.text,
                             .body_length = r->body.length};
    AC_TRY(sigv4_sign(&signer, &request, clock_unix_ms() / 1000, memory, &signature, err));

    *ret_count = 0;
    for (size_t i = 0; i < count; i++)
        fields[(*ret_count)++] = (http_field){headers[i].name, headers[i].value};
    for (size_t i = 0; i < signature.count; i++) {
        http_field f = signature.fields[i];
        const char *value = arena_copy(memory, f.value, strlen(f.value)); /* the token is the snapshot's */
        if (!value)
            return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
        fields[(*ret_count)++] = (http_field){f.name, value};
    }
    return AC_OK;
}

static const char *answer_header(void *data, const char *name, size_t *ret_length)
{
    const char *value = http_client_header(data, name);

    *ret_length = value ? strlen(value) : 0;
    return value;
}

static ac_status read_answer(call *c, const http_client_response *response, ac_error *err)
{
    api_answer answer = {
        .status = response->head.status,
        .header = answer_header,
        .data = (void *)&response->head,
        .body = response->body.data,
        .body_length = response->body.length,
    };
    yyjson_mut_doc *output = NULL;
    ac_status status = api_parse(c->op, &answer, &output, err);

    if (status == AC_OK && c->op->out_body == API_BODY_EVENTS)
        status = client_read_events(c->op, &response->body, output, err);
    if (status == AC_OK) {
        c->output = yyjson_mut_doc_imut_copy(output, NULL);
        if (!c->output)
            status = ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    }
    yyjson_mut_doc_free(output);
    return status;
}

static ac_status attempt(void *user, http_attempt *a, ac_error *err)
{
    call *c = user;
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    http_field fields[HEADERS_MAX];
    http_client_response response;
    size_t count;

    AC_TRY(sign(c, &memory, fields, &count, err));

    http_client_request request = {
        .method = c->request->method,
        .url = c->url.data,
        .headers = fields,
        .header_count = count,
        .body = c->request->body.text,
        .body_length = c->request->body.length,
        .connect_timeout_ms = c->client->connect_timeout_ms,
        .first_byte_timeout_ms = c->client->read_timeout_ms,
        .idle_timeout_ms = c->client->read_timeout_ms,
        .body_bytes_max = c->client->answer_bytes_max,
    };
    ac_status status = http_client_fetch(c->client->http, &request, &response, err);
    if (status == AC_OK)
        status = read_answer(c, &response, err);
    a->outcome = http_outcome_of(response.failure, response.head.status,
                                 status != AC_OK && err && err->aws_name[0] ? err->aws_name : NULL);
    a->retry_after_ms = response.failure == HTTP_FAILURE_NONE ? http_retry_after_ms(&response.head) : 0;
    if (response.head.status == 401 || response.head.status == 403)
        aws_provider_expire(c->client->provider);
    http_client_response_done(&response);
    return status;
}

/* ---- the call ---- */

static ac_status perform(ac_client *client, const api_operation *op, yyjson_val *input, yyjson_doc **ret_output,
                         ac_error *err)
{
    api_request request = {0};
    ac_error mine = {.status = AC_OK};
    call c = {
        .client = client,
        .op = op,
        .endpoint = &client->endpoints[op->plane == API_DATA_PLANE],
        .request = &request,
        .url = BUF_INIT(URL_BYTES_MAX),
        .path = BUF_INIT(URL_BYTES_MAX),
    };
    ac_status status = api_build(op, input, NULL, &request, &mine);

    if (status == AC_OK && (status = make_url(&c)) != AC_OK)
        ac_error_set(&mine, status, "the request's URL is too long, or memory ran out");
    if (status == AC_OK && !(request.query.length ? buf_terminate(&request.query) : ""))
        status = ac_error_set(&mine, AC_ERR_NOMEM, "out of memory");
    if (status == AC_OK)
        status = http_retry_run(&(http_retry_options){.attempts_max = client->attempts_max, .quota = &client->quota},
                                attempt, &c, &mine);
    if (status == AC_OK && ret_output)
        *ret_output = TAKE_PTR(c.output);
    yyjson_doc_free(c.output);
    call_done(&c);
    api_request_done(&request);
    if (status != AC_OK && err)
        *err = mine;
    return status;
}

ac_status ac_client_call(ac_client *client, const char *operation, yyjson_val *input, yyjson_doc **ret_output,
                         ac_error *err)
{
    const api_operation *op = api_find(operation);

    if (ret_output)
        *ret_output = NULL;
    if (!op)
        return ac_error_set(err, AC_ERR_INVALID, "AgentCore has no operation with the name %.100s", operation);
    return perform(client, op, input, ret_output, err);
}

ac_status ac_client_call_pack(ac_client *client, const char *operation, yyjson_doc **ret_output, ac_error *err,
                              const char *format, ...)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_doc *input = NULL;
    va_list args;

    va_start(args, format);
    yyjson_mut_val *value = doc ? ac_json_vpack(doc, format, args) : NULL;
    va_end(args);
    if (ret_output)
        *ret_output = NULL;
    if (value)
        input = yyjson_mut_val_imut_copy(value, NULL);
    yyjson_mut_doc_free(doc);
    if (!input)
        return ac_error_set(err, AC_ERR_INVALID, "the input cannot be built by the format %.100s", format);

    ac_status status = ac_client_call(client, operation, yyjson_doc_get_root(input), ret_output, err);
    yyjson_doc_free(input);
    return status;
}
