/* zip.c - unpacking a zip file: everything is checked before anything is written, and again while it is.
 *
 * First all entries of the central directory: names, kinds, methods, and the sum of the sizes they claim.  Entries may
 * not share bytes (their packed sizes must fit into the file side by side), so no few bytes become many files.  Then
 * each is unpacked: its local header must name the same name and method, it must have exactly the size and the CRC that
 * the directory says, and use exactly its packed bytes.
 *
 * Refused: names that lead out, are absolute, have a backslash or control characters, are not UTF-8, or stand there
 * twice (the file system says so, by its own idea of what is the same); links that lead out; anything that is no file,
 * directory or link; encryption; methods other than stored and deflated, which is what deployment tools write.
 *
 * A link may climb only at the beginning of its target, and no higher than the root.  All directories on the way to it
 * are real ones, so its climbing ends inside; whatever links it then goes down through obey the same rule. */
#include "daemon/artifacts/zip_internal.h"

#include "base/utf8.h"

#include <stdio.h>
#include <zlib.h>

#define LOCAL_BYTES 30
#define LINK_BYTES_MAX 4095
#define METHOD_STORED 0
#define METHOD_DEFLATED 8
/* Encrypted, patched, strongly encrypted, masked. */
#define FLAGS_REFUSED (1U << 0 | 1U << 5 | 1U << 6 | 1U << 13)

typedef struct unzip {
    zip_file z;
    tree *t;
    work *w;
    unsigned char *in, *out; /* PIECE_BYTES each */
    ac_error *err;           /* what is wrong with an entry, without its name */
} unzip;

static ac_status refuse(const unzip *u, const char *why)
{
    return ac_error_set(u->err, AC_ERR_INVALID, "%s", why);
}

static ac_status with_name(ac_error *err, ac_status status, const zip_entry *e, const ac_error *why)
{
    return ac_error_set(err, status, "%s: %s", show(e->name, e->name_length).text, why->message);
}

/* ---- checks ---- */

static bool has_control(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
            return true;
    return false;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static ac_status check_name(const unzip *u, const zip_entry *e, char ret_path[ARTIFACT_PATH_MAX])
{
    if (memchr(e->name, '\0', e->name_length))
        return refuse(u, "the name has a NUL in it");
    if (e->name_length > 0 && e->name[0] == '/')
        return refuse(u, "the name is absolute");
    if (e->name_length > 1 && is_letter(e->name[0]) && e->name[1] == ':')
        return refuse(u, "the name begins with a drive letter");
    if (memchr(e->name, '\\', e->name_length))
        return refuse(u, "the name has a backslash in it; make the zip file with a tool that writes slashes");
    if (has_control(e->name, e->name_length))
        return refuse(u, "the name has control characters in it");
    if (!utf8_valid(e->name, e->name_length))
        return refuse(u, "the name is not UTF-8");
    AC_TRY(path_clean(e->name, e->name_length, ret_path, u->err));
    if (!*ret_path && e->kind != ZIP_DIRECTORY)
        return refuse(u, "the name is empty");
    return AC_OK;
}

static ac_status check_entry(const unzip *u, const zip_entry *e)
{
    char path[ARTIFACT_PATH_MAX];

    AC_TRY(check_name(u, e, path));
    if (e->kind == ZIP_OTHER)
        return refuse(u, "it is neither a file nor a directory nor a link");
    if (e->flags & FLAGS_REFUSED)
        return refuse(u, "it is encrypted");
    if (e->method != METHOD_STORED && e->method != METHOD_DEFLATED)
        return refuse(u, "it is compressed by a method other than deflate");
    if (e->method == METHOD_STORED && e->packed != e->size)
        return refuse(u, "it is stored with two sizes");
    if (e->kind == ZIP_DIRECTORY && e->size > 0)
        return refuse(u, "it is a directory with content");
    if (e->kind == ZIP_LINK && e->size > LINK_BYTES_MAX)
        return refuse(u, "the link's target is too long");
    return AC_OK;
}

/* Count what an entry claims; in_file is what all up to it take of the file. */
static ac_status count_entry(const unzip *u, const zip_entry *e, work *claimed, uint64_t *in_file)
{
    AC_TRY(work_add_file(claimed, u->err));
    AC_TRY(work_add_bytes(claimed, e->size, u->err));
    *in_file += LOCAL_BYTES + e->name_length;
    if (e->packed > u->z.directory_at || *in_file > u->z.directory_at - e->packed)
        return refuse(u, "files of the archive overlap, or lie beyond its end");
    *in_file += e->packed;
    return AC_OK;
}

/* All of the directory; how much there is to come. */
static ac_status check_all(const unzip *u, ac_error *err)
{
    work claimed = *u->w;
    uint64_t in_file = 0;
    zip_entry e;
    size_t at = 0;

    for (uint64_t i = 0; i < u->z.entries; i++) {
        AC_TRY(zip_next(&u->z, &at, &e, err));
        ac_status status = check_entry(u, &e);
        if (status == AC_OK)
            status = count_entry(u, &e, &claimed, &in_file);
        if (status != AC_OK)
            return with_name(err, status, &e, u->err);
    }
    if (at != u->z.directory.length)
        return ac_error_set(err, AC_ERR_INVALID, "it is no whole zip file: its directory has more than it says");
    return work_check_space(u->t->root_fd, claimed.bytes, err);
}

/* ---- one entry's bytes ---- */

/* Where they begin.  The local header must be of the same file. */
static ac_status find_data(const unzip *u, const zip_entry *e, uint64_t *ret_at)
{
    unsigned char header[LOCAL_BYTES] = {0};
    _cleanup_(buf_done) buf name = BUF_INIT(UINT16_MAX);
    uint64_t at = 0;

    AC_TRY(zip_read(&u->z, e->at, header, sizeof header, u->err));
    if (memcmp(header, "PK\3\4", 4) != 0)
        return refuse(u, "its header is not where the directory says");
    if (buf_reserve(&name, e->name_length + 1) != AC_OK)
        return ac_error_set(u->err, AC_ERR_NOMEM, "out of memory");
    AC_TRY(zip_read(&u->z, e->at + LOCAL_BYTES, name.data, e->name_length, u->err));
    if (zip_u16(header + 26) != e->name_length || memcmp(name.data, e->name, e->name_length) != 0 ||
        zip_u16(header + 8) != e->method || (zip_u16(header + 6) & FLAGS_REFUSED))
        return refuse(u, "its header is not what the directory says");
    at = e->at + LOCAL_BYTES + e->name_length + zip_u16(header + 28);
    if (at > u->z.directory_at || e->packed > u->z.directory_at - at)
        return refuse(u, "it lies beyond the end of the archive");
    *ret_at = at;
    return AC_OK;
}

/* Takes what was unpacked: into a file, or into memory. */
typedef struct sink {
    int fd;     /* -1: memory */
    char *text; /* LINK_BYTES_MAX */
    uint64_t bytes;
    uLong crc;
} sink;

static ac_status sink_take(const unzip *u, const zip_entry *e, sink *s, const unsigned char *data, size_t length)
{
    if (length > e->size - s->bytes)
        return refuse(u, "it is larger than the directory says");
    AC_TRY(work_add_bytes(u->w, length, u->err));
    if (s->fd >= 0)
        AC_TRY(tree_file_write(s->fd, data, length, (off_t)s->bytes, u->err));
    else
        memcpy(s->text + s->bytes, data, length);
    s->crc = crc32_z(s->crc, data, length);
    s->bytes += length;
    return work_go_on(u->w, u->err);
}

static ac_status copy_stored(const unzip *u, const zip_entry *e, uint64_t at, sink *s)
{
    for (uint64_t left = e->packed; left > 0;) {
        size_t length = (size_t)MIN(left, (uint64_t)PIECE_BYTES);

        AC_TRY(zip_read(&u->z, at, u->in, length, u->err));
        AC_TRY(sink_take(u, e, s, u->in, length));
        at += length;
        left -= length;
    }
    return AC_OK;
}

static ac_status inflate_piece(const unzip *u, const zip_entry *e, z_stream *zs, sink *s, bool *ret_ended)
{
    int result = Z_OK;

    while (result == Z_OK && (zs->avail_in > 0 || zs->avail_out == 0)) {
        zs->next_out = u->out;
        zs->avail_out = PIECE_BYTES;
        result = inflate(zs, Z_NO_FLUSH);
        if (result == Z_MEM_ERROR)
            return ac_error_set(u->err, AC_ERR_NOMEM, "out of memory");
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
            return refuse(u, "its compressed bytes are damaged");
        AC_TRY(sink_take(u, e, s, u->out, PIECE_BYTES - zs->avail_out));
    }
    *ret_ended = result == Z_STREAM_END;
    return AC_OK;
}

static ac_status run_inflate(const unzip *u, const zip_entry *e, uint64_t at, z_stream *zs, sink *s)
{
    bool ended = false;
    uint64_t left = e->packed;

    while (left > 0 && !ended) {
        size_t length = (size_t)MIN(left, (uint64_t)PIECE_BYTES);

        AC_TRY(zip_read(&u->z, at, u->in, length, u->err));
        at += length;
        left -= length;
        zs->next_in = u->in;
        zs->avail_in = (uInt)length;
        zs->avail_out = PIECE_BYTES;
        AC_TRY(inflate_piece(u, e, zs, s, &ended));
    }
    if (!ended || left > 0 || zs->avail_in > 0)
        return refuse(u, "its compressed bytes are damaged");
    return AC_OK;
}

static ac_status copy_deflated(const unzip *u, const zip_entry *e, uint64_t at, sink *s)
{
    z_stream zs = {0};
    ac_status status;

    if (inflateInit2(&zs, -MAX_WBITS) != Z_OK)
        return ac_error_set(u->err, AC_ERR_NOMEM, "out of memory");
    status = run_inflate(u, e, at, &zs, s);
    inflateEnd(&zs);
    return status;
}

static ac_status copy(const unzip *u, const zip_entry *e, sink *s)
{
    uint64_t at = 0;

    AC_TRY(find_data(u, e, &at));
    AC_TRY(e->method == METHOD_STORED ? copy_stored(u, e, at, s) : copy_deflated(u, e, at, s));
    if (s->bytes != e->size || (uint32_t)s->crc != e->crc)
        return refuse(u, "its content is damaged: size or checksum are not what they should be");
    return AC_OK;
}

/* ---- what an entry becomes ---- */

static ac_status make_file(const unzip *u, const zip_entry *e, const char *path)
{
    sink s = {.fd = -1};
    ac_status status = tree_file(u->t, path, &s.fd, u->err), closed;

    if (status != AC_OK)
        return status;
    status = copy(u, e, &s);
    closed = tree_file_done(u->t, s.fd, e->executable, e->modified, status == AC_OK ? u->err : NULL);
    return status != AC_OK ? status : closed;
}

/* Whether a link at path stays inside (see the head). */
static bool stays_inside(const char *path, const char *target)
{
    size_t depth = 0;
    bool down = false;

    for (const char *p = path; *p; p++)
        depth += *p == '/';
    if (target[0] == '/' || target[0] == '\0')
        return false;
    while (*target) {
        size_t length = strcspn(target, "/");

        if (length == 2 && memcmp(target, "..", 2) == 0) {
            if (down || depth == 0)
                return false;
            depth--;
        } else if (length > 0 && !(length == 1 && target[0] == '.')) {
            down = true;
        }
        target += length + (target[length] == '/');
    }
    return true;
}

static ac_status make_link(const unzip *u, const zip_entry *e, const char *path)
{
    char target[LINK_BYTES_MAX + 1];
    sink s = {.fd = -1, .text = target};

    AC_TRY(copy(u, e, &s));
    target[s.bytes] = '\0';
    if (strlen(target) != s.bytes || !stays_inside(path, target))
        return ac_error_set(u->err, AC_ERR_INVALID, "the link leads out of the archive, to %s",
                            show(target, (size_t)s.bytes).text);
    return tree_symlink(u->t, path, target, e->modified, u->err);
}

static ac_status make_entry(const unzip *u, const zip_entry *e)
{
    char path[ARTIFACT_PATH_MAX] = "";

    AC_TRY(work_add_file(u->w, u->err));
    AC_TRY(check_name(u, e, path));
    switch (e->kind) {
    case ZIP_DIRECTORY:
        return *path ? tree_directory(u->t, path, u->err) : AC_OK;
    case ZIP_LINK:
        return make_link(u, e, path);
    default:
        return make_file(u, e, path);
    }
}

static ac_status make_all(const unzip *u, ac_error *err)
{
    zip_entry e;
    size_t at = 0;

    for (uint64_t i = 0; i < u->z.entries; i++) {
        AC_TRY(zip_next(&u->z, &at, &e, err));
        ac_status status = make_entry(u, &e);
        if (status != AC_OK)
            return with_name(err, status, &e, u->err);
    }
    return AC_OK;
}

ac_status zip_unpack(int fd, uint64_t bytes, tree *t, work *w, ac_error *err)
{
    _cleanup_(buf_done) buf memory = BUF_INIT(2 * PIECE_BYTES);
    ac_error why = {0};
    unzip u = {.t = t, .w = w, .err = &why};
    ac_status status;

    if (buf_reserve(&memory, 2 * PIECE_BYTES) != AC_OK)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    u.in = (unsigned char *)memory.data;
    u.out = u.in + PIECE_BYTES;
    w->packed_bytes = bytes;
    status = zip_open(&u.z, fd, bytes, err);
    if (status == AC_OK)
        status = check_all(&u, err);
    if (status == AC_OK)
        status = make_all(&u, err);
    zip_close(&u.z);
    return status;
}
