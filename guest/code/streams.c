/* streams.c - what a program writes, on its way to the room. */
#include "code.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool make_pipe(int ret_ends[2])
{
    if (pipe2(ret_ends, O_CLOEXEC) != 0)
        return false;
    if (fcntl(ret_ends[0], F_SETFL, O_NONBLOCK) == 0)
        return true;
    close(ret_ends[0]);
    close(ret_ends[1]);
    return false;
}

/* Bytes, 0 when there are none now or any more. */
static size_t take(stream *s, char *data, size_t bytes)
{
    ssize_t got = read(s->fd, data, bytes);

    if (got > 0)
        return (size_t)got;
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        close(s->fd);
        s->fd = -1;
    }
    return 0;
}

/* Returns how much there was: what is beyond the limit is thrown away. */
static ssize_t pass(stream *s, const call *c, code_frame kind)
{
    char data[STREAM_READ_BYTES];
    size_t got = take(s, data, sizeof data), shown = got < s->left ? got : s->left;

    s->left -= shown;
    if (shown > 0 && !frame_send(c->fd, kind, data, shown, NULL, 0))
        return -1;
    return (ssize_t)got;
}

bool stream_pass(stream *s, const call *c, code_frame kind)
{
    return pass(s, c, kind) >= 0;
}

bool streams_drain(stream streams[2], const call *c)
{
    for (int i = 0; i < 2; i++) {
        ssize_t got = 1;

        /* No more than a pipe holds: somebody may go on writing. */
        for (int turns = 0; streams[i].fd >= 0 && got > 0 && turns < 32; turns++)
            got = pass(&streams[i], c, i == 0 ? CODE_STDOUT : CODE_STDERR);
        if (got < 0)
            return false;
    }
    return true;
}
