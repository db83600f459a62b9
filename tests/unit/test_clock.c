/* Tests of broker/base/clock.c. */
#include "clock.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const struct {
    uint64_t ms;
    const char *text;
} CASES[] = {
    {0, "1970-01-01T00:00:00.000Z"},
    {999, "1970-01-01T00:00:00.999Z"},
    {951782400000, "2000-02-29T00:00:00.000Z"},
    {1735689599999, "2024-12-31T23:59:59.999Z"},
    {1795323041672, "2026-11-22T04:50:41.672Z"},
    {4107542400001, "2100-03-01T00:00:00.001Z"},
    {253402300799999, "9999-12-31T23:59:59.999Z"},
    {253402300800000, "9999-12-31T23:59:59.999Z"},
    {UINT64_MAX, "9999-12-31T23:59:59.999Z"},
};

static void test_rfc3339(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char text[CLOCK_RFC3339_SIZE + 1];
        memset(text, '#', sizeof(text));
        clock_rfc3339(CASES[i].ms, text);
        assert_string_equal(text, CASES[i].text);
        assert_int_equal(text[CLOCK_RFC3339_SIZE], '#');
    }
}

static void test_they_run(void **state)
{
    (void) state;
    uint64_t us = clock_mono_us(), ms = clock_mono_ms(), boot_ms = clock_boot_ms();
    assert_true(boot_ms >= ms); /* a machine that slept was up for longer than it ran */
    assert_in_range(ms, us / 1000, us / 1000 + 1000);
    struct timespec nap = {.tv_nsec = 3000000};
    (void) nanosleep(&nap, NULL);
    assert_true(clock_mono_us() >= us + 3000);
    assert_true(clock_mono_ms() >= ms + 2);
    assert_true(clock_boot_ms() >= boot_ms + 2);
    uint64_t now = (uint64_t) time(NULL) * 1000;
    assert_in_range(clock_wall_ms(), now - 5000, now + 5000);
}

static void test_freeze(void **state)
{
    (void) state;
    clock_freeze(5000, 1234567);
    struct timespec nap = {.tv_nsec = 2000000};
    (void) nanosleep(&nap, NULL);
    assert_int_equal(clock_mono_ms(), 5000);
    assert_int_equal(clock_mono_us(), 5000000);
    assert_int_equal(clock_wall_ms(), 1234567);
    clock_freeze(5001, 7); /* the wall clock may be set back */
    assert_int_equal(clock_mono_ms(), 5001);
    assert_int_equal(clock_wall_ms(), 7);
    clock_unfreeze();
    assert_true(clock_wall_ms() > 1234567);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc3339),
        cmocka_unit_test(test_they_run),
        cmocka_unit_test(test_freeze),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
