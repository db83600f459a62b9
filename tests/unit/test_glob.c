/* Globs: what fits as text and as path, what is refused. */
#include "glob.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_match(void **state)
{
    (void) state;
    static const struct {
        enum glob_kind kind;
        const char *pattern, *text;
        bool fits;
    } CASES[] = {
        {GLOB_TEXT, "v1", "v1", true},
        {GLOB_TEXT, "v1", "v10", false},
        {GLOB_TEXT, "v1", "V1", false},
        {GLOB_TEXT, "*", "", true},
        {GLOB_TEXT, "*", "anything", true},
        {GLOB_TEXT, "v*", "v", true},
        {GLOB_TEXT, "v*", "av", false},
        {GLOB_TEXT, "*-rc*", "1.0-rc1", true},
        {GLOB_TEXT, "*-rc*", "1.0-r-rc", true},
        {GLOB_TEXT, "*-rc*", "1.0rc1", false},
        {GLOB_TEXT, "*a*b", "aab", true},
        {GLOB_TEXT, "*a*b", "aba", false},
        {GLOB_TEXT, "**", "a/b", true},
        {GLOB_TEXT, "a*c", "a/b/c", true},
        {GLOB_TEXT, "?", "", false},
        {GLOB_TEXT, "?", "a", true},
        {GLOB_TEXT, "?", "\xc3\xa9", true},
        {GLOB_TEXT, "??", "\xc3\xa9", false},
        {GLOB_TEXT, "*?", "\xc3\xa9", true},
        {GLOB_TEXT, "*??", "\xc3\xa9", false},
        {GLOB_TEXT, "a?c", "abc", true},
        {GLOB_TEXT, "[a-c]x", "bx", true},
        {GLOB_TEXT, "[a-c]x", "dx", false},
        {GLOB_TEXT, "[!a-c]x", "dx", true},
        {GLOB_TEXT, "[^a-c]x", "bx", false},
        {GLOB_TEXT, "[a-]", "-", true},
        {GLOB_TEXT, "[-a]", "-", true},
        {GLOB_TEXT, "[a^]", "^", true},
        {GLOB_TEXT, "[\\]]", "]", true},
        {GLOB_TEXT, "[!a]", "\xc3\xa9", true},
        {GLOB_TEXT, "[!a]", "", false},
        {GLOB_TEXT, "v[0-9]*", "v1.2", true},
        {GLOB_TEXT, "v[0-9]*", "vx", false},
        {GLOB_TEXT, "dependabot\\[bot\\]", "dependabot[bot]", true},
        {GLOB_TEXT, "a\\*", "a*", true},
        {GLOB_TEXT, "a\\*", "ab", false},
        {GLOB_TEXT, "a]", "a]", true},
        /* gitignore(5): "**" */
        {GLOB_PATH, "app", "app", true},
        {GLOB_PATH, "app", "team/app", false},
        {GLOB_PATH, "team", "team/app", false},
        {GLOB_PATH, "*", "app", true},
        {GLOB_PATH, "*", "team/app", false},
        {GLOB_PATH, "team/*", "team/app", true},
        {GLOB_PATH, "team/*", "team", false},
        {GLOB_PATH, "team/*", "team/a/b", false},
        {GLOB_PATH, "team/?", "team/a", true},
        {GLOB_PATH, "team?app", "team/app", false},
        {GLOB_PATH, "team[!a]app", "team/app", false},
        {GLOB_PATH, "**", "app", true},
        {GLOB_PATH, "**", "a/b/c", true},
        {GLOB_PATH, "**/foo", "foo", true},
        {GLOB_PATH, "**/foo", "a/b/foo", true},
        {GLOB_PATH, "**/foo", "a/foo/b", false},
        {GLOB_PATH, "**/foo", "afoo", false},
        {GLOB_PATH, "abc/**", "abc/x", true},
        {GLOB_PATH, "abc/**", "abc/x/y", true},
        {GLOB_PATH, "abc/**", "abc", false},
        {GLOB_PATH, "abc/**", "abcd/x", false},
        {GLOB_PATH, "a/**/b", "a/b", true},
        {GLOB_PATH, "a/**/b", "a/x/b", true},
        {GLOB_PATH, "a/**/b", "a/x/y/b", true},
        {GLOB_PATH, "a/**/b", "a/x/b/c", false},
        {GLOB_PATH, "a/**/b/**", "a/b/c/b/d", true},
        {GLOB_PATH, "**/a*/b", "ax/ay/b", true},
        {GLOB_PATH, "**/a*/b", "ax/c/b", false},
        {GLOB_PATH, "**/*-base", "team/x/alpine-base", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct slice pattern = slice_str(CASES[i].pattern);
        print_message("  %s : %s\n", CASES[i].pattern, CASES[i].text);
        assert_null(glob_check(pattern, CASES[i].kind));
        assert_int_equal(glob_match(pattern, CASES[i].kind, slice_str(CASES[i].text)),
                         CASES[i].fits);
    }
}

static void test_refused(void **state)
{
    (void) state;
    static const struct {
        enum glob_kind kind;
        const char *pattern, *why;
    } CASES[] = {
        {GLOB_TEXT, "", "is empty"},
        {GLOB_TEXT, "a[b", "has a '[' without ']'"},
        {GLOB_TEXT, "a[", "has a '[' without ']'"},
        {GLOB_TEXT, "a[!", "has a '[' without ']'"},
        {GLOB_TEXT, "a[b-", "has a '[' without ']'"},
        {GLOB_TEXT, "a[\\", "has a '[' without ']'"},
        {GLOB_TEXT, "a[b-\\", "has a '[' without ']'"},
        {GLOB_TEXT, "a[\\]", "has a '[' without ']'"},
        {GLOB_TEXT, "[]", "has nothing between '[' and ']'"},
        {GLOB_TEXT, "[!]", "has nothing between '[' and ']'"},
        {GLOB_TEXT, "[z-a]", "has a range of characters that runs backwards"},
        {GLOB_TEXT, "[/]", "has '/' or a character that is not ASCII between '[' and ']'"},
        {GLOB_TEXT, "[\xc3\xa9]", "has '/' or a character that is not ASCII between '[' and ']'"},
        {GLOB_TEXT, "a\\", "ends with '\\'"},
        {GLOB_TEXT, "a\\/", "has '\\' before a character that has no meaning"},
        {GLOB_TEXT, "{a,b}", "has a brace: give a pattern for each word, or '\\' before the brace"},
        {GLOB_TEXT, "a\nb", "has a control character"},
        {GLOB_TEXT, "a\\\x7f", "has a control character"},
        {GLOB_TEXT, "[a\x01]", "has a control character"},
        {GLOB_PATH, "/a", "begins or ends with '/', or has two of them"},
        {GLOB_PATH, "a/", "begins or ends with '/', or has two of them"},
        {GLOB_PATH, "a//b", "begins or ends with '/', or has two of them"},
        {GLOB_PATH, "a**",
         "has '**' beside other characters: it stands for whole parts between '/'"},
        {GLOB_PATH, "***/a",
         "has '**' beside other characters: it stands for whole parts between '/'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].pattern);
        const char *why = glob_check(slice_str(CASES[i].pattern), CASES[i].kind);
        assert_non_null(why);
        assert_string_equal(why, CASES[i].why);
    }
    assert_string_equal(glob_check(SLICE_LIT("[a\\\0]"), GLOB_TEXT), "has a control character");
    assert_null(glob_check(SLICE_LIT("a**"), GLOB_TEXT));
    assert_null(glob_check(SLICE_LIT("/a//"), GLOB_TEXT));
    assert_null(glob_check(SLICE_LIT("a\\**"), GLOB_PATH));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
