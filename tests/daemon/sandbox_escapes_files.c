/* sandbox_escapes_files.c - attempts by way of the file system: paths, descriptors, mounts, devices. */
#include "sandbox_escapes_guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define HANDLE_BYTES 128

static void show_below(const char *directory, const char *path)
{
    char whole[PATH_MAX];

    if ((size_t)snprintf(whole, sizeof whole, "%s%s", directory, path) < sizeof whole)
        show_file(whole);
}

/* ---- by path ---- */

static void read_data_directory(void)
{
    show_file(given("secret_file"));
    show_below("/proc/self/root", given("secret_file"));
    show_below("/proc/thread-self/root", given("secret_file"));
    each_entry(given("lab"), show_file);
}

static void look_through_process(const char *proc, pid_t pid)
{
    static const char *const ways[] = {"root", "cwd", "task"};
    char path[PATH_MAX];

    (void)pid;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        snprintf(path, sizeof path, "%s/%s", proc, ways[i]);
        show_below(path, given("secret_file"));
        show_below(path, "/tmp/neighbour");
        show_below(path, "/etc/shadow");
    }
    snprintf(path, sizeof path, "%s/root", proc);
    if (chdir(path) == 0)
        show_file(given("secret_file") + 1);
    if (chdir("/") != 0)
        claim("no way back to /");
}

static void processes_roots(void)
{
    each_process(look_through_process);
}

/* Out of an open directory upwards, as far as "..", and further by what chroot would allow. */
static void climb_from(int directory)
{
    char path[PATH_MAX] = "";

    for (int i = 0; i < 12; i++) {
        int fd;

        strcat(path, "../");
        strcat(path, given("secret_file") + 1);
        fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            show_fd(fd, path);
            close(fd);
        }
        path[strlen(path) - strlen(given("secret_file") + 1)] = '\0';
    }
}

static void open_descriptors(void)
{
    char path[64], target[PATH_MAX];

    for (int fd = 3; fd < 4096; fd++) {
        ssize_t length;

        if (fcntl(fd, F_GETFD) < 0)
            continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        length = readlink(path, target, sizeof target - 1);
        target[length > 0 ? length : 0] = '\0';
        claim("descriptor %d is open: %s", fd, target);
        show_fd(fd, target);
        climb_from(fd);
    }
    for (int fd = 0; fd < 3; fd++)
        climb_from(fd);
}

static void climb(void)
{
    static const char *const from[] = {"/",        "/tmp", "/proc", "/proc/self", "/dev",
                                       "/dev/shm", "/usr", "/etc",  "/shared"};

    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        int fd = open(from[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
            continue;
        climb_from(fd);
        close(fd);
    }
}

/* Links that lead out when they are followed inside; and left behind for those who follow them outside. */
static void links(void)
{
    static const char *const targets[] = {"/proc/1/root", "/proc/1/cwd", "/proc/self/fd/0/..",
                                          "../../../../../../../.."};
    char path[PATH_MAX];

    if (symlink(given("secret_file"), "/shared/symbolic") != 0 || symlink(given("secret_file"), "/tmp/symbolic") != 0)
        claim("the test is broken: no symbolic link: %s", strerror(errno));
    show_file("/shared/symbolic");
    show_file("/tmp/symbolic");
    deface("/shared/symbolic", "x");
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        unlink("/tmp/way");
        if (symlink(targets[i], "/tmp/way") == 0)
            show_below("/tmp/way", given("secret_file"));
    }
    if (link("/etc/passwd", "/shared/hard") == 0 || link("/usr/bin/env", "/shared/hard") == 0)
        claim("a hard link out of the read-only system into a writable place");
    if (linkat(AT_FDCWD, "/proc/1/exe", AT_FDCWD, "/shared/hard", AT_SYMLINK_FOLLOW) == 0)
        claim("a hard link to the program of init");
    snprintf(path, sizeof path, "/shared/../%s", given("secret_file"));
    show_file(path);
}

static void replace_home(void)
{
    const char *home = getenv("HOME");

    if (!home)
        claim("the test is broken: no HOME");
    else if (rename(home, "/tmp/home") == 0 || rmdir(home) == 0)
        claim("the home was moved away");
    if (symlink("/proc/1/root", "/tmp/directory") != 0)
        claim("the test is broken: no symbolic link: %s", strerror(errno));
}

static void read_there(void)
{
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    show_file(given("secret_file") + 1);
    if (here >= 0)
        climb_from(here);
}

static unsigned char hex_of(const char *at)
{
    char digits[3] = {at[0], at[1], '\0'};

    return (unsigned char)strtoul(digits, NULL, 16);
}

/* With the very handle that the file has outside, and by each mount that is here. */
static void file_handles(void)
{
    static const char *const mounts[] = {"/", "/usr", "/etc", "/shared", "/tmp", "/proc/1/root"};
    union {
        struct file_handle handle;
        char space[sizeof(struct file_handle) + HANDLE_BYTES];
    } u;
    const char *hex = given("handle");

    u.handle.handle_bytes = (unsigned)strlen(hex) / 2;
    u.handle.handle_type = (int)strtol(given("handle_type"), NULL, 10);
    for (unsigned i = 0; i < u.handle.handle_bytes && i < HANDLE_BYTES; i++)
        u.handle.f_handle[i] = hex_of(hex + (size_t)2 * i);
    for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++) {
        int mount = open(mounts[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;

        fd = open_by_handle_at(mount, &u.handle, O_RDONLY);
        if (fd >= 0)
            claim("opened a file by its handle");
        show_fd(fd, "by handle");
    }
}

/* Programs of the machine that run this sandbox, or this guest, through what /proc says they are. */
static void deface_program(const char *proc, pid_t pid)
{
    char path[64];
    int fd;

    (void)pid;
    snprintf(path, sizeof path, "%s/exe", proc);
    deface(path, "#!/bin/false\n");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd >= 0)
        deface(path, "#!/bin/false\n");
    if (truncate(path, 0) == 0)
        claim("truncated a program");
}

static void overwrite_programs(void)
{
    each_process(deface_program);
    deface_program("/proc/self", getpid());
    deface("/guest", "x");
    deface("/usr/bin/env", "x");
    if (unlink("/guest") == 0 || unlink("/usr/bin/env") == 0 || chmod("/guest", 04777) == 0)
        claim("changed a file of a read-only place");
}

static void write_system(void)
{
    static const char *const files[] = {"/usr/agentcored-escape", "/etc/agentcored-escape", "/bin/agentcored-escape",
                                        "/sys/agentcored-escape", "/read-only/agentcored-escape"};

    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (creat(files[i], 0644) >= 0)
            claim("made %s", files[i]);
    deface("/read-only/canary", "x");
    if (rename("/read-only/canary", "/read-only/gone") == 0 || unlink("/read-only/canary") == 0)
        claim("moved what is read-only");
}

/* ---- mounts and namespaces ---- */

static void mounts(void)
{
    static const char *const types[] = {"tmpfs",    "proc",   "sysfs",  "cgroup",     "cgroup2",
                                        "devtmpfs", "devpts", "mqueue", "securityfs", "debugfs",
                                        "tracefs",  "bpf",    "fuse",   "overlay",    "ext4"};
    static const unsigned long ways[] = {MS_BIND,    MS_BIND | MS_REC,   MS_REMOUNT | MS_BIND,
                                         MS_REMOUNT, MS_SHARED | MS_REC, MS_MOVE};

    if (mkdir("/tmp/place", 0755) != 0)
        claim("the test is broken: no directory: %s", strerror(errno));
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (mount("none", "/tmp/place", types[i], 0, NULL) == 0)
            claim("mounted %s", types[i]);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (mount("/proc/1/root", "/tmp/place", NULL, ways[i], NULL) == 0 || mount(NULL, "/", NULL, ways[i], NULL) == 0)
            claim("mounted with flags %lx", ways[i]);
        if (mount(NULL, "/read-only", NULL, ways[i], NULL) == 0 || mount(NULL, "/usr", NULL, ways[i], NULL) == 0)
            claim("changed a mount with flags %lx", ways[i]);
    }
    if (syscall(SYS_fsopen, "tmpfs", 0) >= 0 || syscall(SYS_open_tree, AT_FDCWD, "/", 1 /* clone */) >= 0)
        claim("the newer calls for mounts work");
    write_system();
}

static void unmounts(void)
{
    static const char *const places[] = {"/proc", "/dev",      "/tmp",     "/usr",   "/etc",
                                         "/",     "/proc/sys", "/dev/shm", "/shared"};

    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (umount2(places[i], MNT_DETACH) == 0 || umount2(places[i], MNT_FORCE) == 0)
            claim("unmounted %s", places[i]);
}

/* The classic: a root inside of the present directory, then upwards. */
static void change_root(void)
{
    if (mkdir("/tmp/root", 0755) != 0 || mkdir("/tmp/root/old", 0755) != 0)
        claim("the test is broken: no directory: %s", strerror(errno));
    if (chroot("/tmp/root") == 0) {
        int up = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        claim("changed the root");
        climb_from(up);
    }
    if (syscall(SYS_pivot_root, "/tmp/root", "/tmp/root/old") == 0 || syscall(SYS_pivot_root, ".", ".") == 0)
        claim("swapped the root");
}

static void new_namespaces(void)
{
    static const int kinds[] = {CLONE_NEWUSER, CLONE_NEWUSER | CLONE_NEWNS,
                                CLONE_NEWNS,   CLONE_NEWNET,
                                CLONE_NEWPID,  CLONE_NEWIPC,
                                CLONE_NEWUTS,  CLONE_NEWCGROUP,
                                0x80 /* CLONE_NEWTIME */};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct {
            unsigned long flags, rest[7];
        } modern = {.flags = (unsigned long)kinds[i]};
        long child;

        if (unshare(kinds[i]) == 0)
            claim("a new namespace of kind %x", kinds[i]);
        child = kinds[i] == 0x80 ? -1 : syscall(SYS_clone, (long)kinds[i] | 17 /* SIGCHLD */, 0, 0, 0, 0);
        if (child == 0)
            _exit(0);
        if (child > 0)
            claim("a child in a new namespace of kind %x", kinds[i]);
        child = syscall(SYS_clone3, &modern, sizeof modern);
        if (child == 0)
            _exit(0);
        if (child > 0)
            claim("a child in a new namespace of kind %x, by clone3", kinds[i]);
    }
    mounts();
}

static void join_namespaces_of(const char *proc, pid_t pid)
{
    static const char *const kinds[] = {"user", "mnt", "net", "pid", "ipc", "uts", "cgroup"};
    char path[64];
    int handle = (int)syscall(SYS_pidfd_open, pid, 0);

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        int fd;

        snprintf(path, sizeof path, "%s/ns/%s", proc, kinds[i]);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && setns(fd, 0) == 0)
            claim("joined %s", path);
        if (fd >= 0 && ioctl(fd, 0xb701 /* NS_GET_USERNS */) >= 0 && strcmp(kinds[i], "user") == 0)
            claim("the user namespace above %s can be had", path);
    }
    if (handle >= 0 && setns(handle, CLONE_NEWNS | CLONE_NEWNET) == 0)
        claim("joined process %d", (int)pid);
}

static void join_namespaces(void)
{
    each_process(join_namespaces_of);
    join_namespaces_of("/proc/self", getpid());
}

/* ---- devices ---- */

static void make_devices(void)
{
    static const struct {
        mode_t kind;
        unsigned major, minor;
    } devices[] = {{S_IFCHR, 1, 1},   {S_IFCHR, 1, 11},   {S_IFBLK, 254, 0},  {S_IFBLK, 8, 0},
                   {S_IFBLK, 259, 0}, {S_IFCHR, 10, 232}, {S_IFCHR, 10, 200}, {S_IFCHR, 5, 1}};

    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        static const char *const places[] = {"/tmp/device", "/shared/device", "/dev/device", "/dev/shm/device"};

        for (size_t j = 0; j < sizeof places / sizeof *places; j++) {
            if (mknod(places[j], devices[i].kind | 0666, makedev(devices[i].major, devices[i].minor)) != 0)
                continue;
            claim("made device %u:%u", devices[i].major, devices[i].minor);
            show_file(places[j]);
            unlink(places[j]);
        }
    }
}

static void use_devices(void)
{
    static const char *const devices[] = {
        "/dev/mem",     "/dev/kmem",           "/dev/port",         "/dev/kmsg",      "/dev/kvm",
        "/dev/fuse",    "/dev/net/tun",        "/dev/loop-control", "/dev/vda",       "/dev/sda",
        "/dev/nvme0n1", "/dev/mapper/control", "/dev/vhost-net",    "/dev/vsock",     "/dev/hwrng",
        "/dev/tty0",    "/dev/ttyS0",          "/dev/input/event0", "/dev/dri/card0", "/dev/cuse",
        "/dev/rfkill",  "/dev/userfaultfd",    "/dev/snapshot",     "/proc/kcore",    "/proc/kmsg",
        "/proc/vmcore"};

    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        if (open(devices[i], O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY) >= 0)
            claim("opened %s", devices[i]);
}

const attempt file_attempts[] = {
    {"read-data-directory", read_data_directory},
    {"processes-roots", processes_roots},
    {"open-descriptors", open_descriptors},
    {"climb", climb},
    {"links", links},
    {"replace-home", replace_home},
    {"read-there", read_there},
    {"file-handles", file_handles},
    {"overwrite-programs", overwrite_programs},
    {"write-system", write_system},
    {"mounts", mounts},
    {"unmounts", unmounts},
    {"change-root", change_root},
    {"new-namespaces", new_namespaces},
    {"join-namespaces", join_namespaces},
    {"make-devices", make_devices},
    {"use-devices", use_devices},
    {NULL, NULL},
};
