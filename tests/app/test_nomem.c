/* test_nomem.c - requests to an app while malloc fails, at each place in turn, once and for good: whoever asks is
 * answered or sees the connection close, and nothing is left.
 *
 * Linked with -Wl,--wrap=malloc,--wrap=realloc,--wrap=calloc, so that the library's own calls come through here. */
#include "app/app_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../failing_malloc.h"

#define UPGRADE                                                                                                        \
    "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                                     \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

static ac_status echo(ac_request *request, ac_reply *reply, void *user)
{
    (void)user;
    ac_reply_set_header(reply, "X-A", "1");
    return ac_reply_value(reply, yyjson_val_mut_copy(ac_reply_doc(reply), ac_request_payload(request)));
}

static void on_message(ac_websocket *websocket, const ac_message *message, void *user)
{
    (void)websocket;
    (void)message;
    (void)user;
}

static void walk(const char *request, bool for_good)
{
    const ac_websocket_events events = {.on_message = on_message};
    ac_app *app = ac_app_new(NULL);

    ac_log_set_level(AC_LOG_OFF);
    assert_int_equal(ac_app_entrypoint_on_loop(app, echo, NULL), AC_OK);
    assert_int_equal(ac_app_websocket_events(app, &events, NULL), AC_OK);
    assert_int_equal(app_open(app, NULL), AC_OK);
    keeps_failing = for_good;
    for (int at = 0; at == 0 || has_failed; at++) {
        http_memory *m = http_memory_connect(app_server(app));
        size_t length;

        http_memory_send(m, request, strlen(request));
        has_failed = false;
        allocations_left = at;
        for (int i = 0; i < 4; i++)
            http_memory_pump(app_server(app), 0);
        allocations_left = -1;
        http_memory_received(m, &length);
        if (!length && !http_memory_closed(m))
            fail_msg("no answer when allocation %d fails%s: %.20s", at, for_good ? " for good" : "", request);
        http_memory_free(m);
    }
    http_memory_shutdown(app_server(app));
    app_close(app);
    ac_app_free(app);
}

static void everyone_is_answered(void **state)
{
    walk(*state, false);
    walk(*state, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(everyone_is_answered, (void *)"GET /ping HTTP/1.1\r\nHost: h\r\n\r\n"),
        cmocka_unit_test_prestate(
            everyone_is_answered,
            (void *)"POST /invocations HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n{\"a\":[1]}"),
        cmocka_unit_test_prestate(everyone_is_answered, (void *)UPGRADE),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
