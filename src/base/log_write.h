/* log_write.h - getting finished log lines out to standard error; used by log.c only. */
#ifndef BASE_LOG_WRITE_H
#define BASE_LOG_WRITE_H

#include <stddef.h>

/* Write whole lines (text ends with '\n') without ever waiting.  Lines that do not get out are counted. */
void log_write_lines(const char *text, size_t length);

/* Count a line that could not even be built. */
void log_count_dropped(void);

#endif
