/* sealed.c - sealed texts.
 *
 *     token      prefix, base64url of: nonce (12 bytes), ciphertext, tag (16 bytes)
 *     plaintext  expiry (8 bytes, big-endian, seconds), text
 *     key        the store's key for the prefix
 *
 * Nonces are random: 96 bits, and far fewer than 2^32 tokens are made in a store's life. */
#include "daemon/front/sealed.h"

#include "base/base64.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#define NONCE_BYTES 12
#define TAG_BYTES 16
#define EXPIRY_BYTES 8
#define FRAME_BYTES (NONCE_BYTES + EXPIRY_BYTES + TAG_BYTES)

typedef struct cipher {
    EVP_CIPHER_CTX *ctx;
    unsigned char key[STORE_KEY_BYTES];
} cipher;

static void cipher_done(cipher *c)
{
    EVP_CIPHER_CTX_free(c->ctx);
    explicit_bzero(c->key, sizeof c->key);
}

static ac_status cipher_init(cipher *c, const store *s, const char *prefix, ac_error *err)
{
    AC_TRY(store_key(s, prefix, c->key, err));
    c->ctx = EVP_CIPHER_CTX_new();
    return c->ctx ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static bool encrypt(cipher *c, unsigned char *frame, const unsigned char *plain, int length)
{
    unsigned char *out = frame + NONCE_BYTES;
    int written = 0, rest = 0;

    return RAND_bytes(frame, NONCE_BYTES) == 1 &&
           EVP_EncryptInit_ex(c->ctx, EVP_aes_256_gcm(), NULL, c->key, frame) == 1 &&
           EVP_EncryptUpdate(c->ctx, out, &written, plain, length) == 1 &&
           EVP_EncryptFinal_ex(c->ctx, out + written, &rest) == 1 &&
           EVP_CIPHER_CTX_ctrl(c->ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, out + length) == 1;
}

static bool decrypt(cipher *c, unsigned char *frame, size_t frame_length, unsigned char *plain)
{
    int length = (int)(frame_length - NONCE_BYTES - TAG_BYTES), written = 0, rest = 0;

    return EVP_DecryptInit_ex(c->ctx, EVP_aes_256_gcm(), NULL, c->key, frame) == 1 &&
           EVP_DecryptUpdate(c->ctx, plain, &written, frame + NONCE_BYTES, length) == 1 &&
           EVP_CIPHER_CTX_ctrl(c->ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, frame + NONCE_BYTES + length) == 1 &&
           EVP_DecryptFinal_ex(c->ctx, plain + written, &rest) == 1;
}

ac_status sealed_make(const store *s, const char *prefix, const void *text, size_t length, int64_t expires_s, buf *out,
                      ac_error *err)
{
    unsigned char plain[EXPIRY_BYTES + SEALED_BYTES_MAX], frame[FRAME_BYTES + SEALED_BYTES_MAX];
    _cleanup_(cipher_done) cipher c = {0};
    ac_status status;

    if (length > SEALED_BYTES_MAX)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "a token cannot hold that much");
    AC_TRY(cipher_init(&c, s, prefix, err));
    for (size_t i = 0; i < EXPIRY_BYTES; i++)
        plain[i] = (unsigned char)((uint64_t)expires_s >> (56 - 8 * i));
    memcpy(plain + EXPIRY_BYTES, text, length);
    status = encrypt(&c, frame, plain, (int)(EXPIRY_BYTES + length)) ? AC_OK : AC_ERR_INTERNAL;
    explicit_bzero(plain, sizeof plain);
    if (status == AC_OK)
        status = buf_append_text(out, prefix);
    if (status == AC_OK)
        status = base64_encode(out, BASE64_URL, frame, FRAME_BYTES + length);
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "a token cannot be made: %s", ac_status_text(status));
}

static ac_status open_frame(cipher *c, buf *frame, int64_t now_s, buf *out)
{
    unsigned char plain[EXPIRY_BYTES + SEALED_BYTES_MAX];
    size_t length = frame->length - FRAME_BYTES;
    ac_status status = AC_ERR_UNAUTHORIZED;
    uint64_t expires = 0;

    if (decrypt(c, (unsigned char *)frame->data, frame->length, plain)) {
        for (size_t i = 0; i < EXPIRY_BYTES; i++)
            expires = expires << 8 | plain[i];
        if (now_s >= 0 && (uint64_t)now_s < expires)
            status = buf_append(out, plain + EXPIRY_BYTES, length);
    }
    explicit_bzero(plain, sizeof plain);
    return status;
}

ac_status sealed_open(const store *s, const char *prefix, const char *token, size_t length, int64_t now_s, buf *out,
                      ac_error *err)
{
    _cleanup_(buf_done) buf frame = BUF_INIT(FRAME_BYTES + SEALED_BYTES_MAX);
    _cleanup_(cipher_done) cipher c = {0};
    size_t skip = strlen(prefix);
    ac_status status = AC_ERR_UNAUTHORIZED;

    if (length > skip && memcmp(token, prefix, skip) == 0) {
        status = base64_decode(&frame, BASE64_URL, token + skip, length - skip);
        if (status == AC_OK && frame.length >= FRAME_BYTES) {
            AC_TRY(cipher_init(&c, s, prefix, err));
            status = open_frame(&c, &frame, now_s, out);
        } else if (status != AC_ERR_NOMEM) {
            status = AC_ERR_UNAUTHORIZED;
        }
    }
    if (status == AC_ERR_UNAUTHORIZED)
        return ac_error_set(err, status, "The token is not valid, or has expired");
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "a token cannot be read: %s", ac_status_text(status));
}
