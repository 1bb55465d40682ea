/* service.c - which AgentCore a command talks to, and with which keys.
 *
 * agentcored is asked about itself by its own commands (`agentcored status --json`, `agentcored env --json`): what lies
 * in its data directory, and how, stays its business. */
#include "cli/service.h"

#include "cli/process.h"
#include "cli/project.h"

#include <agentcore/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- agentcored ---- */

static const char *find_daemon(void)
{
    const char *named = getenv("AGENTCORED"), *directory = program_directory();
    char *beside = directory ? textf("%s/agentcored", directory) : NULL;

    if (named && *named)
        return named;
    return beside && access(beside, X_OK) == 0 ? beside : program_find("agentcored");
}

ac_status local_command(cli *c, const char *verb, words *ret, ac_error *err)
{
    const char *program = find_daemon();

    if (!program)
        return ac_error_set(err, AC_ERR_NOT_FOUND,
                            "there is no program agentcored beside agentcore or in PATH; name it in AGENTCORED");
    words_add(ret, program);
    if (verb)
        words_add(ret, verb);
    if (flag(c, OPT_DATA_DIR)) {
        words_add(ret, "--data-dir");
        words_add(ret, option(c, OPT_DATA_DIR));
    }
    return AC_OK;
}

static const char *member(yyjson_val *object, const char *name)
{
    const char *text = ac_json_string(object, name, NULL);

    return text ? textf("%s", text) : NULL;
}

/* Run one of its commands that prints JSON. */
static ac_status ask(cli *c, const char *verb, bool quiet, int *ret_code, yyjson_doc **ret_doc, ac_error *err)
{
    words w = {0};
    char *output = NULL;

    TRY(local_command(c, verb, &w, err));
    words_add(&w, "--json");
    TRY(process_run(w.items, NULL, quiet, ret_code, &output, err));
    if (ac_json_read(output, strlen(output), NULL, ret_doc, NULL) != AC_OK) {
        *ret_doc = NULL;
        return quiet ? ac_error_set(err, AC_ERR_STATE, "%.*s", (int)strcspn(output, "\n"), output)
                     : ac_error_set(err, AC_ERR_STATE, "`agentcored %s` failed", verb);
    }
    return AC_OK;
}

ac_status local_look(cli *c, local_service *ret, ac_error *err)
{
    yyjson_doc *doc = NULL;
    yyjson_val *root;
    int code;

    *ret = (local_service){.program = find_daemon()};
    TRY(ask(c, "status", true, &code, &doc, err));
    root = yyjson_doc_get_root(doc);
    ret->running = ac_json_bool(root, "running", false);
    ret->data_dir = member(root, "dataDirectory");
    ret->url = member(root, "url");
    ret->region = member(root, "region");
    ret->ca_file = member(root, "caFile");
    ret->pid = (long)ac_json_int(root, "pid", 0);
    yyjson_doc_free(doc);
    return AC_OK;
}

ac_status local_variables(cli *c, yyjson_doc **ret, ac_error *err)
{
    int code;

    return ask(c, "env", true, &code, ret, err);
}

/* ---- which one ---- */

static const char *environment_endpoint(void)
{
    static const char *const names[] = {"AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL",
                                        "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", "AWS_ENDPOINT_URL"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const char *value = getenv(names[i]);

        if (value && *value)
            return value;
    }
    return NULL;
}

bool service_in_environment(void)
{
    return environment_endpoint() != NULL;
}

static ac_status open_local(cli *c, const local_service *local, service *ret, ac_error *err)
{
    yyjson_doc *doc = NULL;
    yyjson_val *variables;
    ac_status status;

    TRY(local_variables(c, &doc, err));
    variables = yyjson_doc_get_root(doc);
    status = ac_client_new(&(ac_client_options){.endpoint = local->url,
                                                .region = local->region,
                                                .ca_file = local->ca_file,
                                                .access_key = ac_json_string(variables, "AWS_ACCESS_KEY_ID", NULL),
                                                .secret_key = ac_json_string(variables, "AWS_SECRET_ACCESS_KEY", NULL),
                                                .session_token = ac_json_string(variables, "AWS_SESSION_TOKEN", NULL)},
                           &ret->client, err);
    yyjson_doc_free(doc);
    return status;
}

ac_status service_open(cli *c, service *ret, ac_error *err)
{
    const char *endpoint = environment_endpoint();
    local_service local = {0};
    ac_status status;

    *ret = (service){.place = flag(c, OPT_AWS) ? PLACE_AWS : endpoint ? PLACE_ENVIRONMENT : PLACE_LOCAL};
    if (ret->place == PLACE_AWS)
        return ac_client_new(&(ac_client_options){.region = option(c, OPT_REGION), .profile = option(c, OPT_PROFILE)},
                             &ret->client, err);
    status = local_look(c, &local, ret->place == PLACE_LOCAL ? err : NULL);
    if (ret->place == PLACE_ENVIRONMENT) {
        /* It may be the agentcored of this machine all the same, by `eval "$(agentcore env)"`. */
        if (status == AC_OK && local.running && strcmp(local.url, endpoint) == 0)
            ret->data_dir = local.data_dir;
        ret->url = endpoint;
        return ac_client_new(&(ac_client_options){.region = option(c, OPT_REGION), .profile = option(c, OPT_PROFILE)},
                             &ret->client, err);
    }
    if (status != AC_OK)
        return status;
    if (!local.running)
        return fail_as(c, EXIT_UNREACHABLE, err, AC_ERR_STATE,
                       "agentcored is not running for %s; start it with: agentcore up (or say --aws)", local.data_dir);
    ret->url = local.url;
    ret->data_dir = local.data_dir;
    return open_local(c, &local, ret, err);
}

void service_close(service *s)
{
    ac_client_free(s->client);
    s->client = NULL;
}

/* ---- what failures mean ---- */

/* Append what to do next, when it fits. */
static void advise(ac_error *err, const char *advice)
{
    size_t length = strlen(err->message);

    if (length + strlen(advice) + 3 < sizeof err->message)
        snprintf(err->message + length, sizeof err->message - length, "; %s", advice);
}

ac_status service_explain(cli *c, const service *s, ac_status status, ac_error *err)
{
    if (status == AC_OK || c->exit_code != 0)
        return status;
    if (status == AC_ERR_HANDLER) {
        c->exit_code = EXIT_AGENT;
    } else if (status == AC_ERR_NOT_FOUND && err->http_status == 404 && err->aws_name[0]) {
        c->exit_code = EXIT_ABSENT;
        if (strstr(err->message, "credentials"))
            advise(err,
                   s->place == PLACE_AWS ? "configure them: aws configure" : "set them: eval \"$(agentcore env)\"");
        else if (strstr(err->message, "runtime"))
            advise(err, "agentcore list shows what there is");
    } else if (err->http_status == 401 || err->http_status == 403) {
        if (s->place == PLACE_ENVIRONMENT)
            advise(err, "are the keys those of this service? eval \"$(agentcore env)\"");
    } else if (status == AC_ERR_IO || status == AC_ERR_CLOSED || status == AC_ERR_TIMEOUT) {
        c->exit_code = EXIT_UNREACHABLE;
        if (s->place == PLACE_LOCAL)
            advise(err, "is agentcored running? agentcore up starts it");
        else if (s->place == PLACE_ENVIRONMENT)
            advise(err, "the environment names this endpoint: AWS_ENDPOINT_URL_...");
    }
    return status;
}

/* ---- agents ---- */

ac_status agents_each(const service *s, bool (*function)(yyjson_val *runtime, void *user), void *user, ac_error *err)
{
    char *token = NULL;
    bool more = true;

    do {
        yyjson_doc *page = NULL;
        size_t i, count;
        yyjson_val *each;

        TRY(ac_client_call_pack(s->client, "ListAgentRuntimes", &page, err, "{s:s?}", "nextToken", token));
        yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(page), "agentRuntimes"), i, count, each)
        {
            more = more && function(each, user);
        }
        token = (char *)(uintptr_t)member(yyjson_doc_get_root(page), "nextToken");
        yyjson_doc_free(page);
    } while (more && token);
    return AC_OK;
}

typedef struct search {
    const char *name;
    agent *found;
} search;

static bool compare(yyjson_val *runtime, void *user)
{
    search *s = user;
    const char *name = ac_json_string(runtime, "agentRuntimeName", ""),
               *id = ac_json_string(runtime, "agentRuntimeId", "");

    if (strcmp(name, s->name) != 0 && strcmp(id, s->name) != 0)
        return true;
    *s->found = (agent){.arn = member(runtime, "agentRuntimeArn"), .id = textf("%s", id), .name = textf("%s", name)};
    return false;
}

ac_status agent_look_up(const service *s, const char *name, agent *ret, bool *ret_found, ac_error *err)
{
    search wanted = {name, ret};

    *ret = (agent){0};
    TRY(agents_each(s, compare, &wanted, err));
    *ret_found = ret->arn != NULL;
    return AC_OK;
}

static agent from_arn(const char *arn)
{
    const char *slash = strrchr(arn, '/');
    char *id = keep_text(slash ? slash + 1 : "", slash ? strlen(slash + 1) : 0);
    const char *end = strrchr(id, '-');

    return (agent){.arn = arn, .id = id, .name = keep_text(id, end ? (size_t)(end - id) : strlen(id))};
}

ac_status agent_find(cli *c, const service *s, const char *name, agent *ret, ac_error *err)
{
    const char *remembered = NULL;
    bool found = false;
    ac_status status;

    if (!name) {
        TRY(project_name(s->place == PLACE_AWS ? "aws" : "local", &name, &remembered, err));
        if (!name)
            return usage_error(c, err, "which agent? name it, or work in a directory with " PROJECT_FILE);
        if (s->place == PLACE_AWS && remembered) {
            *ret = from_arn(remembered);
            return AC_OK;
        }
    }
    if (starts_with(name, "arn:")) {
        *ret = from_arn(name);
        return AC_OK;
    }
    status = agent_look_up(s, name, ret, &found, err);
    if (status != AC_OK)
        return service_explain(c, s, status, err);
    if (!found)
        return fail_as(c, EXIT_ABSENT, err, AC_ERR_NOT_FOUND,
                       "there is no agent named %s; agentcore list shows those there are, agentcore deploy makes one",
                       name);
    return AC_OK;
}
