/* sigv4_crypto.c - hashes, HMACs, and the keys derived with them.
 *
 * The algorithms are fetched from OpenSSL once per process and kept: looking them up for every hash costs more than
 * hashing a request.  Signing keys change once a day, so a few cached ones save four of five HMACs. */
#include "aws/sigv4_internal.h"

#include "base/hex.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <pthread.h>

static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;
static EVP_MAC *hmac;

static void fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
}

ac_status sigv4_sha256(const void *data, size_t length, uint8_t ret_digest[32])
{
    pthread_once(&fetch_once, fetch);
    if (!sha256 || EVP_Digest(length > 0 ? data : "", length, ret_digest, NULL, sha256, NULL) != 1)
        return AC_ERR_INTERNAL;
    return AC_OK;
}

ac_status sigv4_sha256_hex(const void *data, size_t length, char ret_hex[SIGV4_HEX_SIZE])
{
    uint8_t digest[32];

    AC_TRY(sigv4_sha256(data, length, digest));
    hex_write(digest, sizeof(digest), ret_hex);
    return AC_OK;
}

static ac_status hmac_sha256(const void *key, size_t key_length, view text, uint8_t ret_mac[32])
{
    char digest_name[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0),
        OSSL_PARAM_construct_end(),
    };

    pthread_once(&fetch_once, fetch);
    EVP_MAC_CTX *mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    size_t length = 0;
    bool done = mac && EVP_MAC_init(mac, key, key_length, params) == 1 &&
                EVP_MAC_update(mac, (const unsigned char *)text.text, text.length) == 1 &&
                EVP_MAC_final(mac, ret_mac, &length, 32) == 1 && length == 32;
    EVP_MAC_CTX_free(mac);
    return done ? AC_OK : AC_ERR_INTERNAL;
}

/* ---- signing keys ---- */

void sigv4_key_cache_done(sigv4_key_cache *cache)
{
    OPENSSL_cleanse(cache, sizeof(*cache));
}

static ac_status key_derive(const sigv4_scope *scope, view secret, uint8_t ret_key[32])
{
    const view steps[] = {{scope->date, SIGV4_DAY_LENGTH}, scope->region, scope->service, view_of(SIGV4_TERMINATOR)};
    char first[4 + SIGV4_SECRET_MAX];
    uint8_t key[32];

    memcpy(first, "AWS4", 4);
    memcpy(first + 4, secret.text, secret.length);
    ac_status status = hmac_sha256(first, 4 + secret.length, steps[0], key);
    for (size_t i = 1; status == AC_OK && i < ARRAY_SIZE(steps); i++) {
        status = hmac_sha256(key, sizeof(key), steps[i], ret_key);
        memcpy(key, ret_key, sizeof(key));
    }
    OPENSSL_cleanse(first, sizeof(first));
    OPENSSL_cleanse(key, sizeof(key));
    return status;
}

/* Lengths go in front, so that no two scopes read the same. */
static ac_status key_tag(const sigv4_scope *scope, view secret, uint8_t ret_tag[32])
{
    const view parts[] = {secret, {scope->date, SIGV4_DAY_LENGTH}, scope->region, scope->service};
    char text[ARRAY_SIZE(parts) + SIGV4_SECRET_MAX + SIGV4_DAY_LENGTH + 2 * SIGV4_NAME_MAX];
    size_t length = 0;

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        text[length++] = (char)parts[i].length;
        memcpy(text + length, parts[i].text, parts[i].length);
        length += parts[i].length;
    }
    ac_status status = sigv4_sha256(text, length, ret_tag);
    OPENSSL_cleanse(text, sizeof(text));
    return status;
}

ac_status sigv4_signing_key(sigv4_key_cache *cache, const sigv4_scope *scope, view secret, uint8_t ret_key[32])
{
    uint8_t tag[32];

    if (secret.length == 0 || secret.length > SIGV4_SECRET_MAX || scope->region.length > SIGV4_NAME_MAX ||
        scope->service.length > SIGV4_NAME_MAX)
        return AC_ERR_INVALID;
    if (!cache)
        return key_derive(scope, secret, ret_key);

    AC_TRY(key_tag(scope, secret, tag));
    for (size_t i = 0; i < SIGV4_CACHE_SLOTS; i++)
        if (cache->slots[i].used && CRYPTO_memcmp(cache->slots[i].tag, tag, sizeof(tag)) == 0) {
            memcpy(ret_key, cache->slots[i].key, 32);
            return AC_OK;
        }

    AC_TRY(key_derive(scope, secret, ret_key));
    struct sigv4_key_slot *slot = &cache->slots[cache->next++ % SIGV4_CACHE_SLOTS];
    memcpy(slot->tag, tag, sizeof(tag));
    memcpy(slot->key, ret_key, 32);
    slot->used = true;
    return AC_OK;
}

ac_status sigv4_signature(const uint8_t key[32], const sigv4_scope *scope, const buf *canonical,
                          char ret_hex[SIGV4_HEX_SIZE])
{
    _cleanup_(buf_done) buf to_sign = BUF_INIT(512);
    char hash[SIGV4_HEX_SIZE];
    uint8_t mac[32];

    AC_TRY(sigv4_sha256_hex(canonical->data, canonical->length, hash));
    AC_TRY(buf_appendf(&to_sign, SIGV4_ALGORITHM "\n%s\n%.8s/%.*s/%.*s/" SIGV4_TERMINATOR "\n%s", scope->date,
                       scope->date, (int)scope->region.length, scope->region.text, (int)scope->service.length,
                       scope->service.text, hash));
    AC_TRY(hmac_sha256(key, 32, (view){to_sign.data, to_sign.length}, mac));
    hex_write(mac, sizeof(mac), ret_hex);
    return AC_OK;
}
