/* check_cgroups.c - whether we may make control groups below our own: version 2, or 1 where that is what there is.
 *
 * /proc/self/mountinfo says where a hierarchy is mounted and which part of it; /proc/self/cgroup, where in it we are.
 * Then a group is made and removed. */
#include "daemon/check.h"
#include "daemon/files.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROC_BYTES_MAX ((size_t)1 << 20)
#define FIELDS_MAX 64

typedef struct hierarchy {
    char root[PATH_MAX];  /* which part of it is mounted */
    char mount[PATH_MAX]; /* where */
    char own[PATH_MAX];   /* our place in it */
} hierarchy;

/* Whether a comma-separated list has a word. */
static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0' || at[length] == ':'))
            return true;
    }
    return false;
}

/* "36 35 98:0 /root /mount options ... - type source super-options" */
static bool take_mount(char *text, const char *controller, hierarchy *h)
{
    char *fields[FIELDS_MAX], *save = NULL;
    size_t count = 0, dash = 0;

    for (char *field = strtok_r(text, " ", &save); field && count < FIELDS_MAX; field = strtok_r(NULL, " ", &save)) {
        if (strcmp(field, "-") == 0)
            dash = count;
        fields[count++] = field;
    }
    if (!dash || dash + 3 >= count || dash < 6)
        return false;
    if (strcmp(fields[dash + 1], controller ? "cgroup" : "cgroup2") != 0)
        return false;
    if (controller && !has_word(fields[dash + 3], controller))
        return false;
    snprintf(h->root, sizeof h->root, "%s", fields[3]);
    snprintf(h->mount, sizeof h->mount, "%s", fields[4]);
    return true;
}

/* "0::/path" for version 2, "4:memory:/path" or "3:cpu,cpuacct:/path" for version 1. */
static bool take_place(char *text, const char *controller, hierarchy *h)
{
    char *controllers = strchr(text, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;

    if (!path)
        return false;
    *path = '\0';
    if (controller ? !has_word(controllers + 1, controller) : controllers[1] != '\0')
        return false;
    snprintf(h->own, sizeof h->own, "%s", path + 1);
    return true;
}

static bool find_line(const char *path, bool (*take)(char *text, const char *controller, hierarchy *h),
                      const char *controller, hierarchy *h)
{
    _cleanup_(buf_done) buf text = BUF_INIT(PROC_BYTES_MAX);
    char *line, *save = NULL;

    if (file_read(path, &text, NULL, NULL) != AC_OK || !(line = buf_terminate(&text)))
        return false;
    for (line = strtok_r(line, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (take(line, controller, h))
            return true;
    return false;
}

/* The directory of our own group, as far as it is mounted here.  controller NULL: version 2. */
static bool find_group(const char *controller, char group[PATH_MAX])
{
    hierarchy h = {.own = "/"};
    const char *below;
    size_t root;

    if (!find_line("/proc/self/mountinfo", take_mount, controller, &h))
        return false;
    if (!find_line("/proc/self/cgroup", take_place, controller, &h))
        return false;
    root = strcmp(h.root, "/") == 0 ? 0 : strlen(h.root);
    below = strncmp(h.own, h.root, root) == 0 ? h.own + root : "";
    return (size_t)snprintf(group, PATH_MAX, "%s%s", h.mount, below) < PATH_MAX;
}

static bool can_make_group(const char *parent)
{
    char path[PATH_MAX];

    if ((size_t)snprintf(path, sizeof path, "%s/agentcored-check-%ld", parent, (long)getpid()) >= sizeof path)
        return false;
    if (mkdir(path, 0755) != 0)
        return false;
    rmdir(path);
    return true;
}

static check_state check_version_2(const char *group, char detail[CHECK_DETAIL_SIZE])
{
    if (!can_make_group(group)) {
        snprintf(detail, CHECK_DETAIL_SIZE, "version 2, but no group can be made: %s", strerror(errno));
        return CHECK_LIMITED;
    }
    snprintf(detail, CHECK_DETAIL_SIZE, "version 2, groups can be made");
    return CHECK_OK;
}

check_state check_cgroups(const config *c, char detail[CHECK_DETAIL_SIZE])
{
    static const char *const controllers[] = {"memory", "cpu", "pids"};
    char group[PATH_MAX], lacking[64] = "";
    unsigned found = 0;

    (void)c;
    for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
        if (find_group(controllers[i], group)) {
            found++;
            if (!can_make_group(group))
                snprintf(lacking + strlen(lacking), sizeof lacking - strlen(lacking), " %s", controllers[i]);
        }
    if (found == 0 && find_group(NULL, group))
        return check_version_2(group, detail);
    if (found == 0) {
        snprintf(detail, CHECK_DETAIL_SIZE, "not mounted");
        return CHECK_MISSING;
    }
    if (*lacking || found < ARRAY_SIZE(controllers)) {
        snprintf(detail, CHECK_DETAIL_SIZE, "version 1, %u of 3 controllers; no group can be made for:%s", found,
                 *lacking ? lacking : " those that are not there");
        return CHECK_LIMITED;
    }
    snprintf(detail, CHECK_DETAIL_SIZE, "version 1, groups can be made");
    return CHECK_OK;
}
