/* test_eventstream.c - event-stream messages: botocore's bytes both ways, any way of cutting, every bit of damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aws/eventstream.h"
#include "vector_file.h"

#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>

#define HEADERS_MAX 16

typedef struct vector {
    const char *name;
    eventstream_header headers[HEADERS_MAX];
    eventstream_message message;
    char *frame;
    size_t frame_length;
} vector;

static eventstream_type type_of(const char *name)
{
    static const char *const names[] = {"true", "false", "byte",   "short",     "int",
                                        "long", "bytes", "string", "timestamp", "uuid"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(names[i], name) == 0)
            return (eventstream_type)i;
    fail_msg("no type %s", name);
    return EVENTSTREAM_TRUE;
}

/* "name type value" */
static void set_header(vector *v, char *text)
{
    char *name = strtok(text, " "), *type = strtok(NULL, " "), *value = strtok(NULL, "");
    eventstream_header *h = &v->headers[v->message.header_count++];

    *h = (eventstream_header){.name = name, .name_length = (uint8_t)vector_unescape(name), .type = type_of(type)};
    if (h->type == EVENTSTREAM_BYTES || h->type == EVENTSTREAM_STRING || h->type == EVENTSTREAM_UUID) {
        h->data = value ? value : "";
        h->length = value ? vector_unescape(value) : 0;
    } else if (value) {
        h->number = strtoll(value, NULL, 10);
    }
}

static void set_frame(vector *v, char *hex)
{
    v->frame = hex;
    v->frame_length = strlen(hex) / 2;
    for (size_t i = 0; i < v->frame_length; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        v->frame[i] = (char)strtoul(digits, NULL, 16);
    }
}

static bool read_vector(vector_file *f, arena *a, vector *v)
{
    char *key, *value;

    *v = (vector){0};
    v->message.headers = v->headers;
    while (vector_line(f, a, &key, &value)) {
        if (strcmp(key, "header") == 0) {
            set_header(v, value);
        } else if (strcmp(key, "payload") == 0) {
            v->message.payload = value;
            v->message.payload_length = vector_unescape(value);
        } else if (strcmp(key, "frame") == 0) {
            set_frame(v, value);
        } else {
            v->name = value;
        }
    }
    return v->name != NULL;
}

static void assert_same_header(const eventstream_header *a, const eventstream_header *b)
{
    assert_int_equal(a->name_length, b->name_length);
    assert_memory_equal(a->name, b->name, a->name_length);
    assert_int_equal(a->type, b->type);
    assert_true(a->number == b->number);
    assert_int_equal(a->length, b->length);
    if (a->length > 0)
        assert_memory_equal(a->data, b->data, a->length);
}

static void assert_same(const eventstream_message *a, const eventstream_message *b)
{
    assert_int_equal(a->header_count, b->header_count);
    for (size_t i = 0; i < a->header_count; i++)
        assert_same_header(&a->headers[i], &b->headers[i]);
    assert_int_equal(a->payload_length, b->payload_length);
    if (a->payload_length > 0)
        assert_memory_equal(a->payload, b->payload, a->payload_length);
}

/* Feed data in pieces of step bytes and compare what comes with expected; how many messages came. */
static size_t feed(eventstream_reader *r, const char *data, size_t length, size_t step,
                   const eventstream_message *expected, size_t expected_count)
{
    size_t count = 0;

    for (size_t at = 0; at < length;) {
        size_t piece = MIN(step, length - at), used = 0;
        char *copy = malloc(piece); /* so that a read beyond the piece is seen */
        memcpy(copy, data + at, piece);
        for (;;) {
            eventstream_event event;
            eventstream_message message;
            used += eventstream_read(r, copy + used, piece - used, &event, &message);
            if (event != EVENTSTREAM_MESSAGE)
                break;
            assert_true(count < expected_count);
            assert_same(&message, &expected[count++]);
        }
        assert_int_equal(used, piece);
        free(copy);
        at += piece;
    }
    return count;
}

static void botocore_agrees(void **state)
{
    vector_file f;
    vector v;
    size_t count = 0;

    (void)state;
    vector_file_open(&f, "eventstream.txt");
    for (;; count++) {
        _cleanup_(arena_done) arena a = ARENA_INIT;
        _cleanup_(buf_done) buf out = BUF_INIT(1 << 20);
        if (!read_vector(&f, &a, &v))
            break;
        assert_int_equal(eventstream_write(&out, &v.message), AC_OK);
        assert_int_equal(out.length, v.frame_length);
        assert_memory_equal(out.data, v.frame, out.length);

        for (size_t step = 1; step <= v.frame_length + 1; step += 1 + step / 3) {
            _cleanup_(eventstream_reader_done) eventstream_reader r;
            eventstream_reader_init(&r, 0);
            assert_int_equal(feed(&r, v.frame, v.frame_length, step, &v.message, 1), 1);
            assert_true(eventstream_reader_at_boundary(&r));
        }
    }
    vector_file_close(&f);
    assert_true(count >= 18);
}

/* ---- random messages ---- */

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 16) % limit;
}

static char *random_text(arena *a, size_t length, bool any_byte)
{
    char *text = arena_alloc(a, length + 1);

    for (size_t i = 0; i < length; i++)
        text[i] = (char)(any_byte ? random_below(256) : 'a' + random_below(26));
    return text;
}

static eventstream_header random_header(arena *a, size_t index)
{
    static const unsigned bits[] = {0, 0, 8, 16, 32, 64, 0, 0, 64, 0};
    size_t name_length = 2 + random_below(20);
    char *name = random_text(a, name_length, false);
    eventstream_type type = (eventstream_type)random_below(10);
    eventstream_header h = {.name = name, .name_length = (uint8_t)name_length, .type = type};

    name[0] = (char)('A' + index); /* each name once */
    if (bits[type] > 0)
        h.number = (int64_t)((uint64_t)random_below(UINT32_MAX) << 32 | random_below(UINT32_MAX)) >> (64 - bits[type]);
    if (type == EVENTSTREAM_BYTES || type == EVENTSTREAM_STRING || type == EVENTSTREAM_UUID) {
        h.length = type == EVENTSTREAM_UUID ? 16 : random_below(random_below(8) == 0 ? 5000 : 40);
        h.data = random_text(a, h.length, type != EVENTSTREAM_STRING);
    }
    return h;
}

static eventstream_message random_message(arena *a)
{
    size_t count = random_below(HEADERS_MAX);
    size_t payload_length = random_below(random_below(6) == 0 ? 100000 : 200);
    eventstream_header *headers = arena_alloc(a, HEADERS_MAX * sizeof(*headers));

    for (size_t i = 0; i < count; i++)
        headers[i] = random_header(a, i);
    return (eventstream_message){.headers = headers,
                                 .header_count = count,
                                 .payload = random_text(a, payload_length, true),
                                 .payload_length = payload_length};
}

static void what_is_written_is_read(void **state)
{
    enum { MESSAGES = 12 };

    (void)state;
    for (int round = 0; round < 60; round++) {
        _cleanup_(arena_done) arena a = ARENA_INIT;
        _cleanup_(buf_done) buf out = BUF_INIT(64 << 20);
        _cleanup_(eventstream_reader_done) eventstream_reader r;
        eventstream_message messages[MESSAGES];
        for (size_t i = 0; i < MESSAGES; i++) {
            messages[i] = random_message(&a);
            assert_int_equal(eventstream_write(&out, &messages[i]), AC_OK);
        }
        eventstream_reader_init(&r, 0);
        size_t step = 1 + random_below(round % 2 ? 50 : 200000);
        assert_int_equal(feed(&r, out.data, out.length, step, messages, MESSAGES), MESSAGES);
        assert_true(eventstream_reader_at_boundary(&r));
    }
}

/* ---- damage ---- */

/* What reading all of data at once ends in. */
static ac_status read_status(const char *data, size_t length, size_t frame_bytes_max)
{
    _cleanup_(eventstream_reader_done) eventstream_reader r;
    eventstream_message message;
    eventstream_event event;
    size_t used = 0;

    eventstream_reader_init(&r, frame_bytes_max);
    do
        used += eventstream_read(&r, data + used, length - used, &event, &message);
    while (event == EVENTSTREAM_MESSAGE);
    assert_int_equal(used, length);
    assert_int_equal(event == EVENTSTREAM_BROKEN, r.status != AC_OK);
    assert_int_equal(r.flaw != NULL, r.status != AC_OK);
    if (r.status != AC_OK) {
        assert_false(eventstream_reader_at_boundary(&r));
        assert_int_equal(eventstream_read(&r, "more", 4, &event, &message), 4);
        assert_int_equal(event, EVENTSTREAM_BROKEN);
    }
    return r.status;
}

static void every_damaged_bit_is_seen(void **state)
{
    _cleanup_(buf_done) buf out = BUF_INIT(4096);

    (void)state;
    assert_int_equal(eventstream_write_event(&out, "result", "application/json", "{\"a\":1}", 7), AC_OK);
    assert_int_equal(read_status(out.data, out.length, 0), AC_OK);
    for (size_t i = 0; i < out.length * 8; i++) {
        out.data[i / 8] ^= (char)(1 << i % 8);
        assert_int_not_equal(read_status(out.data, out.length, 0), AC_OK);
        out.data[i / 8] ^= (char)(1 << i % 8);
    }
}

static void put_u32(char *at, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(number >> (24 - 8 * i));
}

/* A frame with sound checksums around whatever lengths and header bytes. */
static size_t forge(char *out, uint32_t total, uint32_t headers_length, const void *block, size_t block_length)
{
    put_u32(out, total);
    put_u32(out + 4, headers_length);
    put_u32(out + 8, (uint32_t)crc32_z(0, (const Bytef *)out, 8));
    memcpy(out + 12, block, block_length);
    put_u32(out + 12 + block_length, (uint32_t)crc32_z(0, (const Bytef *)out, 12 + block_length));
    return block_length + EVENTSTREAM_OVERHEAD;
}

static void lengths_are_checked_before_anything_is_kept(void **state)
{
    static const struct {
        uint32_t total, headers;
        ac_status status;
    } cases[] = {
        {0, 0, AC_ERR_PROTOCOL},
        {15, 0, AC_ERR_PROTOCOL},
        {20, 5, AC_ERR_PROTOCOL},
        {1000, 1000, AC_ERR_PROTOCOL},
        {UINT32_MAX, 0, AC_ERR_TOO_LARGE},
        {UINT32_MAX, UINT32_MAX, AC_ERR_TOO_LARGE},
        {UINT32_MAX, EVENTSTREAM_HEADER_BYTES_MAX + 1, AC_ERR_TOO_LARGE},
        {EVENTSTREAM_FRAME_BYTES_MAX_DEFAULT + 1, 0, AC_ERR_TOO_LARGE},
        {EVENTSTREAM_FRAME_BYTES_MAX_DEFAULT, EVENTSTREAM_HEADER_BYTES_MAX, AC_OK}, /* more is needed */
    };
    char frame[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        forge(frame, cases[i].total, cases[i].headers, "", 0);
        assert_int_equal(read_status(frame, 12, 0), cases[i].status);
    }
    size_t length = forge(frame, 20, 0, "abcd", 4);
    assert_int_equal(read_status(frame, length, 20), AC_OK);
    assert_int_equal(read_status(frame, length, 19), AC_ERR_TOO_LARGE);
}

static void malformed_headers(void **state)
{
    static const struct {
        const char *block;
        size_t length;
        ac_status status;
    } cases[] = {
        {"\x01n\x00", 3, AC_OK},
        {"\x00", 1, AC_ERR_PROTOCOL},
        {"\x01", 1, AC_ERR_PROTOCOL},
        {"\x01n", 2, AC_ERR_PROTOCOL},
        {"\x05nn\x00", 4, AC_ERR_PROTOCOL},
        {"\x01n\x0a", 3, AC_ERR_PROTOCOL},
        {"\x01n\xff", 3, AC_ERR_PROTOCOL},
        {"\x01\xff\x00", 3, AC_ERR_PROTOCOL},
        {"\x01n\x02", 3, AC_ERR_PROTOCOL},
        {"\x01n\x05\x00\x00\x00\x00\x00\x00\x00", 10, AC_ERR_PROTOCOL},
        {"\x01n\x07\x00", 4, AC_ERR_PROTOCOL},
        {"\x01n\x07\x00\x02z", 6, AC_ERR_PROTOCOL},
        {"\x01n\x07\x00\x01\xff", 6, AC_ERR_PROTOCOL},
        {"\x01n\x06\x00\x01\xff", 6, AC_OK},
        {"\x01n\x06\x80\x00", 5, AC_ERR_PROTOCOL},
        {"\x01n\x00\x01n\x01", 6, AC_ERR_PROTOCOL},
        {"\x01n\x00\x01m\x01", 6, AC_OK},
        {"\x01n\x09"
         "0123456789abcde",
         18, AC_ERR_PROTOCOL},
    };
    char frame[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t length = forge(frame, (uint32_t)cases[i].length + EVENTSTREAM_OVERHEAD, (uint32_t)cases[i].length,
                              cases[i].block, cases[i].length);
        if (read_status(frame, length, 0) != cases[i].status)
            fail_msg("case %zu", i);
    }
}

/* ---- limits of the writer ---- */

static eventstream_header string_header(const char *name, size_t name_length, const char *value, size_t length)
{
    return (eventstream_header){
        .name = name, .name_length = (uint8_t)name_length, .type = EVENTSTREAM_STRING, .data = value, .length = length};
}

static void what_cannot_be_written(void **state)
{
    static char longest[EVENTSTREAM_VALUE_BYTES_MAX + 1];
    memset(longest, 'x', sizeof(longest));
    const eventstream_header bad[] = {
        string_header("", 0, "v", 1),
        string_header("\xff", 1, "v", 1),
        string_header("n", 1, "\xff", 1),
        string_header("n", 1, longest, sizeof(longest)),
        {.name = "n", .name_length = 1, .type = (eventstream_type)10},
        {.name = "n", .name_length = 1, .type = EVENTSTREAM_BYTE, .number = 128},
        {.name = "n", .name_length = 1, .type = EVENTSTREAM_BYTE, .number = -129},
        {.name = "n", .name_length = 1, .type = EVENTSTREAM_SHORT, .number = 32768},
        {.name = "n", .name_length = 1, .type = EVENTSTREAM_INT, .number = INT64_C(1) << 31},
        {.name = "n", .name_length = 1, .type = EVENTSTREAM_UUID, .data = longest, .length = 15},
    };
    _cleanup_(buf_done) buf out = BUF_INIT(1 << 20);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(eventstream_write(&out, &(eventstream_message){.headers = &bad[i], .header_count = 1}),
                         AC_ERR_INVALID);

    const eventstream_header twice[] = {string_header("n", 1, "a", 1), string_header("n", 1, "b", 1)};
    assert_int_equal(eventstream_write(&out, &(eventstream_message){.headers = twice, .header_count = 2}),
                     AC_ERR_INVALID);
    eventstream_header large[5];
    for (size_t i = 0; i < ARRAY_SIZE(large); i++)
        large[i] = string_header("abcde" + i, 1, longest, EVENTSTREAM_VALUE_BYTES_MAX);
    assert_int_equal(eventstream_write(&out, &(eventstream_message){.headers = large, .header_count = 5}),
                     AC_ERR_TOO_LARGE);
    assert_int_equal(eventstream_write(&out, &(eventstream_message){.payload_length = SIZE_MAX}), AC_ERR_TOO_LARGE);
    assert_int_equal(out.length, 0);

    _cleanup_(buf_done) buf tight = BUF_INIT(20);
    assert_int_equal(eventstream_write(&tight, &(eventstream_message){.payload = "abcd", .payload_length = 4}), AC_OK);
    assert_int_equal(eventstream_write(&tight, &(eventstream_message){0}), AC_ERR_TOO_LARGE);
    assert_int_equal(tight.length, 20);
}

static void conventions(void **state)
{
    static const struct {
        eventstream_kind kind;
        const char *name;
    } expected[] = {{EVENTSTREAM_KIND_EVENT, "result"},
                    {EVENTSTREAM_KIND_EXCEPTION, "throttlingException"},
                    {EVENTSTREAM_KIND_ERROR, "InternalError"},
                    {EVENTSTREAM_KIND_UNKNOWN, NULL}};
    _cleanup_(buf_done) buf out = BUF_INIT(1 << 20);
    _cleanup_(eventstream_reader_done) eventstream_reader r;
    size_t used = 0;

    (void)state;
    assert_int_equal(eventstream_write_event(&out, "result", "application/json", "{}", 2), AC_OK);
    assert_int_equal(eventstream_write_exception(&out, "throttlingException", "{}", 2), AC_OK);
    assert_int_equal(eventstream_write_error(&out, "InternalError", "caf\xC3\xA9\xFF"), AC_OK);
    assert_int_equal(eventstream_write(&out, &(eventstream_message){0}), AC_OK);
    eventstream_reader_init(&r, 0);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        eventstream_event event;
        eventstream_message message;
        const eventstream_header *name;
        used += eventstream_read(&r, out.data + used, out.length - used, &event, &message);
        assert_int_equal(event, EVENTSTREAM_MESSAGE);
        assert_int_equal(eventstream_classify(&message, &name), expected[i].kind);
        assert_int_equal(name != NULL, expected[i].name != NULL);
        if (name && expected[i].name) {
            assert_int_equal(name->length, strlen(expected[i].name));
            assert_memory_equal(name->data, expected[i].name, name->length);
        }
        const eventstream_header *text = eventstream_find(&message, ":error-message");
        assert_int_equal(text != NULL, expected[i].kind == EVENTSTREAM_KIND_ERROR);
        if (text)
            assert_int_equal(text->length, 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(botocore_agrees),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(every_damaged_bit_is_seen),
        cmocka_unit_test(lengths_are_checked_before_anything_is_kept),
        cmocka_unit_test(malformed_headers),
        cmocka_unit_test(what_cannot_be_written),
        cmocka_unit_test(conventions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
