/* extract_probe.c - runs one extraction as standard input says, and writes the changes: for tests in Python.
 *
 * In: {"model": {"kind", "url", "name", "key"}, "kind": "SEMANTIC" ..., "turns": [{"role", "text", "at" (ms),
 * "event"}],
 *      "first_new", "known": [{"id", "text", "metadata"}], "reflections": [...], "of_session": [...], "prompts":
 *      {"extraction_prompt", "extraction_model", ...}, "schema": [...], "reflect": bool}
 * Out: {"status", "message"} or {"status", "engine", "changes": [{"action", "id", "by", "text", "metadata",
 *      "reflection"}]} */
#include "base/json.h"
#include "daemon/memory/extract/extract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURNS_MAX 256

static const char *text_at(yyjson_val *value, const char *key)
{
    return ac_json_string(value, key, NULL);
}

static ac_status nearest(void *user, const extract_query *q, arena *a, extract_known **ret_known, size_t *ret_count,
                         ac_error *err)
{
    yyjson_val *in = user, *item;
    yyjson_val *list = yyjson_obj_get(in, !q->text ? "of_session" : q->reflections ? "reflections" : "known");
    yyjson_arr_iter at = yyjson_arr_iter_with(list);

    *ret_count = 0;
    *ret_known = arena_zalloc(a, (yyjson_arr_size(list) + 1) * sizeof **ret_known);
    if (!*ret_known)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    while ((item = yyjson_arr_iter_next(&at)) && *ret_count < q->count)
        (*ret_known)[(*ret_count)++] = (extract_known){
            .id = text_at(item, "id"), .text = text_at(item, "text"), .metadata = yyjson_obj_get(item, "metadata")};
    return AC_OK;
}

static extract_kind kind_of(const char *name)
{
    return strcmp(name, "SUMMARY") == 0           ? EXTRACT_SUMMARY
           : strcmp(name, "USER_PREFERENCE") == 0 ? EXTRACT_USER_PREFERENCE
           : strcmp(name, "EPISODIC") == 0        ? EXTRACT_EPISODIC
                                                  : EXTRACT_SEMANTIC;
}

static size_t read_turns(yyjson_val *list, extract_turn *turns)
{
    size_t count = MIN(yyjson_arr_size(list), (size_t)TURNS_MAX);

    for (size_t i = 0; i < count; i++) {
        yyjson_val *t = yyjson_arr_get(list, i);
        const char *text = ac_json_string(t, "text", "");

        turns[i] = (extract_turn){.role = ac_json_string(t, "role", "USER"),
                                  .text = text,
                                  .text_length = strlen(text),
                                  .timestamp_ms = ac_json_int(t, "at", 0),
                                  .event_id = ac_json_string(t, "event", "e")};
    }
    return count;
}

static void report(const extractor *x, ac_status status, const ac_error *err, const extract_change *changes,
                   size_t count)
{
    static const char *const actions[] = {"ADD", "UPDATE", "SUPERSEDE"};
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *list = yyjson_mut_arr(doc), *root;

    for (size_t i = 0; status == AC_OK && i < count; i++) {
        const extract_change *c = &changes[i];
        yyjson_mut_val *one = ac_json_pack(doc, "{s:s, s:s?, s:U, s:s?, s:b}", "action", actions[c->action], "id",
                                           c->id, "by", (uint64_t)c->by, "text", c->text, "reflection", c->reflection);

        if (c->metadata)
            yyjson_mut_obj_add_val(doc, one, "metadata", yyjson_mut_val_mut_copy(doc, c->metadata));
        yyjson_mut_arr_append(list, one);
    }
    root = status == AC_OK
               ? ac_json_pack(doc, "{s:s, s:s, s:o}", "status", "AC_OK", "engine", extractor_engine(x), "changes", list)
               : ac_json_pack(doc, "{s:s, s:s, s:U}", "status", ac_status_name(status), "message", err->message,
                              "count", (uint64_t)count);
    char *line = yyjson_mut_val_write(root, 0, NULL);
    puts(line ? line : "{}");
    free(line);
    yyjson_mut_doc_free(doc);
}

static int run(yyjson_val *in, model *m)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    _cleanup_(extractor_closep) extractor *x = NULL;
    static extract_turn turns[TURNS_MAX];
    yyjson_val *prompts = yyjson_obj_get(in, "prompts");
    extract_change *changes = NULL;
    size_t count = 0;
    ac_error err = {.status = AC_OK};
    extract_task task = {
        .kind = kind_of(ac_json_string(in, "kind", "")),
        .turns = turns,
        .turn_count = read_turns(yyjson_obj_get(in, "turns"), turns),
        .first_new = (size_t)ac_json_int(in, "first_new", 0),
        .actor_id = "user-123",
        .session_id = "session-456",
        .extraction_prompt = text_at(prompts, "extraction_prompt"),
        .extraction_model = text_at(prompts, "extraction_model"),
        .consolidation_prompt = text_at(prompts, "consolidation_prompt"),
        .consolidation_model = text_at(prompts, "consolidation_model"),
        .reflection_prompt = text_at(prompts, "reflection_prompt"),
        .reflection_model = text_at(prompts, "reflection_model"),
        .metadata_schema = yyjson_obj_get(in, "schema"),
        .reflection_schema = yyjson_obj_get(in, "reflection_schema"),
        .reflect = ac_json_bool(in, "reflect", false),
        .nearest = nearest,
        .user = in,
    };

    if (extractor_open(&(extractor_options){.model = m}, &x, &err) != AC_OK)
        return 2;
    ac_status status = extract_run(x, &task, &memory, &changes, &count, &err);
    report(x, status, &err, changes, count);
    return 0;
}

int main(void)
{
    static char text[1 << 20];
    size_t length = fread(text, 1, sizeof text, stdin);
    yyjson_doc *doc = NULL;
    model *m = NULL;
    int code;

    if (ac_json_read(text, length, NULL, &doc, NULL) != AC_OK)
        return 2;
    yyjson_val *in = yyjson_doc_get_root(doc), *asked = yyjson_obj_get(in, "model");
    model_options options = {.kind = (model_kind)model_kind_of(ac_json_string(asked, "kind", "builtin")),
                             .url = text_at(asked, "url"),
                             .model = ac_json_string(asked, "name", "a-model"),
                             .key = text_at(asked, "key"),
                             .timeout_ms = (unsigned)ac_json_int(asked, "timeout_ms", 10000),
                             .attempts_max = 2,
                             .backoff_base_ms = 1};
    if (model_open(&options, &m, NULL) != AC_OK)
        return 2;
    code = run(in, m);
    model_close(m);
    yyjson_doc_free(doc);
    return code;
}
