/* test_server.c - loops and sockets: ports, many threads that answer at once, draining, deadlines. */
#include "http/loop.h"
#include "http/server.h"

#include "base/util.h"
#include "base/workers.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define LONG_MS 20000 /* never reached by a test that works */

/* ---- a server on threads of its own ---- */

typedef struct fixture {
    http_server *server;
    workers *pool;
    pthread_t thread;
    int port;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ready;
    http_exchange *held; /* what /hold left unanswered */
} fixture;

typedef struct slow_job {
    workers_job job;
    http_exchange *x;
} slow_job;

static void answer(http_exchange *x, const char *text)
{
    buf body = BUF_INIT(1U << 20);

    assert_int_equal(buf_append_text(&body, text), AC_OK);
    if (http_respond(x, &(http_response){.status = 200, .content_type = "text/plain"}, &body) == AC_ERR_NOMEM)
        abort();
    http_exchange_unref(x);
}

static void run_slow(workers_job *job)
{
    slow_job *slow = CONTAINER_OF(job, slow_job, job);

    answer(slow->x, "from a worker");
    free(slow);
}

static void on_request(http_exchange *x, void *user)
{
    fixture *f = user;
    const char *target = http_exchange_request(x)->target;

    if (strcmp(target, "/worker") == 0) {
        slow_job *slow = calloc(1, sizeof *slow);
        *slow = (slow_job){.job.run = run_slow, .x = x};
        assert_int_equal(workers_submit(f->pool, &slow->job), AC_OK);
    } else if (strcmp(target, "/hold") == 0) {
        pthread_mutex_lock(&f->lock);
        f->held = x;
        pthread_cond_broadcast(&f->changed);
        pthread_mutex_unlock(&f->lock);
    } else {
        answer(x, "from the loop");
    }
}

static void on_ready(http_server *server, void *user)
{
    fixture *f = user;

    pthread_mutex_lock(&f->lock);
    f->port = http_server_port(server);
    f->ready = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void *run(void *arg)
{
    fixture *f = arg;

    assert_int_equal(http_server_run(f->server, false, NULL), AC_OK);
    return NULL;
}

static void start(fixture *f, http_server_options options)
{
    ac_error err = {0};

    *f = (fixture){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    f->pool = workers_new(NULL);
    f->server = http_server_new(&options, &(http_service){on_request, on_ready, f});
    if (http_server_listen(f->server, &err) != AC_OK)
        fail_msg("%s", err.message);
    assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
    pthread_mutex_lock(&f->lock);
    while (!f->ready)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

static http_exchange *take_held(fixture *f)
{
    http_exchange *x;

    pthread_mutex_lock(&f->lock);
    while (!f->held)
        pthread_cond_wait(&f->changed, &f->lock);
    x = TAKE_PTR(f->held);
    pthread_mutex_unlock(&f->lock);
    return x;
}

static void finish(fixture *f)
{
    http_server_stop(f->server);
    pthread_join(f->thread, NULL);
    assert_true(workers_stop(f->pool, LONG_MS));
    workers_free(f->pool);
    http_server_free(f->server);
}

/* ---- a client ---- */

static int dial(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Read until needle has come or the server closes; false when it closed. */
static bool hear(int fd, const char *needle, char *text, size_t size)
{
    size_t length = 0;

    text[0] = '\0';
    while (length + 1 < size) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t got;

        if (poll(&p, 1, LONG_MS) <= 0)
            fail_msg("no answer within %d ms; so far: %s", LONG_MS, text);
        got = recv(fd, text + length, size - 1 - length, 0);
        if (got <= 0)
            return false;
        length += (size_t)got;
        text[length] = '\0';
        if (strstr(text, needle))
            return true;
    }
    return false;
}

#define REQUEST(target) "GET " target " HTTP/1.1\r\nHost: h\r\n\r\n"

static void test_port_taken(void **state)
{
    fixture f;
    ac_error err = {0};
    http_server *second;

    (void)state;
    start(&f, (http_server_options){.loops = 2});
    second =
        http_server_new(&(http_server_options){.loops = 2, .port = f.port}, &(http_service){on_request, NULL, NULL});
    assert_int_equal(http_server_listen(second, &err), AC_ERR_ADDRESS_IN_USE);
    assert_non_null(strstr(err.message, "address already in use"));
    http_server_free(second);
    finish(&f);
}

static void test_bad_host(void **state)
{
    ac_error err = {0};
    http_server *server =
        http_server_new(&(http_server_options){.host = "nowhere"}, &(http_service){on_request, NULL, NULL});

    (void)state;
    assert_int_equal(http_server_listen(server, &err), AC_ERR_INVALID);
    assert_non_null(strstr(err.message, "nowhere"));
    http_server_free(server);
}

typedef struct hammer {
    int port;
    const char *request;
    const char *wanted;
    unsigned rounds;
    atomic_uint *answered;
} hammer;

static void *strike(void *arg)
{
    hammer *h = arg;
    char text[4096];
    int fd = dial(h->port);

    for (unsigned i = 0; i < h->rounds && fd >= 0; i++) {
        say(fd, h->request);
        if (!hear(fd, h->wanted, text, sizeof text))
            break;
        atomic_fetch_add(h->answered, 1);
    }
    close(fd);
    return NULL;
}

static void test_many_clients(void **state)
{
    enum { CLIENTS = 8, ROUNDS = 50 };
    fixture f;
    pthread_t threads[CLIENTS];
    hammer hammers[CLIENTS];
    atomic_uint answered = 0;

    (void)state;
    start(&f, (http_server_options){.loops = 3});
    for (int i = 0; i < CLIENTS; i++) {
        hammers[i] = i % 2 ? (hammer){f.port, REQUEST("/worker"), "from a worker", ROUNDS, &answered}
                           : (hammer){f.port, REQUEST("/loop"), "from the loop", ROUNDS, &answered};
        assert_int_equal(pthread_create(&threads[i], NULL, strike, &hammers[i]), 0);
    }
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(answered, CLIENTS * ROUNDS);
    finish(&f);
}

static void test_drain_finishes_what_runs(void **state)
{
    fixture f;
    char text[4096];
    int idle, busy;

    (void)state;
    start(&f, (http_server_options){.loops = 2});
    idle = dial(f.port);
    say(idle, REQUEST("/loop"));
    assert_true(hear(idle, "from the loop", text, sizeof text));
    busy = dial(f.port);
    say(busy, REQUEST("/hold"));
    http_exchange *x = take_held(&f);
    http_server_stop(f.server);
    assert_false(hear(idle, "never", text, sizeof text)); /* closed */
    answer(x, "at last");
    assert_true(hear(busy, "at last", text, sizeof text));
    assert_non_null(strstr(text, "Connection: close"));
    assert_false(hear(busy, "never", text, sizeof text));
    close(idle);
    close(busy);
    finish(&f);
    assert_int_equal(dial(f.port), -1);
}

/* A client that has closed its sending side leaves a connection with nothing to wait for on the socket. */
static void test_drain_waits_for_the_half_closed(void **state)
{
    fixture f;
    char text[4096];
    int fd;

    (void)state;
    start(&f, (http_server_options){.loops = 2});
    fd = dial(f.port);
    say(fd, REQUEST("/hold"));
    shutdown(fd, SHUT_WR);
    http_exchange *x = take_held(&f);
    http_server_stop(f.server);
    for (int other; (other = dial(f.port)) >= 0;) /* until the drain has begun */
        close(other);
    answer(x, "late");
    assert_true(hear(fd, "late", text, sizeof text));
    close(fd);
    finish(&f);
}

static void test_drain_ends_in_time(void **state)
{
    fixture f;
    char text[4096];
    int fd;

    (void)state;
    start(&f, (http_server_options){.loops = 2, .drain_timeout_ms = 50});
    fd = dial(f.port);
    say(fd, REQUEST("/hold"));
    http_exchange *x = take_held(&f);
    http_server_stop(f.server);
    assert_false(hear(fd, "never", text, sizeof text));
    assert_true(http_exchange_closed(x));
    finish(&f);
    /* The server is gone; the exchange is not, and says so. */
    assert_int_equal(http_respond(x, &(http_response){.status = 200}, NULL), AC_ERR_CLOSED);
    http_exchange_unref(x);
    close(fd);
}

static void test_client_gone_is_noticed(void **state)
{
    fixture f;
    int fd;

    (void)state;
    start(&f, (http_server_options){.loops = 1, .stream_buffer_bytes = 1024});
    fd = dial(f.port);
    say(fd, REQUEST("/hold"));
    http_exchange *x = take_held(&f);
    assert_int_equal(http_stream_begin(x, &(http_response){.status = 200}, ":\n"), AC_OK);
    close(fd);
    ac_status status;
    do { /* blocks whenever the buffer is full, until the loop learns that nobody is there */
        status = http_stream_write(x, "0123456789012345678901234567890123456789", 40);
    } while (status == AC_OK);
    assert_int_equal(status, AC_ERR_CLOSED);
    http_stream_end(x);
    http_exchange_unref(x);
    finish(&f);
}

/* ---- deadlines against a naive model ---- */

static unsigned expired_count;
static uint64_t expired_order[64];

typedef struct timed {
    deadline d;
    uint64_t id;
} timed;

static void on_expired(deadline *d)
{
    expired_order[expired_count++] = CONTAINER_OF(d, timed, d)->id;
}

static void test_deadlines_expire_in_order(void **state)
{
    enum { COUNT = 40 };
    http_loop loop;
    deadline_list list;
    timed timers[COUNT] = {0};
    uint64_t model[COUNT];
    unsigned length = 0;

    (void)state;
    expired_count = 0;
    assert_int_equal(http_loop_init(&loop), AC_OK);
    uv_ref((uv_handle_t *)&loop.tick); /* nothing else keeps this loop running */
    http_loop_add_deadlines(&loop, &list, 30, on_expired);
    srand(1);
    for (int step = 0; step < 400; step++) {
        unsigned i = (unsigned)rand() % COUNT;
        unsigned kept = 0;

        for (unsigned k = 0; k < length; k++)
            if (model[k] != i)
                model[kept++] = model[k];
        length = kept;
        timers[i].id = i;
        if (rand() % 3) {
            deadline_arm(&loop, &list, &timers[i].d);
            model[length++] = i;
        } else {
            deadline_disarm(&loop, &timers[i].d);
        }
    }
    while (expired_count < length)
        uv_run(&loop.uv, UV_RUN_ONCE);
    assert_int_equal(expired_count, length);
    assert_memory_equal(expired_order, model, length * sizeof *model);
    assert_int_equal(loop.deadlines_armed, 0);
    http_loop_done(&loop);
}

/* ---- tasks that are held ---- */

typedef struct counted {
    loop_task task;
    unsigned id;
} counted;

static unsigned ran_count;

static void on_counted(loop_task *task)
{
    assert_int_equal(CONTAINER_OF(task, counted, task)->id, ran_count++);
}

static void hold_some(http_loop *loop, counted *tasks, unsigned from, unsigned to)
{
    http_loop_enter(loop);
    for (unsigned i = from; i < to; i++) {
        tasks[i] = (counted){.task.run = on_counted, .id = i};
        http_loop_hold(loop, &tasks[i].task);
    }
    http_loop_leave(loop);
}

static void test_held_tasks_run_at_the_end_of_the_turn(void **state)
{
    counted tasks[2 * LOOP_HELD_MAX];
    http_loop loop;

    (void)state;
    ran_count = 0;
    assert_int_equal(http_loop_init(&loop), AC_OK);
    uv_ref((uv_handle_t *)&loop.wake); /* nothing else keeps this loop running */
    hold_some(&loop, tasks, 0, 1);
    assert_int_equal(ran_count, 1); /* a loop that is not run in turns holds nothing */

    loop.holds = true;
    hold_some(&loop, tasks, 1, 3);
    assert_int_equal(ran_count, 1);
    uv_run(&loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(ran_count, 3);

    hold_some(&loop, tasks, 3, 4 + LOOP_HELD_MAX);
    assert_int_equal(ran_count, 3 + LOOP_HELD_MAX);
    uv_run(&loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(ran_count, 4 + LOOP_HELD_MAX);
    http_loop_done(&loop);
}

/* ---- signals ---- */

static volatile sig_atomic_t signals_counted;

static void count_signal(int number)
{
    (void)number;
    signals_counted = signals_counted + 1;
}

/* All of them are there before the loop looks. */
static void raise_thrice(http_server *server, void *user)
{
    (void)server;
    (void)user;
    for (int i = 0; i < 3; i++)
        raise(i == 1 ? SIGINT : SIGTERM);
}

/* The first drains, the second cuts, a third finds that done; afterwards they are the program's again. */
static void test_signals_may_come_together(void **state)
{
    http_server *server = http_server_new(&(http_server_options){.loops = 3},
                                          &(http_service){.on_request = on_request, .on_ready = raise_thrice});
    struct sigaction count = {.sa_handler = count_signal}, before, interrupt, left;

    (void)state;
    assert_int_equal(sigaction(SIGTERM, &count, &before), 0);
    assert_int_equal(sigaction(SIGINT, NULL, &interrupt), 0);
    assert_int_equal(http_server_listen(server, NULL), AC_OK);
    alarm(30); /* instead of a loop that never ends */
    assert_int_equal(http_server_run(server, true, NULL), AC_OK);
    alarm(0);
    assert_int_equal(signals_counted, 0);
    assert_int_equal(sigaction(SIGTERM, NULL, &left), 0);
    assert_ptr_equal(left.sa_handler, count_signal);
    raise(SIGTERM);
    assert_int_equal(signals_counted, 1);
    assert_int_equal(sigaction(SIGINT, NULL, &left), 0);
    assert_ptr_equal(left.sa_handler, interrupt.sa_handler);
    http_server_free(server);
    sigaction(SIGTERM, &before, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_port_taken),
        cmocka_unit_test(test_bad_host),
        cmocka_unit_test(test_many_clients),
        cmocka_unit_test(test_drain_finishes_what_runs),
        cmocka_unit_test(test_drain_waits_for_the_half_closed),
        cmocka_unit_test(test_drain_ends_in_time),
        cmocka_unit_test(test_client_gone_is_noticed),
        cmocka_unit_test(test_deadlines_expire_in_order),
        cmocka_unit_test(test_held_tasks_run_at_the_end_of_the_turn),
        cmocka_unit_test(test_signals_may_come_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
