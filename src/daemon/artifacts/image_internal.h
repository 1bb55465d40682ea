/* image_internal.h - the steps from an image's name to its files.
 *
 *     reference.c     "REPOSITORY[:TAG][@DIGEST]"
 *     blob.c          a blob of a layout, whose size and digest are verified
 *     layout.c        index.json: from a tag to the manifest for this machine
 *     manifest.c      manifest and config
 *     layer.c layer_stream.c   a layer: tar, over what the layers before it made
 *     image_user.c    User, looked up in the image's passwd and group */
#ifndef DAEMON_ARTIFACTS_IMAGE_INTERNAL_H
#define DAEMON_ARTIFACTS_IMAGE_INTERNAL_H

#include "daemon/artifacts/internal.h"

#include <yyjson.h>

#define REPOSITORY_SIZE 256
#define TAG_SIZE 129

/* ---- reference.c ---- */

typedef struct image_reference {
    char repository[REPOSITORY_SIZE];  /* without the registry's host */
    char tag[TAG_SIZE];                /* "" with a digest and no tag; "latest" with neither */
    char digest[ARTIFACT_DIGEST_SIZE]; /* "" when there is none */
} image_reference;

/* AC_ERR_INVALID; the message says what is wrong, without the reference. */
ac_status image_reference_parse(const char *uri, image_reference *ret_reference, ac_error *err) AC_MUST_USE;

/* ---- blob.c ---- */

/* A descriptor: what a blob must be. */
typedef struct descriptor {
    char digest[ARTIFACT_DIGEST_SIZE];
    uint64_t bytes; /* UINT64_MAX: not known */
    char media_type[128];
} descriptor;

/* AC_ERR_INVALID: not a descriptor, or of a digest other than SHA-256. */
ac_status descriptor_read(yyjson_val *value, descriptor *ret_descriptor, ac_error *err) AC_MUST_USE;

/* Open a blob of the layout, and look at its size.  AC_ERR_INVALID: it is missing or of another size;
 * AC_ERR_NOT_FOUND: missing, and nothing that is there names it (its size is not known). */
ac_status blob_open(int layout_fd, const descriptor *d, int *ret_fd, ac_error *err) AC_MUST_USE;

/* Read and verify a blob that is JSON.  *ret_doc is freed with yyjson_doc_free.  Errors as above, AC_ERR_TOO_LARGE. */
ac_status blob_read_json(int layout_fd, const descriptor *d, yyjson_doc **ret_doc, ac_error *err) AC_MUST_USE;

/* A JSON file of the layout itself. */
ac_status layout_read_json(int layout_fd, const char *name, yyjson_doc **ret_doc, ac_error *err) AC_MUST_USE;

static inline void json_doc_freep(yyjson_doc **doc)
{
    yyjson_doc_free(*doc);
}

/* ---- layout.c ---- */

/* Find the manifest for this machine.  AC_ERR_NOT_FOUND: no such tag or digest, or none for this machine;
 * AC_ERR_INVALID: not an OCI layout, or more than one image of that name. */
ac_status layout_find(int layout_fd, const image_reference *reference, descriptor *ret_manifest, ac_error *err)
    AC_MUST_USE;

/* This machine, in OCI's words: "amd64". */
const char *machine_architecture(void);

bool media_type_is_index(const char *type);
bool media_type_is_manifest(const char *type);

/* ---- manifest.c ---- */

typedef enum layer_packing { LAYER_PLAIN, LAYER_GZIP, LAYER_ZSTD } layer_packing;

typedef struct image_layer {
    descriptor blob;
    layer_packing packing;
    char diff_id[ARTIFACT_DIGEST_SIZE]; /* of the tar file in it */
} image_layer;

typedef struct image_plan {
    size_t layer_count;
    image_layer layers[ARTIFACT_LAYERS_MAX];
    const char *user; /* "" for root */
} image_plan;

/* Read the manifest and the config; a gets argv, environment and working_directory, whose texts live in memory.
 * AC_ERR_NOT_FOUND: for another machine; AC_ERR_INVALID, AC_ERR_TOO_LARGE. */
ac_status image_plan_read(int layout_fd, const descriptor *manifest, arena *memory, image_plan *ret_plan, artifact *a,
                          ac_error *err) AC_MUST_USE;

/* ---- layer_stream.c ---- */

struct archive;

/* A layer's blob, verified as it is read: as a tar file for libarchive. */
typedef struct layer_stream layer_stream;

ac_status layer_stream_open(int fd, const image_layer *layer, const work *w, layer_stream **ret_stream, ac_error *err)
    AC_MUST_USE;
void layer_stream_close(layer_stream *s);

/* libarchive's reader of it.  Around the reading of each header, layer_stream_header says so. */
struct archive *layer_stream_tar(layer_stream *s);
void layer_stream_header(layer_stream *s, bool reading);

/* What went wrong in reading: the stream's own reason when it has one, else libarchive's. */
ac_status layer_stream_failed(layer_stream *s, ac_error *err);

/* Read what follows the tar file's end, and compare both digests. */
ac_status layer_stream_finish(layer_stream *s, ac_error *err) AC_MUST_USE;

/* ---- layer.c ---- */

/* Put a layer over what is in the tree. */
ac_status layer_apply(int layout_fd, const image_layer *layer, tree *t, work *w, ac_error *err) AC_MUST_USE;

/* ---- image_user.c ---- */

/* User of a config ("", "name", "1000", "name:group", "1000:1000", ...).  Names are looked up in the tree's etc/passwd
 * and etc/group.  AC_ERR_INVALID: no such name, or no number. */
ac_status image_user_find(int root_fd, const char *user, unsigned *ret_uid, unsigned *ret_gid, ac_error *err)
    AC_MUST_USE;

#endif
