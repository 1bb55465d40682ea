/* log.c - JSON log lines, as AgentCore Runtime collects them.
 *
 * A line is put together at the end of a buffer of the calling thread and leaves from there: at once, or with others
 * while the thread batches.  Members stand in a fixed order, spaced like Python's json.dumps: timestamp, level,
 * message, logger, requestId, sessionId, errorType, errorMessage, location.  A line that memory does not suffice for
 * is taken back and counted as dropped.  How lines get out is log_write.c's business. */
#include "base/log.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log_write.h"
#include "base/utf8.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_BYTES_MAX (64 * 1024)
#define MESSAGE_SHORT_BYTES 1024 /* longer ones are printed to the heap */
#define BATCH_BYTES (32 * 1024)

/* A thread's buffer: a batch and then one line whose message, error message and ids are escaped (sixfold at worst). */
#define LINES_BYTES_MAX (BATCH_BYTES + 16 * MESSAGE_BYTES_MAX)

#define OPENING "{\"timestamp\": \""

typedef struct failure_info {
    const char *type;
    const char *message;
} failure_info;

typedef struct place {
    const char *file;
    const char *function;
    int line;
} place;

typedef struct log_thread {
    const char *request_id;
    const char *session_id;
    bool batching;
    buf lines;
    int64_t second; /* that stamp was written for */
    char opening[sizeof(OPENING) - 1 + CLOCK_ISO8601_MS_SIZE];
} log_thread;

static atomic_int lowest_level = AC_LOG_INFO;
static _Atomic(const char *) logger_name = "bedrock_agentcore.app";
static _Thread_local log_thread self = {.lines = BUF_INIT(LINES_BYTES_MAX), .second = INT64_MIN};

void ac_log_set_level(ac_log_level level)
{
    if (level >= AC_LOG_DEBUG && level <= AC_LOG_OFF)
        atomic_store_explicit(&lowest_level, (int)level, memory_order_relaxed);
}

ac_log_level ac_log_get_level(void)
{
    return (ac_log_level)atomic_load_explicit(&lowest_level, memory_order_relaxed);
}

bool ac_log_enabled(ac_log_level level)
{
    return level >= AC_LOG_DEBUG && level <= AC_LOG_ERROR && level >= ac_log_get_level();
}

void log_set_ids(const char *request_id, const char *session_id)
{
    self.request_id = request_id;
    self.session_id = session_id;
}

void log_get_ids(const char **ret_request_id, const char **ret_session_id)
{
    *ret_request_id = self.request_id;
    *ret_session_id = self.session_id;
}

/* The start of a line up to the time.  Dates change once a second, milliseconds are put in by hand. */
static const char *opening(void)
{
    char *stamp = self.opening + sizeof(OPENING) - 1;
    int64_t now_ms = clock_unix_ms();

    if (now_ms / 1000 != self.second) {
        memcpy(self.opening, OPENING, sizeof(OPENING) - 1);
        clock_iso8601_ms(now_ms, stamp);
        self.second = now_ms / 1000;
    } else {
        unsigned milliseconds = (unsigned)(now_ms % 1000);

        stamp[20] = (char)('0' + milliseconds / 100);
        stamp[21] = (char)('0' + milliseconds / 10 % 10);
        stamp[22] = (char)('0' + milliseconds % 10);
    }
    return self.opening;
}

static ac_status append_member(buf *out, const char *name, const char *text, size_t length)
{
    AC_TRY(buf_append_text(out, name));
    return json_write_string(out, text, length);
}

/* name comes with its punctuation.  No text, no member. */
static ac_status append_optional(buf *out, const char *name, const char *text)
{
    if (!text)
        return AC_OK;
    return append_member(out, name, text, strnlen(text, MESSAGE_BYTES_MAX));
}

static ac_status append_location(buf *out, const place *where)
{
    char text[512];
    int length = snprintf(text, sizeof(text), "%s:%s:%d", where->file ? where->file : "?",
                          where->function ? where->function : "?", where->line);

    return append_member(out, ", \"location\": ", text, MIN((size_t)MAX(length, 0), sizeof(text) - 1));
}

/* Which part of the program speaks, and for which request. */
static ac_status append_whose(buf *out)
{
    AC_TRY(buf_append_text(out, ", \"logger\": \""));
    AC_TRY(buf_append_text(out, atomic_load_explicit(&logger_name, memory_order_relaxed)));
    AC_TRY(buf_append(out, "\"", 1));
    AC_TRY(append_optional(out, ", \"requestId\": ", self.request_id));
    return append_optional(out, ", \"sessionId\": ", self.session_id);
}

static ac_status append_line(buf *out, ac_log_level level, const place *where, const failure_info *failure,
                             const char *message, size_t length, const char *members)
{
    static const char *const levels[] = {
        [AC_LOG_DEBUG] = "\", \"level\": \"DEBUG\", \"message\": ",
        [AC_LOG_INFO] = "\", \"level\": \"INFO\", \"message\": ",
        [AC_LOG_WARNING] = "\", \"level\": \"WARNING\", \"message\": ",
        [AC_LOG_ERROR] = "\", \"level\": \"ERROR\", \"message\": ",
    };

    AC_TRY(buf_append(out, opening(), sizeof(self.opening) - 1));
    AC_TRY(append_member(out, levels[level], message, length));
    AC_TRY(append_whose(out));
    if (failure) {
        AC_TRY(append_optional(out, ", \"errorType\": ", failure->type));
        AC_TRY(append_optional(out, ", \"errorMessage\": ", failure->message));
    }
    if (level == AC_LOG_ERROR)
        AC_TRY(append_location(out, where));
    if (members)
        AC_TRY(buf_append_text(out, members));
    return buf_append_text(out, "}\n");
}

static void send_lines(void)
{
    if (self.lines.length > 0)
        log_write_lines(self.lines.data, self.lines.length);
    self.lines.length = 0;

    /* A thread keeps what a batch needs, not what one huge line needed. */
    if (!self.batching || self.lines.capacity > 2 * BATCH_BYTES)
        buf_done(&self.lines);
}

static void put_line(ac_log_level level, const place *where, const failure_info *failure, const char *message,
                     size_t length, const char *members)
{
    size_t before = self.lines.length;

    if (append_line(&self.lines, level, where, failure, message, length, members) != AC_OK) {
        self.lines.length = before;
        log_count_dropped();
    }
    if (!self.batching || self.lines.length >= BATCH_BYTES)
        send_lines();
}

/* A character that the cut went through is left out; bytes that never were UTF-8 are the JSON writer's to replace. */
static size_t cut_length(const char *text, size_t length)
{
    for (size_t back = 1; back <= 3 && back <= length; back++) {
        unsigned char byte = (unsigned char)text[length - back];

        if (byte >= 0xC0)
            return utf8_valid(text + length - back, back) ? length : length - back;
        if (byte < 0x80)
            break;
    }
    return length;
}

AC_PRINTF(4, 0)
static void put_message(ac_log_level level, const place *where, const failure_info *failure, const char *format,
                        va_list args)
{
    char text[MESSAGE_SHORT_BYTES];
    _cleanup_(buf_done) buf longer = BUF_INIT(MESSAGE_BYTES_MAX + 1);
    const char *message = text;
    va_list again;

    va_copy(again, args);
    int printed = vsnprintf(text, sizeof(text), format, args);
    size_t length = printed > 0 ? (size_t)printed : 0;

    if (length >= sizeof(text)) {
        size_t kept = MIN(length, (size_t)MESSAGE_BYTES_MAX);

        /* Without memory for the whole message, its start has to do. */
        if (buf_reserve(&longer, kept + 1) == AC_OK) {
            vsnprintf(longer.data, kept + 1, format, again);
            message = longer.data;
        } else {
            kept = sizeof(text) - 1;
        }
        length = kept < length ? cut_length(message, kept) : length;
    }
    va_end(again);
    put_line(level, where, failure, message, length, NULL);
}

void ac_log_write(ac_log_level level, const char *file, const char *function, int line, const char *format, ...)
{
    place where = {file, function, line};
    va_list args;

    if (!ac_log_enabled(level))
        return;
    va_start(args, format);
    put_message(level, &where, NULL, format, args);
    va_end(args);
}

void log_failure(const char *error_type, const char *error_message, const char *file, const char *func, int line,
                 const char *format, ...)
{
    place where = {file, func, line};
    failure_info failure = {error_type, error_message};
    va_list args;

    if (!ac_log_enabled(AC_LOG_ERROR))
        return;
    va_start(args, format);
    put_message(AC_LOG_ERROR, &where, &failure, format, args);
    va_end(args);
}

void log_set_logger(const char *name)
{
    atomic_store_explicit(&logger_name, name, memory_order_relaxed);
}

void log_with_members(const char *message, const char *members)
{
    if (ac_log_enabled(AC_LOG_INFO))
        put_line(AC_LOG_INFO, NULL, NULL, message, strlen(message), members);
}

void log_batch_begin(void)
{
    self.batching = true;
}

void log_batch_flush(void)
{
    if (self.batching && self.lines.length > 0)
        send_lines();
}

void log_batch_end(void)
{
    self.batching = false;
    send_lines();
}
