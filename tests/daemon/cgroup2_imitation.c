/* cgroup2_imitation.c - see the header.  Imitated: a group gets the controllers that its parent passes on, and their
 * files with them; a group with processes passes nothing on (EBUSY) and one that passes on takes no processes (EBUSY);
 * a process is in one group; a group with processes or groups is not removed (EBUSY); cgroup.kill empties. */
#include "cgroup2_imitation.h"
#include "daemon/sandbox/cgroup_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOUNT "/sys/fs/cgroup"

int __real_cgroup_write(const char *directory, const char *file, const char *text);
int __wrap_cgroup_write(const char *directory, const char *file, const char *text);
int __real_cgroup_directory_make(const char *directory);
int __wrap_cgroup_directory_make(const char *directory);
int __real_cgroup_directory_remove(const char *directory);
int __wrap_cgroup_directory_remove(const char *directory);

char imitation_root[64];
static char own_directory[PATH_MAX];
static imitation_options set_up;

/* ---- plain files ---- */

static void put(const char *directory, const char *file, const char *text)
{
    char path[PATH_MAX];
    FILE *out;

    snprintf(path, sizeof path, "%s/%s", directory, file);
    out = fopen(path, "we");
    if (!out || fputs(text, out) < 0 || fclose(out) != 0)
        abort();
}

static const char *get(const char *directory, const char *file)
{
    static char text[4096];
    char path[PATH_MAX];
    size_t got;
    FILE *in;

    snprintf(path, sizeof path, "%s/%s", directory, file);
    in = fopen(path, "re");
    if (!in)
        return "-";
    got = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    text[got] = '\0';
    return text;
}

/* ---- groups ---- */

static void give_files(const char *directory, const char *controller)
{
    static const struct {
        const char *controller, *file, *text;
    } files[] = {{"memory", "memory.max", "max"},
                 {"memory", "memory.swap.max", "max"},
                 {"memory", "memory.events", "low 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n"},
                 {"pids", "pids.max", "max"},
                 {"cpu", "cpu.max", "max 100000"}};

    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        if (strcmp(files[i].controller, controller) == 0 && !(set_up.no_swap && strstr(files[i].file, "swap")) &&
            !(set_up.no_pids && strcmp(files[i].file, "pids.max") == 0))
            put(directory, files[i].file, files[i].text);
}

static void give_controllers(const char *directory, const char *controllers)
{
    static const char *const all[] = {"memory", "pids", "cpu"};

    put(directory, "cgroup.controllers", controllers);
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        if (cgroup_has_word(controllers, all[i]))
            give_files(directory, all[i]);
}

static void fill(const char *directory, const char *controllers)
{
    put(directory, "cgroup.procs", "");
    put(directory, "cgroup.subtree_control", "");
    if (!set_up.no_kill)
        put(directory, "cgroup.kill", "");
    give_controllers(directory, controllers);
}

static bool is_group(const char *directory)
{
    return *imitation_root && strncmp(directory, imitation_root, strlen(imitation_root)) == 0;
}

static bool is_root_of_all(const char *directory)
{
    return set_up.own_is_root_of_all && strcmp(directory, own_directory) == 0;
}

int __wrap_cgroup_directory_make(const char *directory)
{
    char parent[PATH_MAX];
    int failure;

    if (!is_group(directory))
        return __real_cgroup_directory_make(directory);
    if (set_up.failure_of_make)
        return set_up.failure_of_make;
    failure = __real_cgroup_directory_make(directory);
    if (failure)
        return failure;
    snprintf(parent, sizeof parent, "%s", directory);
    *strrchr(parent, '/') = '\0';
    fill(directory, strcpy((char[4096]){0}, get(parent, "cgroup.subtree_control")));
    return 0;
}

/* Call fn for each group below. */
static bool each_below(const char *directory, void (*fn)(const char *below, const char *text), const char *text)
{
    DIR *entries = opendir(directory);
    char path[PATH_MAX];
    bool any = false;

    for (struct dirent *entry = entries ? readdir(entries) : NULL; entry; entry = readdir(entries)) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        any = true;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (fn)
            fn(path, text);
    }
    if (entries)
        closedir(entries);
    return any;
}

int __wrap_cgroup_directory_remove(const char *directory)
{
    struct dirent *entry;
    DIR *entries;

    if (!is_group(directory))
        return __real_cgroup_directory_remove(directory);
    if (*get(directory, "cgroup.procs") != '\0' && strcmp(get(directory, "cgroup.procs"), "-") != 0)
        return EBUSY;
    if (each_below(directory, NULL, NULL))
        return EBUSY;
    if (!(entries = opendir(directory)))
        return errno;
    while ((entry = readdir(entries)) != NULL)
        unlinkat(dirfd(entries), entry->d_name, 0);
    closedir(entries);
    return __real_cgroup_directory_remove(directory);
}

/* ---- commands ---- */

static int pass_on(const char *directory, const char *controller)
{
    char list[4096];

    if (!cgroup_has_word(get(directory, "cgroup.controllers"), controller))
        return ENOENT;
    if (*get(directory, "cgroup.procs") && !is_root_of_all(directory))
        return EBUSY;
    snprintf(list, sizeof list, "%s", get(directory, "cgroup.subtree_control"));
    if (!cgroup_has_word(list, controller))
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", *list ? " " : "", controller);
    put(directory, "cgroup.subtree_control", list);
    each_below(directory, give_controllers, list);
    return 0;
}

static const char *moving;

static int leave(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    char list[4096] = "", old[4096], directory[PATH_MAX], *save = NULL;

    (void)info;
    if (kind != FTW_F || strcmp(path + where->base, "cgroup.procs") != 0)
        return 0;
    snprintf(directory, sizeof directory, "%.*s", where->base - 1, path);
    snprintf(old, sizeof old, "%s", get(directory, "cgroup.procs"));
    for (char *line = strtok_r(old, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (strcmp(line, moving) != 0)
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s\n", line);
    put(directory, "cgroup.procs", list);
    return 0;
}

static int enter(const char *directory, const char *pid)
{
    char list[4096];

    if (*get(directory, "cgroup.subtree_control") && !is_root_of_all(directory))
        return EBUSY;
    moving = pid;
    nftw(imitation_root, leave, 16, FTW_PHYS);
    snprintf(list, sizeof list, "%s", get(directory, "cgroup.procs"));
    snprintf(list + strlen(list), sizeof list - strlen(list), "%s\n", pid);
    put(directory, "cgroup.procs", list);
    return 0;
}

int __wrap_cgroup_write(const char *directory, const char *file, const char *text)
{
    if (!is_group(directory))
        return __real_cgroup_write(directory, file, text);
    if (strcmp(get(directory, file), "-") == 0)
        return ENOENT;
    if (strcmp(file, "cgroup.subtree_control") == 0)
        return *text == '+' ? pass_on(directory, text + 1) : EINVAL;
    if (strcmp(file, "cgroup.procs") == 0)
        return enter(directory, text);
    if (strcmp(file, "cgroup.kill") == 0)
        put(directory, "cgroup.procs", "");
    put(directory, file, text);
    return 0;
}

/* ---- the tests' side ---- */

static void make_path(const char *path)
{
    char part[PATH_MAX];

    for (const char *slash = strchr(path + strlen(imitation_root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            abort();
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        abort();
}

const char *imitation_open(const imitation_options *options)
{
    char path[PATH_MAX], list[4096];

    set_up = *options;
    strcpy(imitation_root, "/tmp/agentcored-cgroup2-XXXXXX");
    if (!mkdtemp(imitation_root))
        abort();
    snprintf(path, sizeof path, "%s/proc/self", imitation_root);
    make_path(path);
    put(path, "mountinfo",
        "22 1 0:20 / /proc rw - proc proc rw\n"
        "30 23 0:26 / " MOUNT " rw,nosuid,nodev,noexec - cgroup2 cgroup2 rw,nsdelegate\n");
    snprintf(list, sizeof list, "0::%s\n", options->own);
    put(path, "cgroup", list);
    snprintf(own_directory, sizeof own_directory, "%s" MOUNT "%s", imitation_root,
             strcmp(options->own, "/") == 0 ? "" : options->own);
    make_path(own_directory);
    fill(own_directory, options->controllers);
    snprintf(list, sizeof list, "%ld\n%s", (long)getpid(), options->neighbours ? options->neighbours : "");
    put(own_directory, "cgroup.procs", list);
    return imitation_root;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

void imitation_close(void)
{
    nftw(imitation_root, remove_entry, 16, FTW_PHYS | FTW_DEPTH);
    *imitation_root = '\0';
}

static const char *directory_of(const char *group)
{
    static char directory[PATH_MAX];

    snprintf(directory, sizeof directory, "%s" MOUNT "%s", imitation_root, strcmp(group, "/") == 0 ? "" : group);
    return directory;
}

const char *imitation_file(const char *group, const char *file)
{
    return get(directory_of(group), file);
}

void imitation_set(const char *group, const char *file, const char *text)
{
    put(directory_of(group), file, text);
}

void imitation_set_proc(const char *file, const char *text)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/proc/self", imitation_root);
    put(path, file, text);
}

void imitation_make(const char *group)
{
    if (__wrap_cgroup_directory_make(directory_of(group)) != 0)
        abort();
}

bool imitation_exists(const char *group)
{
    return access(directory_of(group), F_OK) == 0;
}
