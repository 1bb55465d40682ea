/* aws_store.c - the three requests to other services of AWS that a deployment takes, signed with the client's keys.
 *
 * Endpoints can be named as for every AWS tool: AWS_ENDPOINT_URL_ECR, AWS_ENDPOINT_URL_S3. */
#include "cli/aws_store.h"

#include <agentcore/json.h>
#include <stdlib.h>
#include <string.h>

#define ECR_TARGET "AmazonEC2ContainerRegistry_V20150921."

static const char *endpoint(const char *variable, const char *usual)
{
    const char *named = getenv(variable);
    size_t length = named ? strlen(named) : 0;

    while (length && named[length - 1] == '/')
        length--;
    return length ? keep_text(named, length) : usual;
}

static const char *suffix(const char *region)
{
    return starts_with(region, "cn-") ? "amazonaws.com.cn" : "amazonaws.com";
}

static ac_status sign(ac_client *client, const char *service, web_request *r, const char *sha256, ac_error *err)
{
    ac_signature *signature = NULL;

    TRY(ac_client_sign(client,
                       &(ac_signable){.service = service,
                                      .method = r->method,
                                      .url = r->url,
                                      .headers = r->headers,
                                      .header_count = r->header_count,
                                      .body = r->body,
                                      .length = r->length,
                                      .body_sha256 = sha256},
                       &signature, err));
    for (size_t i = 0; i < signature->header_count; i++)
        web_header(r, signature->headers[i].name, textf("%s", signature->headers[i].value));
    ac_signature_free(signature);
    return AC_OK;
}

/* ---- ECR ---- */

/* "...#RepositoryAlreadyExistsException" without what is before the '#'. */
static const char *exception_of(yyjson_val *root)
{
    const char *type = ac_json_string(root, "__type", ""), *hash = strrchr(type, '#');

    return hash ? hash + 1 : type;
}

static ac_status ecr_call(ac_client *client, const char *operation, const char *body, yyjson_doc **ret,
                          const char **ret_exception, ac_error *err)
{
    const char *region = ac_client_region(client);
    web_request r = {
        .method = "POST",
        .url = textf("%s/", endpoint("AWS_ENDPOINT_URL_ECR", textf("https://api.ecr.%s.%s", region, suffix(region)))),
        .body = body,
        .length = strlen(body),
    };
    web_answer answer;

    web_header(&r, "Content-Type", "application/x-amz-json-1.1");
    web_header(&r, "X-Amz-Target", textf(ECR_TARGET "%s", operation));
    TRY(sign(client, "ecr", &r, NULL, err));
    TRY(web_send(&r, &answer, err));
    if (ac_json_read(answer.body, answer.length, NULL, ret, NULL) != AC_OK)
        return ac_error_set(err, AC_ERR_PROTOCOL, "ECR answers %d and no JSON", answer.status);
    *ret_exception = answer.status == 200 ? NULL : textf("%s", exception_of(yyjson_doc_get_root(*ret)));
    if (*ret_exception) {
        const char *said = ac_json_string(yyjson_doc_get_root(*ret), "message", "");

        ac_error_set(err, answer.status == 403 ? AC_ERR_DENIED : AC_ERR_STATE, "ECR: %s: %.300s", *ret_exception, said);
    }
    return AC_OK;
}

static ac_status make_repository(ac_client *client, const char *name, ac_error *err)
{
    yyjson_doc *doc = NULL;
    const char *exception;

    TRY(ecr_call(client, "CreateRepository", textf("{\"repositoryName\": \"%s\"}", name), &doc, &exception, err));
    yyjson_doc_free(doc);
    if (exception && strcmp(exception, "RepositoryAlreadyExistsException") != 0)
        return AC_ERR_STATE;
    return AC_OK;
}

ac_status ecr_open(ac_client *client, const char *repository, registry *ret, ac_error *err)
{
    yyjson_doc *doc = NULL;
    const char *exception, *token, *url;
    yyjson_val *data;

    TRY(ecr_call(client, "GetAuthorizationToken", "{}", &doc, &exception, err));
    data = yyjson_arr_get_first(yyjson_obj_get(yyjson_doc_get_root(doc), "authorizationData"));
    token = ac_json_string(data, "authorizationToken", NULL);
    url = ac_json_string(data, "proxyEndpoint", NULL);
    if (token && url)
        *ret = (registry){.url = web_origin(textf("%s", url)),
                          .repository = repository,
                          .basic = textf("%s", token),
                          .authorization = textf("Basic %s", token)};
    yyjson_doc_free(doc);
    if (exception)
        return AC_ERR_STATE;
    if (!token || !url)
        return ac_error_set(err, AC_ERR_PROTOCOL, "ECR's answer has no token");
    return make_repository(client, repository, err);
}

/* ---- S3 ---- */

ac_status s3_put(ac_client *client, const char *bucket, const char *key, const char *file, const char *sha256,
                 ac_error *err)
{
    const char *region = ac_client_region(client), *named = endpoint("AWS_ENDPOINT_URL_S3", NULL);
    web_request r = {
        .method = "PUT",
        .url = named ? textf("%s/%s/%s", named, bucket, key)
                     : textf("https://%s.s3.%s.%s/%s", bucket, region, suffix(region), key),
        .file = file,
    };
    web_answer answer;

    web_header(&r, "Content-Type", "application/zip");
    TRY(sign(client, "s3", &r, sha256, err));
    TRY(web_send(&r, &answer, err));
    if (answer.status == 200)
        return AC_OK;
    const char *code = strstr(answer.body, "<Code>");
    return ac_error_set(err, answer.status == 403 ? AC_ERR_DENIED : AC_ERR_STATE,
                        "S3 does not take s3://%s/%s: %d %.*s", bucket, key, answer.status,
                        code ? (int)strcspn(code + 6, "<") : 0, code ? code + 6 : "");
}
