/* pipeline_shards.c - what an engine of several nodes asks and tells: shards that this node owns
 * for a while, with the batches of their registries' triggers, and what other nodes have changed.
 * See engine.h. */
#include "pipeline_private.h"

/* --- webhooks, to be read anywhere --- */

static void take(void *ctx, unsigned shard, struct slice webhook, ingest_done *done, void *arg)
{
    struct pipeline *p = ctx;
    p->ops->take(p->engine, shard, webhook, done, arg);
}

static void read_webhook(void *ctx, unsigned shard, struct slice webhook, ingest_done *done,
                         void *arg)
{
    struct pipeline *p = ctx;
    ingest_read_record(p->ingest, shard, webhook, done, arg);
}

/* --- shards --- */

/* The next trigger's action of a shard, from place *i on, which goes on; NULL: there is no more. */
static struct action *next_action(const struct pipeline *p, unsigned shard, size_t *i)
{
    while (*i < trigger_set_size(p->triggers)) {
        struct action *a = trigger_set_at(p->triggers, (*i)++)->action;
        if (a->shard == shard)
            return a;
    }
    return NULL;
}

static void take_over_triggers(struct pipeline *p, const struct engine_shard *shard)
{
    size_t i = 0;
    for (struct action *a; (a = next_action(p, shard->index, &i)) != NULL;)
        action_taken_over(a, UINT64_MAX, 0);
    for (i = 0; i < shard->n_marks; i++) {
        const struct engine_mark *m = &shard->marks[i];
        const struct trigger *t = trigger_set_find(p->triggers, m->trigger_id);
        struct action *a = t == NULL ? NULL : t->action;
        if (a != NULL && a->shard == shard->index)
            action_taken_over(a, m->batched_seq, m->paused_seq);
    }
}

static void open_shard(void *ctx, const struct engine_shard *shard)
{
    struct pipeline *p = ctx;
    ingest_open(p->ingest, shard);
    take_over_triggers(p, shard);
    pipeline_on_events(p, shard->backlog, shard->n_backlog, true);
}

static void close_shard(void *ctx, unsigned shard)
{
    struct pipeline *p = ctx;
    size_t i = 0;
    for (struct action *a; (a = next_action(p, shard, &i)) != NULL;)
        batch_drop(&a->batch);
    pipeline_forget_lookups(p, shard);
    ingest_close(p->ingest, shard);
}

static uint64_t gathered(void *ctx, unsigned shard)
{
    const struct pipeline *p = ctx;
    uint64_t lowest = UINT64_MAX;
    size_t i = 0;
    for (const struct action *a; (a = next_action(p, shard, &i)) != NULL;) {
        uint64_t first = batch_first_seq(&a->batch);
        lowest = first < lowest ? first : lowest;
    }
    return lowest;
}

static void flush_shard(void *ctx, unsigned shard)
{
    const struct pipeline *p = ctx;
    size_t i = 0;
    for (struct action *a; (a = next_action(p, shard, &i)) != NULL;)
        batch_flush(&a->batch, BATCH_DRAIN);
}

/* --- what other nodes have changed --- */

static void changed(void *ctx, const struct engine_record *records, size_t n)
{
    struct pipeline *p = ctx;
    for (size_t i = 0; i < n; i++) {
        const struct engine_record *rec = &records[i];
        if (rec->kind == ENGINE_TRIGGER)
            pipeline_trigger_changed(p, rec);
        else if (rec->kind == ENGINE_LOOKUP)
            pipeline_load_lookup(p, rec->id, rec->value);
        else if (p->followers[rec->kind].one != NULL)
            p->followers[rec->kind].one(p->followers[rec->kind].ctx, rec->id, rec->value);
    }
}

void pipeline_follow_records(struct pipeline *p, enum engine_record_kind kind,
                             pipeline_on_record *one, void *ctx)
{
    p->followers[kind].one = one;
    p->followers[kind].ctx = ctx;
}

/* --- */

/* --- paths that are not always up to date --- */

bool pipeline_follows(const struct pipeline *p)
{
    return p->ops->follow != NULL;
}

void pipeline_follow(struct pipeline *p, struct path *path, void (*done)(void *arg, int err),
                     void *arg)
{
    if (p->broken)
        done(arg, -EAGAIN);
    else
        p->ops->follow(p->engine, path, done, arg);
}

void pipeline_set_gap(struct pipeline *p, pipeline_gap *gap, void *ctx)
{
    p->gap = gap;
    p->gap_ctx = ctx;
}

static void on_gap(void *ctx, struct path *path)
{
    const struct pipeline *p = ctx;
    if (p->gap != NULL)
        p->gap(p->gap_ctx, path);
}

/* --- wiring --- */

void pipeline_set_callbacks(struct pipeline *p, struct engine_callbacks *ret)
{
    ASSERT(ret->ctx == p);
    ret->open_shard = open_shard;
    ret->close_shard = close_shard;
    ret->read = read_webhook;
    ret->gathered = gathered;
    ret->flush_shard = flush_shard;
    ret->changed = changed;
    ret->gap = on_gap;
}

void pipeline_set_target(struct pipeline *p, struct ingest_target *ret)
{
    ASSERT(ret->ctx == p);
    ret->shards = p->ops->shards;
    ret->take = p->ops->take == NULL ? NULL : take;
}
