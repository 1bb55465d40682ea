/* stop.c - StopRuntimeSession. */
#include "daemon/front/peer.h"
#include "daemon/runtime/invocation.h"

ac_status stop_runtime_session(front_call *call, ac_error *err)
{
    _cleanup_(runtime_target_unrefp) const runtime_target *target = NULL;
    runtime_room *room = call->room;
    const char *id = front_text(call, "runtimeSessionId");
    session_key key = {.kind = RUNTIME_SESSION_KIND, .id = id};
    session_peer peer = {""};
    ac_status status;

    AC_TRY(runtime_target_find(room, call, front_text(call, "agentRuntimeArn"), front_text(call, "qualifier"), NULL,
                               &target, err));
    key.owner = target->owner;
    status = session_stop(room->sessions, &key, &peer, err);
    if (status == AC_ERR_AGAIN && peer.url[0] && !call->caller.passed_on)
        return front_pass_on(call, peer.url, err);
    if (status == AC_ERR_NOT_FOUND)
        return ac_error_set(err, status, "Session %s was not found, or is already terminated", id);
    AC_TRY(status);
    return front_add_text(call, "runtimeSessionId", id, err);
}
