/* test_local_ca.c - the local CA: made once, renewed in time, never replaced behind somebody's back. */
#include "daemon/local_ca.h"
#include "daemon/local_ca_make.h"

#include <agentcore/log.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define DAY_S ((int64_t)86400)

static char folder[64];
static ac_error err;
static local_ca_files files;
static int64_t now;

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/agentcored-ca-XXXXXX");
    now = (int64_t)time(NULL);
    ac_log_set_level(AC_LOG_OFF);
    return mkdtemp(folder) ? 0 : 1;
}

static const char *in_folder(const char *name)
{
    static char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"tls/ca.pem", "tls/ca.key", "tls/server.pem", "tls/server.key"};

    (void)state;
    local_ca_files_done(&files);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        unlink(in_folder(names[i]));
    return rmdir(in_folder("tls")) || rmdir(folder);
}

static ac_status prepare(const char *const *names, size_t count, int64_t at)
{
    local_ca_files_done(&files);
    return local_ca_prepare(folder, names, count, at, &files, &err);
}

static X509 *read_certificate(const char *path)
{
    FILE *file = fopen(path, "r");
    X509 *x;

    assert_non_null(file);
    x = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    assert_non_null(x);
    return x;
}

/* As a strict client does it. */
static int verify(const char *host, const char *address, int64_t at)
{
    X509 *root = read_certificate(files.root), *server = read_certificate(files.certificate);
    X509_STORE *trusted = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509_VERIFY_PARAM *rules;
    int result;

    X509_STORE_add_cert(trusted, root);
    X509_STORE_CTX_init(context, trusted, server, NULL);
    rules = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_X509_STRICT);
    X509_VERIFY_PARAM_set_purpose(rules, X509_PURPOSE_SSL_SERVER);
    X509_VERIFY_PARAM_set_time(rules, (time_t)at);
    if (host)
        X509_VERIFY_PARAM_set1_host(rules, host, 0);
    if (address)
        X509_VERIFY_PARAM_set1_ip_asc(rules, address);
    result = X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(trusted);
    X509_free(root);
    X509_free(server);
    return result;
}

static void assert_same_file(const char *name, const struct stat *before, bool same)
{
    struct stat after;

    assert_int_equal(stat(in_folder(name), &after), 0);
    assert_true((after.st_ino == before->st_ino) == same);
}

static void test_first_start(void **state)
{
    static const char *const names[] = {"agents.test", "10.1.2.3", "*.wild.test"};
    struct stat info;

    (void)state;
    assert_int_equal(prepare(names, ARRAY_SIZE(names), now), AC_OK);
    assert_true(files.renewed);
    assert_int_equal(verify("localhost", NULL, now), X509_V_OK);
    assert_int_equal(verify(NULL, "127.0.0.1", now), X509_V_OK);
    assert_int_equal(verify(NULL, "::1", now), X509_V_OK);
    assert_int_equal(verify("agents.test", "10.1.2.3", now), X509_V_OK);
    assert_int_equal(verify("a.wild.test", NULL, now), X509_V_OK);
    assert_int_equal(verify("other.test", NULL, now), X509_V_ERR_HOSTNAME_MISMATCH);
    assert_int_equal(verify(NULL, "10.1.2.4", now), X509_V_ERR_IP_ADDRESS_MISMATCH);
    assert_int_equal(verify("localhost", NULL, now + 366 * DAY_S), X509_V_ERR_CERT_HAS_EXPIRED);
    for (size_t i = 0; i < 4; i++) {
        static const char *const all[] = {"tls/ca.pem", "tls/ca.key", "tls/server.pem", "tls/server.key"};

        assert_int_equal(stat(in_folder(all[i]), &info), 0);
        assert_int_equal(info.st_mode & 07777, 0600);
    }
    assert_int_equal(prepare(names, ARRAY_SIZE(names), now), AC_OK);
    assert_false(files.renewed);
}

static void test_renewal(void **state)
{
    static const char *const more[] = {"new.test"};
    struct stat root, server;

    (void)state;
    assert_int_equal(prepare(NULL, 0, now), AC_OK);
    assert_int_equal(stat(in_folder("tls/ca.pem"), &root), 0);
    assert_int_equal(stat(in_folder("tls/server.pem"), &server), 0);
    assert_int_equal(prepare(NULL, 0, now + (365 - LOCAL_CA_RENEW_DAYS - 1) * DAY_S), AC_OK);
    assert_false(files.renewed);

    assert_int_equal(prepare(NULL, 0, now + (365 - LOCAL_CA_RENEW_DAYS + 1) * DAY_S), AC_OK);
    assert_true(files.renewed);
    assert_int_equal(verify("localhost", NULL, now + 400 * DAY_S), X509_V_OK);
    assert_int_equal(prepare(more, 1, now), AC_OK);
    assert_true(files.renewed);
    assert_int_equal(verify("new.test", NULL, now), X509_V_OK);
    assert_same_file("tls/ca.pem", &root, true);
}

static void test_near_the_end_of_the_root(void **state)
{
    (void)state;
    assert_int_equal(prepare(NULL, 0, now), AC_OK);
    assert_int_equal(prepare(NULL, 0, now + 3600 * DAY_S), AC_OK);
    assert_int_equal(verify("localhost", NULL, now + 3649 * DAY_S), X509_V_OK);
    assert_int_equal(prepare(NULL, 0, now + 3651 * DAY_S), AC_OK); /* a new root */
    assert_int_equal(verify("localhost", NULL, now + 3651 * DAY_S), X509_V_OK);
}

static void damage(const char *name)
{
    int fd = open(in_folder(name), O_WRONLY | O_TRUNC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "-----", 5), 5);
    close(fd);
}

static void test_damage(void **state)
{
    struct stat root;

    (void)state;
    assert_int_equal(prepare(NULL, 0, now), AC_OK);
    assert_int_equal(stat(in_folder("tls/ca.pem"), &root), 0);
    damage("tls/server.pem");
    assert_int_equal(prepare(NULL, 0, now), AC_OK);
    assert_true(files.renewed);
    damage("tls/server.key");
    assert_int_equal(prepare(NULL, 0, now), AC_OK);
    assert_true(files.renewed);

    /* A root that clients trust is not replaced: not for a broken key, not for one that is gone or another's. */
    assert_int_equal(unlink(in_folder("tls/ca.key")), 0);
    assert_int_equal(prepare(NULL, 0, now), AC_ERR_INVALID);
    assert_non_null(strstr(err.message, "tls/ca.key is broken"));
    damage("tls/ca.pem");
    assert_int_equal(prepare(NULL, 0, now), AC_ERR_INVALID);
}

static void test_open_key(void **state)
{
    (void)state;
    assert_int_equal(prepare(NULL, 0, now), AC_OK);
    assert_int_equal(chmod(in_folder("tls/ca.key"), 0644), 0);
    assert_int_equal(prepare(NULL, 0, now), AC_ERR_DENIED);
    assert_non_null(strstr(err.message, "chmod 600"));
}

static void test_another_root(void **state)
{
    struct stat server;

    (void)state;
    assert_int_equal(prepare(NULL, 0, now), AC_OK);
    assert_int_equal(stat(in_folder("tls/server.pem"), &server), 0);
    assert_int_equal(unlink(in_folder("tls/ca.pem")), 0);
    assert_int_equal(prepare(NULL, 0, now), AC_OK);
    assert_true(files.renewed);
    assert_int_equal(verify("localhost", NULL, now), X509_V_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_first_start), TEST(test_renewal),  TEST(test_near_the_end_of_the_root),
        TEST(test_damage),      TEST(test_open_key), TEST(test_another_root),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
