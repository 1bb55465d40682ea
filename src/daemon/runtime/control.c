/* control.c - the room opens: its memory, its jobs, and the operations of the control plane. */
#include "daemon/runtime/control.h"

#include "daemon/runtime/room.h"

#include <stdlib.h>

static const front_operation operations[] = {
    {API_CREATE_AGENT_RUNTIME, create_agent_runtime, NULL, true},
    {API_GET_AGENT_RUNTIME, get_agent_runtime, NULL, false},
    {API_UPDATE_AGENT_RUNTIME, update_agent_runtime, NULL, true},
    {API_DELETE_AGENT_RUNTIME, delete_agent_runtime, NULL, true},
    {API_LIST_AGENT_RUNTIMES, list_agent_runtimes, NULL, false},
    {API_LIST_AGENT_RUNTIME_VERSIONS, list_agent_runtime_versions, NULL, false},
    {API_CREATE_AGENT_RUNTIME_ENDPOINT, create_agent_runtime_endpoint, NULL, true},
    {API_GET_AGENT_RUNTIME_ENDPOINT, get_agent_runtime_endpoint, NULL, false},
    {API_UPDATE_AGENT_RUNTIME_ENDPOINT, update_agent_runtime_endpoint, NULL, true},
    {API_DELETE_AGENT_RUNTIME_ENDPOINT, delete_agent_runtime_endpoint, NULL, true},
    {API_LIST_AGENT_RUNTIME_ENDPOINTS, list_agent_runtime_endpoints, NULL, false},
};

static ac_status join(runtime_room *room, ac_error *err)
{
    ac_status status = front_register(room->daemon->front, operations, ARRAY_SIZE(operations), room);

    if (status != AC_OK)
        return ac_error_set(err, status, "its operations are served by another room");
    return runtime_add_jobs(room, err);
}

ac_status runtime_open(agentcored *d, runtime_room **ret_room, ac_error *err)
{
    runtime_room *room = calloc(1, sizeof *room);
    ac_status status;

    if (!room)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    room->daemon = d;
    room->store = d->store;
    room->artifacts = d->artifacts;
    room->sessions = d->sessions;
    pthread_rwlock_init(&room->artifacts_lock, NULL);
    room->targets = runtime_targets_new(d->store);
    status = room->targets ? join(room, err) : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    if (status != AC_OK) {
        runtime_close(room);
        return status;
    }
    *ret_room = room;
    return AC_OK;
}

void runtime_close(runtime_room *room)
{
    runtime_targets_free(room->targets);
    pthread_rwlock_destroy(&room->artifacts_lock);
    free(room);
}
