/* test_log.c - log lines through a real pipe on standard error: their shape, a reader that does not read, batches.
 * Also the clocks and identifiers that lines and requests are stamped with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/utf8.h"
#include "base/uuid.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

DEFINE_CLEANUP(yyjson_doc *, yyjson_doc_free)

static int read_end = -1;
static int saved_stderr = -1;

/* Standard error becomes a pipe of 64 KiB whose other end is read_end. */
static int redirect(void **state)
{
    int ends[2];

    (void)state;
    if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[1], F_SETPIPE_SZ, 65536) < 0)
        return -1;
    saved_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    read_end = ends[0];
    fcntl(read_end, F_SETFL, O_NONBLOCK);
    ac_log_set_level(AC_LOG_INFO);
    log_set_ids(NULL, NULL);
    return 0;
}

static int restore(void **state)
{
    (void)state;
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(read_end);
    return 0;
}

/* All there is in the pipe, NUL-terminated; static. */
static const char *drain(void)
{
    static char text[1 << 20];
    size_t length = 0;
    ssize_t got;

    while ((got = read(read_end, text + length, sizeof(text) - 1 - length)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    return text;
}

static void assert_matches(const char *text, const char *pattern)
{
    regex_t compiled;

    assert_int_equal(regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&compiled, text, 0, NULL, 0) != 0)
        fail_msg("%s\ndoes not match\n%s", text, pattern);
    regfree(&compiled);
}

#define STAMP "^\\{\"timestamp\": \"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z\", "

static void lines_have_their_members_in_order(void **state)
{
    (void)state;
    ac_log_info("Received payload of %d bytes", 12);
    assert_matches(drain(), STAMP "\"level\": \"INFO\", \"message\": \"Received payload of 12 bytes\", "
                                  "\"logger\": \"bedrock_agentcore.app\"\\}\n$");
    log_set_ids("req-1", "ses-\xC3\xA9\"");
    ac_log_warning("quote \" and \xC3\xA9 and \xFF");
    assert_matches(drain(), STAMP "\"level\": \"WARNING\", \"message\": \"quote \\\\\" and \u00E9 and \uFFFD\", "
                                  "\"logger\": \"bedrock_agentcore.app\", \"requestId\": \"req-1\", "
                                  "\"sessionId\": \"ses-\u00E9\\\\\"\"\\}\n$");
    log_set_ids("req-2", NULL);
    ac_log_error("bad\nthing");
    assert_matches(drain(), STAMP "\"level\": \"ERROR\", \"message\": \"bad\\\\nthing\", \"logger\": "
                                  "\"bedrock_agentcore.app\", \"requestId\": \"req-2\", \"location\": "
                                  "\"[^\"]*test_log.c:lines_have_their_members_in_order:[0-9]+\"\\}\n$");
}

static void failures_say_what_failed(void **state)
{
    (void)state;
    log_failure("ValueError", "no \"luck\"", "src/x.c", "work", 42, "Invocation failed (%.3fs)", 0.5);
    assert_matches(drain(), STAMP "\"level\": \"ERROR\", \"message\": \"Invocation failed \\(0.500s\\)\", \"logger\": "
                                  "\"bedrock_agentcore.app\", \"errorType\": \"ValueError\", \"errorMessage\": "
                                  "\"no \\\\\"luck\\\\\"\", \"location\": \"src/x.c:work:42\"\\}\n$");
    log_failure(NULL, NULL, NULL, NULL, 0, "x");
    assert_matches(drain(), "\"bedrock_agentcore.app\", \"location\": \"\\?:\\?:0\"\\}\n$");
    ac_log_set_level(AC_LOG_OFF);
    log_failure("E", "m", "f", "f", 1, "x");
    assert_string_equal(drain(), "");
}

static void levels_hold_back(void **state)
{
    (void)state;
    ac_log_debug("no");
    assert_string_equal(drain(), "");
    ac_log_set_level(AC_LOG_DEFAULT);
    assert_int_equal(ac_log_get_level(), AC_LOG_INFO);
    ac_log_set_level(AC_LOG_DEBUG);
    ac_log_debug("yes");
    assert_non_null(strstr(drain(), "\"level\": \"DEBUG\", \"message\": \"yes\""));
    ac_log_set_level(AC_LOG_WARNING);
    ac_log_write(AC_LOG_INFO, "f", "f", 1, "no");
    assert_string_equal(drain(), "");
    assert_false(ac_log_enabled(AC_LOG_OFF) || ac_log_enabled(AC_LOG_DEFAULT) || ac_log_enabled((ac_log_level)9));
}

static void ids_can_be_handed_on(void **state)
{
    const char *request = "x", *session = "y";

    (void)state;
    log_set_ids("r", "s");
    log_get_ids(&request, &session);
    assert_string_equal(request, "r");
    assert_string_equal(session, "s");
    log_set_ids(NULL, NULL);
    log_get_ids(&request, &session);
    assert_true(!request && !session);
}

/* The message of a line; the line must be JSON. */
static const char *message_of(const char *line, size_t length, yyjson_doc **ret_doc)
{
    assert_int_equal(ac_json_read(line, length, NULL, ret_doc, NULL), AC_OK);
    return ac_json_string(yyjson_doc_get_root(*ret_doc), "message", NULL);
}

static void long_messages_are_cut_at_a_character(void **state)
{
    size_t length = 200000;
    char *text = malloc(length + 1);

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < length; i += 4)
        memcpy(text + i, "\xF0\x9F\x98\x80", 4);
    text[length] = '\0';
    fcntl(STDERR_FILENO, F_SETPIPE_SZ, 262144);
    ac_log_info("x%s", text);
    const char *line = drain();
    _cleanup_(yyjson_doc_freep) yyjson_doc *doc = NULL;
    const char *message = message_of(line, strlen(line), &doc);
    assert_int_equal(strlen(message), 1 + (65535 / 4) * 4);
    assert_true(utf8_valid(message, strlen(message)));
    free(text);

    static char medium[5000];
    memset(medium, 'm', sizeof(medium) - 1);
    ac_log_info("%s", medium);
    line = drain();
    _cleanup_(yyjson_doc_freep) yyjson_doc *second = NULL;
    assert_string_equal(message_of(line, strlen(line), &second), medium);
}

/* Every line of text must be JSON; the messages that are "n <number>" must go up; returns how many there were. */
static int check_lines(const char *text, int *last, bool *ret_warned)
{
    int count = 0;

    while (*text) {
        _cleanup_(yyjson_doc_freep) yyjson_doc *doc = NULL;
        const char *end = strchr(text, '\n');
        assert_non_null(end);
        const char *message = message_of(text, (size_t)(end - text), &doc);
        int number;

        if (sscanf(message, "n %d", &number) == 1) {
            assert_true(number > *last);
            *last = number;
            count++;
        } else {
            assert_matches(message, "^[0-9]+ log lines? dropped: standard error is not being read$");
            *ret_warned = true;
        }
        text = end + 1;
    }
    return count;
}

/* Were a write to block, this test would hang: nobody else reads. */
static void a_full_pipe_drops_and_owns_up(void **state)
{
    int last = -1, logged = 2000;
    bool warned = false;

    (void)state;
    for (int i = 0; i < logged; i++)
        ac_log_info("n %d", i);
    int first = check_lines(drain(), &last, &warned);
    assert_true(first > 100 && first < logged);
    assert_false(warned);

    ac_log_info("n %d", logged);
    const char *text = drain();
    char expected[100];
    snprintf(expected, sizeof(expected), "\"level\": \"WARNING\", \"message\": \"%d log lines dropped: standard error",
             logged - first);
    assert_non_null(strstr(text, expected));
    assert_int_equal(check_lines(text, &last, &warned), 1);
    assert_true(warned);

    ac_log_info("n %d", logged + 1);
    warned = false;
    assert_int_equal(check_lines(drain(), &last, &warned), 1);
    assert_false(warned);
}

/* Lines of 40 KiB do not fit into what is left of the pipe: the second is cut, but what comes after starts afresh. */
static void a_cut_line_is_ended(void **state)
{
    static char text[40000];
    int last = -1;
    bool warned = false;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    ac_log_info("%s", text);
    ac_log_info("%s", text);
    const char *got = drain();
    const char *first_end = strchr(got, '\n');
    assert_non_null(first_end);
    assert_true(first_end[1] == '{');
    assert_null(strchr(first_end + 1, '\n'));

    ac_log_info("n 1");
    got = drain();
    assert_int_equal(got[0], '\n');
    assert_int_equal(check_lines(got + 1, &last, &warned), 1);
    assert_true(warned);
}

static void a_closed_reader_is_no_signal(void **state)
{
    (void)state;
    close(read_end);
    ac_log_info("into the void");
    log_batch_begin();
    ac_log_info("into the void");
    log_batch_end();
    read_end = -1;
}

static void what_was_lost_is_reported_later(void **state)
{
    (void)state;
    ac_log_info("n 1");
    assert_non_null(strstr(drain(), "2 log lines dropped"));
}

static bool pipe_is_empty(void)
{
    struct pollfd p = {.fd = read_end, .events = POLLIN};

    return poll(&p, 1, 0) == 0;
}

static void batches_leave_at_flush(void **state)
{
    int last = -1;
    bool warned = false;

    (void)state;
    log_batch_begin();
    for (int i = 0; i < 20; i++)
        ac_log_info("n %d", i);
    assert_true(pipe_is_empty());
    log_batch_flush();
    assert_int_equal(check_lines(drain(), &last, &warned), 20);
    log_batch_flush();
    assert_true(pipe_is_empty());

    for (int i = 20; i < 400; i++)
        ac_log_info("n %d", i);
    assert_false(pipe_is_empty()); /* more than a batch holds */
    log_batch_end();
    assert_int_equal(check_lines(drain(), &last, &warned), 380);
    assert_false(warned);

    ac_log_info("n 400");
    assert_int_equal(check_lines(drain(), &last, &warned), 1);
}

#define THREADS 4
#define THREAD_LINES 300

static void *log_from_thread(void *argument)
{
    char id[UUID_SIZE];
    static const char padding[] = "0123456789012345678901234567890123456789";

    uuid_v4(id);
    log_set_ids(id, NULL);
    if (argument)
        log_batch_begin();
    for (int i = 0; i < THREAD_LINES; i++) {
        ac_log_info("%d %.*s", i, i % 40, padding);
        if (i % 7 == 0)
            log_batch_flush();
    }
    log_batch_end();
    return NULL;
}

static void threads_do_not_tear_lines(void **state)
{
    pthread_t threads[THREADS];
    int lines = 0;

    (void)state;
    fcntl(STDERR_FILENO, F_SETPIPE_SZ, 1 << 20);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_from_thread, i % 2 ? threads : NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);

    for (const char *at = drain(); *at; lines++) {
        _cleanup_(yyjson_doc_freep) yyjson_doc *doc = NULL;
        const char *end = strchr(at, '\n');

        assert_non_null(end);
        assert_non_null(message_of(at, (size_t)(end - at), &doc));
        assert_int_equal(strlen(ac_json_string(yyjson_doc_get_root(doc), "requestId", "")), 36);
        at = end + 1;
    }
    assert_int_equal(lines, THREADS * THREAD_LINES);
}

static void identifiers_are_random_and_survive_fork(void **state)
{
    char mine[UUID_SIZE], theirs[UUID_SIZE] = "";
    int ends[2];

    (void)state;
    uuid_v4(mine);
    assert_matches(mine, "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$");
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        uuid_v4(theirs);
        _exit(write(ends[1], theirs, sizeof(theirs)) != sizeof(theirs));
    }
    assert_true(child > 0);
    assert_int_equal(read(ends[0], theirs, sizeof(theirs)), sizeof(theirs));
    waitpid(child, NULL, 0);
    close(ends[0]);
    close(ends[1]);
    uuid_v4(mine);
    assert_int_equal(strlen(theirs), 36);
    assert_string_not_equal(mine, theirs);

    static char many[1000][UUID_SIZE];
    for (size_t i = 0; i < ARRAY_SIZE(many); i++)
        uuid_v4(many[i]);
    qsort(many, ARRAY_SIZE(many), UUID_SIZE, (int (*)(const void *, const void *))strcmp);
    for (size_t i = 1; i < ARRAY_SIZE(many); i++)
        assert_string_not_equal(many[i - 1], many[i]);
}

static void dates_agree_with_the_library(void **state)
{
    (void)state;
    srand(4);
    for (int i = 0; i < 20000; i++) {
        time_t when = (time_t)(((int64_t)rand() << 8 ^ rand()) % 252000000000 - 60000000000);
        char ours[CLOCK_HTTP_DATE_SIZE], iso[CLOCK_ISO8601_MS_SIZE], theirs[64];
        struct tm parts;

        gmtime_r(&when, &parts);
        strftime(theirs, sizeof(theirs), "%a, %d %b ", &parts);
        snprintf(theirs + 12, sizeof(theirs) - 12, "%04d %02d:%02d:%02d GMT", parts.tm_year + 1900, parts.tm_hour,
                 parts.tm_min, parts.tm_sec);
        clock_http_date(when, ours);
        assert_string_equal(ours, theirs);
        snprintf(theirs, sizeof(theirs), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900, parts.tm_mon + 1,
                 parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, i % 1000);
        clock_iso8601_ms((int64_t)when * 1000 + i % 1000, iso);
        assert_string_equal(iso, theirs);
    }

    char ours[CLOCK_HTTP_DATE_SIZE];
    clock_http_date(784111777, ours);
    assert_string_equal(ours, "Sun, 06 Nov 1994 08:49:37 GMT");
    clock_http_date(INT64_MAX, ours);
    assert_string_equal(ours, "Fri, 31 Dec 9999 23:59:59 GMT");
    clock_http_date(INT64_MIN, ours);
    assert_string_equal(ours, "Mon, 01 Jan 0001 00:00:00 GMT");
    assert_true(llabs(clock_unix_ms() / 1000 - (int64_t)time(NULL)) <= 1);
    uint64_t before = clock_monotonic_ns();
    assert_true(clock_monotonic_ns() >= before && clock_monotonic_ms() >= before / 1000000);
}

#define piped_test(name) cmocka_unit_test_setup_teardown(name, redirect, restore)

int main(void)
{
    const struct CMUnitTest tests[] = {
        piped_test(lines_have_their_members_in_order),
        piped_test(failures_say_what_failed),
        piped_test(levels_hold_back),
        piped_test(ids_can_be_handed_on),
        piped_test(long_messages_are_cut_at_a_character),
        piped_test(a_full_pipe_drops_and_owns_up),
        piped_test(a_cut_line_is_ended),
        piped_test(a_closed_reader_is_no_signal),
        piped_test(what_was_lost_is_reported_later),
        piped_test(batches_leave_at_flush),
        piped_test(threads_do_not_tear_lines),
        cmocka_unit_test(identifiers_are_random_and_survive_fork),
        cmocka_unit_test(dates_agree_with_the_library),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
