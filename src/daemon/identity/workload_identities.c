/* workload_identities.c - the names under which agents act, and where a browser may be sent back to for them.
 *
 * An identity's name is its id, unique in the account; case counts.  A name that is taken is a ValidationException,
 * since CreateWorkloadIdentity has no ConflictException.  An update without allowedResourceOauth2ReturnUrls leaves
 * them as they are; an empty list takes them away. */
#include "daemon/identity/workload_identities.h"

#include "daemon/resources/arns.h"
#include "daemon/resources/document.h"
#include "daemon/resources/transact.h"

#define PAGE_DEFAULT 20 /* also the most that maxResults may ask for */

static const char *const kept[] = {"allowedResourceOauth2ReturnUrls"};

static const document_member full_members[] = {
    {"name", DOCUMENT_ID, NULL},
    {"workloadIdentityArn", DOCUMENT_ARN, NULL},
    {"allowedResourceOauth2ReturnUrls", DOCUMENT_BODY, NULL},
    {"createdTime", DOCUMENT_CREATED, NULL},
    {"lastUpdatedTime", DOCUMENT_UPDATED, NULL},
};
static const document_member created_members[] = {
    {"name", DOCUMENT_ID, NULL},
    {"workloadIdentityArn", DOCUMENT_ARN, NULL},
    {"allowedResourceOauth2ReturnUrls", DOCUMENT_BODY, NULL},
};
static const document_member listed_members[] = {
    {"name", DOCUMENT_ID, NULL},
    {"workloadIdentityArn", DOCUMENT_ARN, NULL},
};
static const document_form full = DOCUMENT_FORM(full_members);
static const document_form created = DOCUMENT_FORM(created_members);

static resource_key key_of(const front_call *call)
{
    return resource_key_of(call, KIND_WORKLOAD_IDENTITY, NULL, front_text(call, "name"));
}

static ac_status create_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    resource r = {.key = key_of(call), .status = "READY"};
    ac_status status;

    (void)arg;
    AC_TRY(document_body(call, kept, ARRAY_SIZE(kept), &r.body, err));
    status = resource_create(tx, &r, err);
    if (status == AC_ERR_CONFLICT)
        return ac_error_set(err, status, "A workload identity with the name '%s' already exists", r.key.id);
    AC_TRY(status);
    AC_TRY(resource_tag(tx, &r.key, front_value(call, "tags"), call->memory, err));
    return document_answer(call, &r, &created, err);
}

static ac_status get_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    resource_key key = key_of(call);
    resource r;

    (void)arg;
    AC_TRY(resource_get(tx, &key, call->memory, &r, err));
    return document_answer(call, &r, &full, err);
}

static ac_status update_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    resource_key key = key_of(call);
    resource_change change = {0};
    resource r;

    AC_TRY(resource_check(tx, &key, true, call->memory, err));
    AC_TRY(resource_get(tx, &key, call->memory, &r, err));
    AC_TRY(document_changed_body(call, &r, kept, ARRAY_SIZE(kept), &change.body, err));
    AC_TRY(resource_update(tx, &key, &change, NULL, err));
    return get_in(tx, call, arg, err);
}

static ac_status delete_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    resource_key key = key_of(call);

    (void)arg;
    return resource_remove(tx, &key, call->memory, err);
}

static ac_status list_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const document_list list = {
        .of = resource_key_of(call, KIND_WORKLOAD_IDENTITY, NULL, NULL),
        .member = "workloadIdentities",
        .form = DOCUMENT_FORM(listed_members),
        .page_default = PAGE_DEFAULT,
    };

    (void)arg;
    return document_answer_page(tx, call, &list, err);
}

ac_status create_workload_identity(front_call *call, ac_error *err)
{
    return transact_write(call->room, call, create_in, NULL, err);
}

ac_status get_workload_identity(front_call *call, ac_error *err)
{
    return transact_read(call->room, call, get_in, NULL, err);
}

ac_status update_workload_identity(front_call *call, ac_error *err)
{
    return transact_write(call->room, call, update_in, NULL, err);
}

ac_status delete_workload_identity(front_call *call, ac_error *err)
{
    return transact_write(call->room, call, delete_in, NULL, err);
}

ac_status list_workload_identities(front_call *call, ac_error *err)
{
    return transact_read(call->room, call, list_in, NULL, err);
}
