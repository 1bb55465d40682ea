/* base64.h - base64 (RFC 4648) with one text per value: no line breaks, no stray characters, and nothing but zero bits
 * in what the last character leaves over. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"

#include <stdbool.h>

typedef enum base64_form {
    BASE64_STANDARD, /* section 4: '+' and '/', with padding */
    BASE64_URL,      /* section 5: '-' and '_', without padding */
} base64_form;

/* Whether text is that, and of how many bytes; so may the empty text. */
bool base64_length(base64_form form, const char *text, size_t length, size_t *ret_bytes);

/* Append the bytes of a text.  AC_ERR_PROTOCOL: it is none; AC_ERR_NOMEM, AC_ERR_TOO_LARGE: out. */
ac_status base64_decode(buf *out, base64_form form, const char *text, size_t length) AC_MUST_USE;

/* Append the text of bytes. */
ac_status base64_encode(buf *out, base64_form form, const void *data, size_t length) AC_MUST_USE;

#endif
