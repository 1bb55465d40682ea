/* events.c - what the messages of an event stream mean to a caller: events by name, or the failure of the call. */
#include "client/client_internal.h"

#include <stdio.h>
#include <string.h>

#define TYPE_SIZE (sizeof((ac_error *)0)->aws_name)

static const char *type_header(void *data, const char *name, size_t *ret_length)
{
    const char *type = strcmp(name, "x-amzn-errortype") == 0 ? data : NULL;

    *ret_length = type ? strlen(type) : 0;
    return type;
}

/* An exception, or an error without a model, in the middle of a stream: read as if it were an answer of its own. */
static ac_status fail_with(const eventstream_message *message, const eventstream_header *name, ac_error *err)
{
    const eventstream_header *said = eventstream_find(message, ":error-message");
    char type[TYPE_SIZE] = "InternalServerException";

    if (name && name->length && name->length < sizeof type) {
        memcpy(type, name->data, name->length);
        type[name->length] = '\0';
        if (type[0] >= 'a' && type[0] <= 'z') /* the member's name; the shape's begins with a capital */
            type[0] = (char)(type[0] - 'a' + 'A');
    }
    int http = api_error_status(type);
    api_answer answer = {
        .status = http ? http : 500,
        .header = type_header,
        .data = type,
        .body = message->payload,
        .body_length = message->payload_length,
    };
    ac_status status = api_parse_error(&answer, err);
    if (said && said->type == EVENTSTREAM_STRING && message->payload_length == 0 && status != AC_ERR_NOMEM && err)
        snprintf(err->message, sizeof err->message, "%.*s", (int)MIN(said->length, (size_t)400), said->data);
    return status;
}

/* {name: value} */
static ac_status wrap(const eventstream_header *name, yyjson_mut_doc *value, ac_error *err)
{
    yyjson_mut_val *event = yyjson_mut_obj(value);
    yyjson_mut_val *key = yyjson_mut_strncpy(value, name->data, name->length);

    if (!event || !key || !yyjson_mut_obj_add(event, key, yyjson_mut_doc_get_root(value)))
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    yyjson_mut_doc_set_root(value, event);
    return AC_OK;
}

static ac_status read_event(const api_operation *op, const eventstream_message *message, const eventstream_header *name,
                            yyjson_mut_doc **ret_event, ac_error *err)
{
    yyjson_mut_doc *value = NULL;

    if (!name)
        return AC_OK; /* an event without a name can be nobody's */
    ac_status status =
        api_event_read(op, name->data, name->length, message->payload, message->payload_length, &value, err);
    if (status == AC_ERR_INVALID)
        return AC_OK; /* of a newer service: a client must not stumble over it */
    if (status == AC_OK)
        status = wrap(name, value, err);
    if (status == AC_OK)
        *ret_event = value;
    else
        yyjson_mut_doc_free(value);
    return status;
}

ac_status client_event_read(const api_operation *op, const eventstream_message *message, yyjson_mut_doc **ret_event,
                            ac_error *err)
{
    const eventstream_header *name = NULL;

    *ret_event = NULL;
    switch (eventstream_classify(message, &name)) {
    case EVENTSTREAM_KIND_EVENT:
        return read_event(op, message, name, ret_event, err);
    case EVENTSTREAM_KIND_EXCEPTION:
    case EVENTSTREAM_KIND_ERROR:
        return fail_with(message, name, err);
    default:
        return AC_OK;
    }
}

static ac_status add_to_list(const api_operation *op, const eventstream_message *message, yyjson_mut_doc *output,
                             yyjson_mut_val *list, ac_error *err)
{
    yyjson_mut_doc *event = NULL;

    AC_TRY(client_event_read(op, message, &event, err));
    if (!event)
        return AC_OK;
    yyjson_mut_val *copy = yyjson_mut_val_mut_copy(output, yyjson_mut_doc_get_root(event));
    yyjson_mut_doc_free(event);
    return copy && yyjson_mut_arr_append(list, copy) ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
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
            status = add_to_list(op, &message, output, list, err);
        else if (event == EVENTSTREAM_BROKEN)
            status = ac_error_set(err, reader.status, "the event stream is broken: %s", reader.flaw);
    }
    if (status == AC_OK && !eventstream_reader_at_boundary(&reader))
        status = ac_error_set(err, AC_ERR_PROTOCOL, "the event stream ends in the middle of a message");
    eventstream_reader_done(&reader);
    return status;
}
