/* What a registry's tokens and secrets ask of a webhook. The signatures were made with
 *   printf '%s' "ID.TIMESTAMP.BODY" | openssl dgst -sha256 -mac HMAC -macopt hexkey:KEY -binary */
#include "verify.h"

#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ID     "msg_1"
#define TIME   "1795000000"
#define NOW_S  UINT64_C(1795000000)
#define BODY   "{\"events\": [{\"action\":\"push\"}]}"
#define KEY_A  "whsec_EBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8=" /* 10 to 2f */
#define KEY_B  "whsec_gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaX"             /* 80 to 97 */
#define SIGN_A "v1,IOhWpAYagyFt6GObCXaqc064+rdCko0n6ITLht4B3kA="
#define SIGN_B "v1,4wMIQsgMefvR3bfPJouT6r29Iy9myMVBuh6yMyEJsgw="
#define SIGN_C "v1,WFxjQeozhVnEWS9K2HhDmQyUGxnIWh6nRXr2AOFH804=" /* of another key */
#define EMPTY  "v1,0itsQHEO0DaREELKLogMsGQ4XyEP/SLfFewwCu3q11g=" /* of A, without a body */

struct strings {
    const char *at[CONFIG_SECRETS + 1]; /* ended by NULL */
};

static struct config_strings strings_of(struct strings *s)
{
    struct config_strings ret = {.at = (char **) (uintptr_t) s->at};
    while (s->at[ret.n] != NULL)
        ret.n++;
    return ret;
}

static struct verifier verifier_of(const char *token, struct strings tokens, struct strings secrets)
{
    struct verifier v;
    const struct config_registry cfg = {
        .token = (char *) (uintptr_t) token,
        .tokens = strings_of(&tokens),
        .signature = secrets.at[0] == NULL ? SIGNATURE_NONE : SIGNATURE_STANDARD,
        .signature_secrets = strings_of(&secrets),
    };
    verifier_init(&v, &cfg);
    return v;
}

#define NO ((struct strings){{NULL}})

static enum refuse head_of(const struct verifier *v, const char *authorization)
{
    const struct verify_request req = {.authorization = slice_str(authorization)};
    return verify_head(v, &req, NOW_S);
}

static void test_token(void **state)
{
    (void) state;
    static const struct {
        const char *authorization;
        bool fits;
    } CASES[] = {
        {"Bearer secret", true},
        {"bearer  secret ", true},
        {"Bearer secre", false},
        {"Bearer secrett", false},
        {"Bearer", false},
        {"Bearer ", false},
        {"secret", false},
        {"", false},
        {"Basic dTpzZWNyZXQ=", true},
        {"Basic OnNlY3JldA==", true},  /* no user */
        {"Basic c2VjcmV0", false},     /* no colon */
        {"Basic dTpzZWNyZXQ", false},  /* padding missing */
        {"Basic dTpzZWNyZXR4", false}, /* u:secretx */
        {"Digest secret", false},
    };
    const struct verifier closed = verifier_of("secret", NO, NO), open = verifier_of(NULL, NO, NO);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *given = CASES[i].authorization;
        if (head_of(&closed, given) != (CASES[i].fits ? REFUSE_NONE : REFUSE_AUTH))
            fail_msg("'%s'", given);
        assert_int_equal(head_of(&open, given), REFUSE_NONE);
    }
}

/* Each of them will do: the one in use and the next. */
static void test_tokens_at_once(void **state)
{
    (void) state;
    const struct verifier v =
        verifier_of("one", (struct strings){{"two", "three", "four", "five", NULL}}, NO);
    static const char *const RIGHT[] = {"one", "two", "three", "four", "five"};
    for (size_t i = 0; i < ARRAY_LEN(RIGHT); i++) {
        char text[32];
        (void) snprintf(text, sizeof(text), "Bearer %s", RIGHT[i]);
        assert_int_equal(head_of(&v, text), REFUSE_NONE);
        (void) snprintf(text, sizeof(text), "Bearer %s2", RIGHT[i]);
        assert_int_equal(head_of(&v, text), REFUSE_AUTH);
    }
    assert_int_equal(head_of(&v, "Bearer "), REFUSE_AUTH);
    assert_int_equal(head_of(&v, ""), REFUSE_AUTH);
}

static const struct signed_case {
    const char *name, *id, *timestamp, *signature, *body;
    enum refuse want;
} SIGNED[] = {
    {"as sent", ID, TIME, SIGN_A, BODY, REFUSE_NONE},
    {"with the other secret", ID, TIME, SIGN_B, BODY, REFUSE_NONE},
    {"two, the first fits", ID, TIME, SIGN_A " " SIGN_C, BODY, REFUSE_NONE},
    {"two, the second fits", ID, TIME, SIGN_C " " SIGN_B, BODY, REFUSE_NONE},
    {"more space", ID, TIME, " " SIGN_C "   " SIGN_A " ", BODY, REFUSE_NONE},
    {"beside one of another version", ID, TIME, "v1a,AAAA " SIGN_A, BODY, REFUSE_NONE},
    {"no body", ID, TIME, EMPTY, "", REFUSE_NONE},
    {"another key", ID, TIME, SIGN_C, BODY, REFUSE_SIGNATURE},
    {"no id", "", TIME, SIGN_A, BODY, REFUSE_SIGNATURE},
    {"no timestamp", ID, "", SIGN_A, BODY, REFUSE_SIGNATURE},
    {"no signature", ID, TIME, "", BODY, REFUSE_SIGNATURE},
    {"spaces for a signature", ID, TIME, "   ", BODY, REFUSE_SIGNATURE},
    {"another id", "msg_2", TIME, SIGN_A, BODY, REFUSE_SIGNATURE},
    {"a full stop in the id", "msg_1.1795000000", TIME, SIGN_A, BODY, REFUSE_SIGNATURE},
    {"a space in the id", "msg 1", TIME, SIGN_A, BODY, REFUSE_SIGNATURE},
    {"another time", ID, "1795000001", SIGN_A, BODY, REFUSE_SIGNATURE},
    {"the time with a zero", ID, "01795000000", SIGN_A, BODY, REFUSE_SIGNATURE},
    {"the body written anew", ID, TIME, SIGN_A, "{\"events\":[{\"action\":\"push\"}]}",
     REFUSE_SIGNATURE},
    {"the body with a line feed", ID, TIME, SIGN_A, BODY "\n", REFUSE_SIGNATURE},
    {"the body cut", ID, TIME, SIGN_A, "", REFUSE_SIGNATURE},
    {"hexadecimal", ID, TIME, "v1,20e856a4061a83216de8639b0976aa734eb8fab742928d27e884cb86de01de40",
     BODY, REFUSE_SIGNATURE},
    {"small letters", ID, TIME, "v1,iohwpaYagyft6gobcxaqc064+rdcko0n6itlht4b3ka=", BODY,
     REFUSE_SIGNATURE},
    {"without the version", ID, TIME, "IOhWpAYagyFt6GObCXaqc064+rdCko0n6ITLht4B3kA=", BODY,
     REFUSE_SIGNATURE},
    {"of the next version", ID, TIME, "v2,IOhWpAYagyFt6GObCXaqc064+rdCko0n6ITLht4B3kA=", BODY,
     REFUSE_SIGNATURE},
    {"without padding", ID, TIME, "v1,IOhWpAYagyFt6GObCXaqc064+rdCko0n6ITLht4B3kA", BODY,
     REFUSE_SIGNATURE},
    {"parted by a comma", ID, TIME, SIGN_C "," SIGN_A, BODY, REFUSE_SIGNATURE},
    {"300 s ago", ID, "1794999700", SIGN_A, BODY, REFUSE_SIGNATURE}, /* in time, but not signed */
    {"in 300 s", ID, "1795000300", SIGN_A, BODY, REFUSE_SIGNATURE},
    {"301 s ago", ID, "1794999699", SIGN_A, BODY, REFUSE_TIMESTAMP},
    {"in 301 s", ID, "1795000301", SIGN_A, BODY, REFUSE_TIMESTAMP},
    {"0", ID, "0", SIGN_A, BODY, REFUSE_TIMESTAMP},
    {"negative", ID, "-1795000000", SIGN_A, BODY, REFUSE_TIMESTAMP},
    {"with a sign", ID, "+1795000000", SIGN_A, BODY, REFUSE_TIMESTAMP},
    {"text", ID, "now", SIGN_A, BODY, REFUSE_TIMESTAMP},
    {"RFC 3339", ID, "2026-11-18", SIGN_A, BODY, REFUSE_TIMESTAMP},
    {"milliseconds", ID, "1795000000000", SIGN_A, BODY, REFUSE_TIMESTAMP},
    {"a fraction", ID, "1795000000.0", SIGN_A, BODY, REFUSE_TIMESTAMP},
    {"the year 9999", ID, "253402300799", SIGN_A, BODY, REFUSE_TIMESTAMP},
    {"more than 64 bits", ID, "18446744075504551616", SIGN_A, BODY, REFUSE_TIMESTAMP},
};

static struct verify_request request_of(const struct signed_case *c)
{
    return (struct verify_request){.authorization = SLICE_LIT("Bearer secret"),
                                   .id = slice_str(c->id),
                                   .timestamp = slice_str(c->timestamp),
                                   .signature = slice_str(c->signature)};
}

static void test_signatures(void **state)
{
    (void) state;
    const struct verifier v = verifier_of(NULL, NO, (struct strings){{KEY_A, KEY_B, NULL}});
    for (size_t i = 0; i < ARRAY_LEN(SIGNED); i++) {
        const struct verify_request req = request_of(&SIGNED[i]);
        enum refuse why = verify_head(&v, &req, NOW_S);
        if (why == REFUSE_NONE)
            why = verify_body(&v, &req, slice_str(SIGNED[i].body));
        if (why != SIGNED[i].want)
            fail_msg("%s: %s", SIGNED[i].name, refuse_info(why)->name);
    }
}

static void test_secret_that_went(void **state)
{
    (void) state;
    const struct verifier v = verifier_of(NULL, NO, (struct strings){{KEY_B, NULL}});
    const struct verify_request a = request_of(&SIGNED[0]), b = request_of(&SIGNED[1]);
    assert_int_equal(verify_body(&v, &a, SLICE_LIT(BODY)), REFUSE_SIGNATURE);
    assert_int_equal(verify_body(&v, &b, SLICE_LIT(BODY)), REFUSE_NONE);
}

/* One does not stand for the other. */
static void test_token_and_signature(void **state)
{
    (void) state;
    const struct verifier v = verifier_of("secret", NO, (struct strings){{KEY_A, NULL}});
    struct verify_request req = request_of(&SIGNED[0]);
    assert_int_equal(verify_head(&v, &req, NOW_S), REFUSE_NONE);
    assert_int_equal(verify_body(&v, &req, SLICE_LIT(BODY)), REFUSE_NONE);
    req.authorization = (struct slice){0};
    assert_int_equal(verify_head(&v, &req, NOW_S), REFUSE_AUTH);
    req = request_of(&SIGNED[0]);
    req.signature = (struct slice){0};
    assert_int_equal(verify_head(&v, &req, NOW_S), REFUSE_SIGNATURE);
}

/* What is not signed names nothing: anybody could have put it there. */
static void test_delivery_id(void **state)
{
    (void) state;
    const struct verify_request req = request_of(&SIGNED[0]);
    const struct verifier with = verifier_of(NULL, NO, (struct strings){{KEY_A, NULL}}),
                          without = verifier_of("secret", NO, NO);
    assert_true(slice_eq_str(verify_delivery_id(&with, &req), ID));
    assert_int_equal(verify_delivery_id(&without, &req).len, 0);
    char id[VERIFY_ID_MAX + 2];
    memset(id, 'm', sizeof(id));
    struct verify_request longest = req;
    longest.id = slice_of(id, VERIFY_ID_MAX);
    assert_int_equal(verify_head(&with, &longest, NOW_S), REFUSE_NONE);
    longest.id.len++;
    assert_int_equal(verify_head(&with, &longest, NOW_S), REFUSE_SIGNATURE);
}

/* How much is compared depends on how many tokens there are, and on nothing that is secret: neither
 * where the right one stands nor how much of one is right. Counted, since clocks are no test. */
static unsigned compared;

int __real_mbedtls_ct_memcmp(const void *a, const void *b, size_t n);
int __wrap_mbedtls_ct_memcmp(const void *a, const void *b, size_t n);
int __wrap_mbedtls_ct_memcmp(const void *a, const void *b, size_t n)
{
    compared += (unsigned) n;
    return __real_mbedtls_ct_memcmp(a, b, n);
}

static void test_same_steps(void **state)
{
    (void) state;
    static const char *const GIVEN[] = {"Bearer one", "Bearer two", "Bearer on", "Bearer 1",
                                        "Bearer ",    "Digest one", ""};
    const struct verifier v = verifier_of(NULL, (struct strings){{"one", "two", NULL}},
                                          (struct strings){{KEY_A, KEY_B, NULL}});
    for (size_t i = 0; i < ARRAY_LEN(GIVEN); i++) {
        compared = 0;
        (void) head_of(&v, GIVEN[i]);
        assert_int_equal(compared, 2 * SHA256_SIZE);
    }
    static const size_t SIGNATURES[] = {0, 1, 7}; /* of the first secret, the second, neither */
    for (size_t i = 0; i < ARRAY_LEN(SIGNATURES); i++) {
        const struct verify_request req = request_of(&SIGNED[SIGNATURES[i]]);
        compared = 0;
        (void) verify_body(&v, &req, SLICE_LIT(BODY));
        assert_int_equal(compared, 2 * SHA256_SIZE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_tokens_at_once),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_secret_that_went),
        cmocka_unit_test(test_token_and_signature),
        cmocka_unit_test(test_delivery_id),
        cmocka_unit_test(test_same_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
