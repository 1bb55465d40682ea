/* test_loop.c - input that waits in the loop's read buffer: order, room, and connections that go away meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/loop.h"

#include <string.h>

typedef struct source {
    http_loop *loop;
    struct source *victim; /* is forgotten when this one's input comes */
    size_t bytes;
    unsigned times, place;
} source;

static unsigned deliveries;

static void deliver(void *from, char *data, size_t length)
{
    source *s = from;

    for (size_t i = 0; i < length; i++)
        assert_int_equal(data[i], (char)length);
    s->bytes += length;
    s->times++;
    s->place = ++deliveries;
    if (s->victim)
        http_loop_forget(s->loop, s->victim);
}

static void read_from(source *s, size_t length)
{
    size_t room;
    char *data = http_loop_read_room(s->loop, &room);

    assert_true(room >= LOOP_READ_ROOM_MIN && length <= room);
    memset(data, (char)length, length);
    http_loop_gather(s->loop, deliver, s, data, length);
}

static int set_up(void **state)
{
    static http_loop loop;

    *state = &loop;
    deliveries = 0;
    return http_loop_init(&loop) == AC_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    http_loop_done(*state);
    return 0;
}

static void input_waits_and_comes_in_order(void **state)
{
    source a = {.loop = *state}, b = {.loop = *state};

    read_from(&a, 10);
    read_from(&b, 20);
    read_from(&a, 10);
    assert_int_equal(deliveries, 0);
    http_loop_deliver(*state);
    assert_int_equal(deliveries, 3);
    assert_int_equal(b.place, 2);
    assert_int_equal(a.place, 3);
    assert_int_equal(a.bytes, 20);
    http_loop_deliver(*state); /* nothing is left */
    assert_int_equal(deliveries, 3);
}

static void a_turn_of_the_loop_delivers(void **state)
{
    http_loop *loop = *state;
    source a = {.loop = loop};

    read_from(&a, 10);
    uv_ref((uv_handle_t *)&loop->wake); /* as connections do: a loop that nothing holds takes no turn */
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    uv_unref((uv_handle_t *)&loop->wake);
    assert_int_equal(a.times, 1);
}

static void a_crowd_does_not_wait(void **state)
{
    source a = {.loop = *state};

    for (int i = 0; i < LOOP_INPUTS_MAX; i++)
        read_from(&a, 1);
    assert_int_equal(a.times, LOOP_INPUTS_MAX);
}

static void short_room_does_not_wait(void **state)
{
    source a = {.loop = *state};
    size_t room;

    while (a.times == 0)
        read_from(&a, 4096); /* checks that there is room each time */
    assert_true(a.bytes > LOOP_READ_BUFFER_BYTES - LOOP_READ_ROOM_MIN);
    http_loop_read_room(*state, &room);
    assert_int_equal(room, LOOP_READ_BUFFER_BYTES);
}

static void what_is_gone_gets_nothing(void **state)
{
    source a = {.loop = *state}, b = {.loop = *state, .victim = &a}, c = {.loop = *state};

    read_from(&a, 1);
    http_loop_forget(*state, &a);
    read_from(&b, 2);
    read_from(&a, 3);
    read_from(&c, 4);
    http_loop_deliver(*state);
    assert_int_equal(a.times, 0);
    assert_int_equal(b.times, 1);
    assert_int_equal(c.times, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(input_waits_and_comes_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_turn_of_the_loop_delivers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_crowd_does_not_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(short_room_does_not_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_gone_gets_nothing, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
