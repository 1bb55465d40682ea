/* operations.c - the API table for programs: which operations there are, and what is known of each. */
#include "client/client_internal.h"

size_t ac_operation_count(void)
{
    return API_OPERATION_COUNT;
}

const char *ac_operation_name(size_t index)
{
    const api_operation *op = api_at(index);

    return op ? api_name(op) : NULL;
}

ac_status ac_operation_describe(const char *name, yyjson_doc **ret_description, ac_error *err)
{
    const api_operation *op = api_find(name);
    yyjson_mut_doc *doc;

    *ret_description = NULL;
    if (!op)
        return ac_error_set(err, AC_ERR_INVALID, "AgentCore has no operation with the name %.100s", name);
    doc = yyjson_mut_doc_new(NULL);
    if (doc && api_describe(op, doc))
        *ret_description = yyjson_mut_doc_imut_copy(doc, NULL);
    yyjson_mut_doc_free(doc);
    return *ret_description ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}
