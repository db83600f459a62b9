/* Tests of broker/cluster/intake.c on a model of the stream: when a webhook is acknowledged, and
 * what its sender hears. */
#include "intake_bed.h"

static bool decided(const struct bed *b, uint64_t what)
{
    return b->result[what] != 1;
}

static void stop_done(void *arg)
{
    struct bed *b = arg;
    b->stopped = true;
}

static void test_both(void **state)
{
    (void) state;
    struct bed *b = bed_new(ACK_BOTH);
    uint64_t first = bed_take(b, 3, 10);
    BED_UNTIL(b, bed_stats(b).kept == 1);
    assert_int_equal(b->n_calls, 1);
    assert_false(decided(b, first));
    bed_end(b, 0, BED_STORED);
    assert_false(decided(b, first)); /* its owner may say what became of it */
    bed_pass(b, 249);
    (void) uv_run(&b->loop, UV_RUN_ONCE);
    assert_false(decided(b, first));
    bed_pass(b, 1);
    BED_UNTIL(b, decided(b, first));
    assert_int_equal(b->result[first], 0);
    assert_int_equal(b->counts[first].queued, 1);
    assert_int_equal(b->stored[0].shard, 3);

    uint64_t second = bed_take(b, 3, 10); /* no acknowledgement for a second: the outbox will do */
    BED_UNTIL(b, bed_stats(b).kept == 2);
    bed_pass(b, 999);
    (void) uv_run(&b->loop, UV_RUN_ONCE);
    assert_false(decided(b, second));
    bed_pass(b, 1);
    BED_UNTIL(b, decided(b, second));
    assert_int_equal(b->result[second], 0);
    assert_int_equal(bed_stats(b).waiting, 1);
    bed_end(b, 0, BED_LOST);
    bed_pass(b, 100);
    BED_UNTIL(b, b->n_calls == 1);
    bed_end(b, 0, BED_STORED);
    assert_int_equal(bed_stats(b).waiting, 0);
    assert_int_equal(bed_stats(b).waiting_bytes, 0);
    assert_int_equal(b->n_stored, 2);
    bed_free(b);
}

static void test_journal(void **state)
{
    (void) state;
    struct bed *b = bed_new(ACK_JOURNAL);
    b->connected = false;
    uint64_t first = bed_take(b, 0, 10);
    assert_false(decided(b, first));
    BED_UNTIL(b, decided(b, first)); /* nobody could answer: it does not wait for that */
    assert_int_equal(b->result[first], 0);
    assert_int_equal(b->n_calls, 0);
    assert_int_equal(bed_stats(b).waiting, 1);
    b->connected = true;
    bed_look(b);
    BED_UNTIL(b, b->n_calls == 1);
    bed_end(b, 0, BED_STORED);
    assert_int_equal(bed_stats(b).waiting, 0);
    bed_free(b);
}

static void test_stream(void **state)
{
    (void) state;
    struct bed *b = bed_new(ACK_STREAM);
    uint64_t first = bed_take(b, 0, 10), second = bed_take(b, 0, 10);
    assert_int_equal(b->n_calls, 2);
    bed_end(b, 0, BED_STORED);
    bed_pass(b, 250);
    BED_UNTIL(b, decided(b, first));
    assert_int_equal(b->result[first], 0);
    bed_end(b, 0, BED_REFUSED);
    bed_pass(b, 4749);
    BED_UNTIL(b, b->n_calls == 1);
    assert_false(decided(b, second));
    bed_pass(b, 1);
    BED_UNTIL(b, decided(b, second));
    assert_int_equal(b->result[second], -EAGAIN);
    assert_int_equal(bed_stats(b).waiting, 0);
    bed_end(b, 0, BED_LOST); /* and it is not sent again */
    bed_pass(b, 5000);
    (void) uv_run(&b->loop, UV_RUN_ONCE);
    uint64_t third = bed_take(b, 0, 10);
    BED_UNTIL(b, b->n_calls > 0);
    assert_int_equal(b->n_calls, 1);
    assert_int_equal(b->calls[0].what, third);
    assert_int_equal(bed_stats(b).kept, 0);
    bed_free(b);
}

static void answer(const struct bed *b, const char *to, uint64_t accepted)
{
    char headers[128];
    const struct ingest_counts counts = {.accepted = accepted, .duplicates = 2};
    int len = snprintf(headers, sizeof(headers), "Answer: %s\r\n", to);
    const struct js_msg m = {.headers = slice_of(headers, (size_t) len)};
    struct cluster c = b->cluster;
    intake_answer(&c, &m, &counts);
}

static void test_answers(void **state)
{
    (void) state;
    struct bed *b = bed_new(ACK_BOTH);
    char to[64];
    uint64_t first = bed_take(b, 0, 10);
    (void) snprintf(to, sizeof(to), "%s", b->calls[0].answer);
    answer(b, to, 5); /* before the acknowledgement */
    bed_end(b, 0, BED_STORED);
    BED_UNTIL(b, decided(b, first));
    assert_int_equal(b->counts[first].accepted, 5);
    assert_int_equal(b->counts[first].duplicates, 2);
    assert_int_equal(b->counts[first].queued, 0);
    answer(b, to, 6); /* late */

    uint64_t second = bed_take(b, 0, 10);
    (void) snprintf(to, sizeof(to), "%s", b->calls[0].answer);
    BED_UNTIL(b, bed_stats(b).kept == 2);
    bed_end(b, 0, BED_STORED);
    static const char *const NOT_ONES[] = {"",
                                           "null",
                                           "{\"accepted\":-1}",
                                           "{\"accepted\":1e9}",
                                           "{\"accepted\":123456789012345678901}",
                                           "{"};
    for (size_t i = 0; i < ARRAY_LEN(NOT_ONES); i++)
        assert_int_equal(nats_publish(NULL, to, NULL, (struct slice){0}, slice_str(NOT_ONES[i])),
                         0);
    static const char *const NOWHERE[] = {BED_INBOX ".0", BED_INBOX ".", BED_INBOX ".x",
                                          BED_INBOX ".99999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(NOWHERE); i++)
        answer(b, NOWHERE[i], 9);
    answer(b, "$JS.API.STREAM.DELETE.rc_IN", 1); /* no inbox: goes nowhere */
    assert_false(decided(b, second));
    answer(b, to, 7);
    assert_true(decided(b, second));
    assert_int_equal(b->counts[second].accepted, 7);
    bed_free(b);
}

static void test_limits(void **state)
{
    (void) state;
    struct bed *b = bed_new(ACK_JOURNAL);
    b->cfg.intake.outbox_bytes = 1000;
    b->connected = false;
    uint64_t first = bed_take(b, 0, 500), second = bed_take(b, 0, 500);
    assert_int_equal(intake_can_take(b->intake), -EAGAIN);
    uint64_t third = bed_take(b, 0, 1);
    assert_int_equal(b->result[third], -EAGAIN);
    BED_UNTIL(b, decided(b, first) && decided(b, second));
    b->connected = true;
    bed_look(b);
    BED_UNTIL(b, b->n_calls == 2);
    bed_end_all(b, BED_STORED);
    assert_int_equal(intake_can_take(b->intake), 0);
    bed_free(b);
}

/* What is stopped takes nothing, waits for the stream for two seconds, and leaves the rest to the
 * next start. */
static void test_stop(void **state)
{
    (void) state;
    struct bed *b = bed_new(ACK_BOTH);
    uint64_t first = bed_take(b, 0, 10);
    BED_UNTIL(b, bed_stats(b).kept == 1);
    intake_stop(b->intake, stop_done, b);
    assert_int_equal(intake_can_take(b->intake), -EAGAIN);
    bed_pass(b, 1999);
    BED_UNTIL(b, decided(b, first));
    assert_int_equal(b->result[first], 0);
    assert_false(b->stopped);
    bed_pass(b, 1);
    BED_UNTIL(b, b->stopped);
    bed_kill(b);
    b->n_stored = 0;
    bed_start(b);
    bed_look(b);
    assert_int_equal(bed_stats(b).waiting, 1);
    BED_UNTIL(b, b->n_calls == 1);
    bed_end(b, 0, BED_STORED);
    intake_stop(b->intake, stop_done, b); /* nothing is left: at once */
    BED_UNTIL(b, b->stopped);
    assert_int_equal(b->n_stored, 1);
    bed_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both),   cmocka_unit_test(test_journal),
        cmocka_unit_test(test_stream), cmocka_unit_test(test_answers),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
