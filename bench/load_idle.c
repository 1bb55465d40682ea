/* load_idle.c - mode idle: hold many connections that do nothing, so that the runner can read the server's memory.
 *
 * Reads targets from standard input, one number a line; opens up to each of them and answers {"open": N, "lost": N}.
 * The end of the input closes everything.  A keep-alive connection has had one request answered, an SSE connection has
 * received its first event, a WebSocket is open.  Pings are answered meanwhile, so that a server with a ping interval
 * keeps its connections.  Connections are opened one after the other, each on a blocking socket until it is idle. */
#include "load.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define OPENED_PER_LOOK 256 /* connections opened before the open ones are looked after */
#define LOOK_MS 50          /* between two looks while nothing is asked */
#define CONTROL_BYTES_MAX 4096
#define PING_PAYLOAD_MAX 125

typedef struct idle_run {
    const load_options *options;
    int epoll;
    int fds[LOAD_CONNECTIONS_MAX];
    unsigned opened; /* entries of fds; -1: lost since */
    unsigned lost;
    char *request;
    size_t request_length;
    response answer;
} idle_run;

static bool is_idle(const idle_run *run)
{
    if (run->options->kind == IDLE_SSE)
        return run->answer.status == 200 && run->answer.events > 0 && run->answer.state < PARSE_DONE;
    if (run->options->kind == IDLE_WS)
        return run->answer.upgraded;
    return run->answer.state == PARSE_DONE && run->answer.status == 200;
}

static bool bring_to_idle(idle_run *run, int fd)
{
    char input[8192];

    response_reset(&run->answer);
    if (send(fd, run->request, run->request_length, MSG_NOSIGNAL) != (ssize_t)run->request_length)
        return false;
    while (!is_idle(run)) {
        ssize_t n = recv(fd, input, sizeof(input), 0);

        if (n <= 0 || response_feed(&run->answer, input, (size_t)n) != (size_t)n || run->answer.state == PARSE_FAILED) {
            fprintf(stderr, "load: connection %u did not become idle (status %d)\n", run->opened + 1,
                    run->answer.status);
            return false;
        }
    }
    return true;
}

static void lose(idle_run *run, unsigned i)
{
    close_reset(run->fds[i]);
    run->fds[i] = -1;
    run->lost++;
}

/* A ping comes alone and in one piece on a connection that is silent otherwise; anything else is left unanswered. */
static void answer_ping(int fd, const unsigned char *input, size_t length)
{
    size_t payload = length < 2 ? 0 : input[1], pong_length = 0;
    unsigned char *pong;

    if (length < 2 || (input[0] & 0x0f) != 0x9 || payload > PING_PAYLOAD_MAX || payload + 2 > length)
        return;
    pong = make_frame(0xa, input + 2, payload, &pong_length);
    if (pong)
        (void)send(fd, pong, pong_length, MSG_NOSIGNAL | MSG_DONTWAIT); /* unsent: the server drops us, and we see */
    free(pong);
}

static void look_after(idle_run *run, int timeout_ms)
{
    struct epoll_event ready[64];
    int n = epoll_wait(run->epoll, ready, 64, timeout_ms);

    for (int i = 0; i < n; i++) {
        unsigned char input[CONTROL_BYTES_MAX];
        unsigned at = ready[i].data.u32;
        ssize_t got;

        if (at >= run->opened || run->fds[at] < 0)
            continue;
        got = recv(run->fds[at], input, sizeof(input), MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            lose(run, at);
        else if (got > 0 && run->options->kind == IDLE_WS)
            answer_ping(run->fds[at], input, (size_t)got);
    }
}

static bool open_up_to(idle_run *run, unsigned target)
{
    while (run->opened < target) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = run->opened};
        int fd = connect_server(&run->options->address);

        if (fd < 0) {
            fprintf(stderr, "load: connection %u: %s\n", run->opened + 1, strerror(errno));
            return false;
        }
        if (!bring_to_idle(run, fd) || epoll_ctl(run->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
            close_reset(fd);
            return false;
        }
        run->fds[run->opened++] = fd;
        if (run->opened % OPENED_PER_LOOK == 0)
            look_after(run, 0);
    }
    return true;
}

/* Wait for the next target while looking after the connections.  False at the end of the input. */
static bool next_target(idle_run *run, unsigned *ret_target)
{
    char line[32];
    size_t length = 0;

    while (length < sizeof(line) - 1) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        ssize_t n;

        look_after(run, 0);
        if (poll(&input, 1, LOOK_MS) <= 0)
            continue;
        n = read(STDIN_FILENO, line + length, 1);
        if (n <= 0)
            return false;
        if (line[length++] == '\n')
            break;
    }
    line[length] = '\0';
    *ret_target = (unsigned)strtoul(line, NULL, 10);
    return *ret_target <= LOAD_CONNECTIONS_MAX;
}

int load_idle(const load_options *options)
{
    static const load_mode request_of[] = {[IDLE_KEEPALIVE] = LOAD_GET, [IDLE_SSE] = LOAD_POST, [IDLE_WS] = LOAD_WS};
    idle_run *run = calloc(1, sizeof(*run));
    unsigned target = 0;
    int code = 0;

    if (!run)
        return 1;
    run->options = options;
    run->epoll = epoll_create1(EPOLL_CLOEXEC);
    run->request = make_request(request_of[options->kind], options->path, options->text_bytes, &run->request_length);
    if (run->epoll < 0 || !run->request)
        code = 1;
    while (code == 0 && next_target(run, &target)) {
        if (!open_up_to(run, target))
            code = 1;
        printf("{\"open\": %u, \"lost\": %u}\n", run->opened - run->lost, run->lost);
        fflush(stdout);
    }
    for (unsigned i = 0; i < run->opened; i++) {
        if (run->fds[i] >= 0)
            close_reset(run->fds[i]);
    }
    if (run->epoll >= 0)
        close(run->epoll);
    free(run->request);
    free(run);
    return code;
}
