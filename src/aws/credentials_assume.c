/* credentials_assume.c - profiles that stand for a role: whose keys call STS, and for what role.
 *
 * A role's source is another profile, which may be a role itself, or a named place (credential_source).  The chain of
 * profiles must not come back to itself; a profile may name itself when it has keys beside its role. */
#include "aws/credentials_internal.h"

#include <stdio.h>
#include <string.h>

#define SESSION_NAME_SIZE 40

static const char *get(const chain_walk *w, const char *profile, const char *key)
{
    return profiles_get(&w->files, profile, key);
}

static bool has_role(const chain_walk *w, const char *profile)
{
    return get(w, profile, "role_arn") && !get(w, profile, "web_identity_token_file");
}

static bool has_static(const chain_walk *w, const char *profile)
{
    return get(w, profile, "aws_access_key_id") || get(w, profile, "aws_secret_access_key");
}

static void make_session_name(const chain_walk *w, char ret_name[SESSION_NAME_SIZE])
{
    snprintf(ret_name, SESSION_NAME_SIZE, "agentcore-session-%lld", (long long)(chain_now_ms(w->chain) / 1000));
}

/* ---- whose keys ---- */

static ac_status assume(chain_walk *w, const char *profile, aws_credentials **ret, ac_error *err);

static ac_status from_named_source(chain_walk *w, const char *profile, const char *source, aws_credentials **ret,
                                   ac_error *err)
{
    static const struct {
        const char *name;
        chain_link *link;
    } sources[] = {
        {"Environment", link_env},
        {"EcsContainer", link_container},
        {"Ec2InstanceMetadata", link_metadata},
    };

    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        if (strcmp(source, sources[i].name) != 0)
            continue;
        AC_TRY(sources[i].link(w, profile, ret, err));
        if (*ret)
            return AC_OK;
        return ac_error_set(err, AC_ERR_NOT_FOUND, "credential_source %s of profile %s has no credentials", source,
                            profile);
    }
    return ac_error_set(err, AC_ERR_INVALID, "credential_source %s of profile %s is not valid", source, profile);
}

static bool visited(const chain_walk *w, const char *profile)
{
    for (size_t i = 0; i < w->visited_count; i++)
        if (strcmp(w->visited[i], profile) == 0)
            return true;
    return false;
}

static ac_status check_source_profile(const chain_walk *w, const char *profile, const char *source, ac_error *err)
{
    if (!profiles_has(&w->files, source))
        return ac_error_set(err, AC_ERR_INVALID, "source_profile %s of profile %s does not exist", source, profile);
    if (visited(w, source) && (strcmp(source, profile) != 0 || !has_static(w, source)))
        return ac_error_set(err, AC_ERR_INVALID, "source_profile %s of profile %s closes a loop", source, profile);
    if (w->visited_count == PROFILE_CHAIN_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "more than %d profiles name each other as source_profile",
                            PROFILE_CHAIN_MAX);
    return AC_OK;
}

static ac_status from_source_profile(chain_walk *w, const char *profile, const char *source, aws_credentials **ret,
                                     ac_error *err)
{
    AC_TRY(check_source_profile(w, profile, source, err));
    w->visited[w->visited_count++] = source;
    if (!has_static(w, source) && has_role(w, source))
        return assume(w, source, ret, err);
    AC_TRY(links_of_profile(w, source, false, ret, err));
    if (*ret)
        return AC_OK;
    return ac_error_set(err, AC_ERR_INVALID, "source_profile %s of profile %s has no credentials", source, profile);
}

static ac_status source_keys(chain_walk *w, const char *profile, aws_credentials **ret, ac_error *err)
{
    const char *source_profile = get(w, profile, "source_profile"), *named = get(w, profile, "credential_source");

    if (source_profile && named)
        return ac_error_set(err, AC_ERR_INVALID, "profile %s has both source_profile and credential_source", profile);
    if (!source_profile && !named)
        return ac_error_set(err, AC_ERR_INVALID,
                            "profile %s has role_arn, but neither source_profile nor credential_source", profile);
    return named ? from_named_source(w, profile, named, ret, err)
                 : from_source_profile(w, profile, source_profile, ret, err);
}

/* ---- the role ---- */

static bool is_number(const char *text)
{
    return text && text[0] != '\0' && strlen(text) <= 9 && text[strspn(text, "0123456789")] == '\0';
}

static ac_status assume(chain_walk *w, const char *profile, aws_credentials **ret, ac_error *err)
{
    _cleanup_(aws_credentials_unrefp) aws_credentials *keys = NULL;
    const char *session = get(w, profile, "role_session_name"), *duration = get(w, profile, "duration_seconds");
    char session_name[SESSION_NAME_SIZE];

    AC_TRY(source_keys(w, profile, &keys, err));
    if (get(w, profile, "mfa_serial"))
        return ac_error_set(err, AC_ERR_UNSUPPORTED,
                            "profile %s asks for a code (mfa_serial), which only a person can give", profile);
    make_session_name(w, session_name);
    sts_call call = {
        .action = "AssumeRole",
        .role_arn = get(w, profile, "role_arn"),
        .session_name = session ? session : session_name,
        .external_id = get(w, profile, "external_id"),
        .duration = is_number(duration) ? duration : NULL,
        .signer = keys,
        .source = "assume-role",
    };
    return sts_assume(w, profile, &call, ret, err);
}

ac_status link_assume_role(chain_walk *w, const char *profile, aws_credentials **ret, ac_error *err)
{
    if (!has_role(w, profile))
        return AC_OK;
    w->visited_count = 0;
    w->visited[w->visited_count++] = profile;
    return assume(w, profile, ret, err);
}

/* ---- web identity ---- */

static const char *env_or_profile(const chain_walk *w, const char *profile, bool use_env, const char *variable,
                                  const char *key)
{
    const char *value = use_env ? aws_env_get(&w->chain->env, variable) : NULL;

    return value ? value : get(w, profile, key);
}

ac_status link_web_identity(chain_walk *w, const char *profile, bool use_env, aws_credentials **ret, ac_error *err)
{
    _cleanup_(buf_done) buf token = BUF_INIT(SECRET_FILE_BYTES_MAX);
    const char *path = env_or_profile(w, profile, use_env, "AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file");
    const char *role = env_or_profile(w, profile, use_env, "AWS_ROLE_ARN", "role_arn");
    const char *session = env_or_profile(w, profile, use_env, "AWS_ROLE_SESSION_NAME", "role_session_name");
    char session_name[SESSION_NAME_SIZE];

    if (!path)
        return AC_OK;
    if (!role)
        return ac_error_set(err, AC_ERR_INVALID,
                            "a web identity token file is configured, but no role: set AWS_ROLE_ARN or role_arn");
    AC_TRY(read_secret_file(&w->chain->env, path, &token, err));
    while (token.length > 0 && (token.data[token.length - 1] == '\n' || token.data[token.length - 1] == '\r'))
        token.length--;
    if (token.length == 0 || !buf_terminate(&token))
        return ac_error_set(err, AC_ERR_INVALID, "the web identity token file %s is empty", path);
    make_session_name(w, session_name);
    sts_call call = {
        .action = "AssumeRoleWithWebIdentity",
        .role_arn = role,
        .session_name = session ? session : session_name,
        .identity_token = token.data,
        .source = "assume-role-with-web-identity",
    };
    return sts_assume(w, profile, &call, ret, err);
}
