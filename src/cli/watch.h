/* watch.h - noticing that files of a project change. */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include <agentcore/error.h>
#include <stdbool.h>

/* A descriptor that can be read when something in the tree changes.  Hidden files and directories, build directories,
 * installed packages and what editors leave behind do not count.  Close it when done. */
ac_status watch_open(const char *directory, int *ret_fd, ac_error *err) AC_MUST_USE;

/* Take what has happened: whether any of it counts.  New directories are watched, too. */
bool watch_read(int fd, const char *directory);

#endif
