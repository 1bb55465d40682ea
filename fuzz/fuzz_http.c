/* fuzz_http.c - the whole way of a request: parser, limits, connection, answer, WebSocket upgrade; without a socket.
 *
 * Oracle: what the server answers does not depend on how its input was cut into pieces; and every connection comes to
 * an end once the client has closed its side.  The first byte of the input chooses the pieces. */
#include "http/server.h"

#include "base/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURNS_MAX 10000
#define OUTPUT_MAX (1U << 22)

static void on_message(http_exchange *x, const http_ws_message *message, void *user)
{
    (void)user;
    if (message->length == 1 && message->data[0] == 'Q')
        (void)http_ws_close(x, 1000, "asked to");
    else if (http_ws_send(x, message->opcode, message->data, message->length) != AC_OK)
        return;
}

static void stream(http_exchange *x)
{
    if (http_stream_begin(x, &(http_response){.status = 200, .content_type = "text/event-stream"}, NULL) == AC_OK &&
        http_stream_write(x, "data: 1\n\n", 9) == AC_OK && http_stream_write(x, "data: 2\n\n", 9) != AC_OK)
        abort();
    http_stream_end(x);
}

static void on_request(http_exchange *x, void *user)
{
    const http_request *r = http_exchange_request(x);
    static const http_ws_events events = {.on_message = on_message};
    buf body = BUF_INIT(OUTPUT_MAX);
    ac_status status;

    (void)user;
    if (r->websocket)
        status = http_ws_accept(x, &(http_ws_options){.message_bytes_max = 4096, .events = &events});
    else if (strcmp(r->target, "/s") == 0)
        return stream(x), http_exchange_unref(x);
    else if ((status = buf_appendf(&body, "%s %s %s|", r->method, r->target, r->query ? r->query : "-")) == AC_OK &&
             (status = buf_append(&body, r->body, r->body_length)) == AC_OK)
        status = http_respond(x, &(http_response){.status = 200, .content_type = "text/plain"}, &body);
    buf_done(&body);
    if (status != AC_OK)
        abort();
    http_exchange_unref(x);
}

static http_server *the_server(void)
{
    static http_server *server;

    if (!server)
        server = http_server_new(&(http_server_options){.loops = 1,
                                                        .header_bytes_max = 2048,
                                                        .body_bytes_max = 8192,
                                                        .header_timeout_ms = 3600000,
                                                        .body_timeout_ms = 3600000,
                                                        .idle_timeout_ms = 3600000},
                                 &(http_service){.on_request = on_request});
    if (!server)
        abort();
    return server;
}

static void pump(http_server *server, http_memory *m)
{
    size_t before, now;

    http_memory_received(m, &before);
    for (int i = 0; i < 4; i++) {
        http_memory_pump(server, 0);
        http_memory_received(m, &now);
        if (now != before)
            i = 0;
        before = now;
    }
}

static buf talk(const uint8_t *data, size_t size, size_t piece)
{
    http_server *server = the_server();
    http_memory *m = http_memory_connect(server);
    buf output = BUF_INIT(OUTPUT_MAX);
    const char *received;
    size_t length;

    if (!m)
        abort();
    for (size_t at = 0; at < size; at += piece) {
        http_memory_send(m, data + at, MIN(piece, size - at));
        pump(server, m);
    }
    http_memory_send(m, NULL, 0);
    for (int turns = 0; !http_memory_closed(m); turns++) {
        if (turns > TURNS_MAX)
            abort(); /* it never ends */
        http_memory_pump(server, 0);
    }
    received = http_memory_received(m, &length);
    if (length && buf_append(&output, received, length) != AC_OK)
        abort();
    http_memory_free(m);
    http_memory_pump(server, 0);
    return output;
}

/* The clock is the one thing two runs may differ in. */
static void blank_dates(buf *b)
{
    static const char name[] = "Date: ";

    for (size_t i = 0; i + 35 < b->length; i++)
        if (memcmp(b->data + i, name, 6) == 0)
            memset(b->data + i + 6, '-', 29);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 16384)
        return 0;
    size_t piece = data[0] % 16 == 0 ? 1 : (size_t)data[0] % 16 * 7;
    buf whole = talk(data + 1, size - 1, size);
    buf cut = talk(data + 1, size - 1, piece);

    blank_dates(&whole);
    blank_dates(&cut);
    if (whole.length != cut.length || (whole.length && memcmp(whole.data, cut.data, whole.length) != 0)) {
        fprintf(stderr, "whole:\n%.*s\ncut into %zu:\n%.*s\n", (int)whole.length, whole.data, piece, (int)cut.length,
                cut.data);
        abort();
    }
    buf_done(&whole);
    buf_done(&cut);
    return 0;
}
