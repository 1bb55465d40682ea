/* test_ini.c - the text format of shared config files. */
#include "aws/ini.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What a text is read as: "[section]key=value|..." in order, line ends in values shown as '~'. */
typedef struct ini_case {
    const char *text;
    const char *expected; /* NULL: refused */
    const char *message;
} ini_case;

static const ini_case cases[] = {
    {"", "", NULL},
    {"\n\n# x\n; y\n", "", NULL},
    {"[a]\nk=v\n", "[a]k=v|", NULL},
    {"\xEF\xBB\xBF[a]\r\nk = v \r\n", "[a]k=v|", NULL},
    {"[a]\nk: v\nl : w\n", "[a]k=v|[a]l=w|", NULL},
    {"[a]\nKEY = Value\n", "[a]key=Value|", NULL},
    {"[a]\nk = a=b:c # no comment\n", "[a]k=a=b:c # no comment|", NULL},
    {"[a]\nk =\n", "[a]k=|", NULL},
    {"[a b]x]\nk = v\n", "[a b]x]k=v|", NULL},
    {"[a] # comment\nk = v\n", "[a]k=v|", NULL},
    {"  [a]\n  k = v\n", "[a]k=v|", NULL},
    {"[a]\nk = v\n  more\n  [x]\n", "[a]k=v~more~[x]|", NULL},
    {"[a]\nk = v\n\n  # note\n  more\nl = w\n", "[a]k=v~more|[a]l=w|", NULL},
    {"[a]\ns3 =\n  x = 1\n  Y=2\nk = v\n", "[a]s3=|[a]s3.x=1|[a]s3.y=2|[a]k=v|", NULL},
    {"[a]\nk = 1\n[b]\nk = 2\n[a]\nk = 3\n", "[a]k=1|[b]k=2|[a]k=3|", NULL},
    {"[a]\nk = v", "[a]k=v|", NULL},
    {"k = v\n", NULL, "line 1"},
    {"[a]\nword\n", NULL, "line 2"},
    {"[a]\n= v\n", NULL, "line 2"},
    {"[]\n", NULL, "line 1"},
    {"[a\n", NULL, "line 1"},
    {"[a]\ns3 =\n  word\n", NULL, "line 3"},
    {"[a]\nk = \"\n\xFF\n", NULL, "line 3"},
};

static void show(const ini *i, char *out, size_t size)
{
    const char *key, *value;
    size_t section, length = 0;

    out[0] = '\0';
    for (size_t at = 0; ini_entry_at(i, at, &section, &key, &value); at++)
        length += (size_t)snprintf(out + length, size - length, "[%s]%s=%s|", ini_section_name(i, section), key, value);
    for (char *c = out; *c; c++)
        if (*c == '\n')
            *c = '~';
}

static void texts_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        ac_error err = {0};
        char got[512];
        ini *parsed;

        ac_status status = ini_parse(cases[i].text, strlen(cases[i].text), &parsed, &err);
        if (!cases[i].expected) {
            if (status != AC_ERR_PROTOCOL || !strstr(err.message, cases[i].message))
                fail_msg("case %zu: %s %s", i, ac_status_name(status), err.message);
            assert_null(parsed);
            continue;
        }
        if (status != AC_OK)
            fail_msg("case %zu: %s", i, err.message);
        show(parsed, got, sizeof got);
        assert_string_equal(got, cases[i].expected);
        ini_free(parsed);
    }
}

static void later_values_replace_earlier_ones(void **state)
{
    static const char text[] = "[a]\nk = 1\nl = 1\n[b]\nk = 2\n[a]\nk = 3\n";
    ini *i;

    (void)state;
    assert_int_equal(ini_parse(text, strlen(text), &i, NULL), AC_OK);
    assert_int_equal(ini_section_count(i), 2);
    assert_string_equal(ini_get(i, ini_find(i, "a"), "k"), "3");
    assert_string_equal(ini_get(i, ini_find(i, "a"), "l"), "1");
    assert_null(ini_get(i, ini_find(i, "b"), "l"));
    assert_int_equal(ini_find(i, "c"), INI_NO_SECTION);
    ini_free(i);
}

static void sizes_are_bounded(void **state)
{
    static const char line[] = "[a]\nkkk = v\n";
    buf text = BUF_INIT(8 << 20);
    ac_error err = {0};
    ini *i;

    (void)state;
    for (size_t n = 0; n < INI_ENTRIES_MAX + 1; n++)
        assert_int_equal(buf_append_text(&text, n ? "a=b\n" : "[a]\n"), AC_OK);
    assert_int_equal(ini_parse(text.data, text.length, &i, NULL), AC_OK);
    ini_free(i);
    assert_int_equal(buf_append_text(&text, "a=b\n"), AC_OK);
    assert_int_equal(ini_parse(text.data, text.length, &i, &err), AC_ERR_TOO_LARGE);
    while (text.length <= INI_BYTES_MAX)
        assert_int_equal(buf_append_text(&text, line), AC_OK);
    assert_int_equal(ini_parse(text.data, text.length, &i, &err), AC_ERR_TOO_LARGE);
    text.length = 0;
    for (size_t n = 0; n <= INI_SECTIONS_MAX; n++)
        assert_int_equal(buf_appendf(&text, "[%zu]\n", n), AC_OK);
    assert_int_equal(ini_parse(text.data, text.length, &i, &err), AC_ERR_TOO_LARGE);
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_read),
        cmocka_unit_test(later_values_replace_earlier_ones),
        cmocka_unit_test(sizes_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
