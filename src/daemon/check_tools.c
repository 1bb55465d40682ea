/* check_tools.c - programs that sessions run: asked for their version, with a deadline. */
#include "daemon/check.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOOL_MS 10000

typedef enum tool_result { TOOL_DONE, TOOL_FAILED, TOOL_ABSENT } tool_result;

/* What it writes until it ends or the time is over; true: it ended its output. */
static bool read_output(int fd, char *out, size_t size)
{
    uint64_t end = clock_monotonic_ms() + TOOL_MS;
    size_t length = 0;
    bool ended = false;

    for (;;) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        uint64_t now = clock_monotonic_ms();
        char rest[512];
        ssize_t got;

        if (now >= end || poll(&readable, 1, (int)(end - now)) <= 0)
            break;
        got = length < size - 1 ? read(fd, out + length, size - 1 - length) : read(fd, rest, sizeof rest);
        ended = got == 0;
        if (got <= 0)
            break;
        length = MIN(length + (size_t)got, size - 1);
    }
    out[length] = '\0';
    return ended;
}

static int start(char *const arguments[], int output, pid_t *ret_child)
{
    posix_spawn_file_actions_t actions;
    int failure;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    failure = posix_spawnp(ret_child, arguments[0], &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return failure;
}

/* Run a program and keep the beginning of what it says. */
static tool_result run_tool(const char *const arguments[], char *out, size_t size)
{
    int ends[2], failure, status = 0;
    pid_t child;

    *out = '\0';
    if (pipe2(ends, O_CLOEXEC) != 0)
        return TOOL_FAILED;
    failure = start((char *const *)arguments, ends[1], &child);
    close(ends[1]);
    if (failure) {
        close(ends[0]);
        return failure == ENOENT ? TOOL_ABSENT : TOOL_FAILED;
    }
    if (!read_output(ends[0], out, size))
        kill(child, SIGKILL);
    close(ends[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    out[strcspn(out, "\n")] = '\0';
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? TOOL_DONE : TOOL_FAILED;
}

/* "Python 3.11.2", "v18.19.0", "bubblewrap 0.8.0": the first number with a dot behind it. */
static void parse_version(const char *text, unsigned *ret_major, unsigned *ret_minor)
{
    char *end;

    *ret_major = (unsigned)strtoul(text + strcspn(text, "0123456789"), &end, 10);
    *ret_minor = *end == '.' ? (unsigned)strtoul(end + 1, NULL, 10) : 0;
}

static check_state check_version(const char *program, unsigned major, unsigned minor, char detail[CHECK_DETAIL_SIZE])
{
    const char *const arguments[] = {program, "--version", NULL};
    char said[160];
    unsigned has_major, has_minor;

    switch (run_tool(arguments, said, sizeof said)) {
    case TOOL_ABSENT:
        snprintf(detail, CHECK_DETAIL_SIZE, "not found in PATH");
        return CHECK_MISSING;
    case TOOL_FAILED:
        snprintf(detail, CHECK_DETAIL_SIZE, "%s --version fails: %s", program, said);
        return CHECK_MISSING;
    default:
        break;
    }
    parse_version(said, &has_major, &has_minor);
    if (has_major > major || (has_major == major && has_minor >= minor)) {
        snprintf(detail, CHECK_DETAIL_SIZE, "%s", said);
        return CHECK_OK;
    }
    snprintf(detail, CHECK_DETAIL_SIZE, "%s is older than %u.%u", said, major, minor);
    return CHECK_LIMITED;
}

check_state check_bubblewrap(const config *c, char detail[CHECK_DETAIL_SIZE])
{
    static const char *const sandbox[] = {
        "bwrap",         "--ro-bind",         "/",         "/", "--unshare-user", "--unshare-pid",
        "--unshare-net", "--die-with-parent", "/bin/true", NULL};
    check_state state = check_version("bwrap", 0, 5, detail);
    char said[160];

    (void)c;
    if (state == CHECK_MISSING || run_tool(sandbox, said, sizeof said) == TOOL_DONE)
        return state;
    snprintf(detail, CHECK_DETAIL_SIZE, "it is there, but makes no sandbox: %s", said);
    return CHECK_LIMITED;
}

check_state check_slirp(const config *c, char detail[CHECK_DETAIL_SIZE])
{
    return c->session_network ? check_version("slirp4netns", 1, 0, detail) : CHECK_SKIPPED;
}

check_state check_python(const config *c, char detail[CHECK_DETAIL_SIZE])
{
    (void)c;
    return check_version("python3", 3, 9, detail);
}

check_state check_node(const config *c, char detail[CHECK_DETAIL_SIZE])
{
    (void)c;
    return check_version("node", 18, 0, detail);
}

check_state check_chromium(const config *c, char detail[CHECK_DETAIL_SIZE])
{
    (void)c;
    return check_version("chromium-headless-shell", 100, 0, detail);
}
