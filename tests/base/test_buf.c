/* test_buf.c - the growing buffer: its cap, its arithmetic at the edges of size_t, and secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

/* Asking for absurd sizes is the point of some tests. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void appends_in_order(void **state)
{
    _cleanup_(buf_done) buf b = BUF_INIT(SIZE_MAX);

    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(buf_append(&b, "ab", 2), AC_OK);
        assert_int_equal(buf_append_text(&b, "c"), AC_OK);
        assert_int_equal(buf_appendf(&b, "%03d", i), AC_OK);
    }
    assert_int_equal(b.length, 6000);
    assert_memory_equal(b.data, "abc000abc001", 12);
    assert_memory_equal(b.data + 5988, "abc998abc999", 12);
    assert_true(b.capacity < 4 * b.length);
}

static void cap_is_exact(void **state)
{
    _cleanup_(buf_done) buf b = BUF_INIT(10);

    (void)state;
    assert_int_equal(buf_append(&b, "0123456", 7), AC_OK);
    assert_int_equal(buf_append(&b, "abcd", 4), AC_ERR_TOO_LARGE);
    assert_int_equal(buf_appendf(&b, "%d", 1234), AC_ERR_TOO_LARGE);
    assert_int_equal(b.length, 7);
    assert_memory_equal(b.data, "0123456", 7);
    assert_int_equal(buf_appendf(&b, "%d", 789), AC_OK);
    assert_int_equal(b.length, 10);
    assert_int_equal(buf_append(&b, "x", 1), AC_ERR_TOO_LARGE);
    assert_int_equal(buf_append(&b, "", 0), AC_OK);

    /* The terminator is not counted. */
    assert_string_equal(buf_terminate(&b), "0123456789");
    assert_int_equal(b.length, 10);
    assert_int_equal(buf_reserve(&b, 1), AC_ERR_TOO_LARGE);
}

static void sizes_do_not_wrap(void **state)
{
    _cleanup_(buf_done) buf b = BUF_INIT(SIZE_MAX);

    (void)state;
    assert_int_equal(buf_append_text(&b, "abc"), AC_OK);
    assert_int_equal(buf_reserve(&b, SIZE_MAX), AC_ERR_TOO_LARGE);
    assert_int_equal(buf_reserve(&b, SIZE_MAX - 3), AC_ERR_NOMEM);
    assert_int_equal(buf_reserve(&b, PTRDIFF_MAX), AC_ERR_NOMEM);
    assert_string_equal(buf_terminate(&b), "abc");
}

static void empty_ones_work(void **state)
{
    _cleanup_(buf_done) buf b = BUF_INIT(0);
    size_t length = 1;

    (void)state;
    assert_int_equal(buf_append(&b, NULL, 0), AC_OK);
    assert_int_equal(buf_append(&b, "x", 1), AC_ERR_TOO_LARGE);
    buf_consume(&b, 5);
    assert_null(buf_take(&b, &length));
    assert_int_equal(length, 0);
    assert_string_equal(buf_terminate(&b), "");
}

static void consume_keeps_the_rest(void **state)
{
    _cleanup_(buf_done) buf b = BUF_INIT(100);

    (void)state;
    assert_int_equal(buf_append_text(&b, "0123456789"), AC_OK);
    buf_consume(&b, 0);
    buf_consume(&b, 4);
    assert_string_equal(buf_terminate(&b), "456789");
    buf_consume(&b, 100);
    assert_int_equal(b.length, 0);
}

static void take_hands_over(void **state)
{
    _cleanup_(buf_done) buf b = BUF_INIT(100);
    size_t length = 0;

    (void)state;
    assert_int_equal(buf_append_text(&b, "mine"), AC_OK);
    char *data = buf_take(&b, &length);
    assert_int_equal(length, 4);
    assert_memory_equal(data, "mine", 4);
    free(data);
    assert_null(b.data);
    assert_int_equal(buf_append_text(&b, "again"), AC_OK);
    assert_int_equal(b.length, 5);
}

static void secrets_are_wiped(void **state)
{
    _cleanup_(buf_done) buf b = BUF_INIT(1000);
    static const char zeros[6];

    (void)state;
    b.secret = true;
    assert_int_equal(buf_append_text(&b, "password"), AC_OK);
    for (int i = 0; i < 50; i++)
        assert_int_equal(buf_append_text(&b, "0123456789"), AC_OK);
    assert_memory_equal(b.data, "password0123456789", 18);
    buf_consume(&b, 500);
    assert_int_equal(b.length, 8);
    assert_memory_equal(b.data, "23456789", 8);
    assert_memory_equal(b.data + 8, zeros, sizeof(zeros));
}

static void spare_is_empty_and_small(void **state)
{
    _cleanup_(buf_done) buf b = BUF_INIT(1000);

    (void)state;
    assert_int_equal(buf_append_text(&b, "text"), AC_OK);
    char *data = b.data;
    _cleanup_(buf_done) buf spare = buf_spare(&b, 100);
    assert_ptr_equal(spare.data, data);
    assert_int_equal(spare.length, 0);
    assert_null(b.data);

    assert_int_equal(buf_reserve(&b, 101), AC_OK);
    _cleanup_(buf_done) buf none = buf_spare(&b, 100);
    assert_null(none.data);
    assert_null(b.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_in_order),       cmocka_unit_test(cap_is_exact),
        cmocka_unit_test(sizes_do_not_wrap),      cmocka_unit_test(empty_ones_work),
        cmocka_unit_test(consume_keeps_the_rest), cmocka_unit_test(take_hands_over),
        cmocka_unit_test(secrets_are_wiped),      cmocka_unit_test(spare_is_empty_and_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
