/* Tests of broker/cluster/records_letter.c: dead letters on every node, in order, once, and no more
 * of them than may be kept. */
#include "records_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BODY_MAX 65536

static void put(int node, uint64_t id, const char *reason)
{
    records_put_letter(w.nodes[node].records, id,
                       &(struct record_letter){.registry_id = "crt", .reason = reason});
}

static bool both_were_told(const char *what)
{
    return strcmp(w.nodes[0].letters, what) == 0 && strcmp(w.nodes[1].letters, what) == 0;
}

static void test_on_each_node_once(void **state)
{
    (void) state;
    put(0, 1, "one");
    put(0, 2, "two");
    UNTIL(both_were_told("1=one 2=two "));
    put(1, 1, "again"); /* the next owner of its shard, say */
    put(1, 3, "three");
    UNTIL(both_were_told("1=one 2=two 3=three "));
    assert_int_equal(stream_now().last_seq, 3);
    assert_int_equal(w.nodes[0].records->n_sending, 0);
    assert_string_equal(all_of(w.nodes[0].records), ""); /* they are not among the records */
    assert_string_equal(w.nodes[0].changed, "");
}

static void test_goes_on_each_node(void **state)
{
    (void) state;
    put(0, 1, "one");
    put(0, 2, "two");
    UNTIL(both_were_told("1=one 2=two "));
    records_put_letter(w.nodes[1].records, 1, NULL);
    UNTIL(both_were_told("1=one 2=two 1- "));
    assert_int_equal(w.nodes[0].records->n_letters, 1);
    put(0, 1, "late"); /* what has gone does not come back */
    put(0, 3, "three");
    UNTIL(both_were_told("1=one 2=two 1- 3=three "));
    assert_int_equal(w.nodes[0].records->n_sending, 0);
}

/* Those from before a start are told of as well, but not those that have gone. */
static void test_from_before_a_start(void **state)
{
    (void) state;
    put(0, 1, "one");
    put(0, 2, "two");
    put(0, 3, "three");
    records_put_letter(w.nodes[0].records, 2, NULL);
    UNTIL(both_were_told("1=one 2=two 3=three 2- "));
    node_end(&w.nodes[1]);
    node_start(&w.nodes[1], "b");
    put(0, 4, "four");
    UNTIL(strstr(w.nodes[1].letters, "4=") != NULL && w.nodes[1].records->n_letters == 3);
    UNTIL(w.nodes[1].records->letters_consumer == NULL); /* it has read them all */
    assert_non_null(strstr(w.nodes[1].letters, "1=one 3=three "));
    assert_null(strstr(w.nodes[1].letters, "2"));
}

static void test_no_more_than_may_be_kept(void **state)
{
    (void) state;
    char text[16];
    for (uint64_t id = 1; id <= 8; id++) {
        (void) snprintf(text, sizeof(text), "%" PRIu64, id);
        put(id % 2 == 0, id, text);
        UNTIL(w.nodes[0].records->n_sending + w.nodes[1].records->n_sending == 0 && even());
    }
    UNTIL(stream_now().messages == 5);
    assert_int_equal(stream_now().first_seq, 4);
    assert_int_equal(w.nodes[0].records->n_letters, 5);
    assert_int_equal(w.nodes[1].records->n_letters, 5);
    node_end(&w.nodes[1]);
    w.cluster.cfg.journal.max_dead_letters = 2; /* and fewer from now on */
    node_start(&w.nodes[1], "b");
    UNTIL(w.nodes[1].records->letters_consumer == NULL && w.nodes[1].records->n_letters == 2);
    UNTIL(stream_now().messages == 2);
    assert_int_equal(stream_now().first_seq, 7);
}

static size_t length_of(uint64_t seq)
{
    struct bed_answer a = {.came = false};
    js_get(w.cluster.bed->js, "t_REC", seq, bed_on_js_msg, &a);
    UNTIL(a.came);
    assert_int_equal(a.err, 0);
    return a.len;
}

/* Of a long body there is as much as a single node's store keeps. */
static void test_long_body_is_cut(void **state)
{
    (void) state;
    uint8_t *body = xcalloc(2, BODY_MAX);
    records_put_letter(w.nodes[0].records, 1,
                       &(struct record_letter){.registry_id = "crt",
                                               .reason = "long",
                                               .body = slice_of(body, (size_t) 2 * BODY_MAX)});
    UNTIL(both_were_told("1=long "));
    size_t len = length_of(1);
    assert_true(len >= BODY_MAX && len < BODY_MAX + 256);
    free(body);
}

/* One that is none, or of a later version, is left where it is. */
static void test_strange_ones(void **state)
{
    (void) state;
    static const char *const SUBJECTS[] = {"t.rec.letter.0", "t.rec.letter.x", "t.rec.letter.5",
                                           "t.rec.letter.1x"};
    for (size_t i = 0; i < ARRAY_LEN(SUBJECTS); i++) {
        const struct js_publish p = bed_message(SUBJECTS[i], "no letter");
        assert_int_equal(bed_publish(w.cluster.bed, &p).err, 0);
    }
    put(0, 6, "six");
    UNTIL(both_were_told("6=six "));
    assert_int_equal(stream_now().messages, ARRAY_LEN(SUBJECTS) + 1);
}

/* What cannot be stored now is tried until it is. */
static void test_server_away(void **state)
{
    (void) state;
    nats_server_signal(&w.cluster.bed->server, SIGSTOP);
    put(0, 1, "one");
    put(0, 2, "two");
    UNTIL(!w.nodes[0].records->sending_one); /* nobody has answered */
    assert_int_equal(w.nodes[0].records->n_sending, 2);
    nats_server_stop(&w.cluster.bed->server, SIGKILL);
    put(0, 3, "three");
    nats_server_run(&w.cluster.bed->server);
    UNTIL(both_were_told("1=one 2=two 3=three "));
    UNTIL(w.nodes[0].records->n_sending == 0);
    assert_int_equal(stream_now().last_seq, 3);
}

static void test_waiting_at_the_end(void **state)
{
    (void) state;
    put(0, 1, "one");
    put(0, 2, "two");
    node_end(&w.nodes[0]); /* without a leak */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_on_each_node_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_goes_on_each_node, setup, teardown),
        cmocka_unit_test_setup_teardown(test_from_before_a_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_more_than_may_be_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_body_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strange_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_away, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waiting_at_the_end, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
