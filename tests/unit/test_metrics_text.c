/* Tests of gateway/cli/metrics_text.c. */
#include "metrics_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#include <cmocka.h>

static const char TEXT[] = "# HELP a_total Some.\n"
                           "# TYPE a_total counter\n"
                           "a_total{reason=\"x\",path=\"/}\"} 3\n"
                           "a_total{reason=\"y\"} 4.5\n"
                           "a_total_more 100\n"
                           "b 7\n"
                           "info{version=\"1.2\",os=\"z\"} 1\n"
                           "big 1e+06";

static void test_sums(void **state)
{
    (void) state;
    static const struct {
        const char *family, *label;
        bool found;
        double sum;
    } CASES[] = {
        {"a_total", NULL, true, 7.5},
        {"a_total", "reason=\"x\"", true, 3},
        {"a_total", "reason=\"z\"", false, 0},
        {"b", NULL, true, 7},
        {"b", "x", false, 0},
        {"a", NULL, false, 0},
        {"a_total_more", NULL, true, 100},
        {"big", NULL, true, 1e6},
        {"none", NULL, false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        double sum = -1;
        assert_int_equal(metrics_text_sum(slice_str(TEXT), CASES[i].family, CASES[i].label, &sum),
                         CASES[i].found);
        assert_float_equal(sum, CASES[i].sum, 1e-9);
    }
}

static void test_labels(void **state)
{
    (void) state;
    assert_true(slice_eq_str(metrics_text_label(slice_str(TEXT), "info", "version"), "1.2"));
    assert_true(slice_eq_str(metrics_text_label(slice_str(TEXT), "info", "os"), "z"));
    assert_int_equal(metrics_text_label(slice_str(TEXT), "info", "x").len, 0);
    assert_int_equal(metrics_text_label(slice_str(TEXT), "b", "x").len, 0);
    assert_int_equal(metrics_text_label(slice_str(""), "b", "x").len, 0);
    assert_int_equal(metrics_text_label(slice_str("a{v=\"1} 2"), "a", "v").len, 0);
    double sum = 0;
    assert_false(metrics_text_sum(slice_of(NULL, 0), "a", NULL, &sum));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums), cmocka_unit_test(test_labels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
