/* Tests of broker/base/problem_line.c. */
#include "problem_line.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_lines(void **state)
{
    (void) state;
    static const struct {
        const char *line, *file, *key, *text;
        uint64_t number;
    } CASES[] = {
        {"f.yaml:12: gateway.id: expected it", "f.yaml", "gateway.id", "expected it", 12},
        {"/a b/f:1: k: x: y", "/a b/f", "k", "x: y", 1},
        {"C:7:f:3: k: t", "C:7:f", "k", "t", 3},
        {"f:1: gateway.paths[0].path: expected a, got \"b:2: c\"", "f", "gateway.paths[0].path",
         "expected a, got \"b:2: c\"", 1},
        {"f.yaml: cannot be read: no such file", NULL, NULL, NULL, 0},
        {"f:12: no key", NULL, NULL, NULL, 0},
        {"f:: k: t", NULL, NULL, NULL, 0},
        {"f:1:k: t", NULL, NULL, NULL, 0},
        {"f:1", NULL, NULL, NULL, 0},
        {"", NULL, NULL, NULL, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct problem_line p = {.line = 77};
        assert_int_equal(problem_line_read(CASES[i].line, &p), CASES[i].file != NULL);
        if (CASES[i].file == NULL) {
            assert_int_equal(p.line, 77);
            continue;
        }
        assert_true(slice_eq_str(p.file, CASES[i].file));
        assert_true(slice_eq_str(p.key, CASES[i].key));
        assert_true(slice_eq_str(p.text, CASES[i].text));
        assert_int_equal(p.line, CASES[i].number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
