/* Tests of gateway/memory.c. */
#include "memory.h"

#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB ((uint64_t) 1 << 20)

static void test_levels(void **state)
{
    (void) state;
    static const struct {
        uint64_t used, max;
        enum memory_level want;
    } CASES[] = {
        {0, 1000, MEMORY_FINE},
        {849, 1000, MEMORY_FINE},
        {850, 1000, MEMORY_NO_NEWCOMERS},
        {899, 1000, MEMORY_NO_NEWCOMERS},
        {900, 1000, MEMORY_NO_REPLAYS},
        {950, 1000, MEMORY_NO_LAGGARDS},
        {999, 1000, MEMORY_NO_LAGGARDS},
        {1000, 1000, MEMORY_NO_WEBHOOKS},
        {UINT64_MAX, 1000, MEMORY_NO_WEBHOOKS},
        {UINT64_MAX, 0, MEMORY_FINE}, /* no limit */
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        if (memory_level(CASES[i].used, CASES[i].max) != CASES[i].want)
            fail_msg("case %zu", i);
    for (size_t i = 0; i < MEMORY_N_LEVELS; i++)
        assert_non_null(MEMORY_LEVELS[i]);
}

static void test_used(void **state)
{
    (void) state;
    uint64_t before, with, after;
    assert_int_equal(memory_used(&before), 0);
    uint8_t *much = xmalloc(64 * MIB);
    memset(much, 1, 64 * MIB);
    assert_int_equal(memory_used(&with), 0);
    assert_in_range(with - before, 63 * MIB, 80 * MIB);
    assert_int_equal(much[MIB], 1);
    free(much);
    assert_int_equal(memory_used(&after), 0);
    assert_true(after > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_levels), cmocka_unit_test(test_used)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
