/* test_ws.c - reading WebSocket frames, against RFC 6455 and RFC 7692.
 *
 * What a peer sends is written as bytes and read twice: in one piece and byte by byte, which must come to the same. */
#include "http/ws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#define LIMIT 100000

/* Everything a reader said, as one line: "text(Hello) ping() error(1002)". */
typedef struct transcript {
    char text[4096];
    size_t length;
    size_t bytes; /* of all messages */
} transcript;

static void note(transcript *t, const char *name, int code, const char *data, size_t length)
{
    size_t room = sizeof(t->text) - t->length;
    int n;

    if (code)
        n = snprintf(t->text + t->length, room, "%s%s(%d)", t->length ? " " : "", name, code);
    else if (length > 64)
        n = snprintf(t->text + t->length, room, "%s%s[%zu]", t->length ? " " : "", name, length);
    else
        n = snprintf(t->text + t->length, room, "%s%s(%.*s)", t->length ? " " : "", name, (int)length, data);
    assert_true(n > 0 && (size_t)n < room);
    t->length += (size_t)n;
}

static void note_event(transcript *t, const ws_event *e)
{
    switch (e->type) {
    case WS_EVENT_MESSAGE:
        t->bytes += e->length;
        note(t, e->opcode == WS_TEXT ? "text" : "binary", 0, e->data, e->length);
        break;
    case WS_EVENT_PING:
        note(t, "ping", 0, e->data, e->length);
        break;
    case WS_EVENT_PONG:
        note(t, "pong", 0, e->data, e->length);
        break;
    case WS_EVENT_CLOSE:
        note(t, "close", e->code, NULL, 0);
        if (e->length)
            note(t, "reason", 0, e->data, e->length);
        break;
    case WS_EVENT_ERROR:
        assert_true(e->length > 0);
        note(t, "error", e->code, NULL, 0);
        break;
    case WS_EVENT_NONE:
        break;
    }
}

/* Each piece is a block of its own, so that a sanitizer sees a step beyond it. */
static void feed(ws_reader *r, const void *bytes, size_t length, transcript *t)
{
    char *piece = malloc(length ? length : 1);
    ws_event event;

    assert_non_null(piece);
    memcpy(piece, bytes, length);
    for (size_t at = 0;;) {
        at += ws_read(r, piece + at, length - at, &event);
        assert_true(at <= length);
        if (event.type == WS_EVENT_NONE) {
            assert_int_equal(at, length);
            break;
        }
        note_event(t, &event);
    }
    free(piece);
}

static transcript read_in_pieces(ws_role role, bool deflate, const void *bytes, size_t length, size_t piece)
{
    ws_reader_options options = {.role = role, .deflate = deflate, .message_bytes_max = LIMIT};
    transcript t = {.length = 0};
    ws_reader r;

    ws_reader_init(&r, &options);
    for (size_t at = 0; at < length; at += piece)
        feed(&r, (const char *)bytes + at, MIN(piece, length - at), &t);
    ws_reader_done(&r);
    return t;
}

static void expect(ws_role role, bool deflate, const void *bytes, size_t length, const char *wanted)
{
    const size_t pieces[] = {length ? length : 1, 1, 7};

    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
        transcript t = read_in_pieces(role, deflate, bytes, length, pieces[i]);
        assert_string_equal(t.text, wanted);
    }
}

#define EXPECT_CLIENT(bytes, wanted) expect(WS_CLIENT, false, bytes, sizeof(bytes) - 1, wanted)
#define EXPECT_CLIENT_DEFLATE(bytes, wanted) expect(WS_CLIENT, true, bytes, sizeof(bytes) - 1, wanted)
#define EXPECT_SERVER(bytes, wanted) expect(WS_SERVER, false, bytes, sizeof(bytes) - 1, wanted)

static void append_frame(buf *out, uint8_t first, const void *payload, size_t length)
{
    uint8_t head[10] = {first, (uint8_t)length};
    size_t bytes = 2;

    if (length > 125) {
        head[1] = length > 65535 ? 127 : 126;
        for (size_t n = length > 65535 ? 8 : 2; n > 0;)
            head[bytes++] = (uint8_t)((uint64_t)length >> (8 * --n));
    }
    assert_int_equal(buf_append(out, head, bytes), AC_OK);
    assert_int_equal(buf_append(out, payload, length), AC_OK);
}

/* ---- reading ---- */

static void test_examples_of_the_rfc(void **state)
{
    (void)state;
    EXPECT_CLIENT("\x81\x05Hello", "text(Hello)");
    EXPECT_SERVER("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "text(Hello)");
    EXPECT_CLIENT("\x01\x03Hel\x80\x02lo", "text(Hello)");
    EXPECT_CLIENT("\x89\x05Hello", "ping(Hello)");
    EXPECT_SERVER("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "pong(Hello)");
    EXPECT_CLIENT_DEFLATE("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", "text(Hello)");
    EXPECT_CLIENT_DEFLATE("\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00", "text(Hello)");
    EXPECT_CLIENT_DEFLATE("\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "text(Hello)");
    EXPECT_CLIENT_DEFLATE("\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "text(Hello)");
    EXPECT_CLIENT_DEFLATE("\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "text(Hello)");
}

static void test_fragments_and_control(void **state)
{
    (void)state;
    EXPECT_CLIENT("\x81\x00\x82\x00\x89\x00\x88\x00", "text() binary() ping() close(1005)");
    EXPECT_CLIENT("\x01\x00\x00\x00\x80\x00", "text()");
    EXPECT_CLIENT("\x02\x01"
                  "a\x89\x01p\x00\x01"
                  "b\x8a\x00\x80\x01"
                  "c\x82\x01z",
                  "ping(p) pong() binary(abc) binary(z)");
    EXPECT_CLIENT("\x88\x05\x03\xe8"
                  "bye\x81\x01x",
                  "close(1000) reason(bye)");
    EXPECT_CLIENT("\x01\x01"
                  "a\x88\x02\x03\xe9",
                  "close(1001)");
    EXPECT_CLIENT("\x81\x05Hel", "");
}

static void test_broken_frames(void **state)
{
    (void)state;
    EXPECT_CLIENT("\xc1\x00", "error(1002)");
    EXPECT_CLIENT("\xa1\x00", "error(1002)");
    EXPECT_CLIENT("\x91\x00", "error(1002)");
    EXPECT_CLIENT_DEFLATE("\xe1\x00", "error(1002)");
    EXPECT_CLIENT_DEFLATE("\xc9\x00", "error(1002)");
    EXPECT_CLIENT_DEFLATE("\x41\x00\xc0\x00", "error(1002)");
    for (int opcode = 3; opcode < 16; opcode++) {
        if (opcode >= 8 && opcode <= 10)
            continue;
        const char frame[] = {(char)(0x80 | opcode), 0};
        expect(WS_CLIENT, true, frame, sizeof(frame), "error(1002)");
    }
    EXPECT_CLIENT("\x81\x80", "error(1002)");
    EXPECT_SERVER("\x81\x00", "error(1002)");
    EXPECT_CLIENT("\x09\x00", "error(1002)");
    EXPECT_CLIENT("\x89\x7e", "error(1002)");
    EXPECT_CLIENT("\x88\x7f", "error(1002)");
    EXPECT_CLIENT("\x80\x00", "error(1002)");
    EXPECT_CLIENT("\x00\x00", "error(1002)");
    EXPECT_CLIENT("\x01\x00\x81\x00", "error(1002)");
    EXPECT_CLIENT("\x02\x01x\x80\x01y\x80\x00", "binary(xy) error(1002)");
    EXPECT_CLIENT("\x82\x7e\x00\x7d", "error(1002)");
    EXPECT_CLIENT("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", "error(1002)");
    EXPECT_CLIENT("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", "error(1002)");
}

static void test_close_codes(void **state)
{
    (void)state;
    EXPECT_CLIENT("\x88\x01\x03", "error(1002)");
    EXPECT_CLIENT("\x88\x04\x03\xe8\xc3\x28", "error(1007)");
    EXPECT_CLIENT("\x88\x03\x03\xe8\xc3", "error(1007)");
    for (int code = 0; code <= 5000; code++) {
        bool valid = (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) || (code >= 3000 && code <= 4999);
        const char frame[] = {(char)0x88, 2, (char)(code >> 8), (char)code};
        char wanted[32];

        assert_int_equal(ws_code_sendable(code), valid);
        snprintf(wanted, sizeof(wanted), valid ? "close(%d)" : "error(1002)", code);
        assert_string_equal(read_in_pieces(WS_CLIENT, false, frame, sizeof(frame), 4).text, wanted);
    }
    assert_false(ws_code_sendable(-1));
    assert_false(ws_code_sendable(65536 + 1000));
}

static void test_text_fails_early(void **state)
{
    (void)state;
    /* In the middle of a frame and of a message: what follows never comes. */
    EXPECT_CLIENT("\x81\x7e\x01\x00"
                  "abc\xff",
                  "error(1007)");
    EXPECT_CLIENT("\x01\x03"
                  "abc\x00\x7e\x01\x00\xed\xa0",
                  "error(1007)");
    /* A character across fragments is fine, an unfinished one at the end is not. */
    EXPECT_CLIENT("\x01\x01\xc3\x89\x00\x80\x01\xa9", "ping() text(\xc3\xa9)");
    EXPECT_CLIENT("\x01\x01\xc3\x80\x00", "error(1007)");
    EXPECT_CLIENT("\x81\x02\xe2\x82", "error(1007)");
    EXPECT_CLIENT("\x81\x04\xf4\x90\x80\x80", "error(1007)");
    EXPECT_CLIENT("\x82\x02\xff\xfe\x81\x01"
                  "a",
                  "binary(\xff\xfe) text(a)");
}

static void test_limit_from_the_head(void **state)
{
    ws_reader_options options = {.role = WS_CLIENT, .message_bytes_max = 10};
    transcript t = {.length = 0};
    ws_reader r;

    (void)state;
    ws_reader_init(&r, &options);
    feed(&r,
         "\x82\x0a"
         "0123456789\x02\x08"
         "01234567\x80\x02"
         "89",
         26, &t);
    assert_string_equal(t.text, "binary(0123456789) binary(0123456789)");
    feed(&r,
         "\x02\x08"
         "01234567\x80\x03",
         12, &t);
    ws_reader_done(&r);
    assert_string_equal(t.text, "binary(0123456789) binary(0123456789) error(1009)");

    EXPECT_CLIENT("\x82\x7f\x00\x00\x00\x00\x00\x01\x86\xa1", "error(1009)");
    EXPECT_CLIENT("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", "error(1009)");
    EXPECT_CLIENT("\x02\x01x\x80\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", "error(1009)");
    EXPECT_CLIENT_DEFLATE("\xc2\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", "error(1009)");
}

static void test_memory_follows_the_bytes(void **state)
{
    ws_reader_options options = {.role = WS_CLIENT, .message_bytes_max = (size_t)1 << 40};
    transcript t = {.length = 0};
    ws_reader r;

    (void)state;
    ws_reader_init(&r, &options);
    feed(&r, "\x82\x7f\x00\x00\x00\xff\x00\x00\x00\x00payload", 17, &t);
    assert_int_equal(r.message.length, 7);
    assert_true(r.message.capacity <= 65536);
    ws_reader_done(&r);
    assert_string_equal(t.text, "");
}

static void test_whole_message_is_delivered_in_place(void **state)
{
    char frame[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    ws_reader_options options = {.role = WS_SERVER, .message_bytes_max = 10};
    ws_event event;
    ws_reader r;

    (void)state;
    ws_reader_init(&r, &options);
    assert_int_equal(ws_read(&r, frame, sizeof(frame) - 1, &event), sizeof(frame) - 1);
    assert_ptr_equal(event.data, frame + 6);
    assert_memory_equal(event.data, "Hello", 5);
    assert_null(r.message.data);
    ws_reader_done(&r);
}

/* ---- compressed messages ---- */

/* Raw DEFLATE with a sync flush, its tail kept. */
static size_t squeeze(const void *data, size_t length, void *out, size_t room)
{
    z_stream z = {0};

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)data;
    z.avail_in = (uInt)length;
    z.next_out = out;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    deflateEnd(&z);
    return room - z.avail_out;
}

static void test_bomb(void **state)
{
    static char zeros[LIMIT + 1];
    static char packed[4096];

    (void)state;
    for (size_t over = 0; over <= 1; over++) {
        _cleanup_(buf_done) buf frame = BUF_INIT(8192);
        size_t length = squeeze(zeros, LIMIT + over, packed, sizeof(packed)) - 4;

        append_frame(&frame, 0xc2, packed, length);
        transcript t = read_in_pieces(WS_CLIENT, true, frame.data, frame.length, frame.length);
        assert_string_equal(t.text, over ? "error(1009)" : "binary[100000]");
        t = read_in_pieces(WS_CLIENT, true, frame.data, frame.length, 3);
        assert_string_equal(t.text, over ? "error(1009)" : "binary[100000]");
    }
}

static void test_compressed_flaws(void **state)
{
    char packed[64];

    (void)state;
    EXPECT_CLIENT_DEFLATE("\xc2\x01\x07", "error(1007)");             /* no such block type */
    EXPECT_CLIENT_DEFLATE("\xc2\x02\xf2\x48", "error(1007)");         /* ends inside a block */
    EXPECT_CLIENT_DEFLATE("\xc2\x04\x00\x05\x00\xfb", "error(1007)"); /* stored length and its complement differ */
    EXPECT_CLIENT_DEFLATE("\xc2\x04\x4b\x04\x62\x00", "error(1007)"); /* refers to before the message */
    EXPECT_CLIENT_DEFLATE("\xc1\x00\xc1\x01\x00", "text() text()");   /* both ways to say nothing */
    EXPECT_CLIENT_DEFLATE("\xc1\x07\xf3\x48\xcd\xc9\xc9\x07\x00", "text(Hello)");

    _cleanup_(buf_done) buf frame = BUF_INIT(128);
    size_t length = squeeze("ab\xff", 3, packed, sizeof(packed)) - 4;
    append_frame(&frame, 0xc1, packed, length);
    expect(WS_CLIENT, true, frame.data, frame.length, "error(1007)");

    frame.length = 0;
    length = squeeze("\xe2\x82", 2, packed, sizeof(packed)) - 4;
    append_frame(&frame, 0xc1, packed, length);
    expect(WS_CLIENT, true, frame.data, frame.length, "error(1007)");

    /* A ping between compressed fragments, and plain messages on a connection with compression. */
    EXPECT_CLIENT_DEFLATE("\x41\x03\xf2\x48\xcd\x89\x01p\x80\x04\xc9\xc9\x07\x00\x81\x01x",
                          "ping(p) text(Hello) text(x)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples_of_the_rfc),
        cmocka_unit_test(test_fragments_and_control),
        cmocka_unit_test(test_broken_frames),
        cmocka_unit_test(test_close_codes),
        cmocka_unit_test(test_text_fails_early),
        cmocka_unit_test(test_limit_from_the_head),
        cmocka_unit_test(test_memory_follows_the_bytes),
        cmocka_unit_test(test_whole_message_is_delivered_in_place),
        cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_compressed_flaws),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
