/* test_registry_url.c - registry_url.c: which URLs are taken, and when two are of one origin. */
#include "registry_url.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void resolving(void **state)
{
    static const struct {
        const char *from, *target, *want; /* NULL: refused */
    } CASES[] = {
        {NULL, "http://a/v2/", "http://a/v2/"},
        {"http://a/v2/_catalog?n=1", "/v2/_catalog?last=x", "http://a/v2/_catalog?last=x"},
        {"http://a/v2/_catalog?n=1", "?last=x", "http://a/v2/_catalog?last=x"},
        {"http://a/v2/x/list", "next", "http://a/v2/x/next"},
        {"http://a/v2/", "//b/c", "http://b/c"},
        {"http://a/v2/", "https://b:444/c#d", "https://b:444/c"},
        {NULL, "ftp://a/", NULL},
        {NULL, "file:///etc/passwd", NULL},
        {"http://a/", "gopher://b/", NULL},
        {NULL, "a/b", NULL},
        {NULL, "", NULL},
        {NULL, "http://u:p@a/", NULL},
        {"http://a/", "//u@b/", NULL},
        {NULL, "http://a b/", NULL},
        {NULL, "http://a/\r\nX: y", NULL},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char text[REGISTRY_URL_SIZE] = "";
        CURLU *from = CASES[i].from == NULL ? NULL : registry_url_resolve(NULL, CASES[i].from);
        CURLU *url = registry_url_resolve(from, CASES[i].target);
        print_message("%s\n", CASES[i].target);
        assert_int_equal(url == NULL, CASES[i].want == NULL);
        if (url != NULL) {
            assert_true(registry_url_text(url, text));
            assert_string_equal(text, CASES[i].want);
        }
        curl_url_cleanup(url);
        curl_url_cleanup(from);
    }
}

static void origins(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } CASES[] = {
        {"http://a/x", "http://a/y?z", true},
        {"http://a", "http://A:80", true},
        {"https://a:443/", "https://a/", true},
        {"http://a:5000/", "http://a:5000/v2/", true},
        {"http://a/", "https://a/", false},
        {"http://a/", "http://a:81/", false},
        {"http://a/", "http://b/", false},
        {"http://a.b/", "http://a.b.c/", false},
        {"http://127.0.0.1/", "http://localhost/", false},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        CURLU *a = registry_url_resolve(NULL, CASES[i].a);
        CURLU *b = registry_url_resolve(NULL, CASES[i].b);
        print_message("%s %s\n", CASES[i].a, CASES[i].b);
        assert_int_equal(registry_url_same_origin(a, b), CASES[i].same);
        curl_url_cleanup(a);
        curl_url_cleanup(b);
    }
}

static void queries_and_parts(void **state)
{
    char text[REGISTRY_URL_SIZE], large[3000];
    (void) state;
    CURLU *url = registry_url_resolve(NULL, "https://a/token?x=1");
    assert_true(registry_url_has_part(url, CURLUPART_QUERY));
    assert_false(registry_url_has_part(url, CURLUPART_FRAGMENT));
    assert_true(registry_url_has_scheme(url, "HTTPS"));
    assert_true(registry_url_add_query(url, "scope", SLICE_LIT("repository:a/b:pull&c=d")));
    assert_true(registry_url_text(url, text));
    assert_string_equal(text, "https://a/token?x=1&scope=repository%3aa%2fb%3apull%26c%3dd");
    memset(large, 'x', sizeof(large));
    assert_false(registry_url_add_query(url, "scope", slice_of(large, sizeof(large))));
    curl_url_cleanup(url);

    memcpy(large, "http://a/", 9);
    for (size_t n = REGISTRY_URL_SIZE - 2; n < REGISTRY_URL_SIZE + 2; n++) {
        large[n] = '\0';
        url = registry_url_resolve(NULL, large);
        assert_int_equal(registry_url_text(url, text), n < REGISTRY_URL_SIZE);
        curl_url_cleanup(url);
        large[n] = 'x';
    }
}

static void printable(void **state)
{
    char to[8];
    (void) state;
    registry_url_printable(to, sizeof(to), SLICE_LIT("a\033[31m\n\xc3"));
    assert_string_equal(to, "a?[31m?");
    registry_url_printable(to, 3, SLICE_LIT("abc"));
    assert_string_equal(to, "ab");
    registry_url_printable(to, sizeof(to), (struct slice){0});
    assert_string_equal(to, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resolving),
        cmocka_unit_test(origins),
        cmocka_unit_test(queries_and_parts),
        cmocka_unit_test(printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
