/* jwt_helpers.h - an OpenID provider for tests: keys made by OpenSSL when the test starts, tokens signed with them,
 * and a server that publishes what the test says. */
#ifndef TESTS_DAEMON_JWT_HELPERS_H
#define TESTS_DAEMON_JWT_HELPERS_H

#include "../http/client_peers.h"
#include "base/json.h"
#include "daemon/front/jwt_internal.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#define TEXT_MAX 32768
#define NOW 1700000000
#define DISCOVERY_PATH "/.well-known/openid-configuration"

/* ---- base64url and keys ---- */

static inline void base64url(const void *data, size_t length, char *ret_text)
{
    int count = EVP_EncodeBlock((unsigned char *)ret_text, data, (int)length);

    while (count > 0 && ret_text[count - 1] == '=')
        ret_text[--count] = '\0';
    for (int i = 0; i < count; i++)
        ret_text[i] = ret_text[i] == '+' ? '-' : ret_text[i] == '/' ? '_' : ret_text[i];
}

/* A number of the key in base64url, filled up to size bytes (0: as short as it is). */
static inline void key_number(EVP_PKEY *key, const char *name, int size, char *ret_text)
{
    BIGNUM *number = NULL;
    unsigned char bytes[2048];

    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &number), 1);
    if (size == 0)
        size = BN_num_bytes(number);
    assert_int_equal(BN_bn2binpad(number, bytes, size), size);
    base64url(bytes, (size_t)size, ret_text);
    BN_free(number);
}

/* Append the public key as a JWK; more is text like "\"use\":\"sig\"," before its own members. */
static inline void add_jwk(char *json, EVP_PKEY *key, const char *more)
{
    char first[TEXT_MAX / 4], second[TEXT_MAX / 4];
    size_t used = strlen(json);
    int bits = EVP_PKEY_get_bits(key), size = (bits + 7) / 8;

    if (EVP_PKEY_is_a(key, "RSA")) {
        key_number(key, OSSL_PKEY_PARAM_RSA_N, 0, first);
        key_number(key, OSSL_PKEY_PARAM_RSA_E, 0, second);
        snprintf(json + used, TEXT_MAX - used, "%s{%s\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}", used ? "," : "", more,
                 first, second);
    } else {
        key_number(key, OSSL_PKEY_PARAM_EC_PUB_X, size, first);
        key_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, size, second);
        snprintf(json + used, TEXT_MAX - used, "%s{%s\"kty\":\"EC\",\"crv\":\"P-%d\",\"x\":\"%s\",\"y\":\"%s\"}",
                 used ? "," : "", more, bits, first, second);
    }
}

/* ---- tokens ---- */

/* DER to the two numbers side by side, as JOSE has it. */
static inline size_t raw_signature(unsigned char *signature, size_t length, int size)
{
    const unsigned char *at = signature;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)length);

    assert_non_null(pair);
    unsigned char raw[2 * 66];
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, size), size);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + size, size), size);
    memcpy(signature, raw, (size_t)size * 2);
    ECDSA_SIG_free(pair);
    return (size_t)size * 2;
}

static int pss_salt_bytes = RSA_PSS_SALTLEN_DIGEST;

/* Sign text as "RS256" and the like; bytes of the signature. */
static inline size_t sign_text(EVP_PKEY *key, const char *alg, const char *text, unsigned char ret_signature[2048])
{
    const char *digest = strcmp(alg + 2, "256") == 0 ? "SHA256" : strcmp(alg + 2, "384") == 0 ? "SHA384" : "SHA512";
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *settings;
    size_t length = 2048;

    assert_int_equal(EVP_DigestSignInit_ex(context, &settings, digest, NULL, NULL, key, NULL), 1);
    if (alg[0] == 'P') {
        assert_true(EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) > 0);
        assert_true(EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, pss_salt_bytes) > 0);
    }
    assert_int_equal(EVP_DigestSign(context, ret_signature, &length, (const unsigned char *)text, strlen(text)), 1);
    EVP_MD_CTX_free(context);
    return alg[0] == 'E' ? raw_signature(ret_signature, length, EVP_PKEY_get_bits(key) / 8) : length;
}

/* A token with a header and claims as they are, signed as alg says whatever the header says. */
static inline const char *make_token(EVP_PKEY *key, const char *alg, const char *header, const char *claims)
{
    static _Thread_local char token[2 * TEXT_MAX];
    unsigned char signature[2048];
    size_t length;

    base64url(header, strlen(header), token);
    strcat(token, ".");
    base64url(claims, strlen(claims), token + strlen(token));
    length = sign_text(key, alg, token, signature);
    strcat(token, ".");
    base64url(signature, length, token + strlen(token));
    return token;
}

/* ---- the provider ---- */

typedef struct provider {
    house house; /* first */
    char url[128];
    char discovery[TEXT_MAX];
    char *keys; /* the body of /keys, NULL: keys_text */
    char keys_text[TEXT_MAX + 64];
    int status; /* of every answer */
    unsigned discoveries, fetches;
    bool holding;        /* leave requests for /keys unanswered */
    http_exchange *held; /* the one that is */
} provider;

static inline void provider_on_request(http_exchange *x, void *user)
{
    provider *p = user;
    const char *target = http_exchange_request(x)->target;

    pthread_mutex_lock(&p->house.lock);
    if (strcmp(target, DISCOVERY_PATH) == 0) {
        p->discoveries++;
        house_answer(x, p->status, "application/json", p->discovery);
    } else {
        p->fetches++;
        if (p->holding)
            p->held = x;
        else
            house_answer(x, p->status, "application/json", p->keys ? p->keys : p->keys_text);
    }
    pthread_cond_broadcast(&p->house.changed);
    pthread_mutex_unlock(&p->house.lock);
}

static inline void provider_start(provider *p)
{
    house_start(&p->house, provider_on_request);
    snprintf(p->url, sizeof p->url, "http://127.0.0.1:%d" DISCOVERY_PATH, p->house.port);
    pthread_mutex_lock(&p->house.lock);
    p->keys = NULL;
    p->status = 200;
    p->discoveries = p->fetches = 0;
    p->holding = false;
    p->held = NULL;
    snprintf(p->discovery, sizeof p->discovery,
             "{\"issuer\":\"https://issuer.example\",\"jwks_uri\":\"http://127.0.0.1:%d/keys\"}", p->house.port);
    strcpy(p->keys_text, "{\"keys\":[]}");
    pthread_mutex_unlock(&p->house.lock);
}

/* keys: JWKs as add_jwk makes them. */
static inline void provider_publish(provider *p, const char *keys)
{
    pthread_mutex_lock(&p->house.lock);
    snprintf(p->keys_text, sizeof p->keys_text, "{\"keys\":[%s]}", keys);
    pthread_mutex_unlock(&p->house.lock);
}

static inline unsigned provider_fetches(provider *p)
{
    pthread_mutex_lock(&p->house.lock);
    unsigned fetches = p->fetches;
    pthread_mutex_unlock(&p->house.lock);
    return fetches;
}

static inline ac_status verify(jwt_verifier *v, const jwt_authorizer *a, const char *token, ac_error *err)
{
    jwt_claims *claims = NULL;
    ac_error local = {0};
    ac_status status = jwt_verify(v, a, token, strlen(token), NOW, &claims, err ? err : &local);

    assert_true((status == AC_OK) == (claims != NULL));
    if (status != AC_OK) {
        assert_int_equal((err ? err : &local)->status, status);
        assert_true((err ? err : &local)->message[0] != '\0');
    }
    jwt_claims_free(claims);
    return status;
}

#endif
