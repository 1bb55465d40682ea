/* sandbox_escapes_state.c - what no sandbox may change of the machine, as text that is compared. */
#include "sandbox_escapes_baits.h"

#include "daemon/files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/keyctl.h>
#include <mqueue.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

static ac_status add_file(buf *out, const char *path)
{
    _cleanup_(buf_done) buf text = BUF_INIT(BAITS_STATE_BYTES_MAX);

    if (file_read(path, &text, NULL, NULL) != AC_OK)
        text.length = 0;
    AC_TRY(buf_appendf(out, "[%s] ", path));
    AC_TRY(buf_append(out, text.data, text.length));
    return buf_append_text(out, "\n");
}

static ac_status add_stat(buf *out, const char *path)
{
    struct stat info;

    if (lstat(path, &info) != 0)
        return buf_appendf(out, "%s: %s\n", path, strerror(errno));
    return buf_appendf(out, "%s: inode %lu mode %o owner %u links %lu size %ld modified %ld.%09ld\n", path,
                       (unsigned long)info.st_ino, (unsigned)info.st_mode, (unsigned)info.st_uid,
                       (unsigned long)info.st_nlink, (long)info.st_size, (long)info.st_mtim.tv_sec,
                       info.st_mtim.tv_nsec);
}

static ac_status add_addresses(buf *out)
{
    struct ifaddrs *all = NULL;
    ac_status status = AC_OK;

    if (getifaddrs(&all) != 0)
        return AC_ERR_IO;
    for (struct ifaddrs *at = all; at && status == AC_OK; at = at->ifa_next) {
        char ip[INET6_ADDRSTRLEN] = "";

        if (at->ifa_addr && at->ifa_addr->sa_family == AF_INET)
            inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)at->ifa_addr)->sin_addr, ip, sizeof ip);
        status = buf_appendf(out, "interface %s %x %s\n", at->ifa_name, at->ifa_flags, ip);
    }
    freeifaddrs(all);
    return status;
}

ac_status baits_state(const baits *b, buf *out)
{
    static const char *const files[] = {"/proc/sys/kernel/core_pattern",
                                        "/proc/sys/kernel/modprobe",
                                        "/proc/sys/kernel/sysrq",
                                        "/proc/sys/kernel/pid_max",
                                        "/proc/sys/kernel/randomize_va_space",
                                        "/proc/sys/kernel/shmmax",
                                        "/proc/sys/fs/file-max",
                                        "/proc/sys/fs/suid_dumpable",
                                        "/proc/sys/vm/overcommit_memory",
                                        "/proc/sys/net/ipv4/ip_forward",
                                        "/proc/sys/net/ipv4/ping_group_range",
                                        "/proc/sys/user/max_user_namespaces",
                                        "/proc/swaps",
                                        "/proc/self/mountinfo",
                                        "/proc/self/net/route",
                                        "/proc/self/net/arp",
                                        "/proc/self/limits",
                                        "/sys/fs/cgroup/memory/release_agent",
                                        "/sys/fs/cgroup/pids/release_agent",
                                        "/sys/fs/cgroup/cgroup.subtree_control"};
    struct utsname names;
    struct timex clock = {0};
    struct mq_attr queue = {0};
    char key[128] = "", path[128], guest[128];

    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        AC_TRY(add_file(out, files[i]));
    AC_TRY(add_addresses(out));
    for (const char *const *at = b->watched; *at; at++)
        AC_TRY(add_stat(out, *at));
    snprintf(guest, sizeof guest, "%s/guest", b->lab);
    AC_TRY(add_stat(out, guest));
    AC_TRY(add_stat(out, b->secret_file));
    AC_TRY(add_stat(out, b->setuid));
    AC_TRY(add_stat(out, b->read_only)); /* its time changes with any name in it */
    snprintf(path, sizeof path, "%s/canary", b->read_only);
    AC_TRY(add_stat(out, path));
    AC_TRY(add_file(out, path));
    snprintf(path, sizeof path, "/dev/shm/%s", b->bait);
    AC_TRY(add_file(out, path));
    if (uname(&names) != 0 || mq_getattr(b->queue, &queue) != 0 || adjtimex(&clock) < 0)
        return AC_ERR_IO;
    if (b->key_serial)
        syscall(SYS_keyctl, KEYCTL_READ, (long)b->key_serial, key, sizeof key - 1);
    return buf_appendf(out, "host %s domain %s tick %ld queue %ld memory %s key %s\n", names.nodename, names.domainname,
                       clock.tick, queue.mq_curmsgs, b->shared_memory, key);
}
