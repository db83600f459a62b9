/* test_registry_header.c - registry_header.c: Link and WWW-Authenticate as registries send them,
 * and as nobody should. */
#include "registry_header.h"

#include "err.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void link_next(void **state)
{
    static const struct {
        const char *link, *next; /* NULL: none */
    } CASES[] = {
        {"</v2/_catalog?last=b&n=2>; rel=\"next\"", "/v2/_catalog?last=b&n=2"},
        {"<x>;rel=next", "x"},
        {"<x>; REL=\"NEXT\"", "x"},
        {"<x>; rel=\"prev next\"", "x"},
        {"<x>; title=\"a, <b>; rel=\\\"next\\\"\"; rel=\"next\"", "x"},
        {"<a>; rel=prev, <b>; rel=next, <c>; rel=next", "b"},
        {",, <a>; rel=next", "a"},
        {"<>; rel=next", ""},
        {"<a>; crossorigin; rel=next", "a"},
        {"<a>; rel=prev; rel=next", NULL}, /* only the first rel counts */
        {"<a>; rel=\"nextish\"", NULL},
        {"<a>; rel=\"pre-next\"", NULL},
        {"<a>", NULL},
        {"", NULL},
        {"a; rel=next", NULL},
        {"<a; rel=next", NULL},
        {"<a>; rel=\"next", NULL},
        {"<a>; =next", NULL},
        {"<a>; rel=", NULL},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct slice target = {0};
        bool found = registry_header_next(slice_str(CASES[i].link), &target);
        if (found != (CASES[i].next != NULL) || (found && !slice_eq_str(target, CASES[i].next)))
            fail_msg("%s: got %s %.*s", CASES[i].link, found ? "" : "none", (int) target.len,
                     (const char *) target.data);
    }
}

static void challenges(void **state)
{
    static const struct {
        const char *value, *schemes, *realm, *service, *scope, *basic_realm;
        bool basic, bearer;
    } CASES[] = {
        {"Basic realm=\"Registry Realm\"", "Basic", "", "", "", "Registry Realm", true, false},
        {"bAsIc", "bAsIc", "", "", "", "", true, false},
        {"Bearer realm=\"https://a/token\",service=\"reg\",scope=\"repository:a/b:pull\"", "Bearer",
         "https://a/token", "reg", "repository:a/b:pull", "", false, true},
        {"Bearer scope=x , realm = \"r\"", "Bearer", "r", "", "x", "", false, true},
        {"Negotiate, Basic realm=\"b\", Bearer realm=\"t\"", "Negotiate, Basic, Bearer", "t", "",
         "", "b", true, true},
        {"Bearer realm=\"one\", Bearer realm=\"two\"", "Bearer, Bearer", "one", "", "", "", false,
         true},
        {"Bearer realm=\"a\\\"b\"", "Bearer", "a\"b", "", "", "", false, true},
        {"Digest realm=\"x\", qop=\"auth\"", "Digest", "", "", "", "", false, false},
        {"Bearer realm=\"cut", "Bearer", "", "", "", "", false, false},
        {"Basic realm=\"b\", Bearer realm=\"cut", "Basic, Bearer", "", "", "", "b", true, false},
        {"Bearer error=\"invalid_token\",realm=\"r\"", "Bearer", "r", "", "", "", false, true},
        {"", "", "", "", "", "", false, false},
        {"\"nothing\"", "", "", "", "", "", false, false},
        {"=x", "", "", "", "", "", false, false},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct registry_challenge c = {0};
        registry_header_challenge(slice_str(CASES[i].value), &c);
        print_message("%s\n", CASES[i].value);
        assert_string_equal(c.schemes, CASES[i].schemes);
        assert_string_equal(c.realm, CASES[i].realm);
        assert_string_equal(c.service, CASES[i].service);
        assert_string_equal(c.scope, CASES[i].scope);
        assert_string_equal(c.basic_realm, CASES[i].basic_realm);
        assert_int_equal(c.basic, CASES[i].basic);
        assert_int_equal(c.bearer, CASES[i].bearer);
    }
}

static void two_headers(void **state)
{
    (void) state;
    struct registry_challenge c = {0};
    registry_header_challenge(SLICE_LIT("Bearer realm=\"r\",service=\"s\""), &c);
    registry_header_challenge(SLICE_LIT("Basic realm=\"b\""), &c);
    assert_true(c.basic && c.bearer);
    assert_string_equal(c.realm, "r");
    assert_string_equal(c.basic_realm, "b");
    assert_string_equal(c.schemes, "Bearer, Basic");
}

/* A scheme that does not fit is not offered; texts stay terminated and in their bounds. */
static void too_long(void **state)
{
    char value[4096];
    (void) state;
    for (size_t n = 900; n < 1200; n++) {
        struct registry_challenge c = {0};
        memset(value, 'x', sizeof(value));
        memcpy(value, "Bearer realm=\"", 14);
        value[14 + n] = '"';
        registry_header_challenge(slice_of(value, 14 + n + 1), &c);
        assert_int_equal(c.bearer, n < sizeof(c.realm));
        assert_int_equal(strlen(c.realm), n < sizeof(c.realm) ? n : 0);
    }
    struct registry_challenge many = {0};
    for (unsigned i = 0; i < 100; i++)
        registry_header_challenge(SLICE_LIT("Something"), &many);
    assert_true(strlen(many.schemes) < sizeof(many.schemes));
}

/* Every cut of a good value ends inside its bounds (the sanitizer watches a copy of exact size). */
static void cuts(void **state)
{
    static const char LINK[] = "<a>; title=\"x\\\"y\"; rel=prev, <bcd>; rel=\"next\"";
    static const char AUTH[] = "Negotiate a=b, Bearer realm=\"https://a/\\t\",scope=s, Basic";
    (void) state;
    for (size_t n = 0; n <= strlen(LINK); n++) {
        uint8_t *copy = xmalloc(n + 1);
        memcpy(copy, LINK, n);
        copy = xrealloc(copy, n == 0 ? 1 : n);
        struct slice target;
        assert_int_equal(registry_header_next(slice_of(copy, n), &target), n == strlen(LINK));
        free(copy);
    }
    for (size_t n = 0; n <= strlen(AUTH); n++) {
        uint8_t *copy = xmalloc(n == 0 ? 1 : n);
        struct registry_challenge c = {0};
        memcpy(copy, AUTH, n);
        registry_header_challenge(slice_of(copy, n), &c);
        assert_true(c.basic == (n == strlen(AUTH)));
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(link_next), cmocka_unit_test(challenges), cmocka_unit_test(two_headers),
        cmocka_unit_test(too_long),  cmocka_unit_test(cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
