/* cluster_bed.h - several nodes of a cluster in one process: each with a client of its own on the
 * loop of nats_bed.h, and the streams and buckets made. */
#ifndef TESTS_UNIT_CLUSTER_BED_H
#define TESTS_UNIT_CLUSTER_BED_H

#include "cluster/streams.h"
#include "nats_bed.h"

#include "config.h"
#include "metrics.h"

#define CLUSTER_BED_TTL_MS 2000

struct cluster_bed {
    struct nats_bed *bed;
    struct config cfg;
    struct metrics metrics;
};

static inline void cluster_bed_on_ensured(void *ctx, int err)
{
    int *ret = ctx;
    assert_int_equal(err, 0);
    *ret = 1;
}

static inline void cluster_bed_connect(struct cluster_bed *b, struct cluster *c, const char *node,
                                       const char *nonce)
{
    const char *url = b->bed->server.url;
    *c = (struct cluster){.cfg = &b->cfg, .metrics = &b->metrics, .loop = &b->bed->loop};
    (void) snprintf(c->node, sizeof(c->node), "%s", node);
    (void) snprintf(c->nonce, sizeof(c->nonce), "%s", nonce);
    const struct nats_options o = {
        .urls = &url, .n_urls = 1, .name = node, .on_state = bed_on_state, .ctx = b->bed};
    assert_int_equal(nats_new(c->loop, &o, &c->nats), 0);
    c->js = js_new(c->nats, NULL);
    BED_UNTIL(b->bed, nats_connected(c->nats));
}

/* What uses it is freed before, in the same turn. */
static inline void cluster_bed_disconnect(struct cluster *c)
{
    js_free(c->js);
    nats_close(c->nats, 0);
    c->js = NULL;
    c->nats = NULL;
}

static inline void cluster_bed_begin(struct cluster_bed *b)
{
    static char prefix[] = "t";
    struct cluster c;
    int ensured = 0;
    *b = (struct cluster_bed){.bed = bed_new("max_payload: 8MB")};
    b->cfg.nats.prefix = prefix;
    b->cfg.nats.replicas = 1;
    b->cfg.nats.lease_ttl_ms = CLUSTER_BED_TTL_MS;
    b->cfg.nats.intake_bytes = b->cfg.nats.events_bytes = b->cfg.nats.batches_bytes = 64 << 20;
    b->cfg.nats.history_count = 1000;
    b->cfg.nats.history_age_ms = 3600000;
    b->cfg.webhooks.max_body_bytes = 1 << 20;
    cluster_bed_connect(b, &c, "maker", "0");
    streams_ensure(&c, cluster_bed_on_ensured, &ensured);
    BED_UNTIL(b->bed, ensured != 0);
    cluster_bed_disconnect(&c);
}

static inline void cluster_bed_end(struct cluster_bed *b)
{
    bed_free(b->bed);
}

#endif
