/* check_sandbox.c - namespaces, their networks, seccomp and Landlock, each tried out in a child process.
 *
 * What counts is what the kernel does, not what its settings say: containers, AppArmor and sysctls all have a word in
 * it.  This process has one thread, so it may fork. */
#include "daemon/check.h"

#include "base/fork.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444 /* on all architectures */
#endif
#define LANDLOCK_ASK_VERSION 1U

/* Run fn in a child: 0, or the errno it returned. */
static int try_in_child(int (*fn)(void))
{
    pid_t child = fork_alone();
    int status = 0;

    if (child < 0)
        return errno;
    if (child == 0)
        _exit(fn());
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC), failure = 0;

    if (fd < 0)
        return errno;
    if (write(fd, text, strlen(text)) < 0)
        failure = errno;
    close(fd);
    return failure;
}

/* As a sandbox is begun: a user namespace in which we are root. */
static int enter_namespaces(int flags)
{
    char map[64];
    int failure;

    snprintf(map, sizeof map, "0 %u 1", (unsigned)geteuid());
    if (unshare(CLONE_NEWUSER | flags) != 0)
        return errno;
    failure = write_file("/proc/self/setgroups", "deny");
    if (failure && failure != ENOENT)
        return failure;
    return write_file("/proc/self/uid_map", map);
}

static check_state verdict(int failure, const char *well, char detail[CHECK_DETAIL_SIZE])
{
    snprintf(detail, CHECK_DETAIL_SIZE, "%s", failure ? strerror(failure) : well);
    return failure ? CHECK_MISSING : CHECK_OK;
}

static int try_user(void)
{
    return enter_namespaces(0);
}

check_state check_user_namespaces(const config *c, char detail[CHECK_DETAIL_SIZE])
{
    (void)c;
    return verdict(try_in_child(try_user), "can be made without root", detail);
}

static int try_mount(void)
{
    int failure = enter_namespaces(CLONE_NEWNS);

    if (failure)
        return failure;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=64k") != 0)
        return errno;
    return 0;
}

check_state check_mount_namespaces(const config *c, char detail[CHECK_DETAIL_SIZE])
{
    (void)c;
    return verdict(try_in_child(try_mount), "file systems can be mounted in one", detail);
}

static int try_mount_proc(void)
{
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
        return errno;
    return 0;
}

static int first_process(void)
{
    return getpid() == 1 ? 0 : EINVAL;
}

static int try_pid(void)
{
    int failure = enter_namespaces(CLONE_NEWNS | CLONE_NEWPID);

    return failure ? failure : try_in_child(first_process);
}

static int try_pid_with_proc(void)
{
    int failure = enter_namespaces(CLONE_NEWNS | CLONE_NEWPID);

    return failure ? failure : try_in_child(try_mount_proc);
}

check_state check_pid_namespaces(const config *c, char detail[CHECK_DETAIL_SIZE])
{
    int failure = try_in_child(try_pid);

    (void)c;
    if (failure)
        return verdict(failure, "", detail);
    failure = try_in_child(try_pid_with_proc);
    if (!failure)
        return verdict(0, "with a /proc of their own", detail);
    snprintf(detail, CHECK_DETAIL_SIZE, "without a /proc of their own (%s): parts of this container's are covered",
             strerror(failure));
    return CHECK_LIMITED;
}

static int try_network(void)
{
    return enter_namespaces(CLONE_NEWNET);
}

check_state check_network_namespaces(const config *c, char detail[CHECK_DETAIL_SIZE])
{
    (void)c;
    return verdict(try_in_child(try_network), "can be made", detail);
}

/* As slirp4netns does: a device in a network namespace of our own. */
static int try_tun(void)
{
    struct ifreq device = {.ifr_name = "tap0", .ifr_flags = IFF_TAP | IFF_NO_PI};
    int failure = enter_namespaces(CLONE_NEWNET), fd;

    if (failure)
        return failure;
    fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return errno;
    failure = ioctl(fd, TUNSETIFF, &device) == 0 ? 0 : errno;
    close(fd);
    return failure;
}

check_state check_tun(const config *c, char detail[CHECK_DETAIL_SIZE])
{
    int failure;

    if (!c->session_network)
        return CHECK_SKIPPED;
    failure = try_in_child(try_tun);
    snprintf(detail, CHECK_DETAIL_SIZE, "/dev/net/tun%s%s", failure ? ": " : " makes devices",
             failure ? strerror(failure) : "");
    return failure ? CHECK_MISSING : CHECK_OK;
}

static int try_filter(void)
{
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const struct sock_fprog program = {.len = 1, .filter = &allow};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return errno;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 ? 0 : errno;
}

check_state check_seccomp(const config *c, char detail[CHECK_DETAIL_SIZE])
{
    (void)c;
    return verdict(try_in_child(try_filter), "filters can be set", detail);
}

check_state check_landlock(const config *c, char detail[CHECK_DETAIL_SIZE])
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_ASK_VERSION);

    (void)c;
    if (abi < 1) {
        snprintf(detail, CHECK_DETAIL_SIZE, "%s", errno == EOPNOTSUPP ? "switched off at boot" : strerror(errno));
        return CHECK_MISSING;
    }
    snprintf(detail, CHECK_DETAIL_SIZE, "ABI %ld", abi);
    return CHECK_OK;
}
