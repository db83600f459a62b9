/* Tests of gateway/cli/position.c. */
#include "position.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "event_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/regcast-position-XXXXXX", file[64];

static int setup(void **state)
{
    (void) state;
    if (mkdtemp(folder) == NULL)
        return -1;
    (void) snprintf(file, sizeof(file), "%s/position", folder);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    (void) unlink(file);
    return rmdir(folder); /* nothing else is left there */
}

static void write_file(const char *text)
{
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void check_load(int expected, const char *id, const char *rest)
{
    struct position p;
    position_init(&p);
    assert_int_equal(position_load(file, &p), expected);
    if (expected == 0) {
        assert_string_equal(p.id, id);
        assert_true(slice_eq_str(buf_slice(&p.rest), rest));
    }
    position_fini(&p);
}

static void test_round_trip(void **state)
{
    (void) state;
    (void) unlink(file);
    check_load(0, "", "");
    assert_int_equal(position_save(file, EVENT_ID("1"), SLICE_LIT("")), 0);
    check_load(0, EVENT_ID("1"), "");
    const char *rest = EVENT("2") "\n" EVENT("3") "\n";
    assert_int_equal(position_save(file, EVENT_ID("1"), slice_str(rest)), 0);
    check_load(0, EVENT_ID("1"), rest);
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_other_files(void **state)
{
    (void) state;
    static const char *const BAD[] = {
        "\n",
        "x",
        EVENT_ID("1"),
        "hello\n",
        EVENT_ID("1") "0\n",
        EVENT_ID("1") "\nx\n",
        EVENT_ID("1") "\n" EVENT("2"),
    };
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        write_file(BAD[i]);
        check_load(-EBADMSG, "", "");
    }
    write_file("");
    check_load(0, "", "");
}

/* What cannot be saved leaves what was. */
static void test_no_room(void **state)
{
    (void) state;
    assert_int_equal(position_save(file, EVENT_ID("1"), SLICE_LIT("")), 0);
    assert_int_equal(position_save("/nowhere/at/all", EVENT_ID("1"), SLICE_LIT("")), -ENOENT);
    assert_int_equal(position_save(folder, EVENT_ID("2"), SLICE_LIT("")), -EISDIR);
    check_load(0, EVENT_ID("1"), "");
    struct position p;
    position_init(&p);
    assert_true(position_load(folder, &p) < 0);
    position_fini(&p);
}

static void test_next(void **state)
{
    (void) state;
    struct slice rest = SLICE_LIT("a\n\nb"), line;
    assert_true(position_next(&rest, &line));
    assert_true(slice_eq_str(line, "a"));
    assert_true(position_next(&rest, &line));
    assert_int_equal(line.len, 0);
    assert_false(position_next(&rest, &line));
    assert_true(slice_eq_str(rest, "b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip),
                                       cmocka_unit_test(test_other_files),
                                       cmocka_unit_test(test_no_room), cmocka_unit_test(test_next)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
