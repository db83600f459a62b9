/* Tests of broker/base/digits.c. */
#include "digits.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void check(uint64_t value)
{
    char want[DIGITS_MAX + 1], got[DIGITS_MAX];
    (void) snprintf(want, sizeof(want), "%" PRIu64, value);
    size_t len = digits_of(value, got);
    assert_int_equal(len, strlen(want));
    assert_memory_equal(got, want, len);
}

static void test_digits(void **state)
{
    (void) state;
    check(0);
    check(UINT64_MAX);
    for (uint64_t power = 1; power <= UINT64_MAX / 10; power *= 10) {
        check(power - 1);
        check(power);
        check(power * 9 + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_digits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
