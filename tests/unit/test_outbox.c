/* Tests of broker/cluster/outbox.c: what was reported is there whatever ends the process, in order,
 * until it is old enough; and what a full or broken disk does. */
#include "cluster/outbox.h"

#include "clock.h"
#include "fault_vfs.h"
#include "log.h"
#include "mem.h"
#include "store_fixture.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define DEADLINE_MS 20000
#define KEEP_MS     10000

struct bed {
    char dir[64];
    uv_loop_t loop;
    uv_timer_t tick; /* so that a turn ends */
    struct mailbox mailbox;
    struct outbox *outbox;
    struct outbox_found found;
    unsigned added;
    uint64_t removed, next;
    int err;    /* the last one that was reported */
    int result; /* of the item reported last */
    const struct outbox_item *last;
};

static void on_tick(uv_timer_t *timer)
{
    (void) timer;
}

static void on_report(void *ctx, const struct outbox_report *report)
{
    struct bed *b = ctx;
    b->removed += report->removed;
    b->err = report->err < 0 ? report->err : b->err;
    for (struct outbox_item *item = report->items, *next; item != NULL; item = next) {
        next = outbox_next(item);
        b->result = item->err;
        b->last = item;
        if (item->kind != OUTBOX_ADD)
            continue; /* the test's own */
        b->added += item->err == 0;
        free((void *) (uintptr_t) item->row.body.data);
        free(item);
        b->last = NULL;
    }
}

#define UNTIL(b, condition)                                                                        \
    do {                                                                                           \
        uint64_t end_ns = uv_hrtime() + DEADLINE_MS * UINT64_C(1000000);                           \
        while (!(condition)) {                                                                     \
            if (uv_hrtime() > end_ns)                                                              \
                fail_msg("not in time: %s", #condition);                                           \
            (void) uv_run(&(b)->loop, UV_RUN_ONCE);                                                \
        }                                                                                          \
    } while (0)

static int bed_try(struct bed *b, const char *vfs)
{
    const struct outbox_options options = {.dir = b->dir,
                                           .vfs = vfs,
                                           .busy_timeout_ms = 100,
                                           .keep_ms = KEEP_MS,
                                           .mailbox = &b->mailbox,
                                           .report = on_report,
                                           .ctx = b};
    int r = outbox_open(&options, &b->outbox, &b->found);
    b->next = r == 0 ? b->found.last_number + 1 : 0;
    return r;
}

static void bed_init(struct bed *b, const char *dir)
{
    *b = (struct bed){.result = 1};
    if (dir != NULL)
        (void) snprintf(b->dir, sizeof(b->dir), "%s", dir);
    else
        fixture_dir(b->dir);
    assert_int_equal(uv_loop_init(&b->loop), 0);
    assert_int_equal(mailbox_init(&b->mailbox, &b->loop), 0);
    assert_int_equal(uv_timer_init(&b->loop, &b->tick), 0);
    assert_int_equal(uv_timer_start(&b->tick, on_tick, 5, 5), 0);
}

static struct bed *bed_new(const char *vfs)
{
    struct bed *b = xcalloc(1, sizeof(*b));
    bed_init(b, NULL);
    assert_int_equal(bed_try(b, vfs), 0);
    return b;
}

static void bed_again(struct bed *b)
{
    outbox_free(b->outbox);
    assert_int_equal(bed_try(b, NULL), 0);
}

static void bed_free(struct bed *b, bool remove_dir)
{
    outbox_free(b->outbox);
    mailbox_fini(&b->mailbox);
    uv_close((uv_handle_t *) &b->tick, NULL);
    assert_int_equal(uv_run(&b->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    if (remove_dir)
        fixture_remove(b->dir);
    free(b);
}

static void put_row(struct bed *b, size_t len)
{
    struct outbox_item *item = xcalloc(1, sizeof(*item));
    uint8_t *body = xmalloc(len + 1);
    fixture_bytes(b->next, body, len);
    item->row = (struct outbox_row){
        .number = b->next, .shard = (unsigned) (b->next % 64), .body = slice_of(body, len)};
    (void) snprintf(item->row.id, sizeof(item->row.id), "%032llx", (unsigned long long) b->next);
    b->next++;
    outbox_put(b->outbox, item);
}

static void add_rows(struct bed *b, unsigned n, size_t len)
{
    unsigned before = b->added;
    for (unsigned i = 0; i < n; i++)
        put_row(b, len);
    UNTIL(b, b->added == before + n);
}

static struct outbox_item read_rows(struct bed *b, uint64_t after, size_t max_n, size_t max_bytes)
{
    struct outbox_item item = {
        .kind = OUTBOX_READ, .after = after, .max_n = max_n, .max_bytes = max_bytes};
    outbox_put(b->outbox, &item);
    UNTIL(b, b->last == &item);
    b->last = NULL;
    return item;
}

static void check_row(const struct outbox_row *row, uint64_t number)
{
    uint8_t *body = xmalloc(row->body.len + 1);
    char id[OUTBOX_ID_LEN + 1];
    fixture_bytes(number, body, row->body.len);
    (void) snprintf(id, sizeof(id), "%032llx", (unsigned long long) number);
    assert_int_equal(row->number, number);
    assert_int_equal(row->shard, number % 64);
    assert_string_equal(row->id, id);
    assert_true(slice_eq(row->body, slice_of(body, row->body.len)));
    free(body);
}

static void rows_free(struct outbox_item *item)
{
    for (size_t i = 0; i < item->n; i++)
        free((void *) (uintptr_t) item->found[i].body.data);
    free(item->found);
}

/* How many wait, by reading all of them in pages. */
static uint64_t count_rows(struct bed *b)
{
    uint64_t n = 0, after = 0;
    for (;;) {
        struct outbox_item page = read_rows(b, after, 100, 1 << 20);
        assert_int_equal(page.err, 0);
        if (page.n == 0)
            return n;
        for (size_t i = 0; i < page.n; i++) {
            assert_true(page.found[i].number > after);
            after = page.found[i].number;
            check_row(&page.found[i], after);
        }
        n += page.n;
        rows_free(&page);
    }
}

static uint64_t regress(struct bed *b)
{
    struct outbox_item item = {.kind = OUTBOX_REGRESS};
    outbox_put(b->outbox, &item);
    UNTIL(b, b->last == &item);
    b->last = NULL;
    assert_int_equal(item.err, 0);
    return item.n_regressed;
}

static void test_pages(void **state)
{
    (void) state;
    struct bed *b = bed_new(NULL);
    assert_int_equal(b->found.rows, 0);
    add_rows(b, 250, 1000);
    struct outbox_item page = read_rows(b, 0, 100, 1 << 20);
    assert_int_equal(page.n, 100);
    check_row(&page.found[99], 100);
    rows_free(&page);
    page = read_rows(b, 100, 100, 2500); /* no more bytes than that */
    assert_int_equal(page.n, 2);
    rows_free(&page);
    page = read_rows(b, 248, 100, 1); /* but one, if any */
    assert_int_equal(page.n, 1);
    check_row(&page.found[0], 249);
    rows_free(&page);
    page = read_rows(b, 250, 100, 1000);
    assert_int_equal(page.n, 0);
    add_rows(b, 1, 0); /* an empty one, and a long one */
    add_rows(b, 1, 300000);
    bed_again(b);
    assert_int_equal(b->found.rows, 252);
    assert_int_equal(b->found.waiting, 252);
    assert_int_equal(b->found.waiting_bytes, 250000 + 300000);
    assert_int_equal(b->found.last_number, 252);
    assert_int_equal(count_rows(b), 252);
    char path[512];
    struct stat st;
    fixture_path(path, b->dir, "outbox.db");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    bed_free(b, true);
}

static void test_marks(void **state)
{
    (void) state;
    struct bed *b = bed_new(NULL);
    add_rows(b, 10, 100);
    for (uint64_t i = 1; i <= 6; i++)
        outbox_ack(b->outbox, i, 100 + i);
    outbox_ack(b->outbox, 77, 200); /* of no row */
    assert_int_equal(count_rows(b), 4);
    bed_again(b);
    assert_int_equal(b->found.rows, 10);
    assert_int_equal(b->found.waiting, 4);
    assert_int_equal(b->found.last.seq, 106);
    outbox_ack(b->outbox, 7, 107); /* in the order in which it was said */
    assert_int_equal(regress(b), 7);
    assert_int_equal(regress(b), 0);
    outbox_ack(b->outbox, 5, 3);
    assert_int_equal(count_rows(b), 9);
    bed_again(b);
    assert_int_equal(b->found.last.seq, 3);
    assert_string_equal(b->found.last.id, "00000000000000000000000000000005");
    bed_free(b, true);
}

static void test_what_is_old_goes(void **state)
{
    (void) state;
    clock_freeze(1000000, 1795323041672);
    struct bed *b = bed_new(NULL);
    add_rows(b, 6, 100);
    for (uint64_t i = 1; i <= 4; i++)
        outbox_ack(b->outbox, i, i);
    assert_int_equal(count_rows(b), 2);
    clock_freeze(1000000 + KEEP_MS + 1000, 1795323041672);
    assert_int_equal(count_rows(b), 2); /* it has not been told that it may */
    assert_int_equal(b->removed, 0);
    bed_again(b); /* the time begins anew */
    clock_freeze(1000000 + 2 * KEEP_MS, 1795323041672);
    outbox_expire(b->outbox, true);
    outbox_ack(b->outbox, 5, 5);
    assert_int_equal(count_rows(b), 1);
    assert_int_equal(b->removed, 0);
    clock_freeze(1000000 + 2 * KEEP_MS + 1500, 1795323041672);
    UNTIL(b, b->removed == 4);
    clock_freeze(1000000 + 3 * KEEP_MS + 1500, 1795323041672);
    UNTIL(b, b->removed == 5);
    clock_unfreeze();
    bed_again(b);
    assert_int_equal(b->found.rows, 1);
    assert_int_equal(b->found.last_number, 6);
    bed_free(b, true);
}

static void test_full_disk(void **state)
{
    (void) state;
    struct bed *b = bed_new(FAULT_VFS);
    add_rows(b, 3, 100);
    atomic_store(&fault_write, SQLITE_FULL);
    outbox_ack(b->outbox, 1, 1);
    put_row(b, 100);
    UNTIL(b, b->result == -ENOSPC);
    b->result = 1;
    put_row(b, 100);
    UNTIL(b, b->result == -ENOSPC);
    assert_int_equal(count_rows(b), 3);
    atomic_store(&fault_write, SQLITE_OK);
    add_rows(b, 1, 100);
    assert_int_equal(count_rows(b), 3); /* the mark went in, too */
    bed_again(b);
    assert_int_equal(b->found.rows, 4);
    assert_int_equal(b->found.last.seq, 1);
    bed_free(b, true);
}

/* After a failed sync nobody knows what is on the disk: nothing is taken any more. */
static void test_broken_disk(void **state)
{
    (void) state;
    struct bed *b = bed_new(FAULT_VFS);
    add_rows(b, 3, 100);
    atomic_store(&fault_sync, SQLITE_IOERR_FSYNC);
    put_row(b, 100);
    UNTIL(b, b->result == -EIO);
    assert_int_equal(b->err, -EIO);
    atomic_store(&fault_sync, SQLITE_OK);
    b->result = 1;
    put_row(b, 100);
    UNTIL(b, b->result == -EIO);
    bed_again(b); /* only the next start may try again */
    assert_true(b->found.rows >= 3);
    add_rows(b, 1, 100);
    bed_free(b, true);
}

static void damage(const struct bed *b, struct slice what)
{
    char path[512], *whole = xmalloc(1 << 20);
    fixture_path(path, b->dir, "outbox.db");
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ssize_t n = pread(fd, whole, 1 << 20, 0);
    assert_true(n > 0);
    char *at = memmem(whole, (size_t) n, what.data, what.len);
    assert_non_null(at);
    assert_int_equal(pwrite(fd, "?", 1, at - whole), 1);
    (void) close(fd);
    free(whole);
}

static size_t n_aside(const char *dir)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        n += strncmp(e->d_name, "outbox.db.damaged-", 18) == 0 &&
             strchr(e->d_name + 18, '-') == NULL;
    (void) closedir(d);
    return n;
}

static void test_damage(void **state)
{
    (void) state;
    uint8_t body[100];
    struct bed *b = bed_new(NULL);
    add_rows(b, 3, 100);
    outbox_free(b->outbox);
    fixture_bytes(2, body, sizeof(body));
    damage(b, slice_of(body, sizeof(body)));
    assert_int_equal(bed_try(b, NULL), 0);
    assert_int_equal(b->found.rows, 0);
    assert_int_equal(n_aside(b->dir), 1);
    add_rows(b, 2, 100);
    bed_again(b);
    assert_int_equal(b->found.rows, 2);
    outbox_free(b->outbox);
    damage(b, SLICE_LIT("SQLite format 3"));
    assert_int_equal(bed_try(b, NULL), 0);
    assert_int_equal(b->found.rows, 0);
    assert_int_equal(n_aside(b->dir), 2);
    bed_free(b, true);
}

static void test_one_process(void **state)
{
    (void) state;
    struct bed *b = bed_new(NULL), *other = xcalloc(1, sizeof(*other));
    bed_init(other, b->dir);
    assert_int_equal(bed_try(other, NULL), -EALREADY);
    outbox_free(b->outbox);
    b->outbox = NULL;
    assert_int_equal(bed_try(other, NULL), 0);
    bed_free(other, false);
    bed_free(b, true);
}

/* Adds and marks for ever, and says after each report how many rows are safe. */
static void child(const char *dir, int out)
{
    struct bed *b = xcalloc(1, sizeof(*b));
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    bed_init(b, dir);
    assert_int_equal(bed_try(b, NULL), 0);
    uint64_t first = b->next, said = 0;
    for (;;) {
        for (unsigned i = 0; i < 7; i++)
            put_row(b, 50 + b->next % 3000);
        if (b->next % 5 == 0)
            outbox_ack(b->outbox, b->next - 7, b->next);
        UNTIL(b, b->added > said);
        said = b->added;
        uint64_t safe = first + said - 1;
        if (write(out, &safe, sizeof(safe)) != sizeof(safe))
            _exit(1);
    }
}

static uint64_t run_and_kill(const char *dir, unsigned reports)
{
    int fds[2];
    uint64_t safe = 0, got;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void) close(fds[0]);
        child(dir, fds[1]);
    }
    (void) close(fds[1]);
    for (unsigned i = 0; i < reports; i++) {
        assert_int_equal(read(fds[0], &got, sizeof(got)), sizeof(got));
        safe = got;
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    while (read(fds[0], &got, sizeof(got)) == (ssize_t) sizeof(got))
        safe = got; /* what it said before it died */
    (void) close(fds[0]);
    return safe;
}

static void test_killed(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    for (unsigned round = 0; round < 6; round++) {
        uint64_t safe = run_and_kill(dir, 1 + 9 * round);
        struct bed *b = xcalloc(1, sizeof(*b));
        bed_init(b, dir);
        assert_int_equal(bed_try(b, NULL), 0);
        assert_int_equal(n_aside(dir), 0);
        assert_true(b->found.last_number >= safe);
        assert_int_equal(b->found.rows, b->found.last_number); /* none is missing in between */
        assert_int_equal(count_rows(b), b->found.waiting);
        bed_free(b, false);
    }
    fixture_remove(dir);
}

int main(void)
{
    assert_int_equal(fault_vfs_register(), SQLITE_OK);
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_what_is_old_goes),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_broken_disk),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_one_process),
        cmocka_unit_test(test_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
