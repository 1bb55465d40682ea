/* log_write.c - finished log lines on their way to standard error, without ever waiting for its reader.
 *
 * Standard error is shared with whoever started the process, so it is not made non-blocking: that would change it for
 * them too.  Instead poll says whether it takes anything at all, and then at most PIPE_BUF bytes are written, which is
 * what a pipe that polls as writable takes without blocking.  A piece ends at the end of a line where it can, and
 * pieces of that size are atomic in a pipe, so lines do not mix with those of other processes.
 *
 * What does not get out is dropped and counted; before the next line that does get out, a warning says how many were
 * lost.  A line that was cut short is ended first.  One lock for the process keeps long lines in one piece; nothing
 * blocks under it. */
#include "base/log_write.h"
#include "base/clock.h"
#include "base/util.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t write_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint_least64_t dropped_lines;
static bool line_is_cut; /* under write_lock: the last byte that got out did not end its line */

void log_count_dropped(void)
{
    atomic_fetch_add_explicit(&dropped_lines, 1, memory_order_relaxed);
}

static bool is_writable(void)
{
    struct pollfd standard_error = {.fd = STDERR_FILENO, .events = POLLOUT};
    int ready;

    do
        ready = poll(&standard_error, 1, 0);
    while (ready < 0 && errno == EINTR);

    /* A pipe without reader polls as writable too, but writing to it raises SIGPIPE. */
    return ready == 1 && (standard_error.revents & (POLLOUT | POLLERR | POLLHUP | POLLNVAL)) == POLLOUT;
}

/* How much to write at once: whole lines if at least one fits. */
static size_t piece_length(const char *text, size_t length)
{
    size_t most = MIN(length, (size_t)PIPE_BUF);
    const char *last = memrchr(text, '\n', most);

    return last ? (size_t)(last + 1 - text) : most;
}

/* The number of bytes that got out. */
static size_t write_pieces(const char *text, size_t length)
{
    size_t done = 0;

    while (done < length && is_writable()) {
        ssize_t written = write(STDERR_FILENO, text + done, piece_length(text + done, length - done));

        if (written > 0)
            done += (size_t)written;
        else if (written == 0 || errno != EINTR)
            break;
    }
    if (done > 0)
        line_is_cut = text[done - 1] != '\n';
    return done;
}

/* End a line that was cut, and own up to what was dropped.  False when not even that gets out. */
static bool write_warning(void)
{
    uint64_t dropped = atomic_load_explicit(&dropped_lines, memory_order_relaxed);
    char now[CLOCK_ISO8601_MS_SIZE];
    char line[256];

    if (line_is_cut && write_pieces("\n", 1) == 0)
        return false;
    if (dropped == 0)
        return true;

    clock_iso8601_ms(clock_unix_ms(), now);
    int length = snprintf(line, sizeof(line),
                          "{\"timestamp\": \"%s\", \"level\": \"WARNING\", \"message\": \"%llu log line%s dropped: "
                          "standard error is not being read\", \"logger\": \"bedrock_agentcore.app\"}\n",
                          now, (unsigned long long)dropped, dropped == 1 ? "" : "s");
    if (write_pieces(line, (size_t)length) < (size_t)length)
        return false;
    atomic_fetch_sub_explicit(&dropped_lines, dropped, memory_order_relaxed);
    return true;
}

static uint64_t count_lines(const char *text, size_t length)
{
    const char *end = text + length;
    uint64_t lines = 0;

    for (const char *at = text; at < end && (at = memchr(at, '\n', (size_t)(end - at))); at++)
        lines++;
    return lines;
}

void log_write_lines(const char *text, size_t length)
{
    size_t done = 0;

    pthread_mutex_lock(&write_lock);
    bool warning_due = line_is_cut || atomic_load_explicit(&dropped_lines, memory_order_relaxed) > 0;
    if (!warning_due || write_warning())
        done = write_pieces(text, length);
    if (done < length)
        atomic_fetch_add_explicit(&dropped_lines, count_lines(text + done, length - done), memory_order_relaxed);
    pthread_mutex_unlock(&write_lock);
}
