/* memory_call.c - an operation on a memory: its input member by member, its answer, page by page if it is a list. */
#include "client/memory_internal.h"

#include "client/client_internal.h"

#define REQUESTS_MAX 1000 /* of one list */

/* ---- one call ---- */

memory_call memory_call_begin(ac_client *client, const char *operation, const char *memory_id)
{
    memory_call c = {.client = client, .operation = operation, .doc = memory_new_object()};

    c.input = yyjson_mut_doc_get_root(c.doc);
    c.broken = !c.input;
    memory_call_text(&c, "memoryId", memory_id);
    return c;
}

memory_call memory_call_in(const ac_memory_session *session, const char *operation)
{
    memory_call c = memory_call_begin(session->client, operation, session->memory_id);

    memory_call_text(&c, "actorId", session->actor_id);
    memory_call_text(&c, "sessionId", session->session_id);
    return c;
}

void memory_call_done(memory_call *c)
{
    yyjson_mut_doc_free(c->doc);
}

void memory_call_text(memory_call *c, const char *key, const char *text)
{
    if (text && !c->broken)
        c->broken = !yyjson_mut_obj_add_str(c->doc, c->input, key, text);
}

void memory_call_add(memory_call *c, const char *key, yyjson_mut_val *value)
{
    if (!c->broken)
        c->broken = !value || !yyjson_mut_obj_add_val(c->doc, c->input, key, value);
}

ac_status memory_call_run(memory_call *c, yyjson_doc **ret_output, ac_error *err)
{
    if (ret_output)
        *ret_output = NULL;
    _cleanup_(yyjson_doc_freep) yyjson_doc *input = c->broken ? NULL : yyjson_mut_doc_imut_copy(c->doc, NULL);
    if (!input)
        return memory_exhausted(err);
    return ac_client_call(c->client, c->operation, yyjson_doc_get_root(input), ret_output, err);
}

ac_status memory_call_run_for(memory_call *c, const char *member, yyjson_doc **ret_value, ac_error *err)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *output = NULL;

    if (ret_value)
        *ret_value = NULL;
    AC_TRY(memory_call_run(c, &output, err));
    if (!ret_value)
        return AC_OK;
    yyjson_val *value = yyjson_obj_get(yyjson_doc_get_root(output), member);
    if (!value)
        return ac_error_set(err, AC_ERR_PROTOCOL, "%s: the answer has no %s", c->operation, member);
    return memory_copy(value, ret_value, err);
}

/* ---- pages ---- */

memory_pages memory_pages_of(memory_call *c, const char *member, size_t results_max)
{
    return (memory_pages){.call = c, .member = member, .left = results_max ? results_max : MEMORY_RESULTS_DEFAULT};
}

/* A later page has the token of the one before; keys and values of what is replaced stay in the document's pool.  To
 * put a value that there was no memory for would only take away what is there. */
ac_status memory_pages_ask(memory_pages *p, const char *token, ac_error *err)
{
    memory_call *c = p->call;
    yyjson_mut_val *count = yyjson_mut_uint(c->doc, MIN(p->left, MEMORY_PAGE_MAX));
    yyjson_mut_val *place = token ? yyjson_mut_strcpy(c->doc, token) : NULL;

    if (c->broken || !count || !yyjson_mut_obj_put(c->input, yyjson_mut_str(c->doc, "maxResults"), count))
        return memory_exhausted(err);
    if (token && (!place || !yyjson_mut_obj_put(c->input, yyjson_mut_str(c->doc, "nextToken"), place)))
        return memory_exhausted(err);
    return AC_OK;
}

ac_status memory_pages_next(memory_pages *p, yyjson_doc **ret_page, yyjson_val **ret_items, ac_error *err)
{
    *ret_page = NULL;
    *ret_items = NULL;
    if (p->ended || !p->left || p->requests == REQUESTS_MAX)
        return AC_OK;
    if (p->requests++ == 0)
        AC_TRY(memory_pages_ask(p, NULL, err));
    AC_TRY(memory_call_run(p->call, ret_page, err));
    yyjson_val *root = yyjson_doc_get_root(*ret_page);
    *ret_items = yyjson_obj_get(root, p->member);
    p->left -= MIN(p->left, yyjson_arr_size(*ret_items));
    const char *token = ac_json_string(root, "nextToken", NULL);
    p->ended = !token;
    ac_status status = token && p->left ? memory_pages_ask(p, token, err) : AC_OK;
    if (status != AC_OK) {
        yyjson_doc_free(*ret_page);
        *ret_page = NULL;
    }
    return status;
}

static ac_status append_all(yyjson_mut_doc *list, yyjson_val *items, size_t results_max, ac_error *err)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(list);
    yyjson_val *item;
    size_t i, n;

    yyjson_arr_foreach(items, i, n, item)
    {
        if (results_max && yyjson_mut_arr_size(root) == results_max)
            break;
        if (!yyjson_mut_arr_append(root, yyjson_val_mut_copy(list, item)))
            return memory_exhausted(err);
    }
    return AC_OK;
}

ac_status memory_collect(memory_call *c, const char *member, size_t results_max, yyjson_doc **ret_list, ac_error *err)
{
    memory_pages pages = memory_pages_of(c, member, results_max);
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *list = memory_new_list();

    *ret_list = NULL;
    if (!list)
        return memory_exhausted(err);
    for (;;) {
        _cleanup_(yyjson_doc_freep) yyjson_doc *page = NULL;
        yyjson_val *items = NULL;

        AC_TRY(memory_pages_next(&pages, &page, &items, err));
        if (!page)
            return memory_finish(list, ret_list, err);
        AC_TRY(append_all(list, items, results_max, err));
    }
}

/* ---- answers ---- */

static yyjson_mut_doc *new_doc(bool list)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = list ? yyjson_mut_arr(doc) : yyjson_mut_obj(doc);

    if (!root) {
        yyjson_mut_doc_free(doc);
        return NULL;
    }
    yyjson_mut_doc_set_root(doc, root);
    return doc;
}

yyjson_mut_doc *memory_new_list(void)
{
    return new_doc(true);
}

yyjson_mut_doc *memory_new_object(void)
{
    return new_doc(false);
}

ac_status memory_copy(yyjson_val *value, yyjson_doc **ret_doc, ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_val_mut_copy(doc, value);

    *ret_doc = root ? yyjson_mut_val_imut_copy(root, NULL) : NULL;
    return *ret_doc ? AC_OK : memory_exhausted(err);
}

ac_status memory_finish(yyjson_mut_doc *doc, yyjson_doc **ret_doc, ac_error *err)
{
    *ret_doc = yyjson_mut_doc_imut_copy(doc, NULL);
    return *ret_doc ? AC_OK : memory_exhausted(err);
}
