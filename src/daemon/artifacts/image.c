/* image.c - container images: from a name to an unpacked root file system. */
#include "daemon/artifacts/image_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

typedef struct image_source {
    artifacts *all;
    image_reference reference;
    int layout_fd;
    descriptor manifest;
} image_source;

static ac_status open_layout(image_source *s, ac_error *err)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof path, "%s/images/%s", s->all->data_dir, s->reference.repository) >= (int)sizeof path)
        return ac_error_set(err, AC_ERR_INVALID, "the name is too long");
    s->layout_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->layout_fd >= 0)
        return AC_OK;
    if (errno != ENOENT && errno != ENOTDIR)
        return work_failed(err, "open", path);
    return ac_error_set(err, AC_ERR_NOT_FOUND,
                        "there is no OCI image layout %s (skopeo copy SOURCE oci:%s:TAG makes one)", path, path);
}

static ac_status find_image(void *user, work *w, char ret_digest[ARTIFACT_DIGEST_SIZE], ac_error *err)
{
    image_source *s = user;

    (void)w;
    AC_TRY(open_layout(s, err));
    AC_TRY(layout_find(s->layout_fd, &s->reference, &s->manifest, err));
    snprintf(ret_digest, ARTIFACT_DIGEST_SIZE, "%s", s->manifest.digest);
    return AC_OK;
}

static ac_status apply_layers(const image_source *s, const image_plan *plan, tree *t, work *w, ac_error *err)
{
    for (size_t i = 0; i < plan->layer_count; i++) {
        if (plan->layers[i].blob.bytes > ARTIFACT_UNPACKED_BYTES_MAX)
            return ac_error_set(err, AC_ERR_TOO_LARGE, "a layer has more than %llu bytes",
                                (unsigned long long)ARTIFACT_UNPACKED_BYTES_MAX);
        w->packed_bytes += plan->layers[i].blob.bytes;
    }
    AC_TRY(work_check_space(t->root_fd, w->packed_bytes, err));
    for (size_t i = 0; i < plan->layer_count; i++) {
        ac_error why = {0};
        ac_status status = layer_apply(s->layout_fd, &plan->layers[i], t, w, &why);

        if (status != AC_OK)
            return ac_error_set(err, status, "layer %zu of %zu: %s", i + 1, plan->layer_count, why.message);
    }
    return AC_OK;
}

static ac_status fill_image(void *user, tree *t, work *w, arena *memory, artifact *a, ac_error *err)
{
    const image_source *s = user;
    image_plan *plan = arena_alloc(memory, sizeof *plan);

    if (!plan)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    AC_TRY(image_plan_read(s->layout_fd, &s->manifest, memory, plan, a, err));
    AC_TRY(apply_layers(s, plan, t, w, err));
    return image_user_find(t->root_fd, plan->user, &a->uid, &a->gid, err);
}

ac_status artifact_image_get(artifacts *all, const char *uri, const char *digest, arena *memory, artifact *ret_artifact,
                             ac_error *err)
{
    image_source s = {.all = all, .layout_fd = -1};
    artifact_source source = {.image = true, .name = uri, .find = find_image, .fill = fill_image, .user = &s};
    ac_error why = {0};
    ac_status status = image_reference_parse(uri, &s.reference, &why);

    *ret_artifact = (artifact){.image = true};
    if (status != AC_OK)
        return ac_error_set(err, status, "%s: %s", show_text(uri).text, why.message);
    status = artifact_get(all, &source, digest, memory, ret_artifact, err);
    if (s.layout_fd >= 0)
        close(s.layout_fd);
    return status;
}
