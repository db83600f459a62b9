/* Ids for events without one. */
#include "source/sender_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_lists(void **state)
{
    (void) state;
    static const struct {
        const char *texts[3];
        size_t n;
    } LISTS[] = {
        {{"a", "b", "c"}, 3}, {{"c", "b", "a"}, 3}, {{"ab", "c"}, 2}, {{"a", "bc"}, 2},
        {{"abc"}, 1},         {{"abc", ""}, 2},     {{"", "abc"}, 2}, {{""}, 1},
        {{"", ""}, 2},        {{NULL}, 0},
    };
    char ids[ARRAY_LEN(LISTS)][SENDER_ID_SIZE], again[SENDER_ID_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(LISTS); i++) {
        assert_ptr_equal(sender_id(LISTS[i].texts, LISTS[i].n, ids[i]), ids[i]);
        assert_string_equal(sender_id(LISTS[i].texts, LISTS[i].n, again), ids[i]);
        assert_int_equal(strlen(ids[i]), SENDER_ID_SIZE - 1);
        assert_int_equal(strncmp(ids[i], "sha256:", 7), 0);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(ids[i], ids[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
