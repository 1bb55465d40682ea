/* echo_agent.c - the smallest agent, for tests that start many: GET is answered with "Healthy", POST with its own body.
 *
 * It needs nothing but the C library, so it is small, starts at once, and has no sanitizer's runtime inside. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 8080
#define PLACES 64
#define REQUEST_BYTES_MAX 8192

typedef struct client {
    char request[REQUEST_BYTES_MAX + 1];
    size_t length;
} client;

static struct pollfd polled[PLACES + 1]; /* the listener, and clients */
static client clients[PLACES + 1];

static void drop(unsigned i)
{
    close(polled[i].fd);
    polled[i].fd = -1;
    clients[i].length = 0;
}

static void take(int listener)
{
    int fd = accept(listener, NULL, NULL);

    for (unsigned i = 1; i <= PLACES; i++) {
        if (polled[i].fd >= 0)
            continue;
        polled[i] = (struct pollfd){.fd = fd, .events = POLLIN};
        return;
    }
    close(fd);
}

static bool answer(int fd, const char *body, size_t length)
{
    char head[128];
    int head_length = snprintf(
        head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", length);

    return write(fd, head, (size_t)head_length) == head_length && write(fd, body, length) == (ssize_t)length;
}

/* Answer what is whole; false: the client is to be dropped. */
static bool serve(unsigned i)
{
    static const char healthy[] = "{\"status\": \"Healthy\", \"time_of_last_update\": 1}";
    client *c = &clients[i];
    char *end = strstr(c->request, "\r\n\r\n"), *field;
    size_t head, body = 0;
    bool well;

    if (!end)
        return c->length < REQUEST_BYTES_MAX;
    field = strcasestr(c->request, "\r\nContent-Length:");
    if (field && field < end)
        body = strtoul(field + strlen("\r\nContent-Length:"), NULL, 10);
    head = (size_t)(end + 4 - c->request);
    if (body > REQUEST_BYTES_MAX - head)
        return false;
    if (c->length < head + body)
        return true;
    if (strncmp(c->request, "GET ", 4) == 0)
        well = answer(polled[i].fd, healthy, sizeof healthy - 1);
    else
        well = answer(polled[i].fd, c->request + head, body);
    c->length = 0; /* nobody sends the next request before this one's answer */
    return well;
}

static void hear(unsigned i)
{
    client *c = &clients[i];
    ssize_t got = read(polled[i].fd, c->request + c->length, REQUEST_BYTES_MAX - c->length);

    if (got > 0) {
        c->length += (size_t)got;
        c->request[c->length] = '\0';
    }
    if (got <= 0 || !serve(i))
        drop(i);
}

int main(void)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (listener < 0 || bind(listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, PLACES) != 0) {
        perror("listen");
        return 1;
    }
    for (unsigned i = 1; i <= PLACES; i++)
        polled[i].fd = -1;
    polled[0] = (struct pollfd){.fd = listener, .events = POLLIN};
    while (poll(polled, PLACES + 1, -1) > 0) {
        for (unsigned i = 1; i <= PLACES; i++)
            if (polled[i].fd >= 0 && polled[i].revents)
                hear(i);
        if (polled[0].revents)
            take(listener);
    }
    return 1;
}
