/* fake_sandbox.c - sandboxes that are plain child processes.  A thread for each waits for its end, and kills it when it
 * has been told to end and does not in time. */
#include "fake_sandbox.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENTS_MAX 64
#define CHILDREN_MAX 16

typedef struct child {
    uint32_t id;
    pid_t pid;
} child;

struct sandboxes {
    int unused;
};

struct sandbox {
    pid_t pid;
    int event_fd, wake_fd, pid_fd;
    pthread_t thread;
    pthread_mutex_t lock;
    sandbox_event events[EVENTS_MAX];
    size_t first, count;
    uint64_t kill_ms; /* 0: it was not told to end */
    bool told, ended;
    child children[CHILDREN_MAX];
    size_t child_count;
    uint32_t last_id;
};

fake_sandbox_plan fake_plan;
static atomic_uint started, alive;
static _Atomic(sandbox *) last;

unsigned fake_started(void)
{
    return started;
}

unsigned fake_alive(void)
{
    return alive;
}

sandbox *fake_last(void)
{
    return last;
}

static void ring(int fd)
{
    uint64_t one = 1;

    if (write(fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
        abort();
}

static void hush(int fd)
{
    uint64_t count;

    if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        abort();
}

void fake_sandbox_push(sandbox *box, const sandbox_event *event)
{
    pthread_mutex_lock(&box->lock);
    if (box->count == EVENTS_MAX)
        abort();
    box->events[(box->first + box->count++) % EVENTS_MAX] = *event;
    pthread_mutex_unlock(&box->lock);
    ring(box->event_fd);
}

/* ---- processes ---- */

static ac_status spawn(const char *const *argv, const char *const *environment, int input, int output, int error,
                       pid_t *ret_pid, ac_error *err)
{
    const char *const nothing[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    sigemptyset(&none); /* the manager's threads have all blocked */
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    if (input >= 0)
        posix_spawn_file_actions_adddup2(&actions, input, 0);
    if (output >= 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1);
    if (error >= 0)
        posix_spawn_file_actions_adddup2(&actions, error, 2);
    int failed = posix_spawn(ret_pid, argv[0], &actions, &attributes, (char *const *)argv,
                             (char *const *)(environment ? environment : nothing));
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return failed ? ac_error_set(err, AC_ERR_NOT_FOUND, "%s: %s", argv[0], strerror(failed)) : AC_OK;
}

static sandbox_event event_of(int status)
{
    sandbox_event event = {.kind = SANDBOX_ENDED, .fd = -1, .end = SANDBOX_EXITED, .code = WEXITSTATUS(status)};

    if (WIFSIGNALED(status)) {
        event.end = SANDBOX_SIGNALLED;
        event.code = WTERMSIG(status);
    }
    return event;
}

static void reap_children(sandbox *box, bool all)
{
    for (size_t i = 0; i < CHILDREN_MAX; i++) {
        int status;
        pthread_mutex_lock(&box->lock);
        child c = i < box->child_count ? box->children[i] : (child){0};
        pthread_mutex_unlock(&box->lock);
        if (c.pid == 0)
            continue;
        if (all)
            kill(-c.pid, SIGKILL);
        if (waitpid(c.pid, &status, all ? 0 : WNOHANG) != c.pid)
            continue;
        pthread_mutex_lock(&box->lock);
        box->children[i].pid = 0;
        pthread_mutex_unlock(&box->lock);
        if (all) /* with the sandbox, whose end is all that is told */
            continue;
        sandbox_event event = event_of(status);
        event.kind = SANDBOX_COMMAND_ENDED;
        event.id = c.id;
        fake_sandbox_push(box, &event);
    }
}

static void *watch(void *arg)
{
    sandbox *box = arg;
    int status;

    for (;;) {
        struct pollfd fds[] = {{box->pid_fd, POLLIN, 0}, {box->wake_fd, POLLIN, 0}};
        pthread_mutex_lock(&box->lock);
        uint64_t now = clock_monotonic_ms(), due = box->kill_ms;
        bool children = box->child_count > 0;
        pthread_mutex_unlock(&box->lock);
        if (due && now >= due)
            kill(-box->pid, SIGKILL);
        int wait_ms = due > now ? (int)(due - now) : -1;
        poll(fds, 2, children ? 5 : wait_ms);
        reap_children(box, false);
        hush(box->wake_fd);
        if (fds[0].revents)
            break;
    }
    waitpid(box->pid, &status, 0);
    kill(-box->pid, SIGKILL);
    reap_children(box, true);
    sandbox_event event = event_of(status);
    pthread_mutex_lock(&box->lock);
    if (box->told && event.end == SANDBOX_SIGNALLED)
        event.end = SANDBOX_KILLED;
    box->ended = true;
    pthread_mutex_unlock(&box->lock);
    if (!fake_plan.never_ends)
        fake_sandbox_push(box, &event);
    return NULL;
}

/* ---- sandbox.h ---- */

ac_status sandboxes_open(const sandboxes_options *options, sandboxes **ret_all, ac_error *err)
{
    (void)options;
    *ret_all = calloc(1, sizeof(**ret_all));
    return *ret_all ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

void sandboxes_close(sandboxes *all)
{
    free(all);
}

unsigned sandboxes_count(const sandboxes *all)
{
    (void)all;
    return alive;
}

ac_status sandbox_start(sandboxes *all, const sandbox_spec *spec, sandbox **ret_box, ac_error *err)
{
    sandbox *box;

    (void)all;
    if (fake_plan.start_ms)
        poll(NULL, 0, (int)fake_plan.start_ms); /* what it takes, not a way to wait for something */
    if (fake_plan.start_fails)
        return ac_error_set(err, fake_plan.start_fails, "no sandbox today");
    box = calloc(1, sizeof(*box));
    if (!box)
        abort();
    ac_status status = spawn(spec->argv, spec->environment, -1, spec->output_fd, spec->output_fd, &box->pid, err);
    if (status != AC_OK) {
        free(box);
        return status;
    }
    pthread_mutex_init(&box->lock, NULL);
    box->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
    box->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    box->pid_fd = (int)syscall(SYS_pidfd_open, box->pid, 0);
    if (box->event_fd < 0 || box->wake_fd < 0 || box->pid_fd < 0 || pthread_create(&box->thread, NULL, watch, box) != 0)
        abort();
    started++;
    alive++;
    last = box;
    *ret_box = box;
    return AC_OK;
}

static bool has_ended(sandbox *box)
{
    pthread_mutex_lock(&box->lock);
    bool ended = box->ended;
    pthread_mutex_unlock(&box->lock);
    return ended;
}

ac_status sandbox_socket(sandbox *box, int *ret_fd, ac_error *err)
{
    if (has_ended(box))
        return ac_error_set(err, AC_ERR_CLOSED, "the sandbox is over");
    *ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return *ret_fd >= 0 ? AC_OK : ac_error_set(err, AC_ERR_IO, "no socket: %s", strerror(errno));
}

ac_status sandbox_exec(sandbox *box, const sandbox_command *command, uint32_t *ret_id, ac_error *err)
{
    child c;

    AC_TRY(spawn(command->argv, command->environment, command->input_fd, command->output_fd, command->error_fd, &c.pid,
                 err));
    pthread_mutex_lock(&box->lock);
    if (box->child_count == CHILDREN_MAX)
        abort();
    c.id = *ret_id = ++box->last_id;
    box->children[box->child_count++] = c;
    pthread_mutex_unlock(&box->lock);
    ring(box->wake_fd);
    return AC_OK;
}

void sandbox_signal(sandbox *box, uint32_t id, int signal)
{
    pthread_mutex_lock(&box->lock);
    if (id == 0 && !box->ended)
        kill(-box->pid, signal);
    for (size_t i = 0; i < box->child_count; i++) {
        if (box->children[i].id == id && box->children[i].pid)
            kill(-box->children[i].pid, signal);
    }
    pthread_mutex_unlock(&box->lock);
}

int sandbox_event_fd(const sandbox *box)
{
    return box->event_fd;
}

bool sandbox_next_event(sandbox *box, sandbox_event *ret_event)
{
    pthread_mutex_lock(&box->lock);
    bool found = box->count > 0;
    if (found) {
        hush(box->event_fd);
        *ret_event = box->events[box->first];
        box->first = (box->first + 1) % EVENTS_MAX;
        box->count--;
    }
    pthread_mutex_unlock(&box->lock);
    return found;
}

void sandbox_stop(sandbox *box, unsigned grace_ms)
{
    pthread_mutex_lock(&box->lock);
    uint64_t due = clock_monotonic_ms() + grace_ms;
    if (!box->ended) {
        kill(-box->pid, grace_ms ? SIGTERM : SIGKILL);
        box->kill_ms = box->kill_ms ? MIN(box->kill_ms, due) : due;
        box->told = true;
    }
    pthread_mutex_unlock(&box->lock);
    ring(box->wake_fd);
}

void sandbox_free(sandbox *box)
{
    sandbox_event event;

    if (!box)
        return;
    sandbox_stop(box, 0);
    pthread_join(box->thread, NULL);
    while (sandbox_next_event(box, &event)) {
        if (event.fd >= 0)
            close(event.fd);
    }
    close(box->event_fd);
    close(box->wake_fd);
    close(box->pid_fd);
    pthread_mutex_destroy(&box->lock);
    free(box);
    alive--;
}

void sandbox_end_text(const sandbox_event *event, const sandbox_limits *limits, char *ret_text, size_t size)
{
    (void)limits;
    switch (event->end) {
    case SANDBOX_EXITED:
        snprintf(ret_text, size, "exited with code %d", event->code);
        break;
    case SANDBOX_SIGNALLED:
        snprintf(ret_text, size, "was killed by signal %d", event->code);
        break;
    case SANDBOX_MEMORY:
        snprintf(ret_text, size, "used more memory than its limit");
        break;
    case SANDBOX_KILLED:
        snprintf(ret_text, size, "was killed");
        break;
    }
}
