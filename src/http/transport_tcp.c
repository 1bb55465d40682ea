/* transport_tcp.c - connections over TCP, on libuv. */
#include "http/transport.h"

#include "http/loop.h"

#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define GATHERED_BYTES_MAX 4096 /* what is larger is used at once */

typedef struct tcp_transport {
    http_transport base;
    uv_tcp_t tcp;
    uv_write_t write;
    uv_shutdown_t shutdown;
    http_loop *loop;
} tcp_transport;

static tcp_transport *tcp_of(http_transport *t)
{
    return CONTAINER_OF(t, tcp_transport, base);
}

static uv_stream_t *stream_of(http_transport *t)
{
    return (uv_stream_t *)&tcp_of(t)->tcp;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    tcp_transport *t = handle->data;
    size_t length;
    char *room = http_loop_read_room(t->loop, &length);

    (void)suggested;
    *ret_buf = uv_buf_init(room, (unsigned)length);
}

static void deliver(void *from, char *data, size_t length)
{
    tcp_transport *t = from;

    t->base.events->input(t->base.owner, data, length);
}

/* Requests are small and come in crowds: they are read in a row, and then served in a row.  Whatever else there is to
 * say about a connection is said after its input. */
static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    tcp_transport *t = stream->data;

    if (length > 0 && length <= GATHERED_BYTES_MAX && t->base.may_gather) {
        http_loop_gather(t->loop, deliver, t, buffer->base, (size_t)length);
        return;
    }
    if (length != 0)
        http_loop_deliver(t->loop);
    if (uv_is_closing((uv_handle_t *)stream))
        return;
    if (length > 0)
        deliver(t, buffer->base, (size_t)length);
    else if (length == UV_EOF)
        t->base.events->eof(t->base.owner);
    else if (length < 0)
        t->base.events->broken(t->base.owner);
}

static void tcp_read(http_transport *t, bool on)
{
    if (!on)
        uv_read_stop(stream_of(t));
    else if (uv_read_start(stream_of(t), on_alloc, on_read) < 0)
        t->events->broken(t->owner);
}

static ssize_t tcp_try_write(http_transport *t, const uv_buf_t *bufs, unsigned count)
{
    int written = uv_try_write(stream_of(t), bufs, count);

    return written == UV_EAGAIN ? 0 : written;
}

static void on_written(uv_write_t *write, int status)
{
    tcp_transport *t = CONTAINER_OF(write, tcp_transport, write);

    if (status != UV_ECANCELED)
        t->base.events->written(t->base.owner, status);
}

static int tcp_write(http_transport *t, const uv_buf_t *bufs, unsigned count)
{
    return uv_write(&tcp_of(t)->write, stream_of(t), bufs, count, on_written);
}

/* With what the kernel holds: its buffers hide a slow reader's progress from the queue above them for long. */
static size_t tcp_unsent(http_transport *t)
{
    int fd, unacknowledged = 0;

    if (uv_fileno((uv_handle_t *)stream_of(t), &fd) == 0)
        ioctl(fd, SIOCOUTQ, &unacknowledged);
    return uv_stream_get_write_queue_size(stream_of(t)) + (size_t)MAX(unacknowledged, 0);
}

static void tcp_shutdown(http_transport *t)
{
    uv_shutdown(&tcp_of(t)->shutdown, stream_of(t), NULL);
}

static bool tcp_peer_gone(http_transport *t)
{
    struct pollfd p = {.events = 0};

    if (uv_fileno((uv_handle_t *)stream_of(t), &p.fd) < 0)
        return true;
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP));
}

static void tcp_hold(http_transport *t, bool on)
{
    if (on)
        uv_ref((uv_handle_t *)stream_of(t));
    else
        uv_unref((uv_handle_t *)stream_of(t));
}

static void tcp_reset(http_transport *t)
{
    struct linger linger = {.l_onoff = 1};
    int fd;

    if (uv_fileno((uv_handle_t *)stream_of(t), &fd) == 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static void on_closed(uv_handle_t *handle)
{
    tcp_transport *t = handle->data;

    if (t->base.owner)
        t->base.events->gone(t->base.owner);
    free(t);
}

static void tcp_close(http_transport *t)
{
    http_loop_forget(tcp_of(t)->loop, tcp_of(t));
    uv_close((uv_handle_t *)&tcp_of(t)->tcp, on_closed);
}

static const http_transport_ops tcp_ops = {
    .try_write = tcp_try_write,
    .write = tcp_write,
    .unsent = tcp_unsent,
    .read = tcp_read,
    .shutdown = tcp_shutdown,
    .peer_gone = tcp_peer_gone,
    .hold = tcp_hold,
    .reset = tcp_reset,
    .close = tcp_close,
};

static void on_refused(uv_handle_t *handle)
{
    free(handle->data);
}

http_transport *http_tcp_open(http_loop *loop, int fd)
{
    tcp_transport *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->base.ops = &tcp_ops;
    t->loop = loop;
    if (uv_tcp_init(&loop->uv, &t->tcp) < 0) {
        free(t);
        return NULL;
    }
    t->tcp.data = t;
    if (uv_tcp_open(&t->tcp, fd) < 0) {
        uv_close((uv_handle_t *)&t->tcp, on_refused);
        return NULL;
    }
    uv_tcp_nodelay(&t->tcp, 1);
    return &t->base;
}
