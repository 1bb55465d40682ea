/* deploy_store.c - handing an image or code over: to agentcored's directories, or to AWS. */
#include "cli/aws_store.h"
#include "cli/deploy.h"
#include "cli/interrupt.h"
#include "cli/term.h"

#include <agentcore/json.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUCKET "agents"
#define TAG "latest"
#define AWS_ARCHITECTURE "arm64" /* the one AgentCore Runtime runs */

/* ---- agentcored ---- */

/* A directory of ours in its data directory, closed to others as the rest is. */
static ac_status own_directory(const char *path, ac_error *err)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return AC_OK;
    ac_status status = file_error(err, "make", path);
    return status == AC_ERR_DENIED
               ? ac_error_set(err, status, "cannot write to %s; deploy as the user that runs agentcored", path)
               : status;
}

/* As image references are: in lower case, and with one '_' at a time, none of them last. */
static const char *repository_of(const char *name)
{
    char *made = textf("%s", name), *end = made;

    for (const char *at = name; *at; at++)
        if (*at != '_')
            *end++ = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
        else if (at[1] && at[1] != '_')
            *end++ = '_';
    *end = '\0';
    return made;
}

static ac_status store_image(cli *c, const project *p, const char *data_dir, deployed_artifact *ret, ac_error *err)
{
    const char *architecture, *name = repository_of(p->name);
    image_plan plan;
    image made;

    TRY(artifact_architecture(c, &architecture, err));
    TRY(artifact_plan_project(c, p, architecture, &plan, err));
    TRY(interrupt_check(c, err));
    TRY(own_directory(textf("%s/images", data_dir), err));
    ret->made = textf("%s/images/%s", data_dir, name);
    ret->made_new = access(ret->made, F_OK) != 0;
    TRY(image_write(&plan, ret->made, TAG, true, &made, err));
    ret->image = textf("%s:" TAG "@%s", name, made.manifest.digest);
    memcpy(ret->digest, made.manifest.digest, DIGEST_SIZE);
    return AC_OK;
}

static ac_status store_code(cli *c, const project *p, const char *data_dir, deployed_artifact *ret, ac_error *err)
{
    TRY(own_directory(textf("%s/buckets", data_dir), err));
    TRY(own_directory(textf("%s/buckets/" BUCKET, data_dir), err));
    ret->bucket = BUCKET;
    ret->key = textf("%s.zip", p->name);
    ret->made = textf("%s/buckets/" BUCKET "/%s", data_dir, ret->key);
    ret->made_new = access(ret->made, F_OK) != 0;
    return artifact_zip(c, p, (zip_options){.stored = true}, ret->made, &ret->runtime, ret->digest, err);
}

ac_status artifact_store_local(cli *c, const project *p, const service *s, deployed_artifact *ret, ac_error *err)
{
    if (!s->data_dir)
        return ac_error_set(err, AC_ERR_STATE,
                            "the data directory of the agentcored on %s is not known here; deploy on its machine, and "
                            "say --data-dir",
                            s->url);
    return is_code(p) ? store_code(c, p, s->data_dir, ret, err) : store_image(c, p, s->data_dir, ret, err);
}

void artifact_remove_local(const service *s, yyjson_val *runtime)
{
    yyjson_val *artifact = yyjson_obj_get(runtime, "agentRuntimeArtifact");
    yyjson_val *code = yyjson_obj_get(yyjson_obj_get(artifact, "codeConfiguration"), "code");
    const char *name = ac_json_string(runtime, "agentRuntimeName", "");
    const char *uri = ac_json_string(yyjson_obj_get(artifact, "containerConfiguration"), "containerUri", "");
    const char *bucket = ac_json_string(yyjson_obj_get(code, "s3"), "bucket", "");
    const char *key = ac_json_string(yyjson_obj_get(code, "s3"), "prefix", "");

    if (!s->data_dir || !*name)
        return;
    /* As only deploy names them. */
    if (starts_with(uri, textf("%s:" TAG "@sha256:", repository_of(name))))
        tree_remove(textf("%s/images/%s", s->data_dir, repository_of(name)));
    if (strcmp(bucket, BUCKET) == 0 && strcmp(key, textf("%s.zip", name)) == 0)
        unlink(textf("%s/buckets/" BUCKET "/%s", s->data_dir, key));
}

/* ---- AWS ---- */

static ac_status push_image(cli *c, const project *p, const service *s, const char *folder, deployed_artifact *ret,
                            ac_error *err)
{
    const char *architecture, *layout = textf("%s/image", folder);
    image_plan plan;
    registry r;
    image made;

    TRY(artifact_architecture(c, &architecture, err));
    TRY(artifact_plan_project(c, p, architecture ? architecture : AWS_ARCHITECTURE, &plan, err));
    TRY(image_write(&plan, layout, TAG, false, &made, err));
    TRY(interrupt_check(c, err));
    if (flag(c, OPT_REGISTRY))
        TRY(registry_parse(c, option(c, OPT_REGISTRY), &r, err));
    else
        TRY(ecr_open(s->client, repository_of(p->name), &r, err));
    memcpy(ret->digest, made.manifest.digest, DIGEST_SIZE);
    /* A tag that names the contents: pushing again never changes what a version was made of. */
    return registry_push(&r, layout, &made, keep_text(made.manifest.digest + strlen("sha256:"), 12), &ret->image, err);
}

static ac_status push_code(cli *c, const project *p, const service *s, const char *folder, deployed_artifact *ret,
                           ac_error *err)
{
    const char *file = textf("%s/code.zip", folder), *digest;

    ret->bucket = option(c, OPT_BUCKET);
    if (!ret->bucket)
        return usage_error(c, err, "code is deployed to AWS by way of S3; name a bucket of yours: --bucket NAME");
    TRY(artifact_zip(c, p, (zip_options){.for_aws = true}, file, &ret->runtime, ret->digest, err));
    digest = ret->digest + strlen("sha256:");
    ret->key = textf("agentcore/%s/%.16s.zip", p->name, digest);
    progress("Putting the code into s3://%s", ret->bucket);
    return s3_put(s->client, ret->bucket, ret->key, file, digest, err);
}

ac_status artifact_store_aws(cli *c, const project *p, const service *s, deployed_artifact *ret, ac_error *err)
{
    char *folder = textf("%s/agentcore.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    ac_status status;

    if (!mkdtemp(folder))
        return file_error(err, "make a directory in", "/tmp");
    status = is_code(p) ? push_code(c, p, s, folder, ret, err) : push_image(c, p, s, folder, ret, err);
    tree_remove(folder);
    return status;
}
