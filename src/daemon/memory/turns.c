/* turns.c - what a strategy has to do with a session: the events that are new to it, and the turns before them. */
#include "daemon/memory/extraction.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_SIZE 320
#define ATTEMPTS 3 /* about three seconds; then it is listed as FAILED, until it is started again or there is more */
#define ATTEMPTS_DELIVER 8
#define MOMENT_MS 500
#define WINDOW_BYTES_MAX ((size_t)4 << 20) /* of new events' payloads */

DEFINE_CLEANUP(yyjson_doc *, yyjson_doc_free)

/* ---- jobs ---- */

ac_status extraction_queue(store_tx *tx, const memory_definition *d, int64_t session, ac_error *err)
{
    char key[KEY_SIZE];

    for (size_t i = 0; i < d->strategy_count; i++) {
        const memory_strategy *s = &d->strategies[i];
        job_spec spec = {
            .kind = s->self_managed ? MEMORY_JOB_DELIVER : MEMORY_JOB_EXTRACT,
            .key = key,
            .payload = d->account,
            .attempts_max = s->self_managed ? ATTEMPTS_DELIVER : ATTEMPTS,
        };

        if (strcmp(s->status, MEMORY_ACTIVE) != 0)
            continue;
        snprintf(key, sizeof key, "%s/%s/%lld", d->id, s->id, (long long)session);
        AC_TRY(jobs_enqueue(tx, &spec, err));
    }
    return AC_OK;
}

ac_status extraction_postpone(store_tx *tx, const job *j, ac_error *err)
{
    const job_spec later = {
        .kind = j->kind, .key = j->key, .payload = j->payload, .attempts_max = ATTEMPTS, .delay_ms = MOMENT_MS};

    AC_TRY(job_done(tx, j, err));
    return jobs_enqueue(tx, &later, err);
}

ac_status extraction_task_read(const job *j, arena *memory, extraction_task *ret_task, ac_error *err)
{
    view rest = view_of(j->key ? j->key : ""), id = {0}, strategy = {0};
    char *end = NULL;

    if (!view_split(&rest, '/', &id) || !view_split(&rest, '/', &strategy) || !rest.text)
        return ac_error_set(err, AC_ERR_INTERNAL, "the job's key is damaged");
    *ret_task = (extraction_task){
        .account = j->payload,
        .memory_id = arena_copy(memory, id.text, id.length),
        .strategy_id = arena_copy(memory, strategy.text, strategy.length),
        .session = strtoll(rest.text, &end, 10),
    };
    return ret_task->memory_id && ret_task->strategy_id ? AC_OK : memory_no_memory(err);
}

/* ---- the cursor ---- */

static ac_status read_cursor(store_tx *tx, const extraction_task *task, extraction_window *w, ac_error *err)
{
    static const char text[] = "SELECT event FROM memory_cursors WHERE session = $1 AND strategy = $2";
    bool found;

    AC_TRY(sql_query_int(tx, text, SQL_VALUES(sql_int(task->session), sql_text(task->strategy_id)), &w->cursor, &found,
                         err));
    if (!found)
        w->cursor = w->strategy->after;
    w->next = w->cursor;
    return AC_OK;
}

ac_status extraction_cursor_move(store_tx *tx, const extraction_task *task, const extraction_window *w, ac_error *err)
{
    static const char text[] = "INSERT INTO memory_cursors (session, strategy, event) VALUES ($1, $2, $3)"
                               " ON CONFLICT (session, strategy) DO UPDATE SET event = excluded.event"
                               " WHERE memory_cursors.event = $4";
    int64_t changed = 0;

    if (w->next == w->cursor)
        return AC_OK;
    AC_TRY(sql_run(
        tx, text, SQL_VALUES(sql_int(task->session), sql_text(task->strategy_id), sql_int(w->next), sql_int(w->cursor)),
        &changed, err));
    return changed ? AC_OK : ac_error_set(err, AC_ERR_CONFLICT, "somebody else has taken in these events");
}

/* ---- events ---- */

static bool same_branch(const event_row *one, const event_row *other)
{
    return one->branch && other->branch ? strcmp(one->branch, other->branch) == 0 : one->branch == other->branch;
}

typedef struct fresh {
    event_row *rows;
    size_t count;
} fresh;

static ac_status read_new(store_tx *tx, const extraction_task *task, const extraction_limits *limits, arena *memory,
                          extraction_window *w, fresh *ret_fresh, ac_error *err)
{
    static const char text[] = "SELECT " EVENT_COLUMNS EVENT_PAYLOAD " FROM memory_events"
                               " WHERE session = $1 AND id > $2 AND extractable = 1 AND expires_ms > $3"
                               " ORDER BY id LIMIT $4";
    _cleanup_(sql_done) sql_rows rows = {0};
    size_t bytes = 0;

    ret_fresh->rows = arena_zalloc(memory, (limits->events + 1) * sizeof *ret_fresh->rows);
    if (!ret_fresh->rows)
        return memory_no_memory(err);
    AC_TRY(sql_query(tx, text,
                     SQL_VALUES(sql_int(task->session), sql_int(w->cursor), sql_int(clock_unix_ms()),
                                sql_int((int64_t)limits->events + 1)),
                     &rows, err));
    for (;;) {
        event_row *row = &ret_fresh->rows[ret_fresh->count];
        bool found;

        AC_TRY(sql_next(&rows, &found, err));
        if (!found)
            return AC_OK;
        w->more = ret_fresh->count == limits->events || bytes > WINDOW_BYTES_MAX;
        if (w->more)
            return AC_OK;
        AC_TRY(event_read(&rows, true, memory, row, err));
        w->more = !limits->all_branches && ret_fresh->count > 0 && !same_branch(row, row - 1);
        if (w->more)
            return AC_OK;
        w->next = row->id;
        bytes += row->payload_length;
        w->event_count = ++ret_fresh->count;
    }
}

static int by_time(const void *one, const void *other)
{
    const event_row *a = one, *b = other;

    if (a->at_ms != b->at_ms)
        return a->at_ms < b->at_ms ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* Events before the first new one, on its branch and what that grew from; newest first. */
static ac_status read_history(store_tx *tx, const extraction_task *task, const extraction_limits *limits,
                              const event_row *first, arena *memory, fresh *ret_history, ac_error *err)
{
    event_segment *line = NULL;
    size_t line_count = 0;
    bool more;
    event_scan scan = {
        .session = task->session,
        .before_ms = first->at_ms,
        .before_id = first->id,
        .limit = limits->history,
        .payloads = true,
    };

    if (limits->history == 0)
        return AC_OK;
    if (!limits->all_branches) {
        AC_TRY(event_line(tx, task->session, first->branch, true, memory, &line, &line_count, err));
        scan.segments = line;
        scan.segment_count = line_count;
    }
    return event_scan_run(tx, &scan, memory, &ret_history->rows, &ret_history->count, &more, err);
}

/* ---- turns ---- */

typedef struct filling {
    arena *memory;
    extraction_window *window;
    size_t room;
} filling;

static ac_status make_room(filling *f, ac_error *err)
{
    extraction_window *w = f->window;
    size_t room = MAX(f->room * 2, (size_t)32);
    extract_turn *turns;
    int64_t *arrived;

    if (w->turn_count < f->room)
        return AC_OK;
    turns = arena_alloc(f->memory, room * sizeof *turns);
    arrived = arena_alloc(f->memory, room * sizeof *arrived);
    if (!turns || !arrived)
        return memory_no_memory(err);
    if (w->turn_count) {
        memcpy(turns, w->turns, w->turn_count * sizeof *turns);
        memcpy(arrived, w->arrived_ms, w->turn_count * sizeof *arrived);
    }
    w->turns = turns;
    w->arrived_ms = arrived;
    f->room = room;
    return AC_OK;
}

static ac_status add_turn(filling *f, const event_row *row, const char *event_id, yyjson_val *said, unsigned index,
                          ac_error *err)
{
    yyjson_val *text = yyjson_obj_get(yyjson_obj_get(said, "content"), "text");
    const char *role = ac_json_string(said, "role", "OTHER");
    extract_turn turn = {
        .role = arena_copy(f->memory, role, strlen(role)),
        .text = arena_copy(f->memory, yyjson_get_str(text), yyjson_get_len(text)),
        .text_length = yyjson_get_len(text),
        .timestamp_ms = row->at_ms,
        .event_id = event_id,
        .index = index,
    };

    if (!turn.role || !turn.text)
        return memory_no_memory(err);
    AC_TRY(make_room(f, err));
    f->window->arrived_ms[f->window->turn_count] = row->created_ms;
    f->window->turns[f->window->turn_count++] = turn;
    return AC_OK;
}

static ac_status add_event(filling *f, const event_row *row, ac_error *err)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *payload = NULL;
    char *event_id = arena_alloc(f->memory, EVENT_ID_SIZE);
    size_t index, count;
    yyjson_val *item;

    if (!row->extractable)
        return AC_OK;
    if (!event_id)
        return memory_no_memory(err);
    event_id_write(row->at_ms, row->id, event_id);
    AC_TRY(ac_json_read(row->payload, row->payload_length, NULL, &payload, err));
    yyjson_arr_foreach(yyjson_doc_get_root(payload), index, count, item)
    {
        yyjson_val *said = yyjson_obj_get(item, "conversational");

        if (said && yyjson_is_str(yyjson_obj_get(yyjson_obj_get(said, "content"), "text")))
            AC_TRY(add_turn(f, row, event_id, said, (unsigned)index, err));
    }
    return AC_OK;
}

static ac_status fill(filling *f, const fresh *news, const fresh *history, size_t history_max, ac_error *err)
{
    extraction_window *w = f->window;

    for (size_t i = history->count; i-- > 0;)
        AC_TRY(add_event(f, &history->rows[i], err));
    if (w->turn_count > history_max) { /* the last of them */
        size_t extra = w->turn_count - history_max;

        w->turn_count = history_max;
        w->turns += extra;
        w->arrived_ms += extra;
        f->room -= extra;
    }
    w->first_new = w->turn_count;
    for (size_t i = 0; i < news->count; i++)
        AC_TRY(add_event(f, &news->rows[i], err));
    return AC_OK;
}

/* ---- all of it ---- */

static ac_status read_names(store_tx *tx, const extraction_task *task, arena *memory, extraction_window *w,
                            ac_error *err)
{
    static const char text[] = "SELECT actor, session FROM memory_sessions WHERE id = $1 AND memory = $2";
    _cleanup_(sql_done) sql_rows rows = {0};
    bool found;

    AC_TRY(sql_query(tx, text, SQL_VALUES(sql_int(task->session), sql_text(task->memory_id)), &rows, err));
    AC_TRY(sql_next(&rows, &found, err));
    if (!found) {
        w->strategy = NULL;
        return AC_OK;
    }
    AC_TRY(sql_copy(&rows, 0, memory, &w->actor, NULL, err));
    return sql_copy(&rows, 1, memory, &w->session, NULL, err);
}

static ac_status read_strategy(store_tx *tx, memory_room *room, const extraction_task *task, extraction_window *w,
                               ac_error *err)
{
    ac_status status =
        memory_definition_get(tx, room->definitions, task->account, task->memory_id, &w->definition, err);

    if (status != AC_OK)
        return status == AC_ERR_NOT_FOUND ? AC_OK : status;
    w->strategy = memory_definition_strategy(w->definition, task->strategy_id);
    if (w->strategy && strcmp(w->strategy->status, MEMORY_ACTIVE) != 0)
        w->strategy = NULL;
    return AC_OK;
}

ac_status extraction_window_read(store_tx *tx, memory_room *room, const extraction_task *task,
                                 const extraction_limits *limits, arena *memory, extraction_window *ret_window,
                                 ac_error *err)
{
    extraction_window *w = ret_window;
    filling f = {.memory = memory, .window = w};
    fresh news = {0}, history = {0};

    extraction_window_done(w);
    AC_TRY(read_strategy(tx, room, task, w, err));
    if (w->strategy)
        AC_TRY(read_names(tx, task, memory, w, err));
    if (!w->strategy)
        return AC_OK;
    AC_TRY(read_cursor(tx, task, w, err));
    AC_TRY(read_new(tx, task, limits, memory, w, &news, err));
    if (news.count == 0)
        return AC_OK;
    qsort(news.rows, news.count, sizeof *news.rows, by_time);
    w->last = &news.rows[news.count - 1];
    AC_TRY(read_history(tx, task, limits, &news.rows[0], memory, &history, err));
    return fill(&f, &news, &history, limits->history, err);
}

void extraction_window_done(extraction_window *w)
{
    memory_definition_unref(w->definition);
    *w = (extraction_window){0};
}
