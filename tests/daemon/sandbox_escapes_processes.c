/* sandbox_escapes_processes.c - attempts by way of other processes and of programs with more rights. */
#include "sandbox_escapes_guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAST_CAP 40 /* CAP_CHECKPOINT_RESTORE: those above are ignored, not given */

/* ---- more rights ---- */

static void run_program(char *const *argv)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        execv(argv[0], argv);
        _exit(127);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
}

/* /setuid is this program, owned by somebody else and with the set-user-ID bit; as "become" it says who it is. */
static void setuid_programs(void)
{
    static char *const commands[][6] = {{"/usr/bin/su", "-c", "id", NULL},
                                        {"/usr/bin/sudo", "-n", "id", NULL},
                                        {"/usr/bin/mount", "--bind", "/", "/tmp", NULL},
                                        {"/usr/bin/umount", "/proc", NULL},
                                        {"/usr/bin/newuidmap", "1", "0", "0", "1", NULL},
                                        {"/usr/bin/newgrp", "root", NULL},
                                        {"/usr/bin/passwd", "-l", "root", NULL},
                                        {"/usr/bin/chsh", "-s", "/bin/false", NULL},
                                        {"/usr/bin/pkexec", "id", NULL},
                                        {"/usr/bin/fusermount3", "/tmp", NULL}};

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        run_program(commands[i]);
    run_program((char *[]){"/setuid", "become", NULL});
}

static void become(void)
{
    uid_t real, effective, saved;

    if (getresuid(&real, &effective, &saved) != 0 || real != effective || saved != real)
        claim("has become user %u", (unsigned)effective);
    if (creat("/read-only/made-by-setuid", 0644) >= 0)
        claim("wrote where only another user may");
    fflush(stdout);
    _exit(0);
}

static void capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2], all[2] = {{~0U, ~0U, ~0U}, {~0U, ~0U, ~0U}};

    if (syscall(SYS_capset, &head, all) == 0)
        claim("took all capabilities");
    for (int i = 0; i <= LAST_CAP; i++) {
        struct __user_cap_data_struct one[2] = {{0}, {0}};

        one[i / 32].effective = one[i / 32].permitted = 1U << i % 32;
        if (syscall(SYS_capset, &head, one) == 0)
            claim("took capability %d", i);
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) == 0)
            claim("raised capability %d", i);
    }
    if (syscall(SYS_capget, &head, data) == 0 && (data[0].permitted | data[1].permitted))
        claim("has capabilities %x %x", data[1].permitted, data[0].permitted);
    if (setuid(0) == 0 || setresuid(0, 0, 0) == 0 || setgid(0) == 0 || setgroups(0, NULL) == 0)
        claim("became root");
    deface("/proc/self/uid_map", "0 0 1");
    deface("/proc/self/gid_map", "0 0 1");
}

/* ---- other processes ---- */

static void show_process(const char *proc, pid_t pid)
{
    static const char *const files[] = {"environ", "cmdline", "maps",   "auxv",
                                        "stack",   "syscall", "cgroup", "mountinfo"};
    char path[64];

    (void)pid;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", proc, files[i]);
        show_file(path);
    }
    snprintf(path, sizeof path, "%s/fd", proc);
    each_entry(path, show_file);
    snprintf(path, sizeof path, "%s/map_files", proc);
    each_entry(path, show_file);
}

static void look_at_processes(void)
{
    each_process(show_process);
    show_process("/proc/self", getpid());
}

static void use_memory_of(const char *proc, pid_t pid)
{
    char path[64], bytes[16];
    struct iovec here = {bytes, sizeof bytes}, there = {(void *)(uintptr_t)0x400000, sizeof bytes};
    int fd;

    snprintf(path, sizeof path, "%s/mem", proc);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0)
        claim("opened the memory of process %d", (int)pid);
    if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) == 0 || ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0)
        claim("traces process %d", (int)pid);
    if (process_vm_readv(pid, &here, 1, &there, 1, 0) > 0 || process_vm_writev(pid, &here, 1, &there, 1, 0) > 0)
        claim("moved memory of process %d", (int)pid);
    for (int i = 0; i < 64; i++) {
        int handle = (int)syscall(SYS_pidfd_open, pid, 0), taken;

        taken = handle < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, handle, i, 0);
        if (taken >= 0)
            claim("took descriptor %d of process %d", i, (int)pid);
        if (handle >= 0)
            close(handle);
        snprintf(path, sizeof path, "%s/fd/%d", proc, i);
        deface(path, "x");
    }
}

static void use_memory_of_processes(void)
{
    each_process(use_memory_of);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0)
        claim("may be traced");
}

static void weaken(const char *proc, pid_t pid)
{
    struct rlimit none = {0, 0};
    char path[64];

    snprintf(path, sizeof path, "%s/oom_score_adj", proc);
    deface(path, "1000");
    snprintf(path, sizeof path, "%s/comm", proc);
    deface(path, "escaped");
    if (prlimit(pid, RLIMIT_NOFILE, &none, NULL) == 0 && pid == 1)
        claim("limited init");
}

static void weaken_init(void)
{
    each_process(weaken);
}

/* ---- signals ---- */

static void signal_one(pid_t pid)
{
    static const int numbers[] = {SIGTERM, SIGHUP, SIGUSR1, SIGCHLD, SIGSTOP, SIGTSTP, SIGKILL};
    union sigval value = {.sival_int = 1};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        kill(pid, numbers[i]);
        syscall(SYS_tkill, pid, numbers[i]);
        sigqueue(pid, numbers[i], value);
        killpg(pid, numbers[i]);
    }
}

/* Numbers as they are outside, and as a process of another namespace might have them here. */
static void signal_outside(void)
{
    pid_t victim = (pid_t)strtol(given("victim"), NULL, 10), neighbour = (pid_t)strtol(given("neighbour"), NULL, 10);
    int handle = (int)syscall(SYS_pidfd_open, victim, 0);

    for (int i = 1; i < 32; i++)
        if (i != SIGCHLD && i != SIGCONT)
            signal(i, SIG_IGN);
    signal_one(victim);
    signal_one(neighbour);
    if (handle >= 0 && syscall(SYS_pidfd_send_signal, handle, SIGKILL, NULL, 0) == 0)
        claim("killed by handle");
    for (pid_t pid = 2; pid < 70000; pid++)
        if (pid != getpid())
            kill(pid, SIGKILL);
    kill(-1, SIGTERM);
    kill(-1, SIGKILL); /* all but itself and the first */
}

static void signal_init(void)
{
    for (int i = 1; i < 65; i++) {
        kill(1, i);
        syscall(SYS_tgkill, 1, 1, i);
    }
    kill(1, SIGSTOP);
    kill(getppid(), SIGSTOP);
    kill(getppid(), SIGKILL);
}

/* ---- what outlives ---- */

static void leave_children(void)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    for (int i = 0; i < 8; i++) {
        if (fork() != 0)
            continue;
        setsid();
        if (fork() == 0)
            for (;;)
                pause();
        _exit(0);
    }
}

const attempt process_attempts[] = {
    {"setuid-programs", setuid_programs},
    {"become", become},
    {"capabilities", capabilities},
    {"look-at-processes", look_at_processes},
    {"use-memory-of-processes", use_memory_of_processes},
    {"weaken-init", weaken_init},
    {"signal-outside", signal_outside},
    {"signal-init", signal_init},
    {"leave-children", leave_children},
    {NULL, NULL},
};
