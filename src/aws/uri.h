/* uri.h - percent-encoding (RFC 3986), as AWS clients do it. */
#ifndef AWS_URI_H
#define AWS_URI_H

#include "base/buf.h"

#include <stdbool.h>

typedef enum uri_slash {
    URI_ENCODE_SLASH, /* one path segment, one query value: Python's quote(text, safe='') */
    URI_KEEP_SLASH,   /* a greedy label, a path */
} uri_slash;

/* Append text with everything but A-Z a-z 0-9 - . _ ~ (and '/' when kept) as %XX, in upper case. */
ac_status uri_encode(buf *out, const char *text, size_t length, uri_slash slash) AC_MUST_USE;

typedef enum uri_plus {
    URI_PLUS_LITERAL, /* '+' is itself: paths, and queries as AWS reads them */
    URI_PLUS_SPACE,   /* '+' is a space: application/x-www-form-urlencoded */
} uri_plus;

/* Append what text stands for.  AC_ERR_INVALID for a '%' without two hexadecimal digits; out is unchanged then.
 * What comes out may be any bytes, NUL included. */
ac_status uri_decode(buf *out, const char *text, size_t length, uri_plus plus) AC_MUST_USE;

#endif
