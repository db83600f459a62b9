/* The undo queue: order from both ends, through growth and round the end of its memory. */
#include "catalog_undo.h"
#include "heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* A change that can be told from others; its pointer is never followed. */
static struct catalog_change change(uint64_t number)
{
    return (struct catalog_change){.kind = (enum catalog_note_kind)(number % 4),
                                   .tag = (struct tag *) (uintptr_t) (number + 1)};
}

static void assert_number(struct catalog_change c, uint64_t number)
{
    assert_int_equal(c.kind, number % 4);
    assert_int_equal((uintptr_t) c.tag, number + 1);
}

static void test_both_ends(void **state)
{
    (void) state;
    struct catalog_undo q = {0};
    uint64_t first = 0, end = 0;
    for (int round = 0; round < 300; round++) { /* the queue gets longer and moves on */
        for (int i = 0; i < 7; i++)
            catalog_undo_push(&q, change(end++));
        assert_number(catalog_undo_pop(&q), --end);
        for (int i = 0; i < 5; i++)
            assert_number(catalog_undo_shift(&q), first++);
        assert_int_equal(q.first, first);
        assert_int_equal(q.end, end);
        for (uint64_t p = first; p < end; p++)
            assert_number(*catalog_undo_at(&q, p), p);
    }
    while (end > first)
        assert_number(catalog_undo_pop(&q), --end);
    assert_int_equal(q.first, q.end);
    catalog_undo_push(&q, change(end));
    assert_number(catalog_undo_shift(&q), end);
    catalog_undo_fini(&q);
}

static void test_memory_is_given_back(void **state)
{
    (void) state;
    enum { N = 100000 };
    for (int from_front = 0; from_front < 2; from_front++) {
        size_t before = heap_bytes();
        struct catalog_undo q = {0};
        for (uint64_t i = 0; i < N; i++)
            catalog_undo_push(&q, change(i));
        assert_true(heap_bytes() - before >= N * sizeof(struct catalog_change));
        for (uint64_t i = 0; i < N; i++) {
            if (from_front)
                assert_number(catalog_undo_shift(&q), i);
            else
                assert_number(catalog_undo_pop(&q), N - 1 - i);
        }
        assert_true(heap_bytes() - before < N);
        catalog_undo_push(&q, change(from_front ? N : 0));
        assert_number(catalog_undo_pop(&q), from_front ? N : 0);
        catalog_undo_fini(&q);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_both_ends),
                                       cmocka_unit_test(test_memory_is_given_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
