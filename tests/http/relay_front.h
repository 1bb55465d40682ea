/* relay_front.h - for the tests of the relay: a server that passes everything on to one address, and a client and an
 * agent that the test itself plays, over blocking sockets with a deadline. */
#ifndef TESTS_HTTP_RELAY_FRONT_H
#define TESTS_HTTP_RELAY_FRONT_H

#include "http/relay.h"
#include "http/server.h"

#include "base/util.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define DEADLINE_MS 30000
#define LOOPS_MAX 4
#define KEPT_MAX 256

/* ---- sockets ---- */

static inline int listen_tcp(int *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 512), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static inline int dial_tcp(int port)
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

static inline bool can(int fd, short events, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = events};

    return poll(&p, 1, timeout_ms) > 0;
}

static inline int take_connection(int listener)
{
    if (!can(listener, POLLIN, DEADLINE_MS))
        fail_msg("nobody connected");
    return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

static inline void say_bytes(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t now = send(fd, bytes, length, MSG_NOSIGNAL);

        assert_true(now > 0);
        bytes += now;
        length -= (size_t)now;
    }
}

static inline void say(int fd, const char *text)
{
    say_bytes(fd, text, strlen(text));
}

/* What came, until needle is in it (NULL: until the other side closes).  False when it closed before. */
static inline bool hear(int fd, const char *needle, buf *text)
{
    char piece[65536];

    for (;;) {
        ssize_t got;

        if (needle && text->length && memmem(text->data, text->length, needle, strlen(needle)))
            return true;
        if (!can(fd, POLLIN, DEADLINE_MS))
            fail_msg("nothing within the deadline; so far: %.*s", (int)text->length, text->data ? text->data : "");
        got = recv(fd, piece, sizeof piece, 0);
        if (got <= 0)
            return !needle && got == 0;
        assert_int_equal(buf_append(text, piece, (size_t)got), AC_OK);
    }
}

/* The same into a fresh buffer that is thrown away. */
static inline void expect(int fd, const char *needle)
{
    _cleanup_(buf_done) buf text = BUF_INIT(SIZE_MAX / 2);

    if (!hear(fd, needle, &text))
        fail_msg("closed before '%s'; so far: %.*s", needle, (int)text.length, text.data ? text.data : "");
}

static inline void reset_on_close(int fd)
{
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
}

/* libuv opens a few of its own with the first loop, for ever. */
static inline unsigned open_descriptors(void)
{
    http_loop loop;
    DIR *directory;
    unsigned count = 0;

    assert_int_equal(http_loop_init(&loop), AC_OK);
    http_loop_done(&loop);
    directory = opendir("/proc/self/fd");
    assert_non_null(directory);

    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static inline uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- the server in front ---- */

typedef struct front {
    http_server *server;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ready;
    int port;

    struct sockaddr_in agent; /* where requests go */
    bool keep;                /* connections to the agent */
    int collect_from;         /* statuses from here on are collected; 0: none */
    size_t whole_max;
    unsigned write_timeout_ms;                     /* to the agent */
    bool from_worker;                              /* relays are started from another thread */
    unsigned again;                                /* so many that did not get through are relayed anew */
    void (*instead)(http_exchange *x, void *user); /* answer by this, and relay nothing */
    struct {
        http_loop *loop;
        http_upstream *u;
    } kept[KEPT_MAX];

    atomic_uint started, workers;
    unsigned ended; /* under lock, as what follows is */
    unsigned fresh;
    http_loop *loops[2]; /* on which connections were asked for */
    ac_status status;
    bool client_gone, answered, unsent;
    int server_status;
    uint64_t bytes_out;
    char collected[256];
    char error[512];
} front;

static inline http_upstream *front_connect(http_loop *loop, bool fresh, void *user)
{
    front *f = user;
    http_upstream *u = NULL;
    int fd;

    pthread_mutex_lock(&f->lock);
    f->fresh += fresh;
    f->loops[f->loops[0] && f->loops[0] != loop] = loop;
    for (int i = 0; i < KEPT_MAX && !fresh && !u; i++)
        if (f->kept[i].u && f->kept[i].loop == loop)
            u = TAKE_PTR(f->kept[i].u);
    pthread_mutex_unlock(&f->lock);
    if (u)
        return u;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    u = http_upstream_new(loop, fd, (struct sockaddr *)&f->agent, sizeof f->agent, 0);
    if (!u)
        close(fd);
    return u;
}

static inline http_relay_verdict front_head(http_exchange *x, const http_upstream_head *head,
                                            http_relay_answer *ret_answer, void *user)
{
    static const http_field fields[] = {{"X-Front", "was here"}};
    front *f = user;

    (void)x;
    ret_answer->fields = fields;
    ret_answer->field_count = ARRAY_SIZE(fields);
    return f->collect_from && head->status >= f->collect_from ? HTTP_RELAY_COLLECT : HTTP_RELAY_PASS;
}

static inline void front_give_back(front *f, http_upstream *u, http_loop *loop)
{
    bool kept = false;

    if (!u)
        return;
    for (int i = 0; i < KEPT_MAX && !kept && f->keep && http_upstream_reusable(u); i++)
        if (!f->kept[i].u) {
            f->kept[i].u = u;
            f->kept[i].loop = loop;
            kept = true;
        }
    if (!kept)
        http_upstream_close(u);
}

static inline void front_relay(front *f, http_exchange *x);

static inline void front_end(http_exchange *x, http_upstream *u, const http_relay_result *result, void *user)
{
    front *f = user;
    buf body = BUF_INIT(4096);

    if (result->unsent && f->again) {
        f->again--;
        http_upstream_close(u);
        front_relay(f, http_exchange_ref(x));
        return;
    }
    if (!result->answered && !result->client_gone) {
        if (buf_appendf(&body, "failed: %s", ac_status_name(result->status)) != AC_OK ||
            http_respond(x, &(http_response){.status = 502, .content_type = "text/plain"}, &body) == AC_ERR_NOMEM)
            abort();
    }
    buf_done(&body);
    pthread_mutex_lock(&f->lock);
    front_give_back(f, u, http_exchange_loop(x));
    f->ended++;
    f->status = result->status;
    f->client_gone = result->client_gone;
    f->answered = result->answered;
    f->unsent = result->unsent;
    f->server_status = result->server_status;
    f->bytes_out = result->bytes_out;
    snprintf(f->collected, sizeof f->collected, "%s", result->collected ? result->collected : "");
    snprintf(f->error, sizeof f->error, "%s", result->err ? result->err->message : "");
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static inline void front_relay(front *f, http_exchange *x)
{
    const http_request *r = http_exchange_request(x);
    http_field fields[64] = {{"Host", "agent"}};
    size_t count = 1;
    http_relay_options options = {.whole_max = f->whole_max};
    http_relay_events events = {front_connect, front_head, front_end, f};

    for (size_t i = 0; i < r->header_count && count < ARRAY_SIZE(fields); i++)
        if (strncasecmp(r->headers[i].name, "X-", 2) == 0 || strncasecmp(r->headers[i].name, "Sec-WebSocket-", 14) == 0)
            fields[count++] = (http_field){r->headers[i].name, r->headers[i].value};
    options.request = (http_upstream_request){
        .method = r->method,
        .target = r->target,
        .headers = fields,
        .header_count = count,
        .body = r->body,
        .body_length = r->body_length,
        .upgrade = r->websocket,
        .write_timeout_ms = f->write_timeout_ms,
        .stale_ms = DEADLINE_MS,
    };
    atomic_fetch_add(&f->started, 1);
    if (http_relay_start(x, &options, &events) != AC_OK) {
        atomic_fetch_sub(&f->started, 1);
        (void)!http_respond(x, &(http_response){.status = 500}, NULL);
    }
    http_exchange_unref(x);
}

typedef struct front_errand {
    front *f;
    http_exchange *x;
} front_errand;

static inline void *front_on_worker(void *arg)
{
    front_errand *e = arg;

    front_relay(e->f, e->x);
    atomic_fetch_sub(&e->f->workers, 1);
    free(e);
    return NULL;
}

static inline void front_request(http_exchange *x, void *user)
{
    front *f = user;
    front_errand *e;
    pthread_t thread;

    if (f->instead) {
        f->instead(x, f);
        return;
    }
    if (!f->from_worker) {
        front_relay(f, x);
        return;
    }
    e = malloc(sizeof *e);
    *e = (front_errand){f, x};
    atomic_fetch_add(&f->workers, 1);
    assert_int_equal(pthread_create(&thread, NULL, front_on_worker, e), 0);
    pthread_detach(thread);
}

static inline void front_ready(http_server *server, void *user)
{
    front *f = user;

    pthread_mutex_lock(&f->lock);
    f->port = http_server_port(server);
    f->ready = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static inline void *front_run(void *arg)
{
    if (http_server_run(((front *)arg)->server, false, NULL) != AC_OK)
        abort();
    return NULL;
}

static inline void front_start(front *f, int agent_port, http_server_options options)
{
    ac_error err = {0};

    *f = (front){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    f->agent = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)agent_port)};
    f->agent.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!options.loops)
        options.loops = 1;
    f->server = http_server_new(&options, &(http_service){front_request, front_ready, f});
    if (http_server_listen(f->server, &err) != AC_OK)
        fail_msg("%s", err.message);
    assert_int_equal(pthread_create(&f->thread, NULL, front_run, f), 0);
    pthread_mutex_lock(&f->lock);
    while (!f->ready)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

static inline void front_stop(front *f)
{
    http_server_stop(f->server);
    pthread_join(f->thread, NULL);
    while (atomic_load(&f->workers))
        usleep(100);
    for (int i = 0; i < KEPT_MAX; i++)
        http_upstream_close(f->kept[i].u); /* freed with the loops */
    http_server_free(f->server);
}

/* Until so many relays have ended. */
static inline void front_await(front *f, unsigned ended)
{
    struct timespec when;
    int result = 0;

    clock_gettime(CLOCK_REALTIME, &when);
    when.tv_sec += DEADLINE_MS / 1000;
    pthread_mutex_lock(&f->lock);
    while (f->ended < ended && result == 0)
        result = pthread_cond_timedwait(&f->changed, &f->lock, &when);
    pthread_mutex_unlock(&f->lock);
    assert_int_equal(result, 0);
}

/* ---- a client, the server in front, an agent ---- */

#define REQUEST(target) "GET " target " HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

typedef struct scene {
    front f;
    int listener, agent, client;
    unsigned descriptors;
} scene;

static inline void open_scene(scene *s, http_server_options options)
{
    int port;

    s->descriptors = open_descriptors();
    s->listener = listen_tcp(&port);
    front_start(&s->f, port, options);
    s->client = dial_tcp(s->f.port);
    s->agent = -1;
}

/* The client asks and the agent has the request. */
static inline void ask(scene *s, const char *request)
{
    say(s->client, request);
    if (s->agent < 0)
        s->agent = take_connection(s->listener);
    expect(s->agent, "\r\n\r\n");
}

static inline void drop(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static inline void close_scene(scene *s)
{
    drop(&s->client);
    drop(&s->agent);
    drop(&s->listener);
    front_stop(&s->f);
    assert_int_equal(open_descriptors(), s->descriptors);
}

#endif
