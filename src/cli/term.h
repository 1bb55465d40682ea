/* term.h - what people see: colours and progress on a terminal, plain text and JSON elsewhere. */
#ifndef CLI_TERM_H
#define CLI_TERM_H

#include <agentcore/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <yyjson.h>

typedef enum ink { INK_NONE, INK_BOLD, INK_DIM, INK_RED, INK_GREEN, INK_YELLOW, INK_BLUE, INK_COUNT } ink;

/* The escape sequence that begins a colour on this stream; "" where there are none (no terminal, NO_COLOR, TERM=dumb).
 * INK_NONE ends it. */
const char *paint(FILE *out, ink colour);

/* What is being done now, on one line of a terminal that the next one replaces; nothing elsewhere. */
void progress(const char *format, ...) AC_PRINTF(1, 2);
void progress_end(void);

/* "agentcore: ..." on standard error. */
void complain(const char *format, ...) AC_PRINTF(1, 2);

/* A remark for people on standard error; only on a terminal. */
void remark(const char *format, ...) AC_PRINTF(1, 2);

/* A value as JSON: indented, or on one line. */
void print_json(yyjson_val *value);
void print_json_line(yyjson_val *value);
void print_json_mut(const yyjson_mut_val *value);

/* An object built by a format string (agentcore/json.h). */
void print_json_packed(const char *format, ...);

/* Text that came from elsewhere: on a terminal, control characters but newline and tab become '?'. */
void print_foreign(FILE *out, const char *text, size_t length);

/* Columns that are as wide as what stands in them.  cells: rows times columns, row by row; the first row is the
 * heading.  NULL is "". */
void print_table(const char *const *cells, size_t rows, size_t columns);

/* Flush standard output: whether all of it was written. */
ac_status print_end(ac_error *err) AC_MUST_USE;

#endif
