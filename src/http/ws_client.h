/* ws_client.h - a WebSocket to another server, for threads that may block.
 *
 * One thread may receive while others send; calls never wait longer than they are told.  Pings are answered while some
 * thread receives or sends.  The connection, TLS and proxies are libcurl's, the protocol is ws.h's. */
#ifndef HTTP_WS_CLIENT_H
#define HTTP_WS_CLIENT_H

#include "http/client.h"

typedef struct ws_client ws_client;

/* Zero means the default beside it.  Borrowed until ws_client_connect returns. */
typedef struct ws_client_options {
    const char *url;           /* ws://, wss:// (or http, https); required */
    const http_field *headers; /* more of the request: Authorization, ... */
    size_t header_count;
    const char *subprotocols;    /* offered: "a, b"; none */
    const char *ca_file;         /* the system's authorities */
    unsigned connect_timeout_ms; /* all of it: name, TLS, answer; 30 s */
    size_t message_bytes_max;    /* one message that is received; 16 MiB */
    unsigned ping_interval_ms;   /* of silence while receiving, after which a ping is sent; 20 s */
    unsigned ping_timeout_ms;    /* for something to be heard after it; 20 s */
    bool no_deflate;
    bool no_proxy;
} ws_client_options;

/* Connect and shake hands.  Errors: as http_client_fetch; AC_ERR_PROTOCOL when the answer is no acceptance of RFC 6455;
 * when the server refuses: AC_ERR_DENIED (401, 403), AC_ERR_NOT_FOUND (404), AC_ERR_THROTTLED (429), AC_ERR_IO (5xx) or
 * AC_ERR_INVALID, with err->http_status and err->aws_name as it said. */
ac_status ws_client_connect(const ws_client_options *options, ws_client **ret_ws, ac_error *err) AC_MUST_USE;

/* Drop the connection, without a close handshake unless ws_client_close was called, and free.  No other call may
 * run. */
void ws_client_free(ws_client *ws);
DEFINE_CLEANUP(ws_client *, ws_client_free)

/* The server's acceptance: status 101 and its headers.  Lives as long as the WebSocket. */
const http_client_head *ws_client_head(const ws_client *ws);

/* The subprotocol that was agreed on; NULL: none. */
const char *ws_client_subprotocol(const ws_client *ws);

/* Wait for a message; timeout_ms < 0 waits without end.  message->data is the caller's to free().
 * Errors: AC_ERR_TIMEOUT, AC_ERR_CLOSED (see ws_client_close_code), AC_ERR_STATE (another thread receives),
 * AC_ERR_NOMEM. */
ac_status ws_client_receive(ws_client *ws, http_ws_message *ret_message, int timeout_ms, ac_error *err) AC_MUST_USE;

/* Send one message, WS_TEXT or WS_BINARY, or a WS_PING or WS_PONG.  Waits until all of it is with the system.
 * AC_ERR_TIMEOUT: part of it may be sent; the rest goes out with the next call, unless the caller gives up.
 * AC_ERR_AGAIN: too much of that kind waits already, nothing was taken.  AC_ERR_CLOSED, AC_ERR_INVALID,
 * AC_ERR_NOMEM. */
ac_status ws_client_send(ws_client *ws, ws_opcode opcode, const void *data, size_t length, int timeout_ms,
                         ac_error *err) AC_MUST_USE;

/* Say goodbye (code 0: 1000; reason may be NULL) and wait for the answer.  Messages that still come are dropped, unless
 * another thread receives: then that thread sees them, and the close.  AC_ERR_TIMEOUT when the server does not
 * answer. */
ac_status ws_client_close(ws_client *ws, int code, const char *reason, int timeout_ms, ac_error *err);

/* Let all calls fail with AC_ERR_CLOSED, now.  Any thread. */
void ws_client_abort(ws_client *ws);

/* 0 while open; the server's code; WS_CODE_ABNORMAL when the connection was lost. */
int ws_client_close_code(ws_client *ws);

#endif
