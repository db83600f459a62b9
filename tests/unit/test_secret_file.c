/* Which files may hold a secret. */
#include "secret_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_modes(void **state)
{
    (void) state;
    static const struct {
        unsigned mode;
        bool fits;
    } CASES[] = {
        {S_IFREG | 0600, true},  {S_IFREG | 0400, true},  {S_IFREG | 0640, true},
        {S_IFREG | 0440, true},  {S_IFREG | 0770, true},  {S_IFREG | 0641, true},
        {S_IFREG | 0644, false}, {S_IFREG | 0604, false}, {S_IFREG | 0602, false},
        {S_IFREG | 0666, false}, {S_IFREG | 0777, false}, {S_IFIFO | 0666, true},
        {S_IFCHR | 0666, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct stat st = {.st_mode = CASES[i].mode};
        assert_int_equal(secret_file_check(&st), CASES[i].fits ? 0 : -EPERM);
        assert_int_equal(secret_file_mode(&st), CASES[i].mode & 07777);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_modes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
