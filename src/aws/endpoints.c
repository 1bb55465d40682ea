/* endpoints.c - endpoint and region resolution.
 *
 * Two kinds of variables name an endpoint.  AWS_ENDPOINT_URL* are every AWS SDK's and may name any host, a local one
 * above all.  BEDROCK_AGENTCORE_*_ENDPOINT are the AgentCore SDK's own, which believes only hosts of AWS: requests
 * carry signatures and tokens, and nobody should be able to lead them elsewhere through a region or this variable. */
#include "aws/endpoints.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_REGION "us-west-2"
#define URL_BYTES_MAX 2048
#define PORT_MAX 65535

static const char *process_get(void *user, const char *name)
{
    (void)user;
    return getenv(name);
}

const aws_env aws_process_env = {.get = process_get};

const char *aws_env_get(const aws_env *env, const char *name)
{
    const char *value = env->get(env->user, name);

    return value && value[0] != '\0' ? value : NULL;
}

ac_status aws_region_resolve(const aws_env *env, const char *explicit_region, char ret_region[REGION_SIZE],
                             ac_error *err)
{
    const char *region = explicit_region && explicit_region[0] != '\0' ? explicit_region : NULL;

    if (!region)
        region = aws_env_get(env, "AWS_REGION");
    if (!region)
        region = aws_env_get(env, "AWS_DEFAULT_REGION");
    if (!region)
        region = DEFAULT_REGION;
    AC_TRY(region_check(region, err));
    memcpy(ret_region, region, strlen(region) + 1); /* region_check bounds it */
    return AC_OK;
}

/* ---- URLs ---- */

static ac_status refuse_url(const char *url, ac_error *err)
{
    return ac_error_set(err, AC_ERR_INVALID, "Invalid endpoint: %s", url);
}

/* Letters, digits, '-' and '_' in labels of 1 to 63 with single dots between. */
static bool host_name_valid(const char *host, size_t length)
{
    size_t label = 0;

    for (size_t i = 0; i < length; i++) {
        bool letter = (host[i] >= 'a' && host[i] <= 'z') || (host[i] >= 'A' && host[i] <= 'Z');
        if (host[i] == '.') {
            if (label == 0)
                return false;
            label = 0;
        } else if (letter || (host[i] >= '0' && host[i] <= '9') || host[i] == '-' || host[i] == '_') {
            if (++label > 63)
                return false;
        } else {
            return false;
        }
    }
    return length > 0 && label > 0;
}

static bool ipv6_literal_valid(const char *host, size_t length)
{
    if (length < 4 || host[0] != '[' || host[length - 1] != ']')
        return false;
    for (size_t i = 1; i + 1 < length; i++)
        if (!strchr("0123456789abcdefABCDEF:.", host[i]) || host[i] == '\0')
            return false;
    return memchr(host, ':', length) != NULL;
}

/* "" keeps the default. */
static bool parse_port(const char *text, size_t length, uint16_t *port)
{
    unsigned number = 0;

    if (length == 0)
        return true;
    if (length > 5)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = number * 10 + (unsigned)(text[i] - '0');
    }
    if (number == 0 || number > PORT_MAX)
        return false;
    *port = (uint16_t)number;
    return true;
}

static bool parse_authority(const char *text, size_t length, aws_endpoint *e)
{
    const char *bracket = text[0] == '[' ? memchr(text, ']', length) : NULL;
    size_t host_length = bracket ? (size_t)(bracket + 1 - text) : strcspn(text, ":/");

    if (host_length > length || host_length >= sizeof(e->host))
        return false;
    if (bracket ? !ipv6_literal_valid(text, host_length) : !host_name_valid(text, host_length))
        return false;
    for (size_t i = 0; i < host_length; i++)
        e->host[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] - 'A' + 'a' : text[i]);
    e->host[host_length] = '\0';
    if (host_length < length &&
        (text[host_length] != ':' || !parse_port(text + host_length + 1, length - host_length - 1, &e->port)))
        return false;

    bool usual = e->port == (e->tls ? 443 : 80);
    snprintf(e->authority, sizeof(e->authority), usual ? "%s" : "%s:%u", e->host, (unsigned)e->port);
    return true;
}

/* Spaces, controls and bytes beyond ASCII are never meant, and what reads them next might see another host. */
static bool url_bytes_valid(const char *url)
{
    size_t length = 0;

    for (; url[length] != '\0'; length++)
        if (length >= URL_BYTES_MAX || url[length] <= ' ' || url[length] > '~' || url[length] == '\\')
            return false;
    return !strpbrk(url, "?#@");
}

ac_status aws_endpoint_parse(const char *url, aws_endpoint *ret_endpoint, ac_error *err)
{
    aws_endpoint e = {.configured = true};
    const char *rest = url;

    if (!url_bytes_valid(url))
        return refuse_url(url, err);
    if (strncasecmp(url, "https://", 8) == 0) {
        e.tls = true;
        e.port = 443;
        rest += 8;
    } else if (strncasecmp(url, "http://", 7) == 0) {
        e.port = 80;
        rest += 7;
    } else {
        return refuse_url(url, err);
    }

    size_t authority_length = strcspn(rest, "/");
    const char *path = rest + authority_length;
    size_t path_length = strlen(path);
    while (path_length > 0 && path[path_length - 1] == '/')
        path_length--;
    if (!parse_authority(rest, authority_length, &e) || path_length >= sizeof(e.base_path))
        return refuse_url(url, err);
    memcpy(e.base_path, path, path_length);
    *ret_endpoint = e;
    return AC_OK;
}

/* ---- resolution ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);

    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static ac_status require_aws_host(const char *host, ac_error *err)
{
    static const char *const domains[] = {".amazonaws.com", ".amazonaws.com.cn", ".api.aws"};

    for (size_t i = 0; i < ARRAY_SIZE(domains); i++)
        if (ends_with(host, domains[i]))
            return AC_OK;
    return ac_error_set(err, AC_ERR_INVALID, "Constructed endpoint resolves to non-AWS host: '%s'", host);
}

/* Partitions with a domain of their own.  Those outside the domains above are refused after all, by their full name. */
static const char *dns_suffix(const char *region)
{
    static const struct {
        const char *prefix;
        const char *suffix;
    } partitions[] = {
        {"cn-", "amazonaws.com.cn"},    {"us-iso-", "c2s.ic.gov"},      {"us-isob-", "sc2s.sgov.gov"},
        {"eu-isoe-", "cloud.adc-e.uk"}, {"us-isof-", "csp.hci.ic.gov"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(partitions); i++)
        if (strncmp(region, partitions[i].prefix, strlen(partitions[i].prefix)) == 0)
            return partitions[i].suffix;
    return "amazonaws.com";
}

static ac_status standard_endpoint(aws_plane plane, const char *region, aws_endpoint *ret_endpoint, ac_error *err)
{
    aws_endpoint e = {.tls = true, .port = 443};

    AC_TRY(region_check(region, err));
    snprintf(e.host, sizeof(e.host), "bedrock-agentcore%s.%s.%s", plane == AWS_CONTROL_PLANE ? "-control" : "", region,
             dns_suffix(region));
    snprintf(e.authority, sizeof(e.authority), "%s", e.host);
    AC_TRY(require_aws_host(e.host, err));
    *ret_endpoint = e;
    return AC_OK;
}

static const char *configured_url(const aws_env *env, aws_plane plane)
{
    const char *ignore = aws_env_get(env, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");

    if (ignore && strcasecmp(ignore, "true") == 0)
        return NULL;

    const char *url = aws_env_get(env, plane == AWS_CONTROL_PLANE ? "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL"
                                                                  : "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE");
    return url ? url : aws_env_get(env, "AWS_ENDPOINT_URL");
}

ac_status aws_endpoint_resolve(const aws_env *env, aws_plane plane, const char *region, const char *explicit_url,
                               aws_endpoint *ret_endpoint, ac_error *err)
{
    if (explicit_url && explicit_url[0] != '\0')
        return aws_endpoint_parse(explicit_url, ret_endpoint, err);

    const char *url = aws_env_get(env, plane == AWS_CONTROL_PLANE ? "BEDROCK_AGENTCORE_CP_ENDPOINT"
                                                                  : "BEDROCK_AGENTCORE_DP_ENDPOINT");
    if (url) {
        aws_endpoint e;
        AC_TRY(aws_endpoint_parse(url, &e, err));
        AC_TRY(require_aws_host(e.host, err));
        *ret_endpoint = e;
        return AC_OK;
    }
    url = configured_url(env, plane);
    if (url)
        return aws_endpoint_parse(url, ret_endpoint, err);
    return standard_endpoint(plane, region, ret_endpoint, err);
}
