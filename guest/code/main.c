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
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 64
#define STACK_BYTES ((size_t)512 << 10)

static atomic_uint calls;

int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- one call ---- */

void call_end(const call *c, code_outcome outcome, int exit_code, const char *format, ...)
{
    char text[CODE_MESSAGE_BYTES_MAX];
    unsigned char fixed[CODE_END_BYTES];
    const code_end end = {
        .outcome = (uint8_t)outcome,
        .exit_code = exit_code,
        .duration_us = (uint64_t)(now_us() - c->begun_us),
    };
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0)
        length = 0;
    if (length >= (int)sizeof text)
        length = sizeof text - 1;
    code_put_end(fixed, &end);
    frame_send(c->fd, CODE_END, fixed, sizeof fixed, text, (size_t)length);
}

bool call_gone(const call *c)
{
    char byte;
    ssize_t got = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

/* All of the text, up to CODE_GO. */
static bool read_text(call *c)
{
    for (;;) {
        code_frame kind;
        size_t bytes;
        char *grown;

        if (!frame_receive_head(c->fd, CODE_FRAME_BYTES_MAX, &kind, &bytes))
            return false;
        if (kind == CODE_GO)
            return bytes == 0;
        if (kind != CODE_TEXT || bytes > CODE_TEXT_BYTES_MAX - c->text_bytes)
            return false;
        grown = realloc(c->text, c->text_bytes + bytes + 1);
        if (!grown)
            return false;
        c->text = grown;
        if (!frame_receive(c->fd, c->text + c->text_bytes, bytes))
            return false;
        c->text_bytes += bytes;
        c->text[c->text_bytes] = '\0';
    }
}

typedef struct tool_row {
    bool texts; /* what follows the request is text */
    void (*run)(call *c);
} tool_row;

static const tool_row tools[] = {
    [TOOL_EXECUTE] = {true, tool_execute},       [TOOL_COMMAND] = {true, tool_command},
    [TOOL_TASK_START] = {true, tool_task_start}, [TOOL_TASK_GET] = {true, tool_task_get},
    [TOOL_TASK_STOP] = {true, tool_task_stop},   [TOOL_READ] = {false, tool_read},
    [TOOL_WRITE] = {false, tool_write},          [TOOL_LIST] = {false, tool_list},
    [TOOL_REMOVE] = {false, tool_remove},
};

static void serve(call *c)
{
    unsigned char request[CODE_REQUEST_BYTES];
    code_frame kind;
    size_t bytes;

    if (!frame_receive_head(c->fd, sizeof request, &kind, &bytes) || kind != CODE_REQUEST ||
        !frame_receive(c->fd, request, bytes) || !code_get_request(request, bytes, &c->request))
        return;
    c->begun_us = now_us();
    if (c->request.tool < TOOL_EXECUTE || c->request.tool > TOOL_REMOVE)
        return;
    if (tools[c->request.tool].texts && !read_text(c))
        return;
    c->begun_us = now_us();
    tools[c->request.tool].run(c);
}

static void *call_main(void *argument)
{
    call *c = argument;

    serve(c);
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

static void begin_call(int fd, const pthread_attr_t *attributes)
{
    call *c = calloc(1, sizeof *c);
    pthread_t thread;

    if (c && atomic_fetch_add(&calls, 1) < CALLS_MAX) {
        c->fd = fd;
        set_options(fd);
        if (pthread_create(&thread, attributes, call_main, c) == 0)
            return;
    }
    if (c)
        atomic_fetch_sub(&calls, 1);
    free(c);
    close(fd); /* the room sees a call that ended without a word */
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
