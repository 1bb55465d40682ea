/* seccomp.c - which system calls a sandboxed program may make.
 *
 * Three kinds of calls: those on the allow-list; those of which it depends on an argument; and those refused by name,
 * with EPERM, so that a program sees a refusal and not a kernel that lacks something.  Everything else, also what was
 * added to the kernel after this list, is answered ENOSYS.  Of the same answer are, on purpose: clone3 (its flags are
 * in memory, where a filter cannot look), io_uring (it does what the filter would refuse; libuv and others fall back),
 * io_setup (its quota is the whole machine's) and sync and syncfs (they would write out the disks of the machine).
 *
 * Arguments that the kernel takes as int are compared in their lower 32 bits only: the upper ones are the caller's to
 * choose, and the kernel does not look at them.  "Everything but these values" is no comparison that libseccomp knows;
 * it is written as masked comparisons which together cover the rest (see rest_of).
 *
 * Calls of another architecture (int 0x80, x32) kill the process.  The filter is the same for all sandboxes and takes
 * milliseconds to make: it is made once. */
#include "daemon/sandbox/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif

#define INT_MASK 0xffffffffU
#define SMALL_MASK 0xfffU /* of address families and protocols, of which the kernel itself refuses larger numbers */
#define PROGRAM_BYTES_MAX ((size_t)4096 * 8) /* the kernel's limit for a filter */

/* What every program may do to itself, and to files, sockets and processes that it can reach anyway. */
static const char *const allowed[] = {
    /* files */
    "access", "chdir", "chmod", "chown", "close", "close_range", "copy_file_range", "creat", "dup", "dup2", "dup3",
    "faccessat", "faccessat2", "fadvise64", "fallocate", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown",
    "fchownat", "fcntl", "fdatasync", "fgetxattr", "flistxattr", "flock", "fremovexattr", "fsetxattr", "fstat",
    "fstatfs", "fsync", "ftruncate", "futimesat", "getcwd", "getdents", "getdents64", "getxattr", "lchown", "lgetxattr",
    "link", "linkat", "listxattr", "llistxattr", "lremovexattr", "lseek", "lsetxattr", "lstat", "mkdir", "mkdirat",
    "newfstatat", "open", "openat", "openat2", "pread64", "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2",
    "read", "readahead", "readlink", "readlinkat", "readv", "removexattr", "rename", "renameat", "renameat2", "rmdir",
    "sendfile", "setxattr", "splice", "stat", "statfs", "statx", "symlink", "symlinkat", "sync_file_range", "tee",
    "truncate", "umask", "unlink", "unlinkat", "utime", "utimensat", "utimes", "write", "writev",
    /* waiting */
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd", "eventfd2",
    "inotify_add_watch", "inotify_init", "inotify_init1", "inotify_rm_watch", "pause", "pipe", "pipe2", "poll", "ppoll",
    "pselect6", "select", "signalfd", "signalfd4",
    /* memory */
    "brk", "madvise", "membarrier", "memfd_create", "mincore", "mlock", "mlock2", "mlockall", "mmap", "mprotect",
    "mremap", "mseal", "msync", "munlock", "munlockall", "munmap", "pkey_alloc", "pkey_free", "pkey_mprotect",
    /* processes and threads */
    "arch_prctl", "capget", "capset", "execve", "execveat", "exit", "exit_group", "fork", "futex", "futex_waitv",
    "get_robust_list", "getcpu", "getegid", "geteuid", "getgid", "getgroups", "getpgid", "getpgrp", "getpid", "getppid",
    "getpriority", "getresgid", "getresuid", "getrlimit", "getrusage", "getsid", "gettid", "getuid", "ioprio_get",
    "kill", "pidfd_open", "pidfd_send_signal", "restart_syscall", "rseq", "rt_sigaction", "rt_sigpending",
    "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_tgsigqueueinfo",
    "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity", "sched_getattr", "sched_getparam",
    "sched_getscheduler", "sched_rr_get_interval", "sched_yield", "set_robust_list", "set_tid_address", "setfsgid",
    "setfsuid", "setgid", "setgroups", "setregid", "setresgid", "setresuid", "setreuid", "setrlimit", "setsid",
    "setuid", "sigaltstack", "sysinfo", "tgkill", "times", "tkill", "uname", "vfork", "wait4", "waitid",
    /* to give up more: file(1) and others insist on it */
    "landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "seccomp",
    /* time */
    "alarm", "clock_getres", "clock_gettime", "clock_nanosleep", "getitimer", "getrandom", "gettimeofday", "nanosleep",
    "setitimer", "time", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_settime",
    "timerfd_create", "timerfd_gettime", "timerfd_settime",
    /* sockets */
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "recvfrom",
    "recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown",
    /* System V and POSIX queues and memory, which a sandbox has of its own */
    "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink", "msgctl", "msgget",
    "msgrcv", "msgsnd", "semctl", "semget", "semop", "semtimedop", "shmat", "shmctl", "shmdt", "shmget"};

/* What a program could harm others with, or find a hole in the kernel. */
static const char *const refused[] = {
    /* file systems and namespaces */
    "chroot", "fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount", "open_tree",
    "pivot_root", "setns", "umount", "umount2", "unshare",
    /* files past their paths */
    "fanotify_init", "fanotify_mark", "lookup_dcookie", "name_to_handle_at", "open_by_handle_at", "quotactl",
    "quotactl_fd",
    /* other processes */
    "kcmp", "migrate_pages", "move_pages", "pidfd_getfd", "process_madvise", "process_mrelease", "process_vm_readv",
    "process_vm_writev", "ptrace",
    /* the kernel */
    "add_key", "bpf", "create_module", "delete_module", "finit_module", "get_kernel_syms", "init_module", "keyctl",
    "kexec_file_load", "kexec_load", "modify_ldt", "nfsservctl", "perf_event_open", "query_module", "request_key",
    "syslog", "userfaultfd", "uselib", "vm86", "vm86old",
    /* the machine */
    "acct", "adjtimex", "clock_adjtime", "clock_settime", "ioperm", "iopl", "reboot", "setdomainname", "sethostname",
    "settimeofday", "stime", "swapoff", "swapon", "sysfs", "vhangup"};

/* An argument decides: with one of the values (as far as mask looks) the call ends as listed says, with any other as
 * otherwise says; 0 is allowed, else an errno. */
typedef struct choice {
    const char *call;
    unsigned argument;
    uint32_t mask;
    int listed, otherwise;
    const uint32_t *values;
    size_t count;
} choice;

#define VALUES(...) (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)
#define FILE_KINDS VALUES(0, S_IFREG, S_IFIFO, S_IFSOCK) /* that are no devices */
#define NEW_NAMESPACES                                                                                                 \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

static const choice choices[] = {
    {"clone", 0, NEW_NAMESPACES, 0, EPERM, VALUES(0)},
    /* Put characters into a terminal that others read, paste into the console, and load line disciplines. */
    {"ioctl", 1, INT_MASK, EPERM, 0, VALUES(TIOCSTI, TIOCLINUX, TIOCSETD)},
    {"mknod", 1, S_IFMT, 0, EPERM, FILE_KINDS},
    {"mknodat", 2, S_IFMT, 0, EPERM, FILE_KINDS},
    {"prlimit64", 0, INT_MASK, 0, EPERM, VALUES(0)}, /* its own: not those of agentcore-init */
    /* Nor how soon that runs, which watches memory: it is the first process, alone in a group of that number. */
    {"ioprio_set", 1, INT_MASK, EPERM, 0, VALUES(1)},
    {"sched_setaffinity", 0, INT_MASK, EPERM, 0, VALUES(1)},
    {"sched_setattr", 0, INT_MASK, EPERM, 0, VALUES(1)},
    {"sched_setparam", 0, INT_MASK, EPERM, 0, VALUES(1)},
    {"sched_setscheduler", 0, INT_MASK, EPERM, 0, VALUES(1)},
    {"setpgid", 1, INT_MASK, EPERM, 0, VALUES(1)},
    {"setpriority", 1, INT_MASK, EPERM, 0, VALUES(1)},
    {"personality", 0, INT_MASK, 0, EPERM, VALUES(0, INT_MASK)}, /* the usual one, and to ask which */
    {"prctl", 0, INT_MASK, 0, EINVAL,
     VALUES(PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_GET_KEEPCAPS, PR_SET_KEEPCAPS,
            PR_GET_TIMING, PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_SET_SECCOMP, PR_CAPBSET_READ, PR_CAPBSET_DROP,
            PR_GET_TSC, PR_GET_SECUREBITS, PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_SET_CHILD_SUBREAPER,
            PR_GET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_GET_TID_ADDRESS, PR_SET_THP_DISABLE,
            PR_GET_THP_DISABLE, PR_CAP_AMBIENT, PR_SVE_SET_VL, PR_SVE_GET_VL, PR_GET_SPECULATION_CTRL,
            PR_SET_SPECULATION_CTRL, PR_PAC_RESET_KEYS, PR_SET_TAGGED_ADDR_CTRL, PR_GET_TAGGED_ADDR_CTRL, PR_SET_MDWE,
            PR_GET_MDWE)},
    {"socket", 0, SMALL_MASK, -1, EAFNOSUPPORT, VALUES(AF_UNIX, AF_INET, AF_INET6, AF_NETLINK)}, /* see add_sockets */
    {"socketpair", 0, SMALL_MASK, 0, EAFNOSUPPORT, VALUES(AF_UNIX)},
};

/* ---- rules ---- */

/* What is compared before the argument that decides. */
typedef struct rule {
    scmp_filter_ctx filter;
    int call;
    struct scmp_arg_cmp conditions[3];
    unsigned count;
} rule;

static struct scmp_arg_cmp masked(unsigned argument, uint32_t mask, uint32_t value)
{
    return (struct scmp_arg_cmp){argument, SCMP_CMP_MASKED_EQ, mask, value};
}

/* failure: 0 allows.  Returns 0 or a negative errno, as libseccomp does. */
static int rule_end(const rule *r, int failure)
{
    uint32_t action = failure ? SCMP_ACT_ERRNO((uint32_t)failure) : SCMP_ACT_ALLOW;

    return seccomp_rule_add_array(r->filter, action, r->call, r->count, r->conditions);
}

static int rule_end_with(rule r, struct scmp_arg_cmp last, int failure)
{
    r.conditions[r.count++] = last;
    return rule_end(&r, failure);
}

/* Rules for all values but those listed: go down the bits of the mask from the top; where none of the listed values
 * begins with the bits chosen so far, one comparison of those bits covers all that follow. */
static int rest_of(const rule *r, const choice *c, uint32_t chosen, uint32_t bits)
{
    uint32_t left = c->mask & ~chosen, top;
    bool any = false;
    int failure;

    for (size_t i = 0; i < c->count && !any; i++)
        any = ((c->values[i] & c->mask) & chosen) == bits;
    if (!any)
        return rule_end_with(*r, masked(c->argument, chosen, bits), c->otherwise);
    if (!left)
        return 0;
    top = 1U << (31 - __builtin_clz(left));
    failure = rest_of(r, c, chosen | top, bits);
    return failure ? failure : rest_of(r, c, chosen | top, bits | top);
}

static int add_choice(const rule *r, const choice *c)
{
    for (size_t i = 0; c->listed >= 0 && i < c->count; i++) {
        int failure = rule_end_with(*r, masked(c->argument, c->mask, c->values[i] & c->mask), c->listed);

        if (failure)
            return failure;
    }
    return rest_of(r, c, 0, 0);
}

/* Number of a call here; -1 when this machine or this libseccomp does not have it. */
static int number_of(const char *call)
{
    int number = seccomp_syscall_resolve_name(call);

    return number < 0 ? -1 : number;
}

/* ---- sockets: three arguments decide ---- */

/* Streams and datagrams over TCP and UDP; no raw packets, no other protocol, for which the kernel would load a module.
 */
static int add_internet(rule r, uint32_t family)
{
    static const struct {
        uint32_t type, protocol;
    } kinds[] = {{SOCK_STREAM, IPPROTO_TCP}, {SOCK_DGRAM, IPPROTO_UDP}};
    const choice type = {"socket", 1, 0xf, -1, EPERM, VALUES(SOCK_STREAM, SOCK_DGRAM)}; /* beside it: flags */
    int failure;

    r.conditions[r.count++] = masked(0, SMALL_MASK, family);
    failure = add_choice(&r, &type);
    for (size_t i = 0; i < ARRAY_SIZE(kinds) && !failure; i++) {
        const choice protocol = {"socket", 2, SMALL_MASK, 0, EPROTONOSUPPORT, VALUES(0, kinds[i].protocol)};
        rule of_type = r;

        of_type.conditions[of_type.count++] = masked(1, type.mask, kinds[i].type);
        failure = add_choice(&of_type, &protocol);
    }
    return failure;
}

/* Families that are not listed are refused by choices. */
static int add_sockets(scmp_filter_ctx filter)
{
    /* What getifaddrs asks. */
    const choice route = {"socket", 2, SMALL_MASK, 0, EPROTONOSUPPORT, VALUES(NETLINK_ROUTE)};
    rule r = {.filter = filter, .call = number_of("socket")}, netlink = r;
    int failure;

    if (r.call < 0)
        return 0;
    netlink.conditions[netlink.count++] = masked(0, SMALL_MASK, AF_NETLINK);
    failure = rule_end_with(r, masked(0, SMALL_MASK, AF_UNIX), 0);
    if (!failure)
        failure = add_choice(&netlink, &route);
    if (!failure)
        failure = add_internet(r, AF_INET);
    return failure ? failure : add_internet(r, AF_INET6);
}

/* ---- the program ---- */

static int add_named(scmp_filter_ctx filter, const char *const *calls, size_t count, int outcome)
{
    int failure = 0;

    for (size_t i = 0; i < count && !failure; i++) {
        const rule r = {.filter = filter, .call = number_of(calls[i])};

        failure = r.call < 0 ? 0 : rule_end(&r, outcome);
    }
    return failure;
}

static int add_choices(scmp_filter_ctx filter)
{
    int failure = 0;

    for (size_t i = 0; i < ARRAY_SIZE(choices) && !failure; i++) {
        const rule r = {.filter = filter, .call = number_of(choices[i].call)};

        failure = r.call < 0 ? 0 : add_choice(&r, &choices[i]);
    }
    return failure;
}

/* Write the filter to fd.  0 or a negative errno. */
static int generate(int fd)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    int failure;

    if (!filter)
        return -EOPNOTSUPP;
    failure = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (!failure)
        failure = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree of comparisons, not a list */
    if (!failure)
        failure = add_named(filter, allowed, ARRAY_SIZE(allowed), 0);
    if (!failure)
        failure = add_named(filter, refused, ARRAY_SIZE(refused), EPERM);
    if (!failure)
        failure = add_choices(filter);
    if (!failure)
        failure = add_sockets(filter);
    if (!failure)
        failure = seccomp_export_bpf(filter, fd);
    seccomp_release(filter);
    return failure;
}

/* Made once; all of it is read-only afterwards. */
static pthread_once_t made_once = PTHREAD_ONCE_INIT;
static int made_failure; /* negative errno */
static char made[PROGRAM_BYTES_MAX];
static size_t made_bytes;

static void make(void)
{
    int fd = memfd_create("seccomp", MFD_CLOEXEC);
    ssize_t got = -1;

    if (fd < 0) {
        made_failure = -errno;
        return;
    }
    made_failure = generate(fd);
    if (!made_failure && (got = pread(fd, made, sizeof made, 0)) <= 0)
        made_failure = -EIO;
    if (got > 0)
        made_bytes = (size_t)got;
    close(fd);
}

ac_status seccomp_program(int *ret_fd, ac_error *err)
{
    int fd;

    pthread_once(&made_once, make);
    if (made_failure == -ENOMEM)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    if (made_failure)
        return ac_error_set(err, AC_ERR_UNSUPPORTED, "cannot make the system call filter: %s", strerror(-made_failure));
    fd = memfd_create("seccomp", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || write(fd, made, made_bytes) != (ssize_t)made_bytes || lseek(fd, 0, SEEK_SET) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
        int failure = errno;

        if (fd >= 0)
            close(fd);
        return ac_error_set(err, AC_ERR_IO, "cannot keep the system call filter: %s", strerror(failure));
    }
    *ret_fd = fd;
    return AC_OK;
}
