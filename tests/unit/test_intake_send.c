/* Tests of broker/cluster/intake_send.c on a model of the stream: order, failures, what does not
 * fit into memory, and a stream that has lost its end. */
#include "intake_bed.h"

static void test_order_after_a_failure(void **state)
{
    (void) state;
    struct bed *b = bed_new(ACK_JOURNAL);
    for (size_t i = 0; i < 5; i++)
        (void) bed_take(b, 7, 10);
    (void) bed_take(b, 8, 10);
    assert_int_equal(b->n_calls, 6);
    bed_end(b, 1, BED_REFUSED);
    (void) bed_take(b, 7, 10); /* waits behind the one that failed */
    (void) bed_take(b, 8, 10); /* another shard goes on */
    assert_int_equal(b->n_calls, 6);
    bed_end_all(b, BED_REFUSED);
    BED_UNTIL(b, bed_stats(b).kept == 8);
    assert_int_equal(b->n_calls, 0);
    bed_pass(b, 60);
    BED_UNTIL(b, b->n_calls == 2); /* the first one of each goes alone */
    assert_int_equal(b->calls[0].what, 0);
    assert_int_equal(b->calls[1].what, 5);
    bed_end_all(b, BED_LOST);
    bed_pass(b, 54); /* twice as long, from now */
    (void) uv_run(&b->loop, UV_RUN_ONCE);
    assert_int_equal(b->n_calls, 0);
    bed_pass(b, 1);
    BED_UNTIL(b, b->n_calls == 2);
    bed_end_all(b, BED_STORED);
    assert_int_equal(b->n_calls, 6);
    bed_end_all(b, BED_STORED);
    static const uint64_t ORDER[] = {0, 5, 1, 2, 3, 4, 6, 7};
    assert_int_equal(b->n_stored, ARRAY_LEN(ORDER));
    for (size_t i = 0; i < ARRAY_LEN(ORDER); i++)
        assert_int_equal(b->stored[i].what, ORDER[i]);
    bed_free(b);
}

static void test_lost_acknowledgement(void **state)
{
    (void) state;
    struct bed *b = bed_new(ACK_BOTH);
    (void) bed_take(b, 0, 10);
    bed_end(b, 0, BED_ACK_LOST);
    bed_pass(b, 60);
    BED_UNTIL(b, b->n_calls == 1);
    bed_end(b, 0, BED_STORED);
    assert_int_equal(b->n_stored, 1);
    assert_int_equal(bed_stats(b).waiting, 0);
    bed_free(b);
}

/* More than fits into memory: the rest is read from the outbox, in order. */
static void test_pages(void **state)
{
    (void) state;
    enum { N = 6000 };
    struct bed *b = bed_new(ACK_JOURNAL);
    b->connected = false;
    for (unsigned i = 0; i < N; i++)
        (void) bed_take(b, i % 3, i % 50);
    BED_UNTIL(b, b->n_done == N);
    b->connected = true;
    bed_look(b);
    while (b->n_stored < N) {
        BED_UNTIL(b, b->n_calls > 0);
        assert_true(b->n_calls <= 4096);
        bed_end(b, 0, BED_STORED);
    }
    for (uint64_t i = 0, last[3] = {0}; i < N; i++) {
        uint64_t *of = &last[b->stored[i].shard];
        assert_true(b->stored[i].what + 1 > *of);
        *of = b->stored[i].what + 1;
    }
    assert_int_equal(bed_stats(b).waiting, 0);
    assert_int_equal(bed_stats(b).waiting_bytes, 0);
    bed_free(b);
}

static void fill(struct bed *b, unsigned n)
{
    uint64_t kept = bed_stats(b).kept;
    for (unsigned i = 0; i < n; i++) {
        (void) bed_take(b, i % 2, 10);
        bed_end_all(b, BED_STORED);
    }
    BED_UNTIL(b, bed_stats(b).kept == kept + n);
    bed_pass(b, 250);
    BED_UNTIL(b, b->n_done == b->n_taken);
}

static void check_whole(struct bed *b)
{
    for (uint64_t what = 0; what < b->n_taken; what++)
        assert_int_equal(bed_count(b, what), 1);
    assert_int_equal(bed_stats(b).waiting, 0);
    assert_int_equal(bed_stats(b).waiting_bytes, 0);
}

static void store_all(struct bed *b)
{
    uint64_t end_ns = uv_hrtime() + BED_TURNS_MS * UINT64_C(1000000);
    while (b->n_stored < b->n_taken || bed_stats(b).waiting > 0) {
        if (uv_hrtime() > end_ns)
            fail_msg("%llu stored, %llu wait", (unsigned long long) b->n_stored,
                     (unsigned long long) bed_stats(b).waiting);
        bed_tell_info(b);
        bed_end_all(b, BED_STORED);
        (void) uv_run(&b->loop, UV_RUN_ONCE);
    }
}

/* Servers that come back with less than they had, told by others, or found after a reconnect. */
static void test_regress(void **state)
{
    (void) state;
    struct bed *b = bed_new(ACK_BOTH);
    fill(b, 20);
    b->n_stored = 15;
    intake_regressed(b->intake);
    BED_UNTIL(b, b->n_calls == 20);
    store_all(b);
    check_whole(b);
    for (uint64_t i = 15; i < 20; i++) /* in their old order, of each shard: 0 is not 1's */
        for (uint64_t j = 15; j < i; j++)
            assert_true(b->stored[j].shard != b->stored[i].shard ||
                        b->stored[j].what < b->stored[i].what);

    b->n_stored = 3;
    b->reconnects++;
    bed_look(b);
    store_all(b);
    check_whole(b);

    b->n_stored = 0; /* another stream by the same name, longer than the old one by now */
    b->created_ns = 2;
    b->reconnects++;
    bed_look(b);
    store_all(b);
    check_whole(b);
    struct bed_stored others = {.id = "others", .what = UINT64_MAX};
    b->n_stored = 18; /* and others have been faster than our look */
    for (unsigned i = 0; i < 5; i++)
        b->stored[b->n_stored++] = others;
    b->reconnects++;
    bed_look(b);
    while (b->n_stored < 25 || bed_stats(b).waiting > 0) {
        bed_end_all(b, BED_STORED);
        (void) uv_run(&b->loop, UV_RUN_ONCE);
    }
    check_whole(b);

    size_t published = b->n_published; /* nothing is lost: nothing is sent */
    b->purged = b->n_stored;
    b->reconnects++;
    bed_look(b);
    b->reconnects++;
    b->purged = 0;
    bed_look(b);
    (void) uv_run(&b->loop, UV_RUN_ONCE);
    assert_int_equal(b->n_published, published);
    bed_free(b);
}

/* The node was off as well: what it finds is less than what was acknowledged to it. */
static void test_regress_while_away(void **state)
{
    (void) state;
    struct bed *b = bed_new(ACK_BOTH);
    fill(b, 10);
    bed_pass(b, 100);
    bed_kill(b);
    b->n_stored = 4;
    bed_pass(b, 3600000); /* long enough for all of it to be too old */
    b->connected = false;
    bed_start(b);
    assert_int_equal(bed_stats(b).kept, 10);
    bed_pass(b, 60000); /* it does not go before it is known what the stream has */
    for (unsigned i = 0; i < 50; i++)
        (void) uv_run(&b->loop, UV_RUN_ONCE);
    assert_int_equal(bed_stats(b).kept, 10);
    b->connected = true;
    store_all(b);
    check_whole(b);
    bed_free(b);
}

static void test_rows_go(void **state)
{
    (void) state;
    struct bed *b = bed_new(ACK_BOTH);
    fill(b, 5);
    BED_UNTIL(b, bed_stats(b).kept == 5);
    bed_pass(b, 9000);
    for (unsigned i = 0; i < 50; i++)
        (void) uv_run(&b->loop, UV_RUN_ONCE);
    assert_int_equal(bed_stats(b).kept, 5);
    bed_pass(b, 1500);
    BED_UNTIL(b, bed_stats(b).kept == 0);
    bed_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_after_a_failure),
        cmocka_unit_test(test_lost_acknowledgement),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_regress),
        cmocka_unit_test(test_regress_while_away),
        cmocka_unit_test(test_rows_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
