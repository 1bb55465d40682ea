/* test_api.c - finding operations by odd paths, times, base64, and patterns against hostile texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_helpers.h"
#include "aws/api_internal.h"
#include "base/clock.h"

#include <math.h>
#include <time.h>

#define PATTERN_MS_MAX 50 /* a few are expected; the rest is for sanitizers and busy machines */

/* ---- routing ---- */

static void assert_route(api_method method, const char *path, const char *expected)
{
    api_route route;
    api_route_result result = api_route_find(method, path, strlen(path), &route);

    if (strcmp(expected, "path") == 0)
        assert_int_equal(result, API_ROUTE_PATH);
    else if (strcmp(expected, "method") == 0)
        assert_int_equal(result, API_ROUTE_METHOD);
    else if (result != API_ROUTE_FOUND || strcmp(api_name(route.op), expected) != 0)
        fail_msg("%s is %s", path, result == API_ROUTE_FOUND ? api_name(route.op) : "nothing");
}

static void routes(void **state)
{
    (void)state;
    assert_route(API_PUT, "/runtimes/", "CreateAgentRuntime");
    assert_route(API_PUT, "/runtimes", "CreateAgentRuntime");
    assert_route(API_POST, "/memories/create", "CreateMemory");
    assert_route(API_POST, "/memories/create/", "CreateMemory");
    assert_route(API_POST, "/memories", "ListMemories");
    assert_route(API_GET, "/memories/create/details", "GetMemory");
    assert_route(API_GET, "/identities/GetWorkloadIdentity", "method");
    assert_route(API_PATCH, "/memories/m/details", "method");
    assert_route(API_POST, "/runtimes/arn%3Aaws%3Ax%2Fy/invocations", "InvokeAgentRuntime");
    assert_route(API_POST, "/runtimes/arn:aws:x/y/invocations", "path");
    assert_route(API_GET, "/runtimes/a/invocations/.well-known/agent-card.json", "GetAgentCard");
    assert_route(API_GET, "/runtimes//", "path");
    assert_route(API_GET, "/runtimes/x//", "path");
    assert_route(API_GET, "//", "path");
    assert_route(API_GET, "/", "path");
    assert_route(API_GET, "", "path");
    assert_route(API_GET, "runtimes/x", "path");
    assert_route(API_GET, "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p", "path");
    assert_route(API_GET, "/MEMORIES/m/details", "path");
}

static void labels_are_raw_slices(void **state)
{
    const char *path = "/memories/m%2Fx/actor/a%3Ab/sessions/s/events/0%23f";
    api_route route;

    (void)state;
    assert_int_equal(api_route_find(API_GET, path, strlen(path), &route), API_ROUTE_FOUND);
    assert_ptr_equal(route.op, api_get(API_GET_EVENT));
    assert_true(view_is(route.labels[0], "m%2Fx"));
    assert_true(view_is(route.labels[1], "a%3Ab"));
    assert_true(view_is(route.labels[3], "0%23f"));
}

/* ---- small codecs ---- */

static void times(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-01-02T03:04:05Z", 1767323045000},
        {"2026-01-02t03:04:05.678901z", 1767323045678},
        {"2026-01-02T04:04:05+01:00", 1767323045000},
        {"2024-02-29T00:00:00Z", 1709164800000},
        {"1969-12-31T23:59:59.5Z", -500},
        {"0001-01-01T00:00:00Z", -62135596800000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
    };
    static const char *const bad[] = {
        "",
        "2026",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-13-02T03:04:05Z",
        "2026-02-29T03:04:05Z",
        "2026-01-02T24:04:05Z",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05Z ",
        "2026-01-02 03:04:05Z",
        "2026-01-02T03:04:05+1:00",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "20260102T030405Z",
        "1767323045",
    };
    char text[API_TIME_TEXT_SIZE];
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_int_equal(api_time_read(good[i].text, strlen(good[i].text), &ms), AC_OK);
        assert_int_equal(ms, good[i].ms);
        api_time_write(ms, text);
        assert_int_equal(api_time_read(text, strlen(text), &ms), AC_OK);
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (api_time_read(bad[i], strlen(bad[i]), &ms) == AC_OK)
            fail_msg("%s was read", bad[i]);
    api_time_write(1767323045000, text);
    assert_string_equal(text, "2026-01-02T03:04:05Z");
    assert_false(api_time_from_seconds(1e300, &ms));
    assert_false(api_time_from_seconds(NAN, &ms));
    assert_true(api_time_from_seconds(0.0015, &ms));
    assert_int_equal(ms, 2);
}

static void base64(void **state)
{
    static const char *const good[] = {"", "AA==", "AAA=", "AAAA", "/+8=", "eHl6enk="};
    static const char *const bad[] = {"A", "A===", "AB==", "AA=A", "=AAA", "AAA", "A A=", "AAE=AAAA", "A-_="};
    size_t bytes;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        _cleanup_(buf_done) buf raw = BUF_INIT(100), text = BUF_INIT(100);

        assert_true(base64_length(BASE64_STANDARD, good[i], strlen(good[i]), &bytes));
        assert_int_equal(base64_decode(&raw, BASE64_STANDARD, good[i], strlen(good[i])), AC_OK);
        assert_int_equal(raw.length, bytes);
        assert_int_equal(base64_encode(&text, BASE64_STANDARD, raw.data, raw.length), AC_OK);
        assert_true(view_is((view){text.data, text.length}, good[i]));
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(base64_length(BASE64_STANDARD, bad[i], strlen(bad[i]), &bytes));
}

/* ---- patterns ---- */

static uint64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Long texts that begin well and end badly, for every pattern: they make a backtracking matcher try everything. */
static void no_pattern_burns_time(void **state)
{
    static const char *const seeds[] = {
        "a",
        "a-",
        "-",
        "a.",
        "a:",
        ":",
        "/",
        "a/",
        "0",
        "{actorId}",
        "arn:aws:",
        "a_",
        "a.a/",
        "::a",
        "Builtin.",
        "\n",
        "\xc3\xa9",
        "s3://a",
        "arn:aws-x:s3files:-:",
        "{sessionId}/",
    };
    enum { LENGTH = 200000 };
    char *text = malloc(LENGTH + 1);

    (void)state;
    assert_non_null(text);
    for (size_t s = 0; s < ARRAY_SIZE(seeds); s++) {
        size_t step = strlen(seeds[s]), length = LENGTH / step * step;

        for (size_t i = 0; i < length; i++)
            text[i] = seeds[s][i % step];
        text[length - 1] = step == 1 || (unsigned char)text[length - 1] < 0x80 ? '!' : text[length - 1];
        for (uint16_t pattern = 0; pattern < API_PATTERN_COUNT; pattern++) {
            uint64_t begin = cpu_ns();
            api_match match = api_pattern_match(pattern, text, length);
            uint64_t took_ms = (cpu_ns() - begin) / 1000000u;

            if (match == API_MATCH_NOMEM || took_ms > PATTERN_MS_MAX)
                fail_msg("%s: %d after %lu ms on %s", api_text(api_patterns[pattern]), (int)match,
                         (unsigned long)took_ms, seeds[s]);
        }
    }
    free(text);
}

static uint16_t pattern_of(const char *text)
{
    for (uint16_t i = 0; i < API_PATTERN_COUNT; i++)
        if (strcmp(api_text(api_patterns[i]), text) == 0)
            return i;
    fail_msg("no pattern %s", text);
    return 0;
}

static void patterns_match_whole_texts(void **state)
{
    uint16_t name = pattern_of("[a-zA-Z][a-zA-Z0-9_]{0,47}");
    uint16_t url = pattern_of("[a-zA-Z0-9\\s._:/=+@-]*");

    (void)state;
    assert_int_equal(api_pattern_match(name, "abc", 3), API_MATCH);
    assert_int_equal(api_pattern_match(name, "abc\n", 4), API_NO_MATCH);
    assert_int_equal(api_pattern_match(name, "abc\0d", 5), API_NO_MATCH);
    assert_int_equal(api_pattern_match(name, "\nabc", 4), API_NO_MATCH);
    assert_int_equal(api_pattern_match(name, "", 0), API_NO_MATCH);
    assert_int_equal(api_pattern_match(url, "", 0), API_MATCH);
    assert_int_equal(api_pattern_match(url, "\xc3\xa9", 2), API_NO_MATCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes), cmocka_unit_test(labels_are_raw_slices), cmocka_unit_test(times),
        cmocka_unit_test(base64), cmocka_unit_test(no_pattern_burns_time), cmocka_unit_test(patterns_match_whole_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
