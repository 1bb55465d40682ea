/* contract_ws.c - the WebSocket side of the contract agent.
 *
 * Everything is echoed in its type, but for text commands:
 *     !close CODE [REASON]   !fail MESSAGE   !return   !json   !timeout MS   !stream N   !big BYTES   !gate NAME
 *     !context   !code   !accept   !badtext   !header NAME
 * The upgrade request's X-Mode header asks for: refuse, close (before accept), fail (before accept),
 * protocol (X-Protocol is accepted as the subprotocol). */
#include "contract_agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool command(const ac_message *message, const char *name, const char **ret_argument)
{
    size_t length = strlen(name);
    if (message->type != AC_MESSAGE_TEXT || strncmp(message->data, name, length) != 0)
        return false;
    if (message->data[length] != '\0' && message->data[length] != ' ')
        return false;
    *ret_argument = message->data + length + (message->data[length] == ' ');
    return true;
}

static ac_status send_name(ac_websocket *websocket, ac_status status)
{
    return ac_websocket_send_pack(websocket, "{s:s}", "status", ac_status_name(status));
}

static ac_status close_with(ac_websocket *websocket, const char *argument)
{
    char *reason = NULL;
    int code = (int)strtol(argument, &reason, 10);
    ac_status status = ac_websocket_close(websocket, code, *reason == ' ' ? reason + 1 : NULL);
    return status == AC_ERR_INVALID ? send_name(websocket, status) : status;
}

static ac_status receive_json(ac_websocket *websocket)
{
    yyjson_doc *doc = NULL;
    ac_status status = ac_websocket_receive_json(websocket, &doc, -1);
    if (status == AC_ERR_PROTOCOL)
        return send_name(websocket, status);
    if (status == AC_OK)
        status = ac_websocket_send_pack(websocket, "{s:v}", "got", yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    return status;
}

static ac_status receive_in_time(ac_websocket *websocket, const char *argument)
{
    ac_message message;
    ac_status status = ac_websocket_receive(websocket, &message, atoi(argument));
    return status == AC_ERR_CLOSED ? status : send_name(websocket, status);
}

static ac_status stream(ac_websocket *websocket, const char *argument)
{
    long count = strtol(argument, NULL, 10);
    ac_status status = AC_OK;
    for (long i = 0; status == AC_OK && i < count; i++)
        status = ac_websocket_send_pack(websocket, "{s:I}", "i", (int64_t)i);
    return status;
}

static ac_status send_big(ac_websocket *websocket, const char *argument)
{
    size_t size = strtoull(argument, NULL, 10);
    char *text = malloc(size + 1);
    if (!text)
        return AC_ERR_NOMEM;
    memset(text, 'x', size + 1);
    ac_status status = ac_websocket_send_text(websocket, text, size);
    free(text);
    return status;
}

static ac_status send_context(ac_websocket *websocket, const ac_context *context)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *value = doc ? context_value(doc, context) : NULL;
    ac_status status = value ? ac_websocket_send_value(websocket, value) : AC_ERR_NOMEM;
    yyjson_mut_doc_free(doc);
    return status;
}

/* One message.  AC_ERR_CLOSED ends the connection normally, AC_ERR_HANDLER with 1011. */
static ac_status serve(ac_websocket *websocket, const ac_context *context, const ac_message *message)
{
    const char *argument = "";
    if (command(message, "!close", &argument))
        return close_with(websocket, argument);
    if (command(message, "!fail", &argument))
        return AC_ERR_HANDLER;
    if (command(message, "!return", &argument))
        return AC_ERR_CLOSED;
    if (command(message, "!json", &argument))
        return receive_json(websocket);
    if (command(message, "!timeout", &argument))
        return receive_in_time(websocket, argument);
    if (command(message, "!stream", &argument))
        return stream(websocket, argument);
    if (command(message, "!big", &argument))
        return send_big(websocket, argument);
    if (command(message, "!gate", &argument))
        return gate_wait(argument) ? send_name(websocket, AC_OK) : AC_ERR_TIMEOUT;
    if (command(message, "!context", &argument))
        return send_context(websocket, ac_websocket_context(websocket) == context ? ac_context_current() : NULL);
    if (command(message, "!code", &argument))
        return ac_websocket_send_pack(websocket, "{s:i}", "code", ac_websocket_close_code(websocket));
    if (command(message, "!accept", &argument))
        return send_name(websocket, ac_websocket_accept(websocket, NULL));
    if (command(message, "!badtext", &argument))
        return send_name(websocket, ac_websocket_send_text(websocket, "a\xff", 2));
    if (command(message, "!header", &argument))
        return ac_websocket_send_pack(websocket, "{s:s?}", "header", ac_websocket_header(websocket, argument));
    if (message->type == AC_MESSAGE_BINARY)
        return ac_websocket_send_binary(websocket, message->data, message->length);
    return ac_websocket_send_text(websocket, message->data, message->length);
}

static ac_status accept_as_asked(ac_websocket *websocket)
{
    const char *mode = ac_websocket_header(websocket, "X-Mode");
    if (!mode)
        return ac_websocket_accept(websocket, NULL);
    if (strcmp(mode, "refuse") == 0)
        return AC_ERR_CLOSED;
    if (strcmp(mode, "fail") == 0)
        return AC_ERR_HANDLER;
    if (strcmp(mode, "close") == 0)
        return ac_websocket_close(websocket, 1000, NULL) == AC_OK ? AC_ERR_CLOSED : AC_ERR_HANDLER;
    return ac_websocket_accept(websocket, ac_websocket_header(websocket, "X-Protocol"));
}

ac_status contract_websocket(ac_websocket *websocket, const ac_context *context, void *user)
{
    (void)user;
    ac_status status = accept_as_asked(websocket);
    if (status != AC_OK)
        return status == AC_ERR_CLOSED ? AC_OK : status;

    atomic_fetch_add(&stats.websockets_open, 1);
    while (status == AC_OK) {
        ac_message message;
        status = ac_websocket_receive(websocket, &message, -1);
        if (status == AC_OK)
            status = serve(websocket, context, &message);
    }
    atomic_store(&stats.websocket_code, ac_websocket_close_code(websocket));
    atomic_fetch_sub(&stats.websockets_open, 1);
    atomic_fetch_add(&stats.websockets_closed, 1);
    return status;
}

/* Uses the connection before accepting it: every call must say so and harm nothing. */
ac_status contract_websocket_early(ac_websocket *websocket, const ac_context *context, void *user)
{
    (void)context;
    (void)user;
    ac_message message;
    ac_status receive = ac_websocket_receive(websocket, &message, 0);
    ac_status send = ac_websocket_send_text(websocket, "early", 5);
    ac_status protocol = ac_websocket_accept(websocket, "never-offered");
    ac_status accept = ac_websocket_accept(websocket, NULL);
    if (accept != AC_OK)
        return accept;
    return ac_websocket_send_pack(websocket, "{s:s, s:s, s:s}", "receive", ac_status_name(receive), "send",
                                  ac_status_name(send), "protocol", ac_status_name(protocol));
}

/* ---- events mode ---- */

static void on_open(ac_websocket *websocket, const ac_context *context, void *user)
{
    (void)user;
    atomic_fetch_add(&stats.websockets_open, 1);
    if (ac_websocket_header(websocket, "X-Greet"))
        (void)ac_websocket_send_pack(websocket, "{s:s?}", "hello", ac_context_session_id(context));
}

static void on_message(ac_websocket *websocket, const ac_message *message, void *user)
{
    (void)user;
    const char *argument = "";
    if (command(message, "!close", &argument))
        (void)close_with(websocket, argument);
    else if (command(message, "!stream", &argument))
        (void)stream(websocket, argument);
    else if (command(message, "!big", &argument))
        (void)send_big(websocket, argument);
    else if (message->type == AC_MESSAGE_BINARY)
        (void)ac_websocket_send_binary(websocket, message->data, message->length);
    else
        (void)ac_websocket_send_text(websocket, message->data, message->length);
}

static void on_close(ac_websocket *websocket, int code, void *user)
{
    (void)websocket;
    (void)user;
    atomic_store(&stats.websocket_code, code);
    atomic_fetch_sub(&stats.websockets_open, 1);
    atomic_fetch_add(&stats.websockets_closed, 1);
}

const ac_websocket_events contract_websocket_events = {on_open, on_message, on_close};
