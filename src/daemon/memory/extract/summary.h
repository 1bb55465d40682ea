/* summary.h - a session's summary as text, and back: <topic name="Sushi"> with a sentence in each line. */
#ifndef MEMORY_EXTRACT_SUMMARY_H
#define MEMORY_EXTRACT_SUMMARY_H

#include "base/arena.h"
#include "base/buf.h"

/* Append text with & < > " as XML has them. */
ac_status summary_escape(buf *out, const char *text) AC_MUST_USE;

/* The sentences of a summary: the lines that are no tags, unescaped.  They live in the arena. */
ac_status summary_lines(const char *text, arena *a, const char ***ret_lines, size_t *ret_count) AC_MUST_USE;

#endif
