/* invoke.c - InvokeCodeInterpreter.
 *
 * One result event, whole: clients take the first event, or the last, or all of them, and each way is right then.  Two
 * exceptions.  Files too large for one event together come in several, each with some of them.  And whoever asks for it
 * with the header X-Agentcored-Output: stream gets output in events of its own while the code runs, before the result,
 * which has all of it once more. */
#include "daemon/code/content.h"

#include "base/utf8.h"
#include "daemon/code/code.h"
#include "daemon/front/peer.h"

#include <string.h>
#include <strings.h>

#define STREAM_HEADER "X-Agentcored-Output"
#define STREAM_VALUE "stream"
#define FILES_TOGETHER_BYTES ((size_t)4 << 20) /* of several files in one event */
#define CHARACTER_BYTES_MAX 4
#define OVER_WAIT_MS 10000 /* for the news that the session has ended, which nearly always is why a call broke off */

typedef struct invocation {
    front_call *call;
    code_room *room;
    const char *interpreter_id, *session_id;
    session *session;
    code_arguments arguments;
    code_result result;
    bool stream;                       /* output while the code runs */
    bool begun;                        /* the answer's head is sent */
    char held[2][CHARACTER_BYTES_MAX]; /* bytes of a character whose rest is to come */
    size_t held_length[2];
} invocation;

DEFINE_CLEANUP(yyjson_mut_doc *, yyjson_mut_doc_free)

/* ---- events ---- */

static ac_status send_event(invocation *in, yyjson_mut_doc *doc, ac_error *err)
{
    if (!in->begun)
        AC_TRY(front_events_begin(in->call, err));
    in->begun = true;
    return front_event(in->call, "result", doc, err);
}

static ac_status send_text(invocation *in, int which, const char *text, size_t length, ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = NULL;
    _cleanup_(buf_done) buf clean = BUF_INIT(4 * CODE_FRAME_BYTES_MAX);

    if (length == 0)
        return AC_OK;
    if (utf8_append_clean(&clean, text, length) != AC_OK)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    AC_TRY(code_content_output(which == 1, clean.data, clean.length, &doc, err));
    return send_event(in, doc, err);
}

/* Whole characters, as they come. */
static ac_status stream_output(invocation *in, const guest_frame *f, ac_error *err)
{
    _cleanup_(buf_done) buf text = BUF_INIT(CODE_FRAME_BYTES_MAX + CHARACTER_BYTES_MAX);
    int which = f->kind == CODE_STDERR;
    size_t rest;

    if (buf_append(&text, in->held[which], in->held_length[which]) != AC_OK ||
        buf_append(&text, f->data, f->length) != AC_OK)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    rest = text.data ? utf8_unfinished(text.data, text.length) : 0;
    in->held_length[which] = rest;
    if (rest > 0)
        memcpy(in->held[which], text.data + text.length - rest, rest);
    return send_text(in, which, text.data, text.length - rest, err);
}

/* Of what is there so that one event can hold the rest. */
static ac_status send_files(invocation *in, const guest_frame *f, ac_error *err)
{
    size_t ready = in->result.count > 0 ? in->result.count - (f->kind == CODE_PIECE) : 0;
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = NULL;

    if (ready == 0 || in->result.item_bytes <= FILES_TOGETHER_BYTES)
        return AC_OK;
    AC_TRY(code_content_items(&in->result, ready, &doc, err));
    AC_TRY(send_event(in, doc, err));
    code_result_drop_items(&in->result, ready);
    return AC_OK;
}

static ac_status send_result(invocation *in, ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = NULL;

    AC_TRY(code_content_result(&in->result, &in->arguments, &doc, err));
    return send_event(in, doc, err);
}

/* ---- the guest ---- */

static ac_status listen_to(invocation *in, guest *g, ac_error *err)
{
    guest_frame frame;

    while (!in->result.ended) {
        AC_TRY(guest_next(g, &frame, err));
        if (frame.kind == CODE_FILE)
            AC_TRY(send_files(in, &frame, err));
        AC_TRY(code_result_take(&in->result, &frame, err));
        if (frame.kind == CODE_PIECE && in->result.tool == TOOL_READ)
            AC_TRY(send_files(in, &frame, err));
        if (in->stream && (frame.kind == CODE_STDOUT || frame.kind == CODE_STDERR))
            AC_TRY(stream_output(in, &frame, err));
    }
    for (int which = 0; which < 2 && in->stream; which++)
        AC_TRY(send_text(in, which, in->held[which], in->held_length[which], err));
    return AC_OK;
}

static ac_status ask_guest(invocation *in, ac_error *err)
{
    const config *c = in->room->daemon->config;
    size_t output_bytes = (size_t)c->code_output_bytes;
    ac_status status;
    guest g;

    in->arguments.request.timeout_ms = (uint32_t)c->code_timeout_ms;
    in->arguments.request.output_bytes = (uint32_t)output_bytes + 1; /* so that what is cut is known to be */
    code_result_init(&in->result, (code_tool)in->arguments.request.tool, output_bytes);
    AC_TRY(guest_open(in->session, &in->arguments.request, in->call->exchange, &g, err));
    status = code_arguments_send(&in->arguments, &g, err);
    if (status == AC_OK || status == AC_ERR_CLOSED) /* one that takes no more may have said why */
        status = listen_to(in, &g, err);
    guest_close(&g);
    return status;
}

/* Why the conversation broke off: the session's end, when it has ended. */
static ac_status explain(const invocation *in, ac_status status, ac_error *err)
{
    char reason[SESSION_REASON_SIZE];

    if (status != AC_ERR_CLOSED || http_exchange_closed(in->call->exchange))
        return status;
    session_over_reason(in->session, OVER_WAIT_MS, reason);
    if (reason[0])
        return ac_error_set(err, AC_ERR_CONFLICT, "The session has ended: %s", reason);
    return ac_error_set(err, AC_ERR_INTERNAL, "The session's sandbox has broken off the call");
}

/* ---- the call ---- */

/* Without a session one is started, with what is the default. */
static ac_status find_session(invocation *in, session_peer *ret_peer, ac_error *err)
{
    session_request request = {0};
    ac_status status;

    if (!in->session_id)
        return code_session_start(in->call, in->interpreter_id, &in->session, &in->session_id, err);
    AC_TRY(code_session_key(in->call, in->interpreter_id, in->session_id, &request.key, err));
    status = session_acquire(in->room->sessions, &request, &in->session, ret_peer, err);
    if (status == AC_ERR_NOT_FOUND || (status == AC_ERR_AGAIN && !ret_peer->url[0]))
        return code_session_missing(in->call, in->interpreter_id, in->session_id, err);
    return status;
}

static ac_status run(invocation *in, ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *refusal = NULL;
    const char *wanted = http_exchange_header(in->call->exchange, STREAM_HEADER);

    in->stream = wanted && strcasecmp(wanted, STREAM_VALUE) == 0;
    AC_TRY(front_add_text(in->call, "sessionId", in->session_id, err));
    if (in->arguments.refusal) {
        AC_TRY(code_content_refusal(in->arguments.refusal, &refusal, err));
        return send_event(in, refusal, err);
    }
    AC_TRY(ask_guest(in, err));
    return send_result(in, err);
}

static ac_status finish(invocation *in, ac_status status, ac_error *err)
{
    if (status == AC_OK)
        front_events_end(in->call);
    else if (in->begun && !http_exchange_closed(in->call->exchange))
        front_events_fail(in->call, status, err);
    return in->begun ? AC_OK : status;
}

ac_status invoke_code_interpreter(front_call *call, ac_error *err)
{
    invocation *in = arena_zalloc(call->memory, sizeof *in);
    session_peer peer = {""};
    ac_error why = {.status = AC_OK};
    ac_status status;

    if (!in)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    in->call = call;
    in->room = call->room;
    in->interpreter_id = front_text(call, "codeInterpreterIdentifier");
    in->session_id = front_text(call, "sessionId");
    AC_TRY(code_arguments_read(call, &in->arguments, err));
    status = find_session(in, &peer, err);
    if (status == AC_ERR_AGAIN && peer.url[0])
        return front_pass_on(call, peer.url, err);
    AC_TRY(status);
    status = run(in, &why);
    if (status != AC_OK)
        status = explain(in, status, &why);
    session_release(in->session); /* before the answer ends: whoever has it may need the place for another at once */
    status = finish(in, status, &why);
    code_result_done(&in->result);
    if (status != AC_OK && err)
        *err = why;
    return status;
}
