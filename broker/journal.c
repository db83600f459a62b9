/* journal.c - the journal thread: group commit. See journal.h. */
#include "journal.h"

#include "clock.h"
#include "crash.h"
#include "list.h"
#include "mem.h"
#include "thread.h"

#include <stdatomic.h>
#include <stdlib.h>

#define TICK_MS  1000 /* how often limits are looked at */
#define RETRY_MS 250  /* how often what could not be written is tried again */

struct chain {
    struct work *first, **end;
};

struct path_stats {
    uint64_t messages, bytes;
};

struct journal {
    struct store *store;
    struct journal_options options;
    struct work_queue queue;
    uv_thread_t thread;
    _Atomic uint64_t queued_bytes, dead_letters;
    _Atomic uint64_t due_ms; /* when the thread will be back from waiting, or came back from it */
    _Atomic int state;
    uv_mutex_t stats_lock;    /* of the two: paths are added */
    struct path_stats *stats; /* by path index */
    size_t n_paths;
    /* the thread's */
    struct chain waiting; /* taken and not finished, in order */
    uint64_t committed_serial, refused_epoch;
    uint64_t next_tick_ms, retry_ms;
    bool refused_any;
};

struct report_mail {
    struct mail mail;
    void (*run)(void *ctx, const struct journal_report *report); /* the journal may be gone */
    void *ctx;
    struct journal_report report;
};

/* --- chains --- */

static struct journal_item *item_of(struct work *w)
{
    return LIST_ENTRY(w, struct journal_item, work);
}

struct journal_item *journal_next(const struct journal_item *item)
{
    return item->work.next == NULL ? NULL : item_of(item->work.next);
}

static void chain_init(struct chain *c)
{
    c->first = NULL;
    c->end = &c->first;
}

static void chain_add(struct chain *c, struct work *w)
{
    w->next = NULL;
    *c->end = w;
    c->end = &w->next;
}

static void chain_join(struct chain *c, struct work *all)
{
    for (struct work *next; all != NULL; all = next) {
        next = all->next;
        chain_add(c, all);
    }
}

/* --- reports --- */

static void on_report(struct mail *m) /* the mailbox's thread */
{
    struct report_mail *r = LIST_ENTRY(m, struct report_mail, mail);
    r->run(r->ctx, &r->report);
    free(r);
}

static void post(struct journal *j, const struct chain *done, const struct journal_report *report)
{
    struct report_mail *r = xcalloc(1, sizeof(*r));
    r->mail.run = on_report;
    r->run = j->options.report;
    r->ctx = j->options.ctx;
    r->report = *report;
    r->report.state = (enum journal_state) atomic_load(&j->state);
    r->report.items = done->first == NULL ? NULL : item_of(done->first);
    for (struct work *w = done->first; w != NULL; w = w->next) {
        (void) atomic_fetch_sub(&j->queued_bytes, item_of(w)->bytes);
        r->report.n_items++;
    }
    CRASH_POINT("journal.post");
    mailbox_post(j->options.mailbox, &r->mail);
}

static void publish_stats(struct journal *j)
{
    atomic_store(&j->dead_letters, store_n_letters(j->store));
    uv_mutex_lock(&j->stats_lock);
    for (uint32_t i = 0; i < j->n_paths; i++) {
        struct store_path_state s;
        store_path_state(j->store, i, &s);
        j->stats[i] = (struct path_stats){s.count, s.bytes};
    }
    uv_mutex_unlock(&j->stats_lock);
}

/* --- paths --- */

static void count_path(struct journal *j, size_t index)
{
    uv_mutex_lock(&j->stats_lock);
    ASSERT(index <= j->n_paths);
    if (index == j->n_paths) {
        j->stats = xrealloc(j->stats, (index + 1) * sizeof(*j->stats));
        j->stats[index] = (struct path_stats){0};
        j->n_paths++;
    }
    uv_mutex_unlock(&j->stats_lock);
}

static int add_path(struct journal *j, struct journal_item *item)
{
    const struct journal_path *p = &item->path;
    struct store_path_state state;
    CRASH_POINT("journal.path");
    int r = store_path(j->store, p->index, p->name, p->span_bits, &p->limits);
    if (r < 0)
        return r == -EMFILE ? -ENOMEM : r; /* no number is left: nothing is wrong with the store */
    store_path_state(j->store, p->index, &state);
    item->position = state.tail;
    count_path(j, p->index);
    return 0;
}

/* A path is a transaction of its own. One that comes after another that could not be written would
 * leave its number out. */
static int add_paths(struct journal *j)
{
    int r = 0;
    for (struct work *w = j->waiting.first; r == 0 && w != NULL; w = w->next)
        if (item_of(w)->kind == JOURNAL_PATH)
            r = add_path(j, item_of(w));
    return r;
}

/* --- one group --- */

static bool is_refused(const struct journal *j, const struct journal_item *item)
{
    if (item->kind == JOURNAL_WEBHOOK)
        return j->refused_any && item->epoch <= j->refused_epoch;
    return false;
}

static int put(struct journal *j, struct journal_item *item)
{
    switch (item->kind) {
    case JOURNAL_WEBHOOK:
        CRASH_POINT("journal.webhook");
        return store_put_webhook(j->store, &item->webhook);
    case JOURNAL_BATCH:
        CRASH_POINT("journal.batch");
        return store_put_batch(j->store, &item->batch, &item->position);
    case JOURNAL_LETTER:
        CRASH_POINT("journal.letter");
        return store_put_letter(j->store, &item->letter);
    case JOURNAL_CHANGE:
        CRASH_POINT("journal.change");
        return store_put_change(j->store, &item->change);
    case JOURNAL_SETTLE:
        CRASH_POINT("journal.settle");
        return store_settle_events(j->store, item->seq);
    case JOURNAL_LIMITS:
        store_path_limit(j->store, item->path.index, &item->path.limits);
        return 0;
    case JOURNAL_CUT:
        return store_cut_path(j->store, item->cut.path, item->cut.floor, &item->position);
    case JOURNAL_DAMAGED:
        return -EBADMSG;
    case JOURNAL_PATH: /* has been added */
    case JOURNAL_BARRIER:
        break;
    }
    return 0;
}

/* Writes all that waits. Items that are not to be written get their error. *ret_serial: the last
 * webhook in the transaction. */
static int put_all(struct journal *j, uint64_t *ret_serial)
{
    uint64_t serial = j->committed_serial;
    int r = add_paths(j);
    if (r == 0)
        r = store_begin(j->store);
    for (struct work *w = j->waiting.first; r == 0 && w != NULL; w = w->next) {
        struct journal_item *item = item_of(w);
        item->err = 0;
        if (is_refused(j, item)) {
            item->err = -EAGAIN;
            continue;
        }
        if (item->kind != JOURNAL_WEBHOOK && item->serial > serial) {
            item->err = -ECANCELED; /* its webhook was refused */
            continue;
        }
        r = put(j, item);
        if (item->kind == JOURNAL_WEBHOOK)
            serial = item->serial;
    }
    if (r == 0) {
        CRASH_POINT("journal.commit");
        r = store_commit(j->store);
        CRASH_POINT("journal.committed");
    }
    if (r < 0)
        store_rollback(j->store);
    else
        *ret_serial = serial;
    return r;
}

/* The group could not be written now. Webhooks are refused with what came with them, and changes;
 * batches of safe events, letters and barriers stay for the next try. */
static void refuse_group(struct journal *j, int err, struct chain *done)
{
    struct work *all = j->waiting.first;
    chain_init(&j->waiting);
    for (struct work *w = all, *next; w != NULL; w = next) {
        struct journal_item *item = item_of(w);
        next = w->next;
        bool answered = item->kind == JOURNAL_WEBHOOK || item->kind == JOURNAL_CHANGE ||
                        item->kind == JOURNAL_PATH;
        bool drop = answered || item->kind == JOURNAL_SETTLE || item->serial > j->committed_serial;
        if (!drop) {
            chain_add(&j->waiting, w);
            continue;
        }
        if (item->kind == JOURNAL_WEBHOOK && !is_refused(j, item)) {
            j->refused_any = true;
            j->refused_epoch = item->epoch;
        }
        item->err = answered ? err : -ECANCELED;
        chain_add(done, w);
    }
}

static void fail_all(struct journal *j, int err, struct chain *done)
{
    for (struct work *w = j->waiting.first; w != NULL; w = w->next)
        item_of(w)->err = item_of(w)->kind == JOURNAL_BARRIER ? 0 : err;
    *done = j->waiting;
    if (done->first == NULL)
        chain_init(done);
    chain_init(&j->waiting);
}

static bool is_passing(int err)
{
    return err == -ENOSPC || err == -EBUSY || err == -ENOMEM;
}

static void set_state(struct journal *j, int err)
{
    int state = err == 0 || err == -EBUSY || err == -ENOMEM ? JOURNAL_WORKS
                : err == -ENOSPC                            ? JOURNAL_FULL
                                                            : JOURNAL_FAILED;
    atomic_store(&j->state, state);
}

/* What follows from an error, of a group or of the upkeep. */
static void on_error(struct journal *j, int err)
{
    set_state(j, err);
    j->retry_ms = clock_mono_ms() + RETRY_MS;
    if (err == -ENOSPC) {
        store_drop_ballast(j->store);
        int r =
            store_checkpoint_now(j->store); /* what fails here fails again with the next group */
        (void) r;
    } else if (!is_passing(err)) {
        store_mark_failed(j->store);
    }
}

/* Nothing to write: it needs no room and no lock. */
static bool only_barriers(const struct journal *j)
{
    for (struct work *w = j->waiting.first; w != NULL; w = w->next) {
        if (item_of(w)->kind != JOURNAL_BARRIER)
            return false;
    }
    return true;
}

/* Whether the group needed room: only then its commit says that there is some. */
static bool wrote(const struct chain *group)
{
    for (struct work *w = group->first; w != NULL; w = w->next) {
        const struct journal_item *item = item_of(w);
        if (item->err == 0 &&
            ((item->kind == JOURNAL_WEBHOOK &&
              item->webhook.n_events + item->webhook.sender_ids.len + item->webhook.n_records >
                  0) ||
             item->kind == JOURNAL_BATCH || item->kind == JOURNAL_LETTER ||
             item->kind == JOURNAL_CHANGE))
            return true;
    }
    return false;
}

static void commit_group(struct journal *j)
{
    struct chain done;
    struct journal_report report = {0};
    uint64_t start = clock_mono_us();
    chain_init(&done);
    CRASH_POINT("journal.group");
    if (atomic_load(&j->state) == JOURNAL_FAILED)
        report.err = -EIO;
    else if (!only_barriers(j))
        report.err = put_all(j, &j->committed_serial);
    if (report.err == 0) {
        report.commit_us = only_barriers(j) ? 0 : clock_mono_us() - start;
        j->retry_ms = 0;
        done = j->waiting;
        if (atomic_load(&j->state) != JOURNAL_FULL || wrote(&done))
            set_state(j, 0);
        chain_init(&j->waiting);
    } else {
        report.sqlite = store_errno(j->store);
        on_error(j, report.err);
        if (is_passing(report.err))
            refuse_group(j, report.err, &done);
        else
            fail_all(j, report.err, &done);
    }
    publish_stats(j);
    post(j, &done, &report);
}

/* --- upkeep --- */

static void fail_upkeep(struct journal *j, int err)
{
    if (err == 0 || is_passing(err)) /* what passes is tried again at the next tick */
        return;
    struct journal_report report = {.err = err, .sqlite = store_errno(j->store)};
    struct chain none;
    chain_init(&none);
    on_error(j, err);
    post(j, &none, &report);
}

/* Old history and ids go, the WAL is written back. True when there is more to do soon. */
static bool retire(struct journal *j)
{
    bool more = false;
    CRASH_POINT("journal.retire");
    int r = store_begin(j->store);
    if (r == 0 && atomic_load(&j->state) == JOURNAL_FULL)
        store_touch(j->store);
    if (r == 0)
        r = store_retire(j->store, j->options.dedup_window_ms, &more);
    if (r == 0)
        r = store_commit(j->store);
    if (r < 0)
        store_rollback(j->store);
    if (r == 0 && atomic_load(&j->state) == JOURNAL_FULL && store_has_room(j->store))
        set_state(j, 0); /* there was room for this, and is for more */
    fail_upkeep(j, r);
    return r == 0 && more;
}

static void checkpoint(struct journal *j)
{
    fail_upkeep(j, store_checkpoint(j->store));
}

static void upkeep(struct journal *j)
{
    uint64_t now = clock_mono_ms();
    if (atomic_load(&j->state) == JOURNAL_FAILED) {
        j->next_tick_ms = now + TICK_MS;
        return;
    }
    if (now >= j->next_tick_ms) {
        j->next_tick_ms = now + (retire(j) ? 0 : TICK_MS);
        publish_stats(j);
    }
    if (atomic_load(&j->state) != JOURNAL_FAILED)
        checkpoint(j);
}

/* --- the thread --- */

static uint64_t patience(const struct journal *j)
{
    uint64_t now = clock_mono_ms(), due = j->next_tick_ms;
    if (j->waiting.first != NULL && j->retry_ms < due)
        due = j->retry_ms;
    return due > now ? due - now : 0;
}

static void journal_main(void *arg)
{
    struct journal *j = arg;
    thread_name("journal");
    (void) thread_prompt(); /* an error: an older kernel */
    for (bool closed = false; !closed;) {
        uint64_t wait_ms = patience(j);
        atomic_store(&j->due_ms, clock_mono_ms() + wait_ms);
        struct work *fresh = work_take(&j->queue, wait_ms, &closed);
        atomic_store(&j->due_ms, clock_mono_ms());
        chain_join(&j->waiting, fresh);
        if (fresh != NULL || (j->waiting.first != NULL && clock_mono_ms() >= j->retry_ms))
            commit_group(j);
        upkeep(j);
    }
    struct chain done; /* what still waits for room will be formed again by the next start */
    struct journal_report report = {.err = 0};
    fail_all(j, -ECANCELED, &done);
    if (done.first != NULL)
        post(j, &done, &report);
}

int journal_new(const struct journal_options *options, struct journal **ret)
{
    struct journal *j = xcalloc(1, sizeof(*j));
    j->store = options->store;
    j->options = *options;
    j->n_paths = options->n_paths;
    j->stats = xcalloc(options->n_paths + 1, sizeof(*j->stats));
    int locked = uv_mutex_init(&j->stats_lock);
    ASSERT(locked == 0); /* only a lack of memory could fail it */
    chain_init(&j->waiting);
    atomic_store(&j->state, JOURNAL_WORKS);
    atomic_store(&j->due_ms, clock_mono_ms());
    publish_stats(j);
    int r = work_queue_init(&j->queue);
    if (r == 0) {
        r = uv_thread_create(&j->thread, journal_main, j);
        if (r < 0)
            work_queue_fini(&j->queue);
    }
    if (r < 0) {
        uv_mutex_destroy(&j->stats_lock);
        free(j->stats);
        free(j);
        return r;
    }
    *ret = j;
    return 0;
}

void journal_free(struct journal *j)
{
    if (j == NULL)
        return;
    work_close(&j->queue);
    (void) uv_thread_join(&j->thread);
    work_queue_fini(&j->queue);
    store_close(j->store);
    uv_mutex_destroy(&j->stats_lock);
    free(j->stats);
    free(j);
}

void journal_put(struct journal *j, struct journal_item *first, struct journal_item *last)
{
    for (struct journal_item *it = first;; it = journal_next(it)) {
        (void) atomic_fetch_add(&j->queued_bytes, it->bytes);
        if (it == last)
            break;
    }
    work_put_all(&j->queue, &first->work, &last->work);
}

uint64_t journal_queued_bytes(const struct journal *j)
{
    return atomic_load(&j->queued_bytes);
}

enum journal_state journal_state(const struct journal *j)
{
    return (enum journal_state) atomic_load(&j->state);
}

uint64_t journal_overdue_ms(const struct journal *j)
{
    uint64_t due = atomic_load(&j->due_ms), now = clock_mono_ms();
    return now > due ? now - due : 0;
}

void journal_stats(struct journal *j, struct journal_stats *ret)
{
    ret->dead_letters = atomic_load(&j->dead_letters);
    uv_mutex_lock(&j->stats_lock);
    for (size_t i = 0; i < j->n_paths && i < ret->n_paths; i++) {
        if (ret->history_messages != NULL)
            ret->history_messages[i] = j->stats[i].messages;
        if (ret->history_bytes != NULL)
            ret->history_bytes[i] = j->stats[i].bytes;
    }
    uv_mutex_unlock(&j->stats_lock);
}
