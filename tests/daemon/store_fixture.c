/* store_fixture.c - a fresh store for each test. */
#include "store_fixture.h"
#include "base/uuid.h"

#include <fcntl.h>
#include <ftw.h>
#include <libpq-fe.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool fixture_on_postgres(void)
{
    const char *engine = getenv("AC_STORE_ENGINE");

    return engine && strcmp(engine, "postgresql") == 0;
}

void fixture_require(void)
{
    if (fixture_on_postgres() && !getenv("AC_TEST_POSTGRES")) {
        puts("1..0 # SKIP PostgreSQL is not installed");
        exit(0);
    }
}

/* Each test has a schema of its own in the one database. */
static void make_schema(fixture *f)
{
    char uuid[UUID_SIZE], command[128];
    const char *base = getenv("AC_TEST_POSTGRES");
    PGconn *pg = PQconnectdb(base);

    uuid_v4(uuid);
    for (char *at = uuid; *at; at++)
        *at = *at == '-' ? '_' : *at;
    snprintf(command, sizeof(command), "CREATE SCHEMA t_%s", uuid);
    PGresult *result = PQexec(pg, command);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        fail_msg("%s", PQerrorMessage(pg));
    PQclear(result);
    PQfinish(pg);
    snprintf(f->url, sizeof(f->url), "%s&options=-csearch_path%%3Dt_%s", base, uuid);
}

store *fixture_open(const fixture *f, const store_options *extra)
{
    store_options options = extra ? *extra : (store_options){0};
    store *s = NULL;
    ac_error err;

    options.url = f->url[0] ? f->url : NULL;
    options.data_dir = f->url[0] ? NULL : f->dir;
    assert_ok(store_open(&options, &s, &err));
    return s;
}

void fixture_close(fixture *f)
{
    store_close(f->s);
    f->s = NULL;
}

int fixture_set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    strcpy(f->dir, "/tmp/ac-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    if (fixture_on_postgres())
        make_schema(f);
    f->s = fixture_open(f, NULL);
    *state = f;
    return 0;
}

pid_t fixture_spawn(const fixture *f, const char *argument, int *ret_reports)
{
    char *const words[] = {"child", (char *)f->url, (char *)f->dir, (char *)argument, NULL};
    posix_spawn_file_actions_t actions;
    int ends[2];
    pid_t pid = -1;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], FIXTURE_REPORT_FD);
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, words, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    *ret_reports = ends[0];
    return pid;
}

void fixture_child(int argc, char **argv, void (*run)(store *s, const char *argument))
{
    store_options options = {0};
    store *s = NULL;
    ac_error err;

    if (argc != 4 || strcmp(argv[0], "child") != 0)
        return;
    options.url = argv[1][0] ? argv[1] : NULL;
    options.data_dir = argv[1][0] ? NULL : argv[2];
    if (store_open(&options, &s, &err) == AC_OK)
        run(s, argv[3]);
    fprintf(stderr, "child: %s\n", s ? "it ended by itself" : err.message);
    _exit(1);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

int fixture_tear_down(void **state)
{
    fixture *f = *state;

    fixture_close(f);
    nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    free(f);
    return 0;
}

static ac_status run_text(store_tx *tx, void *arg, ac_error *err)
{
    return sql_run(tx, arg, NULL, 0, NULL, err);
}

void fixture_sql(store *s, const char *text)
{
    ac_error err;

    assert_ok(store_write(s, run_text, (void *)text, &err));
}

typedef struct number {
    const char *text;
    int64_t value;
} number;

static ac_status read_number(store_tx *tx, void *arg, ac_error *err)
{
    number *n = arg;

    return sql_query_int(tx, n->text, NULL, 0, &n->value, NULL, err);
}

int64_t fixture_number(store *s, const char *text)
{
    number n = {.text = text};
    ac_error err;

    assert_ok(store_read(s, read_number, &n, &err));
    return n.value;
}
