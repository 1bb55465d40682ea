/* room.h - identity: who agents are.
 *
 * Serves CreateWorkloadIdentity, GetWorkloadIdentity, UpdateWorkloadIdentity, DeleteWorkloadIdentity and
 * ListWorkloadIdentities. */
#ifndef DAEMON_IDENTITY_ROOM_H
#define DAEMON_IDENTITY_ROOM_H

#include "daemon/daemon.h"

extern const daemon_room identity_room;

/* Register the operations; s is borrowed. */
ac_status identity_register(front *f, store *s, ac_error *err) AC_MUST_USE;

#endif
