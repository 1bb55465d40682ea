/* stream.c - ac_client_open: the answer of an operation that streams events, one by one as they come.
 *
 * After a failure inside the stream nothing more can be read from it, so the failure is kept and told again. */
#include "client/client_internal.h"

#include <stdlib.h>

struct ac_client_stream {
    const api_operation *op;
    client_answer answer;
    eventstream_reader reader;
    client_input input;
    ac_error failed; /* status AC_OK: nothing did */
};

ac_status client_stream_open(ac_client *client, const client_request *request, ac_client_stream **ret_stream,
                             ac_error *err)
{
    ac_client_stream *s;

    *ret_stream = NULL;
    if (request->op->out_body != API_BODY_EVENTS)
        return ac_error_set(err, AC_ERR_INVALID, "the answer of %s is no stream of events", api_name(request->op));
    s = calloc(1, sizeof *s);
    if (!s)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    s->op = request->op;
    eventstream_reader_init(&s->reader, 0);
    ac_status status = client_open(client, request, &s->answer, err);
    if (status == AC_OK)
        *ret_stream = s;
    else
        ac_client_stream_close(s);
    return status;
}

ac_status ac_client_open(ac_client *client, const char *operation, yyjson_val *input, ac_client_stream **ret_stream,
                         ac_error *err)
{
    const api_operation *op = api_find(operation);

    *ret_stream = NULL;
    if (!op)
        return ac_error_set(err, AC_ERR_INVALID, "AgentCore has no operation with the name %.100s", operation);
    return client_stream_open(client, &(client_request){.op = op, .input = input}, ret_stream, err);
}

ac_status ac_client_open_pack(ac_client *client, const char *operation, ac_client_stream **ret_stream, ac_error *err,
                              const char *format, ...)
{
    va_list args;

    va_start(args, format);
    yyjson_doc *input = client_vpack(format, args);
    va_end(args);
    *ret_stream = NULL;
    if (!input)
        return client_unpackable(format, err);

    ac_status status = ac_client_open(client, operation, yyjson_doc_get_root(input), ret_stream, err);
    yyjson_doc_free(input);
    return status;
}

yyjson_val *ac_client_stream_output(const ac_client_stream *stream)
{
    return yyjson_doc_get_root(stream->answer.output);
}

/* The next event among the bytes that have come; NULL: they are used up. */
static ac_status take_event(ac_client_stream *s, yyjson_mut_doc **ret_event, ac_error *err)
{
    client_input *in = &s->input;

    *ret_event = NULL;
    while (in->at < in->end && !*ret_event) {
        eventstream_message message;
        eventstream_event event;

        in->at += eventstream_read(&s->reader, in->bytes + in->at, in->end - in->at, &event, &message);
        if (event == EVENTSTREAM_BROKEN)
            return ac_error_set(err, s->reader.status, "the event stream is broken: %s", s->reader.flaw);
        if (event == EVENTSTREAM_MESSAGE)
            AC_TRY(client_event_read(s->op, &message, ret_event, err));
    }
    return AC_OK;
}

static ac_status next_event(ac_client_stream *s, uint64_t until, yyjson_mut_doc **ret_event, ac_error *err)
{
    AC_TRY(take_event(s, ret_event, err));
    while (!*ret_event && !s->input.ended) {
        AC_TRY(client_input_fill(&s->input, s->answer.transfer, until, err));
        AC_TRY(take_event(s, ret_event, err));
    }
    if (!*ret_event && !eventstream_reader_at_boundary(&s->reader))
        return ac_error_set(err, AC_ERR_PROTOCOL, "the event stream ends in the middle of a message");
    return AC_OK;
}

/* Out of time is no failure of the stream, while it goes on. */
static bool is_final(const ac_client_stream *s, ac_status status)
{
    return status != AC_OK &&
           (status != AC_ERR_TIMEOUT || http_transfer_failure(s->answer.transfer) != HTTP_FAILURE_NONE);
}

ac_status ac_client_stream_next(ac_client_stream *stream, int timeout_ms, yyjson_doc **ret_event, ac_error *err)
{
    yyjson_mut_doc *event = NULL;
    ac_error mine = stream->failed;
    ac_status status = mine.status;

    *ret_event = NULL;
    if (status == AC_OK)
        status = next_event(stream, client_deadline(timeout_ms, stream->answer.read_timeout_ms), &event, &mine);
    if (status == AC_OK && event && !(*ret_event = yyjson_mut_doc_imut_copy(event, NULL)))
        status = ac_error_set(&mine, AC_ERR_NOMEM, "out of memory");
    yyjson_mut_doc_free(event);
    if (is_final(stream, status))
        stream->failed = mine;
    if (status != AC_OK && err)
        *err = mine;
    return status;
}

void ac_client_stream_cancel(ac_client_stream *stream)
{
    http_transfer_cancel(stream->answer.transfer);
}

void ac_client_stream_close(ac_client_stream *stream)
{
    if (!stream)
        return;
    client_answer_done(&stream->answer);
    eventstream_reader_done(&stream->reader);
    free(stream);
}
