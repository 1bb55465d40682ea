/* load_start.c - mode start: how long from fork until a server answers its first GET with 200: of /ping, or
 * of --path.
 *
 * Connects again and again, 20 microseconds apart, which on loopback is refused at once while nobody listens: the
 * result is right to well under 0.1 ms.  The first start only warms the page cache and is not counted.  Ends only the
 * processes it started. */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RETRY_NS 20000
#define STOP_NS 3000000000ull /* after SIGTERM, before SIGKILL */
#define START_NS (20 * 1000000000ull)

static void pause_ns(long ns)
{
    const struct timespec t = {.tv_nsec = ns};

    nanosleep(&t, NULL);
}

static pid_t start_command(char **command)
{
    pid_t pid = fork();
    int null;

    if (pid != 0)
        return pid;
    signal(SIGPIPE, SIG_DFL);
    null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        _exit(126);
    execvp(command[0], command);
    _exit(127);
}

/* Ask politely, then end it.  Waits with WNOHANG and a deadline, as a server that ignores SIGTERM would block us. */
static void stop_command(pid_t pid)
{
    uint64_t deadline = now_ns() + STOP_NS;

    kill(pid, SIGTERM);
    while (waitpid(pid, NULL, WNOHANG) == 0) {
        if (now_ns() > deadline) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
            return;
        }
        pause_ns(200000);
    }
}

/* One GET /ping on a connection of its own.  1: answered with 200; 0: nobody listens yet; -1: something else. */
static int ping_once(const struct sockaddr_in *address, const char *request, size_t length)
{
    response answer;
    char input[4096];
    int fd = connect_server(address), result = -1;

    if (fd < 0)
        return errno == ECONNREFUSED ? 0 : -1;
    response_reset(&answer);
    if (send(fd, request, length, MSG_NOSIGNAL) == (ssize_t)length) {
        while (answer.state < PARSE_DONE) {
            ssize_t n = recv(fd, input, sizeof(input), 0);

            if (n <= 0)
                break;
            response_feed(&answer, input, (size_t)n);
        }
        if (answer.state == PARSE_DONE && answer.status == 200)
            result = 1;
    }
    close_reset(fd);
    return result;
}

static bool time_start(const load_options *options, const char *request, size_t length, double *ret_ms)
{
    uint64_t begin;
    pid_t pid;
    int answer = 0;

    if (ping_once(&options->address, request, length) != 0) {
        fprintf(stderr, "load: the port is already in use\n");
        return false;
    }
    begin = now_ns();
    pid = start_command(options->command);
    if (pid < 0) {
        perror("load: fork");
        return false;
    }
    while (answer == 0 && now_ns() < begin + START_NS) {
        answer = ping_once(&options->address, request, length);
        if (answer == 0) {
            if (waitpid(pid, NULL, WNOHANG) == pid) {
                fprintf(stderr, "load: %s ended before it answered\n", options->command[0]);
                return false;
            }
            pause_ns(RETRY_NS);
        }
    }
    *ret_ms = (double)(now_ns() - begin) / 1e6;
    stop_command(pid);
    if (answer != 1)
        fprintf(stderr, "load: %s did not answer /ping with 200\n", options->command[0]);
    return answer == 1;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

int load_start(const load_options *options)
{
    size_t length = 0;
    char *request = make_request(LOAD_GET, options->path, 0, &length);
    double *ms = calloc(options->count + 1, sizeof(*ms)), *counted = ms + 1;
    bool good = request && ms;

    prctl(PR_SET_TIMERSLACK, 1000ul); /* the default of 50 us would be more than the pause itself */
    for (unsigned i = 0; good && i <= options->count; i++)
        good = time_start(options, request, length, &ms[i]);
    if (good) {
        qsort(counted, options->count, sizeof(*counted), compare);
        printf("{\"mode\": \"start\", \"count\": %u, \"median_ms\": %.3f, \"min_ms\": %.3f, \"max_ms\": %.3f, "
               "\"first_ms\": %.3f}\n",
               options->count, counted[options->count / 2], counted[0], counted[options->count - 1], ms[0]);
    }
    free(request);
    free(ms);
    return good ? 0 : 1;
}
