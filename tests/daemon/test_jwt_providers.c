/* Providers that change their keys, are slow, down, or send nonsense; and URLs that are not fetched.  Time is the
 * test's own. */
#include "jwt_helpers.h"

#define CLAIMS "{\"iss\":\"https://issuer.example\",\"exp\":1700000300}"
#define THREADS 8

static EVP_PKEY *first, *second;
static char first_jwk[TEXT_MAX], second_jwk[TEXT_MAX];
static char first_token[TEXT_MAX], second_token[TEXT_MAX], unknown_token[TEXT_MAX];
static atomic_ullong fake_ms;

static uint64_t fake_clock(void)
{
    return atomic_load(&fake_ms);
}

typedef struct fixture {
    provider idp;
    jwt_verifier *verifier;
    jwt_authorizer authorizer;
} fixture;

static int make_keys(void **state)
{
    (void)state;
    first = EVP_EC_gen("P-256");
    second = EVP_EC_gen("P-256");
    add_jwk(first_jwk, first, "\"kid\":\"1\",");
    add_jwk(second_jwk, second, "\"kid\":\"2\",");
    strcpy(first_token, make_token(first, "ES256", "{\"alg\":\"ES256\",\"kid\":\"1\"}", CLAIMS));
    strcpy(second_token, make_token(second, "ES256", "{\"alg\":\"ES256\",\"kid\":\"2\"}", CLAIMS));
    strcpy(unknown_token, make_token(second, "ES256", "{\"alg\":\"ES256\",\"kid\":\"3\"}", CLAIMS));
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    EVP_PKEY_free(first);
    EVP_PKEY_free(second);
    return 0;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    atomic_store(&fake_ms, 1000000);
    provider_start(&f->idp);
    provider_publish(&f->idp, first_jwk);
    f->verifier = jwt_verifier_new(&(jwt_options){.allow_http = true,
                                                  .fetch_timeout_ms = 20000,
                                                  .keys_fresh_s = 100,
                                                  .keys_stale_s = 1000,
                                                  .refetch_pause_ms = 5000});
    jwt_verifier_set_clock(f->verifier, fake_clock);
    f->authorizer = (jwt_authorizer){.discovery_url = f->idp.url};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    jwt_verifier_free(f->verifier);
    house_stop(&f->idp.house);
    free(f);
    return 0;
}

static void set_status(fixture *f, int status)
{
    pthread_mutex_lock(&f->idp.house.lock);
    f->idp.status = status;
    pthread_mutex_unlock(&f->idp.house.lock);
}

static unsigned discoveries(fixture *f)
{
    pthread_mutex_lock(&f->idp.house.lock);
    unsigned count = f->idp.discoveries;
    pthread_mutex_unlock(&f->idp.house.lock);
    return count;
}

static ac_status try(fixture *f, const char *token)
{
    return verify(f->verifier, &f->authorizer, token, NULL);
}

/* ---- renewal ---- */

static void test_kept(void **state)
{
    fixture *f = *state;

    for (int i = 0; i < 5; i++)
        assert_int_equal(try(f, first_token), AC_OK);
    assert_int_equal(provider_fetches(&f->idp), 1);
    atomic_fetch_add(&fake_ms, 99999);
    assert_int_equal(try(f, first_token), AC_OK);
    assert_int_equal(provider_fetches(&f->idp), 1);
    atomic_fetch_add(&fake_ms, 1);
    assert_int_equal(try(f, first_token), AC_OK);
    assert_int_equal(provider_fetches(&f->idp), 2);
}

static void test_unknown_key(void **state)
{
    fixture *f = *state;

    /* The very first token has an unknown key: the set is as new as can be. */
    assert_int_equal(try(f, unknown_token), AC_ERR_UNAUTHORIZED);
    assert_int_equal(provider_fetches(&f->idp), 1);
    /* The next may be of a key that has come since. */
    assert_int_equal(try(f, unknown_token), AC_ERR_UNAUTHORIZED);
    assert_int_equal(provider_fetches(&f->idp), 2);
    atomic_fetch_add(&fake_ms, 4999);
    assert_int_equal(try(f, unknown_token), AC_ERR_UNAUTHORIZED);
    assert_int_equal(try(f, first_token), AC_OK);
    assert_int_equal(provider_fetches(&f->idp), 2);
    atomic_fetch_add(&fake_ms, 1);
    assert_int_equal(try(f, unknown_token), AC_ERR_UNAUTHORIZED);
    assert_int_equal(provider_fetches(&f->idp), 3);
}

static void test_rotation(void **state)
{
    fixture *f = *state;

    assert_int_equal(try(f, first_token), AC_OK);
    provider_publish(&f->idp, second_jwk);
    assert_int_equal(try(f, first_token), AC_OK); /* until somebody shows the new one */
    assert_int_equal(try(f, second_token), AC_OK);
    assert_int_equal(try(f, first_token), AC_ERR_UNAUTHORIZED);
    assert_int_equal(provider_fetches(&f->idp), 2);
}

static void test_down(void **state)
{
    fixture *f = *state;

    assert_int_equal(try(f, first_token), AC_OK);
    set_status(f, 503);
    atomic_fetch_add(&fake_ms, 200000);
    assert_int_equal(try(f, first_token), AC_OK); /* stale, and asked for */
    assert_int_equal(discoveries(f), 2);
    assert_int_equal(try(f, first_token), AC_OK);      /* not again so soon */
    assert_int_equal(try(f, second_token), AC_ERR_IO); /* perhaps it is good: nobody knows */
    assert_int_equal(discoveries(f), 2);
    atomic_fetch_add(&fake_ms, 5000);
    assert_int_equal(try(f, first_token), AC_OK);
    assert_int_equal(discoveries(f), 3);
    atomic_fetch_add(&fake_ms, 800000); /* too old to be believed */
    assert_int_equal(try(f, first_token), AC_ERR_IO);
    assert_int_equal(try(f, first_token), AC_ERR_IO);
    assert_int_equal(discoveries(f), 4);
    set_status(f, 200);
    assert_int_equal(try(f, first_token), AC_ERR_IO);
    atomic_fetch_add(&fake_ms, 5000);
    assert_int_equal(try(f, first_token), AC_OK);
}

static void test_nobody_there(void **state)
{
    fixture *f = *state;
    ac_error err;

    house_stop(&f->idp.house);
    assert_int_equal(verify(f->verifier, &f->authorizer, first_token, &err), AC_ERR_IO);
    provider_start(&f->idp); /* for tear_down */
}

/* ---- slowness ---- */

static void wait_for_held(fixture *f)
{
    pthread_mutex_lock(&f->idp.house.lock);
    while (!f->idp.held)
        pthread_cond_wait(&f->idp.house.changed, &f->idp.house.lock);
    pthread_mutex_unlock(&f->idp.house.lock);
}

static void hold(fixture *f)
{
    pthread_mutex_lock(&f->idp.house.lock);
    f->idp.holding = true;
    pthread_mutex_unlock(&f->idp.house.lock);
}

static void release(fixture *f)
{
    pthread_mutex_lock(&f->idp.house.lock);
    f->idp.holding = false;
    house_answer(TAKE_PTR(f->idp.held), 200, "application/json", f->idp.keys_text);
    pthread_mutex_unlock(&f->idp.house.lock);
}

static void test_slow(void **state)
{
    fixture *f = *state;
    jwt_verifier *hasty =
        jwt_verifier_new(&(jwt_options){.allow_http = true, .fetch_timeout_ms = 2000, .refetch_pause_ms = 1000000});

    hold(f);
    assert_int_equal(verify(hasty, &f->authorizer, first_token, NULL), AC_ERR_TIMEOUT);
    assert_int_equal(verify(hasty, &f->authorizer, first_token, NULL), AC_ERR_TIMEOUT); /* at once */
    assert_int_equal(provider_fetches(&f->idp), 1);
    release(f);
    jwt_verifier_free(hasty);
}

typedef struct caller {
    pthread_t thread;
    fixture *f;
    const char *token;
    ac_status status;
} caller;

static void *call(void *arg)
{
    caller *c = arg;
    jwt_claims *claims = NULL;

    c->status = jwt_verify(c->f->verifier, &c->f->authorizer, c->token, strlen(c->token), NOW, &claims, NULL);
    jwt_claims_free(claims);
    return NULL;
}

/* Many at once: one fetches, all get the answer; with an aged set nobody else waits. */
static void test_one_fetch(void **state)
{
    fixture *f = *state;
    caller callers[THREADS];

    hold(f);
    for (size_t i = 0; i < THREADS; i++) {
        callers[i] = (caller){.f = f, .token = i % 2 ? first_token : second_token};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
    }
    wait_for_held(f);
    release(f);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(callers[i].thread, NULL);
        if (i % 2)
            assert_int_equal(callers[i].status, AC_OK);
        else
            assert_int_equal(callers[i].status, AC_ERR_UNAUTHORIZED);
    }
    /* Whoever came after the fetch may have asked for the unknown key once more. */
    assert_in_range(provider_fetches(&f->idp), 1, 2);

    atomic_fetch_add(&fake_ms, 200000);
    hold(f);
    callers[0].token = first_token;
    assert_int_equal(pthread_create(&callers[0].thread, NULL, call, &callers[0]), 0);
    wait_for_held(f);
    assert_int_equal(try(f, first_token), AC_OK);
    release(f);
    pthread_join(callers[0].thread, NULL);
    assert_int_equal(callers[0].status, AC_OK);
}

static void *call_often(void *arg)
{
    caller *c = arg;

    for (int i = 0; i < 100 && c->status == AC_OK; i++) {
        call(c);
        atomic_fetch_add(&fake_ms, 10000);
    }
    return NULL;
}

/* Keys are replaced while others check signatures with them. */
static void test_many_threads(void **state)
{
    fixture *f = *state;
    caller callers[THREADS];

    for (size_t i = 0; i < THREADS; i++) {
        callers[i] = (caller){.f = f, .token = first_token, .status = AC_OK};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call_often, &callers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].status, AC_OK);
    }
}

/* More providers than are kept: the one used longest ago goes. */
static void test_many_providers(void **state)
{
    fixture *f = *state;
    char url[256];
    jwt_authorizer other = {.discovery_url = url};

    assert_int_equal(try(f, first_token), AC_OK);
    set_status(f, 404);
    for (int i = 0; i < JWT_PROVIDERS_MAX - 1; i++) {
        snprintf(url, sizeof url, "http://127.0.0.1:%d/%d" DISCOVERY_PATH, f->idp.house.port, i);
        assert_int_equal(verify(f->verifier, &other, first_token, NULL), AC_ERR_IO);
    }
    assert_int_equal(try(f, first_token), AC_OK); /* used just now */
    snprintf(url, sizeof url, "http://127.0.0.1:%d/more" DISCOVERY_PATH, f->idp.house.port);
    assert_int_equal(verify(f->verifier, &other, first_token, NULL), AC_ERR_IO);
    assert_int_equal(try(f, first_token), AC_OK);
    assert_int_equal(discoveries(f), 1);
}

/* ---- nonsense ---- */

static void test_discovery_documents(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "not json",
        "{\"issuer\":\"https://issuer.example\"}",
        "{\"jwks_uri\":\"https://issuer.example/keys\"}",
        "{\"issuer\":7,\"jwks_uri\":\"https://issuer.example/keys\"}",
        "{\"issuer\":\"\",\"jwks_uri\":\"https://issuer.example/keys\"}",
        "{\"issuer\":\"a\",\"issuer\":\"b\",\"jwks_uri\":\"https://issuer.example/keys\"}",
        "{\"issuer\":\"a\",\"jwks_uri\":\"http://issuer.example/keys\"}",
        "{\"issuer\":\"a\",\"jwks_uri\":\"http://127.0.0.1.example/keys\"}",
        "{\"issuer\":\"a\",\"jwks_uri\":\"http://127.0.0.1@issuer.example/keys\"}",
        "{\"issuer\":\"a\",\"jwks_uri\":\"file:///etc/passwd\"}",
        "{\"issuer\":\"a\",\"jwks_uri\":\"/keys\"}",
    };
    fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        pthread_mutex_lock(&f->idp.house.lock);
        strcpy(f->idp.discovery, bad[i]);
        pthread_mutex_unlock(&f->idp.house.lock);
        assert_int_equal(try(f, first_token), AC_ERR_IO);
        atomic_fetch_add(&fake_ms, 5000);
    }
    assert_int_equal(provider_fetches(&f->idp), 0);
}

static void test_key_documents(void **state)
{
    fixture *f = *state;
    char *huge = malloc(JWT_KEYS_BYTES_MAX + 2);

    memset(huge, ' ', JWT_KEYS_BYTES_MAX + 1);
    huge[JWT_KEYS_BYTES_MAX + 1] = '\0';
    memcpy(huge, "{\"keys\":[", 9);
    memcpy(huge + JWT_KEYS_BYTES_MAX - 1, "]}", 2);
    f->idp.keys = huge;
    assert_int_equal(try(f, first_token), AC_ERR_IO);
    atomic_fetch_add(&fake_ms, 5000);
    pthread_mutex_lock(&f->idp.house.lock);
    strcpy(huge, "{\"keys\":7}");
    pthread_mutex_unlock(&f->idp.house.lock);
    assert_int_equal(try(f, first_token), AC_ERR_IO);
    atomic_fetch_add(&fake_ms, 5000);
    pthread_mutex_lock(&f->idp.house.lock);
    f->idp.keys = NULL;
    f->idp.status = 302;
    pthread_mutex_unlock(&f->idp.house.lock);
    assert_int_equal(try(f, first_token), AC_ERR_IO);
    free(huge);
}

/* ---- URLs ---- */

static void test_urls(void **state)
{
    static const struct {
        const char *url;
        bool secure, plain; /* accepted without and with allow_http */
    } cases[] = {
        {"https://issuer.example/x", true, true},
        {"https://issuer.example:8443/x?y=z", true, true},
        {"https://[2001:db8::1]:443/x", true, true},
        {"http://127.0.0.1/x", false, true},
        {"http://127.9.9.9:8080/x", false, true},
        {"http://localhost:1/x", false, true},
        {"http://[::1]/x", false, true},
        {"http://[::1]:80/x", false, true},
        {"http://issuer.example/x", false, false},
        {"http://10.0.0.1/x", false, false},
        {"http://127.0.0.1.example/x", false, false},
        {"http://127.1/x", false, false},
        {"http://localhost.example/x", false, false},
        {"http://[::2]/x", false, false},
        {"http://127.0.0.1@a.example/x", false, false},
        {"https://a@b.example/x", false, false},
        {"https://a.example\\@b.example/x", false, false},
        {"https:///x", false, false},
        {"https://:1/x", false, false},
        {"https://a.example:/x", false, false},
        {"https://a.example:123456/x", false, false},
        {"https://a.example:8a/x", false, false},
        {"https://a example/x", false, false},
        {"https://a.example/\n", false, false},
        {"https://a.example/x#y", false, false},
        {"https://[::1/x", false, false},
        {"https://[::1]x/x", false, false},
        {"https://[]/x", false, false},
        {"HTTPS://a.example/x", false, false},
        {"ftp://127.0.0.1/x", false, false},
        {"", false, false},
    };
    bool local;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if ((jwt_url_check(cases[i].url, false, &local, NULL) == AC_OK) != cases[i].secure ||
            (jwt_url_check(cases[i].url, true, &local, NULL) == AC_OK) != cases[i].plain)
            fail_msg("%s", cases[i].url);
}

static void test_plain_http(void **state)
{
    fixture *f = *state;
    jwt_verifier *strict = jwt_verifier_new(NULL);
    jwt_authorizer odd = {.discovery_url = "https://issuer.example/keys"};

    assert_int_equal(verify(strict, &f->authorizer, first_token, NULL), AC_ERR_INVALID);
    assert_int_equal(verify(strict, &odd, first_token, NULL), AC_ERR_INVALID);
    assert_int_equal(verify(strict, &(jwt_authorizer){0}, first_token, NULL), AC_ERR_INVALID);
    assert_int_equal(discoveries(f), 0);
    jwt_verifier_free(strict);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_kept),
        CASE(test_unknown_key),
        CASE(test_rotation),
        CASE(test_down),
        CASE(test_nobody_there),
        CASE(test_slow),
        CASE(test_one_fetch),
        CASE(test_many_threads),
        CASE(test_many_providers),
        CASE(test_discovery_documents),
        CASE(test_key_documents),
        CASE(test_plain_http),
        cmocka_unit_test(test_urls),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
