/* credentials_process.c - keys that another program prints (credential_process).
 *
 * The command is split into words as a POSIX shell does it, and run without a shell: quotes and backslashes work,
 * variables and pipes do not.  Its standard output is JSON of version 1; its standard error is thrown away, for it may
 * hold secrets.  It runs in a process group of its own, which is killed when the time is over. */
#include "aws/credentials_internal.h"

#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_BYTES_MAX ((size_t)64 << 10)
#define WAIT_STEP_MS 5
#define ARGUMENTS_MAX 1024

/* ---- words ---- */

/* One word from *text to *out; both advance.  False: a quote is not closed, or a backslash ends the text. */
static bool split_word(const char **text, char **out)
{
    char quote = '\0';
    const char *in = *text;
    char *to = *out;

    for (; *in && (quote || !isspace((unsigned char)*in)); in++) {
        if (quote ? *in == quote : *in == '"' || *in == '\'') {
            quote = quote ? '\0' : *in;
        } else if (*in == '\\' && quote != '\'') {
            bool literal = quote == '"' && in[1] != '"' && in[1] != '\\';
            if (!in[1])
                return false;
            if (literal)
                *to++ = *in;
            else
                *to++ = *++in;
        } else {
            *to++ = *in;
        }
    }
    *to++ = '\0';
    *text = in;
    *out = to;
    return !quote;
}

char **split_command(const char *text)
{
    size_t length = strlen(text), words_max = MIN(length / 2 + 1, (size_t)ARGUMENTS_MAX), count = 0;
    char **words = malloc((words_max + 1) * sizeof(char *) + length + words_max + 1);
    char *out;

    if (!words)
        return NULL;
    out = (char *)(words + words_max + 1);
    for (;;) {
        while (isspace((unsigned char)*text))
            text++;
        if (!*text)
            break;
        words[count] = out;
        if (count == words_max || !split_word(&text, &out)) {
            free(words);
            return NULL;
        }
        count++;
    }
    words[count] = NULL;
    return words;
}

/* ---- running ---- */

static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setpgroup(attributes, 0);
    return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

static int set_files(posix_spawn_file_actions_t *files, int output)
{
    int failed = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

    if (!failed)
        failed = posix_spawn_file_actions_adddup2(files, output, STDOUT_FILENO);
    return failed ? failed : posix_spawn_file_actions_addopen(files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
}

/* errno's value, 0 when it runs. */
static int start(char **words, int output, pid_t *ret_pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int failed = posix_spawn_file_actions_init(&files);

    if (failed)
        return failed;
    failed = posix_spawnattr_init(&attributes);
    if (!failed) {
        failed = set_attributes(&attributes);
        if (!failed)
            failed = set_files(&files, output);
        if (!failed)
            failed = posix_spawnp(ret_pid, words[0], &files, &attributes, words, environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&files);
    return failed;
}

static ac_status read_output(int fd, uint64_t until_ms, buf *out)
{
    for (;;) {
        uint64_t now = clock_monotonic_ms();
        struct pollfd poller = {.fd = fd, .events = POLLIN};

        if (now >= until_ms)
            return AC_ERR_TIMEOUT;
        if (poll(&poller, 1, (int)MIN(until_ms - now, (uint64_t)INT32_MAX)) <= 0)
            continue;
        AC_TRY(buf_reserve(out, 1));
        ssize_t got = read(fd, out->data + out->length, MIN(out->capacity, out->cap) - out->length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return AC_ERR_IO;
        if (got == 0)
            return AC_OK;
        out->length += (size_t)got;
    }
}

/* Its exit status; -1: killed by a signal, or reaped by somebody else.  False: it still runs. */
static bool wait_exit(pid_t pid, uint64_t until_ms, int *ret_code)
{
    for (;;) {
        int status = 0;
        pid_t got = waitpid(pid, &status, WNOHANG);

        if (got == pid || (got < 0 && errno != EINTR)) {
            *ret_code = got == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
            return true;
        }
        if (clock_monotonic_ms() >= until_ms)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = WAIT_STEP_MS * 1000000L}, NULL);
    }
}

static ac_status finish(pid_t pid, ac_status status, uint64_t until_ms, int *ret_code)
{
    if (status == AC_OK && wait_exit(pid, until_ms, ret_code))
        return AC_OK;
    kill(-pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return status == AC_OK ? AC_ERR_TIMEOUT : status;
}

static ac_status run(char **words, unsigned timeout_ms, buf *out, ac_error *err)
{
    uint64_t until = clock_monotonic_ms() + timeout_ms;
    int ends[2], code = -1;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return ac_error_set(err, AC_ERR_IO, "no pipe for credential_process: %s", strerror(errno));
    int failed = start(words, ends[1], &pid);
    close(ends[1]);
    ac_status status = failed ? AC_ERR_IO : read_output(ends[0], until, out);
    if (!failed)
        status = finish(pid, status, until, &code);
    close(ends[0]);
    if (failed)
        return ac_error_set(err, AC_ERR_IO, "credential_process cannot run %s: %s", words[0], strerror(failed));
    if (status == AC_ERR_TIMEOUT)
        return ac_error_set(err, status, "time-out: credential_process %s took longer than %u ms", words[0],
                            timeout_ms);
    if (status != AC_OK)
        return ac_error_set(err, status, "the output of credential_process %s: %s", words[0], ac_status_text(status));
    if (code != 0)
        return ac_error_set(err, AC_ERR_IO, "credential_process %s ended with status %d", words[0], code);
    return AC_OK;
}

ac_status link_process(chain_walk *w, const char *profile, aws_credentials **ret, ac_error *err)
{
    static const json_names names = {
        .access_key = "AccessKeyId",
        .secret_key = "SecretAccessKey",
        .token = "SessionToken",
        .expiration = "Expiration",
        .account = "AccountId",
        .version = 1,
    };
    _cleanup_(buf_done) buf out = BUF_INIT(OUTPUT_BYTES_MAX);
    const char *command = profiles_get(&w->files, profile, "credential_process");
    char **words;

    if (!command)
        return AC_OK;
    out.secret = true;
    words = split_command(command);
    if (!words || !words[0]) {
        free(words);
        return ac_error_set(err, AC_ERR_INVALID, "credential_process of profile %s is no command", profile);
    }
    ac_status status = run(words, w->chain->process_timeout_ms, &out, err);
    free(words);
    if (status != AC_OK)
        return status;
    return credentials_from_json(&out, &names, "custom-process", ret, err);
}
