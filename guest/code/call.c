/* call.c - one connection: the request, and the tool that it is for. */
#include "code.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

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

void call_serve(call *c)
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
