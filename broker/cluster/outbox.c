/* outbox.c - the outbox's thread: group commit, marks, what is old goes. */
#include "cluster/outbox.h"

#include "clock.h"
#include "cluster/outbox_db.h"
#include "list.h"
#include "log.h"
#include "mem.h"
#include "thread.h"

#include <stdatomic.h>
#include <stdlib.h>

#define TICK_MS  250 /* how often what is old is looked for, and what failed is tried again */
#define MARKS_MS 20  /* marks wait so long for a group to go with */

struct chain {
    struct work *first, **end;
};

/* Mails outlive the outbox; they find it here, or not any more. */
struct link {
    struct outbox *outbox; /* NULL: it is gone; the mailbox's thread */
    _Atomic unsigned refs;
};
struct report_mail {
    struct mail mail;
    struct link *link;
};

/* What one group has led to, until it is reported. */
struct outcome {
    struct list in_done;
    struct outbox_report report;
};

struct outbox {
    struct outbox_options options;
    struct outbox_db *db; /* the thread's, as soon as it runs */
    struct work_queue queue;
    uv_thread_t thread;
    struct link *link;
    uv_mutex_t lock;
    struct list done; /* of struct outcome, under the lock */
    _Atomic uint64_t due_ms;
    _Atomic bool expires;
    /* the thread's */
    struct chain waiting; /* taken and not finished, in order */
    bool urgent;          /* somebody waits for some of it */
    uint64_t marks_ms;    /* when it is to be written if nobody does */
    uint64_t retry_ms;    /* after a failure */
    uint64_t tick_ms;
    int last_err;
    bool failed;
};

static struct outbox_item *item_of(struct work *w)
{
    return LIST_ENTRY(w, struct outbox_item, work);
}

struct outbox_item *outbox_next(const struct outbox_item *item)
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

/* --- reports --- */

static void link_unref(struct link *link)
{
    if (atomic_fetch_sub(&link->refs, 1) == 1)
        free(link);
}

/* The mailbox's thread. */
static void deliver(struct outbox *o)
{
    for (;;) {
        struct list *first = NULL;
        uv_mutex_lock(&o->lock);
        if (!list_empty(&o->done)) {
            first = o->done.next;
            list_remove(first);
        }
        uv_mutex_unlock(&o->lock);
        if (first == NULL)
            return;
        struct outcome *out = LIST_ENTRY(first, struct outcome, in_done);
        o->options.report(o->options.ctx, &out->report);
        free(out);
    }
}

static void on_mail(struct mail *m)
{
    struct report_mail *r = LIST_ENTRY(m, struct report_mail, mail);
    if (r->link->outbox != NULL)
        deliver(r->link->outbox);
    link_unref(r->link);
    free(r);
}

static void post(struct outbox *o, const struct chain *done, int err, uint64_t removed)
{
    struct outcome *out = xcalloc(1, sizeof(*out));
    out->report.items = done->first == NULL ? NULL : item_of(done->first);
    out->report.err = err;
    out->report.removed = removed;
    uv_mutex_lock(&o->lock);
    list_push(&o->done, &out->in_done);
    uv_mutex_unlock(&o->lock);
    struct report_mail *m = xcalloc(1, sizeof(*m));
    m->mail.run = on_mail;
    m->link = o->link;
    (void) atomic_fetch_add(&o->link->refs, 1);
    mailbox_post(o->options.mailbox, &m->mail);
}

/* --- reading --- */

struct page {
    struct outbox_item *item;
    size_t cap, bytes;
};

static bool take_row(void *ctx, const struct outbox_row *row)
{
    struct page *p = ctx;
    struct outbox_item *item = p->item;
    if (item->n == item->max_n || (item->n > 0 && p->bytes + row->body.len > item->max_bytes))
        return false;
    uint8_t *body = owed_malloc(row->body.len + 1);
    if (body == NULL) {
        item->err = -ENOMEM;
        return false;
    }
    if (item->n == p->cap) {
        p->cap = p->cap == 0 ? 64 : 2 * p->cap;
        item->found = xrealloc(item->found, p->cap * sizeof(*item->found));
    }
    if (row->body.len > 0)
        memcpy(body, row->body.data, row->body.len);
    item->found[item->n] = *row;
    item->found[item->n++].body = slice_of(body, row->body.len);
    p->bytes += row->body.len;
    return true;
}

static int read_page(struct outbox *o, struct outbox_item *item)
{
    struct page p = {.item = item};
    item->err = 0;
    int r = outbox_db_read(o->db, item->after, take_row, &p);
    if (r < 0)
        item->err = r;
    return r;
}

/* --- one group --- */

static bool is_mark(struct work *w)
{
    return item_of(w)->kind == OUTBOX_MARK;
}

static int put(struct outbox *o, struct outbox_item *item)
{
    int r;
    switch (item->kind) {
    case OUTBOX_ADD:
        return outbox_db_add(o->db, &item->row);
    case OUTBOX_MARK:
        r = outbox_db_ack(o->db, item->row.number, item->seq);
        return r == -ENOENT ? 0 : r; /* its row was refused, or has gone */
    case OUTBOX_REGRESS:
        return outbox_db_regress(o->db, &item->n_regressed, &item->regressed_bytes);
    case OUTBOX_READ: /* behind the commit */
        break;
    }
    return 0;
}

static int put_all(struct outbox *o)
{
    int r = outbox_db_begin(o->db);
    if (r < 0)
        return r;
    for (struct work *w = o->waiting.first; r == 0 && w != NULL; w = w->next)
        r = put(o, item_of(w));
    if (r == 0)
        r = outbox_db_commit(o->db);
    if (r < 0)
        outbox_db_rollback(o->db);
    return r;
}

static bool is_passing(int err)
{
    return err == -ENOSPC || err == -EBUSY || err == -ENOMEM;
}

static void log_failure(int err)
{
    log_error("outbox",
              err == -ENOSPC    ? "the disk is full: webhooks are refused"
              : is_passing(err) ? "the outbox cannot be written now: webhooks are refused"
                                : "the outbox cannot be used any more: no webhook is taken",
              err);
}

/* Once for each time that it begins. */
static void note_result(struct outbox *o, int err)
{
    if (err < 0 && err != o->last_err)
        log_failure(err);
    o->last_err = err;
    if (err < 0 && !is_passing(err))
        o->failed = true;
    o->retry_ms = err < 0 ? clock_mono_ms() + TICK_MS : 0;
}

/* Splits what was waiting by what has become of it. What only passes leaves marks and regresses
 * where they are: they need no answer now, and must not be lost. */
static void settle_group(struct outbox *o, int err, struct chain *done)
{
    struct work *all = o->waiting.first;
    chain_init(&o->waiting);
    for (struct work *w = all, *next; w != NULL; w = next) {
        struct outbox_item *item = item_of(w);
        next = w->next;
        bool answered = !is_mark(w) && item->kind != OUTBOX_REGRESS;
        if (err < 0 && is_passing(err) && !answered) {
            chain_add(&o->waiting, w);
            continue;
        }
        if (is_mark(w)) {
            free(item);
            continue;
        }
        item->err = item->kind == OUTBOX_READ && is_passing(err) ? 0 : err;
        chain_add(done, w);
    }
}

static int read_all(struct outbox *o, const struct chain *done)
{
    int r = 0;
    for (struct work *w = done->first; w != NULL; w = w->next)
        if (item_of(w)->kind == OUTBOX_READ && item_of(w)->err == 0 && read_page(o, item_of(w)) < 0)
            r = item_of(w)->err;
    return r;
}

static void commit_group(struct outbox *o)
{
    struct chain done;
    chain_init(&done);
    int r = o->failed ? -EIO : put_all(o);
    if (!o->failed)
        note_result(o, r);
    settle_group(o, r, &done);
    int damage = read_all(o, &done);
    if (damage < 0 && !o->failed)
        note_result(o, damage);
    if (done.first != NULL || r < 0)
        post(o, &done, damage < 0 ? damage : r, 0);
}

/* --- upkeep --- */

static void fail_upkeep(struct outbox *o, int err)
{
    if (err == 0 || is_passing(err)) /* what passes is tried again at the next tick */
        return;
    struct chain none;
    chain_init(&none);
    note_result(o, err);
    post(o, &none, err, 0);
}

static bool expire(struct outbox *o)
{
    uint64_t now = clock_boot_ms(), n = 0;
    bool more = false;
    if (!atomic_load(&o->expires) || now < o->options.keep_ms)
        return false;
    int r = outbox_db_expire(o->db, now - o->options.keep_ms, &n, &more);
    struct chain none;
    chain_init(&none);
    if (n > 0)
        post(o, &none, 0, n);
    fail_upkeep(o, r);
    return more;
}

static void upkeep(struct outbox *o)
{
    uint64_t now = clock_mono_ms();
    if (!o->failed && now >= o->tick_ms)
        o->tick_ms = now + (expire(o) ? 0 : TICK_MS);
    if (!o->failed)
        fail_upkeep(o, outbox_db_checkpoint(o->db));
    if (o->failed)
        o->tick_ms = now + TICK_MS;
}

/* --- the thread --- */

/* When what waits must be written: UINT64_MAX, nothing does. */
static uint64_t due(const struct outbox *o)
{
    if (o->waiting.first == NULL)
        return UINT64_MAX;
    if (o->urgent)
        return 0;
    return o->retry_ms > o->marks_ms ? o->retry_ms : o->marks_ms;
}

static void take(struct outbox *o, struct work *fresh)
{
    for (struct work *next; fresh != NULL; fresh = next) {
        next = fresh->next;
        if (o->waiting.first == NULL)
            o->marks_ms = clock_mono_ms() + MARKS_MS;
        o->urgent = o->urgent || !is_mark(fresh);
        chain_add(&o->waiting, fresh);
    }
}

static uint64_t patience(const struct outbox *o)
{
    uint64_t now = clock_mono_ms(), at = due(o) < o->tick_ms ? due(o) : o->tick_ms;
    return at > now ? at - now : 0;
}

static void outbox_main(void *arg)
{
    struct outbox *o = arg;
    thread_name("outbox");
    (void) thread_prompt(); /* an error: an older kernel */
    for (bool closed = false; !closed;) {
        uint64_t wait_ms = patience(o);
        atomic_store(&o->due_ms, clock_mono_ms() + wait_ms);
        struct work *fresh = work_take(&o->queue, wait_ms, &closed);
        atomic_store(&o->due_ms, clock_mono_ms());
        take(o, fresh);
        if (o->waiting.first != NULL && (closed || clock_mono_ms() >= due(o))) {
            o->urgent = false;
            commit_group(o);
        }
        upkeep(o);
    }
    struct chain done; /* what still waits for room: rows are sent again by the next start */
    chain_init(&done);
    settle_group(o, -ECANCELED, &done);
    if (done.first != NULL)
        post(o, &done, -ECANCELED, 0);
}

/* --- what others see --- */

static void log_open_failure(const struct outbox_options *options, int err, int64_t pid)
{
    struct log_line l;
    log_open(&l, LOG_ERROR, "outbox", "the outbox cannot be opened");
    log_str(&l, "dir", options->dir);
    log_str(&l, "error", err_str(err));
    if (err == -EALREADY)
        log_i64(&l, "pid", pid);
    log_close(&l);
}

static void release(struct outbox *o)
{
    outbox_db_close(o->db);
    uv_mutex_destroy(&o->lock);
    o->link->outbox = NULL;
    link_unref(o->link);
    free(o);
}

static int start(struct outbox *o)
{
    int r = work_queue_init(&o->queue);
    if (r < 0)
        return r;
    r = uv_thread_create(&o->thread, outbox_main, o);
    if (r < 0)
        work_queue_fini(&o->queue);
    return r;
}

int outbox_open(const struct outbox_options *options, struct outbox **ret,
                struct outbox_found *ret_found)
{
    struct outbox_db *db;
    struct outbox_found found;
    int64_t pid = 0;
    int r = outbox_db_open(options, &db, &found, &pid);
    if (r < 0) {
        log_open_failure(options, r, pid);
        return r;
    }
    struct outbox *o = xcalloc(1, sizeof(*o));
    o->options = *options;
    o->options.dir = o->options.vfs = NULL; /* not needed any more */
    o->db = db;
    o->link = xcalloc(1, sizeof(*o->link));
    o->link->outbox = o;
    atomic_store(&o->link->refs, 1);
    list_init(&o->done);
    chain_init(&o->waiting);
    int locked = uv_mutex_init(&o->lock);
    ASSERT(locked == 0); /* only a lack of memory could fail it */
    atomic_store(&o->due_ms, clock_mono_ms());
    r = start(o);
    if (r < 0) {
        log_error("outbox", "no thread", r);
        release(o);
        return r;
    }
    *ret = o;
    *ret_found = found;
    return 0;
}

void outbox_free(struct outbox *o)
{
    if (o == NULL)
        return;
    work_close(&o->queue);
    (void) uv_thread_join(&o->thread);
    work_queue_fini(&o->queue);
    deliver(o);
    release(o);
}

void outbox_put(struct outbox *o, struct outbox_item *item)
{
    item->err = 0;
    work_put(&o->queue, &item->work);
}

void outbox_ack(struct outbox *o, uint64_t number, uint64_t seq)
{
    struct outbox_item *mark = xcalloc(1, sizeof(*mark));
    mark->kind = OUTBOX_MARK;
    mark->row.number = number;
    mark->seq = seq;
    work_put(&o->queue, &mark->work);
}

void outbox_expire(struct outbox *o, bool on)
{
    atomic_store(&o->expires, on);
}

uint64_t outbox_overdue_ms(const struct outbox *o)
{
    uint64_t due_ms = atomic_load(&o->due_ms), now = clock_mono_ms();
    return now > due_ms ? now - due_ms : 0;
}
