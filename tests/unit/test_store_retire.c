/* Tests of broker/store_retire.c: what is deleted and when, and that clients can still be told. */
#include "store_fixture.h"
#include "store_private.h"

#define HOUR UINT64_C(3600000)

static uint64_t number(struct store *s, const char *sql)
{
    sqlite3_stmt *st;
    assert_int_equal(store_prepare(s->db, sql, &st), 0);
    assert_int_equal(store_step(st), 1);
    uint64_t n = store_column(st, 0);
    (void) sqlite3_finalize(st);
    return n;
}

static void put(struct store *s, uint32_t path, uint64_t from, uint64_t n, size_t len)
{
    uint64_t position;
    assert_int_equal(store_begin(s), 0);
    for (uint64_t seq = from; seq < from + n; seq++)
        assert_int_equal(fixture_batch(s, path, seq, len, &position), 0);
    assert_int_equal(store_commit(s), 0);
}

static unsigned retire_all(struct store *s)
{
    bool more = true;
    unsigned calls = 0;
    for (; more; calls++)
        assert_int_equal(store_retire(s, 24 * HOUR, &more), 0);
    return calls;
}

static void check_consistent(const char *dir)
{
    struct store_options options = fixture_options(dir);
    struct store_opened opened;
    struct store *s = fixture_open_with(&options, &opened);
    assert_true(opened.quarantine[0] == '\0');
    store_close(s);
}

/* --- limits; the clock stands still but for what a step says --- */

struct step {
    uint64_t after_ms; /* since the last */
    uint64_t put;      /* batches of 100 bytes */
    uint64_t kept;     /* after retiring */
};

static void run_steps(const struct store_limits *limits, const struct step *steps, size_t n)
{
    char dir[64];
    fixture_dir(dir);
    uint64_t now = 1000000, seq = 1;
    clock_freeze(now, 1795323041672);
    struct store *s = fixture_open(dir);
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, limits), 0);
    for (size_t i = 0; i < n; i++) {
        now += steps[i].after_ms;
        clock_freeze(now, 1795323041672);
        put(s, 0, seq, steps[i].put, 100);
        seq += steps[i].put;
        (void) retire_all(s);
        struct store_path_state ps;
        store_path_state(s, 0, &ps);
        if (ps.count != steps[i].kept || ps.bytes != 100 * ps.count)
            fail_msg("step %zu: %u kept", i, (unsigned) ps.count);
        assert_int_equal(ps.oldest, (seq - 1 - ps.count) * 100);
        assert_int_equal(ps.tail, (seq - 1) * 100);
        assert_int_equal(number(s, "SELECT count(*) FROM batches"), ps.count);
    }
    store_close(s);
    check_consistent(dir);
    clock_unfreeze();
    fixture_remove(dir);
}

static void test_limits(void **state)
{
    (void) state;
    struct store_limits limits = {.max_count = 10, .max_bytes = 1 << 20, .max_age_ms = HOUR};
    const struct step by_count[] = {{0, 5, 5}, {0, 5, 10}, {0, 1, 10}, {0, 25, 10}, {0, 0, 10}};
    run_steps(&limits, by_count, ARRAY_LEN(by_count));

    limits = (struct store_limits){.max_count = 1000, .max_bytes = 1000, .max_age_ms = HOUR};
    const struct step by_bytes[] = {{0, 5, 5}, {0, 5, 10}, {0, 1, 10}, {0, 25, 10}};
    run_steps(&limits, by_bytes, ARRAY_LEN(by_bytes));

    limits = (struct store_limits){.max_count = 1000, .max_bytes = 1 << 20, .max_age_ms = 1000};
    const struct step by_age[] = {{0, 5, 5},   {600, 3, 8},  {400, 0, 8}, {1, 0, 3},
                                  {600, 1, 1}, {1001, 0, 0}, {0, 2, 2}};
    run_steps(&limits, by_age, ARRAY_LEN(by_age));

    limits = (struct store_limits){
        .max_count = 10, .max_bytes = 2000, .max_age_ms = HOUR, .count_grace_ms = 500};
    const struct step graced[] = {{0, 15, 15}, {499, 0, 15}, {1, 0, 10}, {0, 5, 10}, {0, 30, 20}};
    run_steps(&limits, graced, ARRAY_LEN(graced));
}

static void test_in_chunks(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    const struct store_limits limits = {.max_count = 10, .max_bytes = 1 << 30, .max_age_ms = HOUR};
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &limits), 0);
    assert_int_equal(store_path(s, 1, "/b", FIXTURE_SPAN, &limits), 0);
    put(s, 0, 1, 3000, 10);
    put(s, 1, 1, 3000, 10);
    bool more = false;
    assert_int_equal(store_retire(s, HOUR, &more), 0);
    assert_true(more);
    assert_int_equal(number(s, "SELECT count(*) FROM batches"), 4000);
    assert_true(retire_all(s) >= 2);
    assert_int_equal(number(s, "SELECT count(*) FROM batches"), 20);
    /* Inside of a transaction it is part of it. */
    put(s, 0, 5001, 50, 10);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_retire(s, HOUR, &more), 0);
    store_rollback(s);
    struct store_path_state ps;
    store_path_state(s, 0, &ps);
    assert_int_equal(ps.count, 60);
    store_close(s);
    check_consistent(dir);
    fixture_remove(dir);
}

/* The ids of the newest batch deleted are remembered: who saw it missed nothing. */
static void test_gone_ids(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    const struct store_limits limits = {.max_count = 4, .max_bytes = 1 << 30, .max_age_ms = HOUR};
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &limits), 0);
    put(s, 0, 1, 10, 100);
    (void) retire_all(s);
    store_close(s);
    struct store_options options = fixture_options(dir);
    struct store_reader *r;
    assert_int_equal(store_reader_open(&options, &r), 0);
    for (uint64_t seq = 1; seq <= 11; seq++) {
        uint8_t id[ID_PACKED_SIZE];
        enum store_found found;
        uint64_t position = 99;
        fixture_packed_id(seq, id);
        assert_int_equal(store_reader_find(r, "/a", slice_of(id, sizeof(id)), &found, &position),
                         0);
        assert_int_equal(found, seq < 6                ? STORE_GONE
                                : seq == 6 || seq > 10 ? STORE_BETWEEN
                                                       : STORE_FOUND);
        if (seq >= 6 && seq <= 10)
            assert_int_equal(position, seq * 100);
    }
    store_reader_close(r);
    fixture_remove(dir);
}

static void check_found(const char *dir, uint64_t seq, enum store_found expected,
                        uint64_t expected_position)
{
    struct store_options options = fixture_options(dir);
    struct store_reader *r;
    uint8_t id[ID_PACKED_SIZE];
    enum store_found found;
    uint64_t position = 99;
    fixture_packed_id(seq, id);
    assert_int_equal(store_reader_open(&options, &r), 0);
    assert_int_equal(store_reader_find(r, "/a", slice_of(id, sizeof(id)), &found, &position), 0);
    assert_int_equal(found, expected);
    if (found != STORE_GONE)
        assert_int_equal(position, expected_position);
    store_reader_close(r);
}

/* A history that begins anew leads nobody from what was before to what comes after, though ids of
 * what comes after may be below those of what was before; another path's stays. */
static void test_cut(void **state)
{
    (void) state;
    char dir[64];
    uint8_t floor[ID_PACKED_SIZE];
    struct store_path_state ps;
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    assert_int_equal(store_path(s, 1, "/b", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    put(s, 0, 10, 5, 100);
    put(s, 1, 1, 3, 100);
    uint64_t position = 0, after = 0;
    fixture_packed_id(5, floor);
    for (unsigned undone = 1; undone <= 2; undone++) {
        assert_int_equal(store_begin(s), 0);
        assert_int_equal(store_cut_path(s, 0, floor, &position), 0);
        assert_int_equal(position, 500);
        assert_int_equal(fixture_batch(s, 0, 6, 100, &after), 0);
        assert_int_equal(after, 500);
        if (undone == 2)
            break;
        store_rollback(s);
        store_path_state(s, 0, &ps);
        assert_int_equal(ps.count, 5);
        check_found(dir, 12, STORE_FOUND, 300);
    }
    assert_int_equal(fixture_batch(s, 0, 8, 100, &after), 0);
    assert_int_equal(store_commit(s), 0);
    store_path_state(s, 0, &ps);
    assert_int_equal(ps.count, 2);
    assert_int_equal(ps.bytes, 200);
    assert_int_equal(ps.oldest, 500);
    assert_int_equal(ps.tail, 700);
    assert_int_equal(number(s, "SELECT count(*) FROM batches"), 5);
    check_found(dir, 4, STORE_GONE, 0);
    check_found(dir, 5, STORE_GONE, 0);
    check_found(dir, 6, STORE_FOUND, 600);
    check_found(dir, 7, STORE_BETWEEN, 600);
    check_found(dir, 8, STORE_FOUND, 700);
    check_found(dir, 12, STORE_BETWEEN, 700);
    store_close(s);
    check_consistent(dir);
    fixture_remove(dir);
}

/* A path that is no longer configured keeps its history for as long as the defaults say, and goes
 * with it; its number can be given again. */
static void test_paths_no_longer_configured(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    clock_freeze(1000000, 1795323041672);
    struct store *s = fixture_open(dir);
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    assert_int_equal(store_path(s, 1, "/b", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    put(s, 0, 1, 3, 100);
    put(s, 1, 4, 3, 100);
    store_close(s);
    s = fixture_open(dir);
    assert_int_equal(store_path(s, 0, "/b", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    (void) retire_all(s);
    assert_int_equal(number(s, "SELECT count(*) FROM batches"), 6);
    clock_freeze(1000000 + HOUR + 1, 1795323041672);
    (void) retire_all(s);
    assert_int_equal(number(s, "SELECT count(*) FROM batches"), 0);
    assert_int_equal(number(s, "SELECT count(*) FROM paths"), 1);
    assert_int_equal(number(s, "SELECT count(*) FROM gone"), 1);
    assert_int_equal(store_path(s, 1, "/c", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    assert_int_equal(number(s, "SELECT id FROM paths WHERE name = '/b'"), 2);
    put(s, 1, 7, 3, 100);
    store_close(s);
    check_consistent(dir);
    clock_unfreeze();
    fixture_remove(dir);
}

/* --- events and sender ids --- */

static void put_webhooks(struct store *s, uint64_t from, uint64_t n)
{
    assert_int_equal(store_begin(s), 0);
    for (uint64_t seq = from; seq < from + n; seq++)
        assert_int_equal(fixture_webhook(s, seq), 0);
    assert_int_equal(store_commit(s), 0);
}

static int count_events(void *ctx, uint64_t first_seq, uint32_t n, struct slice events)
{
    (void) first_seq;
    (void) events;
    *(uint64_t *) ctx += n;
    return 0;
}

static void no_attempt(void *ctx, uint64_t key, unsigned attempts)
{
    (void) key;
    (void) attempts;
    ++*(unsigned *) ctx;
}

static void test_settle(void **state)
{
    (void) state;
    char dir[64], id[ID_SIZE], last[ID_SIZE];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    uint64_t marks[2];
    assert_int_equal(store_triggers(s, (const char *[]){"one", "two"}, 2, marks), 0);
    put_webhooks(s, 1, 10);
    char last_id[ID_SIZE];
    fixture_event_id(15, last_id);
    struct store_webhook w = {
        .first_seq = 11, .n_events = 5, .last_event_id = last_id, .events = SLICE_LIT("five")};
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_webhook(s, &w), 0);
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(store_count_attempt(s, STORE_ATTEMPT_EVENT, 4), 1);
    assert_int_equal(store_count_attempt(s, STORE_ATTEMPT_EVENT, 14), 1);

    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_settle_events(s, 13), 0); /* in the middle of the webhook: it stays */
    store_rollback(s);
    uint64_t n = 0;
    assert_int_equal(store_load_events(s, 0, count_events, &n), 0);
    assert_int_equal(n, 15);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_settle_events(s, 13), 0);
    assert_int_equal(store_commit(s), 0);
    n = 0;
    assert_int_equal(store_load_events(s, 0, count_events, &n), 0);
    assert_int_equal(n, 5);
    n = 0;
    assert_int_equal(store_load_events(s, 14, count_events, &n), 0);
    assert_int_equal(n, 5);
    n = 0;
    assert_int_equal(store_load_events(s, 15, count_events, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(store_load_events(s, UINT64_MAX, count_events, &n), 0);
    assert_int_equal(n, 0);
    unsigned attempts = 0;
    assert_int_equal(store_load_attempts(s, STORE_ATTEMPT_EVENT, no_attempt, &attempts), 0);
    assert_int_equal(attempts, 1);

    /* Numbers and ids go on when no row says where they were. */
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_settle_events(s, 15), 0);
    assert_int_equal(store_commit(s), 0);
    store_close(s);
    s = fixture_open(dir);
    assert_int_equal(number(s, "SELECT count(*) FROM webhooks"), 0);
    assert_int_equal(store_next_seq(s), 16);
    store_last_event_id(s, last);
    fixture_event_id(15, id);
    assert_string_equal(last, id);
    assert_true(fixture_mark(s, "one") == 15 && fixture_mark(s, "two") == 15);
    store_close(s);
    fixture_remove(dir);
}

static void test_settle_goes_never_back(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    put_webhooks(s, 1, 10);
    put(s, 0, 9, 1, 100);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_settle_events(s, 5), 0);
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(fixture_mark(s, FIXTURE_TRIGGER), 9);
    store_close(s);
    fixture_remove(dir);
}

static void test_sender_ids_go_after_their_window(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store_options options = fixture_options(dir);
    options.no_sync = true;
    clock_freeze(1000000, 1795323041672);
    struct store *s = fixture_open_with(&options, NULL);
    for (uint64_t seq = 1; seq <= 2500; seq++)
        put_webhooks(s, seq, 1);
    clock_freeze(1000000 + 24 * HOUR, 1795323041672);
    for (uint64_t seq = 2501; seq <= 2510; seq++)
        put_webhooks(s, seq, 1);
    bool more = true;
    assert_int_equal(store_retire(s, 24 * HOUR, &more), 0);
    assert_false(more);
    assert_int_equal(number(s, "SELECT count(*) FROM sender_ids"), 2510);
    clock_freeze(1000001 + 24 * HOUR, 1795323041672);
    assert_int_equal(store_retire(s, 24 * HOUR, &more), 0);
    assert_true(more);
    assert_int_equal(number(s, "SELECT count(*) FROM sender_ids"), 510);
    (void) retire_all(s);
    assert_int_equal(number(s, "SELECT count(*) FROM sender_ids"), 10);
    store_close(s);
    clock_unfreeze();
    fixture_remove(dir);
}

/* --- the WAL --- */

static int64_t size_of(const char *dir, const char *name)
{
    char path[512];
    struct stat st;
    fixture_path(path, dir, name);
    return stat(path, &st) == 0 ? (int64_t) st.st_size : -1;
}

static void test_the_wal_stays_short(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store_options options = fixture_options(dir);
    options.no_sync = true;
    struct store *s = fixture_open_with(&options, NULL);
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    for (uint64_t i = 0; i < 400; i++) {
        put(s, 0, 100 * i + 1, 100, 700);
        assert_int_equal(store_checkpoint(s), 0);
        assert_true(size_of(dir, "journal.db-wal") < 20 << 20);
    }
    assert_true(size_of(dir, "journal.db") > 8 << 20); /* what was written back */
    store_close(s);
    assert_true(size_of(dir, "journal.db-wal") <= 0);
    fixture_remove(dir);
}

/* A reader that stands still holds the WAL, but not the writer; once it is gone the WAL is cut. */
static void test_a_long_wal_is_cut(void **state)
{
    (void) state;
    char dir[64], path[512];
    fixture_dir(dir);
    struct store_options options = fixture_options(dir);
    options.no_sync = true;
    options.busy_timeout_ms = 5000;
    struct store *s = fixture_open_with(&options, NULL);
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    sqlite3 *reader;
    fixture_path(path, dir, STORE_FILE);
    assert_int_equal(sqlite3_open(path, &reader), SQLITE_OK);
    assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM batches", NULL, NULL, NULL),
                     SQLITE_OK);
    uint64_t seq = 1, slowest = 0;
    while (size_of(dir, "journal.db-wal") < 70 << 20) {
        put(s, 0, seq, 1000, 700);
        seq += 1000;
        uint64_t begun = clock_mono_ms();
        assert_int_equal(store_checkpoint(s), 0);
        uint64_t took = clock_mono_ms() - begun;
        slowest = took > slowest ? took : slowest;
    }
    assert_true(slowest < 4000); /* the busy time is not for checkpoints */
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
    for (int i = 0; i < 60 && size_of(dir, "journal.db-wal") > 0; i++) {
        put(s, 0, seq, 1000, 700);
        seq += 1000;
        assert_int_equal(store_checkpoint(s), 0);
    }
    assert_true(size_of(dir, "journal.db-wal") < 8 << 20);
    store_close(s);
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_in_chunks),
        cmocka_unit_test(test_gone_ids),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_paths_no_longer_configured),
        cmocka_unit_test(test_settle),
        cmocka_unit_test(test_settle_goes_never_back),
        cmocka_unit_test(test_sender_ids_go_after_their_window),
        cmocka_unit_test(test_the_wal_stays_short),
        cmocka_unit_test(test_a_long_wal_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
