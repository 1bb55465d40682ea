/* test_bearer.c - bearer tokens at the front: where a resource takes them they let in, elsewhere nothing is done. */
#include "jwt_helpers.h"
#include "rooms_client.h"

#include "base/clock.h"

#define SESSION "session-0123456789-0123456789-0123456789"
#define INPUT                                                                                                          \
    "{\"agentRuntimeArn\": \"arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/a-0123456789\", "                \
    "\"runtimeSessionId\": \"" SESSION "\"}"

static provider idp;
static EVP_PKEY *key, *other;
static unsigned stopped; /* times the operation was carried out */

static ac_status stop_session(front_call *call, ac_error *err)
{
    stopped++;
    if (call->caller.claims) {
        assert_null(call->caller.access_key);
        assert_string_equal(jwt_claims_subject(call->caller.claims), "user-1");
    }
    AC_TRY(front_add_text(call, "runtimeSessionId", front_text(call, "runtimeSessionId"), err));
    return AC_OK;
}

static ac_status authorize(front_call *call, jwt_authorizer *ret_authorizer, ac_error *err)
{
    static const char *const audiences[] = {"agents"};

    (void)err;
    assert_non_null(memmem(call->route->labels[0].text, call->route->labels[0].length, "runtime%2Fa-", 12));
    assert_null(call->input);
    *ret_authorizer = (jwt_authorizer){.discovery_url = idp.url, .audiences = audiences, .audience_count = 1};
    return AC_OK;
}

static const char *token_of(EVP_PKEY *signer, const char *audience, int64_t expires_s)
{
    char claims[512];

    snprintf(claims, sizeof claims,
             "{\"iss\":\"https://issuer.example\",\"sub\":\"user-1\",\"aud\":\"%s\",\"exp\":%lld}", audience,
             (long long)(clock_unix_ms() / 1000 + expires_s));
    return make_token(signer, "ES256", "{\"alg\":\"ES256\",\"kid\":\"1\"}", claims);
}

static int set_up(void **state)
{
    static const front_operation operations[] = {{API_STOP_RUNTIME_SESSION, stop_session, authorize, false}};
    static char jwk[TEXT_MAX];

    rooms_set_up(state);
    rooms *r = *state;
    key = EVP_EC_gen("P-256");
    other = EVP_EC_gen("P-256");
    jwk[0] = '\0';
    add_jwk(jwk, key, "\"kid\":\"1\",");
    provider_start(&idp);
    provider_publish(&idp, jwk);
    r->front->options.jwt = jwt_verifier_new(&(jwt_options){.allow_http = true});
    assert_int_equal(front_register(r->front, operations, 1, NULL), AC_OK);
    stopped = 0;
    return 0;
}

static int tear_down(void **state)
{
    rooms *r = *state;
    jwt_verifier *verifier = r->front->options.jwt;

    rooms_tear_down(state);
    jwt_verifier_free(verifier);
    house_stop(&idp.house);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    return 0;
}

static void good_token_is_let_in(void **state)
{
    rooms *r = *state;

    r->bearer = token_of(key, "agents", 600);
    rooms_good(r, "StopRuntimeSession", INPUT);
    assert_int_equal(stopped, 1);
}

static void signatures_are_let_in_too(void **state)
{
    rooms_good(*state, "StopRuntimeSession", INPUT);
    assert_int_equal(stopped, 1);
}

static void bad_tokens_are_not(void **state)
{
    rooms *r = *state;

    r->bearer = token_of(other, "agents", 600);
    rooms_bad(r, "StopRuntimeSession", INPUT, 401, "UnauthorizedException");
    r->bearer = token_of(key, "agents", -600);
    rooms_bad(r, "StopRuntimeSession", INPUT, 401, "UnauthorizedException");
    r->bearer = "not.a.token";
    rooms_bad(r, "StopRuntimeSession", INPUT, 401, "UnauthorizedException");
    r->bearer = "";
    rooms_bad(r, "StopRuntimeSession", INPUT, 403, "MissingAuthenticationTokenException");
    r->bearer = token_of(key, "others", 600);
    rooms_bad(r, "StopRuntimeSession", INPUT, 403, "AccessDeniedException");
    assert_int_equal(stopped, 0);
}

static void other_operations_take_none(void **state)
{
    rooms *r = *state;

    r->bearer = token_of(key, "agents", 600);
    rooms_bad(r, "CreateWorkloadIdentity", "{\"name\": \"agent-1\"}", 403, "AccessDeniedException");
    r->bearer = NULL;
    rooms_bad(r, "GetWorkloadIdentity", "{\"name\": \"agent-1\"}", 404, "ResourceNotFoundException");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(good_token_is_let_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(signatures_are_let_in_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_tokens_are_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_operations_take_none, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
