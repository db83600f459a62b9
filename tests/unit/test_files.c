/* Tests of gateway/cli/files.c. */
#include "files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void check(const char *file, size_t expected)
{
    struct buf text;
    FILE *f = fopen(file, "r");
    assert_non_null(f);
    buf_init(&text, 1 << 20);
    assert_int_equal(files_read(f, &text), 0);
    assert_int_equal(text.len, expected);
    for (size_t i = 0; i < text.len; i++)
        assert_int_equal(text.data[i], 'x');
    assert_int_equal(fclose(f), 0);
    buf_fini(&text);
}

static void test_replaces(void **state)
{
    (void) state;
    char folder[] = "/tmp/regcast-files-XXXXXX", file[64];
    static char text[200000];
    memset(text, 'x', sizeof(text));
    assert_non_null(mkdtemp(folder));
    (void) snprintf(file, sizeof(file), "%s/a", folder);
    static const size_t SIZES[] = {0, 1, 65536, 200000, 3};
    for (size_t i = 0; i < ARRAY_LEN(SIZES); i++) {
        assert_int_equal(files_replace(file, slice_of(text, SIZES[i])), 0);
        check(file, SIZES[i]);
    }
    assert_int_equal(unlink(file), 0);
    assert_int_equal(files_replace(folder, SLICE_LIT("x")), -EISDIR);
    assert_int_equal(rmdir(folder), 0); /* no file of ours was left beside */
    assert_int_equal(files_replace(file, SLICE_LIT("x")), -ENOENT);
}

static void test_too_much(void **state)
{
    (void) state;
    struct buf text;
    FILE *f = tmpfile();
    assert_non_null(f);
    for (int i = 0; i < 1000; i++)
        assert_true(fputs("0123456789", f) >= 0);
    rewind(f);
    buf_init(&text, 5000);
    assert_int_equal(files_read(f, &text), -EMSGSIZE);
    buf_fini(&text);
    assert_int_equal(fclose(f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_replaces),
                                       cmocka_unit_test(test_too_much)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
