/* log.h - JSON log lines on standard error, as AgentCore Runtime collects them.
 *
 * One line per message: timestamp (UTC, milliseconds), level, message, logger, then requestId and sessionId when the
 * calling thread is serving a request, and location for errors.  Logging never blocks the caller: a line that
 * standard error cannot take is dropped, and the next line that gets through says how many were.  Thread-safe.
 *
 *     ac_log_info("Received payload of %zu bytes", size);
 */
#ifndef AGENTCORE_LOG_H
#define AGENTCORE_LOG_H

#include <agentcore/macros.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ac_log_level {
    AC_LOG_DEFAULT = 0, /* in options: "take the default" (INFO; DEBUG for an app with debug on) */
    AC_LOG_DEBUG,
    AC_LOG_INFO,
    AC_LOG_WARNING,
    AC_LOG_ERROR,
    AC_LOG_OFF,
} ac_log_level;

/* Lowest level that is written, for the whole process.  Starts as AC_LOG_INFO.  AC_LOG_DEFAULT changes nothing. */
AC_API void ac_log_set_level(ac_log_level level);
AC_API ac_log_level ac_log_get_level(void);

/* Whether a message of this level would be written: ask before building an expensive message. */
AC_API bool ac_log_enabled(ac_log_level level);

/* Write one message.  file, function and line say where (the macros below fill them); they appear as `location` at
 * level ERROR.  format is printf's; a message longer than 64 KiB is cut.  Bytes that are not UTF-8 become U+FFFD. */
AC_API void ac_log_write(ac_log_level level, const char *file, const char *function, int line, const char *format, ...)
    AC_PRINTF(5, 6);

#define ac_log_at(level, ...)                                                                                          \
    do {                                                                                                               \
        if (ac_log_enabled(level))                                                                                     \
            ac_log_write(level, __FILE__, __func__, __LINE__, __VA_ARGS__);                                            \
    } while (0)

#define ac_log_debug(...) ac_log_at(AC_LOG_DEBUG, __VA_ARGS__)
#define ac_log_info(...) ac_log_at(AC_LOG_INFO, __VA_ARGS__)
#define ac_log_warning(...) ac_log_at(AC_LOG_WARNING, __VA_ARGS__)
#define ac_log_error(...) ac_log_at(AC_LOG_ERROR, __VA_ARGS__)

#ifdef __cplusplus
}
#endif

#endif
