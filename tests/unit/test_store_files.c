/* Tests of broker/store_files.c: the directory's lock, modes of files, links, the ballast. */
#include "store_fixture.h"
#include "store_private.h"

#include <signal.h>
#include <sys/wait.h>

static int mode_of(const char *dir, const char *name)
{
    char path[512];
    struct stat st;
    fixture_path(path, dir, name);
    return stat(path, &st) == 0 ? (int) (st.st_mode & 07777) : -1;
}

static void test_modes(void **state)
{
    (void) state;
    char parent[64], dir[80];
    mode_t before = umask(0);
    fixture_dir(parent);
    (void) snprintf(dir, sizeof(dir), "%s/data", parent);
    struct store_options options = fixture_options(dir);
    options.ballast_bytes = 4096;
    struct store *s = fixture_open_with(&options, NULL);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(fixture_webhook(s, 1), 0);
    assert_int_equal(store_commit(s), 0);
    store_mark_failed(s);
    assert_int_equal(mode_of(dir, "."), 0700);
    static const char *const FILES[] = {"journal.db", "journal.db-wal", "journal.db-shm",
                                        "lock",       "ballast",        "check"};
    for (size_t i = 0; i < ARRAY_LEN(FILES); i++)
        if (mode_of(dir, FILES[i]) != 0600)
            fail_msg("%s: %o", FILES[i], mode_of(dir, FILES[i]));
    store_close(s);
    (void) umask(before);
    fixture_remove(dir);
    fixture_remove(parent);
}

/* Another process on the same directory is refused and told who has it; once that one is gone, even
 * by a kill, it is not. */
static void test_lock(void **state)
{
    (void) state;
    char dir[64], byte;
    int ready[2];
    fixture_dir(dir);
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct store_options options = fixture_options(dir);
        struct store *s;
        struct store_opened opened;
        int64_t pid;
        if (store_open(&options, &s, &opened, &pid) == 0)
            (void) !write(ready[1], "x", 1);
        for (;;)
            (void) pause();
    }
    (void) close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    struct store_options options = fixture_options(dir);
    struct store *s = NULL;
    struct store_opened opened;
    int64_t pid = 0;
    assert_int_equal(store_open(&options, &s, &opened, &pid), -EALREADY);
    assert_int_equal(pid, child);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    s = fixture_open(dir);
    assert_int_equal(store_open(&options, &s, &opened, &pid), -EALREADY);
    assert_int_equal(pid, getpid());
    store_close(s);
    (void) close(ready[0]);
    fixture_remove(dir);
}

static void test_links_are_refused(void **state)
{
    (void) state;
    static const char *const FILES[] = {"journal.db", "journal.db-wal", "journal.db-shm",
                                        "journal.db-journal", "lock"};
    for (size_t i = 0; i < ARRAY_LEN(FILES); i++) {
        char dir[64], path[512], target[512];
        fixture_dir(dir);
        fixture_path(path, dir, FILES[i]);
        fixture_path(target, dir, "elsewhere");
        assert_int_equal(symlink(target, path), 0);
        struct store_options options = fixture_options(dir);
        struct store *s = NULL;
        struct store_opened opened;
        int64_t pid;
        int r = store_open(&options, &s, &opened, &pid);
        if (r != -ELOOP || access(target, F_OK) == 0)
            fail_msg("%s: %d", FILES[i], r);
        fixture_remove(dir);
    }
}

static int64_t size_of(const char *dir, const char *name)
{
    char path[512];
    struct stat st;
    fixture_path(path, dir, name);
    return stat(path, &st) == 0 ? (int64_t) st.st_size : -1;
}

static void test_ballast(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store_options options = fixture_options(dir);
    options.ballast_bytes = 100000;
    clock_freeze(10000, 1795323041672);
    struct store *s = fixture_open_with(&options, NULL);
    assert_int_equal(size_of(dir, "ballast"), 100000);
    store_drop_ballast(s);
    assert_int_equal(size_of(dir, "ballast"), -1);
    assert_int_equal(store_checkpoint(s), 0); /* not at once: it was given up for a reason */
    assert_int_equal(size_of(dir, "ballast"), -1);
    clock_freeze(11001, 1795323041672);
    assert_int_equal(store_checkpoint(s), 0);
    assert_int_equal(size_of(dir, "ballast"), 100000);
    store_close(s);

    options.ballast_bytes = 200000; /* another size is taken at the next start */
    s = fixture_open_with(&options, NULL);
    assert_int_equal(size_of(dir, "ballast"), 200000);
    store_close(s);

    options.ballast_bytes = UINT64_C(1) << 60; /* no disk has room for it: there is none */
    s = fixture_open_with(&options, NULL);
    assert_int_equal(size_of(dir, "ballast"), -1);
    assert_int_equal(store_checkpoint(s), 0);
    store_close(s);

    options.ballast_bytes = 0;
    s = fixture_open_with(&options, NULL);
    store_drop_ballast(s);
    assert_int_equal(store_checkpoint(s), 0);
    assert_int_equal(size_of(dir, "ballast"), -1);
    store_close(s);
    clock_unfreeze();
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_links_are_refused),
        cmocka_unit_test(test_ballast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
