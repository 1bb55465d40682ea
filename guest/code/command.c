/* command.c - executeCommand: a shell command, its output as it comes.
 *
 * What it leaves running in the background goes on, until the session ends; its output is not waited for. */
#include "code.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

typedef struct command {
    const call *c;
    pid_t pid;
    int pidfd;
    stream streams[2];
    int code;
    bool ended, gone;
    int stopping; /* signals sent so far */
} command;

static bool start(command *m)
{
    const char *bash = find_program("bash");
    char *const arguments[] = {(char *)(bash ? bash : "/bin/sh"), "-c", m->c->text, NULL};
    int out[2], error[2], failure;

    if (!make_pipe(out)) {
        call_end(m->c, OUTCOME_REFUSED, 1, "The command cannot be started: %s", strerror(errno));
        return false;
    }
    if (!make_pipe(error)) {
        close(out[0]);
        close(out[1]);
        call_end(m->c, OUTCOME_REFUSED, 1, "The command cannot be started: %s", strerror(errno));
        return false;
    }
    failure = spawn(&(spawn_spec){.arguments = arguments, .output = out[1], .error = error[1], .control = -1}, &m->pid);
    close(out[1]);
    close(error[1]);
    m->streams[0].fd = out[0];
    m->streams[1].fd = error[0];
    m->pidfd = failure ? -1 : open_pidfd(m->pid);
    if (!failure && m->pidfd >= 0)
        return true;
    if (!failure) {
        signal_group(m->pid, SIGKILL);
        await_child(m->pid, -1, 0, &m->code);
    }
    close(out[0]);
    close(error[0]);
    call_end(m->c, OUTCOME_REFUSED, 1, "The command cannot be started: %s", strerror(failure ? failure : EMFILE));
    return false;
}

/* What still comes is taken all the same, so that poll does not come back with it again and again. */
static void let_go(command *m)
{
    m->gone = true;
    m->streams[0].left = m->streams[1].left = 0;
}

static void listen_to_all(command *m, int wait_ms)
{
    struct pollfd fds[] = {
        {.fd = m->streams[0].fd, .events = POLLIN},
        {.fd = m->streams[1].fd, .events = POLLIN},
        {.fd = m->ended ? -1 : m->pidfd, .events = POLLIN},
        {.fd = m->gone ? -1 : m->c->fd, .events = POLLIN},
    };

    if (poll(fds, sizeof fds / sizeof *fds, wait_ms) < 0)
        return;
    for (int i = 0; i < 2; i++)
        if (fds[i].revents && !stream_pass(&m->streams[i], m->c, i == 0 ? CODE_STDOUT : CODE_STDERR))
            let_go(m);
    if (fds[2].revents)
        m->ended = await_child(m->pid, m->pidfd, 0, &m->code);
    if (fds[3].revents && call_gone(m->c))
        let_go(m);
}

/* Until it has ended; first it is asked to, then killed.  However late this gets to look (the room may be slow), what
 * has happened until then is seen. */
static void follow(command *m)
{
    int64_t due_us = now_us() + (int64_t)m->c->request.timeout_ms * 1000;

    while (!m->ended) {
        int64_t left_us = due_us - now_us();

        if (m->gone && !m->stopping)
            left_us = 0;
        if (left_us <= 0)
            listen_to_all(m, 0);
        if (m->ended || (left_us <= 0 && m->stopping > 10))
            return;
        if (left_us <= 0) {
            signal_group(m->pid, m->stopping++ ? SIGKILL : SIGTERM);
            due_us = now_us() + TERMINATE_GRACE_MS * 1000;
            continue;
        }
        listen_to_all(m, (int)(left_us / 1000) + 1);
    }
}

/* The pipes' end is waited for a moment; what is in them is passed on however late we are (the room may be slow). */
static void follow_rest(command *m)
{
    int64_t due_us = now_us() + LEFT_OPEN_MS * 1000, left_us;

    while (!m->gone && (m->streams[0].fd >= 0 || m->streams[1].fd >= 0) && (left_us = due_us - now_us()) > 0)
        listen_to_all(m, (int)(left_us / 1000) + 1);
    if (!m->gone)
        m->gone = !streams_drain(m->streams, m->c);
}

void tool_command(call *c)
{
    command m = {.c = c, .streams = {{.left = c->request.output_bytes}, {.left = c->request.output_bytes}}};

    if (!c->text)
        return;
    if (!start(&m))
        return;
    follow(&m);
    follow_rest(&m);
    if (m.stopping && !m.gone)
        call_end(c, OUTCOME_TIMED_OUT, 124, "The command took longer than %u s and was ended",
                 (c->request.timeout_ms + 999) / 1000);
    else if (!m.gone)
        call_end(c, m.code ? OUTCOME_FAILED : OUTCOME_DONE, m.code, "%s", "");
    for (int i = 0; i < 2; i++)
        if (m.streams[i].fd >= 0)
            close(m.streams[i].fd);
    close(m.pidfd);
}
