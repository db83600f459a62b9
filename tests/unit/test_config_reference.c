/* Tests of broker/base/config_reference.c: conf/reference.md is its print. REGCAST_UPDATE=1 in the
 * environment writes conf/reference.md instead of comparing. */
#include "config_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_reference_is_up_to_date(void **state)
{
    (void) state;
    char name[4096];
    const char *dir = getenv("REGCAST_SOURCE_DIR");
    assert_non_null(dir);
    (void) snprintf(name, sizeof(name), "%s/conf/reference.md", dir);
    struct buf want, have;
    buf_init(&want, 1 << 20);
    buf_init(&have, 1 << 20);
    assert_int_equal(config_print_reference(&want), 0);
    if (getenv("REGCAST_UPDATE") != NULL) {
        FILE *f = fopen(name, "w");
        assert_non_null(f);
        assert_int_equal(fwrite(want.data, 1, want.len, f), want.len);
        assert_int_equal(fclose(f), 0);
    }
    FILE *f = fopen(name, "r");
    assert_non_null(f);
    uint8_t *at;
    assert_int_equal(buf_reserve(&have, 1 << 19, &at), 0);
    buf_grew(&have, fread(at, 1, 1 << 19, f));
    (void) fclose(f);
    if (!slice_eq(buf_slice(&want), buf_slice(&have)))
        fail_msg("conf/reference.md differs: regcastd --print-reference > conf/reference.md");
    buf_fini(&want);
    buf_fini(&have);
}

/* A cell with a bar or a line end would break its table. */
static void test_reference_is_a_table(void **state)
{
    (void) state;
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(config_print_reference(&out), 0);
    assert_int_equal(buf_append(&out, SLICE_LIT("\0")), 0);
    size_t rows = 0;
    for (char *line = strtok((char *) out.data, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        size_t bars = 0;
        for (const char *c = line; *c != '\0'; c++)
            bars += *c == '|';
        assert_true(bars == 0 || bars == 5);
        rows += strncmp(line, "| `", 3) == 0;
    }
    assert_int_equal(rows, N_SETTINGS);
    for (size_t limit = 0; limit < out.len - 1; limit += 101) {
        struct buf small;
        buf_init(&small, limit);
        assert_int_equal(config_print_reference(&small), -EMSGSIZE);
        buf_fini(&small);
    }
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_is_up_to_date),
        cmocka_unit_test(test_reference_is_a_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
