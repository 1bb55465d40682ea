/* cgroup_files.h - where control groups are, and the few things one does with their files.
 *
 * Every call takes a root: what stands before /proc and before the path of a mount; "" but in tests, which imitate a
 * kernel in a directory. */
#ifndef DAEMON_SANDBOX_CGROUP_FILES_H
#define DAEMON_SANDBOX_CGROUP_FILES_H

#include "base/buf.h"

#include <limits.h>
#include <stdbool.h>

/* The directory of this process's own group, in the hierarchy that has the controller ("memory", "pids", "cpu"), or in
 * that of version 2 for NULL; as far as it is mounted here. */
bool cgroup_find(const char *root, const char *controller, char ret_directory[PATH_MAX]);

/* Whether a list has a word; its words are separated by commas or white space. */
bool cgroup_has_word(const char *list, const char *word);

/* 0, or an errno. */
int cgroup_directory_make(const char *directory);
int cgroup_directory_remove(const char *directory);
int cgroup_write(const char *directory, const char *file, const char *text);

/* The contents as text that ends with NUL; NULL when it cannot be read.  In out, which is emptied before. */
char *cgroup_read(const char *directory, const char *file, buf *out);

/* The number behind "name " in a file of such lines; 0 when it is not there. */
uint64_t cgroup_read_number(const char *directory, const char *file, const char *name);

#endif
