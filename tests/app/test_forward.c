/* Which headers reach the handler.  Every restricted name is looked up, so a table out of order is noticed. */
#include "app/app_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *const restricted[] = {
    "Proxy-Authorization",
    "WWW-Authenticate",
    "Accept",
    "Accept-Charset",
    "Accept-Encoding",
    "Accept-Language",
    "Content-Type",
    "Content-Length",
    "Content-Encoding",
    "Content-Language",
    "Content-Location",
    "Content-Range",
    "Cache-Control",
    "ETag",
    "Expires",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Last-Modified",
    "Pragma",
    "Vary",
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "Upgrade",
    "Host",
    "User-Agent",
    "Referer",
    "From",
    "Range",
    "Accept-Ranges",
    "Transfer-Encoding",
    "TE",
    "Trailer",
    "Server",
    "Date",
    "Location",
    "Retry-After",
    "Set-Cookie",
    "Cookie",
    "Content-Security-Policy",
    "Content-Security-Policy-Report-Only",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
    "Referrer-Policy",
    "Permissions-Policy",
    "Cross-Origin-Embedder-Policy",
    "Cross-Origin-Opener-Policy",
    "Cross-Origin-Resource-Policy",
    "Access-Control-Allow-Origin",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Credentials",
    "Access-Control-Expose-Headers",
    "Access-Control-Max-Age",
    "Access-Control-Request-Method",
    "Access-Control-Request-Headers",
    "Origin",
    "Accept-CH",
    "Accept-CH-Lifetime",
    "DPR",
    "Width",
    "Viewport-Width",
    "Downlink",
    "ECT",
    "RTT",
    "Save-Data",
    "Clear-Site-Data",
    "Feature-Policy",
    "Expect-CT",
    "Public-Key-Pins",
    "Public-Key-Pins-Report-Only",
    "Via",
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
    "X-Requested-With",
    "X-CSRF-Token",
    "True-Client-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Originating-IP",
    "X-Source-IP",
    "X-Original-URL",
    "X-Original-Host",
    "X-Rewrite-URL",
    "CF-Ray",
    "CF-Connecting-IP",
    "X-Amz-Cf-Id",
    "X-Cache",
    "X-Served-By",
    ":method",
    ":path",
    ":scheme",
    ":authority",
    ":status",
    "Link",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
};

static const char *const forwarded[] = {
    "Authorization",
    "WorkloadAccessToken",
    "OAuth2CallbackUrl",
    "baggage",
    "traceparent",
    "X-Custom",
    "X",
    "X-Amz-Bedrock-AgentCore-Identity-WAT",
    "x-amz-bedrock-agentcore-identity-wat",
    "X-Amzn-Bedrock-AgentCore-Runtime-Custom-User",
    "x-amzn-bedrock-agentcore-runtime-custom-",
    /* near misses of restricted names */
    "Hos",
    "Hosts",
    "Accept-",
    "ETags",
    "X-Forwarded",
    "Sec-WebSocket",
    "Zebra",
    "!first",
    "Content-Security-Policy-Report-Only-",
    "Content-Security-Policy-Report-Only-And-Much-Longer-Than-That",
};

static const char *const reserved[] = {
    "X-Amz-Date",
    "x-amz-",
    "X-Amz-Bedrock-AgentCore-Identity-WATT",
    "X-Amz-Bedrock-AgentCore-Identity-WA",
    "X-Amzn-Trace-Id",
    "x-amzn-",
    "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id",
    "X-Amzn-Bedrock-AgentCore-Runtime-Custom",
};

static bool ask(const char *name)
{
    return header_forwardable(name, strlen(name));
}

static void restricted_names_are_held_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(restricted); i++) {
        char upper[64];
        size_t length = strlen(restricted[i]);

        assert_true(length < sizeof(upper));
        for (size_t k = 0; k <= length; k++)
            upper[k] =
                (char)(restricted[i][k] >= 'a' && restricted[i][k] <= 'z' ? restricted[i][k] - 32 : restricted[i][k]);
        if (ask(restricted[i]) || ask(upper))
            fail_msg("%s is forwarded", restricted[i]);
    }
}

static void other_names_are_forwarded(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
        if (!ask(forwarded[i]))
            fail_msg("%s is not forwarded", forwarded[i]);
}

static void reserved_prefixes_are_held_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
        if (ask(reserved[i]))
            fail_msg("%s is forwarded", reserved[i]);
}

static void only_the_given_length_counts(void **state)
{
    (void)state;
    assert_false(header_forwardable("HostX", 4));
    assert_true(header_forwardable("Hostess", 7));
}

static void lists_are_searched_by_item(void **state)
{
    (void)state;
    assert_true(list_has("a, b ,c", "b", 1, false));
    assert_true(list_has(" a", "a", 1, false));
    assert_true(list_has("GET,POST", "POST", 4, false));
    assert_false(list_has("GET, POST", "post", 4, false));
    assert_true(list_has("GET, POST", "post", 4, true));
    assert_false(list_has("GET, POST", "POS", 3, false));
    assert_false(list_has("GET, POST", "GET, POST", 9, false));
    assert_false(list_has("", "a", 1, false));
    assert_false(list_has(",,", "", 0, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restricted_names_are_held_back),  cmocka_unit_test(other_names_are_forwarded),
        cmocka_unit_test(reserved_prefixes_are_held_back), cmocka_unit_test(only_the_given_length_counts),
        cmocka_unit_test(lists_are_searched_by_item),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
