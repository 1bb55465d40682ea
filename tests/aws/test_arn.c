/* test_arn.c - ARNs, region names and percent-encoding, with the messages of the Python SDK. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aws/arn.h"
#include "aws/uri.h"

#include <stdio.h>

#define RUNTIME "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/agent-AbCdEf1234"

static void taken_apart_and_put_together(void **state)
{
    static const char text[] = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a/b:c";
    _cleanup_(buf_done) buf out = BUF_INIT(256);
    arn found;

    (void)state;
    assert_int_equal(arn_parse(text, strlen(text), &found, NULL), AC_OK);
    assert_true(view_is(found.partition, "aws"));
    assert_true(view_is(found.service, "secretsmanager"));
    assert_true(view_is(found.region, "eu-west-1"));
    assert_true(view_is(found.account, "123456789012"));
    assert_true(view_is(found.resource, "secret:a/b:c"));
    assert_int_equal(arn_format(&out, "aws", "secretsmanager", "eu-west-1", "123456789012", "secret:a/b:c"), AC_OK);
    assert_string_equal(buf_terminate(&out), text);

    static const char builtin[] = "arn:aws:bedrock-agentcore:::evaluator/Builtin.X";
    assert_int_equal(arn_parse(builtin, strlen(builtin), &found, NULL), AC_OK);
    assert_int_equal(found.region.length, 0);
    assert_true(view_is(found.resource, "evaluator/Builtin.X"));
}

static void malformed_arns(void **state)
{
    static const char *const texts[] = {"",
                                        "arn",
                                        "arn:",
                                        "arn:aws:s:r:a",
                                        "arn:aws:s:r:a:",
                                        "arn::s:r:a:x",
                                        "arn:aws::r:a:x",
                                        "ARN:aws:s:r:a:x",
                                        "urn:aws:s:r:a:x",
                                        " arn:aws:s:r:a:x"};
    char longest[ARN_BYTES_MAX + 2] = "arn:aws:s:r:a:";
    arn found;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        ac_error err = {0};
        assert_int_equal(arn_parse(texts[i], strlen(texts[i]), &found, &err), AC_ERR_INVALID);
        assert_memory_equal(err.message, "Invalid ARN format: ", 20);
    }
    memset(longest + 14, 'x', sizeof(longest) - 15);
    assert_int_equal(arn_parse(longest, ARN_BYTES_MAX, &found, NULL), AC_OK);
    assert_int_equal(arn_parse(longest, ARN_BYTES_MAX + 1, &found, NULL), AC_ERR_INVALID);
}

static void runtime_arns(void **state)
{
    static const char *const malformed[] = {
        "",
        "not-an-arn",
        "arn:aws:bedrock-agentcore:us-west-2:123456789012",
        "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/a:more",
        "arn:aws-cn:bedrock-agentcore:us-west-2:123456789012:runtime/a",
        "arn:aws:s3:us-west-2:123456789012:runtime/a",
        "arn:aws:bedrock-agentcore:us-west-2:123456789012:memory/a",
        "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime",
    };
    static const char *const empty[] = {
        "arn:aws:bedrock-agentcore::123456789012:runtime/a",
        "arn:aws:bedrock-agentcore:us-west-2::runtime/a",
        "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/",
    };
    runtime_arn found;
    ac_error err = {0};

    (void)state;
    assert_int_equal(runtime_arn_parse(RUNTIME, &found, &err), AC_OK);
    assert_true(view_is(found.region, "us-west-2"));
    assert_true(view_is(found.account, "123456789012"));
    assert_true(view_is(found.id, "agent-AbCdEf1234"));
    assert_int_equal(runtime_arn_parse("arn:aws-us-gov:bedrock-agentcore:us-gov-west-1:1:runtime/a/b", &found, NULL),
                     AC_OK);
    assert_true(view_is(found.id, "a/b"));

    for (size_t i = 0; i < ARRAY_SIZE(malformed); i++) {
        char expected[256];
        snprintf(expected, sizeof(expected), "Invalid runtime ARN format: %s", malformed[i]);
        assert_int_equal(runtime_arn_parse(malformed[i], &found, &err), AC_ERR_INVALID);
        assert_string_equal(err.message, expected);
    }
    for (size_t i = 0; i < ARRAY_SIZE(empty); i++) {
        assert_int_equal(runtime_arn_parse(empty[i], &found, &err), AC_ERR_INVALID);
        assert_string_equal(err.message, "ARN components cannot be empty");
    }
}

static void runtime_arn_of_another_region(void **state)
{
    runtime_arn found;
    ac_error err;

    (void)state;
    assert_int_equal(runtime_arn_parse(RUNTIME, &found, NULL), AC_OK);
    assert_int_equal(runtime_arn_check_region(&found, "us-west-2", &err), AC_OK);
    assert_int_equal(runtime_arn_check_region(&found, "us-east-1", &err), AC_ERR_INVALID);
    assert_string_equal(err.message,
                        "ARN region 'us-west-2' does not match client region 'us-east-1'. Create a client for the same "
                        "region as the runtime ARN, or use the ARN's region.");
}

static void regions(void **state)
{
    static const char *const good[] = {"us-east-1", "ap-southeast-12", "us-gov-west-1", "xx-a-0", "us-iso-b-c-east-1"};
    static const char *const bad[] = {"",
                                      "us",
                                      "us-east",
                                      "us-1",
                                      "-east-1",
                                      "u-east-1",
                                      "usa-east-1",
                                      "us-east-1 ",
                                      " us-east-1",
                                      "us-east-1\n",
                                      "us-east-1a",
                                      "us-east-",
                                      "us--east-1",
                                      "us-east--1",
                                      "US-EAST-1",
                                      "us-east-1-2",
                                      "us-e1st-1",
                                      "us_east_1",
                                      "us-east-1.",
                                      "x@evil.com:443/#",
                                      "us-east-1/../x",
                                      "us-east-1-",
                                      "us-east-1@evil.com",
                                      "aa-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-1"};
    ac_error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_int_equal(region_check(good[i], NULL), AC_OK);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (region_check(bad[i], NULL) != AC_ERR_INVALID)
            fail_msg("%s", bad[i]);
    assert_false(region_valid("us-east-1\0", 10));
    assert_int_equal(region_check("it's\n\t\\", &err), AC_ERR_INVALID);
    assert_string_equal(err.message,
                        "Invalid AWS region: \"it's\\n\\t\\\\\". Region must match pattern like 'us-east-1', "
                        "'eu-west-2', 'cn-north-1'.");
}

static void encoding(void **state)
{
    _cleanup_(buf_done) buf out = BUF_INIT(4096);
    char every[256];

    (void)state;
    assert_int_equal(uri_encode(&out, RUNTIME, strlen(RUNTIME), URI_ENCODE_SLASH), AC_OK);
    assert_string_equal(buf_terminate(&out), "arn%3Aaws%3Abedrock-agentcore%3Aus-west-2%3A123456789012%3A"
                                             "runtime%2Fagent-AbCdEf1234");
    out.length = 0;
    assert_int_equal(uri_encode(&out, "/a b/~_-.+\xE2\x98\x83%", 14, URI_KEEP_SLASH), AC_OK);
    assert_string_equal(buf_terminate(&out), "/a%20b/~_-.%2B%E2%98%83%25");

    for (int i = 0; i < 256; i++)
        every[i] = (char)i;
    out.length = 0;
    assert_int_equal(uri_encode(&out, every, sizeof(every), URI_ENCODE_SLASH), AC_OK);
    assert_int_equal(out.length, 66 + 190 * 3);

    _cleanup_(buf_done) buf back = BUF_INIT(256);
    assert_int_equal(uri_decode(&back, out.data, out.length, URI_PLUS_SPACE), AC_OK);
    assert_int_equal(back.length, sizeof(every));
    assert_memory_equal(back.data, every, sizeof(every));

    _cleanup_(buf_done) buf tight = BUF_INIT(5);
    assert_int_equal(uri_encode(&tight, "a/", 2, URI_ENCODE_SLASH), AC_OK);
    assert_int_equal(uri_encode(&tight, "/", 1, URI_ENCODE_SLASH), AC_ERR_TOO_LARGE);
    assert_int_equal(uri_encode(&tight, "b", 1, URI_ENCODE_SLASH), AC_OK);
    assert_memory_equal(tight.data, "a%2Fb", 5);
}

static void decoding_is_strict(void **state)
{
    static const char *const bad[] = {"%", "%2", "a%", "a%2", "%zz", "%2z", "%z2", "% 2", "%+2", "%%41", "ok%2Fok%"};
    _cleanup_(buf_done) buf out = BUF_INIT(64);

    (void)state;
    assert_int_equal(buf_append_text(&out, "kept"), AC_OK);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(uri_decode(&out, bad[i], strlen(bad[i]), URI_PLUS_LITERAL), AC_ERR_INVALID);
        assert_string_equal(buf_terminate(&out), "kept");
    }
    assert_int_equal(uri_decode(&out, "%2f%2F+%41", 10, URI_PLUS_LITERAL), AC_OK);
    assert_string_equal(buf_terminate(&out), "kept//+A");
    assert_int_equal(uri_decode(&out, "+%2B", 4, URI_PLUS_SPACE), AC_OK);
    assert_string_equal(buf_terminate(&out), "kept//+A +");
    assert_int_equal(uri_decode(&out, "%2F", 2, URI_PLUS_LITERAL), AC_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken_apart_and_put_together),
        cmocka_unit_test(malformed_arns),
        cmocka_unit_test(runtime_arns),
        cmocka_unit_test(runtime_arn_of_another_region),
        cmocka_unit_test(regions),
        cmocka_unit_test(encoding),
        cmocka_unit_test(decoding_is_strict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
