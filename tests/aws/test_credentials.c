/* test_credentials.c - the credentials chain: files in a directory of its own, environment and clock through callbacks,
 * STS, container endpoint and instance metadata played by our own server. */
#include "aws/credentials.h"

#include "../http/client_peers.h"
#include "base/clock.h"
#include "credentials_cases.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define VARIABLES_MAX 20
#define VALUE_SIZE 256

typedef struct fixture {
    house house; /* first: the server's callbacks are given it */
    http_client *http;
    char directory[64];
    char variables[VARIABLES_MAX][2][VALUE_SIZE];
    size_t variable_count;
    aws_env env;
    aws_clock clock;
    _Atomic int64_t now_ms;
    int64_t keys_last_ms; /* what the server hands out */
    atomic_uint refusals; /* requests to be answered with 500 */
    atomic_uint requests;
    bool throttle_codes;
} fixture;

/* ---- the server ---- */

static const char *expiration(fixture *f)
{
    static _Thread_local char text[CLOCK_ISO8601_MS_SIZE];

    clock_iso8601_ms(f->now_ms + f->keys_last_ms, text);
    text[19] = 'Z'; /* without milliseconds, as AWS writes it */
    text[20] = '\0';
    return text;
}

static void answer_keys(fixture *f, http_exchange *x, const char *key)
{
    char json[1024];

    snprintf(
        json, sizeof json,
        "{\"Code\":\"Success\",\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"%s\"}",
        key, expiration(f));
    house_answer(x, 200, "application/json", json);
}

static void cut(const char *text, const char *before, const char *end, char *out, size_t size)
{
    const char *at = text ? strstr(text, before) : NULL;

    snprintf(out, size, "%.*s", at ? (int)strcspn(at + strlen(before), end) : 0, at ? at + strlen(before) : "");
}

static void play_sts(fixture *f, http_exchange *x)
{
    const char *form = http_exchange_request(x)->body;
    const char *authorization = http_exchange_header(x, "Authorization");
    char role[64], who[128], xml[2048], scope[64];

    cut(form, "role%2F", "&", role, sizeof role);
    if (strstr(form, "Action=AssumeRoleWithWebIdentity"))
        cut(form, "WebIdentityToken=", "&", who, sizeof who);
    else
        cut(authorization, "Credential=", "/", who, sizeof who);
    if (authorization) {
        cut(authorization, "us-east-1/", ",", scope, sizeof scope);
        assert_string_equal(scope, "sts/aws4_request");
    }
    if (strcmp(role, "refused") == 0) {
        house_answer(
            x, 403, "text/xml",
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>a &amp; b</Message></Error></ErrorResponse>");
        return;
    }
    snprintf(xml, sizeof xml,
             "<R><AssumedRoleUser><Arn>x</Arn></AssumedRoleUser><Credentials><AccessKeyId>%s-%s</AccessKeyId>"
             "<SecretAccessKey>s&lt;&amp;</SecretAccessKey><SessionToken>t</SessionToken>"
             "<Expiration>%s</Expiration></Credentials></R>",
             role, who, expiration(f));
    house_answer(x, 200, "text/xml", xml);
}

static void play_container(fixture *f, http_exchange *x, const char *target)
{
    const char *token = http_exchange_header(x, "Authorization");
    char key[128] = "CONTAINER";

    if (strcmp(target, "/container/token") == 0)
        snprintf(key, sizeof key, "CONTAINER-%s", token ? token : "none");
    answer_keys(f, x, key);
}

static void play_metadata(fixture *f, http_exchange *x, const char *target)
{
    bool v1 = strncmp(target, "/imds1", 6) == 0;
    const char *token = http_exchange_header(x, "x-aws-ec2-metadata-token");
    size_t length = strlen(target);

    if (strcmp(http_exchange_request(x)->method, "PUT") == 0)
        house_answer(x, v1 ? 404 : 200, "text/plain", "imds-token");
    else if (!v1 && (!token || strcmp(token, "imds-token") != 0))
        house_answer(x, 401, "text/plain", "");
    else if (target[length - 1] == '/')
        house_answer(x, 200, "text/plain", "the-role\n");
    else
        answer_keys(f, x, v1 ? "IMDS1" : "IMDS");
}

static void on_request(http_exchange *x, void *user)
{
    fixture *f = user;
    const char *target = http_exchange_request(x)->target;

    atomic_fetch_add(&f->requests, 1);
    if (f->refusals) {
        f->refusals--;
        house_answer(x, 500, "text/plain", "");
    } else if (strncmp(target, "/container", 10) == 0) {
        play_container(f, x, target);
    } else if (strncmp(target, "/imds", 5) == 0) {
        play_metadata(f, x, target);
    } else if (strncmp(target, "/federation", 11) == 0) {
        assert_string_equal(http_exchange_header(x, "x-amz-sso_bearer_token"), "sso-token");
        assert_string_equal(http_exchange_request(x)->query, "role_name=dev%2Fops&account_id=1");
        house_answer(x, 200, "application/json",
                     "{\"roleCredentials\":{\"accessKeyId\":\"SSO\",\"secretAccessKey\":\"s\","
                     "\"sessionToken\":\"t\",\"expiration\":99999999999999}}");
    } else {
        play_sts(f, x);
    }
}

/* ---- surroundings ---- */

static const char *get_variable(void *user, const char *name)
{
    fixture *f = user;

    for (size_t i = 0; i < f->variable_count; i++)
        if (strcmp(f->variables[i][0], name) == 0)
            return f->variables[i][1];
    return NULL;
}

static int64_t get_now(void *user)
{
    return ((fixture *)user)->now_ms;
}

/* @PORT@ and @DIR@ replaced. */
static void substitute(fixture *f, const char *text, char *out, size_t size)
{
    size_t length = 0;

    out[0] = '\0';
    while (*text && length + 80 < size) {
        if (strncmp(text, "@PORT@", 6) == 0) {
            length += (size_t)snprintf(out + length, size - length, "%d", f->house.port);
            text += 6;
        } else if (strncmp(text, "@DIR@", 5) == 0) {
            length += (size_t)snprintf(out + length, size - length, "%s", f->directory);
            text += 5;
        } else {
            out[length++] = *text++;
            out[length] = '\0';
        }
    }
}

static void set(fixture *f, const char *name, const char *value)
{
    assert_true(f->variable_count < VARIABLES_MAX);
    snprintf(f->variables[f->variable_count][0], VALUE_SIZE, "%s", name);
    substitute(f, value, f->variables[f->variable_count++][1], VALUE_SIZE);
}

static void write_file(fixture *f, const char *name, const char *text)
{
    char path[128], content[4096];

    snprintf(path, sizeof path, "%s/%s", f->directory, name);
    substitute(f, text ? text : "", content, sizeof content);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

static void reset(fixture *f)
{
    f->variable_count = 0;
    set(f, "HOME", "@DIR@");
    set(f, "AWS_CONFIG_FILE", "~/config");
    set(f, "AWS_SHARED_CREDENTIALS_FILE", "@DIR@/credentials");
    set(f, "AWS_METADATA_SERVICE_TIMEOUT", "30"); /* not the one second that is usual */
    write_file(f, "config", "");
    write_file(f, "credentials", "");
    f->now_ms = clock_unix_ms();
    f->keys_last_ms = 6 * 3600000;
    f->refusals = 0;
    f->requests = 0;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    ac_error err = {0};

    house_start(&f->house, on_request);
    if (http_client_new(NULL, &f->http, &err) != AC_OK)
        fail_msg("%s", err.message);
    snprintf(f->directory, sizeof f->directory, "/tmp/ac-credentials-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    f->env = (aws_env){get_variable, f};
    f->clock = (aws_clock){get_now, f};
    reset(f);
    write_file(f, "good.json", "{\"Version\":1,\"AccessKeyId\":\"PROCESS\",\"SecretAccessKey\":\"s\"}");
    write_file(f, "version.json", "{\"Version\":2,\"AccessKeyId\":\"PROCESS\",\"SecretAccessKey\":\"s\"}");
    write_file(f, "token", "TOKEN");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const files[] = {"good.json", "version.json", "token", "config", "credentials"};
    fixture *f = *state;
    char path[160];

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        snprintf(path, sizeof path, "%s/%s", f->directory, files[i]);
        unlink(path);
    }
    rmdir(f->directory);
    http_client_free(f->http);
    house_stop(&f->house);
    free(f);
    return 0;
}

static aws_provider *chain(fixture *f, const char *profile)
{
    aws_chain_options options = {
        .env = &f->env,
        .profile = profile,
        .http = f->http,
        .clock = &f->clock,
        .process_timeout_ms = 10000,
        .retry_base_ms = 1,
    };
    aws_provider *p = aws_provider_chain(&options);

    assert_non_null(p);
    return p;
}

static void expect_key(aws_provider *p, const char *key)
{
    aws_credentials *c;
    ac_error err = {0};

    if (aws_provider_get(p, &c, &err) != AC_OK)
        fail_msg("%s instead of %s", err.message, key);
    assert_string_equal(c->access_key, key);
    aws_credentials_unref(c);
}

/* ---- which keys ---- */

static void check_case(fixture *f, const credentials_case *c)
{
    aws_credentials *got = NULL;
    ac_error err = {0};

    reset(f);
    for (size_t i = 0; i < ARRAY_SIZE(c->env) && c->env[i]; i++) {
        char name[VALUE_SIZE];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(c->env[i], "="), c->env[i]);
        set(f, name, strchr(c->env[i], '=') + 1);
    }
    write_file(f, "config", c->config);
    write_file(f, "credentials", c->credentials);
    aws_provider *p = chain(f, c->profile);
    ac_status status = aws_provider_get(p, &got, &err);
    if (c->access_key && status != AC_OK)
        fail_msg("%s: %s", c->name, err.message);
    if (c->access_key && strcmp(got->access_key, c->access_key) != 0)
        fail_msg("%s: %s", c->name, got->access_key);
    if (!c->access_key && (status == AC_OK || !strstr(err.message, c->message ? c->message : "")))
        fail_msg("%s: %s %s", c->name, ac_status_name(status), status == AC_OK ? got->access_key : err.message);
    if (got && !got->session_token)
        assert_int_equal(got->expires_ms, AWS_NEVER_EXPIRES);
    aws_credentials_unref(got);
    aws_provider_free(p);
}

static void situations_have_their_keys(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(credentials_cases); i++)
        check_case(*state, &credentials_cases[i]);
}

static void mfa_is_refused(void **state)
{
    fixture *f = *state;
    aws_credentials *c;
    ac_error err = {0};

    reset(f);
    write_file(f, "config", "[default]\nrole_arn=arn:aws:iam::1:role/a\nsource_profile=default\nmfa_serial=arn:mfa\n");
    write_file(f, "credentials", "[default]\naws_access_key_id=A\naws_secret_access_key=s\n");
    aws_provider *p = chain(f, NULL);
    assert_int_equal(aws_provider_get(p, &c, &err), AC_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "mfa_serial"));
    aws_provider_free(p);
}

static void sso_uses_the_cached_token(void **state)
{
    fixture *f = *state;
    aws_credentials *c;
    ac_error err = {0};
    char path[256];

    reset(f);
    set(f, "AWS_ENDPOINT_URL_SSO", "http://127.0.0.1:@PORT@");
    write_file(f, "config",
               "[default]\nsso_session=corp\nsso_account_id=1\nsso_role_name=dev/ops\n"
               "[sso-session corp]\nsso_start_url=https://x\nsso_region=us-east-1\n");
    aws_provider *p = chain(f, NULL);
    assert_int_equal(aws_provider_get(p, &c, &err), AC_ERR_DENIED);
    assert_non_null(strstr(err.message, "aws sso login"));

    static const char *const folders[] = {".aws", ".aws/sso", ".aws/sso/cache"};
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        snprintf(path, sizeof path, "%s/%s", f->directory, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    /* SHA-1 of "corp" */
    const char *file = ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
    write_file(f, file, "{\"accessToken\":\"sso-token\",\"expiresAt\":\"2999-01-01T00:00:00Z\"}");
    expect_key(p, "SSO");
    aws_provider_free(p);
    p = chain(f, NULL);
    write_file(f, file, "{\"accessToken\":\"sso-token\",\"expiresAt\":\"2019-01-01T00:00:00UTC\"}");
    assert_int_equal(aws_provider_get(p, &c, &err), AC_ERR_DENIED);
    aws_provider_free(p);
    snprintf(path, sizeof path, "%s/%s", f->directory, file);
    unlink(path);
    for (size_t i = ARRAY_SIZE(folders); i-- > 0;) {
        snprintf(path, sizeof path, "%s/%s", f->directory, folders[i]);
        rmdir(path);
    }
}

static void endpoints_are_asked_again(void **state)
{
    fixture *f = *state;
    aws_credentials *c;

    reset(f);
    set(f, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:@PORT@/container");
    set(f, "AWS_EC2_METADATA_DISABLED", "true");
    f->refusals = 2;
    aws_provider *p = chain(f, NULL);
    expect_key(p, "CONTAINER");
    assert_int_equal(f->requests, 3);
    aws_provider_free(p);
    f->refusals = 100;
    f->requests = 0;
    p = chain(f, NULL);
    assert_int_equal(aws_provider_get(p, &c, NULL), AC_ERR_IO);
    assert_int_equal(f->requests, 3);
    aws_provider_free(p);
}

static void a_process_may_hang(void **state)
{
    fixture *f = *state;
    aws_credentials *c;
    ac_error err = {0};

    reset(f);
    write_file(f, "config", "[default]\ncredential_process = sh -c \"sleep 600\"\n");
    aws_chain_options options = {.env = &f->env, .process_timeout_ms = 100};
    aws_provider *p = aws_provider_chain(&options);
    assert_int_equal(aws_provider_get(p, &c, &err), AC_ERR_TIMEOUT);
    aws_provider_free(p);
}

static void secrets_stay_out_of_messages(void **state)
{
    fixture *f = *state;
    aws_credentials *c;
    ac_error err = {0};

    reset(f);
    write_file(f, "credentials", "[default]\naws_secret_access_key = hush\nhush hush\n");
    aws_provider *p = chain(f, NULL);
    assert_int_equal(aws_provider_get(p, &c, &err), AC_ERR_INVALID);
    assert_null(strstr(err.message, "hush"));
    aws_provider_free(p);
}

/* ---- in time ---- */

static void metadata_in_trouble_is_borne(void **state)
{
    fixture *f = *state;
    aws_credentials *c;

    reset(f);
    set(f, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:@PORT@/imds");
    f->keys_last_ms = -3600000;
    aws_provider *p = chain(f, NULL);
    assert_int_equal(aws_provider_get(p, &c, NULL), AC_OK);
    assert_true(c->expires_ms >= f->now_ms + 17 * 60000 && c->expires_ms <= f->now_ms + 26 * 60000);
    aws_credentials_unref(c);
    aws_provider_free(p);
}

static void roles_are_refreshed(void **state)
{
    fixture *f = *state;

    reset(f);
    set(f, "AWS_ENDPOINT_URL_STS", "http://127.0.0.1:@PORT@");
    set(f, "AWS_REGION", "us-east-1");
    write_file(f, "config", "[default]\nrole_arn=arn:aws:iam::1:role/one\nsource_profile=default\n");
    write_file(f, "credentials", "[default]\naws_access_key_id=A\naws_secret_access_key=s\n");
    f->keys_last_ms = 3600000;
    aws_provider *p = chain(f, NULL);
    expect_key(p, "one-A");
    expect_key(p, "one-A");
    assert_int_equal(f->requests, 1);
    write_file(f, "credentials", "[default]\naws_access_key_id=B\naws_secret_access_key=s\n");
    f->now_ms += 50 * 60000;
    expect_key(p, "one-B");
    aws_provider_free(p);
}

static void regions_come_from_profiles_too(void **state)
{
    fixture *f = *state;
    char region[REGION_SIZE];

    reset(f);
    write_file(f, "config",
               "[default]\nregion = eu-west-1\n[profile p]\nregion = eu-west-2\n[profile bad]\nregion = evil.com/\n");
    assert_int_equal(aws_profile_region(&f->env, NULL, NULL, region, NULL), AC_OK);
    assert_string_equal(region, "eu-west-1");
    assert_int_equal(aws_profile_region(&f->env, "p", NULL, region, NULL), AC_OK);
    assert_string_equal(region, "eu-west-2");
    assert_int_equal(aws_profile_region(&f->env, "bad", NULL, region, NULL), AC_ERR_INVALID);
    assert_int_equal(aws_profile_region(&f->env, "p", "us-east-2", region, NULL), AC_OK);
    assert_string_equal(region, "us-east-2");
    set(f, "AWS_REGION", "ap-south-1");
    assert_int_equal(aws_profile_region(&f->env, "p", NULL, region, NULL), AC_OK);
    assert_string_equal(region, "ap-south-1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(situations_have_their_keys),
        cmocka_unit_test(mfa_is_refused),
        cmocka_unit_test(sso_uses_the_cached_token),
        cmocka_unit_test(endpoints_are_asked_again),
        cmocka_unit_test(a_process_may_hang),
        cmocka_unit_test(secrets_stay_out_of_messages),
        cmocka_unit_test(metadata_in_trouble_is_borne),
        cmocka_unit_test(roles_are_refreshed),
        cmocka_unit_test(regions_come_from_profiles_too),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
