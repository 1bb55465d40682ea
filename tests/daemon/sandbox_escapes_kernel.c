/* sandbox_escapes_kernel.c - attempts by way of the kernel: its settings, its objects, its clocks, its other doors. */
#include "sandbox_escapes_guest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER 42

/* ---- settings ---- */

static void settings(void)
{
    static const char *const files[] = {"/proc/sys/kernel/core_pattern",
                                        "/proc/sys/kernel/modprobe",
                                        "/proc/sys/kernel/hostname",
                                        "/proc/sys/kernel/domainname",
                                        "/proc/sys/kernel/sysrq",
                                        "/proc/sys/kernel/randomize_va_space",
                                        "/proc/sys/kernel/pid_max",
                                        "/proc/sys/kernel/ns_last_pid",
                                        "/proc/sys/fs/binfmt_misc/register",
                                        "/proc/sys/fs/file-max",
                                        "/proc/sys/fs/suid_dumpable",
                                        "/proc/sys/vm/overcommit_memory",
                                        "/proc/sys/vm/drop_caches",
                                        "/proc/sys/user/max_user_namespaces",
                                        "/proc/sys/net/ipv4/ip_forward",
                                        "/proc/sys/net/ipv4/ping_group_range",
                                        "/proc/irq/0/smp_affinity",
                                        "/proc/acpi/wakeup",
                                        "/sys/kernel/uevent_helper",
                                        "/sys/power/state",
                                        "/sys/module/kernel/parameters/panic"};
    /* Each sandbox has these of its own, and may set them: no claim, but the machine's must stay as they are. */
    static const char *const own[] = {"/proc/sys/kernel/shmmax", "/proc/sys/kernel/msgmax"};

    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        deface(files[i], "1");
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        int fd = open(own[i], O_WRONLY | O_CLOEXEC);

        if (fd >= 0 && write(fd, "4096", 4) == 4)
            printf("%s is set\n", own[i]);
        close(fd);
    }
}

static void sysrq(void)
{
    deface("/proc/sysrq-trigger", "h"); /* prints help, should it work */
}

static void use_group(const char *path)
{
    static const char *const files[] = {"release_agent",    "notify_on_release",     "cgroup.procs", "tasks",
                                        "memory.max",       "memory.limit_in_bytes", "pids.max",     "cpu.max",
                                        "cpu.cfs_quota_us", "devices.allow"};
    char file[4096];

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(file, sizeof file, "%s/%s", path, files[i]);
        deface(file, strcmp(files[i], "release_agent") == 0 ? "/bin/true" : "0");
    }
    snprintf(file, sizeof file, "%s/agentcored-escape", path);
    if (mkdir(file, 0755) == 0)
        claim("made a control group in %s", path);
}

static void control_groups(void)
{
    use_group("/sys/fs/cgroup");
    each_entry("/sys/fs/cgroup", use_group);
    show_file("/proc/self/cgroup");
}

/* ---- objects ---- */

static void kernel_objects(void)
{
    struct perf_event_attr event = {.type = PERF_TYPE_SOFTWARE, .size = sizeof event};
    union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    char ring[256] = {0};

    if (syscall(SYS_perf_event_open, &event, 0, -1, -1, 0) >= 0 ||
        syscall(SYS_perf_event_open, &event, -1, 0, -1, 0) >= 0)
        claim("perf_event_open works");
    if (syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map) >= 0)
        claim("bpf works");
    if (syscall(SYS_userfaultfd, 0) >= 0 || syscall(SYS_userfaultfd, 1) >= 0)
        claim("userfaultfd works");
    if (syscall(SYS_io_uring_setup, 4, ring) >= 0)
        claim("io_uring works");
    if (syscall(SYS_fanotify_init, 0, 0) >= 0)
        claim("fanotify works");
}

static void keyrings(void)
{
    static const int rings[] = {KEY_SPEC_THREAD_KEYRING, KEY_SPEC_PROCESS_KEYRING, KEY_SPEC_SESSION_KEYRING,
                                KEY_SPEC_USER_KEYRING, KEY_SPEC_USER_SESSION_KEYRING};
    long bait = strtol(given("key_serial"), NULL, 10), found;
    char bytes[256];

    show_file("/proc/keys");
    if ((found = syscall(SYS_request_key, "user", given("bait"), NULL, KEY_SPEC_PROCESS_KEYRING)) >= 0)
        claim("found a key of the machine's: %ld", found);
    if (bait && syscall(SYS_keyctl, KEYCTL_READ, bait, bytes, sizeof bytes) >= 0)
        claim("read a key: %.200s", bytes);
    if (bait && syscall(SYS_keyctl, KEYCTL_UPDATE, bait, "x", 1) == 0)
        claim("changed a key");
    for (size_t i = 0; i < sizeof rings / sizeof *rings; i++) {
        if (syscall(SYS_keyctl, KEYCTL_SEARCH, rings[i], "user", given("bait"), 0) >= 0)
            claim("found a key in ring %d", rings[i]);
        if (syscall(SYS_add_key, "user", "agentcored-escape", "x", 1, rings[i]) >= 0)
            claim("added a key to ring %d", rings[i]);
    }
}

/* ---- the machine ---- */

static void clocks(void)
{
    struct timespec then = {.tv_sec = 86400};
    struct timeval when = {.tv_sec = 86400};
    struct timex change = {.modes = ADJ_TICK, .tick = 10001};

    if (clock_settime(CLOCK_REALTIME, &then) == 0 || settimeofday(&when, NULL) == 0)
        claim("set the clock");
    if (adjtimex(&change) >= 0 || clock_adjtime(CLOCK_REALTIME, &change) >= 0)
        claim("changed the speed of the clock");
}

static void names(void)
{
    if (sethostname("escaped", 7) == 0 || setdomainname("escaped", 7) == 0)
        claim("renamed the host");
}

/* None of them would do harm if it worked. */
static void machine(void)
{
    if (syscall(SYS_reboot, 0xfee1deadL, 672274793L, 0L /* disable Ctrl-Alt-Del */, NULL) == 0)
        claim("reboot works");
    if (swapon("/tmp/none", 0) == 0 || errno != EPERM)
        claim("swapon is not refused");
    if (syscall(SYS_init_module, NULL, 0L, "") == 0 || errno != EPERM)
        claim("init_module is not refused");
    if (syscall(SYS_kexec_load, 0L, 0L, NULL, 0L) == 0 || errno != EPERM)
        claim("kexec_load is not refused");
    if (klogctl(3, (char[512]){0}, 512) >= 0)
        claim("read the kernel's log");
    if (syscall(SYS_acct, NULL) == 0)
        claim("acct works");
#ifdef __x86_64__
    if (syscall(SYS_iopl, 3) == 0 || syscall(SYS_ioperm, 0x70, 1, 1) == 0)
        claim("may use ports");
#endif
}

static void priorities(void)
{
    struct sched_param best = {.sched_priority = 99}, least = {0};

    deface("/proc/self/oom_score_adj", "-1000");
    if (setpriority(PRIO_PROCESS, 0, -20) == 0 || sched_setscheduler(0, SCHED_FIFO, &best) == 0)
        claim("goes before others");
    if (syscall(SYS_ioprio_set, 1, 0, 1 << 13) == 0)
        claim("reads and writes before others");
    /* What watches over the sandbox is not to be starved. */
    if (setpriority(PRIO_PROCESS, 1, 19) == 0 || sched_setscheduler(1, SCHED_IDLE, &least) == 0)
        claim("lets the first process wait");
    if (setpgid(0, 1) == 0)
        claim("is in the group of the first process");
}

static void raise_limits(void)
{
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        struct rlimit now, more = {RLIM_INFINITY, RLIM_INFINITY};

        if (getrlimit((__rlimit_resource_t)i, &now) != 0 || now.rlim_max == RLIM_INFINITY)
            continue;
        if (setrlimit((__rlimit_resource_t)i, &more) == 0)
            claim("raised limit %d", i);
    }
}

static void persona(void)
{
    int was;

    if (personality(READ_IMPLIES_EXEC) >= 0 || personality(ADDR_NO_RANDOMIZE) >= 0 || personality(PER_LINUX32) >= 0)
        claim("changed its personality");
    was = personality(0xffffffff);
    if (was != 0)
        claim("has personality %x", (unsigned)was);
    if (prctl(PR_SET_MM, PR_SET_MM_EXE_FILE, open("/usr/bin/env", O_RDONLY), 0, 0) == 0)
        claim("changed what it is");
}

/* ---- past the filter ---- */

#ifdef __x86_64__
/* chroot("/tmp") as i386 numbers it; nothing of it needs an address above 4 GiB but the path. */
static void call_32_bits(void)
{
    char *path = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    long result;

    printf("\nTRIED 32-bit-calls, claims 0\n");
    fflush(stdout);
    strcpy(path, "/tmp/made-by-32-bits");
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(39 /* mkdir */), "b"(path), "c"(0755) : "memory");
    claim("a 32-bit call came back with %ld", result);
}

static void call_x32(void)
{
    printf("\nTRIED x32-calls, claims 0\n");
    fflush(stdout);
    claim("an x32 call came back with %ld", syscall(0x40000000L | SYS_unshare, (long)CLONE_NEWUSER));
}

/* The page at a fixed address where old programs ask for the time. */
static void vsyscall(void)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        long (*ask)(void *) = (long (*)(void *))0xffffffffff600400;

        _exit(ask(NULL) > 0 ? ANSWER : 1);
    }
    waitpid(child, &status, 0); /* the time, or the end: nothing is got by either */
}
#else
static void call_32_bits(void)
{
}
static void call_x32(void)
{
}
static void vsyscall(void)
{
}
#endif

/* A filter of one's own cannot allow what is refused; a listener of one's own cannot either. */
static void filters(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0)
        claim("switched no_new_privs off");
    if (prctl(PR_SET_SECCOMP, 0, 0, 0, 0) == 0)
        claim("switched the filter off");
}

/* ---- terminals ---- */

static void terminal(void)
{
    for (const char *at = "echo escaped\n"; *at; at++)
        if (ioctl(1, TIOCSTI, at) == 0)
            claim("typed into the terminal");
    if (ioctl(1, TIOCSTI | 0x100000000UL, "x") == 0)
        claim("typed into the terminal, in disguise");
    if (ioctl(1, TIOCLINUX, "\2") == 0 || ioctl(1, TIOCCONS) == 0)
        claim("used the console");
    if (ioctl(1, TIOCSETD, &(int){2}) == 0)
        claim("changed the line discipline");
}

/* ---- a crash ---- */

static void core_dump(void)
{
    struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        setrlimit(RLIMIT_CORE, &all);
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
        if (chdir("/shared") != 0)
            _exit(1);
        raise(SIGABRT);
    }
    waitpid(child, &status, 0);
    if (!WIFSIGNALED(status) || WCOREDUMP(status))
        claim("left a core dump, or did not crash: %x", (unsigned)status);
}

const attempt kernel_attempts[] = {
    {"settings", settings},
    {"sysrq", sysrq},
    {"control-groups", control_groups},
    {"kernel-objects", kernel_objects},
    {"keyrings", keyrings},
    {"clocks", clocks},
    {"names", names},
    {"machine", machine},
    {"priorities", priorities},
    {"raise-limits", raise_limits},
    {"persona", persona},
    {"32-bit-calls", call_32_bits},
    {"x32-calls", call_x32},
    {"vsyscall", vsyscall},
    {"filters", filters},
    {"terminal", terminal},
    {"core-dump", core_dump},
    {NULL, NULL},
};
