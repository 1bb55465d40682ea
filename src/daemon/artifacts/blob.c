/* blob.c - blobs of an OCI image layout (image-layout.md, descriptor.md): blobs/sha256/HEX.
 *
 * Nothing of a blob is believed before its size and its digest are what the descriptor says.  JSON is read whole and
 * verified first; layers are verified while they are unpacked (layer_stream.c) and what came of them is thrown away
 * when they were not what they should be. */
#include "daemon/artifacts/image_internal.h"

#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define JSON_DEPTH_MAX 64

ac_status descriptor_read(yyjson_val *value, descriptor *ret_descriptor, ac_error *err)
{
    const char *digest = ac_json_string(value, "digest", ""), *type = ac_json_string(value, "mediaType", "");
    int64_t bytes = ac_json_int(value, "size", -1);

    *ret_descriptor = (descriptor){0};
    if (!digest_valid(digest))
        return ac_error_set(err, AC_ERR_INVALID, "\"%s\" is no digest of a blob: it must be sha256: and 64 digits",
                            show_text(digest).text);
    if (bytes < 0)
        return ac_error_set(err, AC_ERR_INVALID, "the descriptor of %.19s... has no size", digest);
    if (strlen(type) >= sizeof ret_descriptor->media_type)
        return ac_error_set(err, AC_ERR_INVALID, "the media type of %.19s... is too long", digest);
    snprintf(ret_descriptor->digest, sizeof ret_descriptor->digest, "%s", digest);
    snprintf(ret_descriptor->media_type, sizeof ret_descriptor->media_type, "%s", type);
    ret_descriptor->bytes = (uint64_t)bytes;
    return AC_OK;
}

static ac_status open_file(int layout_fd, const char *name, int *ret_fd, struct stat *ret_info, ac_error *err)
{
    int fd = openat(layout_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us up */

    if (fd < 0)
        return work_failed(err, "open", name);
    if (fstat(fd, ret_info) != 0 || !S_ISREG(ret_info->st_mode)) {
        close(fd);
        return ac_error_set(err, AC_ERR_INVALID, "%s is not a file", name);
    }
    *ret_fd = fd;
    return AC_OK;
}

ac_status blob_open(int layout_fd, const descriptor *d, int *ret_fd, ac_error *err)
{
    char name[96];
    struct stat info = {0};
    ac_status status;

    snprintf(name, sizeof name, "blobs/sha256/%.64s", d->digest + strlen(DIGEST_PREFIX));
    status = open_file(layout_fd, name, ret_fd, &info, err);
    if (status == AC_ERR_NOT_FOUND)
        return ac_error_set(err, d->bytes == UINT64_MAX ? AC_ERR_NOT_FOUND : AC_ERR_INVALID, "the blob %s is missing",
                            d->digest);
    if (status != AC_OK)
        return status;
    if (d->bytes == UINT64_MAX || (uint64_t)info.st_size == d->bytes)
        return AC_OK;
    close(*ret_fd);
    *ret_fd = -1;
    return ac_error_set(err, AC_ERR_INVALID, "the blob %.19s... has %lld bytes and should have %llu", d->digest,
                        (long long)info.st_size, (unsigned long long)d->bytes);
}

static ac_status read_text(int fd, const char *name, buf *out, ac_error *err)
{
    for (;;) {
        ssize_t got;

        ac_status status = buf_reserve(out, MIN((size_t)16384, out->cap + 1 - out->length));
        if (status == AC_ERR_TOO_LARGE)
            return ac_error_set(err, status, "%s is larger than %zu bytes", show_text(name).text, out->cap);
        if (status != AC_OK)
            return ac_error_set(err, status, "out of memory");
        got = read(fd, out->data + out->length, MIN(out->capacity, out->cap) - out->length);
        if (got == 0)
            return AC_OK;
        if (got < 0 && errno != EINTR)
            return work_failed(err, "read", name);
        out->length += got > 0 ? (size_t)got : 0;
    }
}

static ac_status parse(const char *name, const buf *text, yyjson_doc **ret_doc, ac_error *err)
{
    ac_error why = {0};
    ac_status status = ac_json_read(text->data ? text->data : "", text->length,
                                    &(ac_json_read_options){.depth_max = JSON_DEPTH_MAX}, ret_doc, &why);

    if (status == AC_ERR_PROTOCOL)
        return ac_error_set(err, AC_ERR_INVALID, "%s is not JSON: %s", show_text(name).text, why.message);
    if (status == AC_OK && !yyjson_is_obj(yyjson_doc_get_root(*ret_doc))) {
        yyjson_doc_free(TAKE_PTR(*ret_doc));
        return ac_error_set(err, AC_ERR_INVALID, "%s is not a JSON object", show_text(name).text);
    }
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "%s", why.message);
}

static ac_status verify(const descriptor *d, const buf *text, ac_error *err)
{
    char digest[ARTIFACT_DIGEST_SIZE];
    uint8_t hash[32];

    if (d->bytes != UINT64_MAX && text->length != d->bytes)
        return ac_error_set(err, AC_ERR_INVALID, "the blob %.19s... has %zu bytes and should have %llu", d->digest,
                            text->length, (unsigned long long)d->bytes);
    if (EVP_Digest(text->data ? text->data : "", text->length, hash, NULL, EVP_sha256(), NULL) != 1)
        return ac_error_set(err, AC_ERR_INTERNAL, "SHA-256 failed");
    digest_write(hash, digest);
    if (strcmp(digest, d->digest) != 0)
        return ac_error_set(err, AC_ERR_INVALID, "the blob %.19s... has another content: %.19s...", d->digest, digest);
    return AC_OK;
}

ac_status blob_read_json(int layout_fd, const descriptor *d, yyjson_doc **ret_doc, ac_error *err)
{
    _cleanup_(buf_done) buf text = BUF_INIT(ARTIFACT_JSON_BYTES_MAX);
    _cleanup_(fd_closep) int fd = -1;

    *ret_doc = NULL;
    AC_TRY(blob_open(layout_fd, d, &fd, err));
    AC_TRY(read_text(fd, d->digest, &text, err));
    AC_TRY(verify(d, &text, err));
    return parse(d->digest, &text, ret_doc, err);
}

ac_status layout_read_json(int layout_fd, const char *name, yyjson_doc **ret_doc, ac_error *err)
{
    _cleanup_(buf_done) buf text = BUF_INIT(ARTIFACT_JSON_BYTES_MAX);
    _cleanup_(fd_closep) int fd = -1;
    struct stat info;

    *ret_doc = NULL;
    ac_status status = open_file(layout_fd, name, &fd, &info, err);
    if (status == AC_ERR_NOT_FOUND)
        return ac_error_set(err, AC_ERR_INVALID, "it is not an OCI image layout: there is no %s", name);
    AC_TRY(status);
    AC_TRY(read_text(fd, name, &text, err));
    return parse(name, &text, ret_doc, err);
}
