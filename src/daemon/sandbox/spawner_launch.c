/* spawner_launch.c - from a request to a running bwrap.
 *
 * To put a process into a cgroup takes the kernel milliseconds (it waits until no processor can be in the middle of a
 * fork), so runners are made in advance: children of ours, each in a cgroup of its own, which wait for what to do.  A
 * start then is a message to one of them.  It gives up root and executes bwrap.  Started by root, bwrap runs as a user
 * that owns nothing: what it would do wrong is bounded by that. */
#include "base/fork.h"
#include "daemon/sandbox/spawner_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUP_OVERHEAD 2 /* bwrap and agentcore-init are in the group, too */
#define MEMORY_OVERHEAD ((uint64_t)4 << 20)
#define OOM_SCORE "300" /* when the machine runs out of memory, sandboxes go before the daemon */
#define RUNNER_SOCKET SPAWNER_FD_FLOOR

/* To a runner, with the descriptors of a spawn_request, BOX_FD_LINE the one that is meant. */
typedef struct run_message {
    uid_t user; /* to become; 0: none */
    uint32_t data_count;
} run_message;

/* ---- in the runner ---- */

static void be_killed_first(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (write(fd, OOM_SCORE, strlen(OOM_SCORE)) < 0) {
        /* A preference, no promise. */
    }
    close(fd);
}

static bool become(uid_t user)
{
    /* By system call: a group of that number, too, need not be known to anybody. */
    return syscall(SYS_setgroups, 0, NULL) == 0 && syscall(SYS_setresgid, user, user, user) == 0 &&
           syscall(SYS_setresuid, user, user, user) == 0;
}

static bool place_descriptors(const run_message *message, const int *fds)
{
    for (int i = 0; i < SPAWN_FIXED_FDS; i++)
        if (dup2(fds[i], BOX_FD_ERRORS + i) < 0)
            return false;
    for (uint32_t i = 0; i < message->data_count; i++)
        if (dup2(fds[SPAWN_FIXED_FDS + i], BOX_FD_DATA + (int)i) < 0)
            return false;
    return true; /* 0 and 1 are /dev/null, and come through exec */
}

/* Tell the daemon, where the sandbox would have. */
_Noreturn static void give_up(int events, ac_status status, const char *text, int number)
{
    box_event event = {.kind = EVENT_FAILED, .status = (int32_t)status};

    if (number)
        snprintf(event.text, sizeof event.text, "%s: %s", text, strerror(number));
    else
        snprintf(event.text, sizeof event.text, "%s", text);
    _exit(protocol_send(events, &event, sizeof event, NULL, 0) < 0 ? 126 : 127);
}

_Noreturn static void execute(const spawner_options *options)
{
    static char *const no_variables[] = {NULL};
    char args[16], init[32], text[128];
    char *arguments[] = {"bwrap", "--args", args, "--", init, NULL};
    int number;

    snprintf(args, sizeof args, "%d", BOX_FD_ARGS);
    snprintf(init, sizeof init, "/proc/self/fd/%d", BOX_FD_INIT);
    execvpe(options->bwrap, arguments, no_variables);
    number = errno;
    snprintf(text, sizeof text, "cannot execute %.100s", options->bwrap);
    if (number == ENOENT)
        give_up(BOX_FD_EVENTS, AC_ERR_UNSUPPORTED,
                "bubblewrap (bwrap) is not there, without which no sandbox can be made: install the package bubblewrap",
                0);
    give_up(BOX_FD_EVENTS, AC_ERR_UNSUPPORTED, text, number);
}

/* Wait for what to do; the end of the socket means that it will not come. */
static size_t await_message(run_message *message, int *fds)
{
    struct pollfd readable = {.fd = RUNNER_SOCKET, .events = POLLIN};
    size_t count;

    while (poll(&readable, 1, -1) < 0 && errno == EINTR)
        ;
    if (protocol_receive(RUNNER_SOCKET, message, sizeof *message, fds, &count) != (ssize_t)sizeof *message ||
        count != SPAWN_FIXED_FDS + message->data_count)
        _exit(0);
    return count;
}

_Noreturn static void be_runner(const spawner_options *options, cgroup *group, int socket)
{
    ac_error err = {.status = AC_OK};
    int fds[PROTOCOL_FDS_MAX], events;
    run_message message;
    sigset_t none;

    /* Descriptors of the spawner would keep alive what has ended. */
    if (dup3(socket, RUNNER_SOCKET, O_CLOEXEC) < 0)
        _exit(126);
    close_range(RUNNER_SOCKET + 1, ~0U, 0);
    prctl(PR_SET_NAME, "agentcored-run", 0, 0, 0);
    setpgid(0, 0); /* with the child that bwrap makes */
    be_killed_first();
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (group && cgroup_add(group, getpid(), &err) != AC_OK)
        err.status = AC_ERR_IO;
    await_message(&message, fds);
    events = fds[BOX_FD_EVENTS - BOX_FD_ERRORS];
    if (err.status != AC_OK)
        give_up(events, AC_ERR_IO, err.message, 0);
    if (message.user && !become(message.user))
        give_up(events, AC_ERR_UNSUPPORTED,
                "cannot run a sandbox under a user of its own; root needs CAP_SETUID and CAP_SETGID for that", errno);
    if (!place_descriptors(&message, fds))
        give_up(events, AC_ERR_IO, "cannot set a sandbox's descriptors", errno);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* after the change of user, which clears it */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execute(options);
}

/* ---- in the spawner ---- */

static ac_status make_group(spawn_loop *s, cgroup **ret_group, ac_error *err)
{
    char name[32];

    if (!cgroups_have(s->groups))
        return AC_OK;
    snprintf(name, sizeof name, "box-%llu", ++s->last_group);
    return cgroup_make(s->groups, name, &(cgroup_limits){0}, ret_group, err);
}

ac_status runner_make(spawn_loop *s, runner *ret_runner, ac_error *err)
{
    runner r = {0};
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return ac_error_set(err, AC_ERR_IO, "cannot make sockets: %s", strerror(errno));
    if (make_group(s, &r.group, err) != AC_OK) {
        close(ends[0]);
        close(ends[1]);
        return AC_ERR_IO;
    }
    r.pid = fork_alone();
    if (r.pid == 0)
        be_runner(s->options, r.group, ends[1]);
    close(ends[1]);
    r.socket = ends[0];
    if (r.pid < 0) {
        ac_error_set(err, AC_ERR_IO, "cannot make a process: %s", strerror(errno));
        close(ends[0]);
        if (r.group && !cgroup_remove(r.group))
            return AC_ERR_IO;
        return AC_ERR_IO;
    }
    *ret_runner = r;
    return AC_OK;
}

/* The kernel tells who is at the other end, by its number in this process namespace. */
static ac_status make_line(int line[2], ac_error *err)
{
    const int on = 1;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, line) == 0) {
        if (setsockopt(line[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0)
            return AC_OK;
        close(line[0]);
        close(line[1]);
    }
    return ac_error_set(err, AC_ERR_IO, "cannot make sockets: %s", strerror(errno));
}

static ac_status take_runner(spawn_loop *s, runner *ret_runner, ac_error *err)
{
    if (s->runner_count == 0)
        return runner_make(s, ret_runner, err);
    *ret_runner = s->runners[--s->runner_count];
    return AC_OK;
}

static ac_status limit_group(cgroup *group, const spawn_request *request, ac_error *err)
{
    const cgroup_limits limits = {
        .memory_bytes = request->memory_bytes + MEMORY_OVERHEAD,
        .processes = request->processes + GROUP_OVERHEAD,
        .cpu_percent = request->cpu_percent,
    };

    return group ? cgroup_limit(group, &limits, err) : AC_OK;
}

/* fds gets the line's other end in place of what was there. */
static ac_status send_to_runner(spawn_loop *s, const spawn_request *request, int *fds, size_t count, const runner *r,
                                spawn_box *b, ac_error *err)
{
    const run_message message = {.user = geteuid() == 0 ? s->options->uid_base + b->slot : 0,
                                 .data_count = request->data_count};
    int line[2];

    AC_TRY(limit_group(r->group, request, err));
    AC_TRY(make_line(line, err));
    b->line = line[0];
    close(fds[BOX_FD_LINE - BOX_FD_ERRORS]);
    fds[BOX_FD_LINE - BOX_FD_ERRORS] = line[1];
    if (protocol_send(r->socket, &message, sizeof message, fds, count) == (ssize_t)sizeof message)
        return AC_OK;
    return ac_error_set(err, AC_ERR_IO, "cannot reach a process that was to become a sandbox: %s", strerror(errno));
}

ac_status box_launch(spawn_loop *s, const spawn_request *request, int *fds, size_t count, spawn_box *b, ac_error *err)
{
    ac_status status;
    runner r = {0};

    if (request->data_count > BOX_FD_END - BOX_FD_DATA || count != SPAWN_FIXED_FDS + request->data_count)
        return ac_error_set(err, AC_ERR_INTERNAL, "a request with %zu descriptors", count);
    AC_TRY(take_runner(s, &r, err));
    b->bwrap = r.pid; /* reaped like any other, when it has not got as far as bwrap, too */
    b->group = r.group;
    status = send_to_runner(s, request, fds, count, &r, b, err);
    close(r.socket); /* without a message, it ends */
    return status;
}

void runners_fill(spawn_loop *s)
{
    if (s->runner_count < SPAWNER_RUNNERS && runner_make(s, &s->runners[s->runner_count], NULL) == AC_OK)
        s->runner_count++;
}

bool runner_ended(spawn_loop *s, pid_t pid)
{
    for (unsigned i = 0; i < s->runner_count; i++) {
        runner r = s->runners[i];

        if (r.pid != pid)
            continue;
        s->runners[i] = s->runners[--s->runner_count];
        close(r.socket);
        if (r.group && !cgroup_remove(r.group))
            return true; /* left to the next daemon, which finds it empty */
        return true;
    }
    return false;
}
