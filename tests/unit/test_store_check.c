/* Tests of broker/store_check.c: what it finds, and how long it may take. */
#include "clock.h"
#include "store_fixture.h"
#include "store_private.h"

static void fill(struct store *s, uint64_t from, uint64_t n, size_t len)
{
    uint64_t position;
    for (uint64_t seq = from; seq < from + n; seq++) { /* a commit each, so rows of their own */
        assert_int_equal(store_begin(s), 0);
        assert_int_equal(fixture_webhook(s, seq), 0);
        assert_int_equal(fixture_batch(s, 0, seq, len, &position), 0);
        assert_int_equal(store_commit(s), 0);
    }
}

/* Changes that leave a database in order, but not the one that was written. */
static void test_rows(void **state)
{
    (void) state;
    static const char *const CHANGES[] = {
        "UPDATE batches SET at = at + 1 WHERE key = (SELECT min(key) FROM batches)",
        "UPDATE batches SET frames = x'00' WHERE key = (SELECT max(key) FROM batches)",
        "UPDATE batches SET ids = zeroblob(22) WHERE key = (SELECT max(key) FROM batches)",
        "UPDATE batches SET key = key + 1 WHERE key = (SELECT max(key) FROM batches)",
        "DELETE FROM batches WHERE key = (SELECT min(key) FROM batches)",
        "DELETE FROM batches WHERE key = (SELECT max(key) FROM batches)",
        "INSERT INTO batches SELECT 2 << 48, at, sum, high_id, ids, frames FROM batches LIMIT 1",
        "INSERT INTO gone SELECT 7, high_id, ids, sum FROM gone LIMIT 1",
        "UPDATE gone SET high_id = zeroblob(11)",
        "UPDATE webhooks SET events = zeroblob(100) WHERE seq = 30",
        "UPDATE sender_ids SET ids = zeroblob(16) WHERE k = 30",
        "INSERT INTO images VALUES(1, 'r', 'a', 'd', 0, 0)",
        "INSERT INTO tags VALUES(1, 1, 'v', 0, 0)",
        "INSERT INTO tombstones VALUES(1, 'r', 'a', '', 'd', 0, 1, 1, 0)",
        "INSERT INTO dead_letters VALUES(1, 1, 'r', 'why', 0, x'', 0, x'')",
    };
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    fill(s, 1, 50, 700);
    for (size_t i = 0; i < 2 * ARRAY_LEN(CHANGES); i++) {
        bool whole = i % 2 == 1;
        assert_int_equal(store_check(s, whole), 0);
        assert_int_equal(store_begin(s), 0);
        assert_int_equal(store_exec(s->db, CHANGES[i / 2]), 0);
        if (store_check(s, whole) != -EBADMSG)
            fail_msg("not found (%d): %s", whole, CHANGES[i / 2]);
        store_rollback(s);
    }
    store_close(s);
    fixture_remove(dir);
}

/* What is large is not looked at by a usual start, so that it does not take long; after a failure
 * it is. */
static void test_a_large_one(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store_options options = fixture_options(dir);
    options.no_sync = true;
    struct store *s = fixture_open_with(&options, NULL);
    assert_int_equal(store_path(s, 0, "/a", 20, &FIXTURE_LIMITS), 0);
    for (uint64_t i = 0; i < 40; i++) {
        fill(s, 20 * i + 1, 20, 100000);
        assert_int_equal(store_checkpoint(s), 0);
    }
    assert_int_equal(store_check(s, true), 0);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_exec(s->db, "UPDATE batches SET frames = x'00' WHERE key ="
                                       " (SELECT max(key) FROM batches)"),
                     0);
    assert_int_equal(store_check(s, false), 0);
    assert_int_equal(store_check(s, true), -EBADMSG);
    store_rollback(s);
    store_close(s);
    fixture_remove(dir);
}

/* Ten seconds pass with the row that is counted down to. */
static int on_row(unsigned trace, void *rows_left, void *st, void *unused)
{
    unsigned *left = rows_left;
    (void) trace;
    (void) st;
    (void) unused;
    if (*left > 0 && --*left == 0)
        clock_freeze(clock_mono_ms() + 10000, clock_wall_ms());
    return 0;
}

/* Who runs out of time in the middle has found no damage. */
static void test_late(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    fill(s, 1, 50, 700);
    for (unsigned rows = 1; rows < 60; rows++) {
        unsigned left = rows;
        clock_freeze(1000000, 1000000);
        assert_int_equal(sqlite3_trace_v2(s->db, SQLITE_TRACE_ROW, on_row, &left), 0);
        assert_int_equal(store_check(s, false), 0);
        assert_int_equal(left, 0);
        clock_unfreeze();
    }
    assert_int_equal(sqlite3_trace_v2(s->db, 0, NULL, NULL), 0);
    store_close(s);
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_a_large_one),
        cmocka_unit_test(test_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
