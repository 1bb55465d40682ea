/* session_log_read.h - reading what session_log.h has written: the last lines, then what comes.
 *
 * From another process than the one that writes, if need be: nothing is shared but the files. */
#ifndef DAEMON_SESSIONS_SESSION_LOG_READ_H
#define DAEMON_SESSIONS_SESSION_LOG_READ_H

#include "base/util.h"

#include <stdbool.h>

#define SESSION_LOG_POLL_MS 200

/* A line in its parts, each with its length; the line's memory is gone after the call.  A line that is not of the usual
 * form is all text. */
typedef struct session_log_line {
    const char *line; /* without its newline */
    size_t length;
    const char *time, *session_id, *text;
    size_t time_length, session_id_length, text_length;
} session_log_line;

/* Zero means the default beside it. */
typedef struct session_log_query {
    const char *directory;  /* of logs: DATA/logs */
    const char *name;       /* as in session_plan.log_name */
    const char *session_id; /* only lines of this session; NULL: of all */
    size_t tail_lines;      /* so many at the end, of those; 0: all that are kept */
    bool follow;            /* go on with what is written later */
    unsigned poll_ms;       /* between looks; SESSION_LOG_POLL_MS */

    bool (*on_line)(const session_log_line *line, void *user); /* false: enough */
    bool (*on_wait)(void *user); /* before each wait while following; false: enough.  May be NULL */
    void *user;
} session_log_query;

/* Oldest first, rotated files included.  Returns when all is read or a callback has had enough.
 * AC_ERR_INVALID: the name; AC_ERR_NOT_FOUND: there is no such log (yet; following waits for it); AC_ERR_DENIED,
 * AC_ERR_IO, AC_ERR_NOMEM. */
ac_status session_log_read(const session_log_query *query, ac_error *err) AC_MUST_USE;

#endif
