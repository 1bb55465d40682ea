/* code_interpreter.c - sessions of a code interpreter, and the operations on interpreters. */
#include "client/code_interpreter_internal.h"

#include "base/uuid.h"

#include <stdlib.h>
#include <string.h>

#define TIMEOUT_S 900
#define READ_TIMEOUT_MS 300000
#define PAGE_MAX_RESULTS 10
#define NAME_PREFIX "code-session-"
#define NAME_DIGITS 8

static ac_status no_memory(ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

/* ---- inputs ---- */

ac_status code_input_init(code_input *in, ac_error *err)
{
    *in = (code_input){.doc = yyjson_mut_doc_new(NULL)};
    in->members = in->doc ? yyjson_mut_obj(in->doc) : NULL;
    return in->members ? AC_OK : no_memory(err);
}

void code_input_done(code_input *in)
{
    yyjson_mut_doc_free(in->doc);
}

bool code_add_text(const code_input *in, const char *member, const char *value)
{
    return !value || yyjson_mut_obj_add_str(in->doc, in->members, member, value);
}

ac_status code_input_call(const code_input *in, ac_client *client, const char *operation, yyjson_doc **ret_output,
                          ac_error *err)
{
    yyjson_doc *input = yyjson_mut_val_imut_copy(in->members, NULL);

    if (ret_output)
        *ret_output = NULL;
    if (!input)
        return no_memory(err);
    ac_status status = ac_client_call(client, operation, yyjson_doc_get_root(input), ret_output, err);
    yyjson_doc_free(input);
    return status;
}

/* ---- the start of a session ---- */

static ac_status fill_start(const code_input *in, const ac_code_session_options *o, const char *name, ac_error *err)
{
    yyjson_mut_val *certificates = NULL;

    if (!code_add_text(in, "codeInterpreterIdentifier", o->identifier ? o->identifier : AC_CODE_INTERPRETER_DEFAULT) ||
        !code_add_text(in, "name", o->name ? o->name : name) ||
        !yyjson_mut_obj_add_uint(in->doc, in->members, "sessionTimeoutSeconds",
                                 o->timeout_s ? o->timeout_s : TIMEOUT_S))
        return no_memory(err);
    if (o->certificate_count == 0)
        return AC_OK;
    AC_TRY(ac_tool_certificates_build(in->doc, o->certificates, o->certificate_count, &certificates, err));
    return yyjson_mut_obj_add_val(in->doc, in->members, "certificates", certificates) ? AC_OK : no_memory(err);
}

static ac_status call_start(ac_client *client, const ac_code_session_options *o, yyjson_doc **ret_output, ac_error *err)
{
    _cleanup_(code_input_done) code_input in;
    char uuid[UUID_SIZE], name[sizeof NAME_PREFIX + NAME_DIGITS];

    uuid_v4(uuid);
    snprintf(name, sizeof name, NAME_PREFIX "%.*s", NAME_DIGITS, uuid);
    AC_TRY(code_input_init(&in, err));
    AC_TRY(fill_start(&in, o, name, err));
    return code_input_call(&in, client, "StartCodeInterpreterSession", ret_output, err);
}

/* Takes doc, also when it fails. */
static ac_status make_session(ac_client *client, yyjson_doc *doc, unsigned read_timeout_ms, bool attached,
                              ac_code_session **ret_session, ac_error *err)
{
    yyjson_val *root = yyjson_doc_get_root(doc);
    ac_code_session *s = calloc(1, sizeof *s);

    *ret_session = NULL;
    if (!s) {
        yyjson_doc_free(doc);
        return no_memory(err);
    }
    *s = (ac_code_session){
        .client = client,
        .doc = doc,
        .identifier = ac_json_string(root, "codeInterpreterIdentifier", ""),
        .id = ac_json_string(root, "sessionId", ""),
        .read_timeout_ms = read_timeout_ms ? read_timeout_ms : READ_TIMEOUT_MS,
        .attached = attached,
    };
    *ret_session = s;
    return AC_OK;
}

ac_status ac_code_session_start(ac_client *client, const ac_code_session_options *options,
                                ac_code_session **ret_session, ac_error *err)
{
    static const ac_code_session_options none;
    const ac_code_session_options *o = options ? options : &none;
    yyjson_doc *output = NULL;

    *ret_session = NULL;
    AC_TRY(call_start(client, o, &output, err));
    return make_session(client, output, o->read_timeout_ms, false, ret_session, err);
}

ac_status ac_code_session_attach(ac_client *client, const char *identifier, const char *session_id,
                                 unsigned read_timeout_ms, ac_code_session **ret_session, ac_error *err)
{
    _cleanup_(code_input_done) code_input in = {0};
    yyjson_doc *doc;

    *ret_session = NULL;
    if (!session_id || !*session_id)
        return ac_error_set(err, AC_ERR_INVALID, "a session id is required");
    AC_TRY(code_input_init(&in, err));
    if (!code_add_text(&in, "codeInterpreterIdentifier", identifier ? identifier : AC_CODE_INTERPRETER_DEFAULT) ||
        !code_add_text(&in, "sessionId", session_id) || !(doc = yyjson_mut_val_imut_copy(in.members, NULL)))
        return no_memory(err);
    return make_session(client, doc, read_timeout_ms, true, ret_session, err);
}

const char *ac_code_session_id(const ac_code_session *session)
{
    return session->id;
}

const char *ac_code_session_identifier(const ac_code_session *session)
{
    return session->identifier;
}

/* ---- its end ---- */

ac_status ac_code_session_stop(ac_code_session *session, ac_error *err)
{
    if (atomic_exchange(&session->stopped, true))
        return AC_OK;

    ac_status status = ac_client_call_pack(session->client, "StopCodeInterpreterSession", NULL, err, "{s:s, s:s}",
                                           "codeInterpreterIdentifier", session->identifier, "sessionId", session->id);
    if (status != AC_OK)
        atomic_store(&session->stopped, false);
    return status;
}

void ac_code_session_free(ac_code_session *session)
{
    if (!session)
        return;
    if (!session->attached)
        ac_code_session_stop(session, NULL);
    yyjson_doc_free(session->doc);
    free(session);
}

ac_status ac_code_session_with(ac_client *client, const ac_code_session_options *options, ac_code_session_fn *function,
                               void *user, ac_error *err)
{
    ac_code_session *session = NULL;

    AC_TRY(ac_code_session_start(client, options, &session, err));
    ac_status status = function(session, user, err);
    ac_status stopped = ac_code_session_stop(session, status == AC_OK ? err : NULL);
    ac_code_session_free(session);
    return status == AC_OK ? stopped : status;
}

/* ---- looking ---- */

ac_status ac_code_session_get(ac_code_session *session, yyjson_doc **ret_output, ac_error *err)
{
    return ac_client_call_pack(session->client, "GetCodeInterpreterSession", ret_output, err, "{s:s, s:s}",
                               "codeInterpreterIdentifier", session->identifier, "sessionId", session->id);
}

static bool add_page(const code_input *in, const ac_code_page *page)
{
    unsigned max_results = page && page->max_results ? page->max_results : PAGE_MAX_RESULTS;

    return yyjson_mut_obj_add_uint(in->doc, in->members, "maxResults", max_results) &&
           code_add_text(in, "nextToken", page ? page->next_token : NULL);
}

ac_status ac_code_session_list(ac_client *client, const char *identifier, const char *state, const ac_code_page *page,
                               yyjson_doc **ret_output, ac_error *err)
{
    _cleanup_(code_input_done) code_input in;

    AC_TRY(code_input_init(&in, err));
    if (!code_add_text(&in, "codeInterpreterIdentifier", identifier ? identifier : AC_CODE_INTERPRETER_DEFAULT) ||
        !code_add_text(&in, "status", state) || !add_page(&in, page))
        return no_memory(err);
    return code_input_call(&in, client, "ListCodeInterpreterSessions", ret_output, err);
}

ac_status ac_code_interpreter_list(ac_client *client, const char *type, const ac_code_page *page,
                                   yyjson_doc **ret_output, ac_error *err)
{
    _cleanup_(code_input_done) code_input in;

    AC_TRY(code_input_init(&in, err));
    if (!code_add_text(&in, "type", type) || !add_page(&in, page))
        return no_memory(err);
    return code_input_call(&in, client, "ListCodeInterpreters", ret_output, err);
}

ac_status ac_code_interpreter_get(ac_client *client, const char *interpreter_id, yyjson_doc **ret_output, ac_error *err)
{
    return ac_client_call_pack(client, "GetCodeInterpreter", ret_output, err, "{s:s}", "codeInterpreterId",
                               interpreter_id);
}

ac_status ac_code_interpreter_delete(ac_client *client, const char *interpreter_id, const char *client_token,
                                     yyjson_doc **ret_output, ac_error *err)
{
    _cleanup_(code_input_done) code_input in;

    AC_TRY(code_input_init(&in, err));
    if (!code_add_text(&in, "codeInterpreterId", interpreter_id) || !code_add_text(&in, "clientToken", client_token))
        return no_memory(err);
    return code_input_call(&in, client, "DeleteCodeInterpreter", ret_output, err);
}
