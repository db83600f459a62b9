/* engine_nats_peers.c - other nodes, as the engine of several nodes hands them on: what is asked
 * for before there is a connection waits for it. */
#include "cluster/engine_nats_private.h"

void engine_nats_make_peers(struct engine *e)
{
    e->peers = peers_new(&e->cluster, e->members);
    peers_describe(e->peers, engine_nats_describe, e);
    for (size_t i = 0; i < e->n_served; i++)
        peers_serve(e->peers, e->served[i].verb, e->served[i].serve, e->served[i].ctx);
}

static void ask(struct engine *e, const struct engine_question *q)
{
    if (e->peers == NULL)
        q->done(q->arg, 0); /* nobody is known yet, or any more */
    else
        peers_ask(e->peers, q);
}

static void serve(struct engine *e, const char *verb,
                  void (*fn)(void *ctx, struct slice request, void *token), void *ctx)
{
    ASSERT(e->n_served < ENGINE_NATS_VERBS);
    e->served[e->n_served++] = (struct engine_nats_served){verb, fn, ctx};
    if (e->peers != NULL)
        peers_serve(e->peers, verb, fn, ctx);
}

static void answer(struct engine *e, void *token, struct slice text)
{
    (void) e;
    peers_answer(token, text);
}

static void describe(struct engine *e, void (*self)(void *ctx, struct engine_peer *ret), void *ctx)
{
    e->describe = self;
    e->describe_ctx = ctx;
}

static size_t list(struct engine *e, struct engine_peer *ret, size_t cap)
{
    return e->peers == NULL ? 0 : peers_list(e->peers, ret, cap);
}

const struct engine_peers ENGINE_NATS_PEERS = {
    .ask = ask, .serve = serve, .answer = answer, .describe = describe, .list = list};

void engine_nats_cluster_stats(struct engine *e, struct engine_cluster_stats *ret)
{
    struct intake_stats intake;
    struct path_feed_stats feed;
    struct engine_peer peers[64];
    *ret = (struct engine_cluster_stats){0};
    if (!e->started)
        return;
    intake_stats(e->intake, &intake);
    path_feed_stats(e->feed, &feed);
    *ret = (struct engine_cluster_stats){
        .connected = nats_connected(e->cluster.nats),
        .reconnects = nats_reconnects(e->cluster.nats),
        .nodes = members_list(e->members, peers, ARRAY_LEN(peers)),
        .shards = leases_n(e->leases),
        .waiting = intake.waiting,
        .waiting_bytes = intake.waiting_bytes,
        .kept = intake.kept,
        .paths_followed = feed.followed,
        .filled = feed.filled,
        .dropped = feed.dropped,
        .gaps = feed.gaps,
        .regresses = streams_regresses(e->watch),
        .batches_pending_bytes = chains_pending_bytes(e->chains),
    };
}
