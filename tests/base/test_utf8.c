/* test_utf8.c - UTF-8 against the definition: every code point is encoded, and nothing else may pass.  Also the
 * cutting of messages in ac_error_set, which rests on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* starts[n] has a bit for each sequence of n bytes that a character of n bytes or more starts with; whole[n] for each
 * character of n bytes (n up to 3). */
static uint8_t starts_1[256], starts_2[65536], whole_2[65536];
static uint8_t *starts_3, *whole_3;

static size_t encode(uint32_t code, unsigned char *to)
{
    if (code < 0x80) {
        to[0] = (unsigned char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (unsigned char)(0xC0 | code >> 6);
        to[1] = (unsigned char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (unsigned char)(0xE0 | code >> 12);
        to[1] = (unsigned char)(0x80 | (code >> 6 & 0x3F));
        to[2] = (unsigned char)(0x80 | (code & 0x3F));
        return 3;
    }
    to[0] = (unsigned char)(0xF0 | code >> 18);
    to[1] = (unsigned char)(0x80 | (code >> 12 & 0x3F));
    to[2] = (unsigned char)(0x80 | (code >> 6 & 0x3F));
    to[3] = (unsigned char)(0x80 | (code & 0x3F));
    return 4;
}

static int make_tables(void **state)
{
    (void)state;
    starts_3 = calloc(1, 1 << 24);
    whole_3 = calloc(1, 1 << 24);
    if (!starts_3 || !whole_3)
        return -1;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        unsigned char c[4] = {0};
        size_t length;

        if (code >= 0xD800 && code <= 0xDFFF)
            continue;
        length = encode(code, c);
        starts_1[c[0]] = 1;
        starts_2[c[0] << 8 | c[1]] |= length >= 2;
        whole_2[c[0] << 8 | c[1]] |= length == 2;
        starts_3[c[0] << 16 | c[1] << 8 | c[2]] |= length >= 3;
        whole_3[c[0] << 16 | c[1] << 8 | c[2]] |= length == 3;
    }
    return 0;
}

static int free_tables(void **state)
{
    (void)state;
    free(starts_3);
    free(whole_3);
    return 0;
}

static void every_character_is_valid(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        unsigned char c[4];
        size_t length = encode(code, c);
        bool surrogate = code >= 0xD800 && code <= 0xDFFF;

        if (utf8_valid((char *)c, length) != !surrogate)
            fail_msg("U+%04X", code);
        for (size_t cut = 1; cut < length && !surrogate; cut++) {
            if (utf8_valid_prefix((char *)c, cut) != 0)
                fail_msg("U+%04X cut at %zu", code, cut);
        }
    }
}

/* Every sequence of up to three bytes which starts with a byte above ASCII: the stream must go on exactly as long as
 * some character starts like this, and the whole form must agree. */
static void only_characters_are_valid(void **state)
{
    (void)state;
    for (uint32_t n = 0x80 << 16; n < 1 << 24; n++) {
        char c[3] = {(char)(n >> 16), (char)(n >> 8), (char)n};
        utf8_state s = {0};
        bool first = utf8_feed(&s, c, 1);

        if (first != starts_1[n >> 16])
            fail_msg("first byte of %06X", n);
        if (!first) {
            n |= 0xFFFF;
            continue;
        }
        bool second = utf8_feed(&s, c + 1, 1);
        if (second != starts_2[n >> 8] || (second && utf8_complete(&s) != whole_2[n >> 8]))
            fail_msg("second byte of %06X", n);
        if (!second || whole_2[n >> 8]) {
            n |= 0xFF;
            continue;
        }
        bool third = utf8_feed(&s, c + 2, 1);
        if (third != starts_3[n] || (third && utf8_complete(&s) != whole_3[n]) || utf8_valid(c, 3) != whole_3[n])
            fail_msg("third byte of %06X", n);
    }
}

static void pieces_agree_with_the_whole(void **state)
{
    (void)state;
    srand(1);
    for (int round = 0; round < 20000; round++) {
        static const char *const parts[] = {"abcdefgh",         "x",
                                            "\xC3\xA9",         "\xE2\x82\xAC",
                                            "\xF0\x9F\x98\x80", "01234567890123456789012345678901234567890"};
        char text[512];
        size_t length = 0;

        for (int i = rand() % 10; i >= 0; i--) {
            const char *part = parts[(size_t)rand() % ARRAY_SIZE(parts)];

            memcpy(text + length, part, strlen(part));
            length += strlen(part);
        }
        if (length > 0 && rand() % 2)
            text[(size_t)rand() % length] = (char)rand();

        size_t cut = (size_t)rand() % (length + 1);
        utf8_state s = {0};
        bool fed = utf8_feed(&s, text, cut) && utf8_feed(&s, text + cut, length - cut) && utf8_complete(&s);
        assert_int_equal(fed, utf8_valid(text, length));
    }
}

static void failure_lasts(void **state)
{
    utf8_state s = {0};

    (void)state;
    assert_true(utf8_feed(&s, "\xE0", 1));
    assert_false(utf8_complete(&s));
    assert_false(utf8_feed(&s, "\x80", 1));
    assert_false(utf8_feed(&s, "a", 1));
    assert_false(utf8_feed(&s, "", 0));
    assert_false(utf8_complete(&s));
}

static void cleaning_replaces_each_bad_byte(void **state)
{
    _cleanup_(buf_done) buf out = BUF_INIT(100);

    (void)state;
    assert_int_equal(utf8_append_clean(&out,
                                       "a\xFF"
                                       "b\xE2\x82"
                                       "c\xC3\xA9",
                                       8),
                     AC_OK);
    assert_string_equal(buf_terminate(&out), "a\uFFFDb\uFFFD\uFFFDc\u00E9");

    _cleanup_(buf_done) buf small = BUF_INIT(4);
    assert_int_equal(utf8_append_clean(&small, "a\xFF\xFF", 3), AC_ERR_TOO_LARGE);
    assert_int_equal(small.length, 0);
}

static void messages_are_cut_between_characters(void **state)
{
    char text[600];
    ac_error err;

    (void)state;
    for (size_t lead = 508; lead <= 511; lead++) {
        memset(text, 'x', sizeof(text));
        memcpy(text + lead, "\xF0\x9F\x98\x80 and more", 14);
        text[lead + 14] = '\0';
        assert_int_equal(ac_error_set(&err, AC_ERR_TIMEOUT, "%s", text), AC_ERR_TIMEOUT);
        assert_true(utf8_valid(err.message, strlen(err.message)));
        assert_int_equal(strlen(err.message), lead);
    }
    memcpy(text + 507, "\xF0\x9F\x98\x80y", 6);
    ac_error_set(&err, AC_ERR_TIMEOUT, "%s", text);
    assert_int_equal(strlen(err.message), 511);
}

static void errors_carry_their_row(void **state)
{
    ac_error err;

    (void)state;
    assert_int_equal(ac_error_set(NULL, AC_ERR_IO, "x"), AC_ERR_IO);
    ac_error_set(&err, AC_ERR_NOT_FOUND, "no %s", "luck");
    ac_error_set(&err, AC_ERR_NOT_FOUND, "wrapped: %s", err.message);
    assert_string_equal(err.message, "wrapped: no luck");
    assert_string_equal(err.aws_name, "ResourceNotFoundException");
    assert_int_equal(err.http_status, 404);
    ac_error_set(&err, AC_ERR_TIMEOUT, "%s", "");
    assert_string_equal(err.message, "timed out");
    ac_error_set(&err, AC_ERR_TIMEOUT, "%s",
                 "bad \xFF"
                 "byte");
    assert_string_equal(err.message, "bad ?byte");
    assert_string_equal(ac_status_name((ac_status)99), "AC_ERR_?");
    assert_string_equal(ac_status_name((ac_status)-1), "AC_ERR_?");
    assert_int_equal(ac_status_http((ac_status)99), 500);
    assert_true(ac_status_retryable(AC_ERR_THROTTLED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character_is_valid),        cmocka_unit_test(only_characters_are_valid),
        cmocka_unit_test(pieces_agree_with_the_whole),     cmocka_unit_test(failure_lasts),
        cmocka_unit_test(cleaning_replaces_each_bad_byte), cmocka_unit_test(messages_are_cut_between_characters),
        cmocka_unit_test(errors_carry_their_row),
    };

    return cmocka_run_group_tests(tests, make_tables, free_tables);
}
