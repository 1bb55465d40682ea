/* client.c - the client: where it calls and as whom, and a call by an operation's name. */
#include "client/client_internal.h"

#include <stdlib.h>
#include <string.h>

#define READ_TIMEOUT_MS 60000
#define ANSWER_BYTES_MAX ((size_t)128 << 20)

/* ---- making one ---- */

static const char *given_or(const char *given, const char *variable)
{
    return given && *given ? given : aws_env_get(&aws_process_env, variable);
}

static ac_status make_provider(ac_client *c, const ac_client_options *o, ac_error *err)
{
    if (o->access_key && *o->access_key) {
        if (!o->secret_key || !*o->secret_key)
            return ac_error_set(err, AC_ERR_INVALID, "access_key is given, but no secret_key");
        c->provider = aws_provider_static(o->access_key, o->secret_key, o->session_token);
    } else {
        c->provider = aws_provider_chain(&(aws_chain_options){.profile = o->profile, .region = c->region});
    }
    return c->provider ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static ac_status set_up(ac_client *c, const ac_client_options *o, ac_error *err)
{
    AC_TRY(aws_profile_region(&aws_process_env, o->profile, o->region, c->region, err));
    AC_TRY(aws_endpoint_resolve(&aws_process_env, AWS_CONTROL_PLANE, c->region, o->endpoint, &c->endpoints[0], err));
    AC_TRY(aws_endpoint_resolve(&aws_process_env, AWS_DATA_PLANE, c->region, o->endpoint, &c->endpoints[1], err));
    AC_TRY(make_provider(c, o, err));
    c->attempts_max =
        o->attempts_max ? o->attempts_max : http_retry_attempts(aws_env_get(&aws_process_env, "AWS_MAX_ATTEMPTS"));
    c->connect_timeout_ms = o->connect_timeout_ms;
    c->read_timeout_ms = o->read_timeout_ms ? o->read_timeout_ms : READ_TIMEOUT_MS;
    c->answer_bytes_max = o->answer_bytes_max ? o->answer_bytes_max : ANSWER_BYTES_MAX;
    const char *ca_file = given_or(o->ca_file, "AWS_CA_BUNDLE");
    if (ca_file && !(c->ca_file = strdup(ca_file)))
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    return http_client_new(&(http_client_options){.ca_file = c->ca_file, .user_agent = "agentcore-c/" AC_VERSION},
                           &c->http, err);
}

ac_status ac_client_new(const ac_client_options *options, ac_client **ret_client, ac_error *err)
{
    static const ac_client_options none;
    ac_client *c = calloc(1, sizeof *c);
    ac_status status;

    *ret_client = NULL;
    if (!c)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    c->quota = (http_retry_quota)HTTP_RETRY_QUOTA_INIT;
    status = set_up(c, options ? options : &none, err);
    if (status == AC_OK)
        *ret_client = c;
    else
        ac_client_free(c);
    return status;
}

void ac_client_free(ac_client *client)
{
    if (!client)
        return;
    http_client_free(client->http);
    aws_provider_free(client->provider);
    pthread_mutex_destroy(&client->quota.lock);
    free(client->ca_file);
    free(client);
}

const char *ac_client_region(const ac_client *client)
{
    return client->region;
}

/* ---- the call ---- */

ac_status ac_client_call(ac_client *client, const char *operation, yyjson_val *input, yyjson_doc **ret_output,
                         ac_error *err)
{
    const api_operation *op = api_find(operation);

    if (ret_output)
        *ret_output = NULL;
    if (!op)
        return ac_error_set(err, AC_ERR_INVALID, "AgentCore has no operation with the name %.100s", operation);
    return client_fetch(client, &(client_request){.op = op, .input = input}, ret_output, err);
}

yyjson_doc *client_vpack(const char *format, va_list args)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *value = doc ? ac_json_vpack(doc, format, args) : NULL;
    yyjson_doc *packed = value ? yyjson_mut_val_imut_copy(value, NULL) : NULL;

    yyjson_mut_doc_free(doc);
    return packed;
}

ac_status client_unpackable(const char *format, ac_error *err)
{
    return ac_error_set(err, AC_ERR_INVALID, "the input cannot be built by the format %.100s", format);
}

ac_status ac_client_call_pack(ac_client *client, const char *operation, yyjson_doc **ret_output, ac_error *err,
                              const char *format, ...)
{
    va_list args;

    va_start(args, format);
    yyjson_doc *input = client_vpack(format, args);
    va_end(args);
    if (ret_output)
        *ret_output = NULL;
    if (!input)
        return client_unpackable(format, err);

    ac_status status = ac_client_call(client, operation, yyjson_doc_get_root(input), ret_output, err);
    yyjson_doc_free(input);
    return status;
}
