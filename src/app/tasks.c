/* tasks.c - background work that keeps the session alive.
 *
 * The table is an array ascending by id: ids are counted up, so a new task goes to the end and one is found by halving.
 * /ping only needs their number, which is kept beside the table as an atomic.  A task run by us carries copies of its
 * caller's ids, because it outlives the request. */
#include "app/app_internal.h"
#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct app_task {
    int64_t id;
    uint64_t started_ns;
    char name[];
};

ac_status tasks_init(app_tasks *tasks)
{
    atomic_init(&tasks->active, 0);
    return pthread_mutex_init(&tasks->lock, NULL) ? AC_ERR_NOMEM : AC_OK;
}

void tasks_done(app_tasks *tasks)
{
    for (size_t i = 0; i < tasks->count; i++)
        free(tasks->rows[i]);
    free(tasks->rows);
    pthread_mutex_destroy(&tasks->lock);
}

static double seconds_since(uint64_t started_ns)
{
    return (double)(clock_monotonic_ns() - started_ns) / 1e9;
}

static bool reserve_row(app_tasks *tasks)
{
    if (tasks->count < tasks->capacity)
        return true;

    size_t capacity = tasks->capacity ? tasks->capacity * 2 : 16;
    app_task **rows = reallocarray(tasks->rows, capacity, sizeof(*rows));
    if (!rows)
        return false;
    tasks->rows = rows;
    tasks->capacity = capacity;
    return true;
}

int64_t ac_app_task_start(ac_app *app, const char *name)
{
    app_tasks *tasks = &app->tasks;
    size_t length = strlen(name ? name : "");
    app_task *task = malloc(sizeof(*task) + length + 1);
    int64_t id = 0;

    if (!task)
        return 0;
    memcpy(task->name, name ? name : "", length + 1);
    task->started_ns = clock_monotonic_ns();

    pthread_mutex_lock(&tasks->lock);
    if (reserve_row(tasks)) {
        id = task->id = ++tasks->last_id;
        tasks->rows[tasks->count++] = task;
        atomic_store(&tasks->active, tasks->count);
    }
    pthread_mutex_unlock(&tasks->lock);

    if (!id) {
        free(task);
        return 0;
    }
    ac_log_info("Async task started: %s (ID: %" PRId64 ")", name ? name : "", id);
    return id;
}

/* Under the lock. */
static app_task *take_row(app_tasks *tasks, int64_t id)
{
    size_t low = 0, high = tasks->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tasks->rows[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == tasks->count || tasks->rows[low]->id != id)
        return NULL;

    app_task *task = tasks->rows[low];
    tasks->count--;
    memmove(&tasks->rows[low], &tasks->rows[low + 1], (tasks->count - low) * sizeof(tasks->rows[0]));
    atomic_store(&tasks->active, tasks->count);
    return task;
}

bool ac_app_task_complete(ac_app *app, int64_t task_id)
{
    pthread_mutex_lock(&app->tasks.lock);
    app_task *task = take_row(&app->tasks, task_id);
    pthread_mutex_unlock(&app->tasks.lock);

    if (!task) {
        ac_log_warning("Attempted to complete unknown task ID: %" PRId64, task_id);
        return false;
    }
    ac_log_info("Async task completed: %s (ID: %" PRId64 ", Duration: %.2fs)", task->name, task_id,
                seconds_since(task->started_ns));
    free(task);
    return true;
}

/* Under the lock. */
static bool add_jobs(const app_tasks *tasks, yyjson_mut_doc *doc, yyjson_mut_val *jobs)
{
    for (size_t i = 0; i < tasks->count; i++) {
        const app_task *task = tasks->rows[i];
        yyjson_mut_val *row = yyjson_mut_arr_add_obj(doc, jobs);
        if (!yyjson_mut_obj_add_strcpy(doc, row, "name", task->name) ||
            !yyjson_mut_obj_add_real(doc, row, "duration", seconds_since(task->started_ns)))
            return false;
    }
    return true;
}

yyjson_mut_val *ac_app_task_info(ac_app *app, yyjson_mut_doc *doc)
{
    app_tasks *tasks = &app->tasks;
    yyjson_mut_val *info = yyjson_mut_obj(doc);
    yyjson_mut_val *jobs = yyjson_mut_arr(doc);

    if (!info || !jobs)
        return NULL;
    pthread_mutex_lock(&tasks->lock);
    bool made = yyjson_mut_obj_add_uint(doc, info, "active_count", tasks->count) && add_jobs(tasks, doc, jobs);
    pthread_mutex_unlock(&tasks->lock);
    return made && yyjson_mut_obj_add_val(doc, info, "running_jobs", jobs) ? info : NULL;
}

/* ---- tasks on our threads ---- */

typedef struct task_job {
    workers_job job;
    ac_app *app;
    ac_status (*fn)(void *user);
    void *user;
    int64_t id;
    char *name; /* the three strings lie behind the structure */
    char *request_id;
    char *session_id;
} task_job;

static void task_job_run(workers_job *job)
{
    task_job *mine = CONTAINER_OF(job, task_job, job);
    uint64_t started_ns = clock_monotonic_ns();
    app_scope previous;

    scope_enter_ids(mine->request_id, mine->session_id, &previous);
    ac_log_debug("Starting async task: %s", mine->name);
    ac_status status = mine->fn(mine->user);
    if (status == AC_OK)
        ac_log_info("Async task completed: %s (%.3fs)", mine->name, seconds_since(started_ns));
    else
        log_failure_here(ac_status_name(status), ac_status_text(status), "Async task failed: %s (%.3fs)", mine->name,
                         seconds_since(started_ns));
    ac_app_task_complete(mine->app, mine->id);
    scope_leave(&previous);
    free(mine);
}

static char *put_text(char **at, const char *text)
{
    char *start = *at;

    if (!text)
        return NULL;
    *at = stpcpy(start, text) + 1;
    return start;
}

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static task_job *task_job_new(const char *name, const char *request_id, const char *session_id)
{
    task_job *job = malloc(sizeof(*job) + text_bytes(name) + text_bytes(request_id) + text_bytes(session_id));

    if (!job)
        return NULL;
    char *at = (char *)(job + 1);
    *job = (task_job){.job.run = task_job_run};
    job->name = put_text(&at, name);
    job->request_id = put_text(&at, request_id);
    job->session_id = put_text(&at, session_id);
    return job;
}

static ac_status submit(ac_app *app, workers_job *job)
{
    pthread_mutex_lock(&app->lock);
    ac_status status = app->workers ? workers_submit(app->workers, job) : AC_ERR_STATE;
    pthread_mutex_unlock(&app->lock);
    return status == AC_ERR_AGAIN ? AC_ERR_NOMEM : status;
}

ac_status ac_app_task_run(ac_app *app, const char *name, ac_status (*fn)(void *user), void *user, int64_t *ret_task_id)
{
    const char *request_id, *session_id;

    if (!fn)
        return AC_ERR_INVALID;
    log_get_ids(&request_id, &session_id);
    task_job *job = task_job_new(name ? name : "", request_id, session_id);
    int64_t id = job ? ac_app_task_start(app, name) : 0;
    if (!id) {
        free(job);
        return AC_ERR_NOMEM;
    }
    job->app = app;
    job->fn = fn;
    job->user = user;
    job->id = id;
    if (ret_task_id)
        *ret_task_id = id; /* before the task can end */

    ac_status status = submit(app, &job->job);
    if (status != AC_OK) {
        ac_app_task_complete(app, id);
        free(job);
    }
    return status;
}
