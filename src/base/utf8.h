/* utf8.h - is this UTF-8?  (RFC 3629: shortest form only, no surrogates, nothing above U+10FFFF.) */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/buf.h"

#include <stdbool.h>

/* Whether length bytes are whole, valid UTF-8.  Eight bytes at a time while they are ASCII. */
bool utf8_valid(const char *text, size_t length);

/* How many bytes from the start are whole, valid characters (length when all are). */
size_t utf8_valid_prefix(const char *text, size_t length);

/* Validation of text that arrives in pieces: the state carries an unfinished character over. */
typedef struct utf8_state {
    uint32_t state; /* zero at the start of a character */
    uint32_t code;
} utf8_state;

/* Check one more piece; false as soon as the text cannot become valid any more (and ever after). */
bool utf8_feed(utf8_state *s, const char *text, size_t length);

/* Whether the text may end here. */
bool utf8_complete(const utf8_state *s);

/* How many bytes at the end begin a character that is not whole yet; 0 when they cannot become one. */
size_t utf8_unfinished(const char *text, size_t length);

/* Append text to out with every byte that is not part of valid UTF-8 replaced by U+FFFD. */
ac_status utf8_append_clean(buf *out, const char *text, size_t length) AC_MUST_USE;

#endif
