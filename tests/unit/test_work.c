/* The work queue on one thread: order, the time limit, closing. With several:
 * stress/test_work_threads.c.
 */
#include "work.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_order(void **state)
{
    (void) state;
    enum { N = 5 };
    struct work_queue q;
    struct work items[N];
    bool closed = true;
    assert_int_equal(work_queue_init(&q), 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++) {
            items[i].next = &items[0]; /* whatever it was before */
            work_put(&q, &items[i]);
        }
        struct work *w = work_take(&q, UINT64_MAX, &closed);
        for (int i = 0; i < N; i++) {
            assert_ptr_equal(w, &items[i]);
            w = w->next;
        }
        assert_null(w);
        assert_false(closed);
    }
    work_queue_fini(&q);
}

static void test_timeout(void **state)
{
    (void) state;
    static const uint64_t TIMEOUTS_MS[] = {0, 1, 30};
    struct work_queue q;
    assert_int_equal(work_queue_init(&q), 0);
    for (size_t i = 0; i < ARRAY_LEN(TIMEOUTS_MS); i++) {
        bool closed = true;
        uint64_t start = uv_hrtime();
        assert_null(work_take(&q, TIMEOUTS_MS[i], &closed));
        assert_true(uv_hrtime() - start >= TIMEOUTS_MS[i] * 1000000);
        assert_false(closed);
    }
    struct work w;
    bool closed = true;
    work_put(&q, &w);
    assert_ptr_equal(work_take(&q, 0, &closed), &w);
    assert_false(closed);
    work_queue_fini(&q);
}

static void test_close(void **state)
{
    (void) state;
    struct work_queue q;
    struct work w;
    bool closed = false;
    assert_int_equal(work_queue_init(&q), 0);
    work_put(&q, &w);
    work_close(&q);
    assert_ptr_equal(work_take(&q, UINT64_MAX, &closed), &w); /* first what is there */
    assert_false(closed);
    for (int i = 0; i < 2; i++) {
        closed = false;
        assert_null(work_take(&q, UINT64_MAX, &closed));
        assert_true(closed);
    }
    work_queue_fini(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_timeout),
                                       cmocka_unit_test(test_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
