/* agent_commands.c - looking at deployed agents, and ending them: list, status, stop-session, delete. */
#include "cli/deploy.h"
#include "cli/payload.h"
#include "cli/term.h"
#include "cli/text.h"

#include <agentcore/json.h>
#include <agentcore/runtime_client.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DELETE_SECONDS 300
#define POLL_MS 200

static const char *text_of(yyjson_val *object, const char *name)
{
    return textf("%s", ac_json_string(object, name, ""));
}

/* Milliseconds since 1970, as this place's clock shows it. */
static const char *time_text(yyjson_val *object, const char *name)
{
    time_t seconds = (time_t)(ac_json_int(object, name, 0) / 1000);
    struct tm parts;
    char text[32];

    if (seconds == 0 || !localtime_r(&seconds, &parts) || strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts) == 0)
        return "";
    return textf("%s", text);
}

/* ---- list ---- */

typedef struct listing {
    words cells;
    yyjson_mut_doc *doc;
    yyjson_mut_val *all;
} listing;

static bool list_one(yyjson_val *runtime, void *user)
{
    listing *l = user;
    static const char *const columns[] = {"agentRuntimeName", "status", "agentRuntimeVersion"};

    for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
        words_add(&l->cells, text_of(runtime, columns[i]));
    words_add(&l->cells, time_text(runtime, "lastUpdatedAt"));
    words_add(&l->cells, text_of(runtime, "agentRuntimeArn"));
    yyjson_mut_arr_append(l->all, yyjson_val_mut_copy(l->doc, runtime));
    return true;
}

ac_status run_list(cli *c, ac_error *err)
{
    static const char *const heading[] = {"NAME", "STATUS", "VERSION", "UPDATED", "ARN"};
    _cleanup_(service_close) service s = {0};
    listing l = {.doc = NULL};
    ac_status status;

    TRY(service_open(c, &s, err));
    l.doc = yyjson_mut_doc_new(NULL);
    l.all = yyjson_mut_arr(l.doc);
    for (size_t i = 0; i < ARRAY_SIZE(heading); i++)
        words_add(&l.cells, heading[i]);
    status = service_explain(c, &s, agents_each(&s, list_one, &l, err), err);
    if (status == AC_OK && flag(c, OPT_JSON))
        print_json_mut(l.all);
    else if (status == AC_OK && l.cells.count == ARRAY_SIZE(heading))
        remark("There are no agents yet; agentcore create NAME makes a project, agentcore deploy deploys it.");
    else if (status == AC_OK)
        print_table(l.cells.items, l.cells.count / ARRAY_SIZE(heading), ARRAY_SIZE(heading));
    yyjson_mut_doc_free(l.doc);
    return status == AC_OK ? print_end(err) : status;
}

/* ---- status ---- */

static ink ink_of(const char *status)
{
    return strcmp(status, "READY") == 0 ? INK_GREEN : strstr(status, "FAILED") ? INK_RED : INK_YELLOW;
}

static void print_row(const char *name, const char *value, ink colour)
{
    if (!*value)
        return;
    printf("%-12s%s", name, colour == INK_NONE ? "" : paint(stdout, colour));
    print_foreign(stdout, value, strlen(value));
    printf("%s\n", colour == INK_NONE ? "" : paint(stdout, INK_NONE));
}

static const char *artifact_text(yyjson_val *runtime)
{
    yyjson_val *artifact = yyjson_obj_get(runtime, "agentRuntimeArtifact");
    const char *uri = ac_json_string(yyjson_obj_get(artifact, "containerConfiguration"), "containerUri", NULL);
    yyjson_val *code = yyjson_obj_get(artifact, "codeConfiguration");
    yyjson_val *s3 = yyjson_obj_get(yyjson_obj_get(code, "code"), "s3");

    if (uri)
        return textf("image %s", uri);
    return code ? textf("code s3://%s/%s (%s)", ac_json_string(s3, "bucket", "?"), ac_json_string(s3, "prefix", "?"),
                        ac_json_string(code, "runtime", "?"))
                : "";
}

static void print_status(yyjson_val *runtime, yyjson_val *endpoint)
{
    const char *state = ac_json_string(runtime, "status", ""), *at = ac_json_string(endpoint, "status", "");
    const char *live = ac_json_string(endpoint, "liveVersion", ""), *name = ac_json_string(endpoint, "name", "");

    print_row("name", ac_json_string(runtime, "agentRuntimeName", ""), INK_BOLD);
    print_row("status", state, ink_of(state));
    print_row("reason", ac_json_string(runtime, "failureReason", ""), INK_NONE);
    print_row("version", ac_json_string(runtime, "agentRuntimeVersion", ""), INK_NONE);
    print_row("protocol", ac_json_string(yyjson_obj_get(runtime, "protocolConfiguration"), "serverProtocol", "HTTP"),
              INK_NONE);
    print_row("made of", artifact_text(runtime), INK_NONE);
    print_row("created", time_text(runtime, "createdAt"), INK_NONE);
    print_row("updated", time_text(runtime, "lastUpdatedAt"), INK_NONE);
    print_row("arn", ac_json_string(runtime, "agentRuntimeArn", ""), INK_NONE);
    if (*at)
        print_row("endpoint", textf("%s: %s, version %s", name, at, live), ink_of(at));
    else
        print_row("endpoint", ac_json_string(endpoint, "error", ""), INK_RED);
}

static ac_status local_status(cli *c, ac_error *err)
{
    local_service local;

    TRY(local_look(c, &local, err));
    if (!local.running)
        return fail_as(c, EXIT_UNREACHABLE, err, AC_ERR_STATE,
                       "agentcored is not running for %s; start it with: agentcore up", local.data_dir);
    if (flag(c, OPT_JSON)) {
        print_json_packed("{s:b, s:s, s:s, s:s, s:I}", "running", 1, "url", local.url, "region", local.region,
                          "dataDirectory", local.data_dir, "pid", (int64_t)local.pid);
    } else {
        printf("agentcored is ready on %s (process %ld), its data is in %s\n", local.url, local.pid, local.data_dir);
    }
    return print_end(err);
}

/* What the environment names, unless that is the agentcored of the data directory. */
static ac_status remote_status(cli *c, const service *s, ac_error *err)
{
    TRY(service_explain(c, s, ac_client_call_pack(s->client, "ListAgentRuntimes", NULL, err, "{s:i}", "maxResults", 1),
                        err));
    if (flag(c, OPT_JSON))
        print_json_packed("{s:b, s:s}", "running", 1, "url", s->url);
    else
        printf("%s answers; the environment names it\n", s->url);
    return print_end(err);
}

static ac_status service_status(cli *c, ac_error *err)
{
    _cleanup_(service_close) service s = {0};

    if (flag(c, OPT_DATA_DIR) || !service_in_environment())
        return local_status(c, err);
    TRY(service_open(c, &s, err));
    return s.data_dir ? local_status(c, err) : remote_status(c, &s, err);
}

ac_status run_status(cli *c, ac_error *err)
{
    _cleanup_(service_close) service s = {0};
    const char *name = c->argument_count ? c->arguments[0] : NULL, *own = NULL;
    yyjson_doc *both = NULL;
    agent a;

    if (!name)
        TRY(project_name("local", &own, NULL, err));
    if (!name && !own && !flag(c, OPT_AWS))
        return service_status(c, err);
    TRY(service_open(c, &s, err));
    TRY(agent_find(c, &s, name, &a, err));
    TRY(service_explain(c, &s, ac_runtime_status(s.client, a.id, option(c, OPT_QUALIFIER), &both, err), err));
    yyjson_val *runtime = yyjson_obj_get(yyjson_doc_get_root(both), "runtime");
    yyjson_val *endpoint = yyjson_obj_get(yyjson_doc_get_root(both), "endpoint");
    const char *missing = ac_json_string(runtime, "error", NULL);
    const char *unknown = flag(c, OPT_QUALIFIER) ? ac_json_string(endpoint, "error", NULL) : NULL;
    ac_status status = AC_OK;
    if (flag(c, OPT_JSON))
        print_json(yyjson_doc_get_root(both));
    else if (!missing)
        print_status(runtime, endpoint);
    if (missing)
        status = fail_as(c, EXIT_ABSENT, err, AC_ERR_NOT_FOUND, "%s; agentcore list shows what there is", missing);
    else if (unknown)
        status = fail_as(c, EXIT_ABSENT, err, AC_ERR_NOT_FOUND, "%s", unknown);
    yyjson_doc_free(both);
    return status == AC_OK ? print_end(err) : status;
}

/* ---- stop-session ---- */

ac_status run_stop_session(cli *c, ac_error *err)
{
    _cleanup_(service_close) service s = {0};
    const char *session = c->arguments[c->argument_count - 1];
    const char *name = c->argument_count == 2 ? c->arguments[0] : NULL;
    ac_runtime_options options = {.qualifier = option(c, OPT_QUALIFIER)};
    agent a;

    TRY(bearer_get(c, &options.bearer_token, err));
    TRY(service_open(c, &s, err));
    TRY(agent_find(c, &s, name, &a, err));
    TRY(service_explain(c, &s, ac_runtime_stop_session(s.client, a.arn, session, &options, err), err));
    if (flag(c, OPT_JSON))
        print_json_packed("{s:b}", "stopped", 1);
    else
        remark("The session has ended.");
    return print_end(err);
}

/* ---- delete ---- */

static ac_status confirm(cli *c, const agent *a, ac_error *err)
{
    char answer[8] = "";

    if (flag(c, OPT_YES))
        return AC_OK;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return usage_error(c, err, "to delete %s without being asked, say --yes", a->name);
    fprintf(stderr, "Delete %s, its endpoints and sessions? [y/N] ", a->name);
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return AC_OK;
    return ac_error_set(err, AC_ERR_STATE, "nothing was deleted");
}

/* All endpoints but DEFAULT, which goes with the runtime.  Listed to the end first, as a token need not survive what is
 * deleted. */
static ac_status list_endpoints(const service *s, const agent *a, words *names, ac_error *err)
{
    const char *token = NULL;

    do {
        yyjson_doc *page = NULL;
        size_t i, count;
        yyjson_val *each;

        TRY(ac_client_call_pack(s->client, "ListAgentRuntimeEndpoints", &page, err, "{s:s, s:i, s:s?}",
                                "agentRuntimeId", a->id, "maxResults", 100, "nextToken", token));
        yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(page), "runtimeEndpoints"), i, count, each)
        {
            if (strcmp(ac_json_string(each, "name", ""), "DEFAULT") != 0)
                words_add(names, text_of(each, "name"));
        }
        token = text_of(yyjson_doc_get_root(page), "nextToken");
        token = *token ? token : NULL;
        yyjson_doc_free(page);
    } while (token);
    return AC_OK;
}

static ac_status delete_endpoints(const service *s, const agent *a, const ac_runtime_wait_options *wait, ac_error *err)
{
    words names = {0};

    TRY(list_endpoints(s, a, &names, err));
    for (size_t i = 0; i < names.count; i++)
        TRY(ac_runtime_delete_endpoint_and_wait(s->client, a->id, names.items[i], wait, err));
    return AC_OK;
}

static ac_status delete (const service *s, const agent *a, const ac_runtime_wait_options *wait, ac_error *err)
{
    yyjson_doc *runtime = NULL;
    ac_status status;

    TRY(ac_client_call_pack(s->client, "GetAgentRuntime", &runtime, err, "{s:s}", "agentRuntimeId", a->id));
    status = delete_endpoints(s, a, wait, err);
    if (status == AC_OK)
        status = ac_runtime_delete_and_wait(s->client, a->id, wait, err);
    if (status == AC_OK)
        artifact_remove_local(s, yyjson_doc_get_root(runtime));
    yyjson_doc_free(runtime);
    return status;
}

/* A wait that was too short is not a service that does not answer. */
static ac_status explain_timeout(cli *c, const service *s, const agent *a, ac_error *err)
{
    ac_error mine = {.status = AC_OK};

    if (ac_client_call_pack(s->client, "GetAgentRuntime", NULL, &mine, "{s:s}", "agentRuntimeId", a->id) != AC_OK &&
        mine.http_status == 0)
        return service_explain(c, s, AC_ERR_TIMEOUT, err);
    return fail_as(c, EXIT_FAILED, err, AC_ERR_TIMEOUT,
                   "%s is not deleted yet (%s); agentcore status %s shows what it does", a->name,
                   textf("%s", err->message), a->name);
}

/* Forget the deployment when it is this directory's. */
static ac_status forget(cli *c, const service *s, const agent *a, ac_error *err)
{
    static const char *const nothing[] = {NULL};
    const char *where = s->place == PLACE_AWS ? "aws" : "local", *name = NULL, *arn = NULL;
    project p = {0};

    TRY(project_name(where, &name, &arn, err));
    if (!arn || strcmp(arn, a->arn) != 0)
        return AC_OK;
    ac_status status = project_load(c, &p, err);
    if (status == AC_OK)
        status = project_remember(&p, where, nothing, err);
    project_done(&p);
    return status;
}

ac_status run_delete(cli *c, ac_error *err)
{
    _cleanup_(service_close) service s = {0};
    ac_runtime_wait_options wait = {.poll_interval_ms = POLL_MS};
    ac_status status;
    long seconds;
    agent a;

    TRY(option_number(c, OPT_TIMEOUT, 1, 86400, DELETE_SECONDS, &seconds, err));
    wait.max_wait_s = (unsigned)seconds;
    TRY(service_open(c, &s, err));
    TRY(agent_find(c, &s, c->argument_count ? c->arguments[0] : NULL, &a, err));
    TRY(confirm(c, &a, err));
    progress("Deleting %s", a.name);
    if (s.place == PLACE_AWS)
        wait.poll_interval_ms = 0;
    status = delete (&s, &a, &wait, err);
    TRY(status == AC_ERR_TIMEOUT ? explain_timeout(c, &s, &a, err) : service_explain(c, &s, status, err));
    progress_end();
    TRY(forget(c, &s, &a, err));
    if (flag(c, OPT_JSON))
        print_json_packed("{s:s}", "deleted", a.arn);
    else
        printf("%s is deleted\n", a.name);
    return print_end(err);
}
