/* api_base64.c - base64 (RFC 4648, section 4): with padding, without line breaks, and nothing but zero bits in what the
 * padding leaves over, so that every blob has exactly one text. */
#include "aws/api_internal.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* 0 to 63, or -1. */
static int sextet(char letter)
{
    if (letter >= 'A' && letter <= 'Z')
        return letter - 'A';
    if (letter >= 'a' && letter <= 'z')
        return letter - 'a' + 26;
    if (letter >= '0' && letter <= '9')
        return letter - '0' + 52;
    return letter == '+' ? 62 : letter == '/' ? 63 : -1;
}

bool api_base64_length(const char *text, size_t length, size_t *ret_bytes)
{
    size_t padding = 0;

    *ret_bytes = 0;
    if (length % 4 != 0)
        return false;
    while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i < length - padding; i++)
        if (sextet(text[i]) < 0)
            return false;
    if (padding > 0 && (sextet(text[length - padding - 1]) & (padding == 1 ? 3 : 15)) != 0)
        return false;
    *ret_bytes = length / 4 * 3 - padding;
    return true;
}

ac_status api_base64_decode(buf *out, const char *text, size_t length)
{
    AC_TRY(buf_reserve(out, length / 4 * 3));
    for (size_t i = 0; i + 4 <= length; i += 4) {
        uint32_t group = 0;
        size_t bytes = 3;

        for (size_t k = 0; k < 4; k++) {
            int value = sextet(text[i + k]);

            group = group << 6 | (value < 0 ? 0 : (uint32_t)value);
            bytes -= value < 0;
        }
        AC_TRY(buf_append(out, (char[]){(char)(group >> 16), (char)(group >> 8), (char)group}, bytes));
    }
    return AC_OK;
}

ac_status api_base64_encode(buf *out, const void *data, size_t length)
{
    const unsigned char *bytes = data;

    if (length > SIZE_MAX / 4 * 3 - 3)
        return AC_ERR_TOO_LARGE;
    AC_TRY(buf_reserve(out, (length + 2) / 3 * 4));
    for (size_t i = 0; i < length; i += 3) {
        size_t left = MIN(length - i, 3);
        uint32_t group =
            (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0);
        char text[4] = {letters[group >> 18], letters[group >> 12 & 63], left > 1 ? letters[group >> 6 & 63] : '=',
                        left > 2 ? letters[group & 63] : '='};

        AC_TRY(buf_append(out, text, sizeof text));
    }
    return AC_OK;
}
