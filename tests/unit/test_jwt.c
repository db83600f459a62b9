/* Tests of broker/jwt.c: what is taken for a JWT, what it says, and whether that may be believed.
 */
#include "jwt.h"

#include "signer.h"

#define HEADER "{\"typ\":\"JWT\",\"alg\":\"PS256\",\"kid\":\"k1\"}"
#define CLAIMS "{\"iss\":\"s1\",\"n\":1.9}"

static struct signer rsa, other;

static int setup(void **state)
{
    (void) state;
    signer_init_rsa(&rsa, 2048);
    signer_init_rsa(&other, 2048);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    signer_fini(&rsa);
    signer_fini(&other);
    return 0;
}

static void test_good(void **state)
{
    struct jwt j;
    (void) state;
    char *text = signer_jwt(&rsa, HEADER, CLAIMS);
    assert_int_equal(jwt_parse(slice_str(text), &j), 0);
    assert_int_equal(jwt_verify(&j, JWA_PS256, rsa.pem), 0);
    assert_int_equal(jwt_verify(&j, JWA_PS256, other.pem), -EACCES);
    assert_int_equal(jwt_verify(&j, JWA_PS256, "no key"), -EACCES);
    assert_string_equal(jwt_header_text(&j, "kid"), "k1");
    assert_string_equal(jwt_text(&j, "iss"), "s1");
    assert_null(jwt_text(&j, "sub"));
    assert_null(jwt_text(&j, "n"));
    assert_null(jwt_text(&j, "ISS"));
    jwt_fini(&j);
    free(text);
}

/* Each character counts: with another in its place it is malformed, or not what was signed. */
static void test_changed(void **state)
{
    (void) state;
    char *text = signer_jwt(&rsa, HEADER, CLAIMS);
    for (size_t i = 0; i < strlen(text); i++) {
        struct jwt j;
        char was = text[i];
        text[i] = was == 'A' ? 'B' : 'A';
        if (jwt_parse(slice_str(text), &j) == 0) {
            assert_int_equal(jwt_verify(&j, JWA_PS256, rsa.pem), -EACCES);
            jwt_fini(&j);
        }
        text[i] = was;
        if (jwt_parse(slice_of(text, i), &j) == 0) {
            assert_int_equal(jwt_verify(&j, JWA_PS256, rsa.pem), -EACCES);
            jwt_fini(&j);
        }
    }
    free(text);
}

static void test_headers(void **state)
{
    static const struct {
        const char *header;
        int err;
    } CASES[] = {
        {"{\"alg\":\"PS256\"}", 0},
        {"{\"alg\":\"PS256\",\"jwk\":{},\"jku\":\"http://a\"}", 0}, /* never looked at */
        {"{\"alg\":\"none\"}", -ENOTSUP},
        {"{\"alg\":\"None\"}", -ENOTSUP},
        {"{\"alg\":\"HS256\"}", 0},
        {"{\"alg\":\"RS256\"}", 0},
        {"{\"alg\":\"PS512\"}", 0},
        {"{\"alg\":\"EdDSA\"}", -ENOTSUP},
        {"{\"alg\":\"HS384\"}", -ENOTSUP},
        {"{\"alg\":\"ps256\"}", -ENOTSUP},
        {"{\"alg\":\"PS256 \"}", -ENOTSUP},
        {"{\"alg\":\"\"}", -ENOTSUP},
        {"{\"alg\":\"PS256\",\"crit\":[\"exp\"]}", -ENOTSUP},
        {"{\"alg\":[\"PS256\"]}", -EBADMSG},
        {"{\"ALG\":\"PS256\"}", -EBADMSG},
        {"{\"alg\":\"PS256\",\"alg\":\"PS256\"}", -EBADMSG},
        {"{\"alg\":\"PS256\\u0000\"}", -EBADMSG},
        {"{}", -EBADMSG},
        {"[]", -EBADMSG},
        {"\"PS256\"", -EBADMSG},
        {"{\"alg\":\"PS256\"}}", -EBADMSG},
        {"{\"alg\":\"PS256\"", -EBADMSG},
        {"", -EBADMSG},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct jwt j;
        char *text = signer_jwt(&rsa, CASES[i].header, CLAIMS);
        int r = jwt_parse(slice_str(text), &j);
        if (r != CASES[i].err)
            fail_msg("%s: %d", CASES[i].header, r);
        if (r == 0)
            jwt_fini(&j);
        free(text);
    }
}

static void test_malformed(void **state)
{
    static const char *const CASES[] = {
        "",
        ".",
        "..",
        "...",
        "a",
        "a.b",
        "a.b.c",
        "e30.e30.AAAA",
        /* {"alg":"PS256"} */
        "eyJhbGciOiJQUzI1NiJ9.e30",
        "eyJhbGciOiJQUzI1NiJ9.e30.",
        "eyJhbGciOiJQUzI1NiJ9.e30.A",
        "eyJhbGciOiJQUzI1NiJ9.e30.AAAA.",
        "eyJhbGciOiJQUzI1NiJ9.e30.AAAA.AAAA",
        "eyJhbGciOiJQUzI1NiJ9.e30=.AAAA",
        "eyJhbGciOiJQUzI1NiJ9..AAAA",
        "eyJhbGciOiJQUzI1NiJ9.W10.AAAA",
        " eyJhbGciOiJQUzI1NiJ9.e30.AAAA",
        "eyJhbGciOiJQUzI1NiJ9.e30.AAAA\n",
        "eyJhbGciOiJQUzI1NiJ9.e31.AAAA",
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct jwt j;
        if (jwt_parse(slice_str(CASES[i]), &j) != -EBADMSG)
            fail_msg("taken: %s", CASES[i]);
    }
    struct jwt j;
    assert_int_equal(jwt_parse(SLICE_LIT("eyJhbGciOiJQUzI1NiJ9.e30.AAAA"), &j), 0);
    assert_int_equal(jwt_verify(&j, JWA_PS256, rsa.pem), -EACCES);
    jwt_fini(&j);
    assert_int_equal(jwt_parse((struct slice){0}, &j), -EBADMSG);
}

static void test_length(void **state)
{
    static char text[JWT_MAX + 1];
    struct jwt j;
    (void) state;
    memset(text, 'A', sizeof(text));
    memcpy(text, "eyJhbGciOiJQUzI1NiJ9.e30.", 25);
    assert_int_equal(jwt_parse(slice_of(text, JWT_MAX + 1), &j), -EMSGSIZE);
    assert_int_equal(jwt_parse(slice_of(text, JWT_MAX), &j), 0);
    assert_int_equal(jwt_verify(&j, JWA_PS256, rsa.pem), -EACCES);
    jwt_fini(&j);
}

static void test_times(void **state)
{
    static const struct {
        const char *claims;
        int err;
        uint64_t time;
    } CASES[] = {
        {"{\"exp\":1800000000}", 0, 1800000000},
        {"{\"exp\":1800000000.9}", 0, 1800000000},
        {"{\"exp\":1.8e9}", 0, 1800000000},
        {"{\"exp\":0}", 0, 0},
        {"{\"exp\":9007199254740992}", 0, 9007199254740992},
        {"{\"exp\":9007199254740994}", -EBADMSG, 0},
        {"{\"exp\":1e400}", -EBADMSG, 0},
        {"{\"exp\":-1}", -EBADMSG, 0},
        {"{\"exp\":\"1800000000\"}", -EBADMSG, 0},
        {"{\"exp\":null}", -EBADMSG, 0},
        {"{\"exp\":true}", -EBADMSG, 0},
        {"{\"Exp\":1}", -ENOENT, 0},
        {"{}", -ENOENT, 0},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct jwt j;
        uint64_t time = 0;
        char *text = signer_jwt(&rsa, HEADER, CASES[i].claims);
        assert_int_equal(jwt_parse(slice_str(text), &j), 0);
        assert_int_equal(jwt_time(&j, "exp", &time), CASES[i].err);
        assert_true(time == CASES[i].time);
        jwt_fini(&j);
        free(text);
    }
}

static bool is_us(const char *audience)
{
    return strcmp(audience, "us") == 0;
}

static void test_audience(void **state)
{
    static const struct {
        const char *claims;
        bool fits;
    } CASES[] = {
        {"{\"aud\":\"us\"}", true},
        {"{\"aud\":[\"us\"]}", true},
        {"{\"aud\":[\"them\",\"us\"]}", true},
        {"{\"aud\":\"them\"}", false},
        {"{\"aud\":[]}", false},
        {"{\"aud\":[1,[\"us\"]]}", false},
        {"{\"aud\":{\"us\":\"us\"}}", false},
        {"{\"aud\":null}", false},
        {"{}", false},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct jwt j;
        char *text = signer_jwt(&rsa, HEADER, CASES[i].claims);
        assert_int_equal(jwt_parse(slice_str(text), &j), 0);
        assert_int_equal(jwt_is_for(&j, is_us), CASES[i].fits);
        jwt_fini(&j);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),     cmocka_unit_test(test_changed),
        cmocka_unit_test(test_headers),  cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_length),   cmocka_unit_test(test_times),
        cmocka_unit_test(test_audience),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
