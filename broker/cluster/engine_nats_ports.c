/* engine_nats_ports.c - what the parts of the engine of several nodes tell each other. */
#include "cluster/engine_nats_private.h"
#include "cluster/set_aside.h"
#include "engine_embedded.h"
#include "mem.h"

#include <stdio.h>
#include <stdlib.h>

/* --- the copy --- */

static int on_copied(void *ctx, const struct engine_batch *b)
{
    struct engine *e = ctx;
    return e->options.cb.deliver(e->options.cb.ctx, b);
}

static void on_all_copied(void *ctx)
{
    struct engine *e = ctx;
    e->options.cb.delivered(e->options.cb.ctx);
}

static void on_no_events(void *ctx, struct event *const *events, size_t n, bool again)
{
    (void) ctx, (void) events, (void) n, (void) again; /* it is never given any */
}

void engine_nats_copy_failed(void *ctx, int err)
{
    struct engine *e = ctx;
    e->options.cb.failed(e->options.cb.ctx, err);
}

struct engine_callbacks engine_nats_copy_callbacks(struct engine *e)
{
    return (struct engine_callbacks){.ctx = e,
                                     .events = on_no_events,
                                     .deliver = on_copied,
                                     .delivered = on_all_copied,
                                     .failed = engine_nats_copy_failed};
}

/* --- who owns what --- */

static void on_acquired(void *ctx, unsigned shard)
{
    struct engine *e = ctx;
    shards_acquired(e->shards, shard);
}

static void on_lost(void *ctx, unsigned shard, const char *why)
{
    struct engine *e = ctx;
    shards_lost(e->shards, shard, why);
}

static void on_release(void *ctx, unsigned shard)
{
    struct engine *e = ctx;
    shards_release(e->shards, shard);
}

static void on_refused(void *ctx, unsigned shard)
{
    struct engine *e = ctx;
    shards_refused(e->shards, shard);
}

static void on_quiet(void *ctx, unsigned shard)
{
    struct engine *e = ctx;
    shards_quiet(e->shards, shard);
}

static void on_records(void *ctx, const struct engine_record *records, size_t n)
{
    struct engine *e = ctx;
    e->options.cb.changed(e->options.cb.ctx, records, n);
}

static void on_letter(void *ctx, uint64_t id, const struct record_letter *letter)
{
    const struct engine *e = ctx;
    const struct store_letter kept = set_aside_kept(id, letter);
    engine_embedded_letter(e->cache, &kept);
}

static uint64_t applied_records(void *ctx)
{
    const struct engine *e = ctx;
    return records_seq(e->records);
}

void engine_nats_describe(void *ctx, struct engine_peer *ret)
{
    struct engine *e = ctx;
    struct engine_health health;
    ENGINE_NATS.health(e, &health);
    ret->started_ms = e->started_ms;
    ret->shards = leases_n(e->leases);
    ret->ready = health.ready;
    (void) snprintf(ret->version, sizeof(ret->version), "%s", REGCAST_VERSION);
    if (e->describe != NULL)
        e->describe(e->describe_ctx, ret);
}

static int on_cast(void *ctx, const struct engine_broadcast *b)
{
    struct engine *e = ctx;
    return CACHE.broadcast(e->cache, b);
}

static void on_all_cast(void *ctx)
{
    struct engine *e = ctx;
    CACHE.flush(e->cache);
}

static void settle_copy(void *ctx, void (*done)(void *arg), void *arg)
{
    struct engine *e = ctx;
    CACHE.settle(e->cache, done, arg);
}

static void on_begun_anew(void *arg, int err)
{
    (void) arg, (void) err; /* a copy that cannot be written ends the process */
}

static void on_cut(void *ctx, struct path *path, const uint8_t floor[ID_PACKED_SIZE])
{
    struct engine *e = ctx;
    engine_embedded_cut(e->cache, path, floor, on_begun_anew, e);
}

struct told_gap {
    struct engine *engine;
    struct path *path;
};

/* Who comes back at once must not be led on by what was there before. */
static void on_begun_after_gap(void *arg, int err)
{
    struct told_gap *g = arg;
    struct engine *e = g->engine;
    (void) err; /* as above */
    e->options.cb.gap(e->options.cb.ctx, g->path);
    free(g);
}

static void on_gap(void *ctx, struct path *path, const uint8_t floor[ID_PACKED_SIZE])
{
    struct engine *e = ctx;
    struct told_gap *g = xcalloc(1, sizeof(*g));
    *g = (struct told_gap){e, path};
    engine_embedded_cut(e->cache, path, floor, on_begun_after_gap, g);
}

static void on_regressed(void *ctx, enum streams_which which)
{
    struct engine *e = ctx;
    switch (which) {
    case STREAM_IN:
        intake_regressed(e->intake);
        shards_regressed(e->shards);
        break;
    case STREAM_EV:
        shards_regressed(e->shards);
        break;
    case STREAM_BAT:
        shards_regressed(e->shards);
        path_feed_regressed(e->feed);
        break;
    default:
        records_regressed(e->records);
        break;
    }
}

/* --- making them --- */

void engine_nats_make_parts(struct engine *e)
{
    struct cluster *c = &e->cluster;
    c->js = js_new(c->nats, e->options.cfg->nats.domain);
    e->members = members_new(c);
    e->leases =
        leases_new(c, e->members, &(struct leases_port){e, on_acquired, on_lost, on_release});
    e->chains = chains_new(c, e->leases, &(struct chains_port){e, on_refused, on_quiet});
    e->resends = resends_new(c);
    e->shards = shards_new(c, e->leases, e->chains, e->records, &e->options.cb);
    e->feed = path_feed_new(
        c, e->options.paths,
        &(struct path_feed_port){e, on_cast, on_all_cast, settle_copy, on_gap, on_cut});
    e->watch = streams_watch_new(c, on_regressed, e);
    engine_nats_make_peers(e);
}

void engine_nats_start_parts(struct engine *e)
{
    members_start(e->members);
    records_start(e->records, &e->cluster, &(struct records_port){e, on_records, on_letter});
    intake_start(e->intake, &e->cluster,
                 &(struct intake_port){e, applied_records, engine_nats_copy_failed});
    path_feed_start(e->feed);
    leases_start(e->leases);
    members_set_able(e->members, true);
    streams_look(e->watch);
}
