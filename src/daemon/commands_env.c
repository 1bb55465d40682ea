/* commands_env.c - `agentcored env`: the variables that point AWS clients here, for eval in a shell or as JSON.
 *
 * The address is that of the running daemon, or else the one the configuration says; a remark on standard error tells
 * when nobody answers there.  Values are quoted for POSIX shells.  BEDROCK_AGENTCORE_DP_ENDPOINT and its sister are not
 * set: the Python SDK accepts only hosts of AWS in them, and botocore's variables serve it as well. */
#include "daemon/commands.h"
#include "daemon/endpoint.h"
#include "daemon/files.h"
#include "daemon/front/keys.h"
#include "daemon/local_ca.h"

#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENV_BYTES_MAX 65536

typedef enum env_name {
    ENV_ACCESS_KEY,
    ENV_SECRET,
    ENV_TOKEN,
    ENV_REGION,
    ENV_DEFAULT_REGION,
    ENV_DATA_PLANE,
    ENV_CONTROL_PLANE,
    ENV_CA,
    ENV_NODE_CA,
    ENV_COUNT,
} env_name;

static const char *const names[ENV_COUNT] = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE",
    "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL",
    "AWS_CA_BUNDLE",       /* boto3, the AWS command line */
    "NODE_EXTRA_CA_CERTS", /* the AWS SDK for JavaScript */
};

/* ---- writing ---- */

static ac_status write_quoted(buf *out, const char *text)
{
    AC_TRY(buf_append_text(out, "'"));
    for (; *text; text++)
        AC_TRY(*text == '\'' ? buf_append_text(out, "'\\''") : buf_append(out, text, 1));
    return buf_append_text(out, "'");
}

static ac_status write_shell(const char *const values[ENV_COUNT], buf *out)
{
    for (size_t i = 0; i < ENV_COUNT; i++) {
        if (values[i]) {
            AC_TRY(buf_appendf(out, "export %s=", names[i]));
            AC_TRY(write_quoted(out, values[i]));
            AC_TRY(buf_append_text(out, "\n"));
        } else if (i == ENV_TOKEN) {
            /* One that is left over from another account would spoil every signature. */
            AC_TRY(buf_appendf(out, "unset %s\n", names[i]));
        }
    }
    return AC_OK;
}

static ac_status write_json(const char *const values[ENV_COUNT], buf *out)
{
    const char *before = "{";

    for (size_t i = 0; i < ENV_COUNT; i++) {
        if (!values[i])
            continue;
        AC_TRY(buf_appendf(out, "%s\n  \"%s\": ", before, names[i]));
        AC_TRY(json_write_string(out, values[i], strlen(values[i])));
        before = ",";
    }
    return buf_append_text(out, "\n}\n");
}

static int print_unset(void)
{
    for (size_t i = 0; i < ENV_COUNT; i++)
        printf("unset %s\n", names[i]);
    return EXIT_OK;
}

/* ---- finding out ---- */

static bool is_told(const config *c, const char *option)
{
    return config_source_of(c, option) != CONFIG_FROM_DEFAULT;
}

/* What the daemon wrote down, or what the configuration would make it be. */
static ac_status find_endpoint(const config *c, endpoint *e, ac_error *err)
{
    ac_status status = endpoint_read(c->data_dir, e, err);
    char *root;

    if (status == AC_OK) {
        if (!endpoint_answers(e))
            complain("nobody answers at %s; is agentcored running?", e->url);
        if (is_told(c, "region"))
            snprintf(e->region, sizeof e->region, "%s", c->region);
        return AC_OK;
    }
    if (status != AC_ERR_NOT_FOUND)
        return status;
    if (c->port == 0)
        return ac_error_set(err, AC_ERR_STATE, "agentcored is not running, and port 0 is no address to tell");
    AC_TRY(endpoint_url(c, c->port, e->url, sizeof e->url, err));
    snprintf(e->region, sizeof e->region, "%s", c->region);
    if (c->tls && !c->tls_cert) {
        root = path_join(c->data_dir, LOCAL_CA_ROOT_FILE);
        snprintf(e->ca_file, sizeof e->ca_file, "%s", root ? root : "");
        free(root);
    }
    complain("agentcored is not running; this is for %s, where it is configured to be", e->url);
    return AC_OK;
}

typedef struct first_key {
    char id[256];
} first_key;

static void take_first(const char *access_key, const char *account, int64_t created_ms, void *user)
{
    first_key *first = user;

    (void)account;
    (void)created_ms;
    if (!*first->id)
        snprintf(first->id, sizeof first->id, "%s", access_key);
}

static ac_status find_key(const invocation *in, first_key *id, buf *secret, buf *token, ac_error *err)
{
    char account[KEY_ACCOUNT_SIZE];
    keys *k = NULL;
    ac_status status;

    AC_TRY(open_existing_keys(&in->config, &k, err));
    if (in->access_key)
        snprintf(id->id, sizeof id->id, "%s", in->access_key);
    else
        keys_each(k, take_first, id);
    status = keys_find(k, id->id, strlen(id->id), secret, token, account, err);
    keys_close(k);
    if (status == AC_OK && (!buf_terminate(secret) || !buf_terminate(token)))
        status = ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    return status;
}

/* ---- the command ---- */

int command_env(invocation *in)
{
    _cleanup_(buf_done) buf out = {.cap = ENV_BYTES_MAX, .secret = true};
    _cleanup_(buf_done) buf secret = {.cap = 4096, .secret = true}, token = {.cap = 8192, .secret = true};
    first_key id = {""};
    ac_error err = {.status = AC_OK};
    endpoint e;

    if (in->unset)
        return print_unset();
    if (find_key(in, &id, &secret, &token, &err) != AC_OK || find_endpoint(&in->config, &e, &err) != AC_OK) {
        complain("%s", err.message);
        return EXIT_FAILED;
    }
    const char *const values[ENV_COUNT] = {
        [ENV_ACCESS_KEY] = id.id,
        [ENV_SECRET] = secret.data,
        [ENV_TOKEN] = token.length ? token.data : NULL,
        [ENV_REGION] = e.region,
        [ENV_DEFAULT_REGION] = e.region,
        [ENV_DATA_PLANE] = e.url,
        [ENV_CONTROL_PLANE] = e.url,
        [ENV_CA] = *e.ca_file ? e.ca_file : NULL,
        [ENV_NODE_CA] = *e.ca_file ? e.ca_file : NULL,
    };
    if ((in->json ? write_json(values, &out) : write_shell(values, &out)) != AC_OK) {
        complain("out of memory");
        return EXIT_FAILED;
    }
    if (fwrite(out.data, 1, out.length, stdout) != out.length || fflush(stdout) != 0) {
        complain("cannot write: %s", strerror(errno));
        return EXIT_FAILED;
    }
    return EXIT_OK;
}
