/* layer_stream.c - a layer's bytes on their way to libarchive's tar reader, hashed twice.
 *
 *     blob -> (digest and size of the blob) -> gzip, zstd -> (diff_id) -> tar
 *
 * Two readers of libarchive: "raw" unpacks, and its output is what "tar" reads, so that the bytes between can be hashed
 * and counted.  Each understands one packing or format and nothing else, so that nothing is guessed.
 *
 * libarchive keeps a header of its own accord in memory (long names, pax records, maps of sparse files), so no header
 * may take more than HEADER_BYTES_MAX from us.  Unpacked bytes are held against packed ones, and time runs out. */
#include "daemon/artifacts/image_internal.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>

#define HEADER_BYTES_MAX ((uint64_t)4 << 20)

struct layer_stream {
    int fd;
    const image_layer *layer;
    const work *w;
    uint64_t packed, unpacked; /* bytes so far */
    uint64_t header_left;      /* what the next header may still take; UINT64_MAX: no header is read */
    bool ended;                /* of the unpacked bytes */
    EVP_MD_CTX *packed_hash, *unpacked_hash;
    struct archive *raw, *tar;
    ac_status status; /* why we said stop */
    ac_error why;
    char piece[PIECE_BYTES];
};

static ssize_t stop(layer_stream *s, struct archive *a, ac_status status)
{
    s->status = status;
    archive_set_error(a, EIO, "stopped");
    return ARCHIVE_FATAL;
}

/* ---- the blob ---- */

static ssize_t read_packed(struct archive *a, void *user, const void **ret_data)
{
    layer_stream *s = user;
    ssize_t got;

    do
        got = read(s->fd, s->piece, sizeof s->piece);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return stop(s, a, work_failed(&s->why, "read the blob", s->layer->blob.digest));
    if (work_go_on(s->w, &s->why) != AC_OK)
        return stop(s, a, work_go_on(s->w, &s->why));
    s->packed += (uint64_t)got;
    if (s->packed > s->layer->blob.bytes)
        return stop(s, a, ac_error_set(&s->why, AC_ERR_INVALID, "it has more bytes than it should"));
    if (EVP_DigestUpdate(s->packed_hash, s->piece, (size_t)got) != 1)
        return stop(s, a, ac_error_set(&s->why, AC_ERR_INTERNAL, "SHA-256 failed"));
    *ret_data = s->piece;
    return got;
}

/* ---- what is in it ---- */

static ac_status count(layer_stream *s, const void *data, size_t length)
{
    s->unpacked += length;
    AC_TRY(work_go_on(s->w, &s->why));
    AC_TRY(work_check_ratio(s->packed, s->unpacked, &s->why));
    if (s->unpacked > ARTIFACT_UNPACKED_BYTES_MAX)
        return ac_error_set(&s->why, AC_ERR_TOO_LARGE, "unpacked it has more than %llu bytes",
                            (unsigned long long)ARTIFACT_UNPACKED_BYTES_MAX);
    if (s->header_left != UINT64_MAX && length > s->header_left)
        return ac_error_set(&s->why, AC_ERR_TOO_LARGE, "a header in it has more than %llu bytes",
                            (unsigned long long)HEADER_BYTES_MAX);
    if (s->header_left != UINT64_MAX)
        s->header_left -= length;
    if (EVP_DigestUpdate(s->unpacked_hash, data, length) != 1)
        return ac_error_set(&s->why, AC_ERR_INTERNAL, "SHA-256 failed");
    return AC_OK;
}

/* The next unpacked bytes; 0 at the end. */
static ssize_t read_unpacked(struct archive *a, void *user, const void **ret_data)
{
    layer_stream *s = user;
    size_t length = 0;
    la_int64_t at;
    int result = ARCHIVE_EOF;

    while (!s->ended && length == 0 &&
           (result = archive_read_data_block(s->raw, ret_data, &length, &at)) == ARCHIVE_OK) {
    }
    if (s->ended || result == ARCHIVE_EOF) {
        s->ended = true;
        return 0;
    }
    if (result != ARCHIVE_OK) {
        const char *text = archive_error_string(s->raw);

        if (s->status == AC_OK)
            (void)ac_error_set(&s->why, AC_ERR_INVALID, "it cannot be unpacked: %s", text ? text : "it is damaged");
        return stop(s, a, s->status != AC_OK ? s->status : AC_ERR_INVALID);
    }
    ac_status status = count(s, *ret_data, length);
    return status == AC_OK ? (ssize_t)length : stop(s, a, status);
}

/* ---- life ---- */

static int filter_of(layer_packing packing)
{
    return packing == LAYER_GZIP   ? ARCHIVE_FILTER_GZIP
           : packing == LAYER_ZSTD ? ARCHIVE_FILTER_ZSTD
                                   : ARCHIVE_FILTER_NONE;
}

static ac_status open_raw(layer_stream *s)
{
    struct archive_entry *entry;
    int result;

    if (archive_read_support_format_raw(s->raw) != ARCHIVE_OK ||
        archive_read_support_format_empty(s->raw) != ARCHIVE_OK)
        return AC_ERR_NOMEM;
    if (s->layer->packing != LAYER_PLAIN &&
        archive_read_append_filter(s->raw, filter_of(s->layer->packing)) != ARCHIVE_OK)
        return ac_error_set(&s->why, AC_ERR_INVALID, "this libarchive cannot unpack %s", s->layer->blob.media_type);
    result = archive_read_open(s->raw, s, NULL, read_packed, NULL);
    if (result == ARCHIVE_OK)
        result = archive_read_next_header(s->raw, &entry);
    if (result == ARCHIVE_EOF) {
        s->ended = true;
        result = ARCHIVE_OK;
    }
    if (result == ARCHIVE_OK || s->status != AC_OK)
        return s->status;
    return ac_error_set(&s->why, AC_ERR_INVALID, "it cannot be unpacked: %s", archive_error_string(s->raw));
}

static ac_status open_tar(layer_stream *s)
{
    if (archive_read_support_format_tar(s->tar) != ARCHIVE_OK ||
        archive_read_support_format_empty(s->tar) != ARCHIVE_OK)
        return AC_ERR_NOMEM;
    if (archive_read_open(s->tar, s, NULL, read_unpacked, NULL) == ARCHIVE_OK)
        return AC_OK;
    return layer_stream_failed(s, &s->why);
}

static ac_status fill(layer_stream *s)
{
    s->packed_hash = digest_begin();
    s->unpacked_hash = digest_begin();
    s->raw = archive_read_new();
    s->tar = archive_read_new();
    if (!s->packed_hash || !s->unpacked_hash || !s->raw || !s->tar)
        return AC_ERR_NOMEM;
    AC_TRY(open_raw(s));
    return open_tar(s);
}

ac_status layer_stream_open(int fd, const image_layer *layer, const work *w, layer_stream **ret_stream, ac_error *err)
{
    layer_stream *s = calloc(1, sizeof *s);
    ac_status status;

    *ret_stream = NULL;
    if (!s)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    s->fd = fd;
    s->layer = layer;
    s->w = w;
    s->header_left = UINT64_MAX;
    status = fill(s);
    if (status == AC_OK) {
        *ret_stream = s;
        return AC_OK;
    }
    status = ac_error_set(err, status, "%s", s->why.message[0] ? s->why.message : ac_status_text(status));
    layer_stream_close(s);
    return status;
}

void layer_stream_close(layer_stream *s)
{
    if (!s)
        return;
    archive_read_free(s->tar);
    archive_read_free(s->raw);
    EVP_MD_CTX_free(s->packed_hash);
    EVP_MD_CTX_free(s->unpacked_hash);
    free(s);
}

struct archive *layer_stream_tar(layer_stream *s)
{
    return s->tar;
}

void layer_stream_header(layer_stream *s, bool reading)
{
    s->header_left = reading ? HEADER_BYTES_MAX : UINT64_MAX;
}

ac_status layer_stream_failed(layer_stream *s, ac_error *err)
{
    const char *text = archive_error_string(s->tar);
    ac_error why = s->why; /* err may be that */

    if (s->status != AC_OK)
        return ac_error_set(err, s->status, "%s", why.message);
    return ac_error_set(err, archive_errno(s->tar) == ENOMEM ? AC_ERR_NOMEM : AC_ERR_INVALID,
                        "it is no whole tar file: %s", text ? text : "it is damaged");
}

/* ---- the end ---- */

static ac_status drain(layer_stream *s)
{
    const void *data;
    ssize_t got;

    while ((got = read_unpacked(s->tar, s, &data)) > 0) {
    }
    while (got == 0 && (got = read_packed(s->raw, s, &data)) > 0)
        got = 0;
    return got < 0 ? s->status : AC_OK;
}

static ac_status compare(EVP_MD_CTX *hash, const char *expected, const char *what, ac_error *err)
{
    char digest[ARTIFACT_DIGEST_SIZE];

    AC_TRY(digest_end(hash, digest, err));
    if (strcmp(digest, expected) == 0)
        return AC_OK;
    return ac_error_set(err, AC_ERR_INVALID, "%s: it is %.19s... and should be %.19s...", what, digest, expected);
}

ac_status layer_stream_finish(layer_stream *s, ac_error *err)
{
    s->header_left = UINT64_MAX;
    ac_status status = drain(s);
    if (status != AC_OK)
        return ac_error_set(err, status, "%s", s->why.message);
    if (s->packed != s->layer->blob.bytes)
        return ac_error_set(err, AC_ERR_INVALID, "it has fewer bytes than it should");
    AC_TRY(compare(s->packed_hash, s->layer->blob.digest, "the blob has another content", err));
    return compare(s->unpacked_hash, s->layer->diff_id, "unpacked it has another content than the config says", err);
}
