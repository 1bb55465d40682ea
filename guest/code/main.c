/* main.c - agentcore-code: serves the tools of the code interpreter inside a session's sandbox.
 *
 * It is as untrusted as the code that it runs, which has the same user and could end it: the sandbox is the wall, and
 * ends with it.  What it can do so that code does not disturb it by accident, it does: it is not dumpable (so its
 * memory cannot be opened), passes no descriptor on, and takes its files from a directory that nobody can write to. */
#include "code.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 64
#define REFUSE_MS 50
#define STACK_BYTES ((size_t)512 << 10)
#define THREAD_WAIT_MS 1000
#define THREAD_LOOK_MS 2

static atomic_uint calls;

static void *call_main(void *argument)
{
    call *c = argument;

    call_serve(c);
    close(c->fd);
    free(c->text);
    free(c);
    atomic_fetch_sub(&calls, 1);
    return NULL;
}

/* ---- connections ---- */

static void set_options(int fd)
{
    const struct timeval read_wait = {.tv_sec = READ_WAIT_S}, write_wait = {.tv_sec = WRITE_WAIT_S};
    const int on = 1;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &read_wait, sizeof read_wait);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &write_wait, sizeof write_wait);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* Where code has taken all threads but ours, there is one for this call as soon as that of the call before, which is
 * answered, is gone. */
static bool make_thread(call *c, const pthread_attr_t *attributes)
{
    int64_t due_us = now_us() + THREAD_WAIT_MS * 1000;
    pthread_t thread;

    while (pthread_create(&thread, attributes, call_main, c) != 0) {
        if (now_us() >= due_us)
            return false;
        poll(NULL, 0, THREAD_LOOK_MS);
    }
    return true;
}

/* Whether a thread has it. */
static bool hand_over(call *c, const pthread_attr_t *attributes)
{
    if (atomic_fetch_add(&calls, 1) < CALLS_MAX && make_thread(c, attributes))
        return true;
    atomic_fetch_sub(&calls, 1);
    return false;
}

/* Say why not, and read a little of what is on its way: an answer is lost when the other end finds us gone. */
static void refuse(const call *c)
{
    struct pollfd readable = {.fd = c->fd, .events = POLLIN};
    int64_t due_us = now_us() + REFUSE_MS * 1000;
    char rest[4096];

    call_end(c, OUTCOME_REFUSED, 1, "The session has no room for another call: its code runs too many processes");
    shutdown(c->fd, SHUT_WR);
    while (now_us() < due_us && poll(&readable, 1, REFUSE_MS) == 1 && recv(c->fd, rest, sizeof rest, MSG_DONTWAIT) > 0)
        continue;
}

static void begin_call(int fd, const pthread_attr_t *attributes)
{
    call *c = calloc(1, sizeof *c);

    set_options(fd);
    if (c) {
        *c = (call){.fd = fd, .begun_us = now_us()};
        if (hand_over(c, attributes))
            return;
        refuse(c);
    }
    free(c);
    close(fd);
}

static int open_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(CODE_PORT)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    return -1;
}

int main(void)
{
    int port = open_port();
    pthread_attr_t attributes;

    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (port < 0 || !files_begin()) {
        dprintf(2, "agentcore-code: cannot begin: %s\n", strerror(errno));
        return 1;
    }
    kernels_begin();
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    for (;;) {
        int fd = accept4(port, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0)
            begin_call(fd, &attributes);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
            poll(NULL, 0, 10); /* until something ends */
        else if (errno != EINTR && errno != ECONNABORTED)
            return 1;
    }
}
