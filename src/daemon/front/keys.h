/* keys.h - the access keys that may sign requests: a file in the data directory, mode 0600.
 *
 * The file is JSON: {"keys": [{"accessKeyId", "secretAccessKey", "sessionToken"?, "account", "createdAt"}]}.  The
 * daemon reads it again when it has changed, so keys can be added and taken away while it runs.  Secrets are wiped from
 * memory when they are not needed any more, and are in no log line and no message. */
#ifndef DAEMON_FRONT_KEYS_H
#define DAEMON_FRONT_KEYS_H

#include "base/buf.h"

#define KEYS_FILE "credentials.json"
#define KEYS_MAX 1000
#define KEY_ACCOUNT_SIZE 13 /* 12 digits and NUL */

typedef struct keys keys;

/* Open the file in data_dir; when there is none, make it with one new pair for account.  Errors: AC_ERR_INVALID (what
 * is in the file: the message names the place), AC_ERR_DENIED (others may read it), AC_ERR_IO, AC_ERR_NOMEM. */
ac_status keys_open(const char *data_dir, const char *account, keys **ret_keys, ac_error *err) AC_MUST_USE;
void keys_close(keys *k);

/* The secret of a key, appended to ret_secret (made secret by the caller), with its session token ("" when it has
 * none) and account.  AC_ERR_NOT_FOUND.  Thread-safe. */
ac_status keys_find(keys *k, const char *access_key, size_t length, buf *ret_secret, buf *ret_token,
                    char ret_account[KEY_ACCOUNT_SIZE], ac_error *err) AC_MUST_USE;

/* Add a pair (secret NULL: make one) and write the file; *ret_access_key is the caller's to free.
 * AC_ERR_CONFLICT: there is such a key; AC_ERR_QUOTA: KEYS_MAX. */
ac_status keys_add(keys *k, const char *access_key, const char *secret, const char *account, char **ret_access_key,
                   ac_error *err) AC_MUST_USE;

/* AC_ERR_NOT_FOUND; AC_ERR_STATE for the last one. */
ac_status keys_remove(keys *k, const char *access_key, ac_error *err) AC_MUST_USE;

/* Walk over all of them: fn gets each key's id and account.  The first one is the one that `env` shows. */
void keys_each(keys *k, void (*fn)(const char *access_key, const char *account, int64_t created_ms, void *user),
               void *user);

#endif
