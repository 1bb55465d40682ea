/* Transactions, the same on both engines: values come back as they went in, failures take everything back and nobody
 * else's, what was answered is there, limits hold. */
#include "daemon/store/engine.h"
#include "store_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 16
#define WRITES 100
#define ENDLESS                                                                                                        \
    "INSERT INTO t (id, a) WITH RECURSIVE c (n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM c)"           \
    " SELECT COUNT(*), 0 FROM c"

static int set_up(void **state)
{
    fixture_set_up(state);
    fixture *f = *state;
    fixture_sql(f->s, fixture_on_postgres()
                          ? "CREATE TABLE t (id BIGINT PRIMARY KEY, a BIGINT, r DOUBLE PRECISION, x TEXT, b BYTEA)"
                          : "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, r REAL, x TEXT, b BLOB) STRICT");
    return 0;
}

static ac_status insert(store_tx *tx, int64_t id, int64_t a, ac_error *err)
{
    return sql_run(tx, "INSERT INTO t (id, a) VALUES ($1, $2)", SQL_VALUES(sql_int(id), sql_int(a)), NULL, err);
}

static const int64_t numbers[] = {0, 1, -1, 255, -32768, 2147483647, -2147483648LL, INT64_MAX, INT64_MIN};
static const double reals[] = {0.0, -0.5, 0.1, 1e300, -2.2250738585072014e-308};

static ac_status put_values(store_tx *tx, void *arg, ac_error *err)
{
    /* The second parameter comes first in the text: the numbers count, not the order. */
    static const char text[] = "INSERT INTO t (b, id, a, r, x) VALUES ($5, $1, $2, $3, $4)";
    unsigned char bytes[256];

    (void)arg;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)i;
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        AC_TRY(sql_run(tx, text,
                       SQL_VALUES(sql_int((int64_t)i), sql_int(numbers[i]), sql_real(reals[i % ARRAY_SIZE(reals)]),
                                  sql_text("h\xc3\xa9llo \xf0\x9f\x8c\x8d '; DROP TABLE t; --"),
                                  sql_blob(bytes, sizeof(bytes))),
                       NULL, err));
    AC_TRY(sql_run(tx, text, SQL_VALUES(sql_int(100), sql_null(), sql_null(), sql_text(NULL), sql_null()), NULL, err));
    return sql_run(tx, text, SQL_VALUES(sql_int(101), sql_int(5), sql_real(1), sql_text_n("xy", 0), sql_blob("x", 0)),
                   NULL, err);
}

static ac_status get_values(store_tx *tx, void *arg, ac_error *err)
{
    _cleanup_(sql_done) sql_rows rows = {0};
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    const char *text;
    size_t length;
    bool found;

    (void)arg;
    AC_TRY(sql_query(tx, "SELECT id, a, r, x, b FROM t ORDER BY id", NULL, 0, &rows, err));
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        AC_TRY(sql_next(&rows, &found, err));
        assert_true(found);
        assert_true(sql_get_int(&rows, 1) == numbers[i]);
        assert_true(sql_get_real(&rows, 2) == reals[i % ARRAY_SIZE(reals)]);
        AC_TRY(sql_copy(&rows, 3, &memory, &text, NULL, err));
        assert_string_equal(text, "h\xc3\xa9llo \xf0\x9f\x8c\x8d '; DROP TABLE t; --");
        const unsigned char *bytes = sql_get_blob(&rows, 4, &length);
        assert_int_equal(length, 256);
        assert_int_equal(bytes[0], 0);
        assert_int_equal(bytes[255], 255);
    }
    AC_TRY(sql_next(&rows, &found, err));
    for (int column = 1; column < 5; column++)
        assert_true(sql_is_null(&rows, column));
    AC_TRY(sql_copy(&rows, 3, &memory, &text, &length, err));
    assert_null(text);
    assert_int_equal(sql_get_int(&rows, 1), 0);
    AC_TRY(sql_next(&rows, &found, err));
    assert_false(sql_is_null(&rows, 3));
    AC_TRY(sql_copy(&rows, 3, &memory, &text, &length, err));
    assert_string_equal(text, "");
    AC_TRY(sql_next(&rows, &found, err));
    assert_false(found);
    return sql_next(&rows, &found, err); /* and stays there */
}

static void values_come_back(void **state)
{
    fixture *f = *state;
    ac_error err;

    assert_ok(store_write(f->s, put_values, NULL, &err));
    assert_ok(store_read(f->s, get_values, NULL, &err));
}

static ac_status put_text(store_tx *tx, void *arg, ac_error *err)
{
    const sql_value *value = arg;

    return sql_run(tx, "INSERT INTO t (id, x) VALUES (1, $1)", value, 1, NULL, err);
}

static void bad_text_is_refused(void **state)
{
    fixture *f = *state;
    sql_value with_nul = sql_text_n("a\0b", 3), not_utf8 = sql_text("a\xff");
    ac_error err;

    assert_int_equal(store_write(f->s, put_text, &with_nul, &err), AC_ERR_INVALID);
    assert_int_equal(store_write(f->s, put_text, &not_utf8, &err), AC_ERR_INVALID);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM t"), 0);
}

static ac_status fail_after_insert(store_tx *tx, void *arg, ac_error *err)
{
    AC_TRY(insert(tx, *(int64_t *)arg, 1, err));
    return ac_error_set(err, AC_ERR_DENIED, "changed my mind");
}

static ac_status hide_failure(store_tx *tx, void *arg, ac_error *err)
{
    (void)arg;
    AC_TRY(insert(tx, 1, 1, err));
    assert_int_equal(insert(tx, 1, 1, err), AC_ERR_CONFLICT);
    assert_int_equal(insert(tx, 2, 1, err), AC_ERR_STATE);
    return AC_OK;
}

static ac_status nest(store_tx *tx, void *arg, ac_error *err)
{
    store *s = arg;
    int64_t id = 3;

    assert_int_equal(store_read(s, get_values, NULL, err), AC_ERR_STATE);
    assert_int_equal(store_write(s, fail_after_insert, &id, err), AC_ERR_STATE);
    return insert(tx, 4, 1, err);
}

static ac_status write_in_read(store_tx *tx, void *arg, ac_error *err)
{
    (void)arg;
    return insert(tx, 5, 1, err);
}

static ac_status wrong_calls(store_tx *tx, void *arg, ac_error *err)
{
    return *(int *)arg ? sql_run(tx, "SELEKT 1", NULL, 0, NULL, err)
                       : sql_run(tx, "DELETE FROM t WHERE id = $1", NULL, 0, NULL, err);
}

static void failures_take_everything_back(void **state)
{
    fixture *f = *state;
    int64_t id = 1;
    ac_error err;

    assert_int_equal(store_write(f->s, fail_after_insert, &id, &err), AC_ERR_DENIED);
    assert_string_equal(err.message, "changed my mind");
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM t"), 0);
    assert_int_equal(store_write(f->s, hide_failure, NULL, &err), AC_ERR_CONFLICT);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM t"), 0);
    assert_int_equal(store_read(f->s, write_in_read, NULL, &err), AC_ERR_STATE);
    for (int i = 0; i < 2; i++)
        assert_int_equal(store_write(f->s, wrong_calls, &i, &err), AC_ERR_INTERNAL);
    assert_ok(store_write(f->s, nest, f->s, &err));
    assert_int_equal(fixture_number(f->s, "SELECT id FROM t"), 4);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM t"), 1);
}

typedef struct writer {
    store *s;
    int number;
    int64_t id;
    int kind; /* 0 good, 1 fails by itself, 2 by a unique index */
    pthread_t thread;
    pthread_barrier_t *together; /* where all begin; NULL: at once */
} writer;

static ac_status write_some(store_tx *tx, void *arg, ac_error *err)
{
    const writer *w = arg;

    AC_TRY(insert(tx, w->id, w->number, err));
    AC_TRY(insert(tx, -w->id, w->number, err));
    if (w->kind == 1)
        return ac_error_set(err, AC_ERR_DENIED, "no");
    return w->kind == 2 ? insert(tx, w->id, 0, err) : AC_OK;
}

static void *write_many(void *arg)
{
    static const ac_status expected[] = {AC_OK, AC_ERR_DENIED, AC_ERR_CONFLICT};
    writer *w = arg;
    long wrong = 0;

    if (w->together)
        pthread_barrier_wait(w->together);
    for (int i = 0; i < WRITES; i++) {
        w->id = w->number * WRITES + i + 1;
        w->kind = i % 4 == 1 ? 1 : i % 4 == 3 ? 2 : 0;
        wrong += store_write(w->s, write_some, w, NULL) != expected[w->kind];
    }
    return (void *)wrong;
}

static void neighbours_fail_alone(void **state)
{
    fixture *f = *state;
    pthread_barrier_t together;
    writer writers[THREADS];
    store_stats stats;
    void *wrong;

    pthread_barrier_init(&together, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        writers[i] = (writer){.s = f->s, .number = i, .together = &together};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_many, &writers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(writers[i].thread, &wrong);
        assert_null(wrong);
    }
    pthread_barrier_destroy(&together);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM t"), THREADS * WRITES);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM t WHERE (ABS(id) - 1) % 2 = 0"), THREADS * WRITES);
    store_get_stats(f->s, &stats);
    assert_true(stats.writes >= THREADS * WRITES);
    if (!fixture_on_postgres())
        assert_true(stats.commits < THREADS * WRITES / 2); /* they did share commits */
}

static ac_status endless(store_tx *tx, void *arg, ac_error *err)
{
    (void)arg;
    AC_TRY(insert(tx, 1000000, 0, err));
    return sql_run(tx, ENDLESS, NULL, 0, NULL, err);
}

static ac_status endless_read(store_tx *tx, void *arg, ac_error *err)
{
    int64_t number;

    (void)arg;
    return sql_query_int(tx,
                         "WITH RECURSIVE c (n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM c)"
                         " SELECT COUNT(*) FROM c",
                         NULL, 0, &number, NULL, err);
}

static void *write_endless(void *arg)
{
    return (void *)(intptr_t)store_write(arg, endless, NULL, NULL);
}

/* An interrupted statement makes SQLite take the whole group back; its neighbours must not notice. */
static void slow_statements_end(void **state)
{
    fixture *f = *state;
    writer writers[4];
    pthread_t slow[2];
    ac_error err;
    void *result;

    fixture_close(f);
    f->s = fixture_open(f, &(store_options){.statement_ms = 1000});
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&slow[i], NULL, write_endless, f->s), 0);
    for (int i = 0; i < 4; i++) {
        writers[i] = (writer){.s = f->s, .number = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_many, &writers[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(slow[i], &result);
        assert_int_equal((intptr_t)result, AC_ERR_TIMEOUT);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(writers[i].thread, &result);
        assert_null(result);
    }
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM t"), 4 * WRITES);
    assert_int_equal(store_read(f->s, endless_read, NULL, &err), AC_ERR_TIMEOUT);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM t"), 4 * WRITES);
}

typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool inside, open;
    store *s;
    bool writes;
} gate;

static ac_status wait_inside(store_tx *tx, void *arg, ac_error *err)
{
    gate *g = arg;

    (void)tx;
    (void)err;
    pthread_mutex_lock(&g->lock);
    g->inside = true;
    pthread_cond_broadcast(&g->changed);
    while (!g->open)
        pthread_cond_wait(&g->changed, &g->lock);
    pthread_mutex_unlock(&g->lock);
    return AC_OK;
}

static void *occupy(void *arg)
{
    gate *g = arg;

    return (void *)(intptr_t)(g->writes ? store_write(g->s, wait_inside, g, NULL)
                                        : store_read(g->s, wait_inside, g, NULL));
}

static ac_status do_nothing(store_tx *tx, void *arg, ac_error *err)
{
    (void)tx;
    (void)arg;
    (void)err;
    return AC_OK;
}

static void waits_have_an_end(void **state)
{
    fixture *f = *state;

    fixture_close(f);
    f->s = fixture_open(f, &(store_options){.wait_ms = 20000, .connections_max = 1});
    fixture_number(f->s, "SELECT COUNT(*) FROM t");
    f->s->wait_ms = 500; /* now that there are connections, which may take longer to make */
    for (int writes = 0; writes < 2; writes++) {
        gate g = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .s = f->s, .writes = writes};
        pthread_t thread;
        ac_error err;
        void *result;

        assert_int_equal(pthread_create(&thread, NULL, occupy, &g), 0);
        pthread_mutex_lock(&g.lock);
        while (!g.inside)
            pthread_cond_wait(&g.changed, &g.lock);
        pthread_mutex_unlock(&g.lock);
        ac_status status =
            writes ? store_write(f->s, do_nothing, NULL, &err) : store_read(f->s, do_nothing, NULL, &err);
        assert_int_equal(status, AC_ERR_TIMEOUT);
        pthread_mutex_lock(&g.lock);
        g.open = true;
        pthread_cond_broadcast(&g.changed);
        pthread_mutex_unlock(&g.lock);
        pthread_join(thread, &result);
        assert_int_equal((intptr_t)result, AC_OK);
        assert_ok(store_write(f->s, do_nothing, NULL, &err));
    }
}

static ac_status add_one(store_tx *tx, void *arg, ac_error *err)
{
    int64_t value;

    (void)arg;
    AC_TRY(store_lock(tx, "the counter", err));
    AC_TRY(sql_query_int(tx, "SELECT a FROM t WHERE id = 1", NULL, 0, &value, NULL, err));
    return sql_run(tx, "UPDATE t SET a = $1 WHERE id = 1", SQL_VALUES(sql_int(value + 1)), NULL, err);
}

static void *count_up(void *arg)
{
    long wrong = 0;

    for (int i = 0; i < 50; i++)
        wrong += store_write(arg, add_one, NULL, NULL) != AC_OK;
    return (void *)wrong;
}

static void locks_keep_others_out(void **state)
{
    fixture *f = *state;
    pthread_t threads[8];
    void *wrong;

    fixture_sql(f->s, "INSERT INTO t (id, a) VALUES (1, 0)");
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, f->s), 0);
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    assert_int_equal(fixture_number(f->s, "SELECT a FROM t WHERE id = 1"), 400);
}

/* Two rows locked in opposite order: PostgreSQL ends one of the two, which is run again. */
static ac_status cross(store_tx *tx, void *arg, ac_error *err)
{
    int first = *(int *)arg;

    for (int i = 0; i < 2; i++)
        AC_TRY(sql_run(tx, "UPDATE t SET a = a + 1 WHERE id = $1", SQL_VALUES(sql_int((first + i) % 2)), NULL, err));
    return AC_OK;
}

typedef struct crosser {
    store *s;
    int first;
} crosser;

static void *cross_often(void *arg)
{
    crosser *c = arg;
    long wrong = 0;

    for (int i = 0; i < 25; i++)
        wrong += store_write(c->s, cross, &c->first, NULL) != AC_OK;
    return (void *)wrong;
}

static void deadlocks_are_solved(void **state)
{
    fixture *f = *state;
    crosser crossers[4];
    pthread_t threads[4];
    void *wrong;

    if (fixture_on_postgres()) /* its wait before it looks for deadlocks, for this test's connections */
        snprintf(f->url + strlen(f->url), sizeof(f->url) - strlen(f->url), "%%20-cdeadlock_timeout%%3D5ms");
    fixture_close(f);
    f->s = fixture_open(f, &(store_options){.wait_ms = 20000});
    fixture_sql(f->s, "INSERT INTO t (id, a) VALUES (0, 0), (1, 0)");
    for (int i = 0; i < 4; i++) {
        crossers[i] = (crosser){.s = f->s, .first = i % 2};
        assert_int_equal(pthread_create(&threads[i], NULL, cross_often, &crossers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    assert_int_equal(fixture_number(f->s, "SELECT a FROM t WHERE id = 0"), 100);
    assert_int_equal(fixture_number(f->s, "SELECT a FROM t WHERE id = 1"), 100);
}

static ac_status many_statements(store_tx *tx, void *arg, ac_error *err)
{
    char text[64];
    int64_t number;

    (void)arg;
    for (int i = 0; i < 300; i++) {
        snprintf(text, sizeof(text), "SELECT CAST(%d AS BIGINT)", i);
        AC_TRY(sql_query_int(tx, text, NULL, 0, &number, NULL, err));
        assert_int_equal(number, i);
    }
    return AC_OK;
}

static ac_status walk_twice(store_tx *tx, void *arg, ac_error *err)
{
    static const char text[] = "SELECT id FROM t ORDER BY id";
    _cleanup_(sql_done) sql_rows outer = {0};
    int *count = arg;
    bool found;

    AC_TRY(sql_query(tx, text, NULL, 0, &outer, err));
    while (sql_next(&outer, &found, err) == AC_OK && found) {
        _cleanup_(sql_done) sql_rows inner = {0};
        AC_TRY(sql_query(tx, text, NULL, 0, &inner, err));
        while (sql_next(&inner, &found, err) == AC_OK && found)
            ++*count;
    }
    return AC_OK;
}

static void statements_are_kept_and_given_up(void **state)
{
    fixture *f = *state;
    int count = 0;
    ac_error err;

    assert_ok(store_read(f->s, many_statements, NULL, &err));
    assert_ok(store_write(f->s, many_statements, NULL, &err));
    fixture_sql(f->s, "INSERT INTO t (id) VALUES (1), (2), (3)");
    assert_ok(store_read(f->s, walk_twice, &count, &err));
    assert_int_equal(count, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_come_back, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(bad_text_is_refused, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(failures_take_everything_back, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(neighbours_fail_alone, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(slow_statements_end, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(waits_have_an_end, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(locks_keep_others_out, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(deadlocks_are_solved, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(statements_are_kept_and_given_up, set_up, fixture_tear_down),
    };

    fixture_require();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
