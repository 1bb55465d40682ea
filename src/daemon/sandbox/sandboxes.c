/* sandboxes.c - the spawner's other end, and the start of a sandbox.
 *
 * The calling thread prepares everything (what bwrap and agentcore-init are to do, in files in memory; two sockets) and
 * sends it to the spawner in one message.  Then it waits for agentcore-init's first answer, on its own socket: starts
 * do not wait for each other.  When bwrap fails instead, that socket ends, and the reason is in the file that was its
 * standard error. */
#include "base/clock.h"
#include "daemon/sandbox/sandbox_internal.h"
#include "daemon/sandbox/seccomp.h"
#include "daemon/sandbox/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CLOSE_MS 10000 /* for the spawner to kill what there is */
#define GONE_MS 5000
#define REASON_BYTES 400
#define PERMISSION_REMEDY "; every directory above must let others through (chmod o+x)"

/* ---- opening and closing ---- */

static char *copy_or_null(const char *text)
{
    return text ? strdup(text) : NULL;
}

static void init_turns(sandboxes *all)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_condattr_t clock;

    all->starts_max = MAX(SANDBOX_STARTS_MIN, processors > 0 ? 2 * (unsigned)processors : 0);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&all->turn, &clock);
    pthread_condattr_destroy(&clock);
}

ac_status sandboxes_open(const sandboxes_options *options, sandboxes **ret_all, ac_error *err)
{
    const spawner_options spawner = {
        .bwrap = options->bwrap ? options->bwrap : SANDBOX_BWRAP,
        .slirp = options->slirp ? options->slirp : SANDBOX_SLIRP,
        .reach = options->reach,
        .uid_base = options->uid_base ? options->uid_base : SANDBOX_UID_BASE,
        .sandboxes_max = options->sandboxes_max ? options->sandboxes_max : SANDBOXES_MAX_DEFAULT,
    };
    sandboxes *all = calloc(1, sizeof *all);
    spawn_hello hello;
    ac_status status;

    if (!all)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    all->init_path = copy_or_null(options->init);
    if (options->init && !all->init_path) {
        free(all);
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    }
    all->sandboxes_max = spawner.sandboxes_max;
    all->start_ms = options->start_ms ? options->start_ms : SANDBOX_START_MS;
    all->init = -1;
    status = spawner_start(&spawner, &all->spawner, &all->keeper, &hello, err);
    if (status != AC_OK) {
        free(all->init_path);
        free(all);
        return status;
    }
    all->controllers = hello.controllers;
    pthread_mutex_init(&all->lock, NULL);
    init_turns(all);
    *ret_all = all;
    return AC_OK;
}

/* It ends by itself when its socket has; one that has not in time is killed. */
static void await_keeper(pid_t keeper)
{
    uint64_t end_ms = clock_monotonic_ms() + CLOSE_MS;
    int handle = (int)syscall(SYS_pidfd_open, keeper, 0);
    struct pollfd ended = {.fd = handle, .events = POLLIN};

    while (handle >= 0 && poll(&ended, 1, CLOSE_MS) < 0 && errno == EINTR && clock_monotonic_ms() < end_ms)
        ;
    if (handle < 0 || !(ended.revents & POLLIN))
        kill(keeper, SIGKILL);
    while (waitpid(keeper, NULL, 0) < 0 && errno == EINTR)
        ;
    if (handle >= 0)
        close(handle);
}

void sandboxes_close(sandboxes *all)
{
    close(all->spawner);
    await_keeper(all->keeper);
    if (all->init >= 0)
        close(all->init);
    pthread_mutex_destroy(&all->lock);
    pthread_cond_destroy(&all->turn);
    free(all->init_path);
    free(all);
}

unsigned sandboxes_count(const sandboxes *all)
{
    return atomic_load(&all->count);
}

/* ---- starting ---- */

/* What goes with a request: closed here when it is sent, or was not. */
typedef struct parcel {
    int fds[PROTOCOL_FDS_MAX];
    size_t count;
    int errors; /* bwrap's standard error, kept */
} parcel;

static void parcel_done(parcel *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->fds[i] >= 0)
            close(p->fds[i]);
    if (p->errors >= 0)
        close(p->errors);
}

static void set(parcel *p, int which, int fd)
{
    p->fds[which - BOX_FD_ERRORS] = fd;
}

static ac_status copy_fd(int fd, int *ret_fd, ac_error *err)
{
    *ret_fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : open("/dev/null", O_WRONLY | O_CLOEXEC);
    return *ret_fd >= 0 ? AC_OK : ac_error_set(err, AC_ERR_IO, "cannot open a descriptor: %s", strerror(errno));
}

static ac_status make_sockets(sandbox *box, parcel *p, ac_error *err)
{
    int ask[2], events[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ask) != 0)
        return ac_error_set(err, AC_ERR_IO, "cannot make sockets: %s", strerror(errno));
    box->ask = ask[0];
    set(p, BOX_FD_ASK, ask[1]);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, events) != 0)
        return ac_error_set(err, AC_ERR_IO, "cannot make sockets: %s", strerror(errno));
    box->events = events[0];
    set(p, BOX_FD_EVENTS, events[1]);
    return AC_OK;
}

/* NOLINTNEXTLINE(readability-function-size): one step after the other */
static ac_status fill_parcel(sandbox *box, const sandbox_spec *spec, arena *memory, parcel *p, ac_error *err)
{
    int data[SANDBOX_DATA_MAX], fd;
    size_t data_count = 0;
    ac_status status;

    AC_TRY(sandbox_init_program(box->all, &fd, err));
    AC_TRY(copy_fd(fd, &fd, err));
    set(p, BOX_FD_INIT, fd);
    AC_TRY(make_sockets(box, p, err));
    AC_TRY(sandbox_file("errors", NULL, 0, &p->errors, err));
    AC_TRY(copy_fd(p->errors, &fd, err));
    set(p, BOX_FD_ERRORS, fd);
    AC_TRY(copy_fd(-1, &fd, err));
    set(p, BOX_FD_LINE, fd);
    AC_TRY(copy_fd(-1, &fd, err));
    set(p, BOX_FD_RESOLVER, fd);
    if (spec->network == SANDBOX_NETWORK_PUBLIC)
        sandbox_resolver(fd);
    AC_TRY(copy_fd(spec->output_fd, &fd, err));
    set(p, BOX_FD_OUTPUT, fd);
    AC_TRY(seccomp_program(&fd, err));
    set(p, BOX_FD_SECCOMP, fd);
    AC_TRY(sandbox_pack(spec, !(box->all->controllers & CGROUP_MEMORY), &fd, err));
    set(p, BOX_FD_CONFIG, fd);
    status = sandbox_args(spec, memory, &fd, data, &data_count, err);
    if (status == AC_OK)
        set(p, BOX_FD_ARGS, fd);
    for (size_t i = 0; i < data_count; i++)
        p->fds[p->count++] = data[i];
    return status;
}

/* The spawner takes requests at once; its socket is full only when many start. */
static ac_status send_request(sandboxes *all, const spawn_request *request, const parcel *p, ac_error *err)
{
    uint64_t end_ms = clock_monotonic_ms() + all->start_ms;

    while (protocol_send(all->spawner, request, sizeof *request, p ? p->fds : NULL, p ? p->count : 0) < 0) {
        struct pollfd writable = {.fd = all->spawner, .events = POLLOUT};

        if (errno != EAGAIN && errno != EINTR && errno != ETOOMANYREFS)
            return ac_error_set(err, AC_ERR_IO, "the process that makes sandboxes is gone (%s)", strerror(errno));
        if (clock_monotonic_ms() >= end_ms)
            return ac_error_set(err, AC_ERR_TIMEOUT, "the process that makes sandboxes does not answer");
        poll(&writable, 1, errno == ETOOMANYREFS ? 1 : 100);
    }
    return AC_OK;
}

void sandbox_kill(sandbox *box)
{
    const spawn_request request = {.kind = SPAWN_KILL, .id = box->id};

    if (send_request(box->all, &request, NULL, NULL) != AC_OK)
        return; /* the spawner is gone, and with it the sandbox */
}

/* ---- what went wrong ---- */

/* What bwrap has said, as one line. */
static void read_reason(int fd, char reason[REASON_BYTES])
{
    ssize_t got = pread(fd, reason, REASON_BYTES - 1, 0);

    reason[got > 0 ? got : 0] = '\0';
    reason[strcspn(reason, "\n")] = '\0';
}

static ac_status explain(const sandbox *box, const parcel *p, const box_event *failed, ac_error *err)
{
    char reason[REASON_BYTES];

    if (failed->kind == EVENT_FAILED)
        return ac_error_set(err, (ac_status)failed->status, "%.*s", (int)sizeof failed->text, failed->text);
    read_reason(p->errors, reason);
    if (strstr(reason, "Can't find source path") || strstr(reason, "Can't create file at") ||
        strstr(reason, "Can't mkdir"))
        return ac_error_set(err, AC_ERR_INVALID,
                            "the sandbox cannot be put together, seen with the rights of its user: %s%s", reason,
                            strstr(reason, "Permission denied") ? PERMISSION_REMEDY : "");
    if (*reason)
        return ac_error_set(
            err, AC_ERR_UNSUPPORTED,
            "this machine lets bubblewrap make no sandbox (`agentcored check` says what is missing): %s", reason);
    if (box->out_of_memory) /* by its program even, when init did not get to say that it runs */
        return ac_error_set(err, AC_ERR_IO, "the sandbox used up its memory at once; its limit may be too low");
    return ac_error_set(err, AC_ERR_IO, "the sandbox ended before its program ran; its limits may be too low");
}

/* The first answer, or the reason why there is none. */
static ac_status await_start(sandbox *box, const sandbox_spec *spec, const parcel *p, ac_error *err)
{
    box_event failed = {0};
    ask_reply reply;
    ac_status status = sandbox_await_reply(box, 0, box->all->start_ms, &reply, NULL, err);

    if (status == AC_OK)
        status = sandbox_reply_error(&reply, spec->argv[0], spec->directory, err);
    else if (status == AC_ERR_TIMEOUT)
        ac_error_set(err, status, "the sandbox has not started within %u ms", box->all->start_ms);
    if (status == AC_OK)
        return AC_OK;
    sandbox_kill(box);
    sandbox_await_gone(box, GONE_MS, &failed);
    return status == AC_ERR_CLOSED ? explain(box, p, &failed, err) : status;
}

static ac_status start(sandbox *box, const sandbox_spec *spec, arena *memory, ac_error *err)
{
    _cleanup_(parcel_done) parcel p = {.count = SPAWN_FIXED_FDS, .errors = -1};
    spawn_request request = {
        .kind = SPAWN_START,
        .id = box->id,
        .memory_bytes = spec->limits.memory_bytes,
        .processes = spec->limits.processes,
        .cpu_percent = spec->limits.cpu_percent,
        .network = spec->network,
    };

    for (size_t i = 0; i < PROTOCOL_FDS_MAX; i++)
        p.fds[i] = -1;
    AC_TRY(fill_parcel(box, spec, memory, &p, err));
    request.data_count = (uint32_t)(p.count - SPAWN_FIXED_FDS);
    AC_TRY(send_request(box->all, &request, &p, err));
    /* So that the sockets end with the sandbox. */
    for (size_t i = 0; i < p.count; i++)
        close(p.fds[i]);
    p.count = 0;
    return await_start(box, spec, &p, err);
}

static ac_status take_place(sandboxes *all, ac_error *err)
{
    if (atomic_fetch_add(&all->count, 1) < all->sandboxes_max)
        return AC_OK;
    atomic_fetch_sub(&all->count, 1);
    return ac_error_set(err, AC_ERR_QUOTA, "there are %u sandboxes, as many as there may be", all->sandboxes_max);
}

static ac_status start_checked(sandboxes *all, const sandbox_spec *spec, arena *memory, sandbox **ret_box,
                               ac_error *err)
{
    sandbox *box;
    ac_status status;

    AC_TRY(take_place(all, err));
    box = calloc(1, sizeof *box);
    if (!box) {
        atomic_fetch_sub(&all->count, 1);
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    }
    *box = (sandbox){.all = all, .ask = -1, .events = -1, .id = atomic_fetch_add(&all->last_id, 1) + 1};
    pthread_mutex_init(&box->asking, NULL);
    status = start(box, spec, memory, err);
    if (status == AC_OK) {
        *ret_box = box;
        return AC_OK;
    }
    box->over = true; /* gone, or never begun */
    sandbox_free(box);
    return status;
}

/* ---- turns ---- */

static ac_status take_turn(sandboxes *all, ac_error *err)
{
    uint64_t due_ms = clock_monotonic_ms() + SANDBOX_TURN_MS;
    struct timespec until = {.tv_sec = (time_t)(due_ms / 1000), .tv_nsec = (long)(due_ms % 1000) * 1000000L};
    bool mine;

    pthread_mutex_lock(&all->lock);
    while (all->starting >= all->starts_max && pthread_cond_timedwait(&all->turn, &all->lock, &until) == 0)
        continue;
    mine = all->starting < all->starts_max;
    all->starting += mine;
    pthread_mutex_unlock(&all->lock);
    return mine ? AC_OK : ac_error_set(err, AC_ERR_TIMEOUT, "too many sandboxes are being started");
}

static void end_turn(sandboxes *all)
{
    pthread_mutex_lock(&all->lock);
    all->starting--;
    pthread_cond_signal(&all->turn);
    pthread_mutex_unlock(&all->lock);
}

ac_status sandbox_start(sandboxes *all, const sandbox_spec *spec, sandbox **ret_box, ac_error *err)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    sandbox_spec checked;
    ac_status status;

    AC_TRY(sandbox_check(spec, &memory, &checked, err));
    AC_TRY(take_turn(all, err));
    status = start_checked(all, &checked, &memory, ret_box, err);
    end_turn(all);
    return status;
}
