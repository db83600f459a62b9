/* Tests of gateway/tool.c: which command lines ask for a tool. */
#include "tool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_asked_for(void **state)
{
    (void) state;
    const struct options none = {.check = true, .takeover = true}, letters = {.letters = true},
                         replay = {.replay = "all"}, rebuild = {.rebuild_catalog = "crt"},
                         move = {.move_from = "/data"};
    assert_false(tool_is_asked_for(&none));
    assert_true(tool_is_asked_for(&letters));
    assert_true(tool_is_asked_for(&replay));
    assert_true(tool_is_asked_for(&rebuild));
    assert_true(tool_is_asked_for(&move));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_asked_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
