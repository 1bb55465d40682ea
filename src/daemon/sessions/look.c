/* look.c - GET of the health path.
 *
 * A socket of the sandbox's network may take a moment to get, so a worker gets it; the rest is on the keeper's loop.
 * While a session starts, session_start comes with a connection and waits for the answer; later the answer says that
 * the program lives and whether it is busy ({"status": "HealthyBusy"}), which counts as use.  A look that gives no
 * answer, or another one than 200, is a miss. */
#include "daemon/sessions/internal.h"

#include "base/clock.h"

#include <agentcore/json.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#define BODY_BYTES_MAX 16384
#define LATE_MS 1000

/* ---- the result ---- */

static bool says_busy(session_look *look)
{
    yyjson_doc *doc = NULL;
    bool busy = false;

    if (look->body.length > 0 &&
        ac_json_read(look->body.data, look->body.length, &(ac_json_read_options){.depth_max = 16}, &doc, NULL) == AC_OK)
        busy = strcmp(ac_json_string(yyjson_doc_get_root(doc), "status", ""), "HealthyBusy") == 0;
    yyjson_doc_free(doc);
    return busy;
}

/* With the lock held. */
static void judge(session *s, bool healthy, bool busy)
{
    const session_plan *plan = &s->recipe->plan;
    uint64_t now = clock_monotonic_ms();

    if (s->state != SESSION_READY)
        return;
    s->misses = healthy ? 0 : s->misses + 1;
    s->looked_ms = now;
    s->busy = busy;
    if (busy) {
        s->used_ms = now;
    } else if (s->misses >= SESSION_MISSES_MAX) {
        session_end(s, plan->stop_grace_ms, true, "%s did not answer GET %s %d times", session_noun(s),
                    plan->health_path, SESSION_MISSES_MAX);
    } else if (s->look.deciding && s->in_use == 0 && now >= s->used_ms + s->idle_ms) {
        session_end(s, plan->stop_grace_ms, false, "it was idle for %u s", (s->idle_ms + 999) / 1000);
    }
}

/* status 0: no answer.  Gives up the look's reference. */
static void finish(session *s, int status)
{
    session_look *look = &s->look;
    bool busy = status == 200 && says_busy(look);

    look->running = false;
    buf_done(&look->body);
    pthread_mutex_lock(&s->all->lock);
    if (look->starting) {
        look->starting = false;
        s->looked = true;
        s->look_status = status ? status : s->look_status; /* what to say if it never is 200 */
        s->looked_ms = clock_monotonic_ms();
        s->busy = busy;
        pthread_cond_broadcast(&s->changed);
    } else {
        judge(s, status == 200, busy);
    }
    pthread_mutex_unlock(&s->all->lock);
    session_schedule(s);
    session_unref(s);
}

/* ---- the request ---- */

static void on_head(http_upstream *u, const http_upstream_head *head, void *user)
{
    session *s = user;

    (void)u;
    s->look.status = head->status;
}

static void on_data(http_upstream *u, char *data, size_t length, void *user)
{
    session *s = user;

    if (buf_append(&s->look.body, data, length) == AC_OK)
        return;
    /* Too much for a state of health: what it says is not looked at, and the rest not read. */
    buf_done(&s->look.body);
    http_upstream_close(u);
    s->look.upstream = NULL;
    finish(s, s->look.status);
}

static void on_done(http_upstream *u, ac_status status, const ac_error *err, void *user)
{
    session *s = user;

    (void)err;
    http_upstream_close(u);
    s->look.upstream = NULL;
    finish(s, status == AC_OK ? s->look.status : 0);
}

static bool send_request(session *s, int fd)
{
    session_look *look = &s->look;
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(s->recipe->plan.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    unsigned timeout_ms = s->all->options.health_timeout_ms;
    char host[32];

    snprintf(host, sizeof(host), "127.0.0.1:%u", (unsigned)s->recipe->plan.port);
    const http_field headers[] = {{"Host", host}, {"Accept", "application/json"}};
    const http_upstream_request request = {
        .method = "GET",
        .target = s->recipe->plan.health_path,
        .headers = headers,
        .header_count = ARRAY_SIZE(headers),
        .first_byte_timeout_ms = timeout_ms,
        .idle_timeout_ms = timeout_ms,
        .write_timeout_ms = timeout_ms,
    };
    const http_upstream_events events = {.on_head = on_head, .on_data = on_data, .on_done = on_done, .user = s};

    look->upstream = http_upstream_new(&s->all->loop, fd, look->starting ? NULL : (const struct sockaddr *)&address,
                                       look->starting ? 0 : sizeof(address), timeout_ms);
    if (!look->upstream) {
        close(fd);
        return false;
    }
    if (http_upstream_send(look->upstream, &request, &events) == AC_OK)
        return true;
    http_upstream_close(TAKE_PTR(look->upstream));
    return false;
}

/* The socket is here, or is not to be had. */
static void run_task(loop_task *task)
{
    session *s = CONTAINER_OF(task, session, look.task);
    session_look *look = &s->look;
    int fd = look->fd;

    look->fd = -1;
    if (s->ending) {
        look->running = false;
        if (fd >= 0)
            close(fd);
        session_unref(s);
        return;
    }
    look->running = true;
    look->status = 0;
    look->due_ms = clock_monotonic_ms() + s->all->options.health_timeout_ms;
    look->body = BUF_INIT(BODY_BYTES_MAX);
    if (fd < 0 || !send_request(s, fd))
        finish(s, 0);
    else
        session_schedule(s);
}

static void run_job(workers_job *job)
{
    session *s = CONTAINER_OF(job, session, look.job);

    if (session_enter(s)) {
        if (sandbox_socket(s->box, &s->look.fd, NULL) != AC_OK)
            s->look.fd = -1;
        session_leave(s);
    }
    http_loop_post(&s->all->loop, &s->look.task);
}

/* ---- for the keeper and session_start ---- */

void session_look_init(session *s)
{
    s->look.fd = -1;
    s->look.job.run = run_job;
    s->look.task.run = run_task;
}

void session_look_first(session *s, int fd)
{
    s->look.fd = fd;
    s->look.starting = true;
    session_ref(s);
    http_loop_post(&s->all->loop, &s->look.task);
}

void session_look_start(session *s, bool deciding)
{
    session_look *look = &s->look;

    look->running = true;
    look->deciding = deciding;
    look->due_ms = clock_monotonic_ms() + s->all->options.health_timeout_ms;
    session_ref(s);
    if (workers_submit(s->all->workers, &look->job) != AC_OK)
        http_loop_post(&s->all->loop, &look->task); /* without a socket: a miss */
}

void session_look_expired(session *s)
{
    session_look *look = &s->look;

    if (look->upstream) {
        http_upstream_close(TAKE_PTR(look->upstream));
        finish(s, 0);
    } else {
        look->due_ms = clock_monotonic_ms() + LATE_MS; /* the worker comes back, whatever it has */
    }
}

void session_look_cancel(session *s)
{
    if (!s->look.upstream)
        return;
    http_upstream_close(TAKE_PTR(s->look.upstream));
    s->look.running = false;
    buf_done(&s->look.body);
    session_unref(s);
}
