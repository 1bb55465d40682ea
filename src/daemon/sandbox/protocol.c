/* protocol.c - receiving messages with descriptors; linked into the daemon and into agentcore-init. */
#include "daemon/sandbox/protocol.h"

#include <errno.h>
#include <unistd.h>

ssize_t protocol_receive(int socket, void *message, size_t size, int fds[PROTOCOL_FDS_MAX], size_t *ret_count)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * PROTOCOL_FDS_MAX)];
    } control;
    struct iovec part = {.iov_base = message, .iov_len = size};
    struct msghdr head = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
    ssize_t got = recvmsg(socket, &head, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

    *ret_count = 0;
    if (got < 0)
        return got;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(&head); at; at = CMSG_NXTHDR(&head, at)) {
        size_t count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS || count > PROTOCOL_FDS_MAX - *ret_count)
            continue;
        memcpy(fds + *ret_count, CMSG_DATA(at), count * sizeof(int));
        *ret_count += count;
    }
    if (!(head.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        return got;
    for (; *ret_count > 0; --*ret_count)
        close(fds[*ret_count - 1]);
    errno = EBADMSG;
    return -1;
}
