/* credentials_chain.c - the chain itself: its order, and the links that need no network.
 *
 * The files are read anew for each walk, so that a refresh sees what has changed.  The first link that has keys, or
 * that is configured and fails, ends the walk: a wrong configuration must not fall through to other keys. */
#include "aws/credentials_internal.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define PROCESS_TIMEOUT_MS 60000
#define RETRY_BASE_MS 1000

int64_t chain_now_ms(const aws_chain *chain)
{
    return chain->clock.now_ms ? chain->clock.now_ms(chain->clock.user) : clock_unix_ms();
}

ac_status chain_http(aws_chain *chain, http_client **ret_http, ac_error *err)
{
    if (!chain->http) {
        const char *ca_file = aws_env_get(&chain->env, "AWS_CA_BUNDLE");
        AC_TRY(http_client_new(&(http_client_options){.ca_file = ca_file}, &chain->http, err));
        chain->own_http = true;
    }
    *ret_http = chain->http;
    return AC_OK;
}

ac_status walk_region(chain_walk *w, const char *profile, char ret_region[REGION_SIZE], ac_error *err)
{
    const char *region = w->chain->region;

    if (!region && !aws_env_get(&w->chain->env, "AWS_REGION") && !aws_env_get(&w->chain->env, "AWS_DEFAULT_REGION"))
        region = profiles_get(&w->files, profile, "region");
    return aws_region_resolve(&w->chain->env, region, ret_region, err);
}

ac_status credentials_from_pair(const char *where, const aws_credentials *parts, aws_credentials **ret, ac_error *err)
{
    if (!parts->access_key || parts->access_key[0] == '\0' || !parts->secret_key || parts->secret_key[0] == '\0')
        return ac_error_set(err, AC_ERR_INVALID, "partial credentials in %s: %s is missing", where,
                            !parts->access_key || parts->access_key[0] == '\0' ? "the access key" : "the secret key");
    *ret = aws_credentials_new(parts);
    return *ret ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "no memory for credentials");
}

/* ---- environment ---- */

ac_status link_env(chain_walk *w, const char *profile, aws_credentials **ret, ac_error *err)
{
    const aws_env *env = &w->chain->env;
    const char *token = aws_env_get(env, "AWS_SECURITY_TOKEN"),
               *expires = aws_env_get(env, "AWS_CREDENTIAL_EXPIRATION");
    aws_credentials parts = {
        .access_key = aws_env_get(env, "AWS_ACCESS_KEY_ID"),
        .secret_key = aws_env_get(env, "AWS_SECRET_ACCESS_KEY"),
        .session_token = token ? token : aws_env_get(env, "AWS_SESSION_TOKEN"),
        .account_id = aws_env_get(env, "AWS_ACCOUNT_ID"),
        .source = "env",
    };

    (void)profile;
    if (!parts.access_key)
        return AC_OK;
    if (expires && !parse_expiration(expires, &parts.expires_ms))
        return ac_error_set(err, AC_ERR_INVALID, "AWS_CREDENTIAL_EXPIRATION is no date");
    return credentials_from_pair("the environment", &parts, ret, err);
}

/* ---- static keys in files ---- */

typedef const char *(*lookup)(const aws_profiles *p, const char *profile, const char *key);

static ac_status from_file(chain_walk *w, const char *profile, lookup get, const char *where, const char *source,
                           aws_credentials **ret, ac_error *err)
{
    const char *token = get(&w->files, profile, "aws_security_token");
    aws_credentials parts = {
        .access_key = get(&w->files, profile, "aws_access_key_id"),
        .secret_key = get(&w->files, profile, "aws_secret_access_key"),
        .session_token = token ? token : get(&w->files, profile, "aws_session_token"),
        .account_id = get(&w->files, profile, "aws_account_id"),
        .source = source,
    };

    return parts.access_key ? credentials_from_pair(where, &parts, ret, err) : AC_OK;
}

ac_status link_credentials_file(chain_walk *w, const char *profile, aws_credentials **ret, ac_error *err)
{
    return from_file(w, profile, profiles_get_credentials, "the shared credentials file", "shared-credentials-file",
                     ret, err);
}

ac_status link_config_file(chain_walk *w, const char *profile, aws_credentials **ret, ac_error *err)
{
    return from_file(w, profile, profiles_get_config, "the shared config file", "config-file", ret, err);
}

ac_status link_login(chain_walk *w, const char *profile, aws_credentials **ret, ac_error *err)
{
    (void)ret;
    if (!profiles_get(&w->files, profile, "login_session"))
        return AC_OK;
    return ac_error_set(err, AC_ERR_UNSUPPORTED, "profile %s uses login_session, which is not supported", profile);
}

/* ---- the order ---- */

ac_status links_of_profile(chain_walk *w, const char *profile, bool use_env, aws_credentials **ret, ac_error *err)
{
    static chain_link *const links[] = {link_sso, link_credentials_file, link_login, link_process, link_config_file};

    AC_TRY(link_web_identity(w, profile, use_env, ret, err));
    for (size_t i = 0; i < ARRAY_SIZE(links) && !*ret; i++)
        AC_TRY(links[i](w, profile, ret, err));
    return AC_OK;
}

static ac_status walk_links(chain_walk *w, aws_credentials **ret, ac_error *err)
{
    if (!w->profile_given)
        AC_TRY(link_env(w, w->profile, ret, err));
    if (!*ret)
        AC_TRY(link_assume_role(w, w->profile, ret, err));
    if (!*ret)
        AC_TRY(links_of_profile(w, w->profile, !w->profile_given, ret, err));
    if (!*ret)
        AC_TRY(link_container(w, w->profile, ret, err));
    if (!*ret)
        AC_TRY(link_metadata(w, w->profile, ret, err));
    if (!*ret)
        return ac_error_set(err, AC_ERR_NOT_FOUND, "Unable to locate credentials");
    return AC_OK;
}

static ac_status walk(void *user, aws_credentials **ret, ac_error *err)
{
    aws_chain *chain = user;
    chain_walk w = {.chain = chain};
    bool asked = true;
    ac_status status;

    *ret = NULL;
    AC_TRY(profiles_load(&chain->env, &w.files, err));
    w.profile = chain->profile ? chain->profile : profile_from_env(&chain->env, &asked);
    w.profile_given = chain->profile != NULL;
    if (asked && !profiles_has(&w.files, w.profile))
        status = ac_error_set(err, AC_ERR_INVALID, "The config profile (%s) could not be found", w.profile);
    else
        status = walk_links(&w, ret, err);
    profiles_done(&w.files);
    return status;
}

/* ---- life ---- */

static void chain_free(void *user)
{
    aws_chain *chain = user;

    if (chain->own_http)
        http_client_free(chain->http);
    free(chain->profile);
    free(chain->region);
    free(chain);
}

static char *copy_of(const char *text, bool *failed)
{
    char *copy = text && text[0] != '\0' ? strdup(text) : NULL;

    *failed |= text && text[0] != '\0' && !copy;
    return copy;
}

aws_provider *aws_provider_chain(const aws_chain_options *options)
{
    aws_chain_options defaults = {0};
    const aws_chain_options *o = options ? options : &defaults;
    aws_chain *chain = calloc(1, sizeof *chain);
    bool failed = false;

    if (!chain)
        return NULL;
    chain->env = o->env ? *o->env : aws_process_env;
    chain->profile = copy_of(o->profile, &failed);
    chain->region = copy_of(o->region, &failed);
    chain->http = o->http;
    if (o->clock)
        chain->clock = *o->clock;
    chain->process_timeout_ms = o->process_timeout_ms ? o->process_timeout_ms : PROCESS_TIMEOUT_MS;
    chain->retry_base_ms = o->retry_base_ms ? o->retry_base_ms : RETRY_BASE_MS;
    if (failed) {
        chain_free(chain);
        return NULL;
    }
    return aws_provider_new(&(aws_credentials_source){.fetch = walk, .free = chain_free, .user = chain}, &chain->clock);
}
