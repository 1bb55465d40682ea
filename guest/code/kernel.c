/* kernel.c - the kernels: how they are started and stopped, and whose turn it is.
 *
 * Python's kernel is a fork of a parent, so a fresh one costs a fork: at the start, for clearContext, and after one
 * was lost.  A parent that has the time loads the standard library; a sandbox that waits to be used has a kernel, too.
 * Node's and Deno's are started when they are first needed.  A kernel runs one call at a time, others wait for their
 * turn. */
#include "kernel.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define START_WAIT_S 20
#define ANSWER_WAIT_S 10 /* for the rest of a frame that a kernel has begun, or for it to take one */
#define WAITING_MAX 16   /* calls that wait for one kernel */
#define TURN_MS 200

static char kernel_py[] = CODE_GUEST_DIRECTORY "/kernel.py";
static char kernel_js[] = CODE_GUEST_DIRECTORY "/kernel.cjs";

typedef enum kernel_name { KERNEL_PYTHON, KERNEL_NODE, KERNEL_DENO, KERNELS } kernel_name;

static kernel kernels[KERNELS] = {
    {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER},
    {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER},
    {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER},
};

kernel *kernel_for(const code_request *request)
{
    if (request->language == LANGUAGE_PYTHON)
        return &kernels[KERNEL_PYTHON];
    if (request->engine == ENGINE_DENO || (request->engine == ENGINE_ANY && find_program("deno")))
        return &kernels[KERNEL_DENO];
    return &kernels[KERNEL_NODE];
}

/* ---- turns ---- */

bool kernel_take_turn(kernel *k, const call *c)
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

void kernel_end_turn(kernel *k)
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

void kernel_stop(kernel *k)
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

const char *kernel_start(kernel *k)
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

    if (!kernel_take_turn(k, NULL))
        return NULL;
    if (parent_start(k, &why))
        says.fd = fcntl(k->parent_fd, F_DUPFD_CLOEXEC, 3);
    kernel_end_turn(k);
    if (says.fd <= 0)
        return NULL;
    if (poll(&says, 1, START_WAIT_S * 1000) == 1 && kernel_take_turn(k, NULL)) {
        kernel_start(k);
        kernel_end_turn(k);
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
