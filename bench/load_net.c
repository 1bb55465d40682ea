/* load_net.c - connecting, and the bytes that are sent: built once per run and sent again and again. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int connect_server(const struct sockaddr_in *address)
{
    const struct timeval wait = {.tv_sec = LOAD_WAIT_SECONDS};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
        connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0) {
        int saved = errno;

        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

void close_reset(int fd)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
}

bool set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

static const char *default_path(load_mode mode)
{
    static const char *const paths[] = {
        [LOAD_GET] = "/ping", [LOAD_POST] = "/invocations", [LOAD_SSE] = "/invocations", [LOAD_WS] = "/ws"};

    return paths[mode];
}

char *make_request(load_mode mode, const char *path, size_t text_bytes, size_t *ret_length)
{
    static const char before[] = "{\"prompt\": \"", after[] = "\"}";
    size_t body = sizeof(before) - 1 + text_bytes + sizeof(after) - 1, size = 1024 + strlen(path ? path : "") + body;
    char *request = malloc(size);
    int n;

    if (!request)
        return NULL;
    if (!path)
        path = default_path(mode);
    if (mode == LOAD_GET) {
        n = snprintf(request, size, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);
    } else if (mode == LOAD_WS) {
        n = snprintf(request, size,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " WEBSOCKET_KEY "\r\n\r\n",
                     path);
    } else {
        n = snprintf(request, size,
                     "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                     "Accept: application/json, text/event-stream\r\nContent-Length: %zu\r\n\r\n%s",
                     path, body, before);
        memset(request + n, 'x', text_bytes);
        memcpy(request + (size_t)n + text_bytes, after, sizeof(after) - 1);
        n += (int)(text_bytes + sizeof(after) - 1);
    }
    *ret_length = (size_t)n;
    return request;
}

unsigned char *make_frame(unsigned opcode, const unsigned char *payload, size_t length, size_t *ret_length)
{
    static const unsigned char mask[4] = {0x5a, 0xc3, 0x96, 0x0f};
    unsigned char *frame = malloc(length + 14);
    size_t n = 0;

    if (!frame)
        return NULL;
    frame[n++] = (unsigned char)(0x80 | opcode);
    if (length < 126) {
        frame[n++] = (unsigned char)(0x80 | length);
    } else if (length <= 0xffff) {
        frame[n++] = 0x80 | 126;
        frame[n++] = (unsigned char)(length >> 8);
        frame[n++] = (unsigned char)length;
    } else {
        frame[n++] = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            frame[n++] = (unsigned char)((uint64_t)length >> shift);
    }
    memcpy(frame + n, mask, 4);
    n += 4;
    for (size_t i = 0; i < length; i++)
        frame[n++] = payload[i] ^ mask[i % 4];
    *ret_length = n;
    return frame;
}
