/* code_interpreter_invoke.c - one call of a tool: its events put together to one result, and its output on the way.
 *
 * A service may send a result in several events: content adds up, and what is said of the whole is in the last one.
 * agentcored sends output while code runs, when it is asked to: in events that have an output and no exit code. */
#include "client/code_interpreter_internal.h"

#include <stdlib.h>
#include <string.h>

#define NO_EXIT_CODE (-1)

static const ac_header output_header = {"X-Agentcored-Output", "stream"};

typedef struct whole_result {
    ac_code_result seen; /* first: what the caller has a pointer to */
    yyjson_doc *doc;
} whole_result;

/* What has come of a result. */
typedef struct gathering {
    const ac_code_options *options;
    yyjson_mut_doc *doc;
    yyjson_mut_val *content;
    yyjson_mut_val *structured; /* NULL: none yet */
    bool is_error;
    bool told; /* output went to the caller as it came */
} gathering;

static ac_status no_memory(ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

/* ---- output ---- */

static bool is_piece(yyjson_val *structured)
{
    return (yyjson_obj_get(structured, "stdout") || yyjson_obj_get(structured, "stderr")) &&
           !yyjson_obj_get(structured, "exitCode") && !yyjson_obj_get(structured, "taskStatus");
}

static ac_status tell_one(const ac_code_options *o, ac_code_output output, yyjson_val *text, ac_error *err)
{
    if (yyjson_get_len(text) == 0)
        return AC_OK;
    ac_status status = o->on_output(o->user, output, yyjson_get_str(text), yyjson_get_len(text));
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "the receiver of output has ended the call");
}

static ac_status tell(const ac_code_options *o, yyjson_val *structured, ac_error *err)
{
    AC_TRY(tell_one(o, AC_CODE_STDOUT, yyjson_obj_get(structured, "stdout"), err));
    return tell_one(o, AC_CODE_STDERR, yyjson_obj_get(structured, "stderr"), err);
}

/* ---- events ---- */

static ac_status add_content(gathering *g, yyjson_val *content, ac_error *err)
{
    yyjson_arr_iter iter;
    yyjson_val *block;

    yyjson_arr_iter_init(content, &iter);
    while ((block = yyjson_arr_iter_next(&iter))) {
        yyjson_mut_val *copy = yyjson_val_mut_copy(g->doc, block);

        if (!copy || !yyjson_mut_arr_append(g->content, copy))
            return no_memory(err);
    }
    return AC_OK;
}

static ac_status take_event(gathering *g, yyjson_val *result, ac_error *err)
{
    yyjson_val *structured = yyjson_obj_get(result, "structuredContent");

    if (!yyjson_is_obj(result))
        return AC_OK;
    if (g->options && g->options->on_output && structured && (!g->told || is_piece(structured)))
        AC_TRY(tell(g->options, structured, err));
    if (structured && is_piece(structured)) {
        g->told = true;
        return AC_OK;
    }
    g->is_error = g->is_error || ac_json_bool(result, "isError", false);
    if (structured && !(g->structured = yyjson_val_mut_copy(g->doc, structured)))
        return no_memory(err);
    return add_content(g, yyjson_obj_get(result, "content"), err);
}

static ac_status read_events(gathering *g, ac_client_stream *stream, ac_error *err)
{
    yyjson_doc *event = NULL;
    ac_status status = ac_client_stream_next(stream, -1, &event, err);

    while (status == AC_OK && event) {
        status = take_event(g, yyjson_obj_get(yyjson_doc_get_root(event), "result"), err);
        yyjson_doc_free(event);
        event = NULL;
        if (status == AC_OK)
            status = ac_client_stream_next(stream, -1, &event, err);
    }
    return status;
}

/* ---- the result ---- */

static ac_code_result describe(yyjson_val *root)
{
    yyjson_val *content = yyjson_obj_get(root, "content"), *structured = yyjson_obj_get(root, "structuredContent");

    return (ac_code_result){
        .is_error = ac_json_bool(root, "isError", false),
        .text = ac_json_string(yyjson_arr_get_first(content), "text", ""),
        .stdout_text = ac_json_string(structured, "stdout", ""),
        .stderr_text = ac_json_string(structured, "stderr", ""),
        .exit_code = (int)ac_json_int(structured, "exitCode", NO_EXIT_CODE),
        .execution_s = yyjson_get_num(yyjson_obj_get(structured, "executionTime")),
        .task_id = ac_json_string(structured, "taskId", ""),
        .task_status = ac_json_string(structured, "taskStatus", ""),
        .content = content,
        .structured = structured,
    };
}

static ac_status make_result(const gathering *g, ac_code_result **ret_result, ac_error *err)
{
    yyjson_mut_val *root = yyjson_mut_obj(g->doc);
    whole_result *w = calloc(1, sizeof *w);

    if (w && root && yyjson_mut_obj_add_val(g->doc, root, "content", g->content) &&
        (!g->structured || yyjson_mut_obj_add_val(g->doc, root, "structuredContent", g->structured)) &&
        yyjson_mut_obj_add_bool(g->doc, root, "isError", g->is_error))
        w->doc = yyjson_mut_val_imut_copy(root, NULL);
    if (!w || !w->doc) {
        free(w);
        return no_memory(err);
    }
    w->seen = describe(yyjson_doc_get_root(w->doc));
    *ret_result = &w->seen;
    return AC_OK;
}

void ac_code_result_free(ac_code_result *result)
{
    whole_result *w = (whole_result *)result;

    if (!w)
        return;
    yyjson_doc_free(w->doc);
    free(w);
}

/* ---- the call ---- */

static ac_status open_stream(ac_code_session *s, const char *tool, code_input *in, bool as_it_comes,
                             ac_client_stream **ret_stream, ac_error *err)
{
    yyjson_mut_val *members = yyjson_mut_obj(in->doc);
    yyjson_doc *input = NULL;

    if (members && yyjson_mut_obj_add_str(in->doc, members, "codeInterpreterIdentifier", s->identifier) &&
        yyjson_mut_obj_add_str(in->doc, members, "sessionId", s->id) &&
        yyjson_mut_obj_add_str(in->doc, members, "name", tool) &&
        yyjson_mut_obj_add_val(in->doc, members, "arguments", in->members))
        input = yyjson_mut_val_imut_copy(members, NULL);
    if (!input)
        return no_memory(err);
    const client_request request = {
        .op = api_find("InvokeCodeInterpreter"),
        .input = yyjson_doc_get_root(input),
        .headers = &output_header,
        .header_count = as_it_comes,
        .read_timeout_ms = s->read_timeout_ms,
    };
    ac_status status = client_stream_open(s->client, &request, ret_stream, err);
    yyjson_doc_free(input);
    return status;
}

ac_status code_invoke(ac_code_session *session, const char *tool, code_input *in, const ac_code_options *options,
                      ac_code_result **ret_result, ac_error *err)
{
    gathering g = {.options = options};
    ac_client_stream *stream = NULL;

    if (ret_result)
        *ret_result = NULL;
    if (atomic_load(&session->stopped))
        return ac_error_set(err, AC_ERR_STATE, "the session %.64s was stopped", session->id);
    AC_TRY(open_stream(session, tool, in, options && options->on_output, &stream, err));
    g.doc = yyjson_mut_doc_new(NULL);
    g.content = g.doc ? yyjson_mut_arr(g.doc) : NULL;
    ac_status status = g.content ? read_events(&g, stream, err) : no_memory(err);
    if (status == AC_OK && ret_result)
        status = make_result(&g, ret_result, err);
    ac_client_stream_close(stream);
    yyjson_mut_doc_free(g.doc);
    return status;
}

ac_status code_invoke_plainly(ac_code_session *session, const char *tool, code_input *in, ac_error *err)
{
    ac_code_result *result = NULL;
    ac_status status = code_invoke(session, tool, in, NULL, &result, err);

    if (result && result->is_error)
        status = ac_error_set(err, AC_ERR_HANDLER, "%s: %s", tool, result->text);
    ac_code_result_free(result);
    return status;
}

ac_status ac_code_invoke(ac_code_session *session, const char *tool, yyjson_val *arguments,
                         const ac_code_options *options, ac_code_result **ret_result, ac_error *err)
{
    _cleanup_(code_input_done) code_input in;

    if (ret_result)
        *ret_result = NULL;
    AC_TRY(code_input_init(&in, err));
    if (arguments && !(in.members = yyjson_val_mut_copy(in.doc, arguments)))
        return no_memory(err);
    return code_invoke(session, tool, &in, options, ret_result, err);
}
