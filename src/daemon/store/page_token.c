/* page_token.c - the opaque nextToken of a listing: base64url without padding (RFC 4648 section 5) of
 *
 *     16 bytes   HMAC-SHA-256 over list, NUL, position, cut; the key is the store's secret
 *     the rest   position
 *
 * The spare bits of the last character must be zero, so that a token has one spelling. */
#include "daemon/store/page_token.h"
#include "daemon/store/engine.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#define MAC_BYTES 16
#define LIST_NAME_MAX 4096

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

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

static size_t encode(const unsigned char *bytes, size_t length, char *ret_text)
{
    uint32_t bits = 0;
    unsigned held = 0;
    size_t written = 0;

    for (size_t i = 0; i < length; i++) {
        bits = bits << 8 | bytes[i];
        for (held += 8; held >= 6; held -= 6)
            ret_text[written++] = digits[bits >> (held - 6) & 63];
    }
    if (held)
        ret_text[written++] = digits[bits << (6 - held) & 63];
    return written;
}

/* False: not something that encode wrote. */
static bool decode(const char *text, size_t length, unsigned char *ret_bytes, size_t *ret_length)
{
    uint32_t bits = 0;
    unsigned held = 0;

    *ret_length = 0;
    for (size_t i = 0; i < length; i++) {
        const char *digit = memchr(digits, text[i], sizeof(digits) - 1);
        if (!digit)
            return false;
        bits = bits << 6 | (uint32_t)(digit - digits);
        held += 6;
        if (held >= 8) {
            held -= 8;
            ret_bytes[(*ret_length)++] = (unsigned char)(bits >> held);
        }
    }
    return held < 6 && (bits & ((1u << held) - 1)) == 0;
}

ac_status page_token_make(const store *s, const char *list, const void *position, size_t length, arena *memory,
                          const char **ret_token, ac_error *err)
{
    unsigned char bytes[MAC_BYTES + PAGE_POSITION_MAX] = {0};
    char text[(sizeof(bytes) + 2) / 3 * 4];

    if (length > PAGE_POSITION_MAX)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "a row's sort key is too long for a page token");
    AC_TRY(sign(s, list, position, length, bytes, err));
    memcpy(bytes + MAC_BYTES, position, length);
    *ret_token = arena_copy(memory, text, encode(bytes, MAC_BYTES + length, text));
    return *ret_token ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

ac_status page_token_open(const store *s, const char *list, const char *token, arena *memory, const void **ret_position,
                          size_t *ret_length, ac_error *err)
{
    unsigned char bytes[MAC_BYTES + PAGE_POSITION_MAX + 3];
    unsigned char mac[MAC_BYTES];
    size_t length = strlen(token);
    size_t count = 0;

    if (length > (MAC_BYTES + PAGE_POSITION_MAX + 2) / 3 * 4 || !decode(token, length, bytes, &count) ||
        count < MAC_BYTES || count > MAC_BYTES + PAGE_POSITION_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "the nextToken is not valid");
    AC_TRY(sign(s, list, bytes + MAC_BYTES, count - MAC_BYTES, mac, err));
    if (CRYPTO_memcmp(mac, bytes, MAC_BYTES) != 0)
        return ac_error_set(err, AC_ERR_INVALID, "the nextToken is not valid");
    *ret_position = arena_copy(memory, (const char *)bytes + MAC_BYTES, count - MAC_BYTES);
    *ret_length = count - MAC_BYTES;
    return *ret_position ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}
