/* base64.c - base64 in its two spellings. */
#include "base/base64.h"

static const char alphabets[2][65] = {
    [BASE64_STANDARD] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    [BASE64_URL] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

/* 0 to 63, or -1. */
static int sextet(base64_form form, char letter)
{
    if (letter >= 'A' && letter <= 'Z')
        return letter - 'A';
    if (letter >= 'a' && letter <= 'z')
        return letter - 'a' + 26;
    if (letter >= '0' && letter <= '9')
        return letter - '0' + 52;
    return letter == alphabets[form][62] ? 62 : letter == alphabets[form][63] ? 63 : -1;
}

bool base64_length(base64_form form, const char *text, size_t length, size_t *ret_bytes)
{
    size_t letters = length, tail;

    *ret_bytes = 0;
    if (form == BASE64_STANDARD) {
        if (length % 4 != 0)
            return false;
        while (length - letters < 2 && letters > 0 && text[letters - 1] == '=')
            letters--;
    }
    tail = letters % 4;
    if (tail == 1)
        return false;
    for (size_t i = 0; i < letters; i++)
        if (sextet(form, text[i]) < 0)
            return false;
    if (tail != 0 && (sextet(form, text[letters - 1]) & (tail == 2 ? 15 : 3)) != 0)
        return false;
    *ret_bytes = letters / 4 * 3 + (tail ? tail - 1 : 0);
    return true;
}

ac_status base64_decode(buf *out, base64_form form, const char *text, size_t length)
{
    size_t bytes;

    if (!base64_length(form, text, length, &bytes))
        return AC_ERR_PROTOCOL;
    AC_TRY(buf_reserve(out, bytes));
    for (size_t i = 0; bytes > 0; i += 4) {
        size_t count = MIN(bytes, 3);
        uint32_t group = 0;

        for (size_t k = 0; k < 4; k++)
            group = group << 6 | (k <= count ? (uint32_t)sextet(form, text[i + k]) : 0);
        AC_TRY(buf_append(out, (char[]){(char)(group >> 16), (char)(group >> 8), (char)group}, count));
        bytes -= count;
    }
    return AC_OK;
}

ac_status base64_encode(buf *out, base64_form form, const void *data, size_t length)
{
    const char *letters = alphabets[form];
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

        AC_TRY(buf_append(out, text, form == BASE64_STANDARD ? 4 : left + 1));
    }
    return AC_OK;
}
