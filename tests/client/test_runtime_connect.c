/* test_runtime_connect.c - URLs and headers for WebSockets: those of the Python SDK, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../aws/vector_file.h"
#include "base/uuid.h"
#include "client/runtime_internal.h"
#include "http/ws.h"

#include <stdlib.h>
#include <string.h>

#define PARAMS_MAX 8
#define ARN "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/my_agent-AbCdEf1234"

typedef struct vector {
    const char *name, *kind, *arn, *region, *session, *qualifier, *token, *bearer, *endpoint, *url;
    unsigned expires;
    ac_header query[PARAMS_MAX];
    size_t query_count;
    ac_header headers[16];
    size_t header_count;
} vector;

static const char *secret, *access_key;
static int64_t now_s;

static void split(ac_header *h, char *text, const char *separator)
{
    char *end = strstr(text, separator);

    assert_non_null(end);
    *end = '\0';
    *h = (ac_header){text, end + strlen(separator)};
}

static void set(vector *v, const char *key, char *value)
{
    const struct {
        const char *key;
        const char **field;
    } fields[] = {
        {"case", &v->name},           {"kind", &v->kind},  {"arn", &v->arn},        {"region", &v->region},
        {"session", &v->session},     {"url", &v->url},    {"token", &v->token},    {"bearer", &v->bearer},
        {"qualifier", &v->qualifier}, {"secret", &secret}, {"access", &access_key}, {"endpoint", &v->endpoint},
    };

    vector_unescape(value);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (strcmp(fields[i].key, key) == 0)
            *fields[i].field = value;
    if (strcmp(key, "time") == 0)
        now_s = strtoll(value, NULL, 10);
    else if (strcmp(key, "expires") == 0)
        v->expires = (unsigned)strtoul(value, NULL, 10);
    else if (strcmp(key, "query") == 0)
        split(&v->query[v->query_count++], value, "=");
    else if (strcmp(key, "header") == 0)
        split(&v->headers[v->header_count++], value, ": ");
}

static bool next(vector_file *f, arena *a, vector *v)
{
    char *key, *value;

    *v = (vector){0};
    while (vector_line(f, a, &key, &value))
        set(v, key, value);
    return v->name != NULL;
}

static void check_headers(const vector *v, const ac_runtime_connection *c)
{
    size_t compared = 0;

    for (size_t i = 0; i < c->header_count; i++) {
        size_t k = 0;
        if (strcmp(c->headers[i].name, "Sec-WebSocket-Key") == 0) {
            assert_true(ws_key_valid(c->headers[i].value));
            continue;
        }
        while (k < v->header_count && strcmp(v->headers[k].name, c->headers[i].name) != 0)
            k++;
        assert_true(k < v->header_count);
        assert_string_equal(c->headers[i].value, v->headers[k].value);
        compared++;
    }
    assert_int_equal(compared, v->header_count);
}

static const char *no_variable(void *user, const char *name)
{
    (void)user;
    (void)name;
    return NULL;
}

static void check(const vector *v)
{
    _cleanup_(buf_done) buf url = BUF_INIT(1U << 20);
    const aws_credentials keys = {.access_key = access_key, .secret_key = secret, .session_token = v->token};
    const ac_runtime_ws_options ws = {.session_id = v->session, .qualifier = v->qualifier, .bearer_token = v->bearer};
    const ac_runtime_presign_options presign = {.session_id = v->session,
                                                .qualifier = v->qualifier,
                                                .query = v->query,
                                                .query_count = v->query_count,
                                                .expires_s = v->expires};
    ac_runtime_connection *connection = NULL;
    ac_error err = {0};
    aws_endpoint endpoint;
    const aws_env env = {.get = no_variable};

    assert_int_equal(v->endpoint ? aws_endpoint_parse(v->endpoint, &endpoint, &err)
                                 : aws_endpoint_resolve(&env, AWS_DATA_PLANE, v->region, NULL, &endpoint, &err),
                     AC_OK);
    runtime_signing s = {.endpoint = &endpoint, .region = v->region, .keys = &keys, .now_s = now_s};
    if (strcmp(v->kind, "presigned") == 0) {
        assert_int_equal(runtime_presign(&s, v->arn, &presign, &url, &err), AC_OK);
        assert_string_equal(buf_terminate(&url), v->url);
        return;
    }
    if (v->bearer)
        s.keys = NULL;
    assert_int_equal(runtime_connection_make(&s, v->arn, &ws, &connection, &err), AC_OK);
    assert_string_equal(connection->url, v->url);
    assert_string_equal(connection->session_id, v->session);
    check_headers(v, connection);
    ac_runtime_connection_free(connection);
}

static void as_the_python_sdk(void **state)
{
    _cleanup_(arena_done) arena a = ARENA_INIT;
    vector_file f;
    vector v;
    size_t count = 0;

    (void)state;
    vector_file_open(&f, "../../client/vectors/connections.txt");
    next(&f, &a, &v); /* the keys */
    while (next(&f, &a, &v)) {
        print_message("%s\n", v.name);
        check(&v);
        count++;
    }
    vector_file_close(&f);
    assert_int_equal(count, 19);
}

/* ---- through the front door ---- */

static ac_client *client_of(const char *endpoint)
{
    ac_client *client = NULL;

    assert_int_equal(ac_client_new(&(ac_client_options){.region = "us-west-2",
                                                        .access_key = "AKIDEXAMPLE",
                                                        .secret_key = "secret",
                                                        .endpoint = endpoint},
                                   &client, NULL),
                     AC_OK);
    return client;
}

static void session_ids_are_made(void **state)
{
    ac_client *client = client_of("http://localhost:9999");
    ac_runtime_connection *one = NULL, *two = NULL;

    (void)state;
    assert_int_equal(ac_runtime_ws_connection(client, ARN, NULL, &one, NULL), AC_OK);
    assert_int_equal(ac_runtime_ws_connection(client, ARN, &(ac_runtime_ws_options){.session_id = ""}, &two, NULL),
                     AC_OK);
    assert_int_equal(strlen(one->session_id), UUID_SIZE - 1);
    assert_string_not_equal(one->session_id, two->session_id);
    assert_int_equal(strncmp(one->url, "ws://localhost:9999/runtimes/arn%3A", 35), 0);
    ac_runtime_connection_free(one);
    ac_runtime_connection_free(two);
    ac_runtime_connection_free(NULL);
    ac_client_free(client);
}

static void bad_arns(void **state)
{
    static const struct {
        const char *arn, *message;
    } cases[] = {
        {"", "Invalid runtime ARN format: "},
        {"my-runtime", "Invalid runtime ARN format: my-runtime"},
        {"arn:aws:s3:us-west-2:1:runtime/x", "Invalid runtime ARN format: arn:aws:s3:us-west-2:1:runtime/x"},
        {"arn:aws:bedrock-agentcore:us-west-2:1:memory/x",
         "Invalid runtime ARN format: arn:aws:bedrock-agentcore:us-west-2:1:memory/x"},
        {ARN ":more", "Invalid runtime ARN format: " ARN ":more"},
        {"arn:aws:bedrock-agentcore:us-west-2::runtime/x", "ARN components cannot be empty"},
        {"arn:aws:bedrock-agentcore::1:runtime/x", "ARN components cannot be empty"},
        {"arn:aws:bedrock-agentcore:us-west-2:1:runtime/", "ARN components cannot be empty"},
    };
    ac_client *client = client_of(NULL);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        ac_runtime_connection *connection = NULL;
        char *url = NULL;
        ac_error err = {0};
        assert_int_equal(ac_runtime_ws_connection(client, cases[i].arn, NULL, &connection, &err), AC_ERR_INVALID);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(ac_runtime_presigned_url(client, cases[i].arn, NULL, &url, &err), AC_ERR_INVALID);
        assert_string_equal(err.message, cases[i].message);
        assert_true(!connection && !url);
    }
    ac_client_free(client);
}

static void refuse(ac_client *client, const ac_runtime_ws_options *o, const char *message)
{
    ac_runtime_connection *connection = NULL;
    ac_error err = {0};

    assert_int_equal(ac_runtime_ws_connection(client, ARN, o, &connection, &err), AC_ERR_INVALID);
    assert_string_equal(err.message, message);
    assert_null(connection);
}

static void refuse_presign(ac_client *client, const ac_runtime_presign_options *o, const char *message)
{
    ac_error err = {0};
    char *url = NULL;

    assert_int_equal(ac_runtime_presigned_url(client, ARN, o, &url, &err), AC_ERR_INVALID);
    assert_string_equal(err.message, message);
    assert_null(url);
}

static void bad_options(void **state)
{
    ac_client *client = client_of(NULL);
    const ac_header forged = {"X-Amz-Signature", "0"};

    (void)state;
    refuse(client, &(ac_runtime_ws_options){.bearer_token = ""}, "Bearer token cannot be empty");
    refuse(client, &(ac_runtime_ws_options){.bearer_token = "a\r\nb"},
           "the bearer token has characters that headers cannot have");
    refuse(client, &(ac_runtime_ws_options){.session_id = "a\nb"},
           "the session id has characters that headers cannot have");
    refuse_presign(client, &(ac_runtime_presign_options){.expires_s = 301},
                   "Expiry timeout cannot exceed 300 seconds, got 301");
    refuse_presign(client, &(ac_runtime_presign_options){.expires_s = 4000000000},
                   "Expiry timeout cannot exceed 300 seconds, got 4000000000");
    refuse_presign(client, &(ac_runtime_presign_options){.query = &forged, .query_count = 1},
                   "the query cannot be signed: invalid argument");
    ac_client_free(client);
}

static void without_credentials(void **state)
{
    ac_client *client = NULL;
    ac_runtime_connection *connection = NULL;
    char *url = NULL;
    ac_error err = {0};

    (void)state;
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/file", 1);
    setenv("AWS_CONFIG_FILE", "/nonexistent/file", 1);
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_PROFILE");
    assert_int_equal(ac_client_new(&(ac_client_options){.region = "us-west-2"}, &client, NULL), AC_OK);
    assert_int_equal(ac_runtime_ws_connection(client, ARN, NULL, &connection, &err), AC_ERR_NOT_FOUND);
    assert_string_equal(err.message, "No AWS credentials found");
    assert_int_equal(ac_runtime_presigned_url(client, ARN, NULL, &url, &err), AC_ERR_NOT_FOUND);
    assert_string_equal(err.message, "No AWS credentials found");
    assert_int_equal(
        ac_runtime_ws_connection(client, ARN, &(ac_runtime_ws_options){.bearer_token = "t"}, &connection, &err), AC_OK);
    ac_runtime_connection_free(connection);
    ac_client_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_python_sdk), cmocka_unit_test(session_ids_are_made), cmocka_unit_test(bad_arns),
        cmocka_unit_test(bad_options),       cmocka_unit_test(without_credentials),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
