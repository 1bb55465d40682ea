/* content.c - results: content, structuredContent, isError.
 *
 * content[0].text is what a model is to read: standard output without white space around it, and behind it, when
 * something went wrong, the error output.  structuredContent has both as they were.  File tools have none. */
#include "daemon/code/content.h"

#include "base/base64.h"
#include "base/utf8.h"
#include "daemon/code/media_types.h"

#include <stdio.h>

/* An event has at most 16 MiB: a file, or output four times (twice each stream) and images in base64. */
#define TEXT_BYTES_MAX ((size_t)15 << 20)    /* of a file as JSON text; else it goes as a blob */
#define OUTPUT_ESCAPED_MAX ((size_t)5 << 19) /* of a stream as JSON text */
#define OUTPUT_TEXT_MAX ((size_t)32 << 20)

typedef struct writing {
    yyjson_mut_doc *doc;
    yyjson_mut_val *root, *content, *structured;
    const code_result *r;
} writing;

static ac_status no_memory(ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

/* To be finished, whatever it returns. */
static ac_status begin(const code_result *r, writing *w)
{
    *w = (writing){.doc = yyjson_mut_doc_new(NULL), .r = r};
    if (!w->doc)
        return AC_ERR_NOMEM;
    w->root = yyjson_mut_obj(w->doc);
    w->content = yyjson_mut_arr(w->doc);
    yyjson_mut_doc_set_root(w->doc, w->root);
    return yyjson_mut_obj_add_val(w->doc, w->root, "content", w->content) ? AC_OK : AC_ERR_NOMEM;
}

/* The document is handed over, or freed when something has failed. */
static ac_status finish(writing *w, ac_status status, yyjson_mut_doc **ret_doc, ac_error *err)
{
    if (status == AC_OK)
        *ret_doc = w->doc;
    else
        yyjson_mut_doc_free(w->doc);
    return status == AC_ERR_NOMEM ? no_memory(err) : status;
}

static ac_status add_text(writing *w, const char *text, size_t length)
{
    yyjson_mut_val *block = yyjson_mut_arr_add_obj(w->doc, w->content);

    return block && yyjson_mut_obj_add_str(w->doc, block, "type", "text") &&
                   yyjson_mut_obj_add_strncpy(w->doc, block, "text", text, length)
               ? AC_OK
               : AC_ERR_NOMEM;
}

/* ---- output of code and commands ---- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static view strip(const buf *b)
{
    view v = {b->data ? b->data : "", b->length};

    while (v.length > 0 && is_space(v.text[v.length - 1]))
        v.length--;
    while (v.length > 0 && is_space(*v.text)) {
        v.text++;
        v.length--;
    }
    return v;
}

static size_t escaped_bytes(unsigned char c)
{
    return c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t' ? 2 : c < ' ' || c == 0x7f ? 6 : 1;
}

/* How much of a text may go into an event. */
static size_t fitting(const char *text, size_t length)
{
    size_t escaped = 0, fits = 0;

    while (fits < length && (escaped += escaped_bytes((unsigned char)text[fits])) <= OUTPUT_ESCAPED_MAX)
        fits++;
    while (fits > 0 && fits < length && ((unsigned char)text[fits] & 0xc0) == 0x80)
        fits--;
    return fits;
}

/* Without what was cut at a character's middle; bytes that are no text become U+FFFD. */
static ac_status clean(const code_result *r, int which, buf *out)
{
    const buf *raw = &r->output[which];

    if (raw->length == 0)
        return AC_OK;
    return utf8_append_clean(out, raw->data,
                             raw->length - (r->cut[which] ? utf8_unfinished(raw->data, raw->length) : 0));
}

/* What the supervisor says beside the error output: about an interruption, a lost kernel, output that was too much. */
static ac_status add_notes(const code_result *r, const size_t cut[2], buf *errors)
{
    if (r->end.text_length > 0) {
        if (errors->length > 0 && errors->data[errors->length - 1] != '\n')
            AC_TRY(buf_append(errors, "\n", 1));
        AC_TRY(buf_append(errors, r->end.text, r->end.text_length));
        AC_TRY(buf_append(errors, "\n", 1));
    }
    for (int i = 0; i < 2; i++)
        if (cut[i])
            AC_TRY(buf_appendf(errors, "[%s was cut after %zu bytes]\n", i == 0 ? "standard output" : "error output",
                               cut[i]));
    return AC_OK;
}

static ac_status add_outputs(writing *w, bool failed)
{
    _cleanup_(buf_done) buf out = BUF_INIT(OUTPUT_TEXT_MAX), errors = BUF_INIT(OUTPUT_TEXT_MAX),
                            text = BUF_INIT(OUTPUT_TEXT_MAX);
    buf *both[] = {&out, &errors};
    size_t cut[2] = {0, 0};
    view shown, wrong;

    for (int i = 0; i < 2; i++) {
        size_t fits;

        AC_TRY(clean(w->r, i, both[i]));
        fits = fitting(both[i]->data, both[i]->length);
        cut[i] = fits < both[i]->length ? fits : w->r->cut[i] ? w->r->output_bytes : 0;
        both[i]->length = fits;
    }
    AC_TRY(add_notes(w->r, cut, &errors));
    shown = strip(&out);
    wrong = strip(&errors);
    AC_TRY(buf_append(&text, shown.text, shown.length));
    if (failed && wrong.length > 0) {
        if (text.length > 0)
            AC_TRY(buf_append(&text, "\n", 1));
        AC_TRY(buf_append(&text, wrong.text, wrong.length));
    }
    AC_TRY(add_text(w, text.data ? text.data : "", text.length));
    return yyjson_mut_obj_add_strncpy(w->doc, w->structured, "stdout", out.data ? out.data : "", out.length) &&
                   yyjson_mut_obj_add_strncpy(w->doc, w->structured, "stderr", errors.data ? errors.data : "",
                                              errors.length)
               ? AC_OK
               : AC_ERR_NOMEM;
}

static ac_status add_numbers(writing *w, const code_end *e, bool with_code)
{
    if (with_code && !yyjson_mut_obj_add_int(w->doc, w->structured, "exitCode", e->exit_code))
        return AC_ERR_NOMEM;
    return yyjson_mut_obj_add_real(w->doc, w->structured, "executionTime", (double)e->duration_us / 1e6) ? AC_OK
                                                                                                         : AC_ERR_NOMEM;
}

/* ---- items ---- */

static yyjson_mut_val *base64_value(writing *w, const buf *data)
{
    _cleanup_(buf_done) buf text = BUF_INIT(2 * CODE_FILE_BYTES_MAX);

    if (data->length > 0 && base64_encode(&text, BASE64_STANDARD, data->data, data->length) != AC_OK)
        return NULL;
    return yyjson_mut_strncpy(w->doc, text.data ? text.data : "", text.length);
}

static ac_status add_image(writing *w, const code_item *item)
{
    yyjson_mut_val *block = yyjson_mut_arr_add_obj(w->doc, w->content), *data = base64_value(w, &item->data);

    return block && data && yyjson_mut_obj_add_str(w->doc, block, "type", "image") &&
                   yyjson_mut_obj_add_val(w->doc, block, "data", data) &&
                   yyjson_mut_obj_add_strcpy(w->doc, block, "mimeType", item->name)
               ? AC_OK
               : AC_ERR_NOMEM;
}

/* Whether a file goes as text: UTF-8 without control characters, which is not too long when it is escaped. */
static bool is_text(const buf *data)
{
    size_t escaped = 0;

    for (size_t i = 0; i < data->length; i++) {
        size_t bytes = escaped_bytes((unsigned char)data->data[i]);

        if (bytes > 2)
            return false;
        escaped += bytes;
    }
    return escaped <= TEXT_BYTES_MAX && utf8_valid(data->data ? data->data : "", data->length);
}

static ac_status add_file(writing *w, const code_item *item)
{
    yyjson_mut_val *block = yyjson_mut_arr_add_obj(w->doc, w->content), *resource = yyjson_mut_obj(w->doc), *value;
    bool text = is_text(&item->data);
    char uri[CODE_PATH_BYTES_MAX * 3 + 16];

    snprintf(uri, sizeof uri, "file:///%s", item->name);
    value = text ? yyjson_mut_strncpy(w->doc, item->data.data ? item->data.data : "", item->data.length)
                 : base64_value(w, &item->data);
    return block && resource && value && yyjson_mut_obj_add_str(w->doc, block, "type", "resource") &&
                   yyjson_mut_obj_add_val(w->doc, block, "resource", resource) &&
                   yyjson_mut_obj_add_str(w->doc, resource, "type", text ? "text" : "blob") &&
                   yyjson_mut_obj_add_strcpy(w->doc, resource, "uri", uri) &&
                   yyjson_mut_obj_add_str(w->doc, resource, "mimeType", media_type_of(item->name, text)) &&
                   yyjson_mut_obj_add_val(w->doc, resource, text ? "text" : "blob", value)
               ? AC_OK
               : AC_ERR_NOMEM;
}

/* below: the directory that was listed, "" for the work directory. */
static ac_status add_entry(writing *w, const code_item *item, const char *below)
{
    yyjson_mut_val *block = yyjson_mut_arr_add_obj(w->doc, w->content);
    char uri[CODE_PATH_BYTES_MAX * 4 + 32];
    size_t length = strlen(below);

    while (length > 0 && below[length - 1] == '/')
        length--;
    snprintf(uri, sizeof uri, "file:///%.*s%s%s", (int)length, below, length ? "/" : "", item->name);
    if (!block || !yyjson_mut_obj_add_str(w->doc, block, "type", "resource_link") ||
        !yyjson_mut_obj_add_strcpy(w->doc, block, "uri", uri) ||
        !yyjson_mut_obj_add_strcpy(w->doc, block, "name", item->name) ||
        !yyjson_mut_obj_add_str(w->doc, block, "description", item->directory ? "Directory" : "File"))
        return AC_ERR_NOMEM;
    if (item->directory)
        return AC_OK;
    return yyjson_mut_obj_add_str(w->doc, block, "mimeType", media_type_of(item->name, true)) &&
                   yyjson_mut_obj_add_uint(w->doc, block, "size", item->size)
               ? AC_OK
               : AC_ERR_NOMEM;
}

static ac_status add_items(writing *w, size_t count, const char *below)
{
    for (size_t i = 0; i < count; i++) {
        const code_item *item = &w->r->items[i];

        AC_TRY(item->kind == ITEM_IMAGE  ? add_image(w, item)
               : item->kind == ITEM_FILE ? add_file(w, item)
                                         : add_entry(w, item, below));
    }
    return AC_OK;
}

/* ---- results ---- */

static ac_status add_structured(writing *w)
{
    w->structured = yyjson_mut_obj(w->doc);
    return w->structured && yyjson_mut_obj_add_val(w->doc, w->root, "structuredContent", w->structured) ? AC_OK
                                                                                                        : AC_ERR_NOMEM;
}

static ac_status fill_run(writing *w)
{
    AC_TRY(add_structured(w));
    AC_TRY(add_outputs(w, w->r->end.outcome != OUTCOME_DONE));
    return add_numbers(w, &w->r->end, true);
}

static ac_status fill_task(writing *w)
{
    static const char *const names[] = {"submitted", "working", "completed", "canceled", "failed"};
    const code_end *task = &w->r->task;

    AC_TRY(add_structured(w));
    if (!yyjson_mut_obj_add_strcpy(w->doc, w->structured, "taskId", task->text) ||
        !yyjson_mut_obj_add_str(w->doc, w->structured, "taskStatus", names[task->outcome]))
        return AC_ERR_NOMEM;
    if (w->r->tool == TOOL_TASK_START) {
        char text[64];
        int length = snprintf(text, sizeof text, "Task %.32s was started", task->text);

        return add_text(w, text, (size_t)length);
    }
    AC_TRY(add_outputs(w, task->outcome == TASK_FAILED));
    return add_numbers(w, task, task->outcome >= TASK_COMPLETED);
}

static ac_status fill(writing *w, const code_arguments *a)
{
    const code_end *end = &w->r->end;
    bool run = w->r->tool == TOOL_EXECUTE || w->r->tool == TOOL_COMMAND;

    if (run)
        AC_TRY(fill_run(w));
    else if (w->r->has_task)
        AC_TRY(fill_task(w));
    else if (end->text_length > 0)
        AC_TRY(add_text(w, end->text, end->text_length));
    AC_TRY(add_items(w, w->r->count, a->path_count > 0 ? a->paths[0].path : ""));
    return yyjson_mut_obj_add_bool(w->doc, w->root, "isError", end->outcome != OUTCOME_DONE) ? AC_OK : AC_ERR_NOMEM;
}

ac_status code_content_result(const code_result *r, const code_arguments *a, yyjson_mut_doc **ret_doc, ac_error *err)
{
    writing w;
    ac_status status = begin(r, &w);

    if (status == AC_OK)
        status = fill(&w, a);
    return finish(&w, status, ret_doc, err);
}

static ac_status add_is_error(writing *w, bool is_error)
{
    return yyjson_mut_obj_add_bool(w->doc, w->root, "isError", is_error) ? AC_OK : AC_ERR_NOMEM;
}

ac_status code_content_items(const code_result *r, size_t count, yyjson_mut_doc **ret_doc, ac_error *err)
{
    writing w;
    ac_status status = begin(r, &w);

    if (status == AC_OK)
        status = add_items(&w, count, "");
    if (status == AC_OK)
        status = add_is_error(&w, false);
    return finish(&w, status, ret_doc, err);
}

ac_status code_content_refusal(const char *message, yyjson_mut_doc **ret_doc, ac_error *err)
{
    writing w;
    ac_status status = begin(NULL, &w);

    if (status == AC_OK)
        status = add_text(&w, message, strlen(message));
    if (status == AC_OK)
        status = add_is_error(&w, true);
    return finish(&w, status, ret_doc, err);
}

ac_status code_content_output(bool is_error_output, const char *text, size_t length, yyjson_mut_doc **ret_doc,
                              ac_error *err)
{
    const char *name = is_error_output ? "stderr" : "stdout";
    writing w;
    ac_status status = begin(NULL, &w);

    if (status == AC_OK)
        status = add_text(&w, text, length);
    if (status == AC_OK)
        status = add_structured(&w);
    if (status == AC_OK && !yyjson_mut_obj_add_strncpy(w.doc, w.structured, name, text, length))
        status = AC_ERR_NOMEM;
    if (status == AC_OK)
        status = add_is_error(&w, false);
    return finish(&w, status, ret_doc, err);
}
