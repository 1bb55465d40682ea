/* layer.c - one layer of an image, put over what the layers before it made (OCI image-spec, layer.md).
 *
 * Entries replace what has their name, a directory being kept for a directory.  Two kinds of names are no files:
 *     DIR/.wh.NAME        NAME of the lower layers is gone
 *     DIR/.wh..wh..opq    everything of the lower layers in DIR is gone
 *     others with .wh..wh.   AUFS's own book-keeping, passed over
 * Both mean lower layers, wherever in the archive they stand, so the paths of this layer are noted (path_set).
 *
 * Links are kept as they are, absolute and outward ones too, since they are meant for the root the image will have.
 * None is followed here: an entry whose parent is a link is refused.  Devices and FIFOs are passed over: a session has
 * its own /dev.  Owners, set-user-ID bits and extended attributes are not taken over.
 *
 * Names are bytes.  libarchive converts those of pax headers to the locale, and leaves them as they are when it cannot;
 * in the locale "C" it cannot whenever that would make a difference, so reading is done in that. */
#include "daemon/artifacts/image_internal.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <stdio.h>
#include <sys/stat.h>

#define WHITEOUT ".wh."
#define WHITEOUT_RESERVED ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define LINK_BYTES_MAX 4095

typedef struct applying {
    tree *t;
    work *w;
    layer_stream *stream;
    path_set mine; /* what this layer has made */
    ac_error *err; /* what is wrong with an entry, without its name */
} applying;

/* ---- whiteouts ---- */

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static const char *leaf_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Some segment of the path. */
static bool is_reserved(const char *path)
{
    for (const char *at = path; at; at = strchr(at, '/')) {
        at += *at == '/';
        if (begins_with(at, WHITEOUT_RESERVED))
            return true;
    }
    return false;
}

static ac_status hide_all_beside(const applying *a, const char *path)
{
    char parent[ARTIFACT_PATH_MAX];

    snprintf(parent, sizeof parent, "%s", path);
    parent[leaf_of(path) > path ? leaf_of(path) - path - 1 : 0] = '\0';
    return tree_hide(a->t, parent, true, &a->mine, a->err);
}

static ac_status hide_one(const applying *a, const char *path)
{
    const char *leaf = leaf_of(path), *name = leaf + strlen(WHITEOUT);
    char hidden[ARTIFACT_PATH_MAX];

    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return ac_error_set(a->err, AC_ERR_INVALID, "it says that nothing is gone");
    snprintf(hidden, sizeof hidden, "%.*s%s", (int)(leaf - path), path, name);
    return tree_hide(a->t, hidden, false, &a->mine, a->err);
}

/* ---- entries ---- */

static struct timespec modified_of(struct archive_entry *entry)
{
    return (struct timespec){.tv_sec = archive_entry_mtime(entry), .tv_nsec = archive_entry_mtime_nsec(entry)};
}

static ac_status copy_block(const applying *a, int fd, uint64_t size, const void *data, size_t length, la_int64_t at)
{
    if (at < 0 || (uint64_t)at > size || length > size - (uint64_t)at)
        return ac_error_set(a->err, AC_ERR_INVALID, "it is larger than its header says");
    return tree_file_write(fd, data, length, at, a->err);
}

static ac_status copy_data(const applying *a, struct archive_entry *entry, int fd)
{
    struct archive *tar = layer_stream_tar(a->stream);
    int64_t size = archive_entry_size(entry);
    const void *data;
    size_t length;
    la_int64_t at;
    int result;

    if (size < 0)
        return ac_error_set(a->err, AC_ERR_INVALID, "it has no size");
    AC_TRY(work_add_bytes(a->w, (uint64_t)size, a->err));
    while ((result = archive_read_data_block(tar, &data, &length, &at)) == ARCHIVE_OK)
        AC_TRY(copy_block(a, fd, (uint64_t)size, data, length, at));
    if (result != ARCHIVE_EOF)
        return layer_stream_failed(a->stream, a->err);
    if (ftruncate(fd, size) != 0) /* a hole at the end */
        return work_failed(a->err, "write", "the unpacked file");
    return AC_OK;
}

static ac_status make_file(const applying *a, struct archive_entry *entry, const char *path)
{
    ac_status status, closed;
    int fd;

    AC_TRY(tree_file(a->t, path, &fd, a->err));
    status = copy_data(a, entry, fd);
    closed = tree_file_done(a->t, fd, (archive_entry_mode(entry) & 0111) != 0, modified_of(entry),
                            status == AC_OK ? a->err : NULL);
    return status != AC_OK ? status : closed;
}

static ac_status make_symlink(const applying *a, struct archive_entry *entry, const char *path)
{
    const char *target = archive_entry_symlink(entry);

    if (!target || !*target || strlen(target) > LINK_BYTES_MAX)
        return ac_error_set(a->err, AC_ERR_INVALID, "it is a link to nothing, or to too long a name");
    return tree_symlink(a->t, path, target, modified_of(entry), a->err);
}

static ac_status make_hardlink(const applying *a, const char *target, const char *path)
{
    char clean[ARTIFACT_PATH_MAX];
    ac_error why = {0};
    ac_status status = path_clean(target, strlen(target), clean, &why);

    if (status == AC_OK && !*clean)
        status = ac_error_set(&why, AC_ERR_INVALID, "it is empty");
    if (status != AC_OK)
        return ac_error_set(a->err, status, "the hard link to %s is refused: %s", show_text(target).text, why.message);
    status = tree_hardlink(a->t, path, clean, a->err);
    if (status == AC_ERR_NOT_FOUND)
        return ac_error_set(a->err, AC_ERR_INVALID, "it is a hard link to %s, which is not in the image",
                            show_text(target).text);
    return status;
}

static ac_status make_entry(const applying *a, struct archive_entry *entry, const char *path)
{
    const char *hardlink = archive_entry_hardlink(entry);

    if (hardlink)
        return make_hardlink(a, hardlink, path);
    switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
        return make_file(a, entry, path);
    case AE_IFDIR:
        return tree_directory(a->t, path, a->err);
    case AE_IFLNK:
        return make_symlink(a, entry, path);
    case AE_IFCHR:
    case AE_IFBLK:
    case AE_IFIFO:
        return AC_OK;
    default:
        return ac_error_set(a->err, AC_ERR_INVALID, "it is of an unknown kind");
    }
}

static ac_status apply_entry(applying *a, struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry);
    char path[ARTIFACT_PATH_MAX];

    if (!name)
        return ac_error_set(a->err, AC_ERR_INVALID, "it has no name");
    AC_TRY(work_add_file(a->w, a->err));
    AC_TRY(path_clean(name, strlen(name), path, a->err));
    if (!*path)
        return archive_entry_filetype(entry) == AE_IFDIR ? AC_OK
                                                         : ac_error_set(a->err, AC_ERR_INVALID, "its name is empty");
    if (strcmp(leaf_of(path), WHITEOUT_OPAQUE) == 0)
        return hide_all_beside(a, path);
    if (is_reserved(path))
        return AC_OK;
    if (begins_with(leaf_of(path), WHITEOUT))
        return hide_one(a, path);
    AC_TRY(make_entry(a, entry, path));
    ac_status status = path_set_add(&a->mine, path);
    return status == AC_OK ? AC_OK : ac_error_set(a->err, status, "out of memory");
}

/* ---- all of it ---- */

static ac_status next_entry(const applying *a, struct archive_entry **ret_entry, bool *ret_more, ac_error *err)
{
    int result;

    layer_stream_header(a->stream, true);
    result = archive_read_next_header(layer_stream_tar(a->stream), ret_entry);
    layer_stream_header(a->stream, false);
    *ret_more = result != ARCHIVE_EOF;
    /* A warning is of a name that is not of the locale, and stays as it is. */
    return result == ARCHIVE_EOF || result >= ARCHIVE_WARN ? AC_OK : layer_stream_failed(a->stream, err);
}

static ac_status apply_all(applying *a, ac_error *err)
{
    struct archive_entry *entry = NULL;
    bool more;

    for (;;) {
        AC_TRY(next_entry(a, &entry, &more, err));
        if (!more)
            return layer_stream_finish(a->stream, err);
        ac_status status = apply_entry(a, entry);
        if (status != AC_OK) {
            const char *name = archive_entry_pathname(entry);
            return ac_error_set(err, status, "%s: %s", show_text(name ? name : "an entry").text, a->err->message);
        }
        /* What was passed over belongs to no header. */
        if (archive_read_data_skip(layer_stream_tar(a->stream)) < ARCHIVE_WARN)
            return layer_stream_failed(a->stream, err);
    }
}

static ac_status apply_blob(int fd, const image_layer *layer, tree *t, work *w, ac_error *err)
{
    ac_error why = {0};
    applying a = {.t = t, .w = w, .err = &why};
    ac_status status;

    t->replace = true;
    status = layer_stream_open(fd, layer, w, &a.stream, err);
    if (status == AC_OK)
        status = apply_all(&a, err);
    layer_stream_close(a.stream);
    path_set_done(&a.mine);
    return status;
}

ac_status layer_apply(int layout_fd, const image_layer *layer, tree *t, work *w, ac_error *err)
{
    _cleanup_(fd_closep) int fd = -1;
    locale_t plain, before;
    ac_status status;

    AC_TRY(blob_open(layout_fd, &layer->blob, &fd, err));
    plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    before = uselocale(plain);
    status = apply_blob(fd, layer, t, w, err);
    uselocale(before);
    freelocale(plain);
    return status;
}
