/* reply.c - the answer to one request, until it is sent.
 *
 * An answer is held back until the handler has returned and the middleware has had its turn: so headers set late reach
 * the client, and a handler that fails after having answered still answers with its failure.  Values are written as
 * text at once, so the documents they were built in are free to change. */
#include "app/app_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define REPLY_BODY_MAX ((size_t)1 << 31) /* bytes of one answer */
#define REPLY_BODY_START 256

static arena *reply_arena(const ac_reply *reply)
{
    return http_exchange_arena(call_of_reply(reply)->x);
}

void reply_init(ac_reply *reply)
{
    reply->body = http_exchange_take_room(call_of_reply(reply)->x);
    reply->body.cap = REPLY_BODY_MAX;
    reply->fields = reply->fields_inline;
    reply->field_capacity = REPLY_FIELDS_INLINE;
}

void reply_done(ac_reply *reply)
{
    buf_done(&reply->body);
    yyjson_mut_doc_free(reply->doc);
    reply->doc = NULL;
}

ac_request *ac_reply_request(ac_reply *reply)
{
    return &call_of_reply(reply)->request;
}

bool ac_reply_closed(const ac_reply *reply)
{
    return http_exchange_closed(call_of_reply(reply)->x);
}

/* ---- head ---- */

ac_status ac_reply_set_status(ac_reply *reply, int status)
{
    if (status < 200 || status > 599)
        return AC_ERR_INVALID;
    if (reply->state >= REPLY_STREAMING)
        return AC_ERR_STATE;
    reply->status = status;
    return AC_OK;
}

static bool written_by_server(const char *name)
{
    static const char *const names[] = {"content-length", "transfer-encoding", "connection", "date"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

static http_field *field_find(const ac_reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->field_count; i++)
        if (strcasecmp(reply->fields[i].name, name) == 0)
            return &reply->fields[i];
    return NULL;
}

static http_field *field_add(ac_reply *reply)
{
    if (reply->field_count == reply->field_capacity) {
        size_t capacity = reply->field_capacity * 2;
        http_field *larger = arena_alloc(reply_arena(reply), capacity * sizeof(*larger));
        if (!larger)
            return NULL;
        memcpy(larger, reply->fields, reply->field_count * sizeof(*larger));
        reply->fields = larger;
        reply->field_capacity = capacity;
    }
    return &reply->fields[reply->field_count++];
}

ac_status ac_reply_set_header(ac_reply *reply, const char *name, const char *value)
{
    if (!name || !value || !http_field_valid(name, value) || written_by_server(name))
        return AC_ERR_INVALID;
    if (reply->state >= REPLY_STREAMING)
        return AC_ERR_STATE;

    arena *a = reply_arena(reply);
    char *value_copy = arena_copy(a, value, strlen(value));
    if (!value_copy)
        return AC_ERR_NOMEM;
    if (strcasecmp(name, "content-type") == 0) {
        reply->user_content_type = value_copy;
        return AC_OK;
    }

    http_field *field = field_find(reply, name);
    if (field) {
        field->value = value_copy;
        return AC_OK;
    }
    char *name_copy = arena_copy(a, name, strlen(name));
    field = name_copy ? field_add(reply) : NULL;
    if (!field)
        return AC_ERR_NOMEM;
    *field = (http_field){.name = name_copy, .value = value_copy};
    return AC_OK;
}

const char *reply_get_header(const ac_reply *reply, const char *name)
{
    const http_field *field = field_find(reply, name);

    return field ? field->value : NULL;
}

http_response reply_head(const ac_reply *reply, const char *content_type)
{
    return (http_response){
        .status = reply->status ? reply->status : 200,
        .content_type = reply->user_content_type ? reply->user_content_type : content_type,
        .fields = reply->fields,
        .field_count = reply->field_count,
    };
}

/* ---- values ---- */

static void *scratch_malloc(void *context, size_t size)
{
    json_scratch *scratch = context;
    size_t rounded = (size + 15) & ~(size_t)15;

    if (rounded < size || rounded > SCRATCH_BYTES - scratch->used)
        return malloc(size);
    scratch->used += rounded;
    return scratch->room + scratch->used - rounded;
}

static bool in_room(const json_scratch *scratch, const void *pointer)
{
    return (const char *)pointer >= scratch->room && (const char *)pointer < scratch->room + SCRATCH_BYTES;
}

static void *scratch_realloc(void *context, void *pointer, size_t old_size, size_t size)
{
    if (!in_room(context, pointer))
        return realloc(pointer, size);

    void *moved = scratch_malloc(context, size);
    if (moved)
        memcpy(moved, pointer, MIN(old_size, size));
    return moved;
}

static void scratch_free(void *context, void *pointer)
{
    if (!in_room(context, pointer))
        free(pointer);
}

yyjson_mut_doc *scratch_doc(json_scratch *scratch)
{
    scratch->used = 0;
    scratch->alc = (yyjson_alc){scratch_malloc, scratch_realloc, scratch_free, scratch};
    return yyjson_mut_doc_new(&scratch->alc);
}

yyjson_mut_doc *ac_reply_doc(ac_reply *reply)
{
    if (!reply->doc)
        reply->doc = yyjson_mut_doc_new(NULL);
    return reply->doc;
}

void json_log_repairs(const json_repairs *repairs)
{
    if (UNLIKELY(repairs->not_a_number))
        ac_log_warning("A number that JSON does not have (NaN or infinity) was written as null");
    if (UNLIKELY(repairs->not_utf8))
        ac_log_warning("A string that is not UTF-8 was written with replacement characters");
}

ac_status json_write_logged(buf *out, const yyjson_mut_val *value, json_style style)
{
    json_repairs repairs = {false, false};

    AC_TRY(json_write(out, value, style, &repairs));
    json_log_repairs(&repairs);
    return AC_OK;
}

/* ---- answers ---- */

static ac_status may_answer(const ac_reply *reply)
{
    if (reply->state != REPLY_OPEN)
        return AC_ERR_STATE;
    return http_exchange_closed(call_of_reply(reply)->x) ? AC_ERR_CLOSED : AC_OK;
}

static ac_status answer_begin(ac_reply *reply)
{
    reply->body.length = 0;
    return buf_reserve(&reply->body, REPLY_BODY_START);
}

static ac_status answer_end(ac_reply *reply)
{
    reply->content_type = "application/json";
    reply->state = REPLY_ANSWERED;
    return AC_OK;
}

static ac_status answer_json(ac_reply *reply, const yyjson_mut_val *value, json_style style)
{
    AC_TRY(answer_begin(reply));
    AC_TRY(json_write_logged(&reply->body, value, style));
    return answer_end(reply);
}

ac_status ac_reply_value(ac_reply *reply, yyjson_mut_val *value)
{
    AC_TRY(may_answer(reply));
    return answer_json(reply, value, JSON_SPACED);
}

ac_status ac_reply_pack(ac_reply *reply, const char *format, ...)
{
    json_repairs repairs;
    va_list args;

    AC_TRY(may_answer(reply));
    AC_TRY(answer_begin(reply));
    va_start(args, format);
    ac_status status = json_vpack_text(&reply->body, JSON_SPACED, &repairs, format, args);
    va_end(args);
    if (status != AC_OK)
        return status;
    json_log_repairs(&repairs);
    return answer_end(reply);
}

ac_status ac_reply_raw(ac_reply *reply, const char *content_type, const void *data, size_t length)
{
    AC_TRY(may_answer(reply));
    if (content_type && !http_field_valid("content-type", content_type))
        return AC_ERR_INVALID;

    const char *type = content_type ? arena_copy(reply_arena(reply), content_type, strlen(content_type)) : NULL;
    if (content_type && !type)
        return AC_ERR_NOMEM;
    reply->body.length = 0;
    AC_TRY(buf_append(&reply->body, data, length));
    reply->content_type = type;
    reply->state = REPLY_ANSWERED;
    return AC_OK;
}

ac_status reply_json(ac_reply *reply, int status, const yyjson_mut_val *value, json_style style)
{
    if (reply->state >= REPLY_STREAMING)
        return AC_ERR_STATE;
    reply->status = status;
    reply->user_content_type = NULL; /* the handler meant it for another body */
    return answer_json(reply, value, style);
}

ac_status reply_error(ac_reply *reply, int status, const char *message, const char *details)
{
    json_scratch scratch;
    yyjson_mut_doc *doc = scratch_doc(&scratch);

    if (!doc)
        return AC_ERR_NOMEM;
    /* Not by a format string: messages may quote bytes that are not UTF-8, which only the writer repairs. */
    yyjson_mut_val *object = yyjson_mut_obj(doc);
    bool made = yyjson_mut_obj_add_str(doc, object, "error", message);
    if (details)
        made = made && yyjson_mut_obj_add_str(doc, object, "details", details);

    ac_status result = made ? reply_json(reply, status, object, JSON_COMPACT) : AC_ERR_NOMEM;
    yyjson_mut_doc_free(doc);
    return result;
}

ac_status reply_text(ac_reply *reply, int status, const char *text)
{
    if (reply->state >= REPLY_STREAMING)
        return AC_ERR_STATE;
    reply->body.length = 0;
    AC_TRY(buf_append_text(&reply->body, text));
    reply->status = status;
    reply->user_content_type = NULL;
    reply->content_type = "text/plain; charset=utf-8";
    reply->state = REPLY_ANSWERED;
    return AC_OK;
}

static bool has_no_body(int status)
{
    return status == 204 || status == 205 || status == 304;
}

ac_status reply_send_answer(ac_reply *reply)
{
    http_response response = reply_head(reply, reply->content_type);
    bool empty = has_no_body(response.status);

    reply->state = REPLY_SENT;
    if (empty)
        response.content_type = NULL;
    return http_respond(call_of_reply(reply)->x, &response, empty ? NULL : &reply->body);
}

/* ---- failing ---- */

static ac_status fail(ac_reply *reply, int http_status, const char *type, const char *format, va_list args)
{
    arena *a = reply_arena(reply);
    const char *message = arena_vformat(a, format, args);

    reply->fail_status = http_status >= 200 && http_status <= 599 ? http_status : 500;
    reply->fail_message = message ? message : ac_status_text(AC_ERR_HANDLER);
    reply->fail_type = arena_copy(a, type, strlen(type));
    if (!reply->fail_type)
        reply->fail_type = "RuntimeError";
    return AC_ERR_HANDLER;
}

ac_status ac_reply_fail(ac_reply *reply, int http_status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fail(reply, http_status, "RuntimeError", format, args);
    va_end(args);
    return AC_ERR_HANDLER;
}

ac_status ac_reply_fail_as(ac_reply *reply, int http_status, const char *type, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fail(reply, http_status, type ? type : "RuntimeError", format, args);
    va_end(args);
    return AC_ERR_HANDLER;
}
