/* sigv4_sign.c - signing a request with headers or, presigned, in its query.
 *
 * The headers left unsigned are those that proxies and HTTP libraries change or add on the way; they are botocore's
 * list, so that both sign the same. */
#include "aws/endpoints.h"
#include "aws/sigv4_internal.h"
#include "aws/uri.h"

#include <openssl/crypto.h>

static const char *const unsigned_headers[] = {
    "authorization",
    "baggage",
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-amzn-trace-id",
};

/* What signing makes itself: those of the caller, from an earlier try perhaps, would be sent twice. */
static const char *const replaced_headers[] = {"x-amz-date", "x-amz-security-token"};

typedef struct signing {
    const sigv4_signer *signer;
    const sigv4_request *request;
    sigv4_scope scope;
    buf headers; /* sigv4_header, sorted */
    char hash[SIGV4_HEX_SIZE];
    view payload;
} signing;

static void signing_done(signing *s)
{
    buf_done(&s->headers);
}

static bool is_listed(view name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (sigv4_name_compare(name, view_of(list[i])) == 0)
            return true;
    return false;
}

static ac_status add_header(signing *s, view name, view value)
{
    sigv4_header header = {.name = name, .value = value, .order = s->headers.length / sizeof(sigv4_header)};

    return buf_append(&s->headers, &header, sizeof(header));
}

/* Choose the request's headers that are signed; the body's hash may be among them. */
static ac_status add_request_headers(signing *s, bool presigned, ac_error *err)
{
    bool host = false;

    for (size_t i = 0; i < s->request->header_count; i++) {
        const http_header *h = &s->request->headers[i];
        view name = {h->name, h->name_length}, value = {h->value, h->value_length};
        if (is_listed(name, unsigned_headers, ARRAY_SIZE(unsigned_headers)) ||
            (!presigned && is_listed(name, replaced_headers, ARRAY_SIZE(replaced_headers))))
            continue;
        if (sigv4_name_compare(name, view_of("host")) == 0)
            host = true;
        if (sigv4_name_compare(name, view_of("x-amz-content-sha256")) == 0)
            s->payload = value;
        AC_TRY(add_header(s, name, value));
    }
    return host ? AC_OK : ac_error_set(err, AC_ERR_INVALID, "a request without Host cannot be signed");
}

static ac_status choose_payload(signing *s)
{
    const sigv4_request *r = s->request;

    if (s->payload.text)
        return AC_OK;
    if (r->body_sha256) {
        s->payload = view_of(r->body_sha256);
        return s->payload.length == SIGV4_HEX_LENGTH ? AC_OK : AC_ERR_INVALID;
    }
    AC_TRY(sigv4_sha256_hex(r->body, r->body_length, s->hash));
    s->payload = (view){s->hash, SIGV4_HEX_LENGTH};
    return AC_OK;
}

static bool length_within(const char *text, size_t most)
{
    return text && text[0] != '\0' && strnlen(text, most + 1) <= most;
}

static ac_status signing_init(signing *s, const sigv4_signer *signer, const sigv4_request *request, int64_t now_s,
                              ac_error *err)
{
    const char *service = signer->service ? signer->service : AWS_SERVICE;

    *s = (signing){.signer = signer, .request = request};
    s->headers = BUF_INIT((SIGV4_HEADERS_MAX + SIGV4_FIELDS_MAX) * sizeof(sigv4_header));
    if (!length_within(signer->access_key, SIGV4_ACCESS_KEY_MAX) ||
        !length_within(signer->secret_key, SIGV4_SECRET_MAX))
        return ac_error_set(err, AC_ERR_INVALID, "the access key or its secret is empty or too long");
    if (!length_within(signer->region, SIGV4_NAME_MAX) || !length_within(service, SIGV4_NAME_MAX))
        return ac_error_set(err, AC_ERR_INVALID, "the region or the service to sign for is empty or too long");
    if (request->header_count > SIGV4_HEADERS_MAX)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "the request has too many headers to sign");
    s->scope.region = view_of(signer->region);
    s->scope.service = view_of(service);
    sigv4_date_write(now_s, s->scope.date);
    return AC_OK;
}

static void sort_headers(signing *s)
{
    sigv4_headers_sort((sigv4_header *)(void *)s->headers.data, s->headers.length / sizeof(sigv4_header));
}

/* The signature over the headers chosen and a query. */
static ac_status compute(signing *s, view query, bool presigned, char ret_hex[SIGV4_HEX_SIZE], ac_error *err)
{
    _cleanup_(buf_done) buf canonical = BUF_INIT(SIGV4_CANONICAL_MAX);
    uint8_t key[32];
    sigv4_parts parts = {
        .method = s->request->method,
        .path = s->request->path,
        .query = query,
        .headers = (const sigv4_header *)(const void *)s->headers.data,
        .header_count = s->headers.length / sizeof(sigv4_header),
        .payload = s->payload,
        .presigned = presigned,
        .path_as_is = sigv4_path_as_is(s->scope.service),
    };

    ac_status status = sigv4_canonical_write(&canonical, &parts);
    if (status == AC_OK)
        status = sigv4_signing_key(s->signer->cache, &s->scope, view_of(s->signer->secret_key), key);
    if (status == AC_OK)
        status = sigv4_signature(key, &s->scope, &canonical, ret_hex);
    OPENSSL_cleanse(key, sizeof(key));
    return status == AC_OK ? AC_OK
                           : ac_error_set(err, status, "the request cannot be signed: %s", ac_status_text(status));
}

static ac_status write_credential(buf *out, const signing *s)
{
    return buf_appendf(out, "%s/%.8s/%s/%.*s/" SIGV4_TERMINATOR, s->signer->access_key, s->scope.date,
                       s->signer->region, (int)s->scope.service.length, s->scope.service.text);
}

static ac_status write_names(buf *out, const signing *s)
{
    return sigv4_signed_names_write(out, (const sigv4_header *)(const void *)s->headers.data,
                                    s->headers.length / sizeof(sigv4_header));
}

static ac_status write_authorization(buf *out, const signing *s, const char *signature)
{
    AC_TRY(buf_append_text(out, SIGV4_ALGORITHM " Credential="));
    AC_TRY(write_credential(out, s));
    AC_TRY(buf_append_text(out, ", SignedHeaders="));
    AC_TRY(write_names(out, s));
    return buf_appendf(out, ", Signature=%s", signature);
}

static ac_status add_field(sigv4_fields *f, arena *a, const char *name, view value)
{
    char *copy = arena_copy(a, value.text, value.length);

    if (!copy)
        return AC_ERR_NOMEM;
    f->fields[f->count++] = (http_field){.name = name, .value = copy};
    return AC_OK;
}

static bool has_token(const sigv4_signer *signer)
{
    return signer->session_token && signer->session_token[0] != '\0';
}

ac_status sigv4_sign(const sigv4_signer *signer, const sigv4_request *request, int64_t now_s, arena *a,
                     sigv4_fields *ret_fields, ac_error *err)
{
    _cleanup_(signing_done) signing s;
    _cleanup_(buf_done) buf authorization = BUF_INIT(SIGV4_HEADER_BYTES_MAX);
    char signature[SIGV4_HEX_SIZE];

    AC_TRY(signing_init(&s, signer, request, now_s, err));
    AC_TRY(add_request_headers(&s, false, err));
    AC_TRY(add_header(&s, view_of("X-Amz-Date"), view_of(s.scope.date)));
    if (has_token(signer))
        AC_TRY(add_header(&s, view_of("X-Amz-Security-Token"), view_of(signer->session_token)));
    AC_TRY(choose_payload(&s));
    sort_headers(&s);
    AC_TRY(compute(&s, view_of(request->query ? request->query : ""), false, signature, err));
    AC_TRY(write_authorization(&authorization, &s, signature));

    *ret_fields = (sigv4_fields){.count = 0};
    AC_TRY(add_field(ret_fields, a, "X-Amz-Date", view_of(s.scope.date)));
    if (has_token(signer))
        AC_TRY(add_field(ret_fields, a, "X-Amz-Security-Token", view_of(signer->session_token)));
    return add_field(ret_fields, a, "Authorization", (view){authorization.data, authorization.length});
}

/* ---- presigning ---- */

static bool is_signature_param(view name)
{
    static const char *const names[] = {"X-Amz-Algorithm",     "X-Amz-Credential",    "X-Amz-Date",
                                        "X-Amz-Expires",       "X-Amz-SignedHeaders", "X-Amz-Signature",
                                        "X-Amz-Security-Token"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (view_is(name, names[i]))
            return true;
    return false;
}

static ac_status decode(buf *scratch, view text)
{
    scratch->length = 0;
    return uri_decode(scratch, text.text ? text.text : "", text.length, URI_PLUS_SPACE);
}

/* The request's own pairs, each followed by '&'. */
static ac_status write_own_query(buf *out, view query)
{
    _cleanup_(buf_done) buf scratch = BUF_INIT(SIGV4_QUERY_BYTES_MAX);
    view part, name;

    while (view_split(&query, '&', &part)) {
        if (part.length == 0)
            continue;
        view_split(&part, '=', &name);
        AC_TRY(decode(&scratch, name));
        if (is_signature_param((view){scratch.data, scratch.length}))
            return AC_ERR_INVALID;
        AC_TRY(uri_encode(out, scratch.data, scratch.length, URI_ENCODE_SLASH));
        AC_TRY(buf_append(out, "=", 1));
        AC_TRY(decode(&scratch, part));
        AC_TRY(uri_encode(out, scratch.data, scratch.length, URI_ENCODE_SLASH));
        AC_TRY(buf_append(out, "&", 1));
    }
    return AC_OK;
}

static ac_status write_encoded_param(buf *out, const char *name, const buf *value)
{
    AC_TRY(buf_append_text(out, name));
    return uri_encode(out, value->data, value->length, URI_ENCODE_SLASH);
}

static ac_status write_presigned_query(buf *out, const signing *s, unsigned expires_s)
{
    _cleanup_(buf_done) buf credential = BUF_INIT(512);
    _cleanup_(buf_done) buf names = BUF_INIT(SIGV4_HEADER_BYTES_MAX);

    AC_TRY(write_credential(&credential, s));
    AC_TRY(write_names(&names, s));
    AC_TRY(write_own_query(out, view_of(s->request->query ? s->request->query : "")));
    AC_TRY(write_encoded_param(out, "X-Amz-Algorithm=" SIGV4_ALGORITHM "&X-Amz-Credential=", &credential));
    AC_TRY(buf_appendf(out, "&X-Amz-Date=%s&X-Amz-Expires=%u", s->scope.date, expires_s));
    AC_TRY(write_encoded_param(out, "&X-Amz-SignedHeaders=", &names));
    if (!has_token(s->signer))
        return AC_OK;
    AC_TRY(buf_append_text(out, "&X-Amz-Security-Token="));
    return uri_encode(out, s->signer->session_token, strlen(s->signer->session_token), URI_ENCODE_SLASH);
}

ac_status sigv4_presign(const sigv4_signer *signer, const sigv4_request *request, unsigned expires_s, int64_t now_s,
                        buf *out, ac_error *err)
{
    _cleanup_(signing_done) signing s;
    _cleanup_(buf_done) buf query = BUF_INIT(SIGV4_QUERY_BYTES_MAX);
    char signature[SIGV4_HEX_SIZE];

    AC_TRY(signing_init(&s, signer, request, now_s, err));
    if (expires_s < 1 || expires_s > SIGV4_EXPIRES_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "a presigned URL lives 1 to %d seconds", SIGV4_EXPIRES_MAX);
    AC_TRY(add_request_headers(&s, true, err));
    AC_TRY(choose_payload(&s));
    sort_headers(&s);

    ac_status status = write_presigned_query(&query, &s, expires_s);
    if (status != AC_OK)
        return ac_error_set(err, status, "the query cannot be signed: %s", ac_status_text(status));
    AC_TRY(compute(&s, (view){query.data, query.length}, true, signature, err));
    AC_TRY(buf_appendf(&query, "&X-Amz-Signature=%s", signature));
    return buf_append(out, query.data, query.length);
}
