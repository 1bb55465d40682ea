/* relay.h - pass a request on to a server behind us, and its answer back, as it comes.
 *
 * The exchange's request goes over an upstream on the exchange's own loop; the answer's bytes go from the one socket's
 * read buffer to the other socket.  A client that reads slowly stops the reading from the server behind, so what lies
 * between is bounded by the exchange's stream buffer.  A client that goes away closes the connection behind, which is
 * how that server learns of it.  WebSockets are passed through as bytes once both sides have shaken hands.
 *
 * May be started from any thread; all callbacks come on the exchange's loop. */
#ifndef HTTP_RELAY_H
#define HTTP_RELAY_H

#include "http/upstream.h"

typedef struct http_relay http_relay;

/* What the caller decides about an answer's head. */
typedef struct http_relay_answer {
    int status;               /* that the client sees; set to the server's */
    const char *content_type; /* likewise */
    const http_field *fields; /* all others that the client sees: none of the server's goes through by itself, but for a
                                 WebSocket's handshake those that are not among them */
    size_t field_count;
} http_relay_answer;

typedef enum http_relay_verdict {
    HTTP_RELAY_PASS,    /* send answer and pass the body on */
    HTTP_RELAY_COLLECT, /* the server failed: gather its body (at most collect_max bytes) for on_end, send nothing */
} http_relay_verdict;

/* How it went. */
typedef struct http_relay_result {
    ac_status status; /* AC_OK: all was passed on; AC_ERR_CLOSED with client_gone: the client left; else as on_done of
                          upstream.h */
    bool client_gone;
    bool answered;         /* the client has had (part of) an answer; when not, the callee of on_end must answer */
    bool unsent;           /* no connection could be had: the server knows nothing of the request */
    int server_status;     /* 0: no head came */
    const char *collected; /* with HTTP_RELAY_COLLECT: the server's body, NUL-terminated, cut at collect_max */
    size_t collected_length;
    uint64_t bytes_out;
    const ac_error *err; /* NULL when status is AC_OK */
} http_relay_result;

typedef struct http_relay_events {
    /* A connection for this attempt, on the exchange's loop: a kept one, or a new one.  NULL: none can be had. */
    http_upstream *(*connect)(http_loop *loop, bool fresh, void *user);
    /* Decide; what ret_answer points to lives until the call returns. */
    http_relay_verdict (*on_head)(http_exchange *x, const http_upstream_head *head, http_relay_answer *ret_answer,
                                  void *user);
    /* Exactly once, last.  u is given back (NULL: it is gone): keep it when it is reusable, or close it. */
    void (*on_end)(http_exchange *x, http_upstream *u, const http_relay_result *result, void *user);
    void *user;
} http_relay_events;

typedef struct http_relay_options {
    http_upstream_request request; /* copied with its headers; the body is borrowed until on_end */
    size_t collect_max;            /* 64 KiB */
    size_t whole_max;              /* an answer whose length is known and at most this is sent in one piece; 64 KiB */
} http_relay_options;

/* Start; takes over no reference: x must live until on_end (it is referenced meanwhile).  The exchange's on_over and
 * on_writable are the relay's, and its arena is the loop's from here on.  A kept connection that turns out to be stale
 * is replaced by a fresh one, once.  After an on_end without an answer the exchange may be relayed again.  When the
 * server's answer breaks off in the middle, so does the client's (the connection is closed without the end of the
 * body).  A 101 becomes a tunnel: the server's Sec-WebSocket-Accept, -Protocol and -Extensions go to the client beside
 * the fields of the answer.
 * AC_ERR_NOMEM, AC_ERR_INVALID (the request cannot be sent), AC_ERR_CLOSED (the client has gone already): on_end does
 * not come. */
ac_status http_relay_start(http_exchange *x, const http_relay_options *options, const http_relay_events *events)
    AC_MUST_USE;

#endif
