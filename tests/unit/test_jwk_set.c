/* Tests of broker/jwk_set.c: which keys of a set are taken, and JWTs of every algorithm. */
#include "jwk_set.h"

#include "jwk_signer.h"

#define CLAIMS "{\"iss\":\"s\"}"
/* x and y of 32 bytes that are on no curve */
#define ZEROS "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define NO_POINT                                                                                   \
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" ZEROS "\",\"y\":\"" ZEROS "\"}]}"

static struct signer rsa, other, weak, p256, p384, p521;

static int setup(void **state)
{
    (void) state;
    signer_init_rsa(&rsa, 2048);
    signer_init_rsa(&other, 2048);
    signer_init_rsa(&weak, 1024);
    jwk_signer_init_ec(&p256, JWA_P256);
    jwk_signer_init_ec(&p384, JWA_P384);
    jwk_signer_init_ec(&p521, JWA_P521);
    return 0;
}

static int teardown(void **state)
{
    struct signer *const ALL[] = {&rsa, &other, &weak, &p256, &p384, &p521};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(ALL); i++)
        signer_fini(ALL[i]);
    return 0;
}

/* A set of one key, "members" first. */
static int parse_one(struct signer *s, const char *members, struct jwk_set **ret)
{
    char *key = jwk_signer_print(s, members), *text = calloc(1, SIGNER_TEXT + 20);
    assert_non_null(text);
    (void) snprintf(text, SIGNER_TEXT + 20, "{\"keys\":[%s]}", key);
    int r = jwk_set_parse(slice_str(text), ret);
    free(key);
    free(text);
    return r;
}

static int verify(const struct jwk_set *set, struct signer *s, enum jwa a, const char *kid)
{
    struct jwt j;
    char *text = jwk_signer_jwt(s, a, kid, CLAIMS);
    assert_int_equal(jwt_parse(slice_str(text), &j), 0);
    int r = jwk_set_verify(set, &j);
    jwt_fini(&j);
    free(text);
    return r;
}

static void test_every_algorithm(void **state)
{
    struct {
        struct signer *s;
        enum jwa_key kind;
    } const KEYS[] = {{&rsa, JWA_RSA}, {&p256, JWA_P256}, {&p384, JWA_P384}, {&p521, JWA_P521}};
    (void) state;
    for (size_t k = 0; k < ARRAY_LEN(KEYS); k++) {
        struct jwk_set *set;
        assert_int_equal(parse_one(KEYS[k].s, "\"kid\":\"a\",", &set), 0);
        assert_int_equal(jwk_set_n(set), 1);
        for (unsigned a = 0; a < JWA_HS256; a++) {
            bool fits = JWA[a].key == KEYS[k].kind;
            assert_int_equal(verify(set, KEYS[k].s, (enum jwa) a, "a"), fits ? 0 : -ENOKEY);
            assert_int_equal(verify(set, KEYS[k].s, (enum jwa) a, NULL), fits ? 0 : -ENOKEY);
            assert_int_equal(verify(set, KEYS[k].s, (enum jwa) a, "b"), -ENOKEY);
        }
        jwk_set_unref(set);
    }
}

/* Not one bit of a signature may be another, and none may be missing. */
static void test_signatures(void **state)
{
    struct {
        struct signer *s;
        enum jwa algorithm;
    } const CASES[] = {
        {&rsa, JWA_RS256}, {&rsa, JWA_PS384}, {&p256, JWA_ES256}, {&p521, JWA_ES512}};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct jwk_set *set;
        struct jwt j;
        char *text = jwk_signer_jwt(CASES[i].s, CASES[i].algorithm, NULL, CLAIMS);
        assert_int_equal(parse_one(CASES[i].s, "", &set), 0);
        assert_int_equal(jwt_parse(slice_str(text), &j), 0);
        assert_int_equal(jwk_set_verify(set, &j), 0);
        for (size_t at = 0; at < j.signature_len; at++) {
            j.signature[at] ^= 1;
            assert_int_equal(jwk_set_verify(set, &j), -EACCES);
            j.signature[at] ^= 1;
        }
        size_t len = j.signature_len;
        for (j.signature_len = 1; j.signature_len < len; j.signature_len += 7)
            assert_int_equal(jwk_set_verify(set, &j), -EACCES);
        j.signature_len = len;
        memset(j.signature, 0, len); /* r = s = 0 */
        assert_int_equal(jwk_set_verify(set, &j), -EACCES);
        jwt_fini(&j);
        free(text);
        jwk_set_unref(set);
    }
}

static void test_members(void **state)
{
    static const struct {
        const char *members;
        int err;
    } CASES[] = {
        {"", 0},
        {"\"use\":\"sig\",", 0},
        {"\"use\":\"enc\",", -EBADMSG},
        {"\"use\":1,", -EBADMSG},
        {"\"key_ops\":[\"verify\"],", 0},
        {"\"key_ops\":[\"encrypt\"],", -EBADMSG},
        {"\"key_ops\":[],", -EBADMSG},
        {"\"alg\":\"RS256\",", 0},
        {"\"alg\":\"ES256\",", -EBADMSG}, /* for another kind of key */
        {"\"alg\":\"HS256\",", -EBADMSG},
        {"\"alg\":\"RSA-OAEP\",", -EBADMSG},
        {"\"alg\":null,", -EBADMSG},
        {"\"kid\":7,", -EBADMSG},
        {"\"x5c\":[\"AAAA\"],\"d\":\"AAAA\",", 0},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct jwk_set *set = NULL;
        int r = parse_one(&rsa, CASES[i].members, &set);
        if (r != CASES[i].err)
            fail_msg("%s: %d", CASES[i].members, r);
        jwk_set_unref(set);
    }
    struct jwk_set *bound;
    assert_int_equal(parse_one(&rsa, "\"alg\":\"RS256\",", &bound), 0);
    assert_int_equal(verify(bound, &rsa, JWA_RS256, NULL), 0);
    assert_int_equal(verify(bound, &rsa, JWA_PS256, NULL), -ENOKEY);
    assert_int_equal(verify(bound, &other, JWA_RS256, NULL), -EACCES);
    jwk_set_unref(bound);
    assert_int_equal(parse_one(&weak, "", &bound), -EBADMSG);
}

static void test_malformed(void **state)
{
    static const char *const CASES[] = {
        "",
        "[]",
        "{}",
        "{\"keys\":{}}",
        "{\"keys\":[]}",
        "{\"keys\":[1,null,[],{}]}",
        "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AAAA\",\"e\":\"AQAB\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":7,\"e\":\"AQAB\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AAAA\",\"y\":\"AAAA\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"x\":\"AAAA\",\"y\":\"AAAA\"}]}",
        NO_POINT,
    };
    struct jwk_set *set = NULL;
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        if (jwk_set_parse(slice_str(CASES[i]), &set) != -EBADMSG)
            fail_msg("taken: %s", CASES[i]);
    char *many = calloc(1, 3 * (JWK_SET_MAX_KEYS + 1) + 20),
         *large = calloc(1, JWK_SET_MAX_BYTES + 1);
    assert_true(many != NULL && large != NULL);
    strncat(many, "{\"keys\":[{}", 12);
    for (size_t i = 0; i < JWK_SET_MAX_KEYS; i++)
        strncat(many, ",{}", 4);
    strncat(many, "]}", 3);
    assert_int_equal(jwk_set_parse(slice_str(many), &set), -EMSGSIZE);
    assert_int_equal(jwk_set_parse(slice_of(large, JWK_SET_MAX_BYTES + 1), &set), -EMSGSIZE);
    assert_null(set);
    free(many);
    free(large);
}

/* What is of no use does not take the rest with it; two keys for one token are too many. */
static void test_several(void **state)
{
    char *a = jwk_signer_print(&rsa, "\"kid\":\"a\","),
         *b = jwk_signer_print(&other, "\"kid\":\"b\",");
    char *text = calloc(1, 3 * SIGNER_TEXT);
    struct jwk_set *set;
    (void) state;
    assert_non_null(text);
    (void) snprintf(text, 3 * SIGNER_TEXT,
                    "{\"x\":1,\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\"},%s,1,%s]}", a, b);
    assert_int_equal(jwk_set_parse(slice_str(text), &set), 0);
    assert_int_equal(jwk_set_n(set), 2);
    assert_int_equal(verify(set, &rsa, JWA_RS256, "a"), 0);
    assert_int_equal(verify(set, &other, JWA_RS256, "b"), 0);
    assert_int_equal(verify(set, &rsa, JWA_RS256, "b"), -EACCES);
    assert_int_equal(verify(set, &rsa, JWA_RS256, NULL), -ENOKEY);
    assert_ptr_equal(jwk_set_ref(set), set);
    jwk_set_unref(set);
    assert_int_equal(verify(set, &rsa, JWA_RS256, "a"), 0);
    jwk_set_unref(set);
    jwk_set_unref(NULL);
    free(a);
    free(b);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_algorithm), cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_members),         cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_several),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
