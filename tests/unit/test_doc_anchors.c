/* Tests of broker/base/doc_anchors.c: the last node that had a name is the one it names. */
#include "doc_anchors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void test_names(void **state)
{
    (void) state;
    static const struct siphash_seed SEED = {3, 4};
    static struct doc_node nodes[500];
    struct doc_anchors a = {0};
    assert_null(doc_anchors_get(&a, "a0", &SEED));
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 250; i++) {
            char name[16];
            (void) snprintf(name, sizeof(name), "a%u", i);
            doc_anchors_set(&a, name, &nodes[250 * round + i], &SEED);
            assert_ptr_equal(doc_anchors_get(&a, name, &SEED), &nodes[250 * round + i]);
        }
    assert_ptr_equal(doc_anchors_get(&a, "a7", &SEED), &nodes[257]);
    assert_null(doc_anchors_get(&a, "a250", &SEED));
    doc_anchors_fini(&a);
    assert_null(doc_anchors_get(&(struct doc_anchors){0}, "a7", &SEED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
