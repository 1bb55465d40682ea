/* internal.h - what the files of this room share; see artifacts.h for what they do together.
 *
 *     artifacts.c       the room: one worker per artifact, left-overs, what is thrown away
 *     work.c            limits: time, space, numbers of files; texts for messages
 *     tree.c tree_*.c   writing below a directory, and nowhere else
 *     record.c          artifact.json
 *     code.c zip.c zip_directory.c s3.c   zip files (zip_internal.h)
 *     image.c and what image_internal.h lists   container images */
#ifndef DAEMON_ARTIFACTS_INTERNAL_H
#define DAEMON_ARTIFACTS_INTERNAL_H

#include "aws/credentials.h"
#include "base/json.h"
#include "daemon/artifacts/artifacts.h"
#include "http/client.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define WORK_TIMEOUT_MS (10U * 60 * 1000)      /* finding, fetching and unpacking one artifact */
#define DISK_MARGIN_BYTES ((uint64_t)64 << 20) /* left free */
#define RATIO_FREE_BYTES ((uint64_t)64 << 20)  /* ARTIFACT_RATIO_MAX holds beyond these */
#define ARTIFACT_DEPTH_MAX 200                 /* directories inside each other */
#define NAME_BYTES_MAX 255                     /* of one file, as Linux has it */
#define PIECE_BYTES ((size_t)128 << 10)        /* read and written at once */
#define DIGEST_PREFIX "sha256:"
#define DIGEST_HEX_LENGTH 64

static inline void fd_closep(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* ---- work.c ---- */

/* One artifact being made: how much of it there is, and how long it may take. */
typedef struct work {
    const atomic_bool *stopped; /* may be NULL */
    uint64_t deadline_ms;       /* clock_monotonic_ms */
    uint64_t packed_bytes;      /* of the file, or of all layers */
    uint64_t bytes;             /* of files, unpacked so far */
    uint64_t files;             /* entries so far, directories too */
} work;

/* AC_ERR_TIMEOUT, AC_ERR_CLOSED (stopped). */
ac_status work_go_on(const work *w, ac_error *err) AC_MUST_USE;

/* One more file; so many more bytes of files.  AC_ERR_TOO_LARGE. */
ac_status work_add_file(work *w, ac_error *err) AC_MUST_USE;
ac_status work_add_bytes(work *w, uint64_t bytes, ac_error *err) AC_MUST_USE;

/* AC_ERR_TOO_LARGE: packed bytes that become so many are a trap. */
ac_status work_check_ratio(uint64_t packed, uint64_t unpacked, ac_error *err) AC_MUST_USE;

/* AC_ERR_IO: the disk has no room for so many bytes more. */
ac_status work_check_space(int directory_fd, uint64_t bytes, ac_error *err) AC_MUST_USE;

/* An error from errno: AC_ERR_NOMEM, AC_ERR_NOT_FOUND, AC_ERR_DENIED or AC_ERR_IO, "cannot WHAT NAME: ...". */
ac_status work_failed(ac_error *err, const char *what, const char *name);

/* A stranger's text as it may stand in a message: printable, and not too long. */
#define SHOWN_SIZE 164
typedef struct shown {
    char text[SHOWN_SIZE];
} shown;
shown show(const char *text, size_t length);
shown show_text(const char *text);

/* "sha256:" and 64 digits in lower case. */
bool digest_valid(const char *digest);
void digest_write(const uint8_t hash[32], char ret_digest[ARTIFACT_DIGEST_SIZE]);

/* Hash what a file holds from its start.  *ret_bytes: how many there are; more than bytes_max are AC_ERR_TOO_LARGE. */
ac_status digest_of_file(int fd, uint64_t bytes_max, const work *w, char ret_digest[ARTIFACT_DIGEST_SIZE],
                         uint64_t *ret_bytes, ac_error *err) AC_MUST_USE;

static inline void digest_donep(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

/* A running SHA-256; NULL when there is no memory. */
EVP_MD_CTX *digest_begin(void);
ac_status digest_end(EVP_MD_CTX *context, char ret_digest[ARTIFACT_DIGEST_SIZE], ac_error *err) AC_MUST_USE;

/* ---- tree.c ---- */

/* A directory that is being filled.  Paths are those of path_clean.  What stands between the root and a name must be
 * a directory, never a link: links are made and not followed. */
typedef struct tree {
    int root_fd;
    bool readable_by_all;
    bool replace;  /* what is there gives way to what comes; otherwise that is AC_ERR_INVALID, but for directories */
    uint64_t made; /* directories on the way to others, which no archive lists: ARTIFACT_FILES_MAX of them */
    int parent_fd;
    char parent[ARTIFACT_PATH_MAX]; /* whose fd that is; the last one used is likely the next */
} tree;

/* Make the directory, which must not exist, and open it. */
ac_status tree_open(tree *t, int directory_fd, const char *name, bool readable_by_all, ac_error *err) AC_MUST_USE;
void tree_close(tree *t);

/* A name out of an archive as a path below a root: without empty and "." segments, "" for the root itself.
 * AC_ERR_INVALID: "..", NUL, an overlong name; AC_ERR_TOO_LARGE: too deep, too long.  A leading '/' counts as an empty
 * segment: who minds looks before. */
ac_status path_clean(const char *name, size_t length, char ret_path[ARTIFACT_PATH_MAX], ac_error *err) AC_MUST_USE;

ac_status tree_directory(tree *t, const char *path, ac_error *err) AC_MUST_USE;

/* A new file, open for writing; tree_file_done sets mode and time, and closes it. */
ac_status tree_file(tree *t, const char *path, int *ret_fd, ac_error *err) AC_MUST_USE;
ac_status tree_file_write(int fd, const void *data, size_t length, off_t at, ac_error *err) AC_MUST_USE;
ac_status tree_file_done(tree *t, int fd, bool executable, struct timespec modified, ac_error *err) AC_MUST_USE;

ac_status tree_symlink(tree *t, const char *path, const char *target, struct timespec modified, ac_error *err)
    AC_MUST_USE;

/* Another name for a file that is there. */
ac_status tree_hardlink(tree *t, const char *path, const char *target, ac_error *err) AC_MUST_USE;

/* Remove what is there, if anything. */
ac_status tree_remove(tree *t, const char *path, ac_error *err) AC_MUST_USE;

/* Open the directory a path is in.  AC_ERR_NOT_FOUND: it is not there (make: it is made); AC_ERR_INVALID: a file or a
 * link stands in the way.  The fd is the tree's until its next call; *ret_leaf points into path. */
ac_status tree_parent(tree *t, const char *path, bool make, int *ret_fd, const char **ret_leaf, ac_error *err)
    AC_MUST_USE;

/* Forget which directories are open: some were removed. */
void tree_forget(tree *t);

/* ---- tree_remove.c ---- */

/* Remove name and all that is in it, if it is there. */
ac_status remove_tree(int directory_fd, const char *name, ac_error *err) AC_MUST_USE;

/* Paths of this layer, which whiteouts in it do not mean. */
typedef struct path_set {
    uint64_t *slots;
    size_t capacity, count;
    uint64_t seed;
} path_set;

void path_set_done(path_set *set);
/* The path and every directory above it. */
ac_status path_set_add(path_set *set, const char *path) AC_MUST_USE;
bool path_set_has(const path_set *set, const char *path);

/* Remove path (children_only: what is in it), but what set knows.  Nothing there is fine. */
ac_status tree_hide(tree *t, const char *path, bool children_only, const path_set *set, ac_error *err) AC_MUST_USE;

/* ---- record.c ---- */

/* artifact.json of an unpacked artifact; directory is the one it lies in.  Reading: texts live in memory;
 * AC_ERR_NOT_FOUND when there is none, AC_ERR_IO when it is not one of ours. */
ac_status record_write(const char *directory, const artifact *a, const char *source, const work *w, ac_error *err)
    AC_MUST_USE;
ac_status record_read(const char *directory, arena *memory, artifact *a, ac_error *err) AC_MUST_USE;

/* Strings of a JSON array, ending with NULL; NULL for no array (ret_strings) at all.  AC_ERR_INVALID: not strings, or
 * with a NUL in one; AC_ERR_NOMEM. */
ac_status json_strings(yyjson_val *array, arena *memory, const char *const **ret_strings) AC_MUST_USE;

/* ---- artifacts.c ---- */

/* A digest that a thread works on. */
typedef struct flight {
    artifacts *all; /* NULL: none */
    char digest[ARTIFACT_DIGEST_SIZE];
    struct flight *next;
} flight;

struct artifacts {
    char *data_dir; /* absolute */
    bool readable_by_all;
    bool s3;
    char *s3_url, *s3_region; /* s3_url: may be NULL */
    int directory_fd;         /* DATA/artifacts */
    atomic_bool closing;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* flights, calls */
    flight *flights;
    unsigned calls;     /* running */
    http_client *http;  /* once S3 was asked */
    aws_provider *keys; /* the same */
};

/* Where an artifact comes from. */
typedef struct artifact_source {
    bool image;
    const char *name; /* for messages and artifact.json */
    /* Look for it, and say what it is. */
    ac_status (*find)(void *user, work *w, char ret_digest[ARTIFACT_DIGEST_SIZE], ac_error *err);
    /* Unpack what was found, and say what an image has in its config. */
    ac_status (*fill)(void *user, tree *t, work *w, arena *memory, artifact *a, ac_error *err);
    void *user;
} artifact_source;

/* What both calls of artifacts.h do. */
ac_status artifact_get(artifacts *all, const artifact_source *source, const char *digest, arena *memory,
                       artifact *ret_artifact, ac_error *err) AC_MUST_USE;

/* A new file on the data directory's disk, which has no name any more. */
ac_status artifacts_scratch(artifacts *all, int *ret_fd, ac_error *err) AC_MUST_USE;

/* ---- zip.c ---- */

/* Unpack a zip file of so many bytes.  w->packed_bytes is set. */
ac_status zip_unpack(int fd, uint64_t bytes, tree *t, work *w, ac_error *err) AC_MUST_USE;

/* ---- s3.c ---- */

/* Whether a bucket and a key are names at all.  AC_ERR_INVALID. */
ac_status s3_check_names(const char *bucket, const char *key, const char *version, ac_error *err) AC_MUST_USE;

/* Get an object into a file. */
ac_status s3_fetch(artifacts *all, const artifact_code *code, const work *w, int fd, ac_error *err) AC_MUST_USE;

#endif
