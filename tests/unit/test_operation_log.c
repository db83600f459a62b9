/* Tests of broker/operation_log.c: order, look-ups, the limit. */
#include "operation_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct operation *add(struct operation_log *log, unsigned n, const char *by,
                                   const char *key)
{
    struct operation o = {.kind = OPERATION_CREATE_TRIGGER};
    id_encode(OPERATION_ID_PREFIX, 0, n, o.id);
    (void) snprintf(o.created_by, sizeof(o.created_by), "%s", by);
    (void) snprintf(o.idempotency_key, sizeof(o.idempotency_key), "%s", key);
    buf_init(&o.response, 10);
    assert_int_equal(buf_append_str(&o.response, "x"), 0);
    const struct operation *added = operation_log_add(log, &o);
    if (added == NULL)
        assert_int_equal(o.response.len, 1); /* is ours still */
    operation_fini(&o);
    return added;
}

static const char *id_of(unsigned n)
{
    static char id[ID_SIZE];
    id_encode(OPERATION_ID_PREFIX, 0, n, id);
    return id;
}

static void test_finds(void **state)
{
    (void) state;
    struct operation_log *log = operation_log_new(100);
    assert_null(operation_log_find(log, id_of(1)));
    assert_null(operation_log_by_key(log, "x", "k"));
    const struct operation *a = add(log, 10, "x", "k"), *b = add(log, 20, "y", "k"),
                           *c = add(log, 30, "x", "");
    assert_null(add(log, 30, "x", "")); /* the same id */
    assert_int_equal(operation_log_size(log), 3);
    assert_ptr_equal(operation_log_find(log, id_of(10)), a);
    assert_ptr_equal(operation_log_find(log, id_of(20)), b);
    assert_ptr_equal(operation_log_find(log, id_of(30)), c);
    assert_null(operation_log_find(log, id_of(15)));
    assert_null(operation_log_find(log, ""));
    assert_null(operation_log_find(log, "zzz"));
    assert_ptr_equal(operation_log_by_key(log, "x", "k"), a);
    assert_ptr_equal(operation_log_by_key(log, "y", "k"), b);
    assert_null(operation_log_by_key(log, "z", "k"));
    assert_null(operation_log_by_key(log, "x", "kk"));
    assert_null(operation_log_by_key(log, "x", "")); /* no key is no key */
    assert_int_equal(operation_log_before(log, id_of(5)), 0);
    assert_int_equal(operation_log_before(log, id_of(20)), 1);
    assert_int_equal(operation_log_before(log, id_of(21)), 2);
    assert_int_equal(operation_log_before(log, id_of(99)), 3);
    assert_string_equal(operation_log_at(log, 0)->id, a->id);
    operation_log_free(log);
    operation_log_free(NULL);
}

static void test_forgets_the_oldest(void **state)
{
    (void) state;
    struct operation_log *log = operation_log_new(40);
    for (unsigned i = 1; i <= 100; i++) {
        char key[16];
        (void) snprintf(key, sizeof(key), "k%u", i);
        assert_non_null(add(log, i, "x", i % 2 == 0 ? key : ""));
    }
    assert_int_equal(operation_log_size(log), 40);
    assert_null(operation_log_find(log, id_of(60)));
    assert_non_null(operation_log_find(log, id_of(61)));
    assert_null(operation_log_by_key(log, "x", "k60"));
    assert_non_null(operation_log_by_key(log, "x", "k62"));
    assert_string_equal(operation_log_at(log, 39)->id, id_of(100));
    assert_null(add(log, 60, "x", "")); /* older than all */
    assert_int_equal(operation_log_size(log), 40);
    operation_log_free(log);
}

/* Of several nodes, whose clocks differ. */
static void test_late_ones(void **state)
{
    (void) state;
    static const unsigned ORDER[] = {10, 30, 20, 5, 40, 25};
    struct operation_log *log = operation_log_new(5);
    for (size_t i = 0; i < ARRAY_LEN(ORDER); i++)
        assert_non_null(add(log, ORDER[i], "x", "k"));
    assert_int_equal(operation_log_size(log), 5);
    for (size_t i = 0; i + 1 < 5; i++)
        assert_true(strcmp(operation_log_at(log, i)->id, operation_log_at(log, i + 1)->id) < 0);
    assert_null(operation_log_find(log, id_of(5)));
    assert_non_null(operation_log_find(log, id_of(25)));
    assert_string_equal(operation_log_at(log, 4)->id, id_of(40));
    operation_log_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds),
        cmocka_unit_test(test_forgets_the_oldest),
        cmocka_unit_test(test_late_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
