/* engine_embedded.c - the engine of a single node: the journal makes things safe, the history
 * thread reads them back. What is submitted and broadcast in one turn is staged and goes to the
 * journal together, so that a webhook and the batches made of it are one transaction. */
#include "engine.h"

#include "clock.h"
#include "crash.h"
#include "journal.h"
#include "log.h"
#include "mem.h"
#include "record.h"

#include <stdlib.h>

#define MAX_QUEUED_BYTES ((uint64_t) 64 << 20) /* not yet safe; above it webhooks are refused */
#define ITEM_MAX_BYTES   ((size_t) 1 << 30)
#define FAILURE_LOG_MS   1000

/* A journal item with what is to be done when it comes back. */
struct item {
    struct journal_item journal; /* first: an item is found by its address */
    struct buf bytes;            /* everything the journal item points to */
    struct event **events;       /* WEBHOOK */
    size_t n_events;
    void (*done)(void *arg, int err); /* WEBHOOK */
    void (*settled)(void *arg);       /* BARRIER */
    void *arg;
    struct engine_batch batch; /* BATCH */
};

struct seqs {
    uint64_t *at;
    size_t n, cap;
};

struct engine {
    struct engine_options options;
    struct store *store; /* until the journal has it */
    struct journal *journal;
    struct history *history;
    struct trial *trial;
    struct seqs suspects; /* hashes of webhooks that ended the process too often */
    struct seqs poison;   /* numbers of such events */
    struct item *first_staged, *last_staged;
    uint64_t next_seq, serial, settled_seq, in_flight;
    uint64_t failure_logged_ms;
    uint64_t clock_offset_ms; /* the store's clock against the monotonic one */
    enum journal_state state;
    bool failed;
};

/* --- small things --- */

static void seqs_add(struct seqs *s, uint64_t value)
{
    if (s->n == s->cap) {
        s->cap = s->cap == 0 ? 8 : s->cap * 2;
        s->at = xrealloc(s->at, s->cap * sizeof(*s->at));
    }
    s->at[s->n++] = value;
}

static bool seqs_has(const struct seqs *s, uint64_t value)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->at[i] == value)
            return true;
    }
    return false;
}

static void add_attempt(void *ctx, uint64_t key, unsigned attempts)
{
    if (attempts >= TRIAL_ATTEMPTS)
        seqs_add(ctx, key);
}

static void log_failed(const char *what, const char *dir, int err)
{
    struct log_line l;
    log_open(&l, LOG_ERROR, "journal", what);
    log_str(&l, "data_dir", dir);
    log_str(&l, "error", err_str(err));
    log_close(&l);
}

/* --- opening --- */

static struct store_options store_options_of(const struct engine_options *o)
{
    return (struct store_options){
        .dir = o->cfg->data_dir,
        .vfs = o->vfs,
        .busy_timeout_ms = o->cfg->journal.busy_timeout_ms,
        .ballast_bytes = o->cfg->journal.ballast_bytes,
        .max_dead_letters = o->cfg->journal.max_dead_letters,
    };
}

static void log_opened(const struct engine *e, const struct store_opened *opened)
{
    bool damaged = opened->quarantine[0] != '\0';
    struct log_line l;
    log_open(&l, damaged ? LOG_ERROR : LOG_INFO, "journal",
             damaged ? "damaged; moved aside, a new one begun" : "open");
    log_str(&l, "data_dir", e->options.cfg->data_dir);
    if (damaged)
        log_str(&l, "moved_to", opened->quarantine);
    log_str(&l, "state",
            opened->made      ? "new"
            : opened->checked ? "checked after a failure"
                              : "as it was left");
    log_u64(&l, "next_event", store_next_seq(e->store));
    log_close(&l);
}

static int open_store(struct engine *e)
{
    struct store_options options = store_options_of(&e->options);
    struct store_opened opened = {0};
    int64_t pid = 0;
    int r = store_open(&options, &e->store, &opened, &pid);
    if (r == -EALREADY) {
        struct log_line l;
        log_open(&l, LOG_ERROR, "journal", "data_dir is in use by another process");
        log_str(&l, "data_dir", options.dir);
        log_i64(&l, "pid", pid);
        log_close(&l);
    } else if (r == -ENOTSUP) {
        log_failed("data_dir was written by a newer version", options.dir, r);
    } else if (r < 0) {
        log_failed("cannot be opened", options.dir, r);
    } else {
        log_opened(e, &opened);
    }
    return r;
}

static int open_paths(struct engine *e)
{
    struct path_table *paths = e->options.paths;
    for (size_t i = 0; i < path_table_size(paths); i++) {
        struct path *p = path_table_at(paths, i);
        const struct store_limits limits = {
            .max_count = p->cfg->history_count,
            .max_bytes = p->cfg->history_bytes,
            .max_age_ms = p->cfg->history_ms,
            .count_grace_ms = p->cfg->max_lag_ms,
        };
        int r =
            store_path(e->store, (uint32_t) i, p->cfg->path, pathlog_span_bits(p->log), &limits);
        if (r < 0)
            return r;
        struct store_path_state state;
        store_path_state(e->store, (uint32_t) i, &state);
        pathlog_start(p->log, state.tail);
    }
    return 0;
}

/* What the last process died over is counted before anything is worked on again. */
static int open_trial(struct engine *e)
{
    struct trial_found found;
    int r = trial_open(e->options.cfg->data_dir, &e->trial, &found);
    if (r == 0 && found.webhook != 0)
        r = store_count_attempt(e->store, STORE_ATTEMPT_WEBHOOK, found.webhook);
    if (r >= 0 && found.event != 0)
        r = store_count_attempt(e->store, STORE_ATTEMPT_EVENT, found.event);
    if (r >= 0)
        r = store_load_attempts(e->store, STORE_ATTEMPT_WEBHOOK, add_attempt, &e->suspects);
    if (r >= 0)
        r = store_load_attempts(e->store, STORE_ATTEMPT_EVENT, add_attempt, &e->poison);
    return r;
}

static void embedded_close(struct engine *e)
{
    history_free(e->history);
    store_close(e->store);
    trial_close(e->trial);
    free(e->suspects.at);
    free(e->poison.at);
    free(e);
}

static int embedded_open(const struct engine_options *options, struct engine **ret)
{
    struct engine *e = xcalloc(1, sizeof(*e));
    e->options = *options;
    e->state = JOURNAL_WORKS;
    struct store_options store = store_options_of(options);
    int r = open_store(e);
    if (r < 0) { /* said why */
        embedded_close(e);
        return r;
    }
    e->clock_offset_ms = store_now_ms(e->store) - clock_mono_ms();
    r = open_paths(e);
    if (r == 0)
        r = open_trial(e);
    if (r >= 0)
        r = history_new(&store, options->cfg->gateway.replay_bytes, &e->history);
    if (r < 0) {
        log_failed("cannot be used", store.dir, r);
        if (r == -EIO || r == -EBADMSG)
            store_mark_failed(e->store);
        embedded_close(e);
        return r;
    }
    *ret = e;
    return 0;
}

/* --- loading --- */

/* Says what happened, once, and has the next start look at everything after damage. */
static int loaded(struct engine *e, int err)
{
    if (err < 0)
        log_failed("cannot be read", e->options.cfg->data_dir, err);
    if (err == -EIO || err == -EBADMSG)
        store_mark_failed(e->store);
    return err;
}

struct loading {
    struct catalog *catalog;
    struct seen *seen;
    int err;
};

static void load_image(void *ctx, const struct store_image *i)
{
    struct loading *l = ctx;
    if (l->err == 0)
        l->err = catalog_load_image(l->catalog, i->id, i->registry_id, i->repository, i->digest);
}

static void load_tag(void *ctx, const struct store_tag *t)
{
    struct loading *l = ctx;
    if (l->err == 0)
        l->err = catalog_load_tag(l->catalog, t->id, t->image_id, t->name);
}

static void load_ids(void *ctx, uint64_t at_ms, struct slice ids)
{
    struct loading *l = ctx;
    for (; ids.len >= SEEN_KEY_SIZE; ids = slice_from(ids, SEEN_KEY_SIZE)) {
        struct seen_key key;
        memcpy(key.bytes, ids.data, SEEN_KEY_SIZE);
        (void) seen_add(l->seen, &key, at_ms);
    }
}

static int embedded_load(struct engine *e, struct catalog *catalog, struct seen *seen,
                         struct id_gen *ids)
{
    struct loading l = {.catalog = catalog, .seen = seen};
    char last_id[ID_SIZE];
    int r = store_load_catalog(e->store, load_image, load_tag, &l);
    if (r == 0)
        r = l.err;
    if (r == 0)
        r = store_load_sender_ids(e->store, load_ids, &l);
    store_last_event_id(e->store, last_id);
    if (r == 0 && !id_gen_resume(ids, slice_str(last_id)))
        r = -EBADMSG;
    return loaded(e, r);
}

/* --- items --- */

static struct item *item_new(enum journal_kind kind)
{
    struct item *it = xcalloc(1, sizeof(*it));
    it->journal.kind = kind;
    buf_init(&it->bytes, ITEM_MAX_BYTES);
    return it;
}

static void item_free(struct item *it)
{
    for (size_t i = 0; i < it->n_events; i++)
        event_unref(it->events[i]);
    free(it->events);
    buf_fini(&it->bytes);
    free(it);
}

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

static int pack_events(struct engine *e, struct item *it, const struct engine_submission *s)
{
    it->events = xcalloc(s->n + 1, sizeof(struct event *));
    for (size_t i = 0; i < s->n; i++) {
        s->events[i]->seq = e->next_seq++;
        it->events[it->n_events++] = event_ref(s->events[i]);
        int r = record_put_event(&it->bytes, s->events[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static void embedded_submit(struct engine *e, const struct engine_submission *s)
{
    bool nothing = s->n == 0 && s->sender_ids.len + s->notes.len + s->letters.len == 0;
    if (nothing && e->in_flight == 0) {
        s->done(s->arg, 0);
        return;
    }
    struct item *it = item_new(JOURNAL_WEBHOOK);
    it->done = s->done;
    it->arg = s->arg;
    int r = pack_events(e, it, s);
    size_t events = it->bytes.len;
    if (r == 0)
        r = buf_append(&it->bytes, s->sender_ids);
    if (r == 0)
        r = buf_append(&it->bytes, s->notes);
    if (r == 0)
        r = buf_append(&it->bytes, s->letters);
    if (r < 0) {
        item_free(it);
        s->done(s->arg, r);
        return;
    }
    struct slice all = buf_slice(&it->bytes);
    size_t ids = events + s->sender_ids.len, notes = ids + s->notes.len;
    it->journal.serial = ++e->serial;
    it->journal.epoch = s->epoch;
    it->journal.webhook = (struct store_webhook){
        .first_seq = s->n == 0 ? 0 : s->events[0]->seq,
        .n_events = (uint32_t) s->n,
        .last_event_id = s->n == 0 ? NULL : it->events[s->n - 1]->id,
        .events = slice_sub(all, 0, events),
        .sender_ids = slice_sub(all, events, ids),
        .notes = slice_sub(all, ids, notes),
        .letters = slice_sub(all, notes, all.len),
    };
    e->in_flight++;
    CRASH_POINT("engine.submit");
    stage(e, it);
}

static int embedded_broadcast(struct engine *e, const struct engine_broadcast *b)
{
    if (e->failed)
        return -EIO;
    struct item *it = item_new(JOURNAL_BATCH);
    int r = buf_append(&it->bytes, b->frames);
    if (r == 0)
        r = buf_append(&it->bytes, b->message->ids);
    if (r < 0) {
        item_free(it);
        return r;
    }
    struct slice all = buf_slice(&it->bytes);
    it->journal.serial = b->provisional ? e->serial : 0;
    it->journal.batch = (struct store_batch){
        .path = (uint32_t) b->path->index,
        .trigger_id = b->trigger_id,
        .last_seq = b->message->last_seq,
        .ids = slice_from(all, b->frames.len),
        .frames = slice_sub(all, 0, b->frames.len),
    };
    it->batch = (struct engine_batch){
        .path = b->path,
        .trigger_name = b->trigger_name,
        .why = b->message->why,
        .n_events = b->message->n_events,
        .frames = it->journal.batch.frames,
    };
    memcpy(it->batch.first_event_id, b->message->first_event_id, ID_SIZE);
    memcpy(it->batch.last_event_id, b->message->last_event_id, ID_SIZE);
    stage(e, it);
    return 0;
}

static void embedded_set_aside(struct engine *e, struct event *event, const char *why,
                               bool provisional)
{
    if (e->failed)
        return;
    struct item *it = item_new(JOURNAL_LETTER);
    if (record_put_event(&it->bytes, event) < 0) {
        item_free(it);
        return;
    }
    it->events = xcalloc(1, sizeof(struct event *)); /* its strings are needed until it is stored */
    it->events[it->n_events++] = event_ref(event);
    it->journal.serial = provisional ? e->serial : 0;
    it->journal.letter = (struct store_letter){
        .wall_ms = clock_wall_ms(),
        .registry_id = event->registry_id,
        .reason = why,
        .event_seq = event->seq,
        .body = buf_slice(&it->bytes),
    };
    stage(e, it);
}

static void embedded_batched(struct engine *e, uint64_t seq)
{
    if (e->failed || seq <= e->settled_seq)
        return;
    e->settled_seq = seq;
    struct item *it = item_new(JOURNAL_SETTLE);
    it->journal.seq = seq;
    stage(e, it);
    embedded_flush(e);
}

static void embedded_settle(struct engine *e, void (*done)(void *arg), void *arg)
{
    struct item *it = item_new(JOURNAL_BARRIER);
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
    if (r < 0 && !e->failed) { /* readers would miss it silently: start again from the store */
        e->failed = true;
        e->options.cb.failed(e->options.cb.ctx, r);
    }
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
        if (it->journal.err == 0)
            metrics_add(e->options.metrics, M_DEAD_LETTERS, 1);
        break;
    case JOURNAL_BARRIER:
        it->settled(it->arg);
        break;
    case JOURNAL_SETTLE:
        if (it->journal.err < 0)
            e->settled_seq = 0; /* said again at the next occasion */
        break;
    }
    item_free(it);
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
    bool fails = r->state == JOURNAL_FAILED && !e->failed;
    e->failed = e->failed || fails;
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

struct backlog {
    struct engine *e;
    struct event **events;
    size_t n, cap;
};

static void backlog_add(struct backlog *b, struct event *event)
{
    if (b->n == b->cap) {
        b->cap = b->cap == 0 ? 64 : b->cap * 2;
        b->events = xrealloc(b->events, b->cap * sizeof(struct event *));
    }
    b->events[b->n++] = event;
}

static int load_webhook(void *ctx, uint64_t first_seq, uint32_t n, struct slice events)
{
    struct backlog *b = ctx;
    for (uint32_t i = 0; i < n; i++) {
        struct event *event;
        int r = record_next_event(&events, &event);
        if (r < 0)
            return r;
        event->seq = first_seq + i;
        if (seqs_has(&b->e->poison, event->seq)) {
            embedded_set_aside(b->e, event, "ended the process too often", false);
            event_unref(event);
        } else {
            backlog_add(b, event);
        }
    }
    return 0;
}

static int start_journal(struct engine *e)
{
    const struct journal_options options = {
        .store = e->store,
        .mailbox = e->options.mailbox,
        .report = on_report,
        .ctx = e,
        .dedup_window_ms = e->options.cfg->dedup.window_ms,
        .n_paths = path_table_size(e->options.paths),
    };
    int r = journal_new(&options, &e->journal);
    if (r == 0)
        e->store = NULL;
    return r;
}

static int embedded_load_triggers(struct engine *e, const char *const *ids, size_t n,
                                  uint64_t *ret_last_seq)
{
    e->next_seq = store_next_seq(e->store);
    e->settled_seq = e->next_seq - 1;
    int r = store_triggers(e->store, ids, n, ret_last_seq);
    for (size_t i = 0; r == 0 && i < n; i++)
        e->settled_seq = ret_last_seq[i] < e->settled_seq ? ret_last_seq[i] : e->settled_seq;
    return loaded(e, r);
}

static int embedded_start(struct engine *e)
{
    struct backlog backlog = {.e = e};
    int r = loaded(e, store_load_events(e->store, e->settled_seq, load_webhook, &backlog));
    CRASH_POINT("engine.start.loaded");
    if (r == 0)
        r = start_journal(e);
    if (r == 0 && backlog.n > 0) {
        struct log_line l;
        log_open(&l, LOG_INFO, "journal", "events without a batch are batched now");
        log_u64(&l, "events", backlog.n);
        log_close(&l);
        e->options.cb.events(e->options.cb.ctx, backlog.events, backlog.n, true);
    }
    CRASH_POINT("engine.started");
    for (size_t i = 0; i < backlog.n; i++)
        event_unref(backlog.events[i]);
    free(backlog.events);
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
    return e->trial;
}

static bool embedded_suspect(const struct engine *e, uint64_t webhook_hash)
{
    return e->suspects.n > 0 && seqs_has(&e->suspects, webhook_hash);
}

static struct history *embedded_history(struct engine *e)
{
    return e->history;
}

static void embedded_stats(struct engine *e, struct engine_stats *ret)
{
    struct journal_stats stats = {.history_messages = ret->history_messages,
                                  .history_bytes = ret->history_bytes};
    if (e->journal == NULL) {
        ret->state = JOURNAL_FAILED;
        return;
    }
    journal_stats(e->journal, &stats);
    ret->state = (int) journal_state(e->journal);
    ret->queued_bytes = journal_queued_bytes(e->journal);
    ret->dead_letters = stats.dead_letters;
}

const struct engine_ops ENGINE_EMBEDDED = {
    .name = "embedded",
    .open = embedded_open,
    .load = embedded_load,
    .load_triggers = embedded_load_triggers,
    .start = embedded_start,
    .stop = embedded_stop,
    .close = embedded_close,
    .can_submit = embedded_can_submit,
    .submit = embedded_submit,
    .waits = true,
    .broadcast = embedded_broadcast,
    .flush = embedded_flush,
    .settle = embedded_settle,
    .batched = embedded_batched,
    .now_ms = embedded_now_ms,
    .set_aside = embedded_set_aside,
    .trial = embedded_trial,
    .suspect = embedded_suspect,
    .history = embedded_history,
    .stats = embedded_stats,
};
