/* cgroups_v2.c - what version 2 asks for before groups can be made: controllers are passed on from level to level, and
 * (but for the root of all) a group that passes some on may not have processes itself.
 *
 * So the processes of our group, we among them, go to a leaf beside the parent.  The leaf stays: who is started by one
 * of its processes later begins one level higher (cgroup_v2_start), and so finds everything in place. */
#include "daemon/sandbox/cgroups_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAF "agentcored"
#define PASSES_MAX 16 /* over processes that are made while we move them */
#define FILE_BYTES_MAX ((size_t)1 << 20)

void cgroup_v2_start(char directory[PATH_MAX])
{
    char *last = strrchr(directory, '/');

    if (last && strcmp(last + 1, LEAF) == 0)
        *last = '\0';
}

static unsigned controllers_in(const char *directory, const char *file)
{
    _cleanup_(buf_done) buf text = BUF_INIT(FILE_BYTES_MAX);
    const char *list = cgroup_read(directory, file, &text);
    unsigned found = 0;

    for (unsigned i = 0; list && i < CGROUP_CONTROLLERS; i++)
        if (cgroup_has_word(list, cgroup_controller_names[i]))
            found |= 1U << i;
    return found;
}

unsigned cgroup_v2_offered(const char *directory)
{
    return controllers_in(directory, "cgroup.controllers");
}

/* Whether all that were listed could be moved. */
static bool move_listed(char *list, const char *leaf)
{
    char *save = NULL;

    for (char *line = strtok_r(list, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        int failure;

        if (strcmp(line, "0") == 0)
            return false; /* of another process namespace: out of reach; and "0" would mean ourselves */
        failure = cgroup_write(leaf, "cgroup.procs", line);
        if (failure && failure != ESRCH)
            return false;
    }
    return true;
}

static bool move_to_leaf(const char *directory)
{
    _cleanup_(buf_done) buf text = BUF_INIT(FILE_BYTES_MAX);
    char leaf[PATH_MAX], *list;
    int failure;

    if ((size_t)snprintf(leaf, sizeof leaf, "%s/" LEAF, directory) >= sizeof leaf)
        return false;
    failure = cgroup_directory_make(leaf);
    if (failure && failure != EEXIST)
        return false;
    for (unsigned pass = 0; pass < PASSES_MAX; pass++) {
        list = cgroup_read(directory, "cgroup.procs", &text);
        if (!list || !*list)
            return list != NULL;
        if (!move_listed(list, leaf))
            return false;
    }
    return false;
}

/* One by one: where one cannot be had, the others can. */
static int pass_on_one(const char *directory, unsigned controller)
{
    char command[32];

    snprintf(command, sizeof command, "+%s", cgroup_controller_names[controller]);
    return cgroup_write(directory, "cgroup.subtree_control", command);
}

unsigned cgroup_v2_pass_on(const char *directory, unsigned controllers)
{
    for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++) {
        if (!(controllers & 1U << i))
            continue;
        for (unsigned pass = 0; pass < PASSES_MAX && pass_on_one(directory, i) == EBUSY; pass++)
            if (!move_to_leaf(directory))
                break;
    }
    return controllers & controllers_in(directory, "cgroup.subtree_control");
}
