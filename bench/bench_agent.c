/* bench_agent.c - the agent that bench/run.py and bench/runtime.py measure: bench_agent PORT MODE [LOOPS].
 *
 *     worker, loop      {"prompt": p} in, {"response": p} out, on a worker thread or on the loop
 *     sse, sse-loop     100 events for each request, likewise
 *     sse-paced         100 events, one each millisecond, with the time (CLOCK_MONOTONIC) at which it was sent
 *     ws, ws-events     echo of WebSocket messages: blocking style on a thread each, or callbacks on the loop
 *     idle-sse          one event, and then the reply is kept open and never finished
 *
 * LOOPS: socket threads; 0 or none: the library's default. */
#include <agentcore/agentcore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EVENTS_PER_REPLY 100
#define PACE_NS 1000000

static ac_status echo(ac_request *request, ac_reply *reply, void *user)
{
    (void)user;
    return ac_reply_pack(reply, "{s:s}", "response",
                         ac_json_string(ac_request_payload(request), "prompt", "No prompt provided"));
}

static ac_status send_chunk(ac_reply *reply, int i)
{
    char text[64];

    snprintf(text, sizeof(text), "Processing chunk %d...", i);
    return ac_reply_send_pack(reply, "{s:i, s:s}", "chunk", i, "text", text);
}

static ac_status stream(ac_request *request, ac_reply *reply, void *user)
{
    ac_status status = AC_OK;

    (void)request;
    (void)user;
    for (int i = 0; i < EVENTS_PER_REPLY && status == AC_OK; i++)
        status = send_chunk(reply, i);
    return status;
}

static ac_status stream_paced(ac_request *request, ac_reply *reply, void *user)
{
    const struct timespec pace = {.tv_nsec = PACE_NS};
    ac_status status = AC_OK;

    (void)request;
    (void)user;
    for (int i = 0; i < EVENTS_PER_REPLY && status == AC_OK; i++) {
        struct timespec now;

        nanosleep(&pace, NULL);
        clock_gettime(CLOCK_MONOTONIC, &now);
        status =
            ac_reply_send_pack(reply, "{s:i, s:I}", "chunk", i, "at", (int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
    }
    return status;
}

static ac_status send_rest(ac_reply *reply, int *next)
{
    ac_status status = AC_OK;

    while (*next < EVENTS_PER_REPLY && (status = send_chunk(reply, *next)) == AC_OK)
        ++*next;
    return status;
}

static void go_on(ac_reply *reply, void *user)
{
    ac_status status = send_rest(reply, user);

    if (status == AC_ERR_AGAIN && (status = ac_reply_on_writable(reply, go_on, user)) == AC_OK)
        return;
    ac_reply_finish(reply, status);
}

/* All 100 events fit the stream's buffer unless the client is slow; then the rest follows when there is room. */
static ac_status stream_on_loop(ac_request *request, ac_reply *reply, void *user)
{
    int *next = ac_request_alloc(request, sizeof(*next));
    ac_status status = next ? send_rest(reply, next) : AC_ERR_NOMEM;

    (void)user;
    if (status != AC_ERR_AGAIN)
        return status;
    if (!ac_reply_defer(reply))
        return AC_ERR_STATE;
    if ((status = ac_reply_on_writable(reply, go_on, next)) != AC_OK)
        ac_reply_finish(reply, status);
    return AC_OK;
}

/* The kept reply is dropped on purpose: the connection is to stay open until the client or the process ends. */
static ac_status stream_and_stay(ac_request *request, ac_reply *reply, void *user)
{
    ac_status status = send_chunk(reply, 0);

    (void)request;
    (void)user;
    if (status == AC_OK && !ac_reply_defer(reply))
        status = AC_ERR_STATE;
    return status;
}

static ac_status serve_websocket(ac_websocket *websocket, const ac_context *context, void *user)
{
    ac_message message;
    ac_status status = ac_websocket_accept(websocket, NULL);

    (void)context;
    (void)user;
    while (status == AC_OK && (status = ac_websocket_receive(websocket, &message, -1)) == AC_OK) {
        if (message.type == AC_MESSAGE_TEXT)
            status = ac_websocket_send_text(websocket, message.data, message.length);
        else
            status = ac_websocket_send_binary(websocket, message.data, message.length);
    }
    return status;
}

static void echo_message(ac_websocket *websocket, const ac_message *message, void *user)
{
    ac_status status;

    (void)user;
    if (message->type == AC_MESSAGE_TEXT)
        status = ac_websocket_send_text(websocket, message->data, message->length);
    else
        status = ac_websocket_send_binary(websocket, message->data, message->length);
    if (status != AC_OK)
        (void)ac_websocket_close(websocket, 1011, NULL);
}

static ac_status set_up(ac_app *app, const char *mode)
{
    static const ac_websocket_events events = {.on_message = echo_message};
    static const struct {
        const char *mode;
        ac_handler_fn handler;
        bool on_loop;
    } handlers[] = {
        {"worker", echo, false},
        {"loop", echo, true},
        {"sse", stream, false},
        {"sse-loop", stream_on_loop, true},
        {"sse-paced", stream_paced, false},
        {"ws", echo, false},
        {"ws-events", echo, false},
        {"idle-sse", stream_and_stay, true},
    };
    ac_status status = AC_ERR_INVALID;

    for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
        if (strcmp(handlers[i].mode, mode) != 0)
            continue;
        status = handlers[i].on_loop ? ac_app_entrypoint_on_loop(app, handlers[i].handler, NULL)
                                     : ac_app_entrypoint(app, handlers[i].handler, NULL);
    }
    if (status == AC_OK && strcmp(mode, "ws") == 0)
        status = ac_app_websocket(app, serve_websocket, NULL);
    if (status == AC_OK && strcmp(mode, "ws-events") == 0)
        status = ac_app_websocket_events(app, &events, NULL);
    return status;
}

int main(int argc, char **argv)
{
    ac_app_options options = {.host = "127.0.0.1"};
    ac_app *app;
    int code = 2;

    if (argc >= 3) {
        options.port = atoi(argv[1]);
        options.loops = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
    }
    app = options.port > 0 ? ac_app_new(&options) : NULL;
    if (app && set_up(app, argv[2]) == AC_OK)
        code = ac_app_run(app, NULL);
    else
        fprintf(stderr, "usage: bench_agent PORT worker|loop|sse|sse-loop|sse-paced|ws|ws-events|idle-sse"
                        " [LOOPS]\n");
    ac_app_free(app);
    return code;
}
