/* endpoint.c - opening an endpoint, and what a service's refusals mean. */
#include "agent/endpoint_internal.h"

#include "base/utf8.h"

#include <agentcore/version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONNECT_TIMEOUT_MS 10000
#define TIMEOUT_MS 60000
#define ATTEMPTS_MAX 3
#define BACKOFF_BASE_MS 500
#define BACKOFF_MAX_MS 20000
#define SENTENCE_BYTES_MAX 240

/* ---- opening ---- */

static ac_status keep_key(endpoint *e, const char *key, ac_error *err)
{
    ac_status status;

    if (e->auth != ENDPOINT_AUTH_BEARER && e->auth != ENDPOINT_AUTH_API_KEY)
        return AC_OK;
    if (!key || !*key)
        return ac_error_set(err, AC_ERR_INVALID, "there is no key for %s", e->at.authority);
    if (strlen(key) > ENDPOINT_KEY_BYTES_MAX || !http_field_valid("Authorization", key))
        return ac_error_set(err, AC_ERR_INVALID, "the key for %s cannot stand in a header", e->at.authority);
    e->key.secret = e->header.secret = true;
    status = buf_append_text(&e->key, key);
    if (status == AC_OK)
        status = buf_appendf(&e->header, "%s%s", e->auth == ENDPOINT_AUTH_BEARER ? "Bearer " : "", key);
    if (status != AC_OK || !buf_terminate(&e->key) || !buf_terminate(&e->header))
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    return AC_OK;
}

static ac_status keep_aws(endpoint *e, const endpoint_options *o, ac_error *err)
{
    const char *region = o->region ? o->region : "";

    if (e->auth != ENDPOINT_AUTH_AWS)
        return AC_OK;
    if (!o->provider)
        return ac_error_set(err, AC_ERR_INVALID, "there are no AWS credentials to sign with");
    if (!region_valid(region, strlen(region)))
        return ac_error_set(err, AC_ERR_INVALID, "%.40s is no region", region);
    e->provider = o->provider;
    snprintf(e->region, sizeof e->region, "%s", region);
    e->service = strdup(o->service ? o->service : "bedrock");
    return e->service ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static ac_status keep_headers(endpoint *e, const endpoint_options *o, ac_error *err)
{
    if (o->header_count > ENDPOINT_HEADERS_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "more than %d headers", ENDPOINT_HEADERS_MAX);
    for (size_t i = 0; i < o->header_count; i++) {
        const http_field *h = &o->headers[i];
        http_field *kept = &e->headers[e->header_count++];

        if (!http_field_valid(h->name, h->value))
            return ac_error_set(err, AC_ERR_INVALID, "a header has characters that headers cannot have");
        kept->name = strdup(h->name);
        kept->value = strdup(h->value);
        if (!kept->name || !kept->value)
            return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    }
    return AC_OK;
}

static ac_status keep_http(endpoint *e, const endpoint_options *o, ac_error *err)
{
    const char *ca_file = o->ca_file ? o->ca_file : aws_env_get(&aws_process_env, "AWS_CA_BUNDLE");

    e->http = o->http;
    if (e->http)
        return AC_OK;
    AC_TRY(http_client_new(&(http_client_options){.ca_file = ca_file, .user_agent = "agentcore-c/" AC_VERSION},
                           &e->http, err));
    e->own_http = true;
    return AC_OK;
}

static ac_status fill(endpoint *e, const endpoint_options *o, ac_error *err)
{
    if (!o->url || strlen(o->url) >= ENDPOINT_URL_BYTES_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "there is no URL of the service, or one that is too long");
    AC_TRY(aws_endpoint_parse(o->url, &e->at, err));
    AC_TRY(keep_key(e, o->key, err));
    AC_TRY(keep_aws(e, o, err));
    AC_TRY(keep_headers(e, o, err));
    return keep_http(e, o, err);
}

static unsigned given_or(unsigned given, unsigned fallback)
{
    return given ? given : fallback;
}

ac_status endpoint_open(const endpoint_options *options, endpoint **ret_endpoint, ac_error *err)
{
    endpoint *e = calloc(1, sizeof *e);
    ac_status status;

    *ret_endpoint = NULL;
    if (!e)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    e->auth = options->auth;
    e->key = BUF_INIT(ENDPOINT_KEY_BYTES_MAX + 1);
    e->header = BUF_INIT(ENDPOINT_KEY_BYTES_MAX + 16);
    e->quota = (http_retry_quota)HTTP_RETRY_QUOTA_INIT;
    e->connect_timeout_ms = given_or(options->connect_timeout_ms, CONNECT_TIMEOUT_MS);
    e->timeout_ms = given_or(options->timeout_ms, TIMEOUT_MS);
    e->attempts_max = given_or(options->attempts_max, ATTEMPTS_MAX);
    e->backoff_base_ms = given_or(options->backoff_base_ms, BACKOFF_BASE_MS);
    e->backoff_max_ms = given_or(options->backoff_max_ms, BACKOFF_MAX_MS);
    e->answer_bytes_max = options->answer_bytes_max ? options->answer_bytes_max : ENDPOINT_ANSWER_BYTES_MAX;
    status = fill(e, options, err);
    if (status == AC_OK)
        *ret_endpoint = e;
    else
        endpoint_close(e);
    return status;
}

void endpoint_close(endpoint *e)
{
    if (!e)
        return;
    if (e->own_http)
        http_client_free(e->http);
    for (size_t i = 0; i < e->header_count; i++) {
        free((char *)e->headers[i].name);
        free((char *)e->headers[i].value);
    }
    buf_done(&e->key);
    buf_done(&e->header);
    pthread_mutex_destroy(&e->quota.lock);
    free(e->service);
    free(e);
}

ac_status endpoint_bedrock_url(const aws_env *env, const char *region, char ret_url[ENDPOINT_URL_BYTES_MAX],
                               ac_error *err)
{
    const char *ignore = aws_env_get(env, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), *url = NULL;
    int length;

    if (!region_valid(region, strlen(region)))
        return ac_error_set(err, AC_ERR_INVALID, "%.40s is no region", region);
    if (!ignore || strcasecmp(ignore, "true") != 0) {
        url = aws_env_get(env, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME");
        url = url ? url : aws_env_get(env, "AWS_ENDPOINT_URL");
    }
    length = url ? snprintf(ret_url, ENDPOINT_URL_BYTES_MAX, "%s", url)
                 : snprintf(ret_url, ENDPOINT_URL_BYTES_MAX, "https://bedrock-runtime.%s.amazonaws.com%s", region,
                            strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
    if (length < 0 || length >= ENDPOINT_URL_BYTES_MAX)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "the endpoint URL of Bedrock is too long");
    return AC_OK;
}

/* ---- refusals ---- */

static ac_status status_of(int http, bool out_of_quota)
{
    if (out_of_quota)
        return AC_ERR_QUOTA;
    switch (http) {
    case 400:
    case 404:
    case 422:
        return AC_ERR_INVALID;
    case 401:
        return AC_ERR_UNAUTHORIZED;
    case 403:
        return AC_ERR_DENIED;
    case 408:
    case 504:
        return AC_ERR_TIMEOUT;
    case 413:
        return AC_ERR_TOO_LARGE;
    case 429:
    case HTTP_OVERLOADED:
        return AC_ERR_THROTTLED;
    default:
        return AC_ERR_IO;
    }
}

/* {"error": {"message": ...}}, {"error": "..."}, {"message": ...} or AWS's {"Message": ...}. */
static const char *sentence_of(yyjson_val *root)
{
    yyjson_val *error = yyjson_obj_get(root, "error");
    const char *text = yyjson_get_str(error);

    if (!text)
        text = ac_json_string(error, "message", NULL);
    if (!text)
        text = ac_json_string(root, "message", NULL);
    return text ? text : ac_json_string(root, "Message", NULL);
}

/* One line of what was said, behind ": "; "" where the key could be in it.  AWS's later lines quote the request. */
static void clean_sentence(const endpoint *e, int http, const char *said, char ret_text[SENTENCE_BYTES_MAX + 3])
{
    size_t length = said ? strcspn(said, "\r\n") : 0;

    ret_text[0] = '\0';
    if (length == 0 || (http == 401 && e->key.length) || (e->key.length && strstr(said, e->key.data)))
        return;
    length = MIN(length, (size_t)SENTENCE_BYTES_MAX);
    length = utf8_valid_prefix(said, length);
    snprintf(ret_text, SENTENCE_BYTES_MAX + 3, ": %.*s", (int)length, said);
    for (char *p = ret_text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
}

static void keep_name(const char *name, ac_error *err)
{
    size_t length = name ? strcspn(name, ":") : 0;

    err->aws_name[0] = '\0';
    if (length > 0 && length < sizeof err->aws_name)
        snprintf(err->aws_name, sizeof err->aws_name, "%.*s", (int)length, name);
}

ac_status endpoint_refusal(const endpoint *e, const http_client_head *head, const buf *body, bool *ret_final,
                           ac_error *err)
{
    static const ac_json_read_options limits = {.depth_max = 16};
    yyjson_doc *doc = NULL;
    char sentence[SENTENCE_BYTES_MAX + 3];
    ac_status status;

    if (body->length == 0 || ac_json_read(body->data, body->length, &limits, &doc, NULL) != AC_OK)
        doc = NULL;
    yyjson_val *root = yyjson_doc_get_root(doc);
    const char *code = ac_json_string(yyjson_obj_get(root, "error"), "code", "");
    *ret_final = head->status == 429 && strcmp(code, "insufficient_quota") == 0;
    clean_sentence(e, head->status, sentence_of(root), sentence);
    status = ac_error_set(err, status_of(head->status, *ret_final), "%s answered %d%s", e->at.authority, head->status,
                          sentence);
    if (err) {
        err->http_status = head->status;
        keep_name(http_client_header(head, "x-amzn-errortype"), err);
    }
    yyjson_doc_free(doc);
    return status;
}
