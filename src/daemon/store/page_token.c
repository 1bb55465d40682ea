/* page_token.c - the opaque nextToken of a listing: base64url without padding (RFC 4648 section 5) of
 *
 *     16 bytes   HMAC-SHA-256 over list, NUL, position, cut; the key is the store's secret
 *     the rest   position
 *
 * The spare bits of the last character must be zero, so that a token has one spelling. */
#include "daemon/store/page_token.h"
#include "base/base64.h"
#include "daemon/store/engine.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#define MAC_BYTES 16
#define LIST_NAME_MAX 4096

static ac_status sign(const store *s, const char *list, const void *position, size_t length,
                      unsigned char ret_mac[MAC_BYTES], ac_error *err)
{
    _cleanup_(buf_done) buf text = BUF_INIT(LIST_NAME_MAX + 1 + PAGE_POSITION_MAX);
    unsigned char mac[EVP_MAX_MD_SIZE];
    ac_status status = buf_append(&text, list, strlen(list) + 1);

    if (status == AC_OK)
        status = buf_append(&text, position, length);
    if (status != AC_OK)
        return ac_error_set(err, status, "a page token cannot be made");
    if (!HMAC(EVP_sha256(), s->secret, STORE_SECRET_BYTES, (const unsigned char *)text.data, text.length, mac, NULL))
        return ac_error_set(err, AC_ERR_INTERNAL, "a page token cannot be signed");
    memcpy(ret_mac, mac, MAC_BYTES);
    return AC_OK;
}

ac_status page_token_make(const store *s, const char *list, const void *position, size_t length, arena *memory,
                          const char **ret_token, ac_error *err)
{
    unsigned char bytes[MAC_BYTES + PAGE_POSITION_MAX] = {0};
    _cleanup_(buf_done) buf text = BUF_INIT(sizeof(bytes) * 2);
    ac_status status;

    if (length > PAGE_POSITION_MAX)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "a row's sort key is too long for a page token");
    AC_TRY(sign(s, list, position, length, bytes, err));
    memcpy(bytes + MAC_BYTES, position, length);
    status = base64_encode(&text, BASE64_URL, bytes, MAC_BYTES + length);
    *ret_token = status == AC_OK ? arena_copy(memory, text.data, text.length) : NULL;
    return *ret_token ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

ac_status page_token_open(const store *s, const char *list, const char *token, arena *memory, const void **ret_position,
                          size_t *ret_length, ac_error *err)
{
    _cleanup_(buf_done) buf bytes = BUF_INIT(MAC_BYTES + PAGE_POSITION_MAX);
    unsigned char mac[MAC_BYTES];
    ac_status status = base64_decode(&bytes, BASE64_URL, token, strlen(token));

    if (status == AC_ERR_NOMEM)
        return ac_error_set(err, status, "out of memory");
    if (status != AC_OK || bytes.length < MAC_BYTES)
        return ac_error_set(err, AC_ERR_INVALID, "the nextToken is not valid");
    AC_TRY(sign(s, list, bytes.data + MAC_BYTES, bytes.length - MAC_BYTES, mac, err));
    if (CRYPTO_memcmp(mac, bytes.data, MAC_BYTES) != 0)
        return ac_error_set(err, AC_ERR_INVALID, "the nextToken is not valid");
    *ret_position = arena_copy(memory, bytes.data + MAC_BYTES, bytes.length - MAC_BYTES);
    *ret_length = bytes.length - MAC_BYTES;
    return *ret_position ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}
