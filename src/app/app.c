/* app.c - the app as a whole: options, registration, opening, running, stopping.
 *
 * An app is idle or open.  While it is open, nothing can be registered, which is why calls read the registration
 * without a lock.  The server and the workers exist exactly while it is open; app->lock guards the pointers to them,
 * for ac_app_stop, ac_app_port and ac_app_task_run may come from any thread at any time.
 *
 * Handlers that do not come back in time keep the app's memory: it is then never freed, because they still use it. */
#include "app/app_internal.h"
#include "base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PORT_DEFAULT 8080
#define DRAIN_TIMEOUT_MS_DEFAULT 30000
#define CUT_GRACE_MS 1000
#define STOP_SLICE_MS 50 /* how often waiting for workers looks for another signal */

/* SIGTERM and SIGINT that came while the server's own handlers were not in place. */
static volatile sig_atomic_t signals_seen;

/* ---- making ---- */

ac_app *ac_app_new(const ac_app_options *options)
{
    ac_app *app = calloc(1, sizeof(*app));

    if (!app)
        return NULL;
    if (options)
        app->options = *options;
    app->options.host = NULL;
    if (options && options->host) {
        app->options.host = strdup(options->host);
        if (!app->options.host) {
            free(app);
            return NULL;
        }
    }
    if (!app->options.drain_timeout_ms)
        app->options.drain_timeout_ms = DRAIN_TIMEOUT_MS_DEFAULT;
    if (tasks_init(&app->tasks) != AC_OK) {
        free((char *)app->options.host);
        free(app);
        return NULL;
    }
    pthread_mutex_init(&app->lock, NULL);
    app->undeferred = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    return app;
}

/* Not while it runs, and never when handlers were left behind in it. */
static bool may_be_freed(ac_app *app)
{
    pthread_mutex_lock(&app->lock);
    bool idle = app->state == APP_IDLE;
    pthread_mutex_unlock(&app->lock);
    return idle;
}

void ac_app_free(ac_app *app)
{
    if (!app || !may_be_freed(app))
        return;
    tasks_done(&app->tasks);
    cors_free(app->cors);
    free(app->middleware);
    free((char *)app->options.host);
    pthread_cond_destroy(&app->undeferred);
    pthread_mutex_destroy(&app->lock);
    free(app);
}

ac_status app_may_register(ac_app *app)
{
    pthread_mutex_lock(&app->lock);
    ac_status status = app->state == APP_IDLE ? AC_OK : AC_ERR_STATE;
    pthread_mutex_unlock(&app->lock);
    return status;
}

static ac_status set_handler(ac_app *app, ac_handler_fn handler, void *user, bool on_loop)
{
    AC_TRY(app_may_register(app));
    app->handler = handler;
    app->handler_user = user;
    app->handler_on_loop = on_loop;
    return AC_OK;
}

ac_status ac_app_entrypoint(ac_app *app, ac_handler_fn handler, void *user)
{
    return set_handler(app, handler, user, false);
}

ac_status ac_app_entrypoint_on_loop(ac_app *app, ac_handler_fn handler, void *user)
{
    return set_handler(app, handler, user, true);
}

/* ---- opening ---- */

/* Inside a container the port must be reachable from outside of it. */
static bool in_container(void)
{
    const char *named = getenv("DOCKER_CONTAINER");

    return (named && named[0]) || access("/.dockerenv", F_OK) == 0;
}

static const char *host_to_bind(const ac_app_options *options)
{
    if (!options->host)
        return in_container() ? "0.0.0.0" : "127.0.0.1";
    return strcmp(options->host, "localhost") == 0 ? "127.0.0.1" : options->host;
}

/* From here on the server hears signals itself. */
static void on_ready(http_server *server, void *user)
{
    const ac_app *app = user;

    if (app->options.debug)
        fprintf(stderr,
                strchr(host_to_bind(&app->options), ':') ? "Serving on http://[%s]:%d\n" : "Serving on http://%s:%d\n",
                host_to_bind(&app->options), http_server_port(server));
    if (signals_seen)
        http_server_stop(server); /* asked to before it could hear */
}

static http_server *make_server(ac_app *app)
{
    const ac_app_options *o = &app->options;
    http_server_options options = {
        .host = host_to_bind(o),
        .port = o->port == -1  ? 0
                : o->port == 0 ? PORT_DEFAULT
                               : o->port,
        .loops = o->loops,
        .connections_max = o->connections_max,
        .header_bytes_max = o->header_bytes_max,
        .body_bytes_max = o->body_bytes_max,
        .stream_buffer_bytes = o->stream_buffer_bytes,
        .header_timeout_ms = o->header_timeout_ms,
        .body_timeout_ms = o->body_timeout_ms,
        .idle_timeout_ms = o->idle_timeout_ms,
        .write_timeout_ms = o->write_timeout_ms,
        .drain_timeout_ms = o->drain_timeout_ms,
        .websocket_ping_interval_ms = o->websocket_ping_interval_ms,
        .websocket_ping_timeout_ms = o->websocket_ping_timeout_ms,
    };

    return http_server_new(&options, &(http_service){.on_request = app_on_request, .on_ready = on_ready, .user = app});
}

static ac_status check(const ac_app *app, ac_error *err)
{
    const ac_app_options *options = &app->options;

    if (!app->handler && !app->websocket && !app->has_websocket_events)
        return ac_error_set(err, AC_ERR_STATE,
                            "no handler is registered: call ac_app_entrypoint or ac_app_websocket first");
    if (options->port < -1 || options->port > 65535)
        return ac_error_set(err, AC_ERR_INVALID, "port %d is out of range: use 1 to 65535, or -1 for any free one",
                            options->port);
    return AC_OK;
}

static ac_status claim(ac_app *app, ac_error *err)
{
    pthread_mutex_lock(&app->lock);
    app_state was = app->state;
    if (was == APP_IDLE) {
        app->state = APP_OPEN;
        app->stop_asked = false;
    }
    pthread_mutex_unlock(&app->lock);
    if (was == APP_ABANDONED)
        return ac_error_set(err, AC_ERR_STATE, "handlers of the app's last run have not returned");
    return was == APP_IDLE ? AC_OK : ac_error_set(err, AC_ERR_STATE, "the app is running already");
}

static void set_log_level(const ac_app_options *options)
{
    if (options->log_level != AC_LOG_DEFAULT)
        ac_log_set_level(options->log_level);
    else if (options->debug)
        ac_log_set_level(AC_LOG_DEBUG);
}

/* Publish what others may ask for; NULL for both takes it back. */
static void publish(ac_app *app, http_server *server, workers *pool)
{
    pthread_mutex_lock(&app->lock);
    app->server = server;
    app->workers = pool;
    pthread_mutex_unlock(&app->lock);
}

static void release(ac_app *app)
{
    http_server *server = app->server;
    workers *pool = app->workers;

    publish(app, NULL, NULL);
    workers_free(pool);
    if (server)
        http_server_free(server);
    pthread_mutex_lock(&app->lock);
    app->state = APP_IDLE;
    pthread_mutex_unlock(&app->lock);
}

ac_status app_open(ac_app *app, ac_error *err)
{
    AC_TRY(check(app, err));
    AC_TRY(claim(app, err));
    set_log_level(&app->options);

    workers *pool = workers_new(&(workers_options){
        .threads_max = app->options.workers_max,
        .stack_bytes = app->options.worker_stack_bytes,
    });
    publish(app, make_server(app), pool);
    if (!app->server || !pool) {
        release(app);
        return ac_error_set(err, AC_ERR_NOMEM, "the server could not be made: %s", ac_status_text(AC_ERR_NOMEM));
    }

    ac_status status = app->options.on_start ? app->options.on_start(app, app->options.user) : AC_OK;
    if (status != AC_OK) {
        ac_error_set(err, status, "on_start failed: %s", ac_status_text(status));
        workers_stop(pool, app->options.drain_timeout_ms); /* on_start may have started tasks */
        release(app);
    }
    return status;
}

http_server *app_server(ac_app *app)
{
    pthread_mutex_lock(&app->lock);
    http_server *server = app->server;
    pthread_mutex_unlock(&app->lock);
    return server;
}

/* ---- closing ---- */

static void count_signal(int number)
{
    (void)number;
    signals_seen = signals_seen + 1;
}

void app_defer(ac_app *app)
{
    pthread_mutex_lock(&app->lock);
    app->deferred++;
    pthread_mutex_unlock(&app->lock);
}

void app_undefer(ac_app *app)
{
    pthread_mutex_lock(&app->lock);
    if (--app->deferred == 0)
        pthread_cond_broadcast(&app->undeferred);
    pthread_mutex_unlock(&app->lock);
}

/* Whoever keeps a reply still works in the app.  True when nobody does any more. */
static bool wait_for_deferred(ac_app *app, unsigned timeout_ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&app->lock);
    while (app->deferred && pthread_cond_clockwait(&app->undeferred, &app->lock, CLOCK_MONOTONIC, &until) == 0)
        ;
    bool none = app->deferred == 0;
    pthread_mutex_unlock(&app->lock);
    return none;
}

/* Those that the cut has just woken get a moment to return. */
static bool wait_for_workers(ac_app *app)
{
    uint64_t deadline = clock_monotonic_ms() + MAX(http_server_drain_left_ms(app->server), CUT_GRACE_MS);
    sig_atomic_t seen = signals_seen;

    for (;;) {
        uint64_t now = clock_monotonic_ms();
        uint64_t left = now < deadline ? deadline - now : 0;
        unsigned slice = (unsigned)MIN(left, STOP_SLICE_MS);
        if (workers_stop(app->workers, slice) && wait_for_deferred(app, slice))
            return true;
        if (left == 0 || signals_seen != seen)
            return false;
    }
}

void app_close(ac_app *app)
{
    bool quiet = wait_for_workers(app);

    if (!quiet) {
        unsigned running, waiting;
        workers_counts(app->workers, &running, &waiting);
        pthread_mutex_lock(&app->lock);
        unsigned deferred = app->deferred;
        pthread_mutex_unlock(&app->lock);
        ac_log_error("Stopped without waiting any longer for %u running handlers and %u deferred replies",
                     running + waiting, deferred);
    }
    if (app->options.on_stop)
        app->options.on_stop(app, app->options.user);
    if (quiet) {
        release(app);
        return;
    }
    /* Those handlers may still touch the app and their exchanges, so both stay. */
    pthread_mutex_lock(&app->lock);
    app->state = APP_ABANDONED;
    app->server = NULL;
    pthread_mutex_unlock(&app->lock);
}

/* ---- running ---- */

typedef struct signal_state {
    struct sigaction term, interrupt, pipe;
} signal_state;

static void signals_take(signal_state *before)
{
    struct sigaction count = {.sa_handler = count_signal};
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    signals_seen = 0;
    sigaction(SIGTERM, &count, &before->term);
    sigaction(SIGINT, &count, &before->interrupt);
    sigaction(SIGPIPE, &ignore, &before->pipe);
}

static void signals_give_back(const signal_state *before)
{
    sigaction(SIGTERM, &before->term, NULL);
    sigaction(SIGINT, &before->interrupt, NULL);
    sigaction(SIGPIPE, &before->pipe, NULL);
}

static bool stop_was_asked(ac_app *app)
{
    pthread_mutex_lock(&app->lock);
    bool asked = app->stop_asked;
    pthread_mutex_unlock(&app->lock);
    return asked;
}

static ac_status serve(ac_app *app, ac_error *err)
{
    signal_state before;

    signals_take(&before);
    ac_status status = http_server_listen(app->server, err);
    if (status == AC_OK && !stop_was_asked(app))
        status = http_server_run(app->server, true, err);
    app_close(app); /* signals are counted again: another one ends the wait */
    signals_give_back(&before);
    return status;
}

static void say_why(const ac_error *err)
{
    const char *advice = "";

    if (err->status == AC_ERR_ADDRESS_IN_USE)
        advice = "; stop the program that has it, or choose another port in ac_app_options";
    fprintf(stderr, "agentcore: %s%s\n", err->message, advice);
}

int ac_app_run(ac_app *app, ac_error *err)
{
    ac_error mine = {.status = AC_OK};
    ac_status status = app_open(app, &mine);

    if (status == AC_OK)
        status = serve(app, &mine);
    if (status == AC_OK)
        return 0;
    if (err)
        *err = mine;
    else
        say_why(&mine);
    return 1;
}

void ac_app_stop(ac_app *app)
{
    pthread_mutex_lock(&app->lock);
    if (app->state == APP_OPEN)
        app->stop_asked = true;
    if (app->server)
        http_server_stop(app->server);
    pthread_mutex_unlock(&app->lock);
}

int ac_app_port(const ac_app *app)
{
    ac_app *locked = (ac_app *)(uintptr_t)app;

    pthread_mutex_lock(&locked->lock);
    int port = app->server ? http_server_port(app->server) : 0;
    pthread_mutex_unlock(&locked->lock);
    return port;
}
