/* events.c - the operations that read and delete events, and the lists of actors and sessions.
 *
 * An actor or a session that nobody has used is no error: it has no events. */
#include "daemon/memory/events.h"

#include "base/clock.h"
#include "daemon/resources/transact.h"

#include <string.h>

static ac_status added(bool well, ac_error *err)
{
    return well ? AC_OK : memory_no_memory(err);
}

/* ---- what an event looks like ---- */

static ac_status show_branch(yyjson_mut_doc *doc, const event_row *row, yyjson_mut_val *object, ac_error *err)
{
    yyjson_mut_val *branch;

    if (!row->branch)
        return AC_OK;
    branch = row->root ? ac_json_pack(doc, "{s:s, s:s}", "name", row->branch, "rootEventId", row->root)
                       : ac_json_pack(doc, "{s:s}", "name", row->branch);
    return added(branch && yyjson_mut_obj_add_val(doc, object, "branch", branch), err);
}

ac_status event_show(yyjson_mut_doc *doc, const event_names *names, const event_row *row, yyjson_mut_val *payload,
                     yyjson_mut_val **ret_object, ac_error *err)
{
    yyjson_mut_val *metadata;
    char id[EVENT_ID_SIZE];

    event_id_write(row->at_ms, row->id, id);
    *ret_object = ac_json_pack(doc, "{s:s, s:s, s:s, s:s, s:I}", "memoryId", names->memory, "actorId", names->actor,
                               "sessionId", names->session, "eventId", id, "eventTimestamp", row->at_ms);
    AC_TRY(added(*ret_object != NULL, err));
    if (!payload && row->payload)
        AC_TRY(memory_json_value(doc, row->payload, row->payload_length, &payload, err));
    if (payload)
        AC_TRY(added(yyjson_mut_obj_add_val(doc, *ret_object, "payload", payload), err));
    if (row->metadata) {
        AC_TRY(memory_json_value(doc, row->metadata, row->metadata_length, &metadata, err));
        AC_TRY(added(yyjson_mut_obj_add_val(doc, *ret_object, "metadata", metadata), err));
    }
    return show_branch(doc, row, *ret_object, err);
}

/* ---- what all have in common ---- */

typedef struct request {
    event_names names;
    const memory_definition *definition;
    int64_t session; /* 0: there is none */
} request;

static void request_done(request *r)
{
    memory_definition_unref(r->definition);
}

/* The memory must be there; the session need not. */
static ac_status open_request(store_tx *tx, front_call *call, request *r, ac_error *err)
{
    const memory_room *room = call->room;

    r->names.actor = front_text(call, "actorId");
    r->names.session = front_text(call, "sessionId");
    AC_TRY(memory_id_of(call, &r->names.memory, err));
    AC_TRY(memory_definition_get(tx, room->definitions, call->caller.account, r->names.memory, &r->definition, err));
    if (!r->names.session)
        return AC_OK;
    return event_session(tx, r->names.memory, r->names.actor, r->names.session, &r->session, err);
}

static ac_status read_with(front_call *call, transact_fn fn, ac_error *err)
{
    const memory_room *room = call->room;

    return transact_read(room->store, call, fn, NULL, err);
}

/* ---- one event ---- */

static ac_status get_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    _cleanup_(request_done) request r = {0};
    yyjson_mut_val *object;
    event_row row;

    (void)arg;
    AC_TRY(open_request(tx, call, &r, err));
    AC_TRY(event_get(tx, r.session, front_text(call, "eventId"), call->memory, &row, err));
    AC_TRY(event_show(call->doc, &r.names, &row, NULL, &object, err));
    return front_add_value(call, "event", object, err);
}

ac_status get_event(front_call *call, ac_error *err)
{
    return read_with(call, get_in, err);
}

static ac_status delete_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    _cleanup_(request_done) request r = {0};
    event_row row;

    (void)arg;
    AC_TRY(open_request(tx, call, &r, err));
    AC_TRY(event_get(tx, r.session, front_text(call, "eventId"), call->memory, &row, err));
    AC_TRY(sql_run(tx, "DELETE FROM memory_events WHERE id = $1", SQL_VALUES(sql_int(row.id)), NULL, err));
    return front_add_text(call, "eventId", front_text(call, "eventId"), err);
}

ac_status delete_event(front_call *call, ac_error *err)
{
    const memory_room *room = call->room;

    return transact_write(room->store, call, delete_in, NULL, err);
}

/* ---- a session's events ---- */

static ac_status open_scan(store_tx *tx, front_call *call, const request *r, const char *list, event_scan *scan,
                           ac_error *err)
{
    yyjson_mut_val *filter = front_value(call, "filter"), *branch = yyjson_mut_obj_get(filter, "branch");
    const char *name = yyjson_mut_get_str(yyjson_mut_obj_get(branch, "name"));
    bool parents = yyjson_mut_get_bool(yyjson_mut_obj_get(branch, "includeParentBranches"));
    yyjson_mut_val *payloads = front_value(call, "includePayloads");
    memory_position position;
    event_segment *line;
    bool given;

    AC_TRY(memory_page_open(call, list, &position, &given, err));
    *scan = (event_scan){
        .session = r->session,
        .filters = yyjson_mut_obj_get(filter, "eventMetadata"),
        .before_ms = given ? position.first : INT64_MAX,
        .before_id = given ? position.second : INT64_MAX,
        .limit = (size_t)front_int(call, "maxResults", MEMORY_PAGE_DEFAULT),
        .payloads = !payloads || yyjson_mut_get_bool(payloads),
    };
    AC_TRY(event_filters_check(scan->filters, err));
    if (!name)
        return AC_OK;
    AC_TRY(event_line(tx, r->session, name, parents, call->memory, &line, &scan->segment_count, err));
    scan->segments = line;
    return AC_OK;
}

static ac_status show_events(front_call *call, const request *r, const event_row *rows, size_t count, ac_error *err)
{
    yyjson_mut_val *list = yyjson_mut_arr(call->doc), *object;

    for (size_t i = 0; i < count; i++) {
        AC_TRY(event_show(call->doc, &r->names, &rows[i], NULL, &object, err));
        AC_TRY(added(yyjson_mut_arr_append(list, object), err));
    }
    return front_add_value(call, "events", list, err);
}

static ac_status list_events_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    static const char *const shape[] = {"actorId", "sessionId", "filter"};
    _cleanup_(request_done) request r = {0};
    event_row *rows = NULL;
    size_t count = 0;
    bool more = false;
    event_scan scan;
    const char *list;

    (void)arg;
    AC_TRY(open_request(tx, call, &r, err));
    AC_TRY(memory_page_name(call, r.names.memory, shape, ARRAY_SIZE(shape), &list, err));
    AC_TRY(open_scan(tx, call, &r, list, &scan, err));
    if (r.session)
        AC_TRY(event_scan_run(tx, &scan, call->memory, &rows, &count, &more, err));
    AC_TRY(show_events(call, &r, rows, count, err));
    if (!more)
        return AC_OK;
    return memory_page_add(call, list, &(memory_position){rows[count - 1].at_ms, rows[count - 1].id, NULL}, err);
}

ac_status list_events(front_call *call, ac_error *err)
{
    return read_with(call, list_events_in, err);
}

/* ---- actors and sessions ---- */

/* From one actor to the next by the index, however many sessions each has. */
static const char actors_text[] =
    "WITH RECURSIVE walk(actor) AS ("
    " SELECT MIN(actor) FROM memory_sessions WHERE memory = $1 AND actor > $2"
    " UNION ALL"
    " SELECT (SELECT MIN(s.actor) FROM memory_sessions s WHERE s.memory = $1 AND s.actor > walk.actor)"
    " FROM walk WHERE walk.actor IS NOT NULL)"
    " SELECT actor FROM walk WHERE actor IS NOT NULL LIMIT $3";

static ac_status list_actors_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    _cleanup_(request_done) request r = {0};
    _cleanup_(sql_done) sql_rows rows = {0};
    yyjson_mut_val *list = yyjson_mut_arr(call->doc), *object;
    int64_t limit = front_int(call, "maxResults", MEMORY_PAGE_DEFAULT);
    const char *name, *actor = NULL;
    memory_position position;
    bool given, found = true;

    (void)arg;
    AC_TRY(open_request(tx, call, &r, err));
    AC_TRY(memory_page_name(call, r.names.memory, NULL, 0, &name, err));
    AC_TRY(memory_page_open(call, name, &position, &given, err));
    AC_TRY(sql_query(tx, actors_text,
                     SQL_VALUES(sql_text(r.names.memory), sql_text(given ? position.text : ""), sql_int(limit + 1)),
                     &rows, err));
    for (int64_t i = 0; i <= limit; i++) {
        AC_TRY(sql_next(&rows, &found, err));
        if (!found || i == limit)
            break;
        AC_TRY(sql_copy(&rows, 0, call->memory, &actor, NULL, err));
        object = ac_json_pack(call->doc, "{s:s}", "actorId", actor);
        AC_TRY(added(object && yyjson_mut_arr_append(list, object), err));
    }
    AC_TRY(front_add_value(call, "actorSummaries", list, err));
    return found ? memory_page_add(call, name, &(memory_position){.text = actor}, err) : AC_OK;
}

ac_status list_actors(front_call *call, ac_error *err)
{
    return read_with(call, list_actors_in, err);
}

static const char *sessions_text(bool with_events)
{
#define SESSIONS(condition)                                                                                            \
    "SELECT id, session, created_ms FROM memory_sessions WHERE memory = $1 AND actor = $2 AND id < $3" condition       \
    " ORDER BY id DESC LIMIT $4"
    return with_events ? SESSIONS(" AND EXISTS (SELECT 1 FROM memory_events e WHERE e.session = memory_sessions.id"
                                  " AND e.expires_ms > (SELECT now_ms()))")
                       : SESSIONS("");
#undef SESSIONS
}

static ac_status show_session(front_call *call, const request *r, const sql_rows *row, yyjson_mut_val *list,
                              ac_error *err)
{
    yyjson_mut_val *object;
    const char *session;

    AC_TRY(sql_copy(row, 1, call->memory, &session, NULL, err));
    object = ac_json_pack(call->doc, "{s:s, s:s, s:I}", "sessionId", session, "actorId", r->names.actor, "createdAt",
                          sql_get_int(row, 2));
    return added(object && yyjson_mut_arr_append(list, object), err);
}

static ac_status list_sessions_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    static const char *const shape[] = {"actorId", "filter"};
    _cleanup_(request_done) request r = {0};
    _cleanup_(sql_done) sql_rows rows = {0};
    yyjson_mut_val *list = yyjson_mut_arr(call->doc);
    bool with_events = yyjson_mut_obj_get(front_value(call, "filter"), "eventFilter") != NULL;
    int64_t limit = front_int(call, "maxResults", MEMORY_PAGE_DEFAULT), last = 0;
    memory_position position;
    bool given, found = true;
    const char *name;

    (void)arg;
    AC_TRY(open_request(tx, call, &r, err));
    AC_TRY(memory_page_name(call, r.names.memory, shape, ARRAY_SIZE(shape), &name, err));
    AC_TRY(memory_page_open(call, name, &position, &given, err));
    AC_TRY(sql_query(tx, sessions_text(with_events),
                     SQL_VALUES(sql_text(r.names.memory), sql_text(r.names.actor),
                                sql_int(given ? position.first : INT64_MAX), sql_int(limit + 1)),
                     &rows, err));
    for (int64_t i = 0; i <= limit; i++) {
        AC_TRY(sql_next(&rows, &found, err));
        if (!found || i == limit)
            break;
        last = sql_get_int(&rows, 0);
        AC_TRY(show_session(call, &r, &rows, list, err));
    }
    AC_TRY(front_add_value(call, "sessionSummaries", list, err));
    return found ? memory_page_add(call, name, &(memory_position){.first = last}, err) : AC_OK;
}

ac_status list_sessions(front_call *call, ac_error *err)
{
    return read_with(call, list_sessions_in, err);
}
