/* Tests of broker/base/event_list.c. */
#include "event_list.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct event_list list_of(const char *types)
{
    struct event_list l = {0};
    for (const char *at = types; *at != '\0'; at++)
        event_list_add(&l, (unsigned) (*at - '0'));
    return l;
}

static void expect_list(const struct event_list *l, const char *want)
{
    uint8_t types[EVENT_LIST_MAX];
    unsigned n = event_list_get(l, types), mask = 0;
    assert_int_equal(n, strlen(want));
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(types[i], want[i] - '0');
        mask |= 1u << (types[i] - 1);
    }
    assert_int_equal(l->mask, mask);
}

static void test_add(void **state)
{
    (void) state;
    static const struct {
        const char *given, *want;
        bool ordered; /* other than by number */
    } CASES[] = {
        {"", "", false},         {"3", "3", false},       {"33", "3", false},
        {"1234", "1234", false}, {"24", "24", false},     {"1313", "13", false},
        {"31", "31", true},      {"3131", "31", true},    {"143", "143", true},
        {"4321", "4321", true},  {"34124", "3412", true}, {"41414141", "41", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct event_list l = list_of(CASES[i].given);
        expect_list(&l, CASES[i].want);
        assert_int_equal(l.order[0] != 0, CASES[i].ordered);
    }
}

static void test_a_mask_is_a_list(void **state)
{
    (void) state;
    struct event_list l = {.mask = 13};
    expect_list(&l, "134");
    event_list_add(&l, 2); /* behind the others */
    expect_list(&l, "1342");
}

static void test_equal(void **state)
{
    (void) state;
    struct event_list a = list_of("143"), b = list_of("1433"), c = list_of("134"), d = {.mask = 13};
    assert_true(event_list_equal(&a, &b));
    assert_false(event_list_equal(&a, &c));
    assert_true(event_list_equal(&c, &d));
    d.mask = 12;
    assert_false(event_list_equal(&c, &d));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_add),
                                       cmocka_unit_test(test_a_mask_is_a_list),
                                       cmocka_unit_test(test_equal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
