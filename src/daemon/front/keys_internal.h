/* keys_internal.h - the set of keys in memory, and its form in the file; for keys*.c only. */
#ifndef DAEMON_FRONT_KEYS_INTERNAL_H
#define DAEMON_FRONT_KEYS_INTERNAL_H

#include "daemon/front/keys.h"

#define KEY_ID_MIN 3
#define KEY_ID_MAX 128 /* SIGV4_ACCESS_KEY_MAX */
#define KEY_SECRET_MIN 8
#define KEY_SECRET_MAX 128 /* SIGV4_SECRET_MAX */
#define KEY_TOKEN_MAX 4096
#define KEYS_FILE_BYTES_MAX ((size_t)8 << 20)

typedef struct key {
    unsigned id_length;
    char id[KEY_ID_MAX + 1];
    char secret[KEY_SECRET_MAX + 1];
    char account[KEY_ACCOUNT_SIZE];
    char *token; /* NULL: none */
    int64_t created_ms;
} key;

/* In the order of the file. */
typedef struct key_set {
    key *all;
    size_t count;
    size_t capacity;
} key_set;

/* Wipe and free. */
void key_set_done(key_set *set);

/* Append a zeroed key.  NULL when memory runs out. */
key *key_set_grow(key_set *set);
void key_set_drop(key_set *set, size_t index);
key *key_set_find(const key_set *set, const char *id, size_t length);

/* ---- what may be in a key: NULL when it is well, else what is wrong ---- */

const char *key_id_flaw(const char *id, size_t length);
const char *key_secret_flaw(const char *secret, size_t length);
const char *key_account_flaw(const char *account, size_t length);

/* ---- the file ---- */

/* Parse the text of a file, which is changed; path is for messages.  set is empty at first. */
ac_status keys_parse(const char *path, buf *text, key_set *set, ac_error *err) AC_MUST_USE;

/* Append the text of a file to out, which is secret. */
ac_status keys_format(const key_set *set, buf *out) AC_MUST_USE;

/* ---- new keys ---- */

/* "AKIA" and 16 letters or digits 2 to 7; 40 characters of base64.  AC_ERR_IO: the kernel has no random bytes. */
ac_status key_make_id(char ret_id[KEY_ID_MAX + 1], ac_error *err) AC_MUST_USE;
ac_status key_make_secret(char ret_secret[KEY_SECRET_MAX + 1], ac_error *err) AC_MUST_USE;

#endif
