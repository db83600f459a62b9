/* Tests of broker/cluster/records.c and records_load.c: what there is, by kind and id, on every
 * node, and after a start. */
#include "records_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define T1 "a1strigger0000000001"
#define T2 "a1strigger0000000002"

static void test_subjects(void **state)
{
    static const struct {
        const char *subject;
        bool ours;
        unsigned kind;
        const char *id;
    } CASES[] = {
        {"t.rec.trigger." T1, true, ENGINE_TRIGGER, T1},
        {"t.rec.operation.o", true, ENGINE_OPERATION, "o"},
        {"t.rec.revocation.r", true, ENGINE_REVOCATION, "r"},
        {"t.rec.letter.7", true, 0, "7"},
        {"t.rec.lookup.l", false, 0, NULL}, /* nobody shares them */
        {"t.rec.trigger.", false, 0, NULL},
        {"t.rec.trigger", false, 0, NULL},
        {"t.rec..x", false, 0, NULL},
        {"t.rec.triggers.x", false, 0, NULL},
        {"t.rec.trigger." T1 "2", false, 0, NULL}, /* longer than any id */
        {"t.req.trigger.x", false, 0, NULL},
        {"tt.rec.trigger.x", false, 0, NULL},
        {"u.rec.trigger.x", false, 0, NULL},
        {"t", false, 0, NULL},
        {"", false, 0, NULL},
    };
    (void) state;
    static char prefix[] = "t";
    const struct config cfg = {.nats.prefix = prefix};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        unsigned kind = 99;
        const char *id = NULL;
        if (records_subject(&cfg, CASES[i].subject, &kind, &id) != CASES[i].ours)
            fail_msg("%s", CASES[i].subject);
        if (!CASES[i].ours)
            continue;
        assert_int_equal(kind, CASES[i].kind);
        assert_string_equal(id, CASES[i].id);
    }
    assert_null(records_kind_name(ENGINE_LOOKUP));
    assert_null(records_kind_name((enum engine_record_kind) 0));
}

static void test_each_node_has_all(void **state)
{
    (void) state;
    const struct engine_record revocation = {ENGINE_REVOCATION, "r1", SLICE_LIT("gone")};
    assert_int_equal(change_one(0, "o2", "two"), 0);
    assert_int_equal(change_trigger(0, T2, "crt", TRIGGER_ACTIVE), 0);
    UNTIL(even());
    assert_int_equal(change(1, &revocation, 1, 0), 0);
    assert_int_equal(change_one(1, "o1", "one"), 0);
    assert_int_equal(change_trigger(1, T1, "crt", TRIGGER_ACTIVE), 0);
    UNTIL(even());
    /* By kind and then id, whatever came first. */
    static const char ALL[] = "1:" T1 "= 1:" T2 "= 2:o1=one 2:o2=two 3:r1=gone ";
    assert_string_equal(all_of(w.nodes[0].records), ALL);
    assert_string_equal(all_of(w.nodes[1].records), ALL);
    assert_true(records_has_trigger(w.nodes[1].records, T2));
    assert_false(records_has_trigger(w.nodes[1].records, "o1"));
    /* Each is told of what the other has done, in order, and not of its own. */
    assert_string_equal(w.nodes[0].changed, "3:r1=gone 2:o1=one 1:" T1 "= ");
    assert_string_equal(w.nodes[1].changed, "2:o2=two 1:" T2 "= ");
    assert_string_equal(w.nodes[0].triggers, T2 " " T1 " ");
    assert_int_equal(w.nodes[0].n_applied, 5);
    assert_int_equal(records_seq(w.nodes[0].records), 5);
}

static void test_replaced_and_gone(void **state)
{
    (void) state;
    assert_int_equal(change_one(0, "o1", "one"), 0);
    assert_int_equal(change_one(0, "o1", "ONE"), 0);
    assert_int_equal(change_one(0, "o2", "two"), 0);
    UNTIL(even());
    assert_string_equal(all_of(w.nodes[1].records), "2:o1=ONE 2:o2=two ");
    assert_int_equal(w.nodes[1].records->n_operations, 2);
    assert_int_equal(change_one(1, "o1", ""), 0);
    UNTIL(even());
    assert_string_equal(all_of(w.nodes[0].records), "2:o2=two ");
    assert_int_equal(w.nodes[0].records->n_operations, 1);
    assert_string_equal(w.nodes[0].changed, "2:o1= ");
    assert_int_equal(change_one(1, "o1", ""), 0); /* what is not there goes, too */
    UNTIL(even());
    assert_string_equal(all_of(w.nodes[0].records), "2:o2=two ");
}

static void on_started(void *ctx, const struct records_trigger *t)
{
    struct records_trigger *ret = ctx;
    assert_int_equal(ret->since, 0); /* one */
    *ret = *t;
}

static struct records_trigger look(int node, const char *registry)
{
    struct records_trigger t = {.since = 0};
    records_triggers(w.nodes[node].records, cluster_shard(registry), on_started, &t);
    return t;
}

static void expect(const char *registry, uint64_t since, uint64_t paused)
{
    UNTIL(even());
    for (int node = 0; node < RECORDS_BED_NODES; node++) {
        struct records_trigger t = look(node, registry);
        assert_string_equal(t.id, T1);
        assert_int_equal(t.since, since);
        assert_int_equal(t.paused, paused);
    }
}

/* Which events are a trigger's follows from when it was made, resumed or paused last. */
static void test_since_and_paused(void **state)
{
    (void) state;
    assert_true(cluster_shard("crt1") != cluster_shard("crt2"));
    assert_int_equal(change_trigger(0, T1, "crt1", TRIGGER_ACTIVE), 0);
    expect("crt1", 1, 0);
    assert_int_equal(change_trigger(1, T1, "crt1", TRIGGER_ACTIVE), 0); /* another name, maybe */
    expect("crt1", 1, 0);
    assert_int_equal(change_trigger(0, T1, "crt1", TRIGGER_PAUSED), 0);
    expect("crt1", 1, 3);
    assert_int_equal(change_trigger(1, T1, "crt1", TRIGGER_PAUSED), 0);
    expect("crt1", 1, 3);
    assert_int_equal(change_trigger(1, T1, "crt1", TRIGGER_ACTIVE), 0);
    expect("crt1", 5, 0);
    assert_int_equal(change_trigger(1, T1, "crt2", TRIGGER_ACTIVE), 0);
    expect("crt2", 6, 0);
    assert_int_equal(look(0, "crt1").since, 0);
    assert_int_equal(change_trigger(0, T1, "crt2", TRIGGER_PAUSED), 0);
    /* As is read at a start. */
    node_end(&w.nodes[1]);
    node_start(&w.nodes[1], "b");
    expect("crt2", 6, 7);
    assert_string_equal(w.nodes[0].triggers, T1 " "); /* it was new once */
}

/* Whatever it says, it belongs to no shard. */
static void test_unreadable_trigger(void **state)
{
    (void) state;
    const struct engine_record rec = {ENGINE_TRIGGER, T1, SLICE_LIT("\xff\xff not a trigger")};
    assert_int_equal(change(0, &rec, 1, 0), 0);
    UNTIL(even());
    assert_true(records_has_trigger(w.nodes[1].records, T1));
    assert_int_equal(records_find(w.nodes[1].records, ENGINE_TRIGGER, T1)->shard, CLUSTER_SHARDS);
}

static void test_start_reads_all(void **state)
{
    (void) state;
    struct bed_answer a;
    struct js_publish unknown = bed_message("t.rec.later.x", "of a later version");
    assert_int_equal(change_one(0, "o1", "one"), 0);
    assert_int_equal(change_one(0, "o2", "two"), 0);
    assert_int_equal(change_one(0, "o1", ""), 0);
    records_put_letter(w.nodes[0].records, 7,
                       &(struct record_letter){.registry_id = "crt", .reason = "why"});
    UNTIL(records_seq(w.nodes[0].records) == 4);
    a = bed_publish(w.cluster.bed, &unknown);
    assert_int_equal(a.err, 0);
    node_end(&w.nodes[1]);
    node_load(&w.nodes[1]);
    assert_string_equal(all_of(w.nodes[1].records), "2:o2=two ");
    /* Changes go behind what ends the stream, not behind the last record. */
    assert_int_equal(records_seq(w.nodes[1].records), 5);
    node_end(&w.nodes[1]);
    node_start(&w.nodes[1], "b");
    assert_int_equal(change_one(1, "o3", "three"), 0);
}

static void test_server_takes_too_little(void **state)
{
    (void) state;
    struct records *r;
    w.cluster.cfg.webhooks.max_body_bytes = 8 << 20;
    assert_int_equal(records_load(&w.cluster.cfg, &r), -EMSGSIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subjects),
        cmocka_unit_test_setup_teardown(test_each_node_has_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replaced_and_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_since_and_paused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unreadable_trigger, setup, teardown),
        cmocka_unit_test_setup_teardown(test_start_reads_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_takes_too_little, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
