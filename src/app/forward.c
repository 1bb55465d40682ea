/* forward.c - which headers of a request the handler gets to see.
 *
 * The rule of AgentCore Runtime's header allow-list: everything but a fixed list of names that belong to HTTP itself,
 * proxies, caches, cookies, CORS and WebSocket; of x-amz-* only the identity token; of x-amzn-* only the custom
 * prefix. */
#include "app/app_internal.h"

#include <string.h>
#include <strings.h>

/* Lower case, sorted by byte value; test_forward.c checks that. */
static const char *const restricted_names[] = {
    ":authority",
    ":method",
    ":path",
    ":scheme",
    ":status",
    "accept",
    "accept-ch",
    "accept-ch-lifetime",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "access-control-request-headers",
    "access-control-request-method",
    "cache-control",
    "cf-connecting-ip",
    "cf-ray",
    "clear-site-data",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-security-policy",
    "content-security-policy-report-only",
    "content-type",
    "cookie",
    "cross-origin-embedder-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "date",
    "downlink",
    "dpr",
    "ect",
    "etag",
    "expect-ct",
    "expires",
    "feature-policy",
    "forwarded",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "last-modified",
    "link",
    "location",
    "origin",
    "permissions-policy",
    "pragma",
    "proxy-authorization",
    "proxy-connection",
    "public-key-pins",
    "public-key-pins-report-only",
    "range",
    "referer",
    "referrer-policy",
    "retry-after",
    "rtt",
    "save-data",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "server",
    "set-cookie",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "true-client-ip",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "viewport-width",
    "width",
    "www-authenticate",
    "x-amz-cf-id",
    "x-cache",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-content-type-options",
    "x-csrf-token",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-frame-options",
    "x-original-host",
    "x-original-url",
    "x-originating-ip",
    "x-real-ip",
    "x-requested-with",
    "x-rewrite-url",
    "x-served-by",
    "x-source-ip",
    "x-xss-protection",
};

#define RESTRICTED_LENGTH_MAX 35 /* content-security-policy-report-only */

static bool is_restricted(const char *lower)
{
    size_t low = 0, high = ARRAY_SIZE(restricted_names);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(lower, restricted_names[middle]);
        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

static bool has_prefix(const char *name, size_t length, const char *prefix)
{
    size_t prefix_length = strlen(prefix);

    return length >= prefix_length && strncasecmp(name, prefix, prefix_length) == 0;
}

bool header_forwardable(const char *name, size_t length)
{
    if (length <= RESTRICTED_LENGTH_MAX) {
        char lower[RESTRICTED_LENGTH_MAX + 1];
        for (size_t i = 0; i < length; i++)
            lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 0x20 : name[i]);
        lower[length] = '\0';
        if (is_restricted(lower))
            return false;
    }
    if (has_prefix(name, length, "x-amz-"))
        return length == strlen(AC_HEADER_IDENTITY_WAT) && has_prefix(name, length, AC_HEADER_IDENTITY_WAT);
    if (has_prefix(name, length, "x-amzn-"))
        return has_prefix(name, length, AC_HEADER_CUSTOM_PREFIX);
    return true;
}
