/* fuzz_model.c - what a model service sends, of each kind: a whole answer, or the events of a stream, one in a line.
 * Whole JSON is read as both.  The first byte is the kind, and whether a schema was put as a tool. */
#include "agent/model_internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static bool on_text(void *user, const char *text, size_t length)
{
    *(size_t *)user += length;
    return text != NULL;
}

static void finish(gather *g, ac_status status)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    model_answer answer;

    if (status == AC_OK) {
        require(gather_finish(g, &memory, &answer, NULL) == AC_OK);
        require(strlen(answer.text) <= answer.text_length && answer.call_count <= MODEL_CALLS_MAX);
        for (size_t i = 0; i < answer.call_count; i++)
            require(answer.calls[i].id && answer.calls[i].name && answer.calls[i].arguments);
    }
    gather_done(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const model_ops *const kinds[] = {&model_openai, &model_anthropic, &model_bedrock};
    static const char *const events[] = {"",       "contentBlockStart", "contentBlockDelta", "messageStop", "metadata",
                                         "message"};
    size_t heard = 0;
    model_request request = {.on_text = on_text, .user = &heard};
    ac_status status = AC_OK;
    gather g;

    if (size < 2)
        return 0;
    const model_ops *ops = kinds[data[0] % ARRAY_SIZE(kinds)];
    bool forced = (data[0] & 0x80) != 0;
    const char *text = (const char *)data + 1, *end = (const char *)data + size;

    yyjson_doc *doc = NULL;
    if (ac_json_read(text, (size_t)(end - text), NULL, &doc, NULL) == AC_OK) {
        gather_begin(&g, &request, forced, 65536);
        finish(&g, ops->read_answer(&g, yyjson_doc_get_root(doc), NULL));
    }
    yyjson_doc_free(doc);

    gather_begin(&g, &request, forced, 65536);
    heard = 0;
    for (size_t n = 0; text < end && status == AC_OK; n++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t length = (size_t)((newline ? newline : end) - text);

        doc = NULL;
        if (ac_json_read(text, length, NULL, &doc, NULL) == AC_OK)
            status = ops->read_event(&g, events[n % ARRAY_SIZE(events)], yyjson_doc_get_root(doc), NULL);
        yyjson_doc_free(doc);
        text += length + (newline != NULL);
    }
    require(status != AC_OK || heard == g.text.length);
    finish(&g, status);
    return 0;
}
