/* layout.c - from a tag or a digest to the manifest for this machine (image-index.md, annotations.md).
 *
 * An index lists descriptors; a tag is an annotation of one, in two forms:
 *     org.opencontainers.image.ref.name   "TAG" by skopeo, umoci, buildah; "HOST/REPOSITORY:TAG" by some
 *     io.containerd.image.name            "HOST/REPOSITORY:TAG" by docker save and ctr
 * What is tagged is a manifest, or an index with one manifest per platform, or an index of such an index.  Several
 * descriptors with one tag are one image for several platforms, when their platforms differ. */
#include "daemon/artifacts/image_internal.h"

#include <stdio.h>

#define INDEX_DEPTH_MAX 4
#define INDEX_ENTRIES_MAX 4096

#if defined(__x86_64__)
#define MACHINE "amd64"
#elif defined(__aarch64__)
#define MACHINE "arm64"
#elif defined(__arm__)
#define MACHINE "arm"
#elif defined(__i386__)
#define MACHINE "386"
#elif defined(__riscv) && __riscv_xlen == 64
#define MACHINE "riscv64"
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define MACHINE "ppc64le"
#elif defined(__s390x__)
#define MACHINE "s390x"
#elif defined(__loongarch64)
#define MACHINE "loong64"
#else
#define MACHINE "unknown"
#endif

const char *machine_architecture(void)
{
    return MACHINE;
}

bool media_type_is_index(const char *type)
{
    return strcmp(type, "application/vnd.oci.image.index.v1+json") == 0 ||
           strcmp(type, "application/vnd.docker.distribution.manifest.list.v2+json") == 0;
}

bool media_type_is_manifest(const char *type)
{
    return strcmp(type, "application/vnd.oci.image.manifest.v1+json") == 0 ||
           strcmp(type, "application/vnd.docker.distribution.manifest.v2+json") == 0;
}

/* ---- choosing among descriptors ---- */

static const char *annotation(yyjson_val *value, const char *name)
{
    return ac_json_string(yyjson_obj_get(value, "annotations"), name, NULL);
}

/* "TAG", or "...:TAG" with no slash behind the colon. */
static bool names_tag(const char *name, const char *tag)
{
    const char *slash = name ? strrchr(name, '/') : NULL;
    const char *colon = name ? strrchr(slash ? slash : name, ':') : NULL;

    return name && (strcmp(name, tag) == 0 || (colon && strcmp(colon + 1, tag) == 0));
}

static bool has_tag(yyjson_val *value, const char *tag)
{
    return names_tag(annotation(value, "org.opencontainers.image.ref.name"), tag) ||
           names_tag(annotation(value, "io.containerd.image.name"), tag);
}

static bool is_tagged(yyjson_val *value)
{
    return annotation(value, "org.opencontainers.image.ref.name") || annotation(value, "io.containerd.image.name");
}

/* Whether a descriptor without a platform, or with this one, may be for this machine; what is no image never is. */
static bool is_for_machine(yyjson_val *value)
{
    yyjson_val *platform = yyjson_obj_get(value, "platform");

    if (annotation(value, "vnd.docker.reference.type")) /* an attestation of another manifest */
        return false;
    return !platform || (strcmp(ac_json_string(platform, "os", ""), "linux") == 0 &&
                         strcmp(ac_json_string(platform, "architecture", ""), MACHINE) == 0);
}

typedef struct choice {
    yyjson_val *chosen;
    size_t suitable, others; /* different blobs for this machine; descriptors for other machines */
} choice;

static void consider(choice *c, yyjson_val *value)
{
    if (!is_for_machine(value)) {
        c->others++;
        return;
    }
    if (c->chosen && strcmp(ac_json_string(c->chosen, "digest", ""), ac_json_string(value, "digest", "")) == 0)
        return; /* the same under two names */
    c->suitable++;
    if (!c->chosen)
        c->chosen = value;
}

/* ---- from an index to a manifest ---- */

static ac_status entries_of(yyjson_doc *index, yyjson_val **ret_entries, ac_error *err)
{
    *ret_entries = yyjson_obj_get(yyjson_doc_get_root(index), "manifests");
    if (!yyjson_is_arr(*ret_entries) || yyjson_arr_size(*ret_entries) > INDEX_ENTRIES_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "an index has no list of manifests");
    return AC_OK;
}

static ac_status settle(const choice *c, const char *what, ac_error *err)
{
    if (c->suitable > 1)
        return ac_error_set(err, AC_ERR_INVALID, "there is more than one image %s", what);
    if (c->suitable == 0 && c->others > 0)
        return ac_error_set(err, AC_ERR_NOT_FOUND, "none of its images is for this machine, linux/%s", MACHINE);
    if (c->suitable == 0)
        return ac_error_set(err, AC_ERR_NOT_FOUND, "there is no image %s", what);
    return AC_OK;
}

/* Go down while it is an index. */
static ac_status descend(int layout_fd, descriptor *d, ac_error *err)
{
    for (int depth = 0; media_type_is_index(d->media_type); depth++) {
        _cleanup_(json_doc_freep) yyjson_doc *index = NULL;
        yyjson_val *entries, *entry;
        yyjson_arr_iter each;
        choice c = {0};

        if (depth == INDEX_DEPTH_MAX)
            return ac_error_set(err, AC_ERR_INVALID, "indexes lie deeper than %d in each other", INDEX_DEPTH_MAX);
        AC_TRY(blob_read_json(layout_fd, d, &index, err));
        AC_TRY(entries_of(index, &entries, err));
        yyjson_arr_iter_init(entries, &each);
        while ((entry = yyjson_arr_iter_next(&each)))
            consider(&c, entry);
        AC_TRY(settle(&c, "for this machine in its index", err));
        AC_TRY(descriptor_read(c.chosen, d, err));
    }
    if (!media_type_is_manifest(d->media_type))
        return ac_error_set(err, AC_ERR_INVALID, "%s is not the manifest of an image",
                            *d->media_type ? show_text(d->media_type).text : "a descriptor without a media type");
    return AC_OK;
}

/* ---- from a reference to a descriptor ---- */

/* The tags there are, for the message. */
static void list_tags(yyjson_val *entries, char *text, size_t room)
{
    size_t used = 0;
    yyjson_arr_iter each;
    yyjson_val *entry;

    text[0] = '\0';
    yyjson_arr_iter_init(entries, &each);
    while ((entry = yyjson_arr_iter_next(&each))) {
        const char *name = annotation(entry, "org.opencontainers.image.ref.name");
        int length;

        if (!name)
            name = annotation(entry, "io.containerd.image.name");
        if (!name)
            continue;
        length = snprintf(text + used, room - used, "%s%s", used ? ", " : "", show_text(name).text);
        if (length < 0 || (size_t)length >= room - used) {
            text[used] = '\0';
            return;
        }
        used += (size_t)length;
    }
}

static ac_status choose_tag(yyjson_val *entries, const char *tag, choice *c, ac_error *err)
{
    char what[TAG_SIZE + 32], tags[200];
    yyjson_arr_iter each;
    yyjson_val *entry;

    yyjson_arr_iter_init(entries, &each);
    while ((entry = yyjson_arr_iter_next(&each)))
        if (has_tag(entry, tag))
            consider(c, entry);
    if (c->suitable + c->others == 0 && strcmp(tag, "latest") == 0 && yyjson_arr_size(entries) == 1 &&
        !is_tagged(yyjson_arr_get_first(entries)))
        consider(c, yyjson_arr_get_first(entries));
    snprintf(what, sizeof what, "with the tag %s", tag);
    if (c->suitable + c->others > 0)
        return settle(c, what, err);
    list_tags(entries, tags, sizeof tags);
    return ac_error_set(err, AC_ERR_NOT_FOUND, "there is no image %s%s%s", what, *tags ? "; there are: " : "", tags);
}

/* A digest may be of what no index lists any more; its blob says what it is. */
static ac_status choose_digest(int layout_fd, const char *digest, descriptor *d, ac_error *err)
{
    _cleanup_(json_doc_freep) yyjson_doc *doc = NULL;
    yyjson_val *root;
    ac_status status;

    *d = (descriptor){.bytes = UINT64_MAX};
    snprintf(d->digest, sizeof d->digest, "%s", digest);
    status = blob_read_json(layout_fd, d, &doc, err);
    if (status != AC_OK)
        return status;
    root = yyjson_doc_get_root(doc);
    snprintf(d->media_type, sizeof d->media_type, "%s",
             ac_json_string(root, "mediaType",
                            yyjson_obj_get(root, "manifests") ? "application/vnd.oci.image.index.v1+json"
                            : yyjson_obj_get(root, "layers")  ? "application/vnd.oci.image.manifest.v1+json"
                                                              : ""));
    return AC_OK;
}

static ac_status check_version(int layout_fd, ac_error *err)
{
    _cleanup_(json_doc_freep) yyjson_doc *doc = NULL;
    const char *version;

    AC_TRY(layout_read_json(layout_fd, "oci-layout", &doc, err));
    version = ac_json_string(yyjson_doc_get_root(doc), "imageLayoutVersion", "");
    if (strncmp(version, "1.", 2) != 0)
        return ac_error_set(err, AC_ERR_INVALID, "it is an OCI image layout of version \"%s\", and not of 1.0.0",
                            show_text(version).text);
    return AC_OK;
}

ac_status layout_find(int layout_fd, const image_reference *reference, descriptor *ret_manifest, ac_error *err)
{
    _cleanup_(json_doc_freep) yyjson_doc *index = NULL;
    yyjson_val *entries;
    choice c = {0};

    AC_TRY(check_version(layout_fd, err));
    AC_TRY(layout_read_json(layout_fd, "index.json", &index, err));
    AC_TRY(entries_of(index, &entries, err));
    if (*reference->digest) {
        AC_TRY(choose_digest(layout_fd, reference->digest, ret_manifest, err));
    } else {
        AC_TRY(choose_tag(entries, reference->tag, &c, err));
        AC_TRY(descriptor_read(c.chosen, ret_manifest, err));
    }
    return descend(layout_fd, ret_manifest, err);
}
