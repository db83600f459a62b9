/* test_nats_random.c - chance. */
#include "nats/nats_random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_below(void **state)
{
    unsigned seen[5] = {0};
    (void) state;
    for (int i = 0; i < 1000; i++) {
        uint64_t n = nats_random_below(5);
        assert_in_range(n, 0, 4);
        seen[n]++;
    }
    for (int i = 0; i < 5; i++)
        assert_in_range(seen[i], 100, 300); /* 200 each: eight deviations off */
    assert_int_equal(nats_random_below(1), 0);
}

static void test_names(void **state)
{
    char one[21], other[21];
    (void) state;
    nats_random_name(one, 20);
    nats_random_name(other, 20);
    assert_int_equal(strlen(one), 20);
    assert_int_equal(strspn(one, "0123456789abcdefghijklmnopqrstuvwxyz"), 20);
    assert_string_not_equal(one, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_below), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
