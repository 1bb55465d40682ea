/* sealed.h - texts that only daemons on this store can make and read: AES-256-GCM under a key of the store, in
 * base64url, bound to a purpose and a time.
 *
 * What is inside is secret and cannot be changed.  A token of one purpose is none of another. */
#ifndef DAEMON_FRONT_SEALED_H
#define DAEMON_FRONT_SEALED_H

#include "base/buf.h"

#include "daemon/store/store.h"

#define SEALED_BYTES_MAX 8192 /* of what is sealed */

/* Append "PREFIX" and the sealed text to out.  expires_s: seconds since 1970.  AC_ERR_TOO_LARGE, AC_ERR_NOMEM,
 * AC_ERR_INTERNAL. */
ac_status sealed_make(const store *s, const char *prefix, const void *text, size_t length, int64_t expires_s, buf *out,
                      ac_error *err) AC_MUST_USE;

/* Append what is in a token to out.  AC_ERR_UNAUTHORIZED: not of this prefix and store, changed, or expired at
 * now_s. */
ac_status sealed_open(const store *s, const char *prefix, const char *token, size_t length, int64_t now_s, buf *out,
                      ac_error *err) AC_MUST_USE;

#endif
