/* Tests of broker/tagged.c: what is written is read, what is damaged is refused. */
#include "tagged.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_there_and_back(void **state)
{
    (void) state;
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(tagged_begin(&out, 'X', 1), 0);
    assert_int_equal(tagged_put_u64(&out, 1, UINT64_MAX - 1), 0);
    assert_int_equal(tagged_put_text(&out, 2, ""), 0); /* is not there */
    assert_int_equal(tagged_put_text(&out, 3, "text"), 0);
    assert_int_equal(tagged_put(&out, 3, SLICE_LIT("a\0b")), 0);
    assert_int_equal(tagged_put(&out, 200, slice_of(NULL, 0)), 0);

    struct tagged t;
    struct tagged_field f;
    uint64_t number;
    char text[5], small[4];
    assert_false(tagged_open(&t, buf_slice(&out), 'Y', 1)); /* another kind */
    assert_false(tagged_open(&t, buf_slice(&out), 'X', 0)); /* a later version */
    assert_true(tagged_open(&t, buf_slice(&out), 'X', 2));
    assert_int_equal(tagged_next(&t, &f), 1);
    assert_int_equal(f.tag, 1);
    assert_true(tagged_u64(&f, &number));
    assert_true(number == UINT64_MAX - 1);
    assert_int_equal(tagged_next(&t, &f), 1);
    assert_int_equal(f.tag, 3);
    assert_false(tagged_u64(&f, &number));
    assert_true(tagged_text(&f, 4));
    assert_false(tagged_text(&f, 3));
    assert_true(tagged_copy(&f, text, sizeof(text)));
    assert_string_equal(text, "text");
    assert_false(tagged_copy(&f, small, sizeof(small)));
    assert_int_equal(tagged_next(&t, &f), 1);
    assert_int_equal(f.value.len, 3);
    assert_false(tagged_text(&f, 100)); /* a NUL in it */
    assert_int_equal(tagged_next(&t, &f), 1);
    assert_int_equal(f.tag, 200);
    assert_true(tagged_copy(&f, text, sizeof(text)));
    assert_string_equal(text, "");
    assert_int_equal(tagged_next(&t, &f), 0);
    buf_fini(&out);
}

static void test_damage(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        struct slice record;
        bool opens;
    } CASES[] = {
        {"nothing", SLICE_LIT(""), false},
        {"no version", SLICE_LIT("X"), false},
        {"half a head", SLICE_LIT("X\1\1\1\0\0"), true},
        {"value cut", SLICE_LIT("X\1\1\2\0\0\0a"), true},
        {"length of 4 GiB", SLICE_LIT("X\1\1\xff\xff\xff\xff"), true},
        {"out of order", SLICE_LIT("X\1\2\0\0\0\0\1\0\0\0\0"), true},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct tagged t;
        struct tagged_field f;
        int r = 1;
        assert_int_equal(tagged_open(&t, CASES[i].record, 'X', 1), CASES[i].opens);
        while (CASES[i].opens && r == 1)
            r = tagged_next(&t, &f);
        assert_int_equal(r, CASES[i].opens ? -EBADMSG : 1);
    }
}

static void test_limit(void **state)
{
    (void) state;
    struct buf out;
    buf_init(&out, 8);
    assert_int_equal(tagged_begin(&out, 'X', 1), 0);
    assert_int_equal(tagged_put_text(&out, 1, "ab"), -EMSGSIZE);
    assert_int_equal(out.len, 2);
    assert_int_equal(tagged_put_text(&out, 1, "a"), 0);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
