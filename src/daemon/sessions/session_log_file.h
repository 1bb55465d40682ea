/* session_log_file.h - a log file that is rotated and shared by name; between session_log.c and session_log_file.c. */
#ifndef DAEMON_SESSIONS_SESSION_LOG_FILE_H
#define DAEMON_SESSIONS_SESSION_LOG_FILE_H

#include "daemon/sessions/session_log.h"

#include <stdint.h>

typedef struct log_file log_file;

/* Share or open DIRECTORY/name.log; the directories on the way are made.  NULL: out of memory.  A file that cannot be
 * opened is tried again with each write. */
log_file *log_file_get(session_logs *logs, const char *name);
void log_file_put(log_file *file);

/* Append whole lines, all of them or none.  Any thread. */
void log_file_append(log_file *file, const char *lines, size_t length);

#endif
