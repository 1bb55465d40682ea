/* jwt.c - the verifier: parse, find the key, check the signature, then believe and compare what the token says.
 *
 * The order matters twice.  What no good token has is refused before a provider is asked, so garbage costs no fetch;
 * and what the authorizer asks for is looked at last, so that only someone with a genuine token learns what is missing
 * in it. */
#include "daemon/front/jwt_internal.h"

#include <stdlib.h>
#include <string.h>

#define FETCH_TIMEOUT_MS 5000
#define KEYS_FRESH_S 300
#define KEYS_STALE_S 86400
#define REFETCH_PAUSE_MS 5000

#define DISCOVERY_SUFFIX "/.well-known/openid-configuration"

struct jwt_verifier {
    bool allow_http;
    jwt_providers *providers;
};

struct jwt_claims {
    yyjson_doc *doc;
};

jwt_verifier *jwt_verifier_new(const jwt_options *given)
{
    jwt_options options = given ? *given : (jwt_options){0};
    jwt_verifier *v = calloc(1, sizeof *v);

    if (!v)
        return NULL;
    if (options.fetch_timeout_ms == 0)
        options.fetch_timeout_ms = FETCH_TIMEOUT_MS;
    if (options.keys_fresh_s == 0)
        options.keys_fresh_s = KEYS_FRESH_S;
    if (options.keys_stale_s == 0)
        options.keys_stale_s = KEYS_STALE_S;
    if (options.refetch_pause_ms == 0)
        options.refetch_pause_ms = REFETCH_PAUSE_MS;
    options.keys_stale_s = MAX(options.keys_stale_s, options.keys_fresh_s);
    v->allow_http = options.allow_http;
    v->providers = jwt_providers_new(&options);
    if (!v->providers) {
        free(v);
        return NULL;
    }
    return v;
}

void jwt_verifier_free(jwt_verifier *v)
{
    if (!v)
        return;
    jwt_providers_free(v->providers);
    free(v);
}

void jwt_verifier_set_clock(jwt_verifier *v, uint64_t (*now_ms)(void))
{
    jwt_providers_set_clock(v->providers, now_ms);
}

ac_status jwt_authorizer_check(const jwt_verifier *v, const jwt_authorizer *authorizer, ac_error *err)
{
    const char *url = authorizer->discovery_url;
    size_t length = url ? strlen(url) : 0, suffix = strlen(DISCOVERY_SUFFIX);
    ac_error why = {0};
    bool local;

    if (length < suffix || strcmp(url + length - suffix, DISCOVERY_SUFFIX) != 0)
        return ac_error_set(err, AC_ERR_INVALID, "the discovery URL does not end with %s", DISCOVERY_SUFFIX);
    if (jwt_url_check(url, v->allow_http, &local, &why) != AC_OK)
        return ac_error_set(err, AC_ERR_INVALID, "the discovery URL cannot be used: %s", why.message);
    return jwt_claims_check_rules(authorizer, err);
}

ac_status jwt_token_check(const jwt_token *token, const jwt_key_set *set, const jwt_key *key,
                          const jwt_authorizer *authorizer, int64_t now_s, ac_error *err)
{
    yyjson_val *claims = yyjson_doc_get_root(token->claims);

    AC_TRY(jwt_key_verify(key, token, err));
    AC_TRY(jwt_claims_check(claims, set->issuer, now_s, err));
    return jwt_claims_authorize(claims, authorizer, err);
}

ac_status jwt_verify(jwt_verifier *v, const jwt_authorizer *authorizer, const char *token, size_t length, int64_t now_s,
                     jwt_claims **ret_claims, ac_error *err)
{
    _cleanup_(jwt_token_done) jwt_token parsed = {0};
    _cleanup_(jwt_key_set_unrefp) jwt_key_set *set = NULL;
    const jwt_key *key;
    jwt_claims *claims;

    *ret_claims = NULL;
    AC_TRY(jwt_authorizer_check(v, authorizer, err));
    AC_TRY(jwt_token_parse(token, length, &parsed, err));
    AC_TRY(jwt_providers_key(v->providers, authorizer->discovery_url, &parsed, &set, &key, err));
    AC_TRY(jwt_token_check(&parsed, set, key, authorizer, now_s, err));
    claims = calloc(1, sizeof *claims);
    if (!claims)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    claims->doc = TAKE_PTR(parsed.claims);
    *ret_claims = claims;
    return AC_OK;
}

void jwt_claims_free(jwt_claims *claims)
{
    if (!claims)
        return;
    yyjson_doc_free(claims->doc);
    free(claims);
}

yyjson_val *jwt_claims_json(const jwt_claims *claims)
{
    return yyjson_doc_get_root(claims->doc);
}

static const char *text_claim(const jwt_claims *claims, const char *name)
{
    const char *text = yyjson_get_str(yyjson_obj_get(jwt_claims_json(claims), name));

    return text ? text : "";
}

const char *jwt_claims_subject(const jwt_claims *claims)
{
    return text_claim(claims, "sub");
}

const char *jwt_claims_issuer(const jwt_claims *claims)
{
    return text_claim(claims, "iss");
}
