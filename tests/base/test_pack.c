/* test_pack.c - packing and unpacking by format strings: every letter, every complaint, wrong formats, no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

DEFINE_CLEANUP(yyjson_doc *, yyjson_doc_free)
DEFINE_CLEANUP(yyjson_mut_doc *, yyjson_mut_doc_free)

static yyjson_doc *parse(const char *text)
{
    yyjson_doc *doc = NULL;

    assert_int_equal(ac_json_read(text, strlen(text), NULL, &doc, NULL), AC_OK);
    return doc;
}

static void assert_json(const yyjson_mut_val *value, const char *expected)
{
    _cleanup_(buf_done) buf out = BUF_INIT(SIZE_MAX);

    assert_non_null(value);
    assert_int_equal(json_write(&out, value, JSON_COMPACT, NULL), AC_OK);
    assert_string_equal(buf_terminate(&out), expected);
}

static void every_letter_packs(void **state)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    _cleanup_(yyjson_doc_freep) yyjson_doc *other = parse("{\"x\":[1,{\"y\":null}]}");
    char key[] = "key";

    (void)state;
    yyjson_mut_val *value = ac_json_pack(doc, "{s: s, s:s?, s:s?, s%: s%}", key, "text", "a", "b", "c", NULL, "dd",
                                         (size_t)1, "e\0f", (size_t)3);
    key[0] = 'X'; /* copied, so this does not show */
    assert_json(value, "{\"key\":\"text\",\"a\":\"b\",\"c\":null,\"d\":\"e\\u0000f\"}");
    assert_json(ac_json_pack(doc, " [b b i I U f n]", 0, 7, INT_MIN, INT64_MIN, UINT64_MAX, 1.5),
                "[false,true,-2147483648,-9223372036854775808,18446744073709551615,1.5,null]");
    assert_json(ac_json_pack(doc, "[o, v, {}, []]", yyjson_mut_int(doc, 5), yyjson_doc_get_root(other)),
                "[5,{\"x\":[1,{\"y\":null}]},{},[]]");
    assert_json(ac_json_pack(doc, "s", "alone"), "\"alone\"");
    assert_json(ac_json_pack(doc, "{s:[{s:[i]}]}", "a", "b", 1), "{\"a\":[{\"b\":[1]}]}");
    assert_json(ac_json_pack(doc, "s%", NULL, (size_t)0), "\"\"");
}

static void pack_equals_what_hands_build(void **state)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *by_hand = yyjson_mut_obj(doc);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, by_hand, "at");

    (void)state;
    yyjson_mut_obj_add_str(doc, by_hand, "name", "x");
    yyjson_mut_arr_add_int(doc, list, 1);
    yyjson_mut_arr_add_real(doc, list, 0.25);
    assert_true(yyjson_mut_equals(ac_json_pack(doc, "{s:s, s:[i, f]}", "name", "x", "at", 1, 0.25), by_hand));
}

static const char *const wrong_formats[] = {"",  " ", "{", "[",  "}",  "]",  "{]",  "[}",     "{s",   "{s:}", "{i:i}",
                                            "z", "?", "%", "ii", "i}", "[i", "[i}", "{s?:i}", "{s:i", "n?",   "[[]"};

static void wrong_formats_pack_nothing(void **state)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    char deep[80];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong_formats); i++)
        assert_null(ac_json_pack(doc, wrong_formats[i], NULL, NULL, NULL));
    assert_null(ac_json_pack(doc, NULL));
    assert_null(ac_json_pack(NULL, "n"));

    memset(deep, '[', 33);
    memset(deep + 33, ']', 33);
    deep[66] = '\0';
    assert_null(ac_json_pack(doc, deep));
    deep[65] = '\0';
    assert_non_null(ac_json_pack(doc, deep + 1));
}

static void wrong_values_pack_nothing(void **state)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

    (void)state;
    assert_null(ac_json_pack(doc, "s", NULL));
    assert_null(ac_json_pack(doc, "[s]", "\xFF"));
    assert_null(ac_json_pack(doc, "{s:i}", "\xE2\x82", 1));
    assert_null(ac_json_pack(doc, "s%", "\xC3\xA9", (size_t)1));
    assert_null(ac_json_pack(doc, "[o]", NULL));
    assert_null(ac_json_pack(doc, "[v]", NULL));
    assert_null(ac_json_pack(doc, "s%", NULL, (size_t)1));
}

/* Packing to text gives what packing to a value and writing that gives, and fails where that fails. */
static void assert_same_text(const char *format, ...)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    va_list args;

    va_start(args, format);
    yyjson_mut_val *value = ac_json_vpack(doc, format, args);
    for (int style = JSON_COMPACT; style <= JSON_SPACED; style++) {
        _cleanup_(buf_done) buf text = BUF_INIT(SIZE_MAX), written = BUF_INIT(SIZE_MAX);
        json_repairs repairs = {0}, wanted = {0};

        assert_int_equal(buf_append(&text, "x", 1), AC_OK);
        assert_int_equal(buf_append(&written, "x", 1), AC_OK);
        ac_status status = json_vpack_text(&text, (json_style)style, &repairs, format, args);
        assert_int_equal(status, value ? AC_OK : AC_ERR_INVALID);
        if (value)
            assert_int_equal(json_write(&written, value, (json_style)style, &wanted), AC_OK);
        assert_string_equal(buf_terminate(&text), buf_terminate(&written));
        assert_int_equal(repairs.not_a_number, wanted.not_a_number);
        assert_int_equal(repairs.not_utf8, wanted.not_utf8);
    }
    va_end(args);
}

static void text_is_what_the_value_says(void **state)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    _cleanup_(yyjson_doc_freep) yyjson_doc *other = parse("{\"x\":[1,{\"y\":null}],\"z\":-1.5e300}");
    char deep[80], text[200];

    (void)state;
    assert_same_text("{s: s, s:s?, s:s?, s%: s%}", "key", "text", "a", "b", "c", NULL, "dd", (size_t)1,
                     "e\0\x1F"
                     "f",
                     (size_t)4);
    assert_same_text(" [b b i I U f n]", 0, 7, INT_MIN, INT64_MIN, UINT64_MAX, 1.5);
    assert_same_text("[i i I U f f f]", 0, -1, INT64_MAX, (uint64_t)0, 0.0, -1e-7, 1e22);
    assert_same_text("[f, f, f]", strtod("nan", NULL), strtod("inf", NULL), strtod("-inf", NULL));
    assert_same_text("[o, v, {}, []]", yyjson_mut_int(doc, 5), yyjson_doc_get_root(other));
    assert_same_text("{s:o, s:o}", "bad", yyjson_mut_str(doc, "\xFF"), "raw", yyjson_mut_raw(doc, "[1]"));
    assert_same_text("{s:[{s:[i]}]}", "a", "b", 1);
    assert_same_text("s%", NULL, (size_t)0);
    for (size_t i = 0; i < ARRAY_SIZE(wrong_formats); i++)
        assert_same_text(wrong_formats[i], NULL, NULL, NULL);
    assert_same_text(NULL);
    assert_same_text("s", NULL);
    assert_same_text("[s]", "\xFF");
    assert_same_text("{s:i}", "\xE2\x82", 1);
    assert_same_text("s%", "\xC3\xA9", (size_t)1);
    assert_same_text("[o]", NULL);
    assert_same_text("[v]", NULL);
    assert_same_text("s%", NULL, (size_t)1);

    memset(deep, '[', 33);
    memset(deep + 33, ']', 33);
    deep[66] = '\0';
    assert_same_text(deep);
    deep[65] = '\0';
    assert_same_text(deep + 1);

    /* A byte of each sort at each place of strings of each length. */
    for (size_t length = 1; length <= 150; length++) {
        static const char sorts[] = "a\"\\\n\x1F\x7F\xC3";

        for (size_t at = 0; at < length; at++) {
            memset(text, 'x', sizeof(text));
            text[at] = sorts[(at + length) % (sizeof(sorts) - 1)];
            assert_same_text("s%", text, length);
        }
    }
}

static void every_letter_unpacks(void **state)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *doc =
        parse("{\"s\":\"text\",\"z\":\"a\\u0000b\",\"b\":true,\"i\":-5,\"I\":-9223372036854775808,"
              "\"U\":18446744073709551615,\"f\":2.5,\"g\":3,\"n\":null,\"o\":{\"x\":[10,20,30]}}");
    const char *s = NULL, *z = NULL;
    size_t z_length = 0;
    bool b = false;
    int i = 0, x = 0, y = 0;
    int64_t big = 0;
    uint64_t huge = 0;
    double f = 0, g = 0;
    yyjson_val *o = NULL;
    ac_error err;

    (void)state;
    assert_int_equal(ac_json_unpack(yyjson_doc_get_root(doc), &err,
                                    "{s:s, s:s%, s:b, s:i, s:I, s:U, s:f, s:f, s:n, s:o, s:{s:[i, i]}}", "s", &s, "z",
                                    &z, &z_length, "b", &b, "i", &i, "I", &big, "U", &huge, "f", &f, "g", &g, "n", "o",
                                    &o, "o", "x", &x, &y),
                     AC_OK);
    assert_string_equal(s, "text");
    assert_int_equal(z_length, 3);
    assert_memory_equal(z, "a\0b", 3);
    assert_true(b);
    assert_int_equal(i, -5);
    assert_true(big == INT64_MIN && huge == UINT64_MAX && f == 2.5 && g == 3);
    assert_ptr_equal(o, yyjson_obj_get(yyjson_doc_get_root(doc), "o"));
    assert_true(x == 10 && y == 20);
}

static void optional_keys_may_be_absent(void **state)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *doc = parse("{\"last\":9}");
    const char *text = "default", *more = "default";
    size_t length = 77;
    int number = 1, last = 0;
    bool flag = true;
    double real = 0.5;
    int64_t big = 2;
    uint64_t huge = 3;
    yyjson_val *any = NULL;

    (void)state;
    assert_int_equal(ac_json_unpack(yyjson_doc_get_root(doc), NULL,
                                    "{s?:s, s?:s%, s?:{s:i, s:[b, f, {s?:I}], s?:U, s:n}, s?:o, s:i}", "a", &text, "b",
                                    &more, &length, "c", "d", &number, "e", &flag, &real, "f", &big, "g", &huge, "h",
                                    "i", &any, "last", &last),
                     AC_OK);
    assert_string_equal(text, "default");
    assert_string_equal(more, "default");
    assert_true(length == 77 && number == 1 && flag && real == 0.5 && big == 2 && huge == 3 && !any);
    assert_int_equal(last, 9);
}

#define assert_complaint(text, expected, ...)                                                                          \
    do {                                                                                                               \
        _cleanup_(yyjson_doc_freep) yyjson_doc *doc_ = parse(text);                                                    \
        ac_error err_ = {0};                                                                                           \
        assert_int_equal(ac_json_unpack(yyjson_doc_get_root(doc_), &err_, __VA_ARGS__), AC_ERR_INVALID);               \
        assert_string_equal(err_.message, expected);                                                                   \
    } while (0)

static void complaints_name_the_place(void **state)
{
    const char *s = "before";
    int i = 5, j = 6;
    int64_t big;
    uint64_t huge;
    bool b;
    double f;
    yyjson_val *o;

    (void)state;
    assert_complaint("{\"prompt\":5}", "prompt: expected a string", "{s:s}", "prompt", &s);
    assert_complaint("{}", "prompt: expected a string (missing)", "{s:s}", "prompt", &s);
    assert_complaint("{\"prompt\":null}", "prompt: expected a string", "{s?:s}", "prompt", &s);
    assert_string_equal(s, "before");
    assert_complaint("{\"user\":{\"name\":1.5}}", "user.name: expected an integer", "{s:{s:i}}", "user", "name", &i);
    assert_complaint("{\"a\":[1,{\"b\":[]}]}", "a[1].b[0]: expected a value (missing)", "{s:[i,{s:[o]}]}", "a", &i, "b",
                     &o);
    assert_int_equal(i, 1);
    assert_complaint("[]", "expected an object", "{s:s}", "prompt", &s);
    assert_complaint("[[true]]", "[0][0]: expected null", "[[n]]");
    assert_complaint("{\"a\":1}", "a: expected an array", "{s:[]}", "a");
    assert_complaint("{\"a\":1}", "a: expected a boolean", "{s:b}", "a", &b);
    assert_complaint("{\"a\":\"1\"}", "a: expected a number", "{s:f}", "a", &f);
    assert_complaint("[2147483648]", "[0]: expected an integer of 32 bits", "[i]", &j);
    assert_complaint("[-2147483649]", "[0]: expected an integer of 32 bits", "[i]", &j);
    assert_complaint("[9223372036854775808]", "[0]: expected an integer of 64 bits", "[I]", &big);
    assert_complaint("[-1]", "[0]: expected an integer of at least 0", "[U]", &huge);
    assert_int_equal(j, 6);
    assert_int_equal(ac_json_unpack(NULL, NULL, "s", &s), AC_ERR_INVALID);
}

static void long_paths_are_cut(void **state)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *doc = parse("{}");
    char key[2000];
    ac_error err;
    int i;

    (void)state;
    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    assert_int_equal(ac_json_unpack(yyjson_doc_get_root(doc), &err, "{s:i}", key, &i), AC_ERR_INVALID);
    assert_non_null(strstr(err.message, "kkk: expected an integer"));
}

static void wrong_formats_unpack_nothing(void **state)
{
    static const char *const formats[] = {"",  "{",   "[",     "}",   "{s:", "{s", "{i:i}",
                                          "z", "{s?", "{s:z}", "{}?", "{]",  "[{"};
    _cleanup_(yyjson_doc_freep) yyjson_doc *object = parse("{\"a\":{}}");
    _cleanup_(yyjson_doc_freep) yyjson_doc *array =
        parse("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
    yyjson_val *any;
    char deep[80];
    ac_error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        assert_int_equal(ac_json_unpack(yyjson_doc_get_root(object), NULL, formats[i], "a", &any), AC_ERR_INVALID);
        assert_int_equal(ac_json_unpack(yyjson_doc_get_root(array), NULL, formats[i], "a", &any), AC_ERR_INVALID);
    }
    assert_int_equal(ac_json_unpack(yyjson_doc_get_root(array), NULL, NULL), AC_ERR_INVALID);
    assert_int_equal(ac_json_unpack(yyjson_doc_get_root(object), NULL, "{s:o}", NULL, &any), AC_ERR_INVALID);

    memset(deep, '[', 34);
    memset(deep + 34, ']', 34);
    deep[68] = '\0';
    assert_int_equal(ac_json_unpack(yyjson_doc_get_root(array), &err, deep), AC_ERR_INVALID);
    assert_string_equal(err.message, "the format for unpacking is wrong: nested too deep");
}

static void getters_fall_back(void **state)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *doc =
        parse("{\"s\":\"x\",\"i\":-3,\"u\":7,\"big\":9223372036854775808,\"f\":1.0,\"b\":false}");
    yyjson_val *root = yyjson_doc_get_root(doc);

    (void)state;
    assert_string_equal(ac_json_string(root, "s", "?"), "x");
    assert_string_equal(ac_json_string(root, "i", "?"), "?");
    assert_null(ac_json_string(root, "absent", NULL));
    assert_string_equal(ac_json_string(NULL, "s", "?"), "?");
    assert_int_equal(ac_json_int(root, "i", 1), -3);
    assert_int_equal(ac_json_int(root, "u", 1), 7);
    assert_int_equal(ac_json_int(root, "big", 1), 1);
    assert_int_equal(ac_json_int(root, "f", 1), 1);
    assert_false(ac_json_bool(root, "b", true));
    assert_true(ac_json_bool(root, "s", true));
    assert_true(ac_json_bool(yyjson_obj_get(root, "s"), "b", true));
}

/* An allocator that gives out `left` more blocks. */
static void *limited_malloc(void *left, size_t size)
{
    return (*(int *)left)-- > 0 ? malloc(size) : NULL;
}

static void *limited_realloc(void *left, void *block, size_t old_size, size_t size)
{
    (void)old_size;
    return (*(int *)left)-- > 0 ? realloc(block, size) : NULL;
}

static void limited_free(void *left, void *block)
{
    (void)left;
    free(block);
}

static void packing_survives_without_memory(void **state)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *other = parse("[1,[2,{\"three\":\"four\"}]]");
    char *text = malloc(50000);
    bool failed = false, succeeded = false;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', 49999);
    text[49999] = '\0';
    for (int blocks = 1; !succeeded && blocks < 100; blocks++) {
        int left = blocks;
        yyjson_alc alc = {limited_malloc, limited_realloc, limited_free, &left};
        _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = yyjson_mut_doc_new(&alc);

        if (!doc)
            continue;
        succeeded = ac_json_pack(doc, "{s:s, s:[s,v,{s:s}]}", "a", text, text, "b", yyjson_doc_get_root(other), "c",
                                 text) != NULL;
        failed = failed || !succeeded;
    }
    assert_true(failed && succeeded);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_letter_packs),          cmocka_unit_test(pack_equals_what_hands_build),
        cmocka_unit_test(wrong_formats_pack_nothing),  cmocka_unit_test(wrong_values_pack_nothing),
        cmocka_unit_test(text_is_what_the_value_says), cmocka_unit_test(every_letter_unpacks),
        cmocka_unit_test(optional_keys_may_be_absent), cmocka_unit_test(complaints_name_the_place),
        cmocka_unit_test(long_paths_are_cut),          cmocka_unit_test(wrong_formats_unpack_nothing),
        cmocka_unit_test(getters_fall_back),           cmocka_unit_test(packing_survives_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
