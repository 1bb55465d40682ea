/* workload_tokens.h - workload access tokens: who acts (a workload identity) and for whom (a user).
 *
 * A runtime's agent gets one with each request; with it, it asks for the user's credentials.  Sealed (sealed.h): only
 * daemons on this store can make and read them, and nothing of it is kept. */
#ifndef DAEMON_IDENTITY_WORKLOAD_TOKENS_H
#define DAEMON_IDENTITY_WORKLOAD_TOKENS_H

#include "base/arena.h"
#include "daemon/store/store.h"

#define WORKLOAD_TOKEN_LIFE_S 3600
#define WORKLOAD_TOKEN_TEXT_MAX 1024 /* bytes of one of the texts below */

/* Who.  user: as the caller named it; issuer and subject: as a JWT said it; NULL where there is none. */
typedef struct workload_token {
    const char *account;
    const char *workload; /* name of the workload identity */
    const char *user;
    const char *issuer;
    const char *subject;
} workload_token;

/* Make a token that is good for WORKLOAD_TOKEN_LIFE_S.  AC_ERR_TOO_LARGE, AC_ERR_NOMEM, AC_ERR_INTERNAL. */
ac_status workload_token_make(const store *s, const workload_token *token, int64_t now_s, arena *memory,
                              const char **ret_text, ac_error *err) AC_MUST_USE;

/* Read one; texts live in memory.  AC_ERR_UNAUTHORIZED: it is not one of ours, or has expired. */
ac_status workload_token_read(const store *s, const char *text, int64_t now_s, arena *memory, workload_token *ret_token,
                              ac_error *err) AC_MUST_USE;

#endif
