/* relay_tunnel.c - a relay after a 101: bytes both ways.
 *
 * Each side that takes no more stops the reading from the other.  When the client ends its sending, so do we towards
 * the server, which may still send; when the server ends, the client gets what is on its way and then the end. */
#include "http/relay_internal.h"

#include <strings.h>

const char *relay_header(const http_upstream_head *head, const char *name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (strcasecmp(head->headers[i].name, name) == 0)
            return head->headers[i].value;
    return NULL;
}

/* ---- from the client ---- */

static void on_client_data(http_exchange *x, char *data, size_t length, void *user)
{
    http_relay *r = user;
    ac_status status;

    if (r->ended)
        return;
    status = http_upstream_write(r->u, data, length);
    if (status == AC_ERR_AGAIN)
        http_tunnel_pause(x, true);
    else if (status == AC_ERR_NOMEM) {
        http_stream_abort(x);
        relay_end(r, status, false, NULL);
    } /* closed: the server's end is told by on_done */
}

static void on_client_eof(http_exchange *x, void *user)
{
    http_relay *r = user;

    (void)x;
    if (!r->ended)
        http_upstream_shutdown(r->u);
}

void relay_server_writable(http_upstream *u, void *user)
{
    http_relay *r = user;

    (void)u;
    http_tunnel_pause(r->x, false);
}

/* ---- from the server ---- */

static void on_room(http_exchange *x, void *user)
{
    http_relay *r = user;

    if (!r->ended && !http_exchange_closed(x))
        http_upstream_pause(r->u, false);
}

void relay_to_client(http_relay *r, const char *data, size_t length)
{
    ac_status status = http_tunnel_write(r->x, data, length);

    if (status == AC_ERR_CLOSED)
        return; /* the exchange's end is told by on_over */
    if (status == AC_OK || status == AC_ERR_AGAIN)
        r->bytes_out += length;
    if (status == AC_ERR_AGAIN) {
        http_upstream_pause(r->u, true);
        status = http_exchange_on_writable(r->x, on_room, r);
        if (status == AC_ERR_STATE || status == AC_ERR_CLOSED) /* waiting already; on_over tells */
            status = AC_OK;
    }
    if (status != AC_OK) {
        http_stream_abort(r->x);
        relay_end(r, status, false, NULL);
    }
}

void relay_tunnel_done(http_relay *r)
{
    if (r->server_result == AC_OK)
        http_tunnel_end(r->x);
    else
        http_stream_abort(r->x);
    relay_end(r, r->server_result, false, r->server_error);
}

/* ---- the beginning ---- */

static const char *const passed_on[] = {"Sec-WebSocket-Accept", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"};

static bool answer_has(const http_relay_answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->field_count; i++)
        if (strcasecmp(answer->fields[i].name, name) == 0)
            return true;
    return false;
}

ac_status relay_begin_tunnel(http_relay *r, const http_upstream_head *head, const http_relay_answer *answer)
{
    http_tunnel_events events = {.on_data = on_client_data, .on_eof = on_client_eof, .user = r};
    size_t count = answer->field_count;
    http_field *fields = arena_alloc(http_exchange_arena(r->x), (count + ARRAY_SIZE(passed_on)) * sizeof *fields);

    if (!fields)
        return AC_ERR_NOMEM;
    for (size_t i = 0; i < count; i++)
        fields[i] = answer->fields[i];
    for (size_t i = 0; i < ARRAY_SIZE(passed_on); i++) {
        const char *value = relay_header(head, passed_on[i]);

        if (value && !answer_has(answer, passed_on[i]))
            fields[count++] = (http_field){passed_on[i], value};
    }
    AC_TRY(http_tunnel_begin(r->x, fields, count, &events));
    r->mode = RELAY_TUNNEL;
    r->answered = true;
    return AC_OK;
}
