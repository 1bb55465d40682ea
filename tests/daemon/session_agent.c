/* session_agent.c - an HTTP server with bad manners, on request. */
#include "session_agent.h"

#include "base/util.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef enum health { WELL, BUSY, SICK, MUTE } health;

static const char *const health_names[] = {"well", "busy", "sick", "mute"};
static atomic_int state;

static void set_state(const char *name)
{
    for (int i = 0; i < (int)ARRAY_SIZE(health_names); i++) {
        if (strcmp(name, health_names[i]) == 0)
            state = i;
    }
}

static void reply(int fd, int status, const char *body)
{
    char text[512];
    int length = snprintf(text, sizeof(text),
                          "HTTP/1.1 %d X\r\nContent-Type: application/json\r\n"
                          "Content-Length: %zu\r\n\r\n%s",
                          status, strlen(body), body);

    if (write(fd, text, (size_t)length) != length)
        exit(9);
}

static void reply_health(int fd)
{
    static const char *const bodies[] = {
        "{\"status\": \"Healthy\", \"time_of_last_update\": 1}",
        "{\"status\": \"HealthyBusy\", \"time_of_last_update\": 1}",
    };
    int now = state;

    if (now == SICK)
        reply(fd, 503, "{}");
    else if (now != MUTE)
        reply(fd, 200, bodies[now]);
}

static void answer(int fd, const char *path)
{
    char text[32];

    if (strcmp(path, "/ping") == 0) {
        reply_health(fd);
        return;
    }
    if (strncmp(path, "/die/", 5) == 0) {
        fprintf(stderr, "about to die\n");
        _exit(atoi(path + 5));
    }
    if (strncmp(path, "/say/", 5) == 0)
        fprintf(stderr, "%s\n", path + 5);
    if (strncmp(path, "/be/", 4) == 0)
        set_state(path + 4);
    snprintf(text, sizeof(text), "%d", (int)getpid());
    reply(fd, 200, text);
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char request[4096];
    size_t length = 0;

    for (;;) {
        ssize_t got = read(fd, request + length, sizeof(request) - 1 - length);
        if (got <= 0)
            break;
        length += (size_t)got;
        request[length] = '\0';
        if (!strstr(request, "\r\n\r\n"))
            continue;
        char path[256] = "";
        sscanf(request, "%*s %255s", path);
        answer(fd, path);
        length = 0;
    }
    close(fd);
    return NULL;
}

static void listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 64) != 0) {
        perror("agent");
        exit(8);
    }
    for (;;) {
        pthread_t thread;
        int client = accept(fd, NULL, NULL);
        if (client >= 0 && pthread_create(&thread, NULL, serve, (void *)(intptr_t)client) == 0)
            pthread_detach(thread);
    }
}

static const char *value_of(const char *word, const char *name)
{
    size_t length = strlen(name);

    return strncmp(word, name, length) == 0 ? word + length : NULL;
}

static void on_signal(int number)
{
    static const char text[] = "signalled\n";

    (void)number;
    if (write(2, text, sizeof(text) - 1) < 0)
        _exit(9);
}

/* All at once into a pipe that is made to hold it, and gone. */
static void write_wide(void)
{
    static char text[AGENT_WIDE_BYTES];

    memset(text, 'w', sizeof(text));
    if (fcntl(1, F_SETPIPE_SZ, (int)sizeof(text)) < (int)sizeof(text) ||
        write(1, text, sizeof(text)) != (ssize_t)sizeof(text))
        _exit(9);
    _exit(0);
}

void session_agent_main(int argc, char **argv)
{
    int port = 0;

    if (argc < 2 || strcmp(argv[1], "agent") != 0)
        return;
    signal(SIGTERM, SIG_DFL);
    signal(SIGUSR1, on_signal);
    for (int i = 2; i < argc; i++) {
        const char *value;
        if ((value = value_of(argv[i], "port=")))
            port = atoi(value);
        else if ((value = value_of(argv[i], "late=")))
            poll(NULL, 0, atoi(value));
        else if ((value = value_of(argv[i], "say=")))
            fprintf(stderr, "%s\n", value);
        else if ((value = value_of(argv[i], "die=")))
            _exit(atoi(value));
        else if (strcmp(argv[i], "wide") == 0)
            write_wide();
        else if (strcmp(argv[i], "stubborn") == 0)
            signal(SIGTERM, SIG_IGN);
        else
            set_state(argv[i]);
        while (strcmp(argv[i], "flood") == 0)
            puts("and so on");
    }
    if (port)
        listen_on(port);
    for (;;)
        pause();
}
