/* fuzz_sigv4.c - signatures of hostile requests.
 *
 * The input is three bytes of choices, then a request in lines: method, path, query, headers "name:value", an empty
 * line, the body.  Either the request is verified as it is, which may say anything but must end; or it is signed first,
 * and then must verify, with a changed letter or digit must not, and cached keys make no difference. */
#include "aws/sigv4.h"

#include <stdlib.h>
#include <strings.h>

#define HEADERS_MAX 24
#define NOW INT64_C(1767323045)
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define TOKEN "session/token+=="

enum { PRESIGN = 1, WITH_TOKEN = 2, AS_IT_IS = 4, ALIASES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A request whose texts may be written to. */
typedef struct fuzz_request {
    char *method, *path, *query, *body;
    size_t body_length;
    struct {
        char *name, *value;
    } headers[HEADERS_MAX];
    size_t header_count;
    bool with_token;
} fuzz_request;

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* The next line of text, NUL-terminated in place; NULL at the end. */
static char *next_line(char **text)
{
    char *line = *text, *end;

    if (!line)
        return NULL;
    end = strchr(line, '\n');
    if (end)
        *end++ = '\0';
    *text = end;
    return line;
}

static void add_header(fuzz_request *r, char *name, char *value)
{
    if (r->header_count < HEADERS_MAX) {
        r->headers[r->header_count].name = name;
        r->headers[r->header_count++].value = value;
    }
}

/* Names that signing makes itself or leaves out would make "must verify" untrue; so would what is no token. */
static bool name_is_tame(const char *name)
{
    static const char *const wild[] = {"host",
                                       "authorization",
                                       "x-amz-",
                                       "baggage",
                                       "connection",
                                       "expect",
                                       "keep-alive",
                                       "proxy-",
                                       "te",
                                       "traceparent",
                                       "tracestate",
                                       "trailer",
                                       "transfer-encoding",
                                       "upgrade",
                                       "user-agent",
                                       "x-amzn-trace-id"};
    static const char token[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < ARRAY_SIZE(wild); i++)
        if (strncasecmp(name, wild[i], strlen(wild[i])) == 0)
            return false;
    return name[0] != '\0' && name[strspn(name, token)] == '\0';
}

static void read_request(fuzz_request *r, char *text, bool tame)
{
    static char host_name[] = "Host", host[] = "localhost:8080", empty[] = "";
    char *line;

    *r = (fuzz_request){.method = next_line(&text)};
    r->path = next_line(&text);
    r->query = next_line(&text);
    if (tame)
        add_header(r, host_name, host);
    while ((line = next_line(&text)) && line[0] != '\0') {
        char *colon = strchr(line, ':');
        if (!colon)
            continue;
        *colon = '\0';
        if (!tame || name_is_tame(line))
            add_header(r, line, colon + 1);
    }
    if (!r->path)
        r->path = empty;
    r->body = text ? text : empty;
    r->body_length = strlen(r->body);
}

static sigv4_result find_secret(void *user, const sigv4_claim *claim, buf *ret_secret)
{
    const bool *with_token = user;

    if (!view_is(claim->access_key, "AKIDEXAMPLE"))
        return SIGV4_UNKNOWN_KEY;
    if (*with_token ? !claim->session_token.text || !view_is(claim->session_token, TOKEN)
                    : claim->session_token.text != NULL)
        return SIGV4_BAD_TOKEN;
    return buf_append_text(ret_secret, SECRET) == AC_OK ? SIGV4_OK : SIGV4_FAILED;
}

static sigv4_request view_request(const fuzz_request *r, http_header headers[HEADERS_MAX])
{
    for (size_t i = 0; i < r->header_count; i++)
        headers[i] = (http_header){r->headers[i].name, r->headers[i].value, (uint32_t)strlen(r->headers[i].name),
                                   (uint32_t)strlen(r->headers[i].value)};
    return (sigv4_request){.method = r->method,
                           .path = r->path,
                           .query = r->query,
                           .headers = headers,
                           .header_count = r->header_count,
                           .body = r->body,
                           .body_length = r->body_length};
}

static sigv4_result verify(const fuzz_request *r, bool path_aliases, sigv4_key_cache *cache)
{
    http_header headers[HEADERS_MAX];
    sigv4_request request = view_request(r, headers);
    const sigv4_verifier verifier = {
        .path_aliases = path_aliases, .find = find_secret, .user = (void *)(uintptr_t)&r->with_token, .cache = cache};
    sigv4_identity who;
    ac_error err = {0};

    sigv4_result result = sigv4_verify(&verifier, &request, NOW, &who, &err);
    require((result == SIGV4_OK) == (err.message[0] == '\0'));
    require(result != SIGV4_FAILED);
    if (result == SIGV4_OK)
        require(strcmp(who.access_key, "AKIDEXAMPLE") == 0 && who.valid_until_s >= NOW);
    return result;
}

/* Sign; false when the request cannot be signed.  What signing adds lives in a. */
static bool sign(fuzz_request *r, unsigned choices, arena *a)
{
    const sigv4_signer signer = {.access_key = "AKIDEXAMPLE",
                                 .secret_key = SECRET,
                                 .session_token = choices & WITH_TOKEN ? TOKEN : NULL,
                                 .region = "us-west-2"};
    http_header headers[HEADERS_MAX];
    sigv4_request request = view_request(r, headers);
    sigv4_fields fields;

    r->with_token = (choices & WITH_TOKEN) != 0;
    if (choices & PRESIGN) {
        _cleanup_(buf_done) buf query = BUF_INIT(SIGV4_QUERY_BYTES_MAX);
        if (sigv4_presign(&signer, &request, 300, NOW, &query, NULL) != AC_OK)
            return false;
        r->query = arena_copy(a, query.data, query.length);
        return true;
    }
    if (r->header_count + SIGV4_FIELDS_MAX > HEADERS_MAX ||
        sigv4_sign(&signer, &request, NOW, a, &fields, NULL) != AC_OK)
        return false;
    for (size_t i = 0; i < fields.count; i++)
        add_header(r, arena_copy(a, fields.fields[i].name, strlen(fields.fields[i].name)),
                   arena_copy(a, fields.fields[i].value, strlen(fields.fields[i].value)));
    return true;
}

static char other(char c)
{
    if (c >= '0' && c <= '9')
        return (char)('0' + (c - '0' + 1) % 10);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return c == 'z' || c == 'Z' ? (char)(c - 25) : (char)(c + 1);
    return '\0';
}

/* Which letter or digit of which text to change. */
static char *choose(const fuzz_request *r, unsigned choice)
{
    size_t texts = 4 + 2 * r->header_count, which = choice % texts;
    char *text = which == 0   ? r->method
                 : which == 1 ? r->path
                 : which == 2 ? r->query
                 : which == 3 ? r->body
                 : which % 2  ? r->headers[(which - 4) / 2].name
                              : r->headers[(which - 4) / 2].value;
    size_t length = text ? strlen(text) : 0;

    for (size_t i = 0; i < length; i++) {
        char *at = &text[(choice / texts + i) % length];
        if (other(*at))
            return at;
    }
    return NULL;
}

static void sign_and_change(fuzz_request *r, unsigned choices, unsigned position)
{
    static sigv4_key_cache cache;
    _cleanup_(arena_done) arena a = ARENA_INIT;

    if (!sign(r, choices, &a))
        return;

    sigv4_result result = verify(r, true, NULL);
    require(result == SIGV4_OK);
    require(verify(r, true, &cache) == SIGV4_OK);
    result = verify(r, false, &cache);
    require(result == SIGV4_OK || result == SIGV4_BAD_REQUEST);

    char *at = choose(r, position);
    if (!at)
        return;
    /* Host is in memory that is shared between runs. */
    char kept = *at;
    *at = other(kept);
    require(verify(r, false, &cache) != SIGV4_OK);
    *at = kept;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_request r;

    if (size < 3)
        return 0;
    char *text = malloc(size - 2);
    require(text != NULL);
    memcpy(text, data + 3, size - 3);
    text[size - 3] = '\0';
    read_request(&r, text, !(data[0] & AS_IT_IS));
    if (data[0] & AS_IT_IS)
        verify(&r, data[0] & ALIASES, NULL);
    else
        sign_and_change(&r, data[0], data[1] | (unsigned)data[2] << 8);
    free(text);
    return 0;
}
