/* Tests of broker/store_records.c: what is kept by name, changes, and what bounds operations. */
#include "store_fixture.h"

#include <inttypes.h>

static int change_of(struct store *s, const struct store_record *records, size_t n,
                     const char *trigger_id, uint64_t batched_seq)
{
    return store_put_change(
        s, &(struct store_change){
               .records = records, .n = n, .trigger_id = trigger_id, .batched_seq = batched_seq});
}

static void commit_change(struct store *s, const struct store_record *records, size_t n,
                          const char *trigger_id, uint64_t batched_seq)
{
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(change_of(s, records, n, trigger_id, batched_seq), 0);
    assert_int_equal(store_commit(s), 0);
}

static void list_record(void *ctx, const struct store_record *r)
{
    assert_int_equal(buf_printf(ctx, "%d %s=%.*s, ", (int) r->kind, r->id, (int) r->value.len,
                                (const char *) r->value.data),
                     0);
}

static void expect_records(struct store *s, const char *want)
{
    struct buf b;
    buf_init(&b, 4096);
    assert_int_equal(store_load_records(s, list_record, &b), 0);
    assert_int_equal(buf_append(&b, SLICE_LIT("\0")), 0);
    assert_string_equal((const char *) b.data, want);
    buf_fini(&b);
}

static void count_record(void *ctx, const struct store_record *r)
{
    uint64_t *n = ctx;
    assert_int_equal(r->kind, STORE_OPERATION);
    if (n[0]++ == 0)
        n[1] = strtoull(r->id, NULL, 10);
}

static void test_a_change_is_durable(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    expect_records(s, "");
    const struct store_record first[] = {{STORE_TRIGGER, "b", SLICE_LIT("one")},
                                         {STORE_OPERATION, "o1", SLICE_LIT("made")}};
    commit_change(s, first, 2, "b", 7);
    commit_change(s, &(struct store_record){STORE_TRIGGER, "a", SLICE_LIT("two")}, 1, "a", 5);
    const struct store_record second[] = {{STORE_OPERATION, "o2", SLICE_LIT("updated")},
                                          {STORE_TRIGGER, "b", SLICE_LIT("new")}};
    commit_change(s, second, 2, "b", 6); /* a mark never goes back */
    for (unsigned pass = 0; pass < 2; pass++) {
        expect_records(s, "1 a=two, 1 b=new, 2 o1=made, 2 o2=updated, ");
        assert_int_equal(fixture_mark(s, "a"), 5);
        assert_int_equal(fixture_mark(s, "b"), 7);
        if (pass == 0) {
            store_mark_failed(s); /* a kill; and the next start looks at every row */
            store_close(s);
            s = fixture_open(dir);
        }
    }
    const struct store_record last[] = {{STORE_TRIGGER, "b", {NULL, 0}},
                                        {STORE_TRIGGER, "never", {NULL, 0}},
                                        {STORE_OPERATION, "o1", {NULL, 0}}};
    commit_change(s, last, 3, NULL, 0);
    assert_true(fixture_mark(s, "b") == UINT64_MAX);
    store_close(s);
    s = fixture_open(dir);
    expect_records(s, "1 a=two, 2 o2=updated, ");
    assert_true(fixture_mark(s, "b") == UINT64_MAX);
    assert_int_equal(s->now.n_operations, 1);
    store_close(s);
    fixture_remove(dir);
}

static void test_a_rollback_changes_nothing(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    const struct store_record first[] = {{STORE_TRIGGER, "a", SLICE_LIT("one")},
                                         {STORE_OPERATION, "o1", SLICE_LIT("x")}};
    commit_change(s, first, 2, "a", 3);
    const struct store_record changes[] = {{STORE_TRIGGER, "a", {NULL, 0}},
                                           {STORE_TRIGGER, "b", SLICE_LIT("two")},
                                           {STORE_OPERATION, "o2", SLICE_LIT("y")}};
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(change_of(s, changes, 3, "b", 9), 0);
    assert_int_equal(s->now.n_operations, 2);
    store_rollback(s);
    expect_records(s, "1 a=one, 2 o1=x, ");
    assert_int_equal(fixture_mark(s, "a"), 3);
    assert_true(fixture_mark(s, "b") == UINT64_MAX);
    assert_int_equal(s->now.n_operations, 1);
    store_close(s);
    fixture_remove(dir);
}

/* Numbers given out before a change are not given out again, whether their events were stored or
 * not. */
static void test_numbers_go_on(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_change(s, &(struct store_change){.next_seq = 50}), 0);
    assert_int_equal(store_commit(s), 0);
    store_mark_failed(s);
    store_close(s);
    s = fixture_open(dir);
    assert_int_equal(store_next_seq(s), 50);
    store_close(s);
    fixture_remove(dir);
}

static void put_operations(struct store *s, uint64_t from, uint64_t n)
{
    char id[ID_SIZE];
    assert_int_equal(store_begin(s), 0);
    for (uint64_t i = from; i < from + n; i++) {
        (void) snprintf(id, sizeof(id), "%020" PRIu64, i);
        const struct store_record rec = {STORE_OPERATION, id, SLICE_LIT("operation")};
        assert_int_equal(change_of(s, &rec, 1, NULL, 0), 0);
    }
    assert_int_equal(store_commit(s), 0);
}

static void expect_operations(struct store *s, uint64_t n, uint64_t first)
{
    uint64_t found[2] = {0, 0};
    assert_int_equal(store_load_records(s, count_record, found), 0);
    assert_int_equal(found[0], n);
    assert_int_equal(found[1], first);
    assert_int_equal(s->now.n_operations, n);
}

static void test_operations_are_bounded(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store_options options = fixture_options(dir);
    options.no_sync = true;
    struct store *s = fixture_open_with(&options, NULL);
    put_operations(s, 1, STORE_MAX_OPERATIONS);
    expect_operations(s, STORE_MAX_OPERATIONS, 1);
    put_operations(s, STORE_MAX_OPERATIONS + 1, 3);
    expect_operations(s, STORE_MAX_OPERATIONS, 4);
    put_operations(s, STORE_MAX_OPERATIONS, 2); /* there already: none goes */
    expect_operations(s, STORE_MAX_OPERATIONS, 4);
    store_close(s);
    s = fixture_open_with(&options, NULL);
    expect_operations(s, STORE_MAX_OPERATIONS, 4);
    store_close(s);
    fixture_remove(dir);
}

/* Too old: they go with the next change, or when old things are looked for. */
static void test_old_operations_go(void **state)
{
    (void) state;
    char dir[64];
    bool more;
    const uint64_t wall = 1795323041672;
    fixture_dir(dir);
    clock_freeze(1000, wall);
    struct store *s = fixture_open(dir);
    put_operations(s, 1, 10);
    clock_freeze(2000, wall);
    put_operations(s, 11, 10);
    clock_freeze(1000 + STORE_OPERATION_AGE_MS, wall);
    assert_int_equal(store_retire(s, 3600000, &more), 0);
    expect_operations(s, 20, 1);
    clock_freeze(1001 + STORE_OPERATION_AGE_MS, wall);
    assert_int_equal(store_retire(s, 3600000, &more), 0);
    expect_operations(s, 10, 11);
    clock_freeze(2001 + STORE_OPERATION_AGE_MS, wall);
    put_operations(s, 21, 1);
    expect_operations(s, 1, 21);
    store_close(s);
    clock_unfreeze();
    fixture_remove(dir);
}

static void ignore_record(void *ctx, const struct store_record *r)
{
    (void) ctx;
    (void) r;
}

static void test_damaged_records_are_not_given(void **state)
{
    (void) state;
    static const char *const CHANGES[] = {
        "UPDATE records SET value = x'00' WHERE kind = 1",
        "UPDATE records SET at = at + 1",
        "UPDATE records SET id = 'c' WHERE kind = 1",
        "UPDATE records SET kind = 2",
        "UPDATE records SET kind = 3",
        "UPDATE records SET kind = 4",
        "UPDATE records SET sum = sum + 1",
    };
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    commit_change(s, &(struct store_record){STORE_TRIGGER, "a", SLICE_LIT("one")}, 1, "a", 1);
    for (size_t i = 0; i < ARRAY_LEN(CHANGES); i++) {
        assert_int_equal(store_begin(s), 0);
        assert_int_equal(store_exec(s->db, CHANGES[i]), 0);
        assert_int_equal(store_load_records(s, ignore_record, NULL), -EBADMSG);
        store_rollback(s);
    }
    store_close(s);
    fixture_remove(dir);
}

/* A store of the first version: nothing of it is lost, and it can keep records from then on. */
static void test_an_older_store_gets_the_table(void **state)
{
    (void) state;
    char dir[64], path[512];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    uint64_t marks[1];
    assert_int_equal(store_triggers(s, (const char *[]){"a"}, 1, marks), 0);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(fixture_webhook(s, 1), 0);
    assert_int_equal(store_commit(s), 0);
    store_close(s);
    sqlite3 *db;
    fixture_path(path, dir, STORE_FILE);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(store_exec(db, "DROP TABLE records; DROP TABLE tombstones;"
                                    "ALTER TABLE images DROP COLUMN at;"
                                    "ALTER TABLE tags DROP COLUMN at;"
                                    "ALTER TABLE dead_letters DROP COLUMN headers;"
                                    "PRAGMA user_version = 1"),
                     0);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);

    struct store_options options = fixture_options(dir);
    struct store_opened opened;
    s = fixture_open_with(&options, &opened);
    assert_true(!opened.made && opened.quarantine[0] == '\0');
    assert_int_equal(store_next_seq(s), 2);
    assert_int_equal(fixture_mark(s, "a"), 0);
    commit_change(s, &(struct store_record){STORE_TRIGGER, "a", SLICE_LIT("one")}, 1, "a", 1);
    store_close(s);
    s = fixture_open(dir);
    expect_records(s, "1 a=one, ");
    store_close(s);
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_change_is_durable),
        cmocka_unit_test(test_a_rollback_changes_nothing),
        cmocka_unit_test(test_numbers_go_on),
        cmocka_unit_test(test_operations_are_bounded),
        cmocka_unit_test(test_old_operations_go),
        cmocka_unit_test(test_damaged_records_are_not_given),
        cmocka_unit_test(test_an_older_store_gets_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
