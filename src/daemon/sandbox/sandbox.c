/* sandbox.c - a sandbox that runs: what is asked of it, what it tells, its end.
 *
 * Requests and answers go one at a time (`asking`); what is not answered needs no lock, since a message is one system
 * call.  Events come from agentcore-init and, the last one, from the spawner: only that says that nothing is left, so
 * the end of the program is kept until then.  When both are gone without a word, the socket's end is the last event. */
#include "base/clock.h"
#include "daemon/sandbox/sandbox_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASK_MS 5000
#define EXEC_MS 10000
#define FREE_MS 10000
#define SHELL_KILLED (128 + SIGKILL) /* what a shell ends with when its program was killed */
#define MEBI ((uint64_t)1 << 20)

/* ---- asking ---- */

static ac_status send_ask(sandbox *box, const ask_request *request, const int *fds, size_t count, ac_error *err)
{
    uint64_t end_ms = clock_monotonic_ms() + ASK_MS;

    while (protocol_send(box->ask, request, sizeof *request, fds, count) < 0) {
        struct pollfd writable = {.fd = box->ask, .events = POLLOUT};

        if (errno != EAGAIN && errno != EINTR && errno != ETOOMANYREFS)
            return ac_error_set(err, AC_ERR_CLOSED, "the sandbox is over");
        if (clock_monotonic_ms() >= end_ms)
            return ac_error_set(err, AC_ERR_TIMEOUT, "the sandbox does not answer");
        poll(&writable, 1, errno == ETOOMANYREFS ? 1 : 100);
    }
    return AC_OK;
}

static ac_status ask_locked(sandbox *box, ask_request request, const int *fds, size_t count, unsigned wait_ms,
                            ask_reply *ret_reply, int *ret_fd, ac_error *err)
{
    if (++box->number == 0)
        box->number = 1; /* 0 was the answer to the start */
    request.number = box->number;
    AC_TRY(send_ask(box, &request, fds, count, err));
    return sandbox_await_reply(box, request.number, wait_ms, ret_reply, ret_fd, err);
}

ac_status sandbox_socket(sandbox *box, int *ret_fd, ac_error *err)
{
    ask_reply reply;
    ac_status status;
    int fd = -1;

    pthread_mutex_lock(&box->asking);
    status = ask_locked(box, (ask_request){.kind = ASK_SOCKET}, NULL, 0, ASK_MS, &reply, &fd, err);
    pthread_mutex_unlock(&box->asking);
    if (status != AC_OK)
        return status;
    if (reply.failure || fd < 0)
        return ac_error_set(err, AC_ERR_IO, "cannot make a socket in the sandbox: %s",
                            strerror(reply.failure ? reply.failure : EMFILE));
    *ret_fd = fd;
    return AC_OK;
}

static ac_status exec_packed(sandbox *box, const sandbox_command *command, int config, ask_reply *ret_reply,
                             ac_error *err)
{
    int null = -1, fds[4] = {config, command->input_fd, command->output_fd, command->error_fd};
    ac_status status;

    for (size_t i = 1; i < ARRAY_SIZE(fds); i++) {
        if (fds[i] >= 0)
            continue;
        if (null < 0)
            null = open("/dev/null", O_RDWR | O_CLOEXEC);
        fds[i] = null;
    }
    pthread_mutex_lock(&box->asking);
    status = ask_locked(box, (ask_request){.kind = ASK_EXEC}, fds, ARRAY_SIZE(fds), EXEC_MS, ret_reply, NULL, err);
    pthread_mutex_unlock(&box->asking);
    if (null >= 0)
        close(null);
    return status;
}

ac_status sandbox_exec(sandbox *box, const sandbox_command *command, uint32_t *ret_id, ac_error *err)
{
    ask_reply reply;
    ac_status status;
    int config;

    AC_TRY(sandbox_check_command(command, err));
    AC_TRY(sandbox_pack_command(command, &config, err));
    status = exec_packed(box, command, config, &reply, err);
    close(config);
    if (status != AC_OK)
        return status;
    AC_TRY(
        sandbox_reply_error(&reply, command->argv[0], command->directory ? command->directory : "of the program", err));
    *ret_id = reply.id;
    return AC_OK;
}

void sandbox_signal(sandbox *box, uint32_t id, int signal)
{
    if (signal < 1 || signal >= NSIG)
        return;
    if (send_ask(box, &(ask_request){.kind = ASK_SIGNAL, .id = id, .value = (uint32_t)signal}, NULL, 0, NULL) != AC_OK)
        return; /* it is over: there is nothing to signal */
}

void sandbox_stop(sandbox *box, unsigned grace_ms)
{
    if (grace_ms == 0 || send_ask(box, &(ask_request){.kind = ASK_STOP, .value = grace_ms}, NULL, 0, NULL) != AC_OK)
        sandbox_kill(box);
}

/* ---- events ---- */

int sandbox_event_fd(const sandbox *box)
{
    return box->events;
}

static void program_ended(sandbox *box, const box_event *event)
{
    bool by_signal = event->flags & EVENT_BY_SIGNAL;

    box->end = (sandbox_event){.kind = SANDBOX_ENDED, .code = event->code, .fd = -1};
    if (event->flags & EVENT_OUT_OF_MEMORY)
        box->end.end = SANDBOX_MEMORY;
    else if (by_signal && event->flags & EVENT_STOPPED && (event->code == SIGTERM || event->code == SIGKILL))
        box->end.end = SANDBOX_KILLED;
    else
        box->end.end = by_signal ? SANDBOX_SIGNALLED : SANDBOX_EXITED;
    box->ended = true;
}

/* flags: of EVENT_GONE, if there was one. */
static void all_gone(sandbox *box, uint32_t flags, bool spawner_gone)
{
    sandbox_event *end = &box->end;

    box->over = true;
    box->out_of_memory = flags & EVENT_OUT_OF_MEMORY;
    if (!box->ended)
        *end = (sandbox_event){.kind = SANDBOX_ENDED, .end = SANDBOX_SIGNALLED, .code = SIGKILL, .fd = -1};
    if (!box->ended && (flags & EVENT_KILL_ASKED || spawner_gone))
        end->end = SANDBOX_KILLED;
    else if (flags & EVENT_OUT_OF_MEMORY && ((end->end == SANDBOX_SIGNALLED && end->code == SIGKILL) ||
                                             (end->end == SANDBOX_EXITED && end->code == SHELL_KILLED)))
        end->end = SANDBOX_MEMORY;
}

/* The next message; false when there is none.  A descriptor that came with it is in *ret_fd. */
static bool take_event(sandbox *box, box_event *event, int *ret_fd)
{
    int fds[PROTOCOL_FDS_MAX];
    size_t count;
    ssize_t got = protocol_receive(box->events, event, sizeof *event, fds, &count);

    *ret_fd = count > 0 ? fds[0] : -1;
    for (size_t i = 1; i < count; i++)
        close(fds[i]);
    if (got == (ssize_t)sizeof *event)
        return true;
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR && errno != EBADMSG))
        all_gone(box, 0, true);
    return false;
}

/* Whether there is something to tell the owner. */
static bool translate(sandbox *box, const box_event *event, int *fd, sandbox_event *ret_event)
{
    *ret_event = (sandbox_event){.id = event->id, .code = event->code, .fd = -1};
    switch ((event_kind)event->kind) {
    case EVENT_PROGRAM_ENDED:
        program_ended(box, event);
        return false;
    case EVENT_COMMAND_ENDED:
        ret_event->kind = SANDBOX_COMMAND_ENDED;
        ret_event->end = event->flags & EVENT_BY_SIGNAL ? SANDBOX_SIGNALLED : SANDBOX_EXITED;
        return true;
    case EVENT_CONNECTED:
        ret_event->kind = SANDBOX_CONNECTED;
        ret_event->fd = *fd;
        *fd = -1;
        return ret_event->fd >= 0;
    case EVENT_GONE:
        all_gone(box, event->flags, false);
        return false;
    case EVENT_FAILED:
        break;
    }
    return false;
}

bool sandbox_next_event(sandbox *box, sandbox_event *ret_event)
{
    box_event event;
    int fd;

    while (!box->over && take_event(box, &event, &fd)) {
        bool told = translate(box, &event, &fd, ret_event);

        if (fd >= 0)
            close(fd);
        if (told)
            return true;
    }
    if (!box->over || box->told)
        return false;
    box->told = true;
    *ret_event = box->end;
    return true;
}

bool sandbox_await_gone(sandbox *box, unsigned wait_ms, box_event *ret_failed)
{
    uint64_t end_ms = clock_monotonic_ms() + wait_ms, now_ms = 0;

    while (!box->over && now_ms < end_ms) {
        struct pollfd readable = {.fd = box->events, .events = POLLIN};
        sandbox_event ignored;
        box_event event;
        int fd;

        if (take_event(box, &event, &fd)) {
            if (event.kind == EVENT_FAILED && ret_failed && !ret_failed->kind)
                *ret_failed = event;
            if (translate(box, &event, &fd, &ignored) && ignored.fd >= 0)
                close(ignored.fd);
            if (fd >= 0)
                close(fd);
            continue;
        }
        now_ms = clock_monotonic_ms();
        if (!box->over && now_ms < end_ms)
            poll(&readable, 1, (int)(end_ms - now_ms));
    }
    return box->over;
}

void sandbox_free(sandbox *box)
{
    if (!box)
        return;
    if (!box->over) {
        sandbox_kill(box);
        sandbox_await_gone(box, FREE_MS, NULL);
    }
    if (box->ask >= 0)
        close(box->ask);
    if (box->events >= 0)
        close(box->events);
    pthread_mutex_destroy(&box->asking);
    atomic_fetch_sub(&box->all->count, 1);
    free(box);
}

/* ---- words ---- */

void sandbox_end_text(const sandbox_event *event, const sandbox_limits *limits, char *ret_text, size_t size)
{
    const char *name = sigdescr_np(event->code);

    switch (event->end) {
    case SANDBOX_EXITED:
        snprintf(ret_text, size, "exited with code %d", event->code);
        return;
    case SANDBOX_SIGNALLED:
        snprintf(ret_text, size, "was killed by signal %d (%s)", event->code, name ? name : "unknown");
        return;
    case SANDBOX_MEMORY:
        if (limits && limits->memory_bytes)
            snprintf(ret_text, size, "used more memory than its limit of %llu MiB",
                     (unsigned long long)(limits->memory_bytes / MEBI));
        else
            snprintf(ret_text, size, "used more memory than its limit");
        return;
    case SANDBOX_KILLED:
        snprintf(ret_text, size, "was stopped");
        return;
    }
    snprintf(ret_text, size, "ended");
}
