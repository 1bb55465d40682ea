/* process.c - other programs.  posix_spawn, since threads may run here: a client has one. */
#include "cli/process.h"

#include "cli/cli.h"
#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_BYTES_MAX ((size_t)8 << 20)

/* ---- starting ---- */

static int plan_files(posix_spawn_file_actions_t *files, const process_options *o)
{
    int failure = 0;

    if (o->directory)
        failure = posix_spawn_file_actions_addchdir_np(files, o->directory);
    if (!failure && o->input > 0)
        failure = posix_spawn_file_actions_adddup2(files, o->input, STDIN_FILENO);
    else if (!failure && !o->keep_input)
        failure = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!failure && o->output > 0)
        failure = posix_spawn_file_actions_adddup2(files, o->output, STDOUT_FILENO);
    if (!failure && o->output > 0)
        failure = posix_spawn_file_actions_adddup2(files, o->output, STDERR_FILENO);
    return failure;
}

/* Nothing of our signal mask and handling is the program's. */
static int plan_signals(posix_spawnattr_t *attributes, bool apart)
{
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigset_t none, defaults;

    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGINT);
    sigaddset(&defaults, SIGTERM);
    sigaddset(&defaults, SIGHUP);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &defaults);
    if (apart)
        flags |= POSIX_SPAWN_SETSID;
    return posix_spawnattr_setflags(attributes, flags);
}

ac_status process_start(const char *const *argv, const process_options *options, pid_t *ret_pid, ac_error *err)
{
    static const process_options none;
    const process_options *o = options ? options : &none;
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    char *const *arguments = (char *const *)(uintptr_t)argv;
    int failure;

    if (posix_spawn_file_actions_init(&files) != 0)
        nomem();
    if (posix_spawnattr_init(&attributes) != 0)
        nomem();
    failure = plan_files(&files, o);
    if (!failure)
        failure = plan_signals(&attributes, o->apart);
    if (!failure)
        failure =
            posix_spawnp(ret_pid, argv[0], &files, &attributes, arguments, o->environment ? o->environment : environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    if (!failure)
        return AC_OK;
    errno = failure;
    return file_error(err, "run", argv[0]);
}

int process_wait(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 127;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- to the end ---- */

/* Read until the end; what is beyond the limit is dropped, so that the program can end. */
static char *drain(int fd)
{
    size_t length = 0, room = 1 << 14;
    char *text = malloc(room + 1), *kept;
    char rest[4096];
    ssize_t got;

    for (;;) {
        if (text && length == room && room < OUTPUT_BYTES_MAX) {
            char *more = realloc(text, 2 * room + 1);

            if (!more)
                free(text);
            text = more;
            room *= 2;
        }
        if (!text)
            nomem();
        got = length < room ? read(fd, text + length, room - length) : read(fd, rest, sizeof rest);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        length += length < room ? (size_t)got : 0;
    }
    kept = keep_text(text, length);
    free(text);
    return kept;
}

static ac_status start_to_pipe(const char *const *argv, process_options o, bool with_errors, int to, pid_t *ret_pid,
                               ac_error *err)
{
    int saved = -1;
    ac_status status;

    if (with_errors) {
        o.output = to;
        return process_start(argv, &o, ret_pid, err);
    }
    /* Its errors are ours: for a moment our standard output is the pipe. */
    saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (saved < 0 || dup2(to, STDOUT_FILENO) < 0) {
        if (saved >= 0)
            close(saved);
        return file_error(err, "run", argv[0]);
    }
    status = process_start(argv, &o, ret_pid, err);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    return status;
}

ac_status process_open(const char *const *argv, const process_options *options, bool with_errors, int *ret_fd,
                       pid_t *ret_pid, ac_error *err)
{
    int ends[2];
    ac_status status;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return file_error(err, "make a pipe for", argv[0]);
    status = start_to_pipe(argv, options ? *options : (process_options){0}, with_errors, ends[1], ret_pid, err);
    close(ends[1]);
    if (status != AC_OK)
        close(ends[0]);
    *ret_fd = status == AC_OK ? ends[0] : -1;
    return status;
}

ac_status process_run(const char *const *argv, const process_options *options, bool with_errors, int *ret_code,
                      char **ret_output, ac_error *err)
{
    pid_t pid = -1;
    int fd = -1;

    TRY(process_open(argv, options, with_errors, &fd, &pid, err));
    *ret_output = drain(fd);
    *ret_code = process_wait(pid);
    close(fd);
    return AC_OK;
}

/* ---- around programs ---- */

static bool same_name(const char *a, const char *b)
{
    size_t length = strcspn(a, "=");

    return strncmp(a, b, length + 1) == 0;
}

char *const *environment_with(const char *const *words_in)
{
    words all = {0};

    for (char *const *one = environ; *one; one++) {
        bool replaced = false;

        for (const char *const *word = words_in; *word; word++)
            replaced = replaced || same_name(*word, *one);
        if (!replaced)
            words_add(&all, *one);
    }
    for (const char *const *word = words_in; *word; word++)
        words_add(&all, *word);
    return (char *const *)(uintptr_t)all.items;
}

const char *program_find(const char *name)
{
    const char *path = getenv("PATH");

    if (strchr(name, '/'))
        return access(name, X_OK) == 0 ? name : NULL;
    for (const char *at = path ? path : "/usr/bin:/bin"; *at; at += strcspn(at, ":"), at += *at == ':') {
        char *candidate = textf("%.*s/%s", (int)strcspn(at, ":"), at, name);

        if (access(candidate, X_OK) == 0 && is_file(candidate))
            return candidate;
    }
    return NULL;
}

const char *program_directory(void)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    char *slash;

    if (length <= 0)
        return NULL;
    path[length] = '\0';
    slash = strrchr(path, '/');
    return slash ? keep_text(path, (size_t)(slash - path)) : NULL;
}
