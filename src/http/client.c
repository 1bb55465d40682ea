/* client.c - the HTTP client's thread: libcurl's multi interface on a libuv loop.
 *
 * libcurl says which sockets to watch and when to call it; what it reports as done is handed to client_transfer.c.
 * Deadlines are ours, because libcurl's do not tell phases apart: one timer is set to the earliest that may be over.
 * Progress only ever moves a deadline later, so it does not touch the timer; when it fires early, it is set anew.
 *
 * The client outlives its thread while transfers are held: http_client_free ends the thread, the last reference frees
 * the memory. */
#include "http/client_internal.h"

#include "base/thread.h"

#include <stdlib.h>
#include <string.h>

#define TRANSFERS_DEFAULT 1024
#define IDLE_CONNECTIONS_DEFAULT 32L

/* A socket that libcurl wants watched. */
typedef struct watched_socket {
    uv_poll_t poll;
    http_client *client;
    curl_socket_t fd;
} watched_socket;

/* ---- what curl has finished ---- */

static void collect(http_client *client)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(client->multi, &left))) {
        http_transfer *t = NULL;
        CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        http_transfer_finished(t, code);
    }
}

static void advance(http_client *client, curl_socket_t fd, int events)
{
    int running;

    http_loop_enter(&client->loop);
    curl_multi_socket_action(client->multi, fd, events, &running);
    collect(client);
    http_loop_leave(&client->loop);
}

/* ---- sockets ---- */

static void on_socket_ready(uv_poll_t *poll, int status, int events)
{
    watched_socket *w = poll->data;
    int action = status < 0 ? CURL_CSELECT_ERR : 0;

    if (events & (UV_READABLE | UV_DISCONNECT))
        action |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        action |= CURL_CSELECT_OUT;
    advance(w->client, w->fd, action); /* w may be closed by this */
}

static void on_socket_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static watched_socket *watch_socket(http_client *client, curl_socket_t fd)
{
    watched_socket *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    *w = (watched_socket){.client = client, .fd = fd};
    w->poll.data = w;
    if (uv_poll_init_socket(&client->loop.uv, &w->poll, fd) != 0) {
        free(w);
        return NULL;
    }
    curl_multi_assign(client->multi, fd, w);
    return w;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
    http_client *client = user;
    watched_socket *w = socket_user;
    int events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w) {
            uv_poll_stop(&w->poll);
            uv_close((uv_handle_t *)&w->poll, on_socket_closed);
            curl_multi_assign(client->multi, fd, NULL);
        }
        return 0;
    }
    if (!w)
        w = watch_socket(client, fd);
    if (!w)
        return -1;
    if (what != CURL_POLL_OUT)
        events |= UV_READABLE;
    if (what != CURL_POLL_IN)
        events |= UV_WRITABLE;
    return uv_poll_start(&w->poll, events, on_socket_ready) == 0 ? 0 : -1;
}

/* ---- time ---- */

static void on_curl_timer(uv_timer_t *timer)
{
    advance(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int on_curl_timeout(CURLM *multi, long timeout_ms, void *user)
{
    http_client *client = user;

    (void)multi;
    if (timeout_ms < 0) {
        uv_timer_stop(&client->curl_timer);
        return 0;
    }
    uv_update_time(&client->loop.uv); /* it is counted from now, not from when this iteration began */
    return uv_timer_start(&client->curl_timer, on_curl_timer, (uint64_t)timeout_ms, 0) == 0 ? 0 : -1;
}

static void on_due(uv_timer_t *timer)
{
    http_client *client = timer->data;
    uint64_t first = HTTP_NEVER;

    client->due_ms = HTTP_NEVER;
    http_loop_enter(&client->loop);
    for (http_transfer *t = client->active, *next; t; t = next) {
        next = t->next;
        http_transfer_check_due(t, uv_now(&client->loop.uv));
    }
    for (http_transfer *t = client->active; t; t = t->next)
        first = MIN(first, http_transfer_due(t));
    http_client_watch(client, first);
    http_loop_leave(&client->loop);
}

void http_client_watch(http_client *client, uint64_t due_ms)
{
    uint64_t now = uv_now(&client->loop.uv);

    if (due_ms >= client->due_ms)
        return;
    client->due_ms = due_ms;
    uv_timer_start(&client->due_timer, on_due, due_ms > now ? due_ms - now : 0, 0);
}

void http_client_link(http_client *client, http_transfer *t)
{
    t->linked = true;
    t->previous = NULL;
    t->next = client->active;
    if (t->next)
        t->next->previous = t;
    client->active = t;
}

void http_client_unlink(http_client *client, http_transfer *t)
{
    if (!t->linked)
        return;
    t->linked = false;
    if (t->previous)
        t->previous->next = t->next;
    else
        client->active = t->next;
    if (t->next)
        t->next->previous = t->previous;
}

/* ---- life ---- */

static void *run(void *arg)
{
    http_client *client = arg;

    http_loop_adopt(&client->loop);
    uv_run(&client->loop.uv, UV_RUN_DEFAULT);
    /* Tasks that were on their way when the last transfer was cut off hold references. */
    uv_run(&client->loop.uv, UV_RUN_NOWAIT);
    uv_run(&client->loop.uv, UV_RUN_NOWAIT);
    curl_multi_cleanup(client->multi);
    uv_close((uv_handle_t *)&client->curl_timer, NULL);
    uv_close((uv_handle_t *)&client->due_timer, NULL);
    http_loop_done(&client->loop);
    return NULL;
}

static void run_stop(loop_task *task)
{
    http_client *client = CONTAINER_OF(task, http_client, stop);

    client->stopping = true;
    while (client->active)
        http_transfer_abort(client->active, AC_ERR_CLOSED, HTTP_FAILURE_CANCELLED, "the HTTP client was shut down");
    uv_stop(&client->loop.uv);
}

static ac_status make_multi(http_client *client, const http_client_options *o)
{
    long idle = o->connections_idle ? (long)MIN(o->connections_idle, 65536U) : IDLE_CONNECTIONS_DEFAULT;

    client->multi = curl_multi_init();
    if (!client->multi)
        return AC_ERR_NOMEM;
    if (curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket) != CURLM_OK ||
        curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client) != CURLM_OK ||
        curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_curl_timeout) != CURLM_OK ||
        curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client) != CURLM_OK ||
        curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, idle) != CURLM_OK)
        return AC_ERR_INTERNAL;
    return AC_OK;
}

/* Where signals are blocked, a broken pipe is an error code. */
static ac_status start_thread(http_client *client)
{
    if (thread_start(&client->thread, NULL, run, client) != 0)
        return AC_ERR_IO;
    /* http_loop_init made the loop this thread's; the new thread says so itself, but perhaps too late for the first
     * call. */
    atomic_store(&client->loop.thread, client->thread);
    return AC_OK;
}

static ac_status make_loop(http_client *client)
{
    AC_TRY(http_loop_init(&client->loop));
    uv_timer_init(&client->loop.uv, &client->curl_timer);
    uv_timer_init(&client->loop.uv, &client->due_timer);
    client->curl_timer.data = client->due_timer.data = client;
    uv_ref((uv_handle_t *)&client->loop.wake); /* the loop waits for work until it is stopped */
    return AC_OK;
}

static void unmake_loop(http_client *client)
{
    uv_close((uv_handle_t *)&client->curl_timer, NULL);
    uv_close((uv_handle_t *)&client->due_timer, NULL);
    http_loop_done(&client->loop);
}

static ac_status copy_option(const char *text, char **ret_copy)
{
    *ret_copy = text ? strdup(text) : NULL;
    return text && !*ret_copy ? AC_ERR_NOMEM : AC_OK;
}

static ac_status fill(http_client *client, const http_client_options *o, ac_error *err)
{
    ac_status status = copy_option(o->ca_file, &client->ca_file);

    if (status == AC_OK)
        status = copy_option(o->user_agent, &client->user_agent);
    if (status == AC_OK)
        status = make_multi(client, o);
    if (status == AC_OK)
        status = make_loop(client);
    if (status != AC_OK)
        return ac_error_set(err, status, "cannot start an HTTP client");
    status = start_thread(client);
    if (status == AC_OK)
        return AC_OK;
    unmake_loop(client);
    return ac_error_set(err, status, "cannot start a thread for an HTTP client");
}

ac_status http_client_new(const http_client_options *options, http_client **ret_client, ac_error *err)
{
    http_client_options defaults = {0};
    const http_client_options *o = options ? options : &defaults;
    http_client *client;

    *ret_client = NULL;
    AC_TRY(http_curl_global(err));
    client = calloc(1, sizeof *client);
    if (!client)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    atomic_init(&client->refs, 1);
    client->transfers_max = o->transfers_max ? o->transfers_max : TRANSFERS_DEFAULT;
    client->due_ms = HTTP_NEVER;
    client->stop.run = run_stop;

    ac_status status = fill(client, o, err);
    if (status != AC_OK) {
        if (client->multi)
            curl_multi_cleanup(client->multi);
        http_client_unref(client);
        return status;
    }
    *ret_client = client;
    return AC_OK;
}

void http_client_unref(http_client *client)
{
    if (atomic_fetch_sub_explicit(&client->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(client->ca_file);
    free(client->user_agent);
    free(client);
}

void http_client_free(http_client *client)
{
    if (!client)
        return;
    http_loop_post(&client->loop, &client->stop);
    pthread_join(client->thread, NULL);
    http_client_unref(client);
}
