/* invocation.c - from a call to an agent's answer.
 *
 * What goes wrong on the way there is the daemon's exception; what goes wrong inside the agent is RuntimeClientError
 * (424) with the agent's own words: its error body, or, when it died or never answered, the last lines that it wrote.
 *
 * An agent may have died just before a request for it comes, and its end not have been told yet.  A request of which it
 * has seen nothing goes to the session's next life then. */
#include "daemon/runtime/invocation.h"

#include "base/json.h"
#include "base/log.h"
#include "base/uuid.h"
#include "daemon/front/peer.h"

#include <string.h>

#define OVER_WAIT_MS 3000     /* for the news that the agent has died, after its connection broke */
#define QUOTED_BYTES_MAX 2000 /* of the agent's error body */
#define COLLECT_BYTES_MAX 65536

static ac_status relay(invocation *in, ac_error *err);

/* ---- target and session ---- */

/* Whether what was deployed does not start: AC_ERR_INVALID and AC_ERR_NOT_FOUND say that there is no sandbox to be made
 * of it, or no program to be run. */
static bool is_agents_fault(ac_status status)
{
    return status == AC_ERR_TIMEOUT || status == AC_ERR_CLOSED || status == AC_ERR_INVALID ||
           status == AC_ERR_NOT_FOUND;
}

static ac_status acquire(invocation *in, session_peer *ret_peer, ac_error *err)
{
    runtime_plan_request plan = {.room = in->room, .target = in->target};
    const session_request request = {
        .key = {RUNTIME_SESSION_KIND, in->target->owner, in->session_id},
        .prepare = runtime_plan,
        .user = &plan,
        .stay_here = in->call->caller.passed_on || in->again,
    };
    ac_status status = session_acquire(in->room->sessions, &request, &in->session, ret_peer, err);

    if (is_agents_fault(status))
        return ac_error_set(err, AC_ERR_HANDLER, "%s", err && err->message[0] ? err->message : ac_status_text(status));
    if (status == AC_ERR_AGAIN && !ret_peer->url[0]) {
        ac_error_set(err, AC_ERR_AGAIN, "The session is being stopped; try again");
        return front_retryable(err);
    }
    return status;
}

ac_status invocation_open(front_call *call, const char *session_id, invocation **ret_invocation, ac_error *err)
{
    _cleanup_(invocation_dropp) invocation *in = arena_zalloc(call->memory, sizeof *in);
    session_peer peer = {""};
    ac_status status;
    char *made;

    *ret_invocation = NULL;
    if (!in)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    in->call = call;
    in->room = call->room;
    in->session_id = session_id;
    if (!session_id) {
        made = arena_zalloc(call->memory, UUID_SIZE);
        if (!made)
            return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
        uuid_v4(made);
        in->session_id = made;
    }
    AC_TRY(runtime_target_find(in->room, call, front_text(call, "agentRuntimeArn"), front_text(call, "qualifier"),
                               front_text(call, "accountId"), &in->target, err));
    status = acquire(in, &peer, err);
    if (status == AC_ERR_AGAIN && peer.url[0])
        return front_pass_on(call, peer.url, err);
    if (status == AC_OK)
        *ret_invocation = TAKE_PTR(in);
    return status;
}

void invocation_drop(invocation *in)
{
    session_release(TAKE_PTR(in->session));
    if (in->target)
        runtime_target_unref(TAKE_PTR(in->target));
}

ac_status invocation_renew(invocation *in, ac_error *err)
{
    char reason[SESSION_REASON_SIZE];
    session_peer peer = {""};

    if (in->again)
        return ac_error_set(err, AC_ERR_CLOSED, "the agent died again");
    session_over_reason(in->session, OVER_WAIT_MS, reason);
    if (!reason[0])
        return ac_error_set(err, AC_ERR_CLOSED, "the agent lives, and takes no connections");
    in->again = true;
    session_release(TAKE_PTR(in->session));
    return acquire(in, &peer, err);
}

/* ---- the end ---- */

/* The sentence in an agent's error body: {"error": "..."}, {"message": "..."}, or all of it. */
static const char *words_of(arena *memory, const char *body, size_t length)
{
    yyjson_doc *doc = NULL;
    const char *text = NULL;

    if (ac_json_read(body, length, &(ac_json_read_options){.depth_max = 32}, &doc, NULL) == AC_OK) {
        static const char *const names[] = {"error", "message", "detail"};
        yyjson_val *root = yyjson_doc_get_root(doc);

        for (size_t i = 0; i < ARRAY_SIZE(names) && !text; i++)
            text = yyjson_get_str(yyjson_obj_get(root, names[i]));
        if (text)
            text = arena_copy(memory, text, strnlen(text, QUOTED_BYTES_MAX));
    }
    yyjson_doc_free(doc);
    return text ? text : arena_copy(memory, body, MIN(length, QUOTED_BYTES_MAX));
}

/* Whether the request is on its way to the session's next life, or has failed for want of one. */
static bool sent_again(invocation *in)
{
    front_call *call = in->call;
    ac_error err = {.status = AC_OK};
    ac_status status;

    if (!in->unsent || in->again)
        return false;
    status = invocation_renew(in, &err);
    if (status == AC_ERR_CLOSED && !in->again)
        return false;
    if (status == AC_OK)
        status = relay(in, &err);
    if (status != AC_OK) {
        invocation_drop(in);
        front_end_failed(call, status, &err);
    }
    return true;
}

/* On a worker thread, when nothing was answered: say why. */
static void finish_failed(workers_job *work)
{
    invocation *in = CONTAINER_OF(work, invocation, job);
    front_call *call = in->call;
    char reason[SESSION_REASON_SIZE] = "";
    ac_error err = {.status = AC_OK};
    ac_status status;

    if (sent_again(in))
        return;
    if (in->server_status && !in->unreachable) {
        status = ac_error_set(&err, AC_ERR_HANDLER, "Received error (%d) from runtime%s%s", in->server_status,
                              in->collected && in->collected[0] ? ": " : "", in->collected ? in->collected : "");
    } else {
        session_over_reason(in->session, in->unsent && !in->again ? 0 : OVER_WAIT_MS, reason);
        if (reason[0])
            status = ac_error_set(&err, AC_ERR_HANDLER, "The agent's session ended: %s", reason);
        else
            status = ac_error_set(&err, AC_ERR_HANDLER, "The agent did not answer: %s", ac_status_text(in->status));
    }
    invocation_drop(in);
    front_end_failed(call, status, &err);
}

static void on_end(http_exchange *x, http_upstream *u, const http_relay_result *result, void *user)
{
    invocation *in = user;
    front_call *call = in->call;

    if (u)
        session_keep(in->session, http_exchange_loop(x), u);
    in->status = result->status;
    in->server_status = result->server_status;
    if (result->answered || result->client_gone) {
        int status = result->client_gone ? 0 : result->server_status;

        if (!result->client_gone && (result->status != AC_OK || in->relay.request.upgrade))
            session_doubt(in->session);
        invocation_drop(in);
        front_end(call, status, result->status == AC_OK || result->client_gone ? NULL : "RuntimeClientError");
        return;
    }
    in->unreachable = result->status != AC_OK;
    in->unsent = result->unsent;
    if (!in->unreachable && result->collected)
        in->collected = words_of(call->memory, result->collected, result->collected_length);
    in->job.run = finish_failed;
    if (workers_submit(in->room->daemon->workers, &in->job) != AC_OK)
        finish_failed(&in->job); /* the daemon is ending: there is nothing to wait for */
}

/* ---- the way there ---- */

static http_upstream *connect_agent(http_loop *loop, bool fresh, void *user)
{
    invocation *in = user;

    return session_connect(in->session, loop, fresh, NULL);
}

static http_relay_verdict on_head(http_exchange *x, const http_upstream_head *head, http_relay_answer *ret_answer,
                                  void *user)
{
    bool good = head->status == 101 || head->status / 100 == 2;

    (void)x;
    if (!good)
        return HTTP_RELAY_COLLECT;
    headers_to_client(user, head, ret_answer);
    return HTTP_RELAY_PASS;
}

static ac_status relay(invocation *in, ac_error *err)
{
    const http_relay_events events = {connect_agent, on_head, on_end, in};
    ac_status status = http_relay_start(in->call->exchange, &in->relay, &events);

    if (status == AC_OK)
        return AC_OK;
    return ac_error_set(err, status, "the request cannot be passed on: %s", ac_status_text(status));
}

ac_status invocation_start(invocation *in, const char *method, const char *target, view body, bool upgrade,
                           ac_error *err)
{
    front_call *call = in->call;
    ac_error why = {.status = AC_OK};
    ac_status status;

    AC_TRY(headers_to_agent(in, err));
    in->relay = (http_relay_options){
        .request =
            {
                .method = method,
                .target = target,
                .headers = in->headers,
                .header_count = in->header_count,
                .body = body.text,
                .body_length = body.length,
                .upgrade = upgrade,
            },
        .collect_max = COLLECT_BYTES_MAX,
    };
    front_keep(call);
    status = relay(in, &why);
    if (status != AC_OK) {
        invocation_drop(in);
        front_end_failed(call, status, &why);
    }
    return AC_OK;
}
