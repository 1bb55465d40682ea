/* watch.c - how much memory everything in the sandbox uses, where no cgroup counts it.
 *
 * First a quick sum that is never too small: resident pages of each process, and what lies in the places for files.
 * Only when it is above the limit are pages that processes share divided among them (Pss).  What the quick sum finds
 * decides when to look again. */
#include "init.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define INODE_BYTES 1024 /* about what an empty file costs the kernel */
#define INTERVAL_MIN_MS 20
#define INTERVAL_MAX_MS 500

static int interval_ms = INTERVAL_MIN_MS;

static bool read_text(const char *pid, const char *name, char *text, size_t size)
{
    char path[300];
    ssize_t got;
    int fd;

    snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    got = read(fd, text, size - 1);
    close(fd);
    if (got <= 0)
        return false;
    text[got] = '\0';
    return true;
}

static uint64_t resident_bytes(const char *pid)
{
    char text[256], *resident;

    if (!read_text(pid, "statm", text, sizeof text) || !(resident = strchr(text, ' ')))
        return 0;
    return strtoull(resident, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* A process that may not be looked into counts in full. */
static uint64_t shared_out_bytes(const char *pid)
{
    char text[1024], *at;

    if (!read_text(pid, "smaps_rollup", text, sizeof text) || !(at = strstr(text, "\nPss:")))
        return resident_bytes(pid);
    return strtoull(at + 5, NULL, 10) * 1024;
}

static uint64_t processes_bytes(uint64_t (*measure)(const char *pid))
{
    DIR *processes = opendir("/proc");
    uint64_t sum = 0;

    for (struct dirent *entry = processes ? readdir(processes) : NULL; entry; entry = readdir(processes))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
            sum += measure(entry->d_name);
    if (processes)
        closedir(processes);
    return sum;
}

/* Of a place that is memory of this sandbox; something of the machine's may have been put over it. */
static uint64_t files_bytes(const char *place, uint64_t size)
{
    struct statfs info;

    if (statfs(place, &info) != 0 || info.f_type != TMPFS_MAGIC)
        return 0;
    if ((uint64_t)info.f_blocks * (uint64_t)info.f_bsize > size + (uint64_t)info.f_bsize)
        return 0;
    return (uint64_t)(info.f_blocks - info.f_bfree) * (uint64_t)info.f_bsize +
           (uint64_t)(info.f_files - info.f_ffree) * INODE_BYTES;
}

bool watch_exceeded(const box_config *limits, const char *home)
{
    uint64_t files = files_bytes("/tmp", limits->disk_bytes) + files_bytes(home, limits->disk_bytes) +
                     files_bytes("/dev/shm", limits->disk_bytes);
    uint64_t used = files + processes_bytes(resident_bytes);

    if (used > limits->memory_bytes)
        used = files + processes_bytes(shared_out_bytes);
    interval_ms = used < limits->memory_bytes / 4   ? INTERVAL_MAX_MS
                  : used < limits->memory_bytes / 2 ? 100
                                                    : INTERVAL_MIN_MS;
    return used > limits->memory_bytes;
}

int watch_interval_ms(void)
{
    return interval_ms;
}
