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
#define HEAD_BYTES_USUAL 256

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
    static _Thread_local char line[sizeof "Date: \r\n" + 30];
    struct timespec now;

    clock_gettime(CLOCK_REALTIME_COARSE, &now); /* whole seconds are wanted: the cheap clock will do */
    if (now.tv_sec != second || !line[0]) {
        char date[30];
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

static ac_status append_status(buf *out, int status)
{
    if (status == 200)
        return buf_append(out, "HTTP/1.1 200 OK\r\n", 17);
    return buf_appendf(out, "HTTP/1.1 %d %s\r\n", status, http_reason(status));
}

static ac_status append_length(buf *out, size_t length)
{
    char text[48] = "Content-Length: ";
    char *p = text + sizeof text;

    *--p = '\n';
    *--p = '\r';
    do {
        *--p = (char)('0' + length % 10);
        length /= 10;
    } while (length);
    AC_TRY(buf_append(out, text, 16));
    return buf_append(out, p, (size_t)(text + sizeof text - p));
}

static ac_status append_framing(buf *out, http_framing framing, size_t content_length)
{
    switch (framing) {
    case HTTP_FRAMING_LENGTH:
        return append_length(out, content_length);
    case HTTP_FRAMING_CHUNKED:
        return buf_append_text(out, "Transfer-Encoding: chunked\r\n");
    default:
        return AC_OK;
    }
}

ac_status http_head_write(buf *out, const http_response *response, http_framing framing, size_t content_length,
                          int minor_version, bool keep_alive)
{
    out->cap = HEAD_BYTES_MAX;
    AC_TRY(buf_reserve(out, HEAD_BYTES_USUAL + (content_length <= HTTP_BODY_COPY_MAX ? content_length : 0)));
    AC_TRY(append_status(out, response->status));
    AC_TRY(buf_append_text(out, date_line()));
    if (response->content_type)
        AC_TRY(append_field(out, "Content-Type", response->content_type));
    AC_TRY(append_framing(out, framing, content_length));
    for (size_t i = 0; i < response->field_count; i++)
        AC_TRY(append_field(out, response->fields[i].name, response->fields[i].value));
    if (response->status == 101)
        return buf_append(out, "\r\n", 2);
    if (!keep_alive)
        AC_TRY(buf_append_text(out, "Connection: close\r\n"));
    else if (minor_version == 0)
        AC_TRY(buf_append_text(out, "Connection: keep-alive\r\n"));
    return buf_append(out, "\r\n", 2);
}
