/* uri.c - percent-encoding and strict decoding (RFC 3986, section 2.1).  No state. */
#include "aws/uri.h"

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

static size_t encoded_length(const char *text, size_t length, uri_slash slash)
{
    size_t total = 0;

    for (size_t i = 0; i < length; i++)
        total += is_unreserved(text[i]) || (text[i] == '/' && slash == URI_KEEP_SLASH) ? 1 : 3;
    return total;
}

ac_status uri_encode(buf *out, const char *text, size_t length, uri_slash slash)
{
    static const char digits[] = "0123456789ABCDEF";

    if (length > SIZE_MAX / 3)
        return AC_ERR_TOO_LARGE;
    AC_TRY(buf_reserve(out, encoded_length(text, length, slash)));

    for (size_t i = 0; i < length; i++) {
        if (is_unreserved(text[i]) || (text[i] == '/' && slash == URI_KEEP_SLASH)) {
            out->data[out->length++] = text[i];
            continue;
        }
        unsigned byte = (unsigned char)text[i];
        out->data[out->length++] = '%';
        out->data[out->length++] = digits[byte >> 4];
        out->data[out->length++] = digits[byte & 15];
    }
    return AC_OK;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The byte that "%XX" at text stands for; -1 when it is no escape. */
static int escaped_byte(const char *text, size_t length)
{
    int high = length > 2 ? hex_digit(text[1]) : -1;
    int low = high >= 0 ? hex_digit(text[2]) : -1;

    return low < 0 ? -1 : high << 4 | low;
}

static bool decoded_length(const char *text, size_t length, size_t *ret_length)
{
    size_t total = 0;

    for (size_t i = 0; i < length; i++, total++) {
        if (text[i] != '%')
            continue;
        if (escaped_byte(text + i, length - i) < 0)
            return false;
        i += 2;
    }
    *ret_length = total;
    return true;
}

ac_status uri_decode(buf *out, const char *text, size_t length, uri_plus plus)
{
    size_t total;

    if (!decoded_length(text, length, &total))
        return AC_ERR_INVALID;
    AC_TRY(buf_reserve(out, total));
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c == '+' && plus == URI_PLUS_SPACE) {
            c = ' ';
        } else if (c == '%') {
            c = (char)escaped_byte(text + i, length - i);
            i += 2;
        }
        out->data[out->length++] = c;
    }
    return AC_OK;
}
