/* pipeline_lookups.c - pushes that wait for their digests, between completion.c, which knows what
 * is to be done with them, the threads of lookup.c, and ingest.c. See pipeline.h. */
#include "log.h"
#include "pipeline_private.h"

static void on_ask(void *ctx, struct lookup_question *q)
{
    struct pipeline *p = ctx;
    lookup_ask(p->lookup, q);
}

static int can_apply(void *ctx)
{
    const struct pipeline *p = ctx;
    return !p->started || p->draining || p->broken ? -EAGAIN : p->ops->can_submit(p->engine);
}

static void on_complete(void *ctx, const struct ingest_completed *done, struct ingest_call *call)
{
    struct pipeline *p = ctx;
    ingest_complete(p->ingest, done, call);
}

/* It stays where it is, for a version that understands it. */
static void log_unreadable(const char *id, int err)
{
    struct log_line l;
    log_open(&l, LOG_ERROR, "lookup", "a push that waits for its digest cannot be read");
    log_str(&l, "record", id);
    log_str(&l, "error", err_str(err));
    log_close(&l);
}

void pipeline_load_lookup(struct pipeline *p, const char *id, struct slice value)
{
    int r = completion_load(p->completion, id, value);
    if (r < 0)
        log_unreadable(id, r);
}

static void on_kept(void *ctx, const char *id, struct slice value)
{
    pipeline_load_lookup(ctx, id, value);
}

struct shard_gone {
    const struct ingest *ingest;
    unsigned shard;
};

static bool is_gone(void *ctx, const char *registry_id)
{
    const struct shard_gone *g = ctx;
    return ingest_shard(g->ingest, registry_id) == g->shard;
}

void pipeline_forget_lookups(struct pipeline *p, unsigned shard)
{
    struct shard_gone g = {p->ingest, shard};
    completion_forget(p->completion, is_gone, &g);
}

void pipeline_new_lookups(struct pipeline *p)
{
    const struct completion_port port = {p, on_ask, can_apply, on_complete};
    p->lookup = lookup_new(p->mailbox);
    lookup_configure(p->lookup, p->cfg);
    p->completion = completion_new(p->cfg, p->metrics, &port);
    ingest_set_completion(p->ingest, p->completion);
    pipeline_load_kept(p, ENGINE_LOOKUP, on_kept, p);
}

void pipeline_configure_lookups(struct pipeline *p)
{
    lookup_configure(p->lookup, p->cfg);
    completion_configure(p->completion, p->cfg);
}

/* The threads may still look at what completion.c has asked. */
void pipeline_free_lookups(struct pipeline *p)
{
    lookup_free(p->lookup);
    completion_free(p->completion);
}

size_t pipeline_n_lookups(const struct pipeline *p)
{
    return completion_n(p->completion);
}
