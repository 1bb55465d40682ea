/* The queue and its runner: promised work is done, once when nobody dies, again when somebody does. */
#include "daemon/store/job_runner.h"
#include "store_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS 200

/* One call of the queue in a transaction of its own. */
typedef struct act {
    const job_spec *spec;
    const job *j;
    const char *what; /* "enqueue", "done", "fail", "renew", "release", "revive", "delete" */
    int64_t id;
} act;

static ac_status run_act(store_tx *tx, void *arg, ac_error *err)
{
    const act *a = arg;

    switch (a->what[0]) {
    case 'e':
        return jobs_enqueue(tx, a->spec, err);
    case 'f':
        return job_failed(tx, a->j, 60000, "it \xc3\xa4 failed", err);
    case 'r':
        if (a->what[2] == 'n')
            return job_renew(tx, a->j, 60000, err);
        return a->what[2] == 'l' ? job_release(tx, a->j, err) : job_revive(tx, a->id, err);
    case 'd':
        if (a->what[1] == 'e')
            return job_delete(tx, a->id, err);
        /* An effect that shall stand only if the job is ours. */
        AC_TRY(sql_run(tx, "INSERT INTO tags (arn, name, value) VALUES ('done', $1, '')",
                       SQL_VALUES(sql_text(a->j->owner)), NULL, err));
        return job_done(tx, a->j, err);
    default:
        return AC_ERR_INTERNAL;
    }
}

static ac_status do_act(store *s, const char *what, const job *j)
{
    act a = {.what = what, .j = j, .id = j ? j->id : 0};

    return store_write(s, run_act, &a, NULL);
}

static void enqueue(store *s, const job_spec *spec)
{
    act a = {.what = "enqueue", .spec = spec};
    ac_error err;

    assert_ok(store_write(s, run_act, &a, &err));
}

typedef struct claim {
    const char *owner;
    arena *memory;
    job *jobs;
    size_t count;
    int64_t wait_ms;
} claim;

static const char *const kinds[] = {"work", "other"};

static ac_status run_claim(store_tx *tx, void *arg, ac_error *err)
{
    claim *c = arg;
    job_claim what = {.kinds = kinds, .kind_count = 2, .owner = c->owner, .lease_ms = 60000, .limit = 10};

    return jobs_claim(tx, &what, c->memory, &c->jobs, &c->count, err);
}

/* The one job that is due; NULL when there is none. */
static job *claim_one(store *s, const char *owner, arena *memory)
{
    claim c = {.owner = owner, .memory = memory};
    ac_error err;

    assert_ok(store_write(s, run_claim, &c, &err));
    assert_true(c.count <= 1);
    return c.count ? c.jobs : NULL;
}

static void jobs_have_a_life(void **state)
{
    fixture *f = *state;
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    job_spec spec = {.kind = "work", .key = "k", .payload = "first", .attempts_max = 2};

    enqueue(f->s, &(job_spec){.kind = "not ours"});
    enqueue(f->s, &(job_spec){.kind = "other", .delay_ms = 3600000});
    assert_null(claim_one(f->s, "me", &memory));

    enqueue(f->s, &spec);
    spec.payload = "second";
    enqueue(f->s, &spec); /* the same work */
    job *j = claim_one(f->s, "me", &memory);
    assert_string_equal(j->payload, "first");
    assert_string_equal(j->key, "k");
    assert_int_equal(j->attempt, 1);
    assert_null(claim_one(f->s, "you", &memory));
    assert_int_equal(do_act(f->s, "renew", j), AC_OK);

    assert_int_equal(do_act(f->s, "fail", j), AC_OK);
    assert_int_equal(do_act(f->s, "fail", j), AC_ERR_CONFLICT); /* not mine any more */
    enqueue(f->s, &spec);                                       /* does not cut the waiting short */
    assert_null(claim_one(f->s, "me", &memory));
    fixture_sql(f->s, "UPDATE jobs SET due_ms = 0 WHERE kind = 'work'");
    j = claim_one(f->s, "me", &memory);
    assert_int_equal(j->attempt, 2);
    assert_int_equal(do_act(f->s, "release", j), AC_OK); /* as if it had not been */
    j = claim_one(f->s, "me", &memory);
    assert_int_equal(j->attempt, 2);
    assert_int_equal(do_act(f->s, "fail", j), AC_OK);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM jobs WHERE state = 'dead' AND due_ms IS NULL"
                                          " AND last_error LIKE 'it % failed'"),
                     1);
    assert_int_equal(do_act(f->s, "revive", j), AC_OK);
    assert_int_equal(do_act(f->s, "revive", j), AC_ERR_NOT_FOUND);
    assert_int_equal(do_act(f->s, "delete", j), AC_ERR_NOT_FOUND);
    j = claim_one(f->s, "me", &memory);
    assert_string_equal(j->payload, "first");
    assert_int_equal(do_act(f->s, "done", j), AC_OK);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM jobs WHERE kind = 'work'"), 0);
}

static void asked_for_while_running(void **state)
{
    fixture *f = *state;
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    job_spec spec = {.kind = "work", .key = "k", .attempts_max = 1};

    enqueue(f->s, &spec);
    job *j = claim_one(f->s, "me", &memory);
    enqueue(f->s, &spec);
    enqueue(f->s, &spec);
    assert_null(claim_one(f->s, "you", &memory)); /* not at the same time */
    assert_int_equal(do_act(f->s, "done", j), AC_OK);
    j = claim_one(f->s, "you", &memory); /* but afterwards */
    assert_non_null(j);
    enqueue(f->s, &spec);
    assert_int_equal(do_act(f->s, "fail", j), AC_OK); /* the last attempt, but there is new work */
    fixture_sql(f->s, "UPDATE jobs SET due_ms = 0");
    j = claim_one(f->s, "me", &memory);
    assert_int_equal(j->attempt, 1);
    assert_int_equal(do_act(f->s, "fail", j), AC_OK);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM jobs WHERE state = 'dead'"), 1);
    spec.payload = "anew";
    enqueue(f->s, &spec);
    j = claim_one(f->s, "me", &memory);
    assert_string_equal(j->payload, "anew");
    assert_int_equal(j->attempt, 1);
}

static void lost_leases_end_nothing(void **state)
{
    fixture *f = *state;
    _cleanup_(arena_done) arena memory = ARENA_INIT;

    enqueue(f->s, &(job_spec){.kind = "work", .attempts_max = 3});
    job *mine = claim_one(f->s, "me", &memory);
    fixture_sql(f->s, "UPDATE jobs SET due_ms = 0"); /* the lease has run out */
    job *yours = claim_one(f->s, "you", &memory);
    assert_int_equal(yours->attempt, 2);
    assert_int_equal(do_act(f->s, "renew", mine), AC_ERR_CONFLICT);
    assert_int_equal(do_act(f->s, "done", mine), AC_ERR_CONFLICT);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM tags"), 0); /* nor had it an effect */
    fixture_sql(f->s, "UPDATE jobs SET due_ms = 0");
    job *again = claim_one(f->s, "me", &memory);
    assert_int_equal(do_act(f->s, "done", mine), AC_ERR_CONFLICT); /* my first run cannot end my second */
    fixture_sql(f->s, "UPDATE jobs SET due_ms = 0");
    assert_null(claim_one(f->s, "you", &memory)); /* three deaths are enough */
    assert_int_equal(do_act(f->s, "done", again), AC_ERR_CONFLICT);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM jobs WHERE state = 'dead'"), 1);
    assert_int_equal(do_act(f->s, "delete", again), AC_OK);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM jobs"), 0);
}

static ac_status list_jobs(store_tx *tx, void *arg, ac_error *err)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    job_count *counts;
    size_t count;
    job *jobs;

    (void)arg;
    AC_TRY(jobs_count(tx, &memory, &counts, &count, err));
    assert_int_equal(count, 2);
    assert_string_equal(counts[0].kind, "other");
    assert_string_equal(counts[0].state, "ready");
    assert_int_equal(counts[0].count, 1);
    assert_int_equal(counts[1].count, 5);
    AC_TRY(jobs_list(tx, &(job_filter){.kind = "work", .limit = 3}, &memory, &jobs, &count, err));
    assert_int_equal(count, 3);
    job_filter next = {.kind = "work", .state = "ready", .after_id = jobs[2].id, .limit = 3};
    AC_TRY(jobs_list(tx, &next, &memory, &jobs, &count, err));
    assert_int_equal(count, 2);
    assert_string_equal(jobs[1].payload, "4");
    AC_TRY(jobs_list(tx, &(job_filter){.state = "dead", .limit = 3}, &memory, &jobs, &count, err));
    assert_int_equal(count, 0);
    return AC_OK;
}

static void queue_is_visible(void **state)
{
    fixture *f = *state;
    ac_error err;

    for (int i = 0; i < 5; i++)
        enqueue(f->s, &(job_spec){.kind = "work", .payload = (char[]){(char)('0' + i), '\0'}});
    enqueue(f->s, &(job_spec){.kind = "other"});
    assert_ok(store_read(f->s, list_jobs, NULL, &err));
}

typedef struct counting {
    atomic_int runs[JOBS];
    atomic_int total;
} counting;

/* What one runner does. */
typedef struct place {
    counting *all;
    atomic_int active, peak;
} place;

static ac_status count_run(store *s, const job *j, const job_run *run, void *arg, ac_error *err)
{
    place *here = arg;
    counting *c = here->all;
    int active = atomic_fetch_add(&here->active, 1) + 1;

    (void)s;
    (void)run;
    (void)err;
    if (active > atomic_load(&here->peak))
        atomic_store(&here->peak, active);
    sched_yield();
    atomic_fetch_sub(&here->active, 1);
    atomic_fetch_add(&c->runs[atoi(j->payload)], 1);
    atomic_fetch_add(&c->total, 1);
    return AC_OK;
}

typedef struct by_key {
    const char *prefix;
    int64_t after_id;
    arena *memory;
    job *jobs;
    size_t count;
} by_key;

static ac_status list_by_key(store_tx *tx, void *arg, ac_error *err)
{
    by_key *b = arg;
    job_filter filter = {.kind = "work", .key_prefix = b->prefix, .after_id = b->after_id, .limit = 10};

    return jobs_list(tx, &filter, b->memory, &b->jobs, &b->count, err);
}

static ac_status forget_by_key(store_tx *tx, void *arg, ac_error *err)
{
    return jobs_forget(tx, "work", arg, err);
}

static void keys_have_beginnings(void **state)
{
    fixture *f = *state;
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    by_key b = {.prefix = "a/", .memory = &memory};
    ac_error err;

    for (size_t i = 0; i < 5; i++)
        enqueue(f->s, &(job_spec){.kind = "work", .key = (const char *const[]){"a", "a/1", "a/2", "a0", "b/1"}[i]});
    enqueue(f->s, &(job_spec){.kind = "other", .key = "a/1"});
    assert_ok(store_read(f->s, list_by_key, &b, &err));
    assert_int_equal(b.count, 2);
    assert_string_equal(b.jobs[0].key, "a/1");
    assert_string_equal(b.jobs[1].key, "a/2");
    b.after_id = b.jobs[0].id;
    assert_ok(store_read(f->s, list_by_key, &b, &err));
    assert_int_equal(b.count, 1);

    fixture_sql(f->s, "UPDATE jobs SET state = 'running' WHERE kind = 'work' AND key = 'a/2'");
    assert_ok(store_write(f->s, forget_by_key, (void *)"a/", &err));
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM jobs"), 5);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM jobs WHERE key = 'a/1'"), 1);
    assert_int_equal(store_write(f->s, forget_by_key, (void *)"", &err), AC_ERR_INVALID);
}

static void two_runners_share_the_work(void **state)
{
    fixture *f = *state;
    counting c = {0};
    place places[2] = {{.all = &c}, {.all = &c}};
    store *other = fixture_on_postgres() ? fixture_open(f, NULL) : f->s;
    job_runner *runners[2];
    char payload[16];
    ac_error err;

    for (int i = 0; i < 2; i++) {
        job_handler handler = {.kind = "work", .run = count_run, .arg = &places[i]};
        job_runner_options options = {.handlers = &handler, .handler_count = 1, .running_max = 4, .poll_ms = 20};
        assert_ok(job_runner_start(i ? other : f->s, &options, &runners[i], &err));
    }
    for (int i = 0; i < JOBS; i++) {
        snprintf(payload, sizeof(payload), "%d", i);
        enqueue(i % 2 ? f->s : other, &(job_spec){.kind = "work", .payload = payload});
    }
    while (atomic_load(&c.total) < JOBS || fixture_number(f->s, "SELECT COUNT(*) FROM jobs") > 0)
        sched_yield();
    for (int i = 0; i < 2; i++)
        assert_true(job_runner_stop(runners[i], FIXTURE_STOP_MS));
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(atomic_load(&c.runs[i]), 1);
    for (int i = 0; i < 2; i++)
        assert_in_range(atomic_load(&places[i].peak), 0, 4);
    if (fixture_on_postgres())
        store_close(other);
}

static ac_status fail_always(store *s, const job *j, const job_run *run, void *arg, ac_error *err)
{
    (void)s;
    (void)j;
    (void)run;
    atomic_fetch_add((atomic_int *)arg, 1);
    return ac_error_set(err, AC_ERR_IO, "out of luck");
}

/* ---- a handler that ends its job in its own transaction, and is slow to return ---- */

typedef struct slow_end {
    atomic_int runs;
    atomic_bool second_began, go_on;
    atomic_int refused; /* job_done of the second run */
} slow_end;

static void wait_until(atomic_bool *flag)
{
    while (!atomic_load(flag))
        sched_yield();
}

static ac_status end_slowly(store *s, const job *j, const job_run *run, void *arg, ac_error *err)
{
    slow_end *e = arg;
    act a = {.what = "done", .j = j};

    (void)run;
    if (atomic_fetch_add(&e->runs, 1) == 0) {
        enqueue(s, &(job_spec){.kind = "slow", .key = "k"}); /* once more */
        AC_TRY(store_write(s, run_act, &a, err));
        wait_until(&e->second_began);
        return AC_OK; /* the runner says that it is done, which it is already */
    }
    atomic_store(&e->second_began, true);
    wait_until(&e->go_on);
    if (store_write(s, run_act, &a, err) != AC_OK)
        atomic_store(&e->refused, 1);
    return AC_OK;
}

static void first_run_does_not_end_the_second(void **state)
{
    fixture *f = *state;
    slow_end e = {0};
    job_handler handler = {.kind = "slow", .run = end_slowly, .arg = &e};
    store_stats before, now;
    job_runner *r;
    ac_error err;

    enqueue(f->s, &(job_spec){.kind = "slow", .key = "k"});
    store_get_stats(f->s, &before);
    assert_ok(job_runner_start(f->s, &(job_runner_options){.handlers = &handler, .handler_count = 1, .poll_ms = 20}, &r,
                               &err));
    wait_until(&e.second_began);
    do { /* the outcome of the first run has been written */
        sched_yield();
        store_get_stats(f->s, &now);
    } while (now.failures == before.failures && fixture_number(f->s, "SELECT COUNT(*) FROM jobs") == 1);
    atomic_store(&e.go_on, true);
    assert_true(job_runner_stop(r, FIXTURE_STOP_MS));
    assert_int_equal(atomic_load(&e.refused), 0);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM jobs"), 0);
}

static void failing_jobs_die(void **state)
{
    fixture *f = *state;
    atomic_int attempts = 0;
    job_handler handler = {.kind = "work", .run = fail_always, .arg = &attempts};
    job_runner_options options = {.handlers = &handler, .handler_count = 1, .retry_ms = 1, .poll_ms = 5};
    job_runner *runner;
    ac_error err;

    assert_ok(job_runner_start(f->s, &options, &runner, &err));
    enqueue(f->s, &(job_spec){.kind = "work", .attempts_max = 4});
    while (fixture_number(f->s, "SELECT COUNT(*) FROM jobs WHERE state = 'dead'") == 0)
        sched_yield();
    assert_true(job_runner_stop(runner, FIXTURE_STOP_MS));
    assert_int_equal(atomic_load(&attempts), 4);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM jobs WHERE last_error = 'out of luck'"), 1);
}

static atomic_bool cancelled;

static ac_status wait_for_end(store *s, const job *j, const job_run *run, void *arg, ac_error *err)
{
    (void)s;
    (void)j;
    atomic_fetch_add((atomic_int *)arg, 1);
    while (!job_run_cancelled(run))
        sched_yield();
    atomic_store(&cancelled, true);
    return ac_error_set(err, AC_ERR_CLOSED, "told to stop");
}

static void stop_tells_handlers(void **state)
{
    fixture *f = *state;
    atomic_int begun = 0;
    job_handler handler = {.kind = "work", .run = wait_for_end, .arg = &begun};
    job_runner_options options = {.handlers = &handler, .handler_count = 1, .poll_ms = 5, .lease_ms = 3000};
    job_runner *runner;
    ac_error err;

    assert_ok(job_runner_start(f->s, &options, &runner, &err));
    enqueue(f->s, &(job_spec){.kind = "work"});
    while (!atomic_load(&begun))
        sched_yield();
    /* The lease is renewed beyond its first end: nobody takes the job over. */
    int64_t end = fixture_number(f->s, "SELECT due_ms FROM jobs");
    while (fixture_number(f->s, "SELECT (SELECT now_ms()) - due_ms FROM jobs") > 0 ||
           fixture_number(f->s, "SELECT due_ms FROM jobs") < end + 500)
        sched_yield();
    assert_int_equal(atomic_load(&begun), 1);
    assert_true(job_runner_stop(runner, FIXTURE_STOP_MS));
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM jobs WHERE state = 'ready' AND attempts = 0"), 1);

    /* A lease that is taken away is noticed. */
    atomic_store(&begun, 0);
    atomic_store(&cancelled, false);
    fixture_sql(f->s, "UPDATE jobs SET due_ms = 0");
    assert_ok(job_runner_start(f->s, &options, &runner, &err));
    while (!atomic_load(&begun))
        sched_yield();
    fixture_sql(f->s, "UPDATE jobs SET owner = 'somebody else', due_ms = due_ms + 3600000");
    while (!atomic_load(&cancelled))
        sched_yield();
    assert_true(job_runner_stop(runner, FIXTURE_STOP_MS));
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM jobs WHERE owner = 'somebody else'"), 1);
}

static ac_status report_and_hang(store *s, const job *j, const job_run *run, void *arg, ac_error *err)
{
    (void)s;
    (void)j;
    (void)run;
    (void)arg;
    (void)err;
    if (write(FIXTURE_REPORT_FD, "x", 1) != 1)
        abort();
    for (;;)
        pause();
}

static void die_at_work(store *s, const char *argument)
{
    job_handler handler = {.kind = "work", .run = report_and_hang};
    job_runner_options options = {.handlers = &handler, .handler_count = 1, .lease_ms = 300};
    job_runner *runner;

    (void)argument;
    if (job_runner_start(s, &options, &runner, NULL) != AC_OK)
        return;
    for (;;)
        pause();
}

static void killed_process_loses_no_job(void **state)
{
    fixture *f = *state;
    counting c = {0};
    place here = {.all = &c};
    job_handler handler = {.kind = "work", .run = count_run, .arg = &here};
    job_runner_options options = {.handlers = &handler, .handler_count = 1, .poll_ms = 20};
    job_runner *runner;
    int reports;
    char byte;
    ac_error err;

    enqueue(f->s, &(job_spec){.kind = "work", .payload = "7"});
    fixture_close(f);
    pid_t child = fixture_spawn(f, "", &reports);
    assert_int_equal(read(reports, &byte, 1), 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(reports);

    f->s = fixture_open(f, NULL);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM jobs WHERE state = 'running'"), 1);
    assert_ok(job_runner_start(f->s, &options, &runner, &err));
    while (atomic_load(&c.runs[7]) == 0)
        sched_yield();
    assert_true(job_runner_stop(runner, FIXTURE_STOP_MS));
    assert_int_equal(atomic_load(&c.total), 1);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM jobs"), 0);
}

/* The same without waiting for the lease, where nobody else can have the job. */
static void alone_takes_over_at_once(void **state)
{
    fixture *f = *state;
    counting c = {0};
    place here = {.all = &c};
    job_handler handler = {.kind = "work", .run = count_run, .arg = &here};
    job_runner_options options = {.handlers = &handler, .handler_count = 1, .poll_ms = 20, .alone = true};
    job_runner *runner;
    ac_error err;

    enqueue(f->s, &(job_spec){.kind = "work", .payload = "7"});
    fixture_sql(f->s,
                "UPDATE jobs SET state = 'running', owner = 'somebody', attempts = 1, due_ms = now_ms() + 3600000");
    assert_ok(job_runner_start(f->s, &options, &runner, &err));
    while (atomic_load(&c.runs[7]) == 0)
        sched_yield();
    assert_true(job_runner_stop(runner, FIXTURE_STOP_MS));
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM jobs"), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(jobs_have_a_life, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(asked_for_while_running, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(lost_leases_end_nothing, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(queue_is_visible, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(keys_have_beginnings, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(two_runners_share_the_work, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(first_run_does_not_end_the_second, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(failing_jobs_die, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(stop_tells_handlers, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(killed_process_loses_no_job, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(alone_takes_over_at_once, fixture_set_up, fixture_tear_down),
    };

    fixture_child(argc, argv, die_at_work);
    fixture_require();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
