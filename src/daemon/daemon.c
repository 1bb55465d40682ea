/* daemon.c - the life of the service: open everything, serve, drain, close in the opposite order.
 *
 * The spawner of sandboxes is forked first, while there is one thread.  Then the store: it locks the data directory, so
 * that nothing of it is touched while another daemon has it.
 * The port is bound early, since other daemons are told its number, and served when all is open: whoever sees the
 * endpoint file or the line on standard output can
 * connect at once.
 *
 * At the end requests are drained by the front, then threads and jobs are waited for.  Where one is stuck past its time
 * the process ends without taking the store from under it: what was acknowledged is on disk already, and the lease of
 * its job runs out. */
#include "daemon/daemon.h"

#include "base/log.h"
#include "daemon/endpoint.h"
#include "daemon/local_ca.h"
#include "daemon/notify.h"
#include "daemon/store/data_dir.h"
#include "daemon/store/sweeper.h"
#include "http/tls.h"

#include "base/clock.h"

#include <agentcore/log.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORKERS_STOP_MS 5000
#define JOBS_STOP_MS 5000
#define JOBS_AT_ONCE 64              /* some wait for a model most of their time */
#define SANDBOX_START_MS_LEAST 10000 /* takes 20 ms, but where many start at once on a busy machine */
#define SANDBOXES_SPARE 64           /* beside sessions_max: warm ones, and those that are ending */

ac_status agentcored_add_job(agentcored *d, const job_handler *handler, ac_error *err)
{
    if (d->job_handler_count >= DAEMON_JOB_HANDLERS_MAX)
        return ac_error_set(err, AC_ERR_QUOTA, "more than %d kinds of jobs", DAEMON_JOB_HANDLERS_MAX);
    d->job_handlers[d->job_handler_count++] = *handler;
    return AC_OK;
}

ac_status agentcored_watch_sessions(agentcored *d, const daemon_watch *watch, ac_error *err)
{
    if (d->watch_count >= DAEMON_WATCHES_MAX)
        return ac_error_set(err, AC_ERR_QUOTA, "more than %d kinds of sessions are watched", DAEMON_WATCHES_MAX);
    d->watches[d->watch_count++] = *watch;
    return AC_OK;
}

/* ---- the process ---- */

static void prepare_process(const config *c)
{
    struct rlimit limit;

    log_set_logger("agentcored");
    ac_log_set_level((ac_log_level)c->log_level);
    umask(077);
    signal(SIGPIPE, SIG_IGN); /* standard output and libpq's sockets */

    /* Secrets are in memory: no core dumps, unless whoever runs a debug build asks for them after the start. */
    limit = (struct rlimit){0, 0};
    if (getrlimit(RLIMIT_CORE, &limit) == 0) {
        limit.rlim_cur = 0;
        setrlimit(RLIMIT_CORE, &limit);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            ac_log_warning("The limit of open files cannot be raised: %s", strerror(errno));
    }
}

/* ---- opening ---- */

static ac_status open_state(agentcored *d, ac_error *err)
{
    const config *c = d->config;
    const store_options options = {
        .url = c->store,
        .data_dir = c->data_dir,
        .connections_max = (unsigned)c->store_connections,
    };

    AC_TRY(store_open(&options, &d->store, err));
    AC_TRY(keys_open(c->data_dir, c->account, &d->keys, err));
    d->workers = workers_new(&(workers_options){.threads_max = (unsigned)c->workers});
    d->jwt = jwt_verifier_new(&(jwt_options){.ca_file = c->oidc_ca, .allow_http = c->oidc_allow_http});
    return d->workers && d->jwt ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

/* A connection from inside a sandbox is one of ours, however it came. */
static void on_connection(int fd, const session_key *key, void *user)
{
    const agentcored *d = user;

    (void)key;
    front_adopt(d->front, fd);
}

static void on_over(const session_key *key, const char *reason, void *user)
{
    const agentcored *d = user;

    for (size_t i = 0; i < d->watch_count; i++)
        if (strcmp(d->watches[i].kind, key->kind) == 0)
            d->watches[i].on_over(key, reason, d->watches[i].user);
}

static ac_status open_sessions(agentcored *d, ac_error *err)
{
    const config *c = d->config;
    const artifacts_options deployed = {
        .data_dir = c->data_dir,
        .s3 = c->s3,
        .s3_url = c->s3_url,
        .s3_region = c->region,
        .readable_by_all = geteuid() == 0,
    };
    const sessions_options options = {
        .sandboxes = d->sandboxes,
        .store = d->store,
        .data_dir = c->data_dir,
        .peer_url = store_is_shared(d->store) ? (c->peer_url ? c->peer_url : d->url) : NULL,
        .sessions_max = (unsigned)c->sessions_max,
        .on_connection = on_connection,
        .on_over = on_over,
        .user = d,
    };

    AC_TRY(artifacts_open(&deployed, &d->artifacts, err));
    return sessions_open(&options, &d->sessions, err);
}

static ac_status open_tls(agentcored *d, ac_error *err)
{
    const config *c = d->config;
    local_ca_files files = {0};
    ac_status status;

    if (c->tls_cert)
        return http_tls_new(c->tls_cert, c->tls_key, &d->tls, err);
    if (!c->tls)
        return AC_OK;
    status = local_ca_prepare(c->data_dir, (const char *const *)c->tls_names.items, c->tls_names.count,
                              clock_unix_ms() / 1000, &files, err);
    if (status == AC_OK && files.renewed)
        ac_log_info("The server's certificate was made anew: %s", files.certificate);
    if (status == AC_OK)
        status = http_tls_new(files.certificate, files.key, &d->tls, err);
    if (status == AC_OK)
        d->ca_file = TAKE_PTR(files.root);
    local_ca_files_done(&files);
    return status;
}

static ac_status open_front(agentcored *d, ac_error *err)
{
    const config *c = d->config;

    d->front = front_new(&(front_options){
        .server =
            {
                .host = c->host,
                .port = c->port,
                .loops = (unsigned)c->loops,
                .connections_max = (unsigned)c->connections_max,
                .body_bytes_max = (size_t)c->body_bytes_max,
                .drain_timeout_ms = (unsigned)MAX(c->drain_timeout_ms, 1), /* 0 would be the server's default */
                .wrap = d->tls ? http_tls_wrap : NULL,
                .wrap_user = d->tls,
            },
        .keys = d->keys,
        .store = d->store,
        .jwt = d->jwt,
        .workers = d->workers,
        .region = c->region,
        .account = c->account,
        .metrics = daemon_metrics,
        .health = daemon_health,
        .user = d,
        .access_log = c->access_log,
    });
    return d->front ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static ac_status start_jobs(agentcored *d, ac_error *err)
{
    const job_handler sweeper = sweeper_handler(0);

    AC_TRY(agentcored_add_job(d, &sweeper, err));
    return job_runner_start(d->store,
                            &(job_runner_options){
                                .handlers = d->job_handlers,
                                .handler_count = d->job_handler_count,
                                .running_max = JOBS_AT_ONCE,
                                .alone = !store_is_shared(d->store),
                            },
                            &d->jobs, err);
}

static void warn_of_open_port(const config *c)
{
    bool local = strncmp(c->host, "127.", 4) == 0 || strcmp(c->host, "::1") == 0;

    if (!local && !c->tls && !c->tls_cert)
        ac_log_warning("Listening on %s without TLS: whoever is on the way can read what is sent", c->host);
}

/* The spawner first: it is forked from this process, which has one thread until the store is opened. */
static ac_status open_all(agentcored *d, ac_error *err)
{
    const config *c = d->config;

    const sandboxes_options boxes = {
        .reach = c->data_dir,
        .sandboxes_max = (unsigned)c->sessions_max + SANDBOXES_SPARE,
        .start_ms = (unsigned)MAX(c->session_start_ms, SANDBOX_START_MS_LEAST),
    };

    AC_TRY(data_dir_make(c->data_dir, err));
    AC_TRY(sandboxes_open(&boxes, &d->sandboxes, err));
    AC_TRY(open_state(d, err));
    AC_TRY(open_tls(d, err));
    AC_TRY(open_front(d, err));
    AC_TRY(front_listen(d->front, err));
    AC_TRY(endpoint_url(c, front_port(d->front), d->url, sizeof d->url, err));
    AC_TRY(open_sessions(d, err));
    AC_TRY(rooms_register(d, err));
    return start_jobs(d, err);
}

/* ---- serving ---- */

/* SIGTERM and SIGINT that came just before the server heard them itself, or while everything is being closed: an end
 * that is on its way already is not to be cut off by them. */
static volatile sig_atomic_t signals_seen;

static void count_signal(int number)
{
    (void)number;
    signals_seen = signals_seen + 1;
}

static void count_signals(void)
{
    struct sigaction count = {.sa_handler = count_signal, .sa_flags = SA_RESTART};

    sigaction(SIGTERM, &count, NULL);
    sigaction(SIGINT, &count, NULL);
}

/* One line for people, and for scripts that wait for it. */
static void print_ready(const agentcored *d)
{
    const char *directory = d->config->data_dir;
    bool named = config_source_of(d->config, "data-dir") != CONFIG_FROM_DEFAULT;
    const char *quote = directory[strcspn(directory, " \t\n\"$`\\*?[]&;|<>()#!~")] ? "'" : "";

    printf("agentcored is ready on %s - to use it from a shell: eval \"$(agentcored env", d->url);
    if (named)
        printf(" --data-dir %s%s%s", quote, directory, quote);
    puts(")\"");
    fflush(stdout);
}

/* On the first loop thread, when the port answers. */
static void on_ready(void *user)
{
    const agentcored *d = user;
    endpoint e = {0};
    ac_error err;

    snprintf(e.url, sizeof e.url, "%s", d->url);
    snprintf(e.region, sizeof e.region, "%s", d->config->region);
    if (d->ca_file)
        snprintf(e.ca_file, sizeof e.ca_file, "%s", d->ca_file);
    if (endpoint_write(d->config->data_dir, &e, &err) != AC_OK)
        ac_log_warning("`agentcored env` will not know the address: %s", err.message);
    ac_log_info("Serving on %s, store %s", d->url, store_engine_name(d->store));
    print_ready(d);
    notify_service_manager("READY=1");
    if (signals_seen)
        front_stop(d->front);
}

/* ---- closing ---- */

static bool stop_threads(agentcored *d)
{
    bool well = !d->workers || workers_stop(d->workers, WORKERS_STOP_MS);

    if (!well)
        ac_log_warning("Requests that do not end are left behind");
    if (d->jobs && !job_runner_stop(d->jobs, JOBS_STOP_MS)) {
        ac_log_warning("Jobs that do not end are left behind");
        well = false;
    }
    return well;
}

static void close_all(agentcored *d)
{
    if (!stop_threads(d))
        return;
    if (d->sessions)
        sessions_close(d->sessions);
    rooms_stop(d);
    if (d->artifacts)
        artifacts_close(d->artifacts);
    front_free(d->front);
    jwt_verifier_free(d->jwt);
    if (d->workers)
        workers_free(d->workers);
    keys_close(d->keys);
    http_tls_free(d->tls);
    free(d->ca_file);
    if (d->store)
        store_close(d->store);
    if (d->sandboxes)
        sandboxes_close(d->sandboxes);
    free(d);
}

ac_status agentcored_serve(const config *c, ac_error *err)
{
    agentcored *d = calloc(1, sizeof *d);
    ac_status status;

    if (!d)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    d->config = c;
    prepare_process(c);
    status = open_all(d, err);
    if (status == AC_OK) {
        warn_of_open_port(c);
        count_signals();
        status = front_run(d->front, on_ready, d, err);
        notify_service_manager("STOPPING=1");
        endpoint_remove(c->data_dir);
        ac_log_info("Stopped serving on %s", d->url);
    }
    close_all(d);
    return status;
}
