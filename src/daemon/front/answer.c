/* answer.c - from a result to bytes: outputs and failures in the shape the table gives them, health and metrics. */
#include "daemon/front/front_internal.h"

#include "base/log.h"

#include <string.h>

void answer_head(front_job *job, const api_response *response, http_field fields[FRONT_HEADERS_MAX],
                 http_response *ret_head)
{
    *ret_head = (http_response){.status = response->status, .fields = fields};
    for (size_t i = 0; i < response->header_count; i++) {
        if (strcasecmp(response->headers[i].name, "Content-Type") == 0)
            ret_head->content_type = response->headers[i].value;
        else
            fields[ret_head->field_count++] = (http_field){response->headers[i].name, response->headers[i].value};
    }
    fields[ret_head->field_count++] = (http_field){"x-amzn-RequestId", job->request_id};
    job->status = response->status;
}

static void respond_bare(front_job *job, int code)
{
    job->status = code;
    http_respond_bare(job->exchange, code);
}

static void respond(front_job *job, api_response *response)
{
    http_field fields[FRONT_HEADERS_MAX];
    http_response head;

    answer_head(job, response, fields, &head);

    ac_status status = http_respond(job->exchange, &head, &response->body);
    if (status != AC_OK && status != AC_ERR_CLOSED) {
        ac_log_error("An answer could not be sent: %s", ac_status_text(status));
        respond_bare(job, 500);
    }
    api_response_done(response);
}

ac_status front_retryable(ac_error *err)
{
    if (err) {
        err->status = AC_ERR_AGAIN;
        snprintf(err->aws_name, sizeof err->aws_name, "RetryableConflictException");
    }
    return AC_ERR_AGAIN;
}

/* The exception that a handler has asked for.  ac_error_set puts the usual one of the status there, which says nothing
 * about this operation. */
static bool has_own_name(ac_status status, const ac_error *err)
{
    return status == err->status && err->aws_name[0] && strcmp(err->aws_name, ac_status_aws_name(status)) != 0;
}

const char *answer_failure_name(front_job *job, ac_status status, const ac_error *err)
{
    if (job->failure)
        return job->failure;
    if (has_own_name(status, err)) {
        snprintf(job->own_name, sizeof job->own_name, "%s", err->aws_name);
        job->failure = job->own_name;
    } else {
        job->failure = api_error_name(job->call.operation, status);
    }
    return job->failure;
}

void answer_failure(front_job *job, ac_status status, const ac_error *err)
{
    api_response response = {0};
    bool invalid = strcmp(answer_failure_name(job, status, err), "ValidationException") == 0;
    char summary[sizeof err->message];
    const char *message = err->message[0] ? err->message : ac_status_text(status);
    if (invalid && job->problems.count) {
        api_problems_text(&job->problems, summary, sizeof summary);
        message = summary;
    }
    api_failure failure = {
        .name = job->failure,
        .status = job->failure_status,
        .message = message,
        .reason = invalid ? (job->call.reason ? job->call.reason : "FieldValidationFailed") : NULL,
        .problems = job->problems.count ? &job->problems : NULL,
    };
    if (status == AC_ERR_INTERNAL || status == AC_ERR_IO || status == AC_ERR_NOMEM)
        ac_log_error("%s failed: %s", job->call.operation ? api_name(job->call.operation) : "A request", message);
    if (api_error_reply(&failure, &response) == AC_OK)
        respond(job, &response);
    else
        respond_bare(job, 500);
}

void answer_success(front_job *job)
{
    api_response response = {0};
    ac_error err = {.status = AC_OK};
    ac_status status = api_reply(job->call.operation, job->call.doc, FRONT_BODY_MAX, &response, &err);

    if (status == AC_OK)
        respond(job, &response);
    else
        answer_failure(job, status, &err);
}

/* ---- for whoever runs the daemon ---- */

static void respond_text(front_job *job, int status, const char *type, buf *text)
{
    job->status = status;
    if (http_respond(job->exchange, &(http_response){.status = status, .content_type = type}, text) == AC_ERR_NOMEM)
        respond_bare(job, 500);
}

static void answer_health(front_job *job)
{
    const front_options *o = &job->front->options;
    ac_error err = {.status = AC_OK};
    ac_status status = o->health ? o->health(o->user, &err) : AC_OK;
    buf text = BUF_INIT(4096);

    if (buf_append_text(&text, status == AC_OK ? "{\"status\":\"ok\"" : "{\"status\":\"failing\",\"reason\":") ==
            AC_OK &&
        (status == AC_OK || json_write_string(&text, err.message, strlen(err.message)) == AC_OK) &&
        buf_append(&text, "}", 1) == AC_OK)
        respond_text(job, status == AC_OK ? 200 : 503, "application/json", &text);
    else
        respond_bare(job, status == AC_OK ? 200 : 503);
    buf_done(&text);
}

static void answer_metrics(front_job *job)
{
    buf text = BUF_INIT((size_t)4 << 20);

    if (metrics_write(job->front, &text) == AC_OK)
        respond_text(job, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
    else
        respond_bare(job, 500);
    buf_done(&text);
}

bool answer_operator(front_job *job)
{
    bool get = strcmp(job->http->method, "GET") == 0 || job->http->head;

    if (get && strcmp(job->http->target, "/health") == 0)
        answer_health(job);
    else if (get && strcmp(job->http->target, "/metrics") == 0)
        answer_metrics(job);
    else
        return false;
    return true;
}
