/* page_token.h - the opaque nextToken of a listing: where the page before it ended, signed.
 *
 * A token holds a position of the caller's (the sort key of the last row shown), not an offset, so rows that come and
 * go do not shift what follows.  It is good for one list only, in every daemon on the same store, for ever. */
#ifndef DAEMON_STORE_PAGE_TOKEN_H
#define DAEMON_STORE_PAGE_TOKEN_H

#include "base/arena.h"
#include "base/buf.h"
#include "daemon/store/store.h"

#define PAGE_POSITION_MAX 1280 /* bytes; its token has at most 1728 characters */

/* list names the listing and all that shapes it ("runtimes/ACCOUNT/newest-first"); it is signed but not in the token.
 * *ret_token lives in memory; letters, digits, '-' and '_'. */
ac_status page_token_make(const store *s, const char *list, const void *position, size_t length, arena *memory,
                          const char **ret_token, ac_error *err) AC_MUST_USE;

/* The position in a token.  AC_ERR_INVALID: not one of ours, or for another list. */
ac_status page_token_open(const store *s, const char *list, const char *token, arena *memory, const void **ret_position,
                          size_t *ret_length, ac_error *err) AC_MUST_USE;

#endif
