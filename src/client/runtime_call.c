/* runtime_call.c - what the options of a call to an agent mean: members of the operation's input, and the rest.
 *
 * An option that an operation has no member for is refused by the API table, by its name. */
#include "client/runtime_internal.h"

#include <string.h>

static ac_status no_memory(ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static bool add_given(runtime_call *c, const char *member, const char *value)
{
    return !value || yyjson_mut_obj_add_str(c->doc, c->members, member, value);
}

static bool add_options(runtime_call *c, const ac_runtime_options *o)
{
    return add_given(c, "runtimeSessionId", o->session_id) && add_given(c, "qualifier", o->qualifier) &&
           add_given(c, "accountId", o->account_id) && add_given(c, "runtimeUserId", o->user_id) &&
           add_given(c, "contentType", o->content_type) && add_given(c, "accept", o->accept);
}

ac_status runtime_call_init(runtime_call *c, const char *operation, const char *runtime,
                            const ac_runtime_options *options, ac_error *err)
{
    static const ac_runtime_options none;
    const ac_runtime_options *o = options ? options : &none;

    *c = (runtime_call){
        .doc = yyjson_mut_doc_new(NULL),
        .request =
            {
                .op = api_find(operation),
                .headers = o->headers,
                .header_count = o->header_count,
                .bearer_token = o->bearer_token,
                .read_timeout_ms = o->read_timeout_ms,
            },
    };
    c->members = c->doc ? yyjson_mut_obj(c->doc) : NULL;
    if (!c->members || !add_given(c, "agentRuntimeArn", runtime) || !add_options(c, o))
        return no_memory(err);
    return AC_OK;
}

ac_status runtime_call_ready(runtime_call *c, ac_error *err)
{
    c->input = yyjson_mut_val_imut_copy(c->members, NULL);
    c->request.input = yyjson_doc_get_root(c->input);
    return c->input ? AC_OK : no_memory(err);
}

void runtime_call_done(runtime_call *c)
{
    yyjson_mut_doc_free(c->doc);
    yyjson_doc_free(c->input);
}
