/* memory_events.c - a conversation: its events, turns and branches. */
#include "client/memory_internal.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "base/uuid.h"

#include <stdlib.h>
#include <string.h>

/* ---- the session ---- */

ac_status ac_memory_session_new(ac_client *client, const char *memory_id, const char *actor_id, const char *session_id,
                                ac_memory_session **ret_session, ac_error *err)
{
    char random_id[UUID_SIZE];

    *ret_session = NULL;
    if (!memory_id || !*memory_id || !actor_id || !*actor_id)
        return ac_error_set(err, AC_ERR_INVALID, "memory_id and actor_id are required");
    if (!session_id)
        uuid_v4(random_id);
    ac_memory_session *s = calloc(1, sizeof(*s));
    if (!s)
        return memory_exhausted(err);
    s->client = client;
    s->memory_id = strdup(memory_id);
    s->actor_id = strdup(actor_id);
    s->session_id = strdup(session_id ? session_id : random_id);
    if (!s->memory_id || !s->actor_id || !s->session_id) {
        ac_memory_session_free(s);
        return memory_exhausted(err);
    }
    *ret_session = s;
    return AC_OK;
}

void ac_memory_session_free(ac_memory_session *session)
{
    if (!session)
        return;
    free(session->memory_id);
    free(session->actor_id);
    free(session->session_id);
    free(session);
}

const char *ac_memory_session_id(const ac_memory_session *session)
{
    return session->session_id;
}

const char *ac_memory_session_actor_id(const ac_memory_session *session)
{
    return session->actor_id;
}

const char *ac_memory_session_memory_id(const ac_memory_session *session)
{
    return session->memory_id;
}

/* ---- adding ---- */

static const char *const role_names[] = {
    [AC_MEMORY_USER] = "USER",
    [AC_MEMORY_ASSISTANT] = "ASSISTANT",
    [AC_MEMORY_TOOL] = "TOOL",
    [AC_MEMORY_OTHER] = "OTHER",
};

static yyjson_mut_val *payload_item(yyjson_mut_doc *doc, const ac_memory_message *m)
{
    yyjson_mut_val *item = yyjson_mut_obj(doc);

    if (m->blob)
        return yyjson_mut_obj_add_val(doc, item, "blob", yyjson_val_mut_copy(doc, m->blob)) ? item : NULL;
    yyjson_mut_val *said = yyjson_mut_obj_add_obj(doc, item, "conversational");
    yyjson_mut_val *content = yyjson_mut_obj_add_obj(doc, said, "content");
    return content && yyjson_mut_obj_add_str(doc, content, "text", m->text) &&
                   yyjson_mut_obj_add_str(doc, said, "role", role_names[m->role])
               ? item
               : NULL;
}

static ac_status add_payload(memory_call *c, const ac_memory_message *messages, size_t count, ac_error *err)
{
    yyjson_mut_val *list = yyjson_mut_arr(c->doc);

    if (count == 0)
        return ac_error_set(err, AC_ERR_INVALID, "At least one message is required");
    for (size_t i = 0; i < count; i++) {
        const ac_memory_message *m = &messages[i];

        if (!m->text == !m->blob)
            return ac_error_set(err, AC_ERR_INVALID, "message %zu: one of text and blob is required", i);
        if (m->text && !utf8_valid(m->text, strlen(m->text)))
            return ac_error_set(err, AC_ERR_INVALID, "message %zu: text is not UTF-8", i);
        if (m->text && (size_t)m->role >= ARRAY_SIZE(role_names))
            return ac_error_set(err, AC_ERR_INVALID, "message %zu: no such role", i);
        if (!yyjson_mut_arr_append(list, payload_item(c->doc, m)))
            return memory_exhausted(err);
    }
    memory_call_add(c, "payload", list);
    return AC_OK;
}

static ac_status add_metadata(memory_call *c, const ac_memory_metadata *metadata, size_t count, ac_error *err)
{
    yyjson_mut_val *map = yyjson_mut_obj(c->doc);

    if (count == 0)
        return AC_OK;
    for (size_t i = 0; i < count; i++) {
        if (!metadata[i].key || !metadata[i].value)
            return ac_error_set(err, AC_ERR_INVALID, "metadata %zu: key and value are required", i);
        yyjson_mut_val *value = yyjson_mut_obj_add_obj(c->doc, map, metadata[i].key);
        if (!value || !yyjson_mut_obj_add_str(c->doc, value, "stringValue", metadata[i].value))
            return memory_exhausted(err);
    }
    memory_call_add(c, "metadata", map);
    return AC_OK;
}

/* A conversation that goes on along its main line has no branch. */
static void add_branch(memory_call *c, const ac_memory_event_options *o)
{
    if (!o->branch)
        return;
    yyjson_mut_val *branch = yyjson_mut_obj(c->doc);
    bool added = yyjson_mut_obj_add_str(c->doc, branch, "name", o->branch) &&
                 (!o->root_event_id || yyjson_mut_obj_add_str(c->doc, branch, "rootEventId", o->root_event_id));
    memory_call_add(c, "branch", added ? branch : NULL);
}

ac_status ac_memory_add_turns(ac_memory_session *session, const ac_memory_message *messages, size_t count,
                              const ac_memory_event_options *options, yyjson_doc **ret_event, ac_error *err)
{
    static const ac_memory_event_options none;
    const ac_memory_event_options *o = options ? options : &none;
    _cleanup_(memory_call_done) memory_call c = memory_call_in(session, "CreateEvent");

    if (ret_event)
        *ret_event = NULL;
    if (c.broken)
        return memory_exhausted(err);
    if (o->root_event_id && !o->branch)
        return ac_error_set(err, AC_ERR_INVALID, "root_event_id is given without a branch");
    AC_TRY(add_payload(&c, messages, count, err));
    AC_TRY(add_metadata(&c, o->metadata, o->metadata_count, err));
    add_branch(&c, o);
    memory_call_add(&c, "eventTimestamp", yyjson_mut_sint(c.doc, o->timestamp_ms ? o->timestamp_ms : clock_unix_ms()));
    memory_call_text(&c, "extractionMode", o->skip_extraction ? "SKIP" : NULL);
    return memory_call_run_for(&c, "event", ret_event, err);
}

ac_status ac_memory_fork(ac_memory_session *session, const char *root_event_id, const char *branch,
                         const ac_memory_message *messages, size_t count, const ac_memory_event_options *options,
                         yyjson_doc **ret_event, ac_error *err)
{
    ac_memory_event_options o = options ? *options : (ac_memory_event_options){0};

    if (ret_event)
        *ret_event = NULL;
    if (!root_event_id || !branch)
        return ac_error_set(err, AC_ERR_INVALID, "root_event_id and branch are required");
    if (o.branch || o.root_event_id)
        return ac_error_set(err, AC_ERR_INVALID, "the branch is given twice");
    o.branch = branch;
    o.root_event_id = root_event_id;
    return ac_memory_add_turns(session, messages, count, &o, ret_event, err);
}

/* ---- listing ---- */

static bool is_main_line(const char *branch)
{
    return strcmp(branch, MEMORY_MAIN_BRANCH) == 0;
}

static bool add_branch_filter(memory_call *c, yyjson_mut_val *filter, const ac_memory_list_options *o)
{
    if (!o->branch || is_main_line(o->branch))
        return true;
    yyjson_mut_val *branch = yyjson_mut_obj_add_obj(c->doc, filter, "branch");
    return branch && yyjson_mut_obj_add_str(c->doc, branch, "name", o->branch) &&
           yyjson_mut_obj_add_bool(c->doc, branch, "includeParentBranches", o->include_parents);
}

bool memory_event_is_main(yyjson_val *event)
{
    return is_main_line(ac_json_string(yyjson_obj_get(event, "branch"), "name", MEMORY_MAIN_BRANCH));
}

static yyjson_mut_val *metadata_expression(yyjson_mut_doc *doc, const ac_memory_metadata *m)
{
    if (!m->value)
        return ac_json_pack(doc, "{s:{s:s}, s:s}", "left", "metadataKey", m->key, "operator", "EXISTS");
    return ac_json_pack(doc, "{s:{s:s}, s:s, s:{s:{s:s}}}", "left", "metadataKey", m->key, "operator", "EQUALS_TO",
                        "right", "metadataValue", "stringValue", m->value);
}

static ac_status add_metadata_filter(memory_call *c, yyjson_mut_val *filter, const ac_memory_list_options *o,
                                     ac_error *err)
{
    yyjson_val *expression;
    size_t at, n;

    if (o->metadata_count == 0 && !o->metadata_filters)
        return AC_OK;
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(c->doc, filter, "eventMetadata");
    yyjson_arr_foreach(o->metadata_filters, at, n, expression)
    {
        if (!yyjson_mut_arr_append(list, yyjson_val_mut_copy(c->doc, expression)))
            return memory_exhausted(err);
    }
    for (size_t i = 0; i < o->metadata_count; i++) {
        if (!o->metadata[i].key)
            return ac_error_set(err, AC_ERR_INVALID, "metadata %zu: a key is required", i);
        if (!yyjson_mut_arr_append(list, metadata_expression(c->doc, &o->metadata[i])))
            return ac_error_set(err, AC_ERR_INVALID, "metadata %zu: not UTF-8, or out of memory", i);
    }
    return AC_OK;
}

/* Put options into a call of ListEvents. */
static ac_status add_options(memory_call *c, const ac_memory_list_options *o, ac_error *err)
{
    if (c->broken)
        return memory_exhausted(err);
    if (!o)
        return AC_OK;
    if (o->include_parents && !o->branch)
        return ac_error_set(err, AC_ERR_INVALID, "include_parents is given without a branch");
    if (o->without_payloads)
        memory_call_add(c, "includePayloads", yyjson_mut_false(c->doc));
    yyjson_mut_val *filter = yyjson_mut_obj(c->doc);
    if (!filter || !add_branch_filter(c, filter, o))
        return memory_exhausted(err);
    AC_TRY(add_metadata_filter(c, filter, o, err));
    if (yyjson_mut_obj_size(filter))
        memory_call_add(c, "filter", filter);
    return AC_OK;
}

ac_status memory_each_event(const ac_memory_session *session, const ac_memory_list_options *options,
                            memory_event_taker take, void *user, ac_error *err)
{
    _cleanup_(memory_call_done) memory_call c = memory_call_in(session, "ListEvents");
    bool main_alone = options && options->branch && is_main_line(options->branch), done = false;
    size_t left = options && options->results_max ? options->results_max : SIZE_MAX;
    memory_pages pages = memory_pages_of(&c, "events", main_alone ? SIZE_MAX : left);

    AC_TRY(add_options(&c, options, err));
    while (!done && left) {
        _cleanup_(yyjson_doc_freep) yyjson_doc *page = NULL;
        yyjson_val *events = NULL, *event;
        size_t i, n;

        AC_TRY(memory_pages_next(&pages, &page, &events, err));
        if (!page)
            return AC_OK;
        yyjson_arr_foreach(events, i, n, event)
        {
            if (main_alone && !memory_event_is_main(event))
                continue;
            AC_TRY(take(event, user, &done, err));
            if (done || --left == 0)
                break;
        }
    }
    return AC_OK;
}

static ac_status keep_event(yyjson_val *event, void *user, bool *ret_done, ac_error *err)
{
    yyjson_mut_doc *list = user;

    *ret_done = false;
    return yyjson_mut_arr_append(yyjson_mut_doc_get_root(list), yyjson_val_mut_copy(list, event))
               ? AC_OK
               : memory_exhausted(err);
}

ac_status ac_memory_list_events(ac_memory_session *session, const ac_memory_list_options *options,
                                yyjson_doc **ret_events, ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *list = memory_new_list();
    ac_memory_list_options o = options ? *options : (ac_memory_list_options){0};

    *ret_events = NULL;
    if (!list)
        return memory_exhausted(err);
    if (!o.results_max)
        o.results_max = MEMORY_RESULTS_DEFAULT;
    AC_TRY(memory_each_event(session, &o, keep_event, list, err));
    return memory_finish(list, ret_events, err);
}

/* ---- turns ---- */

typedef struct turns {
    yyjson_mut_doc *doc;
    yyjson_mut_val *turn; /* the one that grows; the last of the list */
    size_t wanted;
    bool enough;
} turns;

/* What the user says begins a turn, unless nothing has been said yet. */
static ac_status take_message(turns *t, yyjson_val *said, ac_error *err)
{
    yyjson_mut_val *list = yyjson_mut_doc_get_root(t->doc);

    if (!t->turn || strcmp(ac_json_string(said, "role", ""), "USER") == 0) {
        t->enough = yyjson_mut_arr_size(list) == t->wanted;
        if (t->enough)
            return AC_OK;
        t->turn = yyjson_mut_arr_add_arr(t->doc, list);
    }
    return yyjson_mut_arr_append(t->turn, yyjson_val_mut_copy(t->doc, said)) ? AC_OK : memory_exhausted(err);
}

static ac_status take_event(yyjson_val *event, void *user, bool *ret_done, ac_error *err)
{
    turns *t = user;
    yyjson_val *item;
    size_t i, n;

    yyjson_arr_foreach(yyjson_obj_get(event, "payload"), i, n, item)
    {
        yyjson_val *said = yyjson_obj_get(item, "conversational");

        if (said)
            AC_TRY(take_message(t, said, err));
        if (t->enough)
            break;
    }
    *ret_done = t->enough;
    return AC_OK;
}

ac_status ac_memory_last_turns(ac_memory_session *session, size_t k, const ac_memory_list_options *options,
                               yyjson_doc **ret_turns, ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = memory_new_list();
    turns t = {.doc = doc, .wanted = k};

    *ret_turns = NULL;
    if (!doc)
        return memory_exhausted(err);
    if (options && options->without_payloads)
        return ac_error_set(err, AC_ERR_INVALID, "turns are in the payloads");
    if (k)
        AC_TRY(memory_each_event(session, options, take_event, &t, err));
    return memory_finish(doc, ret_turns, err);
}

/* ---- branches ---- */

static yyjson_mut_val *find_branch(yyjson_mut_val *list, const char *name)
{
    yyjson_mut_val *branch;
    size_t i, n;

    yyjson_mut_arr_foreach(list, i, n, branch)
    {
        if (yyjson_mut_equals_str(yyjson_mut_obj_get(branch, "name"), name))
            return branch;
    }
    return NULL;
}

static yyjson_mut_val *add_new_branch(yyjson_mut_doc *doc, const char *name)
{
    yyjson_mut_val *list = yyjson_mut_doc_get_root(doc);
    yyjson_mut_val *branch = ac_json_pack(doc, "{s:s, s:n, s:s, s:i, s:i}", "name", name, "rootEventId", "firstEventId",
                                          "", "eventCount", 0, "created", 0);
    bool is_main = strcmp(name, MEMORY_MAIN_BRANCH) == 0;

    if (!branch || !(is_main ? yyjson_mut_arr_prepend(list, branch) : yyjson_mut_arr_append(list, branch)))
        return NULL;
    return branch;
}

/* Put a text in the place of another.  To put a value that there was no memory for would only take away what is
 * there. */
static bool put_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, const char *text)
{
    yyjson_mut_val *value = yyjson_mut_strcpy(doc, text);

    return value && yyjson_mut_obj_put(object, yyjson_mut_str(doc, key), value);
}

ac_status memory_count_event(yyjson_val *event, void *user, bool *ret_done, ac_error *err)
{
    yyjson_mut_doc *doc = user;
    yyjson_val *of = yyjson_obj_get(event, "branch");
    const char *name = ac_json_string(of, "name", MEMORY_MAIN_BRANCH);
    const char *root = ac_json_string(of, "rootEventId", NULL);
    yyjson_mut_val *branch = find_branch(yyjson_mut_doc_get_root(doc), name);

    *ret_done = false;
    if (!branch)
        branch = add_new_branch(doc, name);
    if (!branch)
        return memory_exhausted(err);
    yyjson_mut_val *count = yyjson_mut_obj_get(branch, "eventCount");
    yyjson_mut_set_uint(count, yyjson_mut_get_uint(count) + 1);
    yyjson_mut_set_sint(yyjson_mut_obj_get(branch, "created"), ac_json_int(event, "eventTimestamp", 0));
    return put_text(doc, branch, "firstEventId", ac_json_string(event, "eventId", "")) &&
                   (!root || put_text(doc, branch, "rootEventId", root))
               ? AC_OK
               : memory_exhausted(err);
}

ac_status ac_memory_list_branches(ac_memory_session *session, yyjson_doc **ret_branches, ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *list = memory_new_list();
    const ac_memory_list_options all = {.without_payloads = true};

    *ret_branches = NULL;
    if (!list)
        return memory_exhausted(err);
    AC_TRY(memory_each_event(session, &all, memory_count_event, list, err));
    return memory_finish(list, ret_branches, err);
}

/* ---- one event ---- */

ac_status ac_memory_get_event(ac_memory_session *session, const char *event_id, yyjson_doc **ret_event, ac_error *err)
{
    _cleanup_(memory_call_done) memory_call c = memory_call_in(session, "GetEvent");

    memory_call_text(&c, "eventId", event_id);
    return memory_call_run_for(&c, "event", ret_event, err);
}

ac_status ac_memory_delete_event(ac_memory_session *session, const char *event_id, ac_error *err)
{
    _cleanup_(memory_call_done) memory_call c = memory_call_in(session, "DeleteEvent");

    memory_call_text(&c, "eventId", event_id);
    return memory_call_run(&c, NULL, err);
}

/* ---- who, and which conversations ---- */

ac_status ac_memory_list_actors(ac_client *client, const char *memory_id, size_t results_max, yyjson_doc **ret_actors,
                                ac_error *err)
{
    _cleanup_(memory_call_done) memory_call c = memory_call_begin(client, "ListActors", memory_id);

    return memory_collect(&c, "actorSummaries", results_max, ret_actors, err);
}

ac_status ac_memory_list_sessions(ac_client *client, const char *memory_id, const char *actor_id, size_t results_max,
                                  yyjson_doc **ret_sessions, ac_error *err)
{
    _cleanup_(memory_call_done) memory_call c = memory_call_begin(client, "ListSessions", memory_id);

    memory_call_text(&c, "actorId", actor_id);
    return memory_collect(&c, "sessionSummaries", results_max, ret_sessions, err);
}
