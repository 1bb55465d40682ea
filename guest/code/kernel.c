/* kernel.c - executeCode: the kernels, which keep a session's variables, and one call of one.
 *
 * Python's kernel is a fork of a parent, so a fresh one costs a fork: at the start, for clearContext, and after one
 * was lost.  A parent that has the time loads the standard library; a sandbox that waits to be used has a kernel, too.
 * Node's and Deno's are started when they are first needed.  A kernel runs one call at a time, others wait for their
 * turn.  What it says comes over a socket of its own; what the code writes comes through pipes, and may be anything.
 *
 * Code that takes too long, or that nobody waits for any more, is interrupted (SIGINT); code that resists is killed
 * with its kernel, whose variables are lost then.  The session goes on. */
#include "code.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define START_WAIT_S 20
#define ANSWER_WAIT_S 10 /* for the rest of a frame that a kernel has begun, or for it to take one */
#define WAITING_MAX 16   /* calls that wait for one kernel */
#define TURN_MS 200
#define LOST_TEXT                                                                                                      \
    "its process ended (it was killed, used too much memory, or left by os._exit); all variables are lost, and the "   \
    "next call begins anew"

static char kernel_py[] = CODE_GUEST_DIRECTORY "/kernel.py";
static char kernel_js[] = CODE_GUEST_DIRECTORY "/kernel.cjs";

typedef enum kernel_name { KERNEL_PYTHON, KERNEL_NODE, KERNEL_DENO, KERNELS } kernel_name;

typedef struct kernel {
    pthread_mutex_t lock; /* of busy and waiting; the rest belongs to who has made it busy */
    pthread_cond_t changed;
    bool busy;
    unsigned waiting;
    pid_t parent; /* that forks it; 0: none */
    int parent_fd;
    pid_t pid;       /* 0: there is no kernel */
    bool child;      /* ours, to be reaped */
    uint32_t number; /* of the last call */
    int control;     /* these when there is one */
    int output[2];
    int ended; /* pidfd: what it has forked may hold the others open */
} kernel;

static kernel kernels[KERNELS] = {
    {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER},
    {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER},
    {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER},
};

/* ---- turns ---- */

/* c: NULL for the start.  False: the caller is gone, or too many wait. */
static bool take_turn(kernel *k, const call *c)
{
    bool mine = false, gone = false;

    pthread_mutex_lock(&k->lock);
    if (k->waiting < WAITING_MAX) {
        k->waiting++;
        while (k->busy && !gone) {
            struct timespec until;

            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_nsec += TURN_MS * 1000000L;
            until.tv_sec += until.tv_nsec / 1000000000L;
            until.tv_nsec %= 1000000000L;
            pthread_cond_timedwait(&k->changed, &k->lock, &until);
            gone = c && call_gone(c);
        }
        k->waiting--;
        mine = !gone;
        k->busy = k->busy || mine;
    }
    pthread_mutex_unlock(&k->lock);
    return mine;
}

static void end_turn(kernel *k)
{
    pthread_mutex_lock(&k->lock);
    k->busy = false;
    pthread_cond_signal(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

/* ---- life ---- */

static void close_fd(int *fd)
{
    if (*fd > 0)
        close(*fd);
    *fd = 0;
}

static void reap(pid_t pid)
{
    int pidfd = open_pidfd(pid), code;

    if (pidfd >= 0) {
        await_child(pid, pidfd, ANSWER_WAIT_S * 1000, &code);
        close(pidfd);
    }
}

/* With all that it has started and not put into a session of its own. */
static void kernel_stop(kernel *k)
{
    if (!k->pid)
        return;
    signal_group(k->pid, SIGKILL);
    if (k->child)
        reap(k->pid);
    k->pid = 0;
    k->child = false;
    close_fd(&k->control);
    close_fd(&k->output[0]);
    close_fd(&k->output[1]);
    close_fd(&k->ended);
}

static void parent_stop(kernel *k)
{
    if (!k->parent)
        return;
    signal_group(k->parent, SIGKILL);
    reap(k->parent);
    k->parent = 0;
    close_fd(&k->parent_fd);
}

/* Three ends for a kernel; ours are kept. */
static bool make_ends(kernel *k, int ret_theirs[3])
{
    const struct timeval wait = {.tv_sec = START_WAIT_S};
    int control[2], out[2], error[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) != 0)
        return false;
    if (make_pipe(out)) {
        if (make_pipe(error)) {
            setsockopt(control[0], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
            setsockopt(control[0], SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
            k->control = control[0];
            k->output[0] = out[0];
            k->output[1] = error[0];
            ret_theirs[0] = control[1];
            ret_theirs[1] = out[1];
            ret_theirs[2] = error[1];
            return true;
        }
        close(out[0]);
        close(out[1]);
    }
    close(control[0]);
    close(control[1]);
    return false;
}

static bool parent_start(kernel *k, const char **ret_why)
{
    const char *python = find_program("python3");
    char *const arguments[] = {(char *)python, kernel_py, NULL};
    int ends[2], failure;

    *ret_why = "there is no python3 in the sandbox";
    if (!python)
        return false;
    *ret_why = "no socket can be made";
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    failure = spawn(&(spawn_spec){.arguments = arguments, .output = 1, .error = 2, .control = ends[1]}, &k->parent);
    close(ends[1]);
    if (!failure) {
        k->parent_fd = ends[0];
        return true;
    }
    close(ends[0]);
    k->parent = 0;
    *ret_why = strerror(failure);
    return false;
}

static bool send_fds(int socket, const int fds[3])
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(3 * sizeof(int))];
    } control = {.space = {0}};
    char word = 'f';
    struct iovec part = {.iov_base = &word, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};

    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(3 * sizeof(int));
    memcpy(CMSG_DATA(&control.header), fds, 3 * sizeof(int));
    return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

/* A parent that is gone is made anew once. */
static bool fork_from_parent(kernel *k, const int theirs[3], const char **ret_why)
{
    for (int i = 0; i < 2; i++) {
        if (!k->parent && !parent_start(k, ret_why))
            return false;
        if (send_fds(k->parent_fd, theirs))
            return true;
        parent_stop(k);
    }
    *ret_why = "its parent does not answer";
    return false;
}

static bool spawn_kernel(kernel *k, kernel_name name, const int theirs[3], const char **ret_why)
{
    const char *program = find_program(name == KERNEL_DENO ? "deno" : "node");
    char *const node[] = {(char *)program, "--no-warnings", kernel_js, NULL};
    char *const deno[] = {(char *)program, "run", "-A", "--quiet", kernel_js, NULL};
    int failure;

    *ret_why = name == KERNEL_DENO ? "deno is not installed; leave `runtime` out, or say nodejs"
                                   : "node is not installed in the sandbox";
    if (!program)
        return false;
    failure = spawn(
        &(spawn_spec){
            .arguments = name == KERNEL_DENO ? deno : node,
            .output = theirs[1],
            .error = theirs[2],
            .control = theirs[0],
        },
        &k->pid);
    k->child = !failure;
    if (failure) {
        k->pid = 0;
        *ret_why = strerror(failure);
    }
    return !failure;
}

static bool await_ready(kernel *k)
{
    unsigned char number[4];
    code_frame kind;
    size_t bytes;

    if (!frame_receive_head(k->control, sizeof number, &kind, &bytes) || kind != KERNEL_READY ||
        bytes != sizeof number || !frame_receive(k->control, number, sizeof number))
        return false;
    if (!k->child)
        k->pid = (pid_t)code_get32(number);
    if (k->pid <= 1)
        return false;
    k->ended = open_pidfd(k->pid);
    return k->ended >= 0;
}

/* Returns NULL, or why not. */
static const char *kernel_start(kernel *k)
{
    const struct timeval wait = {.tv_sec = ANSWER_WAIT_S};
    kernel_name name = (kernel_name)(k - kernels);
    const char *why = "no pipes can be made";
    int theirs[3];
    bool well;

    if (k->pid)
        return NULL;
    if (!make_ends(k, theirs))
        return why;
    well = name == KERNEL_PYTHON ? fork_from_parent(k, theirs, &why) : spawn_kernel(k, name, theirs, &why);
    for (int i = 0; i < 3; i++)
        close(theirs[i]);
    if (well) {
        why = "it did not start";
        well = await_ready(k);
    }
    if (well) {
        setsockopt(k->control, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        setsockopt(k->control, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
        return NULL;
    }
    if (k->pid > 1) {
        kernel_stop(k);
    } else {
        k->pid = 0;
        close_fd(&k->control);
        close_fd(&k->output[0]);
        close_fd(&k->output[1]);
    }
    return why;
}

/* Start the parent; when it has loaded and nobody has asked for a kernel yet, have one ready.  Failures are met, and
 * told, by the first call. */
static void *begin_main(void *argument)
{
    struct pollfd says = {.events = POLLIN};
    kernel *k = argument;
    const char *why;

    if (!take_turn(k, NULL))
        return NULL;
    if (parent_start(k, &why))
        says.fd = fcntl(k->parent_fd, F_DUPFD_CLOEXEC, 3);
    end_turn(k);
    if (says.fd <= 0)
        return NULL;
    if (poll(&says, 1, START_WAIT_S * 1000) == 1 && take_turn(k, NULL)) {
        kernel_start(k);
        end_turn(k);
    }
    close(says.fd);
    return NULL;
}

void kernels_begin(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, begin_main, &kernels[KERNEL_PYTHON]) == 0)
        pthread_detach(thread);
}

/* ---- what a kernel says ---- */

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

/* What the kernel has said until now, its images first. */
static void catch_up(run *r)
{
    for (unsigned i = 0; i <= CODE_IMAGES_MAX && !r->done && !r->lost; i++)
        listen_to_all(r, 0);
}

/* Until it has answered, or is killed.  However late this gets to look (the room may be slow), an answer that is there
 * is taken. */
static void follow(run *r)
{
    int64_t due_us = now_us() + (int64_t)r->c->request.timeout_ms * 1000;

    while (!r->done && !r->lost) {
        int64_t left_us = due_us - now_us();

        if (r->gone && !r->interrupted)
            left_us = 0;
        if (left_us <= 0)
            catch_up(r);
        if (r->done || r->lost)
            return;
        if (left_us <= 0 && r->interrupted) {
            r->lost = true;
            return;
        }
        if (left_us <= 0) {
            r->interrupted = true;
            signal_group(r->k->pid, SIGINT);
            due_us = now_us() + INTERRUPT_GRACE_MS * 1000;
            continue;
        }
        listen_to_all(r, (int)(left_us / 1000) + 1);
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

static kernel *choose(const call *c)
{
    if (c->request.language == LANGUAGE_PYTHON)
        return &kernels[KERNEL_PYTHON];
    if (c->request.engine == ENGINE_DENO || (c->request.engine == ENGINE_ANY && find_program("deno")))
        return &kernels[KERNEL_DENO];
    return &kernels[KERNEL_NODE];
}

void tool_execute(call *c)
{
    kernel *k = choose(c);
    const char *why;

    if (!take_turn(k, c)) {
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
    end_turn(k);
}
