/* room.h - the memory service: conversations kept, knowledge drawn from them, found again. */
#ifndef DAEMON_MEMORY_ROOM_H
#define DAEMON_MEMORY_ROOM_H

#include "daemon/daemon.h"

extern const daemon_room memory_room_row;

#endif
