/* References as `docker pull` takes them: the grammar of distribution/reference. */
#include "source/reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_split(void **state)
{
    (void) state;
    static const struct {
        const char *text, *repository, *tag, *digest;
    } CASES[] = {
        {"app", "app", "", ""},
        {"app:1", "app", "1", ""},
        {"team/app:1.0@sha256:ab", "team/app", "1.0", "sha256:ab"},
        {"team/app@sha256:ab", "team/app", "", "sha256:ab"},
        {"example.com/app:1", "app", "1", ""},
        {"example.com:5000/team/app", "team/app", "", ""},
        {"example:5000/app:1", "app", "1", ""},
        {"localhost/app", "app", "", ""},
        {"localhosts/app", "localhosts/app", "", ""},
        {"local/app", "local/app", "", ""},
        {"[::1]:5000/app:1", "app", "1", ""},
        {"example.com", "example.com", "", ""}, /* no slash: it is no host */
        {"example.com/", "", "", ""},
        {"a/b/c/d:e", "a/b/c/d", "e", ""},
        {"a@b@c", "a", "", "b@c"},
        {"a:b:c", "a", "b:c", ""}, /* no tag; report() says so */
        {":", "", "", ""},
        {"@", "", "", ""},
        {"", "", "", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct reference r;
        print_message("  %s\n", CASES[i].text);
        assert_true(reference_split(CASES[i].text, &r));
        assert_string_equal(r.repository, CASES[i].repository);
        assert_string_equal(r.tag, CASES[i].tag);
        assert_string_equal(r.digest, CASES[i].digest);
    }
}

static void test_length(void **state)
{
    (void) state;
    struct reference r;
    static char text[REFERENCE_MAX + 2];
    memset(text, 'a', REFERENCE_MAX);
    assert_true(reference_split(text, &r));
    assert_int_equal(strlen(r.repository), REFERENCE_MAX);
    text[REFERENCE_MAX] = 'a';
    assert_false(reference_split(text, &r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
