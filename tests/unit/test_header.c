/* Tests of broker/base/header.c: the one field of a name. */
#include "header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct header FIELDS[] = {
    {SLICE_INIT("Content-Type"), SLICE_INIT("application/json")},
    {SLICE_INIT("X-Twice"), SLICE_INIT("1")},
    {SLICE_INIT("ce-id"), SLICE_INIT("A-1")},
    {SLICE_INIT("x-twice"), SLICE_INIT("1")},
    {SLICE_INIT("X-Empty"), SLICE_INIT("")},
    {SLICE_INIT("CE-ID-2"), SLICE_INIT("B")},
};

static void test_only(void **state)
{
    static const struct {
        const char *name, *want;
    } CASES[] = {
        {"content-type", "application/json"},
        {"CONTENT-TYPE", "application/json"},
        {"ce-id", "A-1"},
        {"ce-id-2", "B"},
        {"ce-i", ""},
        {"ce-id-", ""},
        {"x-twice", ""}, /* also when both say the same */
        {"x-empty", ""},
        {"x-none", ""},
        {"", ""},
    };
    const struct headers all = {FIELDS, sizeof(FIELDS) / sizeof(FIELDS[0])};
    (void) state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
        if (!slice_eq_str(headers_only(all, CASES[i].name), CASES[i].want))
            fail_msg("%s", CASES[i].name);
}

static void test_of_none(void **state)
{
    (void) state;
    assert_int_equal(headers_only((struct headers){NULL, 0}, "content-type").len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_only), cmocka_unit_test(test_of_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
