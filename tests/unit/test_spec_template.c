/* Tests of broker/base/spec_template.c: which paths can be matched. */
#include "spec_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec_bed.h"

static const struct {
    const char *path, *wrong;
} PATHS[] = {
    {"/", NULL},
    {"/a/b.c", NULL},
    {"/{a}/b/{c-d.e}", NULL},
    {"/{a+}", NULL},
    {"/a/{b+}/c", NULL},
    {"/{a}/{b+}/{c}", NULL},
    {"/\xd0\x96", NULL},
    {"", "begin with"},
    {"a", "begin with"},
    {"/a/", NULL},
    {"/{a}/", NULL},
    {"//", "empty segment"},
    {"/a//", "empty segment"},
    {"/a//b", "empty segment"},
    {"/a/../b", "segment that is"},
    {"/./b", "segment that is"},
    {"/a?b", "'?'"},
    {"/a#b", "'#'"},
    {"/a%2fb", "'%'"},
    {"/a\\b", "backslash"},
    {"/a\nb", "control"},
    {"/\xff", "UTF-8"},
    {"/{}", "without a name"},
    {"/{+}", "without a name"},
    {"/{a b}", "other characters"},
    {"/{a", "part of a segment"},
    {"/a}", "part of a segment"},
    {"/a{b}", "part of a segment"},
    {"/{a}{b}", "other characters"},
    {"/{a+}/{b+}", "more than one"},
    {"/{a}/{a}", "two parameters"},
    {"/{a}/b/{a+}", "two parameters"},
};

static void test_paths(void **state)
{
    (void) state;
    char longest[300] = "/";
    for (size_t i = 0; i < ARRAY_LEN(PATHS); i++) {
        const char *got = spec_template_check(PATHS[i].path);
        if ((got == NULL) != (PATHS[i].wrong == NULL) ||
            (got != NULL && strstr(got, PATHS[i].wrong) == NULL))
            fail_msg("%s: got %s", PATHS[i].path, got == NULL ? "nothing" : got);
    }
    memset(longest + 1, 'a', SPEC_MAX_PATH - 1);
    assert_null(spec_template_check(longest));
    longest[SPEC_MAX_PATH] = 'a';
    assert_non_null(strstr(spec_template_check(longest), "longer than 255"));
}

static void test_parameters(void **state)
{
    (void) state;
    bool greedy = true;
    assert_true(spec_template_has("/a/{b}/{c+}", slice_str("b"), &greedy));
    assert_false(greedy);
    assert_true(spec_template_has("/a/{b}/{c+}", slice_str("c"), &greedy));
    assert_true(greedy);
    assert_false(spec_template_has("/a/{b}/{c+}", slice_str("a"), &greedy));
    assert_false(spec_template_has("/a", slice_str(""), &greedy));
    assert_true(spec_template_is_greedy("/a/{b+}/c"));
    assert_false(spec_template_is_greedy("/a+/{b}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
