/* When sessions end by themselves, and how many there may be: idle and life times, health, places, sessions that are
 * started in advance. */
#include "daemon/sessions/internal.h"
#include "session_agent.h"
#include "session_fixture.h"

#include <sched.h>
#include <signal.h>

/* ---- idle and busy ---- */

static void an_idle_one_ends_in_time_and_not_before(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.plan.idle_ms = 400};
    session *s = acquire(f, (fixture_sessions_open(f, NULL), &plan), "a");
    uint64_t began = clock_monotonic_ms();

    wait_until(clock_monotonic_ms() - began > 900); /* in use it is not idle, however long */
    assert_int_equal(sessions_now(f), 1);
    assert_true(state_is(f, "busy"));
    uint64_t released = clock_monotonic_ms();
    session_release(s);
    assert_false(state_is(f, "busy")); /* nor need it be ready still: a busy machine may stop us for a while */
    wait_until(overs(f) == 1);
    assert_true(clock_monotonic_ms() - released >= 400);
    assert_string_equal(f->over_reason, "it was idle for 1 s");
}

static void one_without_a_health_path_ends_when_idle(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.plan.idle_ms = 50, .no_port = true};

    fixture_sessions_open(f, NULL);
    session_release(acquire(f, &plan, "a"));
    wait_until(overs(f) == 1);
}

static void use_puts_the_end_off(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.plan.idle_ms = 800};
    uint64_t began, unused, longest = 0;

    fixture_sessions_open(f, NULL);
    session *s = acquire(f, &plan, "a");
    began = unused = clock_monotonic_ms();
    session_release(s);
    while (clock_monotonic_ms() - began < 1800) {
        usleep(10000);
        s = acquire(f, &plan, "a");
        longest = MAX(longest, clock_monotonic_ms() - unused);
        unused = clock_monotonic_ms();
        session_release(s);
    }
    assert_true(plan.prepared == 1 || longest >= 800); /* when a busy machine has stopped us for so long */
    wait_until(overs(f) == plan.prepared);
}

static void healthy_busy_is_not_idle(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.words = "busy", .plan.idle_ms = 100};
    session *s = acquire(f, (fixture_sessions_open(f, &(sessions_options){.health_interval_ms = 50}), &plan), "a");
    uint64_t began = clock_monotonic_ms();
    sessions_stats stats;

    session_release(s);
    wait_until(clock_monotonic_ms() - began > 500);
    assert_int_equal(overs(f), 0);
    assert_true(state_is(f, "busy"));
    sessions_get_stats(f->all, &stats);
    assert_int_equal(stats.busy, 1);
    s = acquire(f, &plan, "a");
    assert_int_equal(plan.prepared, 1);
    assert_int_equal(ask(s, "/be/well", NULL, 0), 200);
    session_release(s);
    wait_until(overs(f) == 1);
    assert_string_equal(f->over_reason, "it was idle for 1 s");
}

static void three_looks_without_an_answer_end_it(void **state)
{
    static const char *const ways[] = {"/be/mute", "/be/sick"};
    session_fixture *f = *state;
    agent_plan plan = {0};

    fixture_sessions_open(f, &(sessions_options){.health_interval_ms = 30, .health_timeout_ms = 300});
    for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
        session *s = acquire(f, &plan, "a");
        assert_int_equal(ask(s, ways[i], NULL, 0), 200);
        assert_int_equal(ask(s, "/say/tired", NULL, 0), 200);
        session_release(s);
        wait_until(overs(f) == i + 1);
        assert_string_equal(f->over_reason, "the agent did not answer GET /ping 3 times; its last output: tired");
    }
}

static void life_ends_in_the_midst_of_work(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.words = "busy", .plan.life_ms = 300};
    char reason[SESSION_REASON_SIZE];
    session *s = acquire(f, (fixture_sessions_open(f, NULL), &plan), "a");

    session_over_reason(s, PATIENCE_MS, reason);
    assert_string_equal(reason, "its life time of 1 s is over");
    assert_true(clock_unix_ms() - session_created_ms(s) >= 290);
    session_release(s);
}

/* ---- places ---- */

static void the_longest_idle_one_makes_room(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {0}, busy = {.words = "busy"};
    session *s = NULL, *held[3];
    ac_error err;

    fixture_sessions_open(f, &(sessions_options){.sessions_max = 3, .health_interval_ms = 20});
    session_release(acquire(f, &busy, "works"));
    session_release(acquire(f, &plan, "first"));
    usleep(5000);
    session_release(acquire(f, &plan, "second"));
    session_release(acquire(f, &plan, "third"));
    assert_string_equal(f->over_id, "first");
    assert_string_equal(f->over_reason, "it was ended to make room for another");
    held[0] = acquire(f, &plan, "second"); /* still there */
    assert_int_equal(plan.prepared, 3);
    held[1] = acquire(f, &plan, "fourth");
    assert_string_equal(f->over_id, "third");
    held[2] = acquire(f, &busy, "works");
    assert_int_equal(busy.prepared, 1);
    assert_int_equal(try_acquire(f, &plan, "fifth", &s, &err), AC_ERR_QUOTA);
    assert_string_equal(err.message, "all 3 sessions are busy");
    session_release(held[0]);
    session_release(acquire(f, &plan, "fifth"));
    session_release(held[1]);
    session_release(held[2]);
    wait_until(fake_alive() <= 3);
}

typedef struct asker {
    pthread_t thread;
    session_fixture *f;
    agent_plan *plan;
    int number;
    unsigned places;
} asker;

static void *ask_for_many(void *arg)
{
    asker *a = arg;

    for (int i = 0; i < 6; i++) {
        char id[32];
        session *s = NULL;
        sessions_stats stats;
        ac_error err;
        snprintf(id, sizeof(id), "%d", (a->number + i * 3) % 12);
        ac_status status = try_acquire(a->f, a->plan, id, &s, &err);
        if (status == AC_OK)
            session_release(s);
        else if (status != AC_ERR_QUOTA && status != AC_ERR_AGAIN)
            abort();
        sessions_get_stats(a->f->all, &stats);
        assert_true(stats.now + stats.warm <= a->places); /* what is being cleared away has none */
    }
    return NULL;
}

static void places_hold_when_many_ask(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {0};
    asker askers[12];

    fixture_sessions_open(f, &(sessions_options){.sessions_max = 8});
    for (int i = 0; i < 12; i++) {
        askers[i] = (asker){.f = f, .plan = &plan, .number = i, .places = 8};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_for_many, &askers[i]), 0);
    }
    for (int i = 0; i < 12; i++)
        pthread_join(askers[i].thread, NULL);
    wait_until(fake_alive() <= 8);
}

/* ---- in advance ---- */

static unsigned warm(session_fixture *f)
{
    sessions_stats stats;

    sessions_get_stats(f->all, &stats);
    return stats.started - stats.ended - stats.now == stats.warm ? stats.warm : 0; /* those that are ready */
}

static void warm_ones_are_handed_out_and_replaced(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.no_port = true, .plan = {.pool = "p", .warm = 2}};
    unsigned before = fake_started();

    fixture_sessions_open(f, NULL);
    session *a = acquire(f, &plan, "a");
    wait_until(warm(f) == 2);
    assert_int_equal(fake_started() - before, 3);
    session_info *infos;
    size_t count;
    ac_error err;
    assert_ok(sessions_list(f->all, NULL, NULL, &infos, &count, &err));
    assert_int_equal(count, 1); /* nobody's sessions are not listed */
    free(infos);
    session *b = acquire(f, &plan, "b");
    session *again = acquire(f, &plan, "b");
    assert_ptr_equal(b, again);
    wait_until(warm(f) == 2);
    assert_int_equal(fake_started() - before, 4);
    session_key key = key_named("b");
    assert_ok(session_stop(f->all, &key, NULL, &err));
    wait_until(overs(f) == 1);
    assert_string_equal(f->over_id, "b");
    session_release(a);
    session_release(b);
    session_release(again);
    sessions_stop_all(f->all, "runtime", "123456789012/one-", NULL);
    wait_until(fake_alive() == 0);
    assert_int_equal(warm(f), 0);
    assert_int_equal(overs(f), 2); /* of those somebody had */
}

/* What is started in advance is like the last that was asked for; the oldest is handed out first. */
static void warm_ones_follow_the_plan(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.no_port = true, .plan = {.pool = "p", .warm = 2, .version = "1"}};

    fixture_sessions_open(f, NULL);
    session_release(acquire(f, &plan, "a"));
    wait_until(warm(f) == 2);
    plan.plan.version = "2";
    session *b = acquire(f, &plan, "b");
    assert_string_equal(session_version(b), "1");
    wait_until(warm(f) == 2);
    session *c = acquire(f, &plan, "c"), *d = acquire(f, &plan, "d");
    assert_string_equal(session_version(c), "1");
    assert_string_equal(session_version(d), "2");
    session_release(b);
    session_release(c);
    session_release(d);
}

static void warm_ones_grow_old(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.no_port = true, .plan = {.pool = "p", .warm = 1}};
    unsigned before = fake_started();

    fixture_sessions_open(f, &(sessions_options){.warm_ms = 1});
    session *a = acquire(f, &plan, "a");
    wait_until(fake_started() - before >= 3 && warm(f) == 1);
    assert_int_equal(overs(f), 0);
    session_release(a);
}

static void a_dead_warm_one_is_replaced(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.no_port = true, .plan = {.pool = "p", .warm = 1}};
    unsigned before = fake_started();

    fixture_sessions_open(f, NULL);
    session_release(acquire(f, &plan, "a"));
    wait_until(warm(f) == 1);
    sandbox_signal(fake_last(), 0, SIGKILL);
    wait_until(fake_started() - before == 3 && warm(f) == 1);
    session_release(acquire(f, &plan, "b"));
}

static void warm_ones_give_way(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.no_port = true, .plan = {.pool = "p", .warm = 2}}, other = {.no_port = true};

    fixture_sessions_open(f, &(sessions_options){.sessions_max = 3});
    session *a = acquire(f, &plan, "a");
    wait_until(warm(f) == 2);
    session *b = acquire(f, &other, "b");
    session *c = acquire(f, &other, "c");
    assert_int_equal(overs(f), 0);
    assert_int_equal(sessions_now(f), 3);
    session_release(a);
    session_release(b);
    session_release(c);
}

typedef struct filler {
    session_fixture *f;
    atomic_bool stop;
} filler;

static void *fill_without_pause(void *arg)
{
    filler *w = arg;
    sessions *all = w->f->all;

    while (!atomic_load(&w->stop)) {
        pthread_mutex_lock(&all->lock);
        for (session_pool *p = all->pools; p; p = p->next)
            p->retry_ms = 0;
        pthread_mutex_unlock(&all->lock);
        session_pools_tick(all);
        sched_yield();
    }
    return NULL;
}

static void warm_ones_take_no_place_that_is_waited_for(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.no_port = true, .plan = {.pool = "p", .warm = 2}}, other = {.no_port = true};
    session_key b_key = key_named("b"), c_key = key_named("c");
    filler w = {.f = f};
    pthread_t thread;
    ac_error err;

    fixture_sessions_open(f, &(sessions_options){.sessions_max = 3});
    fake_plan.start_ms = 20;
    session *a = acquire(f, &plan, "a");
    assert_int_equal(pthread_create(&thread, NULL, fill_without_pause, &w), 0);
    for (int i = 0; i < 10; i++) {
        wait_until(warm(f) == 2);
        session *b = acquire(f, &other, "b");
        session *c = acquire(f, &other, "c");
        session_release(b);
        session_release(c);
        assert_ok(session_stop(f->all, &b_key, NULL, &err));
        assert_ok(session_stop(f->all, &c_key, NULL, &err));
    }
    atomic_store(&w.stop, true);
    pthread_join(thread, NULL);
    session_release(a);
}

/* One that is being started in advance is nobody's: it does not keep the place from who asks for it. */
static void warm_ones_give_way_while_they_start(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.no_port = true, .plan = {.pool = "p", .warm = 1}}, other = {.no_port = true};
    sessions_stats stats;

    fixture_sessions_open(f, &(sessions_options){.sessions_max = 2});
    fake_plan.start_ms = 300;
    session *a = acquire(f, &plan, "a");
    do
        sessions_get_stats(f->all, &stats);
    while (stats.warm == 0);
    session *b = acquire(f, &other, "b");
    assert_string_equal(session_version(b), "");
    session_release(a);
    session_release(b);
}

static void many_take_from_a_pool(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.no_port = true, .plan = {.pool = "p", .warm = 4}};
    asker askers[8];

    fixture_sessions_open(f, &(sessions_options){.sessions_max = 40});
    session_release(acquire(f, &plan, "0"));
    wait_until(warm(f) == 4);
    for (int i = 0; i < 8; i++) {
        askers[i] = (asker){.f = f, .plan = &plan, .number = i, .places = 12 + 4};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_for_many, &askers[i]), 0);
    }
    for (int i = 0; i < 8; i++)
        pthread_join(askers[i].thread, NULL);
    wait_until(warm(f) == 4);
    assert_int_equal(sessions_now(f), 12);
}

#define times_test(function) cmocka_unit_test_setup_teardown(function, session_set_up, session_tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        times_test(an_idle_one_ends_in_time_and_not_before),
        times_test(one_without_a_health_path_ends_when_idle),
        times_test(use_puts_the_end_off),
        times_test(healthy_busy_is_not_idle),
        times_test(three_looks_without_an_answer_end_it),
        times_test(life_ends_in_the_midst_of_work),
        times_test(the_longest_idle_one_makes_room),
        times_test(places_hold_when_many_ask),
        times_test(warm_ones_are_handed_out_and_replaced),
        times_test(warm_ones_follow_the_plan),
        times_test(warm_ones_grow_old),
        times_test(a_dead_warm_one_is_replaced),
        times_test(warm_ones_give_way),
        times_test(warm_ones_take_no_place_that_is_waited_for),
        times_test(warm_ones_give_way_while_they_start),
        times_test(many_take_from_a_pool),
    };

    session_agent_main(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
