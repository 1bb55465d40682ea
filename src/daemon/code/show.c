/* show.c - GetCodeInterpreterSession, ListCodeInterpreterSessions, StopCodeInterpreterSession. */
#include "daemon/code/code.h"

#include "base/clock.h"
#include "daemon/front/peer.h"
#include "daemon/resources/document.h"
#include "daemon/resources/transact.h"

#include <string.h>

#define PAGE_DEFAULT 10

static const document_member shown_members[] = {
    {"codeInterpreterIdentifier", DOCUMENT_PARENT, NULL},
    {"sessionId", DOCUMENT_ID, NULL},
    {"name", DOCUMENT_BODY, NULL},
    {"createdAt", DOCUMENT_CREATED, NULL},
    {"sessionTimeoutSeconds", DOCUMENT_BODY, NULL},
    {"status", DOCUMENT_STATUS, NULL},
};
static const document_form shown = DOCUMENT_FORM(shown_members);

static const document_member listed_members[] = {
    {"codeInterpreterIdentifier", DOCUMENT_PARENT, NULL},
    {"sessionId", DOCUMENT_ID, NULL},
    {"name", DOCUMENT_BODY, NULL},
    {"status", DOCUMENT_STATUS, NULL},
    {"createdAt", DOCUMENT_CREATED, NULL},
    {"lastUpdatedAt", DOCUMENT_UPDATED, NULL},
};
static const document_form listed = DOCUMENT_FORM(listed_members);

static ac_status no_session(const char *id, ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOT_FOUND, "There is no session '%s'", id);
}

static ac_status find_row(store_tx *tx, front_call *call, const char *interpreter_id, const char *session_id,
                          resource *ret_row, ac_error *err)
{
    const resource_key key = code_row_key(call, interpreter_id, session_id);
    interpreter found;
    ac_status status;

    AC_TRY(interpreter_find(tx, call, interpreter_id, &found, err));
    status = resource_get(tx, &key, call->memory, ret_row, err);
    if (status == AC_ERR_NOT_FOUND)
        return no_session(session_id, err);
    AC_TRY(status);
    if (code_row_expired(ret_row, clock_unix_ms()))
        ret_row->status = CODE_TERMINATED;
    return AC_OK;
}

/* ---- get ---- */

static ac_status get_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    resource r;

    (void)arg;
    AC_TRY(find_row(tx, call, front_text(call, "codeInterpreterIdentifier"), front_text(call, "sessionId"), &r, err));
    AC_TRY(document_answer(call, &r, &shown, err));
    if (yyjson_mut_obj_get(call->output, "sessionTimeoutSeconds"))
        return AC_OK;
    return front_add_value(call, "sessionTimeoutSeconds", yyjson_mut_sint(call->doc, CODE_TIMEOUT_S_DEFAULT), err);
}

ac_status get_code_interpreter_session(front_call *call, ac_error *err)
{
    const code_room *room = call->room;

    return transact_read(room->store, call, get_in, NULL, err);
}

/* ---- list ---- */

/* Newest first.  A page is filled from as many pages of rows as it takes for the asked status. */
static ac_status list_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const char *wanted = front_text(call, "status"), *token = front_text(call, "nextToken");
    size_t limit = (size_t)MAX(front_int(call, "maxResults", PAGE_DEFAULT), 1), have = 0;
    const resource_key of = code_row_key(call, front_text(call, "codeInterpreterIdentifier"), NULL);
    yyjson_mut_val *items = yyjson_mut_arr(call->doc), *item;
    interpreter found;
    resource_page page;

    (void)arg;
    AC_TRY(interpreter_find(tx, call, of.parent, &found, err));
    do {
        AC_TRY(resource_list(tx, &of, true, limit - have, token, call->memory, &page, err));
        for (size_t i = 0; i < page.count; i++) {
            resource *r = &page.items[i];

            if (code_row_expired(r, clock_unix_ms()))
                r->status = CODE_TERMINATED;
            if (wanted && strcmp(wanted, r->status) != 0)
                continue;
            AC_TRY(document_object(call, r, &listed, &item, err));
            if (!yyjson_mut_arr_append(items, item))
                return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
            have++;
        }
        token = page.next_token;
    } while (token && have < limit);
    AC_TRY(front_add_value(call, "items", items, err));
    return token ? front_add_text(call, "nextToken", token, err) : AC_OK;
}

ac_status list_code_interpreter_sessions(front_call *call, ac_error *err)
{
    const code_room *room = call->room;

    return transact_read(room->store, call, list_in, NULL, err);
}

/* ---- stop ---- */

typedef struct missing {
    const char *interpreter_id, *session_id;
} missing;

static ac_status missing_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const missing *m = arg;
    resource r;

    AC_TRY(find_row(tx, call, m->interpreter_id, m->session_id, &r, err));
    /* READY, but not there: its end is being written down. */
    return ac_error_set(err, AC_ERR_CONFLICT, "Session '%s' is TERMINATED", m->session_id);
}

ac_status code_session_missing(front_call *call, const char *interpreter_id, const char *session_id, ac_error *err)
{
    missing m = {interpreter_id, session_id};
    const code_room *room = call->room;

    return transact_read(room->store, call, missing_in, &m, err);
}

static ac_status stopped_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const session_key *key = arg;

    (void)tx;
    AC_TRY(front_add_text(call, "codeInterpreterIdentifier", front_text(call, "codeInterpreterIdentifier"), err));
    AC_TRY(front_add_text(call, "sessionId", key->id, err));
    return front_add_time(call, "lastUpdatedAt", clock_unix_ms(), err);
}

/* The same stop with the same clientToken is answered again, though the session is over by then. */
static ac_status replay_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    (void)tx;
    (void)call;
    *(bool *)arg = true;
    return ac_error_set(err, AC_ERR_STATE, "it is not a replay");
}

ac_status stop_code_interpreter_session(front_call *call, ac_error *err)
{
    const char *interpreter_id = front_text(call, "codeInterpreterIdentifier"), *id = front_text(call, "sessionId");
    code_room *room = call->room;
    session_peer peer = {""};
    bool first = false;
    session_key key;
    ac_status status;

    AC_TRY(code_session_key(call, interpreter_id, id, &key, err));
    status = session_stop(room->sessions, &key, &peer, err);
    if (status == AC_ERR_AGAIN && peer.url[0] && !call->caller.passed_on)
        return front_pass_on(call, peer.url, err);
    if (status == AC_ERR_NOT_FOUND) {
        status = front_text(call, TRANSACT_TOKEN) ? transact_write(room->store, call, replay_in, &first, NULL) : status;
        return status == AC_OK && !first ? AC_OK : code_session_missing(call, interpreter_id, id, err);
    }
    AC_TRY(status);
    AC_TRY(code_session_terminate(room, &key, err));
    return transact_write(room->store, call, stopped_in, &key, err);
}
