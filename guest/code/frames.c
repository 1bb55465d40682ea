/* frames.c - frames over a blocking socket, whose waits end by SO_RCVTIMEO and SO_SNDTIMEO. */
#include "code.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

static bool send_all(int fd, struct iovec *parts, size_t count)
{
    while (count > 0) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        while (count > 0 && (size_t)sent >= parts->iov_len) {
            sent -= (ssize_t)parts->iov_len;
            parts++;
            count--;
        }
        if (count > 0) {
            parts->iov_base = (char *)parts->iov_base + sent;
            parts->iov_len -= (size_t)sent;
        }
    }
    return true;
}

bool frame_send(int fd, code_frame kind, const void *first, size_t first_bytes, const void *second, size_t second_bytes)
{
    unsigned char head[CODE_HEAD_BYTES];
    struct iovec parts[3] = {
        {.iov_base = head, .iov_len = sizeof head},
        {.iov_base = (void *)first, .iov_len = first_bytes},
        {.iov_base = (void *)second, .iov_len = second_bytes},
    };

    code_put_head(head, kind, first_bytes + second_bytes);
    return send_all(fd, parts, 3);
}

bool frame_receive(int fd, void *data, size_t bytes)
{
    char *at = data;

    while (bytes > 0) {
        ssize_t got = recv(fd, at, bytes, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        bytes -= (size_t)got;
    }
    return true;
}

bool frame_receive_head(int fd, size_t most, code_frame *ret_kind, size_t *ret_bytes)
{
    unsigned char head[CODE_HEAD_BYTES];

    if (!frame_receive(fd, head, sizeof head))
        return false;
    *ret_bytes = code_get32(head);
    *ret_kind = (code_frame)head[4];
    return *ret_bytes <= most;
}
