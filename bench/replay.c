/* replay.c - a load generator for requests that were prepared elsewhere: signed ones, which cost too much to make while
 * measuring.
 *
 *     replay --port N --file F [--host 127.0.0.1] [--conns N] [--seconds S] [--loop] [--stamps]
 *
 * F holds the requests as they go onto the wire, each behind a line with its length in bytes.  Every connection has one
 * request under way at any time and takes the next one of the file for it.  Without --loop the run ends with the file,
 * with it the file begins anew.  A server that closes its connection behind an answer, as some do after each, is
 * connected to again, which counts into the time of the next answer; one that closes before an answer is an error.
 * With --stamps, events say when they were sent ({"at": CLOCK_MONOTONIC in ns}), and how old they are when they arrive
 * is part of the result.  Result: JSON, one line.  Exit code: 0 measured, 1 could not, 2 wrong usage. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1024
#define REQUESTS_MAX 4000000
#define INPUT_BYTES (64 * 1024)
#define DRAIN_NS 10000000000ull

typedef struct prepared {
    const char *text;
    size_t length;
} prepared;

typedef struct link_state {
    int fd; /* -1: closed */
    bool waiting;
    bool want_write; /* asked of epoll */
    const char *out;
    size_t out_left;
    uint64_t begin_ns; /* of connecting, where that was needed, or of sending */
    response answer;
} link_state;

typedef struct replay {
    struct sockaddr_in address;
    const char *file;
    unsigned connections;
    double seconds;
    bool loop, stamps;
    const char *bytes; /* the file */
    size_t bytes_length;
    prepared *requests;
    size_t count, next;
    link_state *links;
    int epoll;
    unsigned waiting;
    bool stopping;
    uint64_t start_ns, end_ns;
    uint64_t answers, total, events, total_events, connects, refused, errors;
    int first_refusal;      /* its status */
    histogram latency, age; /* age: of events */
} replay;

/* ---- the file ---- */

static bool map_file(replay *r)
{
    struct stat s;
    void *bytes;
    int fd = open(r->file, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    if (fstat(fd, &s) != 0 || s.st_size <= 0) {
        close(fd);
        return false;
    }
    bytes = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED)
        return false;
    r->bytes = bytes;
    r->bytes_length = (size_t)s.st_size;
    return true;
}

/* The length on the line at *at, which is then behind it; 0: no such line. */
static size_t read_length(const replay *r, size_t *at)
{
    size_t length = 0;

    while (*at < r->bytes_length && r->bytes[*at] >= '0' && r->bytes[*at] <= '9' && length < r->bytes_length)
        length = length * 10 + (size_t)(r->bytes[(*at)++] - '0');
    if (*at >= r->bytes_length || r->bytes[*at] != '\n')
        return 0;
    (*at)++;
    return length;
}

static bool read_requests(replay *r)
{
    size_t at = 0, room = 0;

    while (at < r->bytes_length && r->count < REQUESTS_MAX) {
        size_t length = read_length(r, &at);

        if (length == 0 || length > r->bytes_length - at) {
            fprintf(stderr, "replay: request %zu of the file has no right length\n", r->count + 1);
            return false;
        }
        if (r->count == room) {
            prepared *more;

            room = room ? room * 2 : 1024;
            more = realloc(r->requests, room * sizeof(*more));
            if (!more) {
                perror("replay");
                return false;
            }
            r->requests = more;
        }
        r->requests[r->count++] = (prepared){r->bytes + at, length};
        at += length;
    }
    return r->count > 0;
}

/* ---- one connection ---- */

static void disconnect(link_state *l)
{
    if (l->fd >= 0)
        close_reset(l->fd);
    l->fd = -1;
}

static void give_up(replay *r, link_state *l)
{
    if (l->waiting)
        r->waiting--;
    l->waiting = false;
    r->errors++;
    disconnect(l);
}

static bool reconnect(replay *r, link_state *l)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = l};

    l->fd = connect_server(&r->address);
    l->want_write = false;
    if (l->fd < 0)
        return false;
    r->connects++;
    return set_nonblocking(l->fd) && epoll_ctl(r->epoll, EPOLL_CTL_ADD, l->fd, &event) == 0;
}

/* Room is waited for only while it is needed: it is there nearly always, and epoll would never sleep. */
static void watch(replay *r, link_state *l, bool want_write)
{
    struct epoll_event event = {.events = EPOLLIN | (want_write ? EPOLLOUT : 0u), .data.ptr = l};

    if (l->want_write == want_write)
        return;
    l->want_write = want_write;
    if (epoll_ctl(r->epoll, EPOLL_CTL_MOD, l->fd, &event) != 0)
        give_up(r, l);
}

static void push(replay *r, link_state *l)
{
    while (l->out_left > 0) {
        ssize_t n = send(l->fd, l->out, l->out_left, MSG_NOSIGNAL);

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            watch(r, l, true);
            return;
        }
        if (n < 0) {
            give_up(r, l);
            return;
        }
        l->out += n;
        l->out_left -= (size_t)n;
    }
    watch(r, l, false);
}

static void begin_next(replay *r, link_state *l)
{
    const prepared *request;

    if (r->next == r->count && r->loop)
        r->next = 0;
    if (r->next == r->count) {
        r->stopping = true;
        return;
    }
    l->begin_ns = now_ns();
    l->waiting = true;
    r->waiting++;
    if (l->fd < 0 && !reconnect(r, l)) {
        give_up(r, l);
        return;
    }
    request = &r->requests[r->next++];
    l->out = request->text;
    l->out_left = request->length;
    response_reset(&l->answer);
    push(r, l);
}

static bool closes(const response *answer)
{
    return strcasestr(answer->head, "\r\nconnection: close") != NULL;
}

static void answered(replay *r, link_state *l)
{
    uint64_t now = now_ns();

    l->waiting = false;
    r->waiting--;
    r->total++;
    r->total_events += l->answer.events;
    if (l->answer.status < 200 || l->answer.status > 299) {
        r->first_refusal = r->refused++ ? r->first_refusal : l->answer.status;
    } else if (!r->stopping) {
        r->answers++;
        r->events += l->answer.events;
        histogram_add(&r->latency, now - l->begin_ns);
    }
    if (closes(&l->answer))
        disconnect(l);
    if (!r->stopping)
        begin_next(r, l);
}

/* An event that was cut in two by a read is left out: events are paced, so that each comes alone. */
static void note_ages(replay *r, const char *input, size_t length, uint64_t now)
{
    static const char name[] = "\"at\":";
    const char *end = input + length;

    for (const char *at = input; (at = memmem(at, (size_t)(end - at), name, sizeof(name) - 1)) != NULL;) {
        uint64_t sent = 0;

        for (at += sizeof(name) - 1; at < end && *at == ' '; at++)
            ;
        for (; at < end && *at >= '0' && *at <= '9'; at++)
            sent = sent * 10 + (uint64_t)(*at - '0');
        if (at < end && sent > 0 && sent <= now)
            histogram_add(&r->age, now - sent);
    }
}

static void take(replay *r, link_state *l)
{
    static char input[INPUT_BYTES];
    ssize_t n = recv(l->fd, input, sizeof(input), 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0 && r->stamps)
        note_ages(r, input, (size_t)n, now_ns());
    if (n <= 0 && !l->waiting) {
        disconnect(l); /* kept alive for long enough */
        return;
    }
    if (n <= 0 || !l->waiting || response_feed(&l->answer, input, (size_t)n) < (size_t)n ||
        l->answer.state == PARSE_FAILED) {
        give_up(r, l);
        return;
    }
    if (l->answer.state == PARSE_DONE)
        answered(r, l);
}

/* ---- a run ---- */

static void serve(replay *r)
{
    struct epoll_event ready[64];
    int n = epoll_wait(r->epoll, ready, 64, 20);

    for (int i = 0; i < n; i++) {
        link_state *l = ready[i].data.ptr;

        if (l->fd >= 0 && (ready[i].events & EPOLLOUT) && l->waiting)
            push(r, l);
        if (l->fd >= 0 && (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
            take(r, l);
    }
}

static void drive(replay *r)
{
    uint64_t deadline;

    r->start_ns = now_ns();
    deadline = r->start_ns + (uint64_t)(r->seconds * 1e9);
    for (unsigned i = 0; i < r->connections && !r->stopping; i++)
        begin_next(r, &r->links[i]);
    while (!r->stopping && r->waiting > 0 && now_ns() < deadline)
        serve(r);
    r->end_ns = now_ns();
    r->stopping = true;
    while (r->waiting > 0 && now_ns() < r->end_ns + DRAIN_NS)
        serve(r);
    r->errors += r->waiting;
}

static void print_result(const replay *r, double cpu)
{
    double seconds = (double)(r->end_ns - r->start_ns) / 1e9;

    printf("{\"connections\": %u, \"seconds\": %.4f, \"requests\": %llu, \"total\": %llu, \"rps\": %.1f, "
           "\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, ",
           r->connections, seconds, (unsigned long long)r->answers, (unsigned long long)r->total,
           (double)r->answers / seconds, histogram_quantile_us(&r->latency, 0.5),
           histogram_quantile_us(&r->latency, 0.99), (double)r->latency.max_ns / 1000);
    printf("\"events\": %llu, \"total_events\": %llu, \"events_per_s\": %.1f, \"ages\": %llu, \"age_p50_us\": %.1f, "
           "\"age_p99_us\": %.1f, ",
           (unsigned long long)r->events, (unsigned long long)r->total_events, (double)r->events / seconds,
           (unsigned long long)r->age.count, histogram_quantile_us(&r->age, 0.5), histogram_quantile_us(&r->age, 0.99));
    printf("\"connects\": %llu, \"refused\": %llu, \"refusal\": %d, \"errors\": %llu, \"load_cpu_s\": %.4f}\n",
           (unsigned long long)r->connects, (unsigned long long)r->refused, r->first_refusal,
           (unsigned long long)r->errors, cpu);
}

static bool prepare(replay *r)
{
    r->epoll = epoll_create1(EPOLL_CLOEXEC);
    r->links = calloc(r->connections, sizeof(*r->links));
    if (r->epoll < 0 || !r->links) {
        perror("replay");
        return false;
    }
    if (!map_file(r)) {
        fprintf(stderr, "replay: %s: %s\n", r->file, errno ? strerror(errno) : "empty");
        return false;
    }
    for (unsigned i = 0; i < r->connections; i++)
        r->links[i].fd = -1;
    return read_requests(r);
}

/* ---- the command ---- */

static int usage(const char *why)
{
    fprintf(stderr,
            "replay: %s\nusage: replay --port N --file F [--host H] [--conns N] [--seconds S] [--loop] [--stamps]\n",
            why);
    return 2;
}

static bool take_option(replay *r, int option, const char *text)
{
    char *end = NULL;
    double number = text ? strtod(text, &end) : 0;
    bool right = text && end != text && *end == '\0';

    switch (option) {
    case 'p':
        r->address.sin_port = htons((uint16_t)number);
        return right && number >= 1 && number <= 65535;
    case 'h':
        return inet_pton(AF_INET, text, &r->address.sin_addr) == 1 && ntohl(r->address.sin_addr.s_addr) >> 24 == 127;
    case 'f':
        r->file = text;
        return true;
    case 'c':
        r->connections = right && number >= 1 && number <= CONNECTIONS_MAX ? (unsigned)number : 0;
        return r->connections > 0;
    case 's':
        r->seconds = number;
        return right && number > 0 && number <= 600;
    case 'l':
        r->loop = true;
        return true;
    case 'a':
        r->stamps = true;
        return true;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},    {"host", required_argument, NULL, 'h'},
        {"file", required_argument, NULL, 'f'},    {"conns", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 's'}, {"loop", no_argument, NULL, 'l'},
        {"stamps", no_argument, NULL, 'a'},        {NULL, 0, NULL, 0},
    };
    static replay r = {.connections = 1, .seconds = 2, .address = {.sin_family = AF_INET}};
    double cpu;
    int option;

    r.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
        if (!take_option(&r, option, optarg))
            return usage("bad option or value");
    if (r.address.sin_port == 0 || !r.file || optind != argc)
        return usage("--port and --file are needed");
    signal(SIGPIPE, SIG_IGN);
    if (!prepare(&r))
        return 1;
    cpu = cpu_seconds();
    drive(&r);
    print_result(&r, cpu_seconds() - cpu);
    return r.answers > 0 ? 0 : 1;
}
