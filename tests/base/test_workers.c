/* The pool of threads: every job runs once, threads grow to the limit and no further, idle ones end, stopping waits. */
#include "base/workers.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <cmocka.h>

/* A gate that jobs wait at. */
typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned arrived;
    unsigned left;
    bool open;
} gate;

#define GATE_INIT                                                                                                      \
    {                                                                                                                  \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                                         \
    }

static void gate_pass(gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->arrived++;
    pthread_cond_broadcast(&g->changed);
    while (!g->open)
        pthread_cond_wait(&g->changed, &g->lock);
    g->left++;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static void gate_wait_arrived(gate *g, unsigned count)
{
    pthread_mutex_lock(&g->lock);
    while (g->arrived < count)
        pthread_cond_wait(&g->changed, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

static void gate_open(gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->open = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

typedef struct test_job {
    workers_job job;
    gate *gate;
    atomic_uint *counter;
    pthread_t thread;
} test_job;

static void run_gate(workers_job *job)
{
    gate_pass(CONTAINER_OF(job, test_job, job)->gate);
}

static void run_count(workers_job *job)
{
    test_job *mine = CONTAINER_OF(job, test_job, job);

    mine->thread = pthread_self();
    atomic_fetch_add(mine->counter, 1);
    if (mine->gate)
        gate_pass(mine->gate);
}

static void every_job_runs_once(void **state)
{
    (void)state;
    enum { JOBS = 2000 };
    atomic_uint counter = 0;
    test_job *jobs = calloc(JOBS, sizeof(*jobs));
    workers *w = workers_new(&(workers_options){.threads_max = 7});

    assert_non_null(jobs);
    assert_non_null(w);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (test_job){.job.run = run_count, .counter = &counter};
        assert_int_equal(workers_submit(w, &jobs[i].job), AC_OK);
    }
    assert_true(workers_stop(w, 10000));
    assert_int_equal(atomic_load(&counter), JOBS);
    workers_free(w);
    free(jobs);
}

static void waiting_jobs_do_not_hold_up_the_next(void **state)
{
    (void)state;
    enum { BLOCKED = 32 };
    gate g = GATE_INIT;
    test_job jobs[BLOCKED];
    workers *w = workers_new(NULL);
    unsigned running, waiting;

    for (int i = 0; i < BLOCKED; i++) {
        jobs[i] = (test_job){.job.run = run_gate, .gate = &g};
        assert_int_equal(workers_submit(w, &jobs[i].job), AC_OK);
    }
    gate_wait_arrived(&g, BLOCKED);
    workers_counts(w, &running, &waiting);
    assert_int_equal(running, BLOCKED);
    assert_int_equal(waiting, 0);
    gate_open(&g);
    assert_true(workers_stop(w, 10000));
    workers_free(w);
}

static void above_the_limit_jobs_wait_in_order(void **state)
{
    (void)state;
    gate g = GATE_INIT;
    test_job blocked = {.job.run = run_gate, .gate = &g};
    atomic_uint counter = 0;
    test_job later[3];
    workers *w = workers_new(&(workers_options){.threads_max = 1});
    unsigned running, waiting;

    assert_int_equal(workers_submit(w, &blocked.job), AC_OK);
    gate_wait_arrived(&g, 1);
    for (int i = 0; i < 3; i++) {
        later[i] = (test_job){.job.run = run_count, .counter = &counter};
        assert_int_equal(workers_submit(w, &later[i].job), AC_OK);
    }
    workers_counts(w, &running, &waiting);
    assert_int_equal(running, 1);
    assert_int_equal(waiting, 3);
    assert_int_equal(atomic_load(&counter), 0);
    gate_open(&g);
    assert_true(workers_stop(w, 10000));
    assert_int_equal(atomic_load(&counter), 3);
    workers_free(w);
}

static void wait_until_nothing_runs(workers *w)
{
    unsigned running = 1, waiting = 0;

    while (running || waiting)
        workers_counts(w, &running, &waiting);
}

static void an_idle_thread_is_used_again(void **state)
{
    (void)state;
    atomic_uint counter = 0;
    test_job first = {.job.run = run_count, .counter = &counter};
    test_job second = {.job.run = run_count, .counter = &counter};
    workers *w = workers_new(&(workers_options){.idle_ms = 60000});

    assert_int_equal(workers_submit(w, &first.job), AC_OK);
    wait_until_nothing_runs(w);
    assert_int_equal(workers_submit(w, &second.job), AC_OK);
    wait_until_nothing_runs(w);
    assert_true(pthread_equal(first.thread, second.thread));
    assert_true(workers_stop(w, 10000));
    workers_free(w);
}

static void idle_threads_end_and_new_ones_come(void **state)
{
    (void)state;
    enum { ROUNDS = 200 };
    atomic_uint counter = 0;
    test_job job;
    workers *w = workers_new(&(workers_options){.threads_max = 1, .idle_ms = 1});

    /* Submitting at all moments of an idle thread's last millisecond. */
    for (unsigned round = 0; round < ROUNDS; round++) {
        job = (test_job){.job.run = run_count, .counter = &counter};
        assert_int_equal(workers_submit(w, &job.job), AC_OK);
        while (atomic_load(&counter) == round)
            sched_yield();
        wait_until_nothing_runs(w);
        for (volatile int spin = 0; spin < (int)(round % 20) * 20000; spin++)
            continue;
    }
    assert_true(workers_stop(w, 10000));
    assert_int_equal(atomic_load(&counter), ROUNDS);
    workers_free(w);
}

static void a_stopped_pool_takes_nothing(void **state)
{
    (void)state;
    atomic_uint counter = 0;
    test_job job = {.job.run = run_count, .counter = &counter};
    workers *w = workers_new(NULL);

    assert_true(workers_stop(w, 0));
    assert_int_equal(workers_submit(w, &job.job), AC_ERR_STATE);
    assert_int_equal(atomic_load(&counter), 0);
    workers_free(w);
}

static void a_stuck_job_is_left_behind(void **state)
{
    (void)state;
    gate g = GATE_INIT;
    test_job stuck = {.job.run = run_gate, .gate = &g};
    workers *w = workers_new(NULL);

    assert_int_equal(workers_submit(w, &stuck.job), AC_OK);
    gate_wait_arrived(&g, 1);
    assert_false(workers_stop(w, 20));
    workers_free(w);
    /* It ends after all, in a pool that nobody else knows any more. */
    gate_open(&g);
    pthread_mutex_lock(&g.lock);
    while (g.left < 1)
        pthread_cond_wait(&g.changed, &g.lock);
    pthread_mutex_unlock(&g.lock);
}

static sigset_t mask_seen;

static void run_read_mask(workers_job *job)
{
    (void)job;
    pthread_sigmask(SIG_BLOCK, NULL, &mask_seen);
}

static void signals_are_not_for_workers(void **state)
{
    (void)state;
    test_job job = {.job.run = run_read_mask};
    workers *w = workers_new(&(workers_options){.stack_bytes = 1});
    sigset_t mine;

    assert_non_null(w);
    assert_int_equal(workers_submit(w, &job.job), AC_OK);
    assert_true(workers_stop(w, 10000));
    assert_int_equal(sigismember(&mask_seen, SIGTERM), 1);
    pthread_sigmask(SIG_BLOCK, NULL, &mine);
    assert_int_equal(sigismember(&mine, SIGTERM), 0);
    workers_free(w);
}

enum { SUBMITTERS = 4, EACH = 500 };

typedef struct submitter {
    workers *pool;
    test_job jobs[EACH];
} submitter;

static void *submit_all(void *argument)
{
    submitter *s = argument;

    for (int i = 0; i < EACH; i++)
        if (workers_submit(s->pool, &s->jobs[i].job) != AC_OK)
            return s;
    return NULL;
}

static void submitting_from_many_threads(void **state)
{
    (void)state;
    atomic_uint counter = 0;
    submitter *s = calloc(SUBMITTERS, sizeof(*s));
    workers *w = workers_new(&(workers_options){.threads_max = 3, .idle_ms = 1});
    pthread_t threads[SUBMITTERS];

    assert_non_null(s);
    for (int i = 0; i < SUBMITTERS; i++) {
        s[i].pool = w;
        for (int k = 0; k < EACH; k++)
            s[i].jobs[k] = (test_job){.job.run = run_count, .counter = &counter};
        assert_int_equal(pthread_create(&threads[i], NULL, submit_all, &s[i]), 0);
    }
    for (int i = 0; i < SUBMITTERS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_true(workers_stop(w, 10000));
    assert_int_equal(atomic_load(&counter), SUBMITTERS * EACH);
    workers_free(w);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_runs_once),
        cmocka_unit_test(waiting_jobs_do_not_hold_up_the_next),
        cmocka_unit_test(above_the_limit_jobs_wait_in_order),
        cmocka_unit_test(an_idle_thread_is_used_again),
        cmocka_unit_test(idle_threads_end_and_new_ones_come),
        cmocka_unit_test(a_stopped_pool_takes_nothing),
        cmocka_unit_test(a_stuck_job_is_left_behind),
        cmocka_unit_test(signals_are_not_for_workers),
        cmocka_unit_test(submitting_from_many_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
