/* fuzz_extract.c - what anybody says, through the built-in extraction engine: the sentence splitter, the rewriter,
 * dates, comparison, summaries and episodes.  What comes out must be storable, and the same again must come to rest: at
 * the second time at the latest, since of noise the order may matter once.  (Of sentences, test_extract_sessions.c
 * wants that it changes nothing at all.)
 *
 * The first byte is the kind; turns are separated by "\n--\n", and an 'A' or 'T' and '>' before one says whose it
 * is. */
#include "../tests/daemon/extract_store.h"

#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TURNS_MAX 16
#define NOON INT64_C(1741435200000)

static void require(bool condition)
{
    if (!condition)
        abort();
}

static size_t split(char *text, size_t length, extract_turn turns[TURNS_MAX])
{
    static const char separator[] = "\n--\n";
    char *end = text + length;
    size_t count = 0;

    while (count < TURNS_MAX) {
        char *stop = memmem(text, (size_t)(end - text), separator, sizeof separator - 1), *next = stop ? stop : end;
        const char *role = "USER";

        if (next - text >= 2 && text[1] == '>' && (*text == 'A' || *text == 'T')) {
            role = *text == 'A' ? "ASSISTANT" : "TOOL";
            text += 2;
        }
        turns[count] = (extract_turn){.role = role,
                                      .text = text,
                                      .text_length = (size_t)(next - text),
                                      .timestamp_ms = NOON + (int64_t)count * 1000,
                                      .event_id = "0000000000000000001#00000001",
                                      .index = (unsigned)count};
        count++;
        if (!stop)
            break;
        text = stop + sizeof separator - 1;
    }
    return count;
}

static size_t run(extractor *x, fake_store *store, const extract_task *task)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    extract_change *changes;
    size_t count;

    require(extract_run(x, task, &memory, &changes, &count, NULL) == AC_OK);
    for (size_t i = 0; i < count; i++)
        require(!changes[i].text || utf8_valid(changes[i].text, strlen(changes[i].text)));
    require(store_apply(store, changes, count));
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static fake_store store;
    extract_turn turns[TURNS_MAX];
    extractor *x = NULL;
    char *text;

    if (size < 2 || size > 20000)
        return 0;
    text = malloc(size); /* of exactly its size: what reads past the end is seen */
    require(text && extractor_open(&(extractor_options){0}, &x, NULL) == AC_OK);
    memcpy(text, data + 1, size - 1);
    snprintf(store.session, sizeof store.session, "s");
    extract_task task = {.kind = (extract_kind)(data[0] % 4),
                         .turns = turns,
                         .turn_count = split(text, size - 1, turns),
                         .actor_id = "a",
                         .session_id = "s",
                         .reflect = true,
                         .nearest = store_nearest,
                         .user = &store};
    run(x, &store, &task);
    run(x, &store, &task);
    require(run(x, &store, &task) == 0);
    extractor_close(x);
    store_clear(&store);
    free(text);
    return 0;
}
