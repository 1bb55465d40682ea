/* client_reader.c - the HTTP client as other threads see it: open, wait, read, fetch, free. */
#include "http/client_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- waiting ---- */

typedef struct wait_limit {
    bool limited;
    struct timespec until;
} wait_limit;

static wait_limit wait_for(int timeout_ms)
{
    wait_limit w = {.limited = timeout_ms >= 0};

    if (!w.limited)
        return w;
    clock_gettime(CLOCK_MONOTONIC, &w.until);
    w.until.tv_sec += timeout_ms / 1000;
    w.until.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (w.until.tv_nsec >= 1000000000L) {
        w.until.tv_sec++;
        w.until.tv_nsec -= 1000000000L;
    }
    return w;
}

/* False when the time is over. */
static bool wait_locked(http_transfer *t, const wait_limit *w)
{
    if (!w->limited)
        return pthread_cond_wait(&t->changed, &t->lock) == 0;
    return pthread_cond_clockwait(&t->changed, &t->lock, CLOCK_MONOTONIC, &w->until) != ETIMEDOUT;
}

static ac_status report_locked(http_transfer *t, ac_error *err)
{
    t->told = true;
    if (t->status != AC_OK && err)
        *err = t->error;
    return t->status;
}

/* ---- opening ---- */

static http_transfer *transfer_new(http_client *client, const http_transfer_events *events, size_t head_bytes_max)
{
    http_transfer *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    atomic_init(&t->refs, 1);
    atomic_fetch_add(&client->refs, 1);
    t->client = client;
    t->answer = BUF_INIT(SIZE_MAX / 2);
    t->start.run = http_transfer_begin;
    if (events) {
        t->events = *events;
        t->has_events = true;
    }
    head_gatherer_init(&t->head, head_bytes_max);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->changed, NULL);
    return t;
}

static ac_status open_transfer(http_client *client, const http_client_request *request,
                               const http_transfer_events *events, bool fetching, http_transfer **ret_transfer,
                               ac_error *err)
{
    http_transfer *t = transfer_new(client, events, request->head_bytes_max);

    *ret_transfer = NULL;
    if (!t) {
        ac_error_set(err, AC_ERR_NOMEM, "no memory for a request");
        return AC_ERR_NOMEM;
    }
    t->fetching = fetching;
    t->answer.secret = request->secret;
    ac_status status = http_transfer_prepare(t, request, err);
    if (status == AC_OK && atomic_fetch_add(&client->transfers, 1) >= client->transfers_max) {
        atomic_fetch_sub(&client->transfers, 1);
        status = ac_error_set(err, AC_ERR_AGAIN, "more than %u requests at once", client->transfers_max);
    }
    if (status != AC_OK) {
        http_transfer_unref(t);
        return status;
    }
    atomic_fetch_add(&t->refs, 1); /* the loop's */
    http_loop_post(&client->loop, &t->start);
    *ret_transfer = t;
    return AC_OK;
}

ac_status http_client_open(http_client *client, const http_client_request *request, const http_transfer_events *events,
                           http_transfer **ret_transfer, ac_error *err)
{
    return open_transfer(client, request, events, false, ret_transfer, err);
}

/* ---- reading ---- */

ac_status http_transfer_head(http_transfer *t, int timeout_ms, const http_client_head **ret_head, ac_error *err)
{
    wait_limit w = wait_for(timeout_ms);
    ac_status status = AC_OK;

    *ret_head = NULL;
    pthread_mutex_lock(&t->lock);
    while (!t->head_ready && !t->done && status == AC_OK)
        if (!wait_locked(t, &w) && !t->head_ready && !t->done)
            status = ac_error_set(err, AC_ERR_TIMEOUT, "time-out: %s: no answer yet", t->origin);
    if (t->head_ready)
        *ret_head = &t->head_view;
    else if (t->done)
        status = report_locked(t, err);
    pthread_mutex_unlock(&t->lock);
    return *ret_head ? AC_OK : status;
}

static size_t unread_locked(const http_transfer *t)
{
    return t->answer.length - t->answer_taken;
}

static size_t take_locked(http_transfer *t, void *buffer, size_t room)
{
    size_t length = MIN(room, unread_locked(t));

    memcpy(buffer, t->answer.data + t->answer_taken, length);
    t->answer_taken += length;
    if (t->answer_taken == t->answer.length)
        t->answer_taken = t->answer.length = 0;
    if (t->download_paused && !t->resume_wanted && unread_locked(t) <= t->limits.stream_bytes / 2) {
        t->resume_wanted = true;
        http_transfer_post_locked(t);
    }
    return length;
}

ac_status http_transfer_read(http_transfer *t, void *buffer, size_t room, int timeout_ms, size_t *ret_length,
                             ac_error *err)
{
    wait_limit w = wait_for(timeout_ms);
    ac_status status = AC_OK;

    *ret_length = 0;
    if (t->has_events || room == 0)
        return ac_error_set(err, AC_ERR_STATE, "this answer cannot be read like this");
    pthread_mutex_lock(&t->lock);
    while (unread_locked(t) == 0 && !t->done && status == AC_OK)
        if (!wait_locked(t, &w) && unread_locked(t) == 0 && !t->done)
            status = ac_error_set(err, AC_ERR_TIMEOUT, "time-out: %s: nothing to read yet", t->origin);
    if (unread_locked(t) > 0) {
        *ret_length = take_locked(t, buffer, room);
        status = AC_OK;
    } else if (t->done) {
        status = report_locked(t, err);
    }
    pthread_mutex_unlock(&t->lock);
    return status;
}

/* ---- steering ---- */

void http_transfer_resume(http_transfer *t)
{
    pthread_mutex_lock(&t->lock);
    t->resume_wanted = true;
    http_transfer_post_locked(t);
    pthread_mutex_unlock(&t->lock);
}

void http_transfer_cancel(http_transfer *t)
{
    pthread_mutex_lock(&t->lock);
    if (!t->cancelled) {
        t->cancelled = true;
        http_transfer_post_locked(t);
    }
    pthread_mutex_unlock(&t->lock);
}

http_failure http_transfer_failure(http_transfer *t)
{
    http_failure failure;

    pthread_mutex_lock(&t->lock);
    failure = t->told ? t->failure : HTTP_FAILURE_NONE;
    pthread_mutex_unlock(&t->lock);
    return failure;
}

void http_transfer_free(http_transfer *t)
{
    if (!t)
        return;
    http_transfer_cancel(t);
    if (!http_loop_here(&t->client->loop)) {
        pthread_mutex_lock(&t->lock);
        while (!t->done)
            pthread_cond_wait(&t->changed, &t->lock);
        pthread_mutex_unlock(&t->lock);
    }
    http_transfer_unref(t);
}

/* ---- whole responses ---- */

ac_status http_client_fetch(http_client *client, const http_client_request *request, http_client_response *ret_response,
                            ac_error *err)
{
    http_transfer *t;

    *ret_response = (http_client_response){.failure = HTTP_FAILURE_REQUEST};
    if (http_loop_here(&client->loop))
        return ac_error_set(err, AC_ERR_STATE, "http_client_fetch would wait on the client's own thread");
    ac_status status = open_transfer(client, request, NULL, true, &t, err);
    if (status != AC_OK)
        return status;
    pthread_mutex_lock(&t->lock);
    while (!t->done)
        pthread_cond_wait(&t->changed, &t->lock);
    status = report_locked(t, err);
    ret_response->failure = t->failure;
    if (t->head_ready) {
        ret_response->head = t->head_view;
        ret_response->arena = t->head.strings;
        t->head.strings = ARENA_INIT;
        t->head_view = (http_client_head){0};
        ret_response->body = buf_move(&t->answer);
    }
    pthread_mutex_unlock(&t->lock);
    http_transfer_unref(t);
    return status;
}

void http_client_response_done(http_client_response *response)
{
    buf_done(&response->body);
    arena_done(&response->arena);
    response->head = (http_client_head){0};
}
