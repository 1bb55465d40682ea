/* init.c - agentcore-init, the first process of a sandbox.
 *
 * bwrap has made the walls and executes this through a descriptor.  It starts the program and later commands, hands out
 * sockets of the sandbox's network, passes on connections to the service port, and watches memory where no cgroup does.
 * When it ends, the kernel kills all that is left in its process namespace; so it ends with the program, with the
 * daemon (end of file on its socket), and never otherwise.
 *
 * What runs inside has the same user and is the enemy: init cannot be traced or looked into (not dumpable), passes on
 * no descriptor, reads nothing but its sockets and /proc, and has no handler for any signal.  It is linked statically
 * and needs nothing from the sandbox's root. */
#include "init.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SERVICE_BACKLOG 128
#define LAST_WORDS_MS 1000 /* to get the last event out to a daemon that does not listen */

typedef struct init {
    config config;
    pid_t program;
    command commands[INIT_COMMANDS_MAX];
    uint32_t last_id;
    int signals, service; /* descriptors; -1: none */
    int names, resolver;
    bool unreported; /* ends of commands wait for room */
    bool full;       /* so do connections */
    bool stopping;
    int64_t kill_at_ms, watch_at_ms; /* 0: never */
} init;

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Tell how it ended and end, which kills the rest. */
_Noreturn static void finish(int code, uint32_t flags)
{
    const box_event event = {.kind = EVENT_PROGRAM_ENDED, .code = code, .flags = flags};
    struct pollfd room = {.fd = BOX_FD_EVENTS, .events = POLLOUT};

    if (protocol_send(BOX_FD_EVENTS, &event, sizeof event, NULL, 0) < 0 && poll(&room, 1, LAST_WORDS_MS) > 0)
        protocol_send(BOX_FD_EVENTS, &event, sizeof event, NULL, 0);
    _exit(0);
}

static void answer(uint32_t number, failure f, uint32_t id, int fd)
{
    const ask_reply reply = {.number = number, .failure = f.number, .stage = f.stage, .id = id};

    protocol_send(BOX_FD_ASK, &reply, sizeof reply, &fd, fd >= 0);
}

/* ---- children ---- */

static void child_ended(init *in, pid_t pid, int status)
{
    bool by_signal = WIFSIGNALED(status);
    int code = by_signal ? WTERMSIG(status) : WEXITSTATUS(status);
    uint32_t flags = by_signal ? EVENT_BY_SIGNAL : 0;

    if (pid == in->program)
        finish(code, flags | (in->stopping ? EVENT_STOPPED : 0));
    for (size_t i = 0; i < INIT_COMMANDS_MAX; i++) {
        if (!in->commands[i].id || in->commands[i].pid != pid)
            continue;
        in->commands[i].pid = 0;
        in->commands[i].code = code;
        in->commands[i].flags = flags;
        in->unreported = true;
    }
}

/* Also of orphans, which are nobody's. */
static void reap(init *in)
{
    struct signalfd_siginfo signals[8];
    int status;
    pid_t pid;

    while (read(in->signals, signals, sizeof signals) > 0)
        ;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        child_ended(in, pid, status);
}

/* The group; or the process alone when it has left that for one of its own. */
static void signal_group(pid_t pid, int number)
{
    if (pid > 0 && kill(-pid, number) != 0)
        kill(pid, number);
}

/* ---- requests ---- */

static void give_socket(uint32_t number)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    answer(number, (failure){fd < 0 ? errno : 0, STAGE_SETUP}, 0, fd);
    if (fd >= 0)
        close(fd);
}

static failure start_command(init *in, const int *fds, command *place)
{
    const config *program = &in->config;
    config c;
    failure f;

    f.number = config_read(fds[0], &c, &f.stage);
    if (f.number)
        return f;
    f = run(
        &(run_spec){
            .arguments = c.arguments,
            .variables = c.head->flags & BOX_SAME_ENVIRONMENT ? program->variables : c.variables,
            .directory = *c.directory ? c.directory : program->directory,
            .input = fds[1],
            .output = fds[2],
            .error = fds[3],
            .limits = program->head,
        },
        &place->pid);
    config_done(&c);
    return f;
}

static void give_command(init *in, uint32_t number, const int *fds, size_t count)
{
    command *place = NULL, fresh = {0};
    failure f = {EINVAL, STAGE_SETUP};

    for (size_t i = 0; i < INIT_COMMANDS_MAX && !place; i++)
        if (!in->commands[i].id)
            place = &in->commands[i];
    if (!place)
        f = (failure){EAGAIN, STAGE_COMMANDS};
    else if (count == 4)
        f = start_command(in, fds, &fresh);
    if (!f.number) {
        in->last_id += in->last_id == UINT32_MAX ? 2 : 1;
        fresh.id = in->last_id;
        *place = fresh;
    }
    answer(number, f, fresh.id, -1);
}

static void send_signal(init *in, uint32_t id, int number)
{
    if (id == 0)
        signal_group(in->program, number);
    for (size_t i = 0; id && i < INIT_COMMANDS_MAX; i++)
        if (in->commands[i].id == id)
            signal_group(in->commands[i].pid, number);
}

static void stop(init *in, uint32_t grace_ms)
{
    int64_t at = now_ms() + grace_ms;

    in->stopping = true;
    if (!in->kill_at_ms || at < in->kill_at_ms)
        in->kill_at_ms = at;
    signal_group(in->program, SIGTERM);
}

static void serve(init *in)
{
    ask_request request;
    int fds[PROTOCOL_FDS_MAX];
    size_t count;
    ssize_t got = protocol_receive(BOX_FD_ASK, &request, sizeof request, fds, &count);

    if (got == 0)
        _exit(0); /* nobody is left who would want this sandbox */
    if (got == (ssize_t)sizeof request && request.kind == ASK_SOCKET)
        give_socket(request.number);
    else if (got == (ssize_t)sizeof request && request.kind == ASK_EXEC)
        give_command(in, request.number, fds, count);
    else if (got == (ssize_t)sizeof request && request.kind == ASK_SIGNAL)
        send_signal(in, request.id, (int)request.value);
    else if (got == (ssize_t)sizeof request && request.kind == ASK_STOP)
        stop(in, request.value);
    while (count > 0)
        close(fds[--count]);
}

/* ---- the service port ---- */

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, SERVICE_BACKLOG) == 0)
        return fd;
    return -1;
}

/* Taken from the queue only when the daemon has room for it. */
static void pass_on(init *in)
{
    const box_event event = {.kind = EVENT_CONNECTED};
    struct pollfd room = {.fd = BOX_FD_EVENTS, .events = POLLOUT};
    int fd;

    in->full = poll(&room, 1, 0) != 1 || !(room.revents & POLLOUT);
    if (in->full)
        return;
    fd = accept4(in->service, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    protocol_send(BOX_FD_EVENTS, &event, sizeof event, &fd, 1);
    close(fd);
}

/* ---- life ---- */

/* Nothing of bwrap's stays open, and nothing of ours is passed on. */
static void arrange_descriptors(void)
{
    dup2(BOX_FD_NULL, 1);
    dup2(BOX_FD_NULL, BOX_FD_ERRORS);
    close_range(BOX_FD_ARGS, ~0U, 0);
    close(BOX_FD_INIT);
    for (int fd = 0; fd < BOX_FD_INIT; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static failure begin(init *in)
{
    sigset_t children;
    failure f;

    f.number = config_read(BOX_FD_CONFIG, &in->config, &f.stage);
    close(BOX_FD_CONFIG);
    if (f.number)
        return f;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_SETMASK, &children, NULL);
    in->signals = signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC);
    if (in->signals < 0)
        return (failure){errno, STAGE_SETUP};
    if (in->config.head->service_port && (in->service = listen_on(in->config.head->service_port)) < 0)
        return (failure){errno, STAGE_NETWORK};
    if (in->config.head->network) {
        in->resolver = BOX_FD_RESOLVER;
        f = (failure){network_begin(&in->names), STAGE_NETWORK};
        if (f.number)
            return f;
    }
    if (in->config.head->flags & BOX_WATCH_MEMORY)
        in->watch_at_ms = now_ms();
    f = run(
        &(run_spec){
            .arguments = in->config.arguments,
            .variables = in->config.variables,
            .directory = in->config.directory,
            .input = -1,
            .output = BOX_FD_OUTPUT,
            .error = BOX_FD_OUTPUT,
            .limits = in->config.head,
        },
        &in->program);
    close(BOX_FD_OUTPUT);
    return f;
}

static void look_at_clock(init *in)
{
    int64_t now = now_ms();

    if (in->kill_at_ms && now >= in->kill_at_ms)
        finish(SIGKILL, EVENT_BY_SIGNAL | EVENT_STOPPED);
    if (!in->watch_at_ms || now < in->watch_at_ms)
        return;
    if (watch_exceeded(in->config.head, in->config.home))
        finish(SIGKILL, EVENT_BY_SIGNAL | EVENT_OUT_OF_MEMORY);
    in->watch_at_ms = now_ms() + watch_interval_ms();
}

/* Milliseconds, as poll takes them. */
static int until_next(const init *in)
{
    int64_t next = in->kill_at_ms;

    if (in->watch_at_ms && (!next || in->watch_at_ms < next))
        next = in->watch_at_ms;
    if (!next)
        return -1;
    next -= now_ms();
    return next < 0 ? 0 : next > INT32_MAX ? INT32_MAX : (int)next;
}

_Noreturn static void live(init *in)
{
    struct pollfd fds[] = {
        {.fd = BOX_FD_ASK, .events = POLLIN},
        {.fd = in->signals, .events = POLLIN},
        {.fd = BOX_FD_EVENTS},
        {.fd = in->service, .events = POLLIN},
        {.fd = in->names, .events = POLLIN},
        {.fd = in->resolver, .events = POLLIN},
    };

    for (;;) {
        fds[2].events = in->unreported || in->full ? POLLOUT : 0;
        fds[3].events = in->full ? 0 : POLLIN;
        if (poll(fds, sizeof fds / sizeof *fds, until_next(in)) < 0 && errno != EINTR)
            _exit(1);
        if (fds[0].revents)
            serve(in);
        if (fds[1].revents)
            reap(in);
        if (fds[2].revents & (POLLHUP | POLLERR))
            _exit(0);
        if (fds[2].revents)
            in->full = false;
        if (fds[3].revents)
            pass_on(in);
        if (fds[4].revents)
            names_asked(in->names, in->resolver);
        if (fds[5].revents)
            names_answered(in->names, in->resolver);
        if (in->unreported)
            in->unreported = !commands_report(in->commands, BOX_FD_EVENTS);
        look_at_clock(in);
    }
}

int main(int argc, char **argv)
{
    static init in = {.service = -1, .names = -1, .resolver = -1};
    const char hello = LINE_HELLO;
    failure f;

    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_NAME, "agentcore-init", 0, 0, 0);
    if (argc > 0)
        memset(argv[0], 0, strlen(argv[0])); /* the number of our descriptor is nobody's business */
    arrange_descriptors();
    if (protocol_send(BOX_FD_LINE, &hello, 1, NULL, 0) < 0)
        _exit(1);
    f = begin(&in);
    answer(0, f, 0, -1);
    if (f.number)
        _exit(1);
    live(&in);
}
