/* test_json.c - reading and writing JSON: positions as Python gives them, limits, styles, repairs, round trips. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/json_mend.h"
#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

DEFINE_CLEANUP(yyjson_doc *, yyjson_doc_free)
DEFINE_CLEANUP(yyjson_mut_doc *, yyjson_mut_doc_free)

typedef struct bad_text {
    const char *text;
    json_flaw flaw;
    const char *message; /* the end of it */
} bad_text;

/* Positions, and the messages about encoding, are those of Python 3.11's json module for the same bytes. */
static const bad_text bad_texts[] = {
    {"", JSON_FLAW_SYNTAX, "Expecting value: line 1 column 1 (char 0)"},
    {"   ", JSON_FLAW_SYNTAX, "Expecting value: line 1 column 4 (char 3)"},
    {"\xEF\xBB\xBF", JSON_FLAW_SYNTAX, "Expecting value: line 1 column 1 (char 0)"},
    {"{", JSON_FLAW_SYNTAX, ": line 1 column 2 (char 1)"},
    {"[1,,2]", JSON_FLAW_SYNTAX, ": line 1 column 4 (char 3)"},
    {"{\"a\":1}x", JSON_FLAW_SYNTAX, ": line 1 column 8 (char 7)"},
    {"\"\\n\\u00e9abc\" x", JSON_FLAW_SYNTAX, ": line 1 column 15 (char 14)"},
    {"{\"\xC3\xA9\xC3\xA9\":\n\n  zz}", JSON_FLAW_SYNTAX, ": line 3 column 3 (char 10)"},
    {"{\"a\": NaN}", JSON_FLAW_SYNTAX, ": line 1 column 7 (char 6)"},
    {"['a']", JSON_FLAW_SYNTAX, ": line 1 column 2 (char 1)"},
    {"\xFF", JSON_FLAW_ENCODING, "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"},
    {"\"\xE2\x82\"", JSON_FLAW_ENCODING, "'utf-8' codec can't decode bytes in position 1-2: invalid continuation byte"},
    {"[\"a\\nb\",\n\"\xE9\"]", JSON_FLAW_ENCODING,
     "'utf-8' codec can't decode byte 0xe9 in position 10: invalid continuation byte"},
    {"\"\xE2\x82", JSON_FLAW_ENCODING, "'utf-8' codec can't decode bytes in position 1-2: unexpected end of data"},
    {"\"\xED\xA0\x80\"", JSON_FLAW_ENCODING,
     "'utf-8' codec can't decode byte 0xed in position 1: invalid continuation byte"},
    {"[1,,\"\xC3", JSON_FLAW_ENCODING, "'utf-8' codec can't decode byte 0xc3 in position 5: unexpected end of data"},
};

static ac_status read_copy(const char *text, size_t length, size_t depth_max, yyjson_doc **ret_doc, char **ret_text,
                           json_flaw *ret_flaw, ac_error *err)
{
    char *copy = malloc(length + JSON_PADDING);

    assert_non_null(copy);
    memcpy(copy, text, length);
    *ret_text = copy;
    return json_read_in_place(copy, length, depth_max, ret_doc, ret_flaw, err);
}

static void errors_say_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad_texts); i++) {
        const bad_text *bad = &bad_texts[i];
        size_t length = strlen(bad->text);
        yyjson_doc *doc;
        char *copy;
        json_flaw flaw = JSON_FLAW_NONE;
        ac_error err, public_err;

        assert_int_equal(read_copy(bad->text, length, 100, &doc, &copy, &flaw, &err), AC_ERR_PROTOCOL);
        free(copy);
        assert_null(doc);
        assert_int_equal(flaw, bad->flaw);
        assert_true(strlen(err.message) >= strlen(bad->message));
        assert_string_equal(err.message + strlen(err.message) - strlen(bad->message), bad->message);
        assert_int_equal(ac_json_read(bad->text, length, NULL, &doc, &public_err), AC_ERR_PROTOCOL);
        assert_string_equal(public_err.message, err.message);
    }
}

static void in_place_strings_point_into_the_text(void **state)
{
    char text[64] = "{\"key\":\"value\",\"n\":12345";
    _cleanup_(yyjson_doc_freep) yyjson_doc *doc = NULL;

    (void)state;
    strcat(text, "}");
    assert_int_equal(json_read_in_place(text, strlen(text), 5, &doc, NULL, NULL), AC_OK);
    const char *value = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "key"));
    assert_string_equal(value, "value");
    assert_ptr_equal(value, text + 8);
}

static void a_number_may_end_the_text(void **state)
{
    char text[6 + JSON_PADDING] = "123456789";
    _cleanup_(yyjson_doc_freep) yyjson_doc *doc = NULL;

    (void)state;
    assert_int_equal(json_read_in_place(text, 6, 5, &doc, NULL, NULL), AC_OK);
    assert_int_equal(yyjson_get_int(yyjson_doc_get_root(doc)), 123456);
}

static char *nested(size_t depth, const char *middle)
{
    char *text = malloc(2 * depth + strlen(middle) + 1);

    assert_non_null(text);
    memset(text, '[', depth);
    strcpy(text + depth, middle);
    memset(text + depth + strlen(middle), ']', depth);
    text[2 * depth + strlen(middle)] = '\0';
    return text;
}

static void depth_is_limited(void **state)
{
    ac_json_read_options options = {0};
    yyjson_doc *doc;
    ac_error err;

    (void)state;
    for (size_t depth = 510; depth <= 514; depth++) {
        char *text = nested(depth, "{\"[[[[\\\"[[\\\\\":1}");
        ac_status expected = depth + 1 <= AC_JSON_DEPTH_MAX ? AC_OK : AC_ERR_PROTOCOL;

        assert_int_equal(ac_json_read(text, strlen(text), NULL, &doc, &err), expected);
        yyjson_doc_free(doc);
        options.depth_max = depth + 1;
        assert_int_equal(ac_json_read(text, strlen(text), &options, &doc, &err), AC_OK);
        yyjson_doc_free(doc);
        options.depth_max = depth;
        assert_int_equal(ac_json_read(text, strlen(text), &options, &doc, &err), AC_ERR_PROTOCOL);
        free(text);
    }

    char *copy;
    json_flaw flaw;
    assert_int_equal(read_copy("[{\"a\":[1]}]", 11, 2, &doc, &copy, &flaw, &err), AC_ERR_PROTOCOL);
    assert_int_equal(flaw, JSON_FLAW_DEPTH);
    free(copy);
    assert_int_equal(read_copy("[[],{},[],{},[1]]", 17, 2, &doc, &copy, &flaw, &err), AC_OK);
    yyjson_doc_free(doc);
    free(copy);
}

static void size_is_limited(void **state)
{
    ac_json_read_options options = {.size_max = 4};
    yyjson_doc *doc;

    (void)state;
    assert_int_equal(ac_json_read("[1,2]", 5, &options, &doc, NULL), AC_ERR_TOO_LARGE);
    assert_null(doc);
    assert_int_equal(ac_json_read("[12]", 4, &options, &doc, NULL), AC_OK);
    yyjson_doc_free(doc);
    assert_int_equal(ac_json_read("\xEF\xBB\xBF"
                                  "1",
                                  4, &options, &doc, NULL),
                     AC_OK);
    yyjson_doc_free(doc);
}

static void styles_differ_in_spaces_only(void **state)
{
    static const char compact[] = "{\"a,b:c\":[1,2.5,\"x:y,\\\"z\\\\\"],\"e\":{},\"\xC3\xA9\":null,\"\\\\\":[]}";
    static const char spaced[] =
        "{\"a,b:c\": [1, 2.5, \"x:y,\\\"z\\\\\"], \"e\": {}, \"\xC3\xA9\": null, \"\\\\\": []}";
    _cleanup_(yyjson_doc_freep) yyjson_doc *doc = NULL;
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *copy = NULL;
    _cleanup_(buf_done) buf out = BUF_INIT(SIZE_MAX);
    json_repairs repairs = {true, true};

    (void)state;
    assert_int_equal(ac_json_read(spaced, strlen(spaced), NULL, &doc, NULL), AC_OK);
    copy = yyjson_doc_mut_copy(doc, NULL);
    assert_int_equal(json_write(&out, yyjson_mut_doc_get_root(copy), JSON_COMPACT, &repairs), AC_OK);
    assert_string_equal(buf_terminate(&out), compact);
    assert_false(repairs.not_a_number || repairs.not_utf8);
    out.length = 0;
    assert_int_equal(json_write(&out, yyjson_mut_doc_get_root(copy), JSON_SPACED, &repairs), AC_OK);
    assert_string_equal(buf_terminate(&out), spaced);
}

static void writing_respects_the_cap(void **state)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *value = ac_json_pack(doc, "[i, i, s]", 1, 2, "three");

    (void)state;
    for (int style = JSON_COMPACT; style <= JSON_SPACED; style++) {
        const char *expected = style == JSON_SPACED ? "x[1, 2, \"three\"]" : "x[1,2,\"three\"]";
        _cleanup_(buf_done) buf exact = BUF_INIT(strlen(expected));
        _cleanup_(buf_done) buf small = BUF_INIT(strlen(expected) - 1);

        assert_int_equal(buf_append_text(&exact, "x"), AC_OK);
        assert_int_equal(json_write(&exact, value, (json_style)style, NULL), AC_OK);
        assert_string_equal(buf_terminate(&exact), expected);
        assert_int_equal(buf_append_text(&small, "x"), AC_OK);
        assert_int_equal(json_write(&small, value, (json_style)style, NULL), AC_ERR_TOO_LARGE);
        assert_int_equal(small.length, 1);
    }
}

static void what_is_not_json_is_mended(void **state)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    _cleanup_(buf_done) buf out = BUF_INIT(SIZE_MAX);
    yyjson_mut_val *list = yyjson_mut_arr(doc);
    json_repairs repairs;

    (void)state;
    assert_int_equal(json_write(&out, NULL, JSON_COMPACT, &repairs), AC_OK);
    assert_string_equal(buf_terminate(&out), "null");

    yyjson_mut_arr_add_real(doc, list, (double)NAN);
    yyjson_mut_arr_add_real(doc, list, -(double)INFINITY);
    out.length = 0;
    assert_int_equal(json_write(&out, list, JSON_SPACED, &repairs), AC_OK);
    assert_string_equal(buf_terminate(&out), "[null, null]");
    assert_true(repairs.not_a_number && !repairs.not_utf8);

    yyjson_mut_arr_add_str(doc, list, "a\xE2\x82\"b\xFF\\\xF0");
    out.length = 0;
    assert_int_equal(json_write(&out, list, JSON_SPACED, &repairs), AC_OK);
    assert_string_equal(buf_terminate(&out), "[null, null, \"a\uFFFD\uFFFD\\\"b\uFFFD\\\\\uFFFD\"]");
    assert_true(repairs.not_a_number && repairs.not_utf8);
}

/* Strings of random bytes, long and short: always valid JSON, and the mended text comes back. */
static void strings_of_any_bytes(void **state)
{
    (void)state;
    srand(2);
    for (int round = 0; round < 5000; round++) {
        _cleanup_(buf_done) buf out = BUF_INIT(SIZE_MAX);
        _cleanup_(buf_done) buf clean = BUF_INIT(SIZE_MAX);
        _cleanup_(yyjson_doc_freep) yyjson_doc *doc = NULL;
        char text[3000];
        size_t length = (size_t)rand() % (round % 10 == 0 ? sizeof(text) : 40);
        int range = round % 3 == 0 ? 256 : 128;

        for (size_t i = 0; i < length; i++)
            text[i] = (char)(rand() % range);
        assert_int_equal(utf8_append_clean(&clean, text, length), AC_OK);
        assert_int_equal(json_write_string(&out, text, length), AC_OK);
        assert_int_equal(ac_json_read(out.data, out.length, NULL, &doc, NULL), AC_OK);
        yyjson_val *back = yyjson_doc_get_root(doc);
        assert_int_equal(yyjson_get_len(back), clean.length);
        if (clean.length > 0)
            assert_memory_equal(yyjson_get_str(back), clean.data, clean.length);
    }
}

static yyjson_mut_val *random_value(yyjson_mut_doc *doc, int depth)
{
    static const char *const texts[] = {"",
                                        "plain",
                                        "q\"uo\\te",
                                        "comma, colon: [x]",
                                        "\xC3\xA9\xF0\x9F\x98\x80",
                                        "line\nbreak\ttab\x01",
                                        "a long one, a long one: a long one, a long one"};
    static const double scales[] = {1, 3, 1e-300, 1e-20, 1e-6, 1e6, 1e20, 1e290};
    int kind = rand() % (depth > 0 ? 9 : 7);
    yyjson_mut_val *value;

    switch (kind) {
    case 0:
        return yyjson_mut_null(doc);
    case 1:
        return yyjson_mut_bool(doc, rand() % 2);
    case 2:
        return yyjson_mut_int(doc, (int64_t)((uint64_t)rand() << 33 ^ (uint64_t)rand()));
    case 3:
        return yyjson_mut_uint(doc, UINT64_MAX - (uint64_t)rand());
    case 4:
        return yyjson_mut_real(doc, (rand() - RAND_MAX / 2) / 3.0 * scales[(size_t)rand() % ARRAY_SIZE(scales)]);
    case 5:
    case 6:
        return yyjson_mut_str(doc, texts[(size_t)rand() % ARRAY_SIZE(texts)]);
    case 7:
        value = yyjson_mut_arr(doc);
        for (int i = rand() % 6; i > 0; i--)
            yyjson_mut_arr_append(value, random_value(doc, depth - 1));
        return value;
    default:
        value = yyjson_mut_obj(doc);
        for (int i = rand() % 6; i > 0; i--)
            yyjson_mut_obj_add(value, yyjson_mut_str(doc, texts[(size_t)rand() % ARRAY_SIZE(texts)]),
                               random_value(doc, depth - 1));
        return value;
    }
}

/* The quick writer and yyjson's say the same. */
static void check_writers_agree(const yyjson_mut_val *value, json_style style)
{
    _cleanup_(buf_done) buf quick = BUF_INIT(SIZE_MAX);
    _cleanup_(buf_done) buf other = BUF_INIT(SIZE_MAX);
    json_repairs quick_repairs, other_repairs;

    assert_int_equal(json_write(&quick, value, style, &quick_repairs), AC_OK);
    assert_int_equal(json_write_mended(&other, value, style, &other_repairs), AC_OK);
    assert_string_equal(buf_terminate(&quick), buf_terminate(&other));
    assert_int_equal(quick_repairs.not_utf8, other_repairs.not_utf8);
    assert_int_equal(quick_repairs.not_a_number, other_repairs.not_a_number);
}

/* Every byte at every place of a string that is longer than what the writer looks at in one go, between ASCII and
 * between other characters. */
static void every_byte_in_a_string(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        for (size_t at = 0; at < 40; at++) {
            char text[40];
            yyjson_mut_val value = {0};

            for (size_t i = 0; i < sizeof(text); i++)
                text[i] = at % 2 == 0 ? 'x' : "\xC3\xA9"[i % 2];
            text[at] = (char)byte;
            yyjson_mut_set_strn(&value, text, sizeof(text));
            check_writers_agree(&value, JSON_COMPACT);
            check_writers_agree(&value, JSON_SPACED);
        }
    }
}

/* Beyond a depth, and for text that is to stand as it is, only yyjson writes. */
static void unusual_values_are_written_too(void **state)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *value = yyjson_mut_raw(doc, "[1,{\"a\":2}]");

    (void)state;
    for (int depth = 0; depth < 200; depth++) {
        yyjson_mut_val *outer = depth % 2 ? yyjson_mut_arr(doc) : yyjson_mut_obj(doc);

        if (depth % 2)
            yyjson_mut_arr_append(outer, value);
        else
            yyjson_mut_obj_add(outer, yyjson_mut_str(doc, "k\x1F"), value);
        value = outer;
        check_writers_agree(value, JSON_COMPACT);
        check_writers_agree(value, JSON_SPACED);
    }
    check_writers_agree(yyjson_mut_sint(doc, INT64_MIN), JSON_SPACED);
    check_writers_agree(yyjson_mut_uint(doc, UINT64_MAX), JSON_SPACED);
    check_writers_agree(yyjson_mut_sint(doc, -1), JSON_SPACED);
    check_writers_agree(yyjson_mut_uint(doc, 0), JSON_SPACED);
}

static void random_values_come_back(void **state)
{
    (void)state;
    srand(3);
    for (int round = 0; round < 2000; round++) {
        _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *value = random_value(doc, 6);
        _cleanup_(buf_done) buf compact = BUF_INIT(SIZE_MAX);
        _cleanup_(buf_done) buf spaced = BUF_INIT(SIZE_MAX);
        _cleanup_(buf_done) buf again = BUF_INIT(SIZE_MAX);
        _cleanup_(yyjson_doc_freep) yyjson_doc *read = NULL;
        _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *copy = NULL;
        char *reference = yyjson_mut_val_write(value, 0, NULL);

        check_writers_agree(value, JSON_COMPACT);
        check_writers_agree(value, JSON_SPACED);
        assert_int_equal(json_write(&compact, value, JSON_COMPACT, NULL), AC_OK);
        assert_string_equal(buf_terminate(&compact), reference);
        free(reference);
        assert_int_equal(json_write(&spaced, value, JSON_SPACED, NULL), AC_OK);

        size_t length = spaced.length;
        assert_int_equal(buf_reserve(&spaced, JSON_PADDING), AC_OK);
        assert_int_equal(json_read_in_place(spaced.data, length, 10, &read, NULL, NULL), AC_OK);
        copy = yyjson_doc_mut_copy(read, NULL);
        assert_int_equal(json_write(&again, yyjson_mut_doc_get_root(copy), JSON_COMPACT, NULL), AC_OK);
        assert_string_equal(buf_terminate(&again), compact.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_say_where),          cmocka_unit_test(in_place_strings_point_into_the_text),
        cmocka_unit_test(a_number_may_end_the_text), cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(size_is_limited),           cmocka_unit_test(styles_differ_in_spaces_only),
        cmocka_unit_test(writing_respects_the_cap),  cmocka_unit_test(what_is_not_json_is_mended),
        cmocka_unit_test(strings_of_any_bytes),      cmocka_unit_test(random_values_come_back),
        cmocka_unit_test(every_byte_in_a_string),    cmocka_unit_test(unusual_values_are_written_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
