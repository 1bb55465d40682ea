/* testing_ws.c - the WebSocket half of agentcore/testing.h: a client over a memory connection (RFC 6455).
 *
 * Offers no compression, answers pings by itself.  A websocket is on its client's list from connect to free. */
#include "app/testing_internal.h"

#include "base/clock.h"
#include "http/ws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ac_test_websocket {
    ac_test_client *client;
    ac_test_websocket *next;
    http_memory *memory;
    ws_reader reader;
    ws_writer writer;
    buf input; /* bytes after the part that was read */
    size_t input_read;
    buf message;    /* what the last receive handed out */
    int close_code; /* 0 while open */
};

static void unlink_websocket(ac_test_websocket *websocket)
{
    ac_test_websocket **at = &websocket->client->websockets;
    while (*at && *at != websocket)
        at = &(*at)->next;
    if (*at)
        *at = websocket->next;
}

static void release(ac_test_websocket *websocket)
{
    if (websocket->memory)
        http_memory_free(websocket->memory);
    ws_reader_done(&websocket->reader);
    buf_done(&websocket->input);
    buf_done(&websocket->message);
    free(websocket);
}

/* ---- connect ---- */

static ac_status write_handshake(const ac_test_client *client, const char *path, const char *key, buf *out)
{
    AC_TRY(buf_appendf(out, "GET %s HTTP/1.1\r\n", path));
    if (!test_client_has_header(client, "Host"))
        AC_TRY(buf_append_text(out, "Host: test\r\n"));
    AC_TRY(buf_appendf(out,
                       "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: %s\r\n",
                       key));
    AC_TRY(test_client_write_headers(client, out));
    return buf_append_text(out, "\r\n");
}

static ac_status check_accept(const test_response *r, const char *key, ac_error *err)
{
    if (r->public.status != 101) {
        ac_status status = r->public.status == 403 ? AC_ERR_DENIED : AC_ERR_PROTOCOL;
        ac_error_set(err, status, "the app answered %d instead of accepting the WebSocket", r->public.status);
        if (err)
            err->http_status = r->public.status;
        return status;
    }
    char expected[WS_ACCEPT_SIZE];
    AC_TRY(ws_accept_key(key, expected));
    const char *accept = ac_test_response_header(&r->public, "Sec-WebSocket-Accept");
    if (!accept || strcmp(accept, expected) != 0)
        return ac_error_set(err, AC_ERR_PROTOCOL, "the app's Sec-WebSocket-Accept is wrong");
    return AC_OK;
}

static ac_status handshake(ac_test_websocket *websocket, const char *path, ac_error *err)
{
    ac_test_client *client = websocket->client;
    _cleanup_(buf_done) buf request = BUF_INIT(TEST_RESPONSE_MAX);
    char key[25];
    ac_status status = ws_make_key(key);
    if (status == AC_OK)
        status = write_handshake(client, path, key, &request);
    if (status != AC_OK)
        return ac_error_set(err, status, "%s", ac_status_text(status));

    test_response *r = malloc(sizeof(*r));
    if (!r)
        return ac_error_set(err, AC_ERR_NOMEM, "%s", ac_status_text(AC_ERR_NOMEM));
    test_response_init(r, false);
    http_memory_send(websocket->memory, request.data, request.length);
    status = test_client_read(client, websocket->memory, r);
    if (status == AC_OK)
        status = check_accept(r, key, err);
    else
        ac_error_set(err, status, "no answer to the WebSocket handshake: %s", ac_status_text(status));
    test_response_free(r);
    return status;
}

ac_test_websocket *ac_test_websocket_connect(ac_test_client *client, const char *path, ac_error *err)
{
    ac_test_websocket *websocket = calloc(1, sizeof(*websocket));
    if (!websocket) {
        ac_error_set(err, AC_ERR_NOMEM, "%s", ac_status_text(AC_ERR_NOMEM));
        return NULL;
    }
    websocket->client = client;
    websocket->input = BUF_INIT(TEST_RESPONSE_MAX);
    websocket->message = BUF_INIT(TEST_RESPONSE_MAX);
    ws_reader_init(&websocket->reader, &(ws_reader_options){.role = WS_CLIENT, .message_bytes_max = TEST_RESPONSE_MAX});
    ws_writer_init(&websocket->writer, WS_CLIENT, false);

    websocket->memory = http_memory_connect(client->server);
    if (!websocket->memory)
        ac_error_set(err, AC_ERR_NOMEM, "%s", ac_status_text(AC_ERR_NOMEM));
    if (!websocket->memory || handshake(websocket, path, err) != AC_OK) {
        release(websocket);
        return NULL;
    }
    websocket->next = client->websockets;
    client->websockets = websocket;
    return websocket;
}

/* ---- messages ---- */

static ac_status send_frame(ac_test_websocket *websocket, ws_opcode opcode, const void *data, size_t length)
{
    if (websocket->close_code != 0 || http_memory_closed(websocket->memory))
        return AC_ERR_CLOSED;
    _cleanup_(buf_done) buf out = BUF_INIT(TEST_RESPONSE_MAX);
    AC_TRY(ws_write(&websocket->writer, opcode, data, length, &out));
    http_memory_send(websocket->memory, out.data, out.length);
    http_memory_pump(websocket->client->server, 0);
    return AC_OK;
}

static void send_close(ac_test_websocket *websocket, int code)
{
    _cleanup_(buf_done) buf out = BUF_INIT(TEST_RESPONSE_MAX);
    if (ws_write_close(&websocket->writer, code, NULL, &out) == AC_OK && !http_memory_closed(websocket->memory))
        http_memory_send(websocket->memory, out.data, out.length);
}

ac_status ac_test_websocket_send(ac_test_websocket *websocket, const char *text)
{
    return send_frame(websocket, WS_TEXT, text, strlen(text));
}

/* One event of the protocol; *ret_done: the receive is over, with the status returned. */
static ac_status on_event(ac_test_websocket *websocket, const ws_event *event, ac_message *ret_message, bool *ret_done)
{
    switch (event->type) {
    case WS_EVENT_MESSAGE:
        *ret_done = true;
        buf_consume(&websocket->message, websocket->message.length);
        AC_TRY(buf_append(&websocket->message, event->data, event->length));
        if (!buf_terminate(&websocket->message))
            return AC_ERR_NOMEM;
        *ret_message = (ac_message){event->opcode == WS_TEXT ? AC_MESSAGE_TEXT : AC_MESSAGE_BINARY,
                                    websocket->message.data, websocket->message.length};
        return AC_OK;
    case WS_EVENT_PING:
        return send_frame(websocket, WS_PONG, event->data, event->length);
    case WS_EVENT_CLOSE:
    case WS_EVENT_ERROR:
        *ret_done = true;
        send_close(websocket, event->code);
        websocket->close_code = event->type == WS_EVENT_CLOSE ? event->code : WS_CODE_ABNORMAL;
        return AC_ERR_CLOSED;
    case WS_EVENT_NONE:
    case WS_EVENT_PONG:
        break;
    }
    return AC_OK;
}

/* Read what is there up to one message or the close; AC_ERR_AGAIN when it is not enough for either. */
static ac_status receive_now(ac_test_websocket *websocket, ac_message *ret_message)
{
    for (;;) {
        size_t length = 0;
        const char *data = http_memory_received(websocket->memory, &length);
        AC_TRY(buf_append(&websocket->input, data, length));
        http_memory_take(websocket->memory, length);

        ws_event event;
        bool done = false;
        size_t left = websocket->input.length - websocket->input_read;
        if (left == 0)
            return AC_ERR_AGAIN;
        websocket->input_read +=
            ws_read(&websocket->reader, websocket->input.data + websocket->input_read, left, &event);
        ac_status status = on_event(websocket, &event, ret_message, &done);
        if (websocket->input_read == websocket->input.length) {
            buf_consume(&websocket->input, websocket->input.length);
            websocket->input_read = 0;
        }
        if (done || status != AC_OK)
            return status;
    }
}

ac_status ac_test_websocket_receive(ac_test_websocket *websocket, ac_message *ret_message, int timeout_ms,
                                    int *ret_close_code)
{
    uint64_t deadline = clock_monotonic_ms() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0);
    while (websocket->close_code == 0) {
        ac_status status = receive_now(websocket, ret_message);
        if (status == AC_ERR_CLOSED)
            break;
        if (status != AC_ERR_AGAIN)
            return status;
        if (http_memory_closed(websocket->memory)) {
            websocket->close_code = WS_CODE_ABNORMAL;
            break;
        }
        uint64_t now = clock_monotonic_ms();
        if (timeout_ms >= 0 && now >= deadline)
            return AC_ERR_TIMEOUT;
        http_memory_pump(websocket->client->server, timeout_ms < 0 ? TEST_EXCHANGE_MS : (int)(deadline - now));
    }
    if (ret_close_code)
        *ret_close_code = websocket->close_code;
    return AC_ERR_CLOSED;
}

void ac_test_websocket_free(ac_test_websocket *websocket)
{
    if (!websocket)
        return;
    send_close(websocket, WS_CODE_NORMAL);
    if (!http_memory_closed(websocket->memory))
        http_memory_send(websocket->memory, NULL, 0);
    uint64_t deadline = clock_monotonic_ms() + TEST_CLOSE_MS;
    for (uint64_t now; !http_memory_closed(websocket->memory) && (now = clock_monotonic_ms()) < deadline;)
        http_memory_pump(websocket->client->server, (int)(deadline - now));

    unlink_websocket(websocket);
    release(websocket);
}
