/* Every adapter is fuzzed: scripts/test goes by the corpora that there are. */
#include "source.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_each_has_one(void **state)
{
    const char *root = getenv("REGCAST_SOURCE_DIR");
    (void) state;
    assert_non_null(root);
    for (size_t i = 0; i < source_n(); i++) {
        char path[4096];
        unsigned files = 0;
        (void) snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/fuzz_source_%s", root,
                        source_at(i)->kind);
        print_message("  %s\n", path);
        DIR *folder = opendir(path);
        assert_non_null(folder);
        for (const struct dirent *e; (e = readdir(folder)) != NULL;)
            files += e->d_name[0] != '.';
        assert_int_equal(closedir(folder), 0);
        assert_true(files > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_has_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
