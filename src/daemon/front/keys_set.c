/* keys_set.c - the keys in memory, what may be in one, and how new ones are made.
 *
 * A block that held secrets is wiped before it is given back, so the set grows by copying, never by realloc. */
#include "daemon/front/keys_internal.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MADE_ID_RANDOM_BYTES 10     /* 16 characters of base32 */
#define MADE_SECRET_RANDOM_BYTES 30 /* 40 characters of base64, none of them '=' */

static void key_done(key *k)
{
    if (k->token)
        explicit_bzero(k->token, strlen(k->token));
    free(k->token);
    explicit_bzero(k, sizeof *k);
}

void key_set_done(key_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        key_done(&set->all[i]);
    free(set->all);
    *set = (key_set){0};
}

key *key_set_grow(key_set *set)
{
    if (set->count == set->capacity) {
        size_t capacity = set->capacity ? 2 * set->capacity : 8;
        key *all = calloc(capacity, sizeof *all);

        if (!all)
            return NULL;
        if (set->count) {
            memcpy(all, set->all, set->count * sizeof *all);
            explicit_bzero(set->all, set->count * sizeof *all);
        }
        free(set->all);
        set->all = all;
        set->capacity = capacity;
    }
    return &set->all[set->count++];
}

void key_set_drop(key_set *set, size_t index)
{
    key_done(&set->all[index]);
    memmove(&set->all[index], &set->all[index + 1], (set->count - index - 1) * sizeof(key));
    set->count--;
    explicit_bzero(&set->all[set->count], sizeof(key));
}

key *key_set_find(const key_set *set, const char *id, size_t length)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->all[i].id_length == length && memcmp(set->all[i].id, id, length) == 0)
            return &set->all[i];
    return NULL;
}

/* ---- what may be in a key ---- */

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

const char *key_id_flaw(const char *id, size_t length)
{
    if (length < KEY_ID_MIN || length > KEY_ID_MAX)
        return "an access key id has 3 to 128 characters";
    for (size_t i = 0; i < length; i++)
        if (!is_alphanumeric(id[i]) && id[i] != '_' && id[i] != '-') /* '/' separates it in a signature's scope */
            return "an access key id consists of letters, digits, '_' and '-'";
    return NULL;
}

const char *key_secret_flaw(const char *secret, size_t length)
{
    if (length < KEY_SECRET_MIN || length > KEY_SECRET_MAX)
        return "a secret has 8 to 128 characters";
    for (size_t i = 0; i < length; i++)
        if (secret[i] <= ' ' || secret[i] > '~')
            return "a secret consists of visible ASCII characters";
    return NULL;
}

const char *key_account_flaw(const char *account, size_t length)
{
    if (length != KEY_ACCOUNT_SIZE - 1 || strspn(account, "0123456789") < length)
        return "an account is 12 digits";
    return NULL;
}

/* ---- new keys ---- */

static ac_status random_bytes(unsigned char *bytes, size_t length, ac_error *err)
{
    for (size_t have = 0; have < length;) {
        ssize_t got = getrandom(bytes + have, length - have, 0);

        if (got < 0 && errno != EINTR)
            return ac_error_set(err, AC_ERR_IO, "the kernel gives no random bytes: %s", strerror(errno));
        have += got > 0 ? (size_t)got : 0;
    }
    return AC_OK;
}

ac_status key_make_id(char ret_id[KEY_ID_MAX + 1], ac_error *err)
{
    static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned char bytes[MADE_ID_RANDOM_BYTES];
    uint64_t bits = 0;
    unsigned have = 0;
    size_t length = 4;

    AC_TRY(random_bytes(bytes, sizeof bytes, err));
    memcpy(ret_id, "AKIA", length);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bits = bits << 8 | bytes[i];
        for (have += 8; have >= 5; have -= 5)
            ret_id[length++] = base32[bits >> (have - 5) & 31];
    }
    ret_id[length] = '\0';
    return AC_OK;
}

ac_status key_make_secret(char ret_secret[KEY_SECRET_MAX + 1], ac_error *err)
{
    unsigned char bytes[MADE_SECRET_RANDOM_BYTES];

    AC_TRY(random_bytes(bytes, sizeof bytes, err));
    EVP_EncodeBlock((unsigned char *)ret_secret, bytes, sizeof bytes); /* NUL-terminates */
    explicit_bzero(bytes, sizeof bytes);
    return AC_OK;
}
