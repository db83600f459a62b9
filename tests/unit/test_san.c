/* Tests of broker/base/san.c: which names a certificate's are, and which rules fit them. */
#include "san.h"

#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define NOW 1000

static void test_names(void **state)
{
    static const struct {
        enum san_kind kind;
        struct slice name;
        const char *want; /* NULL: it is none */
    } CASES[] = {
        {SAN_DNS, SLICE_INIT("ci.example"), "dns:ci.example"},
        {SAN_URI, SLICE_INIT("spiffe://a/*"), "uri:spiffe://a/*"},
        {SAN_EMAIL, SLICE_INIT("a@b"), "email:a@b"},
        {SAN_DNS, SLICE_INIT(""), NULL},
        {SAN_DNS, SLICE_INIT("*.example"), NULL},
        {SAN_DNS, SLICE_INIT("ci.example\0.evil"), NULL},
        {SAN_URI, SLICE_INIT("a\0"), NULL},
        {SAN_EMAIL, SLICE_INIT("a b@c"), NULL},
        {SAN_DNS, SLICE_INIT("b\xc3\xbc.example"), NULL},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct san_list *list = san_list_new(NOW);
        san_list_add(list, CASES[i].kind, CASES[i].name);
        assert_int_equal(list->n, CASES[i].want != NULL);
        if (CASES[i].want != NULL)
            assert_string_equal(list->at[0], CASES[i].want);
        san_list_free(list);
    }
    san_list_free(NULL);
}

static void test_limits(void **state)
{
    char name[SAN_TEXT_MAX];
    struct san_list *list = san_list_new(NOW);
    (void) state;
    memset(name, 'a', sizeof(name));
    san_list_add(list, SAN_URI, slice_of(name, SAN_TEXT_MAX - 3));
    assert_int_equal(list->n, 0);
    for (size_t i = 0; i < SAN_MAX + 1; i++)
        san_list_add(list, SAN_URI, slice_of(name, SAN_TEXT_MAX - 4));
    assert_int_equal(list->n, SAN_MAX);
    assert_int_equal(strlen(list->at[SAN_MAX - 1]), SAN_TEXT_MAX);
    san_list_free(list);
}

static bool match(const char *rule, enum san_kind kind, const char *name)
{
    char copy[SAN_TEXT_MAX + 1];
    char *rules[] = {copy};
    (void) snprintf(copy, sizeof(copy), "%s", rule);
    struct san_list *list = san_list_new(NOW + 1);
    san_list_add(list, kind, slice_str(name));
    const char *got = san_match(list, &(struct config_strings){rules, 1}, NOW);
    assert_true(got == NULL || got == list->at[0]);
    san_list_free(list);
    return got != NULL;
}

static void test_rules(void **state)
{
    static const struct {
        const char *rule;
        enum san_kind kind;
        const char *name;
        bool fits;
    } CASES[] = {
        {"dns:ci.example", SAN_DNS, "ci.example", true},
        {"dns:ci.example", SAN_DNS, "CI.EXAMPLE", true},
        {"dns:ci.example", SAN_DNS, "ci.example.", false},
        {"dns:ci.example", SAN_DNS, "xci.example", false},
        {"dns:ci.example", SAN_DNS, "ci.example.evil", false},
        {"dns:ci.example", SAN_URI, "ci.example", false},
        {"dns:ci.example", SAN_EMAIL, "ci.example", false},
        {"dns:*.example", SAN_DNS, "ci.example", true},
        {"dns:*.example", SAN_DNS, "CI.Example", true},
        {"dns:*.example", SAN_DNS, "a.ci.example", false},
        {"dns:*.example", SAN_DNS, ".example", false},
        {"dns:*.example", SAN_DNS, "example", false},
        {"dns:*.example", SAN_DNS, "ci.example.evil", false},
        {"uri:spiffe://a/ci", SAN_URI, "spiffe://a/ci", true},
        {"uri:spiffe://a/ci", SAN_URI, "spiffe://a/CI", false},
        {"uri:spiffe://a/ci", SAN_URI, "spiffe://a/ci/", false},
        {"uri:*.a", SAN_URI, "b.a", false},
        {"uri:*.a", SAN_URI, "*.a", true},
        {"email:a@b", SAN_EMAIL, "a@b", true},
        {"email:a@b", SAN_EMAIL, "A@b", false},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        if (match(CASES[i].rule, CASES[i].kind, CASES[i].name) != CASES[i].fits)
            fail_msg("%s, %s", CASES[i].rule, CASES[i].name);
}

static void test_match(void **state)
{
    static char a[] = "dns:a", b[] = "uri:b";
    char *rules[] = {a, b};
    const struct config_strings both = {rules, 2}, none = {NULL, 0};
    struct san_list *list = san_list_new(NOW);
    (void) state;
    assert_null(san_match(NULL, &both, NOW));
    assert_null(san_match(list, &both, NOW - 1));
    san_list_add(list, SAN_EMAIL, SLICE_LIT("x"));
    san_list_add(list, SAN_URI, SLICE_LIT("b"));
    san_list_add(list, SAN_DNS, SLICE_LIT("a"));
    assert_string_equal(san_match(list, &both, NOW - 1), "uri:b"); /* the certificate's first */
    assert_null(san_match(list, &none, NOW - 1));
    assert_null(san_match(list, &both, NOW)); /* it has expired */
    san_list_free(list);
}

static void test_is_rule(void **state)
{
    static const char *const GOOD[] = {"dns:a",     "dns:*.a",     "dns:*.a.b",
                                       "uri:a:b/c", "email:a@b.c", "uri:*"};
    static const char *const BAD[] = {"",          "a",       "dns:",     "dns:*",  "dns:*.",
                                      "dns:*.*.a", "dns:a.*", "dns:*..a", "dns:.a", "dns:a b",
                                      "DNS:a",     "cn:a",    "uri:",     "email:", "uri:a\tb"};
    char text[SAN_TEXT_MAX + 2] = "uri:";
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++)
        if (!san_is_rule(GOOD[i]))
            fail_msg("%s", GOOD[i]);
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        if (san_is_rule(BAD[i]))
            fail_msg("%s", BAD[i]);
    memset(text + 4, 'a', SAN_TEXT_MAX - 4);
    assert_true(san_is_rule(text));
    text[SAN_TEXT_MAX] = 'a';
    assert_false(san_is_rule(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names), cmocka_unit_test(test_limits),  cmocka_unit_test(test_rules),
        cmocka_unit_test(test_match), cmocka_unit_test(test_is_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
