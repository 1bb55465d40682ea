/* sigv4_verify.c - is this request signed by a key we know?
 *
 * From cheap to dear: form, date, scope, which headers are signed, then the secret and the signature, and the body's
 * hash last where a header states it.  No step trusts what an earlier one did not check; only the last one
 * says yes.
 *
 * Clients disagree about Host: some sign it without the port that is on the wire, some with the default port that is
 * not.  The alternatives are tried in turn; all mean the same server. */
#include "aws/endpoints.h"
#include "aws/sigv4_internal.h"

#include <openssl/crypto.h>

#include <stdio.h>

#define HOST_FORMS 3
#define HOST_BYTES_MAX 262 /* 255, a port, and the NUL */

typedef struct result_row {
    int http;
    const char *aws_name;
    const char *sentence;
} result_row;

static const result_row result_rows[] = {
#define RESULT_ROW(name, http_status, aws, text) [name] = {.http = http_status, .aws_name = aws, .sentence = text},
    SIGV4_RESULT_MAP(RESULT_ROW)
#undef RESULT_ROW
};

typedef struct verification {
    const sigv4_verifier *options;
    const sigv4_request *request;
    int64_t now_s;
    int64_t signed_at_s, valid_until_s;
    sigv4_statement statement;
    sigv4_scope scope;
    buf headers;         /* sigv4_header: all of the request sorted, then only the signed ones */
    view host;           /* as on the wire */
    view content_sha256; /* text NULL: no such header */
    char hash[SIGV4_HEX_SIZE];
    const char *flaw;
    char detail[160];
} verification;

static void verification_done(verification *v)
{
    buf_done(&v->headers);
    buf_done(&v->statement.decoded);
}

const char *sigv4_result_aws_name(sigv4_result result)
{
    return (size_t)result < ARRAY_SIZE(result_rows) ? result_rows[result].aws_name : "InternalServerException";
}

static sigv4_result from_status(ac_status status)
{
    switch (status) {
    case AC_OK:
        return SIGV4_OK;
    case AC_ERR_TOO_LARGE:
        return SIGV4_TOO_LARGE;
    case AC_ERR_INVALID:
        return SIGV4_BAD_REQUEST;
    default:
        return SIGV4_FAILED;
    }
}

/* ---- date and scope ---- */

static sigv4_result check_date(verification *v)
{
    const sigv4_statement *s = &v->statement;
    int64_t skew = v->options->skew_s > 0 ? v->options->skew_s : SIGV4_SKEW_DEFAULT;
    bool read = s->date.text && (s->date_is_http ? sigv4_http_date_read(s->date, &v->signed_at_s)
                                                 : sigv4_date_read(s->date, &v->signed_at_s));

    if (!read)
        return SIGV4_BAD_DATE;
    sigv4_date_write(v->signed_at_s, v->scope.date);
    char now[SIGV4_DATE_SIZE];
    sigv4_date_write(v->now_s, now);
    snprintf(v->detail, sizeof(v->detail), "signed at %s, now is %s", v->scope.date, now);
    v->flaw = v->detail;
    if (v->signed_at_s > v->now_s + skew)
        return SIGV4_TOO_NEW;
    v->valid_until_s = v->signed_at_s + (s->claim.presigned ? (int64_t)s->expires_s : skew);
    if (v->now_s > v->valid_until_s)
        return s->claim.presigned ? SIGV4_EXPIRED : SIGV4_TOO_OLD;
    v->flaw = NULL;
    return SIGV4_OK;
}

static sigv4_result check_scope(verification *v)
{
    const sigv4_statement *s = &v->statement;
    const char *service = v->options->service ? v->options->service : AWS_SERVICE;
    unsigned expires_max = v->options->expires_max_s > 0 ? v->options->expires_max_s : SIGV4_EXPIRES_MAX;

    v->flaw = "X-Amz-Expires is longer than this service permits";
    if (s->claim.presigned && s->expires_s > expires_max)
        return SIGV4_INCOMPLETE;
    v->flaw = "Credential is scoped to another day than the request's date";
    if (memcmp(s->day.text, v->scope.date, SIGV4_DAY_LENGTH) != 0)
        return SIGV4_BAD_SCOPE;
    v->flaw = "Credential is scoped to another region";
    if (v->options->region && !view_is(s->claim.region, v->options->region))
        return SIGV4_BAD_SCOPE;
    v->flaw = "Credential is scoped to another service";
    if (!view_is(s->service, service))
        return SIGV4_BAD_SCOPE;
    v->flaw = NULL;
    v->scope.region = s->claim.region;
    v->scope.service = s->service;
    return SIGV4_OK;
}

/* ---- headers ---- */

static sigv4_result gather_headers(verification *v)
{
    const sigv4_request *r = v->request;

    v->headers = BUF_INIT(SIGV4_HEADERS_MAX * sizeof(sigv4_header));
    for (size_t i = 0; i < r->header_count; i++) {
        sigv4_header header = {.name = {r->headers[i].name, r->headers[i].name_length},
                               .value = {r->headers[i].value, r->headers[i].value_length},
                               .order = i};
        if (buf_append(&v->headers, &header, sizeof(header)) != AC_OK)
            return SIGV4_FAILED;
    }
    sigv4_headers_sort((sigv4_header *)(void *)v->headers.data, r->header_count);
    return SIGV4_OK;
}

/* Tokens in lower case (RFC 9110, section 5.6.2), so that nothing in a name can end a line of the canonical request. */
static bool signed_name_valid(view name)
{
    static const char others[] = "0123456789!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < name.length; i++)
        if (!(name.text[i] >= 'a' && name.text[i] <= 'z') && !memchr(others, name.text[i], sizeof(others) - 1))
            return false;
    return name.length > 0;
}

static bool must_be_signed(const verification *v, view name)
{
    view start = {name.text, MIN(name.length, (size_t)6)};

    if (sigv4_name_compare(name, view_of("host")) == 0 || sigv4_name_compare(start, view_of("x-amz-")) == 0)
        return true;
    if (v->options->signed_too && sigv4_name_compare(name, view_of(v->options->signed_too)) == 0)
        return true;
    return v->statement.date_is_http && sigv4_name_compare(name, view_of("date")) == 0;
}

static sigv4_result refuse_unsigned(verification *v, view name)
{
    snprintf(v->detail, sizeof(v->detail), "%.*s is not among SignedHeaders", (int)MIN(name.length, (size_t)80),
             name.text);
    v->flaw = v->detail;
    return SIGV4_UNSIGNED_HEADER;
}

/* In order, so that both lists are walked once. */
static sigv4_result check_names(verification *v)
{
    view rest = v->statement.signed_names, name, last = {"", 0};

    v->flaw = "SignedHeaders must be names in lower case, in order, each once";
    for (; view_split(&rest, ';', &name); last = name)
        if (!signed_name_valid(name) || sigv4_name_compare(last, name) >= 0)
            return SIGV4_INCOMPLETE;
    v->flaw = NULL;
    return SIGV4_OK;
}

static sigv4_result refuse_absent(verification *v, view name)
{
    snprintf(v->detail, sizeof(v->detail), "%.*s is signed but not there", (int)MIN(name.length, (size_t)80),
             name.text);
    v->flaw = v->detail;
    return SIGV4_ABSENT_HEADER;
}

/* Keep of the sorted headers those that are signed. */
static sigv4_result select_signed(verification *v)
{
    sigv4_header *headers = (sigv4_header *)(void *)v->headers.data;
    size_t count = v->headers.length / sizeof(*headers), kept = 0, i = 0;
    view rest = v->statement.signed_names, name;

    while (view_split(&rest, ';', &name)) {
        for (; i < count && sigv4_name_compare(headers[i].name, name) < 0; i++)
            if (must_be_signed(v, headers[i].name))
                return refuse_unsigned(v, headers[i].name);
        if (i == count || sigv4_name_compare(headers[i].name, name) != 0)
            return refuse_absent(v, name);
        for (; i < count && sigv4_name_compare(headers[i].name, name) == 0; i++)
            headers[kept++] = headers[i];
    }
    for (; i < count; i++)
        if (must_be_signed(v, headers[i].name))
            return refuse_unsigned(v, headers[i].name);
    v->headers.length = kept * sizeof(*headers);
    return SIGV4_OK;
}

/* Host is required once; a hash of the body is taken note of. */
static sigv4_result note_headers(verification *v)
{
    const sigv4_header *headers = (const sigv4_header *)(const void *)v->headers.data;
    size_t count = v->headers.length / sizeof(*headers), hosts = 0, hashes = 0;

    for (size_t i = 0; i < count; i++) {
        if (sigv4_name_compare(headers[i].name, view_of("host")) == 0) {
            v->host = headers[i].value;
            hosts++;
        } else if (sigv4_name_compare(headers[i].name, view_of("x-amz-content-sha256")) == 0) {
            v->content_sha256 = headers[i].value;
            hashes++;
        }
    }
    v->flaw = "Host and X-Amz-Content-SHA256 may be there once";
    if (hosts > 1 || hashes > 1)
        return SIGV4_BAD_REQUEST;
    v->flaw = NULL;
    return hosts == 1 ? SIGV4_OK : refuse_unsigned(v, view_of("host"));
}

/* ---- body ---- */

static sigv4_result hash_body(verification *v)
{
    const sigv4_request *r = v->request;

    if (!r->body_sha256)
        return from_status(sigv4_sha256_hex(r->body, r->body_length, v->hash));
    if (strlen(r->body_sha256) != SIGV4_HEX_LENGTH)
        return SIGV4_FAILED;
    memcpy(v->hash, r->body_sha256, SIGV4_HEX_SIZE);
    return SIGV4_OK;
}

static bool payload_is_unsigned(const verification *v)
{
    return v->content_sha256.text && view_is(v->content_sha256, SIGV4_UNSIGNED_PAYLOAD);
}

static sigv4_result choose_payload(verification *v, view *ret_payload)
{
    if (payload_is_unsigned(v) && !v->options->unsigned_payload)
        return SIGV4_PAYLOAD_UNSIGNED;
    if (v->content_sha256.text) {
        *ret_payload = v->content_sha256;
        v->flaw = "X-Amz-Content-SHA256 must be a SHA-256 in lower-case hexadecimal";
        if (!payload_is_unsigned(v) && v->content_sha256.length != SIGV4_HEX_LENGTH)
            return SIGV4_BAD_REQUEST;
        v->flaw = NULL;
        return SIGV4_OK;
    }
    *ret_payload = (view){v->hash, SIGV4_HEX_LENGTH};
    return hash_body(v);
}

/* The body is hashed only now when a header stated its hash: forgers don't get to choose how long that takes. */
static sigv4_result check_stated_hash(verification *v)
{
    if (!v->content_sha256.text || payload_is_unsigned(v))
        return SIGV4_OK;

    sigv4_result result = hash_body(v);
    if (result != SIGV4_OK)
        return result;
    return CRYPTO_memcmp(v->content_sha256.text, v->hash, SIGV4_HEX_LENGTH) == 0 ? SIGV4_OK : SIGV4_PAYLOAD_MISMATCH;
}

/* ---- signature ---- */

static size_t host_without_port(view host)
{
    size_t length = host.length;

    while (length > 0 && host.text[length - 1] >= '0' && host.text[length - 1] <= '9')
        length--;
    return length > 1 && length < host.length && host.text[length - 1] == ':' ? length - 1 : host.length;
}

/* How the client may have signed Host: as it is, and without its port or with a default one.  "[::1]" ends in a
 * bracket, so what follows the last colon of an address is no port. */
static size_t host_forms(view host, char memory[2][HOST_BYTES_MAX], view ret_forms[HOST_FORMS])
{
    static const char *const ports[] = {":443", ":80"};
    size_t bare = host_without_port(host);

    ret_forms[0] = host;
    if (bare < host.length) {
        ret_forms[1] = (view){host.text, bare};
        return 2;
    }
    if (host.length + sizeof(":443") > HOST_BYTES_MAX)
        return 1;
    for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
        memcpy(memory[i], host.text, host.length);
        memcpy(memory[i] + host.length, ports[i], strlen(ports[i]) + 1);
        ret_forms[i + 1] = view_of(memory[i]);
    }
    return HOST_FORMS;
}

static sigv4_result compare_signature(const verification *v, const uint8_t key[32], sigv4_parts parts)
{
    _cleanup_(buf_done) buf canonical = BUF_INIT(SIGV4_CANONICAL_MAX);
    char memory[2][HOST_BYTES_MAX], signature[SIGV4_HEX_SIZE];
    view forms[HOST_FORMS];
    size_t count = host_forms(v->host, memory, forms);

    for (size_t i = 0; i < count; i++) {
        parts.host = forms[i];
        canonical.length = 0;
        ac_status status = sigv4_canonical_write(&canonical, &parts);
        if (status == AC_OK)
            status = sigv4_signature(key, &v->scope, &canonical, signature);
        if (status != AC_OK)
            return from_status(status);
        if (CRYPTO_memcmp(signature, v->statement.signature.text, SIGV4_HEX_LENGTH) == 0)
            return SIGV4_OK;
    }
    return SIGV4_MISMATCH;
}

static sigv4_result find_key(verification *v, uint8_t ret_key[32])
{
    _cleanup_(buf_done) buf secret = BUF_INIT(SIGV4_SECRET_MAX);

    secret.secret = true;
    sigv4_result result = v->options->find(v->options->user, &v->statement.claim, &secret);
    if (result != SIGV4_OK)
        return result;
    ac_status status = sigv4_signing_key(v->options->cache, &v->scope, (view){secret.data, secret.length}, ret_key);
    return status == AC_OK ? SIGV4_OK : SIGV4_FAILED;
}

static sigv4_result check_signature(verification *v)
{
    uint8_t key[32];
    sigv4_parts parts = {
        .method = v->request->method,
        .path = v->request->path,
        .query = view_of(v->request->query ? v->request->query : ""),
        .headers = (const sigv4_header *)(const void *)v->headers.data,
        .header_count = v->headers.length / sizeof(sigv4_header),
        .presigned = v->statement.claim.presigned,
        .path_as_is = sigv4_path_as_is(v->scope.service),
    };

    sigv4_result result = choose_payload(v, &parts.payload);
    if (result == SIGV4_OK)
        result = find_key(v, key);
    if (result == SIGV4_OK)
        result = compare_signature(v, key, parts);
    OPENSSL_cleanse(key, sizeof(key));
    return result;
}

static sigv4_result check_path(verification *v)
{
    _cleanup_(buf_done) buf normal = BUF_INIT(SIGV4_PATH_BYTES_MAX + 1);
    bool same = false;

    if (v->options->path_aliases || sigv4_path_as_is(v->scope.service))
        return SIGV4_OK;
    sigv4_result result = from_status(sigv4_path_normalise(&normal, v->request->path, &same));
    if (result != SIGV4_OK || same)
        return result;
    v->flaw = "The path has empty or dot segments, which signatures do not cover";
    return SIGV4_BAD_REQUEST;
}

static sigv4_result run(verification *v)
{
    static sigv4_result (*const steps[])(verification * v) = {
        check_date,    check_scope,  check_path,      check_names,       gather_headers,
        select_signed, note_headers, check_signature, check_stated_hash,
    };
    sigv4_result result = sigv4_statement_read(v->request, &v->statement, &v->flaw);

    for (size_t i = 0; result == SIGV4_OK && i < ARRAY_SIZE(steps); i++)
        result = steps[i](v);
    return result;
}

static void describe(ac_error *err, sigv4_result result, const char *flaw)
{
    const result_row *row = &result_rows[result];

    if (!err || result == SIGV4_OK)
        return;

    ac_status status = result == SIGV4_FAILED ? AC_ERR_INTERNAL : AC_ERR_DENIED;
    if (flaw)
        ac_error_set(err, status, "%s: %s", row->sentence, flaw);
    else
        ac_error_set(err, status, "%s", row->sentence);
    err->http_status = row->http;
    snprintf(err->aws_name, sizeof(err->aws_name), "%s", row->aws_name);
}

sigv4_result sigv4_verify(const sigv4_verifier *verifier, const sigv4_request *request, int64_t now_s,
                          sigv4_identity *ret_identity, ac_error *err)
{
    _cleanup_(verification_done) verification v = {.options = verifier, .request = request, .now_s = now_s};

    sigv4_result result = run(&v);
    if ((size_t)result >= ARRAY_SIZE(result_rows))
        result = SIGV4_FAILED;
    describe(err, result, v.flaw);
    if (result != SIGV4_OK)
        return result;

    const sigv4_claim *claim = &v.statement.claim;
    *ret_identity =
        (sigv4_identity){.presigned = claim->presigned, .signed_at_s = v.signed_at_s, .valid_until_s = v.valid_until_s};
    memcpy(ret_identity->access_key, claim->access_key.text, claim->access_key.length);
    memcpy(ret_identity->region, claim->region.text, claim->region.length);
    return SIGV4_OK;
}
