/* Leases of several nodes against a model of the buckets: clocks that run up to 5 % fast or slow,
 * nodes that are stopped, killed, cut off, that leave and come back; messages that are late, lost,
 * or carried out without an answer. At no time may two nodes believe that a shard is theirs; once
 * all is calm, each is owned by whom it should be, within the time promised; and a node that comes
 * or goes moves nothing but its share. Without the bucket's check of revisions this must fail. */
#include "leases_model.h"

/* --- what is asserted --- */

static struct node *owner_of(unsigned shard)
{
    struct node *owner = NULL;
    for (size_t i = 0; i < NODES; i++)
        if (S.nodes[i].up && lease_core_valid(S.nodes[i].core, shard, clock_of(&S.nodes[i])))
            owner = &S.nodes[i];
    return owner;
}

static struct node *should_own(unsigned shard)
{
    struct node *best = NULL;
    struct member_table *t = NULL;
    for (size_t i = 0; i < NODES && t == NULL; i++)
        if (S.nodes[i].up && !S.nodes[i].leaving)
            t = S.nodes[i].members;
    const char *name = member_table_owner(t, shard);
    for (size_t i = 0; i < NODES; i++)
        if (name[0] == 'n' && name[1] == (char) ('0' + i))
            best = &S.nodes[i];
    return best;
}

static bool all_settled(void)
{
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++)
        if (owner_of(i) == NULL || owner_of(i) != should_own(i))
            return false;
    return true;
}

static uint64_t until_settled(uint64_t within)
{
    uint64_t start = S.now;
    while (!all_settled()) {
        if (S.now - start > within)
            fail_msg("seed %llu: not settled after %llu ms", (unsigned long long) S.rng,
                     (unsigned long long) (S.now - start));
        run(10);
    }
    return S.now - start;
}

static void begin(uint64_t seed)
{
    memset(&S, 0, sizeof(S));
    S.rng = seed;
    S.now = 1;
    for (size_t i = 0; i < NODES; i++) {
        S.nodes[i].rate = 0.95 + (double) below(100) / 1000;
        S.nodes[i].offset = 1000 + below(1000000);
    }
}

static void end(void)
{
    for (size_t i = 0; i < NODES; i++)
        if (S.nodes[i].up)
            kill_node(&S.nodes[i]);
    free(S.heap);
}

static void one_fault(void)
{
    struct node *n = &S.nodes[below(NODES)];
    unsigned what = (unsigned) below(5);
    if (!n->up) {
        start_node(n);
    } else if (n->stopped || n->cut) {
        if (n->cut)
            catch_up(n);
        n->stopped = n->cut = false;
    } else if (what == 0 || (what >= 3 && n->leaving)) {
        kill_node(n);
    } else if (what == 1) {
        n->stopped = true;
    } else if (what == 2) {
        n->cut = true;
    } else if (what == 3) {
        leave_node(n);
    }
}

static void chaos(uint64_t seed)
{
    begin(seed);
    S.faults = true;
    for (size_t i = 0; i < NODES; i++)
        if (chance(700))
            start_node(&S.nodes[i]);
    for (uint64_t stop = S.now + CHAOS_MS; S.now < stop;) {
        run(50 + below(600));
        one_fault();
    }
    S.faults = false;
    for (size_t i = 0; i < NODES; i++) {
        struct node *n = &S.nodes[i];
        if (n->up && n->leaving)
            kill_node(n);
        if (!n->up)
            start_node(n);
        if (n->cut)
            catch_up(n);
        n->stopped = n->cut = false;
    }
    run(3 * TTL + TTL / 2); /* what is late by that much has come by then */
}

static void test_never_two_owners(void **state)
{
    (void) state;
    uint64_t seeds = getenv("REGCAST_SWEEP") != NULL ? 300 : SEEDS;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        chaos(seed);
        if (S.overlaps != 0)
            fail_msg("seed %llu: a shard had two owners", (unsigned long long) seed);
        assert_true(S.acquisitions > CLUSTER_SHARDS);
        (void) until_settled(TAKEOVER_MS);
        end();
    }
}

/* The same must be found when the bucket stores whatever it is sent. */
static void test_without_revisions(void **state)
{
    (void) state;
    unsigned found = 0;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        begin(seed);
        S.unfenced = S.faults = true;
        for (size_t i = 0; i < NODES; i++)
            start_node(&S.nodes[i]);
        for (unsigned i = 0; i < 20; i++) {
            run(50 + below(600));
            one_fault();
        }
        found += S.overlaps;
        end();
    }
    assert_true(found > 0);
}

/* --- one node at a time --- */

static void start_all(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        start_node(&S.nodes[i]);
        run(10);
    }
    (void) until_settled(TTL);
}

static void owners(struct node *ret[CLUSTER_SHARDS])
{
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++)
        ret[i] = owner_of(i);
}

static void test_start_without_thrashing(void **state)
{
    (void) state;
    begin(1);
    start_all(NODES);
    assert_int_equal(S.acquisitions, CLUSTER_SHARDS);
    assert_int_equal(S.moves, 0);
    run(5 * TTL);
    assert_int_equal(S.acquisitions, CLUSTER_SHARDS);
    end();
}

static void test_join_moves_only_its_share(void **state)
{
    (void) state;
    struct node *before[CLUSTER_SHARDS], *after[CLUSTER_SHARDS];
    begin(2);
    start_all(3);
    owners(before);
    start_node(&S.nodes[3]);
    run(TTL / 2);
    (void) until_settled(TTL);
    owners(after);
    unsigned moved = 0;
    for (size_t i = 0; i < CLUSTER_SHARDS; i++) {
        moved += before[i] != after[i];
        assert_true(before[i] == after[i] || after[i] == &S.nodes[3]);
    }
    assert_true(moved > 0);
    assert_int_equal(S.moves, moved);
    assert_int_equal(S.overlaps, 0);
    end();
}

static void leave_or_die(bool leave, uint64_t within)
{
    struct node *before[CLUSTER_SHARDS], *after[CLUSTER_SHARDS];
    begin(3);
    start_all(4);
    owners(before);
    run(777);
    struct node *gone = &S.nodes[1];
    if (leave)
        leave_node(gone);
    else
        kill_node(gone);
    uint64_t from = S.now;
    while (true) {
        bool done = true;
        owners(after);
        for (size_t i = 0; i < CLUSTER_SHARDS; i++)
            done = done && after[i] != NULL && after[i] != gone;
        if (done)
            break;
        assert_true(S.now - from <= within);
        run(5);
    }
    for (size_t i = 0; i < CLUSTER_SHARDS; i++)
        assert_true(before[i] == gone || before[i] == after[i]);
    if (leave)
        assert_true(lease_core_stopped(gone->core));
    end();
}

static void test_leave(void **state)
{
    (void) state;
    leave_or_die(true, 150);
}

static void test_die(void **state)
{
    (void) state;
    leave_or_die(false, TAKEOVER_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_two_owners),
        cmocka_unit_test(test_without_revisions),
        cmocka_unit_test(test_start_without_thrashing),
        cmocka_unit_test(test_join_moves_only_its_share),
        cmocka_unit_test(test_leave),
        cmocka_unit_test(test_die),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
