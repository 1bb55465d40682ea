/* client_peers.h - servers for the tests of the clients: our own one on a thread, and one that sends scripted bytes. */
#ifndef TESTS_HTTP_CLIENT_PEERS_H
#define TESTS_HTTP_CLIENT_PEERS_H

#include "http/server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- our server ---- */

typedef struct house {
    http_server *server;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ready;
    int port;
} house;

static inline void house_on_ready(http_server *server, void *user)
{
    house *h = user;

    pthread_mutex_lock(&h->lock);
    h->port = http_server_port(server);
    h->ready = true;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
}

static inline void *house_run(void *arg)
{
    house *h = arg;

    if (http_server_run(h->server, false, NULL) != AC_OK)
        abort();
    return NULL;
}

/* on_request is called with h as user: put h first into a structure of your own. */
static inline void house_start(house *h, void (*on_request)(http_exchange *x, void *user))
{
    ac_error err = {0};
    http_server_options options = {.loops = 1, .drain_timeout_ms = 1};

    *h = (house){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    h->server = http_server_new(&options, &(http_service){on_request, house_on_ready, h});
    if (http_server_listen(h->server, &err) != AC_OK)
        fail_msg("%s", err.message);
    assert_int_equal(pthread_create(&h->thread, NULL, house_run, h), 0);
    pthread_mutex_lock(&h->lock);
    while (!h->ready)
        pthread_cond_wait(&h->changed, &h->lock);
    pthread_mutex_unlock(&h->lock);
}

static inline void house_join(house *h)
{
    http_server_stop(h->server);
    pthread_join(h->thread, NULL);
}

static inline void house_stop(house *h)
{
    house_join(h);
    http_server_free(h->server);
}

static inline void house_answer(http_exchange *x, int status, const char *type, const char *text)
{
    buf body = BUF_INIT(1U << 24);

    if (buf_append_text(&body, text) != AC_OK)
        abort();
    (void)!http_respond(x, &(http_response){.status = status, .content_type = type}, &body);
    http_exchange_unref(x);
}

/* ---- a scripted one: takes one connection after the other, reads a request head, sends the script ---- */

typedef enum script_end {
    SCRIPT_CLOSE,
    SCRIPT_RESET,
    SCRIPT_HOLD, /* until the other side closes */
} script_end;

typedef struct script_peer {
    pthread_t thread;
    int listener;
    int port;
    const char *bytes;
    size_t length;
    size_t repeat; /* the script so many times; 0: once */
    script_end end;
    char request[65536]; /* the last one's head */
} script_peer;

static inline int listen_anywhere(int *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static inline bool script_read_head(script_peer *p, int fd)
{
    size_t length = 0;

    while (length + 1 < sizeof p->request) {
        ssize_t got = recv(fd, p->request + length, sizeof p->request - 1 - length, 0);
        if (got <= 0)
            return false;
        length += (size_t)got;
        p->request[length] = '\0';
        if (strstr(p->request, "\r\n\r\n"))
            return true;
    }
    return false;
}

static inline void script_serve(script_peer *p, int fd)
{
    char rest[4096];

    if (!script_read_head(p, fd))
        return;
    for (size_t i = 0; i < (p->repeat ? p->repeat : 1); i++)
        for (size_t sent = 0; sent < p->length;) {
            ssize_t now = send(fd, p->bytes + sent, p->length - sent, MSG_NOSIGNAL);
            if (now <= 0)
                return;
            sent += (size_t)now;
        }
    if (p->end == SCRIPT_RESET)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    while (p->end == SCRIPT_HOLD && recv(fd, rest, sizeof rest, 0) > 0)
        ;
}

static inline void *script_run(void *arg)
{
    script_peer *p = arg;

    for (;;) {
        int fd = accept(p->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        script_serve(p, fd);
        close(fd);
    }
}

static inline void script_start(script_peer *p, const char *bytes, size_t length, script_end end)
{
    *p = (script_peer){.bytes = bytes, .length = length, .end = end};
    p->listener = listen_anywhere(&p->port);
    assert_int_equal(pthread_create(&p->thread, NULL, script_run, p), 0);
}

/* The client has closed its connections by now. */
static inline void script_stop(script_peer *p)
{
    shutdown(p->listener, SHUT_RDWR);
    pthread_join(p->thread, NULL);
    close(p->listener);
}

#endif
