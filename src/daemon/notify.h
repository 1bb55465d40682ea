/* notify.h - telling systemd how we are (sd_notify(3), without its library). */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

/* Send "READY=1" and the like to the socket that NOTIFY_SOCKET names.  Nothing happens without one; what fails there
 * is systemd's to notice, and is only logged. */
void notify_service_manager(const char *state);

#endif
