/* registry.c - the push side of the OCI distribution specification, version 1.1.
 *
 *     HEAD /v2/NAME/blobs/DIGEST              is it there?
 *     POST /v2/NAME/blobs/uploads/            where to? (Location)
 *     PUT  LOCATION?digest=DIGEST             all of it at once
 *     PUT  /v2/NAME/manifests/TAG
 *
 * A registry that answers 401 says what it wants: Basic, or a Bearer token from its token server, which is asked with
 * the user's keys (or without).  The answer is used for what follows.  Keys go to the registry and its token server
 * alone, not to the storage that an upload may be sent to. */
#include "cli/registry.h"

#include "cli/interrupt.h"
#include "cli/term.h"

#include <agentcore/json.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- names ---- */

static const char *docker_auth(const char *host)
{
    const char *folder = getenv("DOCKER_CONFIG"), *home = getenv("HOME");
    const char *path = folder ? textf("%s/config.json", folder) : textf("%s/.docker/config.json", home ? home : "");
    yyjson_doc *doc = NULL;
    const char *auth = NULL;
    char *text;
    size_t length;

    if (!is_file(path) || file_get(path, &text, &length, NULL) != AC_OK ||
        ac_json_read(text, length, NULL, &doc, NULL) != AC_OK)
        return NULL;
    auth = ac_json_string(yyjson_obj_get(yyjson_obj_get(yyjson_doc_get_root(doc), "auths"), host), "auth", NULL);
    auth = auth ? textf("%s", auth) : NULL;
    yyjson_doc_free(doc);
    return auth;
}

static const char host_letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]";
static const char name_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789._-/";

ac_status registry_parse(cli *c, const char *reference, registry *ret, ac_error *err)
{
    const char *scheme = strstr(reference, "://"), *host = scheme ? scheme + 3 : reference, *slash = strchr(host, '/');
    size_t host_length = slash ? (size_t)(slash - host) : 0;

    if (scheme && !starts_with(reference, "http://") && !starts_with(reference, "https://"))
        return usage_error(c, err, "a registry is reached by http:// or https://, not by %.40s", reference);
    if (!slash || host_length == 0 || strspn(host, host_letters) < host_length || !slash[1] ||
        strspn(slash + 1, name_letters) != strlen(slash + 1))
        return usage_error(c, err, "--registry takes HOST/REPOSITORY in lower case, not \"%.100s\"", reference);
    *ret = (registry){
        .url = textf("%.*s%.*s", scheme ? (int)(host - reference) : 8, scheme ? reference : "https://",
                     (int)host_length, host),
        .repository = slash + 1,
    };
    ret->basic = docker_auth(keep_text(host, host_length));
    return AC_OK;
}

/* ---- authentication ---- */

/* A parameter of a challenge: realm="..." */
static const char *parameter(const char *challenge, const char *name)
{
    const char *at = challenge, *value;

    while ((at = strcasestr(at, name))) {
        value = at + strlen(name);
        if ((at == challenge || strchr(" ,", at[-1])) && value[0] == '=' && value[1] == '"')
            return keep_text(value + 2, strcspn(value + 2, "\""));
        at = value;
    }
    return NULL;
}

static const char *escaped(const char *text)
{
    char *out = textf("%s", "");

    for (; *text; text++)
        out = strchr(" &#+%?", *text) ? textf("%s%%%02X", out, (unsigned char)*text) : textf("%s%c", out, *text);
    return out;
}

static ac_status fetch_token(registry *r, const char *challenge, ac_error *err)
{
    const char *realm = parameter(challenge, "realm"), *service = parameter(challenge, "service");
    web_request request = {.method = "GET"};
    web_answer answer;
    yyjson_doc *doc = NULL;
    const char *token;

    if (!realm ||
        (!starts_with(realm, "https://") && !(starts_with(realm, "http://") && starts_with(r->url, "http://"))))
        return ac_error_set(err, AC_ERR_PROTOCOL, "%s names no token server that can be trusted", r->url);
    request.url = textf("%s%cservice=%s&scope=%s", realm, strchr(realm, '?') ? '&' : '?',
                        escaped(service ? service : ""), escaped(textf("repository:%s:pull,push", r->repository)));
    if (r->basic)
        web_header(&request, "Authorization", textf("Basic %s", r->basic));
    TRY(web_send(&request, &answer, err));
    if (answer.status == 200 && ac_json_read(answer.body, answer.length, NULL, &doc, NULL) != AC_OK)
        doc = NULL;
    token = ac_json_string(yyjson_doc_get_root(doc), "token", NULL);
    token = token ? token : ac_json_string(yyjson_doc_get_root(doc), "access_token", NULL);
    r->authorization = token ? textf("Bearer %s", token) : NULL;
    yyjson_doc_free(doc);
    if (r->authorization)
        return AC_OK;
    return ac_error_set(err, AC_ERR_DENIED,
                        "the registry's token server answers %d; log in: docker login, or skopeo login", answer.status);
}

static ac_status answer_challenge(registry *r, const web_answer *answer, ac_error *err)
{
    const char *challenge = answer->challenge ? answer->challenge : "";

    if (strncasecmp(challenge, "Bearer ", 7) == 0)
        return fetch_token(r, challenge + 7, err);
    if (strncasecmp(challenge, "Basic", 5) == 0 && r->basic) {
        r->authorization = textf("Basic %s", r->basic);
        return AC_OK;
    }
    return ac_error_set(err, AC_ERR_DENIED, "%s wants a login; log in: docker login %s, or skopeo login %s", r->url,
                        strstr(r->url, "://") + 3, strstr(r->url, "://") + 3);
}

/* Send with what is accepted; once more when it says what it wants. */
static ac_status ask(registry *r, web_request *request, web_answer *ret, ac_error *err)
{
    bool ours = strcmp(web_origin(request->url), r->url) == 0;
    size_t own_count = request->header_count;

    for (int attempt = 0;; attempt++) {
        request->header_count = own_count;
        if (ours && r->authorization)
            web_header(request, "Authorization", r->authorization);
        TRY(web_send(request, ret, err));
        if (ret->status != 401 || attempt == 1 || !ours)
            return AC_OK;
        TRY(answer_challenge(r, ret, err));
    }
}

/* ---- what went wrong ---- */

static ac_status refused(const registry *r, const char *what, const web_answer *answer, ac_error *err)
{
    yyjson_doc *doc = answer->length ? yyjson_read(answer->body, answer->length, 0) : NULL;
    yyjson_val *first = yyjson_arr_get_first(yyjson_obj_get(yyjson_doc_get_root(doc), "errors"));
    ac_status status = answer->status == 401 || answer->status == 403 ? AC_ERR_DENIED : AC_ERR_STATE;

    ac_error_set(err, status, "%s does not take %s: status %d%s%.200s", r->url, what, answer->status, first ? ": " : "",
                 ac_json_string(first, "message", ""));
    yyjson_doc_free(doc);
    return status;
}

/* ---- pushing ---- */

static ac_status push_blob(registry *r, const char *layout, const char *digest, ac_error *err)
{
    web_request look = {.method = "HEAD", .url = textf("%s/v2/%s/blobs/%s", r->url, r->repository, digest)};
    web_request begin = {.method = "POST", .url = textf("%s/v2/%s/blobs/uploads/", r->url, r->repository)};
    web_request put = {.method = "PUT", .file = image_blob_path(layout, digest)};
    web_answer answer;
    const char *place;

    TRY(ask(r, &look, &answer, err));
    if (answer.status == 200)
        return AC_OK;
    if (answer.status != 404)
        return refused(r, "the image", &answer, err);
    TRY(ask(r, &begin, &answer, err));
    if (answer.status != 202 || !answer.location || !(place = web_resolve(begin.url, answer.location)))
        return refused(r, "an upload", &answer, err);
    put.url = textf("%s%cdigest=%s", place, strchr(place, '?') ? '&' : '?', digest);
    web_header(&put, "Content-Type", "application/octet-stream");
    TRY(ask(r, &put, &answer, err));
    return answer.status == 201 ? AC_OK : refused(r, "a layer", &answer, err);
}

static ac_status push_manifest(registry *r, const char *layout, const image *made, const char *tag, ac_error *err)
{
    web_request put = {.method = "PUT", .url = textf("%s/v2/%s/manifests/%s", r->url, r->repository, tag)};
    web_answer answer;
    char *text;

    TRY(file_get(image_blob_path(layout, made->manifest.digest), &text, &put.length, err));
    put.body = text;
    web_header(&put, "Content-Type", IMAGE_MANIFEST_TYPE);
    TRY(ask(r, &put, &answer, err));
    if (answer.status != 201)
        return refused(r, "the manifest", &answer, err);
    if (answer.content_digest && strcmp(answer.content_digest, made->manifest.digest) != 0)
        return ac_error_set(err, AC_ERR_PROTOCOL, "%s has stored another manifest (%.80s) than the one that was sent",
                            r->url, answer.content_digest);
    return AC_OK;
}

ac_status registry_push(registry *r, const char *layout, const image *made, const char *tag, const char **ret_reference,
                        ac_error *err)
{
    const char *host = strstr(r->url, "://") + 3;

    progress("Pushing to %s/%s", host, r->repository);
    TRY(push_blob(r, layout, made->layer.digest, err));
    TRY(push_blob(r, layout, made->config.digest, err));
    TRY(push_manifest(r, layout, made, tag, err));
    *ret_reference = textf("%s/%s:%s", host, r->repository, tag);
    return AC_OK;
}
