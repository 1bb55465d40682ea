/* artifacts.h - what is deployed: code in a zip file, or a container image, found, checked, unpacked and kept.
 *
 * An artifact is known by the digest of what it was made from, so a version that was deployed stays what it was even
 * when the zip file or the tag it came from changes.  Unpacked once, it lies in the data directory, read by all
 * sessions and written by none:
 *
 *     DATA/buckets/BUCKET/KEY            zip files: where s3://BUCKET/KEY is looked for
 *     DATA/images/REPOSITORY/            OCI image layouts; tags are org.opencontainers.image.ref.name in index.json,
 *                                        as `skopeo copy SOURCE oci:DATA/images/REPOSITORY:TAG` writes them
 *     DATA/artifacts/code/sha256-HEX/    unpacked: root/ (what is in it) and artifact.json (what it is)
 *     DATA/artifacts/image/sha256-HEX/
 *
 * Unpacking is done in a directory of its own beside, which is renamed when it is complete, so a crash leaves nothing
 * half-made that could be taken for whole; what it leaves is removed at the next start. */
#ifndef DAEMON_ARTIFACTS_ARTIFACTS_H
#define DAEMON_ARTIFACTS_ARTIFACTS_H

#include "base/arena.h"

#include <stdbool.h>

/* Limits; beyond them an artifact is refused. */
#define ARTIFACT_ZIP_BYTES_MAX ((uint64_t)1 << 30)      /* the file itself */
#define ARTIFACT_UNPACKED_BYTES_MAX ((uint64_t)8 << 30) /* all files of it */
#define ARTIFACT_RATIO_MAX 200                          /* unpacked to packed, beyond the first 64 MiB */
#define ARTIFACT_FILES_MAX 500000
#define ARTIFACT_PATH_MAX 4096
#define ARTIFACT_LAYERS_MAX 128
#define ARTIFACT_JSON_BYTES_MAX ((size_t)4 << 20) /* a manifest, an index, a config */
#define ARTIFACT_DIGEST_SIZE 72                   /* "sha256:" and 64 digits */

typedef struct artifacts artifacts;

typedef struct artifacts_options {
    const char *data_dir;
    bool s3;               /* also look in real S3 for what is not in DATA/buckets */
    const char *s3_url;    /* another S3 (path style); NULL: AWS's, virtual-host style, by region */
    const char *s3_region; /* NULL: us-east-1 */
    bool readable_by_all;  /* sessions run under another user: directories 0755, files 0644 or 0755 */
} artifacts_options;

ac_status artifacts_open(const artifacts_options *options, artifacts **ret_all, ac_error *err) AC_MUST_USE;

/* Have calls that run end with AC_ERR_CLOSED, wait for them, and release all. */
void artifacts_close(artifacts *all);

/* What came of it; texts live in the arena that was passed. */
typedef struct artifact {
    char digest[ARTIFACT_DIGEST_SIZE]; /* of the zip file, or of the image's manifest for this machine */
    bool image;
    const char *directory; /* absolute: what is in it; the root file system of an image */
    /* Of images, from their config; NULL or 0 where it says nothing. */
    const char *const *argv; /* Entrypoint and Cmd; ends with NULL */
    const char *const *environment;
    const char *working_directory;
    unsigned uid, gid; /* of User, looked up in the image's /etc/passwd and /etc/group when it is a name */
} artifact;

/* Where code is. */
typedef struct artifact_code {
    const char *bucket, *key;
    const char *version; /* of the object; NULL: the newest.  In DATA/buckets: KEY.versions/VERSION when there is one,
                            else it is an error */
    const char *const *entry_point; /* its first file must be in the zip; ends with NULL */
} artifact_code;

/* Find, check and unpack; at once when that was done before.  digest (NULL: whatever there is now) is that of an
 * earlier call: then what is unpacked already is used without a look at the source, and a source that has changed is
 * AC_ERR_CONFLICT.  Blocks; several threads may ask for the same, one works.  The message of an error is for the person
 * who deploys: it says what is wrong with what, and where it was looked for.
 * AC_ERR_NOT_FOUND: no such object, image, tag, entry point, or none for this machine's architecture; AC_ERR_INVALID:
 * not a zip file, not an OCI layout, wrong digest, a missing layer, names or links that lead out, a name that is no
 * image reference; AC_ERR_TOO_LARGE: a limit above; AC_ERR_DENIED, AC_ERR_IO, AC_ERR_TIMEOUT: S3 or the disk;
 * AC_ERR_CLOSED: artifacts_close; AC_ERR_NOMEM. */
ac_status artifact_code_get(artifacts *all, const artifact_code *code, const char *digest, arena *memory,
                            artifact *ret_artifact, ac_error *err) AC_MUST_USE;

/* uri: "REPOSITORY[:TAG][@sha256:HEX]", with or without a registry's host in front (123456789012.dkr.ecr...,
 * localhost:5000, ghcr.io), which does not matter here. */
ac_status artifact_image_get(artifacts *all, const char *uri, const char *digest, arena *memory, artifact *ret_artifact,
                             ac_error *err) AC_MUST_USE;

/* Remove everything unpacked whose digest `used` does not know.  Not while sessions of it run: the caller sees to
 * that.  AC_ERR_IO. */
ac_status artifacts_collect(artifacts *all, bool (*used)(const char *digest, void *user), void *user, ac_error *err)
    AC_MUST_USE;

#endif
