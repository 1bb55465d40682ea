/* fuzz_extract_answer.c - whatever a model answers when knowledge is to be drawn: nothing of it is believed that does
 * not hold, and what is made of it can be stored.
 *
 * Linked with --wrap=model_ask: answers come from the input, separated by "\n--\n", the last one again and again.  The
 * first byte is the kind. */
#include "../tests/daemon/extract_store.h"

#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
ac_status __wrap_model_ask(model *m, const model_request *request, arena *a, model_answer *ret_answer, ac_error *err);

static const char *input, *input_end;

static void require(bool condition)
{
    if (!condition)
        abort();
}

ac_status __wrap_model_ask(model *m, const model_request *request, arena *a, model_answer *ret_answer, ac_error *err)
{
    const char *stop = memmem(input, (size_t)(input_end - input), "\n--\n", 4);
    size_t length = (size_t)((stop ? stop : input_end) - input);

    (void)m;
    (void)err;
    require(request->schema && request->message_count >= 2);
    *ret_answer = (model_answer){.text = arena_copy(a, input, length), .text_length = length, .stop = MODEL_STOP_END};
    require(ret_answer->text);
    if (stop)
        input = stop + 4;
    return AC_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const extract_turn turns[] = {
        {.role = "USER", .text = "I like tea.", .text_length = 11, .timestamp_ms = 1000, .event_id = "1"},
        {.role = "ASSISTANT", .text = "Good.", .text_length = 5, .timestamp_ms = 2000, .event_id = "2"},
    };
    static const char schema[] = "[{\"key\":\"k\",\"type\":\"STRINGLIST\"},{\"key\":\"n\",\"type\":\"NUMBER\"}]";
    static fake_store store;
    static model *m;
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    extract_change *changes;
    extractor *x = NULL;
    yyjson_doc *metadata;
    size_t count;

    if (size < 2 || size > 100000)
        return 0;
    if (!m)
        require(model_open(&(model_options){.kind = MODEL_OPENAI, .url = "http://127.0.0.1:9", .model = "m"}, &m,
                           NULL) == AC_OK);
    metadata = yyjson_read(schema, sizeof schema - 1, 0);
    require(metadata && extractor_open(&(extractor_options){.model = m}, &x, NULL) == AC_OK);
    snprintf(store.session, sizeof store.session, "s");
    input = (const char *)data + 1;
    input_end = (const char *)data + size;
    extract_task task = {.kind = (extract_kind)(data[0] % 4),
                         .turns = turns,
                         .turn_count = 2,
                         .metadata_schema = yyjson_doc_get_root(metadata),
                         .reflect = true,
                         .nearest = store_nearest,
                         .user = &store};
    for (int i = 0; i < 2; i++) { /* the second time there are known records */
        ac_status status = extract_run(x, &task, &memory, &changes, &count, NULL);

        require(status == AC_OK || count == 0);
        for (size_t c = 0; c < count; c++)
            require(!changes[c].text || utf8_valid(changes[c].text, strlen(changes[c].text)));
        require(store_apply(&store, changes, count));
    }
    extractor_close(x);
    yyjson_doc_free(metadata);
    store_clear(&store);
    return 0;
}
