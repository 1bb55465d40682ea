/* plan.c - from a version's configuration to the sandbox that its sessions run in.
 *
 * Code lies at /var/task and runs with the machine's interpreter: the one of the version that was asked for, or the
 * machine's own when there is none of it.  An image is the whole root, and runs what its config says.
 *
 * The environment is the declared one, over an image's own, over what AWS's runtime gives its containers: region,
 * credentials (lent_keys.h) and where the services are (agentcored itself, at a port of the sandbox's loopback). */
#include "daemon/runtime/runtime.h"

#include "aws/uri.h"
#include "base/buf.h"
#include "base/clock.h"
#include "daemon/front/lent_keys.h"

#include <string.h>
#include <sys/stat.h>

#define TASK_DIRECTORY "/var/task"
#define AGENT_HOME "/home/agent"
#define AGENT_ID 1000
#define SERVICE_PORT 8484
#define SERVICE_URL "http://127.0.0.1:8484"
#define CREDENTIALS_SPARE_S 4000 /* beyond a session's life: a warm one of an old plan is an hour older than its life */
#define WORDS_MAX SANDBOX_WORDS_MAX

/* Texts that end with NULL. */
typedef struct words {
    arena *memory;
    const char *items[WORDS_MAX + 1];
    size_t count;
    ac_status status; /* of what was added so far */
} words;

static void add(words *w, const char *text)
{
    if (w->count >= WORDS_MAX)
        w->status = AC_ERR_TOO_LARGE;
    else if (!text)
        w->status = AC_ERR_NOMEM;
    else
        w->items[w->count++] = text;
}

/* A variable, in place of one of the same name. */
static void set(words *w, const char *name, const char *value)
{
    size_t length = strlen(name);
    const char *text = arena_format(w->memory, "%s=%s", name, value);

    for (size_t i = 0; i < w->count && text; i++)
        if (strncmp(w->items[i], name, length) == 0 && w->items[i][length] == '=') {
            w->items[i] = text;
            return;
        }
    add(w, text);
}

static ac_status keep(words *w, const char *what, const char *const **ret_items, ac_error *err)
{
    const char **items;

    if (w->status != AC_OK)
        return ac_error_set(err, w->status, "the agent's %s: %s", what, ac_status_text(w->status));
    items = arena_alloc(w->memory, (w->count + 1) * sizeof *items);
    if (!items)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    memcpy(items, w->items, w->count * sizeof *items);
    items[w->count] = NULL;
    *ret_items = items;
    return AC_OK;
}

/* ---- code ---- */

static bool is_file(const char *path)
{
    struct stat info;

    return path && stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* In the places that are seen inside every sandbox; NULL: it is in none. */
static const char *find_program(arena *memory, const char *name)
{
    static const char *const places[] = {"/usr/local/bin", "/usr/bin"};

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        const char *path = arena_format(memory, "%s/%s", places[i], name);

        if (is_file(path))
            return path;
    }
    return NULL;
}

/* PYTHON_3_12, NODE_22. */
static ac_status find_interpreter(const char *runtime, arena *memory, const char **ret_path, ac_error *err)
{
    bool python = strncmp(runtime, "PYTHON_3_", 9) == 0;
    const char *exact = python ? arena_format(memory, "python3.%s", runtime + 9)
                               : arena_format(memory, "node%s", strncmp(runtime, "NODE_", 5) == 0 ? runtime + 5 : "");
    const char *own = python ? "python3" : "node";

    *ret_path = exact ? find_program(memory, exact) : NULL;
    if (!*ret_path)
        *ret_path = find_program(memory, own);
    if (!*ret_path)
        return ac_error_set(err, AC_ERR_UNSUPPORTED,
                            "The agent needs %s, and this machine has none in /usr/bin or /usr/local/bin", own);
    return AC_OK;
}

/* ["main.py"], or a program of the code's own bin/ in front: ["opentelemetry-instrument", "main.py"]. */
static void add_entry_point(words *argv, const artifact *code, yyjson_val *entry_point)
{
    yyjson_val *word;
    size_t i, count;

    yyjson_arr_foreach(entry_point, i, count, word)
    {
        const char *text = yyjson_get_str(word);
        const char *tool = i == 0 && count > 1 ? arena_format(argv->memory, "bin/%s", text) : NULL;

        if (tool && is_file(arena_format(argv->memory, "%s/%s", code->directory, tool)))
            text = tool;
        add(argv, text);
    }
}

static ac_status plan_code(arena *memory, yyjson_val *code, const artifact *found, session_plan *plan, words *env,
                           ac_error *err)
{
    const char *runtime = yyjson_get_str(yyjson_obj_get(code, "runtime"));
    sandbox_mount *mount = arena_zalloc(memory, sizeof *mount);
    words *argv = arena_zalloc(memory, sizeof *argv);
    const char *interpreter;

    if (!mount || !argv)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    AC_TRY(find_interpreter(runtime ? runtime : "", memory, &interpreter, err));
    argv->memory = memory;
    add(argv, interpreter);
    add_entry_point(argv, found, yyjson_obj_get(code, "entryPoint"));
    *mount = (sandbox_mount){.source = found->directory, .target = TASK_DIRECTORY};
    plan->sandbox.mounts = mount;
    plan->sandbox.mount_count = 1;
    plan->sandbox.directory = TASK_DIRECTORY;
    set(env, "PATH", TASK_DIRECTORY "/bin:/usr/local/bin:/usr/bin:/bin");
    set(env, "PYTHONPATH", TASK_DIRECTORY);
    set(env, "PYTHONUNBUFFERED", "1"); /* its log lines are to be seen when they are written */
    set(env, "PYTHONDONTWRITEBYTECODE", "1");
    set(env, "NODE_PATH", TASK_DIRECTORY "/node_modules");
    return keep(argv, "command line", &plan->sandbox.argv, err);
}

/* ---- images ---- */

static ac_status plan_image(const artifact *found, session_plan *plan, words *env, ac_error *err)
{
    if (!found->argv || !found->argv[0])
        return ac_error_set(err, AC_ERR_INVALID, "The image says neither Entrypoint nor Cmd: there is nothing to run");
    plan->sandbox.root = found->directory;
    plan->sandbox.argv = found->argv;
    plan->sandbox.directory = found->working_directory;
    if (found->uid)
        plan->sandbox.uid = found->uid;
    if (found->gid)
        plan->sandbox.gid = found->gid;
    for (size_t i = 0; found->environment && found->environment[i]; i++)
        add(env, found->environment[i]);
    return AC_OK;
}

/* ---- both ---- */

static ac_status add_credentials(const runtime_room *room, const runtime_target *target, words *env, ac_error *err)
{
    _cleanup_(lent_key_done) lent_key key = {0};
    int64_t now_s = clock_unix_ms() / 1000;

    AC_TRY(lent_key_make(room->store, target->account, now_s + target->life_s + CREDENTIALS_SPARE_S, &key, err));
    set(env, "AWS_ACCESS_KEY_ID", key.access_key);
    set(env, "AWS_SECRET_ACCESS_KEY", key.secret);
    set(env, "AWS_SESSION_TOKEN", key.token.data);
    return AC_OK;
}

/* Where an A2A agent is reached: its card says so. */
static ac_status add_url(const runtime_room *room, const runtime_target *target, words *env, ac_error *err)
{
    _cleanup_(buf_done) buf arn = BUF_INIT(4096);
    const char *text = arena_format(env->memory, "arn:aws:bedrock-agentcore:%s:%s:runtime/%s",
                                    room->daemon->config->region, target->account, target->id);

    if (!text || uri_encode(&arn, text, strlen(text), URI_ENCODE_SLASH) != AC_OK || !buf_terminate(&arn))
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    text = arena_format(env->memory, "%s/runtimes/%s/invocations/", room->daemon->url, arn.data);
    set(env, "AGENTCORE_RUNTIME_URL", text ? text : "");
    return AC_OK;
}

static ac_status add_environment(const runtime_room *room, const runtime_target *target, words *env, ac_error *err)
{
    yyjson_val *declared = yyjson_obj_get(target->configuration, "environmentVariables");
    yyjson_val *name, *value;
    size_t i, count;

    set(env, "AWS_REGION", room->daemon->config->region);
    set(env, "AWS_DEFAULT_REGION", room->daemon->config->region);
    set(env, "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", SERVICE_URL);
    set(env, "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL", SERVICE_URL);
    AC_TRY(add_url(room, target, env, err));
    /* Somebody who brings credentials of his own is not to get a session token beside them. */
    if (!yyjson_obj_get(declared, "AWS_ACCESS_KEY_ID"))
        AC_TRY(add_credentials(room, target, env, err));
    yyjson_obj_foreach(declared, i, count, name, value) set(env, yyjson_get_str(name), yyjson_get_str(value));
    return AC_OK;
}

static ac_status find_artifact(const runtime_plan_request *request, arena *memory, artifact *ret_artifact,
                               ac_error *err)
{
    const runtime_target *target = request->target;
    yyjson_val *given = yyjson_obj_get(target->configuration, "agentRuntimeArtifact");
    yyjson_val *code = yyjson_obj_get(given, "codeConfiguration");
    yyjson_val *image = yyjson_obj_get(given, "containerConfiguration");
    yyjson_val *s3 = yyjson_obj_get(yyjson_obj_get(code, "code"), "s3");
    const artifact_code where = {
        .bucket = yyjson_get_str(yyjson_obj_get(s3, "bucket")),
        .key = yyjson_get_str(yyjson_obj_get(s3, "prefix")),
        .version = yyjson_get_str(yyjson_obj_get(s3, "versionId")),
    };
    ac_status status;

    /* Another daemon may have deployed the version since a collecting here has looked which there are. */
    pthread_rwlock_rdlock(&request->room->artifacts_lock);
    if (code)
        status = artifact_code_get(request->room->artifacts, &where, target->digest, memory, ret_artifact, err);
    else
        status = artifact_image_get(request->room->artifacts, yyjson_get_str(yyjson_obj_get(image, "containerUri")),
                                    target->digest, memory, ret_artifact, err);
    pthread_rwlock_unlock(&request->room->artifacts_lock);
    return status;
}

static void plan_service(const runtime_target *target, const config *c, session_plan *plan)
{
    static const struct {
        uint16_t port;
        const char *health;
    } services[] = {
        [RUNTIME_HTTP] = {8080, "/ping"},
        [RUNTIME_MCP] = {8000, NULL},
        [RUNTIME_A2A] = {9000, "/ping"},
        [RUNTIME_AGUI] = {8080, "/ping"},
    };

    plan->port = services[target->protocol].port;
    plan->health_path = services[target->protocol].health;
    plan->version = target->version;
    plan->start_ms = (unsigned)c->session_start_ms;
    plan->idle_ms = target->idle_s * 1000;
    plan->life_ms = target->life_s * 1000;
    plan->warm = (unsigned)c->session_warm;
    plan->sandbox.home = AGENT_HOME;
    plan->sandbox.uid = plan->sandbox.gid = AGENT_ID;
    plan->sandbox.network = c->session_network ? SANDBOX_NETWORK_PUBLIC : SANDBOX_NETWORK_NONE;
    plan->sandbox.service_port = SERVICE_PORT;
    plan->sandbox.limits = (sandbox_limits){
        .memory_bytes = (uint64_t)c->session_memory_bytes,
        .disk_bytes = (uint64_t)c->session_disk_bytes,
        .processes = (unsigned)c->session_processes,
        .cpu_percent = (unsigned)c->session_cpu_percent,
    };
}

ac_status runtime_plan(void *user, arena *memory, session_plan *ret_plan, ac_error *err)
{
    const runtime_plan_request *request = user;
    const runtime_target *target = request->target;
    words *env = arena_zalloc(memory, sizeof *env);
    session_plan plan = {0};
    artifact found;

    if (!env)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    env->memory = memory;
    /* The plan quotes it, and lives longer than the request. */
    AC_TRY(runtime_target_bind(runtime_target_ref(target), memory, err));
    AC_TRY(find_artifact(request, memory, &found, err));
    plan_service(target, request->room->daemon->config, &plan);
    plan.log_name = arena_format(memory, "runtimes/%s/%s", target->id, target->endpoint);
    plan.pool = arena_format(memory, "%s/%s/%s", target->owner, target->version, target->digest);
    if (!plan.log_name || !plan.pool)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    set(env, "LANG", "C.UTF-8");
    if (found.image)
        AC_TRY(plan_image(&found, &plan, env, err));
    else
        AC_TRY(plan_code(
            memory, yyjson_obj_get(yyjson_obj_get(target->configuration, "agentRuntimeArtifact"), "codeConfiguration"),
            &found, &plan, env, err));
    AC_TRY(add_environment(request->room, target, env, err));
    AC_TRY(keep(env, "environment", &plan.sandbox.environment, err));
    *ret_plan = plan;
    return AC_OK;
}
