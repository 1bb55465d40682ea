/* load.c - a load generator for the agent server: one thread on raw epoll, bounded in time and requests.
 *
 *     load get|post|sse|ws --port N [--host 127.0.0.1] [--path P] [--conns N] [--seconds S] [--max N] [--bytes N]
 *     load idle --kind keepalive|sse|ws --port N       targets are read from stdin, one number a line
 *     load start --port N [--count N] [--path P] -- COMMAND...    time from fork to the first 200 of GET P
 *
 * get, post: requests on kept-alive connections, each sent when the answer before it is complete.  sse: the same,
 * counting `data:` events.  ws: echo round trips.  Results are JSON, one line.  Only loopback addresses: this is a
 * measuring device for one's own machine, not something to point at others.
 * Exit code: 0 measured, 1 could not, 2 wrong usage. */
#include "load.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define SECONDS_MAX 600.0
#define STARTS_MAX 1000

static int usage(const char *why)
{
    fprintf(stderr,
            "load: %s\n"
            "usage: load get|post|sse|ws --port N [--host H] [--path P] [--conns N] [--seconds S] [--max N]"
            " [--bytes N]\n"
            "       load idle --kind keepalive|sse|ws --port N\n"
            "       load start --port N [--count N] [--path P] -- COMMAND...\n",
            why);
    return 2;
}

static bool parse_number(const char *text, double min, double max, double *ret_number)
{
    char *end;
    double number = strtod(text, &end);

    if (end == text || *end != '\0' || !(number >= min && number <= max))
        return false;
    *ret_number = number;
    return true;
}

static bool parse_loopback(const char *text, struct sockaddr_in *ret_address)
{
    ret_address->sin_family = AF_INET;
    return inet_pton(AF_INET, text, &ret_address->sin_addr) == 1 && ntohl(ret_address->sin_addr.s_addr) >> 24 == 127;
}

static bool parse_kind(const char *text, idle_kind *ret_kind)
{
    static const char *const names[] = {[IDLE_KEEPALIVE] = "keepalive", [IDLE_SSE] = "sse", [IDLE_WS] = "ws"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret_kind = (idle_kind)i;
            return true;
        }
    }
    return false;
}

static bool take_option(load_options *options, int option, const char *text)
{
    double number = 0;

    switch (option) {
    case 'p':
        if (!parse_number(text, 1, 65535, &number))
            return false;
        options->address.sin_port = htons((uint16_t)number);
        return true;
    case 'h':
        return parse_loopback(text, &options->address);
    case 'P':
        options->path = text;
        return text[0] == '/';
    case 'c':
        if (!parse_number(text, 1, LOAD_CONNECTIONS_MAX, &number))
            return false;
        options->connections = (unsigned)number;
        return true;
    case 's':
        return parse_number(text, 0.01, SECONDS_MAX, &options->seconds);
    case 'm':
        if (!parse_number(text, 0, 1e15, &number))
            return false;
        options->requests_max = (uint64_t)number;
        return true;
    case 'b':
        if (!parse_number(text, 0, LOAD_BODY_BYTES_MAX, &number))
            return false;
        options->text_bytes = (size_t)number;
        return true;
    case 'n':
        if (!parse_number(text, 1, STARTS_MAX, &number))
            return false;
        options->count = (unsigned)number;
        return true;
    case 'k':
        return parse_kind(text, &options->kind);
    default:
        return false;
    }
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* running out is noticed where it happens */
    }
}

static int run_mode(load_options *options)
{
    static const char *const traffic[] = {
        [LOAD_GET] = "get", [LOAD_POST] = "post", [LOAD_SSE] = "sse", [LOAD_WS] = "ws"};

    for (size_t i = 0; i < sizeof(traffic) / sizeof(traffic[0]); i++) {
        if (strcmp(options->mode_name, traffic[i]) == 0) {
            options->mode = (load_mode)i;
            return load_traffic(options);
        }
    }
    if (strcmp(options->mode_name, "idle") == 0)
        return load_idle(options);
    if (strcmp(options->mode_name, "start") == 0)
        return *options->command ? load_start(options) : usage("no command to start");
    return usage("unknown mode");
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},    {"host", required_argument, NULL, 'h'},
        {"path", required_argument, NULL, 'P'},    {"conns", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 's'}, {"max", required_argument, NULL, 'm'},
        {"bytes", required_argument, NULL, 'b'},   {"count", required_argument, NULL, 'n'},
        {"kind", required_argument, NULL, 'k'},    {NULL, 0, NULL, 0},
    };
    load_options options = {.connections = 64, .seconds = 2, .text_bytes = 64, .count = 20};
    int option;

    if (argc < 2)
        return usage("no mode");
    options.mode_name = argv[1];
    (void)parse_loopback("127.0.0.1", &options.address);
    optind = 2;
    while ((option = getopt_long(argc, argv, "+", known, NULL)) != -1) {
        if (!take_option(&options, option, optarg))
            return usage(option == 'h' ? "only addresses of 127.0.0.0/8" : "bad option or value");
    }
    if (options.address.sin_port == 0)
        return usage("no port");
    options.command = argv + optind;
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    return run_mode(&options);
}
