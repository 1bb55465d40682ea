/* room.c - the runtime service joins the daemon, calls to agents and all. */
#include "daemon/runtime/room.h"

#include "daemon/runtime/runtime.h"

/* All of these may be called with a bearer token, where the runtime has a customJWTAuthorizer. */
static const front_operation operations[] = {
    {API_INVOKE_AGENT_RUNTIME, invoke_agent_runtime, runtime_authorize, false},
    {API_INVOKE_AGENT_RUNTIME_WITH_WEB_SOCKET_STREAM, connect_agent_runtime, runtime_authorize, false},
    {API_INVOKE_AGENT_RUNTIME_COMMAND, invoke_agent_runtime_command, runtime_authorize, true},
    {API_STOP_RUNTIME_SESSION, stop_runtime_session, runtime_authorize, false},
    {API_GET_AGENT_CARD, get_agent_card, runtime_authorize, false},
};

static ac_status start(agentcored *d, void **ret_room, ac_error *err)
{
    runtime_room *room;
    ac_status status;

    AC_TRY(runtime_open(d, &room, err));
    *ret_room = room;
    status = front_register(d->front, operations, ARRAY_SIZE(operations), room);
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "its operations are served by another room");
}

static void stop(void *room)
{
    if (room)
        runtime_close(room);
}

const daemon_room runtime_room_row = {"runtime", start, stop};
