/* peer.c - from daemon to daemon.
 *
 * Sealed are five texts, each with its NUL: method, target with query, account, region, access key ("" for bearer
 * tokens, whose Authorization goes along). */
#include "daemon/front/peer.h"

#include "base/clock.h"
#include "daemon/front/sealed.h"
#include "http/relay.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define PREFIX "agentcored-peer."
#define SEAL_LIFE_S 30
#define TEXTS 5
#define HEADERS_MAX 256
#define RETURNED_MAX 128
#define CONNECT_MS 5000
#define URL_BYTES_MAX 320

typedef struct passing {
    front_call *call;
    struct sockaddr_storage address;
    socklen_t address_length;
    http_field headers[HEADERS_MAX];
    size_t header_count;
    http_field returned[RETURNED_MAX];
} passing;

/* ---- who calls ---- */

static ac_status target_of(const http_request *request, arena *memory, const char **ret_target, ac_error *err)
{
    *ret_target = request->query ? arena_format(memory, "%s?%s", request->target, request->query) : request->target;
    return *ret_target ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static ac_status seal_caller(const front_call *call, const store *s, const char *target, const char **ret_sealed,
                             ac_error *err)
{
    _cleanup_(buf_done) buf plain = BUF_INIT(SEALED_BYTES_MAX), sealed = BUF_INIT(SEALED_BYTES_MAX * 2);
    const char *const texts[TEXTS] = {
        http_exchange_request(call->exchange)->method,          target, call->caller.account, call->caller.region,
        call->caller.access_key ? call->caller.access_key : "",
    };

    for (size_t i = 0; i < TEXTS; i++)
        if (!texts[i] || buf_append(&plain, texts[i], strlen(texts[i]) + 1) != AC_OK)
            return ac_error_set(err, AC_ERR_INVALID, "The request is too long to be passed on to another daemon");
    AC_TRY(sealed_make(s, PREFIX, plain.data, plain.length, clock_unix_ms() / 1000 + SEAL_LIFE_S, &sealed, err));
    *ret_sealed = arena_copy(call->memory, sealed.data, sealed.length);
    return *ret_sealed ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

ac_status peer_caller(const store *s, const http_request *request, const char *sealed, arena *memory,
                      front_caller *ret_caller, ac_error *err)
{
    _cleanup_(buf_done) buf plain = BUF_INIT(SEALED_BYTES_MAX);
    const char *texts[TEXTS], *at, *target;
    size_t left;

    AC_TRY(sealed_open(s, PREFIX, sealed, strlen(sealed), clock_unix_ms() / 1000, &plain, err));
    at = arena_copy(memory, plain.data, plain.length);
    if (!at)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    left = plain.length;
    for (size_t i = 0; i < TEXTS; i++) {
        size_t length = strnlen(at, left);

        if (length == left)
            return ac_error_set(err, AC_ERR_UNAUTHORIZED, "The header " PEER_HEADER " is damaged");
        texts[i] = at;
        at += length + 1;
        left -= length + 1;
    }
    AC_TRY(target_of(request, memory, &target, err));
    if (strcmp(texts[0], request->method) != 0 || strcmp(texts[1], target) != 0)
        return ac_error_set(err, AC_ERR_UNAUTHORIZED, "The header " PEER_HEADER " is another request's");
    *ret_caller = (front_caller){
        .account = texts[2],
        .region = texts[3],
        .access_key = texts[4][0] ? texts[4] : NULL,
        .passed_on = true,
    };
    return AC_OK;
}

/* ---- the way there ---- */

static ac_status find_address(const char *url, passing *p, ac_error *err)
{
    static const char scheme[] = "http://";
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    char host[URL_BYTES_MAX], *port, *name = host;
    int failure;

    if (strncmp(url, scheme, sizeof scheme - 1) != 0 || strlen(url) >= sizeof host)
        return ac_error_set(err, AC_ERR_UNSUPPORTED,
                            "Another daemon has the session, and its address is not http://HOST:PORT");
    snprintf(host, sizeof host, "%s", url + sizeof scheme - 1);
    host[strcspn(host, "/")] = '\0';
    port = strrchr(host, ':');
    if (!port)
        return ac_error_set(err, AC_ERR_UNSUPPORTED, "Another daemon's address has no port");
    *port++ = '\0';
    if (name[0] == '[' && name[strlen(name) - 1] == ']') {
        name[strlen(name) - 1] = '\0';
        name++;
    }
    failure = getaddrinfo(name, port, &hints, &found);
    if (failure != 0)
        return ac_error_set(err, AC_ERR_IO, "Another daemon has the session, and its address cannot be found: %s",
                            gai_strerror(failure));
    memcpy(&p->address, found->ai_addr, found->ai_addrlen);
    p->address_length = found->ai_addrlen;
    freeaddrinfo(found);
    return AC_OK;
}

/* The request's own framing and its connection's matters are made anew. */
static bool is_hop(const char *name)
{
    static const char *const hops[] = {
        "Connection", "Content-Length", "Transfer-Encoding", "Keep-Alive", "TE", "Trailer",
        "Upgrade",    "Expect",         "Proxy-Connection",  PEER_HEADER};

    for (size_t i = 0; i < ARRAY_SIZE(hops); i++)
        if (strcasecmp(name, hops[i]) == 0)
            return true;
    return false;
}

static ac_status copy_headers(passing *p, const http_request *request, const char *sealed, ac_error *err)
{
    for (size_t i = 0; i < request->header_count; i++) {
        const http_header *h = &request->headers[i];

        if (is_hop(h->name))
            continue;
        if (p->header_count + 1 >= HEADERS_MAX)
            return ac_error_set(err, AC_ERR_INVALID, "The request has too many headers to be passed on");
        p->headers[p->header_count++] = (http_field){h->name, h->value};
    }
    p->headers[p->header_count++] = (http_field){PEER_HEADER, sealed};
    return AC_OK;
}

static http_upstream *connect_peer(http_loop *loop, bool fresh, void *user)
{
    passing *p = user;
    http_upstream *u;
    int fd = socket(p->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    (void)fresh;
    if (fd < 0)
        return NULL;
    u = http_upstream_new(loop, fd, (const struct sockaddr *)&p->address, p->address_length, CONNECT_MS);
    if (!u)
        close(fd);
    return u;
}

/* Everything that the other daemon says is for the client. */
static http_relay_verdict on_head(http_exchange *x, const http_upstream_head *head, http_relay_answer *ret_answer,
                                  void *user)
{
    passing *p = user;

    (void)x;
    for (size_t i = 0; i < head->header_count && ret_answer->field_count < RETURNED_MAX; i++) {
        const http_header *h = &head->headers[i];

        if (strcasecmp(h->name, "Content-Type") == 0)
            ret_answer->content_type = h->value;
        else if (!is_hop(h->name) && strcasecmp(h->name, "Date") != 0)
            p->returned[ret_answer->field_count++] = (http_field){h->name, h->value};
    }
    ret_answer->fields = p->returned;
    return HTTP_RELAY_PASS;
}

static void on_end(http_exchange *x, http_upstream *u, const http_relay_result *result, void *user)
{
    passing *p = user;

    (void)x;
    if (u)
        http_upstream_close(u);
    if (result->answered || result->client_gone) {
        front_end(p->call, result->client_gone ? 0 : result->server_status, NULL);
    } else {
        ac_error err;

        ac_error_set(&err, AC_ERR_AGAIN, "The daemon that has the session does not answer; try again");
        front_end_failed(p->call, front_retryable(&err), &err);
    }
}

ac_status front_pass_on(front_call *call, const char *url, ac_error *err)
{
    const http_request *request = http_exchange_request(call->exchange);
    passing *p = arena_zalloc(call->memory, sizeof *p);
    const http_relay_events events = {connect_peer, on_head, on_end, p};
    const char *target = NULL, *sealed = NULL;
    http_relay_options options;
    ac_status status;

    if (!p)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    p->call = call;
    AC_TRY(find_address(url, p, err));
    AC_TRY(target_of(request, call->memory, &target, err));
    AC_TRY(seal_caller(call, front_store(call), target, &sealed, err));
    AC_TRY(copy_headers(p, request, sealed, err));
    options = (http_relay_options){
        .request =
            {
                .method = request->method,
                .target = target,
                .headers = p->headers,
                .header_count = p->header_count,
                .body = request->body,
                .body_length = request->body_length,
                .upgrade = request->websocket,
            },
    };
    front_keep(call);
    status = http_relay_start(call->exchange, &options, &events);
    if (status != AC_OK) {
        ac_error why;

        ac_error_set(&why, status, "the request cannot be passed on: %s", ac_status_text(status));
        front_end_failed(call, status, &why);
    }
    return AC_OK;
}
