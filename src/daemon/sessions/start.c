/* start.c - from a recipe to a sandbox that answers.
 *
 * On the thread that asks.  The keeper watches the sandbox from its first moment, so that what the program writes has
 * somewhere to go and its death is known at once.  Readiness is tried often at first: an agent in C answers after few
 * milliseconds, and every pause is added to the first request.  A refused connection costs a system call; the health
 * path is asked only over a connection that stands. */
#include "daemon/sessions/internal.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_FIRST_US 500
#define PAUSE_MAX_US 20000
#define CONNECT_MS 1000

/* ---- the sandbox ---- */

static ac_status open_output(session *s, int *ret_write_fd, ac_error *err)
{
    int ends[2];

    s->log = session_log_new(s->all->logs, s->recipe->plan.log_name, s->warm ? SESSION_LOG_NO_SESSION : s->id);
    if (!s->log)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    if (pipe2(ends, O_CLOEXEC) != 0)
        return ac_error_set(err, AC_ERR_IO, "no pipe can be made: %s", strerror(errno));
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) { /* the program's end blocks as programs expect */
        close(ends[0]);
        close(ends[1]);
        return ac_error_set(err, AC_ERR_IO, "the pipe cannot be set up: %s", strerror(errno));
    }
    s->output_fd = ends[0];
    *ret_write_fd = ends[1];
    return AC_OK;
}

static ac_status start_sandbox(session *s, sandbox **ret_box, ac_error *err)
{
    sandbox_spec spec = s->recipe->plan.sandbox;
    int write_fd = -1;

    AC_TRY(open_output(s, &write_fd, err));
    spec.output_fd = write_fd;
    ac_status status = sandbox_start(s->all->options.sandboxes, &spec, ret_box, err);
    close(write_fd);
    if (status != AC_OK) {
        close(s->output_fd);
        s->output_fd = -1;
    }
    return status;
}

/* From here on the keeper has it, until keeper_end. */
static void hand_to_keeper(session *s, sandbox *box)
{
    sessions *all = s->all;

    session_log_note(s->log, "session started");
    s->watch_task.run = session_watch;
    session_ref(s);
    pthread_mutex_lock(&all->lock);
    s->box = box;
    s->start_due_ms = clock_monotonic_ms() + s->recipe->plan.start_ms;
    if (s->state == SESSION_STOPPING) {
        s->end_due_ms = clock_monotonic_ms() + SESSION_END_LATE_MS;
        sandbox_stop(box, 0);
    }
    all->unreaped++;
    http_loop_post(&all->loop, &s->watch_task); /* before anybody who sees the box can kick it */
    pthread_mutex_unlock(&all->lock);
}

/* ---- readiness ---- */

/* Whether its port takes a connection; *fd is that connection then, else a socket to try again with or -1. */
static bool try_connect(session *s, int *fd)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(s->recipe->plan.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct pollfd writable;
    socklen_t size = sizeof(int);
    int error = 0;

    if (*fd < 0 && session_enter(s)) {
        if (sandbox_socket(s->box, fd, NULL) != AC_OK)
            *fd = -1;
        session_leave(s);
    }
    if (*fd < 0)
        return false;
    if (connect(*fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return true;
    if (errno == ECONNREFUSED) /* on Linux the same socket may try again */
        return false;
    writable = (struct pollfd){.fd = *fd, .events = POLLOUT};
    if (errno == EINPROGRESS && poll(&writable, 1, CONNECT_MS) == 1 &&
        getsockopt(*fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0)
        return true;
    close(*fd);
    *fd = -1;
    return false;
}

/* With the lock held. */
static void set_ready(session *s)
{
    s->state = SESSION_READY;
    s->was_ready = true;
    s->was_had = !s->warm;
    s->in_use = s->warm ? 0 : 1;
    s->used_ms = clock_monotonic_ms();
    s->all->started++;
    pthread_cond_broadcast(&s->changed);
    session_kick(s);
}

/* Ask the health path over a connection, and wait for the answer.  With the lock held. */
static bool is_healthy(session *s, int fd)
{
    s->looked = false;
    session_look_first(s, fd);
    while (s->state == SESSION_STARTING && !s->looked && session_wait(s, s->start_due_ms))
        continue;
    return s->looked && s->look_status == 200;
}

/* Sleep, but not past its death or the deadline.  With the lock held. */
static void pause_for(session *s, unsigned pause_us)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)pause_us * 1000;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    while (s->state == SESSION_STARTING && pthread_cond_timedwait(&s->changed, &s->all->lock, &until) == 0)
        continue;
}

/* With the lock held. */
static void give_up(session *s)
{
    const session_plan *plan = &s->recipe->plan;

    s->failure.status = AC_ERR_TIMEOUT;
    if (s->look_status)
        session_end(s, 0, true, "%s was not ready within %u s: GET %s was answered with status %d", session_noun(s),
                    (plan->start_ms + 999) / 1000, plan->health_path, s->look_status);
    else
        session_end(s, 0, true, "%s was not ready within %u s: it did not answer on port %u", session_noun(s),
                    (plan->start_ms + 999) / 1000, (unsigned)plan->port);
}

static int take_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

/* Until it is not starting any more. */
static void wait_ready(session *s)
{
    const session_plan *plan = &s->recipe->plan;
    unsigned pause_us = PAUSE_FIRST_US;
    int fd = -1;

    pthread_mutex_lock(&s->all->lock);
    while (s->state == SESSION_STARTING) {
        bool connected = false;

        if (plan->port) {
            pthread_mutex_unlock(&s->all->lock);
            connected = try_connect(s, &fd);
            pthread_mutex_lock(&s->all->lock);
        }
        if (s->state != SESSION_STARTING)
            break;
        if (connected && plan->health_path)
            connected = is_healthy(s, take_fd(&fd));
        if (s->state == SESSION_STARTING && (connected || !plan->port)) {
            set_ready(s);
            break;
        }
        if (clock_monotonic_ms() >= s->start_due_ms) {
            give_up(s);
            break;
        }
        pause_for(s, pause_us);
        pause_us = MIN(pause_us + pause_us / 2, PAUSE_MAX_US);
    }
    pthread_mutex_unlock(&s->all->lock);
    if (fd >= 0)
        close(fd);
}

/* It has failed after the keeper had it: what the keeper says about its end.  With the lock held. */
static ac_status learn_failure(session *s, ac_error *err)
{
    uint64_t until_ms = clock_monotonic_ms() + SESSION_END_LATE_MS + SESSION_STOP_GRACE_MS_DEFAULT;

    while (s->state != SESSION_OVER && session_wait(s, until_ms))
        continue;
    if (s->state != SESSION_OVER)
        return ac_error_set(err, AC_ERR_TIMEOUT, "%s was not ready in time", session_noun(s));
    *err = s->failure;
    return s->failure.status;
}

ac_status session_start(session *s, ac_error *err)
{
    sandbox *box = NULL;
    ac_status status = start_sandbox(s, &box, err);

    if (status != AC_OK) {
        pthread_mutex_lock(&s->all->lock);
        session_fail(s, err);
        pthread_mutex_unlock(&s->all->lock);
        session_unclaim(s);
        return status;
    }
    hand_to_keeper(s, box);
    wait_ready(s);
    pthread_mutex_lock(&s->all->lock);
    /* A session that was ready for a moment and is not now is the caller's all the same: he will meet its end. */
    status = s->was_ready ? AC_OK : learn_failure(s, err);
    pthread_mutex_unlock(&s->all->lock);
    return status;
}
