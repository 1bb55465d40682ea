/* tools_config.c - what tools are configured with, and the making of a code interpreter, as JSON. */
#include "client/code_interpreter_internal.h"

#include <string.h>

static ac_status no_memory(ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static bool add_copy(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *member, const char *value)
{
    return !value || yyjson_mut_obj_add_strcpy(doc, object, member, value);
}

/* ---- networks ---- */

static bool add_names(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *member, const char *const *names,
                      size_t count)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, object, member);
    bool added = list != NULL;

    for (size_t i = 0; added && i < count; i++)
        added = yyjson_mut_arr_add_strcpy(doc, list, names[i]);
    return added;
}

static ac_status add_vpc(yyjson_mut_doc *doc, yyjson_mut_val *network, const ac_tool_network *n, ac_error *err)
{
    yyjson_mut_val *vpc = yyjson_mut_obj_add_obj(doc, network, "vpcConfig");

    return vpc && add_names(doc, vpc, "securityGroups", n->security_groups, n->security_group_count) &&
                   add_names(doc, vpc, "subnets", n->subnets, n->subnet_count) &&
                   (!n->require_s3_endpoint || yyjson_mut_obj_add_bool(doc, vpc, "requireServiceS3Endpoint", true))
               ? AC_OK
               : no_memory(err);
}

ac_status ac_tool_network_build(yyjson_mut_doc *doc, const ac_tool_network *network, yyjson_mut_val **ret_value,
                                ac_error *err)
{
    static const ac_tool_network none;
    const ac_tool_network *n = network ? network : &none;
    const char *mode = n->mode ? n->mode : "PUBLIC";
    bool is_vpc = strcmp(mode, "VPC") == 0, has_vpc = n->security_group_count > 0 || n->subnet_count > 0;

    *ret_value = NULL;
    if (!is_vpc && strcmp(mode, "PUBLIC") != 0 && strcmp(mode, "SANDBOX") != 0)
        return ac_error_set(err, AC_ERR_INVALID, "network_mode must be 'PUBLIC', 'SANDBOX' or 'VPC', got '%.100s'",
                            mode);
    if (is_vpc && !has_vpc)
        return ac_error_set(err, AC_ERR_INVALID, "vpc_config is required when network_mode is 'VPC'");
    if (has_vpc && (n->security_group_count == 0 || n->subnet_count == 0))
        return ac_error_set(err, AC_ERR_INVALID, "a VPC has security groups and subnets, at least one of each");
    yyjson_mut_val *value = yyjson_mut_obj(doc);
    if (!value || !add_copy(doc, value, "networkMode", mode))
        return no_memory(err);
    if (has_vpc)
        AC_TRY(add_vpc(doc, value, n, err));
    *ret_value = value;
    return AC_OK;
}

/* ---- certificates ---- */

ac_status ac_tool_certificates_build(yyjson_mut_doc *doc, const char *const *secret_arns, size_t count,
                                     yyjson_mut_val **ret_value, ac_error *err)
{
    yyjson_mut_val *list = yyjson_mut_arr(doc);

    *ret_value = NULL;
    if (!list)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        yyjson_mut_val *one =
            ac_json_pack(doc, "{s:{s:{s:s}}}", "location", "secretsManager", "secretArn", secret_arns[i]);

        if (!one || !yyjson_mut_arr_add_val(list, one))
            return no_memory(err);
    }
    *ret_value = list;
    return AC_OK;
}

/* ---- code interpreters ---- */

static bool add_tags(yyjson_mut_doc *doc, yyjson_mut_val *object, const ac_tag *tags, size_t count)
{
    yyjson_mut_val *map = yyjson_mut_obj_add_obj(doc, object, "tags");
    bool added = map != NULL;

    for (size_t i = 0; added && i < count; i++) {
        yyjson_mut_val *key = yyjson_mut_strcpy(doc, tags[i].key), *value = yyjson_mut_strcpy(doc, tags[i].value);

        added = key && value && yyjson_mut_obj_add(map, key, value);
    }
    return added;
}

ac_status ac_code_interpreter_build(yyjson_mut_doc *doc, const ac_code_interpreter_config *config,
                                    yyjson_mut_val **ret_value, ac_error *err)
{
    yyjson_mut_val *value = yyjson_mut_obj(doc), *network = NULL, *certificates = NULL;

    *ret_value = NULL;
    if (!value)
        return no_memory(err);
    AC_TRY(ac_tool_network_build(doc, config->network, &network, err));
    if (config->certificate_count > 0)
        AC_TRY(ac_tool_certificates_build(doc, config->certificates, config->certificate_count, &certificates, err));
    if (!add_copy(doc, value, "name", config->name) ||
        !add_copy(doc, value, "executionRoleArn", config->execution_role_arn) ||
        !yyjson_mut_obj_add_val(doc, value, "networkConfiguration", network) ||
        !add_copy(doc, value, "description", config->description) ||
        (certificates && !yyjson_mut_obj_add_val(doc, value, "certificates", certificates)) ||
        (config->tag_count > 0 && !add_tags(doc, value, config->tags, config->tag_count)) ||
        !add_copy(doc, value, "clientToken", config->client_token))
        return no_memory(err);
    *ret_value = value;
    return AC_OK;
}

ac_status ac_code_interpreter_create(ac_client *client, const ac_code_interpreter_config *config,
                                     yyjson_doc **ret_output, ac_error *err)
{
    _cleanup_(code_input_done) code_input in;

    if (ret_output)
        *ret_output = NULL;
    AC_TRY(code_input_init(&in, err));
    AC_TRY(ac_code_interpreter_build(in.doc, config, &in.members, err));
    return code_input_call(&in, client, "CreateCodeInterpreter", ret_output, err);
}
