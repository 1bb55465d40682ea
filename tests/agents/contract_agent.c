/* contract_agent.c - an agent that shows every behaviour of the contract, for the black-box tests.
 *
 *     contract_agent PORT [option=value ...]
 *
 * PORT 0 takes any free port.  When the port is open, one line `listening PORT` appears on standard output.
 * Options: the number fields of ac_app_options by their names (loops=2, header_bytes_max=4096, ...), debug=1,
 * host=..., log_level=..., and
 *     loop=1               the handler runs on the loop thread
 *     entrypoint=0         there is none
 *     ws=worker|early|events|none
 *     ping=1               a custom ping handler is registered ({"do": "ping_mode"})
 *     middleware=1         two middlewares are registered
 *     cors=ORIGINS         cors_credentials=1
 *     start=fail           on_start fails
 * What a request may ask for stands in the table of contract_actions.c. */
#include "contract_agent.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

contract_stats stats;
atomic_int ping_mode;

typedef struct settings {
    ac_app_options app;
    ac_cors_options cors;
    bool loop, entrypoint, ping, middleware, use_cors, start_fails;
    const char *websocket;
} settings;

typedef enum field_type { FIELD_BOOL, FIELD_INT, FIELD_UNSIGNED, FIELD_SIZE, FIELD_TEXT } field_type;

static const struct field {
    const char *name;
    field_type type;
    size_t offset;
} fields[] = {
#define APP(name, type)                                                                                                \
    {                                                                                                                  \
#name, type, offsetof(settings, app.name)                                                                      \
    }
    APP(debug, FIELD_BOOL),
    APP(host, FIELD_TEXT),
    APP(log_level, FIELD_INT),
    APP(loops, FIELD_UNSIGNED),
    APP(workers_max, FIELD_UNSIGNED),
    APP(worker_stack_bytes, FIELD_SIZE),
    APP(connections_max, FIELD_UNSIGNED),
    APP(header_bytes_max, FIELD_SIZE),
    APP(body_bytes_max, FIELD_SIZE),
    APP(stream_buffer_bytes, FIELD_SIZE),
    APP(header_timeout_ms, FIELD_UNSIGNED),
    APP(body_timeout_ms, FIELD_UNSIGNED),
    APP(idle_timeout_ms, FIELD_UNSIGNED),
    APP(write_timeout_ms, FIELD_UNSIGNED),
    APP(drain_timeout_ms, FIELD_UNSIGNED),
    APP(websocket_message_bytes_max, FIELD_SIZE),
    APP(websocket_ping_interval_ms, FIELD_UNSIGNED),
    APP(websocket_ping_timeout_ms, FIELD_UNSIGNED),
    APP(websocket_no_deflate, FIELD_BOOL),
#undef APP
    {"loop", FIELD_BOOL, offsetof(settings, loop)},
    {"entrypoint", FIELD_BOOL, offsetof(settings, entrypoint)},
    {"ping", FIELD_BOOL, offsetof(settings, ping)},
    {"middleware", FIELD_BOOL, offsetof(settings, middleware)},
    {"ws", FIELD_TEXT, offsetof(settings, websocket)},
    {"cors", FIELD_TEXT, offsetof(settings, cors.allow_origins)},
    {"cors_credentials", FIELD_BOOL, offsetof(settings, cors.allow_credentials)},
};

static bool field_set(settings *s, const struct field *field, const char *value)
{
    void *at = (char *)s + field->offset;
    if (field->type == FIELD_TEXT) {
        *(const char **)at = value;
        return true;
    }
    char *end = NULL;
    unsigned long long number = strtoull(value, &end, 10);
    if (end == value || *end != '\0')
        return false;
    if (field->type == FIELD_BOOL)
        *(bool *)at = number != 0;
    else if (field->type == FIELD_INT)
        *(int *)at = (int)number;
    else if (field->type == FIELD_UNSIGNED)
        *(unsigned *)at = (unsigned)number;
    else
        *(size_t *)at = (size_t)number;
    return true;
}

static bool option_set(settings *s, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals)
        return false;
    size_t length = (size_t)(equals - text);
    if (strcmp(text, "start=fail") == 0) {
        s->start_fails = true;
        return true;
    }
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (strlen(fields[i].name) == length && memcmp(fields[i].name, text, length) == 0)
            return field_set(s, &fields[i], equals + 1);
    return false;
}

static ac_status on_ping(ac_ping_status *ret_status, void *user)
{
    (void)user;
    int mode = atomic_load(&ping_mode);
    if (mode == 2)
        return AC_ERR_HANDLER;
    *ret_status = mode == 3 ? (ac_ping_status)42 : mode == 1 ? AC_PING_HEALTHY_BUSY : AC_PING_HEALTHY;
    return AC_OK;
}

/* Two middlewares, so that their order shows: "first" and "second" append themselves to the state "order". */
static ac_status before(ac_request *request, ac_reply *reply, void *user)
{
    const char *name = user;
    const char *said = ac_request_header(request, "X-Middleware");
    if (said && strcmp(said, "fail") == 0)
        return ac_reply_fail(reply, 401, "%s says no", name);
    if (said && strcmp(said, "answer") == 0)
        return ac_reply_pack(reply, "{s:s}", "answered_by", name);
    if (said && strcmp(said, "break") == 0)
        return AC_ERR_IO;
    ac_status status = ac_reply_set_header(reply, strcmp(name, "first") == 0 ? "X-First" : "X-Second", "before");
    if (status != AC_OK)
        return status;
    const char *earlier = ac_request_get(request, "order");
    size_t size = (earlier ? strlen(earlier) : 0) + strlen(name) + 2;
    char *order = ac_request_alloc(request, size);
    if (!order)
        return AC_ERR_NOMEM;
    snprintf(order, size, "%s%s%s", earlier ? earlier : "", earlier ? " " : "", name);
    return ac_request_set(request, "order", order);
}

static void after(ac_request *request, ac_reply *reply, void *user)
{
    /* The last one to run wins the header: afters run in reverse order, so that is "first". */
    const char *order = ac_request_get(request, "order");
    ac_reply_set_header(reply, "X-After", user);
    ac_reply_set_header(reply, "X-Order", order ? order : "none");
    atomic_fetch_add(&stats.middleware_after, 1);
}

static ac_status register_all(ac_app *app, const settings *s)
{
    static const ac_middleware first = {before, after, (void *)"first"};
    static const ac_middleware second = {before, after, (void *)"second"};

    if (s->entrypoint) {
        ac_status status = s->loop ? ac_app_entrypoint_on_loop(app, contract_invoke, NULL)
                                   : ac_app_entrypoint(app, contract_invoke, NULL);
        if (status != AC_OK)
            return status;
    }
    if (s->cors.allow_origins && ac_app_cors(app, &s->cors) != AC_OK)
        return AC_ERR_INVALID;
    if (s->middleware && (ac_app_middleware(app, &first) != AC_OK || ac_app_middleware(app, &second) != AC_OK))
        return AC_ERR_INVALID;
    if (s->ping && ac_app_ping(app, on_ping, NULL) != AC_OK)
        return AC_ERR_INVALID;
    if (strcmp(s->websocket, "worker") == 0)
        return ac_app_websocket(app, contract_websocket, NULL);
    if (strcmp(s->websocket, "early") == 0)
        return ac_app_websocket(app, contract_websocket_early, NULL);
    if (strcmp(s->websocket, "events") == 0)
        return ac_app_websocket_events(app, &contract_websocket_events, NULL);
    return AC_OK;
}

static ac_status on_start(ac_app *app, void *user)
{
    (void)app;
    return ((settings *)user)->start_fails ? AC_ERR_IO : AC_OK;
}

static void on_stop(ac_app *app, void *user)
{
    (void)app;
    (void)user;
    puts("stopped");
    fflush(stdout);
}

static atomic_bool run_is_over;

/* on_start comes before the port is open, so a thread of its own watches for it. */
static void *announce_port(void *app)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    sigset_t all;

    /* Signals are the main thread's: one that the thread sanitizer keeps for this thread would end with it. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    while (!atomic_load(&run_is_over)) {
        int port = ac_app_port(app);
        if (port > 0) {
            printf("listening %d\n", port);
            fflush(stdout);
            return NULL;
        }
        nanosleep(&pause, NULL);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    settings s = {.entrypoint = true, .websocket = "worker"};
    for (int i = 2; i < argc; i++)
        if (!option_set(&s, argv[i])) {
            fprintf(stderr, "contract_agent: bad option: %s\n", argv[i]);
            return 2;
        }
    if (argc < 2) {
        fputs("usage: contract_agent PORT [option=value ...]\n", stderr);
        return 2;
    }
    s.app.port = atoi(argv[1]) > 0 ? atoi(argv[1]) : -1;
    s.app.on_start = on_start;
    s.app.on_stop = on_stop;
    s.app.user = &s;

    ac_app *app = ac_app_new(&s.app);
    if (!app || register_all(app, &s) != AC_OK) {
        fputs("contract_agent: cannot register\n", stderr);
        ac_app_free(app);
        return 3;
    }
    pthread_t announcer;
    if (pthread_create(&announcer, NULL, announce_port, app) != 0) {
        ac_app_free(app);
        return 3;
    }
    int code = ac_app_run(app, NULL);
    atomic_store(&run_is_over, true);
    pthread_join(announcer, NULL);
    ac_app_free(app);
    return code;
}
