/* test_client.c - the HTTP client against our own server. */
#include "http/client.h"

#include "base/clock.h"
#include "client_peers.h"

#include <stdatomic.h>

#define LONG_MS 20000 /* never reached by a test that works */

/* ---- the server ---- */

typedef struct fixture {
    house house;
    http_client *client;
    char url[128];
    atomic_uint requests;
    pthread_t streamer;
    bool streaming;
    http_exchange *streamed;
    size_t stream_bytes;
    atomic_size_t stream_written;
    http_exchange *held[64];
    size_t held_count;
} fixture;

static void echo(http_exchange *x)
{
    const http_request *r = http_exchange_request(x);
    const char *given = http_exchange_header(x, "X-Given"), *length = http_exchange_header(x, "Content-Length");
    const char *chunked = http_exchange_header(x, "Transfer-Encoding");
    const char *accept = http_exchange_header(x, "Accept"), *encoding = http_exchange_header(x, "Accept-Encoding");
    const char *expect = http_exchange_header(x, "Expect"), *type = http_exchange_header(x, "Content-Type");
    char text[1024];

    snprintf(text, sizeof text, "%s %s?%s given=%s length=%s te=%s accept=%s ae=%s expect=%s type=%s body=%.*s",
             r->method, r->target, r->query ? r->query : "", given ? given : "-", length ? length : "-",
             chunked ? chunked : "-", accept ? accept : "-", encoding ? encoding : "-", expect ? expect : "-",
             type ? type : "-", (int)MIN(r->body_length, 100), r->body);
    house_answer(x, 200, "text/plain", text);
}

static void *stream(void *arg)
{
    fixture *f = arg;
    char block[8192];

    memset(block, 'x', sizeof block);
    while (f->stream_written < f->stream_bytes) {
        if (http_stream_write(f->streamed, block, sizeof block) != AC_OK)
            break;
        f->stream_written += sizeof block;
    }
    http_stream_end(f->streamed);
    http_exchange_unref(f->streamed);
    return NULL;
}

static void begin_stream(fixture *f, http_exchange *x)
{
    assert_int_equal(http_stream_begin(x, &(http_response){.status = 200, .content_type = "text/plain"}, NULL), AC_OK);
    f->streamed = x;
    f->streaming = true;
    assert_int_equal(pthread_create(&f->streamer, NULL, stream, f), 0);
}

static void hold(fixture *f, http_exchange *x)
{
    if (f->held_count < ARRAY_SIZE(f->held))
        f->held[f->held_count++] = x;
    else
        http_exchange_unref(x);
}

static void on_request(http_exchange *x, void *user)
{
    fixture *f = user;
    const char *target = http_exchange_request(x)->target;

    atomic_fetch_add(&f->requests, 1);
    if (strcmp(target, "/stream") == 0) {
        begin_stream(f, x);
    } else if (strcmp(target, "/hold") == 0) {
        hold(f, x);
    } else if (strcmp(target, "/length") == 0) {
        char text[32];
        snprintf(text, sizeof text, "%zu", http_exchange_request(x)->body_length);
        house_answer(x, 200, "text/plain", text);
    } else if (strcmp(target, "/missing") == 0) {
        house_answer(x, 404, "application/json", "{}");
    } else {
        echo(x);
    }
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    ac_error err = {0};

    house_start(&f->house, on_request);
    if (http_client_new(NULL, &f->client, &err) != AC_OK)
        fail_msg("%s", err.message);
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%d", f->house.port);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    http_client_free(f->client);
    if (f->streaming)
        pthread_join(f->streamer, NULL);
    house_join(&f->house);
    for (size_t i = 0; i < f->held_count; i++)
        http_exchange_unref(f->held[i]);
    http_server_free(f->house.server);
    free(f);
    return 0;
}

static const char *at(fixture *f, const char *path)
{
    static char url[256];

    snprintf(url, sizeof url, "%s%s", f->url, path);
    return url;
}

static const char *body_text(http_client_response *r)
{
    return r->body.length ? buf_terminate(&r->body) : "";
}

/* ---- whole responses ---- */

typedef struct echo_case {
    http_client_request request;
    const char *path;
    const char *expected;
} echo_case;

static void requests_arrive_as_given(void **state)
{
    static const http_field given[] = {{"X-Given", "yes"}, {"Content-Type", "text/x"}, {"Accept", "a/b"}};
    static const http_field empty[] = {{"X-Given", ""}};
    static const echo_case cases[] = {
        {{0}, "/a", "GET /a? given=- length=- te=- accept=- ae=- expect=- type=- body="},
        {{.headers = given, .header_count = 3},
         "/a",
         "GET /a? given=yes length=- te=- accept=a/b ae=- expect=- type=text/x body="},
        {{.headers = empty, .header_count = 1},
         "/a",
         "GET /a? given= length=- te=- accept=- ae=- expect=- type=- body="},
        {{.body = "hello", .body_length = 5},
         "/a",
         "POST /a? given=- length=5 te=- accept=- ae=- expect=- type=- body=hello"},
        {{.method = "POST"}, "/a", "POST /a? given=- length=0 te=- accept=- ae=- expect=- type=- body="},
        {{.method = "PUT", .body = "p", .body_length = 1},
         "/a",
         "PUT /a? given=- length=1 te=- accept=- ae=- expect=- type=- body=p"},
        {{.method = "DELETE"}, "/a", "DELETE /a? given=- length=- te=- accept=- ae=- expect=- type=- body="},
        {{.method = "PATCH", .body = "p", .body_length = 1},
         "/a",
         "PATCH /a? given=- length=1 te=- accept=- ae=- expect=- type=- body=p"},
        {{0},
         "/x/../b/%2e/arn%3Aaws?q=1&a=%20",
         "GET /x/../b/%2e/arn%3Aaws?q=1&a=%20 given=- length=- te=- accept=- ae=- expect=- type=- body="},
    };
    fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        http_client_request request = cases[i].request;
        http_client_response response;
        ac_error err = {0};

        request.url = at(f, cases[i].path);
        if (http_client_fetch(f->client, &request, &response, &err) != AC_OK)
            fail_msg("case %zu: %s", i, err.message);
        assert_int_equal(response.head.status, 200);
        assert_int_equal(response.failure, HTTP_FAILURE_NONE);
        assert_string_equal(http_client_header(&response.head, "content-type"), "text/plain");
        assert_null(http_client_header(&response.head, "X-None"));
        assert_string_equal(body_text(&response), cases[i].expected);
        http_client_response_done(&response);
    }
    assert_int_equal(http_server_connections(f->house.server), 1);
}

static void any_status_is_an_answer(void **state)
{
    fixture *f = *state;
    http_client_response response;

    assert_int_equal(http_client_fetch(f->client, &(http_client_request){.url = at(f, "/missing")}, &response, NULL),
                     AC_OK);
    assert_int_equal(response.head.status, 404);
    assert_string_equal(body_text(&response), "{}");
    http_client_response_done(&response);
    assert_int_equal(
        http_client_fetch(f->client, &(http_client_request){.url = at(f, "/"), .method = "HEAD"}, &response, NULL),
        AC_OK);
    assert_int_equal(response.head.status, 200);
    assert_int_equal(response.body.length, 0);
    http_client_response_done(&response);
}

typedef struct counting_source {
    size_t sent, total, pause_at;
    bool paused;
    atomic_uintptr_t transfer; /* to be resumed; 0: not known yet */
    atomic_bool waiting;
} counting_source;

static ptrdiff_t count_read(void *user, char *buffer, size_t room)
{
    counting_source *s = user;
    size_t length = MIN(room, s->total - s->sent);

    if (s->pause_at && s->sent >= s->pause_at && !s->paused) {
        s->paused = true;
        s->waiting = true;
        return HTTP_BODY_PAUSE;
    }
    memset(buffer, 'u', length);
    s->sent += length;
    return (ptrdiff_t)length;
}

static void bodies_come_from_sources(void **state)
{
    fixture *f = *state;

    for (int chunked = 0; chunked < 2; chunked++) {
        counting_source s = {.total = 3000000, .pause_at = 1000000};
        http_body_source source = {.read = count_read, .user = &s, .length = chunked ? -1 : 3000000};
        const http_client_head *head;
        http_transfer *t;
        char text[32] = "";
        size_t length;
        ac_error err = {0};

        assert_int_equal(http_client_open(f->client,
                                          &(http_client_request){.url = at(f, "/length"), .body_source = &source}, NULL,
                                          &t, &err),
                         AC_OK);
        while (!s.waiting)
            sched_yield();
        assert_int_equal(http_transfer_head(t, 0, &head, NULL), AC_ERR_TIMEOUT);
        http_transfer_resume(t);
        if (http_transfer_head(t, LONG_MS, &head, &err) != AC_OK)
            fail_msg("%s", err.message);
        assert_int_equal(head->status, 200);
        assert_int_equal(http_transfer_read(t, text, sizeof text - 1, LONG_MS, &length, NULL), AC_OK);
        assert_string_equal(text, "3000000");
        http_transfer_free(t);
    }
}

/* NOLINTNEXTLINE(readability-non-const-parameter): it might write there */
static ptrdiff_t give_up(void *user, char *buffer, size_t room)
{
    (void)user;
    (void)buffer;
    (void)room;
    return HTTP_BODY_ABORT;
}

static void a_source_may_give_up(void **state)
{
    fixture *f = *state;
    http_body_source source = {.read = give_up, .length = 10};
    http_client_response response;
    ac_error err = {0};

    assert_int_equal(http_client_fetch(f->client, &(http_client_request){.url = at(f, "/"), .body_source = &source},
                                       &response, &err),
                     AC_ERR_IO);
    assert_int_equal(response.failure, HTTP_FAILURE_LOCAL);
    http_client_response_done(&response);
}

typedef struct bad_request {
    http_client_request request;
    ac_status status;
    const char *message; /* part of it */
} bad_request;

static void bad_requests_are_refused(void **state)
{
    static const http_field split[] = {{"X-A", "b\r\nX-Evil: 1"}}, name[] = {{"X A", "b"}},
                            length[] = {{"Content-Length", "3"}};
    static const bad_request cases[] = {
        {{.url = "ftp://127.0.0.1/"}, AC_ERR_INVALID, "http://"},
        {{.url = "file:///etc/passwd"}, AC_ERR_INVALID, "http://"},
        {{.url = "http:///x"}, AC_ERR_INVALID, "host"},
        {{.url = "http://user:secret@127.0.0.1/"}, AC_ERR_INVALID, "host"},
        {{.url = "http://127.0.0.1/a b"}, AC_ERR_INVALID, "encoded"},
        {{.url = "http://127.0.0.1/a\r\nX: y"}, AC_ERR_INVALID, "encoded"},
        {{.url = "http://127.0.0.1:99999/"}, AC_ERR_INVALID, "URL"},
        {{.url = "http://127.0.0.1/", .method = "GET /x HTTP/1.1"}, AC_ERR_INVALID, "method"},
        {{.url = "http://127.0.0.1/", .headers = split, .header_count = 1}, AC_ERR_INVALID, "header"},
        {{.url = "http://127.0.0.1/", .headers = name, .header_count = 1}, AC_ERR_INVALID, "header"},
        {{.url = "http://127.0.0.1/", .headers = length, .header_count = 1}, AC_ERR_INVALID, "Content-Length"},
    };
    fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        http_client_response response;
        ac_error err = {0};

        ac_status status = http_client_fetch(f->client, &cases[i].request, &response, &err);
        if (status != cases[i].status || response.failure != HTTP_FAILURE_REQUEST ||
            !strstr(err.message, cases[i].message))
            fail_msg("case %zu: %s, %s", i, ac_status_name(status), err.message);
        assert_null(strstr(err.message, "secret"));
        http_client_response_done(&response);
    }
}

static void many_at_once(void **state)
{
    fixture *f = *state;
    http_transfer *transfers[50];

    for (size_t i = 0; i < ARRAY_SIZE(transfers); i++)
        assert_int_equal(
            http_client_open(f->client, &(http_client_request){.url = at(f, "/x")}, NULL, &transfers[i], NULL), AC_OK);
    for (size_t i = 0; i < ARRAY_SIZE(transfers); i++) {
        const http_client_head *head;
        char text[256];
        size_t length;

        assert_int_equal(http_transfer_head(transfers[i], LONG_MS, &head, NULL), AC_OK);
        assert_int_equal(http_transfer_read(transfers[i], text, sizeof text, LONG_MS, &length, NULL), AC_OK);
        assert_int_equal(http_transfer_read(transfers[i], text, sizeof text, LONG_MS, &length, NULL), AC_OK);
        assert_int_equal(length, 0);
        http_transfer_free(transfers[i]);
    }
}

static void too_many_are_refused(void **state)
{
    fixture *f = *state;
    http_client *small;
    http_transfer *first, *second;
    ac_error err = {0};

    assert_int_equal(http_client_new(&(http_client_options){.transfers_max = 1}, &small, NULL), AC_OK);
    assert_int_equal(http_client_open(small, &(http_client_request){.url = at(f, "/hold")}, NULL, &first, NULL), AC_OK);
    assert_int_equal(http_client_open(small, &(http_client_request){.url = at(f, "/")}, NULL, &second, &err),
                     AC_ERR_AGAIN);
    http_transfer_free(first);
    assert_int_equal(http_client_open(small, &(http_client_request){.url = at(f, "/")}, NULL, &second, &err), AC_OK);
    http_client_free(small); /* before its transfer */
    http_transfer_free(second);
}

/* ---- streams ---- */

static void slow_readers_hold_the_sender(void **state)
{
    fixture *f = *state;
    size_t total = 0, length;
    char block[10000];
    http_transfer *t;

    f->stream_bytes = 64 << 20;
    assert_int_equal(http_client_open(f->client,
                                      &(http_client_request){.url = at(f, "/stream"), .stream_buffer_bytes = 65536},
                                      NULL, &t, NULL),
                     AC_OK);
    const http_client_head *head;
    assert_int_equal(http_transfer_head(t, LONG_MS, &head, NULL), AC_OK);
    /* It cannot get further than the buffers on the way, however long we wait. */
    for (size_t before = 0, same = 0; same < 50; before = f->stream_written) {
        same = before && before == f->stream_written ? same + 1 : 0;
        usleep(2000);
    }
    assert_true(f->stream_written < f->stream_bytes / 2);
    do {
        assert_int_equal(http_transfer_read(t, block, sizeof block, LONG_MS, &length, NULL), AC_OK);
        total += length;
    } while (length > 0);
    assert_int_equal(total, f->stream_bytes);
    http_transfer_free(t);
}

typedef struct collector {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t received, refusals, heads, dones;
    bool refuse_once, refused;
    ac_status status;
} collector;

static void collect_head(http_transfer *t, const http_client_head *head, void *user)
{
    collector *c = user;

    (void)t;
    assert_int_equal(head->status, 200);
    c->heads++;
}

static bool collect_data(http_transfer *t, const char *data, size_t length, void *user)
{
    collector *c = user;
    bool taken = true;

    (void)t;
    pthread_mutex_lock(&c->lock);
    if (c->received > 100000 && !c->refused) {
        c->refused = true;
        taken = false;
    } else {
        assert_int_equal(data[length - 1], 'x');
        c->received += length;
    }
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    return taken;
}

static void collect_done(http_transfer *t, ac_status status, const ac_error *err, void *user)
{
    collector *c = user;

    (void)t;
    assert_int_equal(status != AC_OK, err != NULL);
    pthread_mutex_lock(&c->lock);
    c->dones++;
    c->status = status;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static void callbacks_may_pause(void **state)
{
    fixture *f = *state;
    collector c = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    http_transfer_events events = {collect_head, collect_data, collect_done, &c};
    http_transfer *t;

    f->stream_bytes = 8 << 20;
    assert_int_equal(http_client_open(f->client, &(http_client_request){.url = at(f, "/stream")}, &events, &t, NULL),
                     AC_OK);
    pthread_mutex_lock(&c.lock);
    while (!c.refused)
        pthread_cond_wait(&c.changed, &c.lock);
    size_t before = c.received;
    pthread_mutex_unlock(&c.lock);
    http_transfer_resume(t);
    pthread_mutex_lock(&c.lock);
    while (!c.dones)
        pthread_cond_wait(&c.changed, &c.lock);
    pthread_mutex_unlock(&c.lock);
    assert_true(before < c.received);
    assert_int_equal(c.received, f->stream_bytes);
    assert_int_equal(c.status, AC_OK);
    assert_int_equal(c.heads, 1);
    http_transfer_free(t);
    assert_int_equal(c.dones, 1);
}

static void *cancel_soon(void *arg)
{
    http_transfer_cancel(arg);
    return NULL;
}

static void cancelling_wakes_readers(void **state)
{
    fixture *f = *state;
    const http_client_head *head;
    http_transfer *t;
    pthread_t other;
    ac_error err = {0};

    assert_int_equal(http_client_open(f->client, &(http_client_request){.url = at(f, "/hold")}, NULL, &t, NULL), AC_OK);
    assert_int_equal(pthread_create(&other, NULL, cancel_soon, t), 0);
    assert_int_equal(http_transfer_head(t, LONG_MS, &head, &err), AC_ERR_CLOSED);
    assert_non_null(strstr(err.message, "cancelled"));
    assert_int_equal(http_transfer_failure(t), HTTP_FAILURE_CANCELLED);
    pthread_join(other, NULL);
    http_transfer_free(t);
}

/* A wait that was too short stays that, whatever becomes of the request before one asks. */
static void short_waits_are_no_failure(void **state)
{
    fixture *f = *state;
    http_client_response response;
    const http_client_head *head;
    http_transfer *t;

    assert_int_equal(http_client_open(f->client, &(http_client_request){.url = at(f, "/hold")}, NULL, &t, NULL), AC_OK);
    assert_int_equal(http_transfer_head(t, 0, &head, NULL), AC_ERR_TIMEOUT);
    http_transfer_cancel(t);
    assert_int_equal(http_client_fetch(f->client, &(http_client_request){.url = at(f, "/b")}, &response, NULL), AC_OK);
    http_client_response_done(&response); /* so the cancel, which came before, is over */
    assert_int_equal(http_transfer_failure(t), HTTP_FAILURE_NONE);
    assert_int_equal(http_transfer_head(t, LONG_MS, &head, NULL), AC_ERR_CLOSED);
    assert_int_equal(http_transfer_failure(t), HTTP_FAILURE_CANCELLED);
    http_transfer_free(t);
}

typedef struct early_cancel {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool called;
    http_transfer *other;
} early_cancel;

/* Holds up the client's thread until the other one is opened, and cancels it, so before its beginning has been seen. */
static void cancel_other(http_transfer *t, const http_client_head *head, void *user)
{
    early_cancel *e = user;

    (void)t;
    (void)head;
    pthread_mutex_lock(&e->lock);
    e->called = true;
    pthread_cond_broadcast(&e->changed);
    while (!e->other)
        pthread_cond_wait(&e->changed, &e->lock);
    pthread_mutex_unlock(&e->lock);
    http_transfer_cancel(e->other);
}

static void one_may_be_cancelled_before_it_begins(void **state)
{
    fixture *f = *state;
    early_cancel e = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    http_transfer_events events = {.on_head = cancel_other, .user = &e};
    http_client_response response;
    const http_client_head *head;
    http_transfer *t, *other;

    assert_int_equal(http_client_open(f->client, &(http_client_request){.url = at(f, "/a")}, &events, &t, NULL), AC_OK);
    pthread_mutex_lock(&e.lock);
    while (!e.called)
        pthread_cond_wait(&e.changed, &e.lock);
    pthread_mutex_unlock(&e.lock);
    assert_int_equal(http_client_open(f->client, &(http_client_request){.url = at(f, "/hold")}, NULL, &other, NULL),
                     AC_OK);
    pthread_mutex_lock(&e.lock);
    e.other = other;
    pthread_cond_broadcast(&e.changed);
    pthread_mutex_unlock(&e.lock);
    assert_int_equal(http_transfer_head(other, LONG_MS, &head, NULL), AC_ERR_CLOSED);
    http_transfer_free(t);
    for (int i = 0; i < 2; i++) { /* what runs is counted rightly */
        assert_int_equal(http_client_fetch(f->client, &(http_client_request){.url = at(f, "/b")}, &response, NULL),
                         AC_OK);
        http_client_response_done(&response);
    }
    http_transfer_free(other);
}

static void freeing_the_client_ends_what_runs(void **state)
{
    fixture *f = *state;
    http_client *client;
    http_transfer *t;
    const http_client_head *head;

    assert_int_equal(http_client_new(NULL, &client, NULL), AC_OK);
    assert_int_equal(http_client_open(client, &(http_client_request){.url = at(f, "/hold")}, NULL, &t, NULL), AC_OK);
    http_client_free(client);
    assert_int_equal(http_transfer_head(t, LONG_MS, &head, NULL), AC_ERR_CLOSED);
    http_transfer_free(t);
}

static void the_whole_may_take_too_long(void **state)
{
    fixture *f = *state;
    http_client_response response;
    uint64_t begun = clock_monotonic_ms();
    ac_error err = {0};

    assert_int_equal(http_client_fetch(f->client,
                                       &(http_client_request){.url = at(f, "/hold"), .total_timeout_ms = 100},
                                       &response, &err),
                     AC_ERR_TIMEOUT);
    assert_true(clock_monotonic_ms() - begun >= 100);
    assert_non_null(strstr(err.message, "took too long"));
    http_client_response_done(&response);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(requests_arrive_as_given, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_status_is_an_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bodies_come_from_sources, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_source_may_give_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_requests_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_many_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slow_readers_hold_the_sender, set_up, tear_down),
        cmocka_unit_test_setup_teardown(callbacks_may_pause, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cancelling_wakes_readers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(short_waits_are_no_failure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_may_be_cancelled_before_it_begins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(freeing_the_client_ends_what_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_whole_may_take_too_long, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
