/* Ranges: what node-semver's README says each is, by versions at its ends. */
#include "semver_range.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_has(void **state)
{
    (void) state;
    static const struct {
        const char *range, *in, *out; /* versions, blanks between them */
    } CASES[] = {
        {">=1.2.7", "1.2.7 1.2.8 2.5.3 1.3.9", "1.2.6 1.1.0 1.2.7-rc.1 1.3.0-rc.1"},
        {">=1.2.7 <1.3.0", "1.2.7 1.2.8 1.2.99", "1.2.6 1.3.0 1.1.0"},
        {"1.2.7 || >=1.2.9 <2.0.0", "1.2.7 1.2.9 1.4.6", "1.2.8 2.0.0"},
        {">1.2.3-alpha.3", "1.2.3-alpha.7 1.2.3 3.4.5", "3.4.5-alpha.9 1.2.3-alpha.3"},
        {"=1.2.3", "1.2.3 v1.2.3 1.2.3+b", "1.2.4 1.2.3-0"},
        {"v1.2.3", "1.2.3", "1.2.4"},
        {">=1.2.0 <2", "1.2.0 1.99.0", "1.1.9 2.0.0 2.0.0-rc.1"},
        {">= 1.2.0  < 2", "1.2.0", "2.0.0"},
        {"<=1.2.3", "1.2.3 0.0.0", "1.2.4 1.2.3-rc.1"},
        {"<1.2.3-rc.2", "1.2.3-rc.1 1.2.2", "1.2.3-rc.2 1.2.2-rc.1"},
        /* hyphens */
        {"1.2.3 - 2.3.4", "1.2.3 2.3.4", "1.2.2 2.3.5"},
        {"1.2 - 2.3.4", "1.2.0 2.3.4", "1.1.9 2.3.5"},
        {"1.2.3 - 2.3", "1.2.3 2.3.99", "2.4.0 1.2.2"},
        {"1.2.3 - 2", "2.99.99", "3.0.0 1.2.2"},
        {"1.2 - 1.4", "1.2.0 1.4.7", "1.1.9 1.5.0 1.5.0-0"},
        {"* - 2", "0.0.0 2.9.9", "3.0.0"},
        {"1 - *", "1.0.0 99.0.0", "0.9.9"},
        /* x */
        {"*", "0.0.0 1.2.3 99.0.0", "1.0.0-rc.1"},
        {"", "0.0.0 99.0.0", "1.0.0-rc.1"},
        {"1.x", "1.0.0 1.9.9", "0.9.9 2.0.0 2.0.0-0"},
        {"1.X.X", "1.9.9", "2.0.0"},
        {"1", "1.0.0 1.9.9", "2.0.0"},
        {"1.2", "1.2.0 1.2.9", "1.3.0 1.1.9"},
        {"1.2.*", "1.2.0 1.2.9", "1.3.0"},
        {">1", "2.0.0", "1.0.0 1.9.9"},
        {">1.2", "1.3.0", "1.2.0 1.2.9"},
        {">=1.x", "1.0.0 2.0.0", "0.9.9"},
        {"<1.2", "1.1.9", "1.2.0 1.2.0-rc.1"},
        {"<=1.2", "1.2.9", "1.3.0"},
        {"<=1", "1.9.9", "2.0.0"},
        {">*", "", "0.0.0 1.0.0 0.0.0-0"},
        {"<x", "", "0.0.0 0.0.0-0"},
        {">=*", "0.0.0", ""},
        /* ~ */
        {"~1.2.3", "1.2.3 1.2.9", "1.3.0 1.2.2"},
        {"~1.2", "1.2.0 1.2.9", "1.3.0"},
        {"~1", "1.0.0 1.9.9", "2.0.0"},
        {"~0.2.3", "0.2.3 0.2.9", "0.3.0"},
        {"~0", "0.0.0 0.9.9", "1.0.0"},
        {"~>1.2", "1.2.9", "1.3.0"},
        {"~1.2.3-beta.2", "1.2.3-beta.2 1.2.3-beta.4 1.2.3 1.2.9",
         "1.2.4-beta.2 1.2.3-beta.1 1.3.0"},
        /* ^ */
        {"^1.2.3", "1.2.3 1.99.0", "2.0.0 1.2.2 1.3.0-rc.1 2.0.0-0"},
        {"^0.2.3", "0.2.3 0.2.9", "0.3.0 0.2.2"},
        {"^0.0.3", "0.0.3", "0.0.4 0.0.2"},
        {"^1.2.3-beta.2", "1.2.3-beta.2 1.2.3-beta.4 1.9.0", "1.2.4-beta.2 2.0.0 1.2.3-beta.1"},
        {"^0.0.3-beta", "0.0.3-beta 0.0.3-pr.2 0.0.3", "0.0.4 0.0.3-alpha"},
        {"^1.2.x", "1.2.0 1.9.0", "2.0.0 1.1.9"},
        {"^0.0.x", "0.0.0 0.0.9", "0.1.0"},
        {"^0.0", "0.0.0 0.0.9", "0.1.0"},
        {"^0.1", "0.1.0 0.1.9", "0.2.0 0.0.9"},
        {"^1.x", "1.0.0 1.9.9", "2.0.0"},
        {"^0.x", "0.0.0 0.9.9", "1.0.0"},
        {"^*", "0.0.0 9.0.0", "1.0.0-a"},
        {"^ 1.2.3", "1.2.3", "2.0.0"},
        /* pre-releases count by set */
        {">=1.0.0-rc.1 || ^2", "1.0.0-rc.2 2.0.0 3.0.0", "2.0.0-rc.1"},
        {">=1.0.0-rc.1 <1.0.0-rc.3", "1.0.0-rc.1 1.0.0-rc.2", "1.0.0-rc.3 1.0.0 1.0.0-rc.0"},
        {"1.2.3+build.1", "1.2.3 1.2.3+other", "1.2.4"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *why = NULL;
        print_message("  %s\n", CASES[i].range);
        struct semver_range *range = semver_range_new(slice_str(CASES[i].range), &why);
        assert_non_null(range);
        for (int in = 0; in < 2; in++)
            for (const char *at = in ? CASES[i].in : CASES[i].out; *at != '\0'; at += *at == ' ') {
                struct semver v;
                size_t len = strcspn(at, " ");
                print_message("    %.*s\n", (int) len, at);
                assert_true(semver_read(slice_of(at, len), &v));
                assert_int_equal(semver_range_has(range, &v), in);
                at += len;
            }
        semver_range_free(range);
    }
}

static void test_refused(void **state)
{
    (void) state;
    static const struct {
        const char *range, *why;
    } CASES[] = {
#define NO_VERSION "has something else where a version such as 1.2.3, 1.2 or 1.x is due"
        {"latest", NO_VERSION},
        {">=", NO_VERSION},
        {">>1", NO_VERSION},
        {"1.", NO_VERSION},
        {"01.2.3", NO_VERSION},
        {"1 - ", NO_VERSION},
        {"!=1.2.3", NO_VERSION},
        {"1.2.3 &&", NO_VERSION},
        {"1000000000000000000", NO_VERSION},
        {"1.x.3", "has a number behind an x"},
        {"1.2.3-", "has a malformed pre-release or build"},
        {"1.2.3-01", "has a malformed pre-release or build"},
        {"1.2-rc.1", "has a pre-release or build behind a version with fewer than 3 numbers"},
        {"1.2.3.4", "has something behind a version that is not of it"},
        {">=1.2,<2", "has something behind a version that is not of it"},
        {"1.2.3 | 2", "has a single '|'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *why = "";
        print_message("  %s\n", CASES[i].range);
        assert_null(semver_range_new(slice_str(CASES[i].range), &why));
        assert_string_equal(why, CASES[i].why);
    }
    semver_range_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_has),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
