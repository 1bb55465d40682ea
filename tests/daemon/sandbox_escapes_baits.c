/* sandbox_escapes_baits.c - see the header. */
#include "sandbox_escapes_baits.h"

#include "base/clock.h"
#include "daemon/files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/vm_sockets.h>
#include <mqueue.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM_BYTES_MAX ((size_t)64 << 20)
#define CLOCK_SLACK_MS 500
#define PUBLIC_STREAM 1 /* of streams: the only one that may be visited */

static char message[512];

/* ---- the network ---- */

static bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return good;
}

static bool enter_user_namespace(void)
{
    uid_t user = geteuid();
    gid_t group = getegid();
    char map[64];

    if (unshare(CLONE_NEWUSER) != 0)
        return false;
    snprintf(map, sizeof map, "%u %u 1", (unsigned)user, (unsigned)user);
    if (!write_text("/proc/self/setgroups", "deny") || !write_text("/proc/self/uid_map", map))
        return false;
    snprintf(map, sizeof map, "%u %u 1", (unsigned)group, (unsigned)group);
    return write_text("/proc/self/gid_map", map);
}

static bool add_address(int control, unsigned number, const char *ip)
{
    struct ifreq request = {0};
    struct sockaddr_in *address = (struct sockaddr_in *)(void *)&request.ifr_addr;

    snprintf(request.ifr_name, sizeof request.ifr_name, number ? "lo:%u" : "lo", number);
    address->sin_family = AF_INET;
    return inet_pton(AF_INET, ip, &address->sin_addr) == 1 && ioctl(control, SIOCSIFADDR, &request) == 0;
}

/* Other tests mount things while these run, which must not look like an escape. */
static bool enter_mount_namespace(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

bool baits_network(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[2] = {{0}, {0}};
    char own[] = BAIT_OWN_ADDRESSES ",169.254.169.254,169.254.170.2,100.100.100.200," BAIT_PUBLIC_ADDRESS;
    struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    char *save = NULL;
    unsigned number = 1;
    bool user = geteuid() != 0, good;
    int control;

    if ((user && !enter_user_namespace()) || !enter_mount_namespace() || unshare(CLONE_NEWNET) != 0)
        return false;
    control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    good = control >= 0 && ioctl(control, SIOCSIFFLAGS, &up) == 0 && add_address(control, 0, "127.0.0.1") &&
           write_text("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
    for (char *at = strtok_r(own, ",", &save); at && good; at = strtok_r(NULL, ",", &save))
        good = add_address(control, number++, at);
    close(control);
    /* An ordinary user again. */
    if (user)
        good = syscall(SYS_capset, &head, none) == 0 && good;
    return good;
}

/* ---- baits ---- */

static void random_text(const char *prefix, char *text, size_t size)
{
    uint64_t number = 0;

    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        abort();
    snprintf(text, size, "%s-%016llx", prefix, (unsigned long long)number);
}

static bool make_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fchmod(fd, mode) == 0;

    if (fd >= 0)
        close(fd);
    return good;
}

bool baits_copy(const char *from, const char *directory, const char *name, mode_t mode)
{
    _cleanup_(buf_done) buf bytes = BUF_INIT(PROGRAM_BYTES_MAX);
    char path[PATH_MAX];
    int fd;
    bool good;

    snprintf(path, sizeof path, "%s/%s", directory, name);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    good = fd >= 0 && file_read(from, &bytes, NULL, NULL) == AC_OK &&
           write(fd, bytes.data, bytes.length) == (ssize_t)bytes.length && fchmod(fd, mode) == 0;
    if (fd >= 0)
        close(fd);
    return good;
}

static bool make_files(baits *b, const char *guest)
{
    char path[128];

    strcpy(b->lab, "/tmp/agentcored-escapes-XXXXXX");
    /* Sandboxes of root have users of their own, for whom the way to mounts must be open. */
    if (!mkdtemp(b->lab) || chmod(b->lab, 0711) != 0)
        return false;
    snprintf(b->secret_file, sizeof b->secret_file, "%s/secret", b->lab);
    snprintf(b->socket_file, sizeof b->socket_file, "%s/socket", b->lab);
    snprintf(b->shared, sizeof b->shared, "%s/shared", b->lab);
    snprintf(b->read_only, sizeof b->read_only, "%s/read-only", b->lab);
    snprintf(b->setuid, sizeof b->setuid, "%s/setuid", b->lab);
    snprintf(path, sizeof path, "%s/canary", b->read_only);
    if (!make_file(b->secret_file, b->secret, 0600) || mkdir(b->shared, 0777) != 0 || chmod(b->shared, 0777) != 0 ||
        mkdir(b->read_only, 0755) != 0 || !make_file(path, "canary", 0644))
        return false;
    return baits_copy(guest, b->lab, "guest", 0755) && baits_copy(guest, b->lab, "setuid", 04755);
}

static bool make_handle(baits *b)
{
    union {
        struct file_handle handle;
        char space[sizeof(struct file_handle) + BAIT_HANDLE_BYTES];
    } u = {.handle.handle_bytes = BAIT_HANDLE_BYTES};
    int mount;

    if (name_to_handle_at(AT_FDCWD, b->secret_file, &u.handle, &mount, 0) != 0)
        return true; /* not all file systems have them */
    b->handle_type = u.handle.handle_type;
    for (unsigned i = 0; i < u.handle.handle_bytes; i++)
        snprintf(b->handle + (size_t)2 * i, 3, "%02x", u.handle.f_handle[i]);
    return true;
}

static void victim_signalled(int number)
{
    (void)number;
    if (write(3, "S", 1) < 0)
        _exit(1);
}

static bool start_victim(baits *b)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return false;
    b->victim = fork();
    if (b->victim == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_DUMPABLE, 1);
        dup2(ends[1], 3);
        for (int i = 1; i < 32; i++)
            signal(i, victim_signalled);
        for (;;)
            pause();
    }
    close(ends[1]);
    b->reports = ends[0];
    return b->victim > 0;
}

static int bound(int family, int type, const void *address, socklen_t size)
{
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

    if (fd < 0)
        return -1;
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, address, size) == 0 && (type == SOCK_DGRAM || listen(fd, 16) == 0))
        return fd;
    close(fd);
    return -1;
}

static void add_listener(baits *b, int type, int fd)
{
    if (type == SOCK_STREAM)
        b->streams[b->stream_count++] = fd;
    else
        b->datagrams[b->datagram_count++] = fd;
}

static bool listen_ip(baits *b, int type, const char *ip, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd;

    inet_pton(AF_INET, ip, &address.sin_addr);
    fd = bound(AF_INET, type, &address, sizeof address);
    if (fd >= 0)
        add_listener(b, type, fd);
    return fd >= 0;
}

static bool listen_everywhere(baits *b)
{
    struct sockaddr_un file = {.sun_family = AF_UNIX}, name = {.sun_family = AF_UNIX};
    struct sockaddr_in6 modern = {.sin6_family = AF_INET6, .sin6_port = htons(BAIT_PORT)};
    struct sockaddr_vm machine = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = VMADDR_PORT_ANY};
    socklen_t size = sizeof machine;
    int fds[4];

    snprintf(file.sun_path, sizeof file.sun_path, "%s", b->socket_file);
    memcpy(name.sun_path + 1, b->bait, strlen(b->bait));
    /* The order is known to PUBLIC_STREAM; a listener of one address goes before that of all. */
    if (!listen_ip(b, SOCK_STREAM, "0.0.0.0", 80) || !listen_ip(b, SOCK_STREAM, BAIT_PUBLIC_ADDRESS, BAIT_PORT) ||
        !listen_ip(b, SOCK_STREAM, "127.0.0.1", BAIT_PORT) || !listen_ip(b, SOCK_STREAM, "10.77.0.1", BAIT_PORT) ||
        !listen_ip(b, SOCK_DGRAM, "0.0.0.0", BAIT_PORT) || !listen_ip(b, SOCK_DGRAM, "0.0.0.0", 53))
        return false;
    fds[0] = bound(AF_UNIX, SOCK_STREAM, &file, sizeof file);
    fds[1] = bound(AF_UNIX, SOCK_STREAM, &name, (socklen_t)(sizeof name.sun_family + 1 + strlen(b->bait)));
    fds[2] = bound(AF_INET6, SOCK_STREAM, &modern, sizeof modern);
    fds[3] = bound(AF_VSOCK, SOCK_STREAM, &machine, sizeof machine);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        if (fds[i] >= 0)
            add_listener(b, SOCK_STREAM, fds[i]);
    if (fds[3] >= 0 && getsockname(fds[3], (struct sockaddr *)&machine, &size) == 0)
        b->vsock_port = machine.svm_port;
    return fds[0] >= 0 && fds[1] >= 0;
}

static bool make_queues(baits *b)
{
    char name[64];
    int fd;

    snprintf(name, sizeof name, "/%s", b->bait);
    b->key = 0x41430000 + (int)(getpid() & 0xffff);
    b->segment = shmget(b->key, 4096, IPC_CREAT | IPC_EXCL | 0666);
    b->shared_memory = b->segment < 0 ? (char *)-1 : shmat(b->segment, NULL, 0);
    if (b->shared_memory == (char *)-1)
        return false;
    strcpy(b->shared_memory, b->secret);
    b->queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR | O_NONBLOCK, 0666, NULL);
    if (b->queue < 0 || mq_send(b->queue, b->secret, strlen(b->secret), 0) != 0)
        return false;
    fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0666);
    if (fd < 0 || write(fd, b->secret, strlen(b->secret)) < 0 || fchmod(fd, 0666) != 0)
        return false;
    close(fd);
    /* In the session's ring, which children inherit. */
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0)
        b->key_serial =
            (int)syscall(SYS_add_key, "user", b->bait, b->secret, strlen(b->secret), KEY_SPEC_SESSION_KEYRING);
    b->key_serial = MAX(b->key_serial, 0);
    return true;
}

/* ---- opening and closing ---- */

static long long clock_offset_ms(void)
{
    struct timespec wall, boot;

    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    return (wall.tv_sec - boot.tv_sec) * 1000LL + (wall.tv_nsec - boot.tv_nsec) / 1000000;
}

bool baits_open(baits *b, const char *guest, const char *const *watched)
{
    *b = (baits){
        .watched = watched, .state = BUF_INIT(BAITS_STATE_BYTES_MAX), .queue = -1, .segment = -1, .reports = -1};
    random_text("SECRET", b->secret, sizeof b->secret);
    random_text("NEIGHBOUR", b->neighbour_secret, sizeof b->neighbour_secret);
    snprintf(b->bait, sizeof b->bait, "agentcored-bait-%ld", (long)getpid());
    b->clock_offset_ms = clock_offset_ms();
    /* What is in the environment of this process, and of the daemon, is not for sandboxes. */
    return setenv("AGENTCORE_TEST_SECRET", b->secret, 1) == 0 && make_files(b, guest) && make_handle(b) &&
           start_victim(b) && listen_everywhere(b) && make_queues(b) && baits_state(b, &b->state) == AC_OK;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

void baits_close(baits *b)
{
    char name[64];

    snprintf(name, sizeof name, "/%s", b->bait);
    for (size_t i = 0; i < b->stream_count; i++)
        close(b->streams[i]);
    for (size_t i = 0; i < b->datagram_count; i++)
        close(b->datagrams[i]);
    if (b->victim > 0) {
        kill(b->victim, SIGKILL);
        waitpid(b->victim, NULL, 0);
    }
    if (b->segment >= 0)
        shmctl(b->segment, IPC_RMID, NULL);
    if (b->queue >= 0)
        mq_close(b->queue);
    mq_unlink(name);
    shm_unlink(name);
    close(b->reports);
    if (*b->lab)
        nftw(b->lab, remove_entry, 16, FTW_PHYS | FTW_DEPTH);
    buf_done(&b->state);
}

/* ---- looking ---- */

static const char *state_changed(baits *b)
{
    _cleanup_(buf_done) buf now = BUF_INIT(BAITS_STATE_BYTES_MAX);
    size_t at = 0, line = 0;

    if (baits_state(b, &now) != AC_OK)
        return "the machine's state cannot be read any more";
    while (at < now.length && at < b->state.length && now.data[at] == b->state.data[at]) {
        line = now.data[at] == '\n' ? at + 1 : line;
        at++;
    }
    if (at == now.length && at == b->state.length)
        return NULL;
    snprintf(message, sizeof message, "the machine has changed: now %.*s", (int)MIN(now.length - line, (size_t)300),
             now.data + line);
    return message;
}

static const char *victim_touched(const baits *b)
{
    char path[64], text[512] = "", *state;
    int fd, status;
    ssize_t got;

    if (waitpid(b->victim, &status, WNOHANG) != 0)
        return "the victim has ended";
    if (read(b->reports, text, sizeof text) > 0)
        return "the victim was sent a signal";
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)b->victim);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    got = read(fd, text, sizeof text - 1);
    close(fd);
    state = got > 0 ? strrchr(text, ')') : NULL;
    return state && state[2] == 'S' ? NULL : "the victim was stopped";
}

/* All that have come. */
static bool visited(int listener)
{
    bool any = false;

    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0; any = true)
        close(fd);
    return any;
}

static bool was_sent_to(int socket)
{
    char bytes[64];
    bool any = false;

    while (recv(socket, bytes, sizeof bytes, 0) >= 0)
        any = true;
    return any;
}

bool baits_public_visited(baits *b)
{
    return visited(b->streams[PUBLIC_STREAM]);
}

const char *baits_touched(baits *b)
{
    const char *touched = victim_touched(b);

    for (size_t i = 0; i < b->stream_count; i++)
        if (visited(b->streams[i])) {
            snprintf(message, sizeof message, "somebody has connected to listener %zu", i);
            touched = message;
        }
    for (size_t i = 0; i < b->datagram_count; i++)
        if (was_sent_to(b->datagrams[i])) {
            snprintf(message, sizeof message, "somebody has sent to datagram socket %zu", i);
            touched = message;
        }
    if (!touched && llabs(clock_offset_ms() - b->clock_offset_ms) > CLOCK_SLACK_MS)
        touched = "the clock was set";
    return touched ? touched : state_changed(b);
}
