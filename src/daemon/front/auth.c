/* auth.c - who calls?  Signature V4 in headers or in the query, or a bearer token where the resource takes one.
 *
 * Every way to fail ends in the same place, before anything of the request was acted on.  Signing keys are cached per
 * thread, since deriving one costs more than the rest of a verification. */
#include "daemon/front/front_internal.h"

#include "base/base64.h"
#include "base/clock.h"
#include "daemon/front/lent_keys.h"
#include "daemon/front/peer.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PRESIGN_SECONDS_MAX 604800
#define BEARER "Bearer "
#define WS_BEARER "base64UrlBearerAuthorization" /* a subprotocol; with a dot and the token behind it, another one */
#define WS_BEARER_MAX 4096                       /* characters of such a token */

/* ---- a key cache per thread, wiped when the thread ends ---- */

static pthread_key_t cache_slot;
static pthread_once_t cache_once = PTHREAD_ONCE_INIT;

static void drop_cache(void *cache)
{
    sigv4_key_cache_done(cache);
    free(cache);
}

static void make_slot(void)
{
    pthread_key_create(&cache_slot, drop_cache);
}

/* NULL when memory is short: keys are then derived anew. */
static sigv4_key_cache *thread_cache(void)
{
    sigv4_key_cache *cache;

    pthread_once(&cache_once, make_slot);
    cache = pthread_getspecific(cache_slot);
    if (!cache) {
        cache = calloc(1, sizeof *cache);
        if (cache && pthread_setspecific(cache_slot, cache) != 0) {
            free(cache);
            cache = NULL;
        }
    }
    return cache;
}

/* ---- signatures ---- */

static bool same_token(view claimed, const buf *wanted)
{
    return claimed.length == wanted->length && CRYPTO_memcmp(claimed.text, wanted->data, wanted->length) == 0;
}

static sigv4_result find_lent_secret(front_job *job, const sigv4_claim *claim, buf *ret_secret)
{
    ac_status status;

    if (!claim->session_token.text)
        return SIGV4_BAD_TOKEN;
    status = lent_key_find(job->front->options.store, claim->access_key.text, claim->access_key.length,
                           claim->session_token.text, claim->session_token.length, clock_unix_ms() / 1000, ret_secret,
                           job->account, NULL);
    job->call.caller.lent = status == AC_OK;
    if (status == AC_ERR_UNAUTHORIZED)
        return SIGV4_BAD_TOKEN;
    return status == AC_OK ? SIGV4_OK : SIGV4_FAILED;
}

static sigv4_result find_secret(void *user, const sigv4_claim *claim, buf *ret_secret)
{
    front_job *job = user;

    if (job->front->options.store && lent_key_is(claim->access_key.text, claim->access_key.length) &&
        claim->session_token.text && memchr(claim->session_token.text, '.', claim->session_token.length))
        return find_lent_secret(job, claim, ret_secret);

    _cleanup_(buf_done) buf token = {.cap = 16384, .secret = true};
    ac_status status = keys_find(job->front->options.keys, claim->access_key.text, claim->access_key.length, ret_secret,
                                 &token, job->account, NULL);

    if (status == AC_ERR_NOT_FOUND)
        return SIGV4_UNKNOWN_KEY;
    if (status != AC_OK)
        return SIGV4_FAILED;
    if (!claim->session_token.text)
        return token.length ? SIGV4_BAD_TOKEN : SIGV4_OK;
    return token.length && same_token(claim->session_token, &token) ? SIGV4_OK : SIGV4_BAD_TOKEN;
}

static ac_status check_signature(front_job *job, const sigv4_request *request, ac_error *err)
{
    sigv4_verifier verifier = {
        .expires_max_s = PRESIGN_SECONDS_MAX,
        .signed_too = USER_ID_HEADER,
        .find = find_secret,
        .user = job,
        .cache = thread_cache(),
    };
    sigv4_result result = sigv4_verify(&verifier, request, clock_unix_ms() / 1000, &job->signer, err);

    if (result != SIGV4_OK) {
        job->failure = sigv4_result_aws_name(result);
        job->failure_status = result == SIGV4_FAILED ? 500 : 403;
        return err && err->status != AC_OK ? err->status : AC_ERR_DENIED;
    }
    job->call.caller = (front_caller){
        .account = job->account,
        .region = job->signer.region,
        .access_key = job->signer.access_key,
        .presigned = job->signer.presigned,
        .lent = job->call.caller.lent,
    };
    return AC_OK;
}

/* ---- bearer tokens ---- */

/* Pages in a browser cannot set headers of a WebSocket: they offer the token as a subprotocol. */
static const char *subprotocol_token(front_job *job)
{
    const char *offered = http_exchange_header(job->exchange, "Sec-WebSocket-Protocol");
    const char *at = job->http->websocket && offered ? strstr(offered, WS_BEARER ".") : NULL;
    _cleanup_(buf_done) buf token = {.cap = WS_BEARER_MAX, .secret = true};
    size_t length;

    if (!at)
        return NULL;
    at += sizeof WS_BEARER;
    length = strcspn(at, ", \t");
    if (length > WS_BEARER_MAX || base64_decode(&token, BASE64_URL, at, length) != AC_OK)
        return "";
    return arena_copy(job->call.memory, token.data ? token.data : "", token.length);
}

static const char *bearer_token(front_job *job)
{
    const char *authorization = http_exchange_header(job->exchange, "Authorization");

    if (!authorization)
        return subprotocol_token(job);
    if (strncasecmp(authorization, BEARER, sizeof BEARER - 1) != 0)
        return NULL;
    return authorization + sizeof BEARER - 1;
}

static ac_status refuse_bearer(front_job *job, const char *name, int status, ac_status why)
{
    job->failure = name;
    job->failure_status = status;
    return why;
}

static ac_status check_bearer(front_job *job, const char *token, ac_error *err)
{
    const api_operation *op = job->call.operation;
    const registration *r = op && op->described ? &job->front->operations[api_id_of(op)] : NULL;
    jwt_authorizer authorizer = {0};
    ac_status status;

    if (!r || !r->authorize || !job->front->options.jwt) {
        ac_error_set(err, AC_ERR_DENIED, "This operation must be signed with AWS Signature Version 4");
        return refuse_bearer(job, "AccessDeniedException", 403, AC_ERR_DENIED);
    }
    status = r->authorize(&job->call, &authorizer, err);
    if (status == AC_OK)
        status = jwt_verify(job->front->options.jwt, &authorizer, token, strlen(token), clock_unix_ms() / 1000,
                            &job->claims, err);
    if (status == AC_ERR_UNAUTHORIZED && api_error_declared(op, "UnauthorizedException"))
        return refuse_bearer(job, "UnauthorizedException", 401, status);
    if (status == AC_ERR_UNAUTHORIZED || status == AC_ERR_DENIED)
        return refuse_bearer(job, "AccessDeniedException", 403, status);
    if (status != AC_OK)
        return status;
    job->call.caller = (front_caller){
        .account = job->front->options.account,
        .region = job->front->options.region,
        .claims = job->claims,
    };
    return AC_OK;
}

/* Another daemon has verified the request, unless it has a bearer token: that is verified again, here. */
static ac_status check_peer(front_job *job, const char *sealed, const char *token, ac_error *err)
{
    front_caller caller = {0};
    ac_status status = job->front->options.store && store_is_shared(job->front->options.store)
                           ? peer_caller(job->front->options.store, job->http, sealed, job->call.memory, &caller, err)
                           : ac_error_set(err, AC_ERR_UNAUTHORIZED, "There are no other daemons");

    if (status == AC_OK && !caller.access_key && token) {
        status = check_bearer(job, token, err);
        job->call.caller.passed_on = status == AC_OK;
        return status;
    }
    if (status == AC_ERR_UNAUTHORIZED || (status == AC_OK && !caller.access_key))
        return refuse_bearer(job, "AccessDeniedException", 403, AC_ERR_DENIED);
    if (status == AC_OK)
        job->call.caller = caller;
    return status;
}

ac_status auth_check(front_job *job, ac_error *err)
{
    const char *peer = http_exchange_header(job->exchange, PEER_HEADER);
    const http_request *r = job->http;
    const char *token = bearer_token(job);
    sigv4_request request = {
        .method = r->method,
        .path = r->target,
        .query = r->query,
        .headers = r->headers,
        .header_count = r->header_count,
        .body = r->body,
        .body_length = r->body_length,
    };

    if (peer)
        return check_peer(job, peer, token, err);
    return token ? check_bearer(job, token, err) : check_signature(job, &request, err);
}
