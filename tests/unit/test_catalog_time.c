/* Times of changes: numbers in the order of what they say, and what is no time. */
#include "catalog_time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#define NS UINT64_C(1000000000)

static void test_times(void **state)
{
    (void) state;
    /* The seconds are those of `date -u -d TIME +%s`. */
    static const struct {
        const char *text;
        uint64_t seconds, ns;
    } CASES[] = {
        {"1971-01-01T00:00:00Z", 31536000, 0},
        {"2000-02-29T12:00:00Z", 951825600, 0},
        {"2000-03-01T00:00:00Z", 951868800, 0},
        {"2020-09-13T12:26:40.123Z", 1600000000, 123000000},
        {"2026-11-22T04:50:41.672000001Z", 1795323041, 672000001},
        {"2026-12-31T23:59:59.999999999Z", 1798761599, 999999999},
        {"2026-12-31T23:59:59.9999999999Z", 1798761599, 999999999}, /* a tenth digit */
        {"2026-12-31T23:59:59.5Z", 1798761599, 500000000},
        {"2100-03-01T00:00:00Z", 4107542400, 0}, /* was no leap year */
        {"2261-12-31T23:59:59Z", 9214646399, 0},
        {"", 0, 0},
        {"1970-12-31T23:59:59Z", 0, 0},
        {"0001-01-01T00:00:00Z", 0, 0},
        {"2262-01-01T00:00:00Z", 0, 0},
        {"2026-00-01T00:00:00Z", 0, 0},
        {"2026-13-01T00:00:00Z", 0, 0},
        {"2026-01-00T00:00:00Z", 0, 0},
        {"2026-01-32T00:00:00Z", 0, 0},
        {"2026-01-01T24:00:00Z", 0, 0},
        {"2026-01-01T00:60:00Z", 0, 0},
        {"2026-01-01T00:00:60Z", 0, 0},
        {"2026-01-01T00:00:00", 0, 0},
        {"2026-01-01T00:00:00.Z", 0, 0},
        {"2026-01-01T00:00:00ZZ", 0, 0},
        {"2026-01-01T00:00:00+01:00", 0, 0},
        {"2026-01-01 00:00:00Z", 0, 0},
        {"2026-1-01T00:00:00Z", 0, 0},
        {"yesterday", 0, 0},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        uint64_t got = catalog_time_parse(CASES[i].text);
        if (got != CASES[i].seconds * NS + CASES[i].ns)
            fail_msg("%s: %llu", CASES[i].text, (unsigned long long) got);
    }
}

/* Every day there is, against the system's calendar; and cut anywhere. */
static void test_days(void **state)
{
    (void) state;
    for (time_t day = 366; day < 106000; day++) {
        time_t seconds = day * 86400 + day % 86400;
        struct tm tm;
        char text[32];
        assert_non_null(gmtime_r(&seconds, &tm));
        assert_int_equal(strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm), 20);
        if (catalog_time_parse(text) != (uint64_t) seconds * NS)
            fail_msg("%s", text);
        text[day % 20] = '\0';
        assert_int_equal(catalog_time_parse(text), 0);
    }
}

static void test_clocks_that_are_wrong(void **state)
{
    (void) state;
    const uint64_t now = catalog_time_parse("2026-01-01T00:00:00Z");
    assert_int_equal(catalog_time("2025-12-31T23:59:59Z", now), now - NS);
    assert_int_equal(catalog_time("2026-01-01T00:05:00Z", now), now + 300 * NS);
    assert_int_equal(catalog_time("2026-01-01T00:05:00.000000001Z", now), now);
    assert_int_equal(catalog_time("2100-01-01T00:00:00Z", now), now);
    assert_int_equal(catalog_time("2500-01-01T00:00:00Z", now), now);
    assert_int_equal(catalog_time("0001-01-01T00:00:00Z", now), now);
    assert_int_equal(catalog_time("", now), now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_days),
        cmocka_unit_test(test_clocks_that_are_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
