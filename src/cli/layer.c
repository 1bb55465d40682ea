/* layer.c - tar and gzip, reproducibly.
 *
 * libarchive writes the tar file (ustar, with pax headers where a name needs them) into a function that hashes it,
 * compresses it, hashes it again and writes it: one pass, whatever the size. */
#include "cli/layer.h"

#include "cli/cli.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define GZIP_BITS (15 + 16) /* zlib: the largest window, and a gzip header, whose time is 0 */
#define PIECE 65536
#define DEPTH_MAX 100

/* ---- entries ---- */

static void add(layer *l, layer_entry entry)
{
    entry.place += strspn(entry.place, "/");
    entry.order = l->count;
    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 64;
        layer_entry *more = keep(room * sizeof *more);

        if (l->count)
            memcpy(more, l->entries, l->count * sizeof *more);
        l->entries = more;
        l->room = room;
    }
    l->entries[l->count++] = entry;
}

void layer_add_file(layer *l, const char *source, const char *place)
{
    add(l, (layer_entry){.place = place, .source = source, .mode = access(source, X_OK) == 0 ? 0755 : 0644});
}

void layer_add_program(layer *l, const char *source, const char *place)
{
    add(l, (layer_entry){.place = place, .source = source, .mode = 0755});
}

void layer_add_text(layer *l, const char *text, const char *place)
{
    add(l, (layer_entry){.place = place, .text = text, .mode = 0644});
}

void layer_add_directory(layer *l, const char *place, mode_t mode)
{
    add(l, (layer_entry){.place = place, .mode = mode});
}

static ac_status add_link(layer *l, const char *source, const char *place, ac_error *err)
{
    char target[4096];
    ssize_t length = readlink(source, target, sizeof target - 1);

    if (length < 0)
        return file_error(err, "read the link", source);
    add(l, (layer_entry){.place = place, .text = keep_text(target, (size_t)length), .link = true, .mode = 0777});
    return AC_OK;
}

static ac_status add_below(layer *l, const char *source, const char *place, bool (*skip)(const char *name), int depth,
                           ac_error *err)
{
    struct dirent **entries = NULL;
    int count = depth < DEPTH_MAX ? scandir(source, &entries, NULL, alphasort) : -1;
    ac_status status = count < 0 ? file_error(err, "read", source) : AC_OK;

    for (int i = 0; i < count; i++) {
        const char *name = textf("%s", entries[i]->d_name);
        const char *from = textf("%s/%s", source, name), *to = *place ? textf("%s/%s", place, name) : name;
        struct stat info;

        free(entries[i]);
        if (status != AC_OK || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || (skip && skip(name)))
            continue;
        if (lstat(from, &info) != 0)
            status = file_error(err, "look at", from);
        else if (S_ISDIR(info.st_mode))
            status = add_below(l, from, to, skip, depth + 1, err);
        else if (S_ISLNK(info.st_mode))
            status = add_link(l, from, to, err);
        else if (S_ISREG(info.st_mode))
            layer_add_file(l, from, to);
        else
            status = ac_error_set(err, AC_ERR_INVALID, "%s is neither a file nor a directory nor a link", from);
    }
    free(entries);
    if (status == AC_OK && *place)
        layer_add_directory(l, place, 0755);
    return status;
}

ac_status layer_add_tree(layer *l, const char *source, const char *place, bool (*skip)(const char *name), ac_error *err)
{
    return add_below(l, source, place, skip, 0, err);
}

static int by_place(const void *a, const void *b)
{
    const layer_entry *one = a, *other = b;
    int order = strcmp(one->place, other->place);

    return order ? order : one->order < other->order ? -1 : 1;
}

/* In order of places; of several for one place the last stays. */
static void sort_and_thin(layer *l)
{
    size_t kept_count = 0;

    if (l->count)
        qsort(l->entries, l->count, sizeof *l->entries, by_place);
    for (size_t i = 0; i < l->count; i++)
        if (i + 1 == l->count || strcmp(l->entries[i].place, l->entries[i + 1].place) != 0)
            l->entries[kept_count++] = l->entries[i];
    l->count = kept_count;
}

static bool has(const layer *l, size_t count, const char *place)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(place, l->entries[middle].place);

        if (order == 0)
            return true;
        *(order < 0 ? &high : &low) = order < 0 ? middle : middle + 1;
    }
    return false;
}

void layer_sort(layer *l)
{
    size_t count;

    sort_and_thin(l);
    count = l->count;
    for (size_t i = 0; i < count; i++) {
        const char *place = l->entries[i].place;

        for (const char *slash = strchr(place, '/'); slash; slash = strchr(slash + 1, '/')) {
            const char *parent = keep_text(place, (size_t)(slash - place));

            if (!has(l, count, parent))
                layer_add_directory(l, parent, 0755);
        }
    }
    /* A directory sorts before what is in it. */
    sort_and_thin(l);
}

/* ---- hashes ---- */

static void finish_digest(EVP_MD_CTX *hash, char ret_digest[DIGEST_SIZE])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned length = 0;

    if (EVP_DigestFinal_ex(hash, bytes, &length) != 1 || length != 32)
        nomem();
    memcpy(ret_digest, "sha256:", sizeof "sha256:");
    hex(bytes, length, ret_digest + strlen("sha256:"));
}

static EVP_MD_CTX *begin_digest(void)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();

    if (!hash || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1)
        nomem();
    return hash;
}

void digest_of(const void *data, size_t length, char ret_digest[DIGEST_SIZE])
{
    EVP_MD_CTX *hash = begin_digest();

    EVP_DigestUpdate(hash, data, length);
    finish_digest(hash, ret_digest);
    EVP_MD_CTX_free(hash);
}

ac_status digest_of_file(const char *path, char ret_digest[DIGEST_SIZE], ac_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    EVP_MD_CTX *hash;
    char bytes[PIECE];
    ssize_t length = -1;

    if (fd < 0)
        return file_error(err, "read", path);
    hash = begin_digest();
    while ((length = read(fd, bytes, sizeof bytes)) > 0)
        EVP_DigestUpdate(hash, bytes, (size_t)length);
    ac_status status = length < 0 ? file_error(err, "read", path) : AC_OK;
    finish_digest(hash, ret_digest);
    EVP_MD_CTX_free(hash);
    close(fd);
    return status;
}

/* ---- writing ---- */

typedef struct writer {
    int fd;
    EVP_MD_CTX *tar, *packed;
    z_stream z;
    uint64_t size;
    unsigned char out[PIECE];
} writer;

/* Hand over what deflate has made. */
static bool drain(writer *w, int how)
{
    int result;

    do {
        w->z.next_out = w->out;
        w->z.avail_out = sizeof w->out;
        result = deflate(&w->z, how);
        size_t made = sizeof w->out - w->z.avail_out;
        size_t at = 0;

        EVP_DigestUpdate(w->packed, w->out, made);
        w->size += made;
        while (at < made) {
            ssize_t put = write(w->fd, w->out + at, made - at);

            if (put < 0 && errno != EINTR)
                return false;
            at += put > 0 ? (size_t)put : 0;
        }
    } while (w->z.avail_out == 0);
    return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR;
}

static la_ssize_t on_tar(struct archive *a, void *user, const void *data, size_t length)
{
    writer *w = user;

    EVP_DigestUpdate(w->tar, data, length);
    w->z.next_in = (Bytef *)(uintptr_t)data;
    w->z.avail_in = (uInt)length;
    if (drain(w, Z_NO_FLUSH))
        return (la_ssize_t)length;
    archive_set_error(a, errno, "%s", strerror(errno));
    return -1;
}

static ac_status archive_failed(struct archive *a, const char *what, ac_error *err)
{
    const char *why = archive_error_string(a);

    return ac_error_set(err, AC_ERR_STATE, "cannot pack %s: %s", what, why ? why : "libarchive failed");
}

static ac_status copy_file(struct archive *a, int fd, int64_t size, const char *path, ac_error *err)
{
    char bytes[PIECE];
    ssize_t length;

    while (size > 0 && (length = read(fd, bytes, sizeof bytes)) > 0) {
        size_t part = (int64_t)length < size ? (size_t)length : (size_t)size;

        if (archive_write_data(a, bytes, part) < 0)
            return archive_failed(a, path, err);
        size -= (int64_t)part;
    }
    return size == 0 ? AC_OK : ac_error_set(err, AC_ERR_STATE, "%s has changed while it was packed; try again", path);
}

static ac_status write_entry(struct archive *a, struct archive_entry *header, const layer_entry *e, ac_error *err)
{
    struct stat info = {0};
    int fd = e->source ? open(e->source, O_RDONLY | O_CLOEXEC) : -1;
    ac_status status = AC_OK;

    if (e->source && (fd < 0 || fstat(fd, &info) != 0))
        status = file_error(err, "read", e->source);
    archive_entry_clear(header);
    archive_entry_set_pathname(header, e->place);
    archive_entry_set_filetype(header, e->link ? AE_IFLNK : e->source || e->text ? AE_IFREG : AE_IFDIR);
    archive_entry_set_perm(header, e->mode);
    archive_entry_set_mtime(header, 0, 0);
    archive_entry_set_size(header, e->source ? info.st_size : e->text && !e->link ? (la_int64_t)strlen(e->text) : 0);
    if (e->link)
        archive_entry_set_symlink(header, e->text);
    if (status == AC_OK && archive_write_header(a, header) != ARCHIVE_OK)
        status = archive_failed(a, e->place, err);
    if (status == AC_OK && e->source)
        status = copy_file(a, fd, info.st_size, e->source, err);
    else if (status == AC_OK && e->text && !e->link && archive_write_data(a, e->text, strlen(e->text)) < 0)
        status = archive_failed(a, e->place, err);
    if (fd >= 0)
        close(fd);
    return status;
}

typedef la_ssize_t (*tar_sink)(struct archive *a, void *user, const void *data, size_t length);

static ac_status write_tar(const layer *l, tar_sink sink, void *user, ac_error *err)
{
    struct archive *a = archive_write_new();
    struct archive_entry *header = archive_entry_new();
    ac_status status = AC_OK;

    if (!a || !header)
        nomem();
    archive_write_set_format_pax_restricted(a);
    archive_write_set_bytes_per_block(a, PIECE);
    archive_write_set_bytes_in_last_block(a, 1);
    if (archive_write_open(a, user, NULL, sink, NULL) != ARCHIVE_OK)
        status = archive_failed(a, "the layer", err);
    for (size_t i = 0; i < l->count && status == AC_OK; i++)
        status = write_entry(a, header, &l->entries[i], err);
    if (archive_write_close(a) != ARCHIVE_OK && status == AC_OK)
        status = archive_failed(a, "the layer", err);
    archive_entry_free(header);
    archive_write_free(a);
    return status;
}

ac_status layer_write(layer *l, const char *path, char ret_diff_id[DIGEST_SIZE], char ret_digest[DIGEST_SIZE],
                      uint64_t *ret_size, ac_error *err)
{
    writer w = {.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    ac_status status;

    if (w.fd < 0)
        return file_error(err, "write", path);
    w.tar = begin_digest();
    w.packed = begin_digest();
    if (deflateInit2(&w.z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_BITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        nomem();
    layer_sort(l);
    status = write_tar(l, on_tar, &w, err);
    if (status == AC_OK && !drain(&w, Z_FINISH))
        status = file_error(err, "write", path);
    deflateEnd(&w.z);
    finish_digest(w.tar, ret_diff_id);
    finish_digest(w.packed, ret_digest);
    EVP_MD_CTX_free(w.tar);
    EVP_MD_CTX_free(w.packed);
    *ret_size = w.size;
    if (close(w.fd) != 0 && status == AC_OK)
        status = file_error(err, "write", path);
    return status;
}

static la_ssize_t on_plain(struct archive *a, void *user, const void *data, size_t length)
{
    ssize_t put = write(*(int *)user, data, length);

    if (put < 0)
        archive_set_error(a, errno, "%s", strerror(errno));
    return put;
}

ac_status layer_write_plain(layer *l, const char *path, ac_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ac_status status;

    if (fd < 0)
        return file_error(err, "write", path);
    layer_sort(l);
    status = write_tar(l, on_plain, &fd, err);
    if (close(fd) != 0 && status == AC_OK)
        status = file_error(err, "write", path);
    return status;
}
