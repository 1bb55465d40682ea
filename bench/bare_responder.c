/* bare_responder.c - the ceiling: what libuv alone gives when nothing is parsed, routed or checked.
 *
 * bare_responder PORT [TEXT_BYTES].  Finds the end of the head and, for POST, trusts Content-Length; answers /ping and
 * /invocations with fixed JSON, the latter with a text of TEXT_BYTES.  Loopback only, and only for the load generator
 * beside it: any other client could confuse it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define TEXT_BYTES_MAX 8192

typedef struct client {
    uv_tcp_t tcp;
    size_t have;
    char in[16384 + 1]; /* + 1: for the NUL of strstr */
} client;

static char answers[2][TEXT_BYTES_MAX + 256];
static uv_buf_t answer[2];

static void prepare(int i, const char *before, int text_bytes, const char *after)
{
    static char text[TEXT_BYTES_MAX];
    size_t length = strlen(before) + (size_t)text_bytes + strlen(after);
    int n;

    memset(text, 'x', sizeof(text));
    n = snprintf(answers[i], sizeof(answers[i]),
                 "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s%.*s%s", length,
                 before, text_bytes, text, after);
    answer[i] = uv_buf_init(answers[i], (unsigned)n);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_room(uv_handle_t *handle, size_t hint, uv_buf_t *buf)
{
    client *c = handle->data;

    (void)hint;
    *buf = uv_buf_init(c->in + c->have, (unsigned)(sizeof(c->in) - 1 - c->have));
}

/* Answer every request that is complete.  0, or -1 when the connection has to go. */
static int serve(client *c)
{
    char *end;

    c->in[c->have] = '\0';
    while ((end = strstr(c->in, "\r\n\r\n")) != NULL) {
        int post = c->in[0] == 'P';
        const char *length = post ? strstr(c->in, "Content-Length: ") : NULL;
        size_t need = (size_t)(end - c->in) + 4 + (length ? strtoul(length + 16, NULL, 10) : 0);

        if (need > c->have)
            return 0;
        if (uv_try_write((uv_stream_t *)&c->tcp, &answer[post], 1) != (int)answer[post].len)
            return -1;
        c->have -= need;
        memmove(c->in, c->in + need, c->have + 1);
    }
    return 0;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    client *c = stream->data;

    (void)buf;
    if (n > 0)
        c->have += (size_t)n;
    if (n < 0 || serve(c) != 0)
        uv_close((uv_handle_t *)stream, on_closed);
}

static void on_connection(uv_stream_t *server, int status)
{
    client *c = status == 0 ? calloc(1, sizeof(*c)) : NULL;

    if (!c || uv_tcp_init(server->loop, &c->tcp) != 0) {
        free(c);
        return;
    }
    c->tcp.data = c;
    if (uv_accept(server, (uv_stream_t *)&c->tcp) != 0 || uv_read_start((uv_stream_t *)&c->tcp, on_room, on_read) != 0)
        uv_close((uv_handle_t *)&c->tcp, on_closed);
}

int main(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 0, text_bytes = argc > 2 ? atoi(argv[2]) : 64;
    struct sockaddr_in address;
    uv_tcp_t server;

    if (port < 1 || port > 65535 || text_bytes < 0 || text_bytes > TEXT_BYTES_MAX) {
        fprintf(stderr, "usage: bare_responder PORT [TEXT_BYTES]\n");
        return 2;
    }
    prepare(0, "{\"status\":\"Healthy\",\"time_of_last_update\":1700000000}", 0, "");
    prepare(1, "{\"response\":\"", text_bytes, "\"}");
    if (uv_ip4_addr("127.0.0.1", port, &address) != 0 || uv_tcp_init(uv_default_loop(), &server) != 0 ||
        uv_tcp_bind(&server, (const struct sockaddr *)&address, 0) != 0 ||
        uv_listen((uv_stream_t *)&server, 4096, on_connection) != 0) {
        fprintf(stderr, "bare_responder: cannot listen on port %d\n", port);
        return 1;
    }
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
