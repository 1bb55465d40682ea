/* Background tasks: ids, the table, and tasks run on our threads. */
#include "app/app_internal.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static ac_status never_called(ac_request *request, ac_reply *reply, void *user)
{
    (void)request;
    (void)reply;
    (void)user;
    return AC_OK;
}

static int make_app(void **state)
{
    ac_log_set_level(AC_LOG_OFF);
    ac_app *app = ac_app_new(&(ac_app_options){.log_level = AC_LOG_OFF, .drain_timeout_ms = 10000, .loops = 1});
    *state = app;
    return app && ac_app_entrypoint(app, never_called, NULL) == AC_OK ? 0 : -1;
}

static int free_app(void **state)
{
    ac_app_free(*state);
    return 0;
}

static void tasks_end_in_any_order_and_once(void **state)
{
    ac_app *app = *state;
    enum { COUNT = 100 };
    int64_t ids[COUNT];

    for (int i = 0; i < COUNT; i++) {
        ids[i] = ac_app_task_start(app, "t");
        assert_true(ids[i] != 0);
        for (int k = 0; k < i; k++)
            assert_true(ids[k] != ids[i]);
    }
    assert_int_equal(atomic_load(&app->tasks.active), COUNT);
    for (int i = 0; i < COUNT; i++) {
        int at = i * 37 % COUNT;
        assert_true(ac_app_task_complete(app, ids[at]));
        assert_false(ac_app_task_complete(app, ids[at]));
    }
    assert_int_equal(atomic_load(&app->tasks.active), 0);
    assert_false(ac_app_task_complete(app, 0));
    assert_false(ac_app_task_complete(app, -1));
    assert_false(ac_app_task_complete(app, INT64_MAX));
}

static void info_lists_what_runs(void **state)
{
    ac_app *app = *state;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    char name[] = "first";
    int64_t id = ac_app_task_start(app, name);
    size_t index, count;
    yyjson_mut_val *row;
    static const char *const names[] = {"first", "second"};

    name[0] = 'X'; /* it was copied */
    ac_app_task_start(app, "second");
    yyjson_mut_val *info = ac_app_task_info(app, doc);
    assert_int_equal(yyjson_mut_get_uint(yyjson_mut_obj_get(info, "active_count")), 2);
    yyjson_mut_val *jobs = yyjson_mut_obj_get(info, "running_jobs");
    assert_int_equal(yyjson_mut_arr_size(jobs), 2);
    yyjson_mut_arr_foreach(jobs, index, count, row)
    {
        assert_string_equal(yyjson_mut_get_str(yyjson_mut_obj_get(row, "name")), names[index]);
        assert_true(yyjson_mut_get_real(yyjson_mut_obj_get(row, "duration")) >= 0);
    }
    assert_true(ac_app_task_complete(app, id));
    info = ac_app_task_info(app, doc);
    assert_int_equal(yyjson_mut_get_uint(yyjson_mut_obj_get(info, "active_count")), 1);
    yyjson_mut_doc_free(doc);
}

typedef struct seen {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool go, done;
    char request_id[40], session_id[40];
    const ac_context *context;
    ac_status status;
} seen;

static ac_status look(void *user)
{
    seen *s = user;
    const char *request_id, *session_id;

    pthread_mutex_lock(&s->lock);
    while (!s->go)
        pthread_cond_wait(&s->changed, &s->lock);
    log_get_ids(&request_id, &session_id);
    strcpy(s->request_id, request_id ? request_id : "none");
    strcpy(s->session_id, session_id ? session_id : "none");
    s->context = ac_context_current();
    s->done = true;
    pthread_mutex_unlock(&s->lock);
    return s->status;
}

static void let_go(seen *s)
{
    pthread_mutex_lock(&s->lock);
    s->go = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void a_task_runs_with_the_ids_of_its_caller(void **state)
{
    ac_app *app = *state;
    seen s = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .status = AC_ERR_IO};
    char request_id[] = "request-1";
    app_scope before;
    int64_t id = 0;

    assert_int_equal(app_open(app, NULL), AC_OK);
    scope_enter_ids(request_id, NULL, &before);
    assert_int_equal(ac_app_task_run(app, "look", look, &s, &id), AC_OK);
    scope_leave(&before);
    memset(request_id, 'X', sizeof(request_id) - 1); /* the request is over */

    assert_true(id != 0);
    assert_int_equal(ac_app_get_ping_status(app), AC_PING_HEALTHY_BUSY);
    let_go(&s);
    app_close(app); /* waits for it */
    assert_true(s.done);
    assert_string_equal(s.request_id, "request-1");
    assert_string_equal(s.session_id, "none");
    assert_null(s.context);
    assert_int_equal(ac_app_get_ping_status(app), AC_PING_HEALTHY);
    assert_false(ac_app_task_complete(app, id));
}

static void no_task_runs_in_an_app_that_does_not(void **state)
{
    ac_app *app = *state;
    seen s = {.go = true};
    int64_t id = 0;

    assert_int_equal(ac_app_task_run(app, "look", look, &s, &id), AC_ERR_STATE);
    assert_false(s.done);
    assert_int_equal(atomic_load(&app->tasks.active), 0);
    assert_int_equal(ac_app_task_run(app, "look", NULL, &s, &id), AC_ERR_INVALID);
}

static void an_open_app_takes_no_registration(void **state)
{
    ac_app *app = *state;
    ac_error err;

    assert_int_equal(app_open(app, NULL), AC_OK);
    assert_int_equal(ac_app_entrypoint(app, never_called, NULL), AC_ERR_STATE);
    assert_int_equal(ac_app_ping(app, NULL, NULL), AC_ERR_STATE);
    assert_int_equal(ac_app_cors(app, NULL), AC_ERR_STATE);
    assert_int_equal(ac_app_middleware(app, &(ac_middleware){NULL, NULL, NULL}), AC_ERR_STATE);
    assert_int_equal(ac_app_websocket(app, NULL, NULL), AC_ERR_STATE);
    assert_int_equal(app_open(app, &err), AC_ERR_STATE);
    app_close(app);
    assert_int_equal(ac_app_entrypoint(app, NULL, NULL), AC_OK);
    assert_int_equal(app_open(app, &err), AC_ERR_STATE);
    assert_non_null(strstr(err.message, "no handler"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tasks_end_in_any_order_and_once, make_app, free_app),
        cmocka_unit_test_setup_teardown(info_lists_what_runs, make_app, free_app),
        cmocka_unit_test_setup_teardown(a_task_runs_with_the_ids_of_its_caller, make_app, free_app),
        cmocka_unit_test_setup_teardown(no_task_runs_in_an_app_that_does_not, make_app, free_app),
        cmocka_unit_test_setup_teardown(an_open_app_takes_no_registration, make_app, free_app),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
