/* data_dir.h - the directory that one daemon has for itself. */
#ifndef DAEMON_STORE_DATA_DIR_H
#define DAEMON_STORE_DATA_DIR_H

#include "base/util.h"

typedef struct data_dir data_dir;

/* Make the directory if it is missing, its parents too: closed to others (0700; root's 0711, since its sandboxes' users
 * must get through to what is deployed). */
ac_status data_dir_make(const char *path, ac_error *err) AC_MUST_USE;

/* Make it as data_dir_make does, see that nobody else can look into it, and lock
 * it.  A directory that others may enter is closed to them when it is empty or ours already, else refused.
 * AC_ERR_STATE: another process has it; the sentence names the process.  AC_ERR_DENIED, AC_ERR_INVALID, AC_ERR_IO. */
ac_status data_dir_open(const char *path, data_dir **ret_dir, ac_error *err) AC_MUST_USE;

/* Unlock.  The lock also ends with the process, however that dies. */
void data_dir_close(data_dir *dir);

const char *data_dir_path(const data_dir *dir);

/* See to it that the names of files made in the directory survive a power cut. */
ac_status data_dir_sync(const data_dir *dir, ac_error *err) AC_MUST_USE;

#endif
