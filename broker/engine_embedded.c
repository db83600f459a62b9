/* engine_embedded.c - the engine of a single node: the journal makes things safe, the history
 * thread reads them back. What is submitted and broadcast in one turn is staged and goes to the
 * journal together, so that a webhook and the batches made of it are one transaction. */
#include "engine_embedded.h"

#include "clock.h"
#include "crash.h"
#include "engine_item.h"
#include "log.h"
#include "mem.h"
#include "recovery.h"

#include <stdlib.h>

#define MAX_QUEUED_BYTES ((uint64_t) 64 << 20) /* not yet safe; above it webhooks are refused */
#define FAILURE_LOG_MS   1000

struct engine {
    struct engine_options options;
    struct recovery recovery; /* its store is the journal's after the start */
    struct journal *journal;
    struct history *history;
    struct item_pool items;
    struct item *first_staged, *last_staged;
    uint64_t next_seq, serial, settled_seq, in_flight;
    uint64_t found_seq, backlog_seq; /* the last event of the last run, and of its backlog */
    uint64_t failure_logged_ms;
    uint64_t clock_offset_ms; /* the store's clock against the monotonic one */
    enum journal_state state;
    bool failed, told; /* nothing is taken any more; and cb.failed has been called */
    bool damage_told;  /* the journal has been told what a reader found */
};

/* --- opening --- */

static void embedded_close(struct engine *e)
{
    history_free(e->history);
    recovery_fini(&e->recovery);
    item_pool_fini(&e->items);
    free(e);
}

static int embedded_open(const struct engine_options *options, struct engine **ret)
{
    struct engine *e = xcalloc(1, sizeof(*e));
    e->options = *options;
    e->state = JOURNAL_WORKS;
    int r = recovery_open(&e->recovery, options);
    if (r == 0) {
        struct store_options store = recovery_store_options(options);
        e->clock_offset_ms = store_now_ms(e->recovery.store) - clock_mono_ms();
        r = recovery_failed(&e->recovery,
                            history_new(&store, options->cfg->gateway.replay_bytes, &e->history));
    }
    if (r < 0) {
        embedded_close(e);
        return r;
    }
    *ret = e;
    return 0;
}

static int embedded_load(struct engine *e, struct catalog *catalog, struct seen *seen,
                         struct id_gen *ids)
{
    return recovery_load(&e->recovery, catalog, seen, ids);
}

static int embedded_load_records(struct engine *e,
                                 void (*one)(void *, const struct engine_record *), void *ctx)
{
    return recovery_load_records(&e->recovery, one, ctx);
}

static int embedded_load_triggers(struct engine *e, const char *const *ids, size_t n,
                                  uint64_t *ret_last_seq)
{
    struct store *store = e->recovery.store;
    e->next_seq = store_next_seq(store);
    e->settled_seq = e->found_seq = e->next_seq - 1;
    int r = store_triggers(store, ids, n, ret_last_seq);
    for (size_t i = 0; r == 0 && i < n; i++)
        e->settled_seq = ret_last_seq[i] < e->settled_seq ? ret_last_seq[i] : e->settled_seq;
    return recovery_failed(&e->recovery, r);
}

/* --- staging --- */

static void stage(struct engine *e, struct item *it)
{
    it->journal.bytes = sizeof(*it) + it->bytes.len;
    it->journal.work.next = NULL;
    if (e->first_staged == NULL)
        e->first_staged = it;
    else
        journal_link(&e->last_staged->journal, &it->journal);
    e->last_staged = it;
}

static void embedded_flush(struct engine *e)
{
    if (e->first_staged == NULL)
        return;
    CRASH_POINT("engine.flush");
    struct item *first = e->first_staged;
    e->first_staged = NULL;
    journal_put(e->journal, &first->journal, &e->last_staged->journal);
}

/* --- submit and broadcast --- */

static int embedded_can_submit(const struct engine *e)
{
    if (e->failed)
        return -EIO;
    return journal_queued_bytes(e->journal) > MAX_QUEUED_BYTES ? -EAGAIN : 0;
}

static void embedded_submit(struct engine *e, const struct engine_submission *s)
{
    bool nothing = s->n + s->n_records + s->sender_ids.len + s->notes.len + s->letters.len == 0 &&
                   s->letter == 0;
    if (nothing && e->in_flight == 0) {
        s->done(s->arg, 0);
        return;
    }
    struct item *it = item_new(&e->items, JOURNAL_WEBHOOK);
    it->journal.serial = ++e->serial; /* taken or not: what is batched of it goes with it */
    int r = item_put_webhook(it, s, &e->next_seq);
    if (r < 0) {
        item_free(&e->items, it);
        s->done(s->arg, r);
        return;
    }
    e->in_flight++;
    CRASH_POINT("engine.submit");
    stage(e, it);
}

static int embedded_broadcast(struct engine *e, const struct engine_broadcast *b)
{
    if (e->failed)
        return -EIO;
    struct item *it = item_new(&e->items, JOURNAL_BATCH);
    int r = item_put_batch(it, b);
    if (r < 0) {
        item_free(&e->items, it);
        return r;
    }
    it->journal.serial = b->provisional ? e->serial : 0;
    stage(e, it);
    return 0;
}

/* What is staged from that webhook on is its own. */
static void embedded_withdraw(struct engine *e)
{
    struct item *before = NULL, *it = e->first_staged;
    while (it != NULL && (it->journal.kind != JOURNAL_WEBHOOK || it->journal.serial != e->serial)) {
        before = it;
        it = (struct item *) journal_next(&it->journal);
    }
    if (it == NULL)
        return; /* it had no memory itself: refused already */
    if (before != NULL)
        before->journal.work.next = NULL;
    else
        e->first_staged = NULL;
    e->last_staged = before;
    e->in_flight--;
    it->done(it->arg, -ENOMEM);
    for (struct item *next; it != NULL; it = next) {
        next = (struct item *) journal_next(&it->journal);
        item_free(&e->items, it);
    }
}

static void embedded_set_aside(struct engine *e, struct event *event, const char *why,
                               bool provisional)
{
    if (e->failed)
        return;
    struct item *it = item_new(&e->items, JOURNAL_LETTER);
    if (item_put_letter(it, event, why) < 0) {
        item_free(&e->items, it);
        return;
    }
    it->journal.serial = provisional ? e->serial : 0;
    stage(e, it);
}

static void no_matter(void *arg, int err)
{
    (void) arg, (void) err; /* it is a copy */
}

void engine_embedded_letter(struct engine *e, const struct store_letter *letter)
{
    bool goes = letter->body.data == NULL;
    if (e->failed)
        return;
    struct item *it = item_new(&e->items, goes ? JOURNAL_CHANGE : JOURNAL_LETTER);
    const struct engine_change gone = {.letter = letter->id, .done = no_matter};
    int r = goes ? item_put_change(it, &gone) : item_put_kept_letter(it, letter);
    if (r < 0) {
        item_free(&e->items, it);
        return;
    }
    if (goes)
        it->journal.change.next_seq = e->next_seq;
    stage(e, it);
}

/* --- changes --- */

static void embedded_change(struct engine *e, const struct engine_change *c)
{
    if (e->failed) {
        c->done(c->arg, -EIO);
        return;
    }
    struct item *it = item_new(&e->items, JOURNAL_CHANGE);
    int r = item_put_change(it, c);
    if (r < 0) {
        item_free(&e->items, it);
        c->done(c->arg, r);
        return;
    }
    it->journal.change.next_seq = e->next_seq;
    CRASH_POINT("engine.change");
    stage(e, it);
}

/* --- paths --- */

static struct item *path_item(struct engine *e, enum journal_kind kind, const struct path *path)
{
    struct item *it = item_new(&e->items, kind);
    it->journal.path = (struct journal_path){
        .index = (uint32_t) path->index,
        .name = path->name, /* which is there as long as the process */
        .span_bits = pathlog_span_bits(path->log),
        .limits = recovery_limits(path->cfg),
    };
    return it;
}

static void embedded_add_path(struct engine *e, struct path *path, void (*done)(void *arg, int err),
                              void *arg)
{
    if (e->failed) {
        done(arg, -EIO);
        return;
    }
    struct item *it = path_item(e, JOURNAL_PATH, path);
    it->path = path;
    it->done = done;
    it->arg = arg;
    CRASH_POINT("engine.path");
    stage(e, it);
}

static void embedded_limit_path(struct engine *e, const struct path *path)
{
    if (!e->failed)
        stage(e, path_item(e, JOURNAL_LIMITS, path));
}

void engine_embedded_cut(struct engine *e, struct path *path, const uint8_t floor[ID_PACKED_SIZE],
                         void (*done)(void *arg, int err), void *arg)
{
    if (e->failed) {
        done(arg, -EIO);
        return;
    }
    struct item *it = item_new(&e->items, JOURNAL_CUT);
    it->journal.cut.path = (uint32_t) path->index;
    memcpy(it->journal.cut.floor, floor, ID_PACKED_SIZE);
    it->path = path;
    it->done = done;
    it->arg = arg;
    stage(e, it);
}

static uint64_t embedded_submitted_seq(const struct engine *e)
{
    return e->next_seq - 1;
}

/* --- what is batched --- */

/* What a reader has found is found again by the next start, which looks at everything: until then
 * nothing may be acknowledged that the damage may cost. */
static void watch_history(struct engine *e)
{
    struct history_stats stats;
    history_stats(e->history, &stats);
    if (!stats.damaged || e->damage_told)
        return;
    e->damage_told = true;
    stage(e, item_new(&e->items, JOURNAL_DAMAGED));
    embedded_flush(e);
}

static void embedded_batched(struct engine *e, uint64_t seq)
{
    if (e->failed)
        return;
    watch_history(e);
    if (seq >= e->backlog_seq && seq < e->found_seq)
        seq = e->found_seq; /* what is behind the backlog was set aside */
    if (seq <= e->settled_seq)
        return;
    e->settled_seq = seq;
    struct item *it = item_new(&e->items, JOURNAL_SETTLE);
    it->journal.seq = seq;
    stage(e, it);
    embedded_flush(e);
}

static void embedded_settle(struct engine *e, void (*done)(void *arg), void *arg)
{
    struct item *it = item_new(&e->items, JOURNAL_BARRIER);
    it->settled = done;
    it->arg = arg;
    stage(e, it);
    embedded_flush(e);
}

/* --- what comes back from the journal --- */

static void webhook_done(struct engine *e, struct item *it)
{
    e->in_flight--;
    CRASH_POINT("engine.answer");
    it->done(it->arg, it->journal.err);
    CRASH_POINT("engine.answered");
    if (it->journal.err == 0)
        e->options.cb.events(e->options.cb.ctx, it->events, it->n_events, false);
}

static void batch_done(struct engine *e, struct item *it)
{
    if (it->journal.err < 0)
        return; /* of a refused webhook, or the next start forms it again */
    it->batch.position = it->journal.position;
    CRASH_POINT("engine.deliver");
    int r = e->options.cb.deliver(e->options.cb.ctx, &it->batch);
    CRASH_POINT("engine.delivered");
    if (r < 0 && !e->told) { /* readers would miss it silently: start again from the store */
        e->failed = e->told = true;
        e->options.cb.failed(e->options.cb.ctx, r);
    }
}

static void path_done(struct item *it)
{
    if (it->journal.err == 0)
        pathlog_start(it->path->log, it->journal.position);
    it->done(it->arg, it->journal.err);
}

static void cut_done(struct item *it)
{
    if (it->journal.err == 0)
        pathlog_cut(it->path->log, it->journal.position);
    it->done(it->arg, it->journal.err);
}

static void item_done(struct engine *e, struct item *it)
{
    switch (it->journal.kind) {
    case JOURNAL_WEBHOOK:
        webhook_done(e, it);
        break;
    case JOURNAL_BATCH:
        batch_done(e, it);
        break;
    case JOURNAL_LETTER:
        if (it->journal.err == 0 && it->journal.letter.id == 0)
            metrics_add(e->options.metrics, M_DEAD_LETTERS, 1);
        break;
    case JOURNAL_CHANGE:
        CRASH_POINT("engine.changed");
        it->done(it->arg, it->journal.err);
        break;
    case JOURNAL_PATH:
        path_done(it);
        break;
    case JOURNAL_LIMITS:
        break;
    case JOURNAL_CUT:
        cut_done(it);
        break;
    case JOURNAL_BARRIER:
        it->settled(it->arg);
        break;
    case JOURNAL_DAMAGED:
        break; /* the report says what follows */
    case JOURNAL_SETTLE:
        if (it->journal.err < 0)
            e->settled_seq = 0; /* said again at the next occasion */
        break;
    }
    item_free(&e->items, it);
}

static void count_report(struct engine *e, const struct journal_report *r)
{
    struct metrics *m = e->options.metrics;
    if (r->err == -ENOSPC)
        metrics_add(m, M_JOURNAL_FULL, 1);
    else if (r->err == -EBUSY || r->err == -ENOMEM)
        metrics_add(m, M_JOURNAL_BUSY, 1);
    else if (r->err < 0)
        metrics_add(m, M_JOURNAL_FAILED, 1);
    if (r->commit_us == 0)
        return;
    metrics_observe(m, H_JOURNAL, r->commit_us);
    metrics_observe(m, H_GROUP, r->n_items);
    metrics_add(m, M_JOURNAL_ITEMS, r->n_items);
}

static void log_report(struct engine *e, const struct journal_report *r)
{
    uint64_t now = clock_mono_ms();
    if (r->state == JOURNAL_WORKS && e->state == JOURNAL_FULL) {
        struct log_line l;
        log_open(&l, LOG_INFO, "journal", "works again");
        log_close(&l);
    }
    bool news = r->state != e->state || now - e->failure_logged_ms >= FAILURE_LOG_MS;
    e->state = r->state;
    if (r->err == 0 || !news)
        return;
    e->failure_logged_ms = now;
    struct log_line l;
    log_open(&l, LOG_ERROR, "journal",
             r->state == JOURNAL_FAILED ? "failed: nothing is accepted any more" : "cannot commit");
    log_str(&l, "error", err_str(r->err));
    log_i64(&l, "sqlite", r->sqlite);
    log_close(&l);
}

static void on_report(void *ctx, const struct journal_report *r)
{
    struct engine *e = ctx;
    count_report(e, r);
    log_report(e, r);
    bool fails = r->state == JOURNAL_FAILED && !e->told; /* also when it was its last commit */
    e->failed = e->failed || fails;
    e->told = e->told || fails;
    for (struct journal_item *j = r->items, *next; j != NULL; j = next) {
        next = journal_next(j);
        item_done(e, (struct item *) j);
    }
    e->options.cb.delivered(e->options.cb.ctx);
    if (e->journal != NULL)
        embedded_flush(e);
    if (fails)
        e->options.cb.failed(e->options.cb.ctx, r->err);
}

/* --- starting --- */

static int start_journal(struct engine *e)
{
    const struct journal_options options = {
        .store = e->recovery.store,
        .mailbox = e->options.mailbox,
        .report = on_report,
        .ctx = e,
        .dedup_window_ms = e->options.cfg->dedup.window_ms,
        .n_paths = path_table_size(e->options.paths),
    };
    int r = journal_new(&options, &e->journal);
    if (r == 0)
        e->recovery.store = NULL;
    return r;
}

static void on_poison(void *ctx, struct event *event)
{
    embedded_set_aside(ctx, event, "ended the process too often", false);
}

static void batch_backlog(struct engine *e, const struct backlog *b)
{
    if (b->n == 0)
        return;
    e->backlog_seq = b->events[b->n - 1]->seq;
    struct log_line l;
    log_open(&l, LOG_INFO, "journal", "events without a batch are batched now");
    log_u64(&l, "events", b->n);
    log_close(&l);
    e->options.cb.events(e->options.cb.ctx, b->events, b->n, true);
}

static int embedded_start(struct engine *e, uv_loop_t *loop)
{
    (void) loop; /* it has threads of its own */
    struct backlog backlog = {.poison = on_poison, .ctx = e};
    int r = recovery_backlog(&e->recovery, e->settled_seq, &backlog);
    if (r == 0)
        r = start_journal(e);
    if (r == 0)
        batch_backlog(e, &backlog);
    CRASH_POINT("engine.started");
    backlog_fini(&backlog);
    if (r == 0)
        embedded_flush(e);
    return r;
}

static void embedded_stop(struct engine *e)
{
    if (e->journal == NULL)
        return;
    embedded_flush(e);
    struct journal *j = e->journal;
    e->journal = NULL;
    e->failed = true;
    journal_free(j);
}

/* --- the rest --- */

static uint64_t embedded_now_ms(struct engine *e)
{
    return clock_mono_ms() + e->clock_offset_ms;
}

static struct trial *embedded_trial(struct engine *e)
{
    return e->recovery.trial;
}

static bool embedded_suspect(const struct engine *e, uint64_t webhook_hash)
{
    return numbers_have(&e->recovery.suspects, webhook_hash);
}

static struct history *embedded_history(struct engine *e)
{
    return e->history;
}

static void embedded_stats(struct engine *e, struct engine_stats *ret)
{
    struct journal_stats stats = {.history_messages = ret->history_messages,
                                  .history_bytes = ret->history_bytes,
                                  .n_paths = ret->n_paths};
    if (e->journal == NULL) {
        ret->state = JOURNAL_FAILED;
        ret->overdue_ms = 0;
        return;
    }
    journal_stats(e->journal, &stats);
    ret->state = (int) journal_state(e->journal);
    ret->queued_bytes = journal_queued_bytes(e->journal);
    ret->dead_letters = stats.dead_letters;
    ret->overdue_ms = journal_overdue_ms(e->journal);
}

const struct engine_ops ENGINE_EMBEDDED = {
    .name = "embedded",
    .open = embedded_open,
    .shards = 1,
    .load = embedded_load,
    .load_records = embedded_load_records,
    .load_triggers = embedded_load_triggers,
    .start = embedded_start,
    .stop = embedded_stop,
    .close = embedded_close,
    .can_submit = embedded_can_submit,
    .submit = embedded_submit,
    .waits = true,
    .early = true,
    .broadcast = embedded_broadcast,
    .withdraw = embedded_withdraw,
    .flush = embedded_flush,
    .settle = embedded_settle,
    .change = embedded_change,
    .add_path = embedded_add_path,
    .limit_path = embedded_limit_path,
    .submitted_seq = embedded_submitted_seq,
    .batched = embedded_batched,
    .now_ms = embedded_now_ms,
    .set_aside = embedded_set_aside,
    .trial = embedded_trial,
    .suspect = embedded_suspect,
    .history = embedded_history,
    .stats = embedded_stats,
};
