/* lent_keys.h - credentials that agentcored gives to the programs it runs, in place of the role they have on AWS.
 *
 * Temporary credentials in AWS's form (access key, secret, session token), which are kept nowhere: the token is sealed
 * (sealed.h) and holds account and access key; the secret is derived from the access key. */
#ifndef DAEMON_FRONT_LENT_KEYS_H
#define DAEMON_FRONT_LENT_KEYS_H

#include "daemon/front/keys.h"
#include "daemon/store/store.h"

#include <stdbool.h>

#define LENT_KEY_PREFIX "ASIA"
#define LENT_KEY_SIZE 21    /* an access key with its NUL */
#define LENT_SECRET_SIZE 44 /* a secret with its NUL */

typedef struct lent_key {
    char access_key[LENT_KEY_SIZE];
    char secret[LENT_SECRET_SIZE];
    buf token; /* secret */
} lent_key;

/* Make credentials for account, good until expires_s.  ret_key is to be released with lent_key_done. */
ac_status lent_key_make(const store *s, const char *account, int64_t expires_s, lent_key *ret_key, ac_error *err)
    AC_MUST_USE;
void lent_key_done(lent_key *key);

/* Whether an access key looks like one of these. */
bool lent_key_is(const char *access_key, size_t length);

/* The secret (appended) and the account of an access key that came with a session token.  AC_ERR_UNAUTHORIZED: the two
 * do not belong together, or have expired. */
ac_status lent_key_find(const store *s, const char *access_key, size_t length, const char *token, size_t token_length,
                        int64_t now_s, buf *ret_secret, char ret_account[KEY_ACCOUNT_SIZE], ac_error *err) AC_MUST_USE;

#endif
