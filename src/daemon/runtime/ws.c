/* ws.c - a WebSocket to an agent: GET /runtimes/{arn}/ws, however it is signed.
 *
 * The session's id is a header, or, in presigned URLs, the query parameter of the same name.  Where both are there the
 * parameter counts, for a signature covers it: a URL that was handed out for one session is not to open another.
 * Parameters that are not ours or the signature's go to the agent.  Browsers that authenticate by a subprotocol are
 * answered with the one they offered beside it. */
#include "daemon/runtime/invocation.h"

#include "aws/uri.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define TARGET_BYTES_MAX 16384
#define BEARER_PROTOCOL "base64UrlBearerAuthorization"

/* ---- the query ---- */

static bool is_ours(view name)
{
    static const char *const ours[] = {"qualifier", "accountId", SESSION_ID_HEADER};

    for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
        if (name.length == strlen(ours[i]) && strncasecmp(name.text, ours[i], name.length) == 0)
            return true;
    return name.length > 6 && strncasecmp(name.text, "X-Amz-", 6) == 0;
}

/* Cut the next NAME=VALUE off a query; false at its end. */
static bool next_pair(const char **query, view *ret_name, view *ret_pair)
{
    const char *at = *query;
    size_t length;

    if (!at || !*at)
        return false;
    length = strcspn(at, "&");
    *ret_pair = (view){at, length};
    *ret_name = (view){at, MIN(strcspn(at, "="), length)};
    *query = at[length] ? at + length + 1 : at + length;
    return true;
}

static ac_status agent_target(front_call *call, const char **ret_target, ac_error *err)
{
    _cleanup_(buf_done) buf target = BUF_INIT(TARGET_BYTES_MAX);
    const char *query = http_exchange_request(call->exchange)->query;
    ac_status status = buf_append_text(&target, "/ws");
    char separator = '?';
    view name, pair;

    while (status == AC_OK && next_pair(&query, &name, &pair)) {
        if (!name.length || is_ours(name))
            continue;
        status = buf_append(&target, &separator, 1);
        if (status == AC_OK)
            status = buf_append(&target, pair.text, pair.length);
        separator = '&';
    }
    if (status != AC_OK)
        return ac_error_set(err, status == AC_ERR_TOO_LARGE ? AC_ERR_INVALID : status, "The query is too long");
    *ret_target = arena_copy(call->memory, target.data, target.length);
    return *ret_target ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

/* ---- the session's id ---- */

static bool is_plain(const char *text)
{
    size_t length = strlen(text);

    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("-_.:", text[i]))
            return false;
    return length > 0 && length <= SESSION_ID_MAX;
}

/* NULL: the client has none.  Shorter ones than InvokeAgentRuntime's are taken: the SDK's helpers do not check, and its
 * guide uses "my-session-id". */
static ac_status session_id_of(front_call *call, const char **ret_id, ac_error *err)
{
    const char *query = http_exchange_request(call->exchange)->query;
    const char *id = NULL;
    view name, pair;

    while (!id && next_pair(&query, &name, &pair)) {
        _cleanup_(buf_done) buf value = BUF_INIT(SESSION_ID_MAX);

        if (name.length != sizeof SESSION_ID_HEADER - 1 || strncasecmp(name.text, SESSION_ID_HEADER, name.length) != 0)
            continue;
        if (pair.length == name.length ||
            uri_decode(&value, pair.text + name.length + 1, pair.length - name.length - 1, URI_PLUS_LITERAL) != AC_OK)
            return ac_error_set(err, AC_ERR_INVALID, "The session id cannot be read");
        id = arena_copy(call->memory, value.data ? value.data : "", value.length);
        if (!id)
            return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    }
    if (!id)
        id = http_exchange_header(call->exchange, SESSION_ID_HEADER);
    if (id && !is_plain(id))
        return ac_error_set(err, AC_ERR_INVALID, "A session id has 1 to %d letters, digits, '-', '_', '.' or ':'",
                            SESSION_ID_MAX);
    *ret_id = id;
    return AC_OK;
}

/* ---- the handshake ---- */

/* What the client offers but for what carries its token; NULL: nothing.  *ret_answer: what it is to be told. */
static ac_status offered_protocols(front_call *call, const char **ret_offer, const char **ret_answer, ac_error *err)
{
    _cleanup_(buf_done) buf offer = BUF_INIT(TARGET_BYTES_MAX);
    const char *at = http_exchange_header(call->exchange, "Sec-WebSocket-Protocol");
    ac_status status = AC_OK;

    *ret_offer = *ret_answer = NULL;
    while (at && *at && status == AC_OK) {
        size_t length;

        at += strspn(at, ", \t");
        length = strcspn(at, ", \t");
        if (length >= sizeof BEARER_PROTOCOL - 1 && strncmp(at, BEARER_PROTOCOL, sizeof BEARER_PROTOCOL - 1) == 0) {
            *ret_answer = BEARER_PROTOCOL;
        } else if (length) {
            status = offer.length ? buf_append(&offer, ", ", 2) : AC_OK;
            if (status == AC_OK)
                status = buf_append(&offer, at, length);
        }
        at += length;
    }
    if (status == AC_OK && offer.length) {
        *ret_offer = arena_copy(call->memory, offer.data, offer.length);
        status = *ret_offer ? AC_OK : AC_ERR_NOMEM;
    }
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "The subprotocols cannot be read");
}

static ac_status add_handshake(invocation *in, ac_error *err)
{
    static const char *const copied[] = {"Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Extensions",
                                         "Origin"};
    const char *offer;

    for (size_t i = 0; i < ARRAY_SIZE(copied); i++) {
        const char *value = http_exchange_header(in->call->exchange, copied[i]);

        if (value)
            AC_TRY(invocation_header(in, copied[i], value, err));
    }
    AC_TRY(offered_protocols(in->call, &offer, &in->subprotocol, err));
    return offer ? invocation_header(in, "Sec-WebSocket-Protocol", offer, err) : AC_OK;
}

ac_status connect_agent_runtime(front_call *call, ac_error *err)
{
    _cleanup_(invocation_dropp) invocation *in = NULL;
    const char *session_id = NULL, *target = NULL;
    ac_status status;

    if (!http_exchange_request(call->exchange)->websocket)
        return ac_error_set(err, AC_ERR_INVALID, "This path takes WebSocket connections only");
    AC_TRY(session_id_of(call, &session_id, err));
    AC_TRY(agent_target(call, &target, err));
    AC_TRY(invocation_open(call, session_id, &in, err));
    if (!in)
        return AC_OK;
    if (in->target->protocol != RUNTIME_HTTP && in->target->protocol != RUNTIME_AGUI)
        return ac_error_set(err, AC_ERR_INVALID, "Runtimes with this serverProtocol have no WebSocket");
    AC_TRY(add_handshake(in, err));
    status = invocation_start(in, "GET", target, (view){NULL, 0}, true, err);
    if (status == AC_OK)
        (void)TAKE_PTR(in);
    return status;
}
