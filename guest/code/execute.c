/* execute.c - executeCode: one call of a kernel.
 *
 * What the kernel says comes over a socket of its own; what the code writes comes through pipes, and may be anything.
 *
 * Code that takes too long, or that nobody waits for any more, is interrupted (SIGINT); code that resists is killed
 * with its kernel, whose variables are lost then.  The session goes on. */
#include "kernel.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#define LATE_LOOKS (CODE_IMAGES_MAX + 1) /* frames that may be there when time is over: images, then the answer */
#define LOST_TEXT                                                                                                      \
    "its process ended (it was killed, used too much memory, or left by os._exit); all variables are lost, and the "   \
    "next call begins anew"

typedef struct run {
    kernel *k;
    const call *c;
    stream streams[2];
    bool done, lost, gone; /* it has answered; the kernel is no more; the room is no more */
    bool interrupted;
    code_outcome outcome;
    int exit_code;
    unsigned images;
    size_t image_bytes;
} run;

/* ---- what a kernel says ---- */

/* What still comes is taken all the same, and thrown away: it is not to be the next call's. */
static void let_go(run *r)
{
    r->gone = true;
    r->streams[0].left = r->streams[1].left = 0;
}

static void say(run *r, code_frame kind, const char *data, size_t bytes)
{
    if (!r->gone && !frame_send(r->c->fd, kind, data, bytes, NULL, 0))
        let_go(r);
}

static bool pass_image(run *r, const char *data, size_t bytes)
{
    size_t type = strnlen(data, bytes);

    if (type == bytes || type > 100)
        return false;
    data += type + 1;
    bytes -= type + 1;
    if (bytes > CODE_IMAGE_BYTES_MAX || r->images >= CODE_IMAGES_MAX || bytes > CODE_IMAGES_BYTES_MAX - r->image_bytes)
        return true; /* left out */
    r->images++;
    r->image_bytes += bytes;
    say(r, CODE_IMAGE, data - type - 1, type);
    for (size_t at = 0; at < bytes; at += CODE_FRAME_BYTES_MAX)
        say(r, CODE_PIECE, data + at, bytes - at < CODE_FRAME_BYTES_MAX ? bytes - at : CODE_FRAME_BYTES_MAX);
    return true;
}

static bool take_done(run *r, const unsigned char *data, size_t bytes)
{
    if (bytes != 9)
        return false;
    if (code_get32(data) != r->k->number)
        return true; /* of a former call, in whose kernel's name somebody has spoken */
    r->done = true;
    r->outcome = data[4] == OUTCOME_DONE ? OUTCOME_DONE : OUTCOME_FAILED;
    r->exit_code = (int32_t)code_get32(data + 5);
    return true;
}

/* One frame; false: it makes no sense, or the kernel is gone. */
static bool listen_to_kernel(run *r)
{
    code_frame kind;
    size_t bytes;
    char *data;
    bool well;

    if (!frame_receive_head(r->k->control, CODE_IMAGE_BYTES_MAX + 128, &kind, &bytes))
        return false;
    data = malloc(bytes + 1);
    if (!data)
        return false;
    well = frame_receive(r->k->control, data, bytes);
    if (well && kind == KERNEL_IMAGE)
        well = pass_image(r, data, bytes);
    else if (well && kind == KERNEL_DONE)
        well = take_done(r, (const unsigned char *)data, bytes);
    else
        well = false;
    free(data);
    return well;
}

/* ---- one call ---- */

static bool send_code(const run *r)
{
    unsigned char head[5] = {0, 0, 0, 0, r->c->request.language};

    code_put32(head, ++r->k->number);
    return frame_send(r->k->control, KERNEL_EXECUTE, head, sizeof head, r->c->text ? r->c->text : "", r->c->text_bytes);
}

static void listen_to_all(run *r, int wait_ms)
{
    struct pollfd fds[] = {
        {.fd = r->streams[0].fd, .events = POLLIN},        {.fd = r->streams[1].fd, .events = POLLIN},
        {.fd = r->k->control, .events = POLLIN},           {.fd = r->k->ended, .events = POLLIN},
        {.fd = r->gone ? -1 : r->c->fd, .events = POLLIN},
    };

    if (poll(fds, sizeof fds / sizeof *fds, wait_ms) < 0)
        return;
    for (int i = 0; i < 2; i++)
        if (fds[i].revents && !stream_pass(&r->streams[i], r->c, i == 0 ? CODE_STDOUT : CODE_STDERR))
            let_go(r);
    if (fds[2].revents)
        r->lost = !listen_to_kernel(r);
    else if (fds[3].revents && poll(&fds[2], 1, 0) == 0) /* and it has not said anything just before */
        r->lost = true;
    if (fds[4].revents && call_gone(r->c))
        let_go(r);
}

/* Until it has answered, or is killed.  However late this gets to look, an answer that has come until then is seen: it
 * may stand behind images. */
static void follow(run *r)
{
    int64_t due_us = now_us() + (int64_t)r->c->request.timeout_ms * 1000;
    unsigned late_looks = 0;

    while (!r->done && !r->lost) {
        int64_t left_us = due_us - now_us();

        if (r->gone && !r->interrupted)
            left_us = 0;
        listen_to_all(r, left_us > 0 ? (int)(left_us / 1000) + 1 : 0);
        if (r->done || r->lost || left_us > 0 || late_looks++ < LATE_LOOKS)
            continue;
        if (r->interrupted) {
            r->lost = true;
            return;
        }
        r->interrupted = true;
        signal_group(r->k->pid, SIGINT);
        due_us = now_us() + INTERRUPT_GRACE_MS * 1000;
        late_looks = 0;
    }
}

static void tell_end(const run *r)
{
    unsigned seconds = (r->c->request.timeout_ms + 999) / 1000;

    if (r->interrupted && r->lost)
        call_end(r->c, OUTCOME_TIMED_OUT, 124,
                 "The code took longer than %u s and did not end when it was interrupted; it was killed, and all "
                 "variables are lost",
                 seconds);
    else if (r->interrupted)
        call_end(r->c, OUTCOME_TIMED_OUT, 124, "The code took longer than %u s and was interrupted; variables are kept",
                 seconds);
    else if (r->lost)
        call_end(r->c, OUTCOME_LOST, 1, "The interpreter was lost: " LOST_TEXT);
    else
        call_end(r->c, r->outcome, r->exit_code, "%s", "");
}

static void run_code(kernel *k, const call *c)
{
    run r = {
        .k = k,
        .c = c,
        .streams = {{.fd = k->output[0], .left = c->request.output_bytes},
                    {.fd = k->output[1], .left = c->request.output_bytes}},
    };

    if (!send_code(&r))
        r.lost = true;
    follow(&r);
    while (!streams_drain(r.streams, c))
        let_go(&r);
    if (!r.gone)
        tell_end(&r);
    /* Ours hold the writing ends, so these end with the kernel only. */
    k->output[0] = r.streams[0].fd;
    k->output[1] = r.streams[1].fd;
    if (r.lost || k->output[0] < 0 || k->output[1] < 0)
        kernel_stop(k);
}

void tool_execute(call *c)
{
    kernel *k = kernel_for(&c->request);
    const char *why;

    if (!kernel_take_turn(k, c)) {
        call_end(c, OUTCOME_REFUSED, 1, "Too many calls wait for the interpreter already");
        return;
    }
    if (c->request.clear)
        kernel_stop(k);
    c->begun_us = now_us();
    why = kernel_start(k);
    if (why)
        call_end(c, OUTCOME_REFUSED, 1, "The interpreter cannot be started: %s", why);
    else
        run_code(k, c);
    kernel_end_turn(k);
}
