/* extraction.c - the job that draws knowledge from a session's new events.
 *
 * Reading, thinking and writing are three steps, since thinking may take a model a minute.  What was thought of is
 * written only if nothing it rests on has changed meanwhile: the cursor is where it was, and the namespace has no new
 * version.  Otherwise it is thought over again; when that happens several times in a row, written all the same, since a
 * fact twice is better than none.  In this process, jobs that would meet in a namespace take turns, so that this is
 * rare; one whose turn does not come soon makes room for other jobs.  Records, cursor and the end of the job are one
 * transaction.
 *
 * An engine that has too much of a window gets half of its events, and one event that is too much is passed over: the
 * job would fail for ever otherwise, and with it all that is said in the session later. */
#include "daemon/memory/extraction.h"

#include <agentcore/log.h>
#include <string.h>
#include <time.h>

#define EVENTS_AT_ONCE 64
#define HISTORY_TURNS 10
#define TRIES 3
#define TURN_WAIT_S 1

typedef struct extraction {
    memory_room *room;
    const job *job;
    const job_run *run;
    arena memory;
    extraction_task task;
    extraction_window window;
    extraction_changes changes;
    size_t events; /* at most in the window */
    bool stale;    /* what was written rested on something that has changed */
} extraction;

static void extraction_done(extraction *x)
{
    extraction_window_done(&x->window);
    arena_done(&x->memory);
}

/* ---- reading ---- */

static ac_status read_in(store_tx *tx, void *arg, ac_error *err)
{
    extraction *x = arg;
    const extraction_limits limits = {.events = x->events, .history = HISTORY_TURNS};

    return extraction_window_read(tx, x->room, &x->task, &limits, &x->memory, &x->window, err);
}

static ac_status read_versions(store_tx *tx, void *arg, ac_error *err)
{
    extraction *x = arg;
    extraction_changes *c = &x->changes;

    AC_TRY(namespace_version(tx, x->task.memory_id, c->namespace_name, &c->version, err));
    if (c->reflections)
        AC_TRY(namespace_version(tx, x->task.memory_id, c->reflections, &c->reflections_version, err));
    return AC_OK;
}

static ac_status fill_namespaces(extraction *x, ac_error *err)
{
    const memory_strategy *s = x->window.strategy;
    const extraction_window *w = &x->window;

    x->changes = (extraction_changes){.task = &x->task, .window = w};
    AC_TRY(namespace_fill(s->namespace_name, s->id, w->actor, w->session, &x->memory, &x->changes.namespace_name, err));
    if (!s->reflections)
        return AC_OK;
    return namespace_fill(s->reflections, s->id, w->actor, w->session, &x->memory, &x->changes.reflections, err);
}

/* ---- what the engine asks for ---- */

typedef struct asking {
    extraction *x;
    const char *namespace_name;
    const extract_query *query;
    arena *memory;
    search_namespace namespaces[1];
    search_hit *hits;
    size_t hit_count;
    record_list found;
} asking;

static ac_status ask_session(store_tx *tx, void *arg, ac_error *err)
{
    asking *a = arg;
    const record_origin origin = {
        .session = a->x->task.session,
        .strategy = a->x->task.strategy_id,
        .namespace_name = a->namespace_name,
    };

    return record_of_session(tx, &origin, a->query->count, a->memory, &a->found, err);
}

static ac_status ask_version(store_tx *tx, void *arg, ac_error *err)
{
    asking *a = arg;

    a->namespaces[0].name = a->namespace_name;
    return namespace_version(tx, a->x->task.memory_id, a->namespace_name, &a->namespaces[0].version, err);
}

static ac_status ask_rows(store_tx *tx, void *arg, ac_error *err)
{
    asking *a = arg;
    const char **ids = arena_alloc(a->memory, (a->hit_count + 1) * sizeof *ids);

    a->found.rows = arena_zalloc(a->memory, (a->hit_count + 1) * sizeof *a->found.rows);
    if (!ids || !a->found.rows)
        return memory_no_memory(err);
    for (size_t i = 0; i < a->hit_count; i++)
        ids[i] = a->hits[i].id;
    return record_get_many(tx, a->x->task.memory_id, ids, a->hit_count, a->memory, a->found.rows, &a->found.count, err);
}

static ac_status ask_search(asking *a, ac_error *err)
{
    memory_room *room = a->x->room;
    search_query query = {
        .memory = a->x->task.memory_id,
        .namespaces = a->namespaces,
        .namespace_count = 1,
        .text = a->query->text,
        .text_length = a->query->text_length,
        .top_k = a->query->count,
        .strategy_id = a->x->task.strategy_id,
    };

    AC_TRY(store_read(room->store, ask_version, a, err));
    if (a->namespaces[0].version == 0)
        return AC_OK;
    AC_TRY(memory_search_query(room->search, &query, a->memory, &a->hits, &a->hit_count, err));
    return a->hit_count ? store_read(room->store, ask_rows, a, err) : AC_OK;
}

static ac_status tell(const record_row *row, double score, arena *memory, extract_known *ret_known, ac_error *err)
{
    *ret_known =
        (extract_known){.id = row->record, .text = row->content, .created_ms = row->created_ms, .score = score};
    return extraction_metadata_told(row, memory, &ret_known->metadata, err);
}

/* Best first, as the hits are. */
static ac_status tell_hits(const asking *a, extract_known *known, size_t *ret_count, ac_error *err)
{
    for (size_t i = 0; i < a->hit_count; i++) {
        for (size_t j = 0; j < a->found.count; j++) {
            if (strcmp(a->found.rows[j].record, a->hits[i].id) != 0 || a->found.rows[j].superseded)
                continue;
            AC_TRY(tell(&a->found.rows[j], a->hits[i].score, a->memory, &known[*ret_count], err));
            ++*ret_count;
        }
    }
    return AC_OK;
}

static ac_status nearest(void *user, const extract_query *query, arena *memory, extract_known **ret_known,
                         size_t *ret_count, ac_error *err)
{
    extraction *x = user;
    const extraction_changes *c = &x->changes;
    asking a = {.x = x, .query = query, .memory = memory};

    *ret_count = 0;
    a.namespace_name = query->reflections && c->reflections ? c->reflections : c->namespace_name;
    AC_TRY(query->text ? ask_search(&a, err) : store_read(x->room->store, ask_session, &a, err));
    *ret_known = arena_zalloc(memory, (a.found.count + a.hit_count + 1) * sizeof **ret_known);
    if (!*ret_known)
        return memory_no_memory(err);
    if (query->text)
        return tell_hits(&a, *ret_known, ret_count, err);
    for (size_t i = 0; i < a.found.count; i++)
        AC_TRY(tell(&a.found.rows[i], 0, memory, &(*ret_known)[(*ret_count)++], err));
    return AC_OK;
}

static bool go_on(void *user)
{
    const extraction *x = user;

    return !job_run_cancelled(x->run);
}

/* ---- thinking ---- */

/* The block of an override's step: {"appendToPrompt", "modelId"}. */
static yyjson_val *override_of(const memory_strategy *s, const char *step, const char *custom)
{
    yyjson_val *configuration = yyjson_obj_get(yyjson_obj_get(s->stored, "configuration"), step);
    yyjson_obj_iter walk;

    if (!yyjson_obj_iter_init(yyjson_obj_get(configuration, custom), &walk))
        return NULL;
    return yyjson_obj_iter_get_val(yyjson_obj_iter_next(&walk));
}

yyjson_val *extraction_schema(const memory_strategy *s, bool reflection)
{
    yyjson_val *of = s->stored, *configuration;

    if (reflection) {
        configuration = yyjson_obj_get(yyjson_obj_get(s->stored, "configuration"), "reflection");
        of = override_of(s, "reflection", "customReflectionConfiguration");
        if (!of)
            of = yyjson_obj_get(configuration, "episodicReflectionConfiguration");
    }
    return yyjson_obj_get(yyjson_obj_get(of, "memoryRecordSchema"), "metadataSchema");
}

static ac_status think(extraction *x, ac_error *err)
{
    const extraction_window *w = &x->window;
    const memory_strategy *s = w->strategy;
    yyjson_val *extraction_block = override_of(s, "extraction", "customExtractionConfiguration");
    yyjson_val *consolidation = override_of(s, "consolidation", "customConsolidationConfiguration");
    yyjson_val *reflection = override_of(s, "reflection", "customReflectionConfiguration");
    const extract_task task = {
        .kind = s->kind,
        .turns = w->turns,
        .turn_count = w->turn_count,
        .first_new = w->first_new,
        .actor_id = w->actor,
        .session_id = w->session,
        .extraction_prompt = ac_json_string(extraction_block, "appendToPrompt", NULL),
        .extraction_model = ac_json_string(extraction_block, "modelId", NULL),
        .consolidation_prompt = ac_json_string(consolidation, "appendToPrompt", NULL),
        .consolidation_model = ac_json_string(consolidation, "modelId", NULL),
        .reflection_prompt = ac_json_string(reflection, "appendToPrompt", NULL),
        .reflection_model = ac_json_string(reflection, "modelId", NULL),
        .metadata_schema = extraction_schema(s, false),
        .reflection_schema = extraction_schema(s, true),
        .reflect = s->reflections != NULL,
        .nearest = nearest,
        .go_on = go_on,
        .user = x,
    };
    extract_change *items = NULL;

    if (w->turn_count == w->first_new)
        return AC_OK;
    AC_TRY(extract_run(x->room->extractor, &task, &x->memory, &items, &x->changes.count, err));
    x->changes.items = items;
    return AC_OK;
}

/* ---- writing ---- */

static ac_status write_in(store_tx *tx, void *arg, ac_error *err)
{
    extraction *x = arg;
    _cleanup_(memory_definition_unrefp) const memory_definition *now = NULL;
    ac_status status = memory_definition_get(tx, x->room->definitions, x->task.account, x->task.memory_id, &now, err);

    x->stale = false;
    if (status == AC_ERR_NOT_FOUND) { /* deleted while the engine was at work: leave nothing behind */
        x->window.more = false;
        return job_done(tx, x->job, err);
    }
    AC_TRY(status);
    AC_TRY(extraction_cursor_move(tx, &x->task, &x->window, err));
    status = extraction_changes_write(tx, &x->changes, &x->memory, err);
    x->stale = status == AC_ERR_CONFLICT;
    AC_TRY(status);
    return x->window.more ? AC_OK : job_done(tx, x->job, err);
}

static ac_status think_and_write(extraction *x, ac_error *err)
{
    ac_status status = AC_ERR_CONFLICT;

    AC_TRY(extraction_open_envelopes(&x->window, &x->memory, err));
    for (int i = 0; i < TRIES; i++) {
        x->changes.count = 0;
        x->changes.check_versions = i < TRIES - 1;
        AC_TRY(store_read(x->room->store, read_versions, x, err));
        AC_TRY(think(x, err));
        status = store_write(x->room->store, write_in, x, err);
        if (status == AC_OK || !x->stale)
            break;
    }
    return status;
}

pthread_mutex_t *extraction_turn(memory_room *room, const char *memory_id, const char *namespace_name)
{
    const char *parts[] = {memory_id, namespace_name};
    uint32_t hash = 2166136261U; /* FNV-1a */

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        for (const char *at = parts[i]; *at; at++)
            hash = (hash ^ (unsigned char)*at) * 16777619U;
    return &room->turns[hash % MEMORY_TURNS];
}

static bool wait_for_turn(pthread_mutex_t *turn)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += TURN_WAIT_S;
    return pthread_mutex_timedlock(turn, &until) == 0;
}

static ac_status postpone_in(store_tx *tx, void *arg, ac_error *err)
{
    const extraction *x = arg;

    return extraction_postpone(tx, x->job, err);
}

static ac_status take_in(extraction *x, ac_error *err)
{
    pthread_mutex_t *turn;
    ac_status status;

    AC_TRY(fill_namespaces(x, err));
    turn = extraction_turn(x->room, x->task.memory_id, x->changes.namespace_name);
    if (!wait_for_turn(turn)) {
        x->window.more = false;
        return store_write(x->room->store, postpone_in, x, err);
    }
    status = think_and_write(x, err);
    pthread_mutex_unlock(turn);
    return status;
}

/* Nothing comes of an event of which the engine cannot make anything. */
static ac_status pass_over(extraction *x, ac_error *err)
{
    ac_log_warning("An event of session %s is too much for strategy %s of memory %s: %s", x->window.session,
                   x->task.strategy_id, x->task.memory_id, err->message);
    x->changes.count = 0;
    x->changes.check_versions = false;
    return store_write(x->room->store, write_in, x, err);
}

ac_status memory_extract(store *s, const job *j, const job_run *run, void *room, ac_error *err)
{
    size_t events = EVENTS_AT_ONCE;
    bool more = true;

    while (more) {
        _cleanup_(extraction_done) extraction x = {.room = room, .job = j, .run = run, .events = events};
        ac_status status;

        if (job_run_cancelled(run))
            return ac_error_set(err, AC_ERR_CLOSED, "the job was told to give up");
        AC_TRY(extraction_task_read(j, &x.memory, &x.task, err));
        AC_TRY(store_read(s, read_in, &x, err));
        if (!x.window.strategy || x.window.next == x.window.cursor)
            return AC_OK; /* the runner ends the job */
        status = take_in(&x, err);
        if (status == AC_ERR_TOO_LARGE && x.window.event_count > 1) {
            events = x.window.event_count / 2;
            continue;
        }
        AC_TRY(status == AC_ERR_TOO_LARGE ? pass_over(&x, err) : status);
        more = x.window.more;
    }
    return AC_OK;
}
