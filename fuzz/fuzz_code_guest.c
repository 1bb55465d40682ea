/* fuzz_code_guest.c - what a hostile sandbox may say of a call.
 *
 * The first byte is the tool, the second how the rest is cut.  Whole or in pieces, the same must come of it; a result
 * that is taken must be an event that is valid JSON and that a client can hold. */
#include "base/json.h"
#include "daemon/code/content.h"

#include <stdlib.h>

#define OUTPUT_BYTES 4096
#define EVENT_BYTES_MAX ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

typedef struct run {
    code_result result;
    ac_status status;
    size_t frames;
    buf text; /* of the result's event, if there is one */
} run;

static void take_frames(run *seen, guest_reader *r)
{
    ac_error err;
    guest_frame frame;
    bool found = true;

    while (seen->status == AC_OK && !seen->result.ended) {
        seen->status = guest_reader_next(r, &frame, &found, &err);
        if (seen->status != AC_OK || !found)
            return;
        seen->frames++;
        require(frame.length <= CODE_FRAME_BYTES_MAX);
        seen->status = code_result_take(&seen->result, &frame, &err);
    }
}

static void write_result(run *seen)
{
    const code_arguments arguments = {0};
    yyjson_mut_doc *doc = NULL;
    yyjson_doc *read;
    ac_error err;

    require(code_content_result(&seen->result, &arguments, &doc, &err) == AC_OK);
    require(json_write(&seen->text, yyjson_mut_doc_get_root(doc), JSON_COMPACT, NULL) == AC_OK);
    require(ac_json_read(seen->text.data, seen->text.length, NULL, &read, &err) == AC_OK);
    yyjson_doc_free(read);
    yyjson_mut_doc_free(doc);
}

static run read_in_pieces(code_tool tool, const uint8_t *data, size_t size, size_t step)
{
    run seen = {.text = BUF_INIT(EVENT_BYTES_MAX)};
    guest_reader r;

    code_result_init(&seen.result, tool, OUTPUT_BYTES);
    guest_reader_init(&r);
    for (size_t at = 0; at < size && seen.status == AC_OK; at += step) {
        size_t room, piece = MIN(step, size - at);
        char *to = guest_reader_room(&r, &room);

        require(to && room >= 1);
        piece = MIN(piece, room);
        memcpy(to, data + at, piece);
        guest_reader_added(&r, piece);
        take_frames(&seen, &r);
    }
    guest_reader_done(&r);
    if (seen.status == AC_OK && seen.result.ended)
        write_result(&seen);
    return seen;
}

static void run_done(run *seen)
{
    code_result_done(&seen->result);
    buf_done(&seen->text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    code_tool tool;
    run whole, pieces;

    if (size < 2)
        return 0;
    tool = (code_tool)(TOOL_EXECUTE + data[0] % TOOL_REMOVE);
    whole = read_in_pieces(tool, data + 2, size - 2, 65536);
    pieces = read_in_pieces(tool, data + 2, size - 2, (size_t)data[1] + 1);
    require(whole.status == pieces.status && whole.frames == pieces.frames);
    require(whole.text.length == pieces.text.length &&
            (whole.text.length == 0 || memcmp(whole.text.data, pieces.text.data, whole.text.length) == 0));
    require(whole.result.count <= CODE_ENTRIES_MAX && whole.result.output[0].length <= OUTPUT_BYTES);
    run_done(&whole);
    run_done(&pieces);
    return 0;
}
