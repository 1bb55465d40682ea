/* files.h - small files of the data directory: read whole, replaced whole. */
#ifndef DAEMON_FILES_H
#define DAEMON_FILES_H

#include "base/buf.h"

#include <sys/stat.h>

/* What tells one content of a file from the next, as far as the file system says. */
typedef struct file_stamp {
    dev_t device;
    ino_t inode;
    off_t bytes;
    struct timespec modified, changed;
} file_stamp;

file_stamp file_stamp_of(const struct stat *info);
bool file_stamp_same(const file_stamp *a, const file_stamp *b);

/* Append the contents to out, at most its cap.  ret_info may be NULL.  Errors: AC_ERR_NOT_FOUND, AC_ERR_DENIED,
 * AC_ERR_INVALID (not a regular file), AC_ERR_TOO_LARGE, AC_ERR_IO, AC_ERR_NOMEM; the message names the path. */
ac_status file_read(const char *path, buf *out, struct stat *ret_info, ac_error *err) AC_MUST_USE;

typedef enum file_mode {
    FILE_REPLACE, /* whatever is there; keeps its owner when root replaces it */
    FILE_CREATE,  /* AC_ERR_CONFLICT when there is one */
} file_mode;

/* Write a file of mode 0600 so that at any moment, also after a power cut, there is all of the old or all of the new
 * one: a temporary file beside it, fsync, rename or link, fsync of the directory. */
ac_status file_write(const char *path, file_mode mode, const void *data, size_t length, ac_error *err) AC_MUST_USE;

/* Open a file that is for the inside of sandboxes: it is beside this program, in guest/ of a build, or in
 * ../libexec/agentcore of an installation.  -1: it is in none of them. */
int file_open_guest(const char *name);

/* "directory/name" as new memory; NULL when memory runs out. */
char *path_join(const char *directory, const char *name);

#endif
