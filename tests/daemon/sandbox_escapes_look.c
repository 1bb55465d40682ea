/* sandbox_escapes_look.c - a sandbox's processes, looked at from outside: what /proc says of them here. */
#include "sandbox_escapes_look.h"

#include "base/buf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIELD_NICE 19 /* of /proc/PID/stat */
#define FIELD_POLICY 41

static char message[512];

/* Text of /proc/PID/name; "" when there is none.  Static. */
static char *text_of(pid_t pid, const char *name, size_t *ret_length)
{
    static char text[16384];
    char path[64];
    ssize_t got;
    int fd;

    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    got = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    if (ret_length)
        *ret_length = got > 0 ? (size_t)got : 0;
    return text;
}

size_t look_for(const char *token, pid_t pids[LOOK_PROCESSES_MAX])
{
    DIR *processes = opendir("/proc");
    size_t count = 0;

    for (struct dirent *entry = processes ? readdir(processes) : NULL; entry; entry = readdir(processes)) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        size_t length = 0;
        const char *line = pid > 0 ? text_of(pid, "cmdline", &length) : "";

        if (memmem(line, length, token, strlen(token)) && count < LOOK_PROCESSES_MAX)
            pids[count++] = pid;
    }
    if (processes)
        closedir(processes);
    return count;
}

static const char *wrong(pid_t pid, const char *what, const char *value)
{
    snprintf(message, sizeof message, "process %ld: %s: %.200s", (long)pid, what, value);
    return message;
}

/* The value behind "name:\t", which is cut off at the end of its line; NULL when it is not there. */
static char *value_of(char *text, const char *name)
{
    char *at = strstr(text, name);

    if (!at || at[strlen(name)] != ':')
        return NULL;
    at += strlen(name) + 1;
    at += strspn(at, " \t");
    at[strcspn(at, "\n")] = '\0';
    return at;
}

static const char *status_wrong(pid_t pid)
{
    static const struct {
        const char *name, *value;
    } expected[] = {{"NoNewPrivs", "1"},
                    {"Seccomp", "2"},
                    {"CapInh", "0000000000000000"},
                    {"CapPrm", "0000000000000000"},
                    {"CapEff", "0000000000000000"},
                    {"CapBnd", "0000000000000000"},
                    {"CapAmb", "0000000000000000"},
                    {"TracerPid", "0"}};

    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        char *value = value_of(text_of(pid, "status", NULL), expected[i].name);

        if (value && strcmp(value, expected[i].value) != 0)
            return wrong(pid, expected[i].name, value);
    }
    return NULL;
}

static const char *user_wrong(pid_t pid, uid_t first_user)
{
    static const char *const names[] = {"Uid", "Gid"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char *value = value_of(text_of(pid, "status", NULL), names[i]), *at = value;

        for (int number = 0; value && number < 4; number++) {
            unsigned long id = strtoul(at, &at, 10);

            if (id == 0 || id < first_user)
                return wrong(pid, names[i], value);
        }
    }
    return NULL;
}

static const char *namespaces_wrong(pid_t pid)
{
    static const char *const kinds[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        char path[64], its[64] = "", ours[64] = "";

        snprintf(path, sizeof path, "/proc/%ld/ns/%s", (long)pid, kinds[i]);
        if (readlink(path, its, sizeof its - 1) < 0) {
            if (errno == ENOENT || errno == ESRCH)
                return NULL;
            return wrong(pid, "a namespace that cannot be looked at", path);
        }
        snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
        if (readlink(path, ours, sizeof ours - 1) < 0 || strcmp(its, ours) == 0)
            return wrong(pid, "a namespace of the machine's", its);
    }
    return NULL;
}

static const char *objects_wrong(pid_t pid)
{
    static const char *const kinds[] = {"perf_event", "bpf",      "userfaultfd", "io_uring",
                                        "fanotify",   "/dev/mem", "/dev/kmsg"};
    char directory[64], path[PATH_MAX], target[PATH_MAX];
    const char *bad = NULL;
    DIR *entries;

    snprintf(directory, sizeof directory, "/proc/%ld/fd", (long)pid);
    entries = opendir(directory);
    for (struct dirent *entry = entries ? readdir(entries) : NULL; entry && !bad; entry = readdir(entries)) {
        ssize_t length;

        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        length = readlink(path, target, sizeof target - 1);
        target[length > 0 ? length : 0] = '\0';
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
            if (strstr(target, kinds[i]))
                bad = wrong(pid, "has open", target);
    }
    if (entries)
        closedir(entries);
    return bad;
}

/* Field of /proc/PID/stat, counted from 1; those behind the name. */
static long stat_field(pid_t pid, int field)
{
    char *at = strrchr(text_of(pid, "stat", NULL), ')');

    for (int i = 2; at && i < field; i++)
        at = strchr(at + 1, ' ');
    return at ? strtol(at, NULL, 10) : 0;
}

static const char *standing_wrong(pid_t pid)
{
    const char *persona = text_of(pid, "personality", NULL), *score, *limit;

    if (*persona && strtoul(persona, NULL, 16) != 0)
        return wrong(pid, "personality", persona);
    if (stat_field(pid, FIELD_NICE) < 0 || stat_field(pid, FIELD_POLICY) != 0)
        return wrong(pid, "goes before others", text_of(pid, "stat", NULL));
    score = text_of(pid, "oom_score_adj", NULL);
    if (strtol(score, NULL, 10) < 0)
        return wrong(pid, "is spared when memory runs out", score);
    limit = strstr(text_of(pid, "limits", NULL), "Max core file size");
    if (limit &&
        (strtol(limit + strlen("Max core file size"), NULL, 10) != 0 || strstr(limit, "core file size     unl")))
        return wrong(pid, "may leave core dumps", limit);
    return NULL;
}

const char *look_at(pid_t pid, uid_t first_user)
{
    const char *bad = status_wrong(pid);

    bad = bad ? bad : user_wrong(pid, first_user);
    bad = bad ? bad : namespaces_wrong(pid);
    bad = bad ? bad : objects_wrong(pid);
    return bad ? bad : standing_wrong(pid);
}
