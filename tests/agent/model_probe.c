/* model_probe.c - asks a model what standard input says, and writes what came: the model port for tests in Python.
 *
 * In: {"kind", "url", "model", "key", "region", "timeout_ms", "attempts", "answer_bytes_max", "times", "stream",
 *      "give_up_after" (pieces), "give_up_ms", "messages": [{"role", "text", "calls": [{"id", "name", "arguments"}],
 *      "call_id", "failed"}], "tools": [{"name", "description", "parameters"}], "choice", "schema", "max_tokens",
 *      "temperature", "stops", "asked_model"}
 * Out, a line for each time: {"status", "message", "http", "text", "calls", "stop", "tokens": [in, out], "pieces"} */
#include "agent/model.h"
#include "base/clock.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX 64

typedef struct probe {
    yyjson_mut_doc *out;
    yyjson_mut_val *pieces;
    int64_t give_up_after;
    uint64_t give_up_at;
} probe;

static bool on_text(void *user, const char *text, size_t length)
{
    probe *p = user;

    yyjson_mut_arr_add_strncpy(p->out, p->pieces, text, length);
    return p->give_up_after == 0 || (int64_t)yyjson_mut_arr_size(p->pieces) < p->give_up_after;
}

static bool go_on(void *user)
{
    const probe *p = user;

    return p->give_up_at == 0 || clock_monotonic_ms() < p->give_up_at;
}

static const char *text_at(yyjson_val *value, const char *key)
{
    return ac_json_string(value, key, NULL);
}

static model_role role_of(const char *name)
{
    return strcmp(name, "system") == 0      ? MODEL_SYSTEM
           : strcmp(name, "assistant") == 0 ? MODEL_ASSISTANT
           : strcmp(name, "tool") == 0      ? MODEL_TOOL
                                            : MODEL_USER;
}

static size_t read_messages(yyjson_val *list, model_message *messages, arena *a)
{
    size_t count = MIN(yyjson_arr_size(list), (size_t)LIST_MAX);

    for (size_t i = 0; i < count; i++) {
        yyjson_val *m = yyjson_arr_get(list, i), *calls = yyjson_obj_get(m, "calls");
        model_tool_call *made = arena_zalloc(a, LIST_MAX * sizeof *made);

        messages[i] = (model_message){.role = role_of(ac_json_string(m, "role", "user")),
                                      .text = text_at(m, "text"),
                                      .calls = made,
                                      .call_count = yyjson_arr_size(calls),
                                      .call_id = text_at(m, "call_id"),
                                      .failed = ac_json_bool(m, "failed", false)};
        for (size_t c = 0; c < messages[i].call_count && c < LIST_MAX; c++) {
            yyjson_val *call = yyjson_arr_get(calls, c);

            made[c] = (model_tool_call){text_at(call, "id"), text_at(call, "name"), text_at(call, "arguments")};
        }
    }
    return count;
}

static size_t read_tools(yyjson_val *list, model_tool *tools)
{
    size_t count = MIN(yyjson_arr_size(list), (size_t)LIST_MAX);

    for (size_t i = 0; i < count; i++) {
        yyjson_val *t = yyjson_arr_get(list, i);

        tools[i] = (model_tool){text_at(t, "name"), text_at(t, "description"), yyjson_obj_get(t, "parameters")};
    }
    return count;
}

static void report(probe *p, ac_status status, const ac_error *err, const model_answer *answer)
{
    static const char *const stops[] = {"end", "tokens", "tools", "sequence", "refused", "other"};
    yyjson_mut_doc *doc = p->out;
    yyjson_mut_val *calls = yyjson_mut_arr(doc), *root;

    if (status != AC_OK) {
        root = ac_json_pack(doc, "{s:s, s:s, s:i, s:o}", "status", ac_status_name(status), "message", err->message,
                            "http", err->http_status, "pieces", p->pieces);
    } else {
        for (size_t i = 0; i < answer->call_count; i++)
            yyjson_mut_arr_append(calls, ac_json_pack(doc, "[s, s, s]", answer->calls[i].id, answer->calls[i].name,
                                                      answer->calls[i].arguments));
        root = ac_json_pack(doc, "{s:s, s:s%, s:o, s:s, s:[U, U], s:o}", "status", "AC_OK", "text", answer->text,
                            answer->text_length, "calls", calls, "stop", stops[answer->stop], "tokens",
                            answer->input_tokens, answer->output_tokens, "pieces", p->pieces);
    }
    char *line = root ? yyjson_mut_val_write(root, 0, NULL) : NULL;
    puts(line ? line : "{}");
    fflush(stdout);
    free(line);
}

static void ask(model *m, yyjson_val *in)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    static model_message messages[LIST_MAX];
    static model_tool tools[LIST_MAX];
    const char *stops[MODEL_STOPS_MAX];
    yyjson_val *stop_list = yyjson_obj_get(in, "stops"), *warm = yyjson_obj_get(in, "temperature");
    probe p = {.out = yyjson_mut_doc_new(NULL), .give_up_after = ac_json_int(in, "give_up_after", 0)};
    uint64_t give_up_ms = (uint64_t)ac_json_int(in, "give_up_ms", 0);
    model_answer answer = {0};
    ac_error err = {.status = AC_OK};

    p.pieces = yyjson_mut_arr(p.out);
    p.give_up_at = give_up_ms ? clock_monotonic_ms() + give_up_ms : 0;
    for (size_t i = 0; i < yyjson_arr_size(stop_list) && i < MODEL_STOPS_MAX; i++)
        stops[i] = yyjson_get_str(yyjson_arr_get(stop_list, i));
    model_request request = {
        .model = text_at(in, "asked_model"),
        .messages = messages,
        .message_count = read_messages(yyjson_obj_get(in, "messages"), messages, &memory),
        .tools = tools,
        .tool_count = read_tools(yyjson_obj_get(in, "tools"), tools),
        .choice = (model_choice)ac_json_int(in, "choice", 0),
        .schema = yyjson_obj_get(in, "schema"),
        .max_tokens = (unsigned)ac_json_int(in, "max_tokens", 0),
        .temperature = yyjson_get_num(warm),
        .has_temperature = warm != NULL,
        .stops = stops,
        .stop_count = yyjson_arr_size(stop_list),
        .go_on = go_on,
        .on_text = ac_json_bool(in, "stream", false) ? on_text : NULL,
        .user = &p,
    };
    ac_status status = model_ask(m, &request, &memory, &answer, &err);
    report(&p, status, &err, &answer);
    yyjson_mut_doc_free(p.out);
}

int main(void)
{
    static char text[1 << 20];
    size_t length = fread(text, 1, sizeof text, stdin);
    yyjson_doc *doc = NULL;
    model *m = NULL;
    ac_error err = {.status = AC_OK};

    if (ac_json_read(text, length, NULL, &doc, &err) != AC_OK)
        return 2;
    yyjson_val *in = yyjson_doc_get_root(doc);
    model_options options = {
        .kind = (model_kind)model_kind_of(ac_json_string(in, "kind", "builtin")),
        .url = text_at(in, "url"),
        .model = text_at(in, "model"),
        .key = text_at(in, "key"),
        .region = text_at(in, "region"),
        .timeout_ms = (unsigned)ac_json_int(in, "timeout_ms", 10000),
        .attempts_max = (unsigned)ac_json_int(in, "attempts", 0),
        .backoff_base_ms = 1,
        .backoff_max_ms = (unsigned)ac_json_int(in, "backoff_max_ms", 20),
        .answer_bytes_max = (size_t)ac_json_int(in, "answer_bytes_max", 0),
    };
    if (model_open(&options, &m, &err) != AC_OK)
        printf("{\"status\": \"%s\", \"opened\": false, \"message\": \"%s\"}\n", ac_status_name(err.status),
               err.message);
    for (int64_t i = 0; m && i < ac_json_int(in, "times", 1); i++)
        ask(m, in);
    model_close(m);
    yyjson_doc_free(doc);
    return 0;
}
