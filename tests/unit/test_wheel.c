/* Tests of gateway/wheel.c on a steered clock: the wheel reads the time with uv_now(), which is the
 * field loop.time, and is called by its uv_timer_t. pass() plays the loop's part for that one timer
 * - sets the time to when it is due and calls it - so that hours go by in microseconds and every
 * time is exact. One test runs on the real loop to show that the two agree. */
#include "wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define START 1000000 /* loop time of the first test second; any */

struct entry {
    struct wheel_entry wheel;
    struct fixture *f;
    uint64_t want_ms, fired_ms; /* what was asked for, when it came */
    unsigned fired, order;
    void (*then)(struct entry *e); /* inside fire */
    struct entry *other;
};

struct fixture {
    uv_loop_t loop;
    struct wheel wheel;
    unsigned n_fired, n_woken;
};

static void on_fire(struct wheel_entry *entry)
{
    struct entry *e = (struct entry *) (void *) ((char *) entry - offsetof(struct entry, wheel));
    assert_false(wheel_is_set(&e->wheel)); /* it is out of the wheel */
    e->fired++;
    e->fired_ms = uv_now(&e->f->loop);
    e->order = e->f->n_fired++;
    if (e->then != NULL)
        e->then(e);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    f->loop.time = START;
    assert_int_equal(wheel_init(&f->wheel, &f->loop, on_fire), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    wheel_fini(&f->wheel);
    (void) uv_run(&f->loop, UV_RUN_DEFAULT);
    int r = uv_loop_close(&f->loop);
    free(f);
    return r;
}

static bool armed(const struct fixture *f)
{
    return uv_is_active((const uv_handle_t *) &f->wheel.timer) != 0;
}

/* Lets the time pass to `to_ms`, calling the timer whenever it is due. */
static void pass(struct fixture *f, uint64_t to_ms)
{
    uv_timer_t *timer = &f->wheel.timer;
    while (armed(f) && f->loop.time + uv_timer_get_due_in(timer) <= to_ms) {
        f->loop.time += uv_timer_get_due_in(timer);
        (void) uv_timer_stop(timer); /* as the loop does before it calls a timer that runs once */
        f->n_woken++;
        timer->timer_cb(timer);
    }
    f->loop.time = to_ms;
}

static void entry_set(struct fixture *f, struct entry *e, uint64_t in_ms)
{
    e->f = f;
    e->want_ms = uv_now(&f->loop) + in_ms;
    wheel_set(&f->wheel, &e->wheel, e->want_ms);
}

static void test_due_times(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint64_t in_ms, late_ms; /* at most */
    } CASES[] = {
        {0, WHEEL_TICK_MS},
        {1, WHEEL_TICK_MS},
        {19, WHEEL_TICK_MS},
        {20, WHEEL_TICK_MS},
        {21, WHEEL_TICK_MS},
        {999, WHEEL_TICK_MS},
        {WHEEL_FAR_MS, WHEEL_TICK_MS},
        {WHEEL_FAR_MS + 1, WHEEL_FAR_GRID_MS},
        {8000, WHEEL_FAR_GRID_MS},
        {20479, WHEEL_FAR_GRID_MS}, /* around one turn of 1024 slots of 20 ms */
        {20480, WHEEL_FAR_GRID_MS},
        {20481, WHEEL_FAR_GRID_MS},
        {20500, WHEEL_FAR_GRID_MS},
        {40960, WHEEL_FAR_GRID_MS},
        {600000, WHEEL_FAR_GRID_MS},   /* 29 turns */
        {3600000, WHEEL_FAR_GRID_MS},  /* 175 turns */
        {86400000, WHEEL_FAR_GRID_MS}, /* a day */
    };
    static struct entry entries[ARRAY_LEN(CASES)];
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        wheel_entry_init(&entries[i].wheel);
        entry_set(f, &entries[i], CASES[i].in_ms);
    }
    pass(f, START + 86400000 + 1000);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct entry *e = &entries[i];
        if (e->fired != 1 || e->fired_ms < e->want_ms ||
            e->fired_ms > e->want_ms + CASES[i].late_ms)
            fail_msg("in %llu ms: fired %u times, %lld ms late",
                     (unsigned long long) CASES[i].in_ms, e->fired,
                     (long long) (e->fired_ms - e->want_ms));
        assert_true(i == 0 || e->order > entries[i - 1].order); /* in the order they were due */
    }
    assert_false(armed(f));
}

/* The tick the wheel stands at goes stale while it is empty: what is set after a long silence must
 * neither come early nor be lost. */
static void test_after_silence(void **state)
{
    struct fixture *f = *state;
    static const uint64_t SILENCES[] = {1, 19, 20, 20460, 20480, 20500, 1000000, 86400007};
    for (size_t i = 0; i < ARRAY_LEN(SILENCES); i++) {
        struct entry e = {.fired = 0};
        wheel_entry_init(&e.wheel);
        pass(f, uv_now(&f->loop) + SILENCES[i]);
        entry_set(f, &e, 100);
        pass(f, e.want_ms - 1);
        assert_int_equal(e.fired, 0);
        pass(f, e.want_ms + WHEEL_TICK_MS);
        assert_int_equal(e.fired, 1);
        assert_in_range(e.fired_ms, e.want_ms, e.want_ms + WHEEL_TICK_MS);
    }
}

/* Random sets, moves and cancels against what they ask for. */
static void test_random(void **state)
{
    struct fixture *f = *state;
    enum { N = 200, STEPS = 20000 };
    static struct entry entries[N];
    uint64_t seed = 7;
    for (size_t i = 0; i < N; i++)
        wheel_entry_init(&entries[i].wheel);
    for (unsigned step = 0; step < STEPS; step++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        struct entry *e = &entries[(seed >> 33) % N];
        uint64_t how = (seed >> 40) % 10;
        if (how < 6) {
            e->fired = 0;
            entry_set(f, e, (seed >> 45) % (how < 4 ? 3000 : 90000));
        } else if (how == 6) {
            wheel_cancel(&f->wheel, &e->wheel);
            e->want_ms = UINT64_MAX;
        } else {
            pass(f, uv_now(&f->loop) + (seed >> 45) % (how == 9 ? 25000 : 70));
        }
        uint64_t now = uv_now(&f->loop);
        for (size_t i = 0; i < N; i++) {
            const struct entry *at = &entries[i];
            if (at->f == NULL || at->want_ms == UINT64_MAX)
                continue;
            bool set = wheel_is_set(&at->wheel);
            if (set == (at->fired > 0) || at->fired > 1 ||
                (at->fired > 0 && at->fired_ms < at->want_ms) ||
                (at->fired == 0 && now >= at->want_ms + WHEEL_FAR_GRID_MS + WHEEL_TICK_MS))
                fail_msg("step %u entry %zu: set %d fired %u at %llu want %llu now %llu", step, i,
                         set, at->fired, (unsigned long long) at->fired_ms,
                         (unsigned long long) at->want_ms, (unsigned long long) now);
        }
    }
    for (size_t i = 0; i < N; i++)
        wheel_cancel(&f->wheel, &entries[i].wheel);
}

static void test_cancel(void **state)
{
    struct fixture *f = *state;
    struct entry a = {.fired = 0}, b = {.fired = 0};
    wheel_entry_init(&a.wheel);
    wheel_entry_init(&b.wheel);
    wheel_cancel(&f->wheel, &a.wheel); /* not set: fine */
    assert_false(wheel_is_set(&a.wheel));
    entry_set(f, &a, 100);
    entry_set(f, &b, 100); /* the same slot */
    assert_true(wheel_is_set(&a.wheel));
    wheel_cancel(&f->wheel, &a.wheel);
    assert_false(wheel_is_set(&a.wheel));
    pass(f, START + 10000);
    assert_int_equal(a.fired, 0);
    assert_int_equal(b.fired, 1);
}

static void test_set_moves(void **state)
{
    struct fixture *f = *state;
    struct entry e = {.fired = 0};
    wheel_entry_init(&e.wheel);
    entry_set(f, &e, 100);
    entry_set(f, &e, 500); /* later */
    pass(f, START + 499);
    assert_int_equal(e.fired, 0);
    entry_set(f, &e, 60000);
    entry_set(f, &e, 100); /* earlier */
    pass(f, e.want_ms + WHEEL_TICK_MS);
    assert_int_equal(e.fired, 1);
    pass(f, START + 100000);
    assert_int_equal(e.fired, 1);
}

static void set_again(struct entry *e)
{
    if (e->fired < 5)
        entry_set(e->f, e, 20480); /* one turn: the slot that is just being fired */
}

static void cancel_other(struct entry *e)
{
    wheel_cancel(&e->f->wheel, &e->other->wheel);
}

static void move_other(struct entry *e)
{
    entry_set(e->f, e->other, 0);
}

static void test_set_again_inside_fire(void **state)
{
    struct fixture *f = *state;
    struct entry e = {.then = set_again};
    wheel_entry_init(&e.wheel);
    entry_set(f, &e, 20);
    pass(f, START + 6 * 21000);
    assert_int_equal(e.fired, 5);
    assert_false(wheel_is_set(&e.wheel));
    assert_false(armed(f));
}

/* Two of one slot: the first takes the second away, or puts it off, while both are being fired. */
static void test_others_inside_fire(void **state)
{
    struct fixture *f = *state;
    struct entry a = {.then = cancel_other}, b = {.fired = 0};
    a.other = &b;
    wheel_entry_init(&a.wheel);
    wheel_entry_init(&b.wheel);
    entry_set(f, &a, 100);
    entry_set(f, &b, 100);
    pass(f, START + 5000);
    assert_int_equal(a.fired, 1);
    assert_int_equal(b.fired, 0);

    a = (struct entry){.then = move_other, .other = &b};
    wheel_entry_init(&a.wheel);
    entry_set(f, &a, 100);
    entry_set(f, &b, 100);
    uint64_t due = b.want_ms;
    pass(f, due + 5000);
    assert_int_equal(a.fired, 1);
    assert_int_equal(b.fired, 1); /* once, and later than asked at first */
    assert_in_range(b.fired_ms, due + 1, due + 2 * WHEEL_TICK_MS);
}

static void test_order(void **state)
{
    struct fixture *f = *state;
    static const uint64_t IN[] = {500, 20, 1500, 100, 100, 40, 1999};
    static const unsigned ORDER[] = {4, 0, 5, 2, 3, 1, 6}; /* equals: in the order they were set */
    struct entry entries[ARRAY_LEN(IN)] = {{.fired = 0}};
    for (size_t i = 0; i < ARRAY_LEN(IN); i++) {
        wheel_entry_init(&entries[i].wheel);
        entry_set(f, &entries[i], IN[i]);
    }
    pass(f, START + 3000);
    for (size_t i = 0; i < ARRAY_LEN(IN); i++)
        assert_int_equal(entries[i].order, ORDER[i]);
}

/* The loop was busy for seconds (or the machine slept): all that is due comes, in order. */
static void test_late_loop(void **state)
{
    struct fixture *f = *state;
    struct entry entries[50] = {{.fired = 0}};
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        wheel_entry_init(&entries[i].wheel);
        entry_set(f, &entries[i], 30 + i * 1000);
    }
    f->loop.time = START + 45000; /* nothing was called meanwhile */
    (void) uv_timer_stop(&f->wheel.timer);
    f->wheel.timer.timer_cb(&f->wheel.timer);
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        assert_int_equal(entries[i].fired,
                         entries[i].want_ms <= START + 44500 ? 1 : entries[i].fired);
        if (entries[i].fired > 0)
            assert_true(entries[i].want_ms <= START + 45000);
    }
    pass(f, START + 60000);
    for (size_t i = 0; i < ARRAY_LEN(entries); i++)
        assert_int_equal(entries[i].fired, 1);
}

/* Ten thousand connections with deadlines spread over ten minutes: the loop is woken at most twice
 * a second, not once per deadline. */
static void test_far_entries_share_wakes(void **state)
{
    struct fixture *f = *state;
    enum { N = 10000, SPREAD_MS = 600000 };
    if (WHEEL_SLOTS * WHEEL_TICK_MS % WHEEL_FAR_GRID_MS != 0)
        skip(); /* a turn that is not whole grid steps puts later turns' entries on every slot */
    struct entry *entries = calloc(N, sizeof(*entries));
    assert_non_null(entries);
    for (size_t i = 0; i < N; i++) {
        wheel_entry_init(&entries[i].wheel);
        entry_set(f, &entries[i], WHEEL_FAR_MS + 1 + (uint64_t) i * SPREAD_MS / N);
    }
    pass(f, START + SPREAD_MS + 10000);
    assert_int_equal(f->n_fired, N);
    assert_in_range(f->n_woken, 1, (SPREAD_MS + 10000) / WHEEL_FAR_GRID_MS * 2 + 50);
    free(entries);
}

static void test_no_timer_when_empty(void **state)
{
    struct fixture *f = *state;
    struct entry e = {.fired = 0};
    wheel_entry_init(&e.wheel);
    assert_false(armed(f));
    entry_set(f, &e, 100);
    assert_true(armed(f));
    assert_int_equal(uv_timer_get_due_in(&f->wheel.timer), 100);
    pass(f, START + 200);
    assert_int_equal(e.fired, 1);
    assert_false(armed(f));
    /* One that was cancelled may cost one wake and no more. */
    entry_set(f, &e, 100);
    wheel_cancel(&f->wheel, &e.wheel);
    unsigned woken = f->n_woken;
    pass(f, START + 100000);
    assert_false(armed(f));
    assert_true(f->n_woken <= woken + 1);
    assert_int_equal(e.fired, 1);
}

static void test_on_the_real_loop(void **state)
{
    struct fixture *f = *state;
    struct entry soon = {.fired = 0}, later = {.fired = 0};
    wheel_entry_init(&soon.wheel);
    wheel_entry_init(&later.wheel);
    uv_update_time(&f->loop);
    entry_set(f, &later, 120);
    entry_set(f, &soon, 30);
    while (later.fired == 0) /* blocks in the loop: a timer that is not armed would hang here */
        (void) uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(soon.fired, 1);
    assert_true(soon.fired_ms >= soon.want_ms && later.fired_ms >= later.want_ms);
    assert_true(soon.order < later.order);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0); /* ends: nothing is armed */
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_due_times),
        WITH(test_after_silence),
        WITH(test_random),
        WITH(test_cancel),
        WITH(test_set_moves),
        WITH(test_set_again_inside_fire),
        WITH(test_others_inside_fire),
        WITH(test_order),
        WITH(test_late_loop),
        WITH(test_far_entries_share_wakes),
        WITH(test_no_timer_when_empty),
        WITH(test_on_the_real_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
