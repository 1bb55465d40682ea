/* fuzz_artifact_zip.c - a zip file of a stranger: what it becomes stays where it belongs (artifact_oracle.h), links of
 * it lead nowhere else, and what it claims is what is counted. */
#include "artifact_oracle.h"

#include <limits.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_links(const char *root, const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;

    if (!directory)
        abort();
    while ((entry = readdir(directory))) {
        char child[PATH_MAX], *real;
        struct stat info;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            snprintf(child, sizeof child, "%s/%s", path, entry->d_name) >= (int)sizeof child)
            continue;
        require(lstat(child, &info) == 0);
        if (S_ISDIR(info.st_mode))
            check_links(root, child);
        if (!S_ISLNK(info.st_mode))
            continue;
        real = realpath(child, NULL);
        require(!real ||
                (strncmp(real, root, strlen(root)) == 0 && (real[strlen(root)] == '\0' || real[strlen(root)] == '/')));
        free(real);
    }
    closedir(directory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("zip", MFD_CLOEXEC);
    char root[128], *real;
    ac_error err = {0};
    ac_status status;
    oracle o;

    require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    oracle_begin(&o);
    status = zip_unpack(fd, size, &o.t, &o.w, &err);
    require((status == AC_OK) == (err.message[0] == '\0'));
    require(o.w.bytes <= RATIO_FREE_BYTES || o.w.bytes / ARTIFACT_RATIO_MAX <= size);
    snprintf(root, sizeof root, "%s/d/d/d/d/root", o.base);
    real = realpath(root, NULL);
    require(real != NULL);
    check_links(real, real);
    free(real);
    oracle_end(&o);
    close(fd);
    return 0;
}
