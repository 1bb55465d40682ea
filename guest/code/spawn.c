/* spawn.c - starting programs, and their ends. */
#include "code.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int set_up(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, const spawn_spec *spec)
{
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) ||
        posix_spawnattr_setsigmask(attributes, &none) || posix_spawnattr_setsigdefault(attributes, &all) ||
        posix_spawn_file_actions_addopen(actions, 0, "/dev/null", 0, 0) ||
        posix_spawn_file_actions_adddup2(actions, spec->output, 1) ||
        posix_spawn_file_actions_adddup2(actions, spec->error, 2))
        return ENOMEM;
    if (spec->control >= 0 && posix_spawn_file_actions_adddup2(actions, spec->control, 3))
        return ENOMEM;
    return 0;
}

int spawn(const spawn_spec *spec, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int failure;

    if (posix_spawn_file_actions_init(&actions) != 0)
        return ENOMEM;
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return ENOMEM;
    }
    failure = set_up(&actions, &attributes, spec);
    if (!failure)
        failure = posix_spawn(ret_pid, spec->arguments[0], &actions, &attributes, spec->arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failure;
}

/* Numbers come from kernels, too, which may say anything: never everybody, and never ourselves. */
void signal_group(pid_t pid, int number)
{
    if (pid <= 1 || pid == getpid() || pid == getpgrp())
        return;
    if (kill(-pid, number) != 0)
        kill(pid, number);
}

int open_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

bool await_child(pid_t pid, int pidfd, int wait_ms, int *ret_code)
{
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    int status;

    if (wait_ms && poll(&ended, 1, wait_ms) < 0 && errno != EINTR)
        return false;
    if (waitpid(pid, &status, WNOHANG) != pid)
        return false;
    *ret_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return true;
}

const char *find_program(const char *name)
{
    static const char *const places[] = {"/usr/local/bin/", "/usr/bin/", "/bin/"};
    static _Thread_local char path[256];

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(path, sizeof path, "%s%s", places[i], name);
        if (access(path, X_OK) == 0)
            return path;
    }
    return NULL;
}
