/* manifest.c - what an image is made of, and how it is started (manifest.md, config.md; docker's schema 2).
 *
 * Layers and diff_ids stand in parallel: the digest of a layer as it is stored, and of the tar file in it. */
#include "daemon/artifacts/image_internal.h"

#include <stdio.h>

static const struct {
    const char *type;
    layer_packing packing;
} layer_types[] = {
    {"application/vnd.oci.image.layer.v1.tar", LAYER_PLAIN},
    {"application/vnd.oci.image.layer.v1.tar+gzip", LAYER_GZIP},
    {"application/vnd.oci.image.layer.v1.tar+zstd", LAYER_ZSTD},
    {"application/vnd.docker.image.rootfs.diff.tar", LAYER_PLAIN},
    {"application/vnd.docker.image.rootfs.diff.tar.gzip", LAYER_GZIP},
    {"application/vnd.docker.image.rootfs.diff.tar.zstd", LAYER_ZSTD},
};

static const char *const config_types[] = {
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
};

/* ---- layers ---- */

static ac_status refuse_layer(const char *type, ac_error *err)
{
    const char *shown_type = *type ? type : "(none)";

    if (strstr(type, "+encrypted"))
        return ac_error_set(err, AC_ERR_INVALID, "a layer is encrypted (%s); decrypt the image first",
                            show_text(type).text);
    if (strstr(type, "nondistributable") || strstr(type, "foreign"))
        return ac_error_set(err, AC_ERR_INVALID, "a layer is not in the image but must be fetched elsewhere (%s)",
                            show_text(type).text);
    return ac_error_set(err, AC_ERR_INVALID, "a layer has the media type %s, which is not known here",
                        show_text(shown_type).text);
}

static ac_status read_layer(yyjson_val *value, image_layer *layer, ac_error *err)
{
    AC_TRY(descriptor_read(value, &layer->blob, err));
    for (size_t i = 0; i < ARRAY_SIZE(layer_types); i++)
        if (strcmp(layer->blob.media_type, layer_types[i].type) == 0) {
            layer->packing = layer_types[i].packing;
            return AC_OK;
        }
    return refuse_layer(layer->blob.media_type, err);
}

static ac_status read_layers(yyjson_val *layers, image_plan *plan, ac_error *err)
{
    yyjson_arr_iter each;
    yyjson_val *value;

    if (!yyjson_is_arr(layers) || yyjson_arr_size(layers) == 0)
        return ac_error_set(err, AC_ERR_INVALID, "the manifest lists no layers");
    if (yyjson_arr_size(layers) > ARTIFACT_LAYERS_MAX)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "it has more than %d layers", ARTIFACT_LAYERS_MAX);
    yyjson_arr_iter_init(layers, &each);
    while ((value = yyjson_arr_iter_next(&each)))
        AC_TRY(read_layer(value, &plan->layers[plan->layer_count++], err));
    return AC_OK;
}

static ac_status read_diff_ids(yyjson_val *config, image_plan *plan, ac_error *err)
{
    yyjson_val *ids = yyjson_obj_get(yyjson_obj_get(config, "rootfs"), "diff_ids"), *value;
    yyjson_arr_iter each;
    size_t count = 0;

    if (!yyjson_is_arr(ids) || yyjson_arr_size(ids) != plan->layer_count)
        return ac_error_set(err, AC_ERR_INVALID, "the manifest has %zu layers, and the config has digests of %zu",
                            plan->layer_count, yyjson_arr_size(ids));
    yyjson_arr_iter_init(ids, &each);
    while ((value = yyjson_arr_iter_next(&each))) {
        const char *digest = yyjson_get_str(value);

        if (!digest || !digest_valid(digest))
            return ac_error_set(err, AC_ERR_INVALID, "a diff_id of the config is no digest");
        snprintf(plan->layers[count++].diff_id, ARTIFACT_DIGEST_SIZE, "%s", digest);
    }
    return AC_OK;
}

/* ---- how it is started ---- */

static ac_status read_strings(yyjson_val *config, const char *key, arena *memory, const char *const **ret_strings,
                              ac_error *err)
{
    ac_status status = json_strings(yyjson_obj_get(config, key), memory, ret_strings);

    if (status == AC_ERR_INVALID)
        return ac_error_set(err, status, "%s of the image's config is not a list of strings", key);
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "out of memory");
}

static ac_status read_string(yyjson_val *config, const char *key, arena *memory, const char **ret_text, ac_error *err)
{
    yyjson_val *value = yyjson_obj_get(config, key);
    const char *text = value && !yyjson_is_null(value) ? yyjson_get_str(value) : "";

    if (!text || strlen(text) != (*text ? yyjson_get_len(value) : 0))
        return ac_error_set(err, AC_ERR_INVALID, "%s of the image's config is not a string", key);
    *ret_text = arena_copy(memory, text, strlen(text));
    return *ret_text ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static size_t count_of(const char *const *strings)
{
    size_t count = 0;

    while (strings && strings[count])
        count++;
    return count;
}

/* Entrypoint and then Cmd; NULL when there is neither. */
static ac_status join(const char *const *first, const char *const *second, arena *memory, const char *const **ret_all,
                      ac_error *err)
{
    size_t before = count_of(first), after = count_of(second);
    const char **all;

    *ret_all = NULL;
    if (before + after == 0)
        return AC_OK;
    all = arena_zalloc(memory, (before + after + 1) * sizeof *all);
    if (!all)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < before + after; i++)
        all[i] = i < before ? first[i] : second[i - before];
    *ret_all = all;
    return AC_OK;
}

static ac_status read_start(yyjson_val *config, arena *memory, image_plan *plan, artifact *a, ac_error *err)
{
    const char *const *entrypoint, *const *command;

    AC_TRY(read_strings(config, "Entrypoint", memory, &entrypoint, err));
    AC_TRY(read_strings(config, "Cmd", memory, &command, err));
    AC_TRY(read_strings(config, "Env", memory, &a->environment, err));
    AC_TRY(join(entrypoint, command, memory, &a->argv, err));
    AC_TRY(read_string(config, "User", memory, &plan->user, err));
    AC_TRY(read_string(config, "WorkingDir", memory, &a->working_directory, err));
    if (!*a->working_directory)
        a->working_directory = NULL;
    return AC_OK;
}

/* ---- manifest and config ---- */

static ac_status check_machine(yyjson_val *config, ac_error *err)
{
    const char *os = ac_json_string(config, "os", "linux");
    const char *architecture = ac_json_string(config, "architecture", machine_architecture());

    if (strcmp(os, "linux") == 0 && strcmp(architecture, machine_architecture()) == 0)
        return AC_OK;
    return ac_error_set(err, AC_ERR_NOT_FOUND, "the image is for %s/%s, and this machine is linux/%s",
                        show_text(os).text, show_text(architecture).text, machine_architecture());
}

static ac_status read_config(int layout_fd, const descriptor *d, arena *memory, image_plan *plan, artifact *a,
                             ac_error *err)
{
    _cleanup_(json_doc_freep) yyjson_doc *doc = NULL;
    yyjson_val *root;
    bool known = false;

    for (size_t i = 0; i < ARRAY_SIZE(config_types); i++)
        known = known || strcmp(d->media_type, config_types[i]) == 0;
    if (!known)
        return ac_error_set(err, AC_ERR_INVALID, "its config has the media type %s: it is no container image",
                            *d->media_type ? show_text(d->media_type).text : "(none)");
    AC_TRY(blob_read_json(layout_fd, d, &doc, err));
    root = yyjson_doc_get_root(doc);
    AC_TRY(check_machine(root, err));
    AC_TRY(read_diff_ids(root, plan, err));
    return read_start(yyjson_obj_get(root, "config"), memory, plan, a, err);
}

ac_status image_plan_read(int layout_fd, const descriptor *manifest, arena *memory, image_plan *ret_plan, artifact *a,
                          ac_error *err)
{
    _cleanup_(json_doc_freep) yyjson_doc *doc = NULL;
    descriptor config;
    yyjson_val *root;

    *ret_plan = (image_plan){.user = ""};
    AC_TRY(blob_read_json(layout_fd, manifest, &doc, err));
    root = yyjson_doc_get_root(doc);
    if (ac_json_int(root, "schemaVersion", 0) != 2 ||
        !media_type_is_manifest(ac_json_string(root, "mediaType", manifest->media_type)))
        return ac_error_set(err, AC_ERR_INVALID, "%.19s... is not the manifest of an image", manifest->digest);
    AC_TRY(read_layers(yyjson_obj_get(root, "layers"), ret_plan, err));
    AC_TRY(descriptor_read(yyjson_obj_get(root, "config"), &config, err));
    return read_config(layout_fd, &config, memory, ret_plan, a, err);
}
