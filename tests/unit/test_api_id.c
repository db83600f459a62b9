/* Tests of gateway/api_id.c: ids as requests give them. */
#include "api_id.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FIFTY "01234567890123456789012345678901234567890123456789"

static void test_ids(void **state)
{
    static const struct {
        const char *id, *message;
    } CASES[] = {
        {"a", ""},
        {"d20!~", ""},
        {FIFTY, ""},
        {FIFTY "0", "some_id: must be at most 50 characters"},
        {"", "some_id: is required"},
        {"a b", "some_id: is malformed"},
        {"a\x7f", "some_id: is malformed"},
        {"\xd1\x8f", "some_id: is malformed"},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct status found = {.code = STATUS_OK};
        api_id_check("some_id", slice_str(CASES[i].id), &found);
        assert_string_equal(found.message, CASES[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ids)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
