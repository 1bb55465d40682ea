/* agent_house.h - a service for the tests of the runtime client: it verifies who asks, keeps what was asked, and
 * answers as a test wants. */
#ifndef TESTS_CLIENT_AGENT_HOUSE_H
#define TESTS_CLIENT_AGENT_HOUSE_H

#include "../http/client_peers.h"
#include "aws/sigv4.h"
#include "base/clock.h"

#include <agentcore/runtime_client.h>

#include <strings.h>

#define KEY "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define ARN "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/my_agent-AbCdEf1234"
#define ENCODED_ARN "arn%3Aaws%3Abedrock-agentcore%3Aus-west-2%3A123456789012%3Aruntime%2Fmy_agent-AbCdEf1234"
#define SESSION "0f8fad5b-d9cb-469f-a165-70867728950e"
#define WAIT_MS 20000

typedef struct agent_house agent_house;

struct agent_house {
    house server; /* first: on_request gets a pointer to it */
    /* Answer, and let go of the exchange or keep it in held.  On the loop thread, with the lock. */
    void (*answer)(agent_house *h, http_exchange *x);
    ac_client *client;
    char endpoint[64];
    /* under server.lock: of the last request */
    unsigned count;
    sigv4_result verified;
    sigv4_form form;
    char line[4096]; /* "POST /path?query" */
    char headers[16384];
    char body[4096];
    http_exchange *held;
};

static inline sigv4_result agent_house_secret(void *user, const sigv4_claim *claim, buf *ret_secret)
{
    (void)user;
    if (!view_is(claim->access_key, KEY))
        return SIGV4_UNKNOWN_KEY;
    return buf_append_text(ret_secret, SECRET) == AC_OK ? SIGV4_OK : SIGV4_FAILED;
}

static inline void agent_house_verify(agent_house *h, const http_request *r)
{
    const sigv4_verifier verifier = {.find = agent_house_secret};
    const sigv4_request request = {.method = r->method,
                                   .path = r->target,
                                   .query = r->query,
                                   .headers = r->headers,
                                   .header_count = r->header_count,
                                   .body = r->body,
                                   .body_length = r->body_length};
    sigv4_identity who;

    h->form = sigv4_form_of(&request);
    h->verified = sigv4_verify(&verifier, &request, clock_unix_ms() / 1000, &who, NULL);
}

static inline void agent_house_on_request(http_exchange *x, void *user)
{
    agent_house *h = user;
    const http_request *r = http_exchange_request(x);
    size_t at = 0;

    pthread_mutex_lock(&h->server.lock);
    h->count++;
    agent_house_verify(h, r);
    snprintf(h->line, sizeof h->line, "%s %s%s%s", r->method, r->target, r->query ? "?" : "", r->query ? r->query : "");
    snprintf(h->body, sizeof h->body, "%.*s", (int)r->body_length, r->body);
    h->headers[0] = '\0';
    for (size_t i = 0; i < r->header_count && at < sizeof h->headers; i++)
        at += (size_t)snprintf(h->headers + at, sizeof h->headers - at, "%s: %s\n", r->headers[i].name,
                               r->headers[i].value);
    h->answer(h, x);
    pthread_cond_broadcast(&h->server.changed);
    pthread_mutex_unlock(&h->server.lock);
}

static inline void agent_house_start(agent_house *h, void (*answer)(agent_house *h, http_exchange *x),
                                     unsigned attempts)
{
    ac_error err = {0};

    h->answer = answer;
    house_start(&h->server, agent_house_on_request);
    snprintf(h->endpoint, sizeof h->endpoint, "http://127.0.0.1:%d", h->server.port);
    if (ac_client_new(&(ac_client_options){.region = "us-west-2",
                                           .access_key = KEY,
                                           .secret_key = SECRET,
                                           .endpoint = h->endpoint,
                                           .attempts_max = attempts},
                      &h->client, &err) != AC_OK)
        fail_msg("%s", err.message);
}

static inline void agent_house_stop(agent_house *h)
{
    ac_client_free(h->client);
    pthread_mutex_lock(&h->server.lock);
    http_exchange *held = h->held;
    pthread_mutex_unlock(&h->server.lock);
    if (held)
        http_exchange_unref(held);
    house_stop(&h->server);
}

/* How many requests have come, also when none of them was answered. */
static inline unsigned agent_house_count(agent_house *h)
{
    pthread_mutex_lock(&h->server.lock);
    unsigned count = h->count;
    pthread_mutex_unlock(&h->server.lock);
    return count;
}

/* The exchange that the answer function has kept. */
static inline http_exchange *agent_house_held(agent_house *h)
{
    pthread_mutex_lock(&h->server.lock);
    while (!h->held)
        pthread_cond_wait(&h->server.changed, &h->server.lock);
    http_exchange *x = h->held;
    pthread_mutex_unlock(&h->server.lock);
    return x;
}

/* Until the service has noticed that nobody reads the stream any more.  A client that has closed could still be reading
 * for all TCP says, so more is sent now and then, of what the format ignores. */
static inline void agent_house_await_close(http_exchange *x, const buf *ignored)
{
    uint64_t until = clock_monotonic_ms() + WAIT_MS;

    while (!http_exchange_closed(x) && http_stream_write(x, ignored->data, ignored->length) != AC_ERR_CLOSED) {
        assert_true(clock_monotonic_ms() < until);
        usleep(1000);
    }
}

/* Whether the last request had the header line, name in any case; value NULL: any. */
static inline bool agent_house_saw(const agent_house *h, const char *name, const char *value)
{
    size_t name_length = strlen(name);

    for (const char *line = h->headers; *line; line = strchr(line, '\n') + 1) {
        const char *found = line + name_length + 2;
        if (strncasecmp(line, name, name_length) != 0 || line[name_length] != ':')
            continue;
        if (!value || (strncmp(found, value, strlen(value)) == 0 && found[strlen(value)] == '\n'))
            return true;
    }
    return false;
}

#endif
