/* test_ws_write.c - writing WebSocket frames. */
#include "http/ws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#define LIMIT 100000

static void fill(char *data, size_t length, bool compressible)
{
    uint32_t seed = 12345;

    for (size_t i = 0; i < length; i++) {
        seed = seed * 1664525 + 1013904223;
        data[i] = compressible ? (char)('a' + i % 7) : (char)(' ' + (seed >> 24) % 90);
    }
}

static void test_round_trip_of_all_sizes(void **state)
{
    const size_t sizes[] = {0, 1, 125, 126, 127, 255, 256, 257, 4000, 65535, 65536, 99999};
    static char data[LIMIT];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes) * 8; i++) {
        ws_role role = i & 1 ? WS_CLIENT : WS_SERVER;
        bool deflate = (i & 2) != 0;
        size_t size = sizes[i / 8];
        _cleanup_(buf_done) buf out = BUF_INIT(4 * LIMIT);
        ws_writer w;

        fill(data, size, (i & 4) != 0);
        ws_writer_init(&w, role, deflate);
        w.window_bits = (uint8_t)(9 + i % 7);
        assert_int_equal(ws_write(&w, WS_TEXT, data, size, &out), AC_OK);
        if (deflate && (i & 4) && size >= WS_DEFLATE_MIN)
            assert_true(out.length < size);

        ws_reader_options options = {.role = !role, .deflate = deflate, .message_bytes_max = LIMIT};
        ws_event event;
        ws_reader r;
        ws_reader_init(&r, &options);
        assert_int_equal(ws_read(&r, out.data, out.length, &event), out.length);
        assert_int_equal(event.type, WS_EVENT_MESSAGE);
        assert_int_equal(event.length, size);
        assert_memory_equal(event.data, data, size);
        ws_reader_done(&r);
    }
}

/* A peer that asked for a small window gets nothing that refers further back. */
static void test_window_bits_are_kept(void **state)
{
    static char data[20000];
    static char inflated[sizeof(data)];

    (void)state;
    fill(data, sizeof(data), false);
    memcpy(data + 10000, data, 10000); /* what only a large window finds */
    for (int bits = 9; bits <= 15; bits++) {
        _cleanup_(buf_done) buf out = BUF_INIT(2 * sizeof(data));
        z_stream z = {0};
        ws_writer w;

        ws_writer_init(&w, WS_SERVER, true);
        w.window_bits = (uint8_t)bits;
        assert_int_equal(ws_write(&w, WS_BINARY, data, sizeof(data), &out), AC_OK);
        assert_int_equal((uint8_t)out.data[0], 0xc2);
        assert_int_equal(out.data[1], 126);

        assert_int_equal(inflateInit2(&z, -bits), Z_OK);
        z.next_in = (unsigned char *)out.data + 4;
        z.avail_in = (uInt)out.length - 4;
        z.next_out = (unsigned char *)inflated;
        z.avail_out = sizeof(inflated);
        assert_int_equal(inflate(&z, Z_SYNC_FLUSH), Z_OK);
        assert_int_equal(z.avail_out, 0);
        inflateEnd(&z);
        assert_memory_equal(inflated, data, sizeof(data));
    }
}

static void test_bytes_written(void **state)
{
    _cleanup_(buf_done) buf out = BUF_INIT(1000);
    ws_writer w;

    (void)state;
    ws_writer_init(&w, WS_SERVER, false);
    assert_int_equal(ws_write(&w, WS_TEXT, "Hello", 5, &out), AC_OK);
    assert_int_equal(ws_write_fragment(&w, WS_BINARY, false, "ab", 2, &out), AC_OK);
    assert_int_equal(ws_write(&w, WS_PING, NULL, 0, &out), AC_OK);
    assert_int_equal(ws_write_fragment(&w, WS_CONTINUATION, true, "c", 1, &out), AC_OK);
    assert_int_equal(ws_write_close(&w, WS_CODE_NORMAL, "bye", &out), AC_OK);
    const char wanted[] = "\x81\x05Hello\x02\x02"
                          "ab\x89\x00\x80\x01"
                          "c\x88\x05\x03\xe8"
                          "bye";
    assert_int_equal(out.length, sizeof(wanted) - 1);
    assert_memory_equal(out.data, wanted, out.length);
}

static void test_writer_errors_leave_out_alone(void **state)
{
    char data[126] = {0};
    _cleanup_(buf_done) buf out = BUF_INIT(100);
    ws_writer w;

    (void)state;
    ws_writer_init(&w, WS_CLIENT, false);
    assert_int_equal(ws_write(&w, WS_PING, data, 126, &out), AC_ERR_INVALID);
    assert_int_equal(ws_write(&w, WS_CONTINUATION, data, 1, &out), AC_ERR_INVALID);
    assert_int_equal(ws_write(&w, WS_CLOSE, data, 1, &out), AC_ERR_INVALID);
    assert_int_equal(ws_write(&w, WS_BINARY, data, 95, &out), AC_ERR_TOO_LARGE);
    assert_int_equal(ws_write(&w, WS_BINARY, data, SIZE_MAX, &out), AC_ERR_TOO_LARGE);
    assert_int_equal(ws_write_fragment(&w, WS_CONTINUATION, true, data, 1, &out), AC_ERR_STATE);
    assert_int_equal(ws_write_fragment(&w, WS_PING, true, data, 1, &out), AC_ERR_INVALID);
    assert_int_equal(ws_write_close(&w, WS_CODE_ABNORMAL, NULL, &out), AC_ERR_INVALID);
    assert_int_equal(out.length, 0);

    assert_int_equal(ws_write_fragment(&w, WS_TEXT, false, "a", 1, &out), AC_OK);
    assert_int_equal(ws_write_fragment(&w, WS_TEXT, false, "a", 1, &out), AC_ERR_STATE);
    assert_int_equal(ws_write(&w, WS_TEXT, "a", 1, &out), AC_ERR_STATE);
    assert_int_equal(ws_write_close(&w, WS_CODE_NONE, "not sent", &out), AC_OK);
    assert_int_equal(out.length, 7 + 6);
    assert_int_equal(ws_write(&w, WS_PONG, NULL, 0, &out), AC_ERR_CLOSED);
    assert_int_equal(ws_write_fragment(&w, WS_CONTINUATION, true, NULL, 0, &out), AC_ERR_CLOSED);
    assert_int_equal(ws_write_close(&w, WS_CODE_NORMAL, NULL, &out), AC_ERR_CLOSED);
    assert_int_equal(out.length, 7 + 6);
}

static void test_close_reason_is_cut_at_a_character(void **state)
{
    char reason[200];
    _cleanup_(buf_done) buf out = BUF_INIT(200);
    ws_writer w;

    (void)state;
    memset(reason, 'x', sizeof(reason) - 1);
    reason[sizeof(reason) - 1] = '\0';
    memcpy(reason + 122, "\xc3\xa9", 2);
    ws_writer_init(&w, WS_SERVER, false);
    assert_int_equal(ws_write_close(&w, 4000, reason, &out), AC_OK);
    assert_int_equal(out.length, 2 + 2 + 122);
    assert_memory_equal(out.data, "\x88\x7c\x0f\xa0", 4);
    assert_memory_equal(out.data + 4, reason, 122);
}

/* Every client frame has its own key. */
static void test_masks_differ(void **state)
{
    _cleanup_(buf_done) buf out = BUF_INIT(10000);
    uint32_t keys[200];
    size_t same = 0;
    ws_writer w;

    (void)state;
    ws_writer_init(&w, WS_CLIENT, false);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        out.length = 0;
        assert_int_equal(ws_write(&w, WS_BINARY, "", 0, &out), AC_OK);
        assert_int_equal(out.length, 6);
        memcpy(&keys[i], out.data + 2, sizeof(keys[i]));
        for (size_t j = 0; j < i; j++)
            same += keys[i] == keys[j];
    }
    assert_true(same <= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip_of_all_sizes),
        cmocka_unit_test(test_window_bits_are_kept),
        cmocka_unit_test(test_bytes_written),
        cmocka_unit_test(test_writer_errors_leave_out_alone),
        cmocka_unit_test(test_close_reason_is_cut_at_a_character),
        cmocka_unit_test(test_masks_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
