/* Tests of broker/store_open.c: opening what is there, and what is not as it should be. */
#include "store_fixture.h"
#include "store_private.h"

#include <sys/wait.h>

static void sql_on_file(const char *dir, const char *sql)
{
    char path[512];
    sqlite3 *db;
    fixture_path(path, dir, STORE_FILE);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    (void) sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static int open_error(const char *dir, int64_t *pid)
{
    struct store_options options = fixture_options(dir);
    struct store *s = NULL;
    struct store_opened opened;
    int64_t unused;
    int r = store_open(&options, &s, &opened, pid == NULL ? &unused : pid);
    if (r == 0)
        store_close(s);
    return r;
}

static void fill(const char *dir)
{
    struct store_options options = fixture_options(dir);
    options.no_sync = true;
    struct store *s = fixture_open_with(&options, NULL);
    uint64_t position;
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    for (uint64_t seq = 1; seq <= 50; seq++) { /* a commit each, so rows of their own */
        assert_int_equal(store_begin(s), 0);
        assert_int_equal(fixture_webhook(s, seq), 0);
        assert_int_equal(fixture_batch(s, 0, seq, 700, &position), 0);
        assert_int_equal(store_commit(s), 0);
    }
    store_close(s);
}

static void test_first_and_second_start(void **state)
{
    (void) state;
    char dir[64], birth[ID_SIZE], again[ID_SIZE];
    fixture_dir(dir);
    struct store_options options = fixture_options(dir);
    struct store_opened opened;
    struct store *s = fixture_open_with(&options, &opened);
    assert_true(opened.made && !opened.checked && opened.quarantine[0] == '\0');
    store_last_event_id(s, birth);
    store_close(s);
    s = fixture_open_with(&options, &opened);
    assert_true(!opened.made && !opened.checked && opened.quarantine[0] == '\0');
    store_last_event_id(s, again);
    assert_string_equal(birth, again);
    struct id_gen gen = {0};
    assert_true(id_gen_resume(&gen, slice_str(birth)));
    uint64_t now = clock_wall_ms();
    assert_true(gen.last_ms <= now && gen.last_ms + 60000 > now);
    store_close(s);
    store_close(NULL);
    fixture_remove(dir);
}

/* Killed between the schema and the birth: the next start makes what is missing. */
static void test_half_made_store(void **state)
{
    (void) state;
    char dir[64], id[ID_SIZE];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    store_close(s);
    sql_on_file(dir, "DELETE FROM meta");
    struct store_options options = fixture_options(dir);
    struct store_opened opened;
    s = fixture_open_with(&options, &opened);
    assert_true(opened.quarantine[0] == '\0');
    store_last_event_id(s, id);
    assert_int_equal(strlen(id), ID_LEN);
    store_close(s);
    fixture_remove(dir);
}

static void test_newer_schema_is_refused_and_untouched(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    fill(dir);
    sql_on_file(dir, "PRAGMA user_version = 5; CREATE TABLE of_the_future(x)");
    assert_int_equal(open_error(dir, NULL), -ENOTSUP);
    sql_on_file(dir, "DROP TABLE of_the_future; PRAGMA user_version = 4");
    struct store *s = fixture_open(dir);
    assert_int_equal(store_next_seq(s), 51);
    store_close(s);
    fixture_remove(dir);
}

/* Each of these is found at a start, and the store begun anew. */
static void test_damage_is_set_aside(void **state)
{
    (void) state;
    static const char *const DAMAGE[] = {
        "UPDATE meta SET value = value || '0' WHERE key = 'next_seq'",
        "DELETE FROM meta WHERE key = 'birth'",
        "DELETE FROM meta WHERE key = 'last_event'",
        "UPDATE meta SET value = 'x' WHERE key = 'clock'",
        "UPDATE paths SET tail = tail + 1",
        "DELETE FROM paths",
        "DELETE FROM gone",
        "UPDATE gone SET ids = x''",
        "UPDATE triggers SET last_seq = 7",
        "DELETE FROM batches WHERE (key & 65535) % 1400 = 0",
        "UPDATE batches SET frames = zeroblob(700) WHERE (key & 65535) % 3500 = 0",
        "UPDATE webhooks SET n = 2 WHERE seq = 3",
        "UPDATE sender_ids SET at = at + 1 WHERE k = 9",
        "DROP TABLE batches",
        "ALTER TABLE webhooks DROP COLUMN events",
        "PRAGMA application_id = 1",
        "DROP TABLE attempts",
        "DROP TABLE records",
    };
    for (size_t i = 0; i < ARRAY_LEN(DAMAGE); i++) {
        char dir[64];
        fixture_dir(dir);
        fill(dir);
        sql_on_file(dir, DAMAGE[i]);
        struct store_options options = fixture_options(dir);
        struct store_opened opened;
        struct store *s = fixture_open_with(&options, &opened);
        if (opened.quarantine[0] == '\0' || !exists(opened.quarantine))
            fail_msg("not found: %s", DAMAGE[i]);
        assert_true(opened.made && strstr(opened.quarantine, ".damaged-") != NULL);
        assert_int_equal(store_next_seq(s), 1);
        store_close(s);
        s = fixture_open_with(&options, &opened);
        assert_true(!opened.made && opened.quarantine[0] == '\0');
        store_close(s);
        fixture_remove(dir);
    }
}

static void overwrite(const char *path, off_t at, const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, len, at), (ssize_t) len);
    (void) close(fd);
}

static void test_not_a_database_is_set_aside_as_it_is(void **state)
{
    (void) state;
    char dir[64], path[512], text[32] = "";
    fixture_dir(dir);
    fixture_path(path, dir, STORE_FILE);
    overwrite(path, 0, "this is my shopping list\n", 25);
    struct store_options options = fixture_options(dir);
    struct store_opened opened;
    struct store *s = fixture_open_with(&options, &opened);
    int fd = open(opened.quarantine, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, text, sizeof(text)), 25);
    assert_string_equal(text, "this is my shopping list\n");
    (void) close(fd);
    store_close(s);
    fixture_remove(dir);
}

/* A kill between the renames of a database and its WAL, or a database that somebody deleted. */
static void test_wal_without_database_is_set_aside(void **state)
{
    (void) state;
    char dir[64], path[512], wal[600];
    fixture_dir(dir);
    fixture_path(path, dir, STORE_FILE "-wal");
    overwrite(path, 0, "frames", 6);
    struct store_options options = fixture_options(dir);
    struct store_opened opened;
    struct store *s = fixture_open_with(&options, &opened);
    assert_true(opened.made && opened.quarantine[0] != '\0');
    (void) snprintf(wal, sizeof(wal), "%s-wal", opened.quarantine);
    assert_true(exists(wal));
    store_close(s);
    fixture_remove(dir);
}

static void test_two_damaged_ones_in_one_second(void **state)
{
    (void) state;
    char dir[64], path[512], first[256];
    fixture_dir(dir);
    struct store_options options = fixture_options(dir);
    struct store_opened opened;
    clock_freeze(1000, 1795323041672);
    fixture_path(path, dir, STORE_FILE);
    overwrite(path, 0, "one", 3);
    store_close(fixture_open_with(&options, &opened));
    (void) snprintf(first, sizeof(first), "%s", opened.quarantine);
    assert_non_null(strstr(first, "/journal.db.damaged-20261122T045041Z"));
    overwrite(path, 0, "two", 3);
    store_close(fixture_open_with(&options, &opened));
    assert_string_not_equal(first, opened.quarantine);
    assert_true(exists(first) && exists(opened.quarantine));
    clock_unfreeze();
    fixture_remove(dir);
}

/* After store_mark_failed() all is checked once, and nothing is written by closing. */
static void test_mark(void **state)
{
    (void) state;
    char dir[64], mark[512], wal[512];
    fixture_dir(dir);
    fixture_path(mark, dir, "check");
    fixture_path(wal, dir, STORE_FILE "-wal");
    fill(dir);
    struct store *s = fixture_open(dir);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(fixture_webhook(s, 51), 0);
    assert_int_equal(store_commit(s), 0);
    store_mark_failed(s);
    store_close(s);
    assert_true(exists(mark) && exists(wal)); /* the WAL was not written back */
    struct store_options options = fixture_options(dir);
    struct store_opened opened;
    s = fixture_open_with(&options, &opened);
    assert_true(opened.checked && !opened.made && opened.quarantine[0] == '\0');
    assert_false(exists(mark));
    assert_int_equal(store_next_seq(s), 52);
    store_close(s);
    s = fixture_open_with(&options, &opened);
    assert_false(opened.checked);
    store_close(s);
    fixture_remove(dir);
}

static void test_mark_goes_with_what_it_was_for(void **state)
{
    (void) state;
    char dir[64], mark[512];
    fixture_dir(dir);
    fixture_path(mark, dir, "check");
    fill(dir);
    sql_on_file(dir, "UPDATE batches SET frames = zeroblob(700) WHERE (key & 65535) % 3500 = 0");
    overwrite(mark, 0, "", 0);
    struct store_options options = fixture_options(dir);
    struct store_opened opened;
    struct store *s = fixture_open_with(&options, &opened);
    assert_true(opened.checked && opened.made && opened.quarantine[0] != '\0');
    assert_false(exists(mark));
    store_close(s);
    fixture_remove(dir);
}

static void test_directory_may_be_a_link(void **state)
{
    (void) state;
    char dir[64], link_path[80];
    fixture_dir(dir);
    (void) snprintf(link_path, sizeof(link_path), "%s.link", dir);
    assert_int_equal(symlink(dir, link_path), 0);
    store_close(fixture_open(link_path));
    assert_int_equal(unlink(link_path), 0);
    fixture_remove(dir);
}

static void test_directories_that_cannot_be(void **state)
{
    (void) state;
    assert_int_equal(open_error("/proc/none/none", NULL), -ENOENT);
    assert_int_equal(open_error("/dev/null", NULL), -ENOTDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_and_second_start),
        cmocka_unit_test(test_half_made_store),
        cmocka_unit_test(test_newer_schema_is_refused_and_untouched),
        cmocka_unit_test(test_damage_is_set_aside),
        cmocka_unit_test(test_not_a_database_is_set_aside_as_it_is),
        cmocka_unit_test(test_wal_without_database_is_set_aside),
        cmocka_unit_test(test_two_damaged_ones_in_one_second),
        cmocka_unit_test(test_mark),
        cmocka_unit_test(test_mark_goes_with_what_it_was_for),
        cmocka_unit_test(test_directory_may_be_a_link),
        cmocka_unit_test(test_directories_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
