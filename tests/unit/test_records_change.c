/* Tests of broker/cluster/records_change.c: changes of several nodes at once, of several records
 * together, and what an owner is asked; with servers that are away or slow. */
#include "records_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define T1 "a1strigger0000000001"

static void test_faster_one_wins(void **state)
{
    (void) state;
    const struct engine_record a = operation("o1", "a"), b = operation("o1", "b");
    int err_a, err_b;
    begin(0, &a, 1, 0, &err_a);
    begin(1, &b, 1, 0, &err_b); /* made of the same state */
    UNTIL(err_a != UNDER_WAY && err_b != UNDER_WAY && even());
    assert_true((err_a == 0 && err_b == -EAGAIN) || (err_a == -EAGAIN && err_b == 0));
    const char *all = err_a == 0 ? "2:o1=a " : "2:o1=b ";
    assert_string_equal(all_of(w.nodes[0].records), all);
    assert_string_equal(all_of(w.nodes[1].records), all);
    assert_int_equal(stream_now().last_seq, 1);
    assert_int_equal(change_one(err_a == 0 ? 1 : 0, "o1", "again"), 0); /* it knows now */
}

/* One's own changes are made one after the other, whatever the first leads to. */
static void test_in_order(void **state)
{
    (void) state;
    enum { N = 20 };
    int err[N];
    char value[8];
    for (int i = 0; i < N; i++) {
        (void) snprintf(value, sizeof(value), "%d", i);
        const struct engine_record rec = operation("o1", value);
        begin(0, &rec, 1, 0, &err[i]);
    }
    UNTIL(err[N - 1] != UNDER_WAY && even());
    for (int i = 0; i < N; i++)
        assert_int_equal(err[i], 0);
    assert_string_equal(all_of(w.nodes[1].records), "2:o1=19 ");
    assert_string_equal(w.nodes[0].changed, "");
}

/* Dead letters come between, but change nothing of what the change is made of. */
static void test_letters_do_not_refuse(void **state)
{
    (void) state;
    const struct engine_record rec = operation("o1", "a");
    int err;
    for (unsigned i = 1; i <= 4; i++)
        records_put_letter(w.nodes[1].records, i,
                           &(struct record_letter){.registry_id = "crt", .reason = "why"});
    begin(0, &rec, 1, 0, &err);
    UNTIL(err != UNDER_WAY);
    assert_int_equal(err, 0);
    UNTIL(stream_now().last_seq == 5);
}

static void test_together_or_not_at_all(void **state)
{
    (void) state;
    const struct engine_record all[] = {
        operation("o1", "a"), operation("o2", "b"), {ENGINE_REVOCATION, "r1", SLICE_LIT("c")}};
    const struct engine_record other = operation("o2", "other");
    int err, err_other;
    records_put_letter(w.nodes[0].records, 9,
                       &(struct record_letter){.registry_id = "crt", .reason = "why"});
    UNTIL(strcmp(w.nodes[1].letters, "9=why ") == 0 && even());
    assert_int_equal(change(0, all, ARRAY_LEN(all), 9), 0);
    UNTIL(even());
    assert_string_equal(all_of(w.nodes[1].records), "2:o1=a 2:o2=b 3:r1=c ");
    assert_string_equal(w.nodes[1].letters, "9=why 9- ");
    assert_string_equal(w.nodes[0].letters, "9=why 9- ");
    uint64_t before = stream_now().last_seq;
    begin(1, &other, 1, 0, &err_other);
    begin(0, all, ARRAY_LEN(all), 0, &err);
    UNTIL(err != UNDER_WAY && err_other != UNDER_WAY && even());
    assert_int_equal(err + err_other, -EAGAIN);
    assert_int_equal(stream_now().last_seq - before, err == 0 ? ARRAY_LEN(all) : 1);
}

static void test_letter_alone(void **state)
{
    (void) state;
    records_put_letter(w.nodes[1].records, 9,
                       &(struct record_letter){.registry_id = "crt", .reason = "why"});
    UNTIL(strcmp(w.nodes[0].letters, "9=why ") == 0 && even());
    assert_int_equal(change(0, NULL, 0, 9), 0);
    UNTIL(even());
    assert_string_equal(w.nodes[1].letters, "9=why 9- ");
}

/* As while it connects: nothing comes. */
static void go_deaf(int node)
{
    consumer_free(w.nodes[node].records->consumer);
    w.nodes[node].records->consumer = NULL;
}

static void on_made(void *arg, int err)
{
    struct records_node *n = arg;
    note(n->changed, "made:%d ", err);
}

/* The stream has the last message of each subject alone: a change that another node follows before
 * it could be read here does not come back. It was made all the same, before the other. */
static void test_overtaken_before_it_is_back(void **state)
{
    (void) state;
    struct records_node *n = &w.nodes[0];
    const struct engine_record recs[] = {operation("o1", "a"), operation("o2", "b")};
    const struct js_publish other = bed_message("t.rec.operation.o2", "other");
    go_deaf(0);
    records_change(n->records, &(struct engine_change){recs, 2, .done = on_made, .arg = n});
    UNTIL(records_seq(w.nodes[1].records) == 2 &&
          LIST_ENTRY(n->records->changes.next, struct record_change, in_changes)->stored_seq == 2);
    assert_int_equal(bed_publish(w.cluster.bed, &other).err, 0);
    uint64_t from = bed_now();
    records_follow(n->records, 1, false);
    UNTIL(even() && list_empty(&n->records->changes));
    assert_true(bed_now() - from < 5000); /* nobody has lost patience */
    assert_string_equal(n->changed, "made:0 2:o2=other ");
    assert_string_equal(all_of(n->records), "2:o1=a 2:o2=other ");
}

/* Changes that are made of what is not there any more are refused, those too that have waited for
 * the first of them. */
static void test_those_behind_are_refused_too(void **state)
{
    (void) state;
    const struct engine_record a = operation("o1", "a"), b = operation("o1", "b");
    int err, err_first, err_second;
    go_deaf(0);
    begin(1, &b, 1, 0, &err);
    UNTIL(err != UNDER_WAY);
    assert_int_equal(err, 0);
    begin(0, &a, 1, 0, &err_first);
    begin(0, &a, 1, 0, &err_second);
    records_follow(w.nodes[0].records, 1, false);
    UNTIL(err_first != UNDER_WAY && err_second != UNDER_WAY);
    assert_int_equal(err_first, -EAGAIN);
    assert_int_equal(err_second, -EAGAIN);
    assert_int_equal(stream_now().last_seq, 1);
    assert_int_equal(change_one(0, "o1", "a"), 0);
}

static void test_refused_at_once(void **state)
{
    (void) state;
    enum { MANY = 1000, WAIT = 256 };
    static const struct engine_record lookup = {ENGINE_LOOKUP, "l1", SLICE_INIT("x")};
    struct engine_record *many = xcalloc(MANY, sizeof(*many));
    int err, waiting[WAIT];
    begin(0, NULL, 0, 0, &err);
    assert_int_equal(err, 0); /* nothing is to be done */
    for (size_t i = 0; i < MANY; i++)
        many[i] = operation("o1", "a");
    begin(0, many, MANY, 0, &err);
    assert_int_equal(err, -E2BIG);
    begin(0, &lookup, 1, 0, &err);
    assert_true(err < 0);
    for (size_t i = 0; i < WAIT; i++)
        begin(0, many, 1, 0, &waiting[i]);
    begin(0, many, 1, 0, &err);
    assert_int_equal(err, -EAGAIN);
    UNTIL(waiting[WAIT - 1] != UNDER_WAY);
    for (size_t i = 0; i < WAIT; i++)
        assert_int_equal(waiting[i], 0);
    assert_int_equal(stream_now().last_seq, WAIT);
    free(many);
}

/* The most that there may be in one. */
static void test_as_many_as_may_be(void **state)
{
    (void) state;
    enum { MOST = 999 };
    struct engine_record *most = xcalloc(MOST, sizeof(*most));
    char(*ids)[8] = xcalloc(MOST, sizeof(*ids));
    for (size_t i = 0; i < MOST; i++) {
        (void) snprintf(ids[i], sizeof(ids[i]), "o%zu", i);
        most[i] = operation(ids[i], "a");
    }
    w.nodes[1].records->port.changed = NULL;
    assert_int_equal(change(0, most, MOST, 3), 0);
    UNTIL(even());
    assert_int_equal(w.nodes[1].records->n_operations, MOST);
    assert_string_equal(w.nodes[1].letters, "3- ");
    free(ids);
    free(most);
}

/* --- the owner's word --- */

static void test_owner_knows_before_it_is_done(void **state)
{
    (void) state;
    struct buf packed = packed_trigger("crt", TRIGGER_ACTIVE);
    const struct engine_record rec = {ENGINE_TRIGGER, T1, buf_slice(&packed)};
    int err;
    w.nodes[1].shard = cluster_shard("crt");
    begin(0, &rec, 1, 0, &err);
    uint64_t from = bed_now();
    UNTIL(err != UNDER_WAY);
    assert_int_equal(err, 0);
    assert_true(bed_now() - from < 900); /* it has answered */
    assert_int_equal(w.nodes[1].n_asked, 1);
    assert_true(records_has_trigger(w.nodes[1].records, T1));
    buf_fini(&packed);
}

static void test_owner_is_here(void **state)
{
    (void) state;
    w.nodes[0].shard = w.nodes[1].shard = cluster_shard("crt");
    assert_int_equal(change_trigger(0, T1, "crt", TRIGGER_ACTIVE), 0);
    UNTIL(even());
    assert_int_equal(w.nodes[1].n_asked, 0);
    assert_int_equal(change_one(0, "o1", "a"), 0); /* of no shard */
    assert_int_equal(w.nodes[0].n_asked, 1);
}

/* It is answered all the same, after those before it. */
static void test_nobody_owns_it(void **state)
{
    (void) state;
    struct buf packed = packed_trigger("crt", TRIGGER_ACTIVE);
    const struct engine_record rec = {ENGINE_TRIGGER, T1, buf_slice(&packed)};
    const struct engine_record later = operation("o1", "a");
    int err, err_later;
    begin(0, &rec, 1, 0, &err);
    UNTIL(records_seq(w.nodes[0].records) == 1);
    assert_int_equal(err, UNDER_WAY);
    records_answer(w.nodes[0].records); /* this node is about to own it */
    assert_int_equal(err, 0);
    begin(0, &rec, 1, 0, &err);
    begin(0, &later, 1, 0, &err_later);
    UNTIL(err_later != UNDER_WAY);
    assert_int_equal(err, 0); /* in order */
    assert_int_equal(err_later, 0);
    begin(0, &rec, 1, 0, &err);
    UNTIL(err != UNDER_WAY); /* after a second */
    assert_int_equal(err, 0);
    buf_fini(&packed);
}

/* A question is answered when so much has been applied, and one that cannot be is left. */
static void test_questions(void **state)
{
    (void) state;
    static const struct {
        const char *subject, *data;
        bool answered;
    } CASES[] = {
        {"t.rpc.rec.05", "1", true},
        {"t.rpc.rec.05", "0", true},
        {"t.rpc.rec.05", "", true},
        {"t.rpc.rec.05", "x", true},
        {"t.rpc.rec.06", "1", false},
        {"t.rpc.rec.40", "1", false},
        {"t.rpc.rec.zz", "1", false},
        {"t.rpc.rec.05", "2", false},
        {"t.rpc.rec.05", "123456789012345678901234567890", false},
    };
    w.nodes[1].shard = 5;
    assert_int_equal(change_one(0, "o1", "a"), 0);
    UNTIL(even());
    /* Nobody can be answered: it does no harm. */
    assert_int_equal(
        nats_publish(w.cluster.bed->nats, "t.rpc.rec.05", NULL, (struct slice){0}, SLICE_LIT("1")),
        0);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct bed_answer a = {.came = false};
        (void) nats_request(w.cluster.bed->nats, CASES[i].subject, (struct slice){0},
                            slice_str(CASES[i].data), 300, bed_on_answer, &a);
        UNTIL(a.came);
        if ((a.err == 0) != CASES[i].answered)
            fail_msg("%s %s: %d", CASES[i].subject, CASES[i].data, a.err);
    }
    assert_int_equal(nats_reconnects(w.nodes[1].cluster.nats), 0);
    assert_int_equal(change_one(0, "o2", "a"), 0); /* now it has applied two */
    UNTIL(even() && list_empty(&w.nodes[1].records->questions));
}

/* --- servers --- */

static void test_server_away(void **state)
{
    (void) state;
    const struct engine_record rec = operation("o1", "a");
    int err;
    nats_server_stop(&w.cluster.bed->server, SIGKILL);
    UNTIL(!nats_connected(w.nodes[0].cluster.nats));
    begin(0, &rec, 1, 0, &err);
    nats_server_run(&w.cluster.bed->server);
    UNTIL(err != UNDER_WAY);
    assert_int_equal(err, 0);
    UNTIL(even());
    assert_string_equal(all_of(w.nodes[1].records), "2:o1=a ");
}

/* A server that answers too late has stored it nevertheless: it is not made twice. */
static void test_answer_too_late(void **state)
{
    (void) state;
    const struct engine_record rec = operation("o1", "a");
    int err;
    nats_server_signal(&w.cluster.bed->server, SIGSTOP);
    begin(0, &rec, 1, 0, &err);
    struct record_change *change =
        LIST_ENTRY(w.nodes[0].records->changes.next, struct record_change, in_changes);
    UNTIL(change->unsure);
    nats_server_signal(&w.cluster.bed->server, SIGCONT);
    UNTIL(err != UNDER_WAY);
    assert_int_equal(err, 0);
    UNTIL(even());
    assert_string_equal(all_of(w.nodes[1].records), "2:o1=a ");
    assert_int_equal(stream_now().last_seq, 1);
}

/* One that was lost on the way is sent again. */
static void test_lost_on_the_way(void **state)
{
    (void) state;
    const struct engine_record rec = operation("o1", "a");
    int err;
    nats_server_signal(&w.cluster.bed->server, SIGSTOP);
    begin(0, &rec, 1, 0, &err);
    struct record_change *change =
        LIST_ENTRY(w.nodes[0].records->changes.next, struct record_change, in_changes);
    UNTIL(change->unsure);
    nats_server_stop(&w.cluster.bed->server, SIGKILL);
    nats_server_run(&w.cluster.bed->server);
    uint64_t from = bed_now();
    UNTIL(err != UNDER_WAY);
    assert_int_equal(err, 0);
    assert_true(bed_now() - from < 7000); /* nobody has lost patience */
    UNTIL(even());
    assert_string_equal(all_of(w.nodes[1].records), "2:o1=a ");
}

/* One that nobody has stored for long is the caller's again. */
static void test_patience_ends(void **state)
{
    (void) state;
    const struct engine_record rec = operation("o1", "a");
    int err;
    nats_server_stop(&w.cluster.bed->server, SIGKILL);
    UNTIL(!nats_connected(w.nodes[0].cluster.nats));
    begin(0, &rec, 1, 0, &err);
    clock_freeze(clock_mono_ms() + 10001, clock_wall_ms());
    UNTIL(err != UNDER_WAY);
    assert_int_equal(err, -EAGAIN);
    nats_server_run(&w.cluster.bed->server);
}

static void test_given_up_at_the_end(void **state)
{
    (void) state;
    struct buf packed = packed_trigger("crt", TRIGGER_ACTIVE);
    const struct engine_record rec = {ENGINE_TRIGGER, T1, buf_slice(&packed)};
    int waiting, sent, behind;
    begin(0, &rec, 1, 0, &waiting);
    UNTIL(records_seq(w.nodes[0].records) == 1);
    begin(0, &rec, 1, 0, &sent);
    begin(0, &rec, 1, 0, &behind);
    records_stop(w.nodes[0].records);
    assert_int_equal(waiting, 0); /* it has been made */
    assert_int_equal(sent, -EAGAIN);
    assert_int_equal(behind, -EAGAIN);
    buf_fini(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_faster_one_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_letters_do_not_refuse, setup, teardown),
        cmocka_unit_test_setup_teardown(test_together_or_not_at_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_letter_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_overtaken_before_it_is_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_those_behind_are_refused_too, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_as_many_as_may_be, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owner_knows_before_it_is_done, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owner_is_here, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_owns_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_questions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_away, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_too_late, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_on_the_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_patience_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_given_up_at_the_end, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
