/* Tests of broker/store_clock.c: time goes on with the machine, not with the wall clock. */
#include "store_fixture.h"
#include "store_private.h"

#define WALL 1795323041672u

static void set_clock(struct store *s, const char *value)
{
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_meta_put(s, "clock", value), 0);
    assert_int_equal(store_commit(s), 0);
    store_mark_failed(s); /* so that closing does not write it again */
    store_close(s);
}

static void test_it_goes_on_with_the_boot_clock(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    clock_freeze(5000, WALL);
    struct store *s = fixture_open(dir);
    assert_int_equal(store_now_ms(s), 0);
    clock_freeze(5700, WALL - 3600000); /* the wall clock means nothing */
    assert_int_equal(store_now_ms(s), 700);
    clock_freeze(4000, WALL);
    assert_int_equal(store_now_ms(s), 0); /* never below where it began */
    clock_freeze(5900, WALL);
    store_close(s);
    clock_freeze(8000, WALL + 3600000);
    s = fixture_open(dir); /* the same boot: exact over a restart */
    assert_int_equal(store_now_ms(s), 3000);
    store_close(s);
    clock_unfreeze();
    fixture_remove(dir);
}

static void test_over_a_reboot(void **state)
{
    (void) state;
    static const struct {
        const char *value;
        uint64_t boot_ms, wall_ms, now_ms;
    } CASES[] = {
        {"1000 500 1795323041672 another-boot", 10, WALL + 250, 1250},
        {"1000 500 1795323041672 another-boot", 10, WALL - 250, 1000}, /* stepped back */
        {"1000 500 1795323041672 another-boot", 10, WALL, 1000},
        {"1000 500 1795323041672 -", 600, WALL + 7, 1007}, /* a system that does not tell */
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char dir[64];
        fixture_dir(dir);
        clock_freeze(1, WALL);
        set_clock(fixture_open(dir), CASES[i].value);
        clock_freeze(CASES[i].boot_ms, CASES[i].wall_ms);
        struct store *s = fixture_open(dir);
        assert_int_equal(store_now_ms(s), CASES[i].now_ms);
        clock_freeze(CASES[i].boot_ms + 5, WALL);
        assert_int_equal(store_now_ms(s), CASES[i].now_ms + 5);
        store_close(s);
        fixture_remove(dir);
    }
    clock_unfreeze();
}

/* A container that starts again may have another boot clock in the same boot of the machine. */
static void test_same_boot_with_an_earlier_clock(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    clock_freeze(50000, WALL);
    struct store *s = fixture_open(dir);
    clock_freeze(60000, WALL);
    store_close(s);
    clock_freeze(20, WALL + 300);
    s = fixture_open(dir);
    assert_int_equal(store_now_ms(s), 10300);
    store_close(s);
    clock_unfreeze();
    fixture_remove(dir);
}

static void test_what_is_no_clock(void **state)
{
    (void) state;
    static const char *const CASES[] = {
        "", "1", "1 2", "1 2 3", "-1 2 3 boot", "x 2 3 boot", "99999999999999999999999 2 3 boot"};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char dir[64];
        fixture_dir(dir);
        set_clock(fixture_open(dir), CASES[i]);
        struct store_options options = fixture_options(dir);
        struct store_opened opened;
        struct store *s = fixture_open_with(&options, &opened);
        if (opened.quarantine[0] == '\0')
            fail_msg("'%s' was taken", CASES[i]);
        store_close(s);
        fixture_remove(dir);
    }
}

static uint64_t frames_of(struct store *s)
{
    return s->wal_frames;
}

/* It is written with a commit once a second, and never for its own sake. */
static void test_it_is_written_now_and_then(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    clock_freeze(10000, WALL);
    struct store *s = fixture_open(dir);
    clock_freeze(20000, WALL);
    uint64_t before = frames_of(s);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(frames_of(s), before);
    assert_int_equal(s->clock_written_ms, 0);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(fixture_webhook(s, 1), 0);
    store_rollback(s);
    assert_int_equal(s->clock_written_ms, 0);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        clock_freeze(20000 + seq * 600, WALL);
        assert_int_equal(store_begin(s), 0);
        assert_int_equal(fixture_webhook(s, seq), 0);
        assert_int_equal(store_commit(s), 0);
        assert_int_equal(s->clock_written_ms, seq == 3 ? 11800 : 10600);
    }
    store_mark_failed(s); /* a kill: what was written last counts */
    store_close(s);
    clock_freeze(30000, WALL);
    s = fixture_open(dir);
    assert_int_equal(store_now_ms(s), 20000);
    store_close(s);
    clock_unfreeze();
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_goes_on_with_the_boot_clock),
        cmocka_unit_test(test_over_a_reboot),
        cmocka_unit_test(test_same_boot_with_an_earlier_clock),
        cmocka_unit_test(test_what_is_no_clock),
        cmocka_unit_test(test_it_is_written_now_and_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
