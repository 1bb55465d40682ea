/* connect.c - sockets of a session's network, and connections to its port that are kept for the next request.
 *
 * A connection belongs to the loop that it was made on.  Each loop keeps, for each session, a short stack of idle ones
 * (the last one used is the first one taken) for IDLE_MS: servers close theirs after five seconds or more, and a
 * request that meets such a close would have to be sent again.
 *
 * Who closes what is kept: on its loop, the one who takes it and finds it unusable, the deadline, or a task that the
 * keeper posts when a session is over.  At the end, when no such loop runs any more, session_loops_done does.  A loop
 * is known here, by its place in sessions.loops, from its first session_connect until then.
 *
 * Getting a socket is a round trip to a process that shares the sandbox's CPU limit.  A loop must not wait for that, so
 * session_acquire, on its worker, puts a spare one aside when it will be needed. */
#include "daemon/sessions/internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#define IDLE_MS 2000
#define KEPT_MAX 32 /* of a session on a loop */
#define CONNECT_MS 5000

typedef struct session_kept {
    struct session_kept *below;           /* in the session's stack */
    struct session_kept *next, *previous; /* of the loop's */
    http_upstream *upstream;
    session *owner; /* referenced */
    session_loop *home;
    deadline idle;
} session_kept;

/* ---- sockets ---- */

static int take_spare(session *s)
{
    int fd = -1;

    pthread_mutex_lock(&s->all->lock);
    if (s->spare_count > 0 && s->state != SESSION_OVER)
        fd = s->spares[--s->spare_count];
    pthread_mutex_unlock(&s->all->lock);
    return fd;
}

static ac_status say_over(session *s, ac_error *err)
{
    char reason[SESSION_REASON_SIZE];

    session_over_reason(s, 0, reason);
    return ac_error_set(err, AC_ERR_CLOSED, "%s", reason);
}

static ac_status new_socket(session *s, int *ret_fd, ac_error *err)
{
    if (!session_enter(s))
        return say_over(s, err);
    ac_status status = sandbox_socket(s->box, ret_fd, err);
    session_leave(s);
    return status;
}

ac_status session_socket(session *s, int *ret_fd, ac_error *err)
{
    *ret_fd = take_spare(s);
    return *ret_fd >= 0 ? AC_OK : new_socket(s, ret_fd, err);
}

void session_prepare_socket(session *s)
{
    int fd = -1;

    if (!s->recipe->plan.port)
        return;
    pthread_mutex_lock(&s->all->lock);
    unsigned ready = s->spare_count + atomic_load_explicit(&s->kept_count, memory_order_relaxed);
    bool wanted = ready < s->in_use && s->spare_count < SESSION_SPARES_MAX;
    pthread_mutex_unlock(&s->all->lock);
    if (!wanted || new_socket(s, &fd, NULL) != AC_OK)
        return;
    pthread_mutex_lock(&s->all->lock);
    if (s->spare_count < SESSION_SPARES_MAX && s->state != SESSION_OVER) {
        s->spares[s->spare_count++] = fd;
        fd = -1;
    }
    pthread_mutex_unlock(&s->all->lock);
    if (fd >= 0)
        close(fd);
}

/* ---- what is kept ---- */

/* Take one off its stack and lists.  It need not be the top one. */
static http_upstream *unkeep(session_kept *kept)
{
    session *s = kept->owner;
    session_loop *home = kept->home;
    http_upstream *u = kept->upstream;

    deadline_disarm(home->loop, &kept->idle);
    for (session_kept **link = &s->kept[home->index]; *link; link = &(*link)->below) {
        if (*link == kept) {
            *link = kept->below;
            break;
        }
    }
    s->kept_height[home->index]--;
    if (kept->next)
        kept->next->previous = kept->previous;
    *(kept->previous ? &kept->previous->next : &home->kept) = kept->next;
    atomic_fetch_sub_explicit(&s->kept_count, 1, memory_order_relaxed);
    session_unref(s);
    free(kept);
    return u;
}

static void on_idle(deadline *d)
{
    http_upstream_close(unkeep(CONTAINER_OF(d, session_kept, idle)));
}

static void close_over(session_loop *home, bool all)
{
    session_kept *next;

    for (session_kept *kept = home->kept; kept; kept = next) {
        next = kept->next;
        if (all || atomic_load(&kept->owner->over))
            http_upstream_close(unkeep(kept));
    }
}

static void run_close(loop_task *task)
{
    session_loop *home = CONTAINER_OF(task, session_loop, task);

    atomic_store(&home->posted, false);
    close_over(home, false);
}

/* ---- loops ---- */

static session_loop *find_loop(sessions *all, const http_loop *loop)
{
    unsigned count = atomic_load_explicit(&all->loop_count, memory_order_acquire);

    for (unsigned i = 0; i < count; i++) {
        if (all->loops[i]->loop == loop)
            return all->loops[i];
    }
    return NULL;
}

/* NULL: out of memory, or more loops than there are places: nothing is kept then. */
static session_loop *get_loop(sessions *all, http_loop *loop)
{
    session_loop *home = find_loop(all, loop);

    if (home)
        return home;
    pthread_mutex_lock(&all->loops_lock);
    unsigned count = atomic_load_explicit(&all->loop_count, memory_order_relaxed);
    bool room = count < SESSION_LOOPS_MAX && loop->deadline_kinds < LOOP_DEADLINE_KINDS_MAX;
    home = room ? calloc(1, sizeof(*home)) : NULL;
    if (home) {
        home->all = all;
        home->loop = loop;
        home->index = count;
        home->task.run = run_close;
        http_loop_add_deadlines(loop, &home->idle, IDLE_MS, on_idle);
        all->loops[count] = home;
        atomic_store_explicit(&all->loop_count, count + 1, memory_order_release);
    }
    pthread_mutex_unlock(&all->loops_lock);
    return home;
}

void session_forget_connections(session *s)
{
    sessions *all = s->all;

    pthread_mutex_lock(&all->lock);
    while (s->spare_count > 0)
        close(s->spares[--s->spare_count]);
    pthread_mutex_unlock(&all->lock);
    if (atomic_load(&s->kept_count) == 0)
        return; /* what is kept from now on sees that it is over */
    for (unsigned i = 0; i < atomic_load_explicit(&all->loop_count, memory_order_acquire); i++) {
        session_loop *home = all->loops[i];
        if (!atomic_exchange(&home->posted, true))
            http_loop_post(home->loop, &home->task);
    }
}

void session_loops_done(sessions *all)
{
    unsigned count = atomic_load_explicit(&all->loop_count, memory_order_acquire);

    for (unsigned i = 0; i < count; i++) {
        session_loop *home = all->loops[i];
        if (!home->kept)
            continue;
        http_loop_adopt(home->loop); /* it does not run, and is freed after us */
        close_over(home, true);
    }
}

/* ---- for requests ---- */

static http_upstream *take_kept(session *s, const session_loop *home)
{
    while (home && s->kept[home->index]) {
        http_upstream *u = unkeep(s->kept[home->index]);
        if (http_upstream_reusable(u))
            return u;
        http_upstream_close(u);
    }
    return NULL;
}

http_upstream *session_connect(session *s, http_loop *loop, bool fresh, ac_error *err)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(s->recipe->plan.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    http_upstream *u;
    int fd;

    if (atomic_load(&s->over)) {
        say_over(s, err);
        return NULL;
    }
    u = fresh ? NULL : take_kept(s, find_loop(s->all, loop));
    if (u)
        return u;
    if (session_socket(s, &fd, err) != AC_OK)
        return NULL;
    u = http_upstream_new(loop, fd, (const struct sockaddr *)&address, sizeof(address), CONNECT_MS);
    if (!u) {
        close(fd);
        ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    }
    return u;
}

/* The session's loop state for a connection that may be kept; NULL: it is to be closed. */
static session_loop *home_for(session *s, http_upstream *u, http_loop *loop)
{
    if (!http_upstream_reusable(u) || atomic_load(&s->over))
        return NULL;
    session_loop *home = get_loop(s->all, loop);
    if (home && s->kept_height[home->index] >= KEPT_MAX)
        return NULL;
    return home;
}

void session_keep(session *s, http_loop *loop, http_upstream *u)
{
    session_loop *home = home_for(s, u, loop);
    session_kept *kept = home ? calloc(1, sizeof(*kept)) : NULL;

    if (!kept) {
        http_upstream_close(u);
        return;
    }
    kept->upstream = u;
    kept->owner = session_ref(s);
    kept->home = home;
    kept->below = s->kept[home->index];
    s->kept[home->index] = kept;
    s->kept_height[home->index]++;
    kept->next = home->kept;
    if (kept->next)
        kept->next->previous = kept;
    home->kept = kept;
    deadline_arm(loop, &home->idle, &kept->idle);
    atomic_fetch_add(&s->kept_count, 1);
    if (atomic_load(&s->over)) /* just now, and its end may not have seen this one */
        http_upstream_close(unkeep(kept));
}
