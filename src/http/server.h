/* server.h - an HTTP/1.1 and WebSocket server: loop threads, listeners, limits, drain.
 *
 * The server knows nothing of routes or JSON: every request that is well-formed and within the limits is handed,
 * whole, to the one service.  What is not well-formed is answered here (400, 408, 413, 417, 431, 500, 501, 503, 505)
 * and never seen by it. */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "http/exchange.h"

typedef struct http_server http_server;
struct http_transport;

/* Zero means the default beside it. */
typedef struct http_server_options {
    const char *host;                    /* numeric address; "127.0.0.1" */
    int port;                            /* 0: any free port (there is no default port here) */
    unsigned loops;                      /* one per CPU this process may use, at most 64 */
    unsigned connections_max;            /* 65536, or what RLIMIT_NOFILE leaves; above: 503 */
    size_t header_bytes_max;             /* 64 KiB; above: 431 */
    size_t body_bytes_max;               /* 104857600; above: 413 */
    size_t stream_buffer_bytes;          /* 256 KiB */
    unsigned header_timeout_ms;          /* 10 s; then 408 */
    unsigned body_timeout_ms;            /* 30 s of silence; then 408 */
    unsigned idle_timeout_ms;            /* 75 s; then closed */
    unsigned write_timeout_ms;           /* 60 s without progress; then closed */
    unsigned drain_timeout_ms;           /* 30 s */
    unsigned websocket_ping_interval_ms; /* silence after which a ping is sent; 20 s */
    unsigned websocket_ping_timeout_ms;  /* for the answer to it; 20 s */
    struct http_transport *(*wrap)(struct http_transport *tcp, void *user); /* tls.h; NULL: plain TCP */
    void *wrap_user;
} http_server_options;

/* What the server calls, always on a loop thread; it must return quickly. */
typedef struct http_service {
    /* A whole request.  The callee owns one reference of x and must answer, now or later. */
    void (*on_request)(http_exchange *x, void *user);
    /* The loops are running and the port is open (once; on the first loop thread).  May be NULL. */
    void (*on_ready)(http_server *server, void *user);
    void *user;
} http_service;

/* Both structures are copied.  NULL when memory runs out. */
http_server *http_server_new(const http_server_options *options, const http_service *service);
void http_server_free(http_server *server);

/* Open the port.  Errors: AC_ERR_ADDRESS_IN_USE, AC_ERR_INVALID (host), AC_ERR_IO; the message names address and
 * port. */
ac_status http_server_listen(http_server *server, ac_error *err) AC_MUST_USE;

/* Serve until http_server_stop (or, with handle_signals, SIGTERM or SIGINT: the first drains, a second closes at once).
 * The calling thread becomes the first loop.  Returns when every connection is closed: drained, or cut off when
 * drain_timeout_ms is over.  The signals' actions are then what they were before. */
ac_status http_server_run(http_server *server, bool handle_signals, ac_error *err) AC_MUST_USE;

/* Begin to drain: stop accepting, finish what runs, close.  Any thread, async-signal-safe it is not. */
void http_server_stop(http_server *server);

/* What is left of the time to drain: all of it before draining has begun, 0 when it is over or was cut short. */
unsigned http_server_drain_left_ms(const http_server *server);

/* Serve a connection that came in another way: a connected stream socket, taken over, spoken to without wrap.  Any
 * thread, while http_server_run runs; at other times, and when there are too many, it is just closed. */
void http_server_adopt(http_server *server, int fd);

/* The port that is listened on; 0 when none is. */
int http_server_port(const http_server *server);

/* Open connections over all loops. */
unsigned http_server_connections(const http_server *server);

/* Call fn(arg) on the first loop thread.  For work that must not race with the service. */
ac_status http_server_post(http_server *server, void (*fn)(void *arg), void *arg) AC_MUST_USE;

/* ---- without sockets: for unit tests of what is above, and for fuzzing ---- */

/* A connection whose other end is the caller.  The server must have been neither listened on nor run; its loop is
 * driven by http_memory_pump on the calling thread. */
typedef struct http_memory http_memory;

http_memory *http_memory_connect(http_server *server);

/* Bytes from the client to the server; length 0 with data NULL: the client half-closes. */
void http_memory_send(http_memory *m, const void *data, size_t length);

/* What the server has written so far and is not yet taken. */
const char *http_memory_received(http_memory *m, size_t *ret_length);
void http_memory_take(http_memory *m, size_t length);

/* Whether the server has closed its end. */
bool http_memory_closed(const http_memory *m);

/* Run the loop until something happened or timeout_ms is over. */
void http_memory_pump(http_server *server, int timeout_ms);

/* The client vanishes; frees m. */
void http_memory_free(http_memory *m);

/* Close all connections and let the loop end; before http_server_free. */
void http_memory_shutdown(http_server *server);

#endif
