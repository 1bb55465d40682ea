/* head.c - status line and headers of a response.
 *
 * A head is written on whichever thread answers, in one buffer and mostly by copying literals; the Date line is made
 * once per second and thread. */
#include "http/head.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define HEAD_BYTES_MAX (1U << 20) /* all headers a service may set, and a small body behind them */
#define HEAD_BYTES_START 256      /* status line, Date, framing and what goes around the content type: 160 at most */
#define DATE_LINE_BYTES (sizeof "Date: \r\n" - 1 + CLOCK_HTTP_DATE_SIZE - 1)

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {418, "I'm a teapot"},
    {422, "Unprocessable Content"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    {511, "Network Authentication Required"},
};

const char *http_reason(int status)
{
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}

static bool is_token_byte(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

bool http_field_valid(const char *name, const char *value)
{
    if (!*name)
        return false;
    for (const char *c = name; *c; c++)
        if (!is_token_byte((unsigned char)*c))
            return false;
    for (const char *c = value; *c; c++)
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7F)
            return false;
    return true;
}

static const char *date_line(void)
{
    static _Thread_local time_t second;
    static _Thread_local char line[DATE_LINE_BYTES + 1];
    struct timespec now;

    clock_gettime(CLOCK_REALTIME_COARSE, &now); /* whole seconds are wanted: the cheap clock will do */
    if (now.tv_sec != second || !line[0]) {
        char date[CLOCK_HTTP_DATE_SIZE];
        clock_http_date(now.tv_sec, date);
        snprintf(line, sizeof line, "Date: %s\r\n", date);
        second = now.tv_sec;
    }
    return line;
}

static ac_status append_field(buf *out, const char *name, const char *value)
{
    AC_TRY(buf_append_text(out, name));
    AC_TRY(buf_append(out, ": ", 2));
    AC_TRY(buf_append_text(out, value));
    return buf_append(out, "\r\n", 2);
}

static char *put(char *at, const void *text, size_t length)
{
    memcpy(at, text, length);
    return at + length;
}

static char *put_status(char *at, int status)
{
    if (status == 200)
        return put(at, "HTTP/1.1 200 OK\r\n", 17);
    return at + sprintf(at, "HTTP/1.1 %d %s\r\n", status, http_reason(status));
}

static char *put_length(char *at, size_t length)
{
    char digits[20];
    char *first = digits + sizeof digits;

    do {
        *--first = (char)('0' + length % 10);
        length /= 10;
    } while (length);
    at = put(at, "Content-Length: ", 16);
    at = put(at, first, (size_t)(digits + sizeof digits - first));
    return put(at, "\r\n", 2);
}

/* What every head begins with, in one go: HEAD_BYTES_START and the content type fit. */
static char *put_start(char *at, const http_response *response, size_t type_length, http_framing framing,
                       size_t content_length)
{
    at = put_status(at, response->status);
    at = put(at, date_line(), DATE_LINE_BYTES);
    if (response->content_type) {
        at = put(at, "Content-Type: ", 14);
        at = put(at, response->content_type, type_length);
        at = put(at, "\r\n", 2);
    }
    if (framing == HTTP_FRAMING_LENGTH)
        at = put_length(at, content_length);
    else if (framing == HTTP_FRAMING_CHUNKED)
        at = put(at, "Transfer-Encoding: chunked\r\n", 28);
    return at;
}

ac_status http_head_write(buf *out, const http_response *response, http_framing framing, size_t content_length,
                          int minor_version, bool keep_alive)
{
    size_t type_length = response->content_type ? strlen(response->content_type) : 0;
    size_t body_length = content_length <= HTTP_BODY_COPY_MAX ? content_length : 0;

    out->cap = HEAD_BYTES_MAX;
    if (type_length > HEAD_BYTES_MAX)
        return AC_ERR_TOO_LARGE;
    AC_TRY(buf_reserve(out, HEAD_BYTES_START + type_length + body_length));
    out->length =
        (size_t)(put_start(out->data + out->length, response, type_length, framing, content_length) - out->data);
    for (size_t i = 0; i < response->field_count; i++)
        AC_TRY(append_field(out, response->fields[i].name, response->fields[i].value));
    if (response->status == 101 || (keep_alive && minor_version > 0))
        return buf_append(out, "\r\n", 2);
    return buf_append_text(out, keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
}
