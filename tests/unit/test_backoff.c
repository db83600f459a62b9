/* Tests of gateway/cli/backoff.c. */
#include "backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_doubles_up_to_a_bound(void **state)
{
    (void) state;
    static const uint64_t BOUNDS[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000};
    struct backoff least = {0}, most = {0};
    for (size_t i = 0; i < sizeof(BOUNDS) / sizeof(BOUNDS[0]); i++) {
        assert_int_equal(backoff_next(&least, 0, 0), 0); /* full jitter: the whole range */
        assert_int_equal(backoff_next(&most, BOUNDS[i], 0), BOUNDS[i]);
    }
    for (unsigned i = 0; i < 1000; i++)
        assert_true(backoff_next(&most, UINT64_MAX - i, 0) <= BACKOFF_MOST_MS);
    most.failures = 0;
    assert_int_equal(backoff_next(&most, 500, 0), 500);
}

static void test_spreads(void **state)
{
    (void) state;
    unsigned low = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        struct backoff b = {3};
        low += backoff_next(&b, i * 0x9e3779b97f4a7c15u, 0) < 2000;
    }
    assert_in_range(low, 400, 600);
}

static void test_waits_as_asked(void **state)
{
    (void) state;
    struct backoff b = {0};
    assert_int_equal(backoff_next(&b, 0, 5000), 5000);
    assert_int_equal(backoff_next(&b, 7, 5000), 5007); /* and not all of them at once */
    assert_int_equal(backoff_next(&b, 0, UINT64_MAX), BACKOFF_MOST_ASKED_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubles_up_to_a_bound),
        cmocka_unit_test(test_spreads),
        cmocka_unit_test(test_waits_as_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
