/* transport.h - the wire under a connection: TCP, or memory in tests; TLS will be a third.
 *
 * Everything happens on the loop thread.  A transport calls back into its connection (http_conn_input, _eof, _written,
 * _gone), always from the loop and never from inside a call the connection made. */
#ifndef HTTP_TRANSPORT_H
#define HTTP_TRANSPORT_H

#include <stdbool.h>
#include <uv.h>

typedef struct http_transport http_transport;
struct http_conn;
struct http_home;

typedef struct http_transport_ops {
    /* Write what goes without waiting.  Bytes taken (0: none right now), or a negative error: the connection is
     * dead. */
    ssize_t (*try_write)(http_transport *t, const uv_buf_t *bufs, unsigned count);
    /* Write all of it; the memory stays until http_conn_written.  A negative error: the connection is dead. */
    int (*write)(http_transport *t, const uv_buf_t *bufs, unsigned count);
    /* Bytes of the last write that the other side has not taken yet. */
    size_t (*unsent)(http_transport *t);
    /* Deliver input, or leave it where it is. */
    void (*read)(http_transport *t, bool on);
    /* No more output: the peer sees the end. */
    void (*shutdown)(http_transport *t);
    /* After the peer's end of input: has it vanished altogether? */
    bool (*peer_gone)(http_transport *t);
    /* Close at once; http_conn_gone follows, and then t is free to be freed. */
    void (*close)(http_transport *t);
} http_transport_ops;

struct http_transport {
    const http_transport_ops *ops;
    struct http_conn *conn;
};

/* A transport over a connected socket, which it owns.  NULL: out of memory, the socket is still the caller's. */
http_transport *http_tcp_open(struct http_home *home, int fd);

#endif
