/* Tests of gateway/backend/breaker.c. */
#include "breaker.h"

#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FAILURES 3
#define OPEN_MS  1000

static struct breakers *make(size_t max)
{
    struct breakers *all = breakers_new(max);
    assert_non_null(all);
    breakers_configure(all, FAILURES, OPEN_MS);
    return all;
}

/* One call: '.' success, 'x' failure, '-' neither. The answer is whether it passed: 'p' as a probe,
 * 'y', or 'n'. */
static char call(struct breakers *all, const char *origin, char how, uint64_t now)
{
    bool probe = false;
    struct breaker *b = breaker_hold(all, slice_str(origin));
    bool would = breaker_would_pass(all, b, now), passes = breaker_pass(all, b, now, &probe);
    assert_int_equal(would, passes);
    if (passes)
        breaker_tell(all, b, probe,
                     how == '.'   ? BREAKER_SUCCESS
                     : how == 'x' ? BREAKER_FAILURE
                                  : BREAKER_NEITHER,
                     now);
    breaker_release(all, b);
    return passes ? probe ? 'p' : 'y' : 'n';
}

/* Calls one after the other, 100 ms apart; '+' waits for OPEN_MS instead. */
static void test_sequences(void **state)
{
    (void) state;
    static const struct {
        const char *calls, *passed;
        size_t open;
    } CASES[] = {
        {"....", "yyyy", 0},        {"xx.xx.xx", "yyyyyyyy", 0},   {"xxx", "yyy", 1},
        {"xx-x", "yyyy", 1},        {"---------", "yyyyyyyyy", 0}, {"xxx...", "yyynnn", 1},
        {"xxx+.xx.", "yyypyyy", 0}, {"xxx+x..", "yyypnn", 1},      {"xxx+x+.x", "yyyppy", 0},
        {"xxx+-.", "yyypp", 0},     {"xxx+-x.", "yyyppn", 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct breakers *all = make(8);
        char passed[32] = "";
        size_t n = 0;
        uint64_t now = 5;
        for (const char *c = CASES[i].calls; *c != '\0'; c++) {
            now += *c == '+' ? OPEN_MS : 100;
            if (*c != '+')
                passed[n++] = call(all, "http://a:80", *c, now);
        }
        assert_string_equal(passed, CASES[i].passed);
        assert_int_equal(breakers_n_open(all), CASES[i].open);
        assert_int_equal(call(all, "http://b:80", '.', now), 'y'); /* another one's business */
        breakers_free(all);
    }
}

/* Until the probe is back nobody else passes; and what began before does not count. */
static void test_one_probe(void **state)
{
    (void) state;
    struct breakers *all = make(8);
    bool early = true, late = true, probe = false, other = false;
    struct breaker *b = breaker_hold(all, SLICE_LIT("o"));
    assert_true(breaker_pass(all, b, 0, &early));
    assert_true(breaker_pass(all, b, 0, &late));
    assert_false(early);
    for (unsigned i = 0; i < FAILURES; i++)
        assert_int_equal(call(all, "o", 'x', 10), 'y');
    breaker_tell(all, b, early, BREAKER_SUCCESS, 20);
    assert_false(breaker_would_pass(all, b, 10 + OPEN_MS - 1));
    assert_true(breaker_pass(all, b, 10 + OPEN_MS, &probe));
    assert_true(probe);
    assert_int_equal(call(all, "o", '.', 10 + OPEN_MS), 'n');
    assert_int_equal(call(all, "o", '.', 100 * OPEN_MS), 'n');
    breaker_tell(all, b, late, BREAKER_SUCCESS, 2000);
    breaker_tell(all, b, late, BREAKER_FAILURE, 2000);
    assert_int_equal(breakers_n_open(all), 1);
    breaker_tell(all, b, probe, BREAKER_SUCCESS, 3000);
    assert_int_equal(breakers_n_open(all), 0);
    assert_true(breaker_pass(all, b, 3000, &other));
    assert_false(other);
    breaker_release(all, b);
    breakers_free(all);
}

static void test_without(void **state)
{
    (void) state;
    struct breakers *all = make(8);
    bool probe = true;
    for (unsigned i = 0; i < FAILURES; i++)
        assert_int_equal(call(all, "o", 'x', 0), 'y');
    assert_int_equal(call(all, "o", 'x', 0), 'n');
    breakers_configure(all, 0, OPEN_MS);
    assert_int_equal(breakers_n_open(all), 0);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(call(all, "o", 'x', 0), 'y');
    breakers_configure(all, FAILURES, OPEN_MS);
    assert_int_equal(call(all, "o", 'x', 0), 'y');
    assert_true(breaker_pass(all, NULL, 0, &probe)); /* one that found no room */
    assert_false(probe);
    breaker_tell(all, NULL, false, BREAKER_FAILURE, 0);
    breaker_release(all, NULL);
    breakers_free(all);
    breakers_free(NULL);
}

static void name(char ret[16], size_t i)
{
    (void) snprintf(ret, 16, "http://%zu:80", i);
}

static void test_room(void **state)
{
    (void) state;
    enum { MAX = 16 };
    struct breakers *all = make(MAX);
    char text[16];
    for (unsigned i = 0; i < FAILURES; i++) /* the oldest one of all is open */
        assert_int_equal(call(all, "bad", 'x', 0), 'y');
    for (size_t i = 0; i < 1000; i++) {
        name(text, i);
        assert_int_equal(call(all, text, 'x', 0), 'y');
        assert_true(breakers_n(all) <= MAX);
    }
    assert_int_equal(breakers_n(all), MAX);
    assert_int_equal(call(all, "bad", '.', 0), 'n'); /* and it is remembered */
    /* All of them open: the one asked longest ago goes. */
    for (size_t i = 0; i < MAX - 1; i++) {
        name(text, i);
        for (unsigned k = 0; k < FAILURES; k++)
            assert_int_equal(call(all, text, 'x', 0), 'y');
    }
    assert_int_equal(breakers_n_open(all), MAX);
    assert_int_equal(call(all, "new", '.', 0), 'y');
    assert_int_equal(breakers_n_open(all), MAX - 1);
    assert_int_equal(call(all, "bad", '.', 0), 'y'); /* it was that one, and "new" has made room */
    breakers_free(all);
}

static void test_held(void **state)
{
    (void) state;
    enum { MAX = 4 };
    struct breakers *all = make(MAX);
    struct breaker *held[MAX];
    char text[16];
    for (size_t i = 0; i < MAX; i++) {
        name(text, i);
        held[i] = breaker_hold(all, slice_str(text));
        assert_non_null(held[i]);
    }
    assert_null(breaker_hold(all, SLICE_LIT("other"))); /* none may go */
    name(text, 2);
    assert_ptr_equal(breaker_hold(all, slice_str(text)), held[2]);
    breaker_release(all, held[2]);
    breaker_release(all, held[2]);
    struct breaker *b = breaker_hold(all, SLICE_LIT("other"));
    assert_non_null(b);
    assert_int_equal(breakers_n(all), MAX);
    breakers_free(all); /* also while they are held */
}

static void test_memory(void **state)
{
    (void) state;
    mem_fail_at(1);
    assert_null(breakers_new(4));
    struct breakers *all = make(4);
    mem_fail_at(1);
    assert_null(breaker_hold(all, SLICE_LIT("o")));
    mem_fail_at(0);
    assert_int_equal(breakers_n(all), 0);
    assert_int_equal(call(all, "o", 'x', 0), 'y');
    breakers_free(all);
}

int main(void)
{
    static const struct CMUnitTest TESTS[] = {
        cmocka_unit_test(test_sequences), cmocka_unit_test(test_one_probe),
        cmocka_unit_test(test_without),   cmocka_unit_test(test_room),
        cmocka_unit_test(test_held),      cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
