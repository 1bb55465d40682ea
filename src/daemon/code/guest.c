/* guest.c - a socket of the sandbox's network, non-blocking, and poll. */
#include "daemon/code/guest.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENT_LOOK_MS 250 /* how soon a client's end is noticed while nothing happens */
#define CONNECT_MS 5000
#define LATE_MS 90000 /* beyond the time that the code may take: waiting for its turn, sending, its interruption */

static ac_status gone(ac_error *err)
{
    return ac_error_set(err, AC_ERR_CLOSED, "the session's sandbox has broken off the call");
}

static ac_status await(const guest *g, short events, ac_error *err)
{
    struct pollfd ready = {.fd = g->fd, .events = events};

    for (;;) {
        uint64_t now = clock_monotonic_ms();
        int got;

        if (now >= g->due_ms)
            return ac_error_set(err, AC_ERR_TIMEOUT, "the session's sandbox does not answer");
        got = poll(&ready, 1, (int)MIN(g->due_ms - now, (uint64_t)CLIENT_LOOK_MS));
        if (got > 0)
            return AC_OK;
        if (got < 0 && errno != EINTR)
            return ac_error_set(err, AC_ERR_IO, "poll: %s", strerror(errno));
        if (g->client && http_exchange_closed(g->client))
            return ac_error_set(err, AC_ERR_CLOSED, "the client is gone");
    }
}

static ac_status finish_connect(const guest *g, ac_error *err)
{
    socklen_t size = sizeof(int);
    int error = 0;

    AC_TRY(await(g, POLLOUT, err));
    if (getsockopt(g->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error)
        return gone(err);
    return AC_OK;
}

static ac_status connect_port(guest *g, ac_error *err)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(CODE_PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;

    g->due_ms = clock_monotonic_ms() + CONNECT_MS;
    setsockopt(g->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(g->fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return AC_OK;
    return errno == EINPROGRESS ? finish_connect(g, err) : gone(err);
}

static ac_status send_all(const guest *g, const void *data, size_t length, int flags, ac_error *err)
{
    const char *at = data;

    while (length > 0) {
        ssize_t sent = send(g->fd, at, length, MSG_NOSIGNAL | flags);

        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            AC_TRY(await(g, POLLOUT, err));
            continue;
        }
        if (sent < 0)
            return gone(err);
        at += sent;
        length -= (size_t)sent;
    }
    return AC_OK;
}

static ac_status send_frame(const guest *g, code_frame kind, const void *data, size_t length, ac_error *err)
{
    unsigned char head[CODE_HEAD_BYTES];

    code_put_head(head, kind, length);
    AC_TRY(send_all(g, head, sizeof head, MSG_MORE, err));
    return send_all(g, data, length, MSG_MORE, err);
}

ac_status guest_open(session *s, const code_request *request, const http_exchange *client, guest *ret_guest,
                     ac_error *err)
{
    unsigned char bytes[CODE_REQUEST_BYTES];
    ac_status status;

    *ret_guest = (guest){.fd = -1, .client = client};
    guest_reader_init(&ret_guest->reader);
    AC_TRY(session_socket(s, &ret_guest->fd, err));
    status = connect_port(ret_guest, err);
    ret_guest->due_ms = clock_monotonic_ms() + request->timeout_ms + LATE_MS;
    code_put_request(bytes, request);
    if (status == AC_OK)
        status = send_frame(ret_guest, CODE_REQUEST, bytes, sizeof bytes, err);
    if (status != AC_OK)
        guest_close(ret_guest);
    return status;
}

void guest_close(guest *g)
{
    if (g->fd >= 0)
        close(g->fd);
    g->fd = -1;
    guest_reader_done(&g->reader);
}

ac_status guest_send(guest *g, code_frame kind, const void *data, size_t length, ac_error *err)
{
    const char *at = data;

    do {
        size_t piece = MIN(length, CODE_FRAME_BYTES_MAX);

        AC_TRY(send_frame(g, kind, at, piece, err));
        at += piece;
        length -= piece;
    } while (length > 0);
    return AC_OK;
}

ac_status guest_go(guest *g, ac_error *err)
{
    unsigned char head[CODE_HEAD_BYTES];

    code_put_head(head, CODE_GO, 0);
    return send_all(g, head, sizeof head, 0, err);
}

static ac_status read_more(guest *g, ac_error *err)
{
    size_t room;
    char *at = guest_reader_room(&g->reader, &room);
    ssize_t got;

    if (!at)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    got = recv(g->fd, at, room, 0);
    if (got > 0)
        guest_reader_added(&g->reader, (size_t)got);
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        return gone(err);
    else
        return await(g, POLLIN, err);
    return AC_OK;
}

ac_status guest_next(guest *g, guest_frame *ret_frame, ac_error *err)
{
    bool found;

    for (;;) {
        AC_TRY(guest_reader_next(&g->reader, ret_frame, &found, err));
        if (found)
            return AC_OK;
        if (clock_monotonic_ms() >= g->due_ms)
            return ac_error_set(err, AC_ERR_TIMEOUT, "the session's sandbox does not come to an end");
        AC_TRY(read_more(g, err));
    }
}
