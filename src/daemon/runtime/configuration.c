/* configuration.c - what the input of CreateAgentRuntime and UpdateAgentRuntime says, where it must hang together.
 *
 * The API table has checked each member by itself.  Here are the defaults, which Get shows as if they had been given,
 * and what one member means for another, or for the sandbox and the proxy that will have to do with it.  Entry points
 * may have any suffix: a program in machine code is an agent too. */
#include "daemon/runtime/control.h"

#include <string.h>
#include <strings.h>

#define IDLE_SECONDS_DEFAULT 900
#define LIFE_SECONDS_DEFAULT 28800

#define LIFECYCLE "lifecycleConfiguration"
#define IDLE "idleRuntimeSessionTimeout"
#define LIFE "maxLifetime"

DEFINE_CLEANUP(yyjson_doc *, yyjson_doc_free)

static ac_status no_memory(ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static ac_status invalid(ac_error *err, const char *member, const char *what)
{
    return ac_error_set(err, AC_ERR_INVALID, "%s %s", member, what);
}

/* ---- defaults ---- */

static ac_status fill(front_call *call, const char *member, yyjson_mut_val *value, ac_error *err)
{
    if (front_value(call, member))
        return AC_OK;
    if (!value || !yyjson_mut_obj_add_val(call->doc, call->input, member, value))
        return no_memory(err);
    return AC_OK;
}

static ac_status fill_number(front_call *call, yyjson_mut_val *object, const char *member, int64_t number,
                             ac_error *err)
{
    if (!yyjson_mut_obj_get(object, member) && !yyjson_mut_obj_add_sint(call->doc, object, member, number))
        return no_memory(err);
    return AC_OK;
}

static int64_t number_of(yyjson_mut_val *object, const char *member, int64_t fallback)
{
    yyjson_mut_val *value = yyjson_mut_obj_get(object, member);

    return value ? yyjson_mut_get_sint(value) : fallback;
}

/* Where one of the times is given, the other's default gives way to it. */
static ac_status fill_lifecycle(front_call *call, ac_error *err)
{
    yyjson_mut_val *lifecycle;
    int64_t idle, life;

    AC_TRY(fill(call, LIFECYCLE, yyjson_mut_obj(call->doc), err));
    lifecycle = front_value(call, LIFECYCLE);
    life = number_of(lifecycle, LIFE, MAX(LIFE_SECONDS_DEFAULT, number_of(lifecycle, IDLE, 0)));
    idle = number_of(lifecycle, IDLE, MIN(IDLE_SECONDS_DEFAULT, life));
    if (idle > life)
        return invalid(err, LIFECYCLE "." IDLE, "must not be greater than " LIFE);
    AC_TRY(fill_number(call, lifecycle, IDLE, idle, err));
    return fill_number(call, lifecycle, LIFE, life, err);
}

static ac_status fill_defaults(front_call *call, ac_error *err)
{
    AC_TRY(fill(call, "networkConfiguration", ac_json_pack(call->doc, "{s:s}", "networkMode", "PUBLIC"), err));
    AC_TRY(fill(call, "protocolConfiguration", ac_json_pack(call->doc, "{s:s}", "serverProtocol", "HTTP"), err));
    return fill_lifecycle(call, err);
}

/* ---- checks ---- */

static bool has_zero(yyjson_val *text)
{
    return memchr(yyjson_get_str(text), '\0', yyjson_get_len(text)) != NULL;
}

static ac_status check_network(yyjson_val *input, ac_error *err)
{
    yyjson_val *network = yyjson_obj_get(input, "networkConfiguration");

    if (strcmp(ac_json_string(network, "networkMode", ""), "VPC") == 0 && !yyjson_obj_get(network, "networkModeConfig"))
        return invalid(err, "networkConfiguration.networkModeConfig", "is required for the network mode VPC");
    return AC_OK;
}

/* A path within the zip file, or the name of a program before it. */
static bool entry_point_is_sane(yyjson_val *entry)
{
    view rest = {yyjson_get_str(entry), yyjson_get_len(entry)}, part;

    if (has_zero(entry) || rest.text[0] == '/')
        return false;
    while (view_split(&rest, '/', &part))
        if (view_is(part, ".."))
            return false;
    return true;
}

static ac_status check_artifact(yyjson_val *input, ac_error *err)
{
    yyjson_val *code = yyjson_obj_get(yyjson_obj_get(input, "agentRuntimeArtifact"), "codeConfiguration"), *entry;
    size_t index, count;

    yyjson_arr_foreach(yyjson_obj_get(code, "entryPoint"), index, count, entry)
    {
        if (!entry_point_is_sane(entry))
            return invalid(err, "agentRuntimeArtifact.codeConfiguration.entryPoint", "must stay within the zip file");
    }
    return AC_OK;
}

/* An environment is a list of NAME=VALUE, ended by zero bytes. */
static ac_status check_environment(yyjson_val *input, ac_error *err)
{
    yyjson_val *variables = yyjson_obj_get(input, "environmentVariables"), *name, *value;
    size_t index, count;

    yyjson_obj_foreach(variables, index, count, name, value)
    {
        const char *text = yyjson_get_str(name);

        for (size_t i = 0; i < yyjson_get_len(name); i++)
            if ((unsigned char)text[i] <= ' ' || text[i] == '=' || text[i] == 0x7F)
                return invalid(err, "environmentVariables", "has a name with a '=', a space or a control character");
        if (has_zero(value))
            return invalid(err, "environmentVariables", "has a value with a NUL character");
    }
    return AC_OK;
}

/* These belong to the connection, not to the request, so a proxy cannot hand them on. */
static bool is_hop_by_hop(const char *name)
{
    static const char *const names[] = {
        "Connection",        "Content-Length", "Expect",          "Host", "Keep-Alive", "TE", "Trailer",
        "Transfer-Encoding", "Upgrade",        "Proxy-Connection"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

static ac_status check_headers(yyjson_val *input, ac_error *err)
{
    static const char member[] = "requestHeaderConfiguration.requestHeaderAllowlist";
    yyjson_val *list = yyjson_obj_get(yyjson_obj_get(input, "requestHeaderConfiguration"), "requestHeaderAllowlist");
    yyjson_val *name, *other;
    size_t index, count, before, before_count;

    yyjson_arr_foreach(list, index, count, name)
    {
        if (is_hop_by_hop(yyjson_get_str(name)))
            return invalid(err, member, "names a header that cannot be forwarded");
        yyjson_arr_foreach(list, before, before_count, other)
        {
            if (before < index && strcasecmp(yyjson_get_str(name), yyjson_get_str(other)) == 0)
                return invalid(err, member, "names a header twice");
        }
    }
    return AC_OK;
}

/* The mountPath of a union of structures that all have one; a slash at its end says nothing. */
static view mount_path(yyjson_val *configuration)
{
    yyjson_obj_iter walk = yyjson_obj_iter_with(configuration);
    yyjson_val *name = yyjson_obj_iter_next(&walk);
    view path = view_of(name ? ac_json_string(yyjson_obj_iter_get_val(name), "mountPath", "") : "");

    if (path.length > 0 && path.text[path.length - 1] == '/')
        path.length--;
    return path;
}

static ac_status check_mounts(yyjson_val *input, ac_error *err)
{
    yyjson_val *list = yyjson_obj_get(input, "filesystemConfigurations"), *one, *other;
    size_t index, count, before, before_count;

    yyjson_arr_foreach(list, index, count, one)
    {
        view path = mount_path(one);

        if (view_is(path, "/mnt/.") || view_is(path, "/mnt/.."))
            return invalid(err, "filesystemConfigurations", "has a mountPath that is no directory of its own");
        yyjson_arr_foreach(list, before, before_count, other)
        {
            if (before < index && view_equal(path, mount_path(other)))
                return invalid(err, "filesystemConfigurations", "has a mountPath twice");
        }
    }
    return AC_OK;
}

/* This machine is all the capacity there is. */
static ac_status check_capacity(yyjson_val *input, ac_error *err)
{
    yyjson_val *provider = yyjson_obj_get(input, "capacityProviderConfiguration"), *one;
    size_t index, count;

    if (yyjson_obj_get(provider, "capacityProviderArn"))
        return invalid(err, "capacityProviderConfiguration.capacityProviderArn", "names nothing that exists");
    yyjson_arr_foreach(yyjson_obj_get(input, "filesystemConfigurations"), index, count, one)
    {
        if (yyjson_obj_get(one, "capacityProviderVolume"))
            return invalid(err, "filesystemConfigurations", "has a volume of a capacity provider, but there is none");
    }
    return AC_OK;
}

static ac_status check_authorizer(const runtime_room *room, yyjson_val *input, arena *memory, ac_error *err)
{
    yyjson_val *custom = yyjson_obj_get(yyjson_obj_get(input, "authorizerConfiguration"), "customJWTAuthorizer");
    jwt_authorizer authorizer;

    if (!custom)
        return AC_OK;
    AC_TRY(runtime_authorizer_read(custom, memory, &authorizer, err));
    return room->daemon->jwt ? jwt_authorizer_check(room->daemon->jwt, &authorizer, err) : AC_OK;
}

ac_status runtime_configuration_prepare(const runtime_room *room, front_call *call, ac_error *err)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *doc = NULL;
    yyjson_val *input;

    AC_TRY(fill_defaults(call, err));
    doc = yyjson_mut_val_imut_copy(call->input, NULL);
    if (!doc)
        return no_memory(err);
    input = yyjson_doc_get_root(doc);
    AC_TRY(check_artifact(input, err));
    AC_TRY(check_network(input, err));
    AC_TRY(check_environment(input, err));
    AC_TRY(check_headers(input, err));
    AC_TRY(check_mounts(input, err));
    AC_TRY(check_capacity(input, err));
    return check_authorizer(room, input, call->memory, err);
}

/* ---- authorizers ---- */

static ac_status read_list(yyjson_val *list, arena *memory, const char *const **ret_items, size_t *ret_count,
                           ac_error *err)
{
    const char **items = arena_alloc(memory, (yyjson_arr_size(list) + 1) * sizeof *items);
    size_t index, count;
    yyjson_val *item;

    if (!items)
        return no_memory(err);
    yyjson_arr_foreach(list, index, count, item) items[index] = yyjson_get_str(item);
    *ret_items = items;
    *ret_count = yyjson_arr_size(list);
    return AC_OK;
}

static ac_status read_rule(yyjson_val *claim, arena *memory, jwt_claim_rule *ret_rule, ac_error *err)
{
    yyjson_val *wanted = yyjson_obj_get(claim, "authorizingClaimMatchValue");
    yyjson_val *value = yyjson_obj_get(wanted, "claimMatchValue");
    yyjson_val *one = yyjson_obj_get(value, "matchValueString");
    const char *how = ac_json_string(wanted, "claimMatchOperator", "");

    *ret_rule = (jwt_claim_rule){
        .name = ac_json_string(claim, "inboundTokenClaimName", ""),
        .is_array = strcmp(ac_json_string(claim, "inboundTokenClaimValueType", ""), "STRING_ARRAY") == 0,
        .match = strcmp(how, "EQUALS") == 0     ? JWT_EQUALS
                 : strcmp(how, "CONTAINS") == 0 ? JWT_CONTAINS
                                                : JWT_CONTAINS_ANY,
    };
    if (!one)
        return read_list(yyjson_obj_get(value, "matchValueStringList"), memory, &ret_rule->values,
                         &ret_rule->value_count, err);
    const char **single = arena_alloc(memory, sizeof *single);
    if (!single)
        return no_memory(err);
    *single = yyjson_get_str(one);
    ret_rule->values = single;
    ret_rule->value_count = 1;
    return AC_OK;
}

ac_status runtime_authorizer_read(yyjson_val *custom, arena *memory, jwt_authorizer *ret_authorizer, ac_error *err)
{
    yyjson_val *claims = yyjson_obj_get(custom, "customClaims"), *claim;
    jwt_claim_rule *rules = arena_zalloc(memory, (yyjson_arr_size(claims) + 1) * sizeof *rules);
    size_t index, count;

    if (!rules)
        return no_memory(err);
    *ret_authorizer = (jwt_authorizer){
        .discovery_url = ac_json_string(custom, "discoveryUrl", ""),
        .claims = rules,
        .claim_count = yyjson_arr_size(claims),
    };
    yyjson_arr_foreach(claims, index, count, claim) AC_TRY(read_rule(claim, memory, &rules[index], err));
    AC_TRY(read_list(yyjson_obj_get(custom, "allowedAudience"), memory, &ret_authorizer->audiences,
                     &ret_authorizer->audience_count, err));
    AC_TRY(read_list(yyjson_obj_get(custom, "allowedClients"), memory, &ret_authorizer->clients,
                     &ret_authorizer->client_count, err));
    return read_list(yyjson_obj_get(custom, "allowedScopes"), memory, &ret_authorizer->scopes,
                     &ret_authorizer->scope_count, err);
}
