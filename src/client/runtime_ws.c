/* runtime_ws.c - a WebSocket to an agent: the signed request of runtime_connect.c on the WebSocket client of http. */
#include "client/runtime_internal.h"
#include "http/ws_client.h"

#include "base/json.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SENT_BYTES_MAX ((size_t)128 << 20)

struct ac_runtime_ws {
    ws_client *socket;
    char *session_id;
    char *received; /* the message that was handed out last */
};

/* Those of the handshake are the WebSocket client's own to make. */
static bool is_handshake(const char *name)
{
    return strcasecmp(name, "Host") == 0 || strcasecmp(name, "Connection") == 0 || strcasecmp(name, "Upgrade") == 0 ||
           strncasecmp(name, "Sec-WebSocket-", 14) == 0;
}

static size_t add_fields(http_field *fields, size_t count, const ac_header *headers, size_t header_count)
{
    for (size_t i = 0; i < header_count; i++)
        if (!is_handshake(headers[i].name))
            fields[count++] = (http_field){headers[i].name, headers[i].value};
    return count;
}

static ac_status check_own(const ac_runtime_ws_options *o, const ac_runtime_connection *connection, ac_error *err)
{
    if (o->header_count > CLIENT_HEADERS_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "more than %d headers are added to a request", CLIENT_HEADERS_MAX);
    for (size_t i = 0; i < o->header_count; i++) {
        const char *name = o->headers[i].name;

        if (!name || !o->headers[i].value)
            return ac_error_set(err, AC_ERR_INVALID, "a header has no name or no value");
        bool taken = is_handshake(name);
        for (size_t k = 0; connection && k < connection->header_count; k++)
            taken |= strcasecmp(name, connection->headers[k].name) == 0;
        if (taken)
            return ac_error_set(err, AC_ERR_INVALID, "the header %.100s is set by the client", name);
    }
    return AC_OK;
}

static ac_status connect_to(const char *url, const char *ca_file, const ac_runtime_connection *connection,
                            const ac_runtime_ws_options *o, ac_runtime_ws **ret_ws, ac_error *err)
{
    http_field fields[CLIENT_HEADERS_MAX + 16];
    size_t count = 0;

    AC_TRY(check_own(o, connection, err));
    if (connection)
        count = add_fields(fields, count, connection->headers, connection->header_count);
    count = add_fields(fields, count, o->headers, o->header_count);

    ac_runtime_ws *ws = calloc(1, sizeof *ws);
    if (!ws || !(ws->session_id = strdup(connection ? connection->session_id : ""))) {
        free(ws);
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    }
    ac_status status = ws_client_connect(
        &(ws_client_options){
            .url = url,
            .headers = fields,
            .header_count = count,
            .subprotocols = o->subprotocols,
            .ca_file = ca_file,
            .connect_timeout_ms = o->connect_timeout_ms,
            .message_bytes_max = o->message_bytes_max,
        },
        &ws->socket, err);
    if (status == AC_OK)
        *ret_ws = ws;
    else
        ac_runtime_ws_free(ws);
    return status;
}

ac_status ac_runtime_ws_connect(ac_client *client, const char *runtime, const ac_runtime_ws_options *options,
                                ac_runtime_ws **ret_ws, ac_error *err)
{
    static const ac_runtime_ws_options none;
    const ac_runtime_ws_options *o = options ? options : &none;
    ac_runtime_connection *connection = NULL;

    *ret_ws = NULL;
    AC_TRY(ac_runtime_ws_connection(client, runtime, o, &connection, err));
    ac_status status = connect_to(connection->url, client->ca_file, connection, o, ret_ws, err);
    ac_runtime_connection_free(connection);
    return status;
}

ac_status ac_runtime_ws_connect_url(ac_client *client, const char *url, const ac_runtime_ws_options *options,
                                    ac_runtime_ws **ret_ws, ac_error *err)
{
    static const ac_runtime_ws_options none;
    const ac_runtime_ws_options *o = options ? options : &none;
    const char *ca_file = client ? client->ca_file : aws_env_get(&aws_process_env, "AWS_CA_BUNDLE");

    *ret_ws = NULL;
    if (o->session_id || o->qualifier || o->bearer_token)
        return ac_error_set(err, AC_ERR_INVALID, "session, qualifier and token are parts of the URL already");
    return connect_to(url, ca_file, NULL, o, ret_ws, err);
}

const char *ac_runtime_ws_session_id(const ac_runtime_ws *ws)
{
    return ws->session_id;
}

/* ---- messages ---- */

ac_status ac_runtime_ws_send_text(ac_runtime_ws *ws, const char *text, int timeout_ms, ac_error *err)
{
    size_t length = strlen(text);

    if (!utf8_valid(text, length))
        return ac_error_set(err, AC_ERR_INVALID, "a text message must be UTF-8");
    return ws_client_send(ws->socket, WS_TEXT, text, length, timeout_ms, err);
}

ac_status ac_runtime_ws_send_pack(ac_runtime_ws *ws, int timeout_ms, ac_error *err, const char *format, ...)
{
    _cleanup_(buf_done) buf text = BUF_INIT(SENT_BYTES_MAX);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    va_list args;

    va_start(args, format);
    yyjson_mut_val *value = doc ? ac_json_vpack(doc, format, args) : NULL;
    va_end(args);
    ac_status status = value ? json_write(&text, value, JSON_COMPACT, NULL) : AC_ERR_INVALID;
    yyjson_mut_doc_free(doc);
    if (status != AC_OK)
        return ac_error_set(err, status, "the message cannot be built by the format %.100s", format);
    return ws_client_send(ws->socket, WS_TEXT, text.data, text.length, timeout_ms, err);
}

ac_status ac_runtime_ws_send_binary(ac_runtime_ws *ws, const void *data, size_t length, int timeout_ms, ac_error *err)
{
    return ws_client_send(ws->socket, WS_BINARY, data, length, timeout_ms, err);
}

ac_status ac_runtime_ws_receive(ac_runtime_ws *ws, int timeout_ms, ac_runtime_message *ret_message, ac_error *err)
{
    http_ws_message message = {0};

    *ret_message = (ac_runtime_message){.data = NULL};
    AC_TRY(ws_client_receive(ws->socket, &message, timeout_ms, err));
    free(ws->received);
    ws->received = message.data;
    *ret_message = (ac_runtime_message){message.opcode == WS_BINARY, message.data, message.length};
    return AC_OK;
}

ac_status ac_runtime_ws_receive_json(ac_runtime_ws *ws, int timeout_ms, yyjson_doc **ret_doc, ac_error *err)
{
    ac_runtime_message message;
    ac_error flaw = {0};

    *ret_doc = NULL;
    AC_TRY(ac_runtime_ws_receive(ws, timeout_ms, &message, err));
    ac_status status = ac_json_read(message.data, message.length, NULL, ret_doc, &flaw);
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "the message is not JSON: %s", flaw.message);
}

/* ---- the end ---- */

ac_status ac_runtime_ws_close(ac_runtime_ws *ws, int code, const char *reason, int timeout_ms, ac_error *err)
{
    return ws_client_close(ws->socket, code, reason, timeout_ms, err);
}

int ac_runtime_ws_close_code(ac_runtime_ws *ws)
{
    return ws_client_close_code(ws->socket);
}

void ac_runtime_ws_abort(ac_runtime_ws *ws)
{
    ws_client_abort(ws->socket);
}

void ac_runtime_ws_free(ac_runtime_ws *ws)
{
    if (!ws)
        return;
    ws_client_free(ws->socket);
    free(ws->session_id);
    free(ws->received);
    free(ws);
}
