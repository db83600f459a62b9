/* Tests of broker/base/mem.c. */
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <uv.h>

#include <cmocka.h>

static void test_aborting_ones_never_give_null(void **state)
{
    (void) state;
    void *p = xmalloc(0);
    assert_non_null(p);
    p = xrealloc(p, 100);
    memset(p, 0xff, 100);
    p = xrealloc(p, 0);
    assert_non_null(p);
    free(p);

    uint8_t *zeroed = xcalloc(10, 3);
    for (size_t i = 0; i < 30; i++)
        assert_int_equal(zeroed[i], 0);
    free(zeroed);
    p = xcalloc(0, 8);
    assert_non_null(p);
    free(p);
}

static void test_copies(void **state)
{
    (void) state;
    assert_null(xstrdup(NULL));
    char *s = xstrdup("text");
    assert_string_equal(s, "text");
    free(s);
    s = xslicedup(slice_sub(SLICE_LIT("abcdef"), 1, 3));
    assert_string_equal(s, "bc");
    free(s);
    s = xslicedup((struct slice){0});
    assert_string_equal(s, "");
    free(s);
}

static void test_fail_at(void **state)
{
    (void) state;
    for (unsigned fail_at = 0; fail_at <= 4; fail_at++) {
        mem_fail_at(fail_at);
        for (unsigned call = 1; call <= 4; call++) {
            void *p = call % 2 == 1 ? try_malloc(call) : try_realloc(NULL, call);
            if ((p == NULL) != (call == fail_at))
                fail_msg("fail_at %u: call %u gave %p", fail_at, call, p);
            free(p);
        }
    }
    mem_fail_at(2);
    mem_fail_at(0);
    for (unsigned call = 1; call <= 3; call++) {
        void *p = try_malloc(1);
        assert_non_null(p);
        free(p);
    }
}

static void test_failed_realloc_keeps_the_old(void **state)
{
    (void) state;
    char *p = try_malloc(4);
    assert_non_null(p);
    memcpy(p, "abc", 4);
    mem_fail_at(1);
    assert_null(try_realloc(p, 400));
    assert_string_equal(p, "abc");
    free(p);
}

static void test_for_zlib(void **state)
{
    (void) state;
    uint8_t *p = mem_zalloc(NULL, 100, 3);
    assert_non_null(p);
    memset(p, 0xff, 300);
    mem_zfree(NULL, p);
    mem_fail_at(1);
    assert_null(mem_zalloc(NULL, 100, 3));
}

/* That it helps is for tests/e2e/limits.test.mjs, where memory really runs out. */
static void test_the_reserve(void **state)
{
    (void) state;
    uint64_t before = mem_failures();
    for (int again = 0; again < 2; again++) {
        assert_true(mem_reserve());
        assert_true(mem_reserve()); /* it is there */
        assert_false(mem_is_short());
        mem_help();
        assert_true(mem_is_short());
        mem_help(); /* another thread is in need, too */
        assert_true(mem_is_short());
    }
    assert_true(mem_reserve());
    assert_false(mem_is_short());
    assert_int_equal(mem_failures(), before + 4);
    mem_fail_at(1);
    assert_null(try_malloc(1));
    assert_false(mem_is_short()); /* what can be refused leaves it alone */
    assert_int_equal(mem_failures(), before + 5);
}

static void test_owed_can_fail_too(void **state)
{
    (void) state;
    mem_fail_at(2);
    void *p = owed_malloc(1);
    assert_non_null(p);
    assert_null(owed_realloc(p, 2));
    p = owed_realloc(p, 3);
    assert_non_null(p);
    free(p);
}

static void allocate(void *ret)
{
    *(void **) ret = try_malloc(1);
}

static void test_fail_at_is_of_one_thread(void **state)
{
    (void) state;
    void *other = NULL;
    uv_thread_t thread;
    mem_fail_at(1);
    assert_int_equal(uv_thread_create(&thread, allocate, &other), 0);
    assert_int_equal(uv_thread_join(&thread), 0);
    assert_non_null(other);
    free(other);
    assert_null(try_malloc(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aborting_ones_never_give_null),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_fail_at),
        cmocka_unit_test(test_failed_realloc_keeps_the_old),
        cmocka_unit_test(test_fail_at_is_of_one_thread),
        cmocka_unit_test(test_for_zlib),
        cmocka_unit_test(test_owed_can_fail_too),
        cmocka_unit_test(test_the_reserve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
