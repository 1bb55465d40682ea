/* ws_client_connect.c - the opening handshake of the WebSocket client (RFC 6455 section 4.1).
 *
 * libcurl connects (name, proxy tunnel, TLS) and then only carries bytes.  The request and the reading of its answer
 * are ours: the answer must accept exactly what was asked for, or the connection is dropped. */
#include "http/ws_client_internal.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_MS 30000
#define MESSAGE_BYTES_MAX ((size_t)16 << 20)
#define PING_INTERVAL_MS 20000
#define PING_TIMEOUT_MS 20000
#define REQUEST_BYTES_MAX ((size_t)256 << 10)
#define URL_SIZE_MAX 65536

/* ---- the connection ---- */

/* What libcurl knows: ws is http, wss is https. */
static ac_status http_url(const char *url, buf *out, ac_error *err)
{
    bool websocket = strncasecmp(url, "ws", 2) == 0;
    ac_status status = buf_appendf(out, "%s%s", websocket ? "http" : "", websocket ? url + 2 : url);

    if (status == AC_OK && !buf_terminate(out))
        status = AC_ERR_NOMEM;
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "the URL cannot be used");
}

static ac_status dial(ws_client *ws, const ws_client_options *o, const char *url, unsigned timeout_ms, ac_error *err)
{
    http_failure failure;
    CURLcode code;

    ws->easy = curl_easy_init();
    if (!ws->easy || http_curl_common(ws->easy, o->ca_file, ws->curl_message, o->no_proxy) != AC_OK)
        return ac_error_set(err, AC_ERR_NOMEM, "no memory for a connection to %s", ws->origin);
    code = curl_easy_setopt(ws->easy, CURLOPT_URL, url);
    if (code == CURLE_OK)
        code = curl_easy_setopt(ws->easy, CURLOPT_CONNECT_ONLY, 1L);
    if (code == CURLE_OK)
        code = curl_easy_setopt(ws->easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    if (code == CURLE_OK)
        code = curl_easy_setopt(ws->easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    if (code == CURLE_OK)
        code = curl_easy_perform(ws->easy);
    if (code == CURLE_OK)
        code = curl_easy_getinfo(ws->easy, CURLINFO_ACTIVESOCKET, &ws->fd);
    if (code != CURLE_OK)
        return http_curl_failure(ws->easy, code, ws->curl_message, ws->origin, &failure, err);
    return AC_OK;
}

/* ---- the request ---- */

static bool ours(const char *name)
{
    static const char *const names[] = {
        "Host",
        "Connection",
        "Upgrade",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Protocol",
        "Content-Length",
        "Transfer-Encoding",
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

static ac_status write_fields(buf *out, const ws_client_options *o, const char *key)
{
    AC_TRY(buf_appendf(out,
                       "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: %s\r\n",
                       key));
    if (!o->no_deflate)
        AC_TRY(buf_append_text(out, "Sec-WebSocket-Extensions: " WS_DEFLATE_OFFER "\r\n"));
    if (o->subprotocols)
        AC_TRY(buf_appendf(out, "Sec-WebSocket-Protocol: %s\r\n", o->subprotocols));
    for (size_t i = 0; i < o->header_count; i++)
        AC_TRY(buf_appendf(out, "%s: %s\r\n", o->headers[i].name, o->headers[i].value));
    return buf_append_text(out, "\r\n");
}

static ac_status write_request(buf *out, const ws_client_options *o, const char *url, const char *key, ac_error *err)
{
    const char *authority = strstr(url, "://") + 3; /* http_url_origin has seen it */
    size_t authority_length = strcspn(authority, "/?#");
    const char *target = authority + authority_length;
    size_t target_length = strcspn(target, "#");
    ac_status status;

    if (o->subprotocols && !http_field_valid("x", o->subprotocols))
        return ac_error_set(err, AC_ERR_INVALID, "the subprotocols cannot stand in a header");
    for (size_t i = 0; i < o->header_count; i++) {
        if (!http_field_valid(o->headers[i].name, o->headers[i].value))
            return ac_error_set(err, AC_ERR_INVALID, "a request header has characters that headers cannot have");
        if (ours(o->headers[i].name))
            return ac_error_set(err, AC_ERR_INVALID, "%s is set by the WebSocket client", o->headers[i].name);
    }
    status = buf_appendf(out, "GET %s%.*s HTTP/1.1\r\nHost: %.*s\r\n", *target == '/' ? "" : "/", (int)target_length,
                         target, (int)authority_length, authority);
    if (status == AC_OK)
        status = write_fields(out, o, key);
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "the WebSocket request is too long");
}

static ac_status send_all(ws_client *ws, const buf *out, uint64_t until, ac_error *err)
{
    http_failure failure;

    for (size_t sent = 0; sent < out->length;) {
        size_t now = 0;
        CURLcode code = curl_easy_send(ws->easy, out->data + sent, out->length - sent, &now);

        sent += now;
        if (code == CURLE_AGAIN) {
            if (!ws_client_poll(ws, POLLOUT, until))
                return ac_error_set(err, AC_ERR_TIMEOUT, "time-out: the WebSocket request was not read by %s",
                                    ws->origin);
        } else if (code != CURLE_OK) {
            return http_curl_failure(ws->easy, code, ws->curl_message, ws->origin, &failure, err);
        }
    }
    return AC_OK;
}

/* ---- the answer ---- */

/* Complete lines of the input, up to the end of the head. */
static ac_status gather(ws_client *ws)
{
    while (!ws->head.complete) {
        char *line = ws->input + ws->input_at;
        char *end = memchr(line, '\n', ws->input_end - ws->input_at);

        if (!end)
            break;
        AC_TRY(head_gatherer_line(&ws->head, line, (size_t)(end + 1 - line)));
        ws->input_at += (size_t)(end + 1 - line);
    }
    if (ws->head.complete)
        return AC_OK;
    memmove(ws->input, ws->input + ws->input_at, ws->input_end - ws->input_at);
    ws->input_end -= ws->input_at;
    ws->input_at = 0;
    return ws->input_end == WS_CLIENT_INPUT_BYTES ? AC_ERR_TOO_LARGE : AC_OK;
}

static ac_status read_head(ws_client *ws, uint64_t until, ac_error *err)
{
    http_failure failure;

    while (!ws->head.complete) {
        size_t got = 0;
        CURLcode code =
            curl_easy_recv(ws->easy, ws->input + ws->input_end, WS_CLIENT_INPUT_BYTES - ws->input_end, &got);

        if (code == CURLE_AGAIN) {
            if (!ws_client_poll(ws, POLLIN, until))
                return ac_error_set(err, AC_ERR_TIMEOUT, "time-out: no answer to the WebSocket request from %s",
                                    ws->origin);
            continue;
        }
        if (code != CURLE_OK)
            return http_curl_failure(ws->easy, code, ws->curl_message, ws->origin, &failure, err);
        if (got == 0)
            return ac_error_set(err, AC_ERR_CLOSED, "%s closed the connection instead of answering", ws->origin);
        ws->input_end += got;
        ac_status status = gather(ws);
        if (status != AC_OK)
            return ac_error_set(err, status, "malformed answer to the WebSocket request from %s", ws->origin);
    }
    ws->head_view = head_gatherer_view(&ws->head);
    return AC_OK;
}

static ac_status refused(ws_client *ws, ac_error *err)
{
    int answer = ws->head_view.status;
    const char *name = http_client_header(&ws->head_view, "x-amzn-ErrorType");
    ac_status status = AC_ERR_INVALID;

    if (answer == 401 || answer == 403)
        status = AC_ERR_DENIED;
    else if (answer == 404)
        status = AC_ERR_NOT_FOUND;
    else if (answer == 429)
        status = AC_ERR_THROTTLED;
    else if (answer >= 500)
        status = AC_ERR_IO;
    ac_error_set(err, status, "%s answered %d and did not open a WebSocket", ws->origin, answer);
    if (err) {
        err->http_status = answer;
        if (name)
            snprintf(err->aws_name, sizeof(err->aws_name), "%.*s", (int)strcspn(name, ":"), name);
    }
    return status;
}

static bool was_offered(const char *offers, const char *chosen)
{
    return offers && chosen[0] != '\0' && !strchr(chosen, ',') && ws_header_has_token(offers, chosen);
}

static ac_status check_answer(ws_client *ws, const ws_client_options *o, const char *key, bool *ret_deflate,
                              ac_error *err)
{
    const http_client_head *head = &ws->head_view;
    const char *upgrade = http_client_header(head, "Upgrade"), *connection = http_client_header(head, "Connection");
    const char *accept = http_client_header(head, "Sec-WebSocket-Accept");
    const char *extensions = http_client_header(head, "Sec-WebSocket-Extensions");
    const char *protocol = http_client_header(head, "Sec-WebSocket-Protocol");
    char expected[WS_ACCEPT_SIZE];
    const char *wrong = NULL;

    if (head->status != 101)
        return refused(ws, err);
    AC_TRY(ws_accept_key(key, expected));
    if (!upgrade || strcasecmp(upgrade, "websocket") != 0)
        wrong = "Upgrade";
    else if (!connection || !ws_header_has_token(connection, "Upgrade"))
        wrong = "Connection";
    else if (!accept || strcmp(accept, expected) != 0)
        wrong = "Sec-WebSocket-Accept";
    else if (extensions && (o->no_deflate || !ws_deflate_accepted(extensions)))
        wrong = "Sec-WebSocket-Extensions";
    else if (protocol && !was_offered(o->subprotocols, protocol))
        wrong = "Sec-WebSocket-Protocol";
    if (wrong)
        return ac_error_set(err, AC_ERR_PROTOCOL, "%s answered the WebSocket request with a wrong %s", ws->origin,
                            wrong);
    *ret_deflate = extensions != NULL;
    return AC_OK;
}

/* ---- all of it ---- */

static ac_status open_session(ws_client *ws, const ws_client_options *o, bool deflate)
{
    ws_reader_init(&ws->reader,
                   &(ws_reader_options){
                       .role = WS_CLIENT,
                       .deflate = deflate,
                       .message_bytes_max = o->message_bytes_max ? o->message_bytes_max : MESSAGE_BYTES_MAX,
                   });
    ws_writer_init(&ws->writer, WS_CLIENT, deflate);
    ws->ping_interval_ms = o->ping_interval_ms ? o->ping_interval_ms : PING_INTERVAL_MS;
    ws->ping_timeout_ms = o->ping_timeout_ms ? o->ping_timeout_ms : PING_TIMEOUT_MS;
    return AC_OK;
}

static ac_status shake_hands(ws_client *ws, const ws_client_options *o, ac_error *err)
{
    _cleanup_(buf_done) buf url = BUF_INIT(URL_SIZE_MAX);
    _cleanup_(buf_done) buf request = BUF_INIT(REQUEST_BYTES_MAX);
    unsigned timeout_ms = o->connect_timeout_ms ? o->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    uint64_t until = clock_monotonic_ms() + timeout_ms;
    char key[WS_KEY_SIZE];
    bool deflate = false;

    request.secret = true;
    AC_TRY(http_url(o->url, &url, err));
    AC_TRY(http_url_origin(url.data, ws->origin, err));
    if (ws_make_key(key) != AC_OK)
        return ac_error_set(err, AC_ERR_IO, "no random bytes for a WebSocket key");
    AC_TRY(write_request(&request, o, url.data, key, err));
    AC_TRY(dial(ws, o, url.data, timeout_ms, err));
    AC_TRY(send_all(ws, &request, until, err));
    AC_TRY(read_head(ws, until, err));
    AC_TRY(check_answer(ws, o, key, &deflate, err));
    return open_session(ws, o, deflate);
}

ac_status ws_client_connect(const ws_client_options *options, ws_client **ret_ws, ac_error *err)
{
    ws_client *ws;

    *ret_ws = NULL;
    AC_TRY(http_curl_global(err));
    ws = calloc(1, sizeof *ws);
    if (!ws)
        return ac_error_set(err, AC_ERR_NOMEM, "no memory for a WebSocket");
    ws->fd = CURL_SOCKET_BAD;
    ws->pending = ws->behind = BUF_INIT(SIZE_MAX / 2);
    pthread_mutex_init(&ws->lock, NULL);
    head_gatherer_init(&ws->head, WS_CLIENT_INPUT_BYTES);
    ws->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ws->input = malloc(WS_CLIENT_INPUT_BYTES);

    ac_status status = AC_OK;
    if (ws->wake < 0 || !ws->input)
        status = ac_error_set(err, ws->wake < 0 ? AC_ERR_IO : AC_ERR_NOMEM, "no resources for a WebSocket");
    if (status == AC_OK)
        status = shake_hands(ws, options, err);
    if (status != AC_OK) {
        ws_client_free(ws);
        return status;
    }
    *ret_ws = ws;
    return AC_OK;
}

void ws_client_free(ws_client *ws)
{
    if (!ws)
        return;
    if (ws->easy)
        curl_easy_cleanup(ws->easy);
    if (ws->wake >= 0)
        close(ws->wake);
    ws_reader_done(&ws->reader);
    head_gatherer_done(&ws->head);
    buf_done(&ws->pending);
    buf_done(&ws->behind);
    free(ws->input);
    pthread_mutex_destroy(&ws->lock);
    free(ws);
}
