/* jwt_keys.c - a provider's JSON Web Key Set (RFC 7517, RFC 7518 section 6), and signatures checked with it.
 *
 * What a key may be used for is settled here, once: its type and curve give the algorithms, its own "alg" narrows them,
 * and "use" and "key_ops" may forbid it.  A token's header then can only choose among what the key allows, so that no
 * public key is ever taken for an HMAC secret, and no key for one of another type.
 *
 * OpenSSL does the arithmetic.  It leaves errors in a queue per thread, where they would be taken for those of the next
 * TLS connection: they are cleared here. */
#include "daemon/front/jwt_internal.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#define RSA_EXPONENT_BYTES_MAX 4
#define EC_NUMBER_BYTES_MAX 48
#define EC_DER_BYTES_MAX                                                                                               \
    (2 + 2 * (3 + EC_NUMBER_BYTES_MAX)) /* of a signature; each number has a zero in front at worst */
#define RSA_ALGS (1U << JWT_RS256 | 1U << JWT_RS384 | 1U << JWT_RS512 | 1U << JWT_PS256)

typedef struct number {
    uint8_t *bytes; /* big-endian, to be freed */
    size_t length;
} number;

static void number_done(number *n)
{
    free(n->bytes);
}

/* ---- from JWK to key ---- */

/* A member in base64url.  AC_ERR_PROTOCOL when it is absent or damaged. */
static ac_status read_number(yyjson_val *jwk, const char *name, number *ret_number)
{
    yyjson_val *text = yyjson_obj_get(jwk, name);

    if (!yyjson_is_str(text))
        return AC_ERR_PROTOCOL;
    return jwt_base64url(yyjson_get_str(text), yyjson_get_len(text), &ret_number->bytes, &ret_number->length);
}

/* Leading zeros do not count; some providers send one, as ASN.1 does. */
static size_t bits_of(const number *n)
{
    size_t i = 0;

    while (i < n->length && n->bytes[i] == 0)
        i++;
    if (i == n->length)
        return 0;
    return (n->length - i) * 8 - (size_t)(__builtin_clz(n->bytes[i]) - 24);
}

static bool is_odd(const number *n)
{
    return n->length > 0 && (n->bytes[n->length - 1] & 1) != 0;
}

/* Why OpenSSL did not: out of memory, which need not be the last of its errors, or otherwise.  Empties the queue. */
static ac_status openssl_status(ac_status otherwise)
{
    ac_status status = otherwise;
    unsigned long reason;

    while ((reason = ERR_get_error()) != 0)
        if (ERR_GET_REASON(reason) == ERR_R_MALLOC_FAILURE)
            status = AC_ERR_NOMEM;
    return status;
}

/* A public key of its parameters.  AC_ERR_PROTOCOL when they are not those of one. */
static ac_status make_key(const char *type, OSSL_PARAM *params, EVP_PKEY **ret_key)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    bool good = context && EVP_PKEY_fromdata_init(context) == 1 &&
                EVP_PKEY_fromdata(context, ret_key, EVP_PKEY_PUBLIC_KEY, params) == 1;

    EVP_PKEY_CTX_free(context);
    if (good)
        return AC_OK;
    *ret_key = NULL;
    return openssl_status(AC_ERR_PROTOCOL);
}

static ac_status make_rsa(const number *n, const number *e, EVP_PKEY **ret_key)
{
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    BIGNUM *modulus = BN_bin2bn(n->bytes, (int)n->length, NULL);
    BIGNUM *exponent = BN_bin2bn(e->bytes, (int)e->length, NULL);
    OSSL_PARAM *params = NULL;
    ac_status status = AC_ERR_NOMEM;

    if (builder && modulus && exponent && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent))
        params = OSSL_PARAM_BLD_to_param(builder);
    if (params)
        status = make_key("RSA", params, ret_key);
    OSSL_PARAM_free(params);
    BN_free(exponent);
    BN_free(modulus);
    OSSL_PARAM_BLD_free(builder);
    return status;
}

/* Points that are not on the curve are refused by OpenSSL. */
static ac_status make_ec(const char *curve, const number *x, const number *y, EVP_PKEY **ret_key)
{
    uint8_t point[1 + 2 * EC_NUMBER_BYTES_MAX] = {POINT_CONVERSION_UNCOMPRESSED};
    OSSL_PARAM params[3];

    memcpy(point + 1, x->bytes, x->length);
    memcpy(point + 1 + x->length, y->bytes, y->length);
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)curve, 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + x->length + y->length);
    params[2] = OSSL_PARAM_construct_end();
    return make_key("EC", params, ret_key);
}

static ac_status read_rsa(yyjson_val *jwk, jwt_key *key)
{
    _cleanup_(number_done) number n = {0};
    _cleanup_(number_done) number e = {0};
    size_t bits;

    AC_TRY(read_number(jwk, "n", &n));
    AC_TRY(read_number(jwk, "e", &e));
    bits = bits_of(&n);
    if (bits < JWT_RSA_BITS_MIN || bits > JWT_RSA_BITS_MAX || !is_odd(&n))
        return AC_ERR_PROTOCOL;
    if (bits_of(&e) < 2 || bits_of(&e) > 8 * RSA_EXPONENT_BYTES_MAX || !is_odd(&e))
        return AC_ERR_PROTOCOL;
    key->algs = RSA_ALGS;
    key->signature_bytes = (bits + 7) / 8;
    return make_rsa(&n, &e, &key->key);
}

static ac_status read_ec(yyjson_val *jwk, jwt_key *key)
{
    _cleanup_(number_done) number x = {0};
    _cleanup_(number_done) number y = {0};
    const char *curve = yyjson_get_str(yyjson_obj_get(jwk, "crv"));
    size_t bytes;

    if (curve && strcmp(curve, "P-256") == 0) {
        key->algs = 1U << JWT_ES256;
        bytes = 32;
    } else if (curve && strcmp(curve, "P-384") == 0) {
        key->algs = 1U << JWT_ES384;
        bytes = EC_NUMBER_BYTES_MAX;
    } else {
        return AC_ERR_PROTOCOL;
    }
    key->signature_bytes = 2 * bytes;
    AC_TRY(read_number(jwk, "x", &x));
    AC_TRY(read_number(jwk, "y", &y));
    if (x.length != bytes || y.length != bytes)
        return AC_ERR_PROTOCOL;
    return make_ec(curve, &x, &y, &key->key);
}

/* RFC 7517 sections 4.2 and 4.3. */
static bool is_for_verifying(yyjson_val *jwk)
{
    yyjson_val *use = yyjson_obj_get(jwk, "use"), *operations = yyjson_obj_get(jwk, "key_ops"), *operation;
    size_t index, count;

    if (use && !yyjson_equals_str(use, "sig"))
        return false;
    if (!operations)
        return true;
    yyjson_arr_foreach(operations, index, count, operation)
    {
        if (yyjson_equals_str(operation, "verify"))
            return true;
    }
    return false;
}

/* AC_ERR_PROTOCOL: a key that is of no use here. */
static ac_status read_key(yyjson_val *jwk, arena *memory, jwt_key *key)
{
    yyjson_val *kty = yyjson_obj_get(jwk, "kty"), *kid = yyjson_obj_get(jwk, "kid"), *alg = yyjson_obj_get(jwk, "alg");
    unsigned allowed = ~0U;

    *key = (jwt_key){0};
    if (!yyjson_is_obj(jwk) || !is_for_verifying(jwk))
        return AC_ERR_PROTOCOL;
    /* Whoever reads the set could sign with a key whose private half is in it. */
    if (yyjson_obj_get(jwk, "d"))
        return AC_ERR_PROTOCOL;
    if (kid && (!yyjson_is_str(kid) || yyjson_get_len(kid) > JWT_KID_MAX))
        return AC_ERR_PROTOCOL;
    if (alg) {
        jwt_alg only = yyjson_is_str(alg) ? jwt_alg_find(yyjson_get_str(alg)) : JWT_ALG_COUNT;

        if (only == JWT_ALG_COUNT)
            return AC_ERR_PROTOCOL;
        allowed = 1U << only;
    }
    if (kid && !(key->kid = arena_copy(memory, yyjson_get_str(kid), yyjson_get_len(kid))))
        return AC_ERR_NOMEM;
    if (yyjson_equals_str(kty, "RSA"))
        AC_TRY(read_rsa(jwk, key));
    else if (yyjson_equals_str(kty, "EC"))
        AC_TRY(read_ec(jwk, key));
    else
        return AC_ERR_PROTOCOL;
    key->algs &= allowed;
    return AC_OK;
}

/* ---- the set ---- */

static ac_status read_keys(jwt_key_set *set, yyjson_val *keys, ac_error *err)
{
    size_t index, count;
    yyjson_val *jwk;

    if (!yyjson_is_arr(keys))
        return ac_error_set(err, AC_ERR_PROTOCOL, "the key set has no array \"keys\"");
    if (yyjson_arr_size(keys) > JWT_KEYS_MAX)
        return ac_error_set(err, AC_ERR_PROTOCOL, "the key set has more than %d keys", JWT_KEYS_MAX);
    set->keys = arena_zalloc(&set->memory, (yyjson_arr_size(keys) + 1) * sizeof *set->keys);
    if (!set->keys)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    yyjson_arr_foreach(keys, index, count, jwk)
    {
        jwt_key *key = &set->keys[set->count];
        ac_status status = read_key(jwk, &set->memory, key);

        if (status == AC_ERR_NOMEM)
            return ac_error_set(err, status, "out of memory");
        if (status == AC_OK && key->algs != 0)
            set->count++;
        else
            EVP_PKEY_free(key->key);
    }
    return AC_OK;
}

ac_status jwt_key_set_new(const char *json, size_t length, const char *issuer, jwt_key_set **ret_set, ac_error *err)
{
    _cleanup_(jwt_key_set_unrefp) jwt_key_set *set = NULL;
    yyjson_doc *doc;
    ac_status status;

    *ret_set = NULL;
    AC_TRY(jwt_json_read(json, length, "the key set", &doc, err));
    set = calloc(1, sizeof *set);
    if (set) {
        atomic_init(&set->references, 1);
        set->issuer = arena_copy(&set->memory, issuer, strlen(issuer));
    }
    if (set && set->issuer)
        status = read_keys(set, yyjson_obj_get(yyjson_doc_get_root(doc), "keys"), err);
    else
        status = ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    yyjson_doc_free(doc);
    if (status == AC_OK)
        *ret_set = TAKE_PTR(set);
    return status;
}

jwt_key_set *jwt_key_set_ref(jwt_key_set *set)
{
    atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    return set;
}

void jwt_key_set_unref(jwt_key_set *set)
{
    if (!set || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < set->count; i++)
        EVP_PKEY_free(set->keys[i].key);
    arena_done(&set->memory);
    free(set);
}

const jwt_key *jwt_key_set_find(const jwt_key_set *set, jwt_alg alg, const char *kid)
{
    const jwt_key *found = NULL;

    for (size_t i = 0; i < set->count; i++) {
        const jwt_key *key = &set->keys[i];

        if (!(key->algs & 1U << alg) || (kid && (!key->kid || strcmp(key->kid, kid) != 0)))
            continue;
        if (found)
            return NULL;
        found = key;
    }
    return found;
}

/* ---- signatures ---- */

static const char *const digests[JWT_ALG_COUNT] = {
#define JWT_ALG_DIGEST_(name, digest) [JWT_##name] = digest,
    JWT_ALG_MAP(JWT_ALG_DIGEST_)
#undef JWT_ALG_DIGEST_
};

/* The two numbers of an EC signature in DER, as OpenSSL wants them; 0 when memory runs out. */
static size_t der_signature(const jwt_token *token, uint8_t ret_der[EC_DER_BYTES_MAX])
{
    int half = (int)(token->signature_length / 2);
    BIGNUM *r = BN_bin2bn(token->signature, half, NULL);
    BIGNUM *s = BN_bin2bn(token->signature + half, half, NULL);
    ECDSA_SIG *pair = ECDSA_SIG_new();
    int length = 0;

    if (pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1) {
        r = s = NULL;
        if (i2d_ECDSA_SIG(pair, NULL) <= EC_DER_BYTES_MAX)
            length = i2d_ECDSA_SIG(pair, &ret_der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return length > 0 ? (size_t)length : 0;
}

static bool init_verify(EVP_MD_CTX *context, const jwt_key *key, jwt_alg alg)
{
    EVP_PKEY_CTX *settings;

    if (EVP_DigestVerifyInit_ex(context, &settings, digests[alg], NULL, NULL, key->key, NULL) != 1)
        return false;
    /* RFC 7518 section 3.5: the salt is as long as the digest, which MGF1 uses too. */
    return alg != JWT_PS256 || (EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) > 0 &&
                                EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST) > 0);
}

ac_status jwt_key_verify(const jwt_key *key, const jwt_token *token, ac_error *err)
{
    uint8_t der[EC_DER_BYTES_MAX];
    const uint8_t *signature = token->signature;
    size_t length = token->signature_length;
    EVP_MD_CTX *context;
    bool good;

    if (!(key->algs & 1U << token->alg) || length != key->signature_bytes)
        return ac_error_set(err, AC_ERR_UNAUTHORIZED, "the token's signature is not valid");
    ERR_clear_error();
    if (token->alg == JWT_ES256 || token->alg == JWT_ES384) {
        length = der_signature(token, der);
        signature = der;
        if (length == 0) {
            ERR_clear_error();
            return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
        }
    }
    context = EVP_MD_CTX_new();
    good = context && init_verify(context, key, token->alg) &&
           EVP_DigestVerify(context, signature, length, (const uint8_t *)token->text, token->signed_length) == 1;
    EVP_MD_CTX_free(context);
    if (good)
        return AC_OK;
    if (openssl_status(AC_ERR_UNAUTHORIZED) == AC_ERR_NOMEM)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    return ac_error_set(err, AC_ERR_UNAUTHORIZED, "the token's signature is not valid");
}
