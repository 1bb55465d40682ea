/* deploy.c - from a project to a runtime that is READY.
 *
 * What is handed over first does no harm when the rest fails: versions that exist do not change.  When a deployment of
 * a new agent fails or is interrupted, the runtime, and what was put on this machine for it, are taken away again; an
 * agent that was there keeps its version. */
#include "cli/deploy.h"

#include "cli/interrupt.h"
#include "cli/term.h"

#include <agentcore/json.h>
#include <agentcore/runtime_client.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WAIT_SECONDS 600
#define POLL_MS 50
#define UNDO_SECONDS 60
#define POLL_AWS_MS 2000
#define LOCAL_ROLE "arn:aws:iam::123456789012:role/agent" /* agentcored takes any */

typedef struct deployment {
    cli *c;
    project project;
    service service;
    agent agent;
    bool exists;
    long wait_s;
    deployed_artifact artifact;
    yyjson_doc *runtime; /* what GetAgentRuntime says */
} deployment;

/* ---- the request ---- */

static yyjson_mut_val *artifact_value(yyjson_mut_doc *doc, const deployment *d)
{
    const deployed_artifact *a = &d->artifact;

    if (a->image)
        return ac_json_pack(doc, "{s:{s:s}}", "containerConfiguration", "containerUri", a->image);
    return ac_json_pack(doc, "{s:{s:{s:{s:s, s:s}}, s:s, s:[s]}}", "codeConfiguration", "code", "s3", "bucket",
                        a->bucket, "prefix", a->key, "runtime", a->runtime, "entryPoint", d->project.entry);
}

static ac_status environment_value(deployment *d, yyjson_mut_doc *doc, yyjson_mut_val **ret, ac_error *err)
{
    words variables = {0};

    *ret = NULL;
    TRY(project_environment(d->c, &d->project, &variables, err));
    if (!variables.count)
        return AC_OK;
    *ret = yyjson_mut_obj(doc);
    for (size_t i = 0; i < variables.count; i++) {
        const char *equals = strchr(variables.items[i], '=');
        yyjson_mut_val *name = yyjson_mut_strncpy(doc, variables.items[i], (size_t)(equals - variables.items[i]));

        yyjson_mut_obj_put(*ret, name, yyjson_mut_str(doc, equals + 1));
    }
    return AC_OK;
}

/* What an update would otherwise take away. */
static void keep_settings(yyjson_mut_doc *doc, yyjson_mut_val *input, yyjson_val *runtime)
{
    static const char *const names[] = {"description",
                                        "authorizerConfiguration",
                                        "requestHeaderConfiguration",
                                        "lifecycleConfiguration",
                                        "environmentVariables",
                                        "networkConfiguration",
                                        "roleArn",
                                        "metadataConfiguration",
                                        "filesystemConfigurations",
                                        "capacityProviderConfiguration"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        yyjson_val *value = yyjson_obj_get(runtime, names[i]);

        if (value && !yyjson_mut_obj_get(input, names[i]))
            yyjson_mut_obj_add_val(doc, input, names[i], yyjson_val_mut_copy(doc, value));
    }
}

static ac_status make_input(deployment *d, yyjson_val *runtime, yyjson_doc **ret, ac_error *err)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *input = yyjson_mut_obj(doc), *environment = NULL;
    const char *role = option(d->c, OPT_ROLE);
    ac_status status = environment_value(d, doc, &environment, err);

    yyjson_mut_obj_add_str(doc, input, d->exists ? "agentRuntimeId" : "agentRuntimeName",
                           d->exists ? d->agent.id : d->project.name);
    yyjson_mut_obj_add_val(doc, input, "agentRuntimeArtifact", artifact_value(doc, d));
    yyjson_mut_obj_add_val(doc, input, "protocolConfiguration",
                           ac_json_pack(doc, "{s:s}", "serverProtocol", d->project.protocol));
    if (environment)
        yyjson_mut_obj_add_val(doc, input, "environmentVariables", environment);
    if (role)
        yyjson_mut_obj_add_str(doc, input, "roleArn", role);
    keep_settings(doc, input, runtime);
    if (!yyjson_mut_obj_get(input, "networkConfiguration"))
        yyjson_mut_obj_add_val(doc, input, "networkConfiguration", ac_json_pack(doc, "{s:s}", "networkMode", "PUBLIC"));
    if (!yyjson_mut_obj_get(input, "roleArn"))
        yyjson_mut_obj_add_str(doc, input, "roleArn", LOCAL_ROLE);
    *ret = status == AC_OK ? yyjson_mut_val_imut_copy(input, NULL) : NULL;
    yyjson_mut_doc_free(doc);
    if (status == AC_OK && !*ret)
        nomem();
    return status;
}

/* ---- calling and waiting ---- */

static ac_status submit(deployment *d, ac_error *err)
{
    yyjson_doc *runtime = NULL, *input = NULL, *output = NULL;
    ac_status status = AC_OK;

    if (d->exists)
        status = ac_client_call_pack(d->service.client, "GetAgentRuntime", &runtime, err, "{s:s}", "agentRuntimeId",
                                     d->agent.id);
    if (status == AC_OK)
        status = make_input(d, yyjson_doc_get_root(runtime), &input, err);
    if (status == AC_OK)
        status = ac_client_call(d->service.client, d->exists ? "UpdateAgentRuntime" : "CreateAgentRuntime",
                                yyjson_doc_get_root(input), &output, err);
    if (status == AC_OK) {
        yyjson_val *root = yyjson_doc_get_root(output);

        d->agent.arn = textf("%s", ac_json_string(root, "agentRuntimeArn", ""));
        d->agent.id = textf("%s", ac_json_string(root, "agentRuntimeId", ""));
        d->agent.name = d->project.name;
    }
    yyjson_doc_free(runtime);
    yyjson_doc_free(input);
    yyjson_doc_free(output);
    return status;
}

static ac_status look(deployment *d, bool *ret_ready, ac_error *err)
{
    yyjson_val *root;
    const char *state;

    yyjson_doc_free(d->runtime);
    d->runtime = NULL;
    TRY(ac_client_call_pack(d->service.client, "GetAgentRuntime", &d->runtime, err, "{s:s}", "agentRuntimeId",
                            d->agent.id));
    root = yyjson_doc_get_root(d->runtime);
    state = ac_json_string(root, "status", "");
    *ret_ready = strcmp(state, "READY") == 0;
    if (strstr(state, "FAILED"))
        return ac_error_set(err, AC_ERR_STATE, "%s was not deployed: %.400s", d->project.name,
                            ac_json_string(root, "failureReason", state));
    return AC_OK;
}

static ac_status wait_ready(deployment *d, ac_error *err)
{
    unsigned pause_ms = d->service.place == PLACE_AWS ? POLL_AWS_MS : POLL_MS;
    bool ready = false;

    progress("Waiting until %s is ready", d->project.name);
    for (long left_ms = d->wait_s * 1000; !ready; left_ms -= pause_ms) {
        TRY(interrupt_check(d->c, err));
        TRY(look(d, &ready, err));
        if (ready)
            break;
        if (left_ms <= 0)
            return fail_as(d->c, EXIT_FAILED, err, AC_ERR_TIMEOUT,
                           "%s was not ready within %ld seconds; agentcore status %s shows why", d->project.name,
                           d->wait_s, d->project.name);
        interrupt_sleep(pause_ms);
    }
    return AC_OK;
}

/* ---- undoing ---- */

/* While it is being made it cannot be deleted: as soon as it is. */
static void delete_runtime(deployment *d)
{
    const ac_runtime_wait_options wait = {.max_wait_s = UNDO_SECONDS, .poll_interval_ms = POLL_MS};
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};

    for (int left_ms = UNDO_SECONDS * 1000; left_ms > 0; left_ms -= POLL_MS) {
        if (ac_runtime_delete_and_wait(d->service.client, d->agent.id, &wait, NULL) != AC_ERR_CONFLICT)
            return;
        nanosleep(&pause, NULL);
    }
}

/* Take away what a deployment of a new agent has made. */
static void undo(deployment *d, bool submitted)
{
    progress("Taking back what was done");
    if (submitted && !d->exists)
        delete_runtime(d);
    if (d->artifact.made && d->artifact.made_new)
        tree_remove(d->artifact.made);
    progress_end();
}

/* ---- the command ---- */

static ac_status report(deployment *d, ac_error *err)
{
    yyjson_val *root = yyjson_doc_get_root(d->runtime);
    const char *version = ac_json_string(root, "agentRuntimeVersion", "?"), *name = d->project.name;
    const char *where = d->service.place == PLACE_AWS ? " --aws" : "";

    if (flag(d->c, OPT_JSON)) {
        print_json_packed("{s:s, s:s, s:s, s:s, s:s, s:s}", "name", name, "arn", d->agent.arn, "id", d->agent.id,
                          "version", version, "status", "READY", "digest", d->artifact.digest);
        return print_end(err);
    }
    printf("%s%s is ready%s (version %s)\n%s\n", paint(stdout, INK_GREEN), name, paint(stdout, INK_NONE), version,
           d->agent.arn);
    printf("\nCall it:   agentcore invoke%s %s 'Hello!'\n", where, name);
    if (d->service.place != PLACE_AWS)
        printf("Its logs:  agentcore logs -f %s\n", name);
    return print_end(err);
}

static ac_status remember(deployment *d, ac_error *err)
{
    const char *const members[] = {"arn", d->agent.arn, NULL};

    return project_remember(&d->project, d->service.place == PLACE_AWS ? "aws" : "local", members, err);
}

static ac_status check_options(deployment *d, ac_error *err)
{
    static const char *const protocols[] = {"HTTP", "MCP", "A2A", "AGUI"};
    bool known = false;

    TRY(option_number(d->c, OPT_TIMEOUT, 1, 86400, WAIT_SECONDS, &d->wait_s, err));
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
        known = known || strcmp(d->project.protocol, protocols[i]) == 0;
    if (!known)
        return usage_error(d->c, err, "an agent speaks HTTP, MCP, A2A or AGUI, not %.40s", d->project.protocol);
    if (d->service.place == PLACE_AWS && !d->exists && !flag(d->c, OPT_ROLE))
        return usage_error(d->c, err,
                           "on AWS an agent runs as a role of yours; name it: --role "
                           "arn:aws:iam::ACCOUNT:role/NAME");
    return AC_OK;
}

/* What an agent speaks stays, unless the command line or the project says it: the image depends on it. */
static ac_status keep_protocol(deployment *d, ac_error *err)
{
    yyjson_val *told = yyjson_obj_get(yyjson_doc_get_root(d->project.doc), "protocol"), *protocol;

    if (!d->exists || flag(d->c, OPT_PROTOCOL) || told)
        return AC_OK;
    TRY(ac_client_call_pack(d->service.client, "GetAgentRuntime", &d->runtime, err, "{s:s}", "agentRuntimeId",
                            d->agent.id));
    protocol = yyjson_obj_get(yyjson_doc_get_root(d->runtime), "protocolConfiguration");
    d->project.protocol = textf("%s", ac_json_string(protocol, "serverProtocol", d->project.protocol));
    return AC_OK;
}

static ac_status deploy(deployment *d, ac_error *err)
{
    bool submitted = false;
    ac_status status;

    TRY(project_load(d->c, &d->project, err));
    TRY(service_open(d->c, &d->service, err));
    TRY(service_explain(d->c, &d->service, agent_look_up(&d->service, d->project.name, &d->agent, &d->exists, err),
                        err));
    TRY(service_explain(d->c, &d->service, keep_protocol(d, err), err));
    TRY(check_options(d, err));
    status = (d->service.place == PLACE_AWS ? artifact_store_aws : artifact_store_local)(d->c, &d->project, &d->service,
                                                                                         &d->artifact, err);
    if (status == AC_OK)
        status = interrupt_check(d->c, err);
    if (status == AC_OK) {
        progress("Deploying %s", d->project.name);
        status = submit(d, err);
        submitted = status == AC_OK;
    }
    if (status == AC_OK)
        status = wait_ready(d, err);
    if (status != AC_OK && status != AC_ERR_TIMEOUT)
        undo(d, submitted);
    if (interrupted() && status != AC_OK)
        status = interrupt_check(d->c, err);
    progress_end();
    TRY(service_explain(d->c, &d->service, status, err));
    TRY(remember(d, err));
    return report(d, err);
}

ac_status run_deploy(cli *c, ac_error *err)
{
    deployment d = {.c = c};
    ac_status status;

    interrupt_begin();
    status = deploy(&d, err);
    yyjson_doc_free(d.runtime);
    service_close(&d.service);
    project_done(&d.project);
    return status;
}
