/* task.c - startCommandExecution, getTask, stopTask: commands that go on while nobody waits.
 *
 * A thread for each that runs.  Of what it writes the last CODE_TASK_OUTPUT_BYTES_MAX bytes of each stream are kept.
 * Tasks that are over stay to be asked for until TASKS_MAX are there; then the one that ended first makes room. */
#include "code.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TASKS_MAX 64
#define REAP_MS 1000 /* for one that was killed at once */
#define STACK_BYTES ((size_t)256 << 10)
#define DRAIN_TURNS 32

typedef struct kept {
    int fd;
    char *data; /* twice the limit, so that old bytes are seldom moved */
    size_t length;
} kept;

typedef struct task {
    unsigned number; /* 0: a free place */
    pid_t pid;       /* 0: it has been reaped */
    int pidfd;
    task_status status;
    bool stop;
    int code;
    int64_t begun_us, ended_us;
    kept output[2];
} task;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static task tasks[TASKS_MAX];
static unsigned last_number;

/* ---- output; with the lock held ---- */

static void keep(kept *k, const char *data, size_t bytes)
{
    if (!k->data)
        k->data = malloc(2 * CODE_TASK_OUTPUT_BYTES_MAX);
    if (!k->data)
        return; /* this sandbox has no memory left: nor for what is said about it */
    if (bytes > CODE_TASK_OUTPUT_BYTES_MAX) {
        data += bytes - CODE_TASK_OUTPUT_BYTES_MAX;
        bytes = CODE_TASK_OUTPUT_BYTES_MAX;
    }
    if (k->length + bytes > 2 * CODE_TASK_OUTPUT_BYTES_MAX) {
        size_t rest = CODE_TASK_OUTPUT_BYTES_MAX - bytes;

        memmove(k->data, k->data + k->length - rest, rest);
        k->length = rest;
    }
    memcpy(k->data + k->length, data, bytes);
    k->length += bytes;
}

static void forget(task *t)
{
    for (int i = 0; i < 2; i++)
        free(t->output[i].data);
    *t = (task){0};
}

/* ---- life ---- */

/* Returns how much there was. */
static size_t read_some(task *t, int which)
{
    char data[STREAM_READ_BYTES];
    kept *k = &t->output[which];
    ssize_t got = read(k->fd, data, sizeof data);

    if (got > 0) {
        pthread_mutex_lock(&lock);
        keep(k, data, (size_t)got);
        pthread_mutex_unlock(&lock);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        close(k->fd);
        k->fd = -1;
    }
    return got > 0 ? (size_t)got : 0;
}

/* No more than a pipe holds: somebody may go on writing. */
static void drain(task *t)
{
    for (int i = 0; i < 2; i++)
        for (int turns = 0; t->output[i].fd >= 0 && turns < DRAIN_TURNS && read_some(t, i) > 0; turns++)
            continue;
}

/* It is reaped then, and its number may be another's. */
static bool has_ended(task *t, int *ret_code)
{
    bool ended;

    pthread_mutex_lock(&lock);
    ended = await_child(t->pid, t->pidfd, 0, ret_code);
    if (ended)
        t->pid = 0;
    pthread_mutex_unlock(&lock);
    return ended;
}

static void *task_main(void *argument)
{
    task *t = argument;
    bool ended = false;
    int64_t due_us = INT64_MAX;
    int code = 0;

    while (!ended || ((t->output[0].fd >= 0 || t->output[1].fd >= 0) && now_us() < due_us)) {
        struct pollfd fds[] = {
            {.fd = t->output[0].fd, .events = POLLIN},
            {.fd = t->output[1].fd, .events = POLLIN},
            {.fd = ended ? -1 : t->pidfd, .events = POLLIN},
        };

        if (poll(fds, 3, ended ? LEFT_OPEN_MS : -1) < 0 && errno != EINTR)
            break;
        for (int i = 0; i < 2; i++)
            if (fds[i].fd >= 0 && fds[i].revents)
                read_some(t, i);
        if (!ended && fds[2].revents && has_ended(t, &code)) {
            ended = true;
            due_us = now_us() + LEFT_OPEN_MS * 1000;
        }
    }
    drain(t);
    pthread_mutex_lock(&lock);
    for (int i = 0; i < 2; i++)
        if (t->output[i].fd >= 0)
            close(t->output[i].fd);
    close(t->pidfd);
    t->output[0].fd = t->output[1].fd = t->pidfd = -1;
    t->pid = 0;
    t->code = code;
    t->ended_us = now_us();
    t->status = t->stop ? TASK_CANCELED : code ? TASK_FAILED : TASK_COMPLETED;
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* A free place, or that of the task that ended first; NULL: all run.  With the lock held. */
static task *find_place(void)
{
    task *oldest = NULL;

    for (size_t i = 0; i < TASKS_MAX; i++) {
        task *t = &tasks[i];

        if (!t->number)
            return t;
        if (t->ended_us && (!oldest || t->ended_us < oldest->ended_us))
            oldest = t;
    }
    if (oldest)
        forget(oldest);
    return oldest;
}

/* 0 or an errno.  With the lock held. */
static int start(task *t, char *command)
{
    const char *bash = find_program("bash");
    char *const arguments[] = {(char *)(bash ? bash : "/bin/sh"), "-c", command, NULL};
    int out[2], error[2], failure;

    if (!make_pipe(out))
        return errno;
    if (!make_pipe(error)) {
        failure = errno;
        close(out[0]);
        close(out[1]);
        return failure;
    }
    failure = spawn(&(spawn_spec){.arguments = arguments, .output = out[1], .error = error[1], .control = -1}, &t->pid);
    close(out[1]);
    close(error[1]);
    t->output[0].fd = out[0];
    t->output[1].fd = error[0];
    t->pidfd = failure ? -1 : open_pidfd(t->pid);
    if (!failure && t->pidfd >= 0)
        return 0;
    if (!failure)
        signal_group(t->pid, SIGKILL);
    close(out[0]);
    close(error[0]);
    return failure ? failure : EMFILE;
}

static int watch(task *t)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int failure;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    failure = pthread_create(&thread, &attributes, task_main, t);
    pthread_attr_destroy(&attributes);
    if (failure) {
        signal_group(t->pid, SIGKILL);
        await_child(t->pid, t->pidfd, REAP_MS, &t->code);
        for (int i = 0; i < 2; i++)
            close(t->output[i].fd);
        close(t->pidfd);
    }
    return failure;
}

/* ---- what is said ---- */

static void send_task(const call *c, const task *t)
{
    unsigned char fixed[CODE_END_BYTES];
    int64_t until_us = t->ended_us ? t->ended_us : now_us();
    const code_end end = {
        .outcome = (uint8_t)t->status, .exit_code = t->code, .duration_us = (uint64_t)(until_us - t->begun_us)};
    char number[16];
    int length = snprintf(number, sizeof number, "%u", t->number);

    code_put_end(fixed, &end);
    frame_send(c->fd, CODE_TASK, fixed, sizeof fixed, number, (size_t)length);
}

static void send_output(const call *c, code_frame kind, const char *data, size_t bytes)
{
    if (bytes > c->request.output_bytes) {
        data += bytes - c->request.output_bytes;
        bytes = c->request.output_bytes;
    }
    for (size_t at = 0; at < bytes; at += CODE_FRAME_BYTES_MAX) {
        size_t piece = bytes - at < CODE_FRAME_BYTES_MAX ? bytes - at : CODE_FRAME_BYTES_MAX;

        if (!frame_send(c->fd, kind, data + at, piece, NULL, 0))
            return;
    }
}

void tool_task_start(call *c)
{
    task *t;
    int failure = EAGAIN;

    if (!c->text)
        return;
    pthread_mutex_lock(&lock);
    t = find_place();
    if (t) {
        t->begun_us = now_us();
        t->status = TASK_WORKING;
        t->number = ++last_number;
        failure = start(t, c->text);
        if (!failure)
            failure = watch(t);
        if (failure)
            forget(t);
    }
    if (!failure) {
        const task told = {.number = t->number, .status = TASK_SUBMITTED, .begun_us = t->begun_us};

        send_task(c, &told);
    }
    pthread_mutex_unlock(&lock);
    if (failure)
        call_end(c, OUTCOME_REFUSED, 1, "The command cannot be started: %s",
                 t ? strerror(failure) : "too many commands run already");
    else
        call_end(c, OUTCOME_DONE, 0, "%s", "");
}

/* With the lock held. */
static task *find(const call *c)
{
    unsigned long number = c->text ? strtoul(c->text, NULL, 10) : 0;

    for (size_t i = 0; i < TASKS_MAX; i++)
        if (number && tasks[i].number == number)
            return &tasks[i];
    return NULL;
}

static void tell(call *c, bool stop)
{
    char *copies[2] = {NULL, NULL};
    size_t lengths[2] = {0, 0};
    task now = {0}, *t;

    pthread_mutex_lock(&lock);
    t = find(c);
    if (t && stop && t->pid) {
        t->stop = true;
        t->status = TASK_CANCELED;
        signal_group(t->pid, SIGKILL);
    }
    for (int i = 0; t && i < 2; i++) {
        size_t most =
            t->output[i].length < CODE_TASK_OUTPUT_BYTES_MAX ? t->output[i].length : CODE_TASK_OUTPUT_BYTES_MAX;

        copies[i] = malloc(most + 1);
        if (copies[i] && t->output[i].data) {
            memcpy(copies[i], t->output[i].data + t->output[i].length - most, most);
            lengths[i] = most;
        }
    }
    if (t) /* not its descriptors: those are its thread's alone */
        now = (task){.number = t->number,
                     .status = t->status,
                     .code = t->code,
                     .begun_us = t->begun_us,
                     .ended_us = t->ended_us};
    pthread_mutex_unlock(&lock);
    if (!t) {
        call_end(c, OUTCOME_REFUSED, 1, "There is no task %.64s", c->text ? c->text : "");
    } else {
        send_task(c, &now);
        send_output(c, CODE_STDOUT, copies[0], lengths[0]);
        send_output(c, CODE_STDERR, copies[1], lengths[1]);
        call_end(c, OUTCOME_DONE, now.code, "%s", "");
    }
    free(copies[0]);
    free(copies[1]);
}

void tool_task_get(call *c)
{
    tell(c, false);
}

void tool_task_stop(call *c)
{
    tell(c, true);
}
