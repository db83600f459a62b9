/* pipeline_nodes.c - other nodes, of an engine that has some. */
#include "pipeline_private.h"

static const struct engine_peers *peers_of(const struct pipeline *p)
{
    return p->started ? p->ops->peers : NULL;
}

bool pipeline_has_nodes(const struct pipeline *p)
{
    return peers_of(p) != NULL;
}

size_t pipeline_nodes(const struct pipeline *p, struct engine_peer *ret, size_t cap)
{
    return peers_of(p) == NULL ? 0 : peers_of(p)->list(p->engine, ret, cap);
}

void pipeline_ask(struct pipeline *p, const struct engine_question *q)
{
    if (peers_of(p) == NULL)
        q->done(q->arg, 0);
    else
        peers_of(p)->ask(p->engine, q);
}

void pipeline_serve(struct pipeline *p, const char *verb,
                    void (*serve)(void *ctx, struct slice request, void *token), void *ctx)
{
    if (peers_of(p) != NULL)
        peers_of(p)->serve(p->engine, verb, serve, ctx);
}

void pipeline_answer(struct pipeline *p, void *token, struct slice answer)
{
    p->ops->peers->answer(p->engine, token, answer);
}

void pipeline_describe(struct pipeline *p, void (*self)(void *ctx, struct engine_peer *ret),
                       void *ctx)
{
    if (peers_of(p) != NULL)
        peers_of(p)->describe(p->engine, self, ctx);
}

void pipeline_health(const struct pipeline *p, struct engine_health *ret)
{
    *ret = (struct engine_health){.ready = true};
    if (p->ops->health != NULL)
        p->ops->health(p->engine, ret);
}

bool pipeline_knows(const struct pipeline *p, const char *registry_id)
{
    return p->ops->shards <= 1 || ingest_is_open(p->ingest, ingest_shard(p->ingest, registry_id));
}
