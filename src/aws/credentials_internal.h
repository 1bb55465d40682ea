/* credentials_internal.h - the links of the credentials chain, for each other. */
#ifndef AWS_CREDENTIALS_INTERNAL_H
#define AWS_CREDENTIALS_INTERNAL_H

#include "aws/credentials.h"
#include "aws/ini.h"

#define PROFILE_CHAIN_MAX 16 /* profiles that name each other as source */
#define SECRET_FILE_BYTES_MAX ((size_t)1 << 20)

/* credentials_profile.c: both shared files, read once per walk through the chain. */

typedef struct aws_profiles {
    ini *config;      /* NULL: no such file */
    ini *credentials; /* NULL: no such file */
} aws_profiles;

ac_status profiles_load(const aws_env *env, aws_profiles *ret_profiles, ac_error *err) AC_MUST_USE;
void profiles_done(aws_profiles *p);
bool profiles_has(const aws_profiles *p, const char *profile);
const char *profiles_get(const aws_profiles *p, const char *profile, const char *key); /* credentials file first */
const char *profiles_get_config(const aws_profiles *p, const char *profile, const char *key);
const char *profiles_get_credentials(const aws_profiles *p, const char *profile, const char *key);
const char *profiles_get_sso_session(const aws_profiles *p, const char *session, const char *key);

/* The profile that the environment asks for, and whether it asks at all. */
const char *profile_from_env(const aws_env *env, bool *ret_asked);

/* path with a leading "~/" replaced; a file's whole content in a wiped buf.  AC_ERR_NOT_FOUND, AC_ERR_IO, ... */
ac_status read_secret_file(const aws_env *env, const char *path, buf *out, ac_error *err) AC_MUST_USE;

/* What a chain is made with. */
typedef struct aws_chain {
    aws_env env;
    char *profile; /* NULL: the environment's */
    char *region;
    http_client *http;
    bool own_http;
    aws_clock clock;
    unsigned process_timeout_ms;
    unsigned retry_base_ms;
} aws_chain;

int64_t chain_now_ms(const aws_chain *chain);
ac_status chain_http(aws_chain *chain, http_client **ret_http, ac_error *err) AC_MUST_USE;

/* One walk through the chain. */
typedef struct chain_walk {
    aws_chain *chain;
    aws_profiles files;
    const char *profile;
    bool profile_given; /* by the program, not the environment */
    const char *visited[PROFILE_CHAIN_MAX];
    size_t visited_count;
} chain_walk;

/* The links.  AC_OK with *ret NULL: not configured, ask the next one. */
typedef ac_status chain_link(chain_walk *w, const char *profile, aws_credentials **ret, ac_error *err);
chain_link link_env, link_assume_role, link_sso, link_credentials_file, link_login, link_process, link_config_file,
    link_container, link_metadata;
ac_status link_web_identity(chain_walk *w, const char *profile, bool use_env, aws_credentials **ret, ac_error *err);

/* All that a profile can say but assume-role. */
ac_status links_of_profile(chain_walk *w, const char *profile, bool use_env, aws_credentials **ret, ac_error *err);

/* credentials_sts.c */
typedef struct sts_call {
    const char *action;
    const char *role_arn;
    const char *session_name;
    const char *external_id;       /* NULL: none */
    const char *duration;          /* NULL: none */
    const char *identity_token;    /* NULL: none */
    const aws_credentials *signer; /* NULL: not signed */
    const char *source;
} sts_call;

ac_status sts_assume(chain_walk *w, const char *profile, const sts_call *call, aws_credentials **ret, ac_error *err)
    AC_MUST_USE;

/* The region for STS and SSO. */
ac_status walk_region(chain_walk *w, const char *profile, char ret_region[REGION_SIZE], ac_error *err) AC_MUST_USE;

/* credentials_json.c */
typedef struct json_names {
    const char *object; /* the member they are in; NULL: the whole */
    const char *access_key, *secret_key, *token, *expiration, *account;
    int version;        /* what "Version" must be; 0: not looked at */
    bool expiring;      /* token and expiration must be there */
    bool expiration_ms; /* a number of milliseconds instead of a date */
} json_names;

/* Keys out of a JSON object; text is changed.  AC_ERR_PROTOCOL names what is missing, never a value. */
ac_status credentials_from_json(buf *text, const json_names *names, const char *source, aws_credentials **ret,
                                ac_error *err) AC_MUST_USE;

/* An ISO 8601 date as AWS writes it. */
bool parse_expiration(const char *text, int64_t *ret_ms);

/* Static keys of one section: AC_ERR_INVALID when there is only half a pair. */
ac_status credentials_from_pair(const char *where, const aws_credentials *parts, aws_credentials **ret, ac_error *err)
    AC_MUST_USE;

/* credentials_process.c: words as a POSIX shell splits them, without expansions; NULL-terminated, in one block to be
 * freed.  False: an open quote, or no memory. */
char **split_command(const char *text);

#endif
