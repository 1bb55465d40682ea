/* test_client_peers.c - the HTTP client and peers that misbehave: each case a few bytes, and how the connection
 * ends. */
#include "http/client.h"

#include "base/clock.h"
#include "client_peers.h"

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>

#define LONG_MS 20000 /* never reached by a test that works */
#define SHORT_MS 150

static int set_up(void **state)
{
    http_client *client;

    assert_int_equal(http_client_new(NULL, &client, NULL), AC_OK);
    *state = client;
    return 0;
}

static int tear_down(void **state)
{
    http_client_free(*state);
    return 0;
}

typedef struct script_case {
    const char *name;
    const char *bytes;
    size_t repeat;
    script_end end;
    ac_status status;
    http_failure failure;
    const char *message;
} script_case;

#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define KIB64 65536

static const script_case script_cases[] = {
    {"nothing", "", 0, SCRIPT_CLOSE, AC_ERR_CLOSED, HTTP_FAILURE_BROKEN, "no answer"},
    {"reset", "", 0, SCRIPT_RESET, AC_ERR_CLOSED, HTTP_FAILURE_BROKEN, "lost"},
    {"short body", OK_HEAD "Content-Length: 10\r\n\r\nabc", 0, SCRIPT_CLOSE, AC_ERR_CLOSED, HTTP_FAILURE_BROKEN,
     "inside"},
    {"short chunk", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nabc", 0, SCRIPT_CLOSE, AC_ERR_CLOSED,
     HTTP_FAILURE_BROKEN, "inside"},
    {"bad chunk", OK_HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc", 0, SCRIPT_CLOSE, AC_ERR_CLOSED,
     HTTP_FAILURE_BROKEN, ""},
    {"not HTTP", "SSH-2.0-OpenSSH_9.2\r\n", 0, SCRIPT_CLOSE, AC_ERR_PROTOCOL, HTTP_FAILURE_MALFORMED, "not HTTP"},
    {"no colon", OK_HEAD "what\r\n\r\n", 0, SCRIPT_CLOSE, AC_ERR_PROTOCOL, HTTP_FAILURE_MALFORMED, "colon"},
    {"folded", OK_HEAD "A: b\r\n c\r\nContent-Length: 0\r\n\r\n", 0, SCRIPT_CLOSE, AC_ERR_PROTOCOL,
     HTTP_FAILURE_MALFORMED, "malformed"},
    {"half a head", OK_HEAD "A: b\r\n", 0, SCRIPT_CLOSE, AC_ERR_PROTOCOL, HTTP_FAILURE_MALFORMED, "head"},
    {"endless interim answers", "HTTP/1.1 100 Continue\r\nA: aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n", KIB64, SCRIPT_HOLD,
     AC_ERR_TOO_LARGE, HTTP_FAILURE_TOO_LARGE, "larger"},
    {"answer over the limit", OK_HEAD "Content-Length: 100000\r\n\r\n0123456789", 0, SCRIPT_HOLD, AC_ERR_TOO_LARGE,
     HTTP_FAILURE_TOO_LARGE, "larger"},
    {"head, then silence", OK_HEAD "Content-Length: 10\r\n\r\nabc", 0, SCRIPT_HOLD, AC_ERR_TIMEOUT,
     HTTP_FAILURE_TIMEOUT, "stopped coming"},
    {"silence", "", 0, SCRIPT_HOLD, AC_ERR_TIMEOUT, HTTP_FAILURE_TIMEOUT, "no answer began"},
    {"until close", OK_HEAD "\r\nabc", 0, SCRIPT_CLOSE, AC_OK, HTTP_FAILURE_NONE, ""},
    {"interim answer first", "HTTP/1.1 103 Early\r\nX: y\r\n\r\n" OK_HEAD "Content-Length: 3\r\n\r\nabc", 0,
     SCRIPT_CLOSE, AC_OK, HTTP_FAILURE_NONE, ""},
    {"compressed all the same", OK_HEAD "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", 0, SCRIPT_CLOSE,
     AC_OK, HTTP_FAILURE_NONE, ""},
    {"redirect", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 3\r\n\r\nabc", 0, SCRIPT_CLOSE,
     AC_OK, HTTP_FAILURE_NONE, ""},
};

static void peers_may_misbehave(void **state)
{
    static const http_field secret[] = {{"Authorization", "Bearer hush"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(script_cases); i++) {
        const script_case *c = &script_cases[i];
        http_client_response response;
        http_client *client;
        script_peer peer;
        ac_error err = {0};
        char url[64];

        script_start(&peer, c->bytes, strlen(c->bytes), c->end);
        peer.repeat = c->repeat;
        assert_int_equal(http_client_new(NULL, &client, NULL), AC_OK);
        snprintf(url, sizeof url, "http://127.0.0.1:%d/path?token=hush", peer.port);
        bool silent = c->status == AC_ERR_TIMEOUT, begun = c->bytes[0] != '\0';
        http_client_request request = {
            .url = url,
            .headers = secret,
            .header_count = 1,
            .first_byte_timeout_ms = silent && !begun ? SHORT_MS : LONG_MS,
            .idle_timeout_ms = silent && begun ? SHORT_MS : LONG_MS,
            .total_timeout_ms = LONG_MS,
            .body_bytes_max = 9,
        };
        ac_status status = http_client_fetch(client, &request, &response, &err);
        if (status != c->status || response.failure != c->failure || !strstr(err.message, c->message))
            fail_msg("%s: %s, %d, %s", c->name, ac_status_name(status), (int)response.failure, err.message);
        assert_null(strstr(err.message, "hush"));
        if (status == AC_OK) {
            assert_string_equal(buf_terminate(&response.body), "abc");
            assert_null(http_client_header(&response.head, "X"));
        }
        http_client_response_done(&response);
        http_client_free(client);
        script_stop(&peer);
    }
}

/* Before the answer one time-out rules, inside it the other, and neither waits for the other's timer.  An interim
 * answer is no answer yet. */
static void each_silence_has_its_own_time(void **state)
{
    static const struct {
        const char *bytes, *message;
        uint32_t first_byte_ms, idle_ms;
    } cases[] = {
        {OK_HEAD "Content-Length: 10\r\n\r\nabc", "stopped coming", LONG_MS, SHORT_MS},
        {OK_HEAD "A: b\r\n", "stopped coming", LONG_MS, SHORT_MS},
        {"HTTP/1.1 103 Early\r\nX: y\r\n\r\n", "no answer began", SHORT_MS, LONG_MS},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t begun_ms = clock_monotonic_ms();
        http_client_response response;
        script_peer peer;
        ac_error err = {0};
        char url[64];

        script_start(&peer, cases[i].bytes, strlen(cases[i].bytes), SCRIPT_HOLD);
        snprintf(url, sizeof url, "http://127.0.0.1:%d/", peer.port);
        const http_client_request request = {
            .url = url, .first_byte_timeout_ms = cases[i].first_byte_ms, .idle_timeout_ms = cases[i].idle_ms};
        assert_int_equal(http_client_fetch(*state, &request, &response, &err), AC_ERR_TIMEOUT);
        assert_non_null(strstr(err.message, cases[i].message));
        assert_true(clock_monotonic_ms() - begun_ms < LONG_MS / 2);
        http_client_response_done(&response);
        script_stop(&peer);
    }
}

static void heads_are_bounded(void **state)
{
    static char big[KIB64 + 100];
    http_client *client = *state;
    script_peer peer;
    char url[64];

    for (int many = 0; many < 2; many++) {
        buf script = BUF_INIT(1 << 20);
        http_client_response response;

        assert_int_equal(buf_append_text(&script, OK_HEAD), AC_OK);
        if (many) {
            for (int i = 0; i < HTTP_CLIENT_HEADERS_MAX + 1; i++)
                assert_int_equal(buf_appendf(&script, "H%d: v\r\n", i), AC_OK);
        } else {
            memset(big, 'b', sizeof big - 1);
            assert_int_equal(buf_appendf(&script, "Big: %s\r\n", big), AC_OK);
        }
        assert_int_equal(buf_append_text(&script, "Content-Length: 0\r\n\r\n"), AC_OK);
        script_start(&peer, script.data, script.length, SCRIPT_CLOSE);
        snprintf(url, sizeof url, "http://127.0.0.1:%d/", peer.port);
        assert_int_equal(http_client_fetch(client, &(http_client_request){.url = url}, &response, NULL),
                         AC_ERR_TOO_LARGE);
        http_client_response_done(&response);
        script_stop(&peer);
        buf_done(&script);
    }
}

/* No label of a name may be longer than 63 bytes, so no name server is asked. */
static const char unresolvable[] =
    "http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.invalid/";

static void nobody_listens(void **state)
{
    http_client *client = *state;
    http_client_response response;
    ac_error err = {0};
    char url[64];
    int port;

    close(listen_anywhere(&port));
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    assert_int_equal(http_client_fetch(client, &(http_client_request){.url = url}, &response, &err), AC_ERR_IO);
    assert_int_equal(response.failure, HTTP_FAILURE_CONNECT);
    assert_non_null(strstr(err.message, "cannot connect to http://127.0.0.1:"));
    http_client_response_done(&response);
    assert_int_equal(
        http_client_fetch(client, &(http_client_request){.url = unresolvable, .no_proxy = true}, &response, &err),
        AC_ERR_IO);
    assert_int_equal(response.failure, HTTP_FAILURE_RESOLVE);
    http_client_response_done(&response);
}

/* A listener whose queue is full does not answer connections at all. */
static void connecting_takes_too_long(void **state)
{
    http_client *client = *state;
    http_client_response response;
    ac_error err = {0};
    char url[64];
    int port, listener = listen_anywhere(&port), fillers[64];
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};

    assert_int_equal(listen(listener, 0), 0);
    for (size_t i = 0; i < ARRAY_SIZE(fillers); i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(fillers[i], (struct sockaddr *)&address, sizeof address);
    }
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    assert_int_equal(
        http_client_fetch(client, &(http_client_request){.url = url, .connect_timeout_ms = 150}, &response, &err),
        AC_ERR_TIMEOUT);
    assert_int_equal(response.failure, HTTP_FAILURE_TIMEOUT);
    assert_non_null(strstr(err.message, "time-out: no connection to"));
    http_client_response_done(&response);
    for (size_t i = 0; i < ARRAY_SIZE(fillers); i++)
        close(fillers[i]);
    close(listener);
}

/* ---- a name server that does not answer ---- */

static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t names_changed = PTHREAD_COND_INITIALIZER;
static unsigned names_asked;
static bool names_answer;

/* libcurl's threads find this one in the place of the C library's. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret_found)
{
    static const char silent[] = "silent.invalid";
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

    if (!node || strcmp(node, silent) != 0) {
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
        return real(node, service, hints, ret_found);
    }
    pthread_mutex_lock(&names_lock);
    names_asked++;
    pthread_cond_broadcast(&names_changed);
    while (!names_answer)
        pthread_cond_wait(&names_changed, &names_lock);
    names_asked--;
    pthread_cond_broadcast(&names_changed);
    pthread_mutex_unlock(&names_lock);
    return EAI_AGAIN;
}

static void a_silent_name_server_holds_up_nobody(void **state)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
    const http_client_request silent = {.url = "http://silent.invalid/", .no_proxy = true, .connect_timeout_ms = 700};
    const http_client_head *head;
    http_client_response response;
    http_transfer *t;
    script_peer peer;
    ac_error err = {0};
    char url[64];

    assert_int_equal(http_client_open(*state, &silent, NULL, &t, NULL), AC_OK);
    assert_int_equal(http_transfer_head(t, 10000, &head, &err), AC_ERR_TIMEOUT);
    assert_int_equal(http_transfer_failure(t), HTTP_FAILURE_TIMEOUT); /* and not our own patience */
    assert_non_null(strstr(err.message, "the name was not resolved for http://silent.invalid"));
    http_transfer_free(t);
    script_start(&peer, answer, strlen(answer), SCRIPT_CLOSE);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", peer.port);
    assert_int_equal(http_client_fetch(*state, &(http_client_request){.url = url}, &response, NULL), AC_OK);
    http_client_response_done(&response);
    script_stop(&peer);
    pthread_mutex_lock(&names_lock);
    while (names_asked == 0) /* the thread that asks may come late */
        pthread_cond_wait(&names_changed, &names_lock);
    assert_int_equal(names_asked, 1);
    names_answer = true;
    pthread_cond_broadcast(&names_changed);
    while (names_asked > 0)
        pthread_cond_wait(&names_changed, &names_lock);
    pthread_mutex_unlock(&names_lock);
}

static void proxies_come_from_the_environment(void **state)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
    http_client_response response;
    ac_error err = {0};
    script_peer proxy;
    char url[64];

    script_start(&proxy, answer, strlen(answer), SCRIPT_CLOSE);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", proxy.port);
    unsetenv("no_proxy");
    setenv("http_proxy", url, 1);
    if (http_client_fetch(*state, &(http_client_request){.url = unresolvable}, &response, &err) != AC_OK)
        fail_msg("%s", err.message);
    assert_int_equal(response.head.status, 200);
    http_client_response_done(&response);
    assert_int_equal(
        http_client_fetch(*state, &(http_client_request){.url = unresolvable, .no_proxy = true}, &response, NULL),
        AC_ERR_IO);
    http_client_response_done(&response);
    unsetenv("http_proxy");
    setenv("no_proxy", "*", 1);
    script_stop(&proxy);
    assert_non_null(strstr(proxy.request, "GET http://aaaa"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(peers_may_misbehave, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_silence_has_its_own_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(heads_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_listens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(proxies_come_from_the_environment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connecting_takes_too_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_silent_name_server_holds_up_nobody, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
