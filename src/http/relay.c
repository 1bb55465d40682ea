/* relay.c - a request passed on, and its answer passed back.
 *
 * Everything lives in the exchange's arena and on its loop.  How the answer's body goes back depends on its head:
 *
 *     STREAM   as it comes, each piece at once; what the client has no room for is held (at most one read buffer)
 *              while the server's socket is left alone
 *     WHOLE    its length is known and small: gathered, and sent in one write together with its head
 *     COLLECT  the caller wants it for himself
 *     DROP     the client's answer has no body
 *     TUNNEL   relay_tunnel.c
 *
 * The relay ends once, in relay_end: by the answer's end, by a failure, or because the exchange is over before that.
 * Until the exchange itself is gone callbacks may still come and find it ended. */
#include "http/relay_internal.h"

#include <strings.h>

#define COLLECT_BYTES 65536
#define WHOLE_BYTES 65536
#define EVENT_PROBE ":\n\n"

/* ---- the end ---- */

static const ac_error *error_of(ac_status status, const ac_error *err, ac_error *space)
{
    if (status == AC_OK || err)
        return err;
    ac_error_set(space, status, "%s", ac_status_text(status));
    return space;
}

static void tell_end(http_relay *r, http_upstream *u, ac_status status, bool client_gone, const ac_error *err)
{
    ac_error space;
    http_relay_result result = {
        .status = status,
        .client_gone = client_gone,
        .answered = r->answered,
        .unsent = r->unsent,
        .server_status = r->server_status,
        .bytes_out = r->bytes_out,
    };

    result.err = error_of(status, err, &space);
    if (r->mode == RELAY_COLLECT) {
        result.collected = buf_terminate(&r->body);
        result.collected_length = result.collected ? r->body.length : 0;
    }
    r->events.on_end(r->x, u, &result, r->events.user);
}

void relay_end(http_relay *r, ac_status status, bool client_gone, const ac_error *err)
{
    http_upstream *u = TAKE_PTR(r->u);

    if (r->ended)
        return;
    r->ended = true;
    if (u && !r->server_done) {
        http_upstream_close(u);
        u = NULL;
    }
    if (!r->answered && !client_gone && http_exchange_on_over(r->x, NULL, NULL) != AC_OK) {
        status = AC_ERR_CLOSED; /* and has not been told so yet */
        client_gone = true;
    }
    tell_end(r, u, status, client_gone, err);
    buf_done(&r->body);
    http_exchange_unref(r->x);
}

static void on_over(http_exchange *x, void *user)
{
    (void)x;
    relay_end(user, AC_ERR_CLOSED, true, NULL);
}

/* The server has said all, and so have we. */
static void end_stream(http_relay *r)
{
    if (r->server_result == AC_OK)
        http_stream_end(r->x);
    else
        http_stream_abort(r->x);
    relay_end(r, r->server_result, false, r->server_error);
}

/* Something on our side failed after the client's answer has begun. */
static void break_off(http_relay *r, ac_status status)
{
    if (r->answered)
        http_stream_abort(r->x);
    relay_end(r, status, false, NULL);
}

/* ---- streaming ---- */

static void wait_room(http_relay *r);

/* The client may have what is held. */
static void on_room(http_exchange *x, void *user)
{
    http_relay *r = user;
    ac_status status;

    if (r->ended || http_exchange_closed(x))
        return; /* on_over tells */
    status = http_stream_write(x, r->body.data, r->body.length);
    if (status == AC_ERR_AGAIN) {
        wait_room(r);
    } else if (status == AC_OK) {
        r->bytes_out += r->body.length;
        buf_done(&r->body);
        if (r->server_done)
            end_stream(r);
        else
            http_upstream_pause(r->u, false);
    } else if (!http_exchange_closed(x)) {
        break_off(r, status);
    }
}

static void wait_room(http_relay *r)
{
    ac_status status = http_exchange_on_writable(r->x, on_room, r);

    if (status != AC_OK && status != AC_ERR_CLOSED)
        break_off(r, status);
}

static void hold(http_relay *r, const char *data, size_t length)
{
    bool first = !r->body.length;

    if (buf_append(&r->body, data, length) != AC_OK) {
        break_off(r, AC_ERR_NOMEM);
    } else if (first) {
        http_upstream_pause(r->u, true);
        wait_room(r);
    }
}

/* Between two events, and only there, the exchange may add one that means nothing, to learn whether a client that has
 * half-closed still listens. */
static void set_probe(http_relay *r, const char *data, size_t length)
{
    bool between = (length >= 2 && memcmp(data + length - 2, "\n\n", 2) == 0) ||
                   (length >= 4 && memcmp(data + length - 4, "\r\n\r\n", 4) == 0);

    pthread_mutex_lock(&r->x->lock);
    r->x->probe = between ? EVENT_PROBE : NULL;
    pthread_mutex_unlock(&r->x->lock);
}

static void pass(http_relay *r, const char *data, size_t length)
{
    ac_status status;

    if (r->events_plain)
        set_probe(r, data, length);
    status = r->body.length ? AC_ERR_AGAIN : http_stream_write(r->x, data, length);
    if (status == AC_OK)
        r->bytes_out += length;
    else if (status == AC_ERR_AGAIN)
        hold(r, data, length);
    else if (!http_exchange_closed(r->x)) /* on_over tells */
        break_off(r, status);
}

/* ---- the answer's head ---- */

/* What is sent after on_head has returned. */
static ac_status keep_answer(http_relay *r, const http_relay_answer *answer)
{
    arena *a = http_exchange_arena(r->x);
    http_field *fields = arena_alloc(a, (answer->field_count + 1) * sizeof *fields);

    r->response = (http_response){.status = answer->status, .fields = fields, .field_count = answer->field_count};
    if (!fields)
        return AC_ERR_NOMEM;
    if (answer->content_type) {
        r->response.content_type = arena_copy(a, answer->content_type, strlen(answer->content_type));
        if (!r->response.content_type)
            return AC_ERR_NOMEM;
    }
    for (size_t i = 0; i < answer->field_count; i++) {
        const http_field *f = &answer->fields[i];

        fields[i].name = arena_copy(a, f->name, strlen(f->name));
        fields[i].value = arena_copy(a, f->value, strlen(f->value));
        if (!fields[i].name || !fields[i].value)
            return AC_ERR_NOMEM;
    }
    return AC_OK;
}

static bool is_event_stream(const char *content_type)
{
    return content_type && strncasecmp(content_type, "text/event-stream", 17) == 0;
}

static relay_mode mode_for(const http_relay *r, const http_upstream_head *head, const http_relay_answer *answer)
{
    if (answer->status == 204 || answer->status == 304)
        return RELAY_DROP;
    if (strcmp(r->request.method, "HEAD") != 0 && head->content_length >= 0 &&
        (uint64_t)head->content_length <= r->whole_max && !is_event_stream(answer->content_type))
        return RELAY_WHOLE;
    return RELAY_STREAM;
}

static ac_status begin_answer(http_relay *r, const http_upstream_head *head, const http_relay_answer *answer)
{
    http_response response = {answer->status, answer->content_type, answer->fields, answer->field_count};

    r->mode = mode_for(r, head, answer);
    if (r->mode == RELAY_STREAM) {
        r->events_plain = is_event_stream(answer->content_type) && !relay_header(head, "Content-Encoding");
        AC_TRY(http_stream_begin(r->x, &response, r->events_plain ? EVENT_PROBE : NULL));
        r->answered = true;
        return http_stream_write(r->x, "", 0); /* the head leaves with what came behind it, or alone */
    }
    if (r->mode == RELAY_WHOLE && head->content_length > 0)
        AC_TRY(buf_reserve(&r->body, (size_t)head->content_length));
    return keep_answer(r, answer);
}

static void on_head(http_upstream *u, const http_upstream_head *head, void *user)
{
    http_relay *r = user;
    const char *type = relay_header(head, "Content-Type");
    http_relay_answer answer = {.status = head->status, .content_type = type};
    http_relay_verdict verdict;
    ac_status status = AC_OK;

    (void)u;
    r->server_status = head->status;
    verdict = r->events.on_head(r->x, head, &answer, r->events.user);
    if (verdict == HTTP_RELAY_COLLECT)
        r->mode = RELAY_COLLECT;
    else
        status = head->status == 101 ? relay_begin_tunnel(r, head, &answer) : begin_answer(r, head, &answer);
    if (verdict == HTTP_RELAY_COLLECT && head->status == 101)
        relay_end(r, AC_OK, false, NULL); /* there is nothing to gather */
    else if (status != AC_OK && http_exchange_closed(r->x))
        relay_end(r, AC_ERR_CLOSED, true, NULL);
    else if (status != AC_OK)
        break_off(r, status);
}

/* ---- the body ---- */

static void collect(http_relay *r, const char *data, size_t length)
{
    size_t room = r->collect_max - r->body.length;

    if (buf_append(&r->body, data, MIN(length, room)) != AC_OK)
        relay_end(r, AC_ERR_NOMEM, false, NULL);
    else if (length > room)
        relay_end(r, AC_OK, false, NULL); /* enough, and perhaps there is no end */
}

static void on_data(http_upstream *u, char *data, size_t length, void *user)
{
    http_relay *r = user;

    (void)u;
    switch (r->mode) {
    case RELAY_STREAM:
        pass(r, data, length);
        break;
    case RELAY_WHOLE:
        if (buf_append(&r->body, data, length) != AC_OK)
            relay_end(r, AC_ERR_NOMEM, false, NULL);
        break;
    case RELAY_COLLECT:
        collect(r, data, length);
        break;
    case RELAY_TUNNEL:
        relay_to_client(r, data, length);
        break;
    default:
        break;
    }
}

/* ---- the server is done ---- */

static void answer_whole(http_relay *r)
{
    uint64_t length = r->body.length;
    ac_status status = http_respond(r->x, &r->response, r->mode == RELAY_WHOLE ? &r->body : NULL);

    r->answered = status == AC_OK;
    if (status == AC_OK)
        r->bytes_out += length;
    relay_end(r, status, status == AC_ERR_CLOSED, NULL);
}

static void send_request(http_relay *r, bool fresh);

static void on_done(http_upstream *u, ac_status status, const ac_error *err, void *user)
{
    http_relay *r = user;

    if (r->ended)
        return;
    if (status != AC_OK && http_upstream_was_stale(u) && !r->retried) {
        r->retried = true;
        r->u = NULL;
        http_upstream_close(u);
        send_request(r, true);
        return;
    }
    r->server_done = true;
    r->server_result = status;
    r->unsent = status == AC_ERR_IO;
    if (r->mode == RELAY_STREAM && r->body.length) { /* the client has not had all of it */
        ac_error *copy = err ? arena_alloc(http_exchange_arena(r->x), sizeof *copy) : NULL;

        if (copy)
            *copy = *err;
        r->server_error = copy;
        return;
    }
    r->server_error = err;
    if (r->mode == RELAY_STREAM)
        end_stream(r);
    else if (r->mode == RELAY_TUNNEL)
        relay_tunnel_done(r);
    else if (status == AC_OK && r->mode != RELAY_COLLECT)
        answer_whole(r);
    else
        relay_end(r, status, false, err);
}

static const http_upstream_events upstream_events = {
    .on_head = on_head,
    .on_data = on_data,
    .on_done = on_done,
    .on_writable = relay_server_writable,
};

/* ---- the beginning ---- */

static void send_request(http_relay *r, bool fresh)
{
    http_upstream_events events = upstream_events;
    ac_status status;
    ac_error err = {0};

    events.user = r;
    r->u = r->events.connect(http_exchange_loop(r->x), fresh, r->events.user);
    if (!r->u) {
        ac_error_set(&err, AC_ERR_IO, "there is no connection to the server");
        r->unsent = true;
        relay_end(r, AC_ERR_IO, false, &err);
        return;
    }
    status = http_upstream_send(r->u, &r->request, &events);
    if (status != AC_OK)
        relay_end(r, status, false, NULL);
}

static void start_task(loop_task *task)
{
    http_relay *r = CONTAINER_OF(task, http_relay, task);
    ac_status status = http_exchange_on_over(r->x, on_over, r);

    if (status == AC_OK)
        send_request(r, false);
    else
        relay_end(r, status, status == AC_ERR_CLOSED, NULL);
}

/* Method, target and headers, in one piece. */
static ac_status copy_request(arena *a, const http_upstream_request *from, http_upstream_request *to)
{
    http_field *fields = arena_alloc(a, (from->header_count + 1) * sizeof *fields);

    *to = *from;
    to->method = arena_copy(a, from->method, strlen(from->method));
    to->target = arena_copy(a, from->target, strlen(from->target));
    to->headers = fields;
    if (!fields || !to->method || !to->target)
        return AC_ERR_NOMEM;
    for (size_t i = 0; i < from->header_count; i++) {
        size_t name = strlen(from->headers[i].name) + 1, value = strlen(from->headers[i].value) + 1;
        char *text = arena_alloc(a, name + value);

        if (!text)
            return AC_ERR_NOMEM;
        memcpy(text, from->headers[i].name, name);
        memcpy(text + name, from->headers[i].value, value);
        fields[i] = (http_field){text, text + name};
    }
    return AC_OK;
}

ac_status http_relay_start(http_exchange *x, const http_relay_options *options, const http_relay_events *events)
{
    arena *a = http_exchange_arena(x);
    http_relay *r;
    ac_status status;

    if (!http_upstream_request_valid(&options->request) ||
        (options->request.upgrade && !http_exchange_request(x)->websocket))
        return AC_ERR_INVALID;
    r = arena_zalloc(a, sizeof *r);
    if (!r)
        return AC_ERR_NOMEM;
    AC_TRY(copy_request(a, &options->request, &r->request));
    r->x = http_exchange_ref(x);
    r->events = *events;
    r->collect_max = options->collect_max ? options->collect_max : COLLECT_BYTES;
    r->whole_max = options->whole_max ? options->whole_max : WHOLE_BYTES;
    r->body = BUF_INIT(SIZE_MAX / 2);
    r->task.run = start_task;
    status = http_exchange_post(x, &r->task);
    if (status != AC_OK)
        http_exchange_unref(x);
    return status;
}
