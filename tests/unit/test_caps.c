/* Tests of gateway/caps.c. */
#include "caps.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <uv.h>

#include <cmocka.h>

#define THREADS 4
#define TURNS   50000

static void test_enter_and_leave(void **state)
{
    (void) state;
    static _Atomic uint64_t count;
    assert_true(caps_enter(&count, 2, 1));
    assert_true(caps_enter(&count, 2, 1));
    assert_false(caps_enter(&count, 2, 1));
    assert_int_equal(count, 3); /* counted also when refused, until it leaves */
    caps_leave(&count, 1);
    assert_false(caps_enter(&count, 2, 1));
    caps_leave(&count, 1);
    caps_leave(&count, 1);
    assert_true(caps_enter(&count, 2, 1));
    caps_leave(&count, 2);
    assert_int_equal(count, 0);

    assert_true(caps_enter(&count, 1000, 1000)); /* bytes: up to the cap itself */
    assert_false(caps_enter(&count, 1000, 1));
    caps_leave(&count, 1001);
    assert_false(caps_enter(&count, 0, 1)); /* a cap of nothing */
    caps_leave(&count, 1);
    assert_int_equal(count, 0);
}

static _Atomic uint64_t shared_count, inside, most;

static void enter_and_leave(void *arg)
{
    (void) arg;
    for (int i = 0; i < TURNS; i++) {
        if (caps_enter(&shared_count, 2, 1)) {
            uint64_t now = ++inside, before = most;
            while (now > before && !atomic_compare_exchange_weak(&most, &before, now))
                ;
            inside--;
        }
        caps_leave(&shared_count, 1);
    }
}

static void test_many_threads(void **state)
{
    (void) state;
    uv_thread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_create(&threads[i], enter_and_leave, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_join(&threads[i]), 0);
    assert_int_equal(shared_count, 0);
    assert_in_range(most, 1, 2);
}

static void test_rate(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        uint32_t window_ms;
        uint64_t max;
        size_t n_steps;
        struct {
            uint64_t now_ms;
            unsigned n;
            bool ok;
        } steps[4];
    } CASES[] = {
        {"up to the limit and over", 1000, 3, 3, {{0, 1, true}, {10, 2, true}, {20, 1, false}}},
        {"a new window",
         1000,
         3,
         4,
         {{900, 3, true}, {999, 1, false}, {1000, 3, true}, {1001, 1, false}}},
        {"many at once", 1000, 3, 2, {{5000, 4, false}, {6000, 3, true}}},
        {"no limit", 1000, 0, 3, {{0, 4000000000u, true}, {1, 4000000000u, true}, {2, 1, true}}},
        {"no wrapping", 1000, 3, 3, {{0, 4294967295u, false}, {1, 1, false}, {2, 10, false}}},
        {"nothing", 1000, 3, 4, {{0, 0, true}, {0, 3, true}, {0, 0, true}, {0, 1, false}}},
        {"long windows", 3000, 60, 3, {{2999, 60, true}, {3000, 60, true}, {5999, 1, false}}},
        {"after a year", 1000, 3, 2, {{5, 3, true}, {86400000ull * 365, 3, true}}},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct rate r = {0};
        for (size_t s = 0; s < CASES[i].n_steps; s++) {
            if (rate_ok(&r, CASES[i].steps[s].now_ms, CASES[i].window_ms, CASES[i].max,
                        CASES[i].steps[s].n) != CASES[i].steps[s].ok)
                fail_msg("%s: step %zu", CASES[i].name, s);
        }
    }
}

static void test_shared_rate(void **state)
{
    (void) state;
    static _Atomic uint64_t full_at_us;
    const uint64_t now = 5000000;
    for (unsigned i = 0; i < 10; i++)
        assert_true(caps_rate(&full_at_us, now, 10));
    assert_false(caps_rate(&full_at_us, now, 10));
    assert_false(caps_rate(&full_at_us, now + 99999, 10));
    assert_true(caps_rate(&full_at_us, now + 100000, 10));
    assert_false(caps_rate(&full_at_us, now + 100000, 10));
    for (unsigned i = 0; i < 10; i++) /* no more than that, however long nobody came */
        assert_true(caps_rate(&full_at_us, now + 90000000, 10));
    assert_false(caps_rate(&full_at_us, now + 90000000, 10));
    uint64_t cell = 0;
    for (unsigned i = 0; i < 100; i++)
        assert_true(caps_rate_next(&cell, now, 0));
    assert_int_equal(cell, 0);
    assert_true(caps_rate_next(&cell, now, 1));
    assert_false(caps_rate_next(&cell, now, 1));
    assert_int_equal(cell, now + 1000000); /* untouched when refused */
}

static _Atomic uint64_t shared_full_at_us, allowed;

static void ask_often(void *arg)
{
    (void) arg;
    for (int i = 0; i < TURNS; i++)
        if (caps_rate(&shared_full_at_us, 1000000, 5000))
            allowed++;
}

static void test_shared_rate_of_threads(void **state)
{
    (void) state;
    uv_thread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_create(&threads[i], ask_often, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_join(&threads[i]), 0);
    assert_int_equal(allowed, 5000);
}

static void test_raise_files(void **state)
{
    (void) state;
    struct rlimit before, after;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit lower = {.rlim_cur = before.rlim_max / 2, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &lower), 0);
    uint64_t raised = caps_raise_files();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &after), 0);
    assert_int_equal(after.rlim_cur, before.rlim_max);
    assert_int_equal(raised, after.rlim_cur);
    assert_int_equal(caps_raise_files(), raised); /* twice is fine */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enter_and_leave),
        cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_shared_rate),
        cmocka_unit_test(test_shared_rate_of_threads),
        cmocka_unit_test(test_raise_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
