/* test_ws_wslay.c - our codec and wslay read each other's frames.
 *
 * Random conversations from a fixed seed: text and binary of many sizes, whole and in fragments, with pings and pongs
 * in between and a close at the end.  Each is written by one side and read by the other, cut at random places, and must
 * come out as it went in. */
#include "http/ws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <wslay/wslay.h>

#define ROUNDS 400
#define ITEMS_MAX 12
#define PAYLOAD_MAX 70000
#define WIRE_MAX (4u << 20)

typedef struct item {
    uint8_t opcode;
    int code; /* of a close */
    size_t length;
    char *data;
} item;

typedef struct talk {
    item items[ITEMS_MAX];
    size_t count;
} talk;

/* Fixed seed, so that a failure can be repeated. */
static uint32_t random_state;

static uint32_t draw(uint32_t below)
{
    random_state = random_state * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)random_state * below) >> 32);
}

static void talk_done(talk *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->items[i].data);
    t->count = 0;
}

static void talk_add(talk *t, uint8_t opcode, int code, const void *data, size_t length)
{
    char *copy = malloc(length + 1);

    if (!copy || t->count >= ITEMS_MAX) {
        free(copy);
        fail_msg("more items than a talk may have");
        return;
    }
    if (length > 0)
        memcpy(copy, data, length);
    copy[length] = '\0';
    t->items[t->count++] = (item){.opcode = opcode, .code = code, .length = length, .data = copy};
} /* NOLINT(clang-analyzer-unix.Malloc): talk_done frees what items hold */

/* Characters of one to four bytes. */
static size_t random_text(char *out, size_t length)
{
    static const char *const characters[] = {"a", "Z", " ", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    size_t at = 0;

    for (;;) {
        const char *c = characters[draw(ARRAY_SIZE(characters))];
        if (at + strlen(c) > length)
            return at;
        memcpy(out + at, c, strlen(c));
        at += strlen(c);
    }
}

static size_t random_length(void)
{
    static const size_t edges[] = {0, 1, 125, 126, 127, 65535, 65536};

    switch (draw(4)) {
    case 0:
        return edges[draw(ARRAY_SIZE(edges))];
    case 1:
        return draw(PAYLOAD_MAX);
    default:
        return draw(300);
    }
}

/* wslay reads a close reason piece by piece and leaves the first two bytes of each piece out of its UTF-8 check, where
 * only the first piece has a code there: reasons that it will read are ASCII. */
static void random_talk(talk *t, bool ascii_reason)
{
    static const uint8_t opcodes[] = {WS_TEXT, WS_TEXT, WS_BINARY, WS_BINARY, WS_PING, WS_PONG};
    static char data[PAYLOAD_MAX];
    size_t count = draw(ITEMS_MAX - 1);

    for (size_t i = 0; i < count; i++) {
        uint8_t opcode = opcodes[draw(ARRAY_SIZE(opcodes))];
        size_t length = opcode == WS_PING || opcode == WS_PONG ? draw(WS_CONTROL_MAX + 1) : random_length();

        if (opcode == WS_TEXT)
            length = random_text(data, length);
        for (size_t j = 0; opcode != WS_TEXT && j < length; j++)
            data[j] = (char)draw(256);
        talk_add(t, opcode, 0, data, length);
    }
    size_t length = random_text(data, draw(WS_REASON_MAX + 1));
    if (ascii_reason)
        memset(data, 'r', length);
    talk_add(t, WS_CLOSE, 3000 + (int)draw(2000), data, length);
}

static void assert_same_talk(const talk *got, const talk *wanted)
{
    assert_int_equal(got->count, wanted->count);
    for (size_t i = 0; i < got->count; i++) {
        assert_int_equal(got->items[i].opcode, wanted->items[i].opcode);
        assert_int_equal(got->items[i].code, wanted->items[i].code);
        assert_int_equal(got->items[i].length, wanted->items[i].length);
        assert_memory_equal(got->items[i].data, wanted->items[i].data, got->items[i].length);
    }
}

/* ---- our end ---- */

/* A message in fragments, with the pings and pongs that follow it in the talk between them.  They overtake the message,
 * so *heard, the order in which a reader hears all this, differs from the order in the talk. */
static size_t write_fragments(ws_writer *w, const talk *t, size_t index, buf *out, talk *heard)
{
    const item *message = &t->items[index];
    size_t next = index + 1;
    size_t at = 0;
    bool fin = false;

    for (bool first = true; !fin; first = false) {
        size_t length = draw(8) == 0 ? 0 : draw((uint32_t)(message->length - at) + 1);
        fin = draw(4) == 0;
        if (fin)
            length = message->length - at;
        ws_opcode opcode = first ? (ws_opcode)message->opcode : WS_CONTINUATION;
        assert_int_equal(ws_write_fragment(w, opcode, fin, message->data + at, length, out), AC_OK);
        at += length;

        const item *it = &t->items[next];
        if (!fin && (it->opcode == WS_PING || it->opcode == WS_PONG)) {
            assert_int_equal(ws_write(w, (ws_opcode)it->opcode, it->data, it->length, out), AC_OK);
            talk_add(heard, it->opcode, 0, it->data, it->length);
            next++;
        }
    }
    talk_add(heard, message->opcode, 0, message->data, message->length);
    return next;
}

static void write_ours(ws_role role, const talk *t, buf *out, talk *heard)
{
    ws_writer w;

    ws_writer_init(&w, role, false);
    for (size_t i = 0; i < t->count;) {
        const item *it = &t->items[i];

        if (it->opcode == WS_CLOSE) {
            assert_int_equal(ws_write_close(&w, it->code, it->data, out), AC_OK);
        } else if ((it->opcode == WS_TEXT || it->opcode == WS_BINARY) && draw(2) == 0) {
            i = write_fragments(&w, t, i, out, heard);
            continue;
        } else {
            assert_int_equal(ws_write(&w, (ws_opcode)it->opcode, it->data, it->length, out), AC_OK);
        }
        talk_add(heard, it->opcode, it->code, it->data, it->length);
        i++;
    }
}

static void read_ours(ws_role role, char *data, size_t length, talk *got)
{
    ws_reader_options options = {.role = role, .message_bytes_max = PAYLOAD_MAX};
    ws_event event;
    ws_reader r;

    ws_reader_init(&r, &options);
    for (size_t at = 0; at < length;) {
        size_t piece = draw(2) == 0 ? draw(40) + 1 : draw(PAYLOAD_MAX) + 1;
        size_t end = MIN(length, at + piece);

        do {
            at += ws_read(&r, data + at, end - at, &event);
            if (event.type == WS_EVENT_MESSAGE)
                talk_add(got, (uint8_t)event.opcode, 0, event.data, event.length);
            else if (event.type == WS_EVENT_PING || event.type == WS_EVENT_PONG)
                talk_add(got, event.type == WS_EVENT_PING ? WS_PING : WS_PONG, 0, event.data, event.length);
            else if (event.type == WS_EVENT_CLOSE)
                talk_add(got, WS_CLOSE, event.code, event.data, event.length);
            else
                assert_int_equal(event.type, WS_EVENT_NONE);
        } while (event.type != WS_EVENT_NONE);
    }
    ws_reader_done(&r);
}

/* ---- wslay's end ---- */

typedef struct wslay_end {
    const char *input;
    size_t input_left;
    buf output;
    talk *got;
} wslay_end;

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *data, size_t length, int flags, void *user)
{
    wslay_end *end = user;
    size_t piece = draw(PAYLOAD_MAX) + 1;

    (void)flags;
    piece = MIN(piece, MIN(length, end->input_left));
    if (piece == 0) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(data, end->input, piece);
    end->input += piece;
    end->input_left -= piece;
    return (ssize_t)piece;
}

static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t length, int flags, void *user)
{
    wslay_end *end = user;

    (void)ctx;
    (void)flags;
    assert_int_equal(buf_append(&end->output, data, length), AC_OK);
    return (ssize_t)length;
}

static int on_mask(wslay_event_context_ptr ctx, uint8_t *key, size_t length, void *user)
{
    (void)ctx;
    (void)user;
    for (size_t i = 0; i < length; i++)
        key[i] = (uint8_t)draw(256);
    return 0;
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *m, void *user)
{
    wslay_end *end = user;
    size_t skip = m->opcode == WSLAY_CONNECTION_CLOSE && m->msg_length >= 2 ? 2 : 0;

    (void)ctx;
    talk_add(end->got, m->opcode, m->status_code, skip ? m->msg + skip : m->msg, m->msg_length - skip);
}

static wslay_event_context_ptr wslay_open(ws_role role, wslay_end *end)
{
    const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_recv,
        .send_callback = on_send,
        .genmask_callback = on_mask,
        .on_msg_recv_callback = on_message,
    };
    wslay_event_context_ptr ctx;
    int code = role == WS_SERVER ? wslay_event_context_server_init(&ctx, &callbacks, end)
                                 : wslay_event_context_client_init(&ctx, &callbacks, end);

    assert_int_equal(code, 0);
    return ctx;
}

typedef struct fragment_source {
    const item *message;
    size_t at;
} fragment_source;

static ssize_t on_fragment(wslay_event_context_ptr ctx, uint8_t *out, size_t room,
                           const union wslay_event_msg_source *source, int *eof, void *user)
{
    fragment_source *from = source->data;
    size_t left = from->message->length - from->at;
    size_t length = draw(2000) + 1;

    (void)ctx;
    (void)user;
    length = MIN(length, MIN(left, room));
    if (length > 0)
        memcpy(out, from->message->data + from->at, length);
    from->at += length;
    *eof = from->at == from->message->length;
    return (ssize_t)length;
}

/* Each item is sent before the next is queued, so that wslay keeps the order. */
static void write_wslay(ws_role role, const talk *t, wslay_end *end)
{
    wslay_event_context_ptr ctx = wslay_open(role, end);

    for (size_t i = 0; i < t->count; i++) {
        const item *it = &t->items[i];
        struct wslay_event_msg message = {it->opcode, (const uint8_t *)it->data, it->length};
        fragment_source source = {.message = it};
        struct wslay_event_fragmented_msg fragments = {it->opcode, {.data = &source}, on_fragment};
        int code;

        if (it->opcode == WS_CLOSE)
            code = wslay_event_queue_close(ctx, (uint16_t)it->code, (const uint8_t *)it->data, it->length);
        else if ((it->opcode == WS_TEXT || it->opcode == WS_BINARY) && draw(2) == 0)
            code = wslay_event_queue_fragmented_msg(ctx, &fragments);
        else
            code = wslay_event_queue_msg(ctx, &message);
        assert_int_equal(code, 0);
        assert_int_equal(wslay_event_send(ctx), 0);
    }
    wslay_event_context_free(ctx);
}

/* ---- both ways ---- */

static void test_wslay_reads_ours(void **state)
{
    (void)state;
    random_state = 1;
    for (int round = 0; round < ROUNDS; round++) {
        _cleanup_(talk_done) talk said = {.count = 0};
        _cleanup_(talk_done) talk wanted = {.count = 0};
        _cleanup_(talk_done) talk got = {.count = 0};
        _cleanup_(buf_done) buf wire = BUF_INIT(WIRE_MAX);
        ws_role role = round & 1 ? WS_SERVER : WS_CLIENT;

        random_talk(&said, true);
        write_ours(role, &said, &wire, &wanted);
        wslay_end end = {.input = wire.data, .input_left = wire.length, .output = BUF_INIT(WIRE_MAX), .got = &got};
        wslay_event_context_ptr ctx = wslay_open(role == WS_SERVER ? WS_CLIENT : WS_SERVER, &end);
        /* It returns when a piece ends inside a head, which may be one that the next call already has whole. */
        do
            assert_int_equal(wslay_event_recv(ctx), 0);
        while (end.input_left > 0);
        assert_int_equal(wslay_event_recv(ctx), 0);
        wslay_event_context_free(ctx);
        buf_done(&end.output);
        assert_same_talk(&got, &wanted);
    }
}

static void test_we_read_wslay(void **state)
{
    (void)state;
    random_state = 2;
    for (int round = 0; round < ROUNDS; round++) {
        _cleanup_(talk_done) talk said = {.count = 0};
        _cleanup_(talk_done) talk got = {.count = 0};
        wslay_end end = {.output = BUF_INIT(WIRE_MAX)};
        ws_role role = round & 1 ? WS_SERVER : WS_CLIENT;

        random_talk(&said, false);
        write_wslay(role == WS_SERVER ? WS_CLIENT : WS_SERVER, &said, &end);
        read_ours(role, end.output.data, end.output.length, &got);
        buf_done(&end.output);
        assert_same_talk(&got, &said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wslay_reads_ours),
        cmocka_unit_test(test_we_read_wslay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
