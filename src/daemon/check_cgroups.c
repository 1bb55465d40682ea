/* check_cgroups.c - whether we may make control groups below our own: version 2, or 1 where that is what there is.  A
 * group is made and removed; limits are not tried, as with version 2 that would move processes. */
#include "daemon/check.h"
#include "daemon/sandbox/cgroup_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool can_make_group(const char *parent)
{
    char path[PATH_MAX];

    if ((size_t)snprintf(path, sizeof path, "%s/agentcored-check-%ld", parent, (long)getpid()) >= sizeof path)
        return false;
    errno = cgroup_directory_make(path);
    if (errno)
        return false;
    cgroup_directory_remove(path);
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
        if (cgroup_find("", controllers[i], group)) {
            found++;
            if (!can_make_group(group))
                snprintf(lacking + strlen(lacking), sizeof lacking - strlen(lacking), " %s", controllers[i]);
        }
    if (found == 0 && cgroup_find("", NULL, group))
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
