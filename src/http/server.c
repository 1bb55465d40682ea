/* server.c - loops, listeners, and the way out.
 *
 * Each loop has a listening socket of its own on the one port (SO_REUSEPORT), so the kernel spreads connections and
 * loops share nothing.  The first socket is bound without that option, so that a port somebody else listens on is an
 * error and not silently shared; the option is set before listening, which lets the others join.
 *
 * Draining: stop listening, close what is idle, let the rest finish; when the time is over, cut.  A loop ends when its
 * last connection is gone, since nothing else holds it. */
#include "http/conn.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOPS_MAX 64
#define BACKLOG 4096
#define ACCEPTS_PER_TURN 64  /* so that a rush of connections does not hold up the ones that are there */
#define DESCRIPTORS_SPARE 64 /* for everything that is not a connection */

/* ---- options ---- */

static unsigned cpu_count(void)
{
    cpu_set_t set;
    int count;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    count = CPU_COUNT(&set);
    return count < 1 ? 1 : (unsigned)MIN(count, LOOPS_MAX);
}

static unsigned descriptors_left(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT32_MAX;
    return limit.rlim_cur > 2 * DESCRIPTORS_SPARE ? (unsigned)MIN(limit.rlim_cur - DESCRIPTORS_SPARE, UINT32_MAX)
                                                  : DESCRIPTORS_SPARE;
}

#define OR_DEFAULT(field, value) ((field) = (field) ? (field) : (value))

static void fill_defaults(http_server_options *o)
{
    OR_DEFAULT(o->host, "127.0.0.1");
    OR_DEFAULT(o->loops, cpu_count());
    o->loops = MIN(o->loops, LOOPS_MAX);
    OR_DEFAULT(o->connections_max, MIN(65536U, descriptors_left()));
    OR_DEFAULT(o->header_bytes_max, (size_t)65536);
    OR_DEFAULT(o->body_bytes_max, (size_t)104857600);
    OR_DEFAULT(o->stream_buffer_bytes, (size_t)262144);
    OR_DEFAULT(o->header_timeout_ms, 10000U);
    OR_DEFAULT(o->body_timeout_ms, 30000U);
    OR_DEFAULT(o->idle_timeout_ms, 75000U);
    OR_DEFAULT(o->write_timeout_ms, 60000U);
    OR_DEFAULT(o->drain_timeout_ms, 30000U);
    OR_DEFAULT(o->websocket_ping_interval_ms, 20000U);
    OR_DEFAULT(o->websocket_ping_timeout_ms, 20000U);
}

/* ---- draining ---- */

static void on_listener_closed(uv_handle_t *handle)
{
    close(CONTAINER_OF(handle, http_home, listener)->listener_fd);
}

static void drain_first(loop_task *task);

void http_home_hold(http_home *home)
{
    const http_server *s = home->server;
    bool first = home->drain_task.run == drain_first;

    if (home->listening || home->conn_count > 0 || (first && s->others_running))
        uv_ref((uv_handle_t *)&home->loop.wake);
    else
        uv_unref((uv_handle_t *)&home->loop.wake);
}

static void close_listener(http_home *home)
{
    deadline_disarm(&home->loop, &home->accept_due);
    if (home->listening)
        uv_close((uv_handle_t *)&home->listener, on_listener_closed);
    home->listening = false;
    http_home_hold(home);
}

static void for_each_conn(http_home *home, void (*fn)(http_conn *c))
{
    http_conn *next;

    http_loop_enter(&home->loop);
    for (http_conn *c = home->conns; c; c = next) {
        next = c->next;
        fn(c);
    }
    http_loop_leave(&home->loop);
}

static void drain_home(loop_task *task)
{
    http_home *home = CONTAINER_OF(task, http_home, drain_task);

    if (home->draining)
        return;
    home->draining = true;
    close_listener(home);
    for_each_conn(home, http_conn_drain);
}

static void cut_home(loop_task *task)
{
    http_home *home = CONTAINER_OF(task, http_home, cut_task);

    close_listener(home);
    for_each_conn(home, http_conn_abort);
}

/* Once: the tasks are the loops' from here on, and another signal may come before they have run. */
static void cut_all(http_server *s)
{
    if (atomic_exchange(&s->cut, true))
        return;
    for (unsigned i = 0; i < s->home_count; i++)
        http_loop_post(&s->homes[i].loop, &s->homes[i].cut_task);
}

static void on_drain_timeout(uv_timer_t *timer)
{
    http_server *s = timer->data;

    ac_log_warning("Cutting off %u connections: not finished within %u ms", http_server_connections(s),
                   s->options.drain_timeout_ms);
    cut_all(s);
}

void http_server_stop(http_server *s)
{
    if (atomic_exchange(&s->draining, true))
        return;
    atomic_store(&s->drain_due_ms, clock_monotonic_ms() + s->options.drain_timeout_ms);
    for (unsigned i = 0; i < s->home_count; i++)
        http_loop_post(&s->homes[i].loop, &s->homes[i].drain_task);
}

unsigned http_server_drain_left_ms(const http_server *s)
{
    uint64_t due = atomic_load(&s->drain_due_ms), now = clock_monotonic_ms();

    if (atomic_load(&s->cut))
        return 0;
    if (!due)
        return s->options.drain_timeout_ms;
    return due > now ? (unsigned)(due - now) : 0;
}

/* On the first loop: what ends the wait. */
static void drain_first(loop_task *task)
{
    http_home *home = CONTAINER_OF(task, http_home, drain_task);
    http_server *s = home->server;

    uv_timer_start(&s->drain_timer, on_drain_timeout, s->options.drain_timeout_ms, 0);
    uv_unref((uv_handle_t *)&s->drain_timer);
    drain_home(task);
}

static void on_signal(uv_signal_t *handle, int number)
{
    http_server *s = handle->data;

    (void)number;
    if (atomic_load(&s->draining))
        cut_all(s);
    else
        http_server_stop(s);
}

/* ---- listening ---- */

void http_home_accept(http_home *home, int fd, bool wrapped)
{
    http_server *s = home->server;
    http_transport *t = http_tcp_open(&home->loop, fd);
    http_transport *tcp = t;
    http_conn *c;

    if (tcp && wrapped && s->options.wrap)
        t = s->options.wrap(tcp, s->options.wrap_user);
    c = t ? http_conn_new(home, t) : NULL;

    if (!tcp)
        close(fd);
    else if (!t)
        tcp->ops->close(tcp);
    else if (!c)
        t->ops->close(t);
    else if (http_server_connections(s) > s->options.connections_max)
        http_conn_refuse(c, 503, "too many connections");
}

static void on_connection(uv_poll_t *listener, int status, int events);

void http_home_accept_again(deadline *d)
{
    http_home *home = CONTAINER_OF(d, http_home, accept_due);

    uv_poll_start(&home->listener, UV_READABLE, on_connection);
}

/* Accepting by hand: when descriptors run out, what waits is left in the backlog until there are some again. */
static void on_connection(uv_poll_t *listener, int status, int events)
{
    http_home *home = CONTAINER_OF(listener, http_home, listener);

    (void)status;
    (void)events;
    http_loop_enter(&home->loop);
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(home->listener_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0) {
            http_home_accept(home, fd, true);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            ac_log_warning("Not accepting connections for %d ms: %s", HTTP_ACCEPT_AGAIN_MS, strerror(errno));
            uv_poll_stop(&home->listener);
            deadline_arm(&home->loop, &home->accept_again_due, &home->accept_due);
            break;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            break; /* nobody waits any more */
        }
    }
    http_loop_leave(&home->loop);
}

static int open_socket(const struct sockaddr_storage *address, bool shared)
{
    int one = 1;
    socklen_t length = address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0) ||
        bind(fd, (const struct sockaddr *)address, length) != 0 ||
        (!shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0)) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

static int listen_home(http_home *home, const struct sockaddr_storage *address, bool shared)
{
    int fd = open_socket(address, shared);
    int status;

    if (fd < 0)
        return fd;
    status = listen(fd, BACKLOG) == 0 ? uv_poll_init(&home->loop.uv, &home->listener, fd) : -errno;
    if (status < 0) {
        close(fd);
        return status;
    }
    home->listener_fd = fd;
    home->listening = true;
    http_home_hold(home);
    return uv_poll_start(&home->listener, UV_READABLE, on_connection);
}

static bool parse_address(const http_server_options *o, struct sockaddr_storage *ret_address)
{
    memset(ret_address, 0, sizeof *ret_address);
    return o->port >= 0 && o->port <= 65535 &&
           (uv_ip4_addr(o->host, o->port, (struct sockaddr_in *)ret_address) == 0 ||
            uv_ip6_addr(o->host, o->port, (struct sockaddr_in6 *)ret_address) == 0);
}

static void learn_port(http_server *s, struct sockaddr_storage *address)
{
    socklen_t length = sizeof *address;

    getsockname(s->homes[0].listener_fd, (struct sockaddr *)address, &length);
    s->port = ntohs(address->ss_family == AF_INET6 ? ((struct sockaddr_in6 *)address)->sin6_port
                                                   : ((struct sockaddr_in *)address)->sin_port);
}

ac_status http_server_listen(http_server *s, ac_error *err)
{
    const http_server_options *o = &s->options;
    struct sockaddr_storage address;
    int status = 0;

    if (!parse_address(o, &address))
        return ac_error_set(err, AC_ERR_INVALID, "cannot listen on %s:%d: not a numeric address and port", o->host,
                            o->port);
    for (unsigned i = 0; i < s->home_count && status == 0; i++) {
        status = listen_home(&s->homes[i], &address, i > 0);
        if (i == 0 && status == 0)
            learn_port(s, &address);
    }
    if (status == 0)
        return AC_OK;
    for (unsigned i = 0; i < s->home_count; i++)
        close_listener(&s->homes[i]);
    s->port = 0;
    return ac_error_set(err, status == UV_EADDRINUSE ? AC_ERR_ADDRESS_IN_USE : AC_ERR_IO,
                        strchr(o->host, ':') ? "cannot listen on [%s]:%d: %s" : "cannot listen on %s:%d: %s", o->host,
                        o->port, uv_strerror(status));
}

/* ---- running ---- */

static void serve(http_home *home)
{
    http_loop_adopt(&home->loop);
    http_home_open(home, true);
    http_loop_run(&home->loop);
    http_home_open(home, false);
    uv_ref((uv_handle_t *)&home->loop.wake);
    uv_run(&home->loop.uv, UV_RUN_NOWAIT); /* what was posted in the last moment is run too */
    uv_unref((uv_handle_t *)&home->loop.wake);
}

/* On the first loop: it outlives the others, since it keeps the drain's time and hears the signals. */
static void home_done(loop_task *task)
{
    http_server *s = CONTAINER_OF(task, http_home, done_task)->server;

    s->others_running--;
    http_home_hold(&s->homes[0]);
}

static void *run_home(void *arg)
{
    http_home *home = arg;

    serve(home);
    http_loop_post(&home->server->homes[0].loop, &home->done_task);
    return NULL;
}

static void on_ready(loop_task *task)
{
    http_server *s = CONTAINER_OF(task, http_server, ready_task);

    if (s->service.on_ready)
        s->service.on_ready(s, s->service.user);
}

static ac_status start_threads(http_server *s, ac_error *err)
{
    ac_status status = AC_OK;

    for (unsigned i = 1; i < s->home_count && status == AC_OK; i++) {
        http_home *home = &s->homes[i];

        home->thread_started = thread_start(&home->thread, NULL, run_home, home) == 0;
        if (home->thread_started)
            s->others_running++;
        else
            status = ac_error_set(err, AC_ERR_IO, "cannot start a loop thread");
    }
    return status;
}

static const int signal_numbers[2] = {SIGTERM, SIGINT};

static void watch_signals(http_server *s)
{
    for (int i = 0; i < 2; i++) {
        sigaction(signal_numbers[i], NULL, &s->signals_before[i]);
        uv_signal_init(&s->homes[0].loop.uv, &s->signals[i]);
        s->signals[i].data = s;
        uv_signal_start(&s->signals[i], on_signal, signal_numbers[i]);
        uv_unref((uv_handle_t *)&s->signals[i]);
    }
}

/* libuv leaves the default action behind, and a signal that met it would end a program which is about to end in order.
 * So they are held back until the program's own action is there again. */
static void unwatch_signals(http_server *s)
{
    struct sigaction left;
    sigset_t both, before;

    sigemptyset(&both);
    for (int i = 0; i < 2; i++)
        sigaddset(&both, signal_numbers[i]);
    pthread_sigmask(SIG_BLOCK, &both, &before);
    for (int i = 0; i < 2; i++) {
        uv_close((uv_handle_t *)&s->signals[i], NULL);
        /* Another one: somebody else's loop listens, too. */
        if (sigaction(signal_numbers[i], NULL, &left) == 0 && left.sa_handler == SIG_DFL)
            sigaction(signal_numbers[i], &s->signals_before[i], NULL);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

ac_status http_server_run(http_server *s, bool handle_signals, ac_error *err)
{
    ac_status status;

    http_loop_adopt(&s->homes[0].loop);
    signal(SIGPIPE, SIG_IGN);
    if (handle_signals)
        watch_signals(s);
    status = start_threads(s, err);
    http_home_hold(&s->homes[0]);
    if (status == AC_OK)
        http_loop_post(&s->homes[0].loop, &s->ready_task);
    else
        http_server_stop(s);
    serve(&s->homes[0]);
    for (unsigned i = 1; i < s->home_count; i++)
        if (s->homes[i].thread_started)
            pthread_join(s->homes[i].thread, NULL);
    if (handle_signals)
        unwatch_signals(s);
    s->port = 0;
    return status;
}

/* ---- life ---- */

static ac_status init_home(http_server *s, http_home *home)
{
    AC_TRY(http_loop_init(&home->loop));
    home->server = s;
    home->drain_task.run = home == s->homes ? drain_first : drain_home;
    home->cut_task.run = cut_home;
    home->done_task.run = home_done;
    http_home_add_deadlines(home);
    return AC_OK;
}

http_server *http_server_new(const http_server_options *options, const http_service *service)
{
    http_server *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    if (options)
        s->options = *options;
    s->service = *service;
    s->ready_task.run = on_ready;
    pthread_mutex_init(&s->adopt_lock, NULL);
    fill_defaults(&s->options);
    s->reader_options = (http1_options){s->options.header_bytes_max, s->options.body_bytes_max};
    s->options.host = strdup(s->options.host);
    s->homes = calloc(s->options.loops, sizeof *s->homes);
    while (s->options.host && s->homes && s->home_count < s->options.loops &&
           init_home(s, &s->homes[s->home_count]) == AC_OK)
        s->home_count++;
    if (s->home_count == 0) {
        http_server_free(s);
        return NULL;
    }
    uv_timer_init(&s->homes[0].loop.uv, &s->drain_timer);
    s->drain_timer.data = s;
    s->drain_timer_set = true;
    return s;
}

void http_server_free(http_server *s)
{
    if (!s)
        return;
    if (s->drain_timer_set)
        uv_close((uv_handle_t *)&s->drain_timer, NULL);
    for (unsigned i = 0; i < s->home_count; i++) {
        close_listener(&s->homes[i]);
        http_loop_done(&s->homes[i].loop);
        http_home_drop_spares(&s->homes[i]);
    }
    free(s->homes);
    free((char *)s->options.host);
    pthread_mutex_destroy(&s->adopt_lock);
    free(s);
}

int http_server_port(const http_server *s)
{
    return s->port;
}

unsigned http_server_connections(const http_server *s)
{
    return atomic_load_explicit(&((http_server *)s)->connections, memory_order_relaxed);
}

typedef struct posted_call {
    loop_task task;
    void (*fn)(void *arg);
    void *arg;
} posted_call;

static void run_posted_call(loop_task *task)
{
    posted_call *call = CONTAINER_OF(task, posted_call, task);

    call->fn(call->arg);
    free(call);
}

ac_status http_server_post(http_server *s, void (*fn)(void *arg), void *arg)
{
    posted_call *call = malloc(sizeof *call);

    if (!call)
        return AC_ERR_NOMEM;
    *call = (posted_call){.task.run = run_posted_call, .fn = fn, .arg = arg};
    http_loop_post(&s->homes[0].loop, &call->task);
    return AC_OK;
}

void http_memory_shutdown(http_server *s)
{
    http_home *home = &s->homes[0];

    for_each_conn(home, http_conn_abort);
    while (home->conn_count)
        uv_run(&home->loop.uv, UV_RUN_ONCE);
}
