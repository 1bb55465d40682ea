/* room.h - what hangs on resources of every kind: tags and resource policies.
 *
 * Serves TagResource, UntagResource, ListTagsForResource, PutResourcePolicy, GetResourcePolicy and
 * DeleteResourcePolicy. */
#ifndef DAEMON_RESOURCES_ROOM_H
#define DAEMON_RESOURCES_ROOM_H

#include "daemon/daemon.h"

extern const daemon_room resources_room;

/* Register the operations; s is borrowed. */
ac_status resources_register(front *f, store *s, ac_error *err) AC_MUST_USE;

#endif
