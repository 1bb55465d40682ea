/* client_setup.c - from a request to a curl handle that is ready to run, on the caller's thread.
 *
 * Everything that a program may get wrong about a request is found here, so that it fails at once and before anything
 * is sent: header fields that would break the head apart, lengths that contradict the body, URLs of other schemes. */
#include "http/client_internal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define CONNECT_TIMEOUT_MS 10000
#define FIRST_BYTE_TIMEOUT_MS 60000
#define IDLE_TIMEOUT_MS 60000
#define FETCH_TIMEOUT_MS 300000
#define FETCH_BODY_BYTES ((uint64_t)16 << 20)
#define STREAM_BUFFER_BYTES ((size_t)256 << 10)
#define RECEIVE_BUFFER_BYTES 65536L
#define URL_BYTES_MAX 65536
#define FIELD_BYTES_MAX ((size_t)256 << 10) /* one header line */

static pthread_once_t global_once = PTHREAD_ONCE_INIT;
static CURLcode global_result;

static void global_init(void)
{
    global_result = curl_global_init(CURL_GLOBAL_ALL);
}

ac_status http_curl_global(ac_error *err)
{
    pthread_once(&global_once, global_init);
    if (global_result != CURLE_OK)
        return ac_error_set(err, AC_ERR_INTERNAL, "libcurl cannot start: %s", curl_easy_strerror(global_result));
    return AC_OK;
}

ac_status http_url_origin(const char *url, char ret_origin[HTTP_ORIGIN_SIZE], ac_error *err)
{
    const char *host;
    size_t scheme, length;

    ret_origin[0] = '\0';
    if (strncasecmp(url, "https://", 8) != 0 && strncasecmp(url, "http://", 7) != 0)
        return ac_error_set(err, AC_ERR_INVALID, "the URL does not begin with http:// or https://");
    host = strchr(url, ':') + 3;
    scheme = (size_t)(host - url);
    length = scheme + strcspn(host, "/?#");
    if (length == scheme || length >= HTTP_ORIGIN_SIZE || memchr(url, '@', length))
        return ac_error_set(err, AC_ERR_INVALID, "the URL has no valid host");
    if (strnlen(url, URL_BYTES_MAX) == URL_BYTES_MAX)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "the URL is longer than %d bytes", URL_BYTES_MAX);
    for (const char *c = url; *c; c++)
        if (*c <= ' ' || *c >= 0x7F)
            return ac_error_set(err, AC_ERR_INVALID, "the URL is not encoded");
    memcpy(ret_origin, url, length);
    ret_origin[length] = '\0';
    return AC_OK;
}

/* Sockets are not for the programs that this one starts. */
static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)user;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Set one option; the first failure stays. */
#define SET(option, value)                                                                                             \
    do {                                                                                                               \
        if (code == CURLE_OK)                                                                                          \
            code = curl_easy_setopt(easy, option, value);                                                              \
    } while (0)

static ac_status curl_setup_status(CURLcode code)
{
    if (code == CURLE_OK)
        return AC_OK;
    return code == CURLE_OUT_OF_MEMORY ? AC_ERR_NOMEM : AC_ERR_INTERNAL;
}

ac_status http_curl_common(CURL *easy, const char *ca_file, char *message, bool no_proxy)
{
    static const struct {
        CURLoption option;
        long value;
    } settings[] = {
        {CURLOPT_NOSIGNAL, 1},
        {CURLOPT_DISALLOW_USERNAME_IN_URL, 1},
        {CURLOPT_FOLLOWLOCATION, 0},
        {CURLOPT_PATH_AS_IS, 1},
        /* HTTP/2 would put several exchanges on one connection and has its own flow control and floods. */
        {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
        {CURLOPT_SUPPRESS_CONNECT_HEADERS, 1},
        {CURLOPT_SSL_VERIFYPEER, 1},
        {CURLOPT_SSL_VERIFYHOST, 2},
        {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
        {CURLOPT_TCP_NODELAY, 1},
        {CURLOPT_TCP_KEEPALIVE, 1},
        {CURLOPT_BUFFERSIZE, RECEIVE_BUFFER_BYTES},
#if LIBCURL_VERSION_NUM >= 0x075700
        /* The end of a request does not wait for the thread that still asks a name server for it: that would hold up
         * all requests of the client for as long as the server is silent. */
        {CURLOPT_QUICK_EXIT, 1},
#endif
    };
    CURLcode code = CURLE_OK;

    message[0] = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
        SET(settings[i].option, settings[i].value);
    SET(CURLOPT_ERRORBUFFER, message);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    if (ca_file)
        SET(CURLOPT_CAINFO, ca_file);
    if (no_proxy)
        SET(CURLOPT_PROXY, "");
    return curl_setup_status(code);
}

/* ---- headers ---- */

static ac_status add_line(http_transfer *t, const char *line)
{
    struct curl_slist *longer = curl_slist_append(t->headers, line);

    if (!longer)
        return AC_ERR_NOMEM;
    t->headers = longer;
    return AC_OK;
}

static ac_status add_field(http_transfer *t, const http_field *field, ac_error *err)
{
    _cleanup_(buf_done) buf line = BUF_INIT(FIELD_BYTES_MAX);

    line.secret = true;
    if (!http_field_valid(field->name, field->value))
        return ac_error_set(err, AC_ERR_INVALID, "a request header to %s has characters that headers cannot have",
                            t->origin);
    if (strcasecmp(field->name, "Content-Length") == 0 || strcasecmp(field->name, "Transfer-Encoding") == 0)
        return ac_error_set(err, AC_ERR_INVALID, "%s follows from the body and cannot be given", field->name);
    /* For curl "Name:" means: do not send it; "Name;" sends it empty. */
    ac_status status = buf_appendf(&line, field->value[0] != '\0' ? "%s: %s" : "%s;%s", field->name, field->value);
    if (status == AC_OK && !buf_terminate(&line))
        status = AC_ERR_NOMEM;
    if (status == AC_OK)
        status = add_line(t, line.data);
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "a request header to %s is too long", t->origin);
}

static bool has_header(const http_client_request *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (strcasecmp(r->headers[i].name, name) == 0)
            return true;
    return false;
}

/* What curl adds by itself is asked away: a request has the headers that it was given. */
static ac_status add_headers(http_transfer *t, const http_client_request *r, bool chunked, ac_error *err)
{
    static const char *const unwanted[] = {"Expect", "Accept", "Content-Type"};

    for (size_t i = 0; i < r->header_count; i++)
        AC_TRY(add_field(t, &r->headers[i], err));
    for (size_t i = 0; i < ARRAY_SIZE(unwanted); i++) {
        char line[32];

        if (has_header(r, unwanted[i]))
            continue;
        snprintf(line, sizeof(line), "%s:", unwanted[i]);
        AC_TRY(add_line(t, line));
    }
    return chunked ? add_line(t, "Transfer-Encoding: chunked") : AC_OK;
}

/* ---- body ---- */

static ac_status take_body(http_transfer *t, const http_client_request *r, ac_error *err)
{
    if (r->body_source) {
        t->source = *r->body_source;
        return AC_OK;
    }
    t->body = r->body;
    t->body_length = r->body_length;
    if (t->fetching || r->body_length == 0) /* the caller of fetch waits for the end */
        return AC_OK;
    t->body_copy = malloc(r->body_length);
    if (!t->body_copy)
        return ac_error_set(err, AC_ERR_NOMEM, "no memory for a request body of %zu bytes", r->body_length);
    memcpy(t->body_copy, r->body, r->body_length);
    t->body = t->body_copy;
    return AC_OK;
}

static size_t copy_from_span(http_transfer *t, char *buffer, size_t room)
{
    size_t length = MIN(room, t->body_length - t->body_sent);

    if (length > 0)
        memcpy(buffer, t->body + t->body_sent, length);
    t->body_sent += length;
    return length;
}

static size_t on_read(char *buffer, size_t size, size_t count, void *user)
{
    http_transfer *t = user;
    size_t room = size * count;

    t->progress_ms = uv_now(&t->client->loop.uv);
    if (!t->source.read)
        return copy_from_span(t, buffer, room);

    ptrdiff_t got = t->source.read(t->source.user, buffer, room);
    if (got == HTTP_BODY_PAUSE) {
        t->upload_paused = true;
        return CURL_READFUNC_PAUSE;
    }
    if (got < 0 || (size_t)got > room)
        return CURL_READFUNC_ABORT;
    return (size_t)got;
}

static int on_seek(void *user, curl_off_t offset, int origin)
{
    http_transfer *t = user;

    if (offset != 0 || origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    if (t->source.read)
        return t->source.rewind && t->source.rewind(t->source.user) ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
    t->body_sent = 0;
    return CURL_SEEKFUNC_OK;
}

/* ---- the handle ---- */

static bool token_valid(const char *method)
{
    return method[0] != '\0' && http_field_valid(method, "");
}

/* PUT, POST and PATCH say that their body is empty; others just have none. */
static bool sends_body(const char *method, const http_client_request *r)
{
    return r->body_source || r->body_length > 0 || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
           strcmp(method, "PATCH") == 0;
}

static CURLcode set_method(http_transfer *t, const char *method, const http_client_request *r)
{
    CURL *easy = t->easy;
    CURLcode code = CURLE_OK;
    curl_off_t length = r->body_source ? (curl_off_t)r->body_source->length : (curl_off_t)r->body_length;

    if (sends_body(method, r)) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, length);
        SET(CURLOPT_READFUNCTION, on_read);
        SET(CURLOPT_READDATA, t);
        SET(CURLOPT_SEEKFUNCTION, on_seek);
        SET(CURLOPT_SEEKDATA, t);
    } else if (strcmp(method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
    } else {
        SET(CURLOPT_HTTPGET, 1L);
    }
    SET(CURLOPT_CUSTOMREQUEST, method);
    return code;
}

static uint64_t or_default(unsigned given, uint64_t usual)
{
    return given ? given : usual;
}

static void set_limits(http_transfer *t, const http_client_request *r)
{
    t->limits = (transfer_limits){
        .connect_ms = or_default(r->connect_timeout_ms, CONNECT_TIMEOUT_MS),
        .first_byte_ms = or_default(r->first_byte_timeout_ms, FIRST_BYTE_TIMEOUT_MS),
        .idle_ms = or_default(r->idle_timeout_ms, IDLE_TIMEOUT_MS),
        .total_ms = or_default(r->total_timeout_ms, t->fetching ? FETCH_TIMEOUT_MS : HTTP_NEVER),
        .body_bytes = r->body_bytes_max ? r->body_bytes_max
                      : t->fetching     ? FETCH_BODY_BYTES
                                        : UINT64_MAX,
        .stream_bytes = r->stream_buffer_bytes ? r->stream_buffer_bytes : STREAM_BUFFER_BYTES,
    };
    if (t->fetching)
        t->limits.stream_bytes = SIZE_MAX;
}

ac_status http_transfer_prepare(http_transfer *t, const http_client_request *r, ac_error *err)
{
    const char *method = r->method ? r->method : r->body_source || r->body_length ? "POST" : "GET";
    const http_client *client = t->client;
    CURLcode code = CURLE_OK;
    CURL *easy;

    AC_TRY(http_url_origin(r->url, t->origin, err));
    if (!token_valid(method))
        return ac_error_set(err, AC_ERR_INVALID, "the request method is not a token");
    set_limits(t, r);
    AC_TRY(take_body(t, r, err));
    AC_TRY(add_headers(t, r, r->body_source && r->body_source->length < 0, err));
    t->easy = easy = curl_easy_init();
    if (!easy)
        return ac_error_set(err, AC_ERR_NOMEM, "no memory for a request to %s", t->origin);

    ac_status status = http_curl_common(easy, client->ca_file, t->curl_message, r->no_proxy);
    SET(CURLOPT_URL, r->url);
    SET(CURLOPT_PRIVATE, t);
    SET(CURLOPT_HTTPHEADER, t->headers);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)t->limits.connect_ms);
    if (client->user_agent && !has_header(r, "User-Agent"))
        SET(CURLOPT_USERAGENT, client->user_agent);
    if (code == CURLE_OK)
        code = set_method(t, method, r);
    if (status == AC_OK)
        status = curl_setup_status(code);
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "cannot prepare a request to %s", t->origin);
}
