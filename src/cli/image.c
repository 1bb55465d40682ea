/* image.c - writing OCI layouts.
 *
 * Blobs come first, the index last, each by renaming: whoever reads the layout meanwhile sees the old image or the new
 * one.  Those who write it take turns by a lock on the directory. */
#include "cli/image.h"

#include "cli/cli.h"

#include <agentcore/json.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_TYPE "application/vnd.oci.image.config.v1+json"
#define LAYER_TYPE "application/vnd.oci.image.layer.v1.tar+gzip"
#define REF_NAME "org.opencontainers.image.ref.name"
#define USER "1000:1000"

static const char passwd[] = "root:x:0:0:root:/root:/sbin/nologin\nagent:x:1000:1000:agent:/home/agent:/sbin/nologin\n";
static const char group[] = "root:x:0:\nagent:x:1000:\n";

const char *image_blob_path(const char *layout, const char *digest)
{
    return textf("%s/blobs/sha256/%s", layout, digest + strlen("sha256:"));
}

/* ---- JSON ---- */

static char *json_text(yyjson_mut_doc *doc, yyjson_mut_val *root)
{
    char *text = root ? yyjson_mut_val_write(root, 0, NULL) : NULL, *kept;

    if (!text)
        nomem();
    kept = textf("%s", text);
    free(text);
    yyjson_mut_doc_free(doc);
    return kept;
}

static yyjson_mut_val *list(yyjson_mut_doc *doc, const words *w)
{
    yyjson_mut_val *items = yyjson_mut_arr(doc);

    for (size_t i = 0; i < w->count; i++)
        yyjson_mut_arr_add_str(doc, items, w->items[i]);
    return items;
}

static char *config_text(const image_plan *plan, const char *diff_id)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *ports = yyjson_mut_obj(doc);

    yyjson_mut_obj_add(ports, yyjson_mut_strcpy(doc, textf("%d/tcp", plan->port)), yyjson_mut_obj(doc));
    return json_text(doc,
                     ac_json_pack(doc, "{s:s, s:s, s:{s:o, s:o, s:o, s:{s:s}, s:s, s:s}, s:{s:s, s:[s]}, s:[{s:s}]}",
                                  "architecture", plan->architecture, "os", "linux", "config", "Entrypoint",
                                  list(doc, &plan->entrypoint), "Env", list(doc, &plan->environment), "ExposedPorts",
                                  ports, "Labels", "org.opencontainers.image.title", plan->title, "User", USER,
                                  "WorkingDir", plan->directory, "rootfs", "type", "layers", "diff_ids", diff_id,
                                  "history", "created_by", "agentcore package"));
}

static char *manifest_text(const image *i)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

    return json_text(doc, ac_json_pack(doc, "{s:i, s:s, s:{s:s, s:s, s:U}, s:[{s:s, s:s, s:U}]}", "schemaVersion", 2,
                                       "mediaType", IMAGE_MANIFEST_TYPE, "config", "mediaType", CONFIG_TYPE, "digest",
                                       i->config.digest, "size", i->config.size, "layers", "mediaType", LAYER_TYPE,
                                       "digest", i->layer.digest, "size", i->layer.size));
}

static bool has_tag(yyjson_val *entry, const char *tag)
{
    return strcmp(ac_json_string(yyjson_obj_get(entry, "annotations"), REF_NAME, ""), tag) == 0;
}

/* The index with our manifest under its tag; *ret_others: how many entries it has beside it. */
static ac_status index_text(const char *layout, const image_plan *plan, const image *made, const char *tag, char **ret,
                            size_t *ret_others, ac_error *err)
{
    const char *path = textf("%s/index.json", layout);
    yyjson_mut_doc *doc;
    yyjson_mut_val *entries;
    yyjson_doc *old = NULL;
    yyjson_val *entry;
    size_t i, count, length;
    char *text;

    *ret_others = 0;
    if (is_file(path)) {
        TRY(file_get(path, &text, &length, err));
        if (ac_json_read(text, length, NULL, &old, NULL) != AC_OK)
            return ac_error_set(err, AC_ERR_INVALID, "%s is not JSON: this is no OCI layout", path);
    }
    doc = yyjson_mut_doc_new(NULL);
    entries = yyjson_mut_arr(doc);
    yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(old), "manifests"), i, count, entry)
    {
        if (has_tag(entry, tag))
            continue;
        yyjson_mut_arr_append(entries, yyjson_val_mut_copy(doc, entry));
        ++*ret_others;
    }
    yyjson_doc_free(old);
    yyjson_mut_arr_append(entries, ac_json_pack(doc, "{s:s, s:s, s:U, s:{s:s, s:s}, s:{s:s}}", "mediaType",
                                                IMAGE_MANIFEST_TYPE, "digest", made->manifest.digest, "size",
                                                made->manifest.size, "platform", "architecture", plan->architecture,
                                                "os", "linux", "annotations", REF_NAME, tag));
    *ret = json_text(doc, ac_json_pack(doc, "{s:i, s:o}", "schemaVersion", 2, "manifests", entries));
    return AC_OK;
}

/* ---- blobs ---- */

static ac_status put_text(const char *layout, const char *text, image_blob *ret, ac_error *err)
{
    ret->size = strlen(text);
    digest_of(text, strlen(text), ret->digest);
    return file_put(image_blob_path(layout, ret->digest), text, strlen(text), 0644, err);
}

static void add_common_files(image_plan *plan)
{
    layer_add_text(&plan->files, passwd, "etc/passwd");
    layer_add_text(&plan->files, group, "etc/group");
    layer_add_directory(&plan->files, "home/agent", 0755);
    layer_add_directory(&plan->files, "tmp", 01777);
}

static ac_status put_layer(image_plan *plan, const char *layout, char ret_diff_id[DIGEST_SIZE], image_blob *ret,
                           ac_error *err)
{
    const char *beside = textf("%s/blobs/sha256/.%d.layer", layout, (int)getpid());
    ac_status status = layer_write(&plan->files, beside, ret_diff_id, ret->digest, &ret->size, err);

    if (status == AC_OK && rename(beside, image_blob_path(layout, ret->digest)) != 0)
        status = file_error(err, "write", image_blob_path(layout, ret->digest));
    if (status != AC_OK)
        unlink(beside);
    return status;
}

/* Blobs of the image that was there, and what was left by somebody who was interrupted. */
static void remove_others(const char *layout, const image *made)
{
    const char *path = textf("%s/blobs/sha256", layout);
    const image_blob *blobs[] = {&made->manifest, &made->config, &made->layer};
    DIR *directory = opendir(path);
    const struct dirent *entry;

    while (directory && (entry = readdir(directory))) {
        bool ours = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;

        for (size_t i = 0; i < ARRAY_SIZE(blobs); i++)
            ours = ours || strcmp(entry->d_name, blobs[i]->digest + strlen("sha256:")) == 0;
        if (!ours)
            unlinkat(dirfd(directory), entry->d_name, 0);
    }
    if (directory)
        closedir(directory);
}

static ac_status write_all(image_plan *plan, const char *path, const char *tag, bool tidy, image *ret, ac_error *err)
{
    static const char version[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
    char diff_id[DIGEST_SIZE], *text = NULL;
    size_t others;

    add_common_files(plan);
    TRY(put_layer(plan, path, diff_id, &ret->layer, err));
    TRY(put_text(path, config_text(plan, diff_id), &ret->config, err));
    TRY(put_text(path, manifest_text(ret), &ret->manifest, err));
    TRY(file_put(textf("%s/oci-layout", path), version, sizeof version - 1, 0644, err));
    TRY(index_text(path, plan, ret, tag, &text, &others, err));
    TRY(file_put(textf("%s/index.json", path), text, strlen(text), 0644, err));
    if (tidy && others == 0)
        remove_others(path, ret);
    return AC_OK;
}

ac_status image_write(image_plan *plan, const char *path, const char *tag, bool tidy, image *ret, ac_error *err)
{
    const char *blobs = textf("%s/blobs/sha256", path);
    bool was_there = access(path, F_OK) == 0;
    ac_status status = directory_make(blobs, err);
    int lock = -1;

    if (status == AC_OK) {
        lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (lock < 0 || flock(lock, LOCK_EX) != 0)
            status = file_error(err, "lock", path);
    }
    if (status == AC_OK)
        status = write_all(plan, path, tag, tidy, ret, err);
    if (status != AC_OK && !was_there)
        tree_remove(path);
    if (lock >= 0)
        close(lock);
    return status;
}

/* ---- as a tar file ---- */

ac_status image_archive(const char *layout, const char *path, ac_error *err)
{
    layer files = {0};
    const char *beside = textf("%s.%d", path, (int)getpid());
    ac_status status;

    TRY(layer_add_tree(&files, layout, "", NULL, err));
    status = layer_write_plain(&files, beside, err);
    if (status == AC_OK && rename(beside, path) != 0)
        status = file_error(err, "write", path);
    if (status != AC_OK)
        unlink(beside);
    return status;
}
