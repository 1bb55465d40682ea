/* web.c - libcurl, one request at a time. */
#include "cli/web.h"

#include "cli/interrupt.h"
#include "cli/text.h"

#include <agentcore/version.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define CONNECT_SECONDS 10L
#define SILENCE_SECONDS 60L

typedef struct exchange {
    web_answer *answer;
    char *body;
    size_t room;
} exchange;

void web_header(web_request *r, const char *name, const char *value)
{
    if (r->header_count < WEB_HEADERS_MAX)
        r->headers[r->header_count++] = (ac_header){name, value};
}

/* ---- what curl hands over ---- */

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    exchange *x = user;
    size_t length = size * count;

    if (length > WEB_BODY_BYTES_MAX - x->answer->length)
        return 0;
    if (x->answer->length + length + 1 > x->room) {
        x->room = 2 * (x->answer->length + length + 1);
        char *more = realloc(x->body, x->room);

        if (!more)
            nomem();
        x->body = more;
    }
    memcpy(x->body + x->answer->length, data, length);
    x->answer->length += length;
    return length;
}

static bool take_header(const char *data, size_t length, const char *name, const char **ret)
{
    size_t named = strlen(name);

    if (length <= named || strncasecmp(data, name, named) != 0 || data[named] != ':')
        return false;
    data += named + 1;
    length -= named + 1;
    while (length && (*data == ' ' || *data == '\t')) {
        data++;
        length--;
    }
    while (length && strchr("\r\n \t", data[length - 1]))
        length--;
    *ret = keep_text(data, length);
    return true;
}

static size_t on_header(char *data, size_t size, size_t count, void *user)
{
    exchange *x = user;

    if (!take_header(data, size * count, "location", &x->answer->location) &&
        !take_header(data, size * count, "www-authenticate", &x->answer->challenge))
        take_header(data, size * count, "docker-content-digest", &x->answer->content_digest);
    return size * count;
}

static int on_progress(void *user, curl_off_t a, curl_off_t b, curl_off_t d, curl_off_t e)
{
    (void)user;
    (void)a;
    (void)b;
    (void)d;
    (void)e;
    return interrupted();
}

/* ---- the request ---- */

static struct curl_slist *header_list(const web_request *r)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");

    for (size_t i = 0; list && i < r->header_count; i++) {
        struct curl_slist *more = curl_slist_append(list, textf("%s: %s", r->headers[i].name, r->headers[i].value));

        if (!more)
            curl_slist_free_all(list);
        list = more;
    }
    if (!list)
        nomem();
    return list;
}

static void set_body(CURL *curl, const web_request *r, FILE *file, off_t size)
{
    bool sends = file || r->body;

    if (strcmp(r->method, "HEAD") == 0)
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    else if (file) {
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_READDATA, file);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)size);
    } else if (sends || strcmp(r->method, "GET") != 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, r->body ? r->body : "");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->length);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, strcmp(r->method, "HEAD") == 0 ? NULL : r->method);
}

static void set_options(CURL *curl, const web_request *r, struct curl_slist *headers, exchange *x)
{
    const char *authorities = getenv("AWS_CA_BUNDLE");

    curl_easy_setopt(curl, CURLOPT_URL, r->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "agentcore-c/" AC_VERSION);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, SILENCE_SECONDS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    if (authorities && *authorities)
        curl_easy_setopt(curl, CURLOPT_CAINFO, authorities);
}

static ac_status perform(CURL *curl, const web_request *r, web_answer *ret, ac_error *err)
{
    CURLcode code = curl_easy_perform(curl);
    long status = 0;

    if (code == CURLE_ABORTED_BY_CALLBACK)
        return ac_error_set(err, AC_ERR_CLOSED, "interrupted");
    if (code != CURLE_OK)
        return ac_error_set(err, AC_ERR_IO, "%s: %s", web_origin(r->url), curl_easy_strerror(code));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    ret->status = (int)status;
    return AC_OK;
}

ac_status web_send(const web_request *request, web_answer *ret, ac_error *err)
{
    FILE *file = request->file ? fopen(request->file, "re") : NULL;
    exchange x = {.answer = ret};
    struct curl_slist *headers;
    struct stat info = {0};
    CURL *curl;
    ac_status status;

    *ret = (web_answer){.body = ""};
    if (request->file && (!file || fstat(fileno(file), &info) != 0)) {
        status = file_error(err, "read", request->file);
        if (file)
            fclose(file);
        return status;
    }
    curl = curl_easy_init();
    if (!curl)
        nomem();
    headers = header_list(request);
    set_options(curl, request, headers, &x);
    set_body(curl, request, file, info.st_size);
    status = perform(curl, request, ret, err);
    ret->body = keep_text(x.body ? x.body : "", ret->length);
    free(x.body);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (file)
        fclose(file);
    return status;
}

/* ---- URLs ---- */

const char *web_resolve(const char *base, const char *url)
{
    CURLU *parts = curl_url();
    char *whole = NULL;
    const char *result = NULL;

    if (!parts)
        nomem();
    if (curl_url_set(parts, CURLUPART_URL, base, 0) == CURLUE_OK &&
        curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_URL, &whole, 0) == CURLUE_OK)
        result = textf("%s", whole);
    curl_free(whole);
    curl_url_cleanup(parts);
    return result;
}

const char *web_origin(const char *url)
{
    const char *host = strstr(url, "://");

    return host ? keep_text(url, (size_t)(host + 3 - url) + strcspn(host + 3, "/?#")) : url;
}
