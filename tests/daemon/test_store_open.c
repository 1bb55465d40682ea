/* Opening and surviving: one daemon per directory, several per database, newer schemas left alone, a full disk and a
 * server that restarts lose nothing. */
#include "store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "agentcore.db"

static ac_status try_open(const fixture *f, store **ret_store, ac_error *err)
{
    store_options options = {.url = f->url[0] ? f->url : NULL, .data_dir = f->url[0] ? NULL : f->dir, .wait_ms = 20000};

    return store_open(&options, ret_store, err);
}

static mode_t mode_of(const char *dir, const char *name)
{
    char path[256];
    struct stat info;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(stat(path, &info), 0);
    return info.st_mode & 0777;
}

static void second_daemon_is_refused(void **state)
{
    fixture *f = *state;
    char pid[32];
    store *other = NULL;
    ac_error err;

    assert_int_equal(try_open(f, &other, &err), AC_ERR_STATE);
    snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    assert_non_null(strstr(err.message, pid));
    assert_non_null(strstr(err.message, f->dir));
    fixture_close(f);
    f->s = fixture_open(f, NULL);
}

static void others_are_kept_out(void **state)
{
    fixture *f = *state;
    const unsigned closed = geteuid() == 0 ? 0711 : 0700; /* root's sandboxes pass through to what is deployed */
    char path[128];
    ac_error err;

    assert_int_equal(mode_of(f->dir, "."), closed);
    assert_int_equal(mode_of(f->dir, FILE_NAME), 0600);
    assert_int_equal(mode_of(f->dir, FILE_NAME "-wal"), 0600);
    fixture_close(f);

    assert_int_equal(chmod(f->dir, 0755), 0); /* ours: closed again */
    f->s = fixture_open(f, NULL);
    assert_int_equal(mode_of(f->dir, "."), closed);
    fixture_close(f);

    snprintf(path, sizeof(path), "%s/lock", f->dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(chmod(f->dir, 0755), 0); /* somebody else's, by all we can see: left alone */
    assert_int_equal(try_open(f, &f->s, &err), AC_ERR_DENIED);
    assert_non_null(strstr(err.message, "chmod 700"));
    assert_int_equal(mode_of(f->dir, "."), 0755);

    snprintf(path, sizeof(path), "%s/not/there/yet", f->dir);
    store *deep = NULL;
    assert_ok(store_open(&(store_options){.data_dir = path}, &deep, &err));
    assert_int_equal(mode_of(path, ".."), closed);
    store_close(deep);
}

static void bad_options_are_refused(void **state)
{
    static const char *const urls[] = {
        "",
        "mysql://u:hunter2@host/db",
        "postgresql://u:hun@ter2@host/db",
        "postgresql://u:hunter2/x@host/db",
        "postgresql://u:5/hunter2@host/db",
        "postgresql://u:hunter2@host:port/db",
        "postgresql://u:hunter2@host/db?nonsense=hunter2",
    };
    store *s = NULL;
    ac_error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        assert_int_equal(store_open(&(store_options){.url = urls[i]}, &s, &err), AC_ERR_INVALID);
        assert_null(strstr(err.message, "hun"));
        assert_null(strstr(err.message, "ter2"));
    }
    assert_int_equal(store_open(&(store_options){0}, &s, &err), AC_ERR_INVALID);
    assert_int_equal(store_open(&(store_options){.data_dir = ""}, &s, &err), AC_ERR_INVALID);
    assert_int_equal(store_open(&(store_options){.data_dir = "/tmp", .wait_ms = UINT32_MAX}, &s, &err), AC_ERR_INVALID);
    /* Nobody there: an answer within the time it was given. */
    assert_int_equal(
        store_open(&(store_options){.url = "postgresql://u:hunter2@/db?host=/nonexistent", .wait_ms = 50}, &s, &err),
        AC_ERR_IO);
    assert_null(strstr(err.message, "hunter2"));
}

static char *read_whole(const fixture *f, size_t *ret_length)
{
    char path[128];
    char *data = malloc(4 << 20);

    assert_non_null(data);
    snprintf(path, sizeof(path), "%s/" FILE_NAME, f->dir);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    *ret_length = fread(data, 1, 4 << 20, file);
    fclose(file);
    return data;
}

static ac_status raise_version(store_tx *tx, void *arg, ac_error *err)
{
    return sql_run(tx, "UPDATE store_meta SET value = $1 WHERE name = 'schema_version'",
                   SQL_VALUES(sql_blob(arg, strlen(arg))), NULL, err);
}

static void newer_schema_is_left_alone(void **state)
{
    fixture *f = *state;
    store *s = NULL;
    size_t before_length = 0, after_length = 0;
    char *before = NULL, *after = NULL;
    ac_error err;

    assert_ok(store_write(f->s, raise_version, "999", &err));
    fixture_close(f);
    if (!fixture_on_postgres())
        before = read_whole(f, &before_length);
    assert_int_equal(try_open(f, &s, &err), AC_ERR_STATE);
    assert_non_null(strstr(err.message, "999"));
    assert_null(s);
    if (!fixture_on_postgres()) {
        after = read_whole(f, &after_length);
        assert_int_equal(before_length, after_length);
        assert_memory_equal(before, after, after_length);
    }
    free(before);
    free(after);
}

static void damage_is_reported(void **state)
{
    fixture *f = *state;
    char path[128];
    store *s = NULL;
    ac_error err;

    assert_ok(store_write(f->s, raise_version, "x", &err));
    fixture_close(f);
    assert_int_equal(try_open(f, &s, &err), AC_ERR_IO);
    if (fixture_on_postgres())
        return;
    snprintf(path, sizeof(path), "%s/" FILE_NAME, f->dir);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "this is no database", 19, 0), 19);
    close(fd);
    assert_int_equal(try_open(f, &s, &err), AC_ERR_IO);
    assert_non_null(strstr(err.message, "not a database"));
}

static void *open_again(void *arg)
{
    store *s = NULL;

    if (store_open(&(store_options){.url = arg, .wait_ms = 20000}, &s, NULL) != AC_OK)
        return (void *)1;
    store_close(s);
    return NULL;
}

static void many_daemons_start_at_once(void **state)
{
    fixture *f = *state;
    pthread_t threads[8];
    void *failed;

    fixture_sql(f->s, "DROP TABLE store_meta");
    fixture_sql(f->s, "DROP TABLE resources, tags, policies, client_tokens, jobs, sessions");
    fixture_sql(f->s, "DROP TABLE memory_sessions, memory_events, memory_branches, memory_cursors, memory_records,"
                      " memory_namespaces, memory_removals");
    fixture_sql(f->s, "DROP FUNCTION now_ms()");
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_again, f->url), 0);
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM store_meta"), 2);
}

typedef struct blob {
    int64_t id;
    size_t length;
} blob;

static ac_status put_blob(store_tx *tx, void *arg, ac_error *err)
{
    static const char bytes[200000];
    const blob *b = arg;

    return sql_run(tx, "INSERT INTO store_meta (name, value) VALUES ($1, $2)",
                   SQL_VALUES(sql_text((char[]){'b', (char)('0' + b->id / 100), (char)('0' + b->id / 10 % 10),
                                                (char)('0' + b->id % 10), 0}),
                              sql_blob(bytes, b->length)),
                   NULL, err);
}

/* Write until it fails for want of space: how many there are then. */
static int64_t fill(store *s, int64_t first, size_t length)
{
    ac_error err;

    for (int64_t id = first;; id++) {
        blob b = {.id = id, .length = length};
        ac_status status = store_write(s, put_blob, &b, &err);
        if (status != AC_OK) {
            assert_int_equal(status, AC_ERR_IO);
            assert_non_null(strstr(err.message, "space"));
            return id;
        }
        assert_true(id < 900);
    }
}

static void full_store_recovers(void **state)
{
    fixture *f = *state;
    ac_error err;

    fixture_close(f);
    f->s = fixture_open(f, &(store_options){.pages_max = 100});
    int64_t count = fill(f->s, 0, 20000);
    assert_true(count > 3);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM store_meta WHERE name LIKE 'b%'"), count);
    fixture_sql(f->s, "DELETE FROM store_meta WHERE name IN ('b000', 'b001')");
    assert_ok(store_write(f->s, put_blob, &(blob){.id = 0, .length = 20000}, &err));
    fixture_close(f);
    f->s = fixture_open(f, NULL);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM store_meta WHERE name LIKE 'b%'"), count - 1);
}

static void fill_disk(const char *path)
{
    char block[4096] = {1};
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    assert_true(fd >= 0);
    while (write(fd, block, sizeof(block)) > 0)
        ;
    close(fd);
}

/* A real full disk, where we may mount one. */
static void full_disk_recovers(void **state)
{
    fixture *f = *state;
    char filler[256], dir[128];
    store *s = NULL;
    ac_error err;

    snprintf(dir, sizeof(dir), "%s/disk", f->dir);
    snprintf(filler, sizeof(filler), "%s/filler", dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    if (mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NODEV, "size=8m,mode=700") != 0)
        return; /* full_store_recovers has to do */
    assert_ok(store_open(&(store_options){.data_dir = dir}, &s, &err));
    for (int64_t id = 0; id < 5; id++)
        assert_ok(store_write(s, put_blob, &(blob){.id = id, .length = 20000}, &err));

    fill_disk(filler);
    int64_t count = fill(s, 5, 200000);
    assert_int_equal(fill(s, count, 200000), count); /* still full */
    assert_int_equal(fixture_number(s, "SELECT COUNT(*) FROM store_meta WHERE name LIKE 'b%'"), count);

    assert_int_equal(unlink(filler), 0);
    assert_ok(store_write(s, put_blob, &(blob){.id = 500, .length = 200000}, &err));
    store_close(s);
    assert_ok(store_open(&(store_options){.data_dir = dir}, &s, &err));
    assert_int_equal(fixture_number(s, "SELECT COUNT(*) FROM store_meta WHERE name LIKE 'b%'"), count + 1);
    store_close(s);
    assert_int_equal(umount(dir), 0);
}

typedef struct inserter {
    store *s;
    atomic_bool stop;
    atomic_int acknowledged;
    int failed, other;
    ac_error last;
} inserter;

static void *insert_all_along(void *arg)
{
    inserter *w = arg;

    for (int64_t id = 0; !atomic_load(&w->stop) && id < 1000; id++) {
        ac_error err;
        ac_status status = store_write(w->s, put_blob, &(blob){.id = id, .length = 10}, &err);
        if (status == AC_OK) {
            atomic_fetch_add(&w->acknowledged, 1);
            continue;
        }
        w->last = err;
        if (status == AC_ERR_IO) /* the restart came during a commit */
            w->failed++;
        else
            w->other++;
    }
    return NULL;
}

static void server_restart_is_survived(void **state)
{
    fixture *f = *state;
    const char *restart = getenv("AC_TEST_POSTGRES_RESTART");
    inserter w = {0};
    pthread_t thread;

    assert_non_null(restart);
    fixture_close(f);
    w.s = f->s = fixture_open(f, &(store_options){.wait_ms = 20000});
    assert_int_equal(pthread_create(&thread, NULL, insert_all_along, &w), 0);
    while (atomic_load(&w.acknowledged) < 10)
        sched_yield();
    assert_int_equal(system(restart), 0);
    int until = atomic_load(&w.acknowledged) + 10;
    while (atomic_load(&w.acknowledged) < MIN(until, 990))
        sched_yield();
    atomic_store(&w.stop, true);
    pthread_join(thread, NULL);
    if (w.other > 0 || w.failed > 1)
        print_error("%d writes failed, %d of them in another way; the last: %s\n", w.failed + w.other, w.other,
                    w.last.message);
    assert_int_equal(w.other, 0);
    assert_true(w.failed <= 1);
    int64_t there = fixture_number(f->s, "SELECT COUNT(*) FROM store_meta WHERE name LIKE 'b%'");
    assert_true(there == atomic_load(&w.acknowledged) || there == atomic_load(&w.acknowledged) + w.failed);
}

/* All connections of a pool die while nobody uses them. */
static void dead_connections_are_replaced(void **state)
{
    fixture *f = *state;

    store *other = fixture_open(f, NULL);
    assert_int_equal(fixture_number(other, "SELECT COUNT(*) FROM tags"), 0);
    fixture_number(f->s, "SELECT COUNT(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                         " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend') AS ended");
    assert_int_equal(fixture_number(other, "SELECT COUNT(*) FROM tags"), 0);
    fixture_sql(other, "INSERT INTO tags (arn, name, value) VALUES ('a', 'b', 'c')");
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM tags"), 1); /* and both see the same */
    store_close(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest on_sqlite[] = {
        TEST(second_daemon_is_refused),   TEST(others_are_kept_out), cmocka_unit_test(bad_options_are_refused),
        TEST(newer_schema_is_left_alone), TEST(damage_is_reported),  TEST(full_store_recovers),
        TEST(full_disk_recovers),
    };
    const struct CMUnitTest on_postgres[] = {
        TEST(newer_schema_is_left_alone),    TEST(damage_is_reported),
        TEST(many_daemons_start_at_once),    TEST(server_restart_is_survived),
        TEST(dead_connections_are_replaced),
    };

    fixture_require();
    return fixture_on_postgres() ? cmocka_run_group_tests(on_postgres, NULL, NULL)
                                 : cmocka_run_group_tests(on_sqlite, NULL, NULL);
}
