/* The hash table: found by hash through growth, equal hashes, removal, no memory. */
#include "mem.h"
#include "table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static size_t n_with(const struct table *t, uint64_t hash)
{
    size_t n = 0;
    for (struct table_node *it = table_first(t, hash); it != NULL; it = table_next(it)) {
        assert_int_equal(it->hash, hash);
        n++;
    }
    return n;
}

static void test_add_and_remove(void **state)
{
    (void) state;
    enum { N = 5000 };
    struct table t = {0};
    struct table_node *nodes = xcalloc(N, sizeof(*nodes));
    assert_null(table_first(&t, 0)); /* before there are slots */
    for (size_t i = 0; i < N; i++) {
        nodes[i].hash = i * 0x9e3779b97f4a7c15u;
        table_add(&t, &nodes[i]);
    }
    assert_int_equal(t.n, N);
    assert_int_equal(t.n_slots, 4096);
    for (size_t i = 0; i < N; i++)
        assert_ptr_equal(table_first(&t, nodes[i].hash), &nodes[i]);
    for (size_t i = 0; i < N; i += 2)
        table_remove(&t, &nodes[i]);
    assert_int_equal(t.n, N / 2);
    for (size_t i = 0; i < N; i++)
        assert_ptr_equal(table_first(&t, nodes[i].hash), i % 2 == 0 ? NULL : &nodes[i]);
    table_fini(&t);
    assert_null(table_first(&t, nodes[1].hash));
    free(nodes);
}

/* Hashes of one chain with marks of their own, and some with the same: removal forgets just one. */
static void test_marks(void **state)
{
    (void) state;
    struct table t = {0};
    struct table_node nodes[100];
    for (size_t i = 0; i < 100; i++) {
        nodes[i].hash = i << 57; /* the low bits are all 0; two to a mark */
        table_add(&t, &nodes[i]);
    }
    for (size_t gone = 0; gone < 100; gone++) {
        for (size_t i = 0; i < 128; i++) {
            size_t left = i >= gone && i < 100;
            assert_int_equal(n_with(&t, i << 57), left);
        }
        table_remove(&t, &nodes[gone]);
    }
    table_fini(&t);
}

static void test_equal_hashes(void **state)
{
    (void) state;
    struct table t = {0};
    struct table_node nodes[200]; /* in one chain, by two hashes in turn */
    for (size_t i = 0; i < 200; i++) {
        nodes[i].hash = i % 2 << 32;
        table_add(&t, &nodes[i]);
    }
    assert_int_equal(n_with(&t, 0), 100);
    assert_int_equal(n_with(&t, (uint64_t) 1 << 32), 100);
    for (size_t i = 0; i < 50; i++)
        table_remove(&t, &nodes[i]);
    assert_int_equal(n_with(&t, 0), 75);
    assert_int_equal(n_with(&t, (uint64_t) 1 << 32), 75);
    assert_int_equal(n_with(&t, (uint64_t) 2 << 32), 0);
    table_fini(&t);
}

static void test_no_memory(void **state)
{
    (void) state;
    struct table t = {0};
    struct table_node nodes[1000];
    for (size_t i = 0; i < 1000; i++) {
        nodes[i].hash = i;
        mem_fail_at(1);
        table_add(&t, &nodes[i]);
    }
    mem_fail_at(0);
    assert_int_equal(t.n_slots, 64);
    for (size_t i = 0; i < 1000; i++)
        assert_ptr_equal(table_first(&t, i), &nodes[i]);
    struct table_node one_more = {.hash = 1000};
    table_add(&t, &one_more);
    assert_int_equal(t.n_slots, 128);
    for (size_t i = 0; i < 1000; i++)
        assert_ptr_equal(table_first(&t, i), &nodes[i]);
    table_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add_and_remove), cmocka_unit_test(test_marks),
        cmocka_unit_test(test_equal_hashes), cmocka_unit_test(test_no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
