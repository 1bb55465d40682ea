/* test_nomem.c - signatures, event streams and ARNs when malloc fails, at each place in turn.
 *
 * Linked with -Wl,--wrap=malloc,--wrap=realloc,--wrap=calloc: the library's own calls come through here, those inside
 * OpenSSL do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aws/arn.h"
#include "aws/eventstream.h"
#include "sigv4_helpers.h"

#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_calloc(size_t count, size_t size);

/* Allocations that still succeed before all fail. */
static int allocations_left = INT32_MAX;
static bool has_failed;

static bool may_allocate(void)
{
    if (allocations_left == INT32_MAX)
        return true;
    if (allocations_left > 0) {
        allocations_left--;
        return true;
    }
    has_failed = true;
    return false;
}

void *__wrap_malloc(size_t size)
{
    return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_realloc(void *block, size_t size)
{
    return may_allocate() ? __real_realloc(block, size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return may_allocate() ? __real_calloc(count, size) : NULL;
}

/* Run fn with nothing to be had after the first, then the second, ... allocation.  fn says whether it succeeded, which
 * it must exactly when nothing failed. */
static void fail_everywhere(bool (*fn)(void))
{
    int failures = 0;

    for (;; failures++) {
        allocations_left = failures;
        has_failed = false;
        bool succeeded = fn();
        allocations_left = INT32_MAX;
        assert_int_equal(succeeded, !has_failed);
        if (!has_failed)
            break;
        assert_true(failures < 1000);
    }
    assert_true(failures > 0);
}

static const sigv4_signer signer = {
    .access_key = KEY, .secret_key = SECRET, .session_token = "token", .region = "us-west-2"};

static http_header headers[8];
static sigv4_request request;

/* The request as it was before it was signed. */
static void request_reset(void)
{
    headers[0] = header_of("Host", "localhost");
    request = (sigv4_request){
        .method = "POST", .path = "/a%3Ab/c", .query = "b=2&a=1", .headers = headers, .header_count = 1};
}

static bool signs(void)
{
    _cleanup_(arena_done) arena a = ARENA_INIT;
    sigv4_fields fields;
    ac_status status = sigv4_sign(&signer, &request, NOW, &a, &fields, NULL);

    assert_true(status == AC_OK || status == AC_ERR_NOMEM);
    return status == AC_OK;
}

static bool presigns(void)
{
    _cleanup_(buf_done) buf out = BUF_INIT(65536);
    ac_status status = sigv4_presign(&signer, &request, 60, NOW, &out, NULL);

    assert_true(status == AC_OK || (status == AC_ERR_NOMEM && out.length == 0));
    return status == AC_OK;
}

static bool verifies(void)
{
    const sigv4_verifier verifier = {.find = find_secret};
    sigv4_identity who;
    sigv4_result result = sigv4_verify(&verifier, &request, NOW, &who, NULL);

    assert_true(result == SIGV4_OK || result == SIGV4_FAILED);
    return result == SIGV4_OK;
}

static void signing(void **state)
{
    (void)state;
    request_reset();
    fail_everywhere(signs);
    fail_everywhere(presigns);
}

static void verifying(void **state)
{
    _cleanup_(arena_done) arena a = ARENA_INIT;
    _cleanup_(buf_done) buf query = BUF_INIT(65536);
    sigv4_fields fields;

    (void)state;
    request_reset();
    assert_int_equal(sigv4_presign(&signer, &request, 60, NOW, &query, NULL), AC_OK);
    assert_int_equal(sigv4_sign(&signer, &request, NOW, &a, &fields, NULL), AC_OK);
    for (size_t i = 0; i < fields.count; i++)
        headers[request.header_count++] = header_of(fields.fields[i].name, fields.fields[i].value);
    fail_everywhere(verifies);

    request_reset();
    request.query = buf_terminate(&query);
    fail_everywhere(verifies);
}

static char stream[512];
static size_t stream_length;

static bool writes(void)
{
    _cleanup_(buf_done) buf out = BUF_INIT(sizeof(stream));
    ac_status status = eventstream_write_event(&out, "result", "application/json", "{}", 2);

    assert_true(status == AC_OK || (status == AC_ERR_NOMEM && out.length == 0));
    stream_length = out.length;
    if (status == AC_OK)
        memcpy(stream, out.data, out.length);
    return status == AC_OK;
}

static bool reads_in_pieces(void)
{
    _cleanup_(eventstream_reader_done) eventstream_reader r;
    eventstream_event event = EVENTSTREAM_MORE;
    eventstream_message message;

    eventstream_reader_init(&r, 0);
    for (size_t i = 0; i < stream_length; i++)
        assert_int_equal(eventstream_read(&r, stream + i, 1, &event, &message), 1);
    assert_true(event == EVENTSTREAM_MESSAGE || (event == EVENTSTREAM_BROKEN && r.status == AC_ERR_NOMEM));
    return event == EVENTSTREAM_MESSAGE;
}

static void event_streams(void **state)
{
    (void)state;
    fail_everywhere(writes);
    fail_everywhere(reads_in_pieces);
}

/* A refusal stays a refusal when there is no memory to quote what is refused. */
static void refusals(void **state)
{
    ac_error err = {0};

    (void)state;
    allocations_left = 0;
    ac_status status = region_check("evil", &err);
    allocations_left = INT32_MAX;
    assert_int_equal(status, AC_ERR_INVALID);
    assert_string_equal(err.message, "Invalid AWS region");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signing),
        cmocka_unit_test(verifying),
        cmocka_unit_test(event_streams),
        cmocka_unit_test(refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
