/* daemon_report.c - health, and the metrics of store, jobs and threads.
 *
 * Both are asked for on a worker thread and may wait for the store, for at most its own wait_ms. */
#include "daemon/daemon.h"

#include "daemon/store/sql.h"

static ac_status look(store_tx *tx, void *arg, ac_error *err)
{
    int64_t one;

    (void)arg;
    return sql_query_int(tx, "SELECT 1", NULL, 0, &one, NULL, err);
}

ac_status daemon_health(void *user, ac_error *err)
{
    agentcored *d = user;
    ac_error why = {.status = AC_OK};
    ac_status status = store_read(d->store, look, NULL, &why);

    if (status != AC_OK)
        return ac_error_set(err, status, "the store does not answer: %s", why.message);
    return AC_OK;
}

/* ---- metrics ---- */

static ac_status counter(buf *out, const char *name, const char *help, uint64_t value)
{
    return buf_appendf(out, "# HELP %s %s\n# TYPE %s counter\n%s %llu\n", name, help, name, name,
                       (unsigned long long)value);
}

static ac_status gauge(buf *out, const char *name, const char *help, uint64_t value)
{
    return buf_appendf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %llu\n", name, help, name, name,
                       (unsigned long long)value);
}

static ac_status store_metrics(agentcored *d, buf *out)
{
    store_stats s;

    store_get_stats(d->store, &s);
    AC_TRY(buf_appendf(out,
                       "# HELP agentcored_store_transactions_total Transactions that were asked for.\n"
                       "# TYPE agentcored_store_transactions_total counter\n"
                       "agentcored_store_transactions_total{engine=\"%s\",kind=\"read\"} %llu\n"
                       "agentcored_store_transactions_total{engine=\"%s\",kind=\"write\"} %llu\n",
                       store_engine_name(d->store), (unsigned long long)s.reads, store_engine_name(d->store),
                       (unsigned long long)s.writes));
    AC_TRY(counter(out, "agentcored_store_commits_total", "Times that the disk was waited for.", s.commits));
    AC_TRY(counter(out, "agentcored_store_retries_total", "Transactions that were run again.", s.retries));
    AC_TRY(counter(out, "agentcored_store_failures_total", "Transactions that failed.", s.failures));
    AC_TRY(gauge(out, "agentcored_store_connections", "Open connections to the store.", s.connections));
    return gauge(out, "agentcored_store_connections_max", "Most connections to the store.", s.connections_max);
}

typedef struct job_counts {
    arena memory;
    job_count *rows;
    size_t count;
} job_counts;

static ac_status count_jobs(store_tx *tx, void *arg, ac_error *err)
{
    job_counts *c = arg;

    arena_done(&c->memory);
    return jobs_count(tx, &c->memory, &c->rows, &c->count, err);
}

static ac_status job_metrics(agentcored *d, buf *out)
{
    job_counts c = {.memory = ARENA_INIT};
    ac_status status = store_read(d->store, count_jobs, &c, NULL);

    /* A store that does not answer shows in its own counters; the other lines still help. */
    if (status != AC_OK)
        c.count = 0;
    status = buf_append_text(out, "# HELP agentcored_jobs Jobs in the queue, of all daemons on this store.\n"
                                  "# TYPE agentcored_jobs gauge\n");
    for (size_t i = 0; i < c.count && status == AC_OK; i++)
        status = buf_appendf(out, "agentcored_jobs{kind=\"%s\",state=\"%s\"} %lld\n", c.rows[i].kind, c.rows[i].state,
                             (long long)c.rows[i].count);
    arena_done(&c.memory);
    return status;
}

ac_status daemon_metrics(buf *out, void *user)
{
    agentcored *d = user;
    unsigned running, waiting;

    workers_counts(d->workers, &running, &waiting);
    AC_TRY(gauge(out, "agentcored_workers_running", "Requests that are being worked on.", running));
    AC_TRY(gauge(out, "agentcored_workers_waiting", "Requests that wait for a thread.", waiting));
    AC_TRY(store_metrics(d, out));
    return job_metrics(d, out);
}
