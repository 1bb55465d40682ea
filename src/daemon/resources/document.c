/* document.c - stored resources and the members of operations.
 *
 * Values are copied from one JSON document to the other: an input, a body and an output live for different times. */
#include "daemon/resources/document.h"

#include "daemon/resources/arns.h"

#include <stdio.h>
#include <string.h>

DEFINE_CLEANUP(yyjson_doc *, yyjson_doc_free)
DEFINE_CLEANUP(yyjson_mut_doc *, yyjson_mut_doc_free)

static ac_status added(bool well, ac_error *err)
{
    return well ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

/* ---- bodies ---- */

static ac_status take_inputs(front_call *call, const char *const *names, size_t count, yyjson_mut_doc *doc,
                             ac_error *err)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);

    for (size_t i = 0; i < count; i++) {
        yyjson_mut_val *value = front_value(call, names[i]);
        yyjson_mut_val *name = value ? yyjson_mut_strcpy(doc, names[i]) : NULL;
        yyjson_mut_val *copy = value ? yyjson_mut_val_mut_copy(doc, value) : NULL;

        if (value && (!name || !copy || !yyjson_mut_obj_put(root, name, copy)))
            return added(false, err);
    }
    return AC_OK;
}

static ac_status write_body(front_call *call, yyjson_mut_doc *doc, const char **ret_body, ac_error *err)
{
    _cleanup_(buf_done) buf text = {.cap = DOCUMENT_BYTES_MAX, .secret = true};
    ac_status status = json_write(&text, yyjson_mut_doc_get_root(doc), JSON_COMPACT, NULL);

    if (status != AC_OK)
        return ac_error_set(err, status, "a resource cannot be written: %s", ac_status_text(status));
    *ret_body = arena_copy(call->memory, text.data, text.length);
    return added(*ret_body != NULL, err);
}

ac_status document_body(front_call *call, const char *const *names, size_t count, const char **ret_body, ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);

    AC_TRY(added(root != NULL, err));
    yyjson_mut_doc_set_root(doc, root);
    AC_TRY(take_inputs(call, names, count, doc, err));
    return write_body(call, doc, ret_body, err);
}

static ac_status read_body(const resource *r, yyjson_doc **ret_doc, ac_error *err)
{
    ac_error why = {.status = AC_OK};
    ac_status status = ac_json_read(r->body, r->body_length, NULL, ret_doc, &why);

    if (status == AC_OK && yyjson_is_obj(yyjson_doc_get_root(*ret_doc)))
        return AC_OK;
    if (status == AC_ERR_NOMEM)
        return added(false, err);
    if (status == AC_OK)
        yyjson_doc_free(TAKE_PTR(*ret_doc));
    return ac_error_set(err, AC_ERR_INTERNAL, "the stored %s '%s' is damaged", r->key.kind, r->key.id);
}

ac_status document_changed_body(front_call *call, const resource *r, const char *const *names, size_t count,
                                const char **ret_body, ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = NULL;
    _cleanup_(yyjson_doc_freep) yyjson_doc *body = NULL;

    AC_TRY(read_body(r, &body, err));
    doc = yyjson_doc_mut_copy(body, NULL);
    AC_TRY(added(doc != NULL, err));
    AC_TRY(take_inputs(call, names, count, doc, err));
    return write_body(call, doc, ret_body, err);
}

/* ---- outputs ---- */

static ac_status part_value(front_call *call, const resource *r, const document_member *m, yyjson_val *body,
                            yyjson_mut_val **ret_value, ac_error *err)
{
    const char *text = NULL;
    char number[24];

    switch (m->part) {
    case DOCUMENT_BODY: {
        yyjson_val *value = yyjson_obj_get(body, m->field ? m->field : m->name);
        *ret_value = value ? yyjson_val_mut_copy(call->doc, value) : NULL;
        return added(!value || *ret_value, err);
    }
    case DOCUMENT_CREATED:
    case DOCUMENT_UPDATED:
        *ret_value = yyjson_mut_sint(call->doc, m->part == DOCUMENT_CREATED ? r->created_ms : r->updated_ms);
        return added(*ret_value != NULL, err);
    case DOCUMENT_ID:
        text = r->key.id;
        break;
    case DOCUMENT_NAME:
        text = r->name ? r->name : r->key.id;
        break;
    case DOCUMENT_PARENT:
        text = r->key.parent;
        break;
    case DOCUMENT_STATUS:
        text = r->status;
        break;
    case DOCUMENT_VERSION:
        snprintf(number, sizeof number, "%lld", (long long)r->version);
        text = number;
        break;
    case DOCUMENT_ARN:
        AC_TRY(resource_arn(call, &r->key, &text, err));
        break;
    }
    *ret_value = text ? yyjson_mut_strcpy(call->doc, text) : NULL;
    return added(!text || *ret_value, err);
}

static ac_status show(front_call *call, const resource *r, const document_form *form, yyjson_mut_val *object,
                      ac_error *err)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *body = NULL;

    AC_TRY(read_body(r, &body, err));
    for (size_t i = 0; i < form->count; i++) {
        const document_member *m = &form->members[i];
        yyjson_mut_val *value = NULL;

        AC_TRY(part_value(call, r, m, yyjson_doc_get_root(body), &value, err));
        if (value)
            AC_TRY(added(yyjson_mut_obj_add_val(call->doc, object, m->name, value), err));
    }
    return AC_OK;
}

ac_status document_object(front_call *call, const resource *r, const document_form *form, yyjson_mut_val **ret_object,
                          ac_error *err)
{
    *ret_object = yyjson_mut_obj(call->doc);
    AC_TRY(added(*ret_object != NULL, err));
    return show(call, r, form, *ret_object, err);
}

ac_status document_answer(front_call *call, const resource *r, const document_form *form, ac_error *err)
{
    return show(call, r, form, call->output, err);
}

ac_status document_answer_page(store_tx *tx, front_call *call, const document_list *list, ac_error *err)
{
    int64_t limit = front_int(call, "maxResults", (int64_t)list->page_default);
    yyjson_mut_val *items = yyjson_mut_arr(call->doc), *item;
    resource_page page;

    AC_TRY(resource_list(tx, &list->of, list->newest_first, (size_t)MAX(limit, 0), front_text(call, "nextToken"),
                         call->memory, &page, err));
    for (size_t i = 0; i < page.count; i++) {
        AC_TRY(document_object(call, &page.items[i], &list->form, &item, err));
        AC_TRY(added(yyjson_mut_arr_append(items, item), err));
    }
    AC_TRY(front_add_value(call, list->member, items, err));
    return page.next_token ? front_add_text(call, "nextToken", page.next_token, err) : AC_OK;
}
