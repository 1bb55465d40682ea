/* credentials_container.c - the endpoint that containers (ECS, EKS) are told of by their environment.
 *
 * Keys travel in clear on http, so only hosts that cannot be elsewhere are asked that way: loopback addresses and the
 * link-local ones of ECS and EKS. */
#include "aws/credentials_internal.h"

#include "http/client_retry.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define CONTAINER_HOST "http://169.254.170.2"
#define TIMEOUT_MS 2000
#define ATTEMPTS 3
#define ANSWER_BYTES_MAX ((size_t)64 << 10)
#define URL_SIZE_MAX 4096

typedef struct container_request {
    http_client *http;
    const char *url;
    const char *token; /* NULL: none */
    buf answer;
} container_request;

/* ---- which hosts ---- */

/* The host of an http(s) URL, without port and brackets. */
static bool host_of(const char *url, char *host, size_t size)
{
    const char *begin = strstr(url, "://");
    size_t length;

    if (!begin)
        return false;
    begin += 3;
    length = strcspn(begin, "/?#");
    if (memchr(begin, '@', length))
        return false;
    if (*begin == '[') {
        const char *end = memchr(begin, ']', length);
        begin++;
        length = end ? (size_t)(end - begin) : 0;
    } else {
        length = MIN(length, strcspn(begin, ":"));
    }
    if (length == 0 || length >= size)
        return false;
    memcpy(host, begin, length);
    host[length] = '\0';
    return true;
}

static bool host_allowed(const char *host)
{
    static const char *const names[] = {"169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost"};
    struct in_addr v4;
    struct in6_addr v6, eks;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcasecmp(host, names[i]) == 0)
            return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    if (inet_pton(AF_INET6, host, &v6) != 1)
        return false;
    inet_pton(AF_INET6, "fd00:ec2::23", &eks);
    return IN6_IS_ADDR_LOOPBACK(&v6) || memcmp(&v6, &eks, sizeof(v6)) == 0;
}

static ac_status check_url(const char *url, ac_error *err)
{
    char host[256];

    if (strncasecmp(url, "https://", 8) == 0)
        return AC_OK;
    if (!host_of(url, host, sizeof(host)))
        return ac_error_set(err, AC_ERR_INVALID, "AWS_CONTAINER_CREDENTIALS_FULL_URI is no URL");
    if (!host_allowed(host))
        return ac_error_set(err, AC_ERR_INVALID,
                            "AWS_CONTAINER_CREDENTIALS_FULL_URI names the host %s; over http only loopback addresses "
                            "and those of ECS and EKS are asked",
                            host);
    return AC_OK;
}

/* ---- asking ---- */

static ac_status ask(void *user, http_attempt *attempt, ac_error *err)
{
    container_request *r = user;
    http_field fields[] = {{"Accept", "application/json"}, {"Authorization", r->token}};
    http_client_request request = {
        .url = r->url,
        .headers = fields,
        .header_count = r->token ? 2 : 1,
        .connect_timeout_ms = TIMEOUT_MS,
        .first_byte_timeout_ms = TIMEOUT_MS,
        .idle_timeout_ms = TIMEOUT_MS,
        .total_timeout_ms = 2 * TIMEOUT_MS,
        .body_bytes_max = ANSWER_BYTES_MAX,
        .no_proxy = true,
        .secret = true,
    };
    http_client_response response;
    ac_status status = http_client_fetch(r->http, &request, &response, err);

    if (status != AC_OK) {
        attempt->outcome = http_outcome_of(response.failure, 0, NULL);
    } else if (response.head.status != 200) {
        attempt->outcome = HTTP_OUTCOME_TRANSIENT; /* the agent behind it may still be starting */
        status = ac_error_set(err, AC_ERR_IO, "the container credentials endpoint answered %d", response.head.status);
    } else {
        r->answer = buf_move(&response.body);
        r->answer.secret = true;
    }
    http_client_response_done(&response);
    return status;
}

static ac_status read_token(const aws_env *env, buf *out, const char **ret_token, ac_error *err)
{
    const char *path = aws_env_get(env, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");

    *ret_token = aws_env_get(env, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (path) {
        AC_TRY(read_secret_file(env, path, out, err));
        *ret_token = buf_terminate(out);
        if (!*ret_token)
            return ac_error_set(err, AC_ERR_NOMEM, "no memory for the token in %s", path);
    }
    if (*ret_token && !http_field_valid("Authorization", *ret_token))
        return ac_error_set(err, AC_ERR_INVALID, "the container authorization token cannot stand in a header");
    return AC_OK;
}

ac_status link_container(chain_walk *w, const char *profile, aws_credentials **ret, ac_error *err)
{
    static const json_names names = {
        .access_key = "AccessKeyId",
        .secret_key = "SecretAccessKey",
        .token = "Token",
        .expiration = "Expiration",
        .account = "AccountId",
        .expiring = true,
    };
    const aws_env *env = &w->chain->env;
    const char *relative = aws_env_get(env, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = aws_env_get(env, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    _cleanup_(buf_done) buf token = BUF_INIT(SECRET_FILE_BYTES_MAX);
    char url[URL_SIZE_MAX];
    container_request r = {.url = url};

    (void)profile;
    if (!relative && !full)
        return AC_OK;
    int length = snprintf(url, sizeof(url), "%s%s", relative ? CONTAINER_HOST : "", relative ? relative : full);
    if (length < 0 || (size_t)length >= sizeof(url) || (relative && relative[0] != '/'))
        return ac_error_set(err, AC_ERR_INVALID, "the container credentials URI cannot be used");
    AC_TRY(check_url(url, err));
    AC_TRY(read_token(env, &token, &r.token, err));
    AC_TRY(chain_http(w->chain, &r.http, err));
    http_retry_options retry = {.attempts_max = ATTEMPTS, .backoff_base_ms = w->chain->retry_base_ms};
    ac_status status = http_retry_run(&retry, ask, &r, err);
    if (status == AC_OK)
        status = credentials_from_json(&r.answer, &names, "container-role", ret, err);
    buf_done(&r.answer);
    return status;
}
