/* exchange.h - one request and its response, and the WebSocket that may come of it.
 *
 * An exchange is born on a loop thread when a request has arrived whole, and handed to the service.  The service may
 * pass it to any thread.  It is reference-counted; the request (head, body, arena) lives as long as the exchange.
 * Calls that answer may come from any thread, one thread at a time.  When the client goes away, they fail with
 * AC_ERR_CLOSED and blocked ones wake up.
 *
 * Streams are bounded: writers wait while more than stream_buffer_bytes are unsent (off the loop thread), or are told
 * AC_ERR_AGAIN (on it). */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "http/ws.h"

#include <stdbool.h>

typedef struct http_exchange http_exchange;

typedef struct http_header {
    const char *name;  /* as it came */
    const char *value; /* without white space around; NUL-terminated (a NUL inside is refused by the parser) */
    uint32_t name_length;
    uint32_t value_length;
} http_header;

typedef struct http_request {
    const char *method; /* "GET" */
    const char *target; /* the path, still percent-encoded, without query; begins with '/' (or is "*") */
    const char *query;  /* after '?', or NULL */
    const http_header *headers;
    size_t header_count;
    int minor_version; /* of HTTP/1.x */
    bool head;         /* method is HEAD: answers carry no body */
    bool websocket;    /* a well-formed WebSocket upgrade (RFC 6455 section 4.2.1) */
    char *body;        /* length bytes and then at least JSON_PADDING more that may be written; never NULL */
    size_t body_length;
    uint64_t arrived_ns; /* monotonic clock, when the head was complete */
} http_request;

const http_request *http_exchange_request(const http_exchange *x);

/* A header's value by name, ignoring case; NULL when absent.  When it came several times: the values joined by ", ",
 * made in the arena. */
const char *http_exchange_header(http_exchange *x, const char *name);

/* Memory that lives as long as the exchange.  One thread at a time. */
arena *http_exchange_arena(http_exchange *x);

/* An empty buffer to write an answer into, with memory that an earlier answer left, or none.  Once per exchange, on the
 * loop thread. */
buf http_exchange_take_room(http_exchange *x);

http_exchange *http_exchange_ref(http_exchange *x);
void http_exchange_unref(http_exchange *x);
DEFINE_CLEANUP(http_exchange *, http_exchange_unref)

/* Whether the client is gone (or the answer is complete). */
bool http_exchange_closed(const http_exchange *x);

/* Whether the caller runs on the exchange's loop thread, where nothing may block. */
bool http_exchange_on_loop(const http_exchange *x);

/* ---- answering ---- */

typedef struct http_field {
    const char *name;
    const char *value;
} http_field;

typedef struct http_response {
    int status;
    const char *content_type; /* NULL: none */
    const http_field *fields; /* more headers; names and values must be valid (http_field_valid) */
    size_t field_count;
} http_response;

/* Whether a header may be sent as it is: a token as name; no control characters in the value (response splitting). */
bool http_field_valid(const char *name, const char *value);

/* Answer with a whole body, which is taken over (the buf is empty afterwards, also on failure).  body may be NULL.
 * Errors: AC_ERR_STATE (answered already), AC_ERR_CLOSED, AC_ERR_NOMEM. */
ac_status http_respond(http_exchange *x, const http_response *response, buf *body) AC_MUST_USE;

/* Answer with a status and nothing else, for whoever could not make an answer: an exchange must be answered.  When
 * there is no memory for this either, the connection ends instead. */
void http_respond_bare(http_exchange *x, int status);

/* Begin a streamed answer (chunked for HTTP/1.1, until close for 1.0).  probe, a static string or NULL, is something
 * the format ignores (":\n\n" in an event stream): it is sent when the client has half-closed, to learn whether it
 * still listens. */
ac_status http_stream_begin(http_exchange *x, const http_response *response, const char *probe) AC_MUST_USE;

/* Add to the stream.  Waits for room up to the server's write_timeout_ms, never on the loop thread.
 * Errors: AC_ERR_CLOSED, AC_ERR_TIMEOUT, AC_ERR_AGAIN (loop thread, nothing was taken), AC_ERR_STATE, AC_ERR_NOMEM. */
ac_status http_stream_write(http_exchange *x, const void *data, size_t length) AC_MUST_USE;

/* End the stream.  Allowed after the client has gone. */
void http_stream_end(http_exchange *x);

/* Have fn called once on the loop thread when a write would be taken again or the client is gone.  The exchange is
 * kept referenced until then.  Errors: AC_ERR_STATE (one is set already), AC_ERR_CLOSED (gone; fn is not called),
 * AC_ERR_NOMEM. */
ac_status http_exchange_on_writable(http_exchange *x, void (*fn)(http_exchange *x, void *user), void *user) AC_MUST_USE;

/* End a stream (or a tunnel, or what is not answered at all) that cannot be completed: after what was written before,
 * the connection is closed without the end of the body, so that the client knows.  Any thread. */
void http_stream_abort(http_exchange *x);

/* Have fn called once, on the loop thread, when the exchange is over: answered to the end, or the client is gone.  The
 * exchange is kept referenced until then.  fn NULL: nobody is to be called any more.  Errors: AC_ERR_STATE (one is set
 * already), AC_ERR_CLOSED (over; fn is not called, but one that was set before is). */
ac_status http_exchange_on_over(http_exchange *x, void (*fn)(http_exchange *x, void *user), void *user) AC_MUST_USE;

/* The loop that the exchange lives on; for rooms that bring other sockets to it. */
struct http_loop *http_exchange_loop(http_exchange *x);

/* ---- tunnel: for exchanges whose request is a WebSocket upgrade that somebody behind us has accepted ---- */

/* Callbacks on the loop thread. */
typedef struct http_tunnel_events {
    void (*on_data)(http_exchange *x, char *data, size_t length, void *user); /* data is lost after the call */
    void (*on_eof)(http_exchange *x, void *user);  /* the client sends no more; what goes to it still does */
    void (*on_over)(http_exchange *x, void *user); /* exactly once, last */
    void *user;
} http_tunnel_events;

/* Answer 101 with these fields (Upgrade and Connection are added) and pass bytes from here on, both ways, as they are.
 * On the loop thread.  Errors as http_ws_accept. */
ac_status http_tunnel_begin(http_exchange *x, const http_field *fields, size_t field_count,
                            const http_tunnel_events *events) AC_MUST_USE;

/* To the client.  On the loop thread.  AC_ERR_AGAIN: taken, but wait (http_exchange_on_writable) before sending more;
 * AC_ERR_CLOSED, AC_ERR_STATE, AC_ERR_NOMEM. */
ac_status http_tunnel_write(http_exchange *x, const void *data, size_t length) AC_MUST_USE;

/* Leave the client's bytes in its socket, or go on. */
void http_tunnel_pause(http_exchange *x, bool pause);

/* No more to the client: it sees the end when all is sent. */
void http_tunnel_end(http_exchange *x);

/* ---- WebSocket: for exchanges whose request says so ---- */

typedef struct http_ws_message {
    ws_opcode opcode; /* WS_TEXT or WS_BINARY */
    char *data;       /* NUL-terminated beyond length */
    size_t length;
} http_ws_message;

/* Callbacks on the loop thread, instead of http_ws_receive. */
typedef struct http_ws_events {
    void (*on_open)(http_exchange *x, void *user);
    void (*on_message)(http_exchange *x, const http_ws_message *message, void *user); /* data not NUL-terminated here */
    void (*on_close)(http_exchange *x, int code, void *user);                         /* exactly once, last */
    void *user;
} http_ws_events;

typedef struct http_ws_options {
    const char *subprotocol;  /* answered as chosen; NULL: none */
    size_t message_bytes_max; /* 0: 16 MiB */
    bool no_deflate;
    const http_ws_events *events; /* copied; NULL: messages are queued for http_ws_receive */
} http_ws_options;

/* Answer 101 and speak WebSocket from here on.  Errors: AC_ERR_STATE (answered, or no WebSocket request),
 * AC_ERR_CLOSED, AC_ERR_NOMEM. */
ac_status http_ws_accept(http_exchange *x, const http_ws_options *options) AC_MUST_USE;

/* Wait for a message; timeout_ms < 0 waits without end.  message->data is the caller's to free().
 * Messages that arrived before the close are still delivered.
 * Errors: AC_ERR_CLOSED, AC_ERR_TIMEOUT, AC_ERR_STATE (not accepted, or on the loop thread). */
ac_status http_ws_receive(http_exchange *x, http_ws_message *ret_message, int timeout_ms) AC_MUST_USE;

/* Send one message.  Waits and fails like http_stream_write; AC_ERR_STATE before accept. */
ac_status http_ws_send(http_exchange *x, ws_opcode opcode, const void *data, size_t length) AC_MUST_USE;

/* Begin the close handshake; the connection closes when the peer answers, or after a few seconds.  Never waits. */
ac_status http_ws_close(http_exchange *x, int code, const char *reason);

/* 0 while open; the peer's code; WS_CODE_ABNORMAL when it vanished. */
int http_ws_close_code(http_exchange *x);

#endif
