/* cgroups_kill.c - kill all processes of a group, where the kernel has no single command for it (version 1, and version
 * 2 before Linux 5.14).
 *
 * A process that was listed may be gone a moment later, and its number another's.  So handles (pidfd) are taken first,
 * and those are killed whose numbers are listed still. */
#include "daemon/sandbox/cgroups_internal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define AT_ONCE 64
#define PASSES_MAX 16 /* over processes that were being made while we looked */
#define FILE_BYTES_MAX ((size_t)1 << 20)

typedef struct target {
    char number[16];
    int handle;
} target;

static void kill_targets(const char *directory, const target *targets, size_t count)
{
    _cleanup_(buf_done) buf text = BUF_INIT(FILE_BYTES_MAX);
    const char *list = cgroup_read(directory, "cgroup.procs", &text);

    for (size_t i = 0; i < count; i++) {
        if (list && cgroup_has_word(list, targets[i].number))
            syscall(SYS_pidfd_send_signal, targets[i].handle, SIGKILL, NULL, 0);
        close(targets[i].handle);
    }
}

static void kill_listed(const char *directory, char *list)
{
    target targets[AT_ONCE];
    size_t count = 0;
    char *save = NULL;

    for (char *line = strtok_r(list, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        target *next = &targets[count];
        long pid = strtol(line, NULL, 10);

        if (pid <= 0 || pid == (long)getpid() || strlen(line) >= sizeof next->number)
            continue; /* 0: of another process namespace */
        memcpy(next->number, line, strlen(line) + 1);
        next->handle = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
        count += next->handle >= 0;
        if (count == AT_ONCE) {
            kill_targets(directory, targets, count);
            count = 0;
        }
    }
    kill_targets(directory, targets, count);
}

void cgroup_directory_kill(const char *directory)
{
    _cleanup_(buf_done) buf text = BUF_INIT(FILE_BYTES_MAX);

    if (cgroup_write(directory, "cgroup.kill", "1") == 0)
        return;
    cgroup_write(directory, "pids.max", "0"); /* no more of them */
    for (unsigned pass = 0; pass < PASSES_MAX; pass++) {
        char *list = cgroup_read(directory, "cgroup.procs", &text);

        if (!list || !*list)
            return;
        kill_listed(directory, list);
    }
}
