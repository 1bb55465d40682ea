/* runtime_stream.c - InvokeAgentRuntime with an answer that is read as it comes: in pieces, or event by event.
 *
 * Every read has its own deadline, and running out of time leaves the stream as it was.  What else fails is final and
 * told again by later reads. */
#include "client/runtime_internal.h"
#include "http/sse.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct ac_runtime_stream {
    client_answer answer;
    client_input input;
    sse_reader sse;
    enum { READ_NOTHING, READ_PIECES, READ_EVENTS } mode;
    bool finished;   /* the last event was taken */
    ac_error failed; /* status AC_OK: nothing did */
};

ac_status ac_runtime_open(ac_client *client, const char *runtime, const void *payload, size_t length,
                          const ac_runtime_options *options, ac_runtime_stream **ret_stream, ac_error *err)
{
    ac_runtime_stream *s = calloc(1, sizeof *s);

    *ret_stream = NULL;
    if (!s)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    sse_reader_init(&s->sse);
    ac_status status = runtime_open(client, runtime, payload, length, options, &s->answer, err);
    if (status == AC_OK)
        *ret_stream = s;
    else
        ac_runtime_stream_close(s);
    return status;
}

/* ---- what came before the body ---- */

static const char *member(const ac_runtime_stream *s, const char *name)
{
    return ac_json_string(yyjson_doc_get_root(s->answer.output), name, "");
}

int ac_runtime_stream_status(const ac_runtime_stream *stream)
{
    return stream->answer.head->status;
}

const char *ac_runtime_stream_content_type(const ac_runtime_stream *stream)
{
    return member(stream, "contentType");
}

const char *ac_runtime_stream_session_id(const ac_runtime_stream *stream)
{
    return member(stream, "runtimeSessionId");
}

const char *ac_runtime_stream_header(const ac_runtime_stream *stream, const char *name)
{
    return http_client_header(stream->answer.head, name);
}

/* ---- reading ---- */

static uint64_t deadline(const ac_runtime_stream *s, int timeout_ms)
{
    return client_deadline(timeout_ms, s->answer.read_timeout_ms);
}

/* Keep a failure that is final, and tell the caller. */
static ac_status settle(ac_runtime_stream *s, ac_status status, const ac_error *mine, ac_error *err)
{
    bool goes_on = status == AC_ERR_TIMEOUT && http_transfer_failure(s->answer.transfer) == HTTP_FAILURE_NONE;

    if (status != AC_OK && !goes_on)
        s->failed = *mine;
    if (status != AC_OK && err)
        *err = *mine;
    return status;
}

ac_status ac_runtime_stream_read(ac_runtime_stream *stream, void *buffer, size_t room, int timeout_ms,
                                 size_t *ret_length, ac_error *err)
{
    client_input *in = &stream->input;
    ac_error mine = stream->failed;
    ac_status status = mine.status;

    *ret_length = 0;
    if (stream->mode == READ_EVENTS || room == 0)
        return ac_error_set(err, AC_ERR_STATE, "%s", room ? "events were read from this answer" : "no room to read");
    stream->mode = READ_PIECES;
    if (status == AC_OK)
        status = client_input_fill(in, stream->answer.transfer, deadline(stream, timeout_ms), &mine);
    if (status != AC_OK)
        return settle(stream, status, &mine, err);
    *ret_length = MIN(room, in->end - in->at);
    memcpy(buffer, in->bytes + in->at, *ret_length);
    in->at += *ret_length;
    return AC_OK;
}

static bool is_event_stream(const char *content_type)
{
    static const char wanted[] = "text/event-stream";
    size_t length = strcspn(content_type, "; \t");

    return length == sizeof wanted - 1 && strncasecmp(content_type, wanted, length) == 0;
}

static ac_status begin_events(ac_runtime_stream *s, ac_error *err)
{
    const char *type = ac_runtime_stream_content_type(s);

    if (s->mode == READ_PIECES)
        return ac_error_set(err, AC_ERR_STATE, "pieces were read from this answer");
    if (!is_event_stream(type))
        return ac_error_set(err, AC_ERR_STATE, "the agent's answer is '%.100s', not text/event-stream", type);
    s->mode = READ_EVENTS;
    return AC_OK;
}

static ac_status next_event(ac_runtime_stream *s, uint64_t until, bool *ret_found, sse_event *ret_event, ac_error *err)
{
    client_input *in = &s->input;
    ac_status status = AC_OK;

    *ret_found = false;
    while (status == AC_OK && !*ret_found && !s->finished) {
        AC_TRY(client_input_fill(in, s->answer.transfer, until, err));
        s->finished = in->ended;
        status = s->finished ? sse_finish(&s->sse, ret_found, ret_event)
                             : sse_read(&s->sse, in->bytes + in->at, in->end - in->at, &in->at, ret_found, ret_event);
    }
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "a Server-Sent Event: %s", ac_status_text(status));
}

ac_status ac_runtime_stream_event(ac_runtime_stream *stream, int timeout_ms, ac_runtime_event *ret_event, ac_error *err)
{
    ac_error mine = stream->failed;
    ac_status status = mine.status;
    sse_event event = {0};
    bool found = false;

    *ret_event = (ac_runtime_event){.type = "message", .id = ""};
    AC_TRY(begin_events(stream, err));
    if (status == AC_OK)
        status = next_event(stream, deadline(stream, timeout_ms), &found, &event, &mine);
    if (found)
        *ret_event = (ac_runtime_event){event.data, event.length, event.type, event.id};
    return settle(stream, status, &mine, err);
}

ac_status ac_runtime_stream_event_json(ac_runtime_stream *stream, int timeout_ms, yyjson_doc **ret_doc, ac_error *err)
{
    ac_runtime_event event;
    ac_error flaw = {0};

    *ret_doc = NULL;
    AC_TRY(ac_runtime_stream_event(stream, timeout_ms, &event, err));
    if (!event.data)
        return AC_OK;
    ac_status status = ac_json_read(event.data, event.length, NULL, ret_doc, &flaw);
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "the event is not JSON: %s", flaw.message);
}

void ac_runtime_stream_cancel(ac_runtime_stream *stream)
{
    http_transfer_cancel(stream->answer.transfer);
}

void ac_runtime_stream_close(ac_runtime_stream *stream)
{
    if (!stream)
        return;
    client_answer_done(&stream->answer);
    sse_reader_done(&stream->sse);
    free(stream);
}
