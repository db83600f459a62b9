/* Tests of gateway/route_rate.c: what a rule lets through, who shares one, and what a reload keeps.
 */
#include "route_rate.h"

#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

#define S       UINT64_C(1000000) /* in microseconds */
#define THREADS 4

static char PATH_A[] = "/a", PATH_B[] = "/b", PATH_C[] = "/c", NAME[] = "few";

/* Three paths, with these rules. */
struct bed {
    struct spec spec;
    struct spec_route routes[3];
    struct route_rates *rates;
};

static void bed_init(struct bed *b, const struct spec_rate *a, const struct spec_rate *second,
                     const struct spec_rate *third, const struct bed *before)
{
    *b = (struct bed){.routes = {{.path = PATH_A, .rate = a, .index = 0},
                                 {.path = PATH_B, .rate = second, .index = 1},
                                 {.path = PATH_C, .rate = third, .index = 2}}};
    b->spec.routes = b->routes;
    b->spec.n_routes = 3;
    assert_int_equal(route_rates_new(&b->spec, before == NULL ? NULL : before->rates, &b->rates),
                     0);
}

static unsigned take(const struct bed *b, size_t route, uint64_t now_us)
{
    return route_rates_take(b->rates, &b->routes[route], now_us);
}

/* How many of `n` go through. */
static unsigned count(const struct bed *b, size_t route, uint64_t now_us, unsigned n)
{
    unsigned through = 0;
    for (unsigned i = 0; i < n; i++)
        through += take(b, route, now_us) == 0;
    return through;
}

static void test_windows(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        struct spec_rate rule;
        size_t n_steps;
        struct {
            uint64_t at_us;
            unsigned n, through, wait_s; /* of the first that does not go through */
        } steps[5];
    } CASES[] = {
        {"10 a second",
         {.n = 10, .window_ms = 1000},
         4,
         {{5 * S, 12, 10, 1},
          {5 * S + 99999, 1, 0, 1},
          {5 * S + 100000, 2, 1, 1},
          {500 * S, 20, 10, 1}}},
        {"1 a second",
         {.n = 1, .window_ms = 1000},
         3,
         {{5 * S, 2, 1, 1}, {6 * S - 1, 1, 0, 1}, {6 * S, 2, 1, 1}}},
        {"3 a minute",
         {.n = 3, .window_ms = 60000},
         4,
         {{100 * S, 4, 3, 20}, {119 * S, 1, 0, 1}, {120 * S, 2, 1, 20}, {1000 * S, 9, 3, 20}}},
        {"1 a minute",
         {.n = 1, .window_ms = 60000},
         3,
         {{100 * S, 2, 1, 60}, {130 * S + 1, 1, 0, 30}, {160 * S, 2, 1, 60}}},
        {"very many", {.n = 1000000000, .window_ms = 1000}, 1, {{1, 100000, 100000, 0}}},
        {"at the start of time", {.n = 2, .window_ms = 1000}, 1, {{0, 3, 2, 1}}},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct bed b;
        bed_init(&b, &CASES[i].rule, NULL, NULL, NULL);
        for (size_t s = 0; s < CASES[i].n_steps; s++) {
            unsigned through = count(&b, 0, CASES[i].steps[s].at_us, CASES[i].steps[s].n);
            if (through != CASES[i].steps[s].through)
                fail_msg("%s, step %zu: %u went through", CASES[i].name, s, through);
            if (through < CASES[i].steps[s].n &&
                take(&b, 0, CASES[i].steps[s].at_us) != CASES[i].steps[s].wait_s)
                fail_msg("%s, step %zu: wait %u", CASES[i].name, s,
                         take(&b, 0, CASES[i].steps[s].at_us));
        }
        route_rates_free(b.rates);
    }
}

/* The gateway's rule is one count for all that go by it; the same numbers elsewhere are not. */
static void test_who_shares(void **state)
{
    (void) state;
    static const struct spec_rate ALL = {.n = 4, .window_ms = 1000},
                                  OWN = {.n = 4, .window_ms = 1000};
    struct bed b;
    bed_init(&b, &ALL, &ALL, &OWN, NULL);
    assert_int_equal(count(&b, 0, S, 3), 3);
    assert_int_equal(count(&b, 1, S, 3), 1);
    assert_int_equal(count(&b, 0, S, 1), 0);
    assert_int_equal(count(&b, 2, S, 9), 4);
    route_rates_free(b.rates);
}

static void test_none(void **state)
{
    (void) state;
    static const struct spec_rate RULE = {.n = 1, .window_ms = 1000}, ANOTHER = RULE;
    struct bed b, other;
    struct route_rates *none = NULL;
    bed_init(&b, NULL, NULL, NULL, NULL);
    assert_null(b.rates);
    assert_int_equal(count(&b, 0, S, 100), 100);
    assert_int_equal(route_rates_new(NULL, NULL, &none), 0);
    assert_null(none);
    route_rates_free(none);

    bed_init(&b, NULL, &RULE, NULL, NULL);
    assert_int_equal(count(&b, 0, S, 100), 100);
    assert_int_equal(count(&b, 1, S, 100), 1);
    /* a route of another specification, as while a reload goes on: no limit, and no other's */
    bed_init(&other, NULL, NULL, NULL, NULL);
    other.routes[0].rate = &ANOTHER;
    other.routes[1].rate = &ANOTHER;
    assert_int_equal(route_rates_take(b.rates, &other.routes[0], S), 0);
    assert_int_equal(route_rates_take(b.rates, &other.routes[1], S), 0);
    other.routes[1].rate = &RULE;
    other.routes[1].index = 3; /* past the end */
    assert_int_equal(route_rates_take(b.rates, &other.routes[1], S), 0);
    route_rates_free(b.rates);
}

static void test_reload(void **state)
{
    (void) state;
    static const struct spec_rate NAMED = {.n = 2, .window_ms = 1000, .name = NAME},
                                  OWN = {.n = 2, .window_ms = 1000}, NAMED_AGAIN = NAMED,
                                  OWN_AGAIN = OWN, MORE = {.n = 3, .window_ms = 1000, .name = NAME},
                                  SLOWER = {.n = 2, .window_ms = 60000};
    struct bed first, second, third;
    bed_init(&first, &NAMED, &OWN, NULL, NULL);
    assert_int_equal(count(&first, 0, S, 2), 2);
    assert_int_equal(count(&first, 1, S, 1), 1);

    /* A draft that is given up leaves what counts alone. */
    bed_init(&second, &NAMED_AGAIN, &OWN_AGAIN, NULL, &first);
    route_rates_free(second.rates);
    assert_int_equal(count(&first, 0, S, 1), 0);

    /* The named rule goes where it is used, the other one stays with its path. */
    bed_init(&second, NULL, &OWN_AGAIN, &NAMED_AGAIN, &first);
    assert_int_equal(count(&second, 2, S, 2), 0);
    assert_int_equal(count(&second, 1, S, 2), 1);
    assert_int_equal(count(&first, 1, S, 2), 0); /* one count, for who is late */
    route_rates_free(first.rates);
    assert_int_equal(count(&second, 2, 2 * S, 3), 2);

    /* Other numbers are another rule. */
    bed_init(&third, NULL, &SLOWER, &MORE, &second);
    route_rates_free(second.rates);
    assert_int_equal(count(&third, 2, 2 * S, 9), 3);
    assert_int_equal(count(&third, 1, 2 * S, 9), 2);
    route_rates_free(third.rates);
}

static void test_without_memory(void **state)
{
    (void) state;
    static const struct spec_rate RULES[2] = {{.n = 1, .window_ms = 1000},
                                              {.n = 2, .window_ms = 1000}};
    struct bed b;
    bed_init(&b, NULL, NULL, NULL, NULL);
    b.routes[0].rate = &RULES[0];
    b.routes[2].rate = &RULES[1];
    for (unsigned at = 1; at <= 4; at++) {
        struct route_rates *rates = (void *) &b;
        mem_fail_at(at);
        assert_int_equal(route_rates_new(&b.spec, NULL, &rates), -ENOMEM);
        mem_fail_at(0);
        assert_ptr_equal(rates, &b);
    }
    assert_int_equal(route_rates_new(&b.spec, NULL, &b.rates), 0);
    route_rates_free(b.rates);
}

static struct bed shared;
static _Atomic unsigned through;

static void take_often(void *arg)
{
    (void) arg;
    for (int i = 0; i < 50000; i++)
        through += take(&shared, 0, S) == 0;
}

static void test_threads(void **state)
{
    (void) state;
    static const struct spec_rate RULE = {.n = 5000, .window_ms = 60000};
    uv_thread_t threads[THREADS];
    bed_init(&shared, &RULE, NULL, NULL, NULL);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_create(&threads[i], take_often, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_join(&threads[i]), 0);
    assert_int_equal(through, 5000);
    route_rates_free(shared.rates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows),        cmocka_unit_test(test_who_shares),
        cmocka_unit_test(test_none),           cmocka_unit_test(test_reload),
        cmocka_unit_test(test_without_memory), cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
