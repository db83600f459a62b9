/* pipeline_triggers.c - the triggers: loaded at a start, changed while events flow. See pipeline.h,
 * and action.h for what a change does to the batches. */
#include "clock.h"
#include "crash.h"
#include "log.h"
#include "mem.h"
#include "pipeline_private.h"

#include <stdio.h>
#include <stdlib.h>

#define DENIED_LOG_MS  1000 /* one line a second for all triggers that may not send */
#define SPEC_MAX_BYTES ((size_t) 1 << 20)
#define MS_NS          UINT64_C(1000000)

/* --- log --- */

void pipeline_log_trigger(enum log_level level, const char *what, const struct trigger_spec *spec)
{
    struct log_line l;
    log_open(&l, level, "broker", what);
    log_str(&l, "trigger", spec->name);
    log_str(&l, "trigger_id", spec->id);
    log_str(&l, "path", spec->path);
    log_close(&l);
}

static void log_not_stored(size_t n, int err)
{
    struct log_line l;
    log_open(&l, LOG_ERROR, "broker", "triggers of the configuration are not stored in this run");
    log_u64(&l, "triggers", n);
    log_str(&l, "error", err_str(err));
    log_close(&l);
}

static void log_not_loaded(int err)
{
    struct log_line l;
    log_open(&l, LOG_ERROR, "broker", "stored triggers cannot be read");
    log_str(&l, "error", err_str(err));
    log_close(&l);
}

void pipeline_log_denied(struct pipeline *p, const struct trigger *t)
{
    uint64_t now = clock_mono_ms();
    if (p->denied_logged_ms != 0 && now - p->denied_logged_ms < DENIED_LOG_MS)
        return;
    p->denied_logged_ms = now;
    struct log_line l;
    log_open(&l, LOG_WARN, "broker", "trigger does not fire");
    log_str(&l, "trigger", t->spec.name);
    log_str(&l, "service_account", t->spec.service_account_id);
    log_str(&l, "reason", "the service account lacks the role " ROLE_BROADCAST);
    log_close(&l);
}

/* --- the set --- */

static void ask_allowed(struct pipeline *p, struct trigger *t)
{
    bool allowed = p->allowed(p->allowed_ctx, &t->spec);
    if (allowed != t->allowed && p->started)
        t->changed_ms = clock_wall_ms();
    t->allowed = allowed;
}

static struct trigger *add_trigger(struct pipeline *p, const struct trigger_spec *spec,
                                   uint64_t seq)
{
    struct trigger *t = trigger_set_add(p->triggers, spec);
    struct action *a = action_new(t, p->paths, p->ops->early, seq, pipeline_on_flush, p);
    a->shard = ingest_shard(p->ingest, spec->registry_id);
    ask_allowed(p, t);
    return t;
}

void pipeline_set_allowed(struct pipeline *p, pipeline_allowed *allowed, void *ctx)
{
    p->allowed = allowed;
    p->allowed_ctx = ctx;
    for (size_t i = 0; i < trigger_set_size(p->triggers); i++)
        ask_allowed(p, trigger_set_at(p->triggers, i));
}

size_t pipeline_n_triggers(const struct pipeline *p)
{
    return trigger_set_size(p->triggers);
}

const struct trigger_spec *pipeline_trigger(const struct pipeline *p, size_t i)
{
    return &trigger_set_at(p->triggers, i)->spec;
}

void pipeline_fired(const struct pipeline *p, size_t i, struct pipeline_fired *ret)
{
    const struct trigger *t = trigger_set_at(p->triggers, i);
    const struct action *a = t->action;
    *ret = (struct pipeline_fired){
        .batches = a->stats.batches,
        .events = a->stats.events,
        .last_fired_ms = a->stats.last_fired_ms,
        .waiting = batch_waiting(&a->batch),
        .last_error = a->path == NULL ? "its path is not configured"
                      : !t->allowed   ? "its service account lacks the role " ROLE_BROADCAST
                                      : a->stats.last_error,
    };
}

/* --- a start: what is stored --- */

struct loading {
    struct pipeline *pipeline;
    struct trigger_spec *specs; /* first those stored, then those of the configuration */
    size_t n;
    int err;
};

static struct trigger_spec *next_spec(struct loading *l)
{
    l->specs = xrealloc(l->specs, (l->n + 1) * sizeof(*l->specs));
    return &l->specs[l->n];
}

static void on_record(void *ctx, const struct engine_record *rec)
{
    struct loading *l = ctx;
    int r = rec->kind == ENGINE_TRIGGER ? trigger_spec_unpack(rec->value, next_spec(l))
                                        : pipeline_add_kept(l->pipeline, rec);
    if (r == 0 && rec->kind != ENGINE_TRIGGER)
        return;
    if (r == 0 && strcmp(l->specs[l->n].id, rec->id) != 0) {
        trigger_spec_fini(&l->specs[l->n]);
        r = -EBADMSG;
    }
    if (r == 0)
        l->n++;
    else if (l->err == 0)
        l->err = r;
}

static int compare_age(const void *a, const void *b)
{
    const struct trigger_spec *x = a, *y = b;
    if (x->created_ns != y->created_ns)
        return x->created_ns < y->created_ns ? -1 : 1;
    return strcmp(x->id, y->id);
}

/* --- a start: what the configuration says --- */

bool pipeline_same_rule(const struct trigger_spec *a, const struct trigger_spec *b)
{
    return strcmp(a->description, b->description) == 0 &&
           event_list_equal(&a->event_types, &b->event_types) &&
           strcmp(a->registry_id, b->registry_id) == 0 &&
           strcmp(a->image_name, b->image_name) == 0 && strcmp(a->tag, b->tag) == 0 &&
           filter_equal(a->filter, b->filter) && a->batch_size == b->batch_size &&
           a->batch_cutoff_ms == b->batch_cutoff_ms && strcmp(a->gateway_id, b->gateway_id) == 0 &&
           strcmp(a->path, b->path) == 0 &&
           strcmp(a->service_account_id, b->service_account_id) == 0;
}

static const struct trigger_spec *named(const struct loading *l, const struct trigger_spec *like)
{
    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->specs[i].name, like->name) == 0 &&
            strcmp(l->specs[i].folder_id, like->folder_id) == 0)
            return &l->specs[i];
    }
    return NULL;
}

static bool has_id(const struct loading *l, const char *id)
{
    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->specs[i].id, id) == 0)
            return true;
    }
    return false;
}

/* The one that was made of this name has another by now and keeps the id. */
static void take_other_id(const struct loading *l, struct trigger_spec *spec)
{
    for (unsigned i = 2; has_id(l, spec->id); i++)
        trigger_spec_id_of_name_again(spec->name, i, spec->id);
}

static void add_configured(struct loading *l, const struct config *cfg, uint64_t *created_ns)
{
    for (size_t i = 0; i < cfg->n_triggers; i++) {
        struct trigger_spec *spec = next_spec(l);
        trigger_spec_from_config(cfg, &cfg->triggers[i], spec);
        const struct trigger_spec *stored = named(l, spec);
        if (stored == NULL) {
            take_other_id(l, spec);
            spec->created_ns = (*created_ns)++;
            l->n++;
            continue;
        }
        if (!pipeline_same_rule(stored, spec))
            pipeline_log_trigger(LOG_WARN, PIPELINE_OTHERWISE, stored);
        trigger_spec_fini(spec);
    }
}

static void make_triggers(struct pipeline *p, const struct loading *l)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct trigger *t = add_trigger(p, &l->specs[i], 0);
        const struct action *a = t->action;
        if (a->path == NULL)
            pipeline_log_trigger(LOG_WARN, PIPELINE_NO_PATH, &t->spec);
        if (!t->allowed) {
            pipeline_log_denied(p, t);
            p->denied_logged_ms = 0; /* every trigger is named once at start */
        }
    }
}

int pipeline_load_triggers(struct pipeline *p)
{
    struct loading l = {.pipeline = p};
    int r = p->ops->load_records(p->engine, on_record, &l);
    if (r == 0)
        r = l.err;
    if (r < 0)
        log_not_loaded(r);
    if (r == 0) {
        if (l.n > 0)
            qsort(l.specs, l.n, sizeof(*l.specs), compare_age);
        p->n_stored = l.n;
        uint64_t now_ns = clock_wall_ms() * MS_NS;
        uint64_t last_ns = l.n == 0 ? 0 : l.specs[l.n - 1].created_ns;
        uint64_t created_ns = now_ns > last_ns ? now_ns : last_ns + 1;
        add_configured(&l, p->cfg, &created_ns);
        make_triggers(p, &l);
    }
    for (size_t i = 0; i < l.n; i++)
        trigger_spec_fini(&l.specs[i]);
    free(l.specs);
    return r;
}

/* --- a start: what is new is stored --- */

struct packed { /* records of one change */
    struct engine_record *at;
    struct buf *values;
    size_t n;
};

static void packed_fini(struct packed *k)
{
    for (size_t i = 0; i < k->n; i++)
        buf_fini(&k->values[i]);
    free(k->at);
    free(k->values);
}

static int pack_unstored(const struct pipeline *p, struct packed *ret)
{
    size_t n = p->n_unstored;
    ret->at = xcalloc(n + 1, sizeof(*ret->at));
    ret->values = xcalloc(n + 1, sizeof(*ret->values));
    for (; ret->n < n; ret->n++) {
        const struct trigger_spec *spec = &trigger_set_find(p->triggers, p->unstored[ret->n])->spec;
        struct buf *value = &ret->values[ret->n];
        buf_init(value, SPEC_MAX_BYTES);
        int r = trigger_spec_pack(spec, value);
        if (r < 0)
            return r;
        ret->at[ret->n] = (struct engine_record){ENGINE_TRIGGER, spec->id, buf_slice(value)};
    }
    return 0;
}

static void on_stored(void *arg, int err)
{
    struct pipeline *p = arg;
    p->storing = false;
    if (err == -EAGAIN && p->ops->shards > 1)
        return;  /* another node was faster, with these, or anything: the rest is tried again */
    if (err < 0) /* the next start makes them again, with the same ids and marks */
        log_not_stored(p->n_unstored, err);
    p->n_unstored = 0;
}

static void store_unstored(struct pipeline *p)
{
    struct packed k = {.n = 0};
    int r = pack_unstored(p, &k);
    p->storing = true;
    if (r < 0) {
        on_stored(p, r);
    } else {
        const struct engine_change change = {
            .records = k.at, .n = k.n, .done = on_stored, .arg = p};
        p->ops->change(p->engine, &change);
        p->ops->flush(p->engine);
    }
    packed_fini(&k);
}

/* Before the first webhook: whoever is answered can rely on them. */
static void store_new(struct pipeline *p)
{
    size_t n = trigger_set_size(p->triggers);
    if (n <= p->n_stored)
        return;
    p->unstored = xcalloc(n - p->n_stored, sizeof(*p->unstored));
    for (size_t i = p->n_stored; i < n; i++)
        memcpy(p->unstored[p->n_unstored++], trigger_set_at(p->triggers, i)->spec.id, ID_SIZE);
    store_unstored(p);
}

void pipeline_store_again(struct pipeline *p)
{
    if (p->n_unstored > 0 && !p->storing)
        store_unstored(p);
}

/* It has been made, changed or deleted by somebody. */
static void was_stored(struct pipeline *p, const char *id)
{
    size_t left = 0;
    for (size_t i = 0; i < p->n_unstored; i++)
        if (strcmp(p->unstored[i], id) != 0)
            memmove(p->unstored[left++], p->unstored[i], ID_SIZE);
    p->n_unstored = left;
}

int pipeline_start_triggers(struct pipeline *p)
{
    size_t n = trigger_set_size(p->triggers);
    const char **ids = xcalloc(n + 1, sizeof(*ids));
    uint64_t *old_seqs = xcalloc(n + 1, sizeof(*old_seqs));
    for (size_t i = 0; i < n; i++)
        ids[i] = trigger_set_at(p->triggers, i)->spec.id;
    int r = p->ops->load_triggers(p->engine, ids, n, old_seqs);
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct action *a = trigger_set_at(p->triggers, i)->action;
        a->old_seq = old_seqs[i];
        a->from_seq = pipeline_submitted_seq(p);
    }
    if (r == 0)
        r = p->ops->start(p->engine, p->turn.loop);
    if (r == 0) { /* what an earlier run left has been matched */
        p->newest_seq = p->settled_seq = pipeline_submitted_seq(p);
        store_new(p);
    }
    free(ids);
    free(old_seqs);
    return r;
}

/* --- a change --- */

struct under_way { /* a change */
    struct pipeline *pipeline;
    struct trigger_spec spec;
    bool deleted, resumed;
    void (*done)(void *arg, int err);
    void *arg;
};

static void under_way_free(struct under_way *c)
{
    trigger_spec_fini(&c->spec);
    free(c);
}

uint64_t pipeline_submitted_seq(const struct pipeline *p)
{
    return p->ops->shards == 1 ? p->ops->submitted_seq(p->engine) : 0;
}

/* Everything submitted has come back. */
static bool is_quiet(const struct pipeline *p)
{
    return p->newest_seq == pipeline_submitted_seq(p);
}

void pipeline_watch_quiet(struct pipeline *p)
{
    if (!is_quiet(p))
        return;
    for (size_t i = 0; i < trigger_set_size(p->triggers); i++)
        action_quiet(trigger_set_at(p->triggers, i)->action, p->newest_seq);
}

static void flush_old(struct trigger *t)
{
    struct action *a = t->action;
    batch_flush(&a->batch, BATCH_DRAIN);
}

/* It is durable: from here on the new rule holds. What came back since the change was submitted was
 * gathered by the old one. */
static void take_effect(struct pipeline *p, const struct under_way *c)
{
    struct trigger *t = trigger_set_find(p->triggers, c->spec.id);
    uint64_t seq = pipeline_submitted_seq(p);
    if (t != NULL)
        flush_old(t);
    if (c->deleted) {
        if (t == NULL)
            return;
        action_free(t->action);
        trigger_set_remove(p->triggers, t);
    } else if (t == NULL) {
        (void) add_trigger(p, &c->spec, seq);
    } else {
        trigger_set_replace(p->triggers, t, &c->spec);
        struct action *a = t->action;
        t->changed_ms = clock_wall_ms();
        action_changed(a, p->paths, seq, c->resumed, is_quiet(p));
        a->shard = ingest_shard(p->ingest, t->spec.registry_id);
        ask_allowed(p, t);
    }
}

static void on_changed(void *arg, int err)
{
    struct under_way *c = arg;
    CRASH_POINT("pipeline.changed");
    if (err == 0) {
        take_effect(c->pipeline, c);
        was_stored(c->pipeline, c->spec.id);
    }
    c->done(c->arg, err);
    under_way_free(c);
}

static struct under_way *under_way_new(struct pipeline *p, const struct pipeline_change *from,
                                       const struct trigger *t)
{
    struct under_way *c = xcalloc(1, sizeof(*c));
    c->pipeline = p;
    trigger_spec_copy(from->spec, &c->spec);
    c->deleted = from->deleted;
    c->done = from->done;
    c->arg = from->arg;
    bool was_paused = t != NULL && t->spec.status == TRIGGER_PAUSED;
    bool is_paused = c->spec.status == TRIGGER_PAUSED;
    c->resumed = was_paused && !is_paused;
    if (is_paused)
        c->spec.paused_seq = was_paused ? t->spec.paused_seq : pipeline_submitted_seq(p);
    return c;
}

/* Up to which event nothing is left for the new rule. For a trigger that is new or goes on: all.
 * Else those that have come back, for what was gathered of them is flushed; the others go by the
 * old rule if they come back in time, and by the new one if this process does not live so long. */
static uint64_t batched_seq(const struct pipeline *p, const struct under_way *c,
                            const struct trigger *t)
{
    return t == NULL || c->resumed ? pipeline_submitted_seq(p) : p->newest_seq;
}

static int submit_change(struct pipeline *p, struct under_way *c, const struct trigger *t,
                         const struct pipeline_change *from)
{
    struct engine_record records[2];
    struct buf packed;
    buf_init(&packed, SPEC_MAX_BYTES);
    int r = c->deleted ? 0 : trigger_spec_pack(&c->spec, &packed);
    if (r == 0) {
        records[0] = (struct engine_record){ENGINE_TRIGGER, c->spec.id, buf_slice(&packed)};
        if (from->operation_id != NULL)
            records[1] =
                (struct engine_record){ENGINE_OPERATION, from->operation_id, from->operation};
        p->ops->change(p->engine,
                       &(struct engine_change){.records = records,
                                               .n = from->operation_id == NULL ? 1 : 2,
                                               .trigger_id = c->deleted ? NULL : c->spec.id,
                                               .batched_seq = batched_seq(p, c, t),
                                               .done = on_changed,
                                               .arg = c});
    }
    buf_fini(&packed);
    return r;
}

void pipeline_change(struct pipeline *p, const struct pipeline_change *change)
{
    struct trigger *t = trigger_set_find(p->triggers, change->spec->id);
    int r = p->draining ? -EAGAIN : p->ops->can_submit(p->engine);
    if (r == 0 && change->deleted && t == NULL)
        r = -ENOENT;
    if (r == 0 && t != NULL)
        flush_old(t);
    if (r == 0 && p->broken)
        r = -EIO; /* what could not be flushed is in no batch: nothing may say so */
    if (r < 0) {
        change->done(change->arg, r);
        return;
    }
    struct under_way *c = under_way_new(p, change, t);
    CRASH_POINT("pipeline.change");
    r = submit_change(p, c, t, change);
    if (r < 0) {
        change->done(change->arg, r);
        under_way_free(c);
    }
}

/* --- a change of another node --- */

static void log_other_unreadable(const char *id, int err)
{
    struct log_line l;
    log_open(&l, LOG_ERROR, "broker", "a trigger that another node has changed cannot be read");
    log_str(&l, "trigger_id", id);
    log_str(&l, "error", err_str(err));
    log_close(&l);
}

static int read_other(const struct engine_record *rec, struct under_way *c)
{
    c->deleted = rec->value.len == 0;
    if (c->deleted) {
        (void) snprintf(c->spec.id, sizeof(c->spec.id), "%s", rec->id);
        return 0;
    }
    int r = trigger_spec_unpack(rec->value, &c->spec);
    if (r == 0 && strcmp(c->spec.id, rec->id) != 0) {
        trigger_spec_fini(&c->spec);
        r = -EBADMSG;
    }
    return r;
}

void pipeline_trigger_changed(struct pipeline *p, const struct engine_record *rec)
{
    struct under_way c = {.pipeline = p};
    struct trigger *t = trigger_set_find(p->triggers, rec->id);
    int r = read_other(rec, &c);
    if (r < 0) {
        log_other_unreadable(rec->id, r);
        return;
    }
    c.resumed = t != NULL && t->spec.status == TRIGGER_PAUSED && c.spec.status != TRIGGER_PAUSED;
    take_effect(p, &c);
    was_stored(p, rec->id);
    if (!c.deleted) {
        t = trigger_set_find(p->triggers, rec->id);
        if (((const struct action *) t->action)->path == NULL)
            pipeline_log_trigger(LOG_WARN, PIPELINE_NO_PATH, &t->spec);
        trigger_spec_fini(&c.spec);
    }
}

/* --- a changed configuration --- */

void pipeline_follow_paths(struct pipeline *p)
{
    uint64_t seq = pipeline_submitted_seq(p);
    for (size_t i = 0; i < trigger_set_size(p->triggers); i++) {
        struct trigger *t = trigger_set_at(p->triggers, i);
        struct action *a = t->action;
        const struct path *path = path_by_name(p->paths, t->spec.path);
        if (path == a->path && (path == NULL || a->batch.max_bytes == path->cfg->max_message_bytes))
            continue;
        batch_flush(&a->batch, BATCH_DRAIN); /* it was acknowledged: history has it */
        if ((path == NULL) != (a->path == NULL))
            t->changed_ms = clock_wall_ms();
        action_changed(a, p->paths, seq, true, is_quiet(p));
        if (a->path == NULL)
            pipeline_log_trigger(LOG_WARN, PIPELINE_NO_PATH, &t->spec);
    }
}

/* --- the end --- */

void pipeline_free_triggers(struct pipeline *p)
{
    pipeline_free_kept(p);
    free(p->unstored);
    for (size_t i = 0; i < trigger_set_size(p->triggers); i++)
        action_free(trigger_set_at(p->triggers, i)->action);
    trigger_set_free(p->triggers);
}
