/* sweep.c - what has expired goes: events, the sessions they leave empty, and notes of removed records that every index
 * has had the time to read.
 *
 * On PostgreSQL a session is locked before it is looked into once more, so that no event comes into it in between:
 * CreateEvent holds the row, too. */
#include "daemon/memory/extraction.h"

#include "base/clock.h"

#define BITE_ROWS 500
#define REMOVALS_KEPT_MS (INT64_C(60) * 60 * 1000)

typedef struct bite {
    int64_t sessions[BITE_ROWS];
    size_t count;
} bite;

static ac_status expire_some(store_tx *tx, bite *b, ac_error *err)
{
    static const char text[] = "DELETE FROM memory_events WHERE id IN (SELECT id FROM memory_events"
                               " WHERE expires_ms <= $1 ORDER BY expires_ms LIMIT $2) RETURNING session";
    _cleanup_(sql_done) sql_rows rows = {0};
    bool found = true;

    b->count = 0;
    AC_TRY(sql_query(tx, text, SQL_VALUES(sql_int(clock_unix_ms()), sql_int(BITE_ROWS)), &rows, err));
    for (;;) {
        AC_TRY(sql_next(&rows, &found, err));
        if (!found || b->count == BITE_ROWS)
            return AC_OK;
        b->sessions[b->count++] = sql_get_int(&rows, 0);
    }
}

static ac_status forget_if_empty(store_tx *tx, int64_t session, ac_error *err)
{
    static const char lock[] = "SELECT id FROM memory_sessions WHERE id = $1 /*pg FOR UPDATE */";
    static const char text[] = "DELETE FROM memory_sessions WHERE id = $1"
                               " AND NOT EXISTS (SELECT 1 FROM memory_events WHERE session = $1)";
    int64_t id, changed;
    bool found;

    AC_TRY(sql_query_int(tx, lock, SQL_VALUES(sql_int(session)), &id, &found, err));
    if (!found)
        return AC_OK;
    AC_TRY(sql_run(tx, text, SQL_VALUES(sql_int(session)), &changed, err));
    if (changed == 0)
        return AC_OK;
    AC_TRY(sql_run(tx, "DELETE FROM memory_branches WHERE session = $1", SQL_VALUES(sql_int(session)), NULL, err));
    return sql_run(tx, "DELETE FROM memory_cursors WHERE session = $1", SQL_VALUES(sql_int(session)), NULL, err);
}

static ac_status bite_in(store_tx *tx, void *arg, ac_error *err)
{
    bite *b = arg;

    AC_TRY(expire_some(tx, b, err));
    for (size_t i = 0; i < b->count; i++)
        if (i == 0 || b->sessions[i] != b->sessions[i - 1])
            AC_TRY(forget_if_empty(tx, b->sessions[i], err));
    return AC_OK;
}

static ac_status forget_removals(store_tx *tx, void *arg, ac_error *err)
{
    static const char floors[] =
        "UPDATE memory_namespaces SET floor = (SELECT MAX(r.version) FROM memory_removals r"
        "  WHERE r.memory = memory_namespaces.memory AND r.namespace = memory_namespaces.namespace"
        "  AND r.removed_ms < $1)"
        " WHERE EXISTS (SELECT 1 FROM memory_removals r WHERE r.memory = memory_namespaces.memory"
        "  AND r.namespace = memory_namespaces.namespace AND r.removed_ms < $1)";
    int64_t before = clock_unix_ms() - REMOVALS_KEPT_MS, any;
    bool found;

    (void)arg;
    AC_TRY(sql_query_int(tx, "SELECT removed_ms FROM memory_removals WHERE removed_ms < $1 LIMIT 1",
                         SQL_VALUES(sql_int(before)), &any, &found, err));
    if (!found)
        return AC_OK;
    AC_TRY(sql_run(tx, floors, SQL_VALUES(sql_int(before)), NULL, err));
    return sql_run(tx, "DELETE FROM memory_removals WHERE removed_ms < $1", SQL_VALUES(sql_int(before)), NULL, err);
}

ac_status memory_sweep(store *s, const job *j, const job_run *run, void *room, ac_error *err)
{
    bite b;

    (void)j;
    (void)room;
    do {
        if (job_run_cancelled(run))
            return ac_error_set(err, AC_ERR_CLOSED, "the job was told to give up");
        AC_TRY(store_write(s, bite_in, &b, err));
    } while (b.count > 0);
    return store_write(s, forget_removals, NULL, err);
}
