/* spawner_run.c - the spawner's loop: requests, ends of children, what init says.
 *
 * One thread, never waiting for one sandbox.  The daemon's end of the request socket says whether the daemon is there:
 * at its end everything is killed. */
#include "base/clock.h"
#include "daemon/sandbox/spawner_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 64
#define REQUESTS_AT_ONCE 16
#define LOOK_AGAIN_MS 5
#define FILL_AFTER_MS 2 /* without anything else to do */
#define CLOSING_MS 8000 /* for everything to die; then the spawner goes, and with it its process namespace */

static spawn_box *find(spawn_loop *s, uint64_t id)
{
    for (unsigned i = 0; i < s->used; i++)
        if (s->boxes[i].id == id)
            return &s->boxes[i];
    return NULL;
}

static void close_all(spawn_loop *s)
{
    s->closing = true;
    for (unsigned i = 0; i < s->runner_count; i++)
        close(s->runners[i].socket); /* which ends them */
    s->runner_count = 0;
    epoll_ctl(s->loop, EPOLL_CTL_DEL, s->requests, NULL);
    for (unsigned i = 0; i < s->used; i++)
        if (s->boxes[i].id)
            box_kill(&s->boxes[i]);
}

static void take_requests(spawn_loop *s)
{
    spawn_request request;
    int fds[PROTOCOL_FDS_MAX];
    size_t count;

    for (unsigned i = 0; i < REQUESTS_AT_ONCE; i++) {
        ssize_t got = protocol_receive(s->requests, &request, sizeof request, fds, &count);
        spawn_box *b;

        if (got < 0 && errno == EAGAIN)
            return;
        if (got == 0 || (got < 0 && errno != EINTR && errno != EBADMSG)) {
            close_all(s);
            return;
        }
        if (got == (ssize_t)sizeof request && request.kind == SPAWN_START) {
            box_start(s, &request, fds, count);
            continue;
        }
        if (got == (ssize_t)sizeof request && request.kind == SPAWN_KILL && (b = find(s, request.id)) != NULL)
            box_kill(b);
        while (count > 0)
            close(fds[--count]);
    }
}

static void reap(spawn_loop *s)
{
    struct signalfd_siginfo signals[8];
    int status;
    pid_t pid;

    while (read(s->signals, signals, sizeof signals) > 0)
        ;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        box_child_ended(s, pid, status);
}

static int look_again(spawn_loop *s)
{
    bool waiting = false;

    for (unsigned i = 0; i < s->used; i++) {
        if (s->boxes[i].id)
            box_look_again(s, &s->boxes[i]);
        waiting = waiting || (s->boxes[i].id && s->boxes[i].give_up_ms);
    }
    return waiting ? LOOK_AGAIN_MS : -1;
}

static void serve(spawn_loop *s)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    uint64_t end_ms = 0;

    while (!s->closing || s->count > 0) {
        int wait_ms = look_again(s), got;

        if (s->closing && !end_ms)
            end_ms = clock_monotonic_ms() + CLOSING_MS;
        if (end_ms && clock_monotonic_ms() >= end_ms)
            return;
        if (!s->closing && s->runner_count < SPAWNER_RUNNERS)
            wait_ms = FILL_AFTER_MS;
        got = epoll_wait(s->loop, events, EVENTS_AT_ONCE, s->closing ? LOOK_AGAIN_MS : wait_ms);
        if (got == 0 && !s->closing)
            runners_fill(s);
        for (int i = 0; i < got; i++) {
            uint32_t what = events[i].data.u32;

            if (what == LOOP_REQUESTS)
                take_requests(s);
            else if (what == LOOP_SIGNALS)
                reap(s);
            else if (s->boxes[what - LOOP_LINES].line >= 0)
                box_line_readable(s, &s->boxes[what - LOOP_LINES]);
        }
    }
}

static bool add(const spawn_loop *s, int fd, uint32_t what)
{
    struct epoll_event want = {.events = EPOLLIN, .data.u32 = what};

    return fd >= 0 && epoll_ctl(s->loop, EPOLL_CTL_ADD, fd, &want) == 0;
}

void spawner_run(const spawner_options *options, cgroups *groups, int requests)
{
    spawn_loop s = {.options = options, .groups = groups, .requests = requests};
    const spawn_hello hello = {.version = PROTOCOL_VERSION, .controllers = cgroups_have(groups)};
    sigset_t children;

    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_SETMASK, &children, NULL);
    s.boxes = calloc(options->sandboxes_max, sizeof *s.boxes);
    s.loop = epoll_create1(EPOLL_CLOEXEC);
    s.signals = signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC);
    if (s.boxes && s.loop >= 0 && add(&s, requests, LOOP_REQUESTS) && add(&s, s.signals, LOOP_SIGNALS) &&
        protocol_send(requests, &hello, sizeof hello, NULL, 0) == (ssize_t)sizeof hello)
        serve(&s);
    free(s.boxes);
}
