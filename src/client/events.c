/* events.c - the answer of an operation that streams: all of its events, as one list.
 *
 * For callers who want everything at the end; whoever wants events as they come uses the client of that service. */
#include "client/client_internal.h"

#include "aws/eventstream.h"

#include <string.h>

/* An exception, or an error without a model, in the middle of a stream. */
static ac_status fail_with(const eventstream_message *message, const eventstream_header *name, ac_error *err)
{
    const char *text = NULL;
    yyjson_doc *doc = NULL;
    const eventstream_header *said = eventstream_find(message, ":error-message");
    char type[sizeof((ac_error *)0)->aws_name] = "InternalServerException";

    if (ac_json_read(message->payload, message->payload_length, NULL, &doc, NULL) == AC_OK)
        text = ac_json_string(yyjson_doc_get_root(doc), "message", NULL);
    if (name && name->length && name->length < sizeof type) {
        memcpy(type, name->data, name->length);
        type[name->length] = '\0';
        if (type[0] >= 'a' && type[0] <= 'z') /* the member's name; the shape's begins with a capital */
            type[0] = (char)(type[0] - 'a' + 'A');
    }
    int http = api_error_status(type);
    ac_status status = http == 429 ? AC_ERR_THROTTLED : http && http < 500 ? AC_ERR_INVALID : AC_ERR_INTERNAL;
    if (!text && said)
        ac_error_set(err, status, "%.*s", (int)MIN(said->length, (size_t)400), said->data);
    else
        ac_error_set(err, status, "%s", text ? text : "the stream ended with an error");
    if (err) {
        memcpy(err->aws_name, type, sizeof type);
        err->http_status = http ? http : 500;
    }
    yyjson_doc_free(doc);
    return status;
}

static ac_status add_event(const api_operation *op, const eventstream_message *message, const eventstream_header *name,
                           yyjson_mut_doc *output, yyjson_mut_val *list, ac_error *err)
{
    yyjson_mut_doc *value = NULL;

    if (!name)
        return AC_OK; /* an event without a name can be nobody's */
    AC_TRY(api_event_read(op, name->data, name->length, message->payload, message->payload_length, &value, err));

    yyjson_mut_val *key = yyjson_mut_strncpy(output, name->data, name->length);
    yyjson_mut_val *copy = yyjson_mut_val_mut_copy(output, yyjson_mut_doc_get_root(value));
    yyjson_mut_val *event = yyjson_mut_arr_add_obj(output, list);
    yyjson_mut_doc_free(value);
    return key && copy && event && yyjson_mut_obj_add(event, key, copy)
               ? AC_OK
               : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static ac_status on_message(const api_operation *op, const eventstream_message *message, yyjson_mut_doc *output,
                            yyjson_mut_val *list, ac_error *err)
{
    const eventstream_header *name = NULL;

    switch (eventstream_classify(message, &name)) {
    case EVENTSTREAM_KIND_EVENT:
        return add_event(op, message, name, output, list, err);
    case EVENTSTREAM_KIND_EXCEPTION:
    case EVENTSTREAM_KIND_ERROR:
        return fail_with(message, name, err);
    default:
        return AC_OK;
    }
}

ac_status client_read_events(const api_operation *op, const buf *body, yyjson_mut_doc *output, ac_error *err)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(output);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(output, root, api_out_payload_name(op));
    eventstream_reader reader;
    ac_status status = list ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    size_t used = 0;

    eventstream_reader_init(&reader, 0);
    while (status == AC_OK && used < body->length) {
        eventstream_message message;
        eventstream_event event;

        used += eventstream_read(&reader, body->data + used, body->length - used, &event, &message);
        if (event == EVENTSTREAM_MESSAGE)
            status = on_message(op, &message, output, list, err);
        else if (event == EVENTSTREAM_BROKEN)
            status = ac_error_set(err, reader.status, "the event stream is broken: %s", reader.flaw);
    }
    if (status == AC_OK && !eventstream_reader_at_boundary(&reader))
        status = ac_error_set(err, AC_ERR_PROTOCOL, "the event stream ends in the middle of a message");
    eventstream_reader_done(&reader);
    return status;
}
