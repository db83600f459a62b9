/* Tests of broker/store_triggers.c: marks, over restarts, rollbacks and deletions. */
#include "store_fixture.h"

static void commit_webhooks(struct store *s, uint64_t from, uint64_t n)
{
    assert_int_equal(store_begin(s), 0);
    for (uint64_t seq = from; seq < from + n; seq++)
        assert_int_equal(fixture_webhook(s, seq), 0);
    assert_int_equal(store_commit(s), 0);
}

static void test_triggers(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    uint64_t last[3];
    commit_webhooks(s, 1, 7);
    assert_int_equal(store_triggers(s, (const char *[]){"b", "a"}, 2, last), 0);
    assert_true(last[0] == 7 && last[1] == 7); /* new: what was before is not for them */
    commit_webhooks(s, 8, 2);
    store_mark_failed(s); /* a kill */
    store_close(s);
    s = fixture_open(dir);
    assert_int_equal(store_triggers(s, (const char *[]){"a", "b", "c"}, 3, last), 0);
    assert_true(last[0] == 7 && last[1] == 7 && last[2] == 9);
    assert_int_equal(store_triggers(s, (const char *[]){"c", "a"}, 2, last), 0);
    assert_true(last[0] == 9 && last[1] == 7);
    store_mark_failed(s);
    store_close(s);
    s = fixture_open(dir);
    assert_int_equal(fixture_mark(s, "c"), 9);
    assert_true(fixture_mark(s, "b") == UINT64_MAX); /* was forgotten */
    store_close(s);
    fixture_remove(dir);
}

/* Many, so that the place of each in memory is looked for. */
static void test_many_triggers(void **state)
{
    (void) state;
    char dir[64], id[ID_SIZE];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    uint64_t position;
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    assert_int_equal(store_begin(s), 0);
    for (unsigned i = 0; i < 200; i++) {
        (void) snprintf(id, sizeof(id), "t%u", i * 7919 % 200);
        assert_true(fixture_mark(s, id) == UINT64_MAX);
        store_trigger_add(s, id, 0);
    }
    for (unsigned i = 0; i < 200; i++) {
        uint8_t packed[ID_PACKED_SIZE];
        fixture_packed_id(i + 1, packed);
        (void) snprintf(id, sizeof(id), "t%u", i);
        struct store_batch b = {.trigger_id = id,
                                .last_seq = i + 1,
                                .ids = slice_of(packed, sizeof(packed)),
                                .frames = SLICE_LIT("frame")};
        assert_int_equal(store_put_batch(s, &b, &position), 0);
    }
    assert_int_equal(store_commit(s), 0);
    store_close(s);
    s = fixture_open(dir);
    for (unsigned i = 0; i < 200; i++) {
        (void) snprintf(id, sizeof(id), "t%u", i);
        assert_int_equal(fixture_mark(s, id), i + 1);
    }
    store_close(s);
    fixture_remove(dir);
}

/* Made, moved and deleted in a transaction: all of it, or as it was. */
static void test_a_transaction_of_marks(void **state)
{
    (void) state;
    static const char *const NAMES[] = {"deleted", "kept", "again"};
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    uint64_t marks[3];
    assert_int_equal(store_triggers(s, NAMES, 3, marks), 0);
    for (unsigned pass = 0; pass < 2; pass++) {
        assert_int_equal(store_begin(s), 0);
        store_trigger_add(s, "made", 4);
        store_trigger_set(s, store_trigger_find(s, "kept"), 5);
        store_trigger_set(s, store_trigger_find(s, "deleted"), 6);
        assert_int_equal(store_trigger_delete(s, "deleted"), 0);
        assert_null(store_trigger_find(s, "deleted"));
        assert_int_equal(store_trigger_delete(s, "deleted"), 0);
        assert_int_equal(store_trigger_delete(s, "again"), 0);
        store_trigger_add(s, "again", 7);
        assert_int_equal(store_settle_events(s, 3), 0); /* nor does this bring it back */
        assert_int_equal(fixture_mark(s, "made"), 4);
        if (pass == 1)
            break;
        store_rollback(s);
        assert_true(fixture_mark(s, "made") == UINT64_MAX);
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(fixture_mark(s, NAMES[i]), 0);
    }
    assert_int_equal(store_commit(s), 0);
    for (unsigned pass = 0; pass < 2; pass++) {
        assert_int_equal(fixture_mark(s, "made"), 4);
        assert_int_equal(fixture_mark(s, "kept"), 5);
        assert_int_equal(fixture_mark(s, "again"), 7);
        assert_true(fixture_mark(s, "deleted") == UINT64_MAX);
        if (pass == 0) {
            store_close(s);
            s = fixture_open(dir);
        }
    }
    store_close(s);
    fixture_remove(dir);
}

/* A batch that comes after its trigger is gone does not bring the mark back; what only the mark
 * told of numbers is not forgotten. */
static void test_a_batch_after_the_deletion(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    uint64_t position;
    uint8_t packed[ID_PACKED_SIZE];
    fixture_packed_id(9, packed);
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_batch(s,
                                     &(struct store_batch){.trigger_id = "gone",
                                                           .last_seq = 9,
                                                           .ids = slice_of(packed, sizeof(packed)),
                                                           .frames = SLICE_LIT("frame")},
                                     &position),
                     0);
    assert_int_equal(store_commit(s), 0);
    assert_true(fixture_mark(s, "gone") == UINT64_MAX);
    store_mark_failed(s);
    store_close(s);
    s = fixture_open(dir);
    assert_true(fixture_mark(s, "gone") == UINT64_MAX);
    assert_int_equal(store_next_seq(s), 10);
    store_close(s);
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_triggers),
        cmocka_unit_test(test_many_triggers),
        cmocka_unit_test(test_a_transaction_of_marks),
        cmocka_unit_test(test_a_batch_after_the_deletion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
