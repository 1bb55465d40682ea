/* test_client_tls.c - whom the clients trust: a TLS peer with a certificate of an authority made here. */
#include "http/client.h"
#include "http/ws_client.h"

#include "client_peers.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>

#define HUGE_BYTES ((size_t)48 << 20) /* more than all buffers between two sockets hold */
#define LONG_MS 60000

typedef struct fixture {
    char ca_file[64];
    X509 *ca;
    EVP_PKEY *ca_key;
    SSL_CTX *context;
    int listener, port;
    int gate[2]; /* a pipe: the peer of /slow reads on when there is a byte in it */
    pthread_t thread;
} fixture;

/* ---- certificates ---- */

static X509 *make_certificate(EVP_PKEY *key, const char *name, const char *extension, int nid, X509 *issuer,
                              EVP_PKEY *issuer_key)
{
    X509 *x = X509_new();
    X509_NAME *subject = X509_NAME_new();
    X509V3_CTX context;

    assert_true(X509_set_version(x, 2) && ASN1_INTEGER_set(X509_get_serialNumber(x), issuer ? 2 : 1));
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    assert_true(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0));
    assert_true(X509_set_subject_name(x, subject));
    assert_true(X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer) : subject));
    assert_true(X509_set_pubkey(x, key));
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer ? issuer : x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, nid, extension);
    assert_true(e && X509_add_ext(x, e, -1));
    assert_true(X509_sign(x, issuer_key, EVP_sha256()) > 0);
    X509_EXTENSION_free(e);
    X509_NAME_free(subject);
    return x;
}

/* ---- the peer ---- */

/* Accept the WebSocket, read nothing until the gate opens, then all of the huge message, and answer. */
static void be_slow(const fixture *f, SSL *ssl, const char *request)
{
    char accept_key[WS_ACCEPT_SIZE], key[WS_KEY_SIZE] = "", answer[16384];
    size_t heard = 0, got;

    memcpy(key, strstr(request, "Sec-WebSocket-Key: ") + strlen("Sec-WebSocket-Key: "), WS_KEY_SIZE - 1);
    if (ws_accept_key(key, accept_key) != AC_OK)
        abort();
    int size = snprintf(answer, sizeof answer,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: %s\r\n\r\n",
                        accept_key);
    SSL_write(ssl, answer, size);
    (void)!read(f->gate[0], answer, 1);
    while (heard < HUGE_BYTES && SSL_read_ex(ssl, answer, sizeof answer, &got) == 1)
        heard += got;
    SSL_write(ssl, "\x81\x02hi", 4);
    while (SSL_read_ex(ssl, answer, sizeof answer, &got) == 1)
        ;
}

static void answer_tls(const fixture *f, SSL *ssl)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecure";
    char request[8192];
    int length = 0;

    while (length + 1 < (int)sizeof request) {
        int got = SSL_read(ssl, request + length, (int)sizeof request - 1 - length);
        if (got <= 0)
            return;
        length += got;
        request[length] = '\0';
        if (strstr(request, "\r\n\r\n"))
            break;
    }
    if (strstr(request, "GET /slow ")) {
        be_slow(f, ssl, request);
        return;
    }
    SSL_write(ssl, answer, (int)strlen(answer));
    SSL_shutdown(ssl);
}

static void *run_tls(void *arg)
{
    fixture *f = arg;
    sigset_t pipe;

    /* OpenSSL's sockets raise it when the client hangs up; the client itself must not. */
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    for (;;) {
        int fd = accept(f->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        SSL *ssl = SSL_new(f->context);
        SSL_set_fd(ssl, fd);
        if (SSL_accept(ssl) == 1)
            answer_tls(f, ssl);
        SSL_free(ssl);
        close(fd);
    }
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    EVP_PKEY *key = EVP_EC_gen("P-256");

    f->ca_key = EVP_EC_gen("P-256");
    f->ca = make_certificate(f->ca_key, "Test authority", "critical,CA:TRUE", NID_basic_constraints, NULL, f->ca_key);
    X509 *x = make_certificate(key, "here", "IP:127.0.0.1", NID_subject_alt_name, f->ca, f->ca_key);
    f->context = SSL_CTX_new(TLS_server_method());
    assert_true(SSL_CTX_use_certificate(f->context, x) == 1 && SSL_CTX_use_PrivateKey(f->context, key) == 1);
    X509_free(x);
    EVP_PKEY_free(key);

    snprintf(f->ca_file, sizeof f->ca_file, "/tmp/ac-ca-XXXXXX");
    FILE *file = fdopen(mkstemp(f->ca_file), "w");
    assert_true(file && PEM_write_X509(file, f->ca));
    fclose(file);
    f->listener = listen_anywhere(&f->port);
    assert_int_equal(pipe(f->gate), 0);
    assert_int_equal(pthread_create(&f->thread, NULL, run_tls, f), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    shutdown(f->listener, SHUT_RDWR);
    pthread_join(f->thread, NULL);
    close(f->listener);
    close(f->gate[0]);
    close(f->gate[1]);
    unlink(f->ca_file);
    SSL_CTX_free(f->context);
    X509_free(f->ca);
    EVP_PKEY_free(f->ca_key);
    free(f);
    return 0;
}

/* ---- the tests ---- */

static ac_status fetch(fixture *f, const char *ca_file, const char *host, http_failure *ret_failure, ac_error *err)
{
    http_client_response response;
    http_client *client;
    char url[64];

    assert_int_equal(http_client_new(&(http_client_options){.ca_file = ca_file}, &client, NULL), AC_OK);
    snprintf(url, sizeof url, "https://%s:%d/", host, f->port);
    ac_status status = http_client_fetch(client, &(http_client_request){.url = url, .no_proxy = true}, &response, err);
    *ret_failure = response.failure;
    if (status == AC_OK)
        assert_string_equal(buf_terminate(&response.body), "secure");
    http_client_response_done(&response);
    http_client_free(client);
    return status;
}

static void known_authorities_are_trusted(void **state)
{
    fixture *f = *state;
    http_failure failure;
    ac_error err = {0};

    if (fetch(f, f->ca_file, "127.0.0.1", &failure, &err) != AC_OK)
        fail_msg("%s", err.message);
}

static void unknown_ones_and_wrong_names_are_not(void **state)
{
    fixture *f = *state;
    http_failure failure;
    ac_error err = {0};

    assert_int_equal(fetch(f, NULL, "127.0.0.1", &failure, &err), AC_ERR_PROTOCOL);
    assert_int_equal(failure, HTTP_FAILURE_TLS);
    assert_non_null(strstr(err.message, "certificate"));
    assert_int_equal(fetch(f, f->ca_file, "localhost", &failure, &err), AC_ERR_PROTOCOL);
    assert_int_equal(failure, HTTP_FAILURE_TLS);
    assert_int_equal(fetch(f, "/nonexistent.pem", "127.0.0.1", &failure, &err), AC_ERR_INVALID);
    assert_int_equal(failure, HTTP_FAILURE_TLS);
}

static void websockets_check_too(void **state)
{
    fixture *f = *state;
    ws_client *ws;
    ac_error err = {0};
    char url[64];

    snprintf(url, sizeof url, "wss://127.0.0.1:%d/", f->port);
    assert_int_equal(ws_client_connect(&(ws_client_options){.url = url, .no_proxy = true}, &ws, &err), AC_ERR_PROTOCOL);
    assert_non_null(strstr(err.message, "certificate"));
    ws_client_options trusting = {.url = url, .ca_file = f->ca_file, .no_proxy = true};
    assert_int_equal(ws_client_connect(&trusting, &ws, &err), AC_ERR_INVALID);
    assert_non_null(strstr(err.message, "answered 200"));
}

/* TLS wants to be given again what it could not send, from the place where it was, whatever is sent behind it. */
static void pings_behind_a_message_do_not_move_it(void **state)
{
    fixture *f = *state;
    http_ws_message message;
    ac_error err = {0};
    ws_client *ws;
    char url[64];

    snprintf(url, sizeof url, "wss://127.0.0.1:%d/slow", f->port);
    ws_client_options options = {.url = url, .ca_file = f->ca_file, .no_proxy = true, .no_deflate = true};
    options.ping_interval_ms = 1;
    options.ping_timeout_ms = LONG_MS; /* there is no answer before all of the message has been read */
    if (ws_client_connect(&options, &ws, &err) != AC_OK)
        fail_msg("%s", err.message);
    char *huge = calloc(1, HUGE_BYTES);
    ac_status sent = ws_client_send(ws, WS_BINARY, huge, HUGE_BYTES, 100, &err);
    ac_status refused = ws_client_send(ws, WS_TEXT, "no room", 7, 0, &err);
    ac_status pinged = ws_client_receive(ws, &message, 50, &err); /* and sends one */
    assert_int_equal(write(f->gate[1], "", 1), 1);
    message = (http_ws_message){0};
    ac_status received = ws_client_receive(ws, &message, LONG_MS, &err);
    ws_client_free(ws); /* before anything fails: the peer waits for this */
    free(huge);
    assert_int_equal(sent, AC_ERR_TIMEOUT);
    assert_int_equal(refused, AC_ERR_AGAIN);
    assert_int_equal(pinged, AC_ERR_TIMEOUT);
    if (received != AC_OK)
        fail_msg("%s", err.message);
    assert_memory_equal(message.data, "hi", 3);
    free(message.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(known_authorities_are_trusted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unknown_ones_and_wrong_names_are_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(websockets_check_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pings_behind_a_message_do_not_move_it, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
