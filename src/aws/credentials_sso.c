/* credentials_sso.c - profiles of IAM Identity Center (SSO): the token that `aws sso login` has left, traded for keys.
 *
 * The token lies in ~/.aws/sso/cache under the SHA-1 of the session's name or start URL.  Refreshing it would need a
 * client registration and a browser in the end; an expired one is an error that says what to run. */
#include "aws/credentials_internal.h"

#include "aws/uri.h"
#include "base/hex.h"
#include "base/json.h"
#include "http/client_retry.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT_MS 10000
#define ANSWER_BYTES_MAX ((size_t)64 << 10)
#define URL_BYTES_MAX 4096
#define SHA1_BYTES 20

typedef struct sso_settings {
    const char *session, *start_url, *region, *account, *role;
} sso_settings;

static ac_status read_settings(const chain_walk *w, const char *profile, sso_settings *ret, ac_error *err)
{
    *ret = (sso_settings){
        .session = profiles_get(&w->files, profile, "sso_session"),
        .start_url = profiles_get(&w->files, profile, "sso_start_url"),
        .region = profiles_get(&w->files, profile, "sso_region"),
        .account = profiles_get(&w->files, profile, "sso_account_id"),
        .role = profiles_get(&w->files, profile, "sso_role_name"),
    };
    if (ret->session) {
        ret->start_url = profiles_get_sso_session(&w->files, ret->session, "sso_start_url");
        ret->region = profiles_get_sso_session(&w->files, ret->session, "sso_region");
    }
    if (!ret->start_url || !ret->region || !ret->account || !ret->role)
        return ac_error_set(err, AC_ERR_INVALID,
                            "profile %s uses SSO but lacks sso_start_url, sso_region, sso_account_id or sso_role_name",
                            profile);
    return region_check(ret->region, err);
}

/* ---- the token ---- */

static ac_status cache_path(const sso_settings *s, char *path, size_t size)
{
    const char *name = s->session ? s->session : s->start_url;
    unsigned char digest[SHA1_BYTES];
    char hex[2 * SHA1_BYTES + 1];

    if (EVP_Digest(name, strlen(name), digest, NULL, EVP_sha1(), NULL) != 1)
        return AC_ERR_INTERNAL;
    hex_write(digest, sizeof(digest), hex);
    snprintf(path, size, "~/.aws/sso/cache/%s.json", hex);
    return AC_OK;
}

static ac_status take_token(yyjson_val *object, int64_t now_ms, buf *token, const char *profile, ac_error *err)
{
    const char *text = ac_json_string(object, "accessToken", NULL), *expires = ac_json_string(object, "expiresAt", "");
    int64_t expires_ms;

    if (!text || !parse_expiration(expires, &expires_ms) || expires_ms <= now_ms || !http_field_valid("x", text))
        return ac_error_set(err, AC_ERR_DENIED, "the SSO session of profile %s has expired: run `aws sso login`",
                            profile);
    ac_status status = buf_append_text(token, text);
    if (status == AC_OK && !buf_terminate(token))
        status = AC_ERR_NOMEM;
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "no memory for an SSO token");
}

static ac_status read_token(const chain_walk *w, const char *profile, const sso_settings *s, buf *token, ac_error *err)
{
    _cleanup_(buf_done) buf text = BUF_INIT(SECRET_FILE_BYTES_MAX);
    yyjson_doc *doc = NULL;
    char path[128];

    if (cache_path(s, path, sizeof(path)) != AC_OK)
        return ac_error_set(err, AC_ERR_INTERNAL, "the crypto library has no SHA-1");
    ac_status status = read_secret_file(&w->chain->env, path, &text, err);
    if (status == AC_ERR_NOT_FOUND)
        return ac_error_set(err, AC_ERR_DENIED, "there is no SSO session for profile %s: run `aws sso login`", profile);
    if (status != AC_OK)
        return status;
    if (buf_reserve(&text, JSON_PADDING) != AC_OK)
        return ac_error_set(err, AC_ERR_NOMEM, "no memory for an SSO token");
    if (json_read_in_place(text.data, text.length, 16, &doc, NULL, NULL) != AC_OK)
        return ac_error_set(err, AC_ERR_INVALID, "%s is not JSON", path);
    status = take_token(yyjson_doc_get_root(doc), chain_now_ms(w->chain), token, profile, err);
    yyjson_doc_free(doc);
    return status;
}

/* ---- the keys ---- */

typedef struct sso_request {
    http_client *http;
    const char *url, *token;
    buf answer;
} sso_request;

static ac_status ask(void *user, http_attempt *attempt, ac_error *err)
{
    sso_request *r = user;
    http_client_request request = {
        .url = r->url,
        .headers = &(http_field){"x-amz-sso_bearer_token", r->token},
        .header_count = 1,
        .connect_timeout_ms = TIMEOUT_MS,
        .first_byte_timeout_ms = TIMEOUT_MS,
        .body_bytes_max = ANSWER_BYTES_MAX,
        .secret = true,
    };
    http_client_response response;
    ac_status status = http_client_fetch(r->http, &request, &response, err);

    if (status != AC_OK) {
        attempt->outcome = http_outcome_of(response.failure, 0, NULL);
    } else if (response.head.status != 200) {
        attempt->outcome = http_outcome_of(HTTP_FAILURE_NONE, response.head.status, NULL);
        attempt->retry_after_ms = http_retry_after_ms(&response.head);
        status = ac_error_set(err, response.head.status >= 500 ? AC_ERR_IO : AC_ERR_DENIED,
                              "SSO answered %d instead of giving credentials", response.head.status);
    } else {
        r->answer = buf_move(&response.body);
        r->answer.secret = true;
    }
    http_client_response_done(&response);
    return status;
}

static ac_status write_url(const chain_walk *w, const sso_settings *s, buf *url)
{
    const char *given = aws_env_get(&w->chain->env, "AWS_ENDPOINT_URL_SSO");

    if (given)
        AC_TRY(buf_append_text(url, given));
    else
        AC_TRY(buf_appendf(url, "https://portal.sso.%s.amazonaws.com%s", s->region,
                           strncmp(s->region, "cn-", 3) == 0 ? ".cn" : ""));
    AC_TRY(buf_append_text(url, "/federation/credentials?role_name="));
    AC_TRY(uri_encode(url, s->role, strlen(s->role), URI_ENCODE_SLASH));
    AC_TRY(buf_append_text(url, "&account_id="));
    AC_TRY(uri_encode(url, s->account, strlen(s->account), URI_ENCODE_SLASH));
    return buf_terminate(url) ? AC_OK : AC_ERR_NOMEM;
}

ac_status link_sso(chain_walk *w, const char *profile, aws_credentials **ret, ac_error *err)
{
    static const json_names names = {
        .object = "roleCredentials",
        .access_key = "accessKeyId",
        .secret_key = "secretAccessKey",
        .token = "sessionToken",
        .expiration = "expiration",
        .expiration_ms = true,
        .expiring = true,
    };
    _cleanup_(buf_done) buf token = BUF_INIT(SECRET_FILE_BYTES_MAX);
    _cleanup_(buf_done) buf url = BUF_INIT(URL_BYTES_MAX);
    sso_settings settings;

    /* A session without account and role is for bearer tokens, not for keys. */
    if (!profiles_get(&w->files, profile, "sso_role_name") && !profiles_get(&w->files, profile, "sso_account_id"))
        return AC_OK;
    token.secret = true;
    AC_TRY(read_settings(w, profile, &settings, err));
    AC_TRY(read_token(w, profile, &settings, &token, err));
    if (write_url(w, &settings, &url) != AC_OK)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "the SSO settings of profile %s are too long", profile);
    sso_request r = {.url = url.data, .token = token.data};
    http_retry_options retry = {
        .attempts_max = http_retry_attempts(aws_env_get(&w->chain->env, "AWS_MAX_ATTEMPTS")),
        .backoff_base_ms = w->chain->retry_base_ms,
    };
    AC_TRY(chain_http(w->chain, &r.http, err));
    ac_status status = http_retry_run(&retry, ask, &r, err);
    if (status == AC_OK)
        status = credentials_from_json(&r.answer, &names, "sso", ret, err);
    buf_done(&r.answer);
    return status;
}
