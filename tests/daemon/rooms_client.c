/* rooms_client.c - requests that are built, signed, sent through memory, and read back. */
#include "rooms_client.h"

#include "base/clock.h"
#include "daemon/identity/room.h"
#include "daemon/resources/room.h"
#include "daemon/tools/room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ANSWER_MS 20000
#define HEADERS_MAX (API_HEADERS_MAX + 1)
#define REQUEST_MAX ((size_t)1 << 20)

/* ---- a front with rooms ---- */

static void take_key(const char *access_key, const char *account, int64_t created_ms, void *user)
{
    rooms *r = user;

    (void)account;
    (void)created_ms;
    snprintf(r->access_key, sizeof r->access_key, "%s", access_key);
}

int rooms_set_up(void **state)
{
    rooms *r = calloc(1, sizeof *r);
    void *inner;
    ac_error err;

    assert_non_null(r);
    assert_int_equal(fixture_set_up(&inner), 0);
    r->fixture = inner;
    r->memory = ARENA_INIT;
    r->region = ROOMS_REGION;
    assert_ok(keys_open(r->fixture->dir, ROOMS_ACCOUNT, &r->keys, &err));
    keys_each(r->keys, take_key, r);
    r->secret = BUF_INIT(1024);
    _cleanup_(buf_done) buf token = BUF_INIT(1024);
    char account[KEY_ACCOUNT_SIZE];
    assert_ok(keys_find(r->keys, r->access_key, strlen(r->access_key), &r->secret, &token, account, &err));
    assert_non_null(buf_terminate(&r->secret));

    r->workers = workers_new(&(workers_options){.threads_max = 4});
    r->front = front_new(&(front_options){
        .server = {.loops = 1},
        .keys = r->keys,
        .workers = r->workers,
        .region = ROOMS_REGION,
        .account = ROOMS_ACCOUNT,
    });
    assert_non_null(r->front);
    assert_ok(resources_register(r->front, r->fixture->s, &err));
    assert_ok(identity_register(r->front, r->fixture->s, &err));
    assert_ok(tools_register(r->front, &err));
    r->code.store = r->fixture->s;
    assert_ok(code_register_control(r->front, &r->code, &err));
    *state = r;
    return 0;
}

int rooms_tear_down(void **state)
{
    rooms *r = *state;
    void *inner = r->fixture;

    assert_true(workers_stop(r->workers, ANSWER_MS));
    http_memory_shutdown(r->front->server);
    front_free(r->front);
    workers_free(r->workers);
    keys_close(r->keys);
    buf_done(&r->secret);
    arena_done(&r->memory);
    free(r);
    return fixture_tear_down(&inner);
}

const char *rooms_format(rooms *r, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = arena_vformat(&r->memory, format, args);
    va_end(args);
    assert_non_null(text);
    return text;
}

/* ---- one exchange ---- */

static void free_doc(void *doc)
{
    yyjson_doc_free(doc);
}

static void free_mut_doc(void *doc)
{
    yyjson_mut_doc_free(doc);
}

/* An api_header_fn over the head of an answer. */
static const char *find_field(void *data, const char *name, size_t *ret_length)
{
    size_t length = strlen(name);

    for (const char *line = data; (line = strstr(line, "\r\n")) != NULL;) {
        line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            const char *value = line + length + 1 + strspn(line + length + 1, " ");
            *ret_length = strcspn(value, "\r");
            return value;
        }
    }
    *ret_length = 0;
    return NULL;
}

static rooms_answer read_answer(rooms *r, http_memory *m, const char **ret_head)
{
    uint64_t due_ms = clock_monotonic_ms() + ANSWER_MS;
    rooms_answer answer = {0};
    size_t length;

    while (!http_memory_closed(m)) {
        if (clock_monotonic_ms() > due_ms)
            fail_msg("no answer in time");
        http_memory_pump(r->front->server, 100);
    }
    const char *data = http_memory_received(m, &length);
    char *text = arena_copy(&r->memory, data ? data : "", length);
    char *body = text ? strstr(text, "\r\n\r\n") : NULL;
    if (!body || sscanf(text, "HTTP/1.1 %d", &answer.status) != 1)
        fail_msg("the answer is not HTTP");
    if (!body)
        return answer; /* not reached, which the analyzer does not know */
    body[2] = '\0';
    *ret_head = text;
    answer.body = body + 4;
    answer.body_length = length - (size_t)(answer.body - text);

    size_t type_length;
    const char *type = find_field(text, "x-amzn-errortype", &type_length);
    answer.type = type ? arena_copy(&r->memory, type, type_length) : NULL;
    yyjson_doc *doc = yyjson_read(answer.body, answer.body_length, 0);
    answer.json = yyjson_doc_get_root(doc);
    if (doc)
        assert_int_equal(arena_on_release(&r->memory, free_doc, doc), AC_OK);
    return answer;
}

static http_memory *begin(rooms *r, const sigv4_request *request)
{
    const sigv4_signer signer = {
        .access_key = r->use_key ? r->use_key : r->access_key,
        .secret_key = r->use_secret ? r->use_secret : r->secret.data,
        .region = r->region,
    };
    _cleanup_(buf_done) buf text = BUF_INIT(REQUEST_MAX);
    sigv4_fields fields = {0};
    ac_error err;

    if (!r->unsigned_requests && !r->bearer)
        assert_ok(sigv4_sign(&signer, request, clock_unix_ms() / 1000, &r->memory, &fields, &err));
    assert_int_equal(buf_appendf(&text, "%s %s%s%s HTTP/1.1\r\nConnection: close\r\nContent-Length: %zu\r\n",
                                 request->method, request->path, request->query ? "?" : "",
                                 request->query ? request->query : "", request->body_length),
                     AC_OK);
    for (size_t i = 0; i < request->header_count; i++)
        assert_int_equal(buf_appendf(&text, "%s: %s\r\n", request->headers[i].name, request->headers[i].value), AC_OK);
    for (size_t i = 0; i < fields.count; i++)
        assert_int_equal(buf_appendf(&text, "%s: %s\r\n", fields.fields[i].name, fields.fields[i].value), AC_OK);
    if (r->bearer)
        assert_int_equal(buf_appendf(&text, "Authorization: Bearer %s\r\n", r->bearer), AC_OK);
    if (r->extra)
        assert_int_equal(buf_append_text(&text, r->extra), AC_OK);
    assert_int_equal(buf_append_text(&text, "\r\n"), AC_OK);
    assert_int_equal(buf_append(&text, request->body, request->body_length), AC_OK);

    http_memory *m = http_memory_connect(r->front->server);
    assert_non_null(m);
    http_memory_send(m, text.data, text.length);
    return m;
}

static rooms_answer finish(rooms *r, http_memory *m, const char **ret_head)
{
    rooms_answer answer = read_answer(r, m, ret_head);

    http_memory_free(m);
    return answer;
}

static http_header header(const char *name, const char *value)
{
    return (http_header){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
}

rooms_answer rooms_send(rooms *r, const char *method, const char *path, const char *query, const char *body)
{
    const http_header headers[] = {header("Host", "agentcore.test"), header("Content-Type", "application/json")};
    const char *head;
    const sigv4_request request = {
        .method = method,
        .path = path,
        .query = query,
        .headers = headers,
        .header_count = ARRAY_SIZE(headers),
        .body = body ? body : "",
        .body_length = body ? strlen(body) : 0,
    };

    return finish(r, begin(r, &request), &head);
}

/* ---- operations ---- */

static http_memory *begin_call(rooms *r, const api_operation *op, const char *input)
{
    _cleanup_(api_request_done) api_request built = {0};
    http_header headers[HEADERS_MAX] = {header("Host", "agentcore.test")};
    yyjson_doc *doc = yyjson_read(input, strlen(input), 0);
    ac_error err;

    if (!doc)
        fail_msg("not JSON: %s", input);
    assert_ok(api_build(op, yyjson_doc_get_root(doc), NULL, &built, &err));
    for (size_t i = 0; i < built.header_count; i++)
        headers[i + 1] = header(built.headers[i].name, built.headers[i].value);
    const sigv4_request request = {
        .method = built.method,
        .path = buf_terminate(&built.path),
        .query = built.query.length ? buf_terminate(&built.query) : NULL,
        .headers = headers,
        .header_count = built.header_count + 1,
        .body = built.body.text ? built.body.text : "",
        .body_length = built.body.length,
    };
    http_memory *m = begin(r, &request);
    yyjson_doc_free(doc);
    return m;
}

static const api_operation *find(const char *operation)
{
    const api_operation *op = api_find(operation);

    assert_non_null(op);
    return op;
}

rooms_answer rooms_call(rooms *r, const char *operation, const char *input)
{
    const char *head;

    return finish(r, begin_call(r, find(operation), input), &head);
}

void rooms_call_at_once(rooms *r, const char *operation, const char *const *inputs, size_t count,
                        rooms_answer *ret_answers)
{
    http_memory *connections[ROOMS_AT_ONCE_MAX];
    const char *head;

    assert_true(count <= ROOMS_AT_ONCE_MAX);
    for (size_t i = 0; i < count; i++)
        connections[i] = begin_call(r, find(operation), inputs[i]);
    for (size_t i = 0; i < count; i++)
        ret_answers[i] = finish(r, connections[i], &head);
}

yyjson_mut_val *rooms_good(rooms *r, const char *operation, const char *input)
{
    const api_operation *op = find(operation);
    const char *head;
    rooms_answer answer = finish(r, begin_call(r, op, input), &head);
    yyjson_mut_doc *output = NULL;
    ac_error err;

    if (answer.status != op->status)
        fail_msg("%s %s: %d %s", operation, input, answer.status, answer.body);
    assert_ok(api_parse(op,
                        &(api_answer){
                            .status = answer.status,
                            .header = find_field,
                            .data = (void *)head,
                            .body = answer.body,
                            .body_length = answer.body_length,
                        },
                        &output, &err));
    assert_int_equal(arena_on_release(&r->memory, free_mut_doc, output), AC_OK);
    return yyjson_mut_doc_get_root(output);
}

rooms_answer rooms_bad(rooms *r, const char *operation, const char *input, int status, const char *name)
{
    rooms_answer answer = rooms_call(r, operation, input);

    if (answer.status != status || !answer.type || strcmp(answer.type, name) != 0)
        fail_msg("%s %s: %d %s %s", operation, input, answer.status, answer.type ? answer.type : "-", answer.body);
    return answer;
}
