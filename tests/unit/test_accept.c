/* Tests of gateway/backend/accept.c. */
#include "accept.h"
#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const TYPES[] = {"application/json", "text/plain; charset=utf-8", "text/html",
                                    "*"};

static void test_choice(void **state)
{
    static const struct {
        const char *accept;
        size_t found;
    } CASES[] = {
        {"text/html", 2},
        {"TEXT/HTML", 2},
        {"text/*", 1},
        {"*/*", 0},
        {"*", 0},
        {"text/html;q=0.9, application/json;q=0.8", 2},
        {"text/html; q=0.8 , application/json ; q=0.9", 0},
        {"text/*;q=0.5, text/html;q=0.7", 2},
        {"text/*;q=0.7, text/plain;q=0.1, */*;q=0.2", 2},
        {"*/*;q=0.1, text/plain;q=0", 0},
        {"application/json;q=0, */*;q=0.5", 1},
        {"text/plain;level=1", 1},
        {"image/png", ACCEPT_NONE},
        {"application/json;q=0", ACCEPT_NONE},
        {"", ACCEPT_NONE},
        {",;,", ACCEPT_NONE},
        {"text", ACCEPT_NONE},
        {"text/", ACCEPT_NONE},
        {"application/json;q=nonsense", 0},
        {"application/json;q=2", 0},
        {"application/json;q=0.0001, text/html;q=0.001", 0}, /* more digits than there are: 1 */
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct header header = {SLICE_LIT("accept"), slice_str(CASES[i].accept)};
        bool asked = false;
        size_t found = accept_choose(&header, 1, TYPES, ARRAY_LEN(TYPES), &asked);
        if (found != CASES[i].found)
            fail_msg("%s: %zu", CASES[i].accept, found);
        assert_true(asked);
    }
}

static void test_lines(void **state)
{
    (void) state;
    const struct header headers[] = {{SLICE_LIT("Host"), SLICE_LIT("a")},
                                     {SLICE_LIT("Accept"), SLICE_LIT("image/png")},
                                     {SLICE_LIT("ACCEPT"), SLICE_LIT("text/html;q=0.1")}};
    bool asked = true;
    assert_int_equal(accept_choose(headers, 3, TYPES, 4, &asked), 2);
    assert_true(asked);
    assert_int_equal(accept_choose(headers, 1, TYPES, 4, &asked), ACCEPT_NONE);
    assert_false(asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
