/* client_transfer.c - one request on the client's thread: what libcurl tells about it, its deadlines, its end.
 *
 * libcurl's callbacks can only say "stop", so the reason is kept in failed and used when libcurl reports the end.
 * The end comes once: on the loop thread, by libcurl, by a deadline, or by the shutdown.  It sets done under the lock;
 * after that nobody posts to the loop for this transfer, so that the loop may go away.
 *
 * A slow reader pauses the socket; meanwhile silence is our own doing and no deadline but the total one runs. */
#include "http/client_internal.h"

#include <stdlib.h>
#include <string.h>

static uint64_t now_of(const http_transfer *t)
{
    return uv_now(&t->client->loop.uv);
}

/* ---- what arrives ---- */

static size_t stop_with(http_transfer *t, ac_status status, http_failure how)
{
    if (t->failed == AC_OK) {
        t->failed = status;
        t->failed_how = how;
    }
    return 0;
}

static size_t stop_for_head(http_transfer *t, ac_status status)
{
    switch (status) {
    case AC_ERR_TOO_LARGE:
        return stop_with(t, status, HTTP_FAILURE_TOO_LARGE);
    case AC_ERR_PROTOCOL:
        return stop_with(t, status, HTTP_FAILURE_MALFORMED);
    default:
        return stop_with(t, status, HTTP_FAILURE_LOCAL);
    }
}

static void head_complete(http_transfer *t)
{
    pthread_mutex_lock(&t->lock);
    t->head_ready = true;
    t->head_view = head_gatherer_view(&t->head);
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    if (t->has_events && t->events.on_head)
        t->events.on_head(t, &t->head_view, t->events.user);
}

static size_t on_header(char *line, size_t size, size_t count, void *user)
{
    http_transfer *t = user;
    size_t length = size * count;
    bool had_head = t->head.complete;
    ac_status status = head_gatherer_line(&t->head, line, length);

    t->progress_ms = now_of(t);
    if (status != AC_OK)
        return stop_for_head(t, status);
    if (t->phase != TRANSFER_ANSWERED && !head_gatherer_is_interim(&t->head)) {
        t->phase = TRANSFER_ANSWERED;
        http_client_watch(t->client, http_transfer_due(t)); /* silence may be due sooner than the first byte was */
    }
    if (t->head.complete && !had_head)
        head_complete(t);
    return length;
}

/* Keep it for the reader; false when there is enough already. */
static bool keep(http_transfer *t, const char *data, size_t length)
{
    bool room;
    ac_status status = AC_OK;

    pthread_mutex_lock(&t->lock);
    room = t->answer.length - t->answer_taken < t->limits.stream_bytes;
    if (room) {
        buf_consume(&t->answer, t->answer_taken);
        t->answer_taken = 0;
        status = buf_append(&t->answer, data, length);
    } else {
        t->download_paused = true;
    }
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    if (status != AC_OK)
        stop_with(t, status, HTTP_FAILURE_LOCAL);
    return room;
}

static bool offer(http_transfer *t, const char *data, size_t length)
{
    if (!t->events.on_data || t->events.on_data(t, data, length, t->events.user))
        return true;
    pthread_mutex_lock(&t->lock);
    t->download_paused = true;
    pthread_mutex_unlock(&t->lock);
    return false;
}

static bool cancelled(http_transfer *t)
{
    bool yes;

    pthread_mutex_lock(&t->lock);
    yes = t->cancelled;
    pthread_mutex_unlock(&t->lock);
    return yes;
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    http_transfer *t = user;
    size_t length = size * count;

    t->progress_ms = now_of(t);
    if (cancelled(t))
        return stop_with(t, AC_ERR_CLOSED, HTTP_FAILURE_CANCELLED);
    if (length > t->limits.body_bytes - t->received)
        return stop_with(t, AC_ERR_TOO_LARGE, HTTP_FAILURE_TOO_LARGE);
    if (!(t->has_events ? offer(t, data, length) : keep(t, data, length)))
        return CURL_WRITEFUNC_PAUSE;
    if (t->failed != AC_OK)
        return 0;
    t->received += length;
    return length;
}

/* Connected, and about to send.  The signature is libcurl's. */
/* NOLINTNEXTLINE(readability-non-const-parameter) */
static int on_connected(void *user, char *peer, char *local, int peer_port, int local_port)
{
    http_transfer *t = user;

    (void)peer;
    (void)local;
    (void)peer_port;
    (void)local_port;
    t->phase = TRANSFER_ASKING;
    t->progress_ms = now_of(t);
    http_client_watch(t->client, http_transfer_due(t));
    return CURL_PREREQFUNC_OK;
}

/* ---- deadlines ---- */

static uint64_t later(uint64_t from, uint64_t by)
{
    return by == HTTP_NEVER ? HTTP_NEVER : from + by;
}

static uint64_t phase_due(const http_transfer *t)
{
    if (t->phase == TRANSFER_CONNECTING)
        return later(t->started_ms, t->limits.connect_ms);
    if (t->download_paused || t->upload_paused) /* written by this thread alone where it matters: see do_wake */
        return HTTP_NEVER;
    return later(t->progress_ms, t->phase == TRANSFER_ASKING ? t->limits.first_byte_ms : t->limits.idle_ms);
}

uint64_t http_transfer_due(const http_transfer *t)
{
    uint64_t total = later(t->started_ms, t->limits.total_ms);

    return MIN(total, phase_due(t));
}

void http_transfer_check_due(http_transfer *t, uint64_t now_ms)
{
    if (now_ms >= later(t->started_ms, t->limits.total_ms))
        http_transfer_abort(t, AC_ERR_TIMEOUT, HTTP_FAILURE_TIMEOUT, "the request took too long");
    else if (now_ms < phase_due(t))
        return;
    else if (t->phase == TRANSFER_CONNECTING)
        http_transfer_finished(t, CURLE_OPERATION_TIMEDOUT);
    else if (t->phase == TRANSFER_ASKING)
        http_transfer_abort(t, AC_ERR_TIMEOUT, HTTP_FAILURE_TIMEOUT, "no answer began");
    else
        http_transfer_abort(t, AC_ERR_TIMEOUT, HTTP_FAILURE_TIMEOUT, "the answer stopped coming");
}

/* ---- the end ---- */

/* What is known about the end goes to whoever waits; then the loop's reference. */
static void settle(http_transfer *t, ac_status status, http_failure failure, const ac_error *err)
{
    if (t->easy) {
        curl_multi_remove_handle(t->client->multi, t->easy);
        curl_easy_cleanup(t->easy);
        t->easy = NULL;
    }
    http_client_unlink(t->client, t);
    pthread_mutex_lock(&t->lock);
    t->status = status;
    t->failure = failure;
    t->told = t->has_events;
    if (status != AC_OK)
        t->error = *err;
    pthread_mutex_unlock(&t->lock);
    if (t->has_events && t->events.on_done)
        t->events.on_done(t, status, status == AC_OK ? NULL : &t->error, t->events.user);
    atomic_fetch_sub(&t->client->transfers, 1);
    pthread_mutex_lock(&t->lock);
    t->done = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    http_transfer_unref(t);
}

void http_transfer_abort(http_transfer *t, ac_status status, http_failure failure, const char *what)
{
    ac_error err = {0};

    ac_error_set(&err, status, "%s%s: %s", status == AC_ERR_TIMEOUT ? "time-out: " : "", t->origin, what);
    settle(t, status, failure, &err);
}

static const char *failed_what(http_failure how)
{
    switch (how) {
    case HTTP_FAILURE_TOO_LARGE:
        return "the answer is larger than allowed";
    case HTTP_FAILURE_MALFORMED:
        return "malformed answer";
    case HTTP_FAILURE_CANCELLED:
        return "the request was cancelled";
    default:
        return "out of memory";
    }
}

void http_transfer_finished(http_transfer *t, CURLcode code)
{
    http_failure failure = HTTP_FAILURE_NONE;
    ac_error err = {0};

    if (t->failed != AC_OK) {
        http_transfer_abort(t, t->failed, t->failed_how, failed_what(t->failed_how));
    } else if (code != CURLE_OK) {
        ac_status status = http_curl_failure(t->easy, code, t->curl_message, t->origin, &failure, &err);
        settle(t, status, failure, &err);
    } else if (!t->head.complete) {
        http_transfer_abort(t, AC_ERR_PROTOCOL, HTTP_FAILURE_MALFORMED, "the answer has no complete head");
    } else {
        settle(t, AC_OK, HTTP_FAILURE_NONE, &err);
    }
}

/* ---- what other threads want ---- */

static void do_wake(loop_task *task)
{
    http_transfer *t = CONTAINER_OF(task, http_transfer, wake);
    bool stop, resume, done;

    pthread_mutex_lock(&t->lock);
    t->wake_posted = false;
    done = t->done;
    stop = t->cancelled;
    resume = t->resume_wanted;
    t->resume_wanted = false;
    if (resume)
        t->download_paused = false;
    pthread_mutex_unlock(&t->lock);
    /* One whose beginning is still on its way (this task may overtake it, when it comes from the loop's own thread)
     * finds there that it is cancelled. */
    if (!done && stop && t->linked) {
        http_transfer_abort(t, AC_ERR_CLOSED, HTTP_FAILURE_CANCELLED, "the request was cancelled");
    } else if (!done && resume && t->linked) {
        t->upload_paused = false;
        t->progress_ms = now_of(t);
        http_client_watch(t->client, http_transfer_due(t));
        curl_easy_pause(t->easy, CURLPAUSE_CONT);
    }
    http_transfer_unref(t);
}

bool http_transfer_post_locked(http_transfer *t)
{
    if (t->done)
        return false;
    if (!t->wake_posted) {
        t->wake_posted = true;
        t->wake.run = do_wake;
        atomic_fetch_add(&t->refs, 1);
        http_loop_post(&t->client->loop, &t->wake);
    }
    return true;
}

/* ---- the beginning ---- */

static CURLcode set_callbacks(http_transfer *t)
{
    CURL *easy = t->easy;
    CURLcode code = curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);

    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_PREREQDATA, t);
    return code;
}

void http_transfer_begin(loop_task *task)
{
    http_transfer *t = CONTAINER_OF(task, http_transfer, start);
    http_client *client = t->client;

    uv_update_time(&client->loop.uv);
    t->started_ms = t->progress_ms = now_of(t);
    if (client->stopping || cancelled(t)) {
        http_transfer_abort(t, AC_ERR_CLOSED, HTTP_FAILURE_CANCELLED, "the request was cancelled");
        return;
    }
    if (set_callbacks(t) != CURLE_OK || curl_multi_add_handle(client->multi, t->easy) != CURLM_OK) {
        http_transfer_abort(t, AC_ERR_NOMEM, HTTP_FAILURE_LOCAL, "out of memory");
        return;
    }
    http_client_link(client, t);
    http_client_watch(client, http_transfer_due(t));
}

/* Among them may be keys and tokens. */
static void free_headers(struct curl_slist *headers)
{
    for (struct curl_slist *line = headers; line; line = line->next)
        explicit_bzero(line->data, strlen(line->data));
    curl_slist_free_all(headers);
}

void http_transfer_unref(http_transfer *t)
{
    if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): that others hold references is beyond the analyzer */
    if (t->easy)
        curl_easy_cleanup(t->easy);
    free_headers(t->headers);
    free(t->body_copy);
    head_gatherer_done(&t->head);
    buf_done(&t->answer);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    http_client_unref(t->client);
    free(t);
}
