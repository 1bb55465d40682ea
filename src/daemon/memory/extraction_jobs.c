/* extraction_jobs.c - the extraction jobs that have failed: their list, and another try. */
#include "daemon/memory/extraction.h"

#include "daemon/resources/transact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_FAILED "FAILED"
#define PREFIX_SIZE 160
#define BATCH_JOBS 100
#define MESSAGES_MAX 100 /* events whose messages are listed of a job */

typedef struct listing {
    front_call *call;
    const char *memory_id;
    yyjson_mut_val *list;
    size_t limit;
    int64_t last; /* id of the last job shown */
} listing;

static ac_status added(bool well, ac_error *err)
{
    return well ? AC_OK : memory_no_memory(err);
}

/* ---- what a job looks like ---- */

static ac_status show_messages(front_call *call, const extraction_window *w, yyjson_mut_val *object, ac_error *err)
{
    yyjson_mut_val *list = yyjson_mut_arr(call->doc), *each;

    for (size_t i = w->first_new; i < w->turn_count; i++) {
        each = ac_json_pack(call->doc, "{s:s, s:i}", "eventId", w->turns[i].event_id, "messageIndex",
                            (int)w->turns[i].index);
        AC_TRY(added(each && yyjson_mut_arr_append(list, each), err));
    }
    each = list ? ac_json_pack(call->doc, "{s:o}", "messagesList", list) : NULL;
    return added(each && yyjson_mut_obj_add_val(call->doc, object, "messages", each), err);
}

static bool fits(const front_call *call, const extraction_task *task, const extraction_window *w)
{
    yyjson_mut_val *filter = front_value(call, "filter");
    const char *strategy = yyjson_mut_get_str(yyjson_mut_obj_get(filter, "strategyId"));
    const char *session = yyjson_mut_get_str(yyjson_mut_obj_get(filter, "sessionId"));
    const char *actor = yyjson_mut_get_str(yyjson_mut_obj_get(filter, "actorId"));

    return w->strategy && (!strategy || strcmp(strategy, task->strategy_id) == 0) &&
           (!session || strcmp(session, w->session) == 0) && (!actor || strcmp(actor, w->actor) == 0);
}

static ac_status show_window(listing *l, const job *j, const extraction_task *task, const extraction_window *w,
                             ac_error *err)
{
    yyjson_mut_doc *doc = l->call->doc;
    yyjson_mut_val *object;
    char id[24];

    if (!fits(l->call, task, w))
        return AC_OK;
    snprintf(id, sizeof id, "%lld", (long long)j->id);
    object = ac_json_pack(doc, "{s:s, s:s, s:s, s:s, s:s, s:s}", "jobID", id, "status", STATUS_FAILED, "failureReason",
                          j->last_error ? j->last_error : "unknown", "strategyId", task->strategy_id, "sessionId",
                          w->session, "actorId", w->actor);
    AC_TRY(added(object && yyjson_mut_arr_append(l->list, object), err));
    return show_messages(l->call, w, object, err);
}

static ac_status show_job(store_tx *tx, listing *l, const job *j, ac_error *err)
{
    static const extraction_limits limits = {.events = MESSAGES_MAX, .all_branches = true};
    _cleanup_(arena_done) arena memory = ARENA_INIT; /* what was said is read for each job, and not shown */
    _cleanup_(extraction_window_done) extraction_window w = {0};
    extraction_task task;

    l->last = j->id;
    AC_TRY(extraction_task_read(j, &memory, &task, err));
    AC_TRY(extraction_window_read(tx, l->call->room, &task, &limits, &memory, &w, err));
    return show_window(l, j, &task, &w, err);
}

/* ---- the list ---- */

static job_filter failed_jobs(const char *kind, const char *memory_id, char prefix[PREFIX_SIZE])
{
    snprintf(prefix, PREFIX_SIZE, "%s/", memory_id);
    return (job_filter){.kind = kind, .state = "dead", .key_prefix = prefix, .limit = BATCH_JOBS};
}

/* Fill the page from one kind of jobs, behind after_id. */
static ac_status list_kind(store_tx *tx, listing *l, const char *kind, int64_t after_id, bool *ret_more, ac_error *err)
{
    char prefix[PREFIX_SIZE];
    job_filter filter = failed_jobs(kind, l->memory_id, prefix);
    size_t count;
    job *jobs;

    filter.after_id = after_id;
    do {
        AC_TRY(jobs_list(tx, &filter, l->call->memory, &jobs, &count, err));
        for (size_t i = 0; i < count; i++) {
            *ret_more = yyjson_mut_arr_size(l->list) == l->limit;
            if (*ret_more)
                return AC_OK;
            AC_TRY(show_job(tx, l, &jobs[i], err));
        }
        filter.after_id = count ? jobs[count - 1].id : filter.after_id;
    } while (count == BATCH_JOBS);
    return AC_OK;
}

static const char *const kinds[] = {MEMORY_JOB_EXTRACT, MEMORY_JOB_DELIVER};

static ac_status list_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    static const char *const shape[] = {"filter"};
    _cleanup_(memory_definition_unrefp) const memory_definition *d = NULL;
    listing l = {.call = call, .limit = (size_t)front_int(call, "maxResults", MEMORY_PAGE_DEFAULT)};
    memory_position position;
    bool given, more = false;
    const char *name;
    int64_t kind;

    (void)arg;
    AC_TRY(record_open(tx, call, &l.memory_id, &d, err));
    AC_TRY(memory_page_name(call, l.memory_id, shape, ARRAY_SIZE(shape), &name, err));
    AC_TRY(memory_page_open(call, name, &position, &given, err));
    l.list = yyjson_mut_arr(call->doc);
    AC_TRY(added(l.list != NULL, err));
    for (kind = position.first; kind < (int64_t)ARRAY_SIZE(kinds); kind++) {
        int64_t after = given && kind == position.first ? position.second : 0;

        l.last = after;
        AC_TRY(list_kind(tx, &l, kinds[kind], after, &more, err));
        if (more)
            break;
    }
    AC_TRY(front_add_value(call, "jobs", l.list, err));
    return more ? memory_page_add(call, name, &(memory_position){.first = kind, .second = l.last}, err) : AC_OK;
}

ac_status list_memory_extraction_jobs(front_call *call, ac_error *err)
{
    const memory_room *room = call->room;

    return transact_read(room->store, call, list_in, NULL, err);
}

/* ---- another try ---- */

static ac_status no_such_job(const char *id, ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOT_FOUND, "There is no failed extraction job '%s' of this memory", id);
}

static ac_status start_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    _cleanup_(memory_definition_unrefp) const memory_definition *d = NULL;
    const char *text = yyjson_mut_get_str(yyjson_mut_obj_get(front_value(call, "extractionJob"), "jobId")), *memory_id;
    char prefix[PREFIX_SIZE], *end;
    long long id = strtoll(text, &end, 10);

    (void)arg;
    AC_TRY(record_open(tx, call, &memory_id, &d, err));
    if (end == text || *end || id <= 0)
        return no_such_job(text, err);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        job_filter filter = failed_jobs(kinds[i], memory_id, prefix);
        size_t count;
        job *jobs;

        filter.after_id = id - 1;
        filter.limit = 1;
        AC_TRY(jobs_list(tx, &filter, call->memory, &jobs, &count, err));
        if (count == 0 || jobs[0].id != id)
            continue;
        AC_TRY(job_revive(tx, id, err));
        return front_add_text(call, "jobId", text, err);
    }
    return no_such_job(text, err);
}

ac_status start_memory_extraction_job(front_call *call, ac_error *err)
{
    const memory_room *room = call->room;

    return transact_write(room->store, call, start_in, NULL, err);
}
