/* room.c - identity joins the daemon. */
#include "daemon/identity/room.h"

#include "daemon/identity/workload_identities.h"

static const front_operation operations[] = {
    {API_CREATE_WORKLOAD_IDENTITY, create_workload_identity, NULL, true},
    {API_GET_WORKLOAD_IDENTITY, get_workload_identity, NULL, false},
    {API_UPDATE_WORKLOAD_IDENTITY, update_workload_identity, NULL, true},
    {API_DELETE_WORKLOAD_IDENTITY, delete_workload_identity, NULL, true},
    {API_LIST_WORKLOAD_IDENTITIES, list_workload_identities, NULL, false},
};

ac_status identity_register(front *f, store *s, ac_error *err)
{
    ac_status status = front_register(f, operations, ARRAY_SIZE(operations), s);

    return status == AC_OK ? AC_OK : ac_error_set(err, status, "its operations are served by another room");
}

static ac_status start(agentcored *d, void **ret_room, ac_error *err)
{
    (void)ret_room;
    return identity_register(d->front, d->store, err);
}

const daemon_room identity_room = {"identity", start, NULL};
