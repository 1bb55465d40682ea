/* A session's life: started once however many ask, found again, stopped, dead, and what is said about it. */
#include "daemon/sessions/internal.h"
#include "session_agent.h"
#include "session_fixture.h"

#include <signal.h>

#define THREADS 24

static void one_is_started_found_and_stopped(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.plan = {.version = "7"}};
    session_key key = key_named("a");
    ac_error err = {0};

    fixture_sessions_open(f, NULL);
    session *first = acquire(f, &plan, "a");
    session *again = acquire(f, &plan, "a");
    assert_ptr_equal(first, again);
    session *other = acquire(f, &plan, "b");
    assert_ptr_not_equal(first, other);
    assert_int_not_equal(pid_of(first), pid_of(other));
    assert_string_equal(session_version(first), "7");
    assert_true(llabs(session_created_ms(first) - clock_unix_ms()) < PATIENCE_MS);
    assert_int_equal(plan.prepared, 2);
    assert_int_equal(fake_started(), 2);

    session *found = NULL;
    assert_ok(try_acquire(f, NULL, "a", &found, &err)); /* only if it is there */
    assert_ptr_equal(found, first);
    session_release(found);
    assert_int_equal(try_acquire(f, NULL, "c", &found, &err), AC_ERR_NOT_FOUND);

    session_release(first);
    session_release(again);
    session_release(other);
    session_release(NULL);
    assert_ok(session_stop(f->all, &key, NULL, &err));
    assert_int_equal(session_stop(f->all, &key, NULL, &err), AC_ERR_NOT_FOUND);
    wait_until(overs(f) == 1);
    assert_string_equal(f->over_id, "a");
    assert_string_equal(f->over_reason, "it was stopped");
    session *anew = acquire(f, &plan, "a");
    session_release(anew);
    assert_int_equal(plan.prepared, 3);
}

static void keys_are_checked(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {0};
    char id[SESSION_ID_MAX + 2];
    session *s = NULL;
    ac_error err;

    fixture_sessions_open(f, NULL);
    memset(id, 'x', sizeof(id));
    id[SESSION_ID_MAX + 1] = '\0';
    assert_int_equal(try_acquire(f, &plan, id, &s, &err), AC_ERR_INVALID);
    assert_int_equal(try_acquire(f, &plan, "", &s, &err), AC_ERR_INVALID);
    id[SESSION_ID_MAX] = '\0';
    session_release(acquire(f, &plan, id));
}

/* ---- many at once ---- */

typedef struct asker {
    pthread_t thread;
    session_fixture *f;
    agent_plan *plan;
    pthread_barrier_t *barrier;
    session *s;
    ac_status status;
    ac_error err;
} asker;

static void *run_asker(void *arg)
{
    asker *a = arg;

    pthread_barrier_wait(a->barrier);
    a->status = try_acquire(a->f, a->plan, "same", &a->s, &a->err);
    return NULL;
}

static void ask_together(session_fixture *f, agent_plan *plan, asker askers[THREADS])
{
    pthread_barrier_t barrier;

    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        askers[i] = (asker){.f = f, .plan = plan, .barrier = &barrier};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, run_asker, &askers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(askers[i].thread, NULL);
    pthread_barrier_destroy(&barrier);
}

static void many_who_ask_start_one(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.words = "late=50"};
    asker askers[THREADS];
    unsigned before = fake_started();

    fixture_sessions_open(f, NULL);
    ask_together(f, &plan, askers);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(askers[i].status, AC_OK);
        assert_ptr_equal(askers[i].s, askers[0].s);
        session_release(askers[i].s);
    }
    assert_int_equal(plan.prepared, 1);
    assert_int_equal(fake_started() - before, 1);
}

static void many_who_ask_share_the_failure(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.words = "late=50 say=there-is-no-model die=3"};
    asker askers[THREADS];

    fixture_sessions_open(f, NULL);
    ask_together(f, &plan, askers);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(askers[i].status, AC_ERR_CLOSED);
        assert_string_equal(askers[i].err.message,
                            "the agent exited with code 3 before it was ready; its last output: there-is-no-model");
    }
    assert_true(plan.prepared <= THREADS); /* latecomers may try again */
    plan.words = "";
    session_release(acquire(f, &plan, "same"));
    assert_int_equal(overs(f), 0);
}

/* ---- starts that fail ---- */

static void death_ends_the_wait_at_once(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.words = "die=1"};
    uint64_t began = clock_monotonic_ms();
    session *s = NULL;
    ac_error err;

    fixture_sessions_open(f, NULL);
    assert_int_equal(try_acquire(f, &plan, "a", &s, &err), AC_ERR_CLOSED);
    assert_true(clock_monotonic_ms() - began < PATIENCE_MS);
    sessions_stats stats;
    sessions_get_stats(f->all, &stats);
    assert_int_equal(stats.failed, 1);
    assert_int_equal(stats.started, 0);
    assert_int_equal(stats.now, 0);
}

static void *ask_for_another(void *arg)
{
    asker *a = arg;
    char id[32];

    snprintf(id, sizeof(id), "%p", arg);
    a->status = try_acquire(a->f, a->plan, id, &a->s, &a->err);
    return NULL;
}

/* All at once, since there is time for each: to say something, and to answer something, however busy the machine is. */
static void what_is_not_ready_in_time_fails(void **state)
{
    static const struct {
        const char *words, *message;
    } cases[] = {
        {"say=loading late=60000", "the agent was not ready within 3 s: it did not answer on port "},
        {"say=loading sick", "the agent was not ready within 3 s: GET /ping was answered with status 503"},
        {"say=loading mute", "the agent was not ready within 3 s: it did not answer on port "},
    };
    session_fixture *f = *state;
    agent_plan plans[ARRAY_SIZE(cases)];
    asker askers[ARRAY_SIZE(cases)];
    uint64_t began = clock_monotonic_ms();

    fixture_sessions_open(f, &(sessions_options){.health_timeout_ms = 500});
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        plans[i] = (agent_plan){.words = cases[i].words, .plan.start_ms = 3000};
        askers[i] = (asker){.f = f, .plan = &plans[i]};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_for_another, &askers[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        pthread_join(askers[i].thread, NULL);
        assert_true(clock_monotonic_ms() - began >= 3000);
        assert_int_equal(askers[i].status, AC_ERR_TIMEOUT);
        assert_contains(askers[i].err.message, cases[i].message);
        assert_contains(askers[i].err.message, "; its last output: loading");
    }
    wait_until(fake_alive() == 0);
}

static void what_cannot_be_prepared_or_started_fails(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.fails = AC_ERR_DENIED};
    session *s = NULL;
    ac_error err;

    fixture_sessions_open(f, NULL);
    assert_int_equal(try_acquire(f, &plan, "a", &s, &err), AC_ERR_DENIED);
    assert_string_equal(err.message, "no plan today");
    plan.fails = AC_OK;
    fake_plan.start_fails = AC_ERR_UNSUPPORTED;
    assert_int_equal(try_acquire(f, &plan, "a", &s, &err), AC_ERR_UNSUPPORTED);
    assert_string_equal(err.message, "no sandbox today");
    assert_int_equal(try_acquire(f, &plan, "a", &s, NULL), AC_ERR_UNSUPPORTED);
    fake_plan.start_fails = AC_OK;
    session_release(acquire(f, &plan, "a"));
}

static void one_without_a_port_is_ready_when_it_runs(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.no_port = true};
    session_key key = key_named("a");
    ac_error err;

    fixture_sessions_open(f, NULL);
    session_release(acquire(f, &plan, "a"));
    assert_ok(session_stop(f->all, &key, NULL, &err));
}

static void one_without_a_health_path_is_ready_when_it_listens(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.words = "late=50 mute", .no_health = true};

    fixture_sessions_open(f, NULL);
    session *s = acquire(f, &plan, "a");
    assert_true(pid_of(s) > 0);
    session_release(s);
}

/* ---- death and stop ---- */

static void a_death_is_told_and_followed_by_a_new_one(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {0};
    char reason[SESSION_REASON_SIZE];

    fixture_sessions_open(f, NULL);
    session *s = acquire(f, &plan, "a");
    session_over_reason(s, 0, reason);
    assert_string_equal(reason, "");
    int pid = pid_of(s);
    assert_int_equal(ask(s, "/die/3", NULL, 0), 0);
    session_over_reason(s, PATIENCE_MS, reason);
    assert_string_equal(reason, "the agent exited with code 3; its last output: about to die");
    session *next = acquire(f, &plan, "a");
    assert_int_not_equal(pid_of(next), pid);
    int fd;
    ac_error err;
    assert_int_equal(session_socket(s, &fd, &err), AC_ERR_CLOSED);
    session_release(s); /* its memory was there until now */
    kill(pid_of(next), SIGKILL);
    session_over_reason(next, PATIENCE_MS, reason);
    assert_string_equal(reason, "the agent was killed by signal 9");
    session_release(next);
    wait_until(overs(f) == 2);
}

/* The doubt lasts until its end is told, however long that takes on a busy machine. */
static void doubt_for_long(session *s)
{
    session_doubt(s);
    pthread_mutex_lock(&s->all->lock);
    assert_true(s->doubt_ms > 0);
    s->doubt_ms += PATIENCE_MS;
    pthread_mutex_unlock(&s->all->lock);
}

/* The end may be told after what the end has broken off. */
static void one_in_doubt_is_waited_for(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {0};

    fixture_sessions_open(f, NULL);
    session *s = acquire(f, &plan, "a");
    int pid = pid_of(s);
    kill(pid, SIGKILL);
    doubt_for_long(s);
    session *next = acquire(f, &plan, "a");
    assert_ptr_not_equal(next, s);
    session_release(s);
    pid = pid_of(next);
    session_doubt(next); /* for nothing: it lives, and stays the one */
    s = acquire(f, &plan, "a");
    assert_ptr_equal(s, next);
    assert_int_equal(pid_of(s), pid);
    session_release(s);
    session_release(next);
}

static void *stop_a(void *arg)
{
    session_fixture *f = arg;
    session_key key = key_named("a");
    ac_error err;

    assert_ok(session_stop(f->all, &key, NULL, &err));
    return NULL;
}

static void a_stubborn_one_is_killed_after_its_grace_time(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.words = "stubborn", .plan.stop_grace_ms = 300};
    uint64_t began;
    pthread_t thread;
    session *s = acquire(f, (fixture_sessions_open(f, NULL), &plan), "a");

    began = clock_monotonic_ms();
    assert_int_equal(pthread_create(&thread, NULL, stop_a, f), 0);
    wait_until(!state_is(f, "busy"));       /* it is stopping, or has ended before we came to look */
    session *next = acquire(f, &plan, "a"); /* waits for the end of the former */
    assert_true(clock_monotonic_ms() - began >= 300);
    pthread_join(thread, NULL);
    assert_ptr_not_equal(s, next);
    session_release(s);
    session_release(next);
}

static void who_asks_for_one_that_is_long_in_stopping_is_told_so(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.words = "stubborn", .plan.stop_grace_ms = PATIENCE_MS};
    pthread_t thread;
    session *s = acquire(f, (fixture_sessions_open(f, NULL), &plan), "a");
    ac_error err;

    assert_int_equal(pthread_create(&thread, NULL, stop_a, f), 0);
    wait_until(state_is(f, "stopping"));
    session *next = NULL;
    assert_int_equal(try_acquire(f, &plan, "a", &next, &err), AC_ERR_AGAIN);
    if (session_enter(s)) { /* that is all of its grace time that is needed */
        sandbox_stop(s->box, 0);
        session_leave(s);
    }
    pthread_join(thread, NULL);
    session_release(s);
}

static void *acquire_a(void *arg)
{
    asker *a = arg;

    a->status = try_acquire(a->f, a->plan, "a", &a->s, &a->err);
    return NULL;
}

static void one_can_be_stopped_while_it_starts(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.words = "late=60000"};
    asker a = {.f = f, .plan = &plan};
    unsigned before = fake_started();

    fixture_sessions_open(f, NULL);
    assert_int_equal(pthread_create(&a.thread, NULL, acquire_a, &a), 0);
    wait_until(fake_started() > before);
    stop_a(f);
    pthread_join(a.thread, NULL);
    assert_int_equal(a.status, AC_ERR_AGAIN);
    assert_string_equal(a.err.message, "it was stopped");
    wait_until(fake_alive() == 0);
}

static void all_of_an_owner_and_version_can_be_stopped(void **state)
{
    session_fixture *f = *state;
    agent_plan one = {.plan.version = "1"}, two = {.plan.version = "2"};
    session_info *infos;
    size_t count;
    ac_error err;

    fixture_sessions_open(f, NULL);
    session_release(acquire(f, &one, "a"));
    session_release(acquire(f, &two, "b"));
    session *used = acquire(f, &two, "c");
    sessions_stop_all(f->all, "runtime", "123456789012/other-", NULL);
    sessions_stop_all(f->all, "browser", "123456789012/one-", NULL);
    sessions_stop_all(f->all, "runtime", "123456789012/one-", "3");
    assert_int_equal(sessions_now(f), 3);
    sessions_stop_all(f->all, "runtime", "123456789012/one-", "2");
    wait_until(sessions_now(f) == 1);
    assert_ok(sessions_list(f->all, "runtime", "123456789012/", &infos, &count, &err));
    assert_int_equal(count, 1);
    assert_string_equal(infos[0].id, "a");
    assert_string_equal(infos[0].state, "ready");
    assert_int_equal(infos[0].in_use, 0);
    free(infos);
    session_release(used);
    sessions_stop_all(f->all, "runtime", "123456789012/one-", NULL);
    wait_until(sessions_now(f) == 0 && overs(f) == 3);
    assert_string_equal(f->over_reason, "what it runs was deleted or replaced");
}

static void closing_ends_those_in_use(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {0};

    fixture_sessions_open(f, NULL);
    for (int i = 0; i < 8; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%d", i);
        session_release(acquire(f, &plan, id));
    }
    sessions_close(TAKE_PTR(f->all));
    assert_int_equal(fake_alive(), 0);
    assert_int_equal(overs(f), 8);
    assert_string_equal(f->over_reason, "the service was stopped");
}

static void an_end_that_is_not_told_is_an_end(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {0};
    session_key key = key_named("a");
    ac_error err;

    fixture_sessions_open(f, NULL);
    session_release(acquire(f, &plan, "a"));
    fake_plan.never_ends = true;
    assert_ok(session_stop(f->all, &key, NULL, &err));
    wait_until(fake_alive() == 0);
}

#define life_test(function) cmocka_unit_test_setup_teardown(function, session_set_up, session_tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        life_test(one_is_started_found_and_stopped),
        life_test(keys_are_checked),
        life_test(many_who_ask_start_one),
        life_test(many_who_ask_share_the_failure),
        life_test(death_ends_the_wait_at_once),
        life_test(what_is_not_ready_in_time_fails),
        life_test(what_cannot_be_prepared_or_started_fails),
        life_test(one_without_a_port_is_ready_when_it_runs),
        life_test(one_without_a_health_path_is_ready_when_it_listens),
        life_test(a_death_is_told_and_followed_by_a_new_one),
        life_test(one_in_doubt_is_waited_for),
        life_test(a_stubborn_one_is_killed_after_its_grace_time),
        life_test(who_asks_for_one_that_is_long_in_stopping_is_told_so),
        life_test(one_can_be_stopped_while_it_starts),
        life_test(all_of_an_owner_and_version_can_be_stopped),
        life_test(closing_ends_those_in_use),
        life_test(an_end_that_is_not_told_is_an_end),
    };

    session_agent_main(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
