/* test_sign.c - signatures for other services of AWS, checked by the verifier; and the API table for programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aws/sigv4.h"
#include "base/clock.h"

#include <agentcore/client.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define KEY "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define URL "http://127.0.0.1:5000/a%2Fb/c?list-type=2&prefix=x"

static ac_client *client_new(void)
{
    ac_client *client = NULL;
    ac_error err = {0};

    if (ac_client_new(&(ac_client_options){.region = "eu-west-1", .access_key = KEY, .secret_key = SECRET}, &client,
                      &err) != AC_OK)
        fail_msg("%s", err.message);
    return client;
}

static sigv4_result secret_of(void *user, const sigv4_claim *claim, buf *ret_secret)
{
    (void)user;
    assert_true(view_is(claim->access_key, KEY));
    assert_true(view_is(claim->region, "eu-west-1"));
    return buf_append_text(ret_secret, SECRET) == AC_OK ? SIGV4_OK : SIGV4_FAILED;
}

static http_header field(const char *name, const char *value)
{
    return (http_header){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
}

/* What a service would say of a request with these headers. */
static sigv4_result verify(const ac_signable *r, const ac_signature *s, const char *service, const char *body)
{
    http_header headers[16];
    size_t count = 0;
    sigv4_identity who;

    headers[count++] = field("Host", "127.0.0.1:5000");
    for (size_t i = 0; i < r->header_count; i++)
        headers[count++] = field(r->headers[i].name, r->headers[i].value);
    for (size_t i = 0; i < s->header_count; i++)
        headers[count++] = field(s->headers[i].name, s->headers[i].value);
    const sigv4_verifier verifier = {.service = service, .find = secret_of};
    const sigv4_request request = {.method = r->method,
                                   .path = "/a%2Fb/c",
                                   .query = "list-type=2&prefix=x",
                                   .headers = headers,
                                   .header_count = count,
                                   .body = body,
                                   .body_length = strlen(body)};
    return sigv4_verify(&verifier, &request, clock_unix_ms() / 1000, &who, NULL);
}

static void signs_for_any_service(void **state)
{
    static const char *const services[] = {"ecr", "s3", "bedrock"};
    const ac_header header = {"X-Amz-Target", "Something.Do"};
    ac_client *client = client_new();
    ac_error err = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
        const ac_signable r = {.service = services[i],
                               .method = "PUT",
                               .url = URL,
                               .headers = &header,
                               .header_count = 1,
                               .body = "body",
                               .length = 4};
        ac_signature *s = NULL;

        if (ac_client_sign(client, &r, &s, &err) != AC_OK)
            fail_msg("%s", err.message);
        assert_int_equal(verify(&r, s, services[i], "body"), SIGV4_OK);
        assert_int_equal(verify(&r, s, services[i], "bodY") == SIGV4_OK, false);
        assert_int_equal(verify(&r, s, "sts", "body") == SIGV4_OK, false);
        ac_signature_free(s);
    }
    ac_client_free(client);
}

static void takes_a_hash(void **state)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char hash[65];
    ac_client *client = client_new();
    ac_signature *s = NULL;

    (void)state;
    SHA256((const unsigned char *)"body", 4, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hash + 2 * i, 3, "%02x", digest[i]);
    ac_signable r = {.service = "s3", .method = "PUT", .url = URL, .body_sha256 = hash};
    assert_int_equal(ac_client_sign(client, &r, &s, NULL), AC_OK);
    assert_int_equal(verify(&r, s, "s3", "body"), SIGV4_OK);
    ac_signature_free(s);
    r.body_sha256 = "abc";
    assert_int_equal(ac_client_sign(client, &r, &s, NULL), AC_ERR_INVALID);
    assert_null(s);
    ac_client_free(client);
}

static void refuses(void **state)
{
    const ac_header broken = {"X-A", "a\r\nb"}, nameless = {NULL, "v"}, valueless = {"X-A", NULL};
    const ac_signable cases[] = {
        {.service = "s3", .method = "GET"},
        {.service = "s3", .url = URL},
        {.method = "GET", .url = URL},
        {.service = "s3", .method = "GET", .url = "here"},
        {.service = "s3", .method = "GET", .url = "ftp://here/x"},
        {.service = "s3", .method = "GET", .url = URL "#part"},
        {.service = "s3", .method = "GET", .url = URL, .headers = &broken, .header_count = 1},
        {.service = "s3", .method = "GET", .url = URL, .headers = &nameless, .header_count = 1},
        {.service = "s3", .method = "GET", .url = URL, .headers = &valueless, .header_count = 1},
    };
    ac_client *client = client_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        ac_signature *s = NULL;
        ac_error err = {0};

        if (ac_client_sign(client, &cases[i], &s, &err) != AC_ERR_INVALID || !err.message[0])
            fail_msg("case %zu: %s", i, err.message);
        assert_null(s);
    }
    ac_signature_free(NULL);
    ac_client_free(client);
}

/* ---- operations ---- */

static yyjson_doc *describe(const char *name)
{
    yyjson_doc *doc = NULL;
    ac_error err = {0};

    if (ac_operation_describe(name, &doc, &err) != AC_OK)
        fail_msg("%s: %s", name, err.message);
    return doc;
}

/* What is inside a schema is a schema. */
static void check_schema(yyjson_val *schema)
{
    size_t i, count;
    yyjson_val *name, *member;

    assert_true(yyjson_is_obj(schema));
    yyjson_obj_foreach(yyjson_obj_get(schema, "properties"), i, count, name, member)
    {
        check_schema(member);
    }
    yyjson_arr_foreach(yyjson_obj_get(schema, "required"), i, count, member)
    {
        assert_non_null(yyjson_obj_get(yyjson_obj_get(schema, "properties"), yyjson_get_str(member)));
    }
    if (yyjson_obj_get(schema, "items"))
        check_schema(yyjson_obj_get(schema, "items"));
    if (yyjson_obj_get(schema, "additionalProperties"))
        check_schema(yyjson_obj_get(schema, "additionalProperties"));
}

static void every_operation(void **state)
{
    size_t described = 0;

    (void)state;
    for (size_t i = 0; i < ac_operation_count(); i++) {
        yyjson_doc *doc = describe(ac_operation_name(i));
        yyjson_val *root = yyjson_doc_get_root(doc);

        assert_string_equal(ac_json_string(root, "name", ""), ac_operation_name(i));
        if (ac_json_bool(root, "described", false)) {
            check_schema(yyjson_obj_get(root, "input"));
            check_schema(yyjson_obj_get(root, "output"));
            assert_true(yyjson_arr_size(yyjson_obj_get(root, "errors")) > 0);
            described++;
        } else {
            assert_null(yyjson_obj_get(root, "input"));
        }
        yyjson_doc_free(doc);
    }
    assert_true(described > 100);
    assert_null(ac_operation_name(ac_operation_count()));
    yyjson_doc *none = NULL;
    assert_int_equal(ac_operation_describe("Dance", &none, NULL), AC_ERR_INVALID);
    assert_null(none);
}

static void what_is_told(void **state)
{
    yyjson_doc *doc = describe("CreateAgentRuntime");
    yyjson_val *input = yyjson_obj_get(yyjson_doc_get_root(doc), "input"), *artifact;

    (void)state;
    assert_string_equal(ac_json_string(yyjson_doc_get_root(doc), "plane", ""), "control");
    assert_string_equal(ac_json_string(yyjson_doc_get_root(doc), "path", ""), "/runtimes/");
    assert_string_equal(
        ac_json_string(yyjson_obj_get(yyjson_obj_get(input, "properties"), "agentRuntimeName"), "pattern", ""),
        "[a-zA-Z][a-zA-Z0-9_]{0,47}");
    artifact = yyjson_obj_get(yyjson_obj_get(input, "properties"), "agentRuntimeArtifact");
    assert_int_equal(ac_json_int(artifact, "maxProperties", 0), 1); /* a union */
    yyjson_doc_free(doc);
    doc = describe("InvokeAgentRuntimeCommand");
    assert_true(ac_json_bool(yyjson_doc_get_root(doc), "streams", false));
    yyjson_doc_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_for_any_service), cmocka_unit_test(takes_a_hash), cmocka_unit_test(refuses),
        cmocka_unit_test(every_operation),       cmocka_unit_test(what_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
