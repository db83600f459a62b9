/* Versions: the grammar and the order of semver.org 2.0.0. */
#include "semver.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The examples beside semver.org's regular expression (FAQ), and what a tag makes of them. */
static void test_read(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        bool is;
    } CASES[] = {
        {"0.0.4", true},
        {"1.2.3", true},
        {"10.20.30", true},
        {"1.1.2-prerelease+meta", true},
        {"1.1.2+meta", true},
        {"1.1.2+meta-valid", true},
        {"1.0.0-alpha", true},
        {"1.0.0-beta", true},
        {"1.0.0-alpha.beta", true},
        {"1.0.0-alpha.beta.1", true},
        {"1.0.0-alpha.1", true},
        {"1.0.0-alpha0.valid", true},
        {"1.0.0-alpha.0valid", true},
        {"1.0.0-alpha-a.b-c-somethinglong+build.1-aef.1-its-okay", true},
        {"1.0.0-rc.1+build.1", true},
        {"2.0.0-rc.1+build.123", true},
        {"1.2.3-beta", true},
        {"10.2.3-DEV-SNAPSHOT", true},
        {"1.2.3-SNAPSHOT-123", true},
        {"2.0.0+build.1848", true},
        {"2.0.1-alpha.1227", true},
        {"1.0.0-alpha+beta", true},
        {"1.2.3----RC-SNAPSHOT.12.9.1--.12+788", true},
        {"1.2.3----R-S.12.9.1--.12+meta", true},
        {"1.0.0+0.build.1-rc.10000aaa-kk-0.1", true},
        {"999999999999999999.999999999999999999.999999999999999999", true},
        {"1.0.0-0A.is.legal", true},
        {"1", false},
        {"1.2", false},
        {"1.2.3-0123", false},
        {"1.2.3-0123.0123", false},
        {"1.1.2+.123", false},
        {"+invalid", false},
        {"-invalid", false},
        {"-invalid+invalid", false},
        {"-invalid.01", false},
        {"alpha", false},
        {"alpha.beta", false},
        {"alpha.beta.1", false},
        {"alpha.1", false},
        {"alpha+beta", false},
        {"beta", false},
        {"1.0.0-alpha..", false},
        {"1.0.0-alpha..1", false},
        {"1.0.0-alpha.......1", false},
        {"01.1.1", false},
        {"1.01.1", false},
        {"1.1.01", false},
        {"1.2.3.DEV", false},
        {"1.2-SNAPSHOT", false},
        {"1.2.31.2.3----RC-SNAPSHOT.12.09.1--..12+788", false},
        {"1.2-RC-SNAPSHOT", false},
        {"-1.0.3-gamma+b7718", false},
        {"+justmeta", false},
        {"9.8.7+meta+meta", false},
        {"9.8.7-whatever+meta+meta", false},
        {"1000000000000000000.0.0", false}, /* ours: longer than 18 digits */
        {"v1.2.3", true},
        {"vv1.2.3", false},
        {"V1.2.3", false},
        {"v", false},
        {"", false},
        {"1.2.3_meta", true}, /* for "+", which tags do not have */
        {"1.2.3-rc.1_meta.1", true},
        {"1.2.3_", false},
        {"1.2.3-", false},
        {" 1.2.3", false},
        {"1.2.3 ", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct semver v;
        print_message("  %s\n", CASES[i].text);
        assert_int_equal(semver_read(slice_str(CASES[i].text), &v), CASES[i].is);
    }
    struct semver v;
    assert_true(semver_read(SLICE_LIT("v1.20.3-rc.1+b.2"), &v));
    assert_int_equal(v.number[0], 1);
    assert_int_equal(v.number[1], 20);
    assert_int_equal(v.number[2], 3);
    assert_true(slice_eq_str(v.prerelease, "rc.1"));
}

/* Section 11, from low to high; those of one line are equal. */
static void test_order(void **state)
{
    (void) state;
    static const char *const RISING[][2] = {
        {"0.0.0-0", "v0.0.0-0"},
        {"0.0.0", "0.0.0+1"},
        {"1.0.0-1", "1.0.0-1"},
        {"1.0.0-9", "1.0.0-9"},
        {"1.0.0-10", "1.0.0-10+a"},
        {"1.0.0-99999999999999999999", "1.0.0-99999999999999999999"},
        {"1.0.0-100000000000000000000", "1.0.0-100000000000000000000"},
        {"1.0.0-1a", "1.0.0-1a"},
        {"1.0.0-Beta", "1.0.0-Beta"}, /* ASCII */
        {"1.0.0-alpha", "1.0.0-alpha_x"},
        {"1.0.0-alpha.1", "1.0.0-alpha.1"},
        {"1.0.0-alpha.beta", "1.0.0-alpha.beta"},
        {"1.0.0-beta", "1.0.0-beta"},
        {"1.0.0-beta.2", "1.0.0-beta.2"},
        {"1.0.0-beta.11", "1.0.0-beta.11"},
        {"1.0.0-rc.1", "1.0.0-rc.1"},
        {"1.0.0", "v1.0.0"},
        {"2.0.0", "2.0.0"},
        {"2.1.0", "2.1.0"},
        {"2.1.1", "2.1.1"},
        {"10.0.0", "10.0.0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(RISING); i++)
        for (size_t k = 0; k < ARRAY_LEN(RISING); k++) {
            struct semver a, b;
            assert_true(semver_read(slice_str(RISING[i][0]), &a));
            assert_true(semver_read(slice_str(RISING[k][1]), &b));
            int r = semver_compare(&a, &b);
            assert_int_equal((r > 0) - (r < 0), (i > k) - (i < k));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
