/* records.c - rows of sessions: what Get and List show, also of sessions that are over.
 *
 * A row is written when its session is ready, and set to TERMINATED when the session manager says that it is over,
 * however it ended.  What a daemon cannot write down itself, since it was killed, its next life does: nothing of a
 * session survives its daemon.  Where several daemons share a store, rows whose session's time is over count as
 * TERMINATED, whoever had them.  Rows are deleted a day after the session's end. */
#include "daemon/code/code.h"

#include "base/clock.h"
#include "base/log.h"
#include "daemon/store/sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_MS (24LL * 60 * 60 * 1000)
#define LATE_MS 60000 /* beyond a session's time: then it is over, whatever its row says */
#define SWEEP_PERIOD_MS (10 * 60 * 1000)
#define SWEEP_BATCH 500

bool code_row_expired(const resource *row, int64_t now_ms)
{
    yyjson_doc *doc = NULL;
    int64_t timeout_s = CODE_TIMEOUT_S_DEFAULT;

    if (ac_json_read(row->body, row->body_length, NULL, &doc, NULL) == AC_OK)
        timeout_s = ac_json_int(yyjson_doc_get_root(doc), "sessionTimeoutSeconds", timeout_s);
    yyjson_doc_free(doc);
    return strcmp(row->status, CODE_READY) == 0 && now_ms > row->created_ms + timeout_s * 1000 + LATE_MS;
}

/* ---- the end of one ---- */

typedef struct ending {
    workers_job job;
    code_room *room;
    resource_key key;
    char texts[]; /* of key */
} ending;

static ac_status terminate(store_tx *tx, void *arg, ac_error *err)
{
    const resource_change change = {.status = CODE_TERMINATED, .only_in_status = CODE_READY};
    const ending *e = arg;
    ac_status status = resource_update(tx, &e->key, &change, NULL, err);

    /* It was ended before its row was written, or has been written down already. */
    return status == AC_ERR_NOT_FOUND || status == AC_ERR_CONFLICT ? AC_OK : status;
}

static void write_down(workers_job *work)
{
    ending *e = CONTAINER_OF(work, ending, job);
    ac_error err = {.status = AC_OK};

    if (store_write(e->room->store, terminate, e, &err) != AC_OK)
        ac_log_warning("The end of a code interpreter's session is not written down: %s", err.message);
    free(e);
}

/* The owner is "ACCOUNT/INTERPRETER/". */
static ending *ending_new(code_room *room, const session_key *key)
{
    size_t account = strcspn(key->owner, "/");
    size_t parent = key->owner[account] ? strcspn(key->owner + account + 1, "/") : 0;
    size_t id = strlen(key->id);
    ending *e = calloc(1, sizeof *e + account + parent + id + 3);
    char *at;

    if (!e)
        return NULL;
    at = e->texts;
    e->room = room;
    e->job.run = write_down;
    e->key.kind = KIND_CODE_SESSION;
    e->key.scope = memcpy(at, key->owner, account);
    at += account + 1;
    e->key.parent = memcpy(at, key->owner + account + 1, parent);
    at += parent + 1;
    e->key.id = memcpy(at, key->id, id);
    return e;
}

void code_session_over(const session_key *key, const char *reason, void *user)
{
    code_room *room = user;
    ending *e = ending_new(room, key);

    (void)reason;
    if (e && workers_submit(room->daemon->workers, &e->job) == AC_OK)
        return;
    free(e); /* the daemon is ending, or has no memory: the next life, or the time, says so */
}

ac_status code_session_terminate(code_room *room, const session_key *key, ac_error *err)
{
    ending *e = ending_new(room, key);
    ac_status status;

    if (!e)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    status = store_write(room->store, terminate, e, err);
    free(e);
    return status;
}

/* ---- those of a former life ---- */

static ac_status terminate_all(store_tx *tx, void *arg, ac_error *err)
{
    (void)arg;
    return sql_run(tx,
                   "UPDATE resources SET status = $1, updated_ms = (SELECT now_ms()), version = version + 1"
                   " WHERE kind = $2 AND status = $3",
                   SQL_VALUES(sql_text(CODE_TERMINATED), sql_text(KIND_CODE_SESSION), sql_text(CODE_READY)), NULL, err);
}

/* ---- sweeping ---- */

static ac_status sweep_batch(store_tx *tx, void *arg, ac_error *err)
{
    static const char statement[] =
        "DELETE FROM resources WHERE kind = $1 AND (scope, kind, parent, id) IN"
        " (SELECT scope, kind, parent, id FROM resources WHERE kind = $1 AND updated_ms < (SELECT now_ms()) - $2"
        " LIMIT $3)";

    return sql_run(tx, statement, SQL_VALUES(sql_text(KIND_CODE_SESSION), sql_int(KEPT_MS), sql_int(SWEEP_BATCH)), arg,
                   err);
}

static ac_status sweep(store *s, const job *j, const job_run *run, void *arg, ac_error *err)
{
    int64_t count = SWEEP_BATCH;

    (void)j;
    (void)arg;
    while (count == SWEEP_BATCH && !job_run_cancelled(run))
        AC_TRY(store_write(s, sweep_batch, &count, err));
    return AC_OK;
}

ac_status code_records_open(code_room *room, ac_error *err)
{
    const job_handler sweeper = {.kind = "code-interpreter.sweep", .run = sweep, .period_ms = SWEEP_PERIOD_MS};
    const daemon_watch watch = {CODE_SESSION_KIND, code_session_over, room};

    AC_TRY(agentcored_add_job(room->daemon, &sweeper, err));
    AC_TRY(agentcored_watch_sessions(room->daemon, &watch, err));
    return store_is_shared(room->store) ? AC_OK : store_write(room->store, terminate_all, NULL, err);
}
