/* Tests of broker/store_epoch.c: commits that were durable and are gone are noticed, and no id from
 * before is taken for a place to go on at; and whatever else may be found there is no alarm. */
#include "page.h"
#include "store_fixture.h"
#include "store_private.h"

#include <signal.h>
#include <sys/wait.h>

enum { CHECKPOINTED = 10, LAST = 30, LEN = 700 };

static char dir[64];
static const char WAL[] = STORE_FILE "-wal", PAGE[] = "commits";

static int make_dir(void **state)
{
    (void) state;
    fixture_dir(dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void) state;
    fixture_remove(dir);
    return 0;
}

/* --- a store and what happens to it --- */

static void configure(struct store *s)
{
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    assert_int_equal(store_path(s, 1, "/b", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
}

static void event(struct store *s, uint64_t seq)
{
    uint64_t position;
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(fixture_webhook(s, seq), 0);
    assert_int_equal(fixture_batch(s, 0, seq, LEN, &position), 0);
    assert_int_equal(store_commit(s), 0);
}

/* As a kill leaves it: nothing is written back. */
static void die(struct store *s)
{
    s->failed = true;
    store_close(s);
}

/* Events 1 to LAST; those after CHECKPOINTED are in the WAL alone. */
static void run(void)
{
    struct store *s = fixture_open(dir);
    configure(s);
    for (uint64_t seq = 1; seq <= LAST; seq++) {
        event(s, seq);
        s->checkpoint_at = 0;
        if (seq == CHECKPOINTED)
            assert_int_equal(store_checkpoint(s), 0);
    }
    die(s);
}

static void copy_file(const char *from, const char *to)
{
    static uint8_t data[4 << 20];
    char path[512];
    fixture_path(path, dir, from);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t len = read(fd, data, sizeof(data));
    assert_true(len >= 0 && (size_t) len < sizeof(data));
    (void) close(fd);
    fixture_path(path, dir, to);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, (size_t) len), len);
    (void) close(fd);
}

static void remove_file(const char *name)
{
    char path[512];
    fixture_path(path, dir, name);
    assert_int_equal(unlink(path), 0);
}

static void cut_file(const char *name, unsigned percent)
{
    struct stat st;
    char path[512];
    fixture_path(path, dir, name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size * percent / 100), 0);
}

static void flip_byte(const char *name, off_t at)
{
    char path[512];
    uint8_t byte;
    fixture_path(path, dir, name);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    (void) close(fd);
}

static struct store *start(struct store_opened *opened)
{
    struct store_options options = fixture_options(dir);
    struct store *s = fixture_open_with(&options, opened);
    assert_string_equal(opened->quarantine, "");
    return s;
}

/* --- what clients find --- */

static enum store_found find(const char *path, uint64_t seq)
{
    struct store_options options = fixture_options(dir);
    struct store_reader *r;
    uint8_t id[ID_PACKED_SIZE];
    enum store_found found;
    uint64_t position;
    fixture_packed_id(seq, id);
    assert_int_equal(store_reader_open(&options, &r), 0);
    assert_int_equal(store_reader_find(r, path, slice_of(id, sizeof(id)), &found, &position), 0);
    store_reader_close(r);
    return found;
}

static void expect_all_gone(void)
{
    for (uint64_t seq = 1; seq <= LAST; seq++) {
        assert_int_equal(find("/a", seq), STORE_GONE);
        assert_int_equal(find("/b", seq), STORE_GONE);
    }
}

static int count_batch(void *ctx, uint64_t position, struct slice frames)
{
    (void) position;
    assert_int_equal(frames.len, LEN);
    ++*(uint64_t *) ctx;
    return 0;
}

static uint64_t n_kept(void)
{
    struct store_options options = fixture_options(dir);
    struct store_reader *r;
    uint64_t oldest, n = 0;
    char id[ID_SIZE];
    assert_int_equal(store_reader_open(&options, &r), 0);
    assert_int_equal(store_reader_oldest(r, "/a", &oldest, id), 0);
    assert_int_equal(store_reader_load(r, "/a", oldest, UINT64_MAX, count_batch, &n), 0);
    store_reader_close(r);
    return n;
}

/* --- counting --- */

static void test_what_counts(void **state)
{
    (void) state;
    struct store *s = fixture_open(dir);
    configure(s);
    uint64_t commits = s->now.commits;
    assert_true(commits >= 3); /* its birth and two paths */
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_commit(s), 0); /* nothing */
    assert_int_equal(s->now.commits, commits);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(fixture_webhook(s, 1), 0);
    store_rollback(s);
    assert_int_equal(s->now.commits, commits);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(fixture_webhook(s, 1), 0);
    assert_true(store_spoil(s, -EIO) < 0);
    assert_int_equal(store_commit(s), -EIO);
    assert_int_equal(s->now.commits, commits);
    event(s, 1);
    assert_int_equal(s->now.commits, commits + 1);
    assert_int_equal(store_count_attempt(s, STORE_ATTEMPT_EVENT, 7), 1);
    assert_int_equal(s->now.commits, commits + 2);
    die(s);
    struct store_opened opened;
    s = start(&opened);
    assert_int_equal(opened.lost_commits, 0);
    assert_int_equal(s->now.commits, commits + 2);
    store_close(s); /* writes the clock */
    s = start(&opened);
    assert_int_equal(opened.lost_commits, 0);
    assert_int_equal(opened.unwatched, 0);
    assert_int_equal(s->now.commits, commits + 3);
    store_close(s);
}

static void test_page_outlives_a_kill(void **state)
{
    (void) state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct store *s = fixture_open(dir);
        configure(s);
        for (uint64_t seq = 1; seq <= LAST; seq++)
            event(s, seq);
        (void) raise(SIGKILL);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    cut_file(WAL, 90);
    struct store_opened opened;
    struct store *s = start(&opened);
    assert_true(opened.lost_commits > 0 && opened.lost_commits < LAST);
    configure(s);
    expect_all_gone();
    store_close(s);
}

/* --- losses --- */

enum loss { NO_WAL, CUT, FLIPPED, OF_YESTERDAY, N_LOSSES };

static void lose(enum loss loss)
{
    char path[512];
    struct stat st;
    switch (loss) {
    case NO_WAL:
        remove_file(WAL);
        break;
    case CUT:
        cut_file(WAL, 50);
        break;
    case FLIPPED:
        fixture_path(path, dir, WAL);
        assert_int_equal(stat(path, &st), 0);
        flip_byte(WAL, st.st_size / 3 * 2);
        break;
    case OF_YESTERDAY:
        copy_file("db.before", STORE_FILE);
        copy_file("wal.before", WAL);
        break;
    case N_LOSSES:
        break;
    }
}

static void prepare(enum loss loss)
{
    run();
    if (loss == OF_YESTERDAY) { /* a backup of the two files alone is put back */
        struct store_opened opened;
        copy_file(STORE_FILE, "db.before");
        copy_file(WAL, "wal.before");
        struct store *s = start(&opened);
        configure(s);
        event(s, LAST + 1);
        die(s);
    }
}

static void test_lost_ends(void **state)
{
    (void) state;
    for (enum loss loss = NO_WAL; loss < N_LOSSES; loss++) {
        struct store_opened opened;
        struct store_path_state before, after;
        char last[ID_SIZE], id[ID_SIZE];
        prepare(loss);
        struct store *s = start(&opened);
        assert_int_equal(opened.lost_commits, 0);
        configure(s);
        assert_int_equal(find("/a", LAST), STORE_FOUND);
        store_path_state(s, 0, &before);
        store_last_event_id(s, last);
        die(s);

        lose(loss);
        s = start(&opened);
        assert_true(opened.lost_commits > 0);
        configure(s);
        store_path_state(s, 0, &after);
        assert_true(after.tail >= before.tail);
        assert_true(store_next_seq(s) > LAST + 1);
        store_last_event_id(s, id);
        assert_true(strcmp(id, last) > 0);
        expect_all_gone();
        uint64_t kept = n_kept();
        assert_true(kept >= CHECKPOINTED && kept <= LAST);

        /* It goes on, and so do clients from here. */
        uint64_t next = store_next_seq(s);
        event(s, next);
        assert_int_equal(find("/a", next), STORE_FOUND);
        assert_int_equal(find("/b", next), STORE_BETWEEN);
        assert_int_equal(n_kept(), kept + 1);
        die(s);
        s = start(&opened);
        assert_int_equal(opened.lost_commits, 0);
        assert_int_equal(find("/a", next), STORE_FOUND);
        expect_all_gone();
        store_mark_failed(s);
        store_close(s);
        s = start(&opened); /* the whole file is as it should be */
        assert_true(opened.checked);
        store_close(s);
        (void) remove_dir(NULL);
        (void) make_dir(NULL);
    }
}

static void test_epoch_is_lost_too(void **state)
{
    (void) state;
    struct store_opened opened;
    run();
    for (int i = 0; i < 3; i++) {
        remove_file(WAL);
        struct store *s = start(&opened);
        assert_true(opened.lost_commits > 0);
        configure(s);
        expect_all_gone();
        assert_int_equal(n_kept(), CHECKPOINTED);
        die(s);
    }
}

/* What is deleted of the history from before has lower ids than the epoch. */
static void test_history_from_before_is_deleted(void **state)
{
    (void) state;
    struct store_opened opened;
    bool more;
    run();
    cut_file(WAL, 50);
    struct store *s = start(&opened);
    struct store_limits limits = FIXTURE_LIMITS;
    limits.max_count = 3;
    configure(s);
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &limits), 0);
    assert_int_equal(store_retire(s, 3600000, &more), 0);
    assert_int_equal(n_kept(), 3);
    expect_all_gone();
    uint64_t next = store_next_seq(s);
    for (uint64_t i = 0; i < 5; i++)
        event(s, next + i);
    assert_int_equal(store_retire(s, 3600000, &more), 0);
    assert_int_equal(n_kept(), 3);
    expect_all_gone();
    assert_int_equal(find("/a", next), STORE_GONE);
    assert_int_equal(find("/a", next + 1), STORE_BETWEEN); /* of the newest deleted */
    assert_int_equal(find("/a", next + 2), STORE_FOUND);
    store_close(s);
}

static void test_paths_not_configured(void **state)
{
    (void) state;
    struct store_opened opened;
    run();
    cut_file(WAL, 50);
    struct store *s = start(&opened);
    assert_true(opened.lost_commits > 0);
    store_close(s);
    s = start(&opened);
    assert_int_equal(opened.lost_commits, 0);
    expect_all_gone();
    store_close(s);
}

static void test_everything_is_lost(void **state)
{
    (void) state;
    struct store_opened opened;
    char id[ID_SIZE], last[ID_SIZE];
    run();
    remove_file(STORE_FILE);
    remove_file(WAL);
    remove_file(STORE_FILE "-shm");
    struct store *s = start(&opened);
    assert_true(opened.made && opened.lost_commits > LAST);
    /* The wall clock is behind the ids given out: the birth is after them all the same. */
    store_last_event_id(s, id);
    fixture_event_id(LAST, last);
    assert_true(strcmp(id, last) > 0);
    configure(s);
    expect_all_gone();
    die(s);
    s = start(&opened);
    assert_int_equal(opened.lost_commits, 0);
    store_close(s);
}

/* --- no alarm --- */

static void expect_no_alarm(const char *what)
{
    struct store_opened opened;
    struct store *s = start(&opened);
    if (opened.lost_commits != 0 || opened.unwatched != 0)
        fail_msg("%s: %d lost, %d", what, (int) opened.lost_commits, opened.unwatched);
    configure(s);
    assert_int_equal(find("/a", LAST), STORE_FOUND);
    die(s);
}

static void test_no_alarm(void **state)
{
    (void) state;
    char other[64], path[512];
    run();
    expect_no_alarm("as it was left");
    remove_file(PAGE);
    expect_no_alarm("no page");
    cut_file(PAGE, 50);
    expect_no_alarm("half a page");
    copy_file(PAGE, "page.before");
    struct store *s = fixture_open(dir);
    configure(s);
    for (uint64_t i = 1; i <= 10; i++)
        assert_true(store_count_attempt(s, STORE_ATTEMPT_EVENT, i) > 0);
    die(s);
    copy_file("page.before", PAGE);
    expect_no_alarm("an older page, as after a power cut");
    for (off_t at = 0; at < 72; at++) {
        flip_byte(PAGE, at);
        flip_byte(PAGE, 512 + at);
        expect_no_alarm("a damaged page");
    }

    /* Of another store, which has come further. */
    memcpy(other, dir, sizeof(other));
    fixture_dir(dir);
    s = fixture_open(dir);
    configure(s);
    for (uint64_t seq = 1; seq <= 500; seq++)
        event(s, seq);
    die(s);
    copy_file(PAGE, "page");
    char from[512];
    fixture_path(from, dir, "page");
    fixture_path(path, other, PAGE);
    assert_int_equal(rename(from, path), 0);
    fixture_remove(dir);
    memcpy(dir, other, sizeof(dir));
    expect_no_alarm("the page of another store");
    cut_file(WAL, 50); /* from then on it is this one's */
    struct store_opened opened;
    s = start(&opened);
    assert_true(opened.lost_commits > 0);
    die(s);
}

/* A store from before commits were counted. */
static void test_no_count(void **state)
{
    (void) state;
    struct store_opened opened;
    run();
    remove_file(PAGE);
    struct store *s = start(&opened);
    assert_int_equal(store_exec(s->db, "DELETE FROM meta WHERE key = 'commits'"), 0);
    die(s);
    s = start(&opened);
    assert_int_equal(opened.lost_commits, 0);
    assert_int_equal(s->now.commits, 0);
    configure(s);
    event(s, LAST + 1);
    assert_int_equal(s->now.commits, 1);
    die(s);
    s = start(&opened);
    assert_int_equal(opened.lost_commits, 0);
    assert_int_equal(s->now.commits, 1);
    store_close(s);
}

static void test_damaged_count(void **state)
{
    (void) state;
    static const char *const VALUES[] = {
        "",       "1",      "0000000000000001 5",      "0 5 5", "x 1 1",
        "1 1 1 ", "1 1 1x", "1 99999999999999999999 1"};
    for (size_t i = 0; i < ARRAY_LEN(VALUES); i++) {
        struct store_options options = fixture_options(dir);
        struct store_opened opened;
        struct store *s = fixture_open(dir);
        assert_int_equal(store_meta_put(s, "commits", VALUES[i]), 0);
        die(s);
        s = fixture_open_with(&options, &opened);
        if (opened.quarantine[0] == '\0')
            fail_msg("taken for a count: '%s'", VALUES[i]);
        assert_int_equal(opened.lost_commits, 0); /* it has been said already */
        store_close(s);
    }
}

static void test_page_cannot_be_had(void **state)
{
    (void) state;
    struct store_opened opened;
    char path[512], elsewhere[512];
    fixture_path(path, dir, PAGE);
    fixture_path(elsewhere, dir, "elsewhere");
    assert_int_equal(symlink(elsewhere, path), 0);
    struct store *s = start(&opened);
    assert_int_equal(opened.unwatched, -ELOOP);
    configure(s);
    event(s, 1);
    store_close(s);
    assert_int_equal(access(elsewhere, F_OK), -1);
    assert_int_equal(unlink(path), 0);
    s = start(&opened);
    assert_int_equal(opened.unwatched, 0);
    assert_int_equal(opened.lost_commits, 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0600);
    assert_int_equal(st.st_size, PAGE_BYTES);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define ONE(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
        ONE(test_what_counts),
        ONE(test_page_outlives_a_kill),
        ONE(test_lost_ends),
        ONE(test_epoch_is_lost_too),
        ONE(test_history_from_before_is_deleted),
        ONE(test_paths_not_configured),
        ONE(test_everything_is_lost),
        ONE(test_no_alarm),
        ONE(test_no_count),
        ONE(test_damaged_count),
        ONE(test_page_cannot_be_had),
#undef ONE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
