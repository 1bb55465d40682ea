/* memories.c - the operations on memories.
 *
 * Creating one, and adding or removing strategies, are finished by a job (settle.c); deleting one marks it, and a job
 * takes away what it holds. */
#include "daemon/memory/memory.h"

#include "daemon/resources/document.h"
#include "daemon/resources/ids.h"
#include "daemon/resources/transact.h"

#include <string.h>
#include <time.h>

#define SETTLE_WAIT_MS 300
#define SETTLE_LOOK_MS 4

DEFINE_CLEANUP(yyjson_doc *, yyjson_doc_free)
DEFINE_CLEANUP(yyjson_mut_doc *, yyjson_mut_doc_free)

static const document_member shown_members[] = {
    {"arn", DOCUMENT_ARN, NULL},
    {"id", DOCUMENT_ID, NULL},
    {"name", DOCUMENT_NAME, NULL},
    {"description", DOCUMENT_BODY, NULL},
    {"encryptionKeyArn", DOCUMENT_BODY, NULL},
    {"memoryExecutionRoleArn", DOCUMENT_BODY, NULL},
    {"eventExpiryDuration", DOCUMENT_BODY, NULL},
    {"status", DOCUMENT_STATUS, NULL},
    {"createdAt", DOCUMENT_CREATED, NULL},
    {"updatedAt", DOCUMENT_UPDATED, NULL},
    {"strategies", DOCUMENT_BODY, NULL},
    {"indexedKeys", DOCUMENT_BODY, NULL},
    {"streamDeliveryResources", DOCUMENT_BODY, NULL},
};
static const document_form shown = DOCUMENT_FORM(shown_members);

static const document_member listed_members[] = {
    {"arn", DOCUMENT_ARN, NULL},           {"id", DOCUMENT_ID, NULL},
    {"status", DOCUMENT_STATUS, NULL},     {"createdAt", DOCUMENT_CREATED, NULL},
    {"updatedAt", DOCUMENT_UPDATED, NULL},
};

/* Members of inputs that are stored as they are. */
static const char *const kept[] = {"description", "encryptionKeyArn", "memoryExecutionRoleArn", "eventExpiryDuration",
                                   "streamDeliveryResources"};

static resource_key key_of(const front_call *call)
{
    return resource_key_of(call, KIND_MEMORY, NULL, front_text(call, "memoryId"));
}

static ac_status added(bool well, ac_error *err)
{
    return well ? AC_OK : memory_no_memory(err);
}

static ac_status answer(front_call *call, const resource *r, ac_error *err)
{
    yyjson_mut_val *object;

    AC_TRY(document_object(call, r, &shown, &object, err));
    return front_add_value(call, "memory", object, err);
}

/* ---- bodies ---- */

/* What the input says goes into a body, which may be that of a memory that is there. */
static ac_status take_inputs(front_call *call, yyjson_mut_doc *body, ac_error *err)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(body);

    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        yyjson_mut_val *value = front_value(call, kept[i]);
        yyjson_mut_val *copy = value ? yyjson_mut_val_mut_copy(body, value) : NULL;

        if (value && (!copy || !yyjson_mut_obj_put(root, yyjson_mut_str(body, kept[i]), copy)))
            return memory_no_memory(err);
    }
    return AC_OK;
}

/* The list of that name in a body; made when it is not there. */
static ac_status list_in_body(yyjson_mut_doc *body, const char *name, yyjson_mut_val **ret_list, ac_error *err)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(body);

    *ret_list = yyjson_mut_obj_get(root, name);
    if (*ret_list)
        return AC_OK;
    *ret_list = yyjson_mut_arr(body);
    return added(*ret_list && yyjson_mut_obj_add_val(body, root, name, *ret_list), err);
}

static bool has_key(yyjson_mut_val *list, const char *key)
{
    yyjson_mut_val *each;
    yyjson_mut_arr_iter walk;

    yyjson_mut_arr_iter_init(list, &walk);
    while ((each = yyjson_mut_arr_iter_next(&walk)) != NULL)
        if (strcmp(yyjson_mut_get_str(yyjson_mut_obj_get(each, "key")), key) == 0)
            return true;
    return false;
}

/* Keys are only ever added. */
static ac_status add_indexed_keys(yyjson_mut_doc *body, yyjson_mut_val *inputs, ac_error *err)
{
    yyjson_mut_val *list, *each, *copy;
    yyjson_mut_arr_iter walk;

    if (!inputs)
        return AC_OK;
    AC_TRY(list_in_body(body, "indexedKeys", &list, err));
    yyjson_mut_arr_iter_init(inputs, &walk);
    while ((each = yyjson_mut_arr_iter_next(&walk)) != NULL) {
        const char *key = yyjson_mut_get_str(yyjson_mut_obj_get(each, "key"));

        if (has_key(list, key))
            return ac_error_set(err, AC_ERR_INVALID, "The key '%s' is indexed already", key);
        if (yyjson_mut_arr_size(list) >= MEMORY_INDEXED_KEYS_MAX)
            return ac_error_set(err, AC_ERR_QUOTA, "A memory has at most %d indexed keys", MEMORY_INDEXED_KEYS_MAX);
        copy = yyjson_mut_val_mut_copy(body, each);
        AC_TRY(added(copy && yyjson_mut_arr_append(list, copy), err));
    }
    return AC_OK;
}

static ac_status write_body(yyjson_mut_doc *body, arena *memory, resource *r, ac_error *err)
{
    return memory_json_text(yyjson_mut_doc_get_root(body), DOCUMENT_BYTES_MAX, memory, &r->body, &r->body_length, err);
}

/* ---- create ---- */

static ac_status create_body(front_call *call, resource *r, ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *body = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(body), *strategies;

    AC_TRY(added(root != NULL, err));
    yyjson_mut_doc_set_root(body, root);
    AC_TRY(take_inputs(call, body, err));
    AC_TRY(add_indexed_keys(body, front_value(call, "indexedKeys"), err));
    AC_TRY(list_in_body(body, "strategies", &strategies, err));
    AC_TRY(memory_strategies_add(body, strategies, front_value(call, "memoryStrategies"), call->memory, err));
    return write_body(body, call->memory, r, err);
}

static ac_status create_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const char *name = front_text(call, "name"), *id;
    resource r = {.name = name, .status = MEMORY_CREATING};
    ac_status status;

    (void)arg;
    AC_TRY(resource_make_id(name, call->memory, &id, err));
    r.key = resource_key_of(call, KIND_MEMORY, NULL, id);
    AC_TRY(create_body(call, &r, err));
    status = resource_create(tx, &r, err);
    if (status == AC_ERR_CONFLICT) /* clients look for these words in a ValidationException */
        return ac_error_set(err, AC_ERR_INVALID, "Memory with name %s already exists", name);
    AC_TRY(status);
    AC_TRY(resource_tag(tx, &r.key, front_value(call, "tags"), call->memory, err));
    AC_TRY(memory_queue(tx, MEMORY_JOB_SETTLE, r.key.scope, id, err));
    return answer(call, &r, err);
}

ac_status create_memory(front_call *call, ac_error *err)
{
    const memory_room *room = call->room;

    return transact_write(room->store, call, create_in, NULL, err);
}

/* ---- get and list ---- */

static ac_status check_settled(const resource *r, ac_error *err)
{
    if (strcmp(r->status, MEMORY_CREATING) != 0 && strcmp(r->status, MEMORY_UPDATING) != 0)
        return AC_OK;
    return ac_error_set(err, AC_ERR_CONFLICT, "The memory '%s' is %s", r->key.id, r->status);
}

static ac_status find(store_tx *tx, front_call *call, resource *r, ac_error *err)
{
    const resource_key key = key_of(call);
    ac_status status = resource_get(tx, &key, call->memory, r, err);

    if (status == AC_ERR_NOT_FOUND)
        return ac_error_set(err, status, "There is no memory with the id '%s'", key.id);
    return status;
}

static ac_status get_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    bool *settling = arg;
    resource r;

    AC_TRY(find(tx, call, &r, err));
    *settling = check_settled(&r, NULL) != AC_OK || strcmp(r.status, MEMORY_DELETING) == 0;
    return answer(call, &r, err);
}

/* A memory settles within milliseconds, or is gone, and clients ask for it right after they have created or deleted it:
 * those that are told to wait come back ten seconds later.  So the answer waits a moment. */
ac_status get_memory(front_call *call, ac_error *err)
{
    const memory_room *room = call->room;
    const struct timespec pause = {.tv_nsec = SETTLE_LOOK_MS * 1000000L};
    bool settling = true;

    for (int waited_ms = 0;; waited_ms += SETTLE_LOOK_MS) {
        AC_TRY(transact_read(room->store, call, get_in, &settling, err));
        if (!settling || waited_ms >= SETTLE_WAIT_MS)
            return AC_OK;
        nanosleep(&pause, NULL);
    }
}

static ac_status list_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const document_list list = {
        .of = resource_key_of(call, KIND_MEMORY, NULL, NULL),
        .member = "memories",
        .form = DOCUMENT_FORM(listed_members),
        .page_default = MEMORY_PAGE_DEFAULT,
    };

    (void)arg;
    return document_answer_page(tx, call, &list, err);
}

ac_status list_memories(front_call *call, ac_error *err)
{
    const memory_room *room = call->room;

    return transact_read(room->store, call, list_in, NULL, err);
}

/* ---- update ---- */

/* The memory whatever its status, which stays as it is until the transaction ends. */
static ac_status find_locked(store_tx *tx, front_call *call, resource *r, ac_error *err)
{
    const resource_key key = key_of(call);
    ac_status status = resource_check(tx, &key, true, call->memory, err);

    return status == AC_OK || status == AC_ERR_NOT_FOUND ? find(tx, call, r, err) : status;
}

/* *ret_status: what the memory is from now on. */
static ac_status change_body(front_call *call, resource *r, const char **ret_status, ac_error *err)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *stored = NULL;
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *body = NULL;
    yyjson_mut_val *changes = front_value(call, "memoryStrategies"), *strategies;
    yyjson_mut_val *gone = yyjson_mut_obj_get(changes, "deleteMemoryStrategies");
    yyjson_mut_val *more = yyjson_mut_obj_get(changes, "addMemoryStrategies");

    AC_TRY(ac_json_read(r->body, r->body_length, NULL, &stored, err));
    body = yyjson_doc_mut_copy(stored, NULL);
    AC_TRY(added(body != NULL, err));
    AC_TRY(take_inputs(call, body, err));
    AC_TRY(add_indexed_keys(body, front_value(call, "addIndexedKeys"), err));
    AC_TRY(list_in_body(body, "strategies", &strategies, err));
    AC_TRY(memory_strategies_modify(body, strategies, yyjson_mut_obj_get(changes, "modifyMemoryStrategies"), err));
    AC_TRY(memory_strategies_delete(body, strategies, gone, err));
    AC_TRY(memory_strategies_add(body, strategies, more, call->memory, err));
    if (yyjson_mut_arr_size(gone) + yyjson_mut_arr_size(more) > 0)
        *ret_status = MEMORY_UPDATING;
    return write_body(body, call->memory, r, err);
}

static ac_status update_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    resource_change change;
    const char *status;
    resource r;

    (void)arg;
    AC_TRY(find_locked(tx, call, &r, err));
    if (strcmp(r.status, MEMORY_DELETING) == 0)
        return ac_error_set(err, AC_ERR_NOT_FOUND, "The memory '%s' is being deleted", r.key.id);
    AC_TRY(check_settled(&r, err));
    status = r.status;
    AC_TRY(change_body(call, &r, &status, err));
    change = (resource_change){.version = r.version, .status = status, .body = r.body};
    AC_TRY(resource_update(tx, &r.key, &change, NULL, err));
    if (strcmp(status, MEMORY_UPDATING) == 0)
        AC_TRY(memory_queue(tx, MEMORY_JOB_SETTLE, r.key.scope, r.key.id, err));
    AC_TRY(find(tx, call, &r, err));
    return answer(call, &r, err);
}

ac_status update_memory(front_call *call, ac_error *err)
{
    const memory_room *room = call->room;

    return transact_write(room->store, call, update_in, NULL, err);
}

/* ---- delete ---- */

static ac_status delete_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const resource_change deleting = {.status = MEMORY_DELETING};
    resource r;

    (void)arg;
    AC_TRY(find_locked(tx, call, &r, err));
    AC_TRY(check_settled(&r, err));
    if (strcmp(r.status, MEMORY_DELETING) != 0) {
        AC_TRY(resource_update(tx, &r.key, &deleting, NULL, err));
        AC_TRY(memory_queue(tx, MEMORY_JOB_DELETE, r.key.scope, r.key.id, err));
    }
    AC_TRY(front_add_text(call, "memoryId", r.key.id, err));
    return front_add_text(call, "status", MEMORY_DELETING, err);
}

ac_status delete_memory(front_call *call, ac_error *err)
{
    const memory_room *room = call->room;

    return transact_write(room->store, call, delete_in, NULL, err);
}
