/* settle.c - the jobs of the control plane: what was created or updated becomes ACTIVE, what was deleted goes.
 *
 * Both end in the transaction that has their effect (job_done) and are never given up by the queue. */
#include "daemon/memory/memory.h"

#include <stdio.h>
#include <string.h>

#define KEY_SIZE 256
#define BITE_ROWS 500 /* that one transaction deletes */

DEFINE_CLEANUP(yyjson_doc *, yyjson_doc_free)
DEFINE_CLEANUP(yyjson_mut_doc *, yyjson_mut_doc_free)

ac_status memory_queue(store_tx *tx, const char *kind, const char *account, const char *id, ac_error *err)
{
    char key[KEY_SIZE];
    int length = snprintf(key, sizeof key, "%s/%s", account, id);

    if (length < 0 || (size_t)length >= sizeof key)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "the name of a job is too long");
    return jobs_enqueue(tx, &(job_spec){.kind = kind, .key = key, .attempts_max = JOB_ATTEMPTS_FOREVER}, err);
}

typedef struct work {
    const job *job;
    resource_key key; /* of the memory */
    arena *memory;
    int64_t changed; /* rows */
} work;

static ac_status open_work(const job *j, arena *memory, work *ret_work, ac_error *err)
{
    view rest = view_of(j->key ? j->key : ""), account;

    if (!view_split(&rest, '/', &account) || !rest.text)
        return ac_error_set(err, AC_ERR_INTERNAL, "the job's key is damaged");
    *ret_work = (work){.job = j, .memory = memory};
    ret_work->key = (resource_key){
        .scope = arena_copy(memory, account.text, account.length),
        .kind = KIND_MEMORY,
        .id = arena_copy(memory, rest.text, rest.length),
    };
    return ret_work->key.scope && ret_work->key.id ? AC_OK : memory_no_memory(err);
}

/* ---- settling ---- */

/* A new strategy begins behind the events that are there. */
static ac_status activate(yyjson_mut_doc *body, yyjson_mut_val *strategy, int64_t newest, ac_error *err)
{
    yyjson_mut_val *active = yyjson_mut_str(body, MEMORY_ACTIVE), *after = yyjson_mut_sint(body, newest);

    if (!active || !after || !yyjson_mut_obj_put(strategy, yyjson_mut_str(body, "status"), active) ||
        !yyjson_mut_obj_put(strategy, yyjson_mut_str(body, MEMORY_AFTER), after))
        return memory_no_memory(err);
    return AC_OK;
}

/* By index: yyjson's iterator misses what stands behind an element that it removes. */
static ac_status settle_strategies(yyjson_mut_doc *body, int64_t newest, ac_error *err)
{
    yyjson_mut_val *list = yyjson_mut_obj_get(yyjson_mut_doc_get_root(body), "strategies");

    for (size_t i = yyjson_mut_arr_size(list); i-- > 0;) {
        yyjson_mut_val *each = yyjson_mut_arr_get(list, i), *status = yyjson_mut_obj_get(each, "status");

        if (yyjson_mut_equals_str(status, MEMORY_DELETING))
            yyjson_mut_arr_remove(list, i);
        else if (yyjson_mut_equals_str(status, MEMORY_CREATING))
            AC_TRY(activate(body, each, newest, err));
    }
    return AC_OK;
}

static ac_status settled_body(store_tx *tx, const resource *r, arena *memory, const char **ret_body, ac_error *err)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *stored = NULL;
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *body = NULL;
    int64_t newest;

    AC_TRY(sql_query_int(tx, "SELECT COALESCE(MAX(id), 0) FROM memory_events", NULL, 0, &newest, NULL, err));
    AC_TRY(ac_json_read(r->body, r->body_length, NULL, &stored, err));
    body = yyjson_doc_mut_copy(stored, NULL);
    if (!body)
        return memory_no_memory(err);
    AC_TRY(settle_strategies(body, newest, err));
    return memory_json_text(yyjson_mut_doc_get_root(body), SIZE_MAX / 2, memory, ret_body, NULL, err);
}

static ac_status settle_in(store_tx *tx, void *arg, ac_error *err)
{
    work *w = arg;
    resource_change change = {.status = MEMORY_ACTIVE};
    resource r;
    ac_status status;

    status = resource_check(tx, &w->key, true, w->memory, err);
    if (status == AC_ERR_NOT_FOUND)
        return job_done(tx, w->job, err);
    AC_TRY(status);
    AC_TRY(resource_get(tx, &w->key, w->memory, &r, err));
    if (strcmp(r.status, MEMORY_CREATING) != 0 && strcmp(r.status, MEMORY_UPDATING) != 0)
        return job_done(tx, w->job, err);
    AC_TRY(settled_body(tx, &r, w->memory, &change.body, err));
    change.version = r.version;
    AC_TRY(resource_update(tx, &w->key, &change, NULL, err));
    return job_done(tx, w->job, err);
}

ac_status memory_settle(store *s, const job *j, const job_run *run, void *room, ac_error *err)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    work w;

    (void)run;
    (void)room;
    AC_TRY(open_work(j, &memory, &w, err));
    return store_write(s, settle_in, &w, err);
}

/* ---- deleting ---- */

/* What there may be a lot of, a bite at a time. */
static const char *const bites[] = {
    "DELETE FROM memory_events WHERE id IN (SELECT e.id FROM memory_sessions s JOIN memory_events e ON e.session = s.id"
    " WHERE s.memory = $1 LIMIT $2)",
    "DELETE FROM memory_records WHERE id IN (SELECT id FROM memory_records WHERE memory = $1 LIMIT $2)",
};

static const char *const rests[] = {
    "DELETE FROM memory_branches WHERE session IN (SELECT id FROM memory_sessions WHERE memory = $1)",
    "DELETE FROM memory_cursors WHERE session IN (SELECT id FROM memory_sessions WHERE memory = $1)",
    "DELETE FROM memory_sessions WHERE memory = $1",
    "DELETE FROM memory_removals WHERE memory = $1",
    "DELETE FROM memory_namespaces WHERE memory = $1",
};

static ac_status bite(store_tx *tx, void *arg, ac_error *err)
{
    work *w = arg;

    w->changed = 0;
    for (size_t i = 0; i < ARRAY_SIZE(bites) && w->changed == 0; i++)
        AC_TRY(sql_run(tx, bites[i], SQL_VALUES(sql_text(w->key.id), sql_int(BITE_ROWS)), &w->changed, err));
    return AC_OK;
}

static ac_status forget_jobs(store_tx *tx, const char *id, ac_error *err)
{
    char prefix[KEY_SIZE];

    snprintf(prefix, sizeof prefix, "%s/", id);
    AC_TRY(jobs_forget(tx, MEMORY_JOB_EXTRACT, prefix, err));
    return jobs_forget(tx, MEMORY_JOB_DELIVER, prefix, err);
}

static ac_status finish_in(store_tx *tx, void *arg, ac_error *err)
{
    work *w = arg;
    ac_status status;

    for (size_t i = 0; i < ARRAY_SIZE(rests); i++)
        AC_TRY(sql_run(tx, rests[i], SQL_VALUES(sql_text(w->key.id)), NULL, err));
    AC_TRY(forget_jobs(tx, w->key.id, err));
    status = resource_remove(tx, &w->key, w->memory, err);
    if (status != AC_OK && status != AC_ERR_NOT_FOUND)
        return status;
    return job_done(tx, w->job, err);
}

ac_status memory_delete(store *s, const job *j, const job_run *run, void *room, ac_error *err)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    const memory_room *r = room;
    work w;

    AC_TRY(open_work(j, &memory, &w, err));
    do {
        if (job_run_cancelled(run))
            return ac_error_set(err, AC_ERR_CLOSED, "the job was told to give up");
        AC_TRY(store_write(s, bite, &w, err));
    } while (w.changed > 0);
    AC_TRY(store_write(s, finish_in, &w, err));
    if (r->search)
        memory_search_forget(r->search, w.key.id, NULL);
    return AC_OK;
}
