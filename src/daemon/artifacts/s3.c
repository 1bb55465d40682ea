/* s3.c - one object out of S3, to a file.
 *
 * A signed GET (service "s3"; the body's hash is a header of its own), virtual-host style for AWS, path style for other
 * servers and for buckets with dots, whose names no certificate covers.  What comes is written as it comes, counted and
 * never trusted; it is hashed by the caller.  A failed transfer is tried again twice, from the start.
 *
 * Redirects are not followed: a bucket of another region is a mistake in the configuration, and S3 says which region
 * it is. */
#include "daemon/artifacts/internal.h"

#include "aws/endpoints.h"
#include "aws/sigv4.h"
#include "aws/uri.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "http/client_retry.h"

#include <agentcore/version.h>
#include <stdio.h>

#define KEY_BYTES_MAX 1024
#define VERSION_BYTES_MAX 1024
#define BUCKET_BYTES_MIN 3
#define BUCKET_BYTES_MAX 63
#define URL_BYTES_MAX 16384
#define ERROR_BYTES_MAX 65536
#define READ_WAIT_MS 500 /* until it is looked whether to go on */
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* ---- names ---- */

static const char bucket_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
static const char version_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_+=~";

static bool bucket_valid(const char *bucket)
{
    size_t length = strlen(bucket);

    return length >= BUCKET_BYTES_MIN && length <= BUCKET_BYTES_MAX && strspn(bucket, bucket_characters) == length &&
           bucket[0] != '.' && bucket[0] != '-' && !strstr(bucket, "..");
}

/* Every segment of it must be a name, since it is a path in DATA/buckets too. */
static bool key_valid(const char *key)
{
    if (!*key || strlen(key) > KEY_BYTES_MAX || !utf8_valid(key, strlen(key)))
        return false;
    for (const char *p = key;; p++) {
        size_t length = strcspn(p, "/");

        if (length == 0 || length > NAME_BYTES_MAX || (length <= 2 && strspn(p, ".") >= length))
            return false;
        for (size_t i = 0; i < length; i++)
            if ((unsigned char)p[i] < ' ' || p[i] == 0x7f)
                return false;
        p += length;
        if (!*p)
            return true;
    }
}

ac_status s3_check_names(const char *bucket, const char *key, const char *version, ac_error *err)
{
    if (!bucket_valid(bucket))
        return ac_error_set(err, AC_ERR_INVALID, "%s is no name of a bucket", show_text(bucket).text);
    if (!key_valid(key))
        return ac_error_set(err, AC_ERR_INVALID, "%s is no key of a zip file: it must be names with '/' between",
                            show_text(key).text);
    if (version && (!*version || strlen(version) > NAME_BYTES_MAX ||
                    strspn(version, version_characters) != strlen(version) || strspn(version, ".") == strlen(version)))
        return ac_error_set(err, AC_ERR_INVALID, "%s is no version of an object", show_text(version).text);
    return AC_OK;
}

/* ---- the request ---- */

typedef struct fetch {
    artifacts *all;
    const artifact_code *code;
    const work *w;
    int fd;
    uint64_t bytes; /* written so far */
    aws_endpoint endpoint;
    buf path, query, url;
} fetch;

static void fetch_done(fetch *f)
{
    buf_done(&f->path);
    buf_done(&f->query);
    buf_done(&f->url);
}

static ac_status find_endpoint(fetch *f, bool *ret_path_style, ac_error *err)
{
    const char *region = f->all->s3_region, *bucket = f->code->bucket;
    /* Older buckets have names that no host has. */
    bool host_name = strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(bucket);
    const char *suffix = strncmp(region, "cn-", 3) == 0 ? "amazonaws.com.cn" : "amazonaws.com";
    char url[AWS_HOST_SIZE + 16];

    *ret_path_style = f->all->s3_url || !host_name;
    if (f->all->s3_url)
        return aws_endpoint_parse(f->all->s3_url, &f->endpoint, err);
    if (!region_valid(region, strlen(region)))
        return ac_error_set(err, AC_ERR_INVALID, "%s is no region for S3", show_text(region).text);
    snprintf(url, sizeof url, "https://%s%ss3.%s.%s", *ret_path_style ? "" : bucket, *ret_path_style ? "" : ".", region,
             suffix);
    return aws_endpoint_parse(url, &f->endpoint, err);
}

static ac_status make_url(fetch *f, ac_error *err)
{
    const artifact_code *c = f->code;
    bool path_style;

    AC_TRY(find_endpoint(f, &path_style, err));
    AC_TRY(buf_append_text(&f->path, f->endpoint.base_path));
    if (path_style)
        AC_TRY(buf_appendf(&f->path, "/%s", c->bucket));
    AC_TRY(buf_append_text(&f->path, "/"));
    AC_TRY(uri_encode(&f->path, c->key, strlen(c->key), URI_KEEP_SLASH));
    if (c->version) {
        AC_TRY(buf_append_text(&f->query, "versionId="));
        AC_TRY(uri_encode(&f->query, c->version, strlen(c->version), URI_ENCODE_SLASH));
    }
    if (!buf_terminate(&f->path) || !buf_terminate(&f->query))
        return AC_ERR_NOMEM;
    AC_TRY(buf_appendf(&f->url, "%s://%s%s%s%s", f->endpoint.tls ? "https" : "http", f->endpoint.authority,
                       f->path.data, c->version ? "?" : "", f->query.data ? f->query.data : ""));
    return buf_terminate(&f->url) ? AC_OK : AC_ERR_NOMEM;
}

#define FIELDS_MAX (2 + SIGV4_FIELDS_MAX)

/* No object is missing when keys are. */
static ac_status get_keys(const fetch *f, aws_credentials **ret_keys, ac_error *err)
{
    ac_error why = {0};
    ac_status status = aws_provider_get(f->all->keys, ret_keys, &why);

    if (status == AC_OK)
        return AC_OK;
    return ac_error_set(err, status == AC_ERR_NOMEM || status == AC_ERR_TIMEOUT ? status : AC_ERR_DENIED,
                        "there are no AWS credentials to ask S3 with: %s", why.message);
}

static ac_status sign(const fetch *f, arena *memory, http_field fields[FIELDS_MAX], size_t *ret_count, ac_error *err)
{
    _cleanup_(aws_credentials_unrefp) aws_credentials *keys = NULL;
    const char *host = f->endpoint.authority;
    http_header headers[] = {{"Host", host, 4, (uint32_t)strlen(host)},
                             {"X-Amz-Content-SHA256", EMPTY_SHA256, 20, sizeof EMPTY_SHA256 - 1}};
    sigv4_fields signature;

    AC_TRY(get_keys(f, &keys, err));
    sigv4_signer signer = {.access_key = keys->access_key,
                           .secret_key = keys->secret_key,
                           .session_token = keys->session_token,
                           .region = f->all->s3_region,
                           .service = "s3"};
    sigv4_request request = {.method = "GET",
                             .path = f->path.data,
                             .query = f->code->version ? f->query.data : NULL,
                             .headers = headers,
                             .header_count = ARRAY_SIZE(headers)};
    AC_TRY(sigv4_sign(&signer, &request, clock_unix_ms() / 1000, memory, &signature, err));
    *ret_count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
        fields[(*ret_count)++] = (http_field){headers[i].name, headers[i].value};
    for (size_t i = 0; i < signature.count; i++) {
        http_field field = signature.fields[i];

        field.value = arena_copy(memory, field.value, strlen(field.value)); /* the token is the snapshot's */
        if (!field.value)
            return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
        fields[(*ret_count)++] = field;
    }
    return AC_OK;
}

/* ---- the answer ---- */

/* Wait for a part of the body, in steps, so that a stop is noticed. */
static ac_status read_part(const fetch *f, http_transfer *t, buf *part, ac_error *err)
{
    size_t length = 0;
    ac_status status;

    do {
        AC_TRY(work_go_on(f->w, err));
        status = http_transfer_read(t, part->data, part->cap, READ_WAIT_MS, &length, err);
    } while (status == AC_ERR_TIMEOUT && http_transfer_failure(t) == HTTP_FAILURE_NONE);
    part->length = length;
    return status;
}

static ac_status read_object(fetch *f, http_transfer *t, ac_error *err)
{
    _cleanup_(buf_done) buf part = BUF_INIT(PIECE_BYTES);

    if (buf_reserve(&part, PIECE_BYTES) != AC_OK)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    for (;;) {
        AC_TRY(read_part(f, t, &part, err));
        if (part.length == 0)
            return AC_OK;
        if (part.length > ARTIFACT_ZIP_BYTES_MAX - f->bytes)
            return ac_error_set(err, AC_ERR_TOO_LARGE, "it is larger than %llu bytes",
                                (unsigned long long)ARTIFACT_ZIP_BYTES_MAX);
        AC_TRY(tree_file_write(f->fd, part.data, part.length, (off_t)f->bytes, err));
        f->bytes += part.length;
    }
}

/* The text of an element of S3's error document, which is flat: <Error><Code>NoSuchKey</Code>...; "" without one. */
static void read_element(const buf *xml, const char *open_tag, char ret_text[SHOWN_SIZE])
{
    const char *at = xml->data ? memmem(xml->data, xml->length, open_tag, strlen(open_tag)) : NULL;
    const char *end;

    ret_text[0] = '\0';
    if (!at)
        return;
    at += strlen(open_tag);
    end = memchr(at, '<', xml->length - (size_t)(at - xml->data));
    if (end)
        snprintf(ret_text, SHOWN_SIZE, "%s", show(at, (size_t)(end - at)).text);
}

static ac_status read_error_body(const fetch *f, http_transfer *t, buf *xml)
{
    _cleanup_(buf_done) buf part = BUF_INIT((size_t)4096);

    AC_TRY(buf_reserve(&part, part.cap));
    do {
        AC_TRY(read_part(f, t, &part, NULL));
        AC_TRY(buf_append(xml, part.data, part.length));
    } while (part.length > 0);
    return AC_OK;
}

typedef struct refusal {
    int status; /* of HTTP */
    char code[SHOWN_SIZE], message[SHOWN_SIZE];
    const char *region; /* where the bucket is; NULL: not told */
} refusal;

static ac_status say(const fetch *f, const refusal *r, ac_error *err)
{
    const char *host = f->endpoint.authority, *dot = *r->code ? ": " : "";

    if (r->region && strcmp(r->region, f->all->s3_region) != 0)
        return ac_error_set(err, AC_ERR_INVALID, "the bucket is in the region %s, and was looked for in %s",
                            show_text(r->region).text, f->all->s3_region);
    if (r->status == 404)
        return ac_error_set(err, AC_ERR_NOT_FOUND,
                            "S3 at %s has no such %s, and there is none in the data directory's buckets/ either", host,
                            strcmp(r->code, "NoSuchBucket") == 0    ? "bucket"
                            : strcmp(r->code, "NoSuchVersion") == 0 ? "version of it"
                                                                    : "object");
    if (r->status == 401 || r->status == 403)
        return ac_error_set(err, AC_ERR_DENIED, "S3 at %s refuses (%d%s%s)%s%s", host, r->status, dot, r->code,
                            *r->message ? ": " : "", r->message);
    return ac_error_set(err, r->status == 400 ? AC_ERR_INVALID : AC_ERR_IO, "S3 at %s answered %d%s%s%s%s", host,
                        r->status, dot, r->code, *r->message ? ": " : "", r->message);
}

static ac_status read_refusal(const fetch *f, http_transfer *t, const http_client_head *head, http_attempt *attempt,
                              ac_error *err)
{
    _cleanup_(buf_done) buf xml = BUF_INIT(ERROR_BYTES_MAX);
    refusal r = {.status = head->status, .region = http_client_header(head, "x-amz-bucket-region")};

    /* A body that cannot be read makes the message poorer, no more. */
    (void)!read_error_body(f, t, &xml);
    read_element(&xml, "<Code>", r.code);
    read_element(&xml, "<Message>", r.message);
    attempt->outcome = http_outcome_of(HTTP_FAILURE_NONE, head->status, *r.code ? r.code : NULL);
    attempt->retry_after_ms = http_retry_after_ms(head);
    return say(f, &r, err);
}

static ac_status wait_for_head(const fetch *f, http_transfer *t, const http_client_head **ret_head, ac_error *err)
{
    ac_status status;

    do {
        AC_TRY(work_go_on(f->w, err));
        status = http_transfer_head(t, READ_WAIT_MS, ret_head, err);
    } while (status == AC_ERR_TIMEOUT && http_transfer_failure(t) == HTTP_FAILURE_NONE);
    return status;
}

static ac_status try_once(void *user, http_attempt *attempt, ac_error *err)
{
    fetch *f = user;
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    _cleanup_(http_transfer_freep) http_transfer *t = NULL;
    const http_client_head *head;
    http_field fields[FIELDS_MAX];
    size_t count = 0;
    ac_status status;

    AC_TRY(work_go_on(f->w, err));
    AC_TRY(sign(f, &memory, fields, &count, err));
    http_client_request request = {.url = f->url.data, .headers = fields, .header_count = count};
    f->bytes = 0;
    if (ftruncate(f->fd, 0) != 0)
        return work_failed(err, "empty", "the file to fetch into");
    AC_TRY(http_client_open(f->all->http, &request, NULL, &t, err));
    status = wait_for_head(f, t, &head, err);
    if (status == AC_OK && head->status != 200)
        return read_refusal(f, t, head, attempt, err);
    if (status == AC_OK)
        status = read_object(f, t, err);
    attempt->outcome = http_outcome_of(http_transfer_failure(t), 0, NULL);
    return status;
}

/* ---- all of it ---- */

static ac_status begin_client(artifacts *all, ac_error *err)
{
    ac_status status = AC_OK;

    pthread_mutex_lock(&all->lock);
    if (!all->http)
        status = http_client_new(&(http_client_options){.ca_file = aws_env_get(&aws_process_env, "AWS_CA_BUNDLE"),
                                                        .user_agent = "agentcored/" AC_VERSION},
                                 &all->http, err);
    if (status == AC_OK && !all->keys) {
        all->keys = aws_provider_chain(&(aws_chain_options){.region = all->s3_region});
        if (!all->keys)
            status = ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    }
    pthread_mutex_unlock(&all->lock);
    return status;
}

ac_status s3_fetch(artifacts *all, const artifact_code *code, const work *w, int fd, ac_error *err)
{
    _cleanup_(fetch_done) fetch f = {.all = all,
                                     .code = code,
                                     .w = w,
                                     .fd = fd,
                                     .path = BUF_INIT(URL_BYTES_MAX),
                                     .query = BUF_INIT(URL_BYTES_MAX),
                                     .url = BUF_INIT(URL_BYTES_MAX)};

    AC_TRY(begin_client(all, err));
    AC_TRY(make_url(&f, err));
    ac_status status = http_retry_run(&(http_retry_options){.total_timeout_ms = WORK_TIMEOUT_MS}, try_once, &f, err);
    /* What else is wrong between two machines is for the person who deploys one thing: input and output. */
    return status == AC_ERR_PROTOCOL || (status == AC_ERR_CLOSED && work_go_on(w, NULL) == AC_OK) ? AC_ERR_IO : status;
}
