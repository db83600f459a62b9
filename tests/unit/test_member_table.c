/* The nodes that live as one of them knows it: when each counts, and when it does not any more. */
#include "cluster/member_table.h"

#include "cluster/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { TTL = 1000, WAIT = TTL / 10, NOW = 50000 };

static struct member_entry entry(const char *node, unsigned process, bool able)
{
    struct member_entry e = {.peer = {.started_ms = process}, .able = able};
    (void) snprintf(e.peer.node, sizeof(e.peer.node), "%s", node);
    (void) snprintf(e.nonce, sizeof(e.nonce), "%u", process);
    return e;
}

static struct member_table *table(void)
{
    const struct member_entry self = entry("node-b", 2, true);
    return member_table_new(&self, TTL);
}

static bool hear(struct member_table *t, const char *node, unsigned process, bool able,
                 uint64_t seq, uint64_t now)
{
    const struct member_entry e = entry(node, process, able);
    return member_table_heard(t, &e, seq, false, now);
}

static unsigned share(const struct member_table *t, const char *node)
{
    unsigned n = 0;
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++)
        n += strcmp(member_table_owner(t, i), node) == 0;
    return n;
}

static void test_waits_before_it_counts(void **state)
{
    (void) state;
    struct member_table *t = table();
    assert_int_equal(share(t, ""), CLUSTER_SHARDS);
    assert_true(member_table_announced(t, true, NOW));
    assert_false(member_table_settled(t));
    assert_false(member_table_turn(t, NOW + WAIT - 1));
    assert_int_equal(share(t, ""), CLUSTER_SHARDS);
    assert_true(member_table_turn(t, NOW + WAIT));
    assert_true(member_table_settled(t));
    assert_int_equal(share(t, "node-b"), CLUSTER_SHARDS);
    assert_true(member_table_ours(t, 0));

    assert_true(hear(t, "node-a", 1, true, 1, NOW + 200));
    assert_false(member_table_settled(t));
    assert_int_equal(share(t, "node-a"), 0);
    assert_true(member_table_turn(t, NOW + 200 + WAIT));
    unsigned of_a = share(t, "node-a");
    assert_true(of_a > 0 && of_a < CLUSTER_SHARDS);
    assert_false(hear(t, "node-a", 1, true, 2, NOW + 400)); /* as it was */

    assert_true(hear(t, "node-a", 3, true, 3, NOW + 500)); /* another process */
    assert_int_equal(share(t, "node-a"), 0);
    assert_true(member_table_turn(t, NOW + 500 + WAIT));
    assert_true(hear(t, "node-a", 3, false, 4, NOW + 700));
    assert_int_equal(share(t, "node-a"), 0);
    assert_true(member_table_alive(t, "node-a"));
    member_table_free(t);
}

static void test_there_before_us(void **state)
{
    (void) state;
    struct member_table *t = table();
    const struct member_entry a = entry("node-a", 1, true);
    assert_true(member_table_heard(t, &a, 1, true, NOW));
    assert_true(member_table_settled(t));
    assert_int_equal(share(t, "node-a"), CLUSTER_SHARDS);
    member_table_free(t);
}

static void test_silence(void **state)
{
    (void) state;
    struct member_table *t = table();
    assert_true(hear(t, "node-a", 1, true, 5, NOW));
    assert_true(member_table_turn(t, NOW + WAIT));
    assert_false(hear(t, "node-a", 1, true, 5, NOW + 900)); /* the same once more is no news */
    assert_false(member_table_turn(t, NOW + TTL - 1));
    assert_true(member_table_alive(t, "node-a"));
    assert_true(member_table_turn(t, NOW + TTL));
    assert_false(member_table_alive(t, "node-a"));
    assert_false(member_table_turn(t, NOW + TTL));

    assert_true(member_table_announced(t, true, NOW + TTL)); /* ours as well */
    assert_true(member_table_turn(t, NOW + TTL + WAIT));
    assert_true(member_table_ours(t, 0));
    assert_true(member_table_turn(t, NOW + 2 * TTL));
    assert_false(member_table_ours(t, 0));
    assert_true(member_table_announced(t, true, NOW + 3 * TTL));
    assert_false(member_table_ours(t, 0)); /* as new as to the others */
    member_table_free(t);
}

static void test_leaving(void **state)
{
    (void) state;
    struct member_table *t = table();
    assert_true(hear(t, "node-a", 1, true, 5, NOW));
    assert_false(member_table_left(t, "node-a", 4)); /* it has come again since */
    assert_true(member_table_left(t, "node-a", 6));
    assert_false(member_table_left(t, "node-a", 7));
    assert_true(member_table_announced(t, true, NOW));
    assert_true(member_table_turn(t, NOW + WAIT));
    assert_true(member_table_unable(t));
    assert_false(member_table_ours(t, 0));
    assert_true(member_table_settled(t));
    member_table_free(t);
}

static void test_twins(void **state)
{
    (void) state;
    struct member_table *t = table();
    assert_true(member_table_announced(t, true, NOW));
    assert_true(member_table_turn(t, NOW + WAIT));
    assert_false(hear(t, "node-b", 1, true, 3, NOW + WAIT)); /* an older one */
    assert_false(hear(t, "node-b", 2, true, 4, NOW + WAIT)); /* ourselves */
    assert_true(hear(t, "node-b", 3, true, 5, NOW + WAIT));
    assert_true(member_table_twin(t));
    assert_int_equal(share(t, "node-b"), CLUSTER_SHARDS);
    assert_false(member_table_ours(t, 0));
    assert_false(hear(t, "node-b", 3, true, 6, NOW + WAIT + 300));
    assert_true(member_table_announced(t, true, NOW + 900) == false);
    assert_false(member_table_turn(t, NOW + WAIT + 300 + TTL - 1));
    assert_true(member_table_turn(t, NOW + WAIT + 300 + TTL));
    assert_false(member_table_twin(t));
    assert_true(member_table_ours(t, 0));
    assert_true(hear(t, "node-b", 4, true, 9, NOW + 1900));
    assert_true(member_table_left(t, "node-b", 10));
    assert_false(member_table_twin(t));
    member_table_free(t);
}

static void test_many(void **state)
{
    (void) state;
    struct member_table *t = table();
    struct engine_peer peers[MEMBER_TABLE_MAX];
    for (unsigned i = MEMBER_TABLE_MAX + 5; i > 0; i--) {
        char name[16];
        (void) snprintf(name, sizeof(name), "n%03u", i);
        (void) hear(t, name, 1, true, i, NOW + i);
    }
    assert_int_equal(member_table_others(t, peers, 3), MEMBER_TABLE_MAX);
    assert_int_equal(member_table_others(t, peers, MEMBER_TABLE_MAX), MEMBER_TABLE_MAX);
    for (size_t i = 1; i < MEMBER_TABLE_MAX; i++)
        assert_true(strcmp(peers[i - 1].node, peers[i].node) < 0);
    assert_int_equal(peers[0].seen_ms, NOW + 6);
    member_table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_before_it_counts),
        cmocka_unit_test(test_there_before_us),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_leaving),
        cmocka_unit_test(test_twins),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
