/* test_client_tls.c - whom the clients trust: a TLS peer with a certificate of an authority made here. */
#include "http/client.h"
#include "http/ws_client.h"

#include "client_peers.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>

typedef struct fixture {
    char ca_file[64];
    X509 *ca;
    EVP_PKEY *ca_key;
    SSL_CTX *context;
    int listener, port;
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

static void answer_tls(SSL *ssl)
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
            answer_tls(ssl);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(known_authorities_are_trusted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unknown_ones_and_wrong_names_are_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(websockets_check_too, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
