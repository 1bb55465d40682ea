/* reply_stream.c - answers as Server-Sent Events.
 *
 * The first event sends the head; status and headers are fixed from then on.  An event is `data: `, one JSON value and
 * a blank line; JSON text has no line breaks, so one line is enough (HTML Standard, section 9.2).  An empty comment is
 * what the connection may send to learn whether a half-closed client still listens. */
#include "app/app_internal.h"
#include "base/log.h"

#include <stdarg.h>
#include <string.h>

#define EVENT_START 256
#define EVENT_KEEP_MAX 4096 /* bytes of buffer that an idle stream may hold */
#define EVENT_STREAM_TYPE "text/event-stream; charset=utf-8"
#define EVENT_STREAM_PROBE ":\n\n"

static ac_status stream_begin(ac_reply *reply)
{
    app_call *call = call_of_reply(reply);

    if (reply->state == REPLY_STREAMING)
        return AC_OK;
    if (reply->state != REPLY_OPEN)
        return AC_ERR_STATE;

    http_response response = reply_head(reply, EVENT_STREAM_TYPE);
    ac_status status = http_stream_begin(call->x, &response, EVENT_STREAM_PROBE);
    if (status != AC_OK)
        return status;
    reply->state = REPLY_STREAMING;
    if (call->invocation && ac_log_enabled(AC_LOG_INFO))
        ac_log_info("Returning streaming response (generator) (%ss)", call_seconds(call, SECONDS_ROOM));
    return AC_OK;
}

static ac_status event_begin(ac_reply *reply)
{
    buf *event = &reply->body; /* kept from event to event */

    if (event->capacity > EVENT_KEEP_MAX)
        buf_done(event);
    event->length = 0;
    AC_TRY(buf_reserve(event, EVENT_START));
    return buf_append(event, "data: ", 6);
}

static ac_status event_send(ac_reply *reply)
{
    buf *event = &reply->body;

    AC_TRY(buf_append(event, "\n\n", 2));
    return http_stream_write(call_of_reply(reply)->x, event->data, event->length);
}

static ac_status send_event(ac_reply *reply, const yyjson_mut_val *value)
{
    AC_TRY(event_begin(reply));
    AC_TRY(json_write_logged(&reply->body, value, JSON_SPACED));
    return event_send(reply);
}

ac_status ac_reply_send(ac_reply *reply, yyjson_mut_val *value)
{
    AC_TRY(stream_begin(reply));
    return send_event(reply, value);
}

ac_status ac_reply_send_pack(ac_reply *reply, const char *format, ...)
{
    json_repairs repairs;
    va_list args;

    AC_TRY(stream_begin(reply));
    AC_TRY(event_begin(reply));
    va_start(args, format);
    ac_status status = json_vpack_text(&reply->body, JSON_SPACED, &repairs, format, args);
    va_end(args);
    if (status != AC_OK)
        return status;
    json_log_repairs(&repairs);
    return event_send(reply);
}

static void writable(http_exchange *x, void *user)
{
    ac_reply *reply = user;
    reply_writable_fn fn = atomic_exchange(&reply->on_writable, NULL);
    app_scope previous;

    (void)x;
    if (!fn)
        return; /* the reply was finished meanwhile; the exchange keeps its memory until here */
    /* fn may finish the reply and so free it: nothing of it is touched afterwards. */
    scope_enter(&call_of_reply(reply)->context, &previous);
    fn(reply, reply->on_writable_user);
    scope_leave(&previous);
}

ac_status ac_reply_on_writable(ac_reply *reply, void (*fn)(ac_reply *reply, void *user), void *user)
{
    if (!fn)
        return AC_ERR_INVALID;
    if (reply->state != REPLY_STREAMING || atomic_load(&reply->on_writable))
        return AC_ERR_STATE;
    reply->on_writable_user = user;
    atomic_store(&reply->on_writable, fn);

    ac_status status = http_exchange_on_writable(call_of_reply(reply)->x, writable, reply);
    if (status != AC_OK)
        atomic_store(&reply->on_writable, NULL);
    return status;
}

ac_status stream_fail(ac_reply *reply, ac_status status)
{
    const char *message = reply->fail_message ? reply->fail_message : ac_status_text(status);
    const char *type = reply->fail_type ? reply->fail_type : ac_status_name(status);
    json_scratch scratch;
    yyjson_mut_doc *doc = scratch_doc(&scratch);

    if (!doc)
        return AC_ERR_NOMEM;
    yyjson_mut_val *object = yyjson_mut_obj(doc);
    ac_status sent = AC_ERR_NOMEM;
    if (yyjson_mut_obj_add_str(doc, object, "error", message) &&
        yyjson_mut_obj_add_str(doc, object, "error_type", type) &&
        yyjson_mut_obj_add_str(doc, object, "message", "An error occurred during streaming"))
        sent = send_event(reply, object);
    yyjson_mut_doc_free(doc);
    return sent;
}

void stream_end(ac_reply *reply)
{
    reply->state = REPLY_SENT;
    http_stream_end(call_of_reply(reply)->x);
}
