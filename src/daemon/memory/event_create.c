/* event_create.c - CreateEvent: durable before the answer, and one statement when nothing is unusual.
 *
 * That statement adds the event only if the session is known, the memory is still the one we know, and the clientToken
 * is new.  When it adds nothing, the reasons are looked for one after the other, in the same transaction.  The jobs
 * that draw knowledge from the event are queued in that transaction too, so an event that is acknowledged is never
 * forgotten by them either.
 *
 * On PostgreSQL, transactions that write extractable events of one session take turns: ids are drawn and committed in
 * one order then, and a strategy that has come to an id has seen all below it. */
#include "daemon/memory/events.h"

#include "base/clock.h"
#include "base/uuid.h"
#include "daemon/memory/extraction.h"
#include "daemon/resources/canonical.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define TOKEN_BYTES 16 /* of a hash */
#define LOCK_SIZE 512

typedef struct creation {
    memory_room *room;
    front_call *call;
    const memory_definition *definition;
    event_names names;
    bool session_given;
    event_row row; /* to be added; or that which the token had added before */
    int64_t session;
    bool said; /* something in it may be extracted */
    bool replay;
    buf payload;
    unsigned char token[TOKEN_BYTES];
    bool has_token;
} creation;

static void creation_done(creation *c)
{
    memory_definition_unref(c->definition);
    buf_done(&c->payload);
}

/* ---- from the input ---- */

static ac_status append_item(creation *c, yyjson_mut_val *item, ac_error *err)
{
    size_t before = c->payload.length;
    ac_status status = AC_OK;

    if (before > 1)
        status = buf_append(&c->payload, ",", 1);
    if (status == AC_OK)
        status = json_write(&c->payload, item, JSON_COMPACT, NULL);
    if (status == AC_ERR_TOO_LARGE ||
        (status == AC_OK && yyjson_mut_obj_get(item, "blob") && c->payload.length - before > EVENT_BLOB_BYTES_MAX))
        return ac_error_set(err, AC_ERR_INVALID, "A payload is too large: a blob may have %zu bytes, all together %zu",
                            EVENT_BLOB_BYTES_MAX, EVENT_PAYLOAD_BYTES_MAX);
    if (yyjson_mut_obj_get(item, "conversational"))
        c->said = true;
    return status == AC_OK ? AC_OK : memory_no_memory(err);
}

static ac_status read_payload(creation *c, ac_error *err)
{
    yyjson_mut_val *item;
    yyjson_mut_arr_iter walk;

    c->payload = BUF_INIT(EVENT_PAYLOAD_BYTES_MAX);
    if (buf_append(&c->payload, "[", 1) != AC_OK)
        return memory_no_memory(err);
    yyjson_mut_arr_iter_init(front_value(c->call, "payload"), &walk);
    while ((item = yyjson_mut_arr_iter_next(&walk)) != NULL)
        AC_TRY(append_item(c, item, err));
    if (buf_append(&c->payload, "]", 1) != AC_OK)
        return memory_no_memory(err);
    c->row.payload = c->payload.data;
    c->row.payload_length = c->payload.length;
    return AC_OK;
}

static ac_status hash_token(creation *c, ac_error *err)
{
    const char *token = front_text(c->call, "clientToken");
    unsigned char hash[EVP_MAX_MD_SIZE];
    char *text;

    if (!token || !*token)
        return AC_OK;
    text = arena_format(c->call->memory, "%s %s", c->call->caller.account, token);
    if (!text)
        return memory_no_memory(err);
    if (!EVP_Digest(text, strlen(text), hash, NULL, EVP_sha256(), NULL))
        return ac_error_set(err, AC_ERR_INTERNAL, "a token cannot be hashed");
    memcpy(c->token, hash, TOKEN_BYTES);
    c->has_token = true;
    return AC_OK;
}

static ac_status read_session(creation *c, ac_error *err)
{
    c->names.session = front_text(c->call, "sessionId");
    c->session_given = c->names.session != NULL;
    if (c->session_given)
        return AC_OK;
    char *made = arena_alloc(c->call->memory, UUID_SIZE);
    if (!made)
        return memory_no_memory(err);
    uuid_v4(made);
    c->names.session = made;
    return AC_OK;
}

static ac_status read_input(creation *c, ac_error *err)
{
    front_call *call = c->call;
    yyjson_mut_val *branch = front_value(call, "branch"), *metadata = front_value(call, "metadata");

    AC_TRY(memory_id_of(call, &c->names.memory, err));
    c->names.actor = front_text(call, "actorId");
    AC_TRY(read_session(c, err));
    c->row.at_ms = front_int(call, "eventTimestamp", -1);
    AC_TRY(memory_check_time(c->row.at_ms, "eventTimestamp", err));
    c->row.branch = yyjson_mut_get_str(yyjson_mut_obj_get(branch, "name"));
    c->row.root = yyjson_mut_get_str(yyjson_mut_obj_get(branch, "rootEventId"));
    if (yyjson_mut_obj_size(metadata) > 0)
        AC_TRY(memory_json_text(metadata, EVENT_METADATA_BYTES_MAX, call->memory, &c->row.metadata,
                                &c->row.metadata_length, err));
    AC_TRY(read_payload(c, err));
    if (front_text(call, "extractionMode"))
        c->said = false;
    return hash_token(c, err);
}

/* ---- branches ---- */

static ac_status bad_root(creation *c, ac_error *err)
{
    c->call->reason = "EventInOtherSession";
    return ac_error_set(err, AC_ERR_INVALID, "branch.rootEventId is not the id of an event in this session");
}

/* The first event of a branch says where it left its parent.  The main line has left nothing. */
static ac_status join_branch(store_tx *tx, creation *c, ac_error *err)
{
    static const char text[] =
        "INSERT INTO memory_branches (session, name, root_ms, root, parent) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (session, name) DO UPDATE SET root_ms = excluded.root_ms, root = excluded.root,"
        " parent = excluded.parent WHERE memory_branches.root IS NULL AND excluded.root IS NOT NULL";
    bool rooted = c->row.root != NULL;
    event_row root = {0};

    if (rooted) {
        ac_status status = event_get(tx, c->session, c->row.root, c->call->memory, &root, err);

        if (status == AC_ERR_NOT_FOUND)
            return bad_root(c, err);
        AC_TRY(status);
    }
    if (strcmp(c->row.branch, EVENT_MAIN) == 0)
        return AC_OK;
    return sql_run(tx, text,
                   SQL_VALUES(sql_int(c->session), sql_text(c->row.branch), rooted ? sql_int(root.at_ms) : sql_null(),
                              rooted ? sql_int(root.id) : sql_null(), sql_text(root.branch)),
                   NULL, err);
}

/* ---- the statement ---- */

static bool extractable(const creation *c)
{
    return c->said && c->definition->strategy_count > 0;
}

static ac_status insert(store_tx *tx, creation *c, bool *ret_added, ac_error *err)
{
    static const char text[] =
        "INSERT INTO memory_events"
        " (session, at_ms, created_ms, expires_ms, token, branch, root, metadata, extractable, payload)"
        " SELECT s.id, $6 /*pg ::bigint */, $7 /*pg ::bigint */, $8 /*pg ::bigint */, $9 /*pg ::bytea */,"
        " $10 /*pg ::text */, $11 /*pg ::text */, $12 /*pg ::text */, $13 /*pg ::bigint */, $14 /*pg ::bytea */"
        " FROM memory_sessions s, resources r"
        " WHERE s.memory = $1 AND s.actor = $2 AND s.session = $3"
        " AND r.scope = $4 AND r.kind = '" KIND_MEMORY "' AND r.parent = '' AND r.id = $1 AND r.version = $5"
        " /*pg FOR KEY SHARE OF s */ ON CONFLICT DO NOTHING RETURNING id, session";
    _cleanup_(sql_done) sql_rows rows = {0};
    int64_t now = clock_unix_ms();

    AC_TRY(sql_query(tx, text,
                     SQL_VALUES(sql_text(c->names.memory), sql_text(c->names.actor), sql_text(c->names.session),
                                sql_text(c->definition->account), sql_int(c->definition->version),
                                sql_int(c->row.at_ms), sql_int(now), sql_int(now + c->definition->expiry_ms),
                                c->has_token ? sql_blob(c->token, TOKEN_BYTES) : sql_null(), sql_text(c->row.branch),
                                sql_text(c->row.root), sql_text_n(c->row.metadata, c->row.metadata_length),
                                sql_int(extractable(c)), sql_blob(c->payload.data, c->payload.length)),
                     &rows, err));
    AC_TRY(sql_next(&rows, ret_added, err));
    if (*ret_added) {
        c->row.id = sql_get_int(&rows, 0);
        c->session = sql_get_int(&rows, 1);
    }
    return AC_OK;
}

/* ---- why it added nothing ---- */

static ac_status mismatch(creation *c, ac_error *err)
{
    c->call->reason = "IdempotentParameterMismatchException";
    return ac_error_set(err, AC_ERR_INVALID, "The clientToken was used before, with other parameters");
}

/* Whether stored JSON is the same value as one of the input. */
static ac_status same_json(creation *c, yyjson_mut_val *given, const char *stored, size_t length, bool *ret_same,
                           ac_error *err)
{
    _cleanup_(buf_done) buf one = BUF_INIT(EVENT_PAYLOAD_BYTES_MAX), other = BUF_INIT(EVENT_PAYLOAD_BYTES_MAX);
    yyjson_mut_val *value;

    if (yyjson_mut_obj_size(given) == 0 && !yyjson_mut_is_arr(given)) {
        *ret_same = !stored;
        return AC_OK;
    }
    *ret_same = false;
    if (!stored)
        return AC_OK;
    AC_TRY(memory_json_value(c->call->doc, stored, length, &value, err));
    if (canonical_write(&one, given, NULL) != AC_OK || canonical_write(&other, value, NULL) != AC_OK)
        return memory_no_memory(err);
    *ret_same = one.length == other.length && memcmp(one.data, other.data, one.length) == 0;
    return AC_OK;
}

static bool same_text(const char *one, const char *other)
{
    return one && other ? strcmp(one, other) == 0 : one == other;
}

typedef struct first_time {
    event_names names;
    event_row row;
} first_time;

static ac_status find_first(store_tx *tx, creation *c, first_time *f, bool *ret_found, ac_error *err)
{
    static const char text[] =
        "SELECT e.id, e.at_ms, e.branch, e.root, e.metadata, e.payload, s.memory, s.actor, s.session"
        " FROM memory_events e JOIN memory_sessions s ON s.id = e.session WHERE e.token = $1";
    _cleanup_(sql_done) sql_rows rows = {0};
    arena *memory = c->call->memory;

    AC_TRY(sql_query(tx, text, SQL_VALUES(sql_blob(c->token, TOKEN_BYTES)), &rows, err));
    AC_TRY(sql_next(&rows, ret_found, err));
    if (!*ret_found)
        return AC_OK;
    f->row = (event_row){.id = sql_get_int(&rows, 0), .at_ms = sql_get_int(&rows, 1)};
    AC_TRY(sql_copy(&rows, 2, memory, &f->row.branch, NULL, err));
    AC_TRY(sql_copy(&rows, 3, memory, &f->row.root, NULL, err));
    AC_TRY(sql_copy(&rows, 4, memory, &f->row.metadata, &f->row.metadata_length, err));
    AC_TRY(sql_copy(&rows, 5, memory, &f->row.payload, &f->row.payload_length, err));
    AC_TRY(sql_copy(&rows, 6, memory, &f->names.memory, NULL, err));
    AC_TRY(sql_copy(&rows, 7, memory, &f->names.actor, NULL, err));
    return sql_copy(&rows, 8, memory, &f->names.session, NULL, err);
}

/* The token has been here before: its event is the answer, if that was the same request. */
static ac_status look_for_token(store_tx *tx, creation *c, ac_error *err)
{
    bool same_payload, same_metadata;
    first_time f = {0};

    if (!c->has_token)
        return AC_OK;
    AC_TRY(find_first(tx, c, &f, &c->replay, err));
    if (!c->replay)
        return AC_OK;
    AC_TRY(same_json(c, front_value(c->call, "payload"), f.row.payload, f.row.payload_length, &same_payload, err));
    AC_TRY(same_json(c, front_value(c->call, "metadata"), f.row.metadata, f.row.metadata_length, &same_metadata, err));
    if (!same_payload || !same_metadata || strcmp(f.names.memory, c->names.memory) != 0 ||
        strcmp(f.names.actor, c->names.actor) != 0 ||
        (c->session_given && strcmp(f.names.session, c->names.session) != 0) || f.row.at_ms != c->row.at_ms ||
        !same_text(f.row.branch, c->row.branch) || !same_text(f.row.root, c->row.root))
        return mismatch(c, err);
    c->names = f.names;
    c->row = f.row;
    return AC_OK;
}

/* The memory as it is now. */
static ac_status renew_definition(store_tx *tx, creation *c, ac_error *err)
{
    memory_definition_unref(TAKE_PTR(c->definition));
    AC_TRY(
        memory_definition_get(tx, c->room->definitions, c->call->caller.account, c->names.memory, &c->definition, err));
    return memory_definition_check_ready(c->definition, err);
}

static ac_status make_session(store_tx *tx, const creation *c, ac_error *err)
{
    static const char text[] = "INSERT INTO memory_sessions (memory, actor, session, created_ms)"
                               " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";

    return sql_run(tx, text,
                   SQL_VALUES(sql_text(c->names.memory), sql_text(c->names.actor), sql_text(c->names.session),
                              sql_int(clock_unix_ms())),
                   NULL, err);
}

/* ---- all of it ---- */

static ac_status take_turn(store_tx *tx, const creation *c, ac_error *err)
{
    char name[LOCK_SIZE];

    if (!extractable(c))
        return AC_OK;
    snprintf(name, sizeof name, "memory-session %s %s %s", c->names.memory, c->names.actor, c->names.session);
    return store_lock(tx, name, err);
}

static ac_status add_slowly(store_tx *tx, creation *c, ac_error *err)
{
    bool added;

    AC_TRY(renew_definition(tx, c, err));
    AC_TRY(look_for_token(tx, c, err));
    if (c->replay)
        return AC_OK;
    AC_TRY(make_session(tx, c, err));
    if (c->row.branch) {
        AC_TRY(event_session(tx, c->names.memory, c->names.actor, c->names.session, &c->session, err));
        AC_TRY(join_branch(tx, c, err));
    }
    AC_TRY(take_turn(tx, c, err));
    AC_TRY(insert(tx, c, &added, err));
    if (added)
        return AC_OK;
    AC_TRY(look_for_token(tx, c, err)); /* by somebody else at the same time */
    if (c->replay)
        return AC_OK;
    ac_error_set(err, AC_ERR_CONFLICT, "The memory was changed at the same time");
    return memory_fail_as(AC_ERR_CONFLICT, "RetryableConflictException", err);
}

static ac_status create_in(store_tx *tx, void *arg, ac_error *err)
{
    creation *c = arg;
    bool added = false;

    c->replay = false;
    c->call->reason = NULL;
    if (c->definition && !c->row.branch && memory_definition_check_ready(c->definition, NULL) == AC_OK) {
        AC_TRY(take_turn(tx, c, err));
        AC_TRY(insert(tx, c, &added, err));
    }
    if (!added)
        AC_TRY(add_slowly(tx, c, err));
    if (c->replay || !extractable(c))
        return AC_OK;
    return extraction_queue(tx, c->definition, c->session, err);
}

/* The payload is that of the input, moved: nothing else is going to look at that. */
static ac_status answer(creation *c, ac_error *err)
{
    yyjson_mut_val *payload = c->replay ? NULL : yyjson_mut_obj_remove_key(c->call->input, "payload"), *object;

    AC_TRY(event_show(c->call->doc, &c->names, &c->row, payload, &object, err));
    return front_add_value(c->call, "event", object, err);
}

ac_status create_event(front_call *call, ac_error *err)
{
    _cleanup_(creation_done) creation c = {.room = call->room, .call = call};

    AC_TRY(read_input(&c, err));
    if (c.row.root && !c.row.branch)
        return bad_root(&c, err);
    c.definition = memory_definition_recall(c.room->definitions, call->caller.account, c.names.memory);
    AC_TRY(store_write(c.room->store, create_in, &c, err));
    return answer(&c, err);
}
