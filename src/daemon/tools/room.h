/* room.h - tools: the browser that everybody has.
 *
 * Serves GetBrowser and ListBrowsers for aws.browser.v1. */
#ifndef DAEMON_TOOLS_ROOM_H
#define DAEMON_TOOLS_ROOM_H

#include "daemon/daemon.h"

extern const daemon_room tools_room;

/* Register the operations. */
ac_status tools_register(front *f, ac_error *err) AC_MUST_USE;

#endif
