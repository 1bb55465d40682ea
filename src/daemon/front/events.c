/* events.c - answers that are event streams: a head from the call's output, then a frame per event.
 *
 * Errors before the head are ordinary answers; after it they are frames of the type exception. */
#include "daemon/front/front_internal.h"

#include "aws/eventstream.h"
#include "base/log.h"

#include <ctype.h>
#include <string.h>

#define EVENT_BYTES_MAX ((size_t)17 << 20)

static ac_status gone(ac_status status, ac_error *err)
{
    return ac_error_set(err, status, "the client took no more of the stream");
}

ac_status front_events_begin(front_call *call, ac_error *err)
{
    front_job *job = CONTAINER_OF(call, front_job, call);
    http_field fields[FRONT_HEADERS_MAX];
    api_response response = {0};
    http_response head = {0};
    ac_status status;

    AC_TRY(api_reply(call->operation, call->doc, FRONT_BODY_MAX, &response, err));
    answer_head(job, &response, fields, &head);
    head.content_type = EVENTSTREAM_CONTENT_TYPE;
    status = http_stream_begin(job->exchange, &head, NULL);
    api_response_done(&response);
    if (status != AC_OK)
        return gone(status, err);
    call->answered = true;
    return AC_OK;
}

static ac_status send_frame(front_call *call, const buf *frame, ac_error *err)
{
    ac_status status = http_stream_write(call->exchange, frame->data, frame->length);

    return status == AC_OK ? AC_OK : gone(status, err);
}

ac_status front_event(front_call *call, const char *event, yyjson_mut_doc *value, ac_error *err)
{
    _cleanup_(buf_done) buf text = BUF_INIT(EVENT_BYTES_MAX), frame = BUF_INIT(EVENT_BYTES_MAX);
    ac_status status;

    AC_TRY(api_event_write(call->operation, event, value, &text, err));
    status = eventstream_write_event(&frame, event, "application/json", text.data, text.length);
    if (status != AC_OK)
        return ac_error_set(err, status, "an event cannot be sent: %s", ac_status_text(status));
    return send_frame(call, &frame, err);
}

void front_events_fail(front_call *call, ac_status status, const ac_error *err)
{
    front_job *job = CONTAINER_OF(call, front_job, call);
    _cleanup_(buf_done) buf text = BUF_INIT(EVENT_BYTES_MAX), frame = BUF_INIT(EVENT_BYTES_MAX);
    const char *message = err->message[0] ? err->message : ac_status_text(status);
    char name[sizeof err->aws_name];

    /* The member of the stream's union is the exception's name with a small first letter. */
    snprintf(name, sizeof name, "%s", answer_failure_name(job, status, err));
    name[0] = (char)tolower((unsigned char)name[0]);
    if (buf_append_text(&text, "{\"message\":") == AC_OK &&
        json_write_string(&text, message, strlen(message)) == AC_OK && buf_append(&text, "}", 1) == AC_OK &&
        eventstream_write_exception(&frame, name, text.data, text.length) == AC_OK)
        (void)!send_frame(call, &frame, NULL);
    front_events_end(call);
}

void front_events_end(front_call *call)
{
    http_stream_end(call->exchange);
}
