/* Tests of broker/store.c: transactions. What is written is read back through store_private.h's
 * connection where store.h has no reader of its own. */
#include "store.h"

#include "store_fixture.h"
#include "store_private.h"

static int number_of(struct store *s, const char *sql, uint64_t *ret)
{
    sqlite3_stmt *st;
    assert_int_equal(store_prepare(s->db, sql, &st), 0);
    int r = store_step(st);
    *ret = r == 1 ? store_column(st, 0) : UINT64_MAX;
    (void) sqlite3_finalize(st);
    return r;
}

static uint64_t number(struct store *s, const char *sql)
{
    uint64_t n;
    assert_int_equal(number_of(s, sql, &n), 1);
    return n;
}

/* --- round trips --- */

struct seen_events {
    uint64_t expected;
    uint64_t n;
};

static int see_event(void *ctx, uint64_t first_seq, uint32_t n, struct slice events)
{
    struct seen_events *seen = ctx;
    uint8_t bytes[100];
    assert_int_equal(n, 1);
    assert_int_equal(first_seq, seen->expected++);
    fixture_bytes(first_seq, bytes, sizeof(bytes));
    assert_true(slice_eq(events, slice_of(bytes, sizeof(bytes))));
    seen->n++;
    return 0;
}

static void see_sender_ids(void *ctx, uint64_t at_ms, struct slice ids)
{
    uint64_t *n = ctx;
    uint8_t bytes[STORE_SENDER_ID_SIZE];
    (void) at_ms;
    fixture_bytes(++*n + 1000000, bytes, sizeof(bytes));
    assert_true(slice_eq(ids, slice_of(bytes, sizeof(bytes))));
}

static void test_what_is_written_is_read_after_a_restart(void **state)
{
    (void) state;
    char dir[64], id[ID_SIZE], last[ID_SIZE];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    assert_int_equal(store_next_seq(s), 1);
    store_last_event_id(s, id);
    assert_int_equal(strlen(id), ID_LEN);
    assert_int_equal(store_path(s, 3, "/a", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    uint64_t position;
    for (uint64_t seq = 1; seq <= 20; seq++) {
        assert_int_equal(store_begin(s), 0);
        assert_int_equal(fixture_webhook(s, seq), 0);
        assert_int_equal(fixture_batch(s, 3, seq, 700, &position), 0);
        assert_int_equal(position, (seq - 1) * 700);
        assert_int_equal(store_commit(s), 0);
    }
    store_close(s);

    s = fixture_open(dir);
    assert_int_equal(store_next_seq(s), 21);
    store_last_event_id(s, last);
    fixture_event_id(20, id);
    assert_string_equal(last, id);
    struct seen_events seen = {.expected = 8};
    assert_int_equal(store_load_events(s, 7, see_event, &seen), 0);
    assert_int_equal(seen.n, 13);
    uint64_t n = 0;
    assert_int_equal(store_load_sender_ids(s, see_sender_ids, &n), 0);
    assert_int_equal(n, 20);
    assert_int_equal(fixture_mark(s, FIXTURE_TRIGGER), 20);
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    struct store_path_state ps;
    store_path_state(s, 0, &ps);
    assert_int_equal(ps.count, 20);
    assert_int_equal(ps.bytes, 20 * 700);
    assert_int_equal(ps.oldest, 0);
    assert_int_equal(ps.tail, 1 << FIXTURE_SPAN);
    store_close(s);
    fixture_remove(dir);
}

static void test_webhook_without_events(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    uint8_t senders[2 * STORE_SENDER_ID_SIZE] = {1};
    struct store_webhook w = {.sender_ids = slice_of(senders, sizeof(senders))};
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_webhook(s, &w), 0);
    assert_int_equal(store_put_webhook(s, &(struct store_webhook){.first_seq = 0}), 0);
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(store_next_seq(s), 1);
    assert_int_equal(number(s, "SELECT count(*) FROM webhooks"), 0);
    assert_int_equal(number(s, "SELECT count(*) FROM sender_ids"), 1);
    store_close(s);
    fixture_remove(dir);
}

/* --- rollback --- */

static void test_rollback_takes_everything_back(void **state)
{
    (void) state;
    char dir[64], before[ID_SIZE], after[ID_SIZE];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    uint64_t first, again, mark;
    assert_int_equal(store_triggers(s, (const char *[]){FIXTURE_TRIGGER}, 1, &mark), 0);
    store_last_event_id(s, before);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(fixture_webhook(s, 1), 0);
    assert_int_equal(fixture_batch(s, 0, 1, 100, &first), 0);
    assert_int_equal(fixture_batch(s, 0, 2, 100, &again), 0);
    assert_int_equal(again, 100);
    store_rollback(s);
    assert_int_equal(store_next_seq(s), 1);
    store_last_event_id(s, after);
    assert_string_equal(before, after);
    struct store_path_state ps;
    store_path_state(s, 0, &ps);
    assert_true(ps.count == 0 && ps.bytes == 0 && ps.tail == 0);
    assert_int_equal(fixture_mark(s, FIXTURE_TRIGGER), 0);

    assert_int_equal(store_begin(s), 0);
    assert_int_equal(fixture_batch(s, 0, 1, 100, &again), 0);
    assert_int_equal(again, first);
    assert_int_equal(store_commit(s), 0);
    store_rollback(s); /* nothing to roll back: fine */
    assert_int_equal(number(s, "SELECT count(*) FROM webhooks"), 0);
    assert_int_equal(number(s, "SELECT count(*) FROM batches"), 1);
    store_close(s);
    fixture_remove(dir);
}

/* After an error of a put SQLite may have rolled back by itself: nothing more may be written, as it
 * would be committed on its own. */
static void test_failed_put_spoils_the_transaction(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    uint64_t position;
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(fixture_webhook(s, 1), 0);
    assert_int_equal(fixture_batch(s, 0, 1, (1 << FIXTURE_SPAN) + 1, &position), -EMSGSIZE);
    assert_int_equal(fixture_batch(s, 0, 1, 100, &position), -EMSGSIZE);
    assert_int_equal(fixture_webhook(s, 2), -EMSGSIZE);
    assert_int_equal(store_commit(s), -EMSGSIZE);
    assert_int_equal(number(s, "SELECT count(*) FROM webhooks"), 0);
    assert_int_equal(store_next_seq(s), 1);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(fixture_webhook(s, 1), 0);
    assert_int_equal(store_commit(s), 0);
    store_close(s);
    fixture_remove(dir);
}

/* SQLite itself runs out of room in the middle, as on a full disk. */
static void test_full_is_rolled_back_and_works_again(void **state)
{
    (void) state;
    char dir[64], sql[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    uint64_t position, pages = number(s, "PRAGMA page_count");
    (void) snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %u", (unsigned) pages + 4);
    (void) number(s, sql);
    int r = 0;
    assert_int_equal(store_begin(s), 0);
    for (uint64_t seq = 1; seq <= 100 && r == 0; seq++)
        r = fixture_batch(s, 0, seq, 2000, &position);
    assert_int_equal(r, -ENOSPC);
    assert_int_equal(store_errno(s) & 0xff, SQLITE_FULL);
    assert_int_equal(store_commit(s), -ENOSPC);
    struct store_path_state ps;
    store_path_state(s, 0, &ps);
    assert_true(ps.count == 0 && ps.tail == 0);
    (void) number(s, "PRAGMA max_page_count = 1000000");
    assert_int_equal(store_begin(s), 0);
    for (uint64_t seq = 1; seq <= 100; seq++)
        assert_int_equal(fixture_batch(s, 0, seq, 2000, &position), 0);
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(number(s, "SELECT count(*) FROM batches"), 100);
    store_close(s);
    fixture_remove(dir);
}

static void test_another_process_has_the_write_lock(void **state)
{
    (void) state;
    char dir[64], path[512];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    sqlite3 *other;
    fixture_path(path, dir, STORE_FILE);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    uint64_t begun = clock_mono_ms();
    assert_int_equal(store_begin(s), -EBUSY);
    assert_true(clock_mono_ms() - begun >= 90); /* busy_timeout_ms */
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(fixture_webhook(s, 1), 0);
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    store_close(s);
    fixture_remove(dir);
}

/* Notes come from another thread as bytes; those that are none must not be half carried out. */
static void test_bad_notes_are_refused(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    struct store_webhook w = {.notes = SLICE_LIT("nonsense")};
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_webhook(s, &w), -EBADMSG);
    assert_int_equal(store_commit(s), -EBADMSG);
    w = (struct store_webhook){.letters = SLICE_LIT("nonsense")};
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_webhook(s, &w), -EBADMSG);
    store_rollback(s);
    store_close(s);
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read_after_a_restart),
        cmocka_unit_test(test_webhook_without_events),
        cmocka_unit_test(test_rollback_takes_everything_back),
        cmocka_unit_test(test_failed_put_spoils_the_transaction),
        cmocka_unit_test(test_full_is_rolled_back_and_works_again),
        cmocka_unit_test(test_another_process_has_the_write_lock),
        cmocka_unit_test(test_bad_notes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
