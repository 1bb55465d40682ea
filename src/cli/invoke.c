/* invoke.c - calling an agent, and its answer as it comes.
 *
 * What is printed: of an event stream the data of each event on a line of its own, of any other answer its bytes.  With
 * --json one line of JSON for each event, or one for the answer; with --raw nothing but what the agent sent. */
#include "cli/payload.h"
#include "cli/service.h"
#include "cli/term.h"
#include "cli/text.h"

#include <agentcore/json.h>
#include <agentcore/runtime_client.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define HEADERS_MAX 64
#define SILENCE_SECONDS 600 /* an agent may think for long */
#define PIECE 16384
#define AGENT_PORT 8080

typedef struct invocation {
    cli *c;
    ac_runtime_stream *stream;
    ac_header headers[HEADERS_MAX];
    ac_runtime_options options;
} invocation;

/* ---- the request ---- */

static ac_status read_headers(invocation *in, ac_error *err)
{
    size_t at = 0;
    const char *text;

    in->options.headers = in->headers;
    while ((text = option_next(in->c, OPT_HEADER, &at))) {
        const char *colon = strchr(text, ':');

        if (!colon || colon == text)
            return usage_error(in->c, err, "--header takes NAME:VALUE, not \"%.100s\"", text);
        if (in->options.header_count == HEADERS_MAX)
            return usage_error(in->c, err, "more than %d headers", HEADERS_MAX);
        in->headers[in->options.header_count++] =
            (ac_header){keep_text(text, (size_t)(colon - text)), colon + 1 + strspn(colon + 1, " ")};
    }
    return AC_OK;
}

static ac_status read_options(invocation *in, ac_error *err)
{
    cli *c = in->c;
    long seconds;

    TRY(option_number(c, OPT_TIMEOUT, 1, 86400, SILENCE_SECONDS, &seconds, err));
    in->options.session_id = option(c, OPT_SESSION);
    in->options.qualifier = option(c, OPT_QUALIFIER);
    in->options.user_id = option(c, OPT_USER);
    in->options.read_timeout_ms = (unsigned)seconds * 1000;
    TRY(bearer_get(c, &in->options.bearer_token, err));
    return read_headers(in, err);
}

/* ---- the answer ---- */

static bool is_stream(const invocation *in)
{
    static const char kind[] = "text/event-stream";

    return strncasecmp(ac_runtime_stream_content_type(in->stream), kind, sizeof kind - 1) == 0;
}

/* JSON when it is, else a string.  What an agent sends need not be UTF-8: it is written as it came. */
static yyjson_mut_val *value_of(yyjson_mut_doc *doc, const char *text, size_t length)
{
    yyjson_doc *read = NULL;
    yyjson_mut_val *value;

    if (ac_json_read(text, length, NULL, &read, NULL) != AC_OK)
        return yyjson_mut_strncpy(doc, text, length);
    value = yyjson_val_mut_copy(doc, yyjson_doc_get_root(read));
    yyjson_doc_free(read);
    return value;
}

static void print_line_json(yyjson_mut_doc *doc, yyjson_mut_val *value)
{
    char *text = value ? yyjson_mut_val_write(value, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL) : NULL;

    if (!text)
        nomem();
    puts(text);
    fflush(stdout);
    free(text);
    yyjson_mut_doc_free(doc);
}

static void print_event(const invocation *in, const ac_runtime_event *event)
{
    if (flag(in->c, OPT_JSON)) {
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

        print_line_json(doc, ac_json_pack(doc, "{s:o, s:o}", "type", yyjson_mut_strcpy(doc, event->type), "data",
                                          value_of(doc, event->data, event->length)));
        return;
    }
    print_foreign(stdout, event->data, event->length);
    putchar('\n');
    fflush(stdout);
}

static ac_status print_events(const invocation *in, ac_error *err)
{
    ac_runtime_event event = {.data = ""};

    while (event.data) {
        TRY(ac_runtime_stream_event(in->stream, -1, &event, err));
        if (event.data)
            print_event(in, &event);
        if (ferror(stdout))
            return print_end(err);
    }
    return AC_OK;
}

static ac_status print_pieces(const invocation *in, ac_error *err)
{
    char bytes[PIECE];
    bool raw = flag(in->c, OPT_RAW), newline = true;
    size_t length;

    do {
        TRY(ac_runtime_stream_read(in->stream, bytes, sizeof bytes, -1, &length, err));
        if (raw)
            fwrite(bytes, 1, length, stdout);
        else
            print_foreign(stdout, bytes, length);
        newline = length ? bytes[length - 1] == '\n' : newline;
        fflush(stdout);
        if (ferror(stdout))
            return print_end(err);
    } while (length > 0);
    if (!raw && !newline)
        putchar('\n');
    return AC_OK;
}

static ac_status print_whole_json(const invocation *in, ac_error *err)
{
    yyjson_mut_doc *doc;
    size_t room = PIECE, length = 0, got;
    char *body = malloc(room);
    ac_status status = AC_OK;

    do {
        if (body && room - length < PIECE) {
            char *more = realloc(body, room *= 2);

            if (!more)
                free(body);
            body = more;
        }
        if (!body)
            nomem();
        status = ac_runtime_stream_read(in->stream, body + length, room - length, -1, &got, err);
        length += status == AC_OK ? got : 0;
    } while (status == AC_OK && got > 0);
    if (status == AC_OK) {
        doc = yyjson_mut_doc_new(NULL);
        print_line_json(
            doc, ac_json_pack(doc, "{s:s, s:i, s:s, s:o}", "sessionId", ac_runtime_stream_session_id(in->stream),
                              "status", ac_runtime_stream_status(in->stream), "contentType",
                              ac_runtime_stream_content_type(in->stream), "answer", value_of(doc, body, length)));
    }
    free(body);
    return status;
}

static ac_status print_answer(const invocation *in, ac_error *err)
{
    if (!flag(in->c, OPT_RAW) && is_stream(in))
        return print_events(in, err);
    if (flag(in->c, OPT_JSON) && !flag(in->c, OPT_RAW))
        return print_whole_json(in, err);
    return print_pieces(in, err);
}

/* ---- the command ---- */

static ac_status invoke(invocation *in, const service *s, const char *runtime, const payload *p, ac_error *err)
{
    ac_status status = ac_runtime_open(s->client, runtime, p->text, p->length, &in->options, &in->stream, err);

    if (status == AC_OK)
        status = print_answer(in, err);
    if (status == AC_OK && !in->options.session_id && *ac_runtime_stream_session_id(in->stream))
        remark("session %s", ac_runtime_stream_session_id(in->stream));
    ac_runtime_stream_close(in->stream);
    if (status == AC_OK)
        status = print_end(err);
    return service_explain(in->c, s, status, err);
}

static ac_status invoke_local(invocation *in, const payload *p, ac_error *err)
{
    _cleanup_(service_close) service s = {.place = PLACE_AWS};
    long port;

    TRY(option_number(in->c, OPT_PORT, 1, 65535, AGENT_PORT, &port, err));
    in->options.qualifier = in->options.user_id = NULL;
    /* Keys that are never used, so that nobody looks for real ones. */
    TRY(ac_client_new(&(ac_client_options){.access_key = "none", .secret_key = "none", .region = "us-west-2"},
                      &s.client, err));
    ac_status status = invoke(in, &s, textf("http://127.0.0.1:%ld", port), p, err);
    if (in->c->exit_code == EXIT_UNREACHABLE)
        return ac_error_set(err, status, "no agent answers on port %ld of this machine; agentcore dev runs one", port);
    return status;
}

ac_status run_invoke(cli *c, ac_error *err)
{
    _cleanup_(service_close) service s = {0};
    invocation in = {.c = c};
    bool named = c->argument_count == 2;
    payload p;
    agent a;

    if (named && flag(c, OPT_LOCAL))
        return usage_error(c, err, "with --local there is one agent only; leave \"%.100s\" out", c->arguments[0]);
    TRY(payload_read(c, c->arguments[c->argument_count - 1], &p, err));
    TRY(read_options(&in, err));
    if (flag(c, OPT_LOCAL))
        return invoke_local(&in, &p, err);
    TRY(service_open(c, &s, err));
    TRY(agent_find(c, &s, named ? c->arguments[0] : NULL, &a, err));
    return invoke(&in, &s, a.arn, &p, err);
}
