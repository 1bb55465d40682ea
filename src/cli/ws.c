/* ws.c - a WebSocket to an agent: lines of standard input go as text messages, what comes is printed.
 *
 * The main thread receives; another one reads the input and sends.  The agent ends it by closing, the input by its end
 * and --wait seconds of silence after it. */
#include "cli/payload.h"
#include "cli/service.h"
#include "cli/term.h"
#include "cli/text.h"

#include <agentcore/json.h>
#include <agentcore/runtime_client.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_SECONDS 5
#define SEND_MS 30000
#define CLOSE_MS 5000
#define TICK_MS 100 /* how soon the end of the input is noticed */
#define AGENT_PORT 8080
#define CLOSED_NORMALLY 1000
#define CLOSED_GOING_AWAY 1001
#define CLOSED_WITHOUT_CODE 1005

typedef struct conversation {
    cli *c;
    ac_runtime_ws *ws;
    char *line; /* the sender's */
    size_t line_room;
    atomic_bool input_ended;
    ac_error send_error; /* the sender's until input_ended */
} conversation;

/* Here alone the sender may be cancelled: inside a send it holds the connection's lock. */
static bool read_line(conversation *v)
{
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    ssize_t length = getline(&v->line, &v->line_room, stdin);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    if (length > 0 && v->line[length - 1] == '\n')
        v->line[length - 1] = '\0';
    return length > 0;
}

static void *send_lines(void *user)
{
    conversation *v = user;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    while (read_line(v) && ac_runtime_ws_send_text(v->ws, v->line, SEND_MS, &v->send_error) == AC_OK)
        ;
    atomic_store(&v->input_ended, true);
    return NULL;
}

static void print_message(const conversation *v, const ac_runtime_message *m)
{
    yyjson_mut_doc *doc;
    yyjson_mut_val *value;
    char *text;

    if (!flag(v->c, OPT_JSON)) {
        print_foreign(stdout, m->data, m->length);
        putchar('\n');
        fflush(stdout);
        return;
    }
    doc = yyjson_mut_doc_new(NULL);
    value = ac_json_pack(doc, "{s:b, s:s%}", "binary", (int)m->binary, "data", m->data, m->length);
    text = value ? yyjson_mut_val_write(value, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL) : NULL;
    puts(text ? text : "{\"binary\": true}"); /* bytes that are no text */
    fflush(stdout);
    free(text);
    yyjson_mut_doc_free(doc);
}

/* Whether the sender has given up by itself; that the agent has closed is for who receives to tell. */
static bool is_unsent(const conversation *v)
{
    return v->send_error.status != AC_OK && v->send_error.status != AC_ERR_CLOSED;
}

static ac_status receive(conversation *v, long wait_s, ac_error *err)
{
    ac_runtime_message message;
    long silent_ms = 0;

    for (;;) {
        if (atomic_load(&v->input_ended) && is_unsent(v))
            return ac_error_set(err, v->send_error.status, "a message could not be sent: %s", v->send_error.message);
        ac_status status = ac_runtime_ws_receive(v->ws, TICK_MS, &message, err);

        if (status == AC_OK) {
            print_message(v, &message);
            silent_ms = 0;
        } else if (status != AC_ERR_TIMEOUT) {
            return status;
        } else if (atomic_load(&v->input_ended)) {
            silent_ms += TICK_MS;
            if (silent_ms >= wait_s * 1000)
                return ac_runtime_ws_close(v->ws, CLOSED_NORMALLY, NULL, CLOSE_MS, err);
        }
        if (ferror(stdout))
            return print_end(err);
    }
}

/* An agent that closes in order has not failed. */
static ac_status judge(const conversation *v, ac_status status, ac_error *err)
{
    int code = ac_runtime_ws_close_code(v->ws);

    if (status != AC_ERR_CLOSED)
        return status;
    if (code == CLOSED_NORMALLY || code == CLOSED_GOING_AWAY || code == CLOSED_WITHOUT_CODE)
        return AC_OK;
    v->c->exit_code = EXIT_AGENT;
    return ac_error_set(err, AC_ERR_CLOSED, "the agent closed the connection with code %d", code);
}

static ac_status talk(conversation *v, ac_error *err)
{
    pthread_t sender;
    long wait_s;

    TRY(option_number(v->c, OPT_WAIT, 0, 86400, WAIT_SECONDS, &wait_s, err));
    if (pthread_create(&sender, NULL, send_lines, v) != 0)
        nomem();
    ac_status status = judge(v, receive(v, wait_s, err), err);
    ac_runtime_ws_abort(v->ws);
    pthread_cancel(sender); /* it may wait for input that never comes */
    pthread_join(sender, NULL);
    free(v->line);
    return status == AC_OK ? print_end(err) : status;
}

static ac_status connect_deployed(conversation *v, service *s, ac_error *err)
{
    cli *c = v->c;
    ac_runtime_ws_options options = {.session_id = option(c, OPT_SESSION), .qualifier = option(c, OPT_QUALIFIER)};
    agent a;

    TRY(bearer_get(c, &options.bearer_token, err));
    TRY(service_open(c, s, err));
    TRY(agent_find(c, s, c->argument_count ? c->arguments[0] : NULL, &a, err));
    return service_explain(c, s, ac_runtime_ws_connect(s->client, a.arn, &options, &v->ws, err), err);
}

static ac_status connect_local(conversation *v, ac_error *err)
{
    cli *c = v->c;
    const char *session = option(c, OPT_SESSION), *token;
    ac_header headers[2];
    ac_runtime_ws_options options = {.headers = headers};
    long port;
    ac_status status;

    TRY(option_number(c, OPT_PORT, 1, 65535, AGENT_PORT, &port, err));
    TRY(bearer_get(c, &token, err));
    if (session)
        headers[options.header_count++] = (ac_header){AC_HEADER_SESSION_ID, session};
    if (token)
        headers[options.header_count++] = (ac_header){"Authorization", textf("Bearer %s", token)};
    status = ac_runtime_ws_connect_url(NULL, textf("ws://127.0.0.1:%ld/ws", port), &options, &v->ws, err);
    if (status == AC_ERR_IO || status == AC_ERR_TIMEOUT || status == AC_ERR_CLOSED)
        return fail_as(c, EXIT_UNREACHABLE, err, status,
                       "no agent answers on port %ld of this machine; agentcore dev runs one", port);
    return status;
}

ac_status run_ws(cli *c, ac_error *err)
{
    _cleanup_(service_close) service s = {0};
    conversation v = {.c = c};
    ac_status status;

    if (flag(c, OPT_LOCAL) && c->argument_count)
        return usage_error(c, err, "with --local there is one agent only; leave \"%.100s\" out", c->arguments[0]);
    TRY(flag(c, OPT_LOCAL) ? connect_local(&v, err) : connect_deployed(&v, &s, err));
    remark("Connected; each line is a message, Ctrl-D ends.");
    status = talk(&v, err);
    ac_runtime_ws_free(v.ws);
    return status;
}
