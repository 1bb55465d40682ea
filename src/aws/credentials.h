/* credentials.h - where access keys come from: the chain that every AWS SDK walks, cached and refreshed in time.
 *
 * A provider hands out snapshots: a set of keys that never changes and is wiped when its last holder lets go.  Keys
 * that expire are fetched anew in their last 15 minutes by one thread while others go on with the old ones; in the
 * last 10 minutes everybody waits for that thread.  When fetching fails, keys that are still valid are used on.
 *
 * The order is botocore's: environment, assume-role profile, web identity, SSO, shared credentials file,
 * credential_process, shared config file, container endpoint, instance metadata. */
#ifndef AWS_CREDENTIALS_H
#define AWS_CREDENTIALS_H

#include "aws/endpoints.h"
#include "http/client.h"

#define AWS_NEVER_EXPIRES INT64_MAX

typedef struct aws_credentials {
    const char *access_key;
    const char *secret_key;
    const char *session_token; /* NULL: none */
    const char *account_id;    /* NULL: not known */
    const char *source;        /* "env", "shared-credentials-file", ...: botocore's name for it; static */
    int64_t expires_ms;        /* since 1970; AWS_NEVER_EXPIRES */
} aws_credentials;

/* Strings are copied; token and account_id may be NULL or "".  NULL when memory runs out. */
aws_credentials *aws_credentials_new(const aws_credentials *from);
aws_credentials *aws_credentials_ref(aws_credentials *c);
void aws_credentials_unref(aws_credentials *c);
DEFINE_CLEANUP(aws_credentials *, aws_credentials_unref)

typedef struct aws_provider aws_provider;

/* What fetches keys for a provider; called by one thread at a time. */
typedef struct aws_credentials_source {
    ac_status (*fetch)(void *user, aws_credentials **ret_credentials, ac_error *err);
    void (*free)(void *user); /* may be NULL */
    void *user;
} aws_credentials_source;

/* Milliseconds since 1970; NULL: the system's clock. */
typedef struct aws_clock {
    int64_t (*now_ms)(void *user);
    void *user;
} aws_clock;

/* A provider with a source of your own, which is copied and freed with it (also when this fails).  NULL: no memory. */
aws_provider *aws_provider_new(const aws_credentials_source *source, const aws_clock *clock);

/* Always the same keys. */
aws_provider *aws_provider_static(const char *access_key, const char *secret_key, const char *session_token);

/* Zero means the default beside it.  Strings are copied; env's user and http outlive the provider. */
typedef struct aws_chain_options {
    const aws_env *env; /* the environment of the process */
    const char
        *profile;       /* AWS_DEFAULT_PROFILE, AWS_PROFILE, "default".  When given, variables with keys are not used */
    const char *region; /* for STS and SSO; as aws_profile_region says */
    http_client *http;  /* one of its own, when it is first needed */
    const aws_clock *clock;
    unsigned process_timeout_ms; /* for credential_process; 60 s */
    unsigned retry_base_ms;      /* longest wait before a second attempt; 1 s */
} aws_chain_options;

/* The whole chain.  Nothing is read or asked before the first aws_provider_get.  NULL: no memory. */
aws_provider *aws_provider_chain(const aws_chain_options *options);

void aws_provider_free(aws_provider *p);
DEFINE_CLEANUP(aws_provider *, aws_provider_free)

/* Keys that are valid now.  Any thread; may wait for the network or a process, each wait with a limit.
 * Errors: AC_ERR_NOT_FOUND (no link of the chain has keys), AC_ERR_INVALID (configured wrongly; the message says
 * where), AC_ERR_UNSUPPORTED (MFA, ...), AC_ERR_DENIED (STS refuses), what the HTTP client says, AC_ERR_NOMEM. */
ac_status aws_provider_get(aws_provider *p, aws_credentials **ret_credentials, ac_error *err) AC_MUST_USE;

/* Have the next get fetch anew: a service has refused the keys. */
void aws_provider_expire(aws_provider *p);

/* The region to use: explicit_region (may be NULL), AWS_REGION, AWS_DEFAULT_REGION, the profile's (NULL: as in
 * aws_chain_options), us-west-2.  AC_ERR_INVALID for one that is no region name or files that cannot be read. */
ac_status aws_profile_region(const aws_env *env, const char *profile, const char *explicit_region,
                             char ret_region[REGION_SIZE], ac_error *err) AC_MUST_USE;

#endif
