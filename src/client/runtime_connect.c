/* runtime_connect.c - URLs and headers that open a WebSocket to an agent: signed headers, a bearer token, or presigned.
 *
 * They are the Python SDK's, byte for byte but for the random parts (tests/client/vectors): the signature covers host
 * and x-amz-date (and the token's header), the session id travels unsigned, and a presigned URL signs the host without
 * its port.  One thing differs: a blank in a query is %20, which servers read alike, and not '+'. */
#include "client/runtime_internal.h"

#include "aws/uri.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "http/ws.h"

#include <stdlib.h>
#include <string.h>

#define URL_BYTES_MAX ((size_t)256 << 10)
#define VALUE_BYTES_MAX ((size_t)64 << 10)
#define CONNECTION_HEADERS_MAX 10

#define AGENT_SIGNED "AgentCoreRuntimeClient/1.0"
#define AGENT_OAUTH "OAuth-WebSocket-Client/1.0"

/* ---- the URL ---- */

static ac_status write_path(buf *out, const runtime_signing *s, const char *runtime)
{
    AC_TRY(buf_append_text(out, s->endpoint->base_path));
    AC_TRY(buf_append_text(out, "/runtimes/"));
    AC_TRY(uri_encode(out, runtime, strlen(runtime), URI_ENCODE_SLASH));
    return buf_append_text(out, "/ws");
}

static ac_status write_param(buf *query, const char *name, const char *value)
{
    if (query->length)
        AC_TRY(buf_append(query, "&", 1));
    AC_TRY(uri_encode(query, name, strlen(name), URI_ENCODE_SLASH));
    AC_TRY(buf_append(query, "=", 1));
    return uri_encode(query, value, strlen(value), URI_ENCODE_SLASH);
}

static ac_status write_url(buf *out, const runtime_signing *s, const buf *path, const buf *query)
{
    AC_TRY(buf_appendf(out, "%s://%s", s->endpoint->tls ? "wss" : "ws", s->endpoint->authority));
    AC_TRY(buf_append(out, path->data, path->length));
    if (query->length) {
        AC_TRY(buf_append(out, "?", 1));
        AC_TRY(buf_append(out, query->data, query->length));
    }
    return buf_terminate(out) ? AC_OK : AC_ERR_NOMEM;
}

static bool given(const char *text)
{
    return text && text[0] != '\0';
}

static ac_status check_session_id(const char *session_id, ac_error *err)
{
    if (http_field_valid(AC_HEADER_SESSION_ID, session_id))
        return AC_OK;
    return ac_error_set(err, AC_ERR_INVALID, "the session id has characters that headers cannot have");
}

/* ---- a connection ---- */

typedef struct connection {
    ac_runtime_connection seen; /* first: what the caller has a pointer to */
    ac_header headers[CONNECTION_HEADERS_MAX];
    arena strings;
} connection;

static ac_status add_header(connection *c, const char *name, const char *value)
{
    char *copy = value ? arena_copy(&c->strings, value, strlen(value)) : NULL;

    if (!copy)
        return AC_ERR_NOMEM;
    c->headers[c->seen.header_count++] = (ac_header){name, copy};
    return AC_OK;
}

static ac_status add_signature(connection *c, const runtime_signing *s, const char *path, const char *query,
                               ac_error *err)
{
    _cleanup_(arena_done) arena scratch = ARENA_INIT;
    const char *host = s->endpoint->authority;
    const http_header fields = {"Host", host, 4, (uint32_t)strlen(host)};
    const sigv4_signer signer = {.access_key = s->keys->access_key,
                                 .secret_key = s->keys->secret_key,
                                 .session_token = s->keys->session_token,
                                 .region = s->region};
    const sigv4_request request = {
        .method = "GET", .path = path, .query = query, .headers = &fields, .header_count = 1};
    sigv4_fields signature;

    AC_TRY(sigv4_sign(&signer, &request, s->now_s, &scratch, &signature, err));
    for (size_t i = 0; i < signature.count; i++)
        AC_TRY(add_header(c, signature.fields[i].name, signature.fields[i].value));
    return AC_OK;
}

static ac_status add_bearer(connection *c, const char *token, ac_error *err)
{
    _cleanup_(buf_done) buf value = BUF_INIT(VALUE_BYTES_MAX);

    value.secret = true;
    if (!http_field_valid("Authorization", token))
        return ac_error_set(err, AC_ERR_INVALID, "the bearer token has characters that headers cannot have");
    AC_TRY(buf_appendf(&value, "Bearer %s", token));
    return add_header(c, "Authorization", buf_terminate(&value));
}

static ac_status add_handshake(connection *c, const char *user_agent, ac_error *err)
{
    char key[WS_KEY_SIZE];

    if (ws_make_key(key) != AC_OK)
        return ac_error_set(err, AC_ERR_IO, "no random bytes for a WebSocket key");
    AC_TRY(add_header(c, AC_HEADER_SESSION_ID, c->seen.session_id));
    AC_TRY(add_header(c, "Upgrade", "websocket"));
    AC_TRY(add_header(c, "Connection", "Upgrade"));
    AC_TRY(add_header(c, "Sec-WebSocket-Version", "13"));
    AC_TRY(add_header(c, "Sec-WebSocket-Key", key));
    return add_header(c, "User-Agent", user_agent);
}

static ac_status fill(connection *c, const runtime_signing *s, const char *runtime, const ac_runtime_ws_options *o,
                      ac_error *err)
{
    _cleanup_(buf_done) buf path = BUF_INIT(URL_BYTES_MAX);
    _cleanup_(buf_done) buf query = BUF_INIT(URL_BYTES_MAX);
    _cleanup_(buf_done) buf url = BUF_INIT(URL_BYTES_MAX);
    char made[UUID_SIZE];

    uuid_v4(made);
    c->seen.headers = c->headers;
    c->seen.session_id = arena_copy(&c->strings, given(o->session_id) ? o->session_id : made,
                                    given(o->session_id) ? strlen(o->session_id) : strlen(made));
    if (!c->seen.session_id)
        return AC_ERR_NOMEM;
    AC_TRY(check_session_id(c->seen.session_id, err));
    AC_TRY(write_path(&path, s, runtime));
    if (given(o->qualifier))
        AC_TRY(write_param(&query, "qualifier", o->qualifier));
    if (!buf_terminate(&path) || !buf_terminate(&query))
        return AC_ERR_NOMEM;
    AC_TRY(write_url(&url, s, &path, &query));
    c->seen.url = arena_copy(&c->strings, url.data, url.length);
    if (!c->seen.url)
        return AC_ERR_NOMEM;
    AC_TRY(add_header(c, "Host", s->endpoint->authority));
    if (o->bearer_token)
        AC_TRY(add_bearer(c, o->bearer_token, err));
    else
        AC_TRY(add_signature(c, s, path.data, query.length ? query.data : NULL, err));
    return add_handshake(c, o->bearer_token ? AGENT_OAUTH : AGENT_SIGNED, err);
}

/* Some of the ways to fail have said why, others have only a status. */
static ac_status explain(ac_status status, ac_error *mine, ac_error *err)
{
    if (status == AC_OK)
        return AC_OK;
    if (mine->status == AC_OK)
        ac_error_set(mine, status, "the connection cannot be described: %s", ac_status_text(status));
    if (err)
        *err = *mine;
    return mine->status;
}

ac_status runtime_connection_make(const runtime_signing *s, const char *runtime, const ac_runtime_ws_options *options,
                                  ac_runtime_connection **ret_connection, ac_error *err)
{
    ac_error mine = {.status = AC_OK};
    connection *c = calloc(1, sizeof *c);

    *ret_connection = NULL;
    if (!c)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    ac_status status = explain(fill(c, s, runtime, options, &mine), &mine, err);
    if (status == AC_OK)
        *ret_connection = &c->seen;
    else
        ac_runtime_connection_free(&c->seen);
    return status;
}

static void wipe(const char *text)
{
    if (text)
        explicit_bzero((char *)(uintptr_t)text, strlen(text));
}

void ac_runtime_connection_free(ac_runtime_connection *connection_seen)
{
    connection *c = (connection *)connection_seen;

    if (!c)
        return;
    for (size_t i = 0; i < c->seen.header_count; i++)
        wipe(c->headers[i].value);
    arena_done(&c->strings);
    free(c);
}

/* ---- presigned ---- */

typedef struct param {
    const char *name;
    const char *value;
} param;

/* As in a dictionary: a name that comes again keeps its place and gets the new value. */
static void put_param(param *params, size_t *count, const char *name, const char *value)
{
    size_t i = 0;

    while (i < *count && strcmp(params[i].name, name) != 0)
        i++;
    params[i] = (param){name, value};
    if (i == *count)
        ++*count;
}

static ac_status write_params(buf *query, const ac_runtime_presign_options *o, ac_error *err)
{
    char made[UUID_SIZE];
    size_t count = 0;

    if (o->query_count > SIGV4_PARAMS_MAX - 16)
        return ac_error_set(err, AC_ERR_INVALID, "too many query parameters");
    for (size_t i = 0; i < o->query_count; i++)
        if (!o->query[i].name || !o->query[i].value)
            return ac_error_set(err, AC_ERR_INVALID, "a query parameter has no name or no value");
    param *params = calloc(o->query_count + 2, sizeof *params);
    if (!params)
        return AC_ERR_NOMEM;
    uuid_v4(made);
    if (given(o->qualifier))
        put_param(params, &count, "qualifier", o->qualifier);
    for (size_t i = 0; i < o->query_count; i++)
        put_param(params, &count, o->query[i].name, o->query[i].value);
    put_param(params, &count, AC_HEADER_SESSION_ID, given(o->session_id) ? o->session_id : made);

    ac_status status = AC_OK;
    for (size_t i = 0; i < count && status == AC_OK; i++)
        status = write_param(query, params[i].name, params[i].value);
    free(params);
    return status == AC_OK && !buf_terminate(query) ? AC_ERR_NOMEM : status;
}

static ac_status presign(const runtime_signing *s, const char *runtime, const ac_runtime_presign_options *o, buf *out,
                         ac_error *err)
{
    _cleanup_(buf_done) buf path = BUF_INIT(URL_BYTES_MAX);
    _cleanup_(buf_done) buf query = BUF_INIT(URL_BYTES_MAX);
    _cleanup_(buf_done) buf signed_query = BUF_INIT(URL_BYTES_MAX);
    const http_header host = {"Host", s->endpoint->host, 4, (uint32_t)strlen(s->endpoint->host)};
    const sigv4_signer signer = {.access_key = s->keys->access_key,
                                 .secret_key = s->keys->secret_key,
                                 .session_token = s->keys->session_token,
                                 .region = s->region};

    AC_TRY(write_path(&path, s, runtime));
    AC_TRY(write_params(&query, o, err));
    if (!buf_terminate(&path))
        return AC_ERR_NOMEM;

    const sigv4_request request = {
        .method = "GET", .path = path.data, .query = query.data, .headers = &host, .header_count = 1};
    AC_TRY(sigv4_presign(&signer, &request, o->expires_s ? o->expires_s : AC_RUNTIME_PRESIGN_SECONDS_MAX, s->now_s,
                         &signed_query, err));
    return write_url(out, s, &path, &signed_query);
}

ac_status runtime_presign(const runtime_signing *s, const char *runtime, const ac_runtime_presign_options *options,
                          buf *out, ac_error *err)
{
    ac_error mine = {.status = AC_OK};

    return explain(presign(s, runtime, options, out, &mine), &mine, err);
}

/* ---- with the client's keys, now ---- */

static ac_status get_keys(ac_client *client, aws_credentials **ret_keys, ac_error *err)
{
    ac_status status = aws_provider_get(client->provider, ret_keys, err);

    return status == AC_ERR_NOT_FOUND ? ac_error_set(err, status, "No AWS credentials found") : status;
}

static runtime_signing signing_with(const ac_client *client, const aws_credentials *keys)
{
    return (runtime_signing){
        .endpoint = &client->endpoints[1], .region = client->region, .keys = keys, .now_s = clock_unix_ms() / 1000};
}

ac_status ac_runtime_ws_connection(ac_client *client, const char *runtime, const ac_runtime_ws_options *options,
                                   ac_runtime_connection **ret_connection, ac_error *err)
{
    static const ac_runtime_ws_options none;
    _cleanup_(aws_credentials_unrefp) aws_credentials *keys = NULL;
    const ac_runtime_ws_options *o = options ? options : &none;
    runtime_arn parsed;

    *ret_connection = NULL;
    if (o->bearer_token && !o->bearer_token[0])
        return ac_error_set(err, AC_ERR_INVALID, "Bearer token cannot be empty");
    AC_TRY(runtime_arn_parse(runtime, &parsed, err));
    if (!o->bearer_token)
        AC_TRY(get_keys(client, &keys, err));
    runtime_signing s = signing_with(client, keys);
    return runtime_connection_make(&s, runtime, o, ret_connection, err);
}

ac_status ac_runtime_presigned_url(ac_client *client, const char *runtime, const ac_runtime_presign_options *options,
                                   char **ret_url, ac_error *err)
{
    static const ac_runtime_presign_options none;
    _cleanup_(aws_credentials_unrefp) aws_credentials *keys = NULL;
    _cleanup_(buf_done) buf url = BUF_INIT(URL_BYTES_MAX);
    const ac_runtime_presign_options *o = options ? options : &none;
    runtime_arn parsed;

    *ret_url = NULL;
    if (o->expires_s > AC_RUNTIME_PRESIGN_SECONDS_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "Expiry timeout cannot exceed %d seconds, got %u",
                            AC_RUNTIME_PRESIGN_SECONDS_MAX, o->expires_s);
    AC_TRY(runtime_arn_parse(runtime, &parsed, err));
    AC_TRY(get_keys(client, &keys, err));
    runtime_signing s = signing_with(client, keys);
    AC_TRY(runtime_presign(&s, runtime, o, &url, err));
    *ret_url = buf_take(&url, NULL);
    return AC_OK;
}
