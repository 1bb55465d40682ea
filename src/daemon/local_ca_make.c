/* local_ca_make.c - certificates as RFC 5280 wants them, with OpenSSL.
 *
 * Strict verifiers (Python 3.13, Go, OpenSSL with X509_V_FLAG_X509_STRICT) ask for key identifiers, key usage and basic
 * constraints; all are there.  The clock of a client may be behind: certificates begin an hour ago. */
#include "daemon/local_ca_make.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DAY_S ((int64_t)86400)
#define ROOT_DAYS 3650
#define SERVER_DAYS 365
#define BACKDATE_S 3600
#define SERIAL_BYTES 19 /* RFC 5280: at most 20 octets, positive */
#define COMMON_NAME_MAX 64

void identity_done(identity *i)
{
    X509_free(i->certificate);
    EVP_PKEY_free(i->key);
    *i = (identity){0};
}

static ac_status failed(ac_error *err, const char *what)
{
    char reason[160];

    ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
    ERR_clear_error();
    return ac_error_set(err, AC_ERR_INTERNAL, "cannot make %s: %s", what, reason);
}

static bool set_serial(X509 *x)
{
    unsigned char bytes[SERIAL_BYTES];
    BIGNUM *number;
    bool well;

    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] |= 1; /* never zero */
    number = BN_bin2bn(bytes, sizeof bytes, NULL);
    well = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
    BN_free(number);
    return well;
}

static bool set_times(X509 *x, int64_t now_s, int64_t days, const X509 *issuer)
{
    time_t begin = (time_t)(now_s - BACKDATE_S), end = (time_t)(now_s + days * DAY_S);

    if (!ASN1_TIME_set(X509_getm_notBefore(x), begin) || !ASN1_TIME_set(X509_getm_notAfter(x), end))
        return false;
    /* No certificate outlives the one that vouches for it. */
    if (issuer && ASN1_TIME_compare(X509_get0_notAfter(x), X509_get0_notAfter(issuer)) > 0)
        return X509_set1_notAfter(x, X509_get0_notAfter(issuer));
    return true;
}

static bool set_subject(X509 *x, const char *common_name)
{
    X509_NAME *name = X509_get_subject_name(x);

    return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"AgentCore for C", -1, -1, 0) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0);
}

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;
    bool well;

    X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    well = extension && X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
    return well;
}

/* A fresh key, and a certificate with what both kinds have in common. */
static bool begin(identity *i)
{
    i->key = EVP_EC_gen("P-256");
    i->certificate = X509_new();
    return i->key && i->certificate && X509_set_version(i->certificate, X509_VERSION_3) && set_serial(i->certificate) &&
           X509_set_pubkey(i->certificate, i->key);
}

ac_status make_root(const char *host, int64_t now_s, identity *ret_root, ac_error *err)
{
    identity root = {0};
    unsigned char random[4];
    char name[COMMON_NAME_MAX + 1];
    bool well = begin(&root) && RAND_bytes(random, sizeof random) == 1;

    /* Two roots in one bundle are told apart by their names. */
    if (well)
        snprintf(name, sizeof name, "agentcored local CA %02x%02x%02x%02x %.24s", random[0], random[1], random[2],
                 random[3], host);
    well = well && set_times(root.certificate, now_s, ROOT_DAYS, NULL) && set_subject(root.certificate, name) &&
           X509_set_issuer_name(root.certificate, X509_get_subject_name(root.certificate)) &&
           add_extension(root.certificate, root.certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           add_extension(root.certificate, root.certificate, NID_key_usage, "critical,keyCertSign,cRLSign") &&
           add_extension(root.certificate, root.certificate, NID_subject_key_identifier, "hash") &&
           add_extension(root.certificate, root.certificate, NID_authority_key_identifier, "keyid:always") &&
           X509_sign(root.certificate, root.key, EVP_sha256()) > 0;
    if (!well) {
        identity_done(&root);
        return failed(err, "a local CA");
    }
    *ret_root = root;
    return AC_OK;
}

/* Names do not go through OpenSSL's configuration language, whose commas and colons they could contain. */
static bool add_name(GENERAL_NAMES *list, const char *text)
{
    unsigned char address[sizeof(struct in6_addr)];
    int length = inet_pton(AF_INET, text, address) == 1 ? 4 : inet_pton(AF_INET6, text, address) == 1 ? 16 : 0;
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = length ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();

    if (!name || !value || !ASN1_STRING_set(value, length ? (const void *)address : text, length ? length : -1)) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(value);
        return false;
    }
    GENERAL_NAME_set0_value(name, length ? GEN_IPADD : GEN_DNS, value);
    if (sk_GENERAL_NAME_push(list, name) <= 0) {
        GENERAL_NAME_free(name);
        return false;
    }
    return true;
}

static bool add_names(X509 *x, const char *const *names, size_t count)
{
    GENERAL_NAMES *list = sk_GENERAL_NAME_new_null();
    bool well = list != NULL;

    for (size_t i = 0; i < count && well; i++)
        well = add_name(list, names[i]);
    well = well && X509_add1_ext_i2d(x, NID_subject_alt_name, list, 0, X509V3_ADD_APPEND) == 1;
    sk_GENERAL_NAME_pop_free(list, GENERAL_NAME_free);
    return well;
}

ac_status make_server(const identity *root, const char *const *names, size_t name_count, int64_t now_s,
                      identity *ret_server, ac_error *err)
{
    identity server = {0};
    char name[COMMON_NAME_MAX + 1];
    X509 *x;
    bool well = begin(&server);

    snprintf(name, sizeof name, "%s", names[0]);
    x = server.certificate;
    well = well && set_times(x, now_s, SERVER_DAYS, root->certificate) && set_subject(x, name) &&
           X509_set_issuer_name(x, X509_get_subject_name(root->certificate)) &&
           add_extension(x, root->certificate, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(x, root->certificate, NID_key_usage, "critical,digitalSignature") &&
           add_extension(x, root->certificate, NID_ext_key_usage, "serverAuth") &&
           add_extension(x, root->certificate, NID_subject_key_identifier, "hash") &&
           add_extension(x, root->certificate, NID_authority_key_identifier, "keyid:always") &&
           add_names(x, names, name_count) && X509_sign(x, root->key, EVP_sha256()) > 0;
    if (!well) {
        identity_done(&server);
        return failed(err, "a server certificate");
    }
    *ret_server = server;
    return AC_OK;
}
