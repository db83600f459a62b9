/* recovery.c - what a start finds in data_dir and makes of it. */
#include "recovery.h"

#include "crash.h"
#include "log.h"
#include "mem.h"
#include "record.h"

#include <stdlib.h>

/* --- numbers --- */

static void numbers_add(struct numbers *s, uint64_t value)
{
    if (s->n == s->cap) {
        s->cap = s->cap == 0 ? 8 : s->cap * 2;
        s->at = xrealloc(s->at, s->cap * sizeof(*s->at));
    }
    s->at[s->n++] = value;
}

bool numbers_have(const struct numbers *s, uint64_t value)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->at[i] == value)
            return true;
    }
    return false;
}

/* --- opening --- */

static void log_failed(const struct recovery *r, const char *what, int err)
{
    struct log_line l;
    log_open(&l, LOG_ERROR, "journal", what);
    log_str(&l, "data_dir", r->dir);
    log_str(&l, "error", err_str(err));
    log_close(&l);
}

int recovery_failed(struct recovery *r, int err)
{
    if (err < 0)
        log_failed(r, "cannot be read", err);
    if (r->store != NULL && (err == -EIO || err == -EBADMSG))
        store_mark_failed(r->store);
    return err;
}

struct store_options recovery_store_options(const struct engine_options *o)
{
    bool copy = o->copy_dir != NULL;
    return (struct store_options){
        .dir = copy ? o->copy_dir : o->cfg->data_dir,
        .vfs = o->vfs,
        .copy = copy,
        .busy_timeout_ms = o->cfg->journal.busy_timeout_ms,
        .ballast_bytes = copy ? 0 : o->cfg->journal.ballast_bytes,
        .max_dead_letters = o->cfg->journal.max_dead_letters,
    };
}

static void log_opened(const struct recovery *r, const struct store_opened *opened)
{
    bool damaged = opened->quarantine[0] != '\0';
    struct log_line l;
    log_open(&l, damaged ? LOG_ERROR : LOG_INFO, "journal",
             damaged ? "damaged; moved aside, a new one begun" : "open");
    log_str(&l, "data_dir", r->dir);
    if (damaged)
        log_str(&l, "moved_to", opened->quarantine);
    log_str(&l, "state",
            opened->made      ? "new"
            : opened->checked ? "checked after a failure"
                              : "as it was left");
    log_u64(&l, "next_event", store_next_seq(r->store));
    log_close(&l);
}

/* What a start that went well has found amiss. */
static void log_epoch(const struct recovery *r, const struct store_opened *opened)
{
    struct log_line l;
    if (opened->lost_commits > 0) {
        log_open(&l, LOG_ERROR, "journal",
                 "its last commits are lost; clients that come back are told so");
        log_str(&l, "data_dir", r->dir);
        log_u64(&l, "lost_commits", opened->lost_commits);
        log_close(&l);
    }
    if (opened->unwatched < 0) /* a full disk, say */
        log_failed(r, "cannot note how many commits there were", opened->unwatched);
}

static int open_store(struct recovery *r, const struct store_options *options)
{
    struct store_opened opened = {0};
    int64_t pid = 0;
    int err = store_open(options, &r->store, &opened, &pid);
    if (err == -EALREADY) {
        struct log_line l;
        log_open(&l, LOG_ERROR, "journal", "data_dir is in use by another process");
        log_str(&l, "data_dir", options->dir);
        log_i64(&l, "pid", pid);
        log_close(&l);
    } else if (err == -ENOTSUP) {
        log_failed(r, "data_dir was written by a newer version", err);
    } else if (err < 0) {
        log_failed(r, "cannot be opened", err);
    } else {
        log_opened(r, &opened);
        log_epoch(r, &opened);
    }
    return err;
}

struct store_limits recovery_limits(const struct config_path *cfg)
{
    return (struct store_limits){
        .max_count = cfg->history_count,
        .max_bytes = cfg->history_bytes,
        .max_age_ms = cfg->history_ms,
        .count_grace_ms = cfg->max_lag_ms,
    };
}

static int register_paths(struct recovery *r, struct path_table *paths)
{
    for (size_t i = 0; i < path_table_size(paths); i++) {
        struct path *p = path_table_at(paths, i);
        const struct store_limits limits = recovery_limits(p->cfg);
        int err = store_path(r->store, (uint32_t) i, p->name, pathlog_span_bits(p->log), &limits);
        if (err < 0)
            return err;
        struct store_path_state state;
        store_path_state(r->store, (uint32_t) i, &state);
        pathlog_start(p->log, state.tail);
    }
    return 0;
}

/* Together: thousands that are new would wait for the disk one after the other. */
static int open_paths(struct recovery *r, struct path_table *paths)
{
    int err = store_begin(r->store);
    if (err < 0)
        return err;
    err = register_paths(r, paths);
    if (err == 0)
        return store_commit(r->store);
    store_rollback(r->store);
    return err;
}

static void add_attempts(void *ctx, uint64_t key, unsigned attempts)
{
    if (attempts >= TRIAL_ATTEMPTS)
        numbers_add(ctx, key);
}

/* What the last process died over is counted before anything is worked on again. */
static int open_trial(struct recovery *r)
{
    struct trial_found found = {0};
    int err = trial_open(r->dir, &r->trial, &found);
    if (err < 0) { /* a full disk, say: nothing is noted in this run */
        log_failed(r, "cannot note what is being worked on", err);
        err = 0;
    }
    CRASH_POINT("recovery.trial");
    if (err == 0 && found.webhook != 0)
        err = store_count_attempt(r->store, STORE_ATTEMPT_WEBHOOK, found.webhook);
    if (err >= 0 && found.event != 0)
        err = store_count_attempt(r->store, STORE_ATTEMPT_EVENT, found.event);
    if (err >= 0)
        err = store_load_attempts(r->store, STORE_ATTEMPT_WEBHOOK, add_attempts, &r->suspects);
    if (err == 0)
        err = store_load_attempts(r->store, STORE_ATTEMPT_EVENT, add_attempts, &r->poison);
    return err;
}

int recovery_open(struct recovery *r, const struct engine_options *o)
{
    struct store_options options = recovery_store_options(o);
    *r = (struct recovery){.dir = options.dir};
    int err = open_store(r, &options);
    if (err < 0)
        return err;
    err = open_paths(r, o->paths);
    CRASH_POINT("recovery.paths");
    if (err == 0 && !options.copy) /* in a copy nothing is worked on */
        err = open_trial(r);
    return recovery_failed(r, err);
}

void recovery_fini(struct recovery *r)
{
    store_close(r->store);
    trial_close(r->trial);
    free(r->suspects.at);
    free(r->poison.at);
    *r = (struct recovery){0};
}

/* --- loading --- */

struct loading {
    struct catalog *catalog;
    struct seen *seen;
    int err;
};

static void load_image(void *ctx, const struct store_image *i)
{
    struct loading *l = ctx;
    if (l->err == 0)
        l->err = catalog_load_image(l->catalog, i->id, i->registry_id, i->repository, i->digest,
                                    i->at_ns);
}

static void load_tag(void *ctx, const struct store_tag *t)
{
    struct loading *l = ctx;
    if (l->err == 0)
        l->err = catalog_load_tag(l->catalog, t->id, t->image_id, t->name, t->at_ns);
}

static void load_tombstone(void *ctx, const struct store_tombstone *t)
{
    struct loading *l = ctx;
    if (l->err == 0)
        l->err = catalog_load_tombstone(l->catalog, &(struct catalog_note){
                                                        .kind = NOTE_TOMBSTONE,
                                                        .id = t->id,
                                                        .registry_id = t->registry_id,
                                                        .repository = t->repository,
                                                        .digest = t->digest,
                                                        .name = t->tag,
                                                        .at_ns = t->at_ns,
                                                        .made_ms = t->made_ms,
                                                        .pushed = t->pushed,
                                                    });
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

int recovery_load(struct recovery *r, struct catalog *catalog, struct seen *seen,
                  struct id_gen *ids)
{
    struct loading l = {.catalog = catalog, .seen = seen};
    char last_id[ID_SIZE];
    int err = store_load_catalog(r->store, load_image, load_tag, &l);
    if (err == 0)
        err = store_load_tombstones(r->store, load_tombstone, &l);
    if (err == 0)
        err = l.err;
    if (err == 0)
        err = store_load_sender_ids(r->store, load_ids, &l);
    store_last_event_id(r->store, last_id);
    if (err == 0 && !id_gen_resume(ids, slice_str(last_id)))
        err = -EBADMSG;
    CRASH_POINT("recovery.loaded");
    return recovery_failed(r, err);
}

struct records {
    void (*one)(void *, const struct engine_record *);
    void *ctx;
};

static void load_record(void *ctx, const struct store_record *rec)
{
    const struct records *to = ctx;
    to->one(to->ctx, &(struct engine_record){.kind = (enum engine_record_kind) rec->kind,
                                             .id = rec->id,
                                             .value = rec->value});
}

int recovery_load_records(struct recovery *r, void (*one)(void *, const struct engine_record *),
                          void *ctx)
{
    struct records to = {one, ctx};
    int err = store_load_records(r->store, load_record, &to);
    CRASH_POINT("recovery.records");
    return recovery_failed(r, err);
}

/* --- events without a batch --- */

struct gathering {
    const struct recovery *recovery;
    struct backlog *backlog;
    uint64_t after;
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
    struct gathering *g = ctx;
    for (uint32_t i = 0; i < n; i++) {
        struct event *event;
        int err = record_next_event(&events, &event);
        if (err < 0)
            return err;
        event->seq = first_seq + i;
        if (event->seq > g->after && !numbers_have(&g->recovery->poison, event->seq)) {
            backlog_add(g->backlog, event);
            continue;
        }
        if (event->seq > g->after)
            g->backlog->poison(g->backlog->ctx, event);
        event_unref(event);
    }
    return 0;
}

int recovery_backlog(struct recovery *r, uint64_t after, struct backlog *ret)
{
    struct gathering g = {.recovery = r, .backlog = ret, .after = after};
    int err = store_load_events(r->store, after, load_webhook, &g);
    CRASH_POINT("recovery.backlog");
    return recovery_failed(r, err);
}

void backlog_fini(struct backlog *b)
{
    for (size_t i = 0; i < b->n; i++)
        event_unref(b->events[i]);
    free(b->events);
}
