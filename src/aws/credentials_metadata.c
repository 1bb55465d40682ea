/* credentials_metadata.c - the role of an EC2 instance, from its metadata service.
 *
 * Version 2: a token first, which a forwarded request cannot get; version 1, without, only where the service has no
 * tokens and AWS_EC2_METADATA_V1_DISABLED does not forbid it.  This is the last link and most machines are no
 * instances, so everything that fails here means "no keys", and time-outs are short (1 s, one attempt).
 *
 * When the service only has keys that are about to expire, it is in trouble and they are used on: the expiry is
 * moved, so that it is asked again in some minutes (and not by all instances at once). */
#include "aws/credentials_internal.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define METADATA_URL "http://169.254.169.254"
#define METADATA_URL_IPV6 "http://[fd00:ec2::254]"
#define TOKEN_PATH "latest/api/token"
#define ROLE_PATH "latest/meta-data/iam/security-credentials/"
#define TIMEOUT_S 1
#define TIMEOUT_S_MAX 60
#define ATTEMPTS_MAX 10
#define ANSWER_BYTES_MAX ((size_t)64 << 10)
#define ROLE_SIZE 256
#define EXTEND_MIN_MS ((15 + 2) * 60000)
#define EXTEND_JITTER_MS (8 * 60000)

typedef struct metadata {
    http_client *http;
    const char *base;
    unsigned timeout_ms;
    unsigned attempts;
    bool v1_disabled;
    buf token;
    bool has_token;
} metadata;

/* A setting of the environment, else of the profile, else NULL. */
static const char *setting(const chain_walk *w, const char *variable, const char *key)
{
    const char *value = aws_env_get(&w->chain->env, variable);

    if (!value)
        value = profiles_get(&w->files, w->profile, key);
    return value && value[0] != '\0' ? value : NULL;
}

static bool is_true(const char *text)
{
    return text && strcasecmp(text, "true") == 0;
}

static unsigned number_or(const char *text, unsigned usual, unsigned most)
{
    unsigned long number;

    if (!text || text[0] == '\0' || strlen(text) > 6 || text[strspn(text, "0123456789")] != '\0')
        return usual;
    number = strtoul(text, NULL, 10);
    return number == 0 ? usual : (unsigned)MIN(number, most);
}

static void configure(const chain_walk *w, metadata *m)
{
    const char *endpoint = setting(w, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
    const char *mode = setting(w, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode");
    const char *timeout = setting(w, "AWS_METADATA_SERVICE_TIMEOUT", "metadata_service_timeout");
    const char *attempts = setting(w, "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "metadata_service_num_attempts");

    m->base = endpoint ? endpoint : mode && strcasecmp(mode, "ipv6") == 0 ? METADATA_URL_IPV6 : METADATA_URL;
    m->timeout_ms = number_or(timeout, TIMEOUT_S, TIMEOUT_S_MAX) * 1000;
    m->attempts = number_or(attempts, 1, ATTEMPTS_MAX);
    m->v1_disabled = is_true(setting(w, "AWS_EC2_METADATA_V1_DISABLED", "ec2_metadata_v1_disabled"));
    m->token = BUF_INIT(ANSWER_BYTES_MAX + 1);
    m->token.secret = true;
}

/* One request, tried as often as configured while nobody answers.  The body is the caller's to release. */
static int ask(metadata *m, const char *method, const char *path, const http_field *field, buf *ret_body,
               http_failure *ret_failure)
{
    size_t base_length = strlen(m->base);
    char url[2048];
    int length = snprintf(url, sizeof(url), "%s%s%s", m->base, m->base[base_length - 1] == '/' ? "" : "/", path);
    http_client_request request = {
        .method = method,
        .url = url,
        .headers = field,
        .header_count = field ? 1 : 0,
        .connect_timeout_ms = m->timeout_ms,
        .first_byte_timeout_ms = m->timeout_ms,
        .idle_timeout_ms = m->timeout_ms,
        .body_bytes_max = ANSWER_BYTES_MAX,
        .no_proxy = true,
        .secret = true,
    };

    *ret_body = BUF_INIT(ANSWER_BYTES_MAX);
    *ret_failure = HTTP_FAILURE_REQUEST;
    if (length < 0 || (size_t)length >= sizeof(url))
        return 0;
    for (unsigned i = 0; i < m->attempts; i++) {
        http_client_response response;
        ac_status status = http_client_fetch(m->http, &request, &response, NULL);
        int answered = status == AC_OK ? response.head.status : 0;

        *ret_failure = response.failure;
        if (status == AC_OK && answered == 200 && response.body.length > 0)
            *ret_body = buf_move(&response.body);
        ret_body->secret = true;
        http_client_response_done(&response);
        if (answered)
            return answered;
    }
    return 0;
}

/* False: nobody there. */
static bool get_token(metadata *m)
{
    http_failure failure;
    int status =
        ask(m, "PUT", TOKEN_PATH, &(http_field){"x-aws-ec2-metadata-token-ttl-seconds", "21600"}, &m->token, &failure);

    m->has_token = status == 200 && m->token.length > 0 && buf_terminate(&m->token) &&
                   http_field_valid("x-aws-ec2-metadata-token", m->token.data);
    if (m->has_token)
        return true;
    if (status == 400 || m->v1_disabled)
        return false;
    return status != 0 || failure == HTTP_FAILURE_TIMEOUT;
}

/* False: no answer with a body. */
static bool get(metadata *m, const char *path, buf *ret_body)
{
    http_field field = {"x-aws-ec2-metadata-token", m->token.data};
    http_failure failure;

    return ask(m, "GET", path, m->has_token ? &field : NULL, ret_body, &failure) == 200 && ret_body->length > 0;
}

static bool get_role(metadata *m, char role[ROLE_SIZE])
{
    _cleanup_(buf_done) buf body = BUF_INIT(0);
    size_t length = 0;

    if (!get(m, ROLE_PATH, &body))
        return false;
    while (length < body.length && body.data[length] > ' ' && body.data[length] < 0x7F)
        length++;
    if (length == 0 || length >= ROLE_SIZE)
        return false;
    memcpy(role, body.data, length);
    role[length] = '\0';
    return true;
}

static int64_t extended(int64_t expires_ms, int64_t now_ms)
{
    uint32_t bits = 0;

    if (RAND_bytes((unsigned char *)&bits, sizeof(bits)) != 1)
        bits = 0;
    int64_t extension = EXTEND_MIN_MS + (int64_t)(bits % EXTEND_JITTER_MS);
    return now_ms >= expires_ms - extension ? now_ms + extension : expires_ms;
}

static ac_status fetch(chain_walk *w, metadata *m, aws_credentials **ret)
{
    static const json_names names = {
        .access_key = "AccessKeyId",
        .secret_key = "SecretAccessKey",
        .token = "Token",
        .expiration = "Expiration",
        .expiring = true,
    };
    _cleanup_(buf_done) buf body = BUF_INIT(0);
    _cleanup_(aws_credentials_unrefp) aws_credentials *as_given = NULL;
    char role[ROLE_SIZE], path[sizeof(ROLE_PATH) + ROLE_SIZE];

    if (!get_token(m) || !get_role(m, role))
        return AC_OK;
    snprintf(path, sizeof(path), "%s%s", ROLE_PATH, role);
    if (!get(m, path, &body))
        return AC_OK;
    ac_status status = credentials_from_json(&body, &names, "iam-role", &as_given, NULL);
    if (status == AC_ERR_PROTOCOL) /* such as {"Code": ..., "Message": ...}: the role cannot be used */
        return AC_OK;
    AC_TRY(status);
    aws_credentials parts = *as_given;
    parts.expires_ms = extended(parts.expires_ms, chain_now_ms(w->chain));
    *ret = aws_credentials_new(&parts);
    return *ret ? AC_OK : AC_ERR_NOMEM;
}

ac_status link_metadata(chain_walk *w, const char *profile, aws_credentials **ret, ac_error *err)
{
    metadata m = {0};

    (void)profile;
    if (is_true(aws_env_get(&w->chain->env, "AWS_EC2_METADATA_DISABLED")))
        return AC_OK;
    configure(w, &m);
    AC_TRY(chain_http(w->chain, &m.http, err));
    ac_status status = fetch(w, &m, ret);
    buf_done(&m.token);
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "no memory for instance credentials");
}
