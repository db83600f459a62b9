/* The journal thread over a store made here, which fails as told: what is grouped, what is refused,
 * what is kept, and in which order everything comes back. */
#include "journal.h"
#include "list.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define DEADLINE_MS 8000
#define MAX_ITEMS   64

/* --- a store that does as told; the journal's thread calls it --- */

struct store {
    uv_mutex_t lock;
    uv_cond_t changed;
    bool held; /* commits wait */
    int fail[16];
    size_t n_fail; /* results of the next commits; then 0 */
    _Atomic int retire_err;
    char log[65536]; /* what was done: "w1 b1 c " ... */
    char pending[65536];
    unsigned begun, ballasts, marked;
    bool closed;
    _Atomic bool narrow;
    _Atomic int path_err; /* of the next store_path() */
};

static void note(struct store *s, char kind, uint64_t n)
{
    uv_mutex_lock(&s->lock); /* a test may be looking */
    size_t len = strlen(s->pending);
    (void) snprintf(s->pending + len, sizeof(s->pending) - len, "%c%llu ", kind,
                    (unsigned long long) n);
    uv_mutex_unlock(&s->lock);
}

int store_begin(struct store *s)
{
    uv_mutex_lock(&s->lock);
    s->pending[0] = '\0';
    s->begun++;
    uv_cond_broadcast(&s->changed);
    uv_mutex_unlock(&s->lock);
    return 0;
}

int store_commit(struct store *s)
{
    uv_mutex_lock(&s->lock);
    bool group = s->pending[0] != '\0'; /* else it is the upkeep's */
    while (group && s->held)
        uv_cond_wait(&s->changed, &s->lock);
    int r = 0;
    if (group && s->n_fail > 0) {
        r = s->fail[0];
        memmove(s->fail, s->fail + 1, --s->n_fail * sizeof(s->fail[0]));
    }
    if (r == 0 && group) {
        size_t len = strlen(s->log);
        (void) snprintf(s->log + len, sizeof(s->log) - len, "%s| ", s->pending);
    }
    uv_mutex_unlock(&s->lock);
    return r;
}

void store_rollback(struct store *s)
{
    s->pending[0] = '\0';
}

int store_put_webhook(struct store *s, const struct store_webhook *w)
{
    note(s, 'w', w->first_seq);
    return 0;
}

int store_put_batch(struct store *s, const struct store_batch *b, uint64_t *ret_position)
{
    note(s, 'b', b->last_seq);
    *ret_position = b->last_seq * 1000;
    return 0;
}

int store_put_letter(struct store *s, const struct store_letter *l)
{
    note(s, 'l', l->event_seq);
    return 0;
}

int store_put_change(struct store *s, const struct store_change *c)
{
    note(s, 'x', c->batched_seq);
    return 0;
}

int store_cut_path(struct store *s, uint32_t index, const uint8_t floor[ID_PACKED_SIZE],
                   uint64_t *ret_position)
{
    note(s, 'k', index * 100u + floor[0]);
    *ret_position = 4321;
    return 0;
}

int store_settle_events(struct store *s, uint64_t seq)
{
    note(s, 's', seq);
    return 0;
}

int store_retire(struct store *s, uint64_t window_ms, bool *ret_more)
{
    (void) window_ms;
    *ret_more = false;
    return s->retire_err;
}

void store_touch(struct store *s)
{
    (void) s;
}

int store_checkpoint_now(struct store *s)
{
    (void) s;
    return 0;
}

int store_checkpoint(struct store *s)
{
    (void) s;
    return 0;
}

bool store_has_room(const struct store *s)
{
    return !s->narrow;
}

void store_drop_ballast(struct store *s)
{
    s->ballasts++;
}

void store_mark_failed(struct store *s)
{
    s->marked++;
}

int store_errno(const struct store *s)
{
    (void) s;
    return 1034;
}

int store_path(struct store *s, uint32_t index, const char *name, unsigned span_bits,
               const struct store_limits *limits)
{
    (void) name, (void) span_bits, (void) limits;
    int r = atomic_exchange(&s->path_err, 0);
    uv_mutex_lock(&s->lock);
    size_t len = strlen(s->log);
    (void) snprintf(s->log + len, sizeof(s->log) - len, "%s%u ", r == 0 ? "p" : "!", index);
    uv_mutex_unlock(&s->lock);
    return r;
}

void store_path_limit(struct store *s, uint32_t index, const struct store_limits *limits)
{
    note(s, 'i', index * 1000 + limits->max_count);
}

void store_path_state(const struct store *s, uint32_t index, struct store_path_state *ret)
{
    (void) s;
    *ret = (struct store_path_state){.count = index + 1, .bytes = 100, .tail = 4096};
}

uint64_t store_n_letters(const struct store *s)
{
    (void) s;
    return 7;
}

void store_close(struct store *s)
{
    s->closed = true;
}

/* --- the other side --- */

struct world {
    uv_loop_t loop;
    struct mailbox mailbox;
    struct store store;
    struct journal *journal;
    char back[65536]; /* what came back: "w1=0 b1=0 " ... */
    size_t n_back, n_reports;
    struct journal_report last;
    uint64_t last_position;
    int last_err; /* items are gone */
    bool mailbox_open;
};

static const char KINDS[] = {
    [JOURNAL_WEBHOOK] = 'w', [JOURNAL_BATCH] = 'b',  [JOURNAL_LETTER] = 'l',
    [JOURNAL_SETTLE] = 's',  [JOURNAL_CHANGE] = 'x', [JOURNAL_BARRIER] = '|',
    [JOURNAL_PATH] = 'p',    [JOURNAL_LIMITS] = 'i', [JOURNAL_CUT] = 'k'};

static uint64_t number_of(const struct journal_item *i)
{
    return i->kind == JOURNAL_WEBHOOK  ? i->webhook.first_seq
           : i->kind == JOURNAL_BATCH  ? i->batch.last_seq
           : i->kind == JOURNAL_LETTER ? i->letter.event_seq
           : i->kind == JOURNAL_CHANGE ? i->change.batched_seq
                                       : i->seq;
}

static const char *name_of(int err)
{
    return err == 0            ? "0"
           : err == -ENOSPC    ? "full"
           : err == -EBUSY     ? "busy"
           : err == -EAGAIN    ? "again"
           : err == -ECANCELED ? "canceled"
           : err == -EIO       ? "io"
                               : "other";
}

static void on_report(void *ctx, const struct journal_report *r)
{
    struct world *w = ctx;
    w->last = *r;
    w->n_reports++;
    for (struct journal_item *i = r->items, *next; i != NULL; i = next) {
        next = journal_next(i);
        size_t len = strlen(w->back);
        (void) snprintf(w->back + len, sizeof(w->back) - len, "%c%llu=%s ", KINDS[i->kind],
                        (unsigned long long) number_of(i), name_of(i->err));
        if (i->kind == JOURNAL_BATCH && i->err == 0)
            assert_int_equal(i->position, i->batch.last_seq * 1000);
        w->last_position = i->position;
        w->last_err = i->err;
        w->n_back++;
        free(i);
    }
}

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(mailbox_init(&w->mailbox, &w->loop), 0);
    assert_int_equal(uv_mutex_init(&w->store.lock), 0);
    assert_int_equal(uv_cond_init(&w->store.changed), 0);
    const struct journal_options options = {
        .store = &w->store, .mailbox = &w->mailbox, .report = on_report, .ctx = w, .n_paths = 2};
    assert_int_equal(journal_new(&options, &w->journal), 0);
    *state = w;
    return 0;
}

static void release(struct world *w)
{
    uv_mutex_lock(&w->store.lock);
    w->store.held = false;
    uv_cond_broadcast(&w->store.changed);
    uv_mutex_unlock(&w->store.lock);
}

static int teardown(void **state)
{
    struct world *w = *state;
    release(w);
    journal_free(w->journal);
    assert_true(w->store.closed);
    mailbox_fini(&w->mailbox); /* runs the last reports */
    (void) uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    uv_mutex_destroy(&w->store.lock);
    uv_cond_destroy(&w->store.changed);
    free(w);
    return 0;
}

static void wait_back(struct world *w, size_t n)
{
    for (uint64_t end = uv_hrtime() + DEADLINE_MS * 1000000ull; w->n_back < n;) {
        if (uv_hrtime() > end)
            fail_msg("only %zu of %zu came back: %s", w->n_back, n, w->back);
        (void) uv_run(&w->loop, UV_RUN_NOWAIT);
        (void) uv_sleep(1);
    }
}

/* Commits wait from here on; returns when one does. */
static void hold(struct world *w)
{
    uv_mutex_lock(&w->store.lock);
    w->store.held = true;
    uv_mutex_unlock(&w->store.lock);
}

static struct journal_item *item(enum journal_kind kind, uint64_t n)
{
    struct journal_item *i = xcalloc(1, sizeof(*i));
    i->kind = kind;
    i->bytes = 10;
    i->epoch = 1;
    if (kind == JOURNAL_WEBHOOK) {
        i->webhook.first_seq = i->serial = n;
    } else if (kind == JOURNAL_BATCH) {
        i->batch.last_seq = n;
    } else if (kind == JOURNAL_LETTER) {
        i->letter.event_seq = n;
    } else if (kind == JOURNAL_CHANGE) {
        i->change.batched_seq = n;
    } else {
        i->seq = n;
    }
    return i;
}

static struct journal_item *of(struct journal_item *i, uint64_t serial)
{
    i->serial = serial;
    return i;
}

static struct journal_item *with_events(struct journal_item *i)
{
    i->webhook.n_events = 1;
    return i;
}

static struct journal_item *in_epoch(struct journal_item *i, uint64_t epoch)
{
    i->epoch = epoch;
    return i;
}

static void put(struct world *w, struct journal_item *i)
{
    journal_put(w->journal, i, i);
}

static void put2(struct world *w, struct journal_item *a, struct journal_item *b)
{
    journal_link(a, b);
    journal_put(w->journal, a, b);
}

static void fail_next(struct world *w, size_t n, int err)
{
    uv_mutex_lock(&w->store.lock);
    for (size_t i = 0; i < n; i++)
        w->store.fail[w->store.n_fail++] = err;
    uv_mutex_unlock(&w->store.lock);
}

/* --- tests --- */

/* What arrives while one commit runs is the next one, whole. */
static void test_groups(void **state)
{
    struct world *w = *state;
    hold(w);
    put2(w, item(JOURNAL_WEBHOOK, 1), of(item(JOURNAL_BATCH, 1), 1));
    uint64_t end = uv_hrtime() + DEADLINE_MS * 1000000ull;
    uv_mutex_lock(&w->store.lock);
    while (strstr(w->store.pending, "b1") == NULL) { /* the first group is in its commit */
        assert_int_equal(uv_cond_timedwait(&w->store.changed, &w->store.lock, 1000000) == 0 ||
                             uv_hrtime() < end,
                         1);
    }
    uv_mutex_unlock(&w->store.lock);
    for (uint64_t n = 2; n <= 9; n++)
        put(w, item(JOURNAL_WEBHOOK, n));
    put(w, item(JOURNAL_SETTLE, 9));
    put(w, item(JOURNAL_BARRIER, 0));
    assert_int_equal(journal_queued_bytes(w->journal), 120);
    release(w);
    wait_back(w, 12);
    assert_string_equal(w->store.log, "w1 b1 | w2 w3 w4 w5 w6 w7 w8 w9 s9 | ");
    assert_string_equal(w->back, "w1=0 b1=0 w2=0 w3=0 w4=0 w5=0 w6=0 w7=0 w8=0 w9=0 s9=0 |0=0 ");
    assert_int_equal(w->n_reports, 2);
    assert_int_equal(w->last.n_items, 10);
    assert_int_equal(w->last.err, 0);
    assert_int_equal(journal_queued_bytes(w->journal), 0);
    assert_int_equal(journal_state(w->journal), JOURNAL_WORKS);
}

static const struct {
    const char *name;
    int err;
    enum journal_state state;
} PASSING[] = {{"full", -ENOSPC, JOURNAL_FULL}, {"busy", -EBUSY, JOURNAL_WORKS}};

/* Webhooks are refused with their batches; what is safe already waits and goes first. */
static void test_passing_errors(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(PASSING); i++) {
        print_message("  %s\n", PASSING[i].name);
        uint64_t e = i + 1, n = 10 * e;
        char expected[512];
        w->back[0] = '\0';
        w->n_back = 0;
        w->store.log[0] = '\0';
        fail_next(w, 1, PASSING[i].err);
        struct journal_item *items[] = {
            item(JOURNAL_BATCH, n), /* of safe events */
            in_epoch(item(JOURNAL_WEBHOOK, n + 1), e),
            of(item(JOURNAL_BATCH, n + 1), n + 1), /* of that webhook's */
            of(item(JOURNAL_LETTER, n + 1), n + 1),
            item(JOURNAL_LETTER, n), /* of a safe event */
            item(JOURNAL_SETTLE, n),
            item(JOURNAL_BARRIER, 0),
        };
        for (size_t k = 1; k < ARRAY_LEN(items); k++)
            journal_link(items[k - 1], items[k]);
        journal_put(w->journal, items[0], items[ARRAY_LEN(items) - 1]);
        wait_back(w, 4);
        (void) snprintf(expected, sizeof(expected),
                        "w%llu=%s b%llu=canceled l%llu=canceled s%llu=canceled ",
                        (unsigned long long) n + 1, PASSING[i].name, (unsigned long long) n + 1,
                        (unsigned long long) n + 1, (unsigned long long) n);
        if (w->n_back == 4) { /* the next try may have come back already */
            assert_string_equal(w->back, expected);
            assert_int_equal(w->last.err, PASSING[i].err);
            assert_int_equal(w->last.sqlite, 1034);
        }
        wait_back(w, 7); /* by itself, when it works again */
        (void) snprintf(expected, sizeof(expected), "b%llu l%llu | ", (unsigned long long) n,
                        (unsigned long long) n);
        assert_string_equal(w->store.log, expected);
        assert_int_equal(journal_state(w->journal), JOURNAL_WORKS);
        /* the refused epoch stays refused, with what came with it; the next one goes in */
        put2(w, in_epoch(item(JOURNAL_WEBHOOK, n + 2), e), of(item(JOURNAL_BATCH, n + 2), n + 2));
        wait_back(w, 9);
        put2(w, in_epoch(item(JOURNAL_WEBHOOK, n + 3), e + 1),
             of(item(JOURNAL_BATCH, n + 3), n + 3));
        wait_back(w, 11);
        (void) snprintf(expected, sizeof(expected), "w%llu=again b%llu=canceled w%llu=0 b%llu=0 ",
                        (unsigned long long) n + 2, (unsigned long long) n + 2,
                        (unsigned long long) n + 3, (unsigned long long) n + 3);
        assert_non_null(strstr(w->back, expected));
    }
    assert_int_equal(w->store.ballasts, 1);
    assert_int_equal(w->store.marked, 0);
}

/* A change is refused alone: at once, whatever else waits, and what comes later is not its. */
static void test_changes(void **state)
{
    struct world *w = *state;
    put2(w, item(JOURNAL_WEBHOOK, 1), item(JOURNAL_CHANGE, 1));
    wait_back(w, 2);
    assert_string_equal(w->store.log, "w1 x1 | ");
    fail_next(w, 1, -ENOSPC);
    put2(w, item(JOURNAL_BATCH, 1), item(JOURNAL_CHANGE, 2));
    wait_back(w, 4); /* the batch by itself, when it works again */
    assert_string_equal(w->store.log, "w1 x1 | b1 | ");
    put2(w, in_epoch(item(JOURNAL_WEBHOOK, 2), 1), item(JOURNAL_CHANGE, 3));
    wait_back(w, 6);
    assert_string_equal(w->back, "w1=0 x1=0 x2=full b1=0 w2=0 x3=0 ");
    fail_next(w, 1, -EIO);
    put2(w, item(JOURNAL_CHANGE, 4), item(JOURNAL_CHANGE, 5));
    wait_back(w, 8);
    assert_non_null(strstr(w->back, "x4=io x5=io "));
}

/* A batch that came in the group after its webhook's is of safe events by then, and is kept. */
static void test_late_batch_is_kept(void **state)
{
    struct world *w = *state;
    put(w, item(JOURNAL_WEBHOOK, 1));
    wait_back(w, 1);
    fail_next(w, 2, -ENOSPC);
    put2(w, of(item(JOURNAL_BATCH, 1), 1), item(JOURNAL_WEBHOOK, 2));
    wait_back(w, 3);
    assert_string_equal(w->back, "w1=0 w2=full b1=0 ");
    assert_string_equal(w->store.log, "w1 | b1 | ");
}

static void test_fatal_error(void **state)
{
    struct world *w = *state;
    fail_next(w, 1, -EIO);
    put2(w, item(JOURNAL_WEBHOOK, 1), item(JOURNAL_BATCH, 1));
    wait_back(w, 2);
    assert_string_equal(w->back, "w1=io b1=io ");
    assert_int_equal(w->last.state, JOURNAL_FAILED);
    assert_int_equal(w->store.marked, 1);
    put2(w, item(JOURNAL_WEBHOOK, 2), item(JOURNAL_BARRIER, 0)); /* nothing is tried any more */
    wait_back(w, 4);
    assert_string_equal(w->back, "w1=io b1=io w2=io |0=0 ");
    assert_string_equal(w->store.log, "");
    assert_int_equal(journal_state(w->journal), JOURNAL_FAILED);
}

/* And it waits for its end without keeping a processor busy. */
static void test_failed_is_quiet(void **state)
{
    struct world *w = *state;
    fail_next(w, 1, -EIO);
    put(w, item(JOURNAL_WEBHOOK, 1));
    wait_back(w, 1);
    clock_t before = clock();
    uv_sleep(1500); /* longer than to the next look at the limits */
    assert_true(clock() - before < CLOCKS_PER_SEC / 5);
}

/* What needs no room says nothing about whether there is some. */
static void full_until_something_fits(struct world *w)
{
    fail_next(w, 1, -ENOSPC);
    put(w, with_events(item(JOURNAL_WEBHOOK, 1)));
    wait_back(w, 1);
    assert_int_equal(w->last.state, JOURNAL_FULL);
    put2(w, in_epoch(item(JOURNAL_WEBHOOK, 2), 2), item(JOURNAL_BARRIER, 0));
    wait_back(w, 3);
    assert_string_equal(w->back, "w1=full w2=0 |0=0 ");
    assert_int_equal(w->last.state, JOURNAL_FULL);
    put(w, with_events(in_epoch(item(JOURNAL_WEBHOOK, 3), 2)));
    wait_back(w, 4);
    assert_int_equal(w->last.state, JOURNAL_WORKS);
}

static void test_full_until_something_fits(void **state)
{
    struct world *w = *state;
    w->store.retire_err = -ENOSPC; /* so does the upkeep */
    full_until_something_fits(w);
}

/* The upkeep's own commit may be small enough. */
static void test_full_until_there_is_room(void **state)
{
    struct world *w = *state;
    w->store.narrow = true;
    full_until_something_fits(w);
}

/* The upkeep fails the same way, without an item to tell it by. */
static void test_upkeep_fails(void **state)
{
    struct world *w = *state;
    w->store.retire_err = -EBADMSG;
    for (uint64_t end = uv_hrtime() + DEADLINE_MS * 1000000ull; w->last.err == 0;) {
        assert_true(uv_hrtime() < end);
        (void) uv_run(&w->loop, UV_RUN_NOWAIT);
        (void) uv_sleep(1);
    }
    assert_int_equal(w->last.err, -EBADMSG);
    assert_int_equal(w->last.state, JOURNAL_FAILED);
    assert_null(w->last.items);
}

/* What can not be written when the journal ends comes back, too. */
static void test_end_while_full(void **state)
{
    struct world *w = *state;
    fail_next(w, 12, -ENOSPC);
    put(w, item(JOURNAL_WEBHOOK, 1));
    wait_back(w, 1);
    put2(w, item(JOURNAL_BATCH, 5), item(JOURNAL_BARRIER, 0));
    journal_free(w->journal);
    w->journal = NULL;
    wait_back(w, 3);
    assert_true(strcmp(w->back, "w1=full b5=canceled |0=0 ") == 0 ||
                strcmp(w->back, "w1=full b5=0 |0=0 ") == 0);
}

static void test_stats(void **state)
{
    struct world *w = *state;
    uint64_t messages[2], bytes[2];
    struct journal_stats stats = {
        .history_messages = messages, .history_bytes = bytes, .n_paths = 2};
    put(w, item(JOURNAL_WEBHOOK, 1));
    wait_back(w, 1);
    journal_stats(w->journal, &stats);
    assert_int_equal(stats.dead_letters, 7);
    assert_int_equal(messages[1], 2);
    assert_int_equal(bytes[0], 100);
}

static struct journal_item *path_item(enum journal_kind kind, uint32_t index)
{
    struct journal_item *i = item(kind, 0);
    i->path = (struct journal_path){
        .index = index, .name = "/new", .span_bits = 18, .limits = {.max_count = 7}};
    return i;
}

/* A path comes before the group that it came with, and is counted from then on. */
static void test_paths(void **state)
{
    struct world *w = *state;
    uint64_t messages[4] = {0}, bytes[4] = {0};
    struct journal_stats stats = {
        .history_messages = messages, .history_bytes = bytes, .n_paths = 4};
    put2(w, item(JOURNAL_BATCH, 1), path_item(JOURNAL_PATH, 2));
    wait_back(w, 2);
    assert_string_equal(w->store.log, "p2 b1 | ");
    assert_int_equal(w->last_position, 4096);
    journal_stats(w->journal, &stats);
    assert_int_equal(messages[2], 3);
    assert_int_equal(messages[3], 0);
    put(w, path_item(JOURNAL_LIMITS, 2));
    wait_back(w, 3);
    assert_string_equal(w->store.log, "p2 b1 | i2007 | ");
}

/* What passes refuses the path, and it can be tried again; that there is no number for it passes,
 * too. */
/* In order with the batches, and kept for the next try like them. */
static void test_cut(void **state)
{
    struct world *w = *state;
    struct journal_item *cut = item(JOURNAL_CUT, 0);
    cut->cut = (struct journal_cut){.path = 3, .floor = {7}};
    fail_next(w, 1, -ENOSPC);
    put2(w, item(JOURNAL_BATCH, 1), cut);
    wait_back(w, 2);
    assert_string_equal(w->store.log, "b1 k307 | ");
    assert_int_equal(w->last_position, 4321);
    assert_int_equal(w->last_err, 0);
}

static void test_path_refused(void **state)
{
    static const struct {
        int err, answer;
    } CASES[] = {{-ENOSPC, -ENOSPC}, {-EMFILE, -ENOMEM}};
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        atomic_store(&w->store.path_err, CASES[i].err);
        put(w, path_item(JOURNAL_PATH, 2));
        wait_back(w, i + 1);
        assert_int_equal(w->last_err, CASES[i].answer);
        assert_int_not_equal(journal_state(w->journal), JOURNAL_FAILED);
    }
    put(w, path_item(JOURNAL_PATH, 2));
    wait_back(w, 3);
    assert_int_equal(w->last_err, 0);
    assert_string_equal(w->store.log, "!2 !2 p2 ");
}

/* Nothing to do is no reason to be overdue; a commit that does not end is. */
static void test_overdue(void **state)
{
    struct world *w = *state;
    for (uint64_t end = uv_hrtime() + 1500 * 1000000ull; uv_hrtime() < end; (void) uv_sleep(50))
        assert_in_range(journal_overdue_ms(w->journal), 0, 1000);
    hold(w);
    put(w, item(JOURNAL_WEBHOOK, 1));
    for (uint64_t end = uv_hrtime() + DEADLINE_MS * 1000000ull;
         journal_overdue_ms(w->journal) < 1500; (void) uv_sleep(1))
        assert_true(uv_hrtime() < end);
    release(w);
    wait_back(w, 1);
    for (uint64_t end = uv_hrtime() + DEADLINE_MS * 1000000ull;
         journal_overdue_ms(w->journal) > 100; (void) uv_sleep(1))
        assert_true(uv_hrtime() < end);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_groups),
        WITH(test_passing_errors),
        WITH(test_late_batch_is_kept),
        WITH(test_groups),
        WITH(test_changes),
        WITH(test_late_batch_is_kept),
        WITH(test_fatal_error),
        WITH(test_upkeep_fails),
        WITH(test_end_while_full),
        WITH(test_stats),
        WITH(test_paths),
        WITH(test_cut),
        WITH(test_path_refused),
        WITH(test_overdue),
        WITH(test_failed_is_quiet),
        WITH(test_full_until_something_fits),
        WITH(test_full_until_there_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
