/* Tests of broker/cluster/records_follow.c: records that servers have lost, and those that are too
 * old to be kept. */
#include "records_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define T1     "a1strigger0000000001"
#define MINUTE UINT64_C(60000)
#define DAY    (UINT64_C(24) * 3600 * 1000)

static void put_letter(int node, uint64_t id)
{
    records_put_letter(w.nodes[node].records, id,
                       &(struct record_letter){.registry_id = "crt", .reason = "why"});
}

/* Without this message, as if servers had lost it. */
static void lose(uint64_t seq)
{
    struct bed_answer a = {.came = false};
    js_delete_msg(w.cluster.bed->js, "t_REC", seq, bed_on_done, &a);
    UNTIL(a.came);
    assert_int_equal(a.err, 0);
}

/* All that there was: a stream of the same name, made anew. */
static void lose_all(void)
{
    struct bed_answer gone = {.came = false};
    struct cluster c;
    int ensured = 0;
    (void) nats_request(w.cluster.bed->nats, "$JS.API.STREAM.DELETE.t_REC", (struct slice){0},
                        (struct slice){0}, 5000, bed_on_answer, &gone);
    UNTIL(gone.came);
    assert_non_null(strstr(gone.data, "\"success\":true"));
    cluster_bed_connect(&w.cluster, &c, "maker", "0");
    streams_ensure(&c, cluster_bed_on_ensured, &ensured);
    UNTIL(ensured != 0);
    cluster_bed_disconnect(&c);
}

static void test_some_is_lost(void **state)
{
    (void) state;
    struct records_node *n = &w.nodes[0];
    put_letter(0, 7);
    put_letter(0, 8);
    UNTIL(records_seq(n->records) == 2);
    assert_int_equal(change_one(0, "o1", "one"), 0);
    assert_int_equal(change_trigger(0, T1, "crt", TRIGGER_ACTIVE), 0);
    assert_int_equal(change_one(0, "o2", "two"), 0);
    lose(1);
    lose(3);
    lose(4);
    records_regressed(n->records);
    UNTIL(strstr(n->changed, "2:o1= ") != NULL && strstr(n->letters, "7- ") != NULL);
    /* What is there is told of again, and then what is not. */
    assert_string_equal(n->changed, "2:o2=two 1:" T1 "= 2:o1= ");
    assert_string_equal(n->letters, "7=why 8=why 7- ");
    assert_string_equal(all_of(n->records), "2:o2=two ");
    assert_int_equal(records_seq(n->records), 5);
    assert_int_equal(n->records->n_letters, 1);
    assert_int_equal(change_one(0, "o3", "three"), 0);
}

static void test_all_is_lost(void **state)
{
    (void) state;
    struct records_node *n = &w.nodes[0];
    put_letter(0, 7);
    UNTIL(records_seq(n->records) == 1);
    assert_int_equal(change_one(0, "o1", "one"), 0);
    lose_all();
    for (int i = 0; i < RECORDS_BED_NODES; i++)
        records_regressed(w.nodes[i].records);
    UNTIL(records_seq(n->records) == 0 && n->records->n_operations == 0 &&
          w.nodes[1].records->n_operations == 0);
    assert_string_equal(n->changed, "2:o1= ");
    UNTIL(strcmp(n->letters, "7=why 7- ") == 0);
    assert_int_equal(change_one(1, "o2", "two"), 0);
    UNTIL(even());
    assert_string_equal(all_of(n->records), "2:o2=two ");
}

/* A change that was stored by servers that have lost it was not made. */
static void test_change_is_lost(void **state)
{
    (void) state;
    struct records_node *n = &w.nodes[0];
    const struct engine_record rec = operation("o1", "one");
    int err;
    consumer_free(n->records->consumer); /* it does not come back in time */
    n->records->consumer = NULL;
    begin(0, &rec, 1, 0, &err);
    UNTIL(LIST_ENTRY(n->records->changes.next, struct record_change, in_changes)->stored_seq == 1);
    lose_all();
    records_regressed(w.nodes[1].records);
    UNTIL(w.nodes[1].records->n_operations == 0);
    w.nodes[1].records->applied = 0;
    records_regressed(n->records);
    assert_int_equal(change_one(1, "o2", "two"), 0);
    UNTIL(records_seq(n->records) == 1);
    assert_int_equal(err, UNDER_WAY);
    clock_freeze(clock_mono_ms() + 10001, clock_wall_ms());
    UNTIL(err != UNDER_WAY);
    assert_int_equal(err, -EAGAIN);
}

/* --- what is old --- */

/* So much later, when what is old is looked for again. */
static void later(uint64_t ms)
{
    clock_freeze(clock_mono_ms() + MINUTE + 1, clock_wall_ms() + ms);
}

static void test_old_operations_go(void **state)
{
    (void) state;
    assert_int_equal(change_one(0, "o1", "one"), 0);
    assert_int_equal(change_one(0, "o2", "two"), 0);
    assert_int_equal(change_trigger(0, T1, "crt", TRIGGER_ACTIVE), 0);
    assert_int_equal(change_one(0, "o1", "ONE"), 0);
    later(29 * DAY);
    UNTIL(w.nodes[0].records->aged_ms == clock_mono_ms() &&
          w.nodes[1].records->aged_ms == clock_mono_ms());
    assert_int_equal(w.nodes[0].records->n_operations, 2);
    later(2 * DAY);
    UNTIL(w.nodes[0].records->n_operations == 0 && w.nodes[1].records->n_operations == 0);
    UNTIL(stream_now().messages == 2);
    assert_string_equal(all_of(w.nodes[0].records), "1:" T1 "= ");
    assert_int_equal(stream_now().last_seq, 4); /* the last one stays: changes are put behind it */
    assert_int_equal(change_one(1, "o3", "three"), 0);
}

static void test_too_many_operations_go(void **state)
{
    (void) state;
    enum { MOST = 10000 };
    assert_int_equal(change_one(0, "o1", "one"), 0);
    assert_int_equal(change_one(0, "o2", "two"), 0);
    assert_int_equal(change_one(0, "o3", "three"), 0);
    w.nodes[0].records->n_operations += MOST - 2; /* as if so many of them were there */
    later(0);
    UNTIL(w.nodes[0].records->n_operations == MOST);
    w.nodes[0].records->n_operations -= MOST - 2;
    assert_string_equal(all_of(w.nodes[0].records), "2:o2=two 2:o3=three ");
    UNTIL(stream_now().messages == 2);
}

static void test_old_graves_go(void **state)
{
    (void) state;
    assert_int_equal(change_one(0, "o1", "one"), 0);
    assert_int_equal(change_one(0, "o1", ""), 0);
    assert_int_equal(change_trigger(0, T1, "crt", TRIGGER_ACTIVE), 0);
    later(6 * DAY);
    UNTIL(w.nodes[0].records->aged_ms == clock_mono_ms());
    assert_int_equal(stream_now().messages, 2);
    later(2 * DAY);
    UNTIL(stream_now().messages == 1);
    UNTIL(list_empty(&w.nodes[0].records->graves) && list_empty(&w.nodes[1].records->graves));
}

/* Where graves and letters were is another's place when the stream is another one: nothing of what
 * is there now is deleted for them. */
static void test_places_of_a_lost_stream_are_forgotten(void **state)
{
    (void) state;
    w.cluster.cfg.journal.max_dead_letters = 2;
    assert_int_equal(change_one(0, "o1", "one"), 0);
    assert_int_equal(change_one(0, "o1", ""), 0);
    put_letter(0, 7);
    UNTIL(records_seq(w.nodes[0].records) == 3 && even());
    lose_all();
    for (int i = 0; i < RECORDS_BED_NODES; i++)
        records_regressed(w.nodes[i].records);
    UNTIL(w.nodes[0].records->n_letters == 0 && w.nodes[1].records->n_letters == 0);
    assert_int_equal(change_one(0, "o2", "two"), 0);
    assert_int_equal(change_trigger(0, T1, "crt", TRIGGER_ACTIVE), 0); /* where the grave was */
    for (uint64_t id = 8; id <= 10; id++)
        put_letter(0, id);
    assert_int_equal(change_one(0, "o4", "four"), 0);
    UNTIL(stream_now().last_seq == 6 && stream_now().messages == 5); /* one letter is too many */
    later(8 * DAY);
    UNTIL(w.nodes[0].records->aged_ms == clock_mono_ms());
    assert_int_equal(change_one(0, "o5", "five"), 0);
    node_end(&w.nodes[1]);
    node_start(&w.nodes[1], "b");
    assert_true(records_has_trigger(w.nodes[1].records, T1));
    UNTIL(strcmp(w.nodes[1].letters, "9=why 10=why ") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_some_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_change_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_operations_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_operations_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_graves_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_places_of_a_lost_stream_are_forgotten, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
