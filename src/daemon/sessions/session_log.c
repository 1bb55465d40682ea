/* session_log.c - from the bytes that a program writes to lines that are safe to read on a terminal.
 *
 * What comes is not to be trusted: it may hold escape sequences, half characters, never a newline.  Bytes are gathered
 * until a newline, or until there are SESSION_LOG_LINE_MAX of them; then they are a line, whose control characters and
 * broken bytes are replaced by U+FFFD.  The lines of one session_log_write go to the file in one piece. */
#include "daemon/sessions/session_log.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "daemon/sessions/session_log_file.h"

#include <stdlib.h>

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */
#define OUT_BYTES_MAX (1U << 20)   /* lines that are not yet in the file */
#define ID_MAX 256

struct session_log {
    log_file *file; /* NULL: none */
    char id[ID_MAX + 1];
    size_t line_length; /* of an unfinished line */
    bool cut;           /* it goes on one that was too long */
    buf clean, out;
    size_t tail_length;
    char line[SESSION_LOG_LINE_MAX];
    char tail[SESSION_LOG_TAIL_BYTES]; /* whole lines, newest last */
};

/* The id stands between two blanks, so it must be one word. */
static void set_id(session_log *log, const char *session_id)
{
    size_t length = strnlen(session_id, ID_MAX);

    length = utf8_valid_prefix(session_id, length);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)session_id[i];
        log->id[i] = c <= ' ' || c >= 0x7f ? '_' : (char)c;
    }
    log->id[length] = '\0';
    if (length == 0)
        strcpy(log->id, SESSION_LOG_NO_SESSION);
}

session_log *session_log_new(session_logs *logs, const char *name, const char *session_id)
{
    session_log *log = calloc(1, sizeof(*log));

    if (!log)
        return NULL;
    log->clean = BUF_INIT(SESSION_LOG_LINE_MAX * 4);
    log->out = BUF_INIT(OUT_BYTES_MAX);
    set_id(log, session_id);
    if (name && !session_log_name_valid(name))
        ac_log_warning("What a session writes is not kept: \"%.100s\" cannot be the name of a file", name);
    else if (name && !(log->file = log_file_get(logs, name))) {
        free(log);
        return NULL;
    }
    return log;
}

void session_log_assign(session_log *log, const char *session_id)
{
    set_id(log, session_id);
}

/* ---- cleaning ---- */

/* Characters that move a cursor, start an escape sequence, break a line or turn the direction of text. */
static bool is_harmful(uint32_t code)
{
    return (code < 0x20 && code != '\t') || (code >= 0x7f && code <= 0x9f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

/* Length and code of a character, of text that is valid. */
static size_t decode(const unsigned char *text, uint32_t *ret_code)
{
    static const unsigned char first_bits[] = {0x7f, 0x7f, 0x1f, 0x0f, 0x07};
    size_t length = text[0] < 0x80 ? 1 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;

    *ret_code = text[0] & first_bits[length];
    for (size_t i = 1; i < length; i++)
        *ret_code = *ret_code << 6 | (text[i] & 0x3f);
    return length;
}

/* Valid text, without what does harm. */
static ac_status append_harmless(buf *out, const char *text, size_t length)
{
    size_t start = 0, at = 0;

    while (at < length) {
        uint32_t code;
        size_t bytes = decode((const unsigned char *)text + at, &code);
        if (is_harmful(code)) {
            AC_TRY(buf_append(out, text + start, at - start));
            AC_TRY(buf_append_text(out, REPLACEMENT));
            start = at + bytes;
        }
        at += bytes;
    }
    return buf_append(out, text + start, length - start);
}

static ac_status append_clean(buf *out, const char *text, size_t length)
{
    while (length > 0) {
        size_t valid = utf8_valid_prefix(text, length);
        AC_TRY(append_harmless(out, text, valid));
        if (valid < length) {
            AC_TRY(buf_append_text(out, REPLACEMENT));
            valid++;
        }
        text += valid;
        length -= valid;
    }
    return AC_OK;
}

/* ---- lines ---- */

static void flush(session_log *log)
{
    if (log->file)
        log_file_append(log->file, log->out.data, log->out.length);
    log->out.length = 0;
}

/* One line to the file.  Out of memory: it is lost. */
static void put_line(session_log *log, const char *text, size_t length)
{
    char now[CLOCK_ISO8601_MS_SIZE];

    if (!log->file)
        return;
    if (log->out.length + length + sizeof(now) + sizeof(log->id) + 2 > OUT_BYTES_MAX)
        flush(log);
    clock_iso8601_ms(clock_unix_ms(), now);
    size_t before = log->out.length;
    if (buf_appendf(&log->out, "%s %s ", now, log->id) != AC_OK || buf_append(&log->out, text, length) != AC_OK ||
        buf_append(&log->out, "\n", 1) != AC_OK)
        log->out.length = before;
}

/* The start of the first whole character at or behind text. */
static const char *next_character(const char *text, const char *end)
{
    while (text < end && ((unsigned char)*text & 0xc0) == 0x80)
        text++;
    return text;
}

static void remember(session_log *log, const char *text, size_t length)
{
    if (length + 1 > sizeof(log->tail)) {
        const char *end = text + length;
        text = next_character(end - (sizeof(log->tail) - 1), end);
        length = (size_t)(end - text);
    }
    size_t drop = 0;
    while (log->tail_length - drop + length + 1 > sizeof(log->tail)) {
        const char *newline = memchr(log->tail + drop, '\n', log->tail_length - drop);
        drop = newline ? (size_t)(newline - log->tail) + 1 : log->tail_length;
    }
    memmove(log->tail, log->tail + drop, log->tail_length - drop);
    log->tail_length -= drop;
    memcpy(log->tail + log->tail_length, text, length);
    log->tail[log->tail_length + length] = '\n';
    log->tail_length += length + 1;
}

static void finish_line(session_log *log, const char *text, size_t length)
{
    log->clean.length = 0;
    if (append_clean(&log->clean, text, length) != AC_OK)
        return;
    put_line(log, log->clean.data, log->clean.length);
    remember(log, log->clean.data ? log->clean.data : "", log->clean.length);
}

/* How much of a line that is too long is whole characters. */
static size_t whole_characters(const char *text, size_t length)
{
    for (size_t back = 1; back <= 3 && back < length; back++) {
        unsigned char c = (unsigned char)text[length - back];
        if (c < 0x80)
            break;
        if (c >= 0xc0) {
            size_t bytes = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
            return bytes > back ? length - back : length;
        }
    }
    return length;
}

static void cut_line(session_log *log)
{
    size_t whole = whole_characters(log->line, log->line_length);

    finish_line(log, log->line, whole);
    memmove(log->line, log->line + whole, log->line_length - whole);
    log->line_length -= whole;
    log->cut = true;
}

static void end_line(session_log *log)
{
    size_t length = log->line_length;

    if (length > 0 && log->line[length - 1] == '\r')
        length--;
    if (length > 0 || !log->cut) /* a cut right before the newline leaves nothing */
        finish_line(log, log->line, length);
    log->line_length = 0;
    log->cut = false;
}

void session_log_write(session_log *log, const char *data, size_t length)
{
    while (length > 0) {
        const char *newline = memchr(data, '\n', length);
        size_t part = MIN(newline ? (size_t)(newline - data) : length, sizeof(log->line) - log->line_length);

        memcpy(log->line + log->line_length, data, part);
        log->line_length += part;
        data += part;
        length -= part;
        if (newline && data == newline) {
            end_line(log);
            data++;
            length--;
        } else if (log->line_length == sizeof(log->line)) {
            cut_line(log);
        }
    }
    flush(log);
}

void session_log_note(session_log *log, const char *text)
{
    log->clean.length = 0;
    if (append_clean(&log->clean, text, strnlen(text, SESSION_LOG_LINE_MAX)) == AC_OK)
        put_line(log, log->clean.data, log->clean.length);
    flush(log);
}

void session_log_tail(const session_log *log, buf *out)
{
    _cleanup_(buf_done) buf last = BUF_INIT(SESSION_LOG_LINE_MAX * 4);
    _cleanup_(buf_done) buf all = BUF_INIT(SESSION_LOG_LINE_MAX * 8);
    unsigned lines = 0;

    if (append_clean(&last, log->line, log->line_length) != AC_OK ||
        buf_append(&all, log->tail, log->tail_length) != AC_OK || buf_append(&all, last.data, last.length) != AC_OK ||
        all.length == 0)
        return;
    size_t end = all.data[all.length - 1] == '\n' ? all.length - 1 : all.length;
    size_t start = end;
    while (start > 0 && end - start < SESSION_LOG_TAIL_BYTES) {
        if (all.data[start - 1] == '\n' && ++lines == SESSION_LOG_TAIL_LINES)
            break;
        start--;
    }
    const char *text = next_character(all.data + start, all.data + end);
    if (buf_append(out, text, (size_t)(all.data + end - text)) != AC_OK)
        return; /* the message goes without it */
}

void session_log_free(session_log *log)
{
    if (!log)
        return;
    if (log->line_length > 0)
        end_line(log);
    flush(log);
    if (log->file)
        log_file_put(log->file);
    buf_done(&log->clean);
    buf_done(&log->out);
    free(log);
}
