/* runtimes_lab.c - the control plane of the runtime service for tests. */
#include "runtimes_lab.h"

#include "base/clock.h"
#include "base/log.h"
#include "daemon/runtime/room.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WAIT_MS 20000

lab_artifacts lab_found;
char lab_stopped[SESSION_OWNER_MAX + 64];
void (*lab_on_stop)(void);
void (*lab_on_written)(void);
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the first two, while jobs are running */

/* ---- imitations ---- */

static ac_status imitate(const char *asked, artifact *ret_artifact, ac_error *err)
{
    ac_status status = AC_OK;

    pthread_mutex_lock(&lock);
    lab_found.calls++;
    snprintf(lab_found.asked, sizeof lab_found.asked, "%s", asked);
    if (lab_found.failures != 0) {
        lab_found.failures -= lab_found.failures > 0;
        status = ac_error_set(err, lab_found.status, "%s", lab_found.message);
    } else {
        *ret_artifact = (artifact){.directory = "/nowhere"};
        memcpy(ret_artifact->digest, lab_found.digest, sizeof ret_artifact->digest);
    }
    void (*meanwhile)(void *user) = TAKE_PTR(lab_found.meanwhile);
    void *user = lab_found.user;
    pthread_mutex_unlock(&lock);
    if (meanwhile)
        meanwhile(user);
    return status;
}

ac_status __wrap_artifact_code_get(artifacts *all, const artifact_code *code, const char *digest, arena *memory,
                                   artifact *ret_artifact, ac_error *err) AC_MUST_USE;
ac_status __wrap_artifact_image_get(artifacts *all, const char *uri, const char *digest, arena *memory,
                                    artifact *ret_artifact, ac_error *err) AC_MUST_USE;
ac_status __wrap_artifacts_collect(artifacts *all, bool (*used)(const char *digest, void *user), void *user,
                                   ac_error *err) AC_MUST_USE;
void __wrap_sessions_stop_all(sessions *all, const char *kind, const char *owner_prefix, const char *version);
ac_status __real_store_write(store *s, store_fn fn, void *arg, ac_error *err) AC_MUST_USE;
ac_status __wrap_store_write(store *s, store_fn fn, void *arg, ac_error *err) AC_MUST_USE;

ac_status __wrap_artifact_code_get(artifacts *all, const artifact_code *code, const char *digest, arena *memory,
                                   artifact *ret_artifact, ac_error *err)
{
    char asked[512];

    (void)all;
    (void)digest;
    (void)memory;
    snprintf(asked, sizeof asked, "%s/%s@%s %s %s", code->bucket, code->key, code->version ? code->version : "-",
             code->entry_point ? code->entry_point[0] : "-",
             code->entry_point && code->entry_point[1] ? code->entry_point[1] : "-");
    return imitate(asked, ret_artifact, err);
}

ac_status __wrap_artifact_image_get(artifacts *all, const char *uri, const char *digest, arena *memory,
                                    artifact *ret_artifact, ac_error *err)
{
    (void)all;
    (void)digest;
    (void)memory;
    return imitate(uri, ret_artifact, err);
}

ac_status __wrap_artifacts_collect(artifacts *all, bool (*used)(const char *digest, void *user), void *user,
                                   ac_error *err)
{
    (void)all;
    (void)err;
    lab_found.collected++;
    for (size_t i = 0; i < ARRAY_SIZE(lab_found.unpacked); i++)
        lab_found.kept[i] = lab_found.unpacked[i] && used(lab_found.unpacked[i], user);
    return AC_OK;
}

void __wrap_sessions_stop_all(sessions *all, const char *kind, const char *owner_prefix, const char *version)
{
    (void)all;
    pthread_mutex_lock(&lock);
    snprintf(lab_stopped, sizeof lab_stopped, "%s %s %s", kind, owner_prefix, version ? version : "-");
    pthread_mutex_unlock(&lock);
    if (lab_on_stop)
        lab_on_stop();
}

ac_status __wrap_store_write(store *s, store_fn fn, void *arg, ac_error *err)
{
    ac_status status = __real_store_write(s, fn, arg, err);

    if (status == AC_OK && lab_on_written)
        lab_on_written();
    return status;
}

/* ---- life ---- */

int lab_set_up(void **state)
{
    lab *l = calloc(1, sizeof *l);
    void *inner;
    ac_error err;

    assert_non_null(l);
    assert_int_equal(rooms_set_up(&inner), 0);
    l->r = inner;
    ac_log_set_level(AC_LOG_ERROR); /* deployments are made to fail */
    l->config.account = ROOMS_ACCOUNT;
    l->config.region = ROOMS_REGION;
    l->daemon.config = &l->config;
    l->daemon.store = l->r->fixture->s;
    l->daemon.front = l->r->front;
    l->daemon.jwt = jwt_verifier_new(&(jwt_options){.allow_http = true});
    assert_non_null(l->daemon.jwt);
    l->r->front->options.jwt = l->daemon.jwt;
    lab_found = (lab_artifacts){.digest = "sha256:one"};
    lab_stopped[0] = '\0';
    assert_ok(runtime_open(&l->daemon, &l->room, &err));
    *state = l;
    return 0;
}

int lab_tear_down(void **state)
{
    lab *l = *state;
    void *inner = l->r;
    struct runtime_room *room = l->room;
    jwt_verifier *jwt = l->daemon.jwt;
    int result;

    lab_stop_jobs(l);
    result = rooms_tear_down(&inner);
    runtime_close(room);
    jwt_verifier_free(jwt);
    free(l);
    return result;
}

void lab_start_jobs(lab *l)
{
    ac_error err;

    if (!l->jobs)
        assert_ok(job_runner_start(l->daemon.store,
                                   &(job_runner_options){.handlers = l->daemon.job_handlers,
                                                         .handler_count = l->daemon.job_handler_count,
                                                         .poll_ms = 50,
                                                         .retry_ms = 10},
                                   &l->jobs, &err));
}

void lab_stop_jobs(lab *l)
{
    if (l->jobs)
        assert_true(job_runner_stop(TAKE_PTR(l->jobs), FIXTURE_STOP_MS));
}

/* ---- calls ---- */

const char *lab_input(lab *l, const char *name, const char *more)
{
    return rooms_format(l->r,
                        "{\"agentRuntimeName\": \"%s\", \"roleArn\": \"arn:aws:iam::123456789012:role/agent\","
                        " \"agentRuntimeArtifact\": {\"codeConfiguration\": {\"code\": {\"s3\": {\"bucket\": \"code\","
                        " \"prefix\": \"a/b.zip\"}}, \"runtime\": \"PYTHON_3_12\", \"entryPoint\": [\"main.py\"]}}%s}",
                        name, more);
}

const char *lab_about(lab *l, const char *id, const char *more)
{
    return rooms_format(l->r, "{\"agentRuntimeId\": \"%s\"%s}", id, more);
}

const char *lab_change(lab *l, const char *id, const char *more)
{
    return rooms_format(l->r,
                        "{\"agentRuntimeId\": \"%s\", \"roleArn\": \"arn:aws:iam::123456789012:role/agent\","
                        " \"agentRuntimeArtifact\": {\"containerConfiguration\": {\"containerUri\": \"agent:2\"}}%s}",
                        id, more);
}

const char *lab_create(lab *l, const char *name, const char *more)
{
    const char *id = text_of(rooms_good(l->r, "CreateAgentRuntime", lab_input(l, name, more)), "agentRuntimeId");

    lab_start_jobs(l);
    lab_wait(l, id, NULL, "READY");
    return id;
}

yyjson_mut_val *lab_wait(lab *l, const char *id, const char *endpoint, const char *status)
{
    const char *operation = endpoint ? "GetAgentRuntimeEndpoint" : "GetAgentRuntime";
    const char *more = endpoint ? rooms_format(l->r, ", \"endpointName\": \"%s\"", endpoint) : "";
    const char *input = lab_about(l, id, more);
    uint64_t end_ms = clock_monotonic_ms() + WAIT_MS;

    for (;;) {
        rooms_answer answer = rooms_call(l->r, operation, input);

        if (!status && answer.status == 404)
            return NULL;
        if (status && answer.status == 200 && strcmp(ac_json_string(answer.json, "status", ""), status) == 0)
            return rooms_good(l->r, operation, input);
        if (clock_monotonic_ms() > end_ms)
            fail_msg("not %s: %d %s", status ? status : "gone", answer.status, answer.body);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}
