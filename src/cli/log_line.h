/* log_line.h - lines of JSON that agents log, as people read them. */
#ifndef CLI_LOG_LINE_H
#define CLI_LOG_LINE_H

#include <stddef.h>
#include <stdio.h>

/* Print a line that an agent wrote, and a newline.  {"timestamp", "level", "message", ...} becomes
 * "LEVEL message (logger, location, error)"; any other line stays as it is. */
void log_line_print(FILE *out, const char *line, size_t length);

#endif
