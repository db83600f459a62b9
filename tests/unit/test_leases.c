/* Members and leases of several nodes on a real nats-server: who owns what when nodes come, leave,
 * die, resign, or share a name; within the promised time. */
#include "cluster/leases.h"

#include "clock.h"
#include "cluster_bed.h"

#define MARGIN_MS 1000

struct node {
    struct cluster cluster;
    struct members *members;
    struct leases *leases;
    bool up, owned[CLUSTER_SHARDS], hold; /* hold: does not follow release() */
    unsigned n_acquired, n_lost, n_released, n_changed;
};

static void on_acquired(void *ctx, unsigned shard)
{
    struct node *n = ctx;
    assert_false(n->owned[shard]);
    assert_true(leases_valid(n->leases, shard));
    n->owned[shard] = true;
    n->n_acquired++;
}

static void on_lost(void *ctx, unsigned shard, const char *why)
{
    struct node *n = ctx;
    assert_true(n->owned[shard]);
    assert_true(why[0] != '\0');
    n->owned[shard] = false;
    n->n_lost++;
}

static void on_release(void *ctx, unsigned shard)
{
    struct node *n = ctx;
    assert_true(n->owned[shard]);
    n->n_released++;
    if (n->hold)
        return;
    n->owned[shard] = false;
    leases_released(n->leases, shard);
}

static void on_changed(void *ctx)
{
    struct node *n = ctx;
    n->n_changed++;
}

static void on_self(void *ctx, struct engine_peer *ret)
{
    const struct node *n = ctx;
    (void) snprintf(ret->address, sizeof(ret->address), "127.0.0.1:1");
    (void) snprintf(ret->version, sizeof(ret->version), "1.2.3");
    ret->connections = 7;
    ret->shards = n->leases == NULL ? 0 : leases_n(n->leases);
    ret->ready = true;
}

static void connect_node(struct cluster_bed *b, struct node *n, const char *name, const char *nonce)
{
    *n = (struct node){.up = true};
    cluster_bed_connect(b, &n->cluster, name, nonce);
}

static void start_connected(struct node *n)
{
    n->members = members_new(&n->cluster);
    n->leases =
        leases_new(&n->cluster, n->members,
                   &(struct leases_port){
                       .ctx = n, .acquired = on_acquired, .lost = on_lost, .release = on_release});
    members_watch(n->members,
                  &(struct members_port){.ctx = n, .changed = on_changed, .self = on_self});
    members_start(n->members);
    leases_start(n->leases);
    members_set_able(n->members, true);
}

static void start(struct cluster_bed *b, struct node *n, const char *name, const char *nonce)
{
    connect_node(b, n, name, nonce);
    start_connected(n);
}

/* As a process that is killed: nothing is said. */
static void end(struct node *n)
{
    if (!n->up)
        return;
    leases_free(n->leases);
    members_free(n->members);
    cluster_bed_disconnect(&n->cluster);
    n->up = false;
}

static unsigned n_owned(const struct node *n)
{
    unsigned owned = 0;
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++) {
        bool valid = leases_valid(n->leases, i);
        assert_true(!valid || n->owned[i]);
        owned += valid;
    }
    return owned;
}

static bool shared(const struct node *a, const struct node *b)
{
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++) {
        bool of_a = leases_valid(a->leases, i), of_b = leases_valid(b->leases, i);
        assert_false(of_a && of_b);
        const char *owner = members_owner(a->members, i);
        if (!of_a && !of_b)
            return false;
        if (strcmp(owner, of_a ? a->cluster.node : b->cluster.node) != 0)
            return false;
    }
    return n_owned(a) > 0 && n_owned(b) > 0;
}

static void two(struct cluster_bed *b, struct node *a, struct node *c)
{
    cluster_bed_begin(b);
    connect_node(b, a, "node-a", "a1");
    connect_node(b, c, "node-b", "b1");
    start_connected(a);
    start_connected(c);
    BED_UNTIL(b->bed, shared(a, c));
}

static void finish(struct cluster_bed *b, struct node *a, struct node *c)
{
    end(a);
    end(c);
    cluster_bed_end(b);
}

static void test_two_share_and_keep(void **state)
{
    (void) state;
    struct cluster_bed b;
    struct node a, c;
    struct engine_peer peers[4];
    two(&b, &a, &c);
    assert_int_equal(a.n_acquired + c.n_acquired, CLUSTER_SHARDS); /* nothing went to and fro */
    assert_int_equal(leases_n(a.leases) + leases_n(c.leases), CLUSTER_SHARDS);

    uint64_t from = clock_mono_ms(); /* they are renewed */
    BED_UNTIL(b.bed, clock_mono_ms() - from > CLUSTER_BED_TTL_MS);
    assert_int_equal(n_owned(&a) + n_owned(&c), CLUSTER_SHARDS);
    assert_int_equal(a.n_acquired + c.n_acquired, CLUSTER_SHARDS);
    assert_int_equal(a.n_lost + c.n_lost + a.n_released + c.n_released, 0);

    assert_int_equal(members_list(c.members, peers, 4), 2);
    assert_string_equal(peers[0].node, "node-b");
    assert_true(peers[0].self && !peers[1].self);
    assert_string_equal(peers[1].node, "node-a");
    assert_string_equal(peers[1].address, "127.0.0.1:1");
    assert_string_equal(peers[1].version, "1.2.3");
    assert_int_equal(peers[1].connections, 7);
    assert_int_equal(peers[1].shards, leases_n(a.leases));
    assert_true(peers[1].ready);
    assert_int_equal(members_list(c.members, peers, 1), 2);
    finish(&b, &a, &c);
}

static void test_killed(void **state)
{
    (void) state;
    struct cluster_bed b;
    struct node a, c;
    two(&b, &a, &c);
    end(&a);
    uint64_t from = clock_mono_ms();
    BED_UNTIL(b.bed, n_owned(&c) == CLUSTER_SHARDS);
    uint64_t took = clock_mono_ms() - from;
    print_message("taken over after %llu ms\n", (unsigned long long) took);
    assert_true(took <= CLUSTER_BED_TTL_MS + CLUSTER_BED_TTL_MS / 10 + MARGIN_MS);
    assert_int_equal(c.n_lost, 0);
    finish(&b, &a, &c);
}

static void on_stopped(void *arg)
{
    bool *stopped = arg;
    assert_false(*stopped);
    *stopped = true;
}

static void test_leaves(void **state)
{
    (void) state;
    struct cluster_bed b;
    struct node a, c;
    bool stopped = false;
    two(&b, &a, &c);
    unsigned had = n_owned(&a);
    uint64_t from = clock_mono_ms();
    leases_stop(a.leases, on_stopped, &stopped);
    BED_UNTIL(b.bed, stopped && n_owned(&c) == CLUSTER_SHARDS);
    uint64_t took = clock_mono_ms() - from;
    print_message("handed over after %llu ms\n", (unsigned long long) took);
    assert_true(took < MARGIN_MS);
    assert_int_equal(a.n_released, had);
    assert_int_equal(leases_n(a.leases), 0);
    members_leave(a.members);
    BED_UNTIL(b.bed, members_list(c.members, NULL, 0) == 1);
    assert_true(clock_mono_ms() - from < CLUSTER_BED_TTL_MS); /* it was said, not waited for */
    finish(&b, &a, &c);
}

static void test_leaves_without_releasing(void **state)
{
    (void) state;
    struct cluster_bed b;
    struct node a, c;
    bool stopped = false;
    two(&b, &a, &c);
    unsigned had = n_owned(&a);
    a.hold = true;
    uint64_t from = clock_mono_ms();
    leases_stop(a.leases, on_stopped, &stopped);
    BED_UNTIL(b.bed, stopped && n_owned(&c) == CLUSTER_SHARDS);
    assert_true(clock_mono_ms() - from >= CLUSTER_BED_TTL_MS / 2);
    assert_true(clock_mono_ms() - from < CLUSTER_BED_TTL_MS + MARGIN_MS);
    assert_int_equal(a.n_lost, had);
    finish(&b, &a, &c);
}

static void test_third_gets_its_share(void **state)
{
    (void) state;
    struct cluster_bed b;
    struct node a, c, d;
    two(&b, &a, &c);
    start(&b, &d, "node-c", "c1");
    BED_UNTIL(b.bed, d.n_acquired > 0 && n_owned(&a) + n_owned(&c) + n_owned(&d) == CLUSTER_SHARDS);
    assert_int_equal(a.n_released + c.n_released, d.n_acquired);
    assert_int_equal(a.n_acquired + c.n_acquired, CLUSTER_SHARDS); /* nothing else has moved */
    assert_int_equal(a.n_lost + c.n_lost + d.n_lost, 0);
    end(&d);
    finish(&b, &a, &c);
}

static void test_resigned_is_acquired_again(void **state)
{
    (void) state;
    struct cluster_bed b;
    struct node a, c;
    unsigned shard = 0;
    two(&b, &a, &c);
    while (!a.owned[shard])
        shard++;
    a.owned[shard] = false;
    leases_resign(a.leases, shard);
    assert_false(leases_valid(a.leases, shard));
    BED_UNTIL(b.bed, leases_valid(a.leases, shard));
    assert_int_equal(a.n_lost, 0);
    assert_true(shared(&a, &c));
    finish(&b, &a, &c);
}

/* A server that is gone: what is owned ends by our own clock, and comes back with it. */
static void test_server_away(void **state)
{
    (void) state;
    struct cluster_bed b;
    struct node a, c;
    two(&b, &a, &c);
    nats_server_stop(&b.bed->server, SIGKILL);
    BED_UNTIL(b.bed, n_owned(&a) + n_owned(&c) == 0 && a.n_lost + c.n_lost == CLUSTER_SHARDS);
    nats_server_run(&b.bed->server);
    BED_UNTIL(b.bed, shared(&a, &c));
    assert_true(a.n_acquired + c.n_acquired <= 3 * CLUSTER_SHARDS);
    finish(&b, &a, &c);
}

/* Two processes of one name: the newer one has it, and gets what the older one owned. */
static void test_twins(void **state)
{
    (void) state;
    struct cluster_bed b;
    struct node old, new;
    cluster_bed_begin(&b);
    start(&b, &old, "node-a", "a1");
    BED_UNTIL(b.bed, n_owned(&old) == CLUSTER_SHARDS);
    start(&b, &new, "node-a", "a2");
    BED_UNTIL(b.bed, n_owned(&new) == CLUSTER_SHARDS && n_owned(&old) == 0);
    assert_int_equal(old.n_released, CLUSTER_SHARDS);
    end(&new);
    BED_UNTIL(b.bed, n_owned(&old) == CLUSTER_SHARDS); /* the newer one is gone */
    end(&old);
    cluster_bed_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_share_and_keep),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_leaves),
        cmocka_unit_test(test_leaves_without_releasing),
        cmocka_unit_test(test_third_gets_its_share),
        cmocka_unit_test(test_resigned_is_acquired_again),
        cmocka_unit_test(test_server_away),
        cmocka_unit_test(test_twins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
