/* lent_keys.c - temporary credentials without a table: "ACCOUNT ACCESS-KEY" sealed as the session token, and
 * HMAC-SHA256 of the access key as the secret. */
#include "daemon/front/lent_keys.h"

#include "base/base64.h"
#include "daemon/front/sealed.h"

#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#define TOKEN_PREFIX "agentcored-session."
#define SECRET_PURPOSE "secrets of lent keys"
#define RANDOM_LETTERS 16

_Static_assert(sizeof LENT_KEY_PREFIX - 1 + RANDOM_LETTERS + 1 == LENT_KEY_SIZE, "an access key has 20 characters");

static ac_status secret_of(const store *s, const char *access_key, size_t length, buf *out, ac_error *err)
{
    unsigned char key[STORE_KEY_BYTES], mac[EVP_MAX_MD_SIZE];
    unsigned count = 0;
    ac_status status;

    AC_TRY(store_key(s, SECRET_PURPOSE, key, err));
    status = HMAC(EVP_sha256(), key, sizeof key, (const unsigned char *)access_key, length, mac, &count)
                 ? base64_encode(out, BASE64_URL, mac, count)
                 : AC_ERR_INTERNAL;
    explicit_bzero(key, sizeof key);
    explicit_bzero(mac, sizeof mac);
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "a secret cannot be derived");
}

static ac_status draw_access_key(char ret_key[LENT_KEY_SIZE], ac_error *err)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned char random[RANDOM_LETTERS];

    if (RAND_bytes(random, sizeof random) != 1)
        return ac_error_set(err, AC_ERR_INTERNAL, "there are no random bytes");
    memcpy(ret_key, LENT_KEY_PREFIX, sizeof LENT_KEY_PREFIX);
    for (size_t i = 0; i < sizeof random; i++)
        ret_key[sizeof LENT_KEY_PREFIX - 1 + i] = letters[random[i] % 32];
    ret_key[LENT_KEY_SIZE - 1] = '\0';
    return AC_OK;
}

ac_status lent_key_make(const store *s, const char *account, int64_t expires_s, lent_key *ret_key, ac_error *err)
{
    _cleanup_(buf_done) buf secret = {.cap = LENT_SECRET_SIZE, .secret = true};
    char text[KEY_ACCOUNT_SIZE + LENT_KEY_SIZE + 1];
    int length;

    *ret_key = (lent_key){.token = {.cap = 4096, .secret = true}};
    AC_TRY(draw_access_key(ret_key->access_key, err));
    AC_TRY(secret_of(s, ret_key->access_key, LENT_KEY_SIZE - 1, &secret, err));
    if (secret.data)
        memcpy(ret_key->secret, secret.data, MIN(secret.length, sizeof ret_key->secret - 1));
    length = snprintf(text, sizeof text, "%.*s %s", KEY_ACCOUNT_SIZE - 1, account, ret_key->access_key);
    AC_TRY(sealed_make(s, TOKEN_PREFIX, text, (size_t)length, expires_s, &ret_key->token, err));
    return buf_terminate(&ret_key->token) ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

void lent_key_done(lent_key *key)
{
    explicit_bzero(key->secret, sizeof key->secret);
    buf_done(&key->token);
}

bool lent_key_is(const char *access_key, size_t length)
{
    return length == LENT_KEY_SIZE - 1 && memcmp(access_key, LENT_KEY_PREFIX, sizeof LENT_KEY_PREFIX - 1) == 0;
}

/* NOLINTNEXTLINE(readability-function-size): the header says why it takes so much */
ac_status lent_key_find(const store *s, const char *access_key, size_t length, const char *token, size_t token_length,
                        int64_t now_s, buf *ret_secret, char ret_account[KEY_ACCOUNT_SIZE], ac_error *err)
{
    _cleanup_(buf_done) buf text = BUF_INIT(SEALED_BYTES_MAX);

    AC_TRY(sealed_open(s, TOKEN_PREFIX, token, token_length, now_s, &text, err));
    if (text.length != KEY_ACCOUNT_SIZE - 1 + 1 + length || text.data[KEY_ACCOUNT_SIZE - 1] != ' ' ||
        memcmp(text.data + KEY_ACCOUNT_SIZE, access_key, length) != 0)
        return ac_error_set(err, AC_ERR_UNAUTHORIZED, "The token is another access key's");
    memcpy(ret_account, text.data, KEY_ACCOUNT_SIZE - 1);
    ret_account[KEY_ACCOUNT_SIZE - 1] = '\0';
    return secret_of(s, access_key, length, ret_secret, err);
}
