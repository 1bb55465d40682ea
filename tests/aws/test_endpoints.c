/* test_endpoints.c - which host wins, and which are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aws/endpoints.h"

#include <string.h>

#define VARIABLES_MAX 8

/* Variables as "NAME=value", up to a NULL. */
typedef struct variables {
    const char *list[VARIABLES_MAX];
} variables;

static const char *get(void *user, const char *name)
{
    const variables *v = user;
    size_t length = strlen(name);

    for (size_t i = 0; v->list[i]; i++)
        if (strncmp(v->list[i], name, length) == 0 && v->list[i][length] == '=')
            return v->list[i] + length + 1;
    return NULL;
}

#define DP "BEDROCK_AGENTCORE_DP_ENDPOINT="
#define CP "BEDROCK_AGENTCORE_CP_ENDPOINT="
#define URL "AWS_ENDPOINT_URL="
#define URL_DP "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE="
#define URL_CP "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL="
#define IGNORE "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="
#define NON_AWS "Constructed endpoint resolves to non-AWS host: "

typedef struct resolve_case {
    variables vars;
    aws_plane plane;
    const char *region, *explicit_url;
    const char *authority; /* or, beginning with '!', the message of the refusal */
    bool plain;            /* http */
} resolve_case;

static const resolve_case resolve_cases[] = {
    {{{NULL}}, AWS_DATA_PLANE, "us-west-2", NULL, "bedrock-agentcore.us-west-2.amazonaws.com", false},
    {{{NULL}}, AWS_CONTROL_PLANE, "eu-west-1", NULL, "bedrock-agentcore-control.eu-west-1.amazonaws.com", false},
    {{{NULL}}, AWS_DATA_PLANE, "cn-north-1", NULL, "bedrock-agentcore.cn-north-1.amazonaws.com.cn", false},
    {{{NULL}}, AWS_DATA_PLANE, "us-gov-west-1", NULL, "bedrock-agentcore.us-gov-west-1.amazonaws.com", false},
    {{{NULL}},
     AWS_DATA_PLANE,
     "us-iso-east-1",
     NULL,
     "!" NON_AWS "'bedrock-agentcore.us-iso-east-1.c2s.ic.gov'",
     false},
    {{{NULL}},
     AWS_DATA_PLANE,
     "x@evil.com:443/#",
     NULL,
     "!Invalid AWS region: 'x@evil.com:443/#'. Region must match pattern like 'us-east-1', 'eu-west-2', 'cn-north-1'.",
     false},
    {{{URL "http://127.0.0.1:8080"}}, AWS_DATA_PLANE, "us-west-2", NULL, "127.0.0.1:8080", true},
    {{{URL "http://127.0.0.1:8080", URL_DP "http://localhost:1/"}},
     AWS_DATA_PLANE,
     "us-west-2",
     NULL,
     "localhost:1",
     true},
    {{{URL "http://127.0.0.1:8080", URL_DP "http://h:1"}},
     AWS_CONTROL_PLANE,
     "us-west-2",
     NULL,
     "127.0.0.1:8080",
     true},
    {{{URL_CP "http://h:2", URL_DP "http://h:1"}}, AWS_CONTROL_PLANE, "us-west-2", NULL, "h:2", true},
    {{{URL_CP "http://h:2"}}, AWS_DATA_PLANE, "us-west-2", NULL, "bedrock-agentcore.us-west-2.amazonaws.com", false},
    {{{URL "http://h:1", IGNORE "true"}},
     AWS_DATA_PLANE,
     "us-west-2",
     NULL,
     "bedrock-agentcore.us-west-2.amazonaws.com",
     false},
    {{{URL "http://h:1", IGNORE "TRUE"}},
     AWS_DATA_PLANE,
     "us-west-2",
     NULL,
     "bedrock-agentcore.us-west-2.amazonaws.com",
     false},
    {{{URL "http://h:1", IGNORE "1"}}, AWS_DATA_PLANE, "us-west-2", NULL, "h:1", true},
    {{{URL ""}}, AWS_DATA_PLANE, "us-west-2", NULL, "bedrock-agentcore.us-west-2.amazonaws.com", false},
    {{{DP "https://dp.amazonaws.com", URL_DP "http://h:1", URL "http://h:2"}},
     AWS_DATA_PLANE,
     "us-west-2",
     NULL,
     "dp.amazonaws.com",
     false},
    {{{DP "https://dp.amazonaws.com"}},
     AWS_CONTROL_PLANE,
     "us-west-2",
     NULL,
     "bedrock-agentcore-control.us-west-2.amazonaws.com",
     false},
    {{{CP "https://x.api.aws", IGNORE "true"}}, AWS_CONTROL_PLANE, "us-west-2", NULL, "x.api.aws", false},
    {{{DP "https://evil.com"}}, AWS_DATA_PLANE, "us-west-2", NULL, "!" NON_AWS "'evil.com'", false},
    {{{DP "https://amazonaws.com"}}, AWS_DATA_PLANE, "us-west-2", NULL, "!" NON_AWS "'amazonaws.com'", false},
    {{{DP "https://x.amazonaws.com.evil.com"}},
     AWS_DATA_PLANE,
     "us-west-2",
     NULL,
     "!" NON_AWS "'x.amazonaws.com.evil.com'",
     false},
    {{{DP "http://127.0.0.1:1"}}, AWS_DATA_PLANE, "us-west-2", NULL, "!" NON_AWS "'127.0.0.1'", false},
    {{{DP "https://evil.com/x.amazonaws.com"}}, AWS_DATA_PLANE, "us-west-2", NULL, "!" NON_AWS "'evil.com'", false},
    {{{DP "https://evil.com"}}, AWS_DATA_PLANE, "us-west-2", "http://mine:9", "mine:9", true},
};

static void the_first_that_is_set_wins(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(resolve_cases); i++) {
        const resolve_case *c = &resolve_cases[i];
        const aws_env env = {.get = get, .user = (void *)(uintptr_t)&c->vars};
        aws_endpoint found;
        ac_error err;

        ac_status status = aws_endpoint_resolve(&env, c->plane, c->region, c->explicit_url, &found, &err);
        if (c->authority[0] == '!') {
            assert_int_equal(status, AC_ERR_INVALID);
            assert_string_equal(err.message, c->authority + 1);
        } else {
            assert_int_equal(status, AC_OK);
            assert_string_equal(found.authority, c->authority);
            assert_int_equal(found.tls, !c->plain);
        }
    }
}

static void urls_are_taken_apart(void **state)
{
    aws_endpoint e;

    (void)state;
    assert_int_equal(aws_endpoint_parse("HTTPS://Example.COM:443", &e, NULL), AC_OK);
    assert_string_equal(e.authority, "example.com");
    assert_int_equal(e.port, 443);
    assert_string_equal(e.base_path, "");
    assert_int_equal(aws_endpoint_parse("http://h:443/base/path//", &e, NULL), AC_OK);
    assert_string_equal(e.authority, "h:443");
    assert_string_equal(e.base_path, "/base/path");
    assert_true(e.configured);
    assert_int_equal(aws_endpoint_parse("http://[::1]:80/", &e, NULL), AC_OK);
    assert_string_equal(e.authority, "[::1]");
    assert_string_equal(e.host, "[::1]");
    assert_int_equal(aws_endpoint_parse("http://[FE80::1]:8080", &e, NULL), AC_OK);
    assert_string_equal(e.authority, "[fe80::1]:8080");
    assert_int_equal(aws_endpoint_parse("http://h:/", &e, NULL), AC_OK);
    assert_int_equal(e.port, 80);
}

static void malformed_urls(void **state)
{
    static const char *const urls[] = {"",
                                       "localhost:8080",
                                       "ftp://h",
                                       "http:/h",
                                       "http://",
                                       "http:///path",
                                       "http://:80",
                                       "http://h:0",
                                       "http://h:65536",
                                       "http://h:000080",
                                       "http://h:8o",
                                       "http://h:-1",
                                       "http://user@h",
                                       "http://user:pw@h",
                                       "http://h?q",
                                       "http://h#f",
                                       "http://h h",
                                       "http://h\n",
                                       "http://h\\x",
                                       "http://.h",
                                       "http://h..h",
                                       "http://h.",
                                       "http://h%2e",
                                       "http://[::1",
                                       "http://[]",
                                       "http://[12]",
                                       "http://[::1]x",
                                       "http://[::g]",
                                       "http://\xC3\xA9",
                                       "http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    char longest[4096] = "http://h/";
    aws_endpoint e;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        ac_error err = {0};
        if (aws_endpoint_parse(urls[i], &e, &err) != AC_ERR_INVALID)
            fail_msg("%s was taken", urls[i]);
        assert_memory_equal(err.message, "Invalid endpoint: ", 18);
    }
    memset(longest + 9, 'a', sizeof(longest) - 10);
    assert_int_equal(aws_endpoint_parse(longest, &e, NULL), AC_ERR_INVALID);
}

static void regions_come_from_the_environment(void **state)
{
    static const struct {
        variables vars;
        const char *explicit_region, *region;
    } cases[] = {
        {{{NULL}}, NULL, "us-west-2"},
        {{{"AWS_DEFAULT_REGION=eu-west-1"}}, NULL, "eu-west-1"},
        {{{"AWS_DEFAULT_REGION=eu-west-1", "AWS_REGION=us-east-1"}}, NULL, "us-east-1"},
        {{{"AWS_DEFAULT_REGION=eu-west-1", "AWS_REGION="}}, NULL, "eu-west-1"},
        {{{"AWS_REGION=us-east-1"}}, "ap-south-1", "ap-south-1"},
        {{{"AWS_REGION=us-east-1"}}, "", "us-east-1"},
        {{{"AWS_REGION=us-east-1/"}}, NULL, NULL},
        {{{NULL}}, "evil", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const aws_env env = {.get = get, .user = (void *)(uintptr_t)&cases[i].vars};
        char region[REGION_SIZE];
        ac_status status = aws_region_resolve(&env, cases[i].explicit_region, region, NULL);
        assert_int_equal(status, cases[i].region ? AC_OK : AC_ERR_INVALID);
        if (cases[i].region)
            assert_string_equal(region, cases[i].region);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_that_is_set_wins),
        cmocka_unit_test(urls_are_taken_apart),
        cmocka_unit_test(malformed_urls),
        cmocka_unit_test(regions_come_from_the_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
