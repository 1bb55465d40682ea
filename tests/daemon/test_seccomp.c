/* test_seccomp.c - the system call filter: what it refuses and how, what it lets through, and that programs run. */
#include "daemon/sandbox/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define INSTRUCTIONS_MAX 4096 /* the kernel's limit */
#define HIGH (1L << 40)       /* in an argument that is an int: the kernel does not look at it */
#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif

/* One call, and the errno that it must end with; 0: anything but a refusal. */
typedef struct attempt {
    const char *name;
    long call, arguments[4];
    int failure;
} attempt;

#define REFUSED(call)                                                                                                  \
    {                                                                                                                  \
#call, SYS_##call, {0 }, EPERM                                                                                 \
    }
#define UNKNOWN(call)                                                                                                  \
    {                                                                                                                  \
#call, SYS_##call, {0 }, ENOSYS                                                                                \
    }

static const attempt attempts[] = {
    REFUSED(acct),
    REFUSED(add_key),
    REFUSED(adjtimex),
    REFUSED(bpf),
    REFUSED(chroot),
    REFUSED(clock_adjtime),
    REFUSED(clock_settime),
    REFUSED(delete_module),
    REFUSED(fanotify_init),
    REFUSED(finit_module),
    REFUSED(fsconfig),
    REFUSED(fsmount),
    REFUSED(fsopen),
    REFUSED(fspick),
    REFUSED(init_module),
    REFUSED(kcmp),
    REFUSED(kexec_load),
    REFUSED(keyctl),
    REFUSED(lookup_dcookie),
    REFUSED(migrate_pages),
    REFUSED(mount),
    REFUSED(mount_setattr),
    REFUSED(move_mount),
    REFUSED(move_pages),
    REFUSED(name_to_handle_at),
    REFUSED(open_by_handle_at),
    REFUSED(open_tree),
    REFUSED(perf_event_open),
    REFUSED(pidfd_getfd),
    REFUSED(pivot_root),
    REFUSED(process_madvise),
    REFUSED(process_vm_readv),
    REFUSED(process_vm_writev),
    REFUSED(ptrace),
    REFUSED(quotactl),
    REFUSED(quotactl_fd),
    REFUSED(reboot),
    REFUSED(request_key),
    REFUSED(setdomainname),
    REFUSED(sethostname),
    REFUSED(setns),
    REFUSED(settimeofday),
    REFUSED(swapoff),
    REFUSED(swapon),
    REFUSED(syslog),
    REFUSED(umount2),
    REFUSED(unshare),
    REFUSED(userfaultfd),
    REFUSED(vhangup),
#ifdef __x86_64__
    REFUSED(ioperm),
    REFUSED(iopl),
    REFUSED(modify_ldt),
    REFUSED(uselib),
#endif
    UNKNOWN(clone3),
    UNKNOWN(io_setup),
    UNKNOWN(io_uring_setup),
    UNKNOWN(io_uring_enter),
    UNKNOWN(io_uring_register),
    UNKNOWN(sync),
    UNKNOWN(syncfs),
    UNKNOWN(vmsplice),
    {"a call of the future", 1000, {0}, ENOSYS},

    {"clone: a user namespace", SYS_clone, {CLONE_NEWUSER | SIGCHLD}, EPERM},
    {"clone: a mount namespace", SYS_clone, {CLONE_NEWNS | SIGCHLD}, EPERM},
    {"clone: a network namespace", SYS_clone, {CLONE_NEWNET | SIGCHLD}, EPERM},
    {"clone: a process namespace", SYS_clone, {CLONE_NEWPID | SIGCHLD}, EPERM},
    {"clone: a cgroup namespace", SYS_clone, {CLONE_NEWCGROUP | SIGCHLD}, EPERM},
    {"clone: others", SYS_clone, {CLONE_NEWUTS | CLONE_NEWIPC | SIGCHLD}, EPERM},

    {"ioctl TIOCSTI", SYS_ioctl, {-1, TIOCSTI}, EPERM},
    {"ioctl TIOCSTI, disguised", SYS_ioctl, {-1, TIOCSTI | HIGH}, EPERM},
    {"ioctl TIOCLINUX", SYS_ioctl, {-1, TIOCLINUX}, EPERM},
    {"ioctl TIOCSETD", SYS_ioctl, {-1, TIOCSETD | HIGH}, EPERM},
    {"ioctl TCGETS", SYS_ioctl, {-1, TCGETS}, EBADF},
    {"ioctl beside TIOCSTI", SYS_ioctl, {-1, TIOCSTI + 1}, EBADF},
    {"ioctl beside TIOCLINUX", SYS_ioctl, {-1, TIOCLINUX - 1}, EBADF},
    {"ioctl FIONREAD", SYS_ioctl, {-1, FIONREAD}, EBADF},
    {"ioctl, negative", SYS_ioctl, {-1, (int)0x80045430}, EBADF},

    {"mknod: a disk", SYS_mknodat, {AT_FDCWD, 0, S_IFBLK | 0600, 0x800}, EPERM},
    {"mknod: memory", SYS_mknodat, {AT_FDCWD, 0, S_IFCHR | 0600 | HIGH, 0x101}, EPERM},
    {"mknod: a FIFO", SYS_mknodat, {AT_FDCWD, 0, S_IFIFO | 0600}, EFAULT},

    {"personality: without random addresses", SYS_personality, {0x0040000}, EPERM},
    {"personality: executable data", SYS_personality, {0x0400000 | HIGH}, EPERM},
    {"personality: 32 bits", SYS_personality, {8}, EPERM},
    {"personality: which", SYS_personality, {0xffffffff}, 0},

    {"prlimit: of the first process", SYS_prlimit64, {1, 7 /* RLIMIT_NOFILE */, 0, 0}, EPERM},
    {"prlimit: its own", SYS_prlimit64, {0, 7, 0, 0}, 0},
    {"prlimit: its own, disguised", SYS_prlimit64, {HIGH, 7, 0, 0}, 0},

    {"sched_setscheduler: of the first process", SYS_sched_setscheduler, {1, -1, 0}, EPERM},
    {"sched_setscheduler: its own", SYS_sched_setscheduler, {0, -1, 0}, EINVAL},
    {"sched_setparam: of the first process", SYS_sched_setparam, {1, 0}, EPERM},
    {"sched_setattr: of the first process", SYS_sched_setattr, {1 | HIGH, 0, 0}, EPERM},
    {"sched_setattr: its own", SYS_sched_setattr, {0, 0, 0}, EINVAL},
    {"sched_setaffinity: of the first process", SYS_sched_setaffinity, {1 | HIGH, 8, 0}, EPERM},
    {"sched_setaffinity: of another", SYS_sched_setaffinity, {3, 8, 0}, EFAULT},
    {"setpgid: that of the first process", SYS_setpgid, {-1, 1}, EPERM},
    {"setpgid: another", SYS_setpgid, {-1, 2}, ESRCH},
    {"setpriority: of the first process", SYS_setpriority, {99, 1 | HIGH, 0}, EPERM},
    {"setpriority: its own", SYS_setpriority, {99, 0, 0}, EINVAL},
    {"ioprio_set: of the first process", SYS_ioprio_set, {99, 1, 0}, EPERM},

    {"prctl PR_SET_MM", SYS_prctl, {PR_SET_MM}, EINVAL},
    {"prctl PR_SET_MM, disguised", SYS_prctl, {PR_SET_MM | HIGH}, EINVAL},
    {"prctl PR_TASK_PERF_EVENTS_DISABLE", SYS_prctl, {PR_TASK_PERF_EVENTS_DISABLE}, EINVAL},
    {"prctl PR_GET_NO_NEW_PRIVS", SYS_prctl, {PR_GET_NO_NEW_PRIVS}, 0},

    {"socket AF_PACKET", SYS_socket, {AF_PACKET, SOCK_RAW, 0}, EAFNOSUPPORT},
    {"socket AF_VSOCK", SYS_socket, {AF_VSOCK, SOCK_STREAM, 0}, EAFNOSUPPORT},
    {"socket AF_VSOCK, disguised", SYS_socket, {AF_VSOCK | HIGH, SOCK_STREAM, 0}, EAFNOSUPPORT},
    {"socket AF_ALG", SYS_socket, {AF_ALG, SOCK_SEQPACKET, 0}, EAFNOSUPPORT},
    {"socket AF_BLUETOOTH", SYS_socket, {AF_BLUETOOTH, SOCK_RAW, 1}, EAFNOSUPPORT},
    {"socket AF_CAN", SYS_socket, {AF_CAN, SOCK_RAW, 1}, EAFNOSUPPORT},
    {"socket AF_TIPC", SYS_socket, {AF_TIPC, SOCK_STREAM, 0}, EAFNOSUPPORT},
    {"socket AF_KEY", SYS_socket, {AF_KEY, SOCK_RAW, 2}, EAFNOSUPPORT},
    {"socket, no family", SYS_socket, {0x1001, SOCK_STREAM, 0}, EAFNOSUPPORT}, /* 1 below the mask */
    {"socket, raw", SYS_socket, {AF_INET, SOCK_RAW, IPPROTO_ICMP}, EPERM},
    {"socket, raw, disguised", SYS_socket, {AF_INET, SOCK_RAW | SOCK_CLOEXEC | HIGH, IPPROTO_ICMP}, EPERM},
    {"socket SCTP", SYS_socket, {AF_INET, SOCK_STREAM, IPPROTO_SCTP}, EPROTONOSUPPORT},
    {"socket SCTP by type", SYS_socket, {AF_INET6, SOCK_SEQPACKET, 0}, EPERM},
    {"socket MPTCP", SYS_socket, {AF_INET6, SOCK_STREAM, 262 | HIGH}, EPROTONOSUPPORT},
    {"socket ping", SYS_socket, {AF_INET, SOCK_DGRAM, IPPROTO_ICMP}, EPROTONOSUPPORT},
    {"socket netlink audit", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_AUDIT}, EPROTONOSUPPORT},
    {"socket netlink netfilter", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER | HIGH}, EPROTONOSUPPORT},
    {"socket netlink route", SYS_socket, {AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE}, 0},
    {"socket unix", SYS_socket, {AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0}, 0},
    {"socket TCP", SYS_socket, {AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP}, 0},
    {"socket TCP, by default", SYS_socket, {AF_INET, SOCK_STREAM, 0}, 0},
    {"socket UDP", SYS_socket, {AF_INET, SOCK_DGRAM, IPPROTO_UDP}, 0},
    {"socketpair TIPC", SYS_socketpair, {AF_TIPC, SOCK_STREAM, 0}, EAFNOSUPPORT},
    {"socketpair unix", SYS_socketpair, {AF_UNIX, SOCK_STREAM, 0, 0}, EFAULT},

    {"pidfd_open", SYS_pidfd_open, {1, ~0L}, EINVAL},
    {"memfd_create", SYS_memfd_create, {0}, EFAULT},
    {"statx", SYS_statx, {AT_FDCWD, 0, 0, 0}, EFAULT},
    {"getppid", SYS_getppid, {0}, 0},
};

static void install(void)
{
    static struct sock_filter instructions[INSTRUCTIONS_MAX];
    struct sock_fprog program = {.filter = instructions};
    int fd = -1;
    ssize_t got;

    if (seccomp_program(&fd, NULL) != AC_OK)
        _exit(101);
    got = read(fd, instructions, sizeof instructions);
    close(fd);
    program.len = (unsigned short)((size_t)got / sizeof *instructions);
    if (got <= 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(102);
}

static int wait_for(pid_t child)
{
    int status = 0;

    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* How many attempts did not end as they must. */
static int try_all(void)
{
    int wrong = 0;

    for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
        const attempt *a = &attempts[i];
        long result, *with = (long[]){a->arguments[0], a->arguments[1], a->arguments[2], a->arguments[3]};
        int failure;

        errno = 0;
        result = syscall(a->call, with[0], with[1], with[2], with[3], 0L, 0L);
        failure = result < 0 ? errno : 0;
        if (a->call == SYS_clone && result == 0)
            _exit(103); /* the child that should not be */
        if (failure == a->failure)
            continue;
        fprintf(stderr, "%s: %s, not %s\n", a->name, strerror(failure), strerror(a->failure));
        wrong++;
    }
    return wrong;
}

static void calls_end_as_they_should(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    if (child == 0) {
        install();
        _exit(try_all());
    }
    status = wait_for(child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void *in_thread(void *argument)
{
    return argument;
}

static void processes_and_threads_can_be_made(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    if (child == 0) {
        pthread_t thread;
        void *result = NULL;
        int own = 0;
        pid_t below;

        install();
        if (pthread_create(&thread, NULL, in_thread, &own) != 0 || pthread_join(thread, &result) != 0)
            _exit(1);
        below = fork();
        if (below == 0)
            _exit(7);
        if (waitpid(below, &status, 0) != below || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
            _exit(2);
        _exit(result == &own ? 0 : 3);
    }
    status = wait_for(child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#ifdef __x86_64__
static int status_of(void (*act)(void))
{
    pid_t child = fork();

    if (child == 0) {
        install();
        act();
        _exit(0);
    }
    return wait_for(child);
}

static void call_of_32_bits(void)
{
    long result;

    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20 /* getpid there */) : "memory");
}

static void call_of_x32(void)
{
    syscall(0x40000000 | SYS_getpid);
}

static void foreign_architectures_are_killed(void **state)
{
    int status = status_of(call_of_x32);

    (void)state;
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    status = status_of(call_of_32_bits);
    /* SIGSEGV: a kernel without 32-bit calls. */
    assert_true(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV));
}
#endif

/* ---- programs ---- */

static int run(const char *const *argv)
{
    pid_t child = fork();

    if (child == 0) {
        install();
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return wait_for(child);
}

static void assert_runs(const char *const *argv)
{
    int status = run(argv);

    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        print_message("%s is not here\n", argv[0]);
        skip();
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void python_runs(void **state)
{
    static const char script[] =
        "import asyncio, ctypes, multiprocessing, socket, sqlite3, ssl, subprocess, tempfile, threading\n"
        "assert subprocess.run(['/bin/sh', '-c', 'exit 3']).returncode == 3\n"
        "t = threading.Thread(target=print, args=('',)); t.start(); t.join()\n"
        "with socket.create_server(('127.0.0.1', 0)) as s:\n"
        "    socket.create_connection(s.getsockname()).close()\n"
        "async def main():\n"
        "    p = await asyncio.create_subprocess_exec('/bin/true')\n"
        "    assert await p.wait() == 0\n"
        "asyncio.run(main())\n"
        "with tempfile.TemporaryFile() as f: f.write(b'x'); f.flush()\n"
        "with multiprocessing.get_context('fork').Pool(2) as p: assert p.map(abs, [-1, -2]) == [1, 2]\n"
        "try: socket.socket(socket.AF_PACKET)\n"
        "except OSError: pass\n"
        "else: raise SystemExit(1)\n";

    (void)state;
    assert_runs((const char *const[]){"/usr/bin/python3", "-I", "-c", script, NULL});
}

static void node_runs(void **state)
{
    static const char script[] =
        "const fs = require('fs'), http = require('http'), os = require('os');\n"
        "const { Worker } = require('worker_threads');\n"
        "const { spawnSync } = require('child_process');\n"
        "if (spawnSync('/bin/sh', ['-c', 'exit 3']).status !== 3) process.exit(1);\n"
        "os.networkInterfaces(); os.cpus();\n"
        "const server = http.createServer((q, r) => r.end('ok')).listen(0, '127.0.0.1', () =>\n"
        "  http.get({ port: server.address().port, host: '127.0.0.1' }, r => r.on('data', d =>\n"
        "    new Worker('process.exit(0)', { eval: true }).on('exit', () =>\n"
        "      fs.promises.readFile('/proc/self/status').then(() => process.exit(String(d) === 'ok' ? 0 : 1))))));\n";

    (void)state;
    assert_runs((const char *const[]){"node", "-e", script, NULL});
}

/* ---- the file ---- */

static void file_is_sealed_and_from_its_beginning(void **state)
{
    struct stat info, again_info;
    int fd = -1, again = -1;
    char byte = 0;

    (void)state;
    assert_int_equal(seccomp_program(&fd, NULL), AC_OK);
    assert_int_equal(seccomp_program(&again, NULL), AC_OK);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(fstat(again, &again_info), 0);
    assert_int_equal(info.st_size, again_info.st_size);
    assert_true(info.st_size > 0 && info.st_size % (off_t)sizeof(struct sock_filter) == 0);
    assert_true((size_t)info.st_size <= INSTRUCTIONS_MAX * sizeof(struct sock_filter));
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(lseek(again, 0, SEEK_CUR), 0); /* not one position for both */
    assert_int_equal(pwrite(fd, &byte, 1, 0), -1);
    close(fd);
    close(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_is_sealed_and_from_its_beginning),
        cmocka_unit_test(calls_end_as_they_should),
        cmocka_unit_test(processes_and_threads_can_be_made),
#ifdef __x86_64__
        cmocka_unit_test(foreign_architectures_are_killed),
#endif
        cmocka_unit_test(python_runs),
        cmocka_unit_test(node_runs),
    };

    return cmocka_run_group_tests_name("daemon_seccomp", tests, NULL, NULL);
}
