/* spawner_box.c - the life of one sandbox, as the spawner sees it.
 *
 * bwrap is our child; init is bwrap's, and ours when bwrap dies before it (we adopt orphans).  bwrap ends when init
 * has. init says hello on its line when it runs, and the kernel says who that is.  From then on, killing a sandbox is
 * killing init: the kernel kills everything in its process namespace and lets init be reaped when all of that is gone.
 * Before, bwrap and the child that it prepares are a process group, which is killed; a child that has left the group by
 * then is about to become init, and to say hello.
 *
 * EVENT_GONE is sent when bwrap and init have been reaped, the line has ended (so there is no child of bwrap's that we
 * do not know), and the cgroup is removed.  Then the slot is free. */
#include "base/clock.h"
#include "daemon/sandbox/spawner_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define REMOVE_WAIT_MS 5000 /* for a cgroup to become empty */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void tell(const spawn_box *b, const box_event *event)
{
    /* The daemon reads until it sees the last event; one that does not is gone, and nobody is left to tell. */
    if (protocol_send(b->events, event, sizeof *event, NULL, 0) < 0)
        return;
}

static void forget(spawn_loop *s, spawn_box *b)
{
    box_event event = {.kind = EVENT_GONE};

    event.flags |= b->kill_asked ? EVENT_KILL_ASKED : 0;
    event.flags |= b->out_of_memory ? EVENT_OUT_OF_MEMORY : 0;
    tell(b, &event);
    close_fd(&b->events);
    close_fd(&b->line);
    close_fd(&b->handle);
    b->id = 0;
    s->count--;
    while (s->used > 0 && !s->boxes[s->used - 1].id)
        s->used--;
}

/* All processes are gone: the rest. */
static void finish(spawn_loop *s, spawn_box *b)
{
    if (!network_stop(b))
        return; /* box_child_ended */
    if (b->group) {
        b->out_of_memory = b->out_of_memory || cgroup_out_of_memory(b->group);
        if (!cgroup_remove(b->group)) {
            if (!b->give_up_ms) {
                cgroup_kill(b->group); /* a child that bwrap has left behind */
                b->give_up_ms = clock_monotonic_ms() + REMOVE_WAIT_MS;
            }
            if (clock_monotonic_ms() < b->give_up_ms)
                return; /* box_look_again */
            /* It stays until the next daemon finds it empty. */
        }
        b->group = NULL;
    }
    forget(s, b);
}

/* Something has ended: is it all? */
static void look(spawn_loop *s, spawn_box *b)
{
    if (b->bwrap)
        return;
    if (b->init) {
        /* bwrap has reaped it (ECHILD), or it is ours now. */
        if (waitpid(b->init, NULL, WNOHANG) == 0) {
            kill(b->init, SIGKILL);
            return; /* box_child_ended */
        }
        b->init = 0;
        b->init_ended = true;
    }
    if (b->init_ended || b->line < 0)
        finish(s, b);
}

void box_child_ended(spawn_loop *s, pid_t pid, int status)
{
    if (runner_ended(s, pid))
        return;
    for (unsigned i = 0; i < s->used; i++) {
        spawn_box *b = &s->boxes[i];

        if (!b->id || (b->bwrap != pid && b->init != pid && b->slirp != pid && b->routes != pid))
            continue;
        if (b->slirp == pid || b->routes == pid) {
            network_ended(b, pid, status);
            look(s, b);
            return;
        }
        if (b->bwrap == pid) {
            if (!b->init)
                kill(-pid, SIGKILL); /* what it leaves */
            b->bwrap = 0;
        } else {
            b->init = 0;
            b->init_ended = true;
        }
        look(s, b);
        return;
    }
}

void box_kill(spawn_box *b)
{
    b->kill_asked = true;
    if (b->handle >= 0)
        syscall(SYS_pidfd_send_signal, b->handle, SIGKILL, NULL, 0);
    else if (b->init)
        kill(b->init, SIGKILL);
    else if (b->bwrap)
        kill(-b->bwrap, SIGKILL);
}

/* One message: who sends it (0: unknown), and the descriptors that come with it.  Returns what recvmsg returns. */
/* NOLINTNEXTLINE(readability-non-const-parameter): recvmsg writes through part */
static ssize_t read_line(int line, char *ret_word, pid_t *ret_sender, int fds[2], size_t *ret_count)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct iovec part = {.iov_base = ret_word, .iov_len = 1};
    struct msghdr head = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
    ssize_t got = recvmsg(line, &head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    struct ucred sender;

    *ret_sender = 0;
    *ret_count = 0;
    for (struct cmsghdr *at = got > 0 ? CMSG_FIRSTHDR(&head) : NULL; at; at = CMSG_NXTHDR(&head, at)) {
        if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_CREDENTIALS) {
            memcpy(&sender, CMSG_DATA(at), sizeof sender);
            *ret_sender = sender.pid;
        } else if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_RIGHTS) {
            *ret_count = MIN((at->cmsg_len - CMSG_LEN(0)) / sizeof(int), 2);
            memcpy(fds, CMSG_DATA(at), *ret_count * sizeof(int));
        }
    }
    return got;
}

static void said_hello(spawn_box *b, pid_t sender)
{
    if (b->init || b->init_ended || sender <= 1)
        return;
    b->init = sender;
    b->handle = (int)syscall(SYS_pidfd_open, sender, 0);
    if (b->kill_asked || !b->bwrap)
        box_kill(b);
}

void box_line_readable(spawn_loop *s, spawn_box *b)
{
    int fds[2];
    size_t count;
    pid_t sender;
    char word = '\0';
    ssize_t got = read_line(b->line, &word, &sender, fds, &count);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0) {
        if (word == LINE_HELLO)
            said_hello(b, sender);
        else if (word == LINE_NETWORK && count == 1 && b->slirp_says < 0)
            network_start(b, s->options->slirp, fds[0]);
        while (count > 0)
            close(fds[--count]);
        return;
    }
    epoll_ctl(s->loop, EPOLL_CTL_DEL, b->line, NULL);
    close_fd(&b->line);
    look(s, b);
}

void box_look_again(spawn_loop *s, spawn_box *b)
{
    if (b->give_up_ms)
        finish(s, b);
}

/* ---- starting ---- */

static spawn_box *take_slot(spawn_loop *s)
{
    for (unsigned i = 0; i < s->options->sandboxes_max; i++) {
        if (s->boxes[i].id)
            continue;
        s->boxes[i] = (spawn_box){.slot = i, .handle = -1, .line = -1, .slirp_says = -1, .events = -1};
        s->used = i >= s->used ? i + 1 : s->used;
        s->count++;
        return &s->boxes[i];
    }
    return NULL;
}

void box_refuse(int events, ac_status status, const char *text)
{
    box_event event = {.kind = EVENT_FAILED, .status = (int32_t)status};

    snprintf(event.text, sizeof event.text, "%.*s", (int)sizeof event.text - 1, text);
    tell(&(spawn_box){.events = events}, &event);
}

static void begin(spawn_loop *s, const spawn_request *request, int *fds, size_t count, spawn_box *b)
{
    ac_error err = {.status = AC_OK};
    ac_status status;

    b->id = request->id;
    b->events = fcntl(fds[BOX_FD_EVENTS - BOX_FD_ERRORS], F_DUPFD_CLOEXEC, SPAWNER_FD_FLOOR);
    status = box_launch(s, request, fds, count, b, &err);
    if (status != AC_OK)
        box_refuse(b->events, status, err.message);
    if (b->line >= 0) {
        struct epoll_event want = {.events = EPOLLIN, .data.u32 = LOOP_LINES + b->slot};

        if (epoll_ctl(s->loop, EPOLL_CTL_ADD, b->line, &want) != 0)
            close_fd(&b->line);
    }
    if (!b->bwrap)
        finish(s, b);
}

void box_start(spawn_loop *s, const spawn_request *request, int *fds, size_t count)
{
    spawn_box *b = count > BOX_FD_EVENTS - BOX_FD_ERRORS && request->id ? take_slot(s) : NULL;

    if (b)
        begin(s, request, fds, count, b);
    else if (count > BOX_FD_EVENTS - BOX_FD_ERRORS)
        box_refuse(fds[BOX_FD_EVENTS - BOX_FD_ERRORS], AC_ERR_QUOTA, "there are as many sandboxes as there may be");
    while (count > 0)
        close(fds[--count]);
}
