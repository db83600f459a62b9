/* Tests of gateway/backend/outbound_cells.c. */
#include "outbound_cells.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_store(void **state)
{
    (void) state;
    static struct outbound_cells cells;
    struct outbound_counts n = {.calls = 100,
                                .failures = 1,
                                .refused_egress = 2,
                                .refused_busy = 3,
                                .refused_breaker = 4,
                                .opened_connections = 5,
                                .under_way = 6,
                                .waiting = 7,
                                .open_breakers = 8};
    outbound_cells_store(&cells, &n);
    assert_int_equal(cells.calls[OUTBOUND_ANSWERED], 77);
    assert_int_equal(cells.calls[OUTBOUND_FAILED], 1);
    assert_int_equal(cells.calls[OUTBOUND_EGRESS], 2);
    assert_int_equal(cells.calls[OUTBOUND_BUSY], 3);
    assert_int_equal(cells.calls[OUTBOUND_BREAKER], 4);
    assert_int_equal(cells.opened_connections, 5);
    assert_int_equal(cells.under_way, 6);
    assert_int_equal(cells.waiting, 7);
    assert_int_equal(cells.open_breakers, 8);
    n.under_way = n.waiting = 0; /* answered, all of them */
    outbound_cells_store(&cells, &n);
    assert_int_equal(cells.calls[OUTBOUND_ANSWERED], 90);
    n = (struct outbound_counts){.calls = 1, .failures = 2}; /* never */
    outbound_cells_store(&cells, &n);
    assert_int_equal(cells.calls[OUTBOUND_ANSWERED], 0);
}

static void test_names(void **state)
{
    (void) state;
    static const char *const NAMES[] = {"answered", "failed", "egress", "busy", "breaker"};
    assert_int_equal(ARRAY_LEN(NAMES), OUTBOUND_N_RESULTS);
    for (size_t i = 0; i < OUTBOUND_N_RESULTS; i++)
        assert_string_equal(OUTBOUND_RESULTS[i], NAMES[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_store), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
