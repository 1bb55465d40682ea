/* sandbox_ask.c - agentcore-init: where its program is, waiting for its answers, what they mean.
 *
 * It is where files for sandboxes are (file_open_guest).  It is executed
 * through a descriptor, so it need not be where a sandbox's user could reach it; but the file itself must be executable
 * for that user, and where it is not (a build under umask 077) a copy in memory is. */
#include "base/clock.h"
#include "daemon/files.h"
#include "daemon/sandbox/sandbox_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define INIT_NAME "agentcore-init"

/* ---- the program ---- */

static int find_program(const sandboxes *all)
{
    return all->init_path ? open(all->init_path, O_RDONLY | O_CLOEXEC) : file_open_guest(INIT_NAME);
}

static bool others_may_execute(int fd)
{
    struct statvfs place;
    struct stat info;

    return fstat(fd, &info) == 0 && fstatvfs(fd, &place) == 0 &&
           (info.st_mode & (S_IXOTH | S_IROTH)) == (S_IXOTH | S_IROTH) && !(place.f_flag & ST_NOEXEC);
}

/* A copy that everybody may execute; the file itself where that cannot be. */
static int make_executable(int fd)
{
    int copy;
    ssize_t got = 1;

    if (others_may_execute(fd))
        return fd;
    copy = memfd_create(INIT_NAME, MFD_CLOEXEC);
    while (copy >= 0 && got > 0)
        got = sendfile(copy, fd, NULL, 1 << 20);
    if (copy >= 0 && got == 0 && fchmod(copy, 0555) == 0) {
        char path[64];
        int readable;

        /* Opened again: what is open for writing cannot be executed. */
        snprintf(path, sizeof path, "/proc/self/fd/%d", copy);
        readable = open(path, O_RDONLY | O_CLOEXEC);
        close(copy);
        if (readable >= 0) {
            close(fd);
            return readable;
        }
    } else if (copy >= 0) {
        close(copy);
    }
    return fd;
}

ac_status sandbox_init_program(sandboxes *all, int *ret_fd, ac_error *err)
{
    pthread_mutex_lock(&all->lock);
    if (all->init < 0) {
        int fd = find_program(all);

        all->init = fd < 0 ? -1 : make_executable(fd);
    }
    *ret_fd = all->init;
    pthread_mutex_unlock(&all->lock);
    if (*ret_fd >= 0)
        return AC_OK;
    return ac_error_set(
        err, AC_ERR_UNSUPPORTED,
        "%s is not there, without which no sandbox can be started: it belongs beside agentcored or into "
        "../libexec/agentcore",
        all->init_path ? all->init_path : INIT_NAME);
}

/* ---- answers ---- */

/* Take one message; false when there is none yet. */
static bool take_reply(sandbox *box, ask_reply *reply, int *fd, bool *ret_closed)
{
    int fds[PROTOCOL_FDS_MAX];
    size_t count;
    ssize_t got = protocol_receive(box->ask, reply, sizeof *reply, fds, &count);

    *fd = count > 0 ? fds[0] : -1;
    for (size_t i = 1; i < count; i++)
        close(fds[i]);
    *ret_closed = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    return got == (ssize_t)sizeof *reply;
}

ac_status sandbox_await_reply(sandbox *box, uint32_t number, unsigned wait_ms, ask_reply *ret_reply, int *ret_fd,
                              ac_error *err)
{
    uint64_t end_ms = clock_monotonic_ms() + wait_ms, now_ms;

    for (;;) {
        struct pollfd readable = {.fd = box->ask, .events = POLLIN};
        bool closed;
        int fd;

        if (take_reply(box, ret_reply, &fd, &closed) && ret_reply->number == number) {
            if (ret_fd)
                *ret_fd = fd;
            else if (fd >= 0)
                close(fd);
            return AC_OK;
        }
        if (fd >= 0)
            close(fd); /* the answer to one who has not waited for it */
        if (closed)
            return ac_error_set(err, AC_ERR_CLOSED, "the sandbox is over");
        now_ms = clock_monotonic_ms();
        if (now_ms >= end_ms)
            return ac_error_set(err, AC_ERR_TIMEOUT, "the sandbox has not answered within %u ms", wait_ms);
        poll(&readable, 1, (int)(end_ms - now_ms));
    }
}

static ac_status program_error(const ask_reply *reply, const char *program, ac_error *err)
{
    switch (reply->failure) {
    case ENOENT:
    case ENOTDIR:
        return ac_error_set(err, AC_ERR_NOT_FOUND, "there is no program %s in the sandbox", program);
    case EACCES:
    case EPERM:
        return ac_error_set(err, AC_ERR_DENIED, "%s in the sandbox may not be executed", program);
    case ENOEXEC:
        return ac_error_set(err, AC_ERR_INVALID, "%s is no program for this machine", program);
    default:
        return ac_error_set(err, AC_ERR_INVALID, "cannot execute %s: %s", program, strerror(reply->failure));
    }
}

ac_status sandbox_reply_error(const ask_reply *reply, const char *program, const char *directory, ac_error *err)
{
    if (!reply->failure)
        return AC_OK;
    switch ((ask_stage)reply->stage) {
    case STAGE_PROGRAM:
        return program_error(reply, program, err);
    case STAGE_LOADER:
        return ac_error_set(err, AC_ERR_NOT_FOUND, "the interpreter that %s asks for is not in the sandbox", program);
    case STAGE_DIRECTORY:
        return ac_error_set(err, AC_ERR_NOT_FOUND, "cannot start in the directory %s of the sandbox: %s", directory,
                            strerror(reply->failure));
    case STAGE_COMMANDS:
        return ac_error_set(err, AC_ERR_QUOTA, "%d commands run in the sandbox already", SANDBOX_COMMANDS_MAX);
    case STAGE_VERSION:
        return ac_error_set(err, AC_ERR_UNSUPPORTED,
                            "the program " INIT_NAME " is not of the same version as agentcored");
    case STAGE_NETWORK:
        return ac_error_set(err, AC_ERR_UNSUPPORTED, "cannot set up the sandbox's network: %s",
                            strerror(reply->failure));
    default:
        return ac_error_set(err, AC_ERR_IO, "cannot start %s in the sandbox: %s", program, strerror(reply->failure));
    }
}
