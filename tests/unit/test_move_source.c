/* A data_dir that is read and left as it is. */
#include "move_source.h"
#include "store_fixture.h"

#include <sys/wait.h>

struct world {
    char dir[64], scratch[80];
};

static struct world begin(void)
{
    struct world w;
    fixture_dir(w.dir);
    (void) snprintf(w.scratch, sizeof(w.scratch), "%s-copy", w.dir);
    return w;
}

static void end(const struct world *w)
{
    assert_int_equal(access(w->scratch, F_OK), -1); /* nothing is left of it */
    fixture_remove(w->dir);
}

/* What a process leaves that is killed: all that was committed is in the write-ahead log. */
static void live_and_die(const struct world *w, uint64_t first, uint64_t n)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct store *s = fixture_open(w->dir);
        for (uint64_t i = 0; i < n; i++)
            if (store_begin(s) < 0 || fixture_webhook(s, first + i) < 0 || store_commit(s) < 0)
                _exit(1);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static uint32_t sum_of(const struct world *w, const char *name)
{
    char path[512];
    uint8_t bytes[65536];
    uint32_t sum = 0;
    fixture_path(path, w->dir, name);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    for (size_t n; (n = fread(bytes, 1, sizeof(bytes), f)) > 0;)
        sum = record_checksum(sum, n, slice_of(bytes, n));
    assert_int_equal(fclose(f), 0);
    return sum;
}

static int open_at(const struct world *w, struct move_source *ret)
{
    int64_t pid = 0;
    return move_source_open(w->dir, w->scratch, ret, &pid);
}

static void test_read(void **state)
{
    struct world w = begin();
    struct move_source one, two;
    uint8_t before[SHA256_SIZE];
    (void) state;
    live_and_die(&w, 1, 5);
    uint32_t db = sum_of(&w, STORE_FILE), wal = sum_of(&w, STORE_FILE "-wal"),
             commits = sum_of(&w, "commits"), lock = sum_of(&w, "lock");
    assert_true(wal != 0);
    assert_int_equal(open_at(&w, &one), 0);
    assert_int_equal(store_next_seq(one.store), 6);
    assert_int_equal(one.lost_commits, 0);
    assert_non_null(one.reader);
    memcpy(before, one.state, sizeof(before));
    move_source_close(&one);
    move_source_close(&one);
    assert_int_equal(sum_of(&w, STORE_FILE), db);
    assert_int_equal(sum_of(&w, STORE_FILE "-wal"), wal);
    assert_int_equal(sum_of(&w, "commits"), commits);
    assert_int_equal(sum_of(&w, "lock"), lock);
    assert_int_equal(open_at(&w, &two), 0); /* the same once more */
    assert_memory_equal(two.state, before, SHA256_SIZE);
    move_source_close(&two);
    live_and_die(&w, 6, 1);
    assert_int_equal(open_at(&w, &two), 0);
    assert_true(memcmp(two.state, before, SHA256_SIZE) != 0);
    assert_int_equal(store_next_seq(two.store), 7);
    move_source_close(&two);
    end(&w);
}

static void test_in_use(void **state)
{
    struct world w = begin();
    struct move_source source;
    int64_t pid = 0;
    (void) state;
    struct store *s = fixture_open(w.dir);
    assert_int_equal(move_source_open(w.dir, w.scratch, &source, &pid), -EALREADY);
    assert_int_equal(pid, getpid());
    store_close(s);
    assert_int_equal(open_at(&w, &source), 0);
    struct store_options options = fixture_options(w.dir);
    struct store_opened opened;
    assert_int_equal(store_open(&options, &s, &opened, &pid), -EALREADY); /* it is ours now */
    move_source_close(&source);
    end(&w);
}

/* Of a move that was killed, say. */
static void test_scratch_is_emptied(void **state)
{
    struct world w = begin();
    struct move_source source;
    char path[512];
    (void) state;
    live_and_die(&w, 1, 2);
    assert_int_equal(mkdir(w.scratch, 0700), 0);
    static const char *const NAMES[] = {STORE_FILE, STORE_FILE "-wal", "other"};
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        fixture_path(path, w.scratch, NAMES[i]);
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        assert_true(fputs("left over", f) >= 0);
        assert_int_equal(fclose(f), 0);
    }
    assert_int_equal(open_at(&w, &source), 0);
    assert_int_equal(store_next_seq(source.store), 3);
    move_source_close(&source);
    end(&w);
}

static void test_nothing_there(void **state)
{
    struct world w = begin();
    struct move_source source;
    int64_t pid = 0;
    (void) state;
    assert_int_equal(open_at(&w, &source), -ENOENT);
    assert_int_equal(move_source_open("/nonexistent", w.scratch, &source, &pid), -ENOENT);
    end(&w);
}

/* A start would set it aside and go on with nothing: that is not to be moved. */
static void test_damaged(void **state)
{
    struct world w = begin();
    struct move_source source;
    char path[512];
    uint8_t noise[4096];
    (void) state;
    store_close(fixture_open(w.dir));
    fixture_bytes(1, noise, sizeof(noise));
    fixture_path(path, w.dir, STORE_FILE);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, noise, sizeof(noise), 0), sizeof(noise));
    assert_int_equal(close(fd), 0);
    uint32_t sum = sum_of(&w, STORE_FILE);
    assert_int_equal(open_at(&w, &source), -EBADMSG);
    assert_int_equal(sum_of(&w, STORE_FILE), sum);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_in_use),
        cmocka_unit_test(test_scratch_is_emptied),
        cmocka_unit_test(test_nothing_there),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
