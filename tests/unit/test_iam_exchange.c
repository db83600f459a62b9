/* Tests of broker/iam_exchange.c: what proves who somebody is, and what it is given. */
#include "iam_exchange.h"

#include "secret.h"
#include "signer.h"

#define NOW    1800000000u
#define AUD    "\"aud\":\"https://iam.api.cloud.yandex.net/iam/v1/tokens\""
#define KID    "\"kid\":\"ajekey1\""
#define HEADER "{\"typ\":\"JWT\",\"alg\":\"PS256\"," KID "}"
#define TIMES  "\"iat\":1800000000,\"exp\":1800003600"
#define CLAIMS "{\"iss\":\"ajerobot\"," AUD "," TIMES "}"

static struct signer rsa, other;
static char robot[] = "ajerobot", idle[] = "ajeidle", key1[] = "ajekey1", key2[] = "ajekey2";
static char token_hash[3][SECRET_HASH_SIZE];
static struct config_key keys[2];
static struct config_account accounts[] = {{.id = robot, .keys = keys, .n_keys = 2}, {.id = idle}};
static struct config_secret tokens[] = {
    {robot, token_hash[0], 0}, {robot, token_hash[1], NOW + 7}, {robot, token_hash[2], NOW}};
static struct config cfg = {
    .service_accounts = accounts, .n_service_accounts = 2, .tokens = tokens, .n_tokens = 3};

static void hash_of(const char *secret, char ret[SECRET_HASH_SIZE])
{
    uint8_t hash[SECRET_HASH_BYTES];
    secret_hash(slice_str(secret), hash);
    for (size_t i = 0; i < sizeof(hash); i++)
        (void) snprintf(ret + 2 * i, 3, "%02x", hash[i]);
}

static int setup(void **state)
{
    (void) state;
    signer_init_rsa(&rsa, 2048);
    signer_init_rsa(&other, 2048);
    keys[0] = (struct config_key){key1, rsa.pem};
    keys[1] = (struct config_key){key2, other.pem};
    hash_of("t1.forever", token_hash[0]);
    hash_of("t1.soon", token_hash[1]);
    hash_of("t1.past", token_hash[2]);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    signer_fini(&rsa);
    signer_fini(&other);
    return 0;
}

static int exchange(const struct iam *iam, struct iam_secret *secret, const struct iam_proof *proof,
                    struct iam_grant *ret)
{
    const char *why = NULL;
    struct status found = {.code = STATUS_OK};
    iam_exchange_check(proof, &found);
    assert_int_equal(found.code, STATUS_OK);
    int r = iam_exchange(iam, secret, NULL, proof, NOW, ret, &why);
    assert_true(r == -EACCES ? why != NULL : r == 0);
    return r;
}

static const struct {
    const char *header, *claims;
    bool good;
} JWTS[] = {
    {HEADER, CLAIMS, true},
    {"{\"alg\":\"PS256\"," KID "}", CLAIMS, true},
    /* the SDK's endpoint in its place, and what we are called */
    {HEADER,
     "{\"iss\":\"ajerobot\",\"aud\":\"https://iam.127.0.0.1:50051/iam/v1/tokens\"," TIMES "}",
     true},
    {HEADER, "{\"iss\":\"ajerobot\",\"aud\":[\"x\",\"https://a/iam/v1/tokens\"]," TIMES "}", true},
    {HEADER, "{\"iss\":\"ajerobot\",\"aud\":\"https:///iam/v1/tokens\"," TIMES "}", false},
    {HEADER, "{\"iss\":\"ajerobot\",\"aud\":\"https://iam/v1/tokens\"," TIMES "}", false},
    {HEADER, "{\"iss\":\"ajerobot\",\"aud\":\"http://a/iam/v1/tokens\"," TIMES "}", false},
    {HEADER, "{\"iss\":\"ajerobot\",\"aud\":\"https://a/iam/v1/tokens/\"," TIMES "}", false},
    {HEADER, "{\"iss\":\"ajerobot\",\"aud\":\"https://a/other\"," TIMES "}", false},
    {HEADER, "{\"iss\":\"ajerobot\"," TIMES "}", false},
    /* who */
    {HEADER, "{\"iss\":\"ajeidle\"," AUD "," TIMES "}", false},
    {HEADER, "{\"iss\":\"ajenobody\"," AUD "," TIMES "}", false},
    {HEADER, "{" AUD "," TIMES "}", false},
    {HEADER, "{\"iss\":[\"ajerobot\"]," AUD "," TIMES "}", false},
    {"{\"alg\":\"PS256\",\"kid\":\"ajekey2\"}", CLAIMS, false}, /* signed with the other key */
    {"{\"alg\":\"PS256\",\"kid\":\"ajekey3\"}", CLAIMS, false},
    {"{\"alg\":\"PS256\"}", CLAIMS, false},
    {"{\"alg\":\"RS256\"," KID "}", CLAIMS, false},
    {"{\"alg\":\"none\"," KID "}", CLAIMS, false},
    /* when */
    {HEADER, "{\"iss\":\"ajerobot\"," AUD ",\"iat\":1800000060,\"exp\":1800003660}", true},
    {HEADER, "{\"iss\":\"ajerobot\"," AUD ",\"iat\":1800000061,\"exp\":1800003600}", false},
    {HEADER, "{\"iss\":\"ajerobot\"," AUD ",\"iat\":1799999000,\"exp\":1799999941}", true},
    {HEADER, "{\"iss\":\"ajerobot\"," AUD ",\"iat\":1799999000,\"exp\":1799999940}", false},
    {HEADER, "{\"iss\":\"ajerobot\"," AUD ",\"iat\":1800000000,\"exp\":1800003601}", false},
    {HEADER, "{\"iss\":\"ajerobot\"," AUD ",\"iat\":1800000000,\"exp\":1800000000}", false},
    {HEADER, "{\"iss\":\"ajerobot\"," AUD ",\"iat\":1800000001,\"exp\":1800000000}", false},
    {HEADER, "{\"iss\":\"ajerobot\"," AUD ",\"iat\":1800000000}", false},
    {HEADER, "{\"iss\":\"ajerobot\"," AUD ",\"exp\":1800003600}", false},
    {HEADER, "{\"iss\":\"ajerobot\"," AUD ",\"iat\":\"1800000000\",\"exp\":1800003600}", false},
    {HEADER, "{\"iss\":\"ajerobot\"," AUD ",\"nbf\":1800000060," TIMES "}", true},
    {HEADER, "{\"iss\":\"ajerobot\"," AUD ",\"nbf\":1800000061," TIMES "}", false},
    {HEADER, "{\"iss\":\"ajerobot\"," AUD ",\"nbf\":null," TIMES "}", false},
};

static void test_jwts(void **state)
{
    (void) state;
    struct iam_secret secret = {.there = false};
    struct iam *iam = iam_new(&cfg, &secret);
    for (size_t i = 0; i < ARRAY_LEN(JWTS); i++) {
        char *text = signer_jwt(&rsa, JWTS[i].header, JWTS[i].claims);
        const struct iam_proof proof = {.jwt = slice_str(text)};
        struct iam_grant grant;
        if (exchange(iam, &secret, &proof, &grant) != (JWTS[i].good ? 0 : -EACCES))
            fail_msg("%s %s", JWTS[i].header, JWTS[i].claims);
        if (JWTS[i].good) {
            assert_string_equal(grant.subject.id, robot);
            assert_true(grant.subject.service_account);
            assert_int_equal(grant.expires_s, NOW + 12 * 3600);
        }
        free(text);
    }
    iam_free(iam);
}

/* For free(). */
static char *header_with(struct iam *iam, struct iam_secret *secret)
{
    char *jwt = signer_jwt(&rsa, HEADER, CLAIMS), *ret = calloc(1, sizeof(struct iam_grant));
    const struct iam_proof proof = {.jwt = slice_str(jwt)};
    struct iam_grant grant;
    assert_non_null(ret);
    assert_int_equal(exchange(iam, secret, &proof, &grant), 0);
    (void) snprintf(ret, sizeof(grant), "Bearer %s", grant.token);
    free(jwt);
    return ret;
}

static int enters(const struct config *with, const struct iam_secret *secret, const char *header,
                  uint64_t now)
{
    struct iam_subject who = {"untouched", false};
    struct iam *iam = iam_new(with, secret);
    int r = iam_authenticate(iam, slice_str(header), now, &who);
    assert_string_equal(who.id, r == 0 ? robot : "untouched");
    assert_int_equal(who.service_account, r == 0);
    iam_free(iam);
    return r;
}

/* What ends a token: time, another secret, its account or its key gone, another key by that id. */
static void test_life(void **state)
{
    (void) state;
    struct iam_secret secret = {.there = false}, another = {.there = false};
    struct iam *iam = iam_new(&cfg, &secret);
    char *header = header_with(iam, &secret);
    assert_int_equal(iam_secret_make(NULL, &another), 0);
    assert_int_equal(enters(&cfg, &secret, header, NOW), 0);
    assert_int_equal(enters(&cfg, &secret, header, NOW + 12 * 3600 - 1), 0);
    assert_int_equal(enters(&cfg, &secret, header, NOW + 12 * 3600), -EACCES);
    assert_int_equal(enters(&cfg, &another, header, NOW), -EACCES);
    assert_int_equal(enters(&cfg, NULL, header, NOW), -EACCES);

    struct config_account without[] = {{.id = robot, .keys = keys + 1, .n_keys = 1}, {.id = idle}};
    struct config changed = cfg;
    changed.service_accounts = without;
    assert_int_equal(enters(&changed, &secret, header, NOW), -EACCES);
    struct config_key replaced[] = {{key1, other.pem}};
    without[0].keys = replaced;
    assert_int_equal(enters(&changed, &secret, header, NOW), -EACCES);
    without[0].keys = keys;
    assert_int_equal(enters(&changed, &secret, header, NOW), 0);
    without[0].id = idle;
    assert_int_equal(enters(&changed, &secret, header, NOW), -EACCES);

    memcpy(header, "Basic ", 6);
    assert_int_equal(enters(&cfg, &secret, header, NOW), -EACCES);
    iam_free(iam);
    free(header);
}

static void test_configured_tokens(void **state)
{
    static const struct {
        const char *token;
        uint64_t expires; /* 0: refused */
    } CASES[] = {
        {"t1.forever", NOW + 12 * 3600},
        {"t1.soon", NOW + 7},
        {"t1.past", 0},
        {"t1.nobody", 0},
        {"", 0},
    };
    (void) state;
    struct iam_secret secret = {.there = false};
    struct iam *iam = iam_new(&cfg, &secret);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct iam_proof proof = {.oauth_token = slice_str(CASES[i].token)};
        struct iam_grant grant;
        assert_int_equal(exchange(iam, &secret, &proof, &grant),
                         CASES[i].expires == 0 ? -EACCES : 0);
        if (CASES[i].expires == 0)
            continue;
        assert_string_equal(grant.token, CASES[i].token);
        assert_int_equal(grant.expires_s, CASES[i].expires);
        assert_string_equal(grant.subject.id, robot);
    }
    assert_false(secret.there); /* nothing of our own was made */
    iam_free(iam);
}

/* Nobody is asked who he is; what is given then is good for nobody later. */
static void test_open(void **state)
{
    (void) state;
    char header[sizeof(struct iam_grant)];
    struct iam_secret secret = {.there = false};
    struct iam_grant grant;
    struct config nothing = {.n_tokens = 0};
    struct iam *iam = iam_new(&nothing, &secret);
    const struct iam_proof proof = {.jwt = SLICE_LIT("whatever")};
    assert_int_equal(exchange(iam, &secret, &proof, &grant), 0);
    assert_string_equal(grant.subject.id, IAM_ANYBODY);
    assert_false(grant.subject.service_account);
    (void) snprintf(header, sizeof(header), "Bearer %s", grant.token);
    assert_int_equal(enters(&cfg, &secret, header, NOW), -EACCES);
    iam_free(iam);
}

static void test_requests(void **state)
{
    static char large[JWT_MAX + 1];
    const struct {
        struct iam_proof proof;
        const char *message;
    } CASES[] = {
        {{.jwt = SLICE_LIT("")}, ""},
        {{.jwt = slice_of(large, JWT_MAX)}, ""},
        {{.jwt = slice_of(large, JWT_MAX + 1)}, "jwt: must be at most 8000 bytes"},
        {{.oauth_token = slice_of(large, 4000)}, ""},
        {{.oauth_token = slice_of(large, 4001)},
         "yandex_passport_oauth_token: must be at most 4000 bytes"},
        {{.jwt = {0}}, "identity: must be either jwt or yandex_passport_oauth_token, not neither"},
        {{.jwt = SLICE_LIT("a"), .oauth_token = SLICE_LIT("b")},
         "identity: must be either jwt or yandex_passport_oauth_token, not both"},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct status found = {.code = STATUS_OK};
        iam_exchange_check(&CASES[i].proof, &found);
        assert_string_equal(found.message, CASES[i].message);
    }
}

/* A secret that cannot be kept makes no tokens that would end with the process. */
static void test_no_secret(void **state)
{
    (void) state;
    struct iam_secret secret = {.there = false};
    struct iam *iam = iam_new(&cfg, &secret);
    char *text = signer_jwt(&rsa, HEADER, CLAIMS);
    const struct iam_proof proof = {.jwt = slice_str(text)};
    struct iam_grant grant;
    const char *why;
    assert_int_equal(iam_exchange(iam, &secret, "/nowhere", &proof, NOW, &grant, &why), -ENOENT);
    assert_false(secret.there);
    free(text);
    iam_free(iam);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jwts),
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_configured_tokens),
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_no_secret),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
