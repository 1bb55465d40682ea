/* deploy.c - the jobs of the runtime room: find what a new version runs, take away what was deleted, and remove
 * artifacts that nobody uses any more.
 *
 *     runtime.deploy    key ACCOUNT/RUNTIME/KIND/VERSION
 *     runtime.delete    key ACCOUNT/RUNTIME, ACCOUNT/RUNTIME/KIND/VERSION or ACCOUNT/RUNTIME/KIND/ENDPOINT
 *     runtime.collect   periodic
 *
 * All may be done more than once.  The first two end in the transaction that has their effect (job_done), and begin by
 * looking whether there is still anything to do.  They are never given up by the queue: a deployment that fails for the
 * last time says so in the store, and what was marked as deleted must go.
 *
 * An artifact is in use from the moment it is unpacked, but known to be so only when its version says so.  In between
 * the room's artifacts lock is held for reading, and collecting waits for another day when it cannot have it alone.  A
 * session's start holds it as well, since where several daemons share a store its version may be newer than what the
 * collecting has read.  Sessions need no look: a version is not removed before its sessions are over. */
#include "daemon/runtime/control.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPLOY "runtime.deploy"
#define DELETE "runtime.delete"
#define COLLECT "runtime.collect"

#define DEPLOY_ATTEMPTS 4 /* of what may succeed another time: about seven seconds in all */
#define COLLECT_PERIOD_MS (60 * 60 * 1000)
#define COLLECT_ROWS 200 /* per statement */
#define KEY_SIZE 512
#define ENTRY_POINTS_MAX 2 /* the API's limit */

DEFINE_CLEANUP(yyjson_doc *, yyjson_doc_free)

/* ---- keys ---- */

static ac_status queue(store_tx *tx, const char *kind, const resource_key *runtime, const resource_key *part,
                       ac_error *err)
{
    char key[KEY_SIZE];
    int length = snprintf(key, sizeof key, "%s/%s%s%s%s%s", runtime->scope, runtime->id, part ? "/" : "",
                          part ? part->kind : "", part ? "/" : "", part ? part->id : "");

    if (length < 0 || (size_t)length >= sizeof key)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "the name of a job is too long");
    return jobs_enqueue(tx, &(job_spec){.kind = kind, .key = key, .attempts_max = JOB_ATTEMPTS_FOREVER}, err);
}

ac_status runtime_queue_deploy(store_tx *tx, const resource_key *runtime, const char *version, ac_error *err)
{
    const resource_key part = runtime_part_key(runtime, KIND_AGENT_RUNTIME_VERSION, version);

    return queue(tx, DEPLOY, runtime, &part, err);
}

ac_status runtime_queue_delete(store_tx *tx, const resource_key *runtime, const resource_key *part, ac_error *err)
{
    return queue(tx, DELETE, runtime, part, err);
}

/* What a job is about; texts in its memory. */
typedef struct work {
    runtime_room *room;
    const job *job;
    arena memory;
    resource_key runtime;
    resource_key part; /* id NULL: the runtime itself */
    resource version;  /* to be deployed */
    bool wanted;       /* there is something to do */
    const char *digest;
    const char *failure;
} work;

static ac_status open_work(runtime_room *room, const job *j, work *w, ac_error *err)
{
    const char *parts[4] = {NULL};
    view rest = view_of(j->key), part;

    *w = (work){.room = room, .job = j, .memory = ARENA_INIT};
    for (size_t i = 0; i < ARRAY_SIZE(parts) && view_split(&rest, '/', &part); i++) {
        parts[i] = arena_copy(&w->memory, part.text, part.length);
        if (!parts[i])
            return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    }
    if (!parts[1])
        return ac_error_set(err, AC_ERR_INTERNAL, "the job's key is damaged");
    w->runtime = runtime_key(parts[0], parts[1]);
    w->part = runtime_part_key(&w->runtime, parts[2] ? parts[2] : "", parts[3]);
    return AC_OK;
}

/* Who sees what a job has changed may call at once, and is not to meet what was there before. */
static ac_status change(work *w, store *s, store_fn fn, ac_error *err)
{
    struct runtime_targets *targets = w->room->targets;
    ac_status status;

    runtime_targets_change(targets, w->runtime.scope, w->runtime.id);
    status = store_write(s, fn, w, err);
    runtime_targets_changed(targets, w->runtime.scope, w->runtime.id);
    return status;
}

/* ---- deploying ---- */

static ac_status look_in(store_tx *tx, void *arg, ac_error *err)
{
    work *w = arg;
    ac_status status = version_row_get(tx, &w->runtime, w->part.id, &w->memory, &w->version, err);

    w->wanted = status == AC_OK && runtime_in_progress(&w->version);
    return status == AC_ERR_NOT_FOUND ? AC_OK : status;
}

static ac_status find_code(work *w, yyjson_val *code, artifact *ret_artifact, ac_error *err)
{
    yyjson_val *place = yyjson_obj_get(yyjson_obj_get(code, "code"), "s3"), *entry;
    const char *entry_point[ENTRY_POINTS_MAX + 1] = {NULL};
    size_t index, count;

    yyjson_arr_foreach(yyjson_obj_get(code, "entryPoint"), index, count, entry)
    {
        if (index < ENTRY_POINTS_MAX)
            entry_point[index] = yyjson_get_str(entry);
    }
    const artifact_code wanted = {
        .bucket = ac_json_string(place, "bucket", ""),
        .key = ac_json_string(place, "prefix", ""),
        .version = ac_json_string(place, "versionId", NULL),
        .entry_point = entry_point,
    };
    return artifact_code_get(w->room->artifacts, &wanted, NULL, &w->memory, ret_artifact, err);
}

static ac_status find_artifact(work *w, ac_error *err)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *doc = NULL;
    artifact found;
    yyjson_val *what, *code, *image;

    AC_TRY(version_read(&w->version, &doc, err));
    what = yyjson_obj_get(yyjson_doc_get_root(doc), "agentRuntimeArtifact");
    code = yyjson_obj_get(what, "codeConfiguration");
    image = yyjson_obj_get(what, "containerConfiguration");
    if (code)
        AC_TRY(find_code(w, code, &found, err));
    else
        AC_TRY(artifact_image_get(w->room->artifacts, ac_json_string(image, "containerUri", ""), NULL, &w->memory,
                                  &found, err));
    w->digest = arena_copy(&w->memory, found.digest, strlen(found.digest));
    return w->digest ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static ac_status settle_in(store_tx *tx, void *arg, ac_error *err)
{
    work *w = arg;
    runtime_row runtime;
    ac_status status = runtime_row_get(tx, &w->runtime, true, &w->memory, &runtime, err);

    if (status == AC_OK)
        status = look_in(tx, w, err);
    if (status == AC_ERR_NOT_FOUND || (status == AC_OK && !w->wanted))
        return job_done(tx, w->job, err);
    AC_TRY(status);
    AC_TRY(runtime_version_settle(tx, &w->version, w->digest, w->failure, &w->memory, err));
    if (strcmp(runtime.version, w->version.key.id) == 0 && runtime_in_progress(&runtime.r))
        AC_TRY(runtime_row_update(tx, &runtime, w->failure ? runtime_failed_status(&runtime.r) : RUNTIME_READY,
                                  &w->memory, err));
    AC_TRY(runtime_endpoints_settle(tx, &w->runtime, w->version.key.id, w->failure, &w->memory, err));
    return job_done(tx, w->job, err);
}

/* Whether to come back rather than to say that the deployment has failed. */
static bool is_worth_another_try(const work *w, ac_status status)
{
    bool passing = ac_status_retryable(status) || status == AC_ERR_NOMEM || status == AC_ERR_CLOSED;

    return passing && w->job->attempt < DEPLOY_ATTEMPTS;
}

static ac_status deploy_work(work *w, store *s, const job_run *run, ac_error *err)
{
    ac_error why = {.status = AC_OK};
    ac_status status;

    AC_TRY(store_read(s, look_in, w, err));
    if (!w->wanted)
        return AC_OK;
    status = find_artifact(w, &why);
    if (status != AC_OK && (is_worth_another_try(w, status) || job_run_cancelled(run))) {
        if (err)
            *err = why;
        return status;
    }
    if (status != AC_OK)
        w->failure = why.message[0] ? why.message : ac_status_text(status);
    AC_TRY(change(w, s, settle_in, err));
    if (status != AC_OK)
        ac_log_warning("Version %s of agent runtime %s cannot be deployed: %s", w->part.id, w->runtime.id, w->failure);
    else
        ac_log_info("Version %s of agent runtime %s is deployed", w->part.id, w->runtime.id);
    return AC_OK;
}

static ac_status deploy(store *s, const job *j, const job_run *run, void *arg, ac_error *err)
{
    runtime_room *room = arg;
    ac_status status;
    work w;

    status = open_work(room, j, &w, err);
    if (status == AC_OK) {
        pthread_rwlock_rdlock(&room->artifacts_lock);
        status = deploy_work(&w, s, run, err);
        pthread_rwlock_unlock(&room->artifacts_lock);
    }
    arena_done(&w.memory);
    return status;
}

/* ---- deleting ---- */

static ac_status remove_if_there(store_tx *tx, const resource_key *key, arena *memory, ac_error *err)
{
    ac_status status = resource_remove(tx, key, memory, err);

    return status == AC_ERR_NOT_FOUND ? AC_OK : status;
}

static ac_status remove_runtime(store_tx *tx, work *w, const runtime_row *runtime, ac_error *err)
{
    const resource_key versions = runtime_part_key(&w->runtime, KIND_AGENT_RUNTIME_VERSION, NULL);
    const resource_key identity = {
        .scope = w->runtime.scope, .kind = KIND_WORKLOAD_IDENTITY, .id = runtime->workload_identity};
    endpoint_row *endpoints;
    size_t count;

    AC_TRY(endpoint_rows(tx, &w->runtime, &w->memory, &endpoints, &count, err));
    for (size_t i = 0; i < count; i++)
        AC_TRY(resource_remove(tx, &endpoints[i].r.key, &w->memory, err));
    AC_TRY(resource_delete_parts(tx, &versions, NULL, err));
    AC_TRY(remove_if_there(tx, &identity, &w->memory, err));
    return resource_remove(tx, &w->runtime, &w->memory, err);
}

static ac_status remove_part(store_tx *tx, work *w, ac_error *err)
{
    resource r;
    ac_status status = resource_get(tx, &w->part, &w->memory, &r, err);

    if (status != AC_OK || !runtime_is(&r, RUNTIME_DELETING))
        return status == AC_ERR_NOT_FOUND ? AC_OK : status;
    if (strcmp(w->part.kind, KIND_AGENT_RUNTIME_VERSION) == 0) /* which has no ARN, so nothing hangs on it */
        return resource_delete(tx, &w->part, 0, err);
    return resource_remove(tx, &w->part, &w->memory, err);
}

static ac_status remove_in(store_tx *tx, void *arg, ac_error *err)
{
    work *w = arg;
    runtime_row runtime;
    ac_status status = runtime_row_get(tx, &w->runtime, true, &w->memory, &runtime, err);

    if (status == AC_OK)
        status = w->part.id                                 ? remove_part(tx, w, err)
                 : runtime_is(&runtime.r, RUNTIME_DELETING) ? remove_runtime(tx, w, &runtime, err)
                                                            : AC_OK;
    if (status != AC_OK && status != AC_ERR_NOT_FOUND)
        return status;
    return job_done(tx, w->job, err);
}

static void stop_sessions(const work *w)
{
    bool endpoint = w->part.id && strcmp(w->part.kind, KIND_AGENT_RUNTIME_ENDPOINT) == 0;
    bool version = w->part.id && !endpoint;
    char owner[SESSION_OWNER_MAX + 1];

    snprintf(owner, sizeof owner, "%s/%s/%s%s", w->runtime.scope, w->runtime.id, endpoint ? w->part.id : "",
             endpoint ? "/" : "");
    sessions_stop_all(w->room->sessions, RUNTIME_SESSION_KIND, owner, version ? w->part.id : NULL);
}

static ac_status delete_work(work *w, store *s, ac_error *err)
{
    stop_sessions(w);
    AC_TRY(change(w, s, remove_in, err)); /* another daemon may have marked it, and the target be remembered here */
    stop_sessions(w);                     /* of calls that had found their target before */
    return AC_OK;
}

static ac_status delete (store *s, const job *j, const job_run *run, void *arg, ac_error *err)
{
    ac_status status;
    work w;

    (void)run;
    status = open_work(arg, j, &w, err);
    if (status == AC_OK)
        status = delete_work(&w, s, err);
    arena_done(&w.memory);
    return status;
}

/* ---- collecting ---- */

typedef struct digests {
    char (*items)[ARTIFACT_DIGEST_SIZE];
    size_t count, room;
} digests;

static ac_status add_digest(digests *all, const char *digest, ac_error *err)
{
    if (all->count == all->room) {
        size_t more = MAX(all->room * 2, (size_t)256);
        void *items = realloc(all->items, more * sizeof *all->items);

        if (!items)
            return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
        all->items = items;
        all->room = more;
    }
    snprintf(all->items[all->count++], sizeof *all->items, "%s", digest);
    return AC_OK;
}

static ac_status add_version(digests *all, const char *body, size_t length, ac_error *err)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *doc = NULL;
    const char *digest;

    AC_TRY(ac_json_read(body, length, NULL, &doc, err));
    digest = ac_json_string(yyjson_doc_get_root(doc), RUNTIME_DIGEST, NULL);
    return digest ? add_digest(all, digest, err) : AC_OK;
}

/* Read some versions behind the place that scope, parent and id name, and move it. */
static ac_status read_some(store_tx *tx, const char *place[3], arena *memory, digests *all, size_t *ret_count,
                           ac_error *err)
{
    static const char text[] = "SELECT scope, parent, id, body FROM resources"
                               " WHERE kind = '" KIND_AGENT_RUNTIME_VERSION "' AND (scope, parent, id) > ($1, $2, $3)"
                               " ORDER BY scope, parent, id LIMIT $4";
    _cleanup_(sql_done) sql_rows rows = {0};
    bool found;

    *ret_count = 0;
    AC_TRY(sql_query(tx, text,
                     SQL_VALUES(sql_text(place[0]), sql_text(place[1]), sql_text(place[2]), sql_int(COLLECT_ROWS)),
                     &rows, err));
    for (;; ++*ret_count) {
        size_t length;
        const char *body;

        AC_TRY(sql_next(&rows, &found, err));
        if (!found)
            return AC_OK;
        for (int i = 0; i < 3; i++)
            AC_TRY(sql_copy(&rows, i, memory, &place[i], NULL, err));
        body = sql_get_blob(&rows, 3, &length);
        AC_TRY(add_version(all, body, length, err));
    }
}

static ac_status read_digests_in(store_tx *tx, void *arg, ac_error *err)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    const char *place[3] = {"", "", ""};
    digests *all = arg;
    size_t count;

    all->count = 0;
    do {
        AC_TRY(read_some(tx, place, &memory, all, &count, err));
    } while (count == COLLECT_ROWS);
    return AC_OK;
}

static int by_text(const void *left, const void *right)
{
    return strcmp(left, right);
}

static bool is_used(const char *digest, void *user)
{
    const digests *all = user;

    return all->count > 0 && bsearch(digest, all->items, all->count, sizeof *all->items, by_text) != NULL;
}

static ac_status collect(store *s, const job *j, const job_run *run, void *arg, ac_error *err)
{
    runtime_room *room = arg;
    digests all = {0};
    ac_status status;

    (void)j;
    (void)run;
    if (pthread_rwlock_trywrlock(&room->artifacts_lock) != 0)
        return AC_OK;
    status = store_read(s, read_digests_in, &all, err);
    if (status == AC_OK) {
        if (all.count > 0)
            qsort(all.items, all.count, sizeof *all.items, by_text);
        status = artifacts_collect(room->artifacts, is_used, &all, err);
    }
    pthread_rwlock_unlock(&room->artifacts_lock);
    free(all.items);
    return status;
}

ac_status runtime_add_jobs(runtime_room *room, ac_error *err)
{
    const job_handler handlers[] = {
        {.kind = DEPLOY, .run = deploy, .arg = room},
        {.kind = DELETE, .run = delete, .arg = room},
        {.kind = COLLECT, .run = collect, .arg = room, .period_ms = COLLECT_PERIOD_MS},
    };

    for (size_t i = 0; i < ARRAY_SIZE(handlers); i++)
        AC_TRY(agentcored_add_job(room->daemon, &handlers[i], err));
    return AC_OK;
}
