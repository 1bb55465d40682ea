/* result.h - what a guest says of one call, gathered and checked.  Sans-IO; nothing that a guest says is believed, and
 * all of it is bounded: who sends what does not belong to the call, or too much, has broken off the conversation. */
#ifndef DAEMON_CODE_RESULT_H
#define DAEMON_CODE_RESULT_H

#include "base/arena.h"
#include "daemon/code/frames.h"

typedef enum item_kind { ITEM_IMAGE, ITEM_FILE, ITEM_ENTRY } item_kind;

typedef struct code_item {
    item_kind kind;
    const char *name; /* media type of an image, path of a file, name of an entry: UTF-8 */
    buf data;         /* of images and files */
    bool directory;   /* of entries */
    uint64_t size;    /* of entries */
} code_item;

typedef struct code_result {
    code_tool tool;
    arena memory;        /* names */
    size_t output_bytes; /* that are kept of each stream */
    buf output[2];       /* stdout, stderr: any bytes */
    bool cut[2];         /* there was more */
    code_item *items;
    size_t count, capacity;
    size_t item_bytes;  /* of all items that are there now */
    size_t image_bytes; /* of all images */
    size_t items_seen;  /* all that have come */
    bool has_task, ended;
    code_end task; /* its text: the number, in memory */
    code_end end;  /* its text: the message, in memory, UTF-8 */
} code_result;

void code_result_init(code_result *r, code_tool tool, size_t output_bytes);
void code_result_done(code_result *r);

/* Take a frame.  AC_ERR_PROTOCOL: it is not one that may come now. */
ac_status code_result_take(code_result *r, const guest_frame *frame, ac_error *err) AC_MUST_USE;

/* Forget the first count items. */
void code_result_drop_items(code_result *r, size_t count);

#endif
