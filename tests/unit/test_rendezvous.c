/* Which node should have a shard: the same in every version, shared out, and moved by nobody but
 * who comes or goes. */
#include "cluster/rendezvous.h"

#include "cluster/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const NAMES[] = {"node-a", "node-b", "node-c", "node-d"};

static size_t best(size_t n, unsigned shard)
{
    size_t at = 0;
    for (size_t i = 1; i < n; i++)
        if (rendezvous_before(NAMES[i], NAMES[at], shard))
            at = i;
    return at;
}

/* Nodes of different versions must agree: these may never change. */
static void test_never_changes(void **state)
{
    (void) state;
    assert_true(rendezvous_score("node-a", 0) == UINT64_C(0xac6cb758c8001db4));
    assert_true(rendezvous_score("node-b", 63) == UINT64_C(0x39e1b015df2b443a));
}

static void test_order(void **state)
{
    (void) state;
    for (unsigned shard = 0; shard < CLUSTER_SHARDS; shard++)
        for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
            assert_false(rendezvous_before(NAMES[i], NAMES[i], shard));
            for (size_t k = 0; k < i; k++)
                assert_true(rendezvous_before(NAMES[i], NAMES[k], shard) !=
                            rendezvous_before(NAMES[k], NAMES[i], shard));
        }
}

static void test_shares(void **state)
{
    (void) state;
    unsigned shares[ARRAY_LEN(NAMES)] = {0};
    for (unsigned shard = 0; shard < CLUSTER_SHARDS; shard++) {
        size_t of_three = best(3, shard), of_four = best(4, shard);
        assert_true(of_four == of_three || of_four == 3);
        shares[of_four]++;
    }
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        assert_true(shares[i] >= 6 && shares[i] <= 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_changes),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
