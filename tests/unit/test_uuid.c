/* Tests of gateway/cli/uuid.c. */
#include "uuid.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_shape(void **state)
{
    (void) state;
    char last[UUID_SIZE] = "";
    for (int i = 0; i < 1000; i++) {
        char text[UUID_SIZE];
        uuid_make(text);
        assert_int_equal(strlen(text), 36);
        for (size_t k = 0; k < 36; k++)
            assert_true(k == 8 || k == 13 || k == 18 || k == 23
                            ? text[k] == '-'
                            : strchr("0123456789abcdef", text[k]) != NULL);
        assert_true(text[14] == '4');              /* version */
        assert_non_null(strchr("89ab", text[19])); /* variant */
        assert_string_not_equal(text, last);
        memcpy(last, text, sizeof(last));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shape)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
