/* zip_internal.h - a zip file's central directory, for the file that unpacks what it lists. */
#ifndef DAEMON_ARTIFACTS_ZIP_INTERNAL_H
#define DAEMON_ARTIFACTS_ZIP_INTERNAL_H

#include "daemon/artifacts/internal.h"

typedef struct zip_file {
    int fd;
    uint64_t bytes;
    uint64_t base; /* what stands before the archive, as in a program that unpacks itself */
    uint64_t directory_at, directory_bytes, entries;
    buf directory;
} zip_file;

typedef enum zip_kind { ZIP_FILE, ZIP_DIRECTORY, ZIP_LINK, ZIP_OTHER } zip_kind;

/* An entry as the central directory has it.  name points into the directory. */
typedef struct zip_entry {
    const char *name;
    size_t name_length;
    unsigned flags, method;
    uint32_t crc;
    uint64_t packed, size;
    uint64_t at; /* of its local header, from the start of the file */
    zip_kind kind;
    bool executable;
    struct timespec modified;
} zip_entry;

/* Find and load the directory.  AC_ERR_INVALID, AC_ERR_TOO_LARGE, AC_ERR_IO, AC_ERR_NOMEM. */
ac_status zip_open(zip_file *z, int fd, uint64_t bytes, ac_error *err) AC_MUST_USE;
void zip_close(zip_file *z);

/* The entry at *at of the directory; *at moves on.  AC_ERR_INVALID. */
ac_status zip_next(const zip_file *z, size_t *at, zip_entry *ret_entry, ac_error *err) AC_MUST_USE;

/* So many bytes from there; fewer are AC_ERR_INVALID. */
ac_status zip_read(const zip_file *z, uint64_t at, void *data, size_t length, ac_error *err) AC_MUST_USE;

static inline unsigned zip_u16(const unsigned char *p)
{
    return (unsigned)p[0] | (unsigned)p[1] << 8;
}

static inline uint32_t zip_u32(const unsigned char *p)
{
    return (uint32_t)zip_u16(p) | (uint32_t)zip_u16(p + 2) << 16;
}

static inline uint64_t zip_u64(const unsigned char *p)
{
    return (uint64_t)zip_u32(p) | (uint64_t)zip_u32(p + 4) << 32;
}

#endif
