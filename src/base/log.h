/* log.h - log lines from inside the library: whose request it is, failures, and lines that leave in batches. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <agentcore/log.h>

/* Which request the calling thread serves from now on; NULL for none.  Borrowed: clear them before they go away. */
void log_set_ids(const char *request_id, const char *session_id);

/* What was set, so that work started for this request can carry copies along.  Either may be NULL. */
void log_get_ids(const char **ret_request_id, const char **ret_session_id);

/* Write a message of level ERROR which says what failed: error_type as a name ("AC_ERR_TIMEOUT", "ValueError"),
 * error_message as a sentence; each may be NULL.  file, func and line as in ac_log_write. */
void log_failure(const char *error_type, const char *error_message, const char *file, const char *func, int line,
                 const char *format, ...) AC_PRINTF(6, 7);

#define log_failure_here(error_type, error_message, ...)                                                               \
    log_failure(error_type, error_message, __FILE__, __func__, __LINE__, __VA_ARGS__)

/* What stands as `logger` in the lines of this process; static. */
void log_set_logger(const char *name);

/* A line of level INFO with members of the caller's behind the usual ones: JSON text that begins with a comma, as
 * ", \"status\": 200". */
void log_with_members(const char *message, const char *members);

/* From begin to end, lines of the calling thread are kept and leave together: when flush is called, and by themselves
 * when there are many.  An event loop flushes once per iteration, so that a line costs no system call of its own.
 * flush without begin does nothing; end flushes. */
void log_batch_begin(void);
void log_batch_flush(void);
void log_batch_end(void);

#endif
