/* error.c - the table of statuses, how an ac_error is filled, and the version of the library. */
#include "base/utf8.h"
#include "base/util.h"

#include <agentcore/version.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct status_row {
    const char *name;
    const char *text;
    const char *aws_name;
    int http;
    bool retryable;
} status_row;

static const status_row status_rows[] = {
#define STATUS_ROW(status, sentence, may_retry, http_status, aws)                                                      \
    [status] = {.name = #status, .text = sentence, .aws_name = aws, .http = http_status, .retryable = may_retry},
    AC_STATUS_MAP(STATUS_ROW)
#undef STATUS_ROW
};

static const status_row *status_find(ac_status status)
{
    static const status_row unknown = {
        .name = "AC_ERR_?", .text = "unknown error", .aws_name = "InternalServerException", .http = 500};

    return (size_t)status < ARRAY_SIZE(status_rows) ? &status_rows[status] : &unknown;
}

const char *ac_status_name(ac_status status)
{
    return status_find(status)->name;
}

const char *ac_status_text(ac_status status)
{
    return status_find(status)->text;
}

const char *ac_status_aws_name(ac_status status)
{
    return status_find(status)->aws_name;
}

int ac_status_http(ac_status status)
{
    return status_find(status)->http;
}

bool ac_status_retryable(ac_status status)
{
    return status_find(status)->retryable;
}

/* Messages quote what peers send, so they may hold anything: what is not UTF-8 becomes '?', in place because U+FFFD
 * would need room. */
static void make_utf8(char *text, size_t length)
{
    for (size_t at = utf8_valid_prefix(text, length); at < length; at += utf8_valid_prefix(text + at, length - at))
        text[at++] = '?';
}

/* Where to end a text that was cut at length: before a character that lost its tail. */
static size_t character_boundary(const char *text, size_t length)
{
    size_t start = length;

    while (start > 0 && length - start < 3 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start > 0 && (unsigned char)text[start - 1] >= 0xC0 && !utf8_valid(text + start - 1, length - start + 1))
        return start - 1;
    return length;
}

ac_status ac_error_set(ac_error *err, ac_status status, const char *format, ...)
{
    if (!err)
        return status;

    /* Not straight into err: wrapping an error prints err->message into itself. */
    char message[sizeof(err->message)];
    va_list args;

    va_start(args, format);
    int printed = vsnprintf(message, sizeof(message), format, args);
    va_end(args);

    size_t length = printed < 0 ? 0 : (size_t)printed;
    if (length >= sizeof(message)) {
        length = character_boundary(message, sizeof(message) - 1);
        message[length] = '\0';
    }
    make_utf8(message, length);

    const status_row *row = status_find(status);
    err->status = status;
    err->http_status = row->http;
    snprintf(err->aws_name, sizeof(err->aws_name), "%s", row->aws_name);
    if (length > 0)
        memcpy(err->message, message, length + 1);
    else
        snprintf(err->message, sizeof(err->message), "%s", row->text);
    return status;
}

const char *ac_version(void)
{
    return AC_VERSION;
}
