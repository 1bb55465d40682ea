/* document.h - between operations and stored resources, by tables: the body that is stored from an input, and the
 * members of an output from what is stored.
 *
 *     static const char *const kept[] = {"description", "networkConfiguration"};
 *
 *     static const document_member members[] = {
 *         {"thingId", DOCUMENT_ID}, {"thingArn", DOCUMENT_ARN}, {"createdAt", DOCUMENT_CREATED},
 *         {"description", DOCUMENT_BODY},
 *     };
 *     static const document_form form = DOCUMENT_FORM(members);
 *
 *     AC_TRY(document_body(call, kept, ARRAY_SIZE(kept), &r.body, err));
 *     AC_TRY(resource_create(tx, &r, err));
 *     return document_answer(call, &r, &form, err);
 *
 * All texts live in call->memory or call->doc. */
#ifndef DAEMON_RESOURCES_DOCUMENT_H
#define DAEMON_RESOURCES_DOCUMENT_H

#include "daemon/front/front.h"
#include "daemon/store/resources.h"

#define DOCUMENT_BYTES_MAX ((size_t)16 << 20)

/* Where a member of an output comes from.  One that is not there is left out. */
typedef enum document_part {
    DOCUMENT_BODY, /* the body's member of the same name, or of field */
    DOCUMENT_ID,
    DOCUMENT_NAME,
    DOCUMENT_PARENT,
    DOCUMENT_STATUS,
    DOCUMENT_VERSION, /* as text */
    DOCUMENT_ARN,     /* as the caller sees it */
    DOCUMENT_CREATED,
    DOCUMENT_UPDATED,
} document_part;

typedef struct document_member {
    const char *name;
    document_part part;
    const char *field; /* of the body; NULL: name */
} document_member;

typedef struct document_form {
    const document_member *members;
    size_t count;
} document_form;

#define DOCUMENT_FORM(table)                                                                                           \
    {                                                                                                                  \
        table, ARRAY_SIZE(table)                                                                                       \
    }

/* A body of those members of the input that are named and there. */
ac_status document_body(front_call *call, const char *const *names, size_t count, const char **ret_body, ac_error *err)
    AC_MUST_USE;

/* The body of a resource, with the named members that are in the input in place of its own. */
ac_status document_changed_body(front_call *call, const resource *r, const char *const *names, size_t count,
                                const char **ret_body, ac_error *err) AC_MUST_USE;

/* A resource as an object. */
ac_status document_object(front_call *call, const resource *r, const document_form *form, yyjson_mut_val **ret_object,
                          ac_error *err) AC_MUST_USE;

/* The answer is a resource: its members are added to call->output. */
ac_status document_answer(front_call *call, const resource *r, const document_form *form, ac_error *err) AC_MUST_USE;

/* The answer is a page of resources, as the input's maxResults and nextToken say. */
typedef struct document_list {
    resource_key of; /* id does not count */
    const char *member;
    document_form form;
    size_t page_default;
    bool newest_first;
} document_list;

/* AC_ERR_INVALID: a nextToken of something else. */
ac_status document_answer_page(store_tx *tx, front_call *call, const document_list *list, ac_error *err) AC_MUST_USE;

#endif
