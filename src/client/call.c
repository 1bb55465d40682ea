/* call.c - one call of an operation: its input to a signed request, sent until it is answered, and the answer read.
 *
 * The API table makes the request and reads the answer (aws/api.h); here is what happens between: the endpoint, the
 * caller's own headers, credentials, the signature, and trying again.  A request is signed anew for each attempt, since
 * keys and clocks move on.
 *
 * Two ways to the answer: client_fetch has all of it, client_open its head, with the body left on the connection. */
#include "client/client_internal.h"

#include "base/clock.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

#define URL_BYTES_MAX (256U << 10)
#define BEARER_BYTES_MAX (64U << 10)
#define ERROR_BODY_BYTES_MAX ((size_t)1 << 20)
#define AGENT_PATH "/invocations"

/* Host, the identity token; then the signature, or Authorization. */
#define FIELDS_MAX (API_HEADERS_MAX + CLIENT_HEADERS_MAX + 2 + SIGV4_FIELDS_MAX)

typedef struct call {
    ac_client *client;
    const client_request *asked;
    const aws_endpoint *endpoint;
    aws_endpoint agent; /* of client_request.agent_url */
    api_request request;
    buf url;           /* of the whole request */
    buf path;          /* what is signed: with the endpoint's base path */
    buf authorization; /* of a bearer token */
    unsigned read_timeout_ms;
    http_header headers[FIELDS_MAX];
    size_t header_count;
    /* the answer: of client_fetch the first, of client_open all */
    yyjson_doc *output;
    http_transfer *transfer;
    const http_client_head *head;
} call;

static void call_done(call *c)
{
    buf_done(&c->url);
    buf_done(&c->path);
    buf_done(&c->authorization);
    api_request_done(&c->request);
    yyjson_doc_free(c->output);
    http_transfer_free(c->transfer);
}

/* ---- the request ---- */

static ac_status make_url(call *c)
{
    const api_request *r = &c->request;
    const aws_endpoint *e = c->endpoint;

    AC_TRY(buf_append_text(&c->path, e->base_path));
    if (c->asked->agent_url)
        AC_TRY(buf_append_text(&c->path, AGENT_PATH));
    else
        AC_TRY(buf_append(&c->path, r->path.data, r->path.length));
    AC_TRY(buf_appendf(&c->url, "%s://%s", e->tls ? "https" : "http", e->authority));
    AC_TRY(buf_append(&c->url, c->path.data, c->path.length));
    if (r->query.length) {
        AC_TRY(buf_append(&c->url, "?", 1));
        AC_TRY(buf_append(&c->url, r->query.data, r->query.length));
    }
    if (!buf_terminate(&c->url) || !buf_terminate(&c->path))
        return AC_ERR_NOMEM;
    return !r->query.length || buf_terminate(&c->request.query) ? AC_OK : AC_ERR_NOMEM;
}

static bool has_header(const call *c, const char *name)
{
    for (size_t i = 0; i < c->header_count; i++)
        if (strcasecmp(c->headers[i].name, name) == 0)
            return true;
    return false;
}

static void add_header(call *c, const char *name, const char *value)
{
    c->headers[c->header_count++] = (http_header){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
}

/* What the request makes itself. */
static bool is_ours(const call *c, const char *name)
{
    static const char *const names[] = {"Authorization",        "X-Amz-Date",     "X-Amz-Security-Token",
                                        "X-Amz-Content-SHA256", "Content-Length", "Transfer-Encoding"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return has_header(c, name);
}

static ac_status add_own_headers(call *c, ac_error *err)
{
    const client_request *asked = c->asked;

    if (asked->header_count > CLIENT_HEADERS_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "more than %d headers are added to a request", CLIENT_HEADERS_MAX);
    for (size_t i = 0; i < asked->header_count; i++) {
        const ac_header *h = &asked->headers[i];

        if (!h->name || !h->value || !http_field_valid(h->name, h->value))
            return ac_error_set(err, AC_ERR_INVALID, "a header has characters that headers cannot have");
        if (is_ours(c, h->name))
            return ac_error_set(err, AC_ERR_INVALID, "the header %.100s is set by the client", h->name);
        add_header(c, h->name, h->value);
    }
    return AC_OK;
}

/* The operations that carry the workload's identity on: those that reach another agent. */
static bool passes_identity(const api_operation *op)
{
    static const char *const names[] = {"InvokeAgentRuntime", "InvokeAgentRuntimeCommand", "InvokeHarness"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(api_name(op), names[i]) == 0)
            return true;
    return false;
}

/* The token of the request that the calling thread is serving, if it is. */
static ac_status add_identity(call *c, ac_error *err)
{
    const ac_context *context = passes_identity(c->asked->op) ? ac_context_current() : NULL;
    const char *token = context ? ac_context_workload_token(context) : NULL;

    if (!token || !token[0] || has_header(c, AC_HEADER_IDENTITY_WAT))
        return AC_OK;
    if (!http_field_valid(AC_HEADER_IDENTITY_WAT, token))
        return ac_error_set(err, AC_ERR_INVALID, "the workload access token cannot stand in a header");
    add_header(c, AC_HEADER_IDENTITY_WAT, token);
    return AC_OK;
}

static ac_status make_bearer(call *c, ac_error *err)
{
    const char *token = c->asked->bearer_token;

    if (!token)
        return AC_OK;
    if (!token[0])
        return ac_error_set(err, AC_ERR_INVALID, "Bearer token cannot be empty");
    if (!http_field_valid("Authorization", token))
        return ac_error_set(err, AC_ERR_INVALID, "the bearer token has characters that headers cannot have");
    ac_status status = buf_appendf(&c->authorization, "Bearer %s", token);
    if (status == AC_OK && !buf_terminate(&c->authorization))
        status = AC_ERR_NOMEM;
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "the bearer token is too long, or memory ran out");
}

static ac_status call_begin(call *c, ac_error *err)
{
    ac_status status;

    AC_TRY(api_build(c->asked->op, c->asked->input, c->asked->payload, &c->request, err));
    status = make_url(c);
    if (status != AC_OK)
        return ac_error_set(err, status, "the request's URL is too long, or memory ran out");
    add_header(c, "Host", c->endpoint->authority);
    for (size_t i = 0; i < c->request.header_count; i++)
        add_header(c, c->request.headers[i].name, c->request.headers[i].value);
    AC_TRY(add_own_headers(c, err));
    AC_TRY(add_identity(c, err));
    return make_bearer(c, err);
}

/* ---- one attempt ---- */

static ac_status sign(call *c, arena *memory, http_field *fields, size_t *count, ac_error *err)
{
    _cleanup_(aws_credentials_unrefp) aws_credentials *keys = NULL;
    const api_request *r = &c->request;
    sigv4_fields signature;

    AC_TRY(aws_provider_get(c->client->provider, &keys, err));

    sigv4_signer signer = {.access_key = keys->access_key,
                           .secret_key = keys->secret_key,
                           .session_token = keys->session_token,
                           .region = c->client->region};
    sigv4_request request = {.method = r->method,
                             .path = c->path.data,
                             .query = r->query.length ? r->query.data : NULL,
                             .headers = c->headers,
                             .header_count = c->header_count,
                             .body = r->body.text,
                             .body_length = r->body.length};
    AC_TRY(sigv4_sign(&signer, &request, clock_unix_ms() / 1000, memory, &signature, err));
    for (size_t i = 0; i < signature.count; i++)
        fields[(*count)++] = signature.fields[i];
    return AC_OK;
}

/* The headers to send: those of the call (Host among them, as it is signed), and who is asking. */
static ac_status make_fields(call *c, arena *memory, http_field fields[FIELDS_MAX], size_t *ret_count, ac_error *err)
{
    *ret_count = 0;
    for (size_t i = 0; i < c->header_count; i++)
        fields[(*ret_count)++] = (http_field){c->headers[i].name, c->headers[i].value};
    if (c->asked->agent_url && !c->asked->bearer_token)
        return AC_OK;
    if (!c->asked->bearer_token)
        return sign(c, memory, fields, ret_count, err);
    fields[(*ret_count)++] = (http_field){"Authorization", c->authorization.data};
    return AC_OK;
}

static http_client_request request_to_send(const call *c, const http_field *fields, size_t count)
{
    return (http_client_request){
        .method = c->request.method,
        .url = c->url.data,
        .headers = fields,
        .header_count = count,
        .body = c->request.body.text,
        .body_length = c->request.body.length,
        .connect_timeout_ms = c->client->connect_timeout_ms,
        .first_byte_timeout_ms = c->read_timeout_ms,
        .idle_timeout_ms = c->read_timeout_ms,
    };
}

static void judge(const call *c, http_attempt *a, http_failure failure, const http_client_head *head, ac_status status,
                  const ac_error *err)
{
    int answered = failure == HTTP_FAILURE_NONE && head ? head->status : 0;

    a->outcome = http_outcome_of(failure, answered, status != AC_OK && err->aws_name[0] ? err->aws_name : NULL);
    a->retry_after_ms = answered ? http_retry_after_ms(head) : 0;
    if ((answered == 401 || answered == 403) && !c->asked->bearer_token)
        aws_provider_expire(c->client->provider);
}

static const char *answer_header(void *data, const char *name, size_t *ret_length)
{
    const char *value = http_client_header(data, name);

    *ret_length = value ? strlen(value) : 0;
    return value;
}

static ac_status keep_output(call *c, ac_status status, yyjson_mut_doc *output, ac_error *err)
{
    if (status == AC_OK) {
        c->output = yyjson_mut_doc_imut_copy(output, NULL);
        if (!c->output)
            status = ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    }
    yyjson_mut_doc_free(output);
    return status;
}

/* ---- all of the answer ---- */

static ac_status read_whole(call *c, const http_client_response *response, ac_error *err)
{
    const api_operation *op = c->asked->op;
    api_answer answer = {
        .status = response->head.status,
        .header = answer_header,
        .data = (void *)&response->head,
        .body = response->body.data,
        .body_length = response->body.length,
    };
    yyjson_mut_doc *output = NULL;
    ac_status status = api_parse(op, &answer, &output, err);

    if (status == AC_OK && op->out_body == API_BODY_EVENTS)
        status = client_read_events(op, &response->body, output, err);
    return keep_output(c, status, output, err);
}

static ac_status attempt_fetch(void *user, http_attempt *a, ac_error *err)
{
    call *c = user;
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    http_field fields[FIELDS_MAX];
    http_client_response response;
    size_t count;

    AC_TRY(make_fields(c, &memory, fields, &count, err));

    http_client_request request = request_to_send(c, fields, count);
    request.body_bytes_max = c->client->answer_bytes_max;
    ac_status status = http_client_fetch(c->client->http, &request, &response, err);
    if (status == AC_OK)
        status = read_whole(c, &response, err);
    judge(c, a, response.failure, &response.head, status, err);
    http_client_response_done(&response);
    return status;
}

/* ---- its head ---- */

/* The body of an answer that is a failure, as far as it comes. */
static void read_error_body(http_transfer *t, unsigned timeout_ms, buf *out)
{
    uint64_t until = client_deadline(-1, timeout_ms);
    char bytes[4096];
    size_t length = 0;

    do {
        uint64_t now = clock_monotonic_ms();
        int left = (int)MIN(until > now ? until - now : 0, (uint64_t)INT_MAX);
        if (http_transfer_read(t, bytes, sizeof bytes, left, &length, NULL) != AC_OK)
            return;
    } while (length > 0 && buf_append(out, bytes, length) == AC_OK);
}

/* An agent that runs by itself says {"error": "..."}, where the service would say whose fault it is. */
static ac_status agent_failed(const http_client_head *head, const buf *body, ac_error *err)
{
    yyjson_doc *doc = body->length ? yyjson_read(body->data, body->length, 0) : NULL;
    const char *said = ac_json_string(yyjson_doc_get_root(doc), "error", NULL);

    ac_error_set(err, AC_ERR_HANDLER, "the agent answered with status %d%s%.400s", head->status, said ? ": " : "",
                 said ? said : "");
    if (err) {
        err->http_status = head->status;
        snprintf(err->aws_name, sizeof err->aws_name, "RuntimeClientError");
    }
    yyjson_doc_free(doc);
    return AC_ERR_HANDLER;
}

static ac_status read_head(call *c, http_transfer *t, const http_client_head *head, ac_error *err)
{
    _cleanup_(buf_done) buf body = BUF_INIT(ERROR_BODY_BYTES_MAX);
    yyjson_mut_doc *output = NULL;
    bool failed = head->status < 200 || head->status > 299;

    if (failed)
        read_error_body(t, c->read_timeout_ms, &body);
    if (failed && c->asked->agent_url)
        return agent_failed(head, &body, err);

    api_answer answer = {
        .status = head->status,
        .header = answer_header,
        .data = (void *)head,
        .body = body.data,
        .body_length = body.length,
        .keep_blob = true,
    };
    ac_status status = api_parse(c->asked->op, &answer, &output, err);
    return keep_output(c, status, output, err);
}

/* Whether the request certainly did not arrive, or was answered, or may arrive twice. */
static bool may_repeat(const call *c, http_failure failure)
{
    return failure == HTTP_FAILURE_NONE || failure == HTTP_FAILURE_RESOLVE || failure == HTTP_FAILURE_CONNECT ||
           c->asked->op->idempotent;
}

static ac_status attempt_open(void *user, http_attempt *a, ac_error *err)
{
    call *c = user;
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    _cleanup_(http_transfer_freep) http_transfer *t = NULL;
    const http_client_head *head = NULL;
    http_field fields[FIELDS_MAX];
    size_t count;

    AC_TRY(make_fields(c, &memory, fields, &count, err));

    http_client_request request = request_to_send(c, fields, count);
    request.idle_timeout_ms = UINT_MAX; /* whoever reads has a deadline for each read */
    AC_TRY(http_client_open(c->client->http, &request, NULL, &t, err));
    ac_status status = http_transfer_head(t, -1, &head, err);
    http_failure failure = head ? HTTP_FAILURE_NONE : http_transfer_failure(t);
    if (head)
        status = read_head(c, t, head, err);
    judge(c, a, failure, head, status, err);
    if (!may_repeat(c, failure) || c->asked->agent_url)
        a->outcome = HTTP_OUTCOME_DONE;
    if (status == AC_OK) {
        c->transfer = TAKE_PTR(t);
        c->head = head;
    }
    return status;
}

/* ---- the call ---- */

static ac_status run(call *c, ac_client *client, const client_request *request,
                     ac_status (*attempt)(void *user, http_attempt *a, ac_error *err), ac_error *err)
{
    ac_error mine = {.status = AC_OK};

    *c = (call){
        .client = client,
        .asked = request,
        .endpoint = &client->endpoints[request->op->plane == API_DATA_PLANE],
        .url = BUF_INIT(URL_BYTES_MAX),
        .path = BUF_INIT(URL_BYTES_MAX),
        .authorization = BUF_INIT(BEARER_BYTES_MAX),
        .read_timeout_ms = request->read_timeout_ms ? request->read_timeout_ms : client->read_timeout_ms,
    };
    c->authorization.secret = true;
    ac_status status = AC_OK;
    if (request->agent_url) {
        c->endpoint = &c->agent;
        status = aws_endpoint_parse(request->agent_url, &c->agent, &mine);
    }
    if (status == AC_OK)
        status = call_begin(c, &mine);
    if (status == AC_OK)
        status = http_retry_run(&(http_retry_options){.attempts_max = client->attempts_max, .quota = &client->quota},
                                attempt, c, &mine);
    if (status != AC_OK && err)
        *err = mine;
    return status;
}

ac_status client_fetch(ac_client *client, const client_request *request, yyjson_doc **ret_output, ac_error *err)
{
    call c;
    ac_status status = run(&c, client, request, attempt_fetch, err);

    if (status == AC_OK && ret_output)
        *ret_output = TAKE_PTR(c.output);
    call_done(&c);
    return status;
}

ac_status client_open(ac_client *client, const client_request *request, client_answer *ret_answer, ac_error *err)
{
    call c;
    ac_status status = run(&c, client, request, attempt_open, err);

    *ret_answer = (client_answer){0};
    if (status == AC_OK)
        *ret_answer = (client_answer){
            .transfer = TAKE_PTR(c.transfer),
            .head = c.head,
            .output = TAKE_PTR(c.output),
            .read_timeout_ms = c.read_timeout_ms,
        };
    call_done(&c);
    return status;
}

void client_answer_done(client_answer *answer)
{
    http_transfer_free(answer->transfer);
    yyjson_doc_free(answer->output);
    *answer = (client_answer){0};
}
