/* Tests of gateway/watchdog.c: every loop's lag is measured, and how long one owes an answer is
 * known. How a process ends of which a thread is stuck is in tests/e2e/watchdog.test.mjs. */
#include "watchdog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { N_WORKERS = 2 };

struct world {
    struct config cfg;
    struct shared shared;
    struct worker front, workers[N_WORKERS];
    struct watchdog watchdog;
};

static int setup(void **state)
{
    static struct world w;
    memset(&w, 0, sizeof(w));
    w.cfg.watchdog_timeout_ms = 3600000;
    w.front.is_front = true;
    w.shared = (struct shared){
        .cfg = &w.cfg, .front = &w.front, .workers = w.workers, .n_workers = N_WORKERS};
    for (size_t i = 0; i <= N_WORKERS; i++) {
        struct worker *one = i < N_WORKERS ? &w.workers[i] : &w.front;
        assert_int_equal(uv_loop_init(&one->loop), 0);
        assert_int_equal(mailbox_init(&one->mailbox, &one->loop), 0);
        one->thread = uv_thread_self();
    }
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    watchdog_stop(&w->watchdog);
    watchdog_stop(&w->watchdog);
    for (size_t i = 0; i <= N_WORKERS; i++) {
        struct worker *one = i < N_WORKERS ? &w->workers[i] : &w->front;
        mailbox_fini(&one->mailbox);
        (void) uv_run(&one->loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&one->loop), 0);
    }
    watchdog_free(&w->watchdog);
    return 0;
}

static uint64_t measured(const struct worker *w, enum metrics_histogram h)
{
    uint64_t n = 0;
    for (size_t i = 0; i <= METRICS_BUCKETS; i++)
        n += atomic_load(&w->metrics.histogram[h].bucket[i]);
    return n;
}

static void test_lag(void **state)
{
    struct world *w = *state;
    assert_int_equal(watchdog_start(&w->watchdog, &w->shared), 0);
    uint64_t end = uv_hrtime() + UINT64_C(20000000000);
    /* The second worker does not come round. */
    while (uv_hrtime() < end &&
           (measured(&w->front, H_LAG_FRONT) < 2 || measured(&w->workers[0], H_LAG_WORKER) < 2 ||
            watchdog_overdue_ms(&w->watchdog, 1) == 0)) {
        (void) uv_run(&w->front.loop, UV_RUN_NOWAIT);
        (void) uv_run(&w->workers[0].loop, UV_RUN_NOWAIT);
    }
    assert_true(measured(&w->front, H_LAG_FRONT) >= 2);
    assert_true(measured(&w->workers[0], H_LAG_WORKER) >= 2);
    assert_int_equal(measured(&w->workers[0], H_LAG_FRONT), 0);
    assert_int_equal(measured(&w->workers[1], H_LAG_WORKER), 0);
    assert_int_equal(watchdog_overdue_ms(&w->watchdog, 1), WATCHDOG_TICK_MS);
    (void) uv_run(&w->workers[1].loop, UV_RUN_NOWAIT);
    assert_int_equal(watchdog_overdue_ms(&w->watchdog, 1), 0);
    assert_int_equal(measured(&w->workers[1], H_LAG_WORKER), 1);
    assert_true(atomic_load(&w->workers[1].metrics.histogram[H_LAG_WORKER].sum) >= 900000);
}

static void test_never_started(void **state)
{
    struct world *w = *state;
    assert_null(w->watchdog.probes); /* teardown does the rest */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_lag), TEST(test_never_started)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
