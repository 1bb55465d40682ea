/* guest_files.c - the supervisor and the kernels, copied to where sandboxes can read them.
 *
 * They may be installed where a sandbox's user gets to nothing (a build in a home), so a copy in the data directory is
 * what is mounted.  It is made anew once in each life of the daemon: what lies there may be of an older version. */
#include "daemon/code/code.h"
#include "daemon/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct guest_file {
    const char *name; /* below the place of files for sandboxes, and below the copy */
    mode_t mode;
} guest_file;

static const guest_file guest_files[] = {
    {"agentcore-code", 0755},
    {"agentcore_figures.py", 0644},
    {"kernel.cjs", 0644},
    {"kernel.py", 0644},
};

static ac_status failed(ac_error *err, const char *what, const char *name)
{
    return ac_error_set(err, AC_ERR_IO, "cannot %s %s for the code interpreter: %s", what, name, strerror(errno));
}

static ac_status copy_bytes(int from, int to, const char *name, ac_error *err)
{
    ssize_t got;

    while ((got = sendfile(to, from, NULL, 1 << 20)) > 0)
        continue;
    return got == 0 ? AC_OK : failed(err, "copy", name);
}

static ac_status copy_file(int place, const guest_file *file, ac_error *err)
{
    int from = file_open_guest(file->name), to;
    ac_status status;

    if (from < 0)
        return ac_error_set(err, AC_ERR_UNSUPPORTED,
                            "%s is not there, without which there is no code interpreter: it belongs beside agentcored "
                            "or into ../libexec/agentcore",
                            file->name);
    if (unlinkat(place, file->name, 0) != 0 && errno != ENOENT) {
        close(from);
        return failed(err, "replace", file->name);
    }
    to = openat(place, file->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file->mode);
    status = to < 0 ? failed(err, "make", file->name) : copy_bytes(from, to, file->name, err);
    if (status == AC_OK && fchmod(to, file->mode) != 0)
        status = failed(err, "make", file->name);
    if (to >= 0)
        close(to);
    close(from);
    return status;
}

static ac_status copy_all(const char *directory, ac_error *err)
{
    int place;
    ac_status status;

    if (mkdir(directory, 0755) != 0 && errno != EEXIST)
        return failed(err, "make", directory);
    place = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (place < 0)
        return failed(err, "open", directory);
    status = fchmod(place, 0755) == 0 ? AC_OK : failed(err, "open", directory);
    for (size_t i = 0; i < ARRAY_SIZE(guest_files) && status == AC_OK; i++)
        status = copy_file(place, &guest_files[i], err);
    close(place);
    return status;
}

ac_status code_guest_files(code_room *room, const char **ret_directory, ac_error *err)
{
    ac_status status = AC_OK;

    pthread_mutex_lock(&room->lock);
    if (!room->guest_directory) {
        char *directory = path_join(room->daemon->config->data_dir, "guest");

        status = directory ? copy_all(directory, err) : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
        if (status == AC_OK)
            room->guest_directory = TAKE_PTR(directory);
        free(directory);
    }
    *ret_directory = room->guest_directory;
    pthread_mutex_unlock(&room->lock);
    return status;
}
