/* test_sse.c - Server-Sent Events, cut in every way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/sse.h"

#include <stdlib.h>
#include <string.h>

/* Events as text: "[type|id|data]", one after the other. */
static void append(buf *out, const sse_event *e)
{
    assert_int_equal(strlen(e->data), e->length);
    assert_int_equal(buf_appendf(out, "[%s|%s|%s]", e->type, e->id, e->data), AC_OK);
}

static char *read_in_pieces(const char *text, size_t length, size_t piece)
{
    buf out = BUF_INIT(1U << 20);
    sse_reader r;
    sse_event event;
    bool found;

    sse_reader_init(&r);
    for (size_t at = 0; at < length;) {
        char *copy = malloc(piece); /* exactly as long as the piece: a byte beyond it would be seen */
        size_t part = MIN(piece, length - at), used = 0;
        memcpy(copy, text + at, part);
        while (used < part) {
            size_t before = used;
            assert_int_equal(sse_read(&r, copy + used, part - used, &used, &found, &event), AC_OK);
            assert_true(used > before);
            if (found)
                append(&out, &event);
        }
        free(copy);
        at += part;
    }
    assert_int_equal(sse_finish(&r, &found, &event), AC_OK);
    if (found)
        append(&out, &event);
    assert_int_equal(sse_finish(&r, &found, &event), AC_OK);
    assert_false(found);
    sse_reader_done(&r);
    assert_non_null(buf_terminate(&out));
    return buf_take(&out, NULL);
}

static void expect(const char *text, const char *events)
{
    for (size_t piece = 1; piece <= strlen(text); piece++) {
        char *got = read_in_pieces(text, strlen(text), piece);
        assert_string_equal(got, events);
        free(got);
    }
}

static void events_as_agents_send_them(void **state)
{
    (void)state;
    expect("data: {\"chunk\": 0}\n\ndata: {\"chunk\": 1}\n\n", "[message||{\"chunk\": 0}][message||{\"chunk\": 1}]");
    expect("data: a\r\n\r\ndata: b\r\n\r\n", "[message||a][message||b]");
    expect("data: a\r\rdata: b\r\r", "[message||a][message||b]");
    expect("data: a\n\r\ndata: b\r\n\n", "[message||a][message||b]");
}

static void fields(void **state)
{
    (void)state;
    expect("data: one\ndata: two\ndata:  three\n\n", "[message||one\ntwo\n three]");
    expect("event: delta\nid: 7\ndata: x\n\ndata: y\n\n", "[delta|7|x][message|7|y]");
    expect("id: 7\nid\ndata: x\n\n", "[message||x]");
    expect("data\n\n", "[message||]");
    expect("data:\ndata:\n\n", "[message||\n]");
    expect("event: lost\n\ndata: x\n\n", "[message||x]");
    expect("retry: 5\nunknown: 1\nDATA: no\n: a comment\ndata: x\n\n", "[message||x]");
    expect(":\n\n:\n\n", "");
    expect("", "");
}

static void begin_and_end(void **state)
{
    (void)state;
    expect("\xEF\xBB\xBF"
           "data: x\n\n",
           "[message||x]");
    expect("data: x\n\n\xEF\xBB\xBF"
           "data: y\n\n",
           "[message||x]");
    expect("data: x\n", "[message||x]");
    expect("data: x", "[message||x]");
    expect("event: x", "");
}

static void names_with_nul_are_none(void **state)
{
    static const char text[] = "id: a\0b\nevent: \0c\ndata: x\n\n";

    (void)state;
    for (size_t piece = 1; piece < sizeof text; piece++) {
        char *got = read_in_pieces(text, sizeof text - 1, piece);
        assert_string_equal(got, "[message||x]");
        free(got);
    }
}

static void too_large(void **state)
{
    size_t length = (size_t)1 << 20, used = 0;
    char *block = malloc(length);
    sse_reader r;
    sse_event event;
    bool found;
    ac_status status = AC_OK;

    (void)state;
    memset(block, 'x', length);
    memcpy(block, "data:", 5);
    sse_reader_init(&r);
    for (size_t i = 0; i < 17 && status == AC_OK; i++)
        status = sse_read(&r, block, length, &used, &found, &event);
    assert_int_equal(status, AC_ERR_TOO_LARGE);
    sse_reader_done(&r);
    free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_as_agents_send_them), cmocka_unit_test(fields),    cmocka_unit_test(begin_and_end),
        cmocka_unit_test(names_with_nul_are_none),    cmocka_unit_test(too_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
