/* front.c - a request's way through the front.
 *
 *     loop: on_request -> worker: routed, authenticated, collected, validated, handled, answered
 *
 * The order is fixed: nothing of a body is parsed before its sender is known, and no handler sees an input that the
 * table does not allow.  Which operation is meant is found out before the caller is asked who he is, since bearer
 * tokens are good for some resources only; but the answer to a caller who is nobody does not depend on it. */
#include "daemon/front/front_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define ACCESS_LINE_MAX 16384 /* bytes of an access line */
#define ACCESS_TEXT_MAX 2048  /* of one text in it */

/* ---- life ---- */

static void on_request(http_exchange *x, void *user);

static void on_server_ready(http_server *server, void *user)
{
    front *f = user;

    (void)server;
    if (f->on_ready)
        f->on_ready(f->on_ready_user);
}

front *front_new(const front_options *options)
{
    front *f = calloc(1, sizeof *f);

    if (!f)
        return NULL;
    f->options = *options;
    f->options.region = strdup(options->region);
    f->options.account = strdup(options->account);
    f->server = http_server_new(&options->server, &(http_service){on_request, on_server_ready, f});
    if (!f->options.region || !f->options.account || !f->server) {
        front_free(f);
        return NULL;
    }
    return f;
}

void front_free(front *f)
{
    if (!f)
        return;
    http_server_free(f->server);
    free((char *)f->options.region);
    free((char *)f->options.account);
    free(f);
}

ac_status front_register(front *f, const front_operation *operations, size_t count, void *room)
{
    for (size_t i = 0; i < count; i++) {
        registration *r = &f->operations[operations[i].id];

        if (r->handle)
            return AC_ERR_CONFLICT;
        *r = (registration){operations[i].handle, operations[i].authorize, operations[i].closed_to_agents, room};
    }
    return AC_OK;
}

ac_status front_listen(front *f, ac_error *err)
{
    return http_server_listen(f->server, err);
}

int front_port(const front *f)
{
    return http_server_port(f->server);
}

ac_status front_run(front *f, void (*on_ready)(void *user), void *user, ac_error *err)
{
    f->on_ready = on_ready;
    f->on_ready_user = user;
    return http_server_run(f->server, true, err);
}

void front_stop(front *f)
{
    http_server_stop(f->server);
}

void front_adopt(front *f, int fd)
{
    http_server_adopt(f->server, fd);
}

/* ---- one request ---- */

static ac_status find_operation(front_job *job, ac_error *err)
{
    const http_request *r = job->http;
    api_method method;

    if (api_method_find(r->method, strlen(r->method), &method)) {
        switch (api_route_find(method, r->target, strlen(r->target), &job->route)) {
        case API_ROUTE_FOUND:
            job->call.operation = job->route.op;
            job->call.route = &job->route;
            return AC_OK;
        case API_ROUTE_METHOD:
            return ac_error_set(err, AC_ERR_UNSUPPORTED, "No operation has the method %s at this path", r->method);
        default:
            break;
        }
    }
    return ac_error_set(err, AC_ERR_UNSUPPORTED, "No operation has this path");
}

static const registration *registered(const front_job *job)
{
    const api_operation *op = job->call.operation;
    const registration *r = op->described ? &job->front->operations[api_id_of(op)] : NULL;

    return r && r->handle ? r : NULL;
}

/* A header with exactly this name: api_collect asks for a few. */
static const char *header_of(void *data, const char *name, size_t *ret_length)
{
    const char *value = http_exchange_header(data, name);

    *ret_length = value ? strlen(value) : 0;
    return value;
}

static ac_status collect(front_job *job, ac_error *err)
{
    const http_request *r = job->http;
    api_source source = {
        .query = r->query,
        .query_length = r->query ? strlen(r->query) : 0,
        .header = header_of,
        .data = job->exchange,
        .body = r->body,
        .body_length = r->body_length,
    };
    ac_status status = api_collect(&job->route, &source, &job->input, err);

    if (status == AC_ERR_PROTOCOL) {
        job->failure = "ValidationException";
        job->call.reason = "CannotParse";
    }
    if (status != AC_OK)
        return status;
    status = api_validate(job->call.operation, &job->input, &job->problems, err);
    if (status == AC_ERR_INVALID) {
        job->failure = "ValidationException";
        job->call.reason = "FieldValidationFailed";
    }
    if (status != AC_OK)
        return status;
    job->call.input = yyjson_mut_doc_get_root(job->input.doc);
    job->call.payload = job->input.payload;
    return AC_OK;
}

static ac_status prepare_output(front_job *job, ac_error *err)
{
    job->call.doc = yyjson_mut_doc_new(NULL);
    job->call.output = yyjson_mut_obj(job->call.doc);
    if (!job->call.output)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    yyjson_mut_doc_set_root(job->call.doc, job->call.output);
    return AC_OK;
}

static ac_status perform(front_job *job, ac_error *err)
{
    ac_status found = find_operation(job, err);
    const registration *r;

    if (found == AC_OK && job->call.operation->described) {
        r = registered(job);
        job->call.room = r ? r->room : NULL;
    }
    AC_TRY(auth_check(job, found == AC_OK ? err : NULL));
    if (found != AC_OK) {
        job->failure = "UnknownOperationException";
        job->failure_status = 404;
        return found;
    }
    r = registered(job);
    if (!r) {
        job->failure = "NotImplementedException";
        job->failure_status = 501;
        return ac_error_set(err, AC_ERR_UNSUPPORTED, "%s is an AgentCore operation that agentcored does not serve",
                            api_name(job->call.operation));
    }
    if (r->closed_to_agents && job->call.caller.lent)
        return ac_error_set(err, AC_ERR_DENIED, "The credentials of a deployed agent do not allow %s",
                            api_name(job->call.operation));
    AC_TRY(collect(job, err));
    AC_TRY(prepare_output(job, err));
    return r->handle(&job->call, err);
}

static ac_status add_member(buf *out, const char *name, const char *text)
{
    AC_TRY(buf_appendf(out, ", \"%s\": ", name));
    return json_write_string(out, text, strnlen(text, ACCESS_TEXT_MAX));
}

static void log_access(const front_job *job, uint64_t duration_us)
{
    const front_call *call = &job->call;
    const char *operation = call->operation ? api_name(call->operation) : "none";
    const char *who = call->caller.access_key ? call->caller.access_key
                      : job->claims           ? jwt_claims_subject(job->claims)
                                              : NULL;
    _cleanup_(buf_done) buf members = BUF_INIT(ACCESS_LINE_MAX);

    if (add_member(&members, "method", job->http->method) != AC_OK ||
        add_member(&members, "path", job->http->target) != AC_OK ||
        buf_appendf(&members, ", \"status\": %d, \"durationMs\": %.3f, \"bytesIn\": %zu", job->status,
                    (double)duration_us / 1000, job->http->body_length) != AC_OK ||
        (who && add_member(&members, "caller", who) != AC_OK) ||
        (job->failure && add_member(&members, "error", job->failure) != AC_OK) || !buf_terminate(&members))
        return;
    log_with_members(operation, members.data);
}

static void end_job(front_job *job)
{
    uint64_t duration_us = (clock_monotonic_ns() - job->http->arrived_ns) / 1000;
    front *f = job->front;

    metrics_count(&f->metrics, job->call.operation, job->status, duration_us);
    if (f->options.access_log)
        log_access(job, duration_us);
    atomic_fetch_sub(&f->metrics.in_flight, 1);
    api_input_done(&job->input);
    api_problems_done(&job->problems);
    jwt_claims_free(job->claims);
    yyjson_mut_doc_free(job->call.doc);
    http_exchange_unref(job->exchange);
}

/* Whoever is last ends the job. */
static void drop_job(front_job *job)
{
    if (atomic_fetch_sub_explicit(&job->parts, 1, memory_order_acq_rel) == 1)
        end_job(job);
}

void front_keep(front_call *call)
{
    front_job *job = CONTAINER_OF(call, front_job, call);

    call->answered = true;
    atomic_fetch_add_explicit(&job->parts, 1, memory_order_relaxed);
}

void front_end(front_call *call, int http_status, const char *failure)
{
    front_job *job = CONTAINER_OF(call, front_job, call);

    job->status = http_status;
    job->failure = failure;
    log_set_ids(job->request_id, NULL);
    drop_job(job);
    log_set_ids(NULL, NULL);
}

void front_end_failed(front_call *call, ac_status status, const ac_error *err)
{
    front_job *job = CONTAINER_OF(call, front_job, call);

    log_set_ids(job->request_id, NULL);
    answer_failure(job, status, err);
    drop_job(job);
    log_set_ids(NULL, NULL);
}

static void run_job(workers_job *work)
{
    front_job *job = CONTAINER_OF(work, front_job, job);
    ac_error err = {.status = AC_OK};

    log_set_ids(job->request_id, NULL);
    if (!answer_operator(job)) {
        ac_status status = perform(job, &err);

        if (status != AC_OK)
            answer_failure(job, status, &err);
        else if (!job->call.answered)
            answer_success(job);
    }
    drop_job(job);
    log_set_ids(NULL, NULL);
}

/* No memory for a job, or no thread: say so with the least that can be said. */
static void refuse(http_exchange *x, int status)
{
    http_respond_bare(x, status);
    http_exchange_unref(x);
}

static void on_request(http_exchange *x, void *user)
{
    front *f = user;
    front_job *job = arena_zalloc(http_exchange_arena(x), sizeof *job);

    if (!job) {
        refuse(x, 500);
        return;
    }
    job->job.run = run_job;
    atomic_init(&job->parts, 1);
    job->front = f;
    job->exchange = job->call.exchange = x;
    job->http = http_exchange_request(x);
    job->call.memory = http_exchange_arena(x);
    job->problems = API_PROBLEMS_INIT;
    uuid_v4(job->request_id);
    job->call.request_id = job->request_id;
    atomic_fetch_add(&f->metrics.in_flight, 1);
    if (workers_submit(f->options.workers, &job->job) != AC_OK) {
        atomic_fetch_sub(&f->metrics.in_flight, 1);
        refuse(x, 503);
    }
}

/* ---- for handlers ---- */

yyjson_mut_val *front_value(const front_call *call, const char *member)
{
    return yyjson_mut_obj_get(call->input, member);
}

const char *front_text(const front_call *call, const char *member)
{
    return yyjson_mut_get_str(front_value(call, member));
}

int64_t front_int(const front_call *call, const char *member, int64_t fallback)
{
    yyjson_mut_val *value = front_value(call, member);

    return yyjson_mut_is_int(value) ? yyjson_mut_get_sint(value) : fallback;
}

const store *front_store(const front_call *call)
{
    return CONTAINER_OF(call, const front_job, call)->front->options.store;
}

static ac_status added(bool well, ac_error *err)
{
    return well ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

ac_status front_add_text(front_call *call, const char *member, const char *text, ac_error *err)
{
    return added(yyjson_mut_obj_add_strcpy(call->doc, call->output, member, text), err);
}

ac_status front_add_time(front_call *call, const char *member, int64_t unix_ms, ac_error *err)
{
    return added(yyjson_mut_obj_add_sint(call->doc, call->output, member, unix_ms), err);
}

ac_status front_add_value(front_call *call, const char *member, yyjson_mut_val *value, ac_error *err)
{
    return added(value && yyjson_mut_obj_add_val(call->doc, call->output, member, value), err);
}
