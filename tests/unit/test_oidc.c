/* Tests of broker/oidc.c: ID tokens as Google's Pub/Sub sends them, and what is wrong with others.
 */
#include "oidc.h"

#include "jwk_signer.h"

#define NOW      2000000000
#define AUDIENCE "https://regcast.example/registries/crt1/events"
#define EMAIL    "pusher@project.iam.gserviceaccount.com"
#define ISSUER   "https://accounts.google.com"

static struct signer rsa, other;

static struct config_registry registry = {
    .id = "crt1",
    .oidc = {.audience = AUDIENCE, .email = EMAIL, .issuer = ISSUER, .jwks_url = "https://keys"},
};
static const struct config cfg = {.registries = &registry, .n_registries = 1};
static struct issuer_keys *keys;

static struct jwk_set *set_of(struct signer *s)
{
    struct jwk_set *set;
    char *key = jwk_signer_print(s, "\"kid\":\"k\","), *text = calloc(1, SIGNER_TEXT + 20);
    assert_non_null(text);
    (void) snprintf(text, SIGNER_TEXT + 20, "{\"keys\":[%s]}", key);
    assert_int_equal(jwk_set_parse(slice_str(text), &set), 0);
    free(key);
    free(text);
    return set;
}

static int setup(void **state)
{
    (void) state;
    signer_init_rsa(&rsa, 2048);
    signer_init_rsa(&other, 2048);
    keys = issuer_keys_new(&cfg);
    issuer_keys_set(keys, 0, set_of(&rsa));
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    issuer_keys_free(keys);
    signer_fini(&rsa);
    signer_fini(&other);
    return 0;
}

/* Takes the token. */
static enum refuse check(struct issuer_keys *k, char *token)
{
    enum refuse why = oidc_check(&registry.oidc, k, slice_str(token), NOW);
    free(token);
    return why;
}

#define WHO                                                                                        \
    "\"iss\":\"" ISSUER "\",\"aud\":\"" AUDIENCE "\",\"email\":\"" EMAIL                           \
    "\",\"email_verified\":true,\"azp\":\"1\",\"sub\":\"1\""
#define TIMES "\"iat\":1999999000,\"exp\":2000002600"

static const struct {
    const char *name, *claims;
    bool fits;
} CLAIMS[] = {
    {"as Google sends it", "{" WHO "," TIMES "}", true},
    {"an issuer without scheme",
     "{\"iss\":\"accounts.google.com\",\"aud\":\"" AUDIENCE "\",\"email\":\"" EMAIL
     "\",\"email_verified\":true," TIMES "}",
     true},
    {"several audiences",
     "{\"iss\":\"" ISSUER "\",\"aud\":[\"x\",\"" AUDIENCE "\"],\"email\":\"" EMAIL
     "\",\"email_verified\":true," TIMES "}",
     true},
    {"another issuer",
     "{\"iss\":\"https://accounts.google.com.evil\",\"aud\":\"" AUDIENCE "\",\"email\":\"" EMAIL
     "\",\"email_verified\":true," TIMES "}",
     false},
    {"an issuer with another scheme",
     "{\"iss\":\"http://accounts.google.com\",\"aud\":\"" AUDIENCE "\",\"email\":\"" EMAIL
     "\",\"email_verified\":true," TIMES "}",
     false},
    {"no issuer",
     "{\"aud\":\"" AUDIENCE "\",\"email\":\"" EMAIL "\",\"email_verified\":true," TIMES "}", false},
    {"another audience",
     "{\"iss\":\"" ISSUER "\",\"aud\":\"" AUDIENCE "/\",\"email\":\"" EMAIL
     "\",\"email_verified\":true," TIMES "}",
     false},
    {"no audience",
     "{\"iss\":\"" ISSUER "\",\"email\":\"" EMAIL "\",\"email_verified\":true," TIMES "}", false},
    {"somebody else",
     "{\"iss\":\"" ISSUER "\",\"aud\":\"" AUDIENCE
     "\",\"email\":\"eve@project.iam.gserviceaccount.com\",\"email_verified\":true," TIMES "}",
     false},
    {"an address in capitals",
     "{\"iss\":\"" ISSUER "\",\"aud\":\"" AUDIENCE
     "\",\"email\":\"PUSHER@project.iam.gserviceaccount.com\",\"email_verified\":true," TIMES "}",
     false},
    {"no address",
     "{\"iss\":\"" ISSUER "\",\"aud\":\"" AUDIENCE "\",\"email_verified\":true," TIMES "}", false},
    {"an address that is a list",
     "{\"iss\":\"" ISSUER "\",\"aud\":\"" AUDIENCE "\",\"email\":[\"" EMAIL
     "\"],\"email_verified\":true," TIMES "}",
     false},
    {"not verified",
     "{\"iss\":\"" ISSUER "\",\"aud\":\"" AUDIENCE "\",\"email\":\"" EMAIL
     "\",\"email_verified\":false," TIMES "}",
     false},
    {"verified, as a text",
     "{\"iss\":\"" ISSUER "\",\"aud\":\"" AUDIENCE "\",\"email\":\"" EMAIL
     "\",\"email_verified\":\"true\"," TIMES "}",
     false},
    {"nothing of verified",
     "{\"iss\":\"" ISSUER "\",\"aud\":\"" AUDIENCE "\",\"email\":\"" EMAIL "\"," TIMES "}", false},
    {"no exp", "{" WHO ",\"iat\":1999999000}", false},
    {"no iat", "{" WHO ",\"exp\":2000002600}", false},
    {"exp that is a text", "{" WHO ",\"iat\":1999999000,\"exp\":\"2000002600\"}", false},
    {"expired, as clocks may differ", "{" WHO ",\"iat\":1999999000,\"exp\":1999999941}", true},
    {"expired", "{" WHO ",\"iat\":1999999000,\"exp\":1999999940}", false},
    {"of the future, as clocks may differ", "{" WHO ",\"iat\":2000000060,\"exp\":2000002600}",
     true},
    {"of the future", "{" WHO ",\"iat\":2000000061,\"exp\":2000002600}", false},
    {"good later", "{" WHO "," TIMES ",\"nbf\":2000000061}", false},
    {"good since then", "{" WHO "," TIMES ",\"nbf\":2000000060}", true},
    {"nbf that is no time", "{" WHO "," TIMES ",\"nbf\":\"now\"}", false},
};

static void test_claims(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CLAIMS); i++)
        if (check(keys, jwk_signer_jwt(&rsa, JWA_RS256, "k", CLAIMS[i].claims)) !=
            (CLAIMS[i].fits ? REFUSE_NONE : REFUSE_AUTH))
            fail_msg("%s", CLAIMS[i].name);
}

static void test_signature(void **state)
{
    (void) state;
    static const char GOOD[] = "{" WHO "," TIMES "}";
    assert_int_equal(check(keys, jwk_signer_jwt(&other, JWA_RS256, "k", GOOD)), REFUSE_AUTH);
    assert_int_equal(check(keys, jwk_signer_jwt(&rsa, JWA_PS256, "k", GOOD)), REFUSE_AUTH);
    assert_int_equal(check(keys, jwk_signer_jwt(&rsa, JWA_RS512, "k", GOOD)), REFUSE_AUTH);
    assert_int_equal(check(keys, jwk_signer_jwt(&rsa, JWA_RS256, "l", GOOD)), REFUSE_UNKNOWN_KEY);
    assert_int_equal(check(NULL, jwk_signer_jwt(&rsa, JWA_RS256, "k", GOOD)), REFUSE_NO_KEYS);
    struct issuer_keys *none = issuer_keys_new(&cfg);
    assert_int_equal(check(none, jwk_signer_jwt(&rsa, JWA_RS256, "k", GOOD)), REFUSE_NO_KEYS);
    issuer_keys_free(none);
    const struct config empty = {.n_registries = 0};
    none = issuer_keys_new(&empty); /* of another configuration */
    assert_int_equal(check(none, jwk_signer_jwt(&rsa, JWA_RS256, "k", GOOD)), REFUSE_NO_KEYS);
    issuer_keys_free(none);
}

static void test_malformed(void **state)
{
    (void) state;
    char *good = jwk_signer_jwt(&rsa, JWA_RS256, "k", "{" WHO "," TIMES "}");
    size_t len = strlen(good);
    assert_int_equal(oidc_check(&registry.oidc, keys, slice_of(good, len), NOW), REFUSE_NONE);
    for (size_t n = 0; n < len; n += n < 40 ? 1 : 37)
        assert_int_equal(oidc_check(&registry.oidc, keys, slice_of(good, n), NOW), REFUSE_AUTH);
    free(good);
    assert_int_equal(check(keys, strdup("eyJhbGciOiJub25lIn0.e30.")), REFUSE_AUTH); /* "none" */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_claims),
                                       cmocka_unit_test(test_signature),
                                       cmocka_unit_test(test_malformed)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
