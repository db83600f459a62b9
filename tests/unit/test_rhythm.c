/* Tests of broker/rhythm.c: what is usual, of many kinds of traffic, in virtual time. */
#include "rhythm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static uint64_t now;

static void beats(struct rhythm *r, uint64_t gap_ms, uint64_t for_ms)
{
    for (uint64_t end = now + for_ms; now < end;) {
        now += gap_ms;
        rhythm_beat(r, now);
    }
}

/* What is told is at most a quarter more than what was. */
static void about(uint64_t told, uint64_t was)
{
    if (told < was || told > was + was / 4 + SECOND)
        fail_msg("told %llu s of %llu s", (unsigned long long) (told / SECOND),
                 (unsigned long long) (was / SECOND));
}

static void test_too_little(void **state)
{
    struct rhythm r = {0};
    (void) state;
    now = 5;
    assert_int_equal(rhythm_usual_ms(&r), 0);
    rhythm_beat(&r, now); /* the first one: no gap */
    beats(&r, MINUTE, (RHYTHM_GAPS - 1) * MINUTE);
    assert_int_equal(rhythm_usual_ms(&r), 0);
    beats(&r, MINUTE, MINUTE);
    about(rhythm_usual_ms(&r), MINUTE);
    assert_int_equal(rhythm_limit_ms(&r), 0); /* it may be about to sleep for a night */
    beats(&r, MINUTE, RHYTHM_LEARN_MS);
    assert_true(rhythm_limit_ms(&r) > 0);
}

static void test_even(void **state)
{
    static const uint64_t GAPS[] = {SECOND / 2, SECOND,   7 * SECOND, MINUTE, 9 * MINUTE,
                                    HOUR,       5 * HOUR, DAY,        7 * DAY};
    (void) state;
    for (size_t i = 0; i < sizeof(GAPS) / sizeof(GAPS[0]); i++) {
        struct rhythm r = {0};
        beats(&r, GAPS[i], 30 * (GAPS[i] > DAY ? GAPS[i] : DAY));
        uint64_t usual = rhythm_usual_ms(&r), limit = rhythm_limit_ms(&r);
        about(usual, GAPS[i]);
        assert_int_equal(limit, 2 * usual > RHYTHM_FLOOR_MS ? 2 * usual : RHYTHM_FLOOR_MS);
    }
}

/* Ten images at once, a few times an hour: it is the time between that counts. */
static void test_bursts(void **state)
{
    struct rhythm r = {0};
    (void) state;
    for (int i = 0; i < 200; i++) {
        beats(&r, 50, 500);
        now += 20 * MINUTE;
    }
    about(rhythm_usual_ms(&r), 20 * MINUTE);
}

/* Whoever works by day is not silent at night, nor at the weekend once there was one. */
static void test_days(void **state)
{
    struct rhythm r = {0};
    (void) state;
    for (int day = 0; day < 5; day++) {
        beats(&r, 2 * MINUTE, 10 * HOUR);
        now += 14 * HOUR;
    }
    uint64_t nights = rhythm_limit_ms(&r);
    assert_true(nights > 14 * HOUR && nights < 2 * DAY);
    for (int day = 0; day < 30; day++) {
        beats(&r, 2 * MINUTE, 10 * HOUR);
        now += 14 * HOUR + (day % 5 == 4 ? 2 * DAY : 0);
    }
    assert_true(rhythm_limit_ms(&r) > 62 * HOUR);
}

/* Events that have nothing to do with each other: hardly ever an alarm, and one in time. */
static void test_random(void **state)
{
    struct rhythm r = {0};
    unsigned seed = 1, alarms = 0;
    (void) state;
    for (int i = 0; i < 20000; i++) {
        double u = (rand_r(&seed) + 1.0) / (RAND_MAX + 2.0), gap = 0; /* -ln(u) by its series */
        double x = 1 - u, power = x;
        for (int k = 1; k < 4000; k++, power *= x)
            gap += power / k;
        uint64_t gap_ms = (uint64_t) (gap * 5 * (double) MINUTE), limit = rhythm_limit_ms(&r);
        alarms += limit > 0 && gap_ms >= limit;
        rhythm_beat(&r, now += gap_ms);
    }
    assert_in_range(alarms, 0, 2);
    assert_in_range(rhythm_limit_ms(&r), 40 * MINUTE, 100 * MINUTE); /* a mean of 5 */
}

/* An outage teaches little, a new habit all. */
static void test_change(void **state)
{
    struct rhythm r = {0};
    (void) state;
    beats(&r, MINUTE, 20 * DAY);
    uint64_t before = rhythm_limit_ms(&r);
    now += 3 * DAY;
    beats(&r, MINUTE, DAY);
    assert_int_equal(rhythm_limit_ms(&r), before);
    beats(&r, 2 * HOUR, 60 * DAY);
    about(rhythm_usual_ms(&r), 2 * HOUR);
    beats(&r, MINUTE, 200 * DAY); /* old times are forgotten */
    about(rhythm_usual_ms(&r), MINUTE);
}

static void test_clock(void **state)
{
    struct rhythm r = {0};
    (void) state;
    now = DAY;
    beats(&r, MINUTE, 2 * DAY);
    uint64_t usual = rhythm_usual_ms(&r);
    rhythm_beat(&r, 5); /* it does not go back; if it did, that is no gap */
    rhythm_beat(&r, UINT64_MAX / 8);
    assert_int_equal(rhythm_usual_ms(&r), usual);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_too_little), cmocka_unit_test(test_even),
        cmocka_unit_test(test_bursts),     cmocka_unit_test(test_days),
        cmocka_unit_test(test_random),     cmocka_unit_test(test_change),
        cmocka_unit_test(test_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
