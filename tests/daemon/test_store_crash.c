/* Acknowledged means durable: a process that writes is killed at any moment, and nothing it was told was done is lost.
 *
 * The child writes from several threads and reports each acknowledged id over a pipe; a pipe keeps what was written to
 * it before the kill.  Each write is a row and a job that belong together: one without the other is an error too. */
#include "daemon/store/jobs.h"
#include "store_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 20
#define THREADS 4
#define KILL_AFTER_MAX 60 /* acknowledged writes */
#define IDS_MAX 1000000

typedef struct child {
    store *s;
    atomic_llong next;
} child;

static ac_status write_pair(store_tx *tx, void *arg, ac_error *err)
{
    char name[32];

    snprintf(name, sizeof(name), "%lld", (long long)*(int64_t *)arg);
    AC_TRY(sql_run(tx, "INSERT INTO tags (arn, name, value) VALUES ('crash', $1, '')", SQL_VALUES(sql_text(name)), NULL,
                   err));
    return jobs_enqueue(tx, &(job_spec){.kind = "crash", .key = name}, err);
}

static void *write_until_killed(void *arg)
{
    child *c = arg;

    for (;;) {
        int64_t id = atomic_fetch_add(&c->next, 1);
        if (store_write(c->s, write_pair, &id, NULL) != AC_OK)
            _exit(2);
        if (write(FIXTURE_REPORT_FD, &id, sizeof(id)) != (ssize_t)sizeof(id))
            _exit(3);
    }
}

static void be_killed(store *s, const char *first)
{
    child c = {.s = s, .next = atoll(first)};
    pthread_t thread;

    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&thread, NULL, write_until_killed, &c) != 0)
            return;
    }
    for (;;)
        pause();
}

/* Read acknowledged ids: until `enough` of them, or all that is in the pipe when the writer is gone. */
static size_t collect(int from, int64_t enough, int64_t *ids, size_t count)
{
    int64_t id;

    for (int64_t got = 0; got < enough && read(from, &id, sizeof(id)) == (ssize_t)sizeof(id); got++) {
        assert_true(count < IDS_MAX);
        ids[count++] = id;
    }
    return count;
}

typedef struct check {
    const int64_t *ids;
    size_t count;
} check;

static ac_status all_there(store_tx *tx, void *arg, ac_error *err)
{
    check *c = arg;

    for (size_t i = 0; i < c->count; i++) {
        char name[32];
        int64_t one;
        snprintf(name, sizeof(name), "%lld", (long long)c->ids[i]);
        AC_TRY(sql_query_int(tx, "SELECT 1 FROM tags WHERE arn = 'crash' AND name = $1", SQL_VALUES(sql_text(name)),
                             &one, NULL, err));
        AC_TRY(sql_query_int(tx, "SELECT 1 FROM jobs WHERE kind = 'crash' AND key = $1", SQL_VALUES(sql_text(name)),
                             &one, NULL, err));
    }
    return AC_OK;
}

static void killed_at_any_moment(void **state)
{
    fixture *f = *state;
    int64_t *ids = calloc(IDS_MAX, sizeof(*ids));
    check c = {.ids = ids};
    ac_error err;

    assert_non_null(ids);
    srand(4711);
    for (int round = 0; round < ROUNDS; round++) {
        char first[32]; /* not where the last one ended: a server may still commit for that one */
        int reports;

        fixture_close(f);
        snprintf(first, sizeof(first), "%lld", (long long)round * IDS_MAX);
        pid_t pid = fixture_spawn(f, first, &reports);
        c.count = collect(reports, 1 + rand() % KILL_AFTER_MAX, ids, c.count);
        usleep((useconds_t)(rand() % 2000)); /* so that the kill is not always right after an answer */
        kill(pid, SIGKILL);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        c.count = collect(reports, INT64_MAX, ids, c.count);
        close(reports);

        f->s = fixture_open(f, NULL);
        assert_ok(store_read(f->s, all_there, &c, &err));
        assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM tags WHERE name NOT IN (SELECT key FROM jobs)"), 0);
        assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM jobs WHERE key NOT IN (SELECT name FROM tags)"), 0);
    }
    assert_true(c.count >= ROUNDS);
    free(ids);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(killed_at_any_moment, fixture_set_up, fixture_tear_down),
    };

    fixture_child(argc, argv, be_killed);
    fixture_require();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
