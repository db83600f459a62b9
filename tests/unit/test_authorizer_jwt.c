/* Tests of gateway/backend/authorizer_jwt.c: which tokens are believed, and until when. */
#include "authorizer_bed.h"

static struct signer ec, ec384, ec521, other, rsa;
static char *keys; /* of all but other, by their names */

static int setup(void **state)
{
    (void) state;
    jwk_signer_init_ec(&ec, JWA_P256);
    jwk_signer_init_ec(&ec384, JWA_P384);
    jwk_signer_init_ec(&ec521, JWA_P521);
    jwk_signer_init_ec(&other, JWA_P256);
    signer_init_rsa(&rsa, 2048);
    char *a = jwk_signer_print(&ec, "\"kid\":\"ec\","),
         *b = jwk_signer_print(&rsa, "\"kid\":\"rsa\","),
         *c = jwk_signer_print(&ec384, "\"kid\":\"ec384\","),
         *d = jwk_signer_print(&ec521, "\"kid\":\"ec521\",");
    assert_true(asprintf(&keys, "{\"keys\":[%s,%s,%s,%s]}", a, b, c, d) > 0);
    free(a);
    free(b);
    free(c);
    free(d);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    signer_fini(&ec);
    signer_fini(&ec384);
    signer_fini(&ec521);
    signer_fini(&other);
    signer_fini(&rsa);
    free(keys);
    return 0;
}

struct one {
    struct auth_bed *ab;
    struct spec_authorizer scheme;
    struct single single;
    char *scopes[4];
};

static void one_begin(struct one *o)
{
    *o = (struct one){.ab = auth_bed_new()};
    o->scheme = jwt_scheme(o->ab, "X-A", "/keys");
    page_set(o->ab, "/keys", 200, xstrdup(keys));
    (void) single_of(&o->single, &o->scheme);
}

static void one_end(struct one *o)
{
    scheme_free(&o->scheme);
    auth_bed_free(o->ab);
}

static void begin(struct one *o, const char *token, struct verdict *v)
{
    const struct header header = HEADER_OF("X-A", token);
    auth_begin(o->ab, &o->single.security, &(struct asked){.headers = &header, .n_headers = 1}, v);
}

static void ask(struct one *o, char *token, struct verdict *v)
{
    v->then = NULL;
    begin(o, token, v);
    auth_end(o->ab, v);
    free(token);
}

static void claims_are(struct one *o, const char *claims, unsigned status, const char *why)
{
    struct verdict v;
    ask(o, jwk_signer_jwt(&ec, JWA_ES256, "ec", claims), &v);
    verdict_is(&v, status, claims);
    if (strcmp(v.why, why) != 0)
        fail_msg("%s: %s instead of %s", claims, v.why, why);
}

/* BED_NOW_S is 1800000000. */
static void test_times(void **state)
{
    static const struct {
        const char *claims, *why;
    } CASES[] = {
        {"{\"exp\":1800000001}", ""},
        {"{\"exp\":1800000000}", "expired"},
        {"{\"exp\":1799999999}", "expired"},
        {"{\"exp\":1800000000.9}", "expired"}, /* rounded down */
        {"{\"exp\":1800000001.5}", ""},
        {"{\"exp\":1.8e9}", "expired"},
        {"{\"exp\":18e8}", "expired"},
        {"{\"exp\":1.9e9}", ""},
        {"{\"exp\":9007199254740992}", ""},
        {"{\"exp\":9007199254740994}", "exp"},
        {"{\"exp\":18446744073709551617}", "exp"},
        {"{\"exp\":1e400}", "exp"},
        {"{\"exp\":-1}", "exp"},
        {"{\"exp\":-1e400}", "exp"},
        {"{\"exp\":-0}", "expired"},
        {"{\"exp\":\"1900000000\"}", "exp"},
        {"{\"exp\":[1900000000]}", "exp"},
        {"{\"exp\":true}", "exp"},
        {"{\"exp\":null}", "exp"},
        {"{\"EXP\":1900000000}", "exp"},
        {"{}", "exp"},
        /* issuers' clocks may be five seconds ahead */
        {"{\"exp\":1900000000,\"nbf\":1800000005}", ""},
        {"{\"exp\":1900000000,\"nbf\":1800000006}", "nbf"},
        {"{\"exp\":1900000000,\"iat\":1800000005}", ""},
        {"{\"exp\":1900000000,\"iat\":1800000006}", "iat"},
        {"{\"exp\":1900000000,\"iat\":1,\"nbf\":0}", ""},
        {"{\"exp\":1900000000,\"nbf\":-1}", "nbf"},
        {"{\"exp\":1900000000,\"nbf\":\"1\"}", "nbf"},
        {"{\"exp\":1900000000,\"nbf\":null}", "nbf"},
        {"{\"exp\":1900000000,\"iat\":1e300}", "iat"},
        {"{\"exp\":1900000000,\"iat\":{}}", "iat"},
    };
    (void) state;
    struct one o;
    one_begin(&o);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        claims_are(&o, CASES[i].claims, CASES[i].why[0] == '\0' ? 0 : 401, CASES[i].why);
    one_end(&o);
}

/* How far ahead an issuer's clock may be is for starts alone, and from now on. */
static void test_skew(void **state)
{
    static const struct {
        uint64_t skew_ms;
        const char *claims, *why;
    } CASES[] = {
        {0, "{\"exp\":1900000000,\"nbf\":1800000000,\"iat\":1800000000}", ""},
        {0, "{\"exp\":1900000000,\"nbf\":1800000001}", "nbf"},
        {0, "{\"exp\":1900000000,\"iat\":1800000001}", "iat"},
        {999, "{\"exp\":1900000000,\"nbf\":1800000001}", "nbf"},
        {300000, "{\"exp\":1900000000,\"nbf\":1800000300,\"iat\":1800000300}", ""},
        {300000, "{\"exp\":1900000000,\"nbf\":1800000301}", "nbf"},
        {300000, "{\"exp\":1900000000,\"iat\":1800000301}", "iat"},
        {300000, "{\"exp\":1800000000}", "expired"},
        {1000, "{\"exp\":1900000000,\"nbf\":1800000002}", "nbf"},
    };
    (void) state;
    struct one o;
    one_begin(&o);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        authorizers_configure(o.ab->a, CASES[i].skew_ms);
        claims_are(&o, CASES[i].claims, CASES[i].why[0] == '\0' ? 0 : 401, CASES[i].why);
    }
    one_end(&o);
}

#define E "{\"exp\":1900000000"

static void test_claims(void **state)
{
    static char a[] = "https://a", b[] = "https://b", x[] = "x", y[] = "y", role[] = "role";
    static char *issuers[] = {a, b}, *audiences[] = {x, y}, *required[] = {role};
    static const struct {
        const char *claims, *why;
    } CASES[] = {
        {E ",\"iss\":\"https://a\",\"aud\":\"x\",\"role\":1}", ""},
        {E ",\"iss\":\"https://b\",\"aud\":[\"z\",\"y\"],\"role\":{}}", ""},
        {E ",\"iss\":\"https://b\",\"aud\":[1,null,[\"x\"],\"y\"],\"role\":false}", ""},
        {E ",\"aud\":\"x\",\"role\":1}", "iss"},
        {E ",\"iss\":\"https://\",\"aud\":\"x\",\"role\":1}", "iss"},
        {E ",\"iss\":\"https://ab\",\"aud\":\"x\",\"role\":1}", "iss"},
        {E ",\"iss\":\"HTTPS://a\",\"aud\":\"x\",\"role\":1}", "iss"},
        {E ",\"iss\":[\"https://a\"],\"aud\":\"x\",\"role\":1}", "iss"},
        {E ",\"iss\":null,\"aud\":\"x\",\"role\":1}", "iss"},
        {E ",\"iss\":\"https://a\",\"role\":1}", "aud"},
        {E ",\"iss\":\"https://a\",\"aud\":\"\",\"role\":1}", "aud"},
        {E ",\"iss\":\"https://a\",\"aud\":[],\"role\":1}", "aud"},
        {E ",\"iss\":\"https://a\",\"aud\":{\"x\":\"x\"},\"role\":1}", "aud"},
        {E ",\"iss\":\"https://a\",\"aud\":[[\"x\"]],\"role\":1}", "aud"},
        {E ",\"iss\":\"https://a\",\"aud\":\"xy\",\"role\":1}", "aud"},
        {E ",\"iss\":\"https://a\",\"aud\":\"x\"}", "a required claim"},
        {E ",\"iss\":\"https://a\",\"aud\":\"x\",\"role\":null}", "a required claim"},
        {E ",\"iss\":\"https://a\",\"aud\":\"x\",\"Role\":1}", "a required claim"},
        /* said twice it could be read as either */
        {E ",\"iss\":\"https://evil\",\"iss\":\"https://a\",\"aud\":\"x\",\"role\":1}",
         "malformed"},
        {E ",\"iss\":\"https://a\",\"i\\u0073s\":\"https://a\",\"aud\":\"x\"}", "malformed"},
        {E ",\"iss\":\"https://a\\u0000.evil\",\"aud\":\"x\",\"role\":1}", "malformed"},
        {"[" E "}]", "malformed"},
        {"", "malformed"},
        {E "}}", "malformed"},
    };
    (void) state;
    struct one o;
    one_begin(&o);
    o.scheme.issuers = issuers;
    o.scheme.audiences = audiences;
    o.scheme.required_claims = required;
    o.scheme.n_issuers = o.scheme.n_audiences = 2;
    o.scheme.n_required_claims = 1;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        claims_are(&o, CASES[i].claims, CASES[i].why[0] == '\0' ? 0 : 401, CASES[i].why);
    /* deeper than any token is */
    char deep[600] = E ",\"a\":";
    size_t n = strlen(deep);
    memset(deep + n, '[', 200);
    memset(deep + n + 200, ']', 200);
    memcpy(deep + n + 400, "}", 2);
    claims_are(&o, deep, 401, "malformed");
    one_end(&o);
}

static void test_scopes(void **state)
{
    static const struct {
        const char *scopes[3], *claim;
        unsigned status;
    } CASES[] = {
        {{"read"}, "\"read\"", 0},
        {{"read"}, "\"write read\"", 0},
        {{"read"}, "\"  write   read  \"", 0},
        {{"read", "write"}, "\"write x read\"", 0},
        {{"read", "write"}, "\"write x\"", 403},
        {{"read"}, "\"reader\"", 403},
        {{"read"}, "\"reader read\"", 0}, /* behind one that begins so */
        {{"read"}, "\"a.read\"", 403},
        {{"read"}, "\"xread readx\"", 403},
        {{"reader"}, "\"read\"", 403},
        {{"aa"}, "\"aaa aa\"", 0},
        {{"READ"}, "\"read\"", 403},
        {{"read"}, "\"read,write\"", 403},
        {{"read"}, "\"read\\twrite\"", 403}, /* lists have spaces */
        {{"read"}, "\"\"", 403},
        {{"read"}, "[\"write\",\"read\"]", 0},
        {{"read"}, "[\"write read\"]", 403},
        {{"read"}, "[]", 403},
        {{"read"}, "null", 403},
        {{"read"}, "{\"read\":true}", 403},
        {{"read"}, "1", 403},
        /* none is empty, or has a space */
        {{""}, "\"read\"", 403},
        {{""}, "\"\"", 403},
        {{""}, "\" \"", 403},
        {{"a b"}, "\"a b\"", 403},
    };
    (void) state;
    struct one o;
    one_begin(&o);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char claims[256];
        size_t n = 0;
        for (; n < 3 && CASES[i].scopes[n] != NULL; n++)
            o.scopes[n] = (char *) (uintptr_t) CASES[i].scopes[n];
        o.single.grant.scopes = o.scopes;
        o.single.grant.n_scopes = n;
        (void) snprintf(claims, sizeof(claims), E ",\"scope\":%s}", CASES[i].claim);
        claims_are(&o, claims, CASES[i].status, CASES[i].status == 0 ? "" : "scope");
    }
    claims_are(&o, E "}", 403, "scope");
    one_end(&o);
}

/* A header of the test's, signed by what it says or by something else. */
static char *forged(const char *header, struct signer *signer, enum jwa how, struct slice secret)
{
    char *text = xcalloc(1, SIGNER_TEXT);
    uint8_t signature[1024];
    size_t len = 32;
    base64url_encode(slice_str(header), text);
    strncat(text, ".", 2);
    base64url_encode(SLICE_LIT(E "}"), text + strlen(text));
    if (signer != NULL)
        len = jwk_signer_sign(signer, how, slice_str(text), signature);
    else
        assert_int_equal(mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), secret.data,
                                         secret.len, (const uint8_t *) text, strlen(text),
                                         signature),
                         0);
    strncat(text, ".", 2);
    base64url_encode(slice_of(signature, len), text + strlen(text));
    return text;
}

static void test_algorithms(void **state)
{
    static const struct {
        const char *header;
        struct signer *by;
        enum jwa how;
        unsigned status;
    } CASES[] = {
        {"{\"alg\":\"ES256\",\"kid\":\"ec\"}", &ec, JWA_ES256, 0},
        {"{\"alg\":\"ES384\",\"kid\":\"ec384\"}", &ec384, JWA_ES384, 0},
        {"{\"alg\":\"ES512\",\"kid\":\"ec521\"}", &ec521, JWA_ES512, 0},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\"}", &rsa, JWA_RS256, 0},
        {"{\"alg\":\"RS384\",\"kid\":\"rsa\"}", &rsa, JWA_RS384, 0},
        {"{\"alg\":\"RS512\",\"kid\":\"rsa\"}", &rsa, JWA_RS512, 0},
        {"{\"alg\":\"ES256\"}", &ec, JWA_ES256, 0}, /* the only one for it */
        {"{\"alg\":\"PS256\",\"kid\":\"rsa\"}", &rsa, JWA_PS256, 401},
        {"{\"alg\":\"HS256\",\"kid\":\"rsa\"}", NULL, JWA_HS256, 401}, /* its PEM as a secret */
        {"{\"alg\":\"none\",\"kid\":\"rsa\"}", &rsa, JWA_RS256, 401},
        {"{\"alg\":\"RS256\",\"kid\":\"ec\"}", &rsa, JWA_RS256, 401},
        {"{\"alg\":\"ES256\",\"kid\":\"rsa\"}", &ec, JWA_ES256, 401},
        {"{\"alg\":\"ES384\",\"kid\":\"ec\"}", &ec, JWA_ES384, 401},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\"}", &rsa, JWA_RS512, 401},
        {"{\"alg\":\"ES256\",\"kid\":\"ec\"}", &other, JWA_ES256, 401},
        {"{\"alg\":\"ES256\",\"kid\":\"\"}", &ec, JWA_ES256, 401},
        {"{\"alg\":\"ES256\",\"kid\":\"EC\"}", &ec, JWA_ES256, 401},
        {"{\"alg\":\"ES256\",\"kid\":\"ec\",\"crit\":[\"x\"]}", &ec, JWA_ES256, 401},
    };
    (void) state;
    struct one o;
    one_begin(&o);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct verdict v;
        ask(&o, forged(CASES[i].header, CASES[i].by, CASES[i].how, slice_str(rsa.pem)), &v);
        verdict_is(&v, CASES[i].status, CASES[i].header);
    }
    one_end(&o);
}

static void test_subject(void **state)
{
    (void) state;
    struct one o;
    struct verdict v;
    char claims[1200], name[600];
    one_begin(&o);
    for (size_t len = 1; len < sizeof(name); len += len < 120 || len > 270 ? 50 : 1) {
        memset(name, 'n', len);
        name[len] = '\0';
        (void) snprintf(claims, sizeof(claims), "\"sub\":\"%s\"", name);
        char *token = token_of(&ec, "ec", claims);
        o.scheme.result_ttl_ms = 0;
        ask(&o, xstrdup(token), &v);
        verdict_is(&v, 0, "a subject");
        assert_string_equal(v.subject, name); /* whole: who is revoked is known by it */
        assert_int_equal(v.expires_s, BED_NOW_S + 600);
        o.scheme.result_ttl_ms = 60000;
        for (size_t i = 0; i < 2; i++) { /* the second time from what is kept, if it is */
            ask(&o, xstrdup(token), &v);
            verdict_is(&v, 0, "a subject");
            assert_string_equal(v.subject, name);
            assert_int_equal(v.expires_s, BED_NOW_S + 600);
        }
        free(token);
    }
    static const char *const NOBODY[] = {"\"sub\":1", "\"sub\":\"\"", "\"sub\":null",
                                         "\"sub\":[\"a\"]", ""};
    for (size_t i = 0; i < ARRAY_LEN(NOBODY); i++) {
        ask(&o, token_of(&ec, "ec", NOBODY[i]), &v);
        verdict_is(&v, 0, NOBODY[i]);
        assert_string_equal(v.subject, "");
    }
    one_end(&o);
}

/* Two schemes: the first subject counts, and what ends first. */
static void test_both(void **state)
{
    (void) state;
    struct one o;
    struct verdict v;
    one_begin(&o);
    struct spec_authorizer second = jwt_scheme(o.ab, "X-B", "/keys");
    const struct spec_grant grants[] = {{.authorizer = &o.scheme}, {.authorizer = &second}};
    const struct spec_way way = {(struct spec_grant *) (uintptr_t) grants, 2};
    const struct spec_security security = {(struct spec_way *) (uintptr_t) &way, 1};
    char *a = jwk_signer_jwt(&ec, JWA_ES256, "ec", "{\"exp\":1800000300,\"sub\":\"a\"}");
    char *b = jwk_signer_jwt(&ec, JWA_ES256, "ec", "{\"exp\":1800000200,\"sub\":\"b\"}");
    char *none = token_of(&ec, "ec", "");
    const struct {
        const char *a, *b, *subject;
        uint64_t expires_s;
    } cases[] = {{a, b, "a", 1800000200},
                 {b, a, "b", 1800000200},
                 {none, b, "b", 1800000200},
                 {a, none, "a", 1800000300},
                 {none, none, "", 1800000600}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct header headers[] = {HEADER_OF("X-A", cases[i].a),
                                         HEADER_OF("X-B", cases[i].b)};
        auth_ask(o.ab, &security, &(struct asked){.headers = headers, .n_headers = 2}, &v);
        verdict_is(&v, 0, "both");
        assert_string_equal(v.subject, cases[i].subject);
        assert_int_equal(v.expires_s, cases[i].expires_s);
    }
    free(a);
    free(b);
    free(none);
    scheme_free(&second);
    one_end(&o);
}

/* Who was let in by a half of one way is nobody in the next. */
static void test_half_way(void **state)
{
    (void) state;
    struct one o;
    struct verdict v;
    one_begin(&o);
    struct spec_authorizer second = jwt_scheme(o.ab, "X-B", "/keys"),
                           third = jwt_scheme(o.ab, "X-C", "/keys");
    struct spec_grant grants[] = {
        {.authorizer = &o.scheme}, {.authorizer = &second}, {.authorizer = &third}};
    struct spec_way ways[] = {{grants, 2}, {grants + 2, 1}};
    const struct spec_security security = {ways, 2};
    char *early = jwk_signer_jwt(&ec, JWA_ES256, "ec", "{\"exp\":1800000100,\"sub\":\"a\"}");
    char *none = token_of(&ec, "ec", "");
    const struct header headers[] = {HEADER_OF("X-A", early), HEADER_OF("X-B", "nonsense"),
                                     HEADER_OF("X-C", none)};
    auth_ask(o.ab, &security, &(struct asked){.headers = headers, .n_headers = 3}, &v);
    verdict_is(&v, 0, "the second way");
    assert_string_equal(v.subject, "");
    assert_int_equal(v.expires_s, BED_NOW_S + 600);
    free(early);
    free(none);
    scheme_free(&second);
    scheme_free(&third);
    one_end(&o);
}

/* What is kept of a token, yes or no, ends with it. */
static void test_kept(void **state)
{
    static char read[] = "read";
    (void) state;
    struct one o;
    struct verdict v;
    one_begin(&o);
    o.scheme.result_ttl_ms = 3600000;
    o.scopes[0] = read;
    o.single.grant.scopes = o.scopes;
    o.single.grant.n_scopes = 1;
    char *yes = token_of(&ec, "ec", "\"scope\":\"read\""), *no = token_of(&ec, "ec", "");
    ask(&o, xstrdup(yes), &v);
    verdict_is(&v, 0, "yes");
    ask(&o, xstrdup(no), &v);
    verdict_is(&v, 403, "no");
    page_set(o.ab, "/keys", 500, NULL);
    bed_pass(o.ab, 599000); /* the keys are forgotten, what came of them is not */
    ask(&o, xstrdup(yes), &v);
    verdict_is(&v, 0, "yes is kept");
    assert_int_equal(v.expires_s, BED_NOW_S + 600);
    ask(&o, xstrdup(no), &v);
    verdict_is(&v, 403, "no is kept");
    o.single.grant.n_scopes = 0; /* another question */
    ask(&o, xstrdup(no), &v);
    verdict_is(&v, 500, "without scopes");
    o.single.grant.n_scopes = 1;
    bed_pass(o.ab, 1000);
    ask(&o, yes, &v);
    verdict_is(&v, 401, "yes has ended");
    ask(&o, no, &v);
    verdict_is(&v, 401, "no has ended");
    one_end(&o);
}

/* A token that ends while its keys are fetched is let in no more. */
static void test_ends_meanwhile(void **state)
{
    (void) state;
    struct one o;
    struct verdict v = {0};
    one_begin(&o);
    page_at(o.ab, "/keys")->hold = true;
    char *token = token_of(&ec, "ec", "");
    begin(&o, token, &v);
    UNTIL(&o.ab->bed, page_at(o.ab, "/keys")->asked == 1);
    bed_pass(o.ab, 600000);
    backend_release(&o.ab->bed.b);
    auth_end(o.ab, &v);
    verdict_is(&v, 401, "ended");
    assert_string_equal(v.why, "expired");
    free(token);
    one_end(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),      cmocka_unit_test(test_skew),
        cmocka_unit_test(test_claims),     cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_algorithms), cmocka_unit_test(test_subject),
        cmocka_unit_test(test_both),       cmocka_unit_test(test_half_way),
        cmocka_unit_test(test_kept),       cmocka_unit_test(test_ends_meanwhile),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
