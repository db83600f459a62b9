/* Tests of broker/store_load.c: what a start reads. */
#include "store_fixture.h"
#include "store_private.h"

static void commit_webhooks(struct store *s, uint64_t from, uint64_t n)
{
    assert_int_equal(store_begin(s), 0);
    for (uint64_t seq = from; seq < from + n; seq++)
        assert_int_equal(fixture_webhook(s, seq), 0);
    assert_int_equal(store_commit(s), 0);
}

/* --- events --- */

static int list_webhook(void *ctx, uint64_t first_seq, uint32_t n, struct slice events)
{
    assert_int_equal(events.len, 3);
    assert_int_equal(buf_printf(ctx, "%u+%u ", (unsigned) first_seq, n), 0);
    return first_seq == 66 ? -ECANCELED : 0;
}

static void expect_events(struct store *s, uint64_t after, int error, const char *text)
{
    struct buf b;
    buf_init(&b, 1000);
    int r = store_load_events(s, after, list_webhook, &b);
    assert_int_equal(buf_append(&b, SLICE_LIT("\0")), 0);
    if (r != error || strcmp((const char *) b.data, text) != 0)
        fail_msg("after %u: %d, %s", (unsigned) after, r, (const char *) b.data);
    buf_fini(&b);
}

static void put_of(struct store *s, uint64_t first_seq, uint32_t n)
{
    char id[ID_SIZE];
    fixture_event_id(first_seq + n - 1, id);
    struct store_webhook w = {
        .first_seq = first_seq, .n_events = n, .last_event_id = id, .events = SLICE_LIT("abc")};
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_webhook(s, &w), 0);
    assert_int_equal(store_commit(s), 0);
}

static void test_events_after(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    expect_events(s, 0, 0, "");
    put_of(s, 1, 1);
    put_of(s, 2, 50);
    put_of(s, 60, 2); /* numbers that were given to events which were refused are missing */
    expect_events(s, 0, 0, "1+1 2+50 60+2 ");
    expect_events(s, 1, 0, "2+50 60+2 ");
    expect_events(s, 50, 0, "2+50 60+2 ");
    expect_events(s, 51, 0, "60+2 ");
    expect_events(s, 59, 0, "60+2 ");
    expect_events(s, 60, 0, "60+2 ");
    expect_events(s, 61, 0, "");
    put_of(s, 66, 1);
    put_of(s, 67, 1);
    expect_events(s, 60, -ECANCELED, "60+2 66+1 ");
    expect_events(s, 66, 0, "67+1 ");
    store_close(s);
    fixture_remove(dir);
}

static void test_damaged_events_are_not_given(void **state)
{
    (void) state;
    static const char *const CHANGES[] = {
        "UPDATE webhooks SET events = x'00' WHERE seq = 2",
        "UPDATE webhooks SET n = 3 WHERE seq = 2",
        "UPDATE webhooks SET seq = 4 WHERE seq = 3",
        "UPDATE webhooks SET last_id = 'x' WHERE seq = 2",
    };
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    for (uint64_t seq = 1; seq <= 3; seq++)
        put_of(s, seq, 1);
    for (size_t i = 0; i < ARRAY_LEN(CHANGES); i++) {
        assert_int_equal(store_begin(s), 0);
        assert_int_equal(store_exec(s->db, CHANGES[i]), 0);
        expect_events(s, 0, -EBADMSG, i == 2 ? "1+1 2+1 " : "1+1 ");
        store_rollback(s);
    }
    store_close(s);
    fixture_remove(dir);
}

/* --- attempts --- */

static void sum_attempts(void *ctx, uint64_t key, unsigned attempts)
{
    uint64_t *sum = ctx;
    sum[0] += key;
    sum[1] += attempts;
}

static void test_attempts(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    const uint64_t hash = UINT64_C(0xfedcba9876543210);
    assert_int_equal(store_count_attempt(s, STORE_ATTEMPT_WEBHOOK, hash), 1);
    assert_int_equal(store_count_attempt(s, STORE_ATTEMPT_EVENT, 5), 1);
    assert_int_equal(store_count_attempt(s, STORE_ATTEMPT_WEBHOOK, hash), 2);
    store_mark_failed(s); /* a kill: each is durable */
    store_close(s);
    s = fixture_open(dir);
    assert_int_equal(store_count_attempt(s, STORE_ATTEMPT_WEBHOOK, hash), 3);
    uint64_t sum[2] = {0, 0};
    assert_int_equal(store_load_attempts(s, STORE_ATTEMPT_WEBHOOK, sum_attempts, sum), 0);
    assert_true(sum[0] == hash && sum[1] == 3);
    sum[0] = sum[1] = 0;
    assert_int_equal(store_load_attempts(s, STORE_ATTEMPT_EVENT, sum_attempts, sum), 0);
    assert_true(sum[0] == 5 && sum[1] == 1);
    store_close(s);
    fixture_remove(dir);
}

static void test_attempts_are_bounded(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store_options options = fixture_options(dir);
    options.no_sync = true;
    struct store *s = fixture_open_with(&options, NULL);
    for (uint64_t key = 1; key <= 1500; key++)
        assert_int_equal(store_count_attempt(s, STORE_ATTEMPT_WEBHOOK, key), 1);
    assert_int_equal(store_count_attempt(s, STORE_ATTEMPT_WEBHOOK, 1500), 2);
    uint64_t sum[2] = {0, 0};
    assert_int_equal(store_load_attempts(s, STORE_ATTEMPT_WEBHOOK, sum_attempts, sum), 0);
    assert_true(sum[1] <= 1002);
    store_close(s);
    fixture_remove(dir);
}

/* --- sender ids --- */

static void see_senders(void *ctx, uint64_t at_ms, struct slice ids)
{
    uint64_t *last = ctx;
    assert_true(at_ms >= last[0] && ids.len == 10 * STORE_SENDER_ID_SIZE); /* of one commit */
    last[0] = at_ms;
    last[1] += ids.len / STORE_SENDER_ID_SIZE;
}

static void test_sender_ids(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    clock_freeze(1000, 1795323041672);
    struct store *s = fixture_open(dir);
    for (uint64_t i = 0; i < 10; i++) {
        clock_freeze(1000 + 100 * i, 1795323041672);
        commit_webhooks(s, 10 * i + 1, 10);
    }
    uint64_t last[2] = {0, 0};
    assert_int_equal(store_load_sender_ids(s, see_senders, last), 0);
    assert_true(last[0] == 900 && last[1] == 100);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_exec(s->db, "UPDATE sender_ids SET ids = zeroblob(16) WHERE k = 7"), 0);
    last[0] = last[1] = 0;
    assert_int_equal(store_load_sender_ids(s, see_senders, last), -EBADMSG);
    assert_int_equal(last[1], 60);
    store_rollback(s);
    store_close(s);
    clock_unfreeze();
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_after), cmocka_unit_test(test_damaged_events_are_not_given),

        cmocka_unit_test(test_attempts),     cmocka_unit_test(test_attempts_are_bounded),
        cmocka_unit_test(test_sender_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
