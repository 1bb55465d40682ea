/* What /ping answers: forced, custom, automatic, and since when. */
#include "app/app_internal.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

typedef struct custom {
    ac_status status;
    ac_ping_status says;
    unsigned calls;
} custom;

static ac_status custom_ping(ac_ping_status *ret_status, void *user)
{
    custom *c = user;

    c->calls++;
    *ret_status = c->says;
    return c->status;
}

static int make_app(void **state)
{
    ac_log_set_level(AC_LOG_OFF);
    *state = ac_app_new(NULL);
    return *state ? 0 : -1;
}

static int free_app(void **state)
{
    ac_app_free(*state);
    return 0;
}

static void automatic_follows_the_tasks(void **state)
{
    ac_app *app = *state;

    assert_int_equal(ac_app_get_ping_status(app), AC_PING_HEALTHY);
    int64_t first = ac_app_task_start(app, "one");
    int64_t second = ac_app_task_start(app, "two");
    assert_int_equal(ac_app_get_ping_status(app), AC_PING_HEALTHY_BUSY);
    assert_true(ac_app_task_complete(app, first));
    assert_int_equal(ac_app_get_ping_status(app), AC_PING_HEALTHY_BUSY);
    assert_true(ac_app_task_complete(app, second));
    assert_int_equal(ac_app_get_ping_status(app), AC_PING_HEALTHY);
}

static void custom_goes_before_automatic(void **state)
{
    ac_app *app = *state;
    custom c = {.says = AC_PING_HEALTHY};

    assert_int_equal(ac_app_ping(app, custom_ping, &c), AC_OK);
    int64_t task = ac_app_task_start(app, "busy");
    assert_int_equal(ac_app_get_ping_status(app), AC_PING_HEALTHY);
    c.says = AC_PING_HEALTHY_BUSY;
    assert_true(ac_app_task_complete(app, task));
    assert_int_equal(ac_app_get_ping_status(app), AC_PING_HEALTHY_BUSY);
}

static void a_failing_custom_handler_is_passed_over(void **state)
{
    ac_app *app = *state;
    custom c = {.says = AC_PING_HEALTHY_BUSY, .status = AC_ERR_IO};

    assert_int_equal(ac_app_ping(app, custom_ping, &c), AC_OK);
    assert_int_equal(ac_app_get_ping_status(app), AC_PING_HEALTHY);
    c = (custom){.says = (ac_ping_status)7};
    assert_int_equal(ac_app_get_ping_status(app), AC_PING_HEALTHY);
    c = (custom){.says = (ac_ping_status)6}; /* its low bits look like HealthyBusy */
    assert_int_equal(ac_app_get_ping_status(app), AC_PING_HEALTHY);
    c = (custom){.says = AC_PING_UNSET};
    assert_int_equal(ac_app_get_ping_status(app), AC_PING_HEALTHY);
    assert_int_equal(c.calls, 1);
}

static void forced_goes_before_all(void **state)
{
    ac_app *app = *state;
    custom c = {.says = AC_PING_HEALTHY};

    assert_int_equal(ac_app_ping(app, custom_ping, &c), AC_OK);
    assert_int_equal(ac_app_force_ping_status(app, AC_PING_HEALTHY_BUSY), AC_OK);
    assert_int_equal(ac_app_get_ping_status(app), AC_PING_HEALTHY_BUSY);
    assert_int_equal(c.calls, 0);
    assert_int_equal(ac_app_force_ping_status(app, AC_PING_UNSET), AC_OK);
    assert_int_equal(ac_app_get_ping_status(app), AC_PING_HEALTHY);
    assert_int_equal(c.calls, 1);
    assert_int_equal(ac_app_force_ping_status(app, (ac_ping_status)9), AC_ERR_INVALID);
    assert_int_equal(ac_app_get_ping_status(app), AC_PING_HEALTHY);
}

static void time_changes_with_the_status_only(void **state)
{
    ac_app *app = *state;
    int64_t before = clock_unix_ms() / 1000, since;

    assert_int_equal(ping_get(app, &since), AC_PING_HEALTHY);
    assert_true(since >= before && since <= clock_unix_ms() / 1000);

    /* As if Healthy had been said long ago. */
    atomic_store(&app->ping.last, (uint_fast64_t)1700000000 << 2 | AC_PING_HEALTHY);
    assert_int_equal(ping_get(app, &since), AC_PING_HEALTHY);
    assert_int_equal(since, 1700000000);

    ac_app_force_ping_status(app, AC_PING_HEALTHY_BUSY);
    assert_int_equal(ping_get(app, &since), AC_PING_HEALTHY_BUSY);
    assert_true(since >= before);
    ac_app_force_ping_status(app, AC_PING_HEALTHY);
    assert_int_equal(ping_get(app, &since), AC_PING_HEALTHY);
    assert_true(since >= before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(automatic_follows_the_tasks, make_app, free_app),
        cmocka_unit_test_setup_teardown(custom_goes_before_automatic, make_app, free_app),
        cmocka_unit_test_setup_teardown(a_failing_custom_handler_is_passed_over, make_app, free_app),
        cmocka_unit_test_setup_teardown(forced_goes_before_all, make_app, free_app),
        cmocka_unit_test_setup_teardown(time_changes_with_the_status_only, make_app, free_app),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
