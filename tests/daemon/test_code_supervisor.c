/* test_code_supervisor.c - commands and tasks of the code interpreter's supervisor (guest/code/), without a sandbox. */
#include "../../guest/code/code.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 20000
#define WIDE_BYTES ((size_t)512 << 10) /* more than a pipe holds usually */
#define TIME_OUT_MS 1500
#define SLOW_PIECES 3
#define SLOW_MS 150 /* longer than what a command has left open is waited for */

/* All at once into a pipe that is made to hold it, and gone. */
static int write_wide(void)
{
    static char text[WIDE_BYTES];

    memset(text, 'w', sizeof text);
    return fcntl(1, F_SETPIPE_SZ, (int)sizeof text) >= (int)sizeof text &&
                   write(1, text, sizeof text) == (ssize_t)sizeof text
               ? 0
               : 9;
}

/* ---- one call, and the room at its other end ---- */

typedef struct said {
    size_t output_bytes; /* of both streams */
    char output[64];     /* its beginning */
    code_end task, end;
    bool has_task;
} said;

typedef struct calling {
    call c;
    int room;
    pthread_t thread;
    void (*tool)(call *c);
} calling;

static void *run_call(void *argument)
{
    calling *now = argument;

    now->tool(&now->c);
    return NULL;
}

static void begin_with(calling *now, void (*tool)(call *c), const char *text, int64_t begun_us, unsigned timeout_ms)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    *now = (calling){.room = ends[1], .tool = tool};
    now->c = (call){.fd = ends[0], .begun_us = begun_us, .text = strdup(text), .text_bytes = strlen(text)};
    now->c.request = (code_request){.timeout_ms = timeout_ms, .output_bytes = 1U << 20};
    assert_int_equal(pthread_create(&now->thread, NULL, run_call, now), 0);
}

static void begin_at(calling *now, void (*tool)(call *c), const char *text, int64_t begun_us)
{
    begin_with(now, tool, text, begun_us, PATIENCE_MS);
}

static void begin(calling *now, void (*tool)(call *c), const char *text)
{
    begin_at(now, tool, text, now_us());
}

static void take_output(said *all, const char *data, size_t bytes)
{
    size_t room = sizeof all->output - 1;

    if (all->output_bytes < room)
        snprintf(all->output + all->output_bytes, sizeof all->output - all->output_bytes, "%.*s",
                 (int)(bytes < room ? bytes : room), data);
    all->output_bytes += bytes;
}

/* To its end.  slow: the room takes its time with the first pieces. */
static said finish(calling *now, bool slow)
{
    static char data[CODE_FRAME_BYTES_MAX];
    said all = {0};
    code_frame kind = CODE_STDOUT;
    size_t bytes;

    for (int i = 0; kind != CODE_END; i++) {
        if (slow && i < SLOW_PIECES)
            poll(NULL, 0, SLOW_MS); /* what it takes, not a way to wait for something */
        assert_true(frame_receive_head(now->room, sizeof data, &kind, &bytes));
        assert_true(frame_receive(now->room, data, bytes));
        if (kind == CODE_STDOUT || kind == CODE_STDERR)
            take_output(&all, data, bytes);
        if (kind == CODE_TASK)
            all.has_task = code_get_end((const unsigned char *)data, bytes, &all.task);
        if (kind == CODE_END)
            assert_true(code_get_end((const unsigned char *)data, bytes, &all.end));
    }
    pthread_join(now->thread, NULL);
    close(now->room);
    close(now->c.fd);
    free(now->c.text);
    return all;
}

static said ask(void (*tool)(call *c), const char *text)
{
    calling now;

    begin(&now, tool, text);
    return finish(&now, false);
}

/* ---- commands ---- */

/* A command that lets this program write at once what is wide, and more. */
static const char *wide_and(const char *more)
{
    static char command[400];
    char program[256];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);

    assert_true(length > 0);
    program[length] = '\0';
    snprintf(command, sizeof command, "'%s' wide%s", program, more);
    return command;
}

static void output_is_whole_however_slowly_it_is_taken(void **state)
{
    calling now;
    said all;

    (void)state;
    begin(&now, tool_command, wide_and(""));
    all = finish(&now, true);
    assert_int_equal(all.end.outcome, OUTCOME_DONE);
    assert_int_equal(all.output_bytes, WIDE_BYTES);
}

/* The room takes nothing before the time is over, while the command has ended long since. */
static void what_ends_in_time_has_no_time_out(void **state)
{
    int64_t begun_us = now_us(), due_us = begun_us + TIME_OUT_MS * (int64_t)1000, left_us;
    bool ended = false, in_time;
    siginfo_t how;
    calling now;
    said all;

    (void)state;
    begin_with(&now, tool_command, wide_and("; sleep 0.2"), begun_us, TIME_OUT_MS);
    while (!ended && now_us() < due_us) /* until it has begun there is no child */
        ended = waitid(P_ALL, 0, &how, WEXITED | WNOWAIT) == 0;
    in_time = ended && now_us() < due_us;
    while ((left_us = due_us + 200000 - now_us()) > 0)
        poll(NULL, 0, (int)(left_us / 1000) + 1); /* what it takes, not a way to wait for something */
    all = finish(&now, false);
    if (in_time) /* as it need not on a busy machine */
        assert_int_equal(all.end.outcome, OUTCOME_DONE);
}

/* ---- files ---- */

static void send_text(const calling *now, code_frame kind, const char *text)
{
    assert_true(frame_send(now->room, kind, text, strlen(text), NULL, 0));
}

static void expect_file(const char *path, const char *text)
{
    char found[16] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(read(fd, found, sizeof found - 1), strlen(text));
    assert_string_equal(found, text);
    close(fd);
    unlink(path);
}

/* Whether a file is being written in the work directory. */
static bool writes_one(void)
{
    DIR *entries = opendir(".");
    const struct dirent *entry;
    bool found = false;

    assert_non_null(entries);
    while (!found && (entry = readdir(entries)) != NULL)
        found = strstr(entry->d_name, ".part") != NULL;
    closedir(entries);
    return found;
}

/* Two calls that have begun in the same microsecond write files beside each other. */
static void files_may_be_written_at_the_same_time(void **state)
{
    char directory[] = "/tmp/code-supervisor.XXXXXX";
    calling first, second;
    int64_t due_us = now_us() + PATIENCE_MS * 1000, begun_us = now_us();

    (void)state;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    assert_true(files_begin());
    begin_at(&first, tool_write, "", begun_us);
    send_text(&first, CODE_PATH, "a");
    send_text(&first, CODE_DATA, "one");
    while (!writes_one())
        assert_true(now_us() < due_us);
    begin_at(&second, tool_write, "", begun_us);
    send_text(&second, CODE_PATH, "b");
    send_text(&second, CODE_DATA, "two");
    send_text(&second, CODE_GO, "");
    assert_int_equal(finish(&second, false).end.outcome, OUTCOME_DONE);
    send_text(&first, CODE_GO, "");
    assert_int_equal(finish(&first, false).end.outcome, OUTCOME_DONE);
    expect_file("a", "one");
    expect_file("b", "two");
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(directory), 0);
}

/* ---- tasks ---- */

/* Until it has said so many words; they are process numbers. */
static said await_words(const char *task, int count, int pids[2])
{
    int64_t due_us = now_us() + PATIENCE_MS * 1000;

    for (;;) {
        said all = ask(tool_task_get, task);

        assert_true(all.has_task);
        if (sscanf(all.output, "%d %d", &pids[0], &pids[1]) == count)
            return all;
        assert_true(now_us() < due_us);
    }
}

/* A task whose command has just been reaped, while what it left in the background holds its output for a moment. */
static void what_has_ended_is_not_killed(void **state)
{
    struct pollfd left = {.events = POLLIN};
    int pids[2];

    (void)state;
    assert_true(ask(tool_task_start, "sleep 60 & echo $$ $!").has_task);
    await_words("1", 2, pids);
    left.fd = open_pidfd(pids[1]);
    assert_true(left.fd >= 0);
    while (kill(pids[0], 0) == 0)
        continue;
    assert_int_equal(errno, ESRCH);
    ask(tool_task_stop, "1");
    assert_int_equal(poll(&left, 1, 20), 0);
    assert_int_equal(kill(pids[1], SIGKILL), 0);
    close(left.fd);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_is_whole_however_slowly_it_is_taken),
        cmocka_unit_test(what_ends_in_time_has_no_time_out),
        cmocka_unit_test(files_may_be_written_at_the_same_time),
        cmocka_unit_test(what_has_ended_is_not_killed),
    };

    if (argc == 2 && strcmp(argv[1], "wide") == 0)
        return write_wide();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
