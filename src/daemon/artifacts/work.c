/* work.c - what bounds the making of one artifact: time, space, numbers; digests; and how names of strangers are shown.
 *
 * All sizes in archives are claims.  Claims are checked before anything is written, and what is written is counted all
 * the same, so that a false claim is only found later. */
#include "daemon/artifacts/internal.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SHOWN_LENGTH_MAX (SHOWN_SIZE - 4)

ac_status work_go_on(const work *w, ac_error *err)
{
    if (w->stopped && atomic_load_explicit(w->stopped, memory_order_relaxed))
        return ac_error_set(err, AC_ERR_CLOSED, "the service is stopping");
    if (clock_monotonic_ms() >= w->deadline_ms)
        return ac_error_set(err, AC_ERR_TIMEOUT, "it took longer than %u minutes", WORK_TIMEOUT_MS / 60000);
    return AC_OK;
}

ac_status work_add_file(work *w, ac_error *err)
{
    if (++w->files > ARTIFACT_FILES_MAX)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "it has more than %d files", ARTIFACT_FILES_MAX);
    return w->files % 64 == 0 ? work_go_on(w, err) : AC_OK;
}

ac_status work_add_bytes(work *w, uint64_t bytes, ac_error *err)
{
    if (bytes > ARTIFACT_UNPACKED_BYTES_MAX - w->bytes)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "unpacked it has more than %llu bytes",
                            (unsigned long long)ARTIFACT_UNPACKED_BYTES_MAX);
    w->bytes += bytes;
    return work_check_ratio(w->packed_bytes, w->bytes, err);
}

ac_status work_check_ratio(uint64_t packed, uint64_t unpacked, ac_error *err)
{
    if (unpacked <= RATIO_FREE_BYTES || unpacked / ARTIFACT_RATIO_MAX < packed)
        return AC_OK;
    return ac_error_set(err, AC_ERR_TOO_LARGE, "it unpacks to more than %d times its size", ARTIFACT_RATIO_MAX);
}

ac_status work_check_space(int directory_fd, uint64_t bytes, ac_error *err)
{
    struct statvfs info;
    uint64_t free_bytes;

    if (fstatvfs(directory_fd, &info) != 0)
        return work_failed(err, "look at", "the disk");
    free_bytes = (uint64_t)info.f_bavail * info.f_frsize;
    if (free_bytes >= DISK_MARGIN_BYTES && free_bytes - DISK_MARGIN_BYTES >= bytes)
        return AC_OK;
    return ac_error_set(err, AC_ERR_IO,
                        "the disk of the data directory is too full: %llu bytes are needed beside %llu that stay free, "
                        "and %llu are there",
                        (unsigned long long)bytes, (unsigned long long)DISK_MARGIN_BYTES,
                        (unsigned long long)free_bytes);
}

ac_status work_failed(ac_error *err, const char *what, const char *name)
{
    ac_status status = AC_ERR_IO;

    if (errno == EACCES || errno == EPERM || errno == EROFS)
        status = AC_ERR_DENIED;
    else if (errno == ENOENT || errno == ENOTDIR)
        status = AC_ERR_NOT_FOUND;
    else if (errno == ENOMEM)
        status = AC_ERR_NOMEM;
    return ac_error_set(err, status, "cannot %s %s: %s", what, show_text(name).text, strerror(errno));
}

/* ---- names in messages ---- */

shown show(const char *text, size_t length)
{
    shown s;
    size_t used = 0, at = 0;

    while (at < length && used < SHOWN_LENGTH_MAX) {
        unsigned char c = (unsigned char)text[at];
        size_t step = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

        if (step > length - at || !utf8_valid(text + at, step) || c < ' ' || c == 0x7f) {
            s.text[used++] = '?';
            at++;
            continue;
        }
        if (used + step > SHOWN_LENGTH_MAX)
            break;
        memcpy(s.text + used, text + at, step);
        used += step;
        at += step;
    }
    memcpy(s.text + used, at < length ? "..." : "", at < length ? 4 : 1);
    return s;
}

shown show_text(const char *text)
{
    return show(text, strlen(text));
}

/* ---- digests ---- */

bool digest_valid(const char *digest)
{
    size_t prefix = strlen(DIGEST_PREFIX);

    return strncmp(digest, DIGEST_PREFIX, prefix) == 0 && strlen(digest) == prefix + DIGEST_HEX_LENGTH &&
           strspn(digest + prefix, "0123456789abcdef") == DIGEST_HEX_LENGTH;
}

void digest_write(const uint8_t hash[32], char ret_digest[ARTIFACT_DIGEST_SIZE])
{
    size_t used = strlen(DIGEST_PREFIX);

    memcpy(ret_digest, DIGEST_PREFIX, used);
    hex_write(hash, 32, ret_digest + used);
}

EVP_MD_CTX *digest_begin(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    if (context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(context);
        return NULL;
    }
    return context;
}

ac_status digest_end(EVP_MD_CTX *context, char ret_digest[ARTIFACT_DIGEST_SIZE], ac_error *err)
{
    uint8_t hash[32];

    if (EVP_DigestFinal_ex(context, hash, NULL) != 1)
        return ac_error_set(err, AC_ERR_INTERNAL, "SHA-256 failed");
    digest_write(hash, ret_digest);
    return AC_OK;
}

ac_status digest_of_file(int fd, uint64_t bytes_max, const work *w, char ret_digest[ARTIFACT_DIGEST_SIZE],
                         uint64_t *ret_bytes, ac_error *err)
{
    _cleanup_(digest_donep) EVP_MD_CTX *context = digest_begin();
    _cleanup_(buf_done) buf piece = BUF_INIT(PIECE_BYTES);
    uint64_t at = 0;

    if (!context || buf_reserve(&piece, PIECE_BYTES) != AC_OK)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    for (;;) {
        ssize_t got = pread(fd, piece.data, PIECE_BYTES, (off_t)at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return work_failed(err, "read", "the file");
        if (got == 0)
            break;
        at += (uint64_t)got;
        if (at > bytes_max)
            return ac_error_set(err, AC_ERR_TOO_LARGE, "it is larger than %llu bytes", (unsigned long long)bytes_max);
        if (EVP_DigestUpdate(context, piece.data, (size_t)got) != 1)
            return ac_error_set(err, AC_ERR_INTERNAL, "SHA-256 failed");
        AC_TRY(work_go_on(w, err));
    }
    *ret_bytes = at;
    return digest_end(context, ret_digest, err);
}
