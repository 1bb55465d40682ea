/* load_traffic.c - modes get, post, sse and ws: every connection has one request under way at any time.
 *
 * A run has two parts: until the deadline (or requests_max) an answer is followed by the next request; afterwards only
 * the answers still under way are awaited.  Rates count the first part; totals count both, so that the server's CPU
 * time can be divided by everything it did.  A connection that fails is counted, closed and not opened again: a server
 * that drops connections must show in the result, not vanish in retries. */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_BYTES (256 * 1024)
#define EVENTS_PER_WAIT 256
#define DRAIN_NS 5000000000ull

typedef struct connection {
    int fd; /* -1: closed */
    bool want_write;
    bool waiting;  /* for an answer */
    bool upgraded; /* WebSocket */
    const char *out;
    size_t out_left;
    uint64_t sent_ns;
    uint64_t echoed; /* payload bytes of this message that came back */
    response answer;
    frame_reader frame;
} connection;

typedef struct traffic {
    const load_options *options;
    int epoll;
    connection *connections;
    unsigned open;    /* connections with a descriptor */
    unsigned waiting; /* connections whose answer is under way */
    bool stopping;
    char *request;
    size_t request_length;
    unsigned char *payload; /* of a WebSocket message */
    unsigned char *message; /* the same as a frame */
    size_t message_length;
    unsigned char *pong;
    size_t pong_length;
    char *input;
    uint64_t start_ns, end_ns; /* of the first part */
    uint64_t sent, requests, total, events, total_events, bytes, errors, refused;
    histogram latency;
} traffic;

static void connection_close(traffic *t, connection *c)
{
    if (c->fd < 0)
        return;
    close_reset(c->fd);
    c->fd = -1;
    t->open--;
    if (c->waiting)
        t->waiting--;
    c->waiting = false;
}

static void connection_fail(traffic *t, connection *c)
{
    t->errors++;
    connection_close(t, c);
}

static void watch(traffic *t, connection *c, bool want_write)
{
    struct epoll_event event = {.events = EPOLLIN | (want_write ? EPOLLOUT : 0u), .data.ptr = c};

    if (c->want_write == want_write)
        return;
    c->want_write = want_write;
    if (epoll_ctl(t->epoll, EPOLL_CTL_MOD, c->fd, &event) != 0)
        connection_fail(t, c);
}

static void flush(traffic *t, connection *c)
{
    while (c->out_left > 0) {
        ssize_t n = send(c->fd, c->out, c->out_left, MSG_NOSIGNAL);

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            watch(t, c, true);
            return;
        }
        if (n < 0) {
            connection_fail(t, c);
            return;
        }
        c->out += n;
        c->out_left -= (size_t)n;
    }
    watch(t, c, false);
}

static void send_next(traffic *t, connection *c, uint64_t now)
{
    bool message = c->upgraded;

    if (t->options->requests_max > 0 && t->sent >= t->options->requests_max) {
        t->stopping = true;
        return;
    }
    t->sent++;
    response_reset(&c->answer);
    c->out = message ? (const char *)t->message : t->request;
    c->out_left = message ? t->message_length : t->request_length;
    c->echoed = 0;
    c->sent_ns = now;
    c->waiting = true;
    t->waiting++;
    flush(t, c);
}

/* An answer is complete and right. */
static void answered(traffic *t, connection *c)
{
    uint64_t now = now_ns();

    c->waiting = false;
    t->waiting--;
    t->total++;
    t->total_events += c->answer.events;
    if (!t->stopping) {
        t->requests++;
        t->events += c->answer.events;
        histogram_add(&t->latency, now - c->sent_ns);
        send_next(t, c, now);
    }
}

static void take_response(traffic *t, connection *c, const char *data, size_t length)
{
    size_t used = c->waiting ? response_feed(&c->answer, data, length) : 0;

    if (c->answer.state == PARSE_DONE && used == length && c->answer.status >= 200 && c->answer.status < 300) {
        if (t->options->mode != LOAD_SSE || c->answer.events > 0) {
            answered(t, c);
            return;
        }
    }
    if (c->answer.state >= PARSE_DONE || used < length) {
        if (c->answer.status >= 300)
            t->refused++;
        connection_fail(t, c);
    }
}

/* The end of a frame: the echo is complete when it is the last frame of the message and every byte came back. */
static void end_frame(traffic *t, connection *c)
{
    frame_reader f = c->frame;

    c->frame = (frame_reader){.header_length = 0};
    if (f.opcode == 0x9) {
        if (c->out_left == 0) {
            c->out = (const char *)t->pong;
            c->out_left = t->pong_length;
            flush(t, c);
        }
    } else if (f.fin && f.opcode <= 0x2) {
        if (c->waiting && c->echoed == t->options->text_bytes)
            answered(t, c);
        else
            connection_fail(t, c);
    }
}

static void take_frames(traffic *t, connection *c, const unsigned char *data, size_t length)
{
    size_t at = 0;

    while (at < length && c->fd >= 0) {
        if (!c->frame.in_payload) {
            at += frame_header_feed(&c->frame, data + at, length - at);
            if (!c->frame.in_payload)
                return;
        }
        size_t n = length - at;

        if (n > c->frame.left)
            n = (size_t)c->frame.left;
        if (c->frame.opcode == 0x8 || c->frame.opcode > 0xa) {
            connection_fail(t, c);
            return;
        }
        if (c->frame.opcode <= 0x2) {
            if (n > t->options->text_bytes - c->echoed || memcmp(data + at, t->payload + c->echoed, n) != 0) {
                connection_fail(t, c);
                return;
            }
            c->echoed += n;
        }
        at += n;
        c->frame.left -= n;
        if (c->frame.left == 0)
            end_frame(t, c);
    }
}

static void readable(traffic *t, connection *c)
{
    ssize_t n = recv(c->fd, t->input, INPUT_BYTES, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        connection_fail(t, c);
        return;
    }
    t->bytes += (uint64_t)n;
    if (c->upgraded)
        take_frames(t, c, (const unsigned char *)t->input, (size_t)n);
    else
        take_response(t, c, t->input, (size_t)n);
}

/* The opening handshake, while the socket still blocks.  One answer fits one read here: the server sends no message
 * before ours. */
static bool upgrade(traffic *t, connection *c)
{
    response_reset(&c->answer);
    if (send(c->fd, t->request, t->request_length, MSG_NOSIGNAL) != (ssize_t)t->request_length)
        return false;
    while (c->answer.state < PARSE_DONE) {
        ssize_t n = recv(c->fd, t->input, INPUT_BYTES, 0);

        if (n <= 0 || response_feed(&c->answer, t->input, (size_t)n) != (size_t)n)
            return false;
    }
    c->upgraded = c->answer.upgraded;
    return c->upgraded;
}

static bool open_connections(traffic *t)
{
    for (unsigned i = 0; i < t->options->connections; i++) {
        connection *c = &t->connections[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

        c->fd = connect_server(&t->options->address);
        if (c->fd < 0) {
            fprintf(stderr, "load: connection %u: %s\n", i + 1, strerror(errno));
            return false;
        }
        t->open++;
        if (t->options->mode == LOAD_WS && !upgrade(t, c)) {
            fprintf(stderr, "load: connection %u: no WebSocket (status %d)\n", i + 1, c->answer.status);
            return false;
        }
        if (!set_nonblocking(c->fd) || epoll_ctl(t->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0) {
            fprintf(stderr, "load: connection %u: %s\n", i + 1, strerror(errno));
            return false;
        }
    }
    return true;
}

static bool prepare(traffic *t, const load_options *options)
{
    t->options = options;
    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    t->connections = calloc(options->connections, sizeof(*t->connections));
    t->input = malloc(INPUT_BYTES);
    t->request = make_request(options->mode, options->path, options->text_bytes, &t->request_length);
    t->payload = malloc(options->text_bytes + 1);
    if (t->epoll < 0 || !t->connections || !t->input || !t->request || !t->payload)
        return false;
    for (unsigned i = 0; i < options->connections; i++)
        t->connections[i].fd = -1;
    memset(t->payload, 'x', options->text_bytes);
    t->message = make_frame(0x1, t->payload, options->text_bytes, &t->message_length);
    t->pong = make_frame(0xa, t->payload, 0, &t->pong_length);
    return t->message && t->pong;
}

static void release(traffic *t)
{
    for (unsigned i = 0; t->connections && i < t->options->connections; i++)
        connection_close(t, &t->connections[i]);
    if (t->epoll >= 0)
        close(t->epoll);
    free(t->connections);
    free(t->input);
    free(t->request);
    free(t->payload);
    free(t->message);
    free(t->pong);
    free(t);
}

static void serve_events(traffic *t)
{
    struct epoll_event ready[EVENTS_PER_WAIT];
    int n = epoll_wait(t->epoll, ready, EVENTS_PER_WAIT, 20);

    for (int i = 0; i < n; i++) {
        connection *c = ready[i].data.ptr;

        if (c->fd >= 0 && (ready[i].events & EPOLLOUT))
            flush(t, c);
        if (c->fd >= 0 && (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
            readable(t, c);
    }
}

static void drive(traffic *t)
{
    uint64_t now = t->start_ns, deadline = now + (uint64_t)(t->options->seconds * 1e9);

    while (t->open > 0 && !t->stopping) {
        serve_events(t);
        now = now_ns();
        if (now >= deadline)
            t->stopping = true;
    }
    t->end_ns = now;
    t->stopping = true;
    while (t->waiting > 0 && now_ns() < t->end_ns + DRAIN_NS)
        serve_events(t);
    t->errors += t->waiting;
}

static void print_result(const traffic *t, double cpu)
{
    double seconds = (double)(t->end_ns - t->start_ns) / 1e9;

    printf("{\"mode\": \"%s\", \"connections\": %u, \"seconds\": %.4f, \"requests\": %llu, \"total\": %llu, "
           "\"rps\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, ",
           t->options->mode_name, t->options->connections, seconds, (unsigned long long)t->requests,
           (unsigned long long)t->total, (double)t->requests / seconds, histogram_quantile_us(&t->latency, 0.5),
           histogram_quantile_us(&t->latency, 0.99), (double)t->latency.max_ns / 1000);
    printf("\"events\": %llu, \"total_events\": %llu, \"events_per_s\": %.1f, \"bytes\": %llu, \"errors\": %llu, "
           "\"refused\": %llu, \"load_cpu_s\": %.4f}\n",
           (unsigned long long)t->events, (unsigned long long)t->total_events, (double)t->events / seconds,
           (unsigned long long)t->bytes, (unsigned long long)t->errors, (unsigned long long)t->refused, cpu);
}

int load_traffic(const load_options *options)
{
    traffic *t = calloc(1, sizeof(*t));
    double cpu;
    int code = 1;

    if (!t) {
        perror("load");
        return 1;
    }
    if (!prepare(t, options)) {
        perror("load: cannot prepare");
    } else if (open_connections(t)) {
        cpu = cpu_seconds();
        t->start_ns = now_ns();
        for (unsigned i = 0; i < options->connections; i++)
            if (t->connections[i].fd >= 0)
                send_next(t, &t->connections[i], now_ns());
        drive(t);
        print_result(t, cpu_seconds() - cpu);
        code = t->total > 0 ? 0 : 1;
        if (t->total == 0)
            fprintf(stderr, "load: no right answer (%llu errors, %llu of them by status)\n",
                    (unsigned long long)t->errors, (unsigned long long)t->refused);
    }
    release(t);
    return code;
}
