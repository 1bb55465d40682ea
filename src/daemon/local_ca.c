/* local_ca.c - keeping the local CA and the server's certificate in their files.
 *
 * A key is written before its certificate, so after a power cut there is either a whole pair, or a key alone, which is
 * replaced.  Where the root's certificate is there and its key is not, or where a file is broken, nothing is replaced:
 * clients may trust that root, and a person shall decide. */
#include "daemon/local_ca.h"
#include "daemon/files.h"
#include "daemon/local_ca_make.h"

#include <agentcore/log.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PEM_BYTES_MAX 65536
#define NAMES_MAX 80
#define DAY_S ((int64_t)86400)

typedef struct pair_paths {
    char *certificate, *key;
} pair_paths;

/* ---- PEM files ---- */

static ac_status read_pem(const char *path, buf *text, ac_error *err)
{
    struct stat info;

    AC_TRY(file_read(path, text, &info, err));
    if (info.st_mode & 077)
        return ac_error_set(err, AC_ERR_DENIED, "%s may be read by others (mode %04o); close it: chmod 600 %s", path,
                            (unsigned)(info.st_mode & 07777), path);
    return AC_OK;
}

static ac_status broken(const char *path, ac_error *err)
{
    ERR_clear_error();
    return ac_error_set(err, AC_ERR_INVALID, "%s is broken; remove the directory it is in to begin with a new CA",
                        path);
}

static ac_status read_pair(const pair_paths *paths, identity *ret_pair, ac_error *err)
{
    _cleanup_(buf_done) buf certificate = BUF_INIT(PEM_BYTES_MAX);
    _cleanup_(buf_done) buf key = {.cap = PEM_BYTES_MAX, .secret = true};
    identity pair = {0};
    ac_status status;
    BIO *in;

    AC_TRY(read_pem(paths->certificate, &certificate, err));
    status = read_pem(paths->key, &key, err);
    if (status != AC_OK)
        return status == AC_ERR_NOT_FOUND ? broken(paths->key, err) : status;
    if ((in = BIO_new_mem_buf(certificate.data, (int)certificate.length)))
        pair.certificate = PEM_read_bio_X509(in, NULL, NULL, NULL);
    BIO_free(in);
    if ((in = BIO_new_mem_buf(key.data, (int)key.length)))
        pair.key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
    BIO_free(in);
    if (!pair.certificate || !pair.key || X509_check_private_key(pair.certificate, pair.key) != 1) {
        const char *path = pair.certificate ? paths->key : paths->certificate;

        identity_done(&pair);
        return broken(path, err);
    }
    *ret_pair = pair;
    return AC_OK;
}

static ac_status write_pem(const char *path, BIO *text, ac_error *err)
{
    char *data;
    long length = BIO_get_mem_data(text, &data);

    return length > 0 ? file_write(path, FILE_REPLACE, data, (size_t)length, err)
                      : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static ac_status write_pair(const pair_paths *paths, const identity *pair, ac_error *err)
{
    BIO *certificate = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_secmem());
    ac_status status = AC_ERR_NOMEM;

    if (certificate && key && PEM_write_bio_X509(certificate, pair->certificate) == 1 &&
        PEM_write_bio_PrivateKey(key, pair->key, NULL, NULL, 0, NULL, NULL) == 1) {
        status = write_pem(paths->key, key, err);
        if (status == AC_OK)
            status = write_pem(paths->certificate, certificate, err);
    } else {
        ac_error_set(err, status, "out of memory");
    }
    BIO_free(certificate);
    BIO_free(key);
    return status;
}

/* ---- is what is there still good? ---- */

static bool ends_before(const X509 *x, int64_t time_s)
{
    time_t at = (time_t)time_s;

    return X509_cmp_time(X509_get0_notAfter(x), &at) <= 0;
}

static bool has_name(X509 *x, const char *name)
{
    unsigned flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;

    if (X509_check_ip_asc(x, name, 0) == 1)
        return true;
    /* A wildcard is looked for as what it is, and as a name it stands for. */
    if (name[0] == '*') {
        char sample[256];

        return (size_t)snprintf(sample, sizeof sample, "x%s", name + 1) < sizeof sample &&
               X509_check_host(x, sample, 0, flags, NULL) == 1;
    }
    return X509_check_host(x, name, 0, flags, NULL) == 1;
}

static bool is_good(const identity *server, const identity *root, const char *const *names, size_t count, int64_t now_s)
{
    if (ends_before(server->certificate, now_s + LOCAL_CA_RENEW_DAYS * DAY_S))
        return false;
    if (X509_verify(server->certificate, root->key) != 1) {
        ERR_clear_error();
        return false;
    }
    for (size_t i = 0; i < count; i++)
        if (!has_name(server->certificate, names[i]))
            return false;
    return true;
}

/* ---- the two pairs ---- */

static ac_status prepare_root(const pair_paths *paths, const char *host, int64_t now_s, identity *ret_root,
                              ac_error *err)
{
    ac_status status = read_pair(paths, ret_root, err);

    if (status == AC_OK && ends_before(ret_root->certificate, now_s)) {
        ac_log_warning("The local CA has expired: a new one is made, which clients have to trust anew");
        identity_done(ret_root);
        status = AC_ERR_NOT_FOUND;
    }
    if (status != AC_ERR_NOT_FOUND)
        return status;
    AC_TRY(make_root(host, now_s, ret_root, err));
    return write_pair(paths, ret_root, err);
}

static ac_status prepare_server(const pair_paths *paths, const identity *root, const char *const *names, size_t count,
                                int64_t now_s, bool *ret_renewed, ac_error *err)
{
    identity server = {0};
    ac_status status = read_pair(paths, &server, err);
    bool good = status == AC_OK && is_good(&server, root, names, count, now_s);

    identity_done(&server);
    *ret_renewed = !good;
    if (good)
        return AC_OK;
    if (status == AC_ERR_IO || status == AC_ERR_DENIED || status == AC_ERR_NOMEM)
        return status;
    AC_TRY(make_server(root, names, count, now_s, &server, err));
    status = write_pair(paths, &server, err);
    identity_done(&server);
    return status;
}

static bool usable_name(const char *name)
{
    for (const char *at = name; *at; at++)
        if (!(*at >= 'a' && *at <= 'z') && !(*at >= 'A' && *at <= 'Z') && !(*at >= '0' && *at <= '9') && *at != '-' &&
            *at != '.')
            return false;
    return *name != '\0';
}

static ac_status prepare(const char *const *names, size_t name_count, const char *host, int64_t now_s,
                         const pair_paths *root_paths, const pair_paths *server_paths, bool *ret_renewed, ac_error *err)
{
    const char *all[NAMES_MAX] = {"localhost", "127.0.0.1", "::1"};
    size_t count = 3;
    identity root = {0};
    ac_status status;

    if (usable_name(host))
        all[count++] = host;
    if (name_count > NAMES_MAX - count)
        return ac_error_set(err, AC_ERR_INVALID, "more than %zu names in one certificate", NAMES_MAX - count);
    for (size_t i = 0; i < name_count; i++)
        all[count++] = names[i];
    AC_TRY(prepare_root(root_paths, host, now_s, &root, err));
    status = prepare_server(server_paths, &root, all, count, now_s, ret_renewed, err);
    identity_done(&root);
    return status;
}

ac_status local_ca_prepare(const char *data_dir, const char *const *names, size_t name_count, int64_t now_s,
                           local_ca_files *ret_files, ac_error *err)
{
    char *directory = path_join(data_dir, LOCAL_CA_DIRECTORY), *root_key = path_join(data_dir, "tls/ca.key");
    char host[256] = "";
    ac_status status;

    *ret_files = (local_ca_files){
        .root = path_join(data_dir, LOCAL_CA_ROOT_FILE),
        .certificate = path_join(data_dir, "tls/server.pem"),
        .key = path_join(data_dir, "tls/server.key"),
    };
    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = '\0';
    if (!directory || !root_key || !ret_files->root || !ret_files->certificate || !ret_files->key)
        status = ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    else if (mkdir(directory, 0700) != 0 && errno != EEXIST)
        status = ac_error_set(err, AC_ERR_IO, "cannot make %s: %s", directory, strerror(errno));
    else
        status = prepare(names, name_count, host, now_s, &(pair_paths){ret_files->root, root_key},
                         &(pair_paths){ret_files->certificate, ret_files->key}, &ret_files->renewed, err);
    free(directory);
    free(root_key);
    return status;
}

void local_ca_files_done(local_ca_files *files)
{
    free(files->root);
    free(files->certificate);
    free(files->key);
    *files = (local_ca_files){0};
}
