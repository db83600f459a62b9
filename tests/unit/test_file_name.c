/* Tests of broker/base/file_name.c: paths, and the supervisor's credentials. */
#include "file_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
    const char *directory, *name; /* directory NULL: not in the environment */
    int want;
    const char *path;
} CASES[] = {
    {NULL, "/etc/regcast/token", 0, "/etc/regcast/token"},
    {NULL, "token", 0, "token"},
    {"/run/credentials/regcast.service", "token", 0, "token"},
    {"/run/credentials/regcast.service", "./credential:token", 0, "./credential:token"},
    {"/run/credentials/regcast.service", "credential:token", 0,
     "/run/credentials/regcast.service/token"},
    {"/run/credentials/regcast.service", "credential:hub.secret-1", 0,
     "/run/credentials/regcast.service/hub.secret-1"},
    {"/run/credentials/regcast.service", "credential:", -EINVAL, NULL},
    {"/run/credentials/regcast.service", "credential:.", -EINVAL, NULL},
    {"/run/credentials/regcast.service", "credential:..", -EINVAL, NULL},
    {"/run/credentials/regcast.service", "credential:../token", -EINVAL, NULL},
    {"/run/credentials/regcast.service", "credential:/etc/passwd", -EINVAL, NULL},
    {"/run/credentials/regcast.service", "credential:a/b", -EINVAL, NULL},
    {NULL, "credential:token", -ENOENT, NULL},
    {"", "credential:token", -ENOENT, NULL},
    {"credentials", "credential:token", -ENOENT, NULL}, /* of whatever directory we are in */
    {NULL, "credential:a/b", -EINVAL, NULL},
};

static void test_path(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char *path = NULL;
        if (CASES[i].directory == NULL)
            assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
        else
            assert_int_equal(setenv("CREDENTIALS_DIRECTORY", CASES[i].directory, 1), 0);
        print_message("  %s\n", CASES[i].name);
        assert_int_equal(file_name_path(CASES[i].name, &path), CASES[i].want);
        if (CASES[i].path == NULL)
            assert_null(path);
        else
            assert_string_equal(path, CASES[i].path);
        free(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_path)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
