/* rooms.c - the table of rooms that agentcored consists of.  To add one: a row, and its header above. */
#include "daemon/code/room.h"
#include "daemon/daemon.h"
#include "daemon/identity/room.h"
#include "daemon/memory/room.h"
#include "daemon/resources/room.h"
#include "daemon/runtime/room.h"
#include "daemon/tools/room.h"

static const daemon_room *const rooms[] = {
    &resources_room, &identity_room, &tools_room, &runtime_room_row, &code_room_row, &memory_room_row, NULL,
};

_Static_assert(ARRAY_SIZE(rooms) <= DAEMON_ROOMS_MAX + 1, "there is a place for each room");

ac_status rooms_register(agentcored *d, ac_error *err)
{
    ac_error why = {.status = AC_OK};

    for (size_t i = 0; rooms[i]; i++) {
        ac_status status = rooms[i]->start(d, &d->rooms[i], &why);

        if (status != AC_OK)
            return ac_error_set(err, status, "%s does not start: %s", rooms[i]->name,
                                why.message[0] ? why.message : ac_status_text(status));
        d->rooms_started = i + 1;
    }
    return AC_OK;
}

void rooms_stop(agentcored *d)
{
    while (d->rooms_started > 0) {
        size_t i = --d->rooms_started;

        if (rooms[i]->stop)
            rooms[i]->stop(d->rooms[i]);
    }
}
