/* jwt_fetch.c - a provider's discovery document (OpenID Connect Discovery 1.0) and its key set, fetched.
 *
 * Which URL is fetched first is in a resource's configuration, and which one second in the document found there; a
 * token has no say in either.  Both are https, or http to this very machine when that is allowed.  The document also
 * says who the issuer is.  It need not be of the same host: the configuration named the document, so what it says goes.
 *
 * An answer is read whole, within a cap, and only when it is a 200: redirects are not followed.  Nothing of an answer
 * comes back in a message, since those go to whoever sent the token. */
#include "base/clock.h"
#include "base/json.h"
#include "daemon/front/jwt_internal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#define HOST_BYTES_MAX 255

/* ---- URLs ---- */

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return strcasecmp(host, "localhost") == 0;
}

/* The host of "host", "host:port", "[v6]" or "[v6]:port", in letters that every parser of URLs reads alike. */
static bool read_host(const char *authority, size_t length, char ret_host[HOST_BYTES_MAX + 1])
{
    bool bracket = length > 0 && authority[0] == '[';
    const char *close = bracket ? memchr(authority, ']', length) : NULL;
    const char *start = authority + bracket, *end = authority + length, *at;

    if (bracket && !close)
        return false;
    for (at = start; at < end; at++)
        if (!isalnum((unsigned char)*at) && (bracket ? *at != ':' && *at != '.' : *at != '-' && *at != '.'))
            break;
    if (at == start || (size_t)(at - start) > HOST_BYTES_MAX || (bracket && at != close))
        return false;
    memcpy(ret_host, start, (size_t)(at - start));
    ret_host[at - start] = '\0';
    at += bracket;
    if (at == end)
        return true;
    if (*at != ':' || at + 1 == end || end - at > 6)
        return false;
    while (++at < end)
        if (!isdigit((unsigned char)*at))
            return false;
    return true;
}

ac_status jwt_url_check(const char *url, bool allow_http, bool *ret_local, ac_error *err)
{
    bool secure = strncmp(url, "https://", 8) == 0;
    size_t length = strnlen(url, JWT_URL_MAX + 1), scheme = secure ? 8 : 7;
    char host[HOST_BYTES_MAX + 1];

    *ret_local = false;
    if (length > JWT_URL_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "the URL is longer than %d bytes", JWT_URL_MAX);
    for (size_t i = 0; i < length; i++)
        if (url[i] <= ' ' || url[i] >= 0x7F || url[i] == '\\' || url[i] == '#')
            return ac_error_set(err, AC_ERR_INVALID, "the URL has characters that do not belong there");
    if (!secure && (!allow_http || strncmp(url, "http://", 7) != 0))
        return ac_error_set(err, AC_ERR_INVALID, "the URL does not begin with https://");
    if (!read_host(url + scheme, strcspn(url + scheme, "/?"), host))
        return ac_error_set(err, AC_ERR_INVALID, "the URL has no proper host");
    if (!secure && !is_loopback(host))
        return ac_error_set(err, AC_ERR_INVALID, "plain HTTP is for providers on this machine only");
    *ret_local = !secure;
    return AC_OK;
}

/* ---- fetching ---- */

typedef struct fetch {
    http_client *client;
    const jwt_options *options;
    uint64_t deadline_ms;
} fetch;

static ac_status get_failed(ac_status status, const ac_error *why, ac_error *err)
{
    if (status == AC_ERR_NOMEM)
        return ac_error_set(err, status, "out of memory");
    if (status == AC_ERR_TIMEOUT)
        return ac_error_set(err, status, "the OpenID provider did not answer in time");
    return ac_error_set(err, AC_ERR_IO, "the OpenID provider cannot be asked: %s", why->message);
}

/* GET a URL that was checked; what names it in messages. */
static ac_status get(const fetch *f, const char *url, bool local, size_t bytes_max, const char *what,
                     http_client_response *response, ac_error *err)
{
    static const http_field accept = {"Accept", "application/json"};
    uint64_t now = clock_monotonic_ms();
    http_client_request request = {
        .url = url,
        .headers = &accept,
        .header_count = 1,
        .body_bytes_max = bytes_max,
        .no_proxy = local,
    };
    ac_error why = {0};
    ac_status status;

    if (now >= f->deadline_ms)
        return get_failed(AC_ERR_TIMEOUT, &why, err);
    request.total_timeout_ms = (unsigned)(f->deadline_ms - now);
    status = http_client_fetch(f->client, &request, response, &why);
    if (status != AC_OK)
        return get_failed(status, &why, err);
    if (response->head.status != 200)
        return ac_error_set(err, AC_ERR_IO, "the OpenID provider answered %d for %s", response->head.status, what);
    return AC_OK;
}

/* A member of the discovery document that must be a string. */
static ac_status read_member(yyjson_doc *doc, const char *name, const char **ret_text, ac_error *err)
{
    *ret_text = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), name));
    if (!*ret_text || !**ret_text)
        return ac_error_set(err, AC_ERR_IO, "the discovery document has no \"%s\"", name);
    return AC_OK;
}

static ac_status fetch_keys(const fetch *f, yyjson_doc *discovery, jwt_key_set **ret_set, ac_error *err)
{
    _cleanup_(http_client_response_done) http_client_response response = {0};
    const char *issuer, *url;
    ac_error why = {0};
    bool local;
    ac_status status;

    AC_TRY(read_member(discovery, "issuer", &issuer, err));
    AC_TRY(read_member(discovery, "jwks_uri", &url, err));
    if (jwt_url_check(url, f->options->allow_http, &local, &why) != AC_OK)
        return ac_error_set(err, AC_ERR_IO, "the discovery document has a \"jwks_uri\" that is not used: %s",
                            why.message);
    AC_TRY(get(f, url, local, JWT_KEYS_BYTES_MAX, "its keys", &response, err));
    status = jwt_key_set_new(response.body.data ? response.body.data : "", response.body.length, issuer, ret_set, err);
    if (status == AC_ERR_PROTOCOL && err)
        err->status = AC_ERR_IO;
    return status == AC_ERR_PROTOCOL ? AC_ERR_IO : status;
}

ac_status jwt_fetch(http_client *client, const jwt_options *options, const char *discovery_url, jwt_key_set **ret_set,
                    ac_error *err)
{
    _cleanup_(http_client_response_done) http_client_response response = {0};
    fetch f = {client, options, clock_monotonic_ms() + options->fetch_timeout_ms};
    yyjson_doc *doc = NULL;
    ac_error why = {0};
    bool local;
    ac_status status;

    *ret_set = NULL;
    if (jwt_url_check(discovery_url, options->allow_http, &local, &why) != AC_OK)
        return ac_error_set(err, AC_ERR_IO, "the discovery URL is not used: %s", why.message);
    AC_TRY(get(&f, discovery_url, local, JWT_DISCOVERY_BYTES_MAX, "its discovery document", &response, err));
    status = jwt_json_read(response.body.data ? response.body.data : "", response.body.length, "the discovery document",
                           &doc, &why);
    if (status != AC_OK)
        return ac_error_set(err, status == AC_ERR_NOMEM ? status : AC_ERR_IO, "%s", why.message);
    status = fetch_keys(&f, doc, ret_set, err);
    yyjson_doc_free(doc);
    return status;
}
