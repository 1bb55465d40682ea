/* store_bench.c - durable writes and reads per second of the store.
 *
 *     store_bench DIRECTORY|postgresql://... [SECONDS]
 *
 * A write is one row of 1 KiB with a secondary index, in a transaction of its own that has returned from the store: it
 * is on disk.  A read is one row by its key.  DIRECTORY should be on the disk that is meant, not in memory. */
#include "base/clock.h"
#include "daemon/store/sql.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS_MAX 64
#define SAMPLES_MAX 200000
#define BODY_BYTES 1024

typedef struct bench {
    store *s;
    store_fn fn;
    bool writes;
    atomic_bool stop;
    atomic_llong next;
} bench;

typedef struct bench_thread {
    bench *b;
    pthread_t thread;
    int64_t id;
    size_t count, failed;
    uint32_t *samples_us;
} bench_thread;

static ac_status make_table(store_tx *tx, void *arg, ac_error *err)
{
    const char *types = strcmp(store_engine_name(arg), "sqlite") == 0 ? "INTEGER" : "BIGINT";
    char text[256];

    AC_TRY(sql_run(tx, "DROP TABLE IF EXISTS bench_events", NULL, 0, NULL, err));
    snprintf(text, sizeof(text), "CREATE TABLE bench_events (id %s PRIMARY KEY, session TEXT, at %s, body TEXT)", types,
             types);
    AC_TRY(sql_run(tx, text, NULL, 0, NULL, err));
    return sql_run(tx, "CREATE INDEX bench_events_by_time ON bench_events (session, at)", NULL, 0, NULL, err);
}

static ac_status write_row(store_tx *tx, void *arg, ac_error *err)
{
    static char body[BODY_BYTES + 1];
    bench_thread *t = arg;
    char session[32];

    if (!body[0])
        memset(body, 'x', BODY_BYTES);
    snprintf(session, sizeof(session), "session-%d", (int)(t->id % 100));
    return sql_run(tx, "INSERT INTO bench_events (id, session, at, body) VALUES ($1, $2, $3, $4)",
                   SQL_VALUES(sql_int(t->id), sql_text(session), sql_int(t->id), sql_text_n(body, BODY_BYTES)), NULL,
                   err);
}

static ac_status read_row(store_tx *tx, void *arg, ac_error *err)
{
    _cleanup_(sql_done) sql_rows rows = {0};
    const bench_thread *t = arg;
    size_t length;
    bool found;

    AC_TRY(sql_query(tx, "SELECT body FROM bench_events WHERE id = $1", SQL_VALUES(sql_int(1 + t->id % 1000)), &rows,
                     err));
    AC_TRY(sql_next(&rows, &found, err));
    return found && sql_get_blob(&rows, 0, &length) ? AC_OK : AC_ERR_NOT_FOUND;
}

static void *run_thread(void *arg)
{
    bench_thread *t = arg;
    bench *b = t->b;

    while (!atomic_load_explicit(&b->stop, memory_order_relaxed)) {
        uint64_t begin = clock_monotonic_ns();
        t->id = atomic_fetch_add(&b->next, 1);
        ac_status status = b->writes ? store_write(b->s, b->fn, t, NULL) : store_read(b->s, b->fn, t, NULL);
        if (status != AC_OK)
            t->failed++;
        else if (t->count < SAMPLES_MAX)
            t->samples_us[t->count] = (uint32_t)((clock_monotonic_ns() - begin) / 1000);
        t->count += status == AC_OK;
    }
    return NULL;
}

static int compare_samples(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Gather the threads' samples and print a line. */
static void report(const char *what, bench_thread *threads, int count, double seconds, const store_stats *before,
                   const store_stats *after)
{
    uint32_t *all = malloc(sizeof(*all) * SAMPLES_MAX * (size_t)count);
    size_t samples = 0, total = 0, failed = 0;

    for (int i = 0; i < count; i++) {
        size_t have = MIN(threads[i].count, (size_t)SAMPLES_MAX);
        if (all)
            memcpy(all + samples, threads[i].samples_us, have * sizeof(*all));
        samples += have;
        total += threads[i].count;
        failed += threads[i].failed;
    }
    if (all && samples) {
        qsort(all, samples, sizeof(*all), compare_samples);
        printf("%-6s %2d threads: %8.0f/s  p50 %5u us  p99 %6u us  commits/s %6.0f  failed %zu\n", what, count,
               (double)total / seconds, all[samples / 2], all[samples * 99 / 100],
               (double)(after->commits - before->commits) / seconds, failed);
    }
    free(all);
}

static void measure(bench *b, const char *what, int count, double seconds)
{
    static bench_thread threads[THREADS_MAX];
    store_stats before, after;

    atomic_store(&b->stop, false);
    store_get_stats(b->s, &before);
    uint64_t begin = clock_monotonic_ns();
    for (int i = 0; i < count; i++) {
        threads[i] = (bench_thread){.b = b, .samples_us = malloc(sizeof(uint32_t) * SAMPLES_MAX)};
        if (!threads[i].samples_us || pthread_create(&threads[i].thread, NULL, run_thread, &threads[i]) != 0)
            abort();
    }
    struct timespec pause = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&pause, NULL);
    atomic_store(&b->stop, true);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i].thread, NULL);
    double took = (double)(clock_monotonic_ns() - begin) / 1e9;
    store_get_stats(b->s, &after);
    report(what, threads, count, took, &before, &after);
    for (int i = 0; i < count; i++)
        free(threads[i].samples_us);
}

int main(int argc, char **argv)
{
    static const int counts[] = {1, 8, 32};
    store_options options = {.connections_max = 16};
    bench b = {.next = 1};
    ac_error err;

    if (argc < 2) {
        fputs("usage: store_bench DIRECTORY|postgresql://... [SECONDS]\n", stderr);
        return 2;
    }
    double seconds = argc > 2 ? atof(argv[2]) : 2;
    if (strncmp(argv[1], "postgres", 8) == 0)
        options.url = argv[1];
    else
        options.data_dir = argv[1];
    if (store_open(&options, &b.s, &err) != AC_OK || store_write(b.s, make_table, b.s, &err) != AC_OK) {
        fprintf(stderr, "store_bench: %s\n", err.message);
        return 1;
    }
    printf("%s, rows of %d bytes\n", store_engine_name(b.s), BODY_BYTES);
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        b.fn = write_row, b.writes = true;
        measure(&b, "write", counts[i], seconds);
    }
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        b.fn = read_row, b.writes = false;
        measure(&b, "read", counts[i], seconds);
    }
    store_close(b.s);
    return 0;
}
