/* zip_directory.c - the end of a zip file: where its central directory is, and what stands in it.  (PKWARE's
 * APPNOTE.TXT 6.3: sections 4.3.12 to 4.3.16, 4.4, 4.5.3 for zip64; Info-ZIP's "UT" extra field.)
 *
 * The central directory alone says what is in the file.  It is read by ourselves and not by libarchive, which reads a
 * directory of any size into memory before it shows the first entry, cuts names at a NUL, turns backslashes, and
 * converts names to the locale, of which a service has none.  Sizes and places are all checked against the file before
 * they are used; nothing overflows since all of them are below 2^63. */
#include "daemon/artifacts/zip_internal.h"

#include <errno.h>
#include <sys/stat.h>

#define END_BYTES 22
#define END_COMMENT_MAX 65535
#define END64_BYTES 56
#define LOCATOR_BYTES 20
#define ENTRY_BYTES 46
#define DIRECTORY_BYTES_MAX ((uint64_t)128 << 20) /* held in memory */
#define POSITION_MAX ((uint64_t)1 << 62)

#define SYSTEM_UNIX 3
#define SYSTEM_DARWIN 19

static ac_status broken(ac_error *err, const char *why)
{
    return ac_error_set(err, AC_ERR_INVALID, "it is no whole zip file: %s", why);
}

ac_status zip_read(const zip_file *z, uint64_t at, void *data, size_t length, ac_error *err)
{
    if (at > z->bytes || length > z->bytes - at)
        return broken(err, "something lies beyond its end");
    while (length > 0) {
        ssize_t got = pread(z->fd, data, length, (off_t)at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return work_failed(err, "read", "the zip file");
        if (got == 0)
            return broken(err, "it ends early");
        data = (char *)data + got;
        length -= (size_t)got;
        at += (uint64_t)got;
    }
    return AC_OK;
}

/* ---- where the directory is ---- */

/* The record whose comment ends where the file ends, the last one of these. */
static ac_status find_end(const zip_file *z, uint64_t *ret_at, unsigned char record[END_BYTES], ac_error *err)
{
    size_t length = (size_t)MIN(z->bytes, (uint64_t)(END_BYTES + END_COMMENT_MAX));
    _cleanup_(buf_done) buf tail = BUF_INIT(END_BYTES + END_COMMENT_MAX);

    if (length < END_BYTES)
        return broken(err, "it is too short");
    if (buf_reserve(&tail, length) != AC_OK)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    AC_TRY(zip_read(z, z->bytes - length, tail.data, length, err));
    for (size_t at = length - END_BYTES + 1; at-- > 0;) {
        const unsigned char *p = (const unsigned char *)tail.data + at;

        if (memcmp(p, "PK\5\6", 4) == 0 && zip_u16(p + 20) == length - at - END_BYTES) {
            memcpy(record, p, END_BYTES);
            *ret_at = z->bytes - length + at;
            return AC_OK;
        }
    }
    return broken(err, "its directory is missing, or it was cut short");
}

/* zip64's record lies right before its locator, which lies right before the end record. */
static ac_status read_end64(zip_file *z, uint64_t *end, ac_error *err)
{
    unsigned char locator[LOCATOR_BYTES] = {0}, record[END64_BYTES] = {0};

    if (*end < LOCATOR_BYTES + END64_BYTES)
        return AC_OK;
    AC_TRY(zip_read(z, *end - LOCATOR_BYTES, locator, sizeof locator, err));
    if (memcmp(locator, "PK\6\7", 4) != 0)
        return AC_OK;
    AC_TRY(zip_read(z, *end - LOCATOR_BYTES - END64_BYTES, record, sizeof record, err));
    if (memcmp(record, "PK\6\6", 4) != 0)
        return broken(err, "its zip64 record is missing");
    if (zip_u32(record + 16) != 0 || zip_u32(record + 20) != 0)
        return broken(err, "it is one of several parts");
    z->entries = zip_u64(record + 32);
    z->directory_bytes = zip_u64(record + 40);
    z->directory_at = zip_u64(record + 48);
    *end -= LOCATOR_BYTES + END64_BYTES;
    return AC_OK;
}

static ac_status locate(zip_file *z, ac_error *err)
{
    unsigned char record[END_BYTES] = {0};
    uint64_t end = 0;

    AC_TRY(find_end(z, &end, record, err));
    z->entries = zip_u16(record + 10);
    z->directory_bytes = zip_u32(record + 12);
    z->directory_at = zip_u32(record + 16);
    if ((zip_u16(record + 4) != 0 || zip_u16(record + 6) != 0) && zip_u16(record + 4) != 0xffff)
        return broken(err, "it is one of several parts");
    AC_TRY(read_end64(z, &end, err));
    if (z->entries > ARTIFACT_FILES_MAX)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "it has more than %d files", ARTIFACT_FILES_MAX);
    if (z->directory_bytes > DIRECTORY_BYTES_MAX)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "its directory is larger than %llu bytes",
                            (unsigned long long)DIRECTORY_BYTES_MAX);
    if (z->directory_bytes > end || z->directory_at > end - z->directory_bytes)
        return broken(err, "its directory lies beyond its end");
    z->base = end - z->directory_bytes - z->directory_at;
    z->directory_at += z->base;
    return AC_OK;
}

ac_status zip_open(zip_file *z, int fd, uint64_t bytes, ac_error *err)
{
    *z = (zip_file){.fd = fd, .bytes = bytes, .directory = BUF_INIT(DIRECTORY_BYTES_MAX)};
    AC_TRY(locate(z, err));
    if (buf_reserve(&z->directory, (size_t)z->directory_bytes) != AC_OK)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    AC_TRY(zip_read(z, z->directory_at, z->directory.data, (size_t)z->directory_bytes, err));
    z->directory.length = (size_t)z->directory_bytes;
    return AC_OK;
}

void zip_close(zip_file *z)
{
    buf_done(&z->directory);
}

/* ---- entries ---- */

static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* MS-DOS's date and time, which knows no zone: taken as UTC, so that it is the same everywhere. */
static struct timespec dos_time(unsigned time, unsigned date)
{
    unsigned month = MIN(MAX(date >> 5 & 15, 1U), 12U), day = MAX(date & 31, 1U);
    int64_t days = days_from_civil(1980 + (int64_t)(date >> 9), month, day);

    return (struct timespec){.tv_sec = days * 86400 + (time >> 11) * 3600 + (time >> 5 & 63) * 60 + (time & 31) * 2};
}

/* The sizes that did not fit, in the order of the header. */
static bool read_zip64(zip_entry *e, const unsigned char *p, size_t length)
{
    uint64_t *const values[] = {&e->size, &e->packed, &e->at};

    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        if (*values[i] != UINT32_MAX)
            continue;
        if (length < 8)
            return false;
        *values[i] = zip_u64(p);
        p += 8;
        length -= 8;
    }
    return true;
}

static bool read_extra(zip_entry *e, const unsigned char *p, size_t length)
{
    while (length >= 4) {
        unsigned id = zip_u16(p);
        size_t size = zip_u16(p + 2);

        if (size > length - 4)
            return true; /* some writers pad with anything; what matters was found before, or is missed below */
        if (id == 0x0001 && !read_zip64(e, p + 4, size))
            return false;
        if (id == 0x5455 && size >= 5 && (p[4] & 1))
            e->modified = (struct timespec){.tv_sec = (int32_t)zip_u32(p + 5)};
        p += 4 + size;
        length -= 4 + size;
    }
    return true;
}

/* What an entry is: by its mode where a Unix wrote it, by a slash at the end of its name. */
static void read_mode(zip_entry *e, unsigned system, uint32_t attributes)
{
    unsigned mode = system == SYSTEM_UNIX || system == SYSTEM_DARWIN ? attributes >> 16 : 0;
    bool slash = e->name_length > 0 && e->name[e->name_length - 1] == '/';

    e->executable = (mode & 0111) != 0;
    switch (mode & S_IFMT) {
    case S_IFDIR:
        e->kind = ZIP_DIRECTORY;
        break;
    case S_IFLNK:
        e->kind = slash ? ZIP_OTHER : ZIP_LINK;
        break;
    case S_IFREG:
    case 0:
        e->kind = slash ? ZIP_DIRECTORY : ZIP_FILE;
        break;
    default:
        e->kind = ZIP_OTHER;
    }
}

ac_status zip_next(const zip_file *z, size_t *at, zip_entry *ret_entry, ac_error *err)
{
    size_t left = z->directory.length - *at, name, extra, comment;
    const unsigned char *p = left > 0 ? (const unsigned char *)z->directory.data + *at : NULL;

    if (left < ENTRY_BYTES || memcmp(p, "PK\1\2", 4) != 0)
        return broken(err, "its directory is damaged");
    name = zip_u16(p + 28);
    extra = zip_u16(p + 30);
    comment = zip_u16(p + 32);
    if (name + extra + comment > left - ENTRY_BYTES)
        return broken(err, "its directory is damaged");
    *ret_entry = (zip_entry){
        .name = (const char *)p + ENTRY_BYTES,
        .name_length = name,
        .flags = zip_u16(p + 8),
        .method = zip_u16(p + 10),
        .crc = zip_u32(p + 16),
        .packed = zip_u32(p + 20),
        .size = zip_u32(p + 24),
        .at = zip_u32(p + 42),
        .modified = dos_time(zip_u16(p + 12), zip_u16(p + 14)),
    };
    read_mode(ret_entry, zip_u16(p + 4) >> 8, zip_u32(p + 38));
    if (!read_extra(ret_entry, p + ENTRY_BYTES + name, extra))
        return broken(err, "a zip64 size is missing");
    if (ret_entry->at > POSITION_MAX || ret_entry->packed > POSITION_MAX || ret_entry->size > POSITION_MAX)
        return broken(err, "something lies beyond its end");
    ret_entry->at += z->base;
    *at += ENTRY_BYTES + name + extra + comment;
    return AC_OK;
}
