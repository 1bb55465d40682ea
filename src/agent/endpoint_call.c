/* endpoint_call.c - one question to a service: sent, waited for in steps so that a stop is noticed, sent again where
 * that may help.  A request is signed anew for each attempt. */
#include "agent/endpoint_internal.h"

#include "aws/sigv4.h"
#include "base/clock.h"

#include <string.h>
#include <time.h>

#define STEP_MS 200 /* until it is looked whether to go on */
#define REFUSAL_BYTES_MAX ((size_t)64 << 10)
#define PIECE_BYTES ((size_t)16 << 10)
#define PATH_BYTES_MAX ((size_t)8 << 10)
#define FIELDS_MAX (3 + ENDPOINT_HEADERS_MAX + SIGV4_FIELDS_MAX)

typedef struct exchange {
    endpoint *e;
    const endpoint_call *call;
    buf path; /* with the URL's own */
    buf url;
    ac_status (*on_data)(void *user, const char *data, size_t length, ac_error *err);
    void *user;
    bool streamed;
    bool handed; /* bytes of an answer have been handed on */
    buf answer;  /* of one that is not streamed */
    yyjson_doc *doc;
} exchange;

static void exchange_done(exchange *x)
{
    buf_done(&x->path);
    buf_done(&x->url);
    buf_done(&x->answer);
}

static ac_status go_on(const exchange *x, ac_error *err)
{
    const endpoint_call *c = x->call;

    if (!c->go_on || c->go_on(c->user))
        return AC_OK;
    return ac_error_set(err, AC_ERR_CLOSED, "the call to %s was given up", x->e->at.authority);
}

/* ---- the request ---- */

static ac_status make_url(exchange *x)
{
    const aws_endpoint *at = &x->e->at;

    AC_TRY(buf_appendf(&x->path, "%s%s", at->base_path, x->call->path));
    if (!buf_terminate(&x->path))
        return AC_ERR_NOMEM;
    AC_TRY(buf_appendf(&x->url, "%s://%s%s", at->tls ? "https" : "http", at->authority, x->path.data));
    return buf_terminate(&x->url) ? AC_OK : AC_ERR_NOMEM;
}

static ac_status sign(const exchange *x, arena *memory, http_field *fields, size_t *count, ac_error *err)
{
    _cleanup_(aws_credentials_unrefp) aws_credentials *keys = NULL;
    const endpoint *e = x->e;
    http_header headers[FIELDS_MAX];
    sigv4_fields signature;

    AC_TRY(aws_provider_get(e->provider, &keys, err));
    for (size_t i = 0; i < *count; i++)
        headers[i] = (http_header){fields[i].name, fields[i].value, (uint32_t)strlen(fields[i].name),
                                   (uint32_t)strlen(fields[i].value)};
    sigv4_signer signer = {.access_key = keys->access_key,
                           .secret_key = keys->secret_key,
                           .session_token = keys->session_token,
                           .region = e->region,
                           .service = e->service};
    sigv4_request request = {.method = "POST",
                             .path = x->path.data,
                             .headers = headers,
                             .header_count = *count,
                             .body = x->call->body,
                             .body_length = x->call->body_length};
    AC_TRY(sigv4_sign(&signer, &request, clock_unix_ms() / 1000, memory, &signature, err));
    for (size_t i = 0; i < signature.count; i++) {
        http_field field = signature.fields[i];

        field.value = arena_copy(memory, field.value, strlen(field.value)); /* the token is the snapshot's */
        if (!field.value)
            return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
        fields[(*count)++] = field;
    }
    return AC_OK;
}

static ac_status make_fields(const exchange *x, arena *memory, http_field fields[FIELDS_MAX], size_t *ret_count,
                             ac_error *err)
{
    const endpoint *e = x->e;
    size_t count = 0;

    fields[count++] = (http_field){"Host", e->at.authority};
    fields[count++] = (http_field){"Content-Type", "application/json"};
    fields[count++] = (http_field){"Accept", x->call->accept ? x->call->accept : "application/json"};
    for (size_t i = 0; i < e->header_count; i++)
        fields[count++] = e->headers[i];
    if (e->auth == ENDPOINT_AUTH_BEARER)
        fields[count++] = (http_field){"Authorization", e->header.data};
    if (e->auth == ENDPOINT_AUTH_API_KEY)
        fields[count++] = (http_field){"x-api-key", e->header.data};
    *ret_count = count;
    return e->auth == ENDPOINT_AUTH_AWS ? sign(x, memory, fields, ret_count, err) : AC_OK;
}

/* ---- the answer ---- */

static ac_status wait_for_head(const exchange *x, http_transfer *t, const http_client_head **ret_head, ac_error *err)
{
    ac_status status;

    do {
        AC_TRY(go_on(x, err));
        status = http_transfer_head(t, STEP_MS, ret_head, err);
    } while (status == AC_ERR_TIMEOUT && http_transfer_failure(t) == HTTP_FAILURE_NONE);
    return status;
}

static ac_status read_piece(const exchange *x, http_transfer *t, char *piece, size_t *ret_length, ac_error *err)
{
    ac_status status;

    do {
        AC_TRY(go_on(x, err));
        status = http_transfer_read(t, piece, PIECE_BYTES, STEP_MS, ret_length, err);
    } while (status == AC_ERR_TIMEOUT && http_transfer_failure(t) == HTTP_FAILURE_NONE);
    return status;
}

/* To the answer's buf, or on to whoever reads the stream; total is what there was before. */
static ac_status take_piece(exchange *x, const char *piece, size_t length, size_t total, ac_error *err)
{
    const endpoint *e = x->e;
    ac_status status;

    if (length > e->answer_bytes_max - total)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "the answer of %s is larger than %zu bytes", e->at.authority,
                            e->answer_bytes_max);
    if (x->streamed) {
        x->handed = true;
        return x->on_data(x->user, piece, length, err);
    }
    status = buf_append(&x->answer, piece, length);
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "no memory for the answer of %s", e->at.authority);
}

static ac_status read_body(exchange *x, http_transfer *t, ac_error *err)
{
    char piece[PIECE_BYTES];
    size_t length, total = 0;

    for (;;) {
        AC_TRY(read_piece(x, t, piece, &length, err));
        if (length == 0)
            return AC_OK;
        AC_TRY(take_piece(x, piece, length, total, err));
        total += length;
    }
}

static ac_status read_json(exchange *x, http_attempt *attempt, ac_error *err)
{
    ac_status status = ac_json_read(x->answer.data ? x->answer.data : "", x->answer.length, NULL, &x->doc, NULL);

    if (status == AC_OK || status == AC_ERR_NOMEM)
        return status == AC_OK ? AC_OK : ac_error_set(err, status, "out of memory");
    attempt->outcome = HTTP_OUTCOME_TRANSIENT; /* a page of a proxy, half of an answer */
    return ac_error_set(err, AC_ERR_PROTOCOL, "the answer of %s is no JSON", x->e->at.authority);
}

static ac_status read_refusal(const exchange *x, http_transfer *t, const http_client_head *head, http_attempt *attempt,
                              ac_error *err)
{
    _cleanup_(buf_done) buf body = BUF_INIT(REFUSAL_BYTES_MAX);
    char piece[PIECE_BYTES];
    size_t length = 0;
    bool final;
    ac_error mine = {.status = AC_OK};

    /* A body that cannot be read makes the message poorer, no more. */
    while (read_piece(x, t, piece, &length, NULL) == AC_OK && length > 0)
        if (buf_append(&body, piece, length) != AC_OK)
            break;
    ac_status status = endpoint_refusal(x->e, head, &body, &final, &mine);
    attempt->outcome = head->status == HTTP_OVERLOADED ? HTTP_OUTCOME_THROTTLED
                       : head->status == 408
                           ? HTTP_OUTCOME_TIMEOUT
                           : http_outcome_of(HTTP_FAILURE_NONE, head->status, *mine.aws_name ? mine.aws_name : NULL);
    if (final)
        attempt->outcome = HTTP_OUTCOME_DONE;
    attempt->retry_after_ms = http_retry_after_ms(head);
    if ((head->status == 401 || head->status == 403) && x->e->auth == ENDPOINT_AUTH_AWS)
        aws_provider_expire(x->e->provider);
    if (err)
        *err = mine;
    return status;
}

static ac_status read_answer(exchange *x, http_transfer *t, http_attempt *attempt, ac_error *err)
{
    const http_client_head *head;

    AC_TRY(wait_for_head(x, t, &head, err));
    if (head->status < 200 || head->status > 299)
        return read_refusal(x, t, head, attempt, err);
    AC_TRY(read_body(x, t, err));
    return x->streamed ? AC_OK : read_json(x, attempt, err);
}

static ac_status try_once(void *user, http_attempt *attempt, ac_error *err)
{
    exchange *x = user;
    const endpoint *e = x->e;
    unsigned timeout_ms = x->call->timeout_ms ? x->call->timeout_ms : e->timeout_ms;
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    _cleanup_(http_transfer_freep) http_transfer *t = NULL;
    http_field fields[FIELDS_MAX];
    size_t count = 0;

    AC_TRY(go_on(x, err));
    AC_TRY(make_fields(x, &memory, fields, &count, err));
    x->answer.length = 0;
    http_client_request request = {
        .method = "POST",
        .url = x->url.data,
        .headers = fields,
        .header_count = count,
        .body = x->call->body,
        .body_length = x->call->body_length,
        .connect_timeout_ms = MIN(e->connect_timeout_ms, timeout_ms),
        .first_byte_timeout_ms = timeout_ms,
        .idle_timeout_ms = timeout_ms,
        .total_timeout_ms = x->streamed ? 0 : timeout_ms,
    };
    AC_TRY(http_client_open(e->http, &request, NULL, &t, err));
    ac_status status = read_answer(x, t, attempt, err);
    http_failure failure = http_transfer_failure(t);
    if (status != AC_OK && failure != HTTP_FAILURE_NONE)
        attempt->outcome = http_outcome_of(failure, 0, NULL);
    if (x->handed)
        attempt->outcome = HTTP_OUTCOME_DONE;
    return status;
}

/* ---- the call ---- */

static bool wait_in_steps(void *user, unsigned delay_ms)
{
    const exchange *x = user;
    uint64_t until = clock_monotonic_ms() + delay_ms;

    for (;;) {
        uint64_t now = clock_monotonic_ms();
        long step = (long)MIN(until > now ? until - now : 0, (uint64_t)STEP_MS);

        if (go_on(x, NULL) != AC_OK)
            return false;
        if (step == 0)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = step * 1000000}, NULL);
    }
}

static ac_status run(exchange *x, ac_error *err)
{
    endpoint *e = x->e;
    ac_status status = make_url(x);

    if (status != AC_OK)
        return ac_error_set(err, status, "the URL of a call to %s is too long, or memory ran out", e->at.authority);
    return http_retry_run(&(http_retry_options){.attempts_max = e->attempts_max,
                                                .backoff_base_ms = e->backoff_base_ms,
                                                .backoff_max_ms = e->backoff_max_ms,
                                                .quota = &e->quota,
                                                .wait = wait_in_steps,
                                                .user = x},
                          try_once, x, err);
}

static exchange begin(endpoint *e, const endpoint_call *call)
{
    return (exchange){.e = e,
                      .call = call,
                      .path = BUF_INIT(PATH_BYTES_MAX),
                      .url = BUF_INIT(PATH_BYTES_MAX + ENDPOINT_URL_BYTES_MAX),
                      .answer = BUF_INIT(e->answer_bytes_max)};
}

ac_status endpoint_post(endpoint *e, const endpoint_call *call, yyjson_doc **ret_doc, ac_error *err)
{
    _cleanup_(exchange_done) exchange x = begin(e, call);
    ac_status status = run(&x, err);

    *ret_doc = x.doc;
    return status;
}

ac_status endpoint_stream(endpoint *e, const endpoint_call *call,
                          ac_status (*on_data)(void *user, const char *data, size_t length, ac_error *err), void *user,
                          ac_error *err)
{
    _cleanup_(exchange_done) exchange x = begin(e, call);

    x.streamed = true;
    x.on_data = on_data;
    x.user = user;
    return run(&x, err);
}
