/* dates.h - what "yesterday" and "in two weeks" mean, counted from when it was said. */
#ifndef MEMORY_EXTRACT_DATES_H
#define MEMORY_EXTRACT_DATES_H

#include "base/buf.h"

#include <stdbool.h>

/* Append text with relative dates replaced by what they are, in UTC: "yesterday" by "on 2025-03-07", "last year" by "in
 * 2024", "next week" by "in the week of 2025-03-10".  Where the words are part of something else ("yesterday's news"),
 * the date follows in brackets.  AC_ERR_NOMEM, AC_ERR_TOO_LARGE (out's cap). */
ac_status dates_resolve(const char *text, int64_t said_ms, buf *out) AC_MUST_USE;

#endif
