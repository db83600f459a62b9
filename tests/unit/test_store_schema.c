/* Tests of broker/store_schema.c: errors, versions, migrations, settings, checksums. */
#include "store_schema.h"

#include "store_fixture.h"

static sqlite3 *memory(void)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    return db;
}

static void test_errors(void **state)
{
    (void) state;
    static const struct {
        int rc, error;
    } CASES[] = {
        {SQLITE_OK, 0},
        {SQLITE_ROW, 0},
        {SQLITE_DONE, 0},
        {SQLITE_FULL, -ENOSPC},
        {SQLITE_BUSY, -EBUSY},
        {SQLITE_BUSY_SNAPSHOT, -EBUSY},
        {SQLITE_LOCKED, -EBUSY},
        {SQLITE_CORRUPT, -EBADMSG},
        {SQLITE_CORRUPT_VTAB, -EBADMSG},
        {SQLITE_NOTADB, -EBADMSG},
        {SQLITE_ERROR, -EBADMSG},
        {SQLITE_CONSTRAINT_PRIMARYKEY, -EBADMSG},
        {SQLITE_NOMEM, -ENOMEM},
        {SQLITE_IOERR_NOMEM, -ENOMEM},
        {SQLITE_IOERR, -EIO},
        {SQLITE_IOERR_FSYNC, -EIO},
        {SQLITE_IOERR_WRITE, -EIO},
        {SQLITE_IOERR_READ, -EIO},
        {SQLITE_IOERR_SHORT_READ, -EBADMSG},
        {SQLITE_IOERR_DATA, -EBADMSG},
        {SQLITE_CANTOPEN, -EIO},
        {SQLITE_READONLY, -EIO},
        {SQLITE_READONLY_DBMOVED, -EIO},
        {SQLITE_PROTOCOL, -EIO},
        {SQLITE_INTERRUPT, -EINTR},
        {SQLITE_TOOBIG, -EMSGSIZE},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        if (store_error(NULL, CASES[i].rc) != CASES[i].error)
            fail_msg("%d: %d", CASES[i].rc, store_error(NULL, CASES[i].rc));
}

/* The same result of SQLite is a full disk or a broken one by the errno of the system call. */
static void test_errno_tells_a_full_disk(void **state)
{
    (void) state;
    sqlite3 *db = NULL;
    /* Fails with an errno, but of another kind. */
    assert_int_not_equal(sqlite3_open_v2("/proc/none/none", &db, SQLITE_OPEN_READWRITE, NULL),
                         SQLITE_OK);
    assert_int_equal(store_error(db, SQLITE_IOERR_WRITE), -EIO);
    (void) sqlite3_close(db);
    if (access("/dev/full", W_OK) != 0)
        return;
    assert_int_equal(sqlite3_open_v2("/dev/full", &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    (void) sqlite3_exec(db, "PRAGMA journal_mode = OFF; CREATE TABLE t(x)", NULL, NULL, NULL);
    assert_int_equal(store_error(db, sqlite3_extended_errcode(db)), -ENOSPC);
    (void) sqlite3_close(db);
}

static void test_the_schema_is_made_once(void **state)
{
    (void) state;
    sqlite3 *db = memory();
    unsigned from = 99, version = 99;
    assert_int_equal(store_version(db, &version), 0);
    assert_int_equal(version, 0);
    assert_int_equal(store_migrate(db, STORE_MIGRATIONS, STORE_VERSION, &from), 0);
    assert_int_equal(from, 0);
    assert_int_equal(store_version(db, &version), 0);
    assert_int_equal(version, STORE_VERSION);
    assert_int_equal(store_migrate(db, STORE_MIGRATIONS, STORE_VERSION, &from), 0);
    assert_int_equal(from, STORE_VERSION);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_newer_and_foreign_files_are_refused(void **state)
{
    (void) state;
    unsigned from = 99;
    sqlite3 *db = memory();
    assert_int_equal(store_migrate(db, STORE_MIGRATIONS, STORE_VERSION, &from), 0);
    assert_int_equal(store_exec(db, "PRAGMA user_version = 1000"), 0);
    assert_int_equal(store_migrate(db, STORE_MIGRATIONS, STORE_VERSION, &from), -ENOTSUP);
    assert_int_equal(store_exec(db, "PRAGMA user_version = -1"), 0);
    assert_int_equal(store_migrate(db, STORE_MIGRATIONS, STORE_VERSION, &from), -EBADMSG);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);

    static const char *const FOREIGN[] = {"CREATE TABLE t(x)", "PRAGMA user_version = 1",
                                          "PRAGMA application_id = 7"};
    for (size_t i = 0; i < ARRAY_LEN(FOREIGN); i++) {
        db = memory();
        assert_int_equal(store_exec(db, FOREIGN[i]), 0);
        assert_int_equal(store_migrate(db, STORE_MIGRATIONS, STORE_VERSION, &from), -EBADMSG);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
    }
}

static uint64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st;
    assert_int_equal(store_prepare(db, sql, &st), 0);
    assert_int_equal(store_step(st), 1);
    uint64_t n = store_column(st, 0);
    (void) sqlite3_finalize(st);
    return n;
}

/* Versions that there will be: each step once, in order, and all of them or none. */
static void test_migrations_are_one_transaction(void **state)
{
    (void) state;
    const struct store_migration steps[] = {
        STORE_MIGRATIONS[0],
        {"CREATE TABLE two(x INTEGER); INSERT INTO two VALUES(2);"},
        {"INSERT INTO two SELECT x + 1 FROM two; CREATE TABLE three(x);"},
    };
    const struct store_migration broken[] = {
        steps[0],
        steps[1],
        {"CREATE TABLE three(x); INSERT INTO nowhere VALUES(1);"},
    };
    sqlite3 *db = memory();
    unsigned from, version;
    assert_int_equal(store_migrate(db, steps, 1, &from), 0);
    assert_int_equal(store_migrate(db, broken, 3, &from), -EBADMSG);
    assert_int_equal(store_version(db, &version), 0);
    assert_int_equal(version, 1);
    assert_int_equal(number(db, "SELECT count(*) FROM sqlite_schema"
                                " WHERE name IN ('two', 'three')"),
                     0);
    assert_int_equal(sqlite3_get_autocommit(db), 1);
    assert_int_equal(store_migrate(db, steps, 3, &from), 0);
    assert_int_equal(from, 1);
    assert_int_equal(number(db, "SELECT count(*) * 100 + sum(x) FROM two"), 205);
    assert_int_equal(store_migrate(db, steps, 2, &from), -ENOTSUP);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_settings(void **state)
{
    (void) state;
    char dir[64], path[512];
    fixture_dir(dir);
    fixture_path(path, dir, "x.db");
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(store_pragmas(db, true, false, 1234), 0);
    assert_int_equal(number(db, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
    assert_int_equal(number(db, "PRAGMA synchronous"), 2);
    assert_int_equal(number(db, "PRAGMA wal_autocheckpoint"), 0);
    assert_int_equal(number(db, "PRAGMA page_size"), STORE_PAGE);
    assert_int_equal(number(db, "PRAGMA busy_timeout"), 1234);
    assert_int_equal(number(db, "PRAGMA trusted_schema"), 0);
    assert_int_equal(number(db, "PRAGMA cell_size_check"), 1);
    assert_int_equal(number(db, "PRAGMA mmap_size"), 0);
    assert_int_equal(store_pragmas(db, true, true, 1234), 0);
    assert_int_equal(number(db, "PRAGMA synchronous"), 0);
    assert_int_equal(store_pragmas(db, false, false, UINT64_MAX), 0);
    assert_int_equal(store_exec(db, "CREATE TABLE t(x)"), -EIO); /* a reader writes nothing */
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    fixture_remove(dir);
}

/* Whatever of a batch changes, the half of the sum that is meant for it changes. */
static void test_sums_cover_what_they_say(void **state)
{
    (void) state;
    struct slice high = SLICE_LIT("01234567890"), ids = SLICE_LIT("01234567890"),
                 frames = SLICE_LIT("frames");
    uint64_t sum = store_sum_batch(7, 8, high, ids, frames);
    assert_int_equal(sum >> 32, store_sum_batch_ids(7, 8, high, ids));
    assert_int_equal((uint32_t) sum, store_sum_batch_frames(7, frames));
    assert_int_not_equal(sum >> 32, store_sum_batch(9, 8, high, ids, frames) >> 32);
    assert_int_not_equal((uint32_t) sum, (uint32_t) store_sum_batch(9, 8, high, ids, frames));
    assert_int_not_equal(sum >> 32, store_sum_batch(7, 9, high, ids, frames) >> 32);
    struct slice other = SLICE_LIT("x1234567890");
    assert_int_not_equal(sum >> 32, store_sum_batch(7, 8, other, ids, frames) >> 32);
    assert_int_not_equal(sum >> 32, store_sum_batch(7, 8, high, other, frames) >> 32);
    assert_int_not_equal((uint32_t) sum, (uint32_t) store_sum_batch(7, 8, high, ids, other));
    /* Bytes that move from one field to the next. */
    assert_int_not_equal(store_sum_row(1, 2, 3, SLICE_LIT("ab"), SLICE_LIT("c")),
                         store_sum_row(1, 2, 3, SLICE_LIT("a"), SLICE_LIT("bc")));
    assert_int_not_equal(store_sum_row(1, 2, 3, ids, ids), store_sum_row(1, 2, 4, ids, ids));
}

static void test_paths_rows(void **state)
{
    (void) state;
    sqlite3 *db = memory();
    unsigned from;
    assert_int_equal(store_migrate(db, STORE_MIGRATIONS, STORE_VERSION, &from), 0);
    struct store_path_row row = {.id = 3,
                                 .name = "/a",
                                 .span_bits = 18,
                                 .tail = 500,
                                 .tail_n = 2,
                                 .oldest = 100,
                                 .count = 4,
                                 .bytes = 400,
                                 .high_id = SLICE_LIT("01234567890")};
    char sql[256];
    (void) snprintf(sql, sizeof(sql),
                    "INSERT INTO paths(" STORE_PATH_COLUMNS
                    ") VALUES(3, '/a', 18, 500, 2, 100, 4, 400, CAST('01234567890' AS BLOB), %u)",
                    store_sum_path(&row));
    assert_int_equal(store_exec(db, sql), 0);

    static const char *const DAMAGE[] = {
        NULL,          "id = 4",    "name = '/b'", "span_bits = 19", "tail = 501",   "tail_n = 3",
        "oldest = 99", "count = 5", "bytes = 401", "high_id = x''",  "sum = sum + 1"};
    for (size_t i = 0; i < ARRAY_LEN(DAMAGE); i++) {
        assert_int_equal(store_exec(db, "BEGIN"), 0);
        (void) snprintf(sql, sizeof(sql), "UPDATE paths SET %s", DAMAGE[i]);
        if (DAMAGE[i] != NULL)
            assert_int_equal(store_exec(db, sql), 0);
        sqlite3_stmt *st;
        assert_int_equal(store_prepare(db, "SELECT " STORE_PATH_COLUMNS " FROM paths", &st), 0);
        assert_int_equal(store_step(st), 1);
        struct store_path_row got;
        int r = store_path_row(st, &got);
        if (r != (DAMAGE[i] == NULL ? 0 : -EBADMSG))
            fail_msg("%s: %d", DAMAGE[i], r);
        if (r == 0)
            assert_true(got.id == 3 && got.tail == 500 && slice_eq(got.high_id, row.high_id));
        (void) sqlite3_finalize(st);
        assert_int_equal(store_exec(db, "ROLLBACK"), 0);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_meta(void **state)
{
    (void) state;
    sqlite3 *db = memory();
    unsigned from;
    char sql[128], value[STORE_META_MAX];
    assert_int_equal(store_migrate(db, STORE_MIGRATIONS, STORE_VERSION, &from), 0);
    (void) snprintf(sql, sizeof(sql), "INSERT INTO meta VALUES('k', 'value', %u)",
                    store_sum_meta("k", SLICE_LIT("value")));
    assert_int_equal(store_exec(db, sql), 0);
    sqlite3_stmt *st;
    assert_int_equal(store_prepare(db, STORE_META_SQL, &st), 0);
    assert_int_equal(store_meta_get(st, "k", value), 0);
    assert_string_equal(value, "value");
    assert_int_equal(store_meta_get(st, "none", value), -ENOENT);
    assert_int_equal(store_exec(db, "UPDATE meta SET value = 'valve'"), 0);
    assert_int_equal(store_meta_get(st, "k", value), -EBADMSG);
    (void) sqlite3_finalize(st);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_errno_tells_a_full_disk),
        cmocka_unit_test(test_the_schema_is_made_once),
        cmocka_unit_test(test_newer_and_foreign_files_are_refused),
        cmocka_unit_test(test_migrations_are_one_transaction),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_sums_cover_what_they_say),
        cmocka_unit_test(test_paths_rows),
        cmocka_unit_test(test_meta),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
