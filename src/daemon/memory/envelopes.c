/* envelopes.c - turns whose text is a message as agent frameworks keep it: JSON, with what was said inside.
 *
 * Strands' session manager keeps {"message": {"role": "user", "content": [{"text": "I like sushi"}, ...]}, ...} as the
 * text of a turn, so that it can restore all of the message.  Knowledge is drawn from what was said. */
#include "daemon/memory/extraction.h"

#include <string.h>

#define ENVELOPE_DEPTH_MAX 64

DEFINE_CLEANUP(yyjson_doc *, yyjson_doc_free)

/* The texts of a message, a line each; content that is no text (calls of tools, images) is left out. */
static ac_status join_texts(extract_turn *turn, yyjson_val *content, arena *memory, ac_error *err)
{
    char *joined = arena_alloc(memory, turn->text_length + 1); /* they are shorter than the JSON around them */
    size_t length = 0, i, n;
    yyjson_val *block;

    if (!joined)
        return memory_no_memory(err);
    yyjson_arr_foreach(content, i, n, block)
    {
        yyjson_val *text = yyjson_obj_get(block, "text");
        size_t more = yyjson_get_len(text);

        if (!yyjson_is_str(text) || more == 0)
            continue;
        if (length)
            joined[length++] = '\n';
        memcpy(joined + length, yyjson_get_str(text), more);
        length += more;
    }
    joined[length] = '\0';
    turn->text = joined;
    turn->text_length = length;
    return AC_OK;
}

static ac_status open_one(extract_turn *turn, arena *memory, ac_error *err)
{
    static const ac_json_read_options limits = {.depth_max = ENVELOPE_DEPTH_MAX};
    _cleanup_(yyjson_doc_freep) yyjson_doc *doc = NULL;

    if (turn->text_length == 0 || turn->text[0] != '{')
        return AC_OK;
    ac_status status = ac_json_read(turn->text, turn->text_length, &limits, &doc, NULL);
    if (status == AC_ERR_NOMEM)
        return memory_no_memory(err);
    yyjson_val *message = status == AC_OK ? yyjson_obj_get(yyjson_doc_get_root(doc), "message") : NULL;
    yyjson_val *content = yyjson_obj_get(message, "content");
    if (!yyjson_is_str(yyjson_obj_get(message, "role")) || !yyjson_is_arr(content))
        return AC_OK;
    return join_texts(turn, content, memory, err);
}

ac_status extraction_open_envelopes(extraction_window *w, arena *memory, ac_error *err)
{
    for (size_t i = 0; i < w->turn_count; i++)
        AC_TRY(open_one(&w->turns[i], memory, err));
    return AC_OK;
}
