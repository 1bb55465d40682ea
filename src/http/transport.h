/* transport.h - the wire under a connection: TCP, TLS over another transport, or memory in tests.
 *
 * Everything happens on the loop thread.  A transport tells its owner what happens (the events), always from the loop
 * and never from inside a call the owner made. */
#ifndef HTTP_TRANSPORT_H
#define HTTP_TRANSPORT_H

#include <stdbool.h>
#include <uv.h>

typedef struct http_transport http_transport;
struct http_loop;

typedef struct http_transport_ops {
    /* Write what goes without waiting.  Bytes taken (0: none right now), or a negative error: the connection is
     * dead. */
    ssize_t (*try_write)(http_transport *t, const uv_buf_t *bufs, unsigned count);
    /* Write all of it; the memory stays until the event `written`.  A negative error: the connection is dead. */
    int (*write)(http_transport *t, const uv_buf_t *bufs, unsigned count);
    /* Bytes of the last write that the other side has not taken yet. */
    size_t (*unsent)(http_transport *t);
    /* Deliver input, or leave it where it is. */
    void (*read)(http_transport *t, bool on);
    /* No more output: the peer sees the end. */
    void (*shutdown)(http_transport *t);
    /* After the peer's end of input: has it vanished altogether? */
    bool (*peer_gone)(http_transport *t);
    /* Whether it keeps the loop running while it reads; it does at first.  NULL: it cannot be chosen. */
    void (*hold)(http_transport *t, bool on);
    /* Before close: have the peer see that something was cut off, even where a plain end would look like the end of
     * what was sent.  What it has not taken is lost.  NULL: it sees that anyway. */
    void (*reset)(http_transport *t);
    /* Close at once; the event `gone` follows, and then the transport frees itself. */
    void (*close)(http_transport *t);
} http_transport_ops;

typedef struct http_transport_events {
    void (*input)(void *owner, char *data, size_t length); /* data may be changed, and is lost after the call */
    void (*eof)(void *owner);                              /* the peer sends no more */
    void (*broken)(void *owner);                           /* reset, or nonsense: close it */
    void (*written)(void *owner, int status);              /* a `write` is done, or failed with a negative error */
    void (*gone)(void *owner);                             /* closed; the last event */
} http_transport_events;

struct http_transport {
    const http_transport_ops *ops;
    const http_transport_events *events;
    void *owner;     /* NULL: nobody wants to hear of it */
    bool may_gather; /* set by the owner: input may come when all connections of the loop have been read */
};

/* A transport over a connected socket, which it owns.  NULL: out of memory, the socket is still the caller's. */
http_transport *http_tcp_open(struct http_loop *loop, int fd);

#endif
