/* run.c - a command's pipes and its end, waited for together.
 *
 * The end is told on another thread (session_exec), through an eventfd.  The command's own descriptors are closed here
 * once it has them, so that the pipes end when the last process that holds them does; what a background process keeps
 * open is left after a moment. */
#include "daemon/sessions/run.h"

#include "base/clock.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define READ_BYTES 65536
#define CHARACTER_BYTES_MAX 4
#define LEFT_OPEN_MS 100                 /* for the pipes' end when the command has ended */
#define PIPE_BYTES_MAX ((size_t)1 << 20) /* that a pipe may be made to hold */
#define KILL_WAIT_MS 5000
#define WANTED_MS 1000 /* between two looks whether it still is */

enum { STREAMS = 2 };

typedef struct stream {
    int fd; /* -1: at its end */
    char held[CHARACTER_BYTES_MAX];
    size_t held_length; /* bytes of a character whose rest is to come */
} stream;

/* Shared with the thread that tells of the end. */
typedef struct ending {
    atomic_uint refs;
    int fd; /* readable when the command has ended */
    sandbox_event event;
} ending;

typedef struct running {
    const run_command *command;
    stream streams[STREAMS];
    ending *ending;
    char buffer[READ_BYTES + CHARACTER_BYTES_MAX];
} running;

static void ending_drop(ending *e)
{
    if (atomic_fetch_sub(&e->refs, 1) == 1) {
        close(e->fd);
        free(e);
    }
}

static ending *ending_new(void)
{
    ending *e = calloc(1, sizeof *e);

    if (!e)
        return NULL;
    e->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (e->fd < 0) {
        free(e);
        return NULL;
    }
    atomic_init(&e->refs, 2);
    return e;
}

static void on_end(void *user, const sandbox_event *event)
{
    ending *e = user;
    uint64_t one = 1;

    e->event = *event;
    if (write(e->fd, &one, sizeof one) < 0)
        e->event.code = event->code; /* cannot be: the counter was zero */
    ending_drop(e);
}

static void running_free(running *r)
{
    for (size_t i = 0; i < STREAMS; i++)
        if (r->streams[i].fd >= 0)
            close(r->streams[i].fd);
    if (r->ending)
        ending_drop(r->ending);
    free(r);
}
DEFINE_CLEANUP(running *, running_free)

/* ---- output ---- */

static ac_status deliver(const running *r, size_t which, const char *text, size_t length, ac_error *err)
{
    _cleanup_(buf_done) buf clean = BUF_INIT((READ_BYTES + CHARACTER_BYTES_MAX) * 3);

    if (length == 0)
        return AC_OK;
    if (utf8_valid(text, length))
        return r->command->on_output(r->command->user, (run_stream)which, text, length, err);
    if (utf8_append_clean(&clean, text, length) != AC_OK)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    return r->command->on_output(r->command->user, (run_stream)which, clean.data, clean.length, err);
}

/* *ret_length: bytes that there were. */
static ac_status read_stream(running *r, size_t which, size_t *ret_length, ac_error *err)
{
    stream *s = &r->streams[which];
    ssize_t got;
    size_t length, rest;

    *ret_length = 0;
    memcpy(r->buffer, s->held, s->held_length);
    got = read(s->fd, r->buffer + s->held_length, READ_BYTES);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? AC_OK : ac_error_set(err, AC_ERR_IO, "read: %s", strerror(errno));
    *ret_length = (size_t)got;
    length = s->held_length + (size_t)got;
    rest = got > 0 ? utf8_unfinished(r->buffer, length) : 0;
    s->held_length = rest;
    memcpy(s->held, r->buffer + length - rest, rest);
    if (got == 0) {
        close(s->fd);
        s->fd = -1;
    }
    return deliver(r, which, r->buffer, length - rest, err);
}

/* What is in the pipes, and no more than they hold: something in the background may write on. */
static ac_status drain(running *r, ac_error *err)
{
    for (size_t i = 0; i < STREAMS; i++) {
        size_t total = 0, length = 1;

        while (r->streams[i].fd >= 0 && length > 0 && total < PIPE_BYTES_MAX) {
            AC_TRY(read_stream(r, i, &length, err));
            total += length;
        }
    }
    return AC_OK;
}

/* ---- waiting ---- */

/* Output until the command has ended and said all, or until due_ms.  *ret_ended: whether it has.  However late this
 * gets to look (the output may go to a client that takes its time), what has happened until then is seen. */
static ac_status follow(running *r, uint64_t due_ms, bool *ret_ended, ac_error *err)
{
    bool ended = false;

    for (;;) {
        struct pollfd polled[STREAMS + 1] = {
            {.fd = r->streams[0].fd, .events = POLLIN},
            {.fd = r->streams[1].fd, .events = POLLIN},
            {.fd = ended ? -1 : r->ending->fd, .events = POLLIN},
        };
        uint64_t now = clock_monotonic_ms(), left_ms = now < due_ms ? due_ms - now : 0;
        size_t length;

        if (poll(polled, STREAMS + 1, (int)MIN(left_ms, (uint64_t)WANTED_MS)) < 0 && errno != EINTR)
            return ac_error_set(err, AC_ERR_IO, "poll: %s", strerror(errno));
        if (r->command->is_wanted && !r->command->is_wanted(r->command->user))
            return ac_error_set(err, AC_ERR_CLOSED, "nobody waits for the command any more");
        for (size_t i = 0; i < STREAMS; i++)
            if (polled[i].revents)
                AC_TRY(read_stream(r, i, &length, err));
        if (polled[STREAMS].revents && !ended) {
            uint64_t count;

            ended = read(r->ending->fd, &count, sizeof count) == (ssize_t)sizeof count;
            due_ms = MIN(due_ms, clock_monotonic_ms() + LEFT_OPEN_MS);
        }
        *ret_ended = ended;
        if (ended && r->streams[0].fd < 0 && r->streams[1].fd < 0)
            return AC_OK;
        if (left_ms == 0)
            return ended ? drain(r, err) : AC_OK;
    }
}

static void judge(const running *r, run_result *ret_result)
{
    const sandbox_event *event = &r->ending->event;

    ret_result->exit_code = event->end == SANDBOX_EXITED      ? event->code
                            : event->end == SANDBOX_SIGNALLED ? 128 + event->code
                                                              : 128 + SIGKILL;
}

static ac_status watch(session *s, running *r, uint32_t id, run_result *ret_result, ac_error *err)
{
    uint64_t begun = clock_monotonic_ms();
    bool ended = false;
    ac_status status = follow(r, begun + r->command->timeout_ms, &ended, err);

    if (status != AC_OK || !ended) {
        bool over = false;

        session_signal(s, id, SIGKILL);
        ret_result->timed_out = status == AC_OK;
        if (status == AC_OK)
            status = follow(r, clock_monotonic_ms() + KILL_WAIT_MS, &over, err);
    }
    ret_result->duration_ms = clock_monotonic_ms() - begun;
    if (ret_result->timed_out)
        ret_result->exit_code = -1;
    else if (ended)
        judge(r, ret_result);
    if (status == AC_OK && ended && r->ending->event.kind == SANDBOX_ENDED)
        return ac_error_set(err, AC_ERR_CLOSED, "the session ended while the command ran");
    return status;
}

/* ---- starting ---- */

static ac_status open_pipes(running *r, int ret_ends[STREAMS], ac_error *err)
{
    for (size_t i = 0; i < STREAMS; i++) {
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) != 0)
            return ac_error_set(err, AC_ERR_IO, "pipe: %s", strerror(errno));
        r->streams[i].fd = ends[0];
        ret_ends[i] = ends[1];
        if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0)
            return ac_error_set(err, AC_ERR_IO, "fcntl: %s", strerror(errno));
    }
    return AC_OK;
}

ac_status session_run(session *s, const run_command *command, run_result *ret_result, ac_error *err)
{
    _cleanup_(running_freep) running *r = calloc(1, sizeof *r);
    int ends[STREAMS] = {-1, -1};
    uint32_t id = 0;
    ac_status status;

    *ret_result = (run_result){0};
    if (!r)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    r->command = command;
    r->streams[0].fd = r->streams[1].fd = -1;
    r->ending = ending_new();
    status = r->ending ? open_pipes(r, ends, err) : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    if (status == AC_OK) {
        const sandbox_command inside = {
            .argv = command->argv,
            .environment = command->environment,
            .directory = command->directory,
            .input_fd = -1,
            .output_fd = ends[0],
            .error_fd = ends[1],
        };

        status = session_exec(s, &inside, on_end, r->ending, &id, err);
        ret_result->started = status == AC_OK;
        if (status != AC_OK)
            ending_drop(r->ending); /* nobody will tell of its end */
    } else if (r->ending) {
        ending_drop(r->ending);
    }
    for (size_t i = 0; i < STREAMS; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    return status == AC_OK ? watch(s, r, id, ret_result, err) : status; /* NOLINT(clang-analyzer-unix.Malloc): see r */
}
