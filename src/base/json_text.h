/* json_text.h - the pieces of JSON text that json_write.c and json_pack_text.c share.
 *
 * They append to out and return false when that fails, with nothing appended. */
#ifndef BASE_JSON_TEXT_H
#define BASE_JSON_TEXT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* A string with its quotes; lower_case: the digits of \u00XX.  False: no room, or text is not UTF-8. */
bool json_text_string(buf *out, const char *text, size_t length, bool lower_case);

/* An integer; value is its two's complement when it is negative. */
bool json_text_integer(buf *out, bool negative, uint64_t value);

#endif
