/* Tests of broker/access.c: which tokens open which path, claim by claim. */
#include "access.h"

#include "jwk_signer.h"
#include "secret.h"

#define NOW    1800000000
#define SECRET "a secret of thirty-two bytes....."
#define GOOD   "\"iss\":\"https://a\",\"aud\":\"us\",\"exp\":1800000600"

static struct signer rsa, other;
static char hash_good[SECRET_HASH_SIZE], hash_old[SECRET_HASH_SIZE];

static void hash(const char *text, char ret[SECRET_HASH_SIZE])
{
    uint8_t bytes[SECRET_HASH_BYTES];
    secret_hash(slice_str(text), bytes);
    for (size_t i = 0; i < sizeof(bytes); i++)
        (void) snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

static int setup(void **state)
{
    (void) state;
    signer_init_rsa(&rsa, 2048);
    signer_init_rsa(&other, 2048);
    hash("good", hash_good);
    hash("old", hash_old);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    signer_fini(&rsa);
    signer_fini(&other);
    return 0;
}

/* Issuer 0 has RSA keys and a rule, issuer 1 a secret; two tokens, one of which has expired. */
static struct access *make(struct config *cfg)
{
    static char *audiences[] = {"them", "us"}, *required[] = {"scope"},
                *rules[] = {"/${claims.team}"}, *algorithms[] = {"RS256"};
    static struct config_issuer issuers[2];
    static struct config_secret tokens[2];
    issuers[0] = (struct config_issuer){.issuer = "https://a",
                                        .audiences = {audiences, 2},
                                        .algorithms = {algorithms, 1},
                                        .jwks_file = "f"};
    issuers[1] = (struct config_issuer){.issuer = "https://b",
                                        .audiences = {audiences, 1},
                                        .secret = SECRET,
                                        .required_claims = {required, 1},
                                        .paths = {rules, 1}};
    tokens[0] = (struct config_secret){.subject = "bob", .sha256 = hash_good};
    tokens[1] = (struct config_secret){.subject = "eve", .sha256 = hash_old, .expires_at_s = NOW};
    *cfg = (struct config){.gateway.auth = {.clock_skew_ms = 5000,
                                            .tokens = tokens,
                                            .n_tokens = 2,
                                            .issuers = issuers,
                                            .n_issuers = 2}};
    return access_new(cfg);
}

static void give_keys(struct access *a)
{
    struct jwk_set *set;
    char *key = jwk_signer_print(&rsa, "\"kid\":\"k\","), *text = calloc(1, SIGNER_TEXT + 20);
    assert_non_null(text);
    (void) snprintf(text, SIGNER_TEXT + 20, "{\"keys\":[%s]}", key);
    assert_int_equal(jwk_set_parse(slice_str(text), &set), 0);
    issuer_keys_set(access_keys(a), 0, set);
    free(key);
    free(text);
}

static bool has_keys(struct access *a, size_t i)
{
    struct jwk_set *keys = issuer_keys_get(access_keys(a), i);
    jwk_set_unref(keys);
    return keys != NULL;
}

static void test_tokens(void **state)
{
    struct config cfg;
    struct access *a = make(&cfg);
    struct access_pass pass;
    size_t issuer;
    const char *why = NULL;
    struct slice path = SLICE_LIT("/a");
    (void) state;
    assert_int_equal(
        access_check(a, AUTH_TOKEN, SLICE_LIT("good"), path, NOW, &pass, &issuer, &why), 0);
    assert_string_equal(pass.subject, "bob");
    assert_string_equal(pass.id, "");
    assert_int_equal(pass.expires_s, 0);
    access_pass_fini(&pass);
    assert_int_equal(access_check(a, AUTH_TOKEN, SLICE_LIT("goo"), path, NOW, &pass, &issuer, &why),
                     -EACCES);
    assert_string_equal(why, "unknown token");
    assert_int_equal(
        access_check(a, AUTH_TOKEN, slice_str(hash_good), path, NOW, &pass, &issuer, &why),
        -EACCES);
    assert_int_equal(access_check(a, AUTH_TOKEN, SLICE_LIT("old"), path, NOW, &pass, &issuer, &why),
                     -EACCES);
    assert_string_equal(why, "expired");
    assert_int_equal(
        access_check(a, AUTH_TOKEN, SLICE_LIT("old"), path, NOW - 1, &pass, &issuer, &why), 0);
    assert_int_equal(pass.expires_s, NOW);
    access_pass_fini(&pass);
    access_free(a);
    access_free(NULL);
}

static const struct {
    const char *claims;
    const char *why; /* NULL: it is good */
} CASES[] = {
    {"{" GOOD "}", NULL},
    {"{" GOOD ",\"sub\":\"s\",\"jti\":\"j\"}", NULL},
    {"{\"iss\":\"https://a\",\"aud\":[\"x\",\"them\"],\"exp\":1800000001}", NULL},
    {"{" GOOD ",\"nbf\":1800000005,\"iat\":1800000005}", NULL},
    {"{" GOOD ",\"nbf\":1800000006}", "not good yet"},
    {"{" GOOD ",\"iat\":1800000006}", "not good yet"},
    {"{" GOOD ",\"nbf\":\"1\"}", "nbf or iat is no time"},
    {"{" GOOD ",\"iat\":-1}", "nbf or iat is no time"},
    {"{\"iss\":\"https://a\",\"aud\":\"us\",\"exp\":1800000000}", "expired"},
    {"{\"iss\":\"https://a\",\"aud\":\"us\",\"exp\":\"1800000600\"}", "no exp"},
    {"{\"iss\":\"https://a\",\"aud\":\"us\",\"exp\":1e300}", "no exp"},
    {"{\"iss\":\"https://a\",\"aud\":\"us\"}", "no exp"},
    {"{\"iss\":\"https://a\",\"aud\":\"US\",\"exp\":1800000600}", "for another audience"},
    {"{\"iss\":\"https://a\",\"aud\":[[\"us\"]],\"exp\":1800000600}", "for another audience"},
    {"{\"iss\":\"https://a\",\"exp\":1800000600}", "for another audience"},
    {"{\"iss\":\"https://A\",\"aud\":\"us\",\"exp\":1800000600}", "unknown issuer"},
    {"{\"iss\":\"https://a/\",\"aud\":\"us\",\"exp\":1800000600}", "unknown issuer"},
    {"{\"aud\":\"us\",\"exp\":1800000600}", "unknown issuer"},
    {"{\"iss\":[\"https://a\"],\"aud\":\"us\",\"exp\":1800000600}", "unknown issuer"},
    {"{" GOOD ",\"sub\":1}", "sub or jti is no text"},
    {"{" GOOD ",\"jti\":[\"j\"]}", "sub or jti is no text"},
    {"{" GOOD ",\"sub\":null}", NULL},
    /* another issuer's key proves nothing for this one */
    {"{\"iss\":\"https://b\",\"aud\":\"them\",\"exp\":1800000600,\"scope\":\"s\",\"team\":\"a\"}",
     "bad signature"},
};

static void test_claims(void **state)
{
    struct config cfg;
    struct access *a = make(&cfg);
    (void) state;
    give_keys(a);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct access_pass pass;
        size_t issuer;
        const char *why = NULL;
        char *text = jwk_signer_jwt(&rsa, JWA_RS256, "k", CASES[i].claims);
        int r =
            access_check(a, AUTH_JWT, slice_str(text), SLICE_LIT("/a"), NOW, &pass, &issuer, &why);
        if (r != (CASES[i].why == NULL ? 0 : -EACCES) || (r < 0 && strcmp(why, CASES[i].why) != 0))
            fail_msg("%s: %d %s", CASES[i].claims, r, r < 0 ? why : "");
        if (r == 0)
            access_pass_fini(&pass);
        free(text);
    }
    access_free(a);
}

static int check(struct access *a, char *text, const char *path, const char **why) /* frees text */
{
    struct access_pass pass;
    size_t issuer;
    int r = access_check(a, AUTH_JWT, slice_str(text), slice_str(path), NOW, &pass, &issuer, why);
    if (r == 0)
        access_pass_fini(&pass);
    free(text);
    return r;
}

static void test_keys(void **state)
{
    struct config cfg;
    struct access *a = make(&cfg);
    const char *why = NULL, *claims = "{" GOOD "}";
    (void) state;
    assert_false(has_keys(a, 0));
    assert_int_equal(check(a, jwk_signer_jwt(&rsa, JWA_RS256, "k", claims), "/a", &why), -EAGAIN);
    give_keys(a);
    assert_true(has_keys(a, 0));
    assert_int_equal(check(a, jwk_signer_jwt(&rsa, JWA_RS256, "k", claims), "/a", &why), 0);
    assert_int_equal(check(a, jwk_signer_jwt(&rsa, JWA_RS256, "l", claims), "/a", &why), -ENOKEY);
    assert_int_equal(check(a, jwk_signer_jwt(&other, JWA_RS256, "k", claims), "/a", &why), -EACCES);
    assert_string_equal(why, "bad signature");
    assert_int_equal(check(a, jwk_signer_jwt(&rsa, JWA_PS256, "k", claims), "/a", &why), -EACCES);
    assert_string_equal(why, "algorithm not allowed");
    give_keys(a); /* in place of the old ones */
    assert_int_equal(check(a, jwk_signer_jwt(&rsa, JWA_RS256, "k", claims), "/a", &why), 0);
    access_free(a);
}

/* For free(). */
static char *hs256(const char *secret, const char *claims)
{
    char *ret = calloc(1, SIGNER_TEXT);
    uint8_t mac[32];
    assert_non_null(ret);
    base64url_encode(SLICE_LIT("{\"alg\":\"HS256\"}"), ret);
    strncat(ret, ".", 2);
    base64url_encode(slice_str(claims), ret + strlen(ret));
    assert_int_equal(mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256),
                                     (const uint8_t *) secret, strlen(secret),
                                     (const uint8_t *) ret, strlen(ret), mac),
                     0);
    strncat(ret, ".", 2);
    base64url_encode(slice_of(mac, sizeof(mac)), ret + strlen(ret));
    return ret;
}

static void test_secret(void **state)
{
#define B "{\"iss\":\"https://b\",\"aud\":\"them\",\"exp\":1800000600,\"team\":\"red\""
    struct config cfg;
    struct access *a = make(&cfg);
    const char *why = NULL;
    (void) state;
    give_keys(a);
    assert_int_equal(check(a, hs256(SECRET, B ",\"scope\":\"s\"}"), "/red", &why), 0);
    assert_int_equal(check(a, hs256(SECRET, B ",\"scope\":\"s\"}"), "/blue", &why), -EPERM);
    assert_int_equal(check(a, hs256(SECRET, B "}"), "/red", &why), -EACCES);
    assert_string_equal(why, "a required claim is missing");
    assert_int_equal(check(a, hs256(SECRET, B ",\"scope\":null}"), "/red", &why), -EACCES);
    assert_int_equal(check(a, hs256("another", B ",\"scope\":\"s\"}"), "/red", &why), -EACCES);
    assert_string_equal(why, "bad signature");
    /* The other issuer's public key is no secret of anybody. */
    assert_int_equal(check(a, hs256(rsa.pem, "{" GOOD "}"), "/a", &why), -EACCES);
    assert_string_equal(why, "algorithm not allowed");
    access_free(a);
#undef B
}

static void test_malformed(void **state)
{
    static const char *const TEXTS[] = {"", "a", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "good"};
    struct config cfg;
    struct access *a = make(&cfg);
    const char *why = NULL;
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++)
        assert_int_equal(check(a, xstrdup(TEXTS[i]), "/a", &why), -EACCES);
    access_free(a);
}

static struct access_pass pass_of(struct access *a, enum config_auth auth, struct slice token)
{
    struct access_pass pass;
    size_t issuer;
    const char *why;
    assert_int_equal(access_check(a, auth, token, SLICE_LIT("/a"), NOW, &pass, &issuer, &why), 0);
    return pass;
}

/* Who is in may stay as long as what let him in is configured. */
static void test_admits(void **state)
{
    struct config cfg, less;
    struct access *a = make(&cfg), *none;
    (void) state;
    struct access_pass bob = pass_of(a, AUTH_TOKEN, SLICE_LIT("good"));
    struct access_pass jwt = bob;
    jwt.by = AUTH_JWT;
    secret_hash(SLICE_LIT("https://a"), jwt.hash);
    assert_true(access_admits(a, AUTH_NONE, NULL));
    assert_false(access_admits(a, AUTH_TOKEN, NULL));
    assert_true(access_admits(a, AUTH_TOKEN, &bob));
    assert_false(access_admits(a, AUTH_JWT, &bob));
    assert_true(access_admits(a, AUTH_NONE, &bob));
    assert_true(access_admits(a, AUTH_JWT, &jwt));
    assert_false(access_admits(a, AUTH_TOKEN, &jwt));
    less = cfg;
    less.gateway.auth.tokens++;
    less.gateway.auth.n_tokens--;
    less.gateway.auth.issuers++;
    less.gateway.auth.n_issuers--;
    none = access_new(&less);
    assert_false(access_admits(none, AUTH_TOKEN, &bob));
    assert_false(access_admits(none, AUTH_JWT, &jwt));
    access_free(none);
    access_pass_fini(&bob);
    access_free(a);
}

/* Keys that came from a URL are those of the same issuer with the same URL. */
static void test_inherit(void **state)
{
    static const struct {
        char *issuer, *url;
        bool inherits;
    } NEXT[] = {{"https://a", "https://a/keys", true},
                {"https://a", "https://b/keys", false},
                {"https://c", "https://a/keys", false},
                {"https://a", NULL, false}};
    struct config cfg;
    (void) state;
    struct access *a = make(&cfg);
    access_free(a);
    cfg.gateway.auth.issuers[0].jwks_file = NULL;
    cfg.gateway.auth.issuers[0].jwks_url = "https://a/keys";
    a = access_new(&cfg);
    give_keys(a);
    for (size_t i = 0; i < ARRAY_LEN(NEXT); i++) {
        struct config_issuer issuer = {.issuer = NEXT[i].issuer, .jwks_url = NEXT[i].url};
        struct config next = {.gateway.auth = {.issuers = &issuer, .n_issuers = 1}};
        struct access *b = access_new(&next);
        issuer_keys_inherit(access_keys(b), access_keys(a));
        assert_int_equal(has_keys(b, 0), NEXT[i].inherits);
        assert_true(has_keys(a, 0));
        access_free(b);
    }
    access_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_admits),    cmocka_unit_test(test_inherit),
        cmocka_unit_test(test_tokens),    cmocka_unit_test(test_claims),
        cmocka_unit_test(test_keys),      cmocka_unit_test(test_secret),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
