/* room.h - the code interpreter joins the daemon. */
#ifndef DAEMON_CODE_ROOM_H
#define DAEMON_CODE_ROOM_H

#include "daemon/daemon.h"

extern const daemon_room code_room_row;

#endif
