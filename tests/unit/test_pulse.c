/* Tests of gateway/pulse.c: a sign of life comes while all threads come round, and only then. The
 * engine and the watchdog are ones made here. */
#include "pulse.h"

#include "log.h"
#include "pipeline.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PERIOD_MS 20

enum { N_WORKERS = 2 };

static uint64_t overdue_ms, worker_overdue_ms; /* of the engine, of the last worker */

void pipeline_stats(struct pipeline *p, struct engine_stats *ret)
{
    (void) p;
    ret->overdue_ms = overdue_ms;
}

uint64_t watchdog_overdue_ms(const struct watchdog *w, size_t worker)
{
    (void) w;
    assert_true(worker < N_WORKERS);
    return worker == N_WORKERS - 1 ? worker_overdue_ms : 0;
}

struct world {
    struct shared shared;
    struct worker front;
    struct watchdog watchdog;
    struct supervisor supervisor;
    struct pulse pulse;
    int fd, null;
};

static int setup(void **state)
{
    static struct world w;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memset(&w, 0, sizeof(w));
    overdue_ms = worker_overdue_ms = 0;
    w.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    w.supervisor.fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_true(w.fd >= 0 && w.supervisor.fd >= 0);
    assert_int_equal(bind(w.fd, (struct sockaddr *) &at, sizeof(at.sun_family)), 0); /* any name */
    w.supervisor.watchdog_ms = 2 * PERIOD_MS;
    w.supervisor.to_len = sizeof(w.supervisor.to);
    assert_int_equal(getsockname(w.fd, (struct sockaddr *) &w.supervisor.to, &w.supervisor.to_len),
                     0);
    w.null = open("/dev/null", O_WRONLY);
    log_set_fd(w.null);
    w.shared.front = &w.front;
    w.shared.n_workers = N_WORKERS;
    assert_int_equal(uv_loop_init(&w.front.loop), 0);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    pulse_close(&w->pulse);
    (void) uv_run(&w->front.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->front.loop), 0);
    supervisor_fini(&w->supervisor);
    log_set_fd(2);
    (void) close(w->fd);
    (void) close(w->null);
    return 0;
}

static bool sign(const struct world *w)
{
    char got[64];
    ssize_t n = recv(w->fd, got, sizeof(got), 0);
    if (n < 0)
        return false;
    assert_int_equal(n, 11);
    assert_memory_equal(got, "WATCHDOG=1\n", 11);
    return true;
}

/* A turn of the timer, or the first two: whether the last of them gave a sign. */
static bool tick(struct world *w)
{
    while (sign(w)) {
    }
    (void) uv_run(&w->front.loop, UV_RUN_ONCE);
    return sign(w);
}

static void test_all_well(void **state)
{
    struct world *w = *state;
    assert_int_equal(pulse_start(&w->pulse, &w->supervisor, &w->watchdog, &w->shared), 0);
    uint64_t start = uv_hrtime();
    for (int i = 0; i < 5; i++)
        assert_true(tick(w));
    assert_true((uv_hrtime() - start) / 1000000 >= 4 * PERIOD_MS - 5); /* not more often */
}

static void test_worker_hangs(void **state)
{
    struct world *w = *state;
    assert_int_equal(pulse_start(&w->pulse, &w->supervisor, &w->watchdog, &w->shared), 0);
    worker_overdue_ms = PERIOD_MS;
    assert_true(tick(w)); /* it may take that long */
    worker_overdue_ms = PERIOD_MS + 1;
    for (int i = 0; i < 3; i++)
        assert_false(tick(w));
    worker_overdue_ms = 0; /* comes round again */
    assert_true(tick(w));
}

static void test_engine_hangs(void **state)
{
    struct world *w = *state;
    assert_int_equal(pulse_start(&w->pulse, &w->supervisor, &w->watchdog, &w->shared), 0);
    overdue_ms = PERIOD_MS;
    assert_true(tick(w)); /* it may take that long */
    overdue_ms = PERIOD_MS + 1;
    assert_false(tick(w));
    assert_false(tick(w));
    overdue_ms = 0;
    assert_true(tick(w));
}

/* While we go down the others may have ended. */
static void test_ending(void **state)
{
    struct world *w = *state;
    assert_int_equal(pulse_start(&w->pulse, &w->supervisor, &w->watchdog, &w->shared), 0);
    assert_true(tick(w));
    overdue_ms = worker_overdue_ms = 60000;
    pulse_ending(&w->pulse);
    for (int i = 0; i < 3; i++)
        assert_true(tick(w));
}

static void test_no_watchdog(void **state)
{
    struct world *w = *state;
    w->supervisor.watchdog_ms = 0;
    assert_int_equal(pulse_start(&w->pulse, &w->supervisor, &w->watchdog, &w->shared), 0);
    assert_int_equal(uv_run(&w->front.loop, UV_RUN_DEFAULT), 0); /* nothing to wait for */
    assert_false(sign(w));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_all_well), TEST(test_worker_hangs),
                                       TEST(test_engine_hangs), TEST(test_ending),
                                       TEST(test_no_watchdog)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
