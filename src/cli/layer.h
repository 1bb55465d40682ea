/* layer.h - files on their way into an image: one tar file, the same for the same files. */
#ifndef CLI_LAYER_H
#define CLI_LAYER_H

#include "cli/text.h"

#include <stdint.h>

typedef struct layer_entry {
    const char *place;  /* "app/hello": without a slash in front */
    const char *source; /* a file here; NULL: text */
    const char *text;   /* contents, or, of a link, its target; NULL with source NULL: a directory */
    bool link;
    mode_t mode;
    size_t order; /* in which it was added: of several for one place the last counts */
} layer_entry;

typedef struct layer {
    layer_entry *entries;
    size_t count, room;
} layer;

/* A file: executable when it is one here.  One that has its place already is replaced. */
void layer_add_file(layer *l, const char *source, const char *place);
void layer_add_program(layer *l, const char *source, const char *place);
void layer_add_text(layer *l, const char *text, const char *place);
void layer_add_directory(layer *l, const char *place, mode_t mode);

/* All files of a directory, links as links.  skip (may be NULL) says which names are left out.  AC_ERR_INVALID: a
 * device, socket or FIFO in it. */
ac_status layer_add_tree(layer *l, const char *source, const char *place, bool (*skip)(const char *name), ac_error *err)
    AC_MUST_USE;

#define DIGEST_SIZE 72 /* "sha256:" and 64 digits, and the NUL */

/* Write it as a gzip file to path.  Directories that are needed are made.  Owner and times are zero, the order is that
 * of names.  ret_diff_id is the digest of the tar file, ret_digest and *ret_size are those of what is written. */
ac_status layer_write(layer *l, const char *path, char ret_diff_id[DIGEST_SIZE], char ret_digest[DIGEST_SIZE],
                      uint64_t *ret_size, ac_error *err) AC_MUST_USE;

/* The same as a plain tar file. */
ac_status layer_write_plain(layer *l, const char *path, ac_error *err) AC_MUST_USE;

/* Put the entries in order, with the directories they need. */
void layer_sort(layer *l);

/* The digest of some bytes. */
void digest_of(const void *data, size_t length, char ret_digest[DIGEST_SIZE]);
ac_status digest_of_file(const char *path, char ret_digest[DIGEST_SIZE], ac_error *err) AC_MUST_USE;

#endif
