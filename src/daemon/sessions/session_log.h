/* session_log.h - what sessions write, line by line, kept per runtime and rotated.
 *
 * DATA/logs/NAME.log holds lines "2026-01-02T03:04:05.678Z SESSION-ID text", newest last; when it is full it becomes
 * NAME.log.1, and so on; the oldest goes.  Control characters (but tab) are replaced, broken UTF-8 too, lines over
 * SESSION_LOG_LINE_MAX are cut into several.  One file may have several writers (sessions of one endpoint) inside one
 * daemon; they share it by name. */
#ifndef DAEMON_SESSIONS_SESSION_LOG_H
#define DAEMON_SESSIONS_SESSION_LOG_H

#include "base/buf.h"

#define SESSION_LOG_LINE_MAX 8192
#define SESSION_LOG_FILE_BYTES ((uint64_t)10 << 20)
#define SESSION_LOG_FILES 5       /* the current one and four older */
#define SESSION_LOG_TAIL_LINES 20 /* kept in memory for error messages */
#define SESSION_LOG_TAIL_BYTES 4096
#define SESSION_LOG_NAME_MAX 1024
#define SESSION_LOG_NO_SESSION "-" /* stands for the id of a session that has none yet */

typedef struct session_logs session_logs; /* the files that are open; any thread */
typedef struct session_log session_log;   /* one session's end of it; one thread at a time */

session_logs *session_logs_new(const char *directory); /* NULL: out of memory */
void session_logs_free(session_logs *logs);            /* all ends of it are free */

/* The same with files that are full at other sizes than SESSION_LOG_FILE_BYTES. */
session_logs *session_logs_new_sized(const char *directory, uint64_t file_bytes);

/* name as in session_plan.log_name, NULL: no file.  NULL: out of memory.  A name that is not made of words of letters,
 * digits, '.', '_' and '-', which do not begin with '.', is no file either, and the daemon's log says so. */
session_log *session_log_new(session_logs *logs, const char *name, const char *session_id);

/* Lines are this session's from now on. */
void session_log_assign(session_log *log, const char *session_id);

/* Bytes as they come from the sandbox; lines are put together here.  A full disk loses lines, and says so once in the
 * daemon's log. */
void session_log_write(session_log *log, const char *data, size_t length);

/* A line of the daemon's own about the session ("session started", "session ended: ..."). */
void session_log_note(session_log *log, const char *text);

/* The last lines of the program's output, at most SESSION_LOG_TAIL_BYTES, an unfinished one included; appended to
 * out. */
void session_log_tail(const session_log *log, buf *out);

/* Write what is left of an unfinished line, and free.  NULL is allowed. */
void session_log_free(session_log *log);

/* Whether name is one for a file: see session_log_new. */
bool session_log_name_valid(const char *name);

#endif
