/* result.c - a table says which frames belong to which tool; each kind then has limits of its own. */
#include "daemon/code/result.h"

#include "base/utf8.h"

#include <stdlib.h>

#define MEDIA_TYPE_BYTES_MAX 100

#define BIT(kind) (1U << ((unsigned)(kind)-CODE_STDOUT))
#define OUTPUTS (BIT(CODE_STDOUT) | BIT(CODE_STDERR))

/* What a tool may say before CODE_END. */
static const unsigned allowed[] = {
    [TOOL_EXECUTE] = OUTPUTS | BIT(CODE_IMAGE) | BIT(CODE_PIECE),
    [TOOL_COMMAND] = OUTPUTS,
    [TOOL_TASK_START] = BIT(CODE_TASK),
    [TOOL_TASK_GET] = BIT(CODE_TASK) | OUTPUTS,
    [TOOL_TASK_STOP] = BIT(CODE_TASK) | OUTPUTS,
    [TOOL_READ] = BIT(CODE_FILE) | BIT(CODE_PIECE),
    [TOOL_WRITE] = 0,
    [TOOL_LIST] = BIT(CODE_ENTRY),
    [TOOL_REMOVE] = 0,
};

void code_result_init(code_result *r, code_tool tool, size_t output_bytes)
{
    *r = (code_result){.tool = tool, .output_bytes = output_bytes};
    r->output[0] = r->output[1] = BUF_INIT(output_bytes);
}

void code_result_done(code_result *r)
{
    code_result_drop_items(r, r->count);
    free(r->items);
    buf_done(&r->output[0]);
    buf_done(&r->output[1]);
    arena_done(&r->memory);
}

void code_result_drop_items(code_result *r, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        r->item_bytes -= r->items[i].data.length;
        buf_done(&r->items[i].data);
    }
    if (count < r->count)
        memmove(r->items, r->items + count, (r->count - count) * sizeof *r->items);
    r->count -= count;
}

static ac_status broken(ac_error *err, const char *what)
{
    return ac_error_set(err, AC_ERR_PROTOCOL, "the session's sandbox has sent %s", what);
}

static ac_status no_memory(ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

/* A text of the guest's as UTF-8 without NUL. */
static ac_status keep_text(code_result *r, const void *text, size_t length, const char **ret_text, ac_error *err)
{
    _cleanup_(buf_done) buf clean = BUF_INIT(3 * CODE_FRAME_BYTES_MAX);

    if (utf8_append_clean(&clean, text, length) != AC_OK || !buf_terminate(&clean))
        return no_memory(err);
    for (size_t i = 0; i < clean.length; i++)
        if (clean.data[i] == '\0')
            clean.data[i] = '?';
    *ret_text = arena_copy(&r->memory, clean.data, clean.length);
    return *ret_text ? AC_OK : no_memory(err);
}

/* ---- by kind ---- */

static ac_status take_output(code_result *r, const guest_frame *f, ac_error *err)
{
    size_t which = f->kind == CODE_STDERR;
    size_t room = r->output_bytes - r->output[which].length, length = MIN(room, f->length);

    r->cut[which] = r->cut[which] || length < f->length;
    return buf_append(&r->output[which], f->data, length) == AC_OK ? AC_OK : no_memory(err);
}

static ac_status add_item(code_result *r, code_item item, ac_error *err)
{
    if (r->count == r->capacity) {
        size_t more = r->capacity ? 2 * r->capacity : 16;
        code_item *grown = realloc(r->items, more * sizeof *grown);

        if (!grown)
            return no_memory(err);
        r->items = grown;
        r->capacity = more;
    }
    r->items[r->count++] = item;
    r->items_seen++;
    return AC_OK;
}

static ac_status take_image(code_result *r, const guest_frame *f, ac_error *err)
{
    code_item item = {.kind = ITEM_IMAGE, .data = BUF_INIT(CODE_IMAGE_BYTES_MAX)};

    if (r->items_seen >= CODE_IMAGES_MAX)
        return broken(err, "too many images");
    if (f->length > MEDIA_TYPE_BYTES_MAX)
        return broken(err, "an image of no type");
    AC_TRY(keep_text(r, f->data, f->length, &item.name, err));
    return add_item(r, item, err);
}

static ac_status take_file(code_result *r, const guest_frame *f, ac_error *err)
{
    code_item item = {.kind = ITEM_FILE, .data = BUF_INIT(CODE_FILE_BYTES_MAX)};

    if (r->items_seen >= CODE_FILES_MAX || f->length > CODE_PATH_BYTES_MAX)
        return broken(err, "too many files");
    AC_TRY(keep_text(r, f->data, f->length, &item.name, err));
    return add_item(r, item, err);
}

static ac_status take_piece(code_result *r, const guest_frame *f, ac_error *err)
{
    code_item *item = r->count > 0 ? &r->items[r->count - 1] : NULL;
    ac_status status;

    if (!item || item->kind == ITEM_ENTRY)
        return broken(err, "a piece of nothing");
    if (item->kind == ITEM_IMAGE && f->length > CODE_IMAGES_BYTES_MAX - r->image_bytes)
        return broken(err, "images that are too large");
    status = buf_append(&item->data, f->data, f->length);
    if (status == AC_ERR_TOO_LARGE)
        return broken(err, item->kind == ITEM_IMAGE ? "an image that is too large" : "a file that is too large");
    if (status != AC_OK)
        return no_memory(err);
    r->item_bytes += f->length;
    r->image_bytes += item->kind == ITEM_IMAGE ? f->length : 0;
    return AC_OK;
}

static ac_status take_entry(code_result *r, const guest_frame *f, ac_error *err)
{
    code_item item = {.kind = ITEM_ENTRY};

    if (f->length <= CODE_ENTRY_BYTES || f->length > CODE_ENTRY_BYTES + CODE_PATH_BYTES_MAX ||
        r->items_seen >= CODE_ENTRIES_MAX)
        return broken(err, "an entry that is none");
    item.directory = f->data[0] == ENTRY_DIRECTORY;
    item.size = MIN(code_get64(f->data + 1), (uint64_t)INT64_MAX);
    AC_TRY(keep_text(r, f->data + CODE_ENTRY_BYTES, f->length - CODE_ENTRY_BYTES, &item.name, err));
    return add_item(r, item, err);
}

static ac_status take_numbers(code_result *r, const guest_frame *f, code_end *ret_end, ac_error *err)
{
    if (!code_get_end(f->data, f->length, ret_end) || ret_end->text_length > CODE_MESSAGE_BYTES_MAX)
        return broken(err, "numbers that are none");
    AC_TRY(keep_text(r, ret_end->text, ret_end->text_length, &ret_end->text, err));
    ret_end->text_length = strlen(ret_end->text);
    return AC_OK;
}

static ac_status take_task(code_result *r, const guest_frame *f, ac_error *err)
{
    if (r->has_task)
        return broken(err, "two tasks");
    AC_TRY(take_numbers(r, f, &r->task, err));
    if (r->task.outcome > TASK_FAILED)
        return broken(err, "a task of no status");
    r->has_task = true;
    return AC_OK;
}

static ac_status take_end(code_result *r, const guest_frame *f, ac_error *err)
{
    AC_TRY(take_numbers(r, f, &r->end, err));
    if (r->end.outcome > OUTCOME_LOST)
        return broken(err, "an end of no kind");
    if (r->end.outcome == OUTCOME_DONE && !r->has_task && r->tool >= TOOL_TASK_START && r->tool <= TOOL_TASK_STOP)
        return broken(err, "no task");
    r->ended = true;
    return AC_OK;
}

ac_status code_result_take(code_result *r, const guest_frame *f, ac_error *err)
{
    if (r->ended)
        return broken(err, "something behind the end");
    if (f->kind == CODE_END)
        return take_end(r, f, err);
    if (f->kind < CODE_STDOUT || f->kind > CODE_END || !(allowed[r->tool] & BIT(f->kind)))
        return broken(err, "what does not belong to the call");
    switch (f->kind) {
    case CODE_STDOUT:
    case CODE_STDERR:
        return take_output(r, f, err);
    case CODE_IMAGE:
        return take_image(r, f, err);
    case CODE_FILE:
        return take_file(r, f, err);
    case CODE_PIECE:
        return take_piece(r, f, err);
    case CODE_ENTRY:
        return take_entry(r, f, err);
    default:
        return take_task(r, f, err);
    }
}
