/* image.h - container images in OCI layouts (image-layout.md, manifest.md, config.md of the OCI image format). */
#ifndef CLI_IMAGE_H
#define CLI_IMAGE_H

#include "cli/layer.h"

typedef struct image_plan {
    layer files;
    const char *architecture;
    const char *title;     /* for the label */
    words entrypoint;      /* program and arguments */
    words environment;     /* NAME=VALUE */
    const char *directory; /* where it starts: "/app" */
    int port;
} image_plan;

typedef struct image_blob {
    char digest[DIGEST_SIZE];
    uint64_t size;
} image_blob;

typedef struct image {
    image_blob manifest, config, layer;
} image;

/* Add the image to the layout at path, which is made when it is not there, under a tag, which it takes from whatever
 * had it.  There is all of it, or the layout stays as it was.  With tidy, blobs of the image that had the tag go, when
 * the layout holds nothing else. */
ac_status image_write(image_plan *plan, const char *path, const char *tag, bool tidy, image *ret, ac_error *err)
    AC_MUST_USE;

/* A layout as one tar file. */
ac_status image_archive(const char *layout, const char *path, ac_error *err) AC_MUST_USE;

/* Where a blob of a layout lies. */
const char *image_blob_path(const char *layout, const char *digest);

#define IMAGE_MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"

#endif
