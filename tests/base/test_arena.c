/* test_arena.c - arenas: alignment, blocks, hooks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"

#include <string.h>

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void allocations_are_apart_and_aligned(void **state)
{
    _cleanup_(arena_done) arena a = ARENA_INIT;
    unsigned char *memory[600];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(memory); i++) {
        size_t length = i * 7 % 1500;

        memory[i] = arena_alloc(&a, length);
        assert_non_null(memory[i]);
        assert_int_equal((uintptr_t)memory[i] % _Alignof(max_align_t), 0);
        memset(memory[i], (int)(i & 0xFF), length);
    }
    for (size_t i = 0; i < ARRAY_SIZE(memory); i++) {
        for (size_t j = 0; j < i * 7 % 1500; j++)
            assert_int_equal(memory[i][j], i & 0xFF);
    }
    assert_ptr_not_equal(arena_alloc(&a, 0), arena_alloc(&a, 0));
}

static void empty_owns_nothing(void **state)
{
    arena a = ARENA_INIT;

    (void)state;
    arena_done(&a);
    assert_null(a.blocks);
    assert_non_null(arena_alloc(&a, 1));
    arena_done(&a);
    assert_null(a.blocks);
    assert_null(a.next);
    assert_non_null(arena_alloc(&a, 1));
    arena_done(&a);
}

static void large_ones_leave_the_block_alone(void **state)
{
    _cleanup_(arena_done) arena a = ARENA_INIT;

    (void)state;
    assert_non_null(arena_alloc(&a, 100000)); /* the very first */
    char *first = arena_alloc(&a, 16);
    const char *free_from = a.next;
    memset(arena_alloc(&a, 50000), 1, 50000);
    assert_ptr_equal(a.next, free_from);
    char *second = arena_alloc(&a, 16);
    assert_true(second > first && second < first + 100);
}

static void copies_and_zeros(void **state)
{
    _cleanup_(arena_done) arena a = ARENA_INIT;
    static const char zeros[300];

    (void)state;
    assert_string_equal(arena_copy(&a, "hello world", 5), "hello");
    assert_string_equal(arena_copy(&a, NULL, 0), "");
    assert_memory_equal(arena_zalloc(&a, 300), zeros, 300);
}

static void sizes_do_not_wrap(void **state)
{
    _cleanup_(arena_done) arena a = ARENA_INIT;

    (void)state;
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, PTRDIFF_MAX));
    assert_null(arena_zalloc(&a, SIZE_MAX - 8));
    assert_null(arena_copy(&a, "x", SIZE_MAX));
    assert_non_null(arena_alloc(&a, 8));
}

typedef struct trace {
    arena *a;
    char text[16];
    size_t length;
} trace;

static void note_b(void *data)
{
    trace *t = data;

    t->text[t->length++] = 'b';
}

static void note_a(void *data)
{
    trace *t = data;

    t->text[t->length++] = 'a';
    assert_non_null(arena_alloc(t->a, 2000));
    assert_int_equal(arena_on_release(t->a, note_b, t), AC_OK);
}

static void hooks_run_last_first(void **state)
{
    arena a = ARENA_INIT;
    trace t = {.a = &a};

    (void)state;
    assert_int_equal(arena_on_release(&a, note_b, &t), AC_OK);
    assert_int_equal(arena_on_release(&a, note_b, &t), AC_OK);
    assert_int_equal(arena_on_release(&a, note_a, &t), AC_OK);
    arena_done(&a);
    assert_string_equal(t.text, "abbb");
    arena_done(&a);
    assert_string_equal(t.text, "abbb");
}

static void reset_keeps_one_small_block(void **state)
{
    _cleanup_(arena_done) arena a = ARENA_INIT;
    trace t = {.a = &a};

    (void)state;
    arena_reset(&a);
    assert_null(a.blocks);

    char *first = arena_alloc(&a, 100);
    assert_int_equal(arena_on_release(&a, note_b, &t), AC_OK);
    arena_reset(&a);
    assert_string_equal(t.text, "b");
    assert_non_null(a.blocks);
    assert_ptr_equal(arena_alloc(&a, 200), first);

    memset(arena_alloc(&a, 5000), 1, 5000);
    arena_reset(&a);
    assert_null(a.blocks);
    for (int i = 0; i < 20; i++)
        memset(arena_alloc(&a, 200), 1, 200);
    arena_reset(&a);
    assert_null(a.blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_apart_and_aligned),
        cmocka_unit_test(empty_owns_nothing),
        cmocka_unit_test(large_ones_leave_the_block_alone),
        cmocka_unit_test(copies_and_zeros),
        cmocka_unit_test(sizes_do_not_wrap),
        cmocka_unit_test(hooks_run_last_first),
        cmocka_unit_test(reset_keeps_one_small_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
