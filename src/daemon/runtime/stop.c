/* stop.c - StopRuntimeSession.
 *
 * A client that has had no answer sends the same request again, and there is no such session any more by then.  So the
 * answer is kept with its clientToken; what is not done in the transaction is the stop itself, which takes a while. */
#include "daemon/front/peer.h"
#include "daemon/resources/transact.h"
#include "daemon/runtime/invocation.h"

/* arg: the session that was stopped; NULL: none was yet. */
static ac_status answer(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    (void)tx;
    return arg ? front_add_text(call, "runtimeSessionId", arg, err) : AC_ERR_NOT_FOUND;
}

static ac_status end_session(front_call *call, const runtime_target *target, ac_error *err)
{
    runtime_room *room = call->room;
    const char *id = front_text(call, "runtimeSessionId");
    const session_key key = {.kind = RUNTIME_SESSION_KIND, .owner = target->owner, .id = id};
    session_peer peer = {""};
    ac_status status = session_stop(room->sessions, &key, &peer, err);

    if (status == AC_ERR_AGAIN && peer.url[0] && !call->caller.passed_on)
        return front_pass_on(call, peer.url, err);
    if (status == AC_ERR_NOT_FOUND)
        return ac_error_set(err, status, "Session %s was not found, or is already terminated", id);
    AC_TRY(status);
    if (!front_text(call, TRANSACT_TOKEN))
        return front_add_text(call, "runtimeSessionId", id, err);
    return transact_write(room->store, call, answer, (void *)id, err);
}

ac_status stop_runtime_session(front_call *call, ac_error *err)
{
    _cleanup_(runtime_target_unrefp) const runtime_target *target = NULL;
    runtime_room *room = call->room;

    AC_TRY(runtime_target_find(room, call, front_text(call, "agentRuntimeArn"), front_text(call, "qualifier"), NULL,
                               &target, err));
    if (front_text(call, TRANSACT_TOKEN)) {
        ac_status status = transact_write(room->store, call, answer, NULL, err);

        if (status != AC_ERR_NOT_FOUND)
            return status; /* answered before, or the token was another request's */
    }
    return end_session(call, target, err);
}
