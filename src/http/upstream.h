/* upstream.h - one request to a server behind us, over a socket that somebody else has made, on a given loop.
 *
 * Beside client.h, which finds its servers by URL and has a thread of its own, this is for passing requests on: the
 * caller has the socket (in another network namespace, perhaps), stays on the loop where his own client's connection
 * is, and sees the bytes of the answer in the buffer they were read into.
 *
 *     http_upstream *u = http_upstream_new(loop, fd, &address);          // owns fd
 *     http_upstream_send(u, &request, &events);                          // on_head, on_data..., on_done
 *     ... in on_done: keep u for the next request when http_upstream_reusable(u), or http_upstream_close(u)
 *
 * Everything happens on the loop's thread; callbacks come from the loop and never from inside a call. */
#ifndef HTTP_UPSTREAM_H
#define HTTP_UPSTREAM_H

#include "base/buf.h"
#include "http/exchange.h"
#include "http/loop.h"

#include <sys/socket.h>

typedef struct http_upstream http_upstream;

/* Zero means the default beside it.  All of it is borrowed until on_done, but the headers until http_upstream_send
 * returns. */
typedef struct http_upstream_request {
    const char *method;
    const char *target;        /* path and query, encoded */
    const http_field *headers; /* with Host; without Connection, Content-Length, Transfer-Encoding and Upgrade */
    size_t header_count;
    const void *body;
    size_t body_length;
    unsigned first_byte_timeout_ms; /* from the request sent to the head of the answer; 15 min */
    unsigned idle_timeout_ms;       /* silence inside the answer; 60 min */
    unsigned write_timeout_ms;      /* without progress; 60 s */
    unsigned stale_ms;              /* how soon the end of a kept connection is no answer; 250 ms */
    size_t head_bytes_max;          /* 64 KiB */
    bool upgrade; /* ask for WebSocket (the headers bring Sec-WebSocket-*): after a 101 the connection is a tunnel */
} http_upstream_request;

typedef struct http_upstream_head {
    int status;
    const http_header *headers; /* live until on_done */
    size_t header_count;
    int64_t content_length; /* -1: not known */
} http_upstream_head;

typedef struct http_upstream_events {
    /* The final answer's head (1xx are passed over, but 101 to an upgrade). */
    void (*on_head)(http_upstream *u, const http_upstream_head *head, void *user);
    /* Part of the body, or of the tunnel.  data is lost after the call. */
    void (*on_data)(http_upstream *u, char *data, size_t length, void *user);
    /* Exactly once, last: AC_OK when the answer was complete, or the tunnel's other end has closed it; AC_ERR_CLOSED:
     * the server ended early (err says whether anything had come); AC_ERR_IO: not reachable; AC_ERR_TIMEOUT;
     * AC_ERR_PROTOCOL: no HTTP; AC_ERR_TOO_LARGE: head; AC_ERR_NOMEM. */
    void (*on_done)(http_upstream *u, ac_status status, const ac_error *err, void *user);
    /* A tunnel's writes are through again after AC_ERR_AGAIN.  May be NULL without upgrade. */
    void (*on_writable)(http_upstream *u, void *user);
    void *user;
} http_upstream_events;

/* Whether http_upstream_send would take it. */
bool http_upstream_request_valid(const http_upstream_request *request);

/* A connection over fd (a non-blocking stream socket, taken over), which is connected to address first, or is connected
 * already when address is NULL.  NULL: out of memory, fd is still the caller's. */
http_upstream *http_upstream_new(http_loop *loop, int fd, const struct sockaddr *address, socklen_t address_length,
                                 unsigned connect_timeout_ms);

/* Send a request; one at a time.  events are copied.  AC_ERR_STATE, AC_ERR_INVALID (a header that cannot be sent),
 * AC_ERR_NOMEM: no callback comes then. */
ac_status http_upstream_send(http_upstream *u, const http_upstream_request *request, const http_upstream_events *events)
    AC_MUST_USE;

/* Leave the answer's bytes in the socket, or go on.  What had been read already still comes: at most one read buffer
 * (LOOP_READ_BUFFER_BYTES). */
void http_upstream_pause(http_upstream *u, bool pause);

/* Into the tunnel, after a 101.  AC_ERR_AGAIN: taken, but wait for on_writable before sending more; AC_ERR_STATE,
 * AC_ERR_CLOSED, AC_ERR_NOMEM. */
ac_status http_upstream_write(http_upstream *u, const void *data, size_t length) AC_MUST_USE;

/* No more into the tunnel: the server sees the end. */
void http_upstream_shutdown(http_upstream *u);

/* Whether another request may go over this connection: the last one is done, both sides keep it open, nothing
 * unexpected has arrived. */
bool http_upstream_reusable(const http_upstream *u);

/* Whether it failed in a way that says nothing about the request: a kept connection that the server closed before it
 * said a word, and so soon that it cannot have worked on the request.  For on_done. */
bool http_upstream_was_stale(const http_upstream *u);

/* Close at once and free, later, on the loop; no callback comes any more, not even on_done.  A server that is working
 * on an answer sees a reset.  NULL is allowed.  An idle connection does not keep its loop running: close it before
 * http_loop_done, which may be on another thread once the loop has ended (after http_server_run). */
void http_upstream_close(http_upstream *u);

#endif
