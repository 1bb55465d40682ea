/* jobs.c - the queue as rows.
 *
 * due_ms says when anybody may take the row: the time it is to run, or, while it is running, the end of its lease.  So
 * one comparison finds what waits and what was left behind by a dead process.  A dead job has no due_ms.
 *
 * Who holds a lease is known by owner and attempt together: attempts rises with each claim, and owners are new with
 * each claim (a job that comes back begins with attempt 1 again), so one that lost a job and got it again cannot end
 * the second run with the first.  Every change by the holder names both, and finds nothing when the lease is lost.
 *
 * All times come from the store's clock (now_ms), which daemons on several machines have in common. */
#include "daemon/store/jobs.h"
#include "base/buf.h"
#include "daemon/store/engine.h"

#include <stdlib.h>
#include <string.h>

#define NOW "(SELECT now_ms())"
#define HELD " WHERE id = $1 AND owner = $2 AND attempts = $3 AND state = 'running'"
#define HOLDER(j) sql_int((j)->id), sql_text((j)->owner), sql_int((j)->attempt)
#define COLUMNS "id, kind, key, payload, attempts, owner, state, due_ms, last_error, created_ms"
#define KINDS_MAX 24
#define STATEMENT_MAX 4096
#define LAST_ERROR_MAX 400

ac_status jobs_enqueue(store_tx *tx, const job_spec *spec, ac_error *err)
{
    static const char text[] =
        "INSERT INTO jobs (kind, key, payload, state, due_ms, period_ms, attempts, attempts_max, created_ms)"
        " VALUES ($1, $2, $3, 'ready', " NOW " + $4, $5, 0, $6, " NOW ")"
        " ON CONFLICT (kind, key) DO UPDATE SET"
        " period_ms = excluded.period_ms,"
        " again_ms = CASE WHEN jobs.state = 'running' AND jobs.period_ms = 0"
        "  AND (jobs.again_ms IS NULL OR jobs.again_ms > excluded.due_ms) THEN excluded.due_ms ELSE jobs.again_ms END,"
        " due_ms = CASE WHEN jobs.state = 'dead' THEN excluded.due_ms"
        "  WHEN jobs.state = 'ready' AND jobs.attempts = 0 AND jobs.due_ms > excluded.due_ms THEN excluded.due_ms"
        "  ELSE jobs.due_ms END,"
        " payload = CASE WHEN jobs.state = 'dead' THEN excluded.payload ELSE jobs.payload END,"
        " attempts = CASE WHEN jobs.state = 'dead' THEN 0 ELSE jobs.attempts END,"
        " state = CASE WHEN jobs.state = 'dead' THEN 'ready' ELSE jobs.state END";
    int attempts_max = spec->attempts_max ? spec->attempts_max : JOB_ATTEMPTS_DEFAULT;

    AC_TRY(sql_run(tx, text,
                   SQL_VALUES(sql_text(spec->kind), sql_text(spec->key), sql_text(spec->payload ? spec->payload : ""),
                              sql_int(MAX(spec->delay_ms, (int64_t)0)), sql_int(MAX(spec->period_ms, (int64_t)0)),
                              sql_int(attempts_max)),
                   NULL, err));
    tx->wakes = true;
    return AC_OK;
}

static ac_status lost(ac_error *err)
{
    return ac_error_set(err, AC_ERR_CONFLICT, "the job's lease was lost");
}

ac_status job_done(store_tx *tx, const job *j, ac_error *err)
{
    static const char once[] = "DELETE FROM jobs" HELD " AND again_ms IS NULL AND period_ms = 0";
    static const char again[] = "UPDATE jobs SET state = 'ready', owner = NULL, attempts = 0, last_error = NULL,"
                                " due_ms = COALESCE(again_ms, " NOW " + period_ms), again_ms = NULL" HELD;
    int64_t changed = 0;

    AC_TRY(sql_run(tx, once, SQL_VALUES(HOLDER(j)), &changed, err));
    if (changed)
        return AC_OK;
    AC_TRY(sql_run(tx, again, SQL_VALUES(HOLDER(j)), &changed, err));
    if (!changed)
        return lost(err);
    tx->wakes = true;
    return AC_OK;
}

ac_status job_renew(store_tx *tx, const job *j, unsigned lease_ms, ac_error *err)
{
    static const char text[] = "UPDATE jobs SET due_ms = " NOW " + $4" HELD;
    int64_t changed = 0;

    AC_TRY(sql_run(tx, text, SQL_VALUES(HOLDER(j), sql_int(lease_ms)), &changed, err));
    return changed ? AC_OK : lost(err);
}

ac_status job_failed(store_tx *tx, const job *j, int64_t delay_ms, const char *message, ac_error *err)
{
    /* What was asked for once more while it ran is new work, and outlives the last attempt at the old. */
    static const char text[] =
        "UPDATE jobs SET owner = NULL, last_error = $5,"
        " state = CASE WHEN attempts_max > 0 AND attempts >= attempts_max AND again_ms IS NULL"
        "  THEN 'dead' ELSE 'ready' END,"
        " due_ms = CASE WHEN attempts_max > 0 AND attempts >= attempts_max AND again_ms IS NULL"
        "  THEN NULL ELSE " NOW " + $4 END,"
        " attempts = CASE WHEN attempts_max > 0 AND attempts >= attempts_max AND again_ms IS NOT NULL"
        "  THEN 0 ELSE attempts END,"
        " again_ms = CASE WHEN attempts_max > 0 AND attempts >= attempts_max THEN NULL ELSE again_ms END" HELD;
    int64_t changed = 0;
    size_t length = strnlen(message, LAST_ERROR_MAX);

    while (length > 0 && ((unsigned char)message[length] & 0xC0) == 0x80) /* not within a character */
        length--;
    AC_TRY(sql_run(tx, text, SQL_VALUES(HOLDER(j), sql_int(delay_ms), sql_text_n(message, length)), &changed, err));
    if (!changed)
        return lost(err);
    tx->wakes = true;
    return AC_OK;
}

ac_status job_release(store_tx *tx, const job *j, ac_error *err)
{
    static const char text[] =
        "UPDATE jobs SET state = 'ready', owner = NULL, due_ms = " NOW ", attempts = attempts - 1" HELD;
    int64_t changed = 0;

    AC_TRY(sql_run(tx, text, SQL_VALUES(HOLDER(j)), &changed, err));
    return changed ? AC_OK : lost(err);
}

ac_status jobs_end_leases(store_tx *tx, ac_error *err)
{
    return sql_run(tx, "UPDATE jobs SET due_ms = " NOW " WHERE state = 'running'", NULL, 0, NULL, err);
}

static ac_status read_row(const sql_rows *rows, arena *memory, job *j, ac_error *err)
{
    j->id = sql_get_int(rows, 0);
    AC_TRY(sql_copy(rows, 1, memory, &j->kind, NULL, err));
    AC_TRY(sql_copy(rows, 2, memory, &j->key, NULL, err));
    AC_TRY(sql_copy(rows, 3, memory, &j->payload, NULL, err));
    j->attempt = (int)sql_get_int(rows, 4);
    AC_TRY(sql_copy(rows, 5, memory, &j->owner, NULL, err));
    AC_TRY(sql_copy(rows, 6, memory, &j->state, NULL, err));
    j->due_ms = sql_get_int(rows, 7);
    AC_TRY(sql_copy(rows, 8, memory, &j->last_error, NULL, err));
    j->created_ms = sql_get_int(rows, 9);
    return AC_OK;
}

static ac_status read_rows(sql_rows *rows, size_t limit, arena *memory, job **ret_jobs, size_t *ret_count,
                           ac_error *err)
{
    *ret_count = 0;
    *ret_jobs = arena_zalloc(memory, limit * sizeof(**ret_jobs));
    if (!*ret_jobs)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    while (*ret_count < limit) {
        bool found;
        AC_TRY(sql_next(rows, &found, err));
        if (!found)
            break;
        AC_TRY(read_row(rows, memory, &(*ret_jobs)[*ret_count], err));
        ++*ret_count;
    }
    return AC_OK;
}

/* "$5, $6, $7" for three kinds from $5 on, and the values. */
static ac_status list_kinds(buf *text, sql_value *values, const char *const *kinds, size_t count, size_t first,
                            ac_error *err)
{
    ac_status status = AC_OK;

    if (count == 0 || count > KINDS_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "a runner has 1 to %d kinds of jobs", KINDS_MAX);
    for (size_t i = 0; i < count && status == AC_OK; i++) {
        status = buf_appendf(text, "%s$%zu", i ? ", " : "", first + i);
        values[i] = sql_text(kinds[i]);
    }
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "out of memory");
}

static ac_status finish_text(buf *text, ac_status status, ac_error *err)
{
    if (status == AC_OK && !buf_terminate(text))
        status = AC_ERR_NOMEM;
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "a statement is too long");
}

/* A job that takes its process down at each attempt is never reported as failed; its lease runs out each time. */
static ac_status bury(store_tx *tx, ac_error *err)
{
    static const char text[] =
        "UPDATE jobs SET state = 'dead', due_ms = NULL, owner = NULL, again_ms = NULL,"
        " last_error = 'its process ended or hung at each attempt'"
        " WHERE due_ms <= " NOW " AND state = 'running' AND attempts_max > 0 AND attempts >= attempts_max";

    return sql_run(tx, text, NULL, 0, NULL, err);
}

static ac_status claim_text(const job_claim *claim, buf *text, sql_value *values, ac_error *err)
{
    static const char head[] = "WITH due AS MATERIALIZED (SELECT id FROM jobs WHERE due_ms <= " NOW " AND kind IN (";
    static const char tail[] = ") ORDER BY due_ms, id LIMIT $3 /*pg FOR UPDATE SKIP LOCKED */)"
                               " UPDATE jobs SET state = 'running', owner = $1, due_ms = " NOW " + $2,"
                               " attempts = attempts + 1 WHERE id IN (SELECT id FROM due) RETURNING " COLUMNS;
    ac_status status = buf_append_text(text, head);

    if (status == AC_OK)
        AC_TRY(list_kinds(text, values + 3, claim->kinds, claim->kind_count, 4, err));
    if (status == AC_OK)
        status = buf_append_text(text, tail);
    return finish_text(text, status, err);
}

ac_status jobs_claim(store_tx *tx, const job_claim *claim, arena *memory, job **ret_jobs, size_t *ret_count,
                     ac_error *err)
{
    _cleanup_(sql_done) sql_rows rows = {0};
    _cleanup_(buf_done) buf text = BUF_INIT(STATEMENT_MAX);
    sql_value values[3 + KINDS_MAX] = {sql_text(claim->owner), sql_int(claim->lease_ms),
                                       sql_int((int64_t)claim->limit)};

    AC_TRY(bury(tx, err));
    AC_TRY(claim_text(claim, &text, values, err));
    AC_TRY(sql_query(tx, text.data, values, 3 + claim->kind_count, &rows, err));
    return read_rows(&rows, claim->limit, memory, ret_jobs, ret_count, err);
}

ac_status jobs_next_due(store_tx *tx, const char *const *kinds, size_t kind_count, int64_t *ret_wait_ms, ac_error *err)
{
    _cleanup_(buf_done) buf text = BUF_INIT(STATEMENT_MAX);
    sql_value values[KINDS_MAX];
    bool found;

    static const char head[] = "SELECT due_ms - " NOW " FROM jobs WHERE due_ms IS NOT NULL AND kind IN (";
    ac_status status = buf_append_text(&text, head);
    if (status == AC_OK)
        AC_TRY(list_kinds(&text, values, kinds, kind_count, 1, err));
    if (status == AC_OK)
        status = buf_append_text(&text, ") ORDER BY due_ms LIMIT 1");
    AC_TRY(finish_text(&text, status, err));
    AC_TRY(sql_query_int(tx, text.data, values, kind_count, ret_wait_ms, &found, err));
    *ret_wait_ms = found ? MAX(*ret_wait_ms, (int64_t)0) : INT64_MAX;
    return AC_OK;
}

ac_status jobs_count(store_tx *tx, arena *memory, job_count **ret_counts, size_t *ret_count, ac_error *err)
{
    static const char text[] = "SELECT kind, state, COUNT(*) FROM jobs"
                               " GROUP BY kind, state ORDER BY kind, state LIMIT $1";
    _cleanup_(sql_done) sql_rows rows = {0};
    job_count *counts = arena_zalloc(memory, JOB_PAGE_MAX * sizeof(*counts));
    size_t count = 0;

    if (!counts)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    AC_TRY(sql_query(tx, text, SQL_VALUES(sql_int(JOB_PAGE_MAX)), &rows, err));
    for (;; count++) {
        bool found;
        AC_TRY(sql_next(&rows, &found, err));
        if (!found)
            break;
        AC_TRY(sql_copy(&rows, 0, memory, &counts[count].kind, NULL, err));
        AC_TRY(sql_copy(&rows, 1, memory, &counts[count].state, NULL, err));
        counts[count].count = sql_get_int(&rows, 2);
    }
    *ret_counts = counts;
    *ret_count = count;
    return AC_OK;
}

/* Keys in [*ret_from, *ret_to) begin with prefix. */
static ac_status prefix_range(const char *prefix, arena *memory, const char **ret_from, const char **ret_to,
                              ac_error *err)
{
    size_t length = strlen(prefix);
    char *to = arena_copy(memory, prefix, length);

    if (!to)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    if (length == 0 || (unsigned char)prefix[length - 1] >= 0x7e)
        return ac_error_set(err, AC_ERR_INVALID, "keys are not looked for by this beginning");
    to[length - 1]++;
    *ret_from = prefix;
    *ret_to = to;
    return AC_OK;
}

static ac_status list_by_key(store_tx *tx, const job_filter *filter, arena *memory, sql_rows *rows, ac_error *err)
{
    static const char text[] = "SELECT " COLUMNS " FROM jobs WHERE kind = $1 AND key >= $2 AND key < $3 AND id > $4"
                               " AND (state = $5 OR CAST($5 AS TEXT) IS NULL) ORDER BY id LIMIT $6";
    const char *from = NULL, *to = NULL;

    AC_TRY(prefix_range(filter->key_prefix, memory, &from, &to, err));
    return sql_query(tx, text,
                     SQL_VALUES(sql_text(filter->kind), sql_text(from), sql_text(to), sql_int(filter->after_id),
                                sql_text(filter->state), sql_int((int64_t)filter->limit)),
                     rows, err);
}

ac_status jobs_list(store_tx *tx, const job_filter *filter, arena *memory, job **ret_jobs, size_t *ret_count,
                    ac_error *err)
{
    static const char text[] = "SELECT " COLUMNS " FROM jobs WHERE id > $1"
                               " AND (kind = $2 OR CAST($2 AS TEXT) IS NULL)"
                               " AND (state = $3 OR CAST($3 AS TEXT) IS NULL) ORDER BY id LIMIT $4";
    _cleanup_(sql_done) sql_rows rows = {0};

    if (filter->limit < 1 || filter->limit > JOB_PAGE_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "a page has 1 to %d entries", JOB_PAGE_MAX);
    if (filter->key_prefix)
        AC_TRY(list_by_key(tx, filter, memory, &rows, err));
    else
        AC_TRY(sql_query(tx, text,
                         SQL_VALUES(sql_int(filter->after_id), sql_text(filter->kind), sql_text(filter->state),
                                    sql_int((int64_t)filter->limit)),
                         &rows, err));
    return read_rows(&rows, filter->limit, memory, ret_jobs, ret_count, err);
}

ac_status job_revive(store_tx *tx, int64_t id, ac_error *err)
{
    static const char text[] =
        "UPDATE jobs SET state = 'ready', attempts = 0, due_ms = " NOW " WHERE id = $1 AND state = 'dead'";
    int64_t changed = 0;

    AC_TRY(sql_run(tx, text, SQL_VALUES(sql_int(id)), &changed, err));
    tx->wakes = true;
    return changed ? AC_OK : ac_error_set(err, AC_ERR_NOT_FOUND, "there is no dead job %lld", (long long)id);
}

ac_status job_delete(store_tx *tx, int64_t id, ac_error *err)
{
    int64_t changed = 0;

    AC_TRY(sql_run(tx, "DELETE FROM jobs WHERE id = $1 AND state = 'dead'", SQL_VALUES(sql_int(id)), &changed, err));
    return changed ? AC_OK : ac_error_set(err, AC_ERR_NOT_FOUND, "there is no dead job %lld", (long long)id);
}

ac_status jobs_forget(store_tx *tx, const char *kind, const char *prefix, ac_error *err)
{
    static const char text[] = "DELETE FROM jobs WHERE kind = $1 AND key >= $2 AND key < $3 AND state <> 'running'";
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    const char *from = NULL, *to = NULL;

    AC_TRY(prefix_range(prefix, &memory, &from, &to, err));
    return sql_run(tx, text, SQL_VALUES(sql_text(kind), sql_text(from), sql_text(to)), NULL, err);
}
