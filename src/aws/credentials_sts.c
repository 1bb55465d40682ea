/* credentials_sts.c - AssumeRole and AssumeRoleWithWebIdentity of the Security Token Service, version 2011-06-15.
 *
 * The request is a form, the answer XML of a fixed shape; the few elements that matter are cut out by name, inside
 * <Credentials> alone.  The endpoint is AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL, the profile's endpoint_url, or the
 * region's. */
#include "aws/credentials_internal.h"

#include "aws/sigv4.h"
#include "aws/uri.h"
#include "http/client_retry.h"

#include <stdio.h>
#include <string.h>

#define FORM_BYTES_MAX ((size_t)128 << 10)
#define ANSWER_BYTES_MAX ((size_t)256 << 10)
#define TIMEOUT_MS 10000
#define FORM_TYPE "application/x-www-form-urlencoded; charset=utf-8"
#define REQUEST_FIELDS_MAX (2 + SIGV4_FIELDS_MAX)

typedef struct sts_request {
    chain_walk *walk;
    const sts_call *call;
    http_client *http;
    aws_endpoint endpoint;
    char region[REGION_SIZE];
    char url[AWS_HOST_SIZE + AWS_BASE_PATH_SIZE + 32];
    char path[AWS_BASE_PATH_SIZE + 1];
    buf form;
    aws_credentials *result;
} sts_request;

/* ---- where to ---- */

static const char *configured_url(const chain_walk *w, const char *profile)
{
    const aws_env *env = &w->chain->env;
    const char *ignore = aws_env_get(env, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), *url;

    if (ignore && strcasecmp(ignore, "true") == 0)
        return NULL;
    url = aws_env_get(env, "AWS_ENDPOINT_URL_STS");
    if (!url)
        url = aws_env_get(env, "AWS_ENDPOINT_URL");
    return url ? url : profiles_get(&w->files, profile, "endpoint_url");
}

static ac_status resolve(sts_request *r, const char *profile, ac_error *err)
{
    const char *url = configured_url(r->walk, profile);
    char standard[AWS_HOST_SIZE];

    AC_TRY(walk_region(r->walk, profile, r->region, err));
    if (!url) {
        snprintf(standard, sizeof(standard), "https://sts.%s.amazonaws.com%s", r->region,
                 strncmp(r->region, "cn-", 3) == 0 ? ".cn" : "");
        url = standard;
    }
    AC_TRY(aws_endpoint_parse(url, &r->endpoint, err));
    snprintf(r->path, sizeof(r->path), "%s/", r->endpoint.base_path);
    snprintf(r->url, sizeof(r->url), "%s://%s%s", r->endpoint.tls ? "https" : "http", r->endpoint.authority, r->path);
    return AC_OK;
}

/* ---- the question ---- */

static ac_status add_pair(buf *form, const char *name, const char *value)
{
    if (!value)
        return AC_OK;
    AC_TRY(buf_appendf(form, "%s%s=", form->length ? "&" : "", name));
    return uri_encode(form, value, strlen(value), URI_ENCODE_SLASH);
}

static ac_status write_form(buf *form, const sts_call *call)
{
    AC_TRY(add_pair(form, "Action", call->action));
    AC_TRY(add_pair(form, "Version", "2011-06-15"));
    AC_TRY(add_pair(form, "RoleArn", call->role_arn));
    AC_TRY(add_pair(form, "RoleSessionName", call->session_name));
    AC_TRY(add_pair(form, "ExternalId", call->external_id));
    AC_TRY(add_pair(form, "DurationSeconds", call->duration));
    return add_pair(form, "WebIdentityToken", call->identity_token);
}

static http_header header_of(const char *name, const char *value)
{
    return (http_header){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
}

static ac_status sign(const sts_request *r, arena *a, sigv4_fields *ret_fields, ac_error *err)
{
    const aws_credentials *keys = r->call->signer;
    const http_header headers[] = {header_of("Host", r->endpoint.authority), header_of("Content-Type", FORM_TYPE)};
    sigv4_signer signer = {
        .access_key = keys->access_key,
        .secret_key = keys->secret_key,
        .session_token = keys->session_token,
        .region = r->region,
        .service = "sts",
    };
    sigv4_request request = {
        .method = "POST",
        .path = r->path,
        .headers = headers,
        .header_count = ARRAY_SIZE(headers),
        .body = r->form.data,
        .body_length = r->form.length,
    };

    return sigv4_sign(&signer, &request, chain_now_ms(r->walk->chain) / 1000, a, ret_fields, err);
}

/* ---- the answer ---- */

/* The text between <name> and </name>, the five entities of XML replaced, NUL-terminated. */
static bool element(const char *xml, const char *name, buf *out)
{
    static const struct {
        const char *entity;
        char character;
    } entities[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    char tag[64];

    snprintf(tag, sizeof(tag), "<%s>", name);
    const char *at = strstr(xml, tag);
    if (!at)
        return false;
    for (at += strlen(tag); *at && *at != '<';) {
        char c = *at;
        size_t length = 1;

        for (size_t i = 0; c == '&' && i < ARRAY_SIZE(entities); i++)
            if (strncmp(at, entities[i].entity, strlen(entities[i].entity)) == 0) {
                length = strlen(entities[i].entity);
                c = entities[i].character;
            }
        if (buf_append(out, &c, 1) != AC_OK)
            return false;
        at += length;
    }
    return *at == '<' && buf_terminate(out);
}

static ac_status read_keys(sts_request *r, const char *xml, ac_error *err)
{
    static const char *const names[] = {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"};
    const char *inside = strstr(xml, "<Credentials>");
    buf values[ARRAY_SIZE(names)];
    ac_status status = AC_OK;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        values[i] = BUF_INIT(ANSWER_BYTES_MAX);
        values[i].secret = true;
        if (status == AC_OK && (!inside || !element(inside, names[i], &values[i])))
            status = ac_error_set(err, AC_ERR_PROTOCOL, "the answer of STS has no %s", names[i]);
    }
    aws_credentials parts = {.source = r->call->source};
    if (status == AC_OK && !parse_expiration(values[3].data, &parts.expires_ms))
        status = ac_error_set(err, AC_ERR_PROTOCOL, "the answer of STS has a malformed Expiration");
    if (status == AC_OK) {
        parts.access_key = values[0].data;
        parts.secret_key = values[1].data;
        parts.session_token = values[2].data;
        status = credentials_from_pair("the answer of STS", &parts, &r->result, err);
    }
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        buf_done(&values[i]);
    return status;
}

static ac_status read_error(const sts_request *r, const http_client_response *response, const char *xml,
                            http_attempt *attempt, ac_error *err)
{
    _cleanup_(buf_done) buf code = BUF_INIT(256);
    _cleanup_(buf_done) buf message = BUF_INIT(4096);
    bool has_code = element(xml, "Code", &code), has_message = element(xml, "Message", &message);

    attempt->outcome = http_outcome_of(HTTP_FAILURE_NONE, response->head.status, has_code ? code.data : NULL);
    attempt->retry_after_ms = http_retry_after_ms(&response->head);
    ac_status status = response->head.status >= 500 ? AC_ERR_IO : AC_ERR_DENIED;
    ac_error_set(err, status, "%s for %s failed: %s (%d) %s", r->call->action, r->call->role_arn,
                 has_code ? code.data : "no error code", response->head.status, has_message ? message.data : "");
    if (err && has_code) {
        snprintf(err->aws_name, sizeof(err->aws_name), "%s", code.data);
        err->http_status = response->head.status;
    }
    return status;
}

static ac_status ask(void *user, http_attempt *attempt, ac_error *err)
{
    sts_request *r = user;
    _cleanup_(arena_done) arena a = ARENA_INIT;
    http_field fields[REQUEST_FIELDS_MAX] = {{"Host", r->endpoint.authority}, {"Content-Type", FORM_TYPE}};
    http_client_response response;
    sigv4_fields signature = {0};

    if (r->call->signer)
        AC_TRY(sign(r, &a, &signature, err));
    for (size_t i = 0; i < signature.count; i++)
        fields[2 + i] = signature.fields[i];
    http_client_request request = {
        .method = "POST",
        .url = r->url,
        .headers = fields,
        .header_count = 2 + signature.count,
        .body = r->form.data,
        .body_length = r->form.length,
        .connect_timeout_ms = TIMEOUT_MS,
        .first_byte_timeout_ms = TIMEOUT_MS,
        .body_bytes_max = ANSWER_BYTES_MAX,
        .secret = true,
    };
    ac_status status = http_client_fetch(r->http, &request, &response, err);
    const char *xml = status == AC_OK ? buf_terminate(&response.body) : NULL;
    if (status != AC_OK)
        attempt->outcome = http_outcome_of(response.failure, 0, NULL);
    else if (!xml)
        status = ac_error_set(err, AC_ERR_NOMEM, "no memory for the answer of STS");
    else if (response.head.status == 200)
        status = read_keys(r, xml, err);
    else
        status = read_error(r, &response, xml, attempt, err);
    http_client_response_done(&response);
    return status;
}

ac_status sts_assume(chain_walk *w, const char *profile, const sts_call *call, aws_credentials **ret, ac_error *err)
{
    sts_request r = {.walk = w, .call = call, .form = BUF_INIT(FORM_BYTES_MAX)};
    http_retry_options retry = {
        .attempts_max = http_retry_attempts(aws_env_get(&w->chain->env, "AWS_MAX_ATTEMPTS")),
        .backoff_base_ms = w->chain->retry_base_ms,
    };

    r.form.secret = true;
    AC_TRY(chain_http(w->chain, &r.http, err));
    AC_TRY(resolve(&r, profile, err));
    ac_status status = write_form(&r.form, call);
    if (status != AC_OK)
        ac_error_set(err, status, "the role's parameters are too long");
    else
        status = http_retry_run(&retry, ask, &r, err);
    buf_done(&r.form);
    *ret = r.result;
    return status;
}
