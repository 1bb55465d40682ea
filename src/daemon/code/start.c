/* start.c - StartCodeInterpreterSession.
 *
 * First the sandbox, then the row: what Start answers with is ready.  When the clientToken turns out to have been used,
 * the answer is the first one's, and the sandbox that was started for nothing is ended. */
#include "daemon/code/code.h"

#include "base/clock.h"
#include "base/uuid.h"
#include "daemon/resources/document.h"
#include "daemon/resources/transact.h"

#include <string.h>

static const char *const kept[] = {"name", "sessionTimeoutSeconds"};

typedef struct starting {
    code_room *room;
    const char *interpreter_id;
    interpreter interpreter;
    const char *session_id;
    session *session; /* in use */
    bool written;     /* the row is this session's: no replay */
    bool answer;      /* the call is Start, whose output this fills */
} starting;

/* 32 digits and letters. */
static ac_status make_session_id(arena *memory, const char **ret_id, ac_error *err)
{
    char uuid[UUID_SIZE], *id = arena_alloc(memory, UUID_SIZE), *at = id;

    if (!id)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    uuid_v4(uuid);
    for (const char *from = uuid; *from; from++)
        if (*from != '-')
            *at++ = *from;
    *at = '\0';
    *ret_id = id;
    return AC_OK;
}

static ac_status find_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    starting *s = arg;

    return interpreter_find(tx, call, s->interpreter_id, &s->interpreter, err);
}

static ac_status acquire(front_call *call, starting *s, ac_error *err)
{
    code_plan_request plan = {
        .room = s->room,
        .interpreter = &s->interpreter,
        .timeout_s = (unsigned)front_int(call, "sessionTimeoutSeconds", CODE_TIMEOUT_S_DEFAULT),
    };
    const session_request request = {
        .key = {CODE_SESSION_KIND, s->interpreter.owner, s->session_id},
        .prepare = code_plan,
        .user = &plan,
        .stay_here = true, /* nobody else can have it */
    };
    ac_status status = session_acquire(s->room->sessions, &request, &s->session, NULL, err);

    if (status == AC_ERR_CLOSED || status == AC_ERR_TIMEOUT)
        return ac_error_set(err, AC_ERR_INTERNAL, "The session did not start: %s",
                            err && err->message[0] ? err->message : ac_status_text(status));
    return status;
}

static ac_status write_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    starting *s = arg;
    resource r = {
        .key = code_row_key(call, s->interpreter.id, s->session_id),
        .status = CODE_READY,
        .created_ms = session_created_ms(s->session),
    };
    interpreter still;

    s->written = true;
    /* It may have been deleted while the sandbox started, and all its sessions with it, but this one. */
    AC_TRY(interpreter_find(tx, call, s->interpreter_id, &still, err));
    AC_TRY(document_body(call, kept, ARRAY_SIZE(kept), &r.body, err));
    AC_TRY(resource_create(tx, &r, err));
    if (!s->answer)
        return AC_OK;
    AC_TRY(front_add_text(call, "codeInterpreterIdentifier", s->interpreter.id, err));
    AC_TRY(front_add_text(call, "sessionId", s->session_id, err));
    return front_add_time(call, "createdAt", r.created_ms, err);
}

/* End what was started for nothing. */
static void give_back(starting *s)
{
    const session_key key = {CODE_SESSION_KIND, s->interpreter.owner, s->session_id};

    session_release(TAKE_PTR(s->session));
    if (session_stop(s->room->sessions, &key, NULL, NULL) != AC_OK)
        return; /* it has ended by itself */
}

static ac_status start(front_call *call, starting *s, ac_error *err)
{
    char reason[SESSION_REASON_SIZE];
    ac_status status;

    if (yyjson_mut_arr_size(front_value(call, "filesystemConfigurations")) > 0 ||
        yyjson_mut_arr_size(front_value(call, "certificates")) > 0)
        return ac_error_set(err, AC_ERR_INVALID,
                            "filesystemConfigurations, certificates: there is no AWS here to get them from");
    AC_TRY(transact_read(s->room->store, call, find_in, s, err));
    AC_TRY(make_session_id(call->memory, &s->session_id, err));
    AC_TRY(acquire(call, s, err));
    status = transact_write(s->room->store, call, write_in, s, err);
    if (status != AC_OK || !s->written) {
        give_back(s);
        return status;
    }
    /* One that has ended before its row was there has not been written down. */
    session_over_reason(s->session, 0, reason);
    if (reason[0])
        code_session_over(&(session_key){CODE_SESSION_KIND, s->interpreter.owner, s->session_id}, reason, s->room);
    return AC_OK;
}

ac_status code_session_start(front_call *call, const char *interpreter_id, session **ret_session,
                             const char **ret_session_id, ac_error *err)
{
    starting s = {.room = call->room, .interpreter_id = interpreter_id};

    AC_TRY(start(call, &s, err));
    *ret_session = s.session;
    *ret_session_id = s.session_id;
    return AC_OK;
}

ac_status start_code_interpreter_session(front_call *call, ac_error *err)
{
    starting s = {.room = call->room, .interpreter_id = front_text(call, "codeInterpreterIdentifier"), .answer = true};
    ac_status status = start(call, &s, err);

    session_release(s.session);
    return status;
}
