/* api.c - looking things up in the API table.
 *
 * The tables are constants (made by scripts/api-generate), so nothing here can fail or needs a lock. */
#include "aws/api_internal.h"

static const char *const method_names[API_METHOD_COUNT] = {
    [API_GET] = "GET", [API_POST] = "POST", [API_PUT] = "PUT", [API_DELETE] = "DELETE", [API_PATCH] = "PATCH",
};

const char *api_text(uint32_t offset)
{
    return api_text_pool + offset;
}

const api_operation *api_get(api_id id)
{
    return &api_operations[id];
}

const api_operation *api_at(size_t index)
{
    return index < API_OPERATION_COUNT ? &api_operations[index] : NULL;
}

const api_operation *api_find(const char *name)
{
    for (size_t i = 0; i < API_OPERATION_COUNT; i++)
        if (strcmp(api_text(api_operations[i].name), name) == 0)
            return &api_operations[i];
    return NULL;
}

api_id api_id_of(const api_operation *op)
{
    return (api_id)(op - api_operations);
}

const char *api_name(const api_operation *op)
{
    return api_text(op->name);
}

const char *api_method_name(api_method method)
{
    return method_names[method];
}

bool api_method_find(const char *name, size_t length, api_method *ret_method)
{
    for (int i = 0; i < API_METHOD_COUNT; i++) {
        if (view_is((view){name, length}, method_names[i])) {
            *ret_method = (api_method)i;
            return true;
        }
    }
    return false;
}

const api_member *api_member_find(const api_shape *structure, const char *name, size_t length)
{
    const api_member *member = &api_members[structure->first];

    for (const api_member *end = member + structure->count; member < end; member++)
        if (view_is((view){name, length}, api_text(member->name)))
            return member;
    return NULL;
}

int api_error_status(const char *name)
{
    for (size_t i = 0; i < API_ERROR_COUNT; i++)
        if (strcmp(api_text(api_errors[i].name), name) == 0)
            return api_errors[i].status;
    return 0;
}

bool api_error_declared(const api_operation *op, const char *name)
{
    for (size_t i = 0; i < op->error_count; i++)
        if (strcmp(api_text(api_errors[api_error_uses[op->errors + i]].name), name) == 0)
            return true;
    return false;
}

const char *api_error_name(const api_operation *op, ac_status status)
{
    /* What an operation may say instead when it does not declare the usual name. */
    static const char *const others[][2] = {
        {"ThrottlingException", "ThrottledException"},
        {"InternalServerException", "ServiceException"},
        {"ConflictException", "ValidationException"},
        {"UnauthorizedException", "AccessDeniedException"},
    };
    const char *usual = status == AC_ERR_UNSUPPORTED ? "NotImplementedException" : ac_status_aws_name(status);

    if (!op || !op->described || api_error_declared(op, usual))
        return usual;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (strcmp(usual, others[i][0]) == 0 && api_error_declared(op, others[i][1]))
            return others[i][1];
    return usual;
}

const char *api_out_payload_name(const api_operation *op)
{
    if (!op->described || op->out_payload == API_NONE)
        return "";
    return api_text(api_members[api_shapes[op->output].first + op->out_payload].name);
}
