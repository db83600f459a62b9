/* What is done about one lease, step by step: each answer there can be to what is asked. */
#include "cluster/lease_core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { TTL = 10000, SHARD = 3, RETRY_MAX = TTL / 10 };
#define OURS "node-a.1"

struct bed {
    struct lease_core *core;
    uint64_t now;
    char said[64]; /* since the last expect(): letters below */
    uint64_t revision;
    bool dead; /* whoever else is asked for */
};

static void say(struct bed *b, unsigned shard, const char *what)
{
    assert_int_equal(shard, SHARD);
    size_t len = strlen(b->said);
    (void) snprintf(b->said + len, sizeof(b->said) - len, "%s ", what);
}

static void on_put(void *ctx, unsigned shard, uint64_t revision)
{
    struct bed *b = ctx;
    b->revision = revision;
    say(b, shard, "put");
}

static void on_delete(void *ctx, unsigned shard, uint64_t revision)
{
    struct bed *b = ctx;
    b->revision = revision;
    say(b, shard, "delete");
}

static void on_look(void *ctx, unsigned shard)
{
    say(ctx, shard, "look");
}

static bool is_alive(void *ctx, const char *node)
{
    const struct bed *b = ctx;
    assert_string_equal(node, "node-b");
    return !b->dead;
}

static void on_acquired(void *ctx, unsigned shard)
{
    say(ctx, shard, "acquired");
}

static void on_lost(void *ctx, unsigned shard, const char *why)
{
    assert_non_null(why);
    say(ctx, shard, "lost");
}

static void on_release(void *ctx, unsigned shard)
{
    say(ctx, shard, "release");
}

static void turn(struct bed *b)
{
    lease_core_turn(b->core, b->now);
}

static void expect(struct bed *b, const char *said)
{
    turn(b);
    assert_string_equal(b->said, said);
    b->said[0] = '\0';
}

static void begin(struct bed *b)
{
    *b = (struct bed){.now = 70000};
    b->core = lease_core_new(OURS, TTL, 1,
                             &(struct lease_core_port){.ctx = b,
                                                       .put = on_put,
                                                       .del = on_delete,
                                                       .look = on_look,
                                                       .alive = is_alive,
                                                       .acquired = on_acquired,
                                                       .lost = on_lost,
                                                       .release = on_release});
    lease_core_aim(b->core, SHARD, LEASE_OURS);
}

static void answer(struct bed *b, int err, uint64_t revision)
{
    lease_core_put(b->core, SHARD, err, revision, b->now);
}

static void own(struct bed *b)
{
    begin(b);
    lease_core_current(b->core);
    expect(b, "put ");
    assert_int_equal(b->revision, 0);
    answer(b, 0, 10);
    expect(b, "acquired ");
    assert_true(lease_core_valid(b->core, SHARD, b->now));
    assert_int_equal(lease_core_n(b->core), 1);
}

static void renew(struct bed *b)
{
    b->now += TTL / 3 + 1;
    expect(b, "put ");
}

static void test_waits_until_it_may(void **state)
{
    (void) state;
    struct bed b;
    begin(&b);
    expect(&b, ""); /* who knows what there is */
    lease_core_seen(b.core, SHARD, SLICE_LIT("node-b.7"), 4, b.now);
    lease_core_current(b.core);
    expect(&b, ""); /* it is another's, who lives and will release it */
    b.now += 100;
    lease_core_seen(b.core, SHARD, (struct slice){0}, 5, b.now);
    lease_core_settled(b.core, false, b.now);
    expect(&b, "");
    b.now += TTL / 2; /* nodes that come and go all the time hold nobody up */
    expect(&b, "put ");
    assert_int_equal(b.revision, 0);
    lease_core_free(b.core);
}

static void test_of_a_dead_one(void **state)
{
    (void) state;
    struct bed b;
    begin(&b);
    lease_core_seen(b.core, SHARD, SLICE_LIT("node-b.7"), 4, b.now);
    lease_core_current(b.core);
    expect(&b, "");
    b.dead = true;
    expect(&b, "put ");
    assert_int_equal(b.revision, 0);
    answer(&b, -EEXIST, 0);
    expect(&b, ""); /* not at once again */
    b.now += RETRY_MAX;
    expect(&b, "put ");
    answer(&b, -EEXIST, 0);
    b.now = 70000 + TTL; /* its time is over: it is taken as it is */
    expect(&b, "put ");
    assert_int_equal(b.revision, 4);
    answer(&b, -EEXIST, 0); /* it has gone by itself already */
    expect(&b, "put ");
    assert_int_equal(b.revision, 0);
    answer(&b, 0, 9);
    expect(&b, "acquired ");
    lease_core_free(b.core);
}

static void test_renewed_and_expired(void **state)
{
    (void) state;
    struct bed b;
    own(&b);
    renew(&b);
    assert_int_equal(b.revision, 10);
    uint64_t sent = b.now;
    b.now += 900; /* it counts from when it was sent */
    answer(&b, 0, 11);
    expect(&b, "");
    assert_true(lease_core_valid(b.core, SHARD, sent + TTL / 5 * 4 - 1));
    assert_false(lease_core_valid(b.core, SHARD, sent + TTL / 5 * 4));
    renew(&b);
    assert_int_equal(b.revision, 11);
    b.now = sent + TTL / 5 * 4; /* we were stopped */
    expect(&b, "lost ");
    answer(&b, 0, 12); /* that was sent in time, and counts still */
    expect(&b, "acquired ");
    lease_core_free(b.core);
}

static void test_answer_of_long_ago(void **state)
{
    (void) state;
    struct bed b;
    own(&b);
    renew(&b);
    b.now += TTL;
    answer(&b, 0, 11);
    assert_false(lease_core_valid(b.core, SHARD, b.now));
    turn(&b);
    assert_string_equal(b.said, "lost ");
    lease_core_free(b.core);
}

static void test_taken_by_another(void **state)
{
    (void) state;
    struct bed b;
    own(&b);
    renew(&b);
    answer(&b, -EEXIST, 0);
    expect(&b, "lost ");
    assert_false(lease_core_valid(b.core, SHARD, b.now));
    lease_core_free(b.core);

    own(&b);
    lease_core_seen(b.core, SHARD, SLICE_LIT("node-b.7"), 20, b.now);
    expect(&b, "lost ");
    lease_core_free(b.core);
}

static void test_unanswered(void **state)
{
    (void) state;
    struct bed b;
    static const struct slice HOLDER = SLICE_INIT(OURS);
    own(&b);
    renew(&b);
    answer(&b, -ETIMEDOUT, 0); /* it may have been stored */
    expect(&b, "");
    b.now += RETRY_MAX;
    expect(&b, "put ");
    answer(&b, -EEXIST, 0);
    expect(&b, "look ");
    lease_core_looked(b.core, SHARD, 0, HOLDER, 15, b.now); /* it was */
    expect(&b, "put ");
    assert_int_equal(b.revision, 15);
    answer(&b, -ENOTCONN, 0);
    lease_core_seen(b.core, SHARD, HOLDER, 16, b.now); /* the bucket says so itself */
    b.now += RETRY_MAX;
    expect(&b, "put ");
    assert_int_equal(b.revision, 16);
    answer(&b, -EEXIST, 0);
    expect(&b, "look ");
    lease_core_looked(b.core, SHARD, 0, SLICE_LIT("node-b.7"), 17, b.now);
    expect(&b, "lost ");
    lease_core_free(b.core);
}

static void test_not_carried_out(void **state)
{
    (void) state;
    struct bed b;
    own(&b);
    renew(&b);
    answer(&b, -EHOSTUNREACH, 0); /* no leader: it was not stored, so another's is another's */
    b.now += RETRY_MAX;
    expect(&b, "put ");
    answer(&b, -EEXIST, 0);
    expect(&b, "lost ");
    lease_core_free(b.core);
}

static void test_handed_over(void **state)
{
    (void) state;
    struct bed b;
    own(&b);
    lease_core_aim(b.core, SHARD, LEASE_NOBODYS);
    expect(&b, "");
    lease_core_aim(b.core, SHARD, LEASE_ANOTHERS);
    expect(&b, "release ");
    assert_true(lease_core_valid(b.core, SHARD, b.now));
    renew(&b); /* as long as it takes */
    lease_core_released(b.core, SHARD, b.now);
    assert_false(lease_core_valid(b.core, SHARD, b.now));
    expect(&b, "");
    answer(&b, 0, 11);
    expect(&b, "delete ");
    assert_int_equal(b.revision, 11);
    lease_core_gone(b.core, SHARD, -ETIMEDOUT, b.now);
    b.now += RETRY_MAX;
    expect(&b, "delete ");
    lease_core_gone(b.core, SHARD, -EEXIST, b.now); /* the first one has done it */
    b.now += RETRY_MAX;
    expect(&b, "");
    lease_core_free(b.core);
}

static void test_not_released_in_time(void **state)
{
    (void) state;
    struct bed b;
    own(&b);
    lease_core_stop(b.core);
    expect(&b, "release ");
    assert_false(lease_core_stopped(b.core));
    renew(&b);
    answer(&b, 0, 11);
    b.now += TTL / 5;
    expect(&b, "lost delete ");
    lease_core_gone(b.core, SHARD, 0, b.now);
    assert_true(lease_core_stopped(b.core));
    lease_core_released(b.core, SHARD, b.now); /* too late, and no harm */
    expect(&b, "");
    lease_core_free(b.core);
}

static void test_resigned(void **state)
{
    (void) state;
    struct bed b;
    own(&b);
    lease_core_resign(b.core, SHARD, b.now);
    assert_false(lease_core_valid(b.core, SHARD, b.now));
    expect(&b, "");
    b.now += RETRY_MAX;
    expect(&b, "put ");
    assert_int_equal(b.revision, 10);
    answer(&b, 0, 11);
    expect(&b, "acquired ");
    lease_core_free(b.core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_until_it_may),   cmocka_unit_test(test_of_a_dead_one),
        cmocka_unit_test(test_renewed_and_expired),  cmocka_unit_test(test_answer_of_long_ago),
        cmocka_unit_test(test_taken_by_another),     cmocka_unit_test(test_unanswered),
        cmocka_unit_test(test_not_carried_out),      cmocka_unit_test(test_handed_over),
        cmocka_unit_test(test_not_released_in_time), cmocka_unit_test(test_resigned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
