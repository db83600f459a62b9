/* engine_nats_private.h - the parts of the engine of several nodes, shared by its files:
 *   engine_nats.c        the table: opening, starting, ending
 *   engine_nats_ports.c  what the parts tell each other, and the copy
 *   engine_nats_peers.c  other nodes, and what is counted */
#ifndef BROKER_CLUSTER_ENGINE_NATS_PRIVATE_H
#define BROKER_CLUSTER_ENGINE_NATS_PRIVATE_H

#include "cluster/attempts.h"
#include "cluster/chain.h"
#include "cluster/cluster.h"
#include "cluster/intake.h"
#include "cluster/leases.h"
#include "cluster/members.h"
#include "cluster/path_feed.h"
#include "cluster/peers.h"
#include "cluster/records.h"
#include "cluster/resends.h"
#include "cluster/shards.h"
#include "cluster/streams.h"
#include "engine.h"

#define CACHE ENGINE_EMBEDDED

struct settling {
    struct settling *next;
    void (*done)(void *arg);
    void *arg;
};

#define ENGINE_NATS_VERBS 32
struct engine_nats_served {
    const char *verb;
    void (*serve)(void *ctx, struct slice request, void *token);
    void *ctx;
};

struct engine {
    struct engine_options options;
    struct cluster cluster;
    char copy_dir[4096];
    struct engine *cache;
    struct intake *intake;
    struct records *records;
    struct attempts *attempts; /* NULL: they cannot be noted */
    struct members *members;
    struct leases *leases;
    struct chains *chains;
    struct resends *resends;
    struct shards *shards;
    struct path_feed *feed;
    struct streams_watch *watch;
    struct peers *peers;
    struct engine_nats_served served[ENGINE_NATS_VERBS];
    size_t n_served;
    void (*describe)(void *ctx, struct engine_peer *ret);
    void *describe_ctx;
    uv_timer_t retry, poll;
    struct settling *settling;
    uint64_t unsent;             /* bits of shards with a batch that cannot be sent */
    uint64_t started_ms;         /* Unix time */
    uint64_t now_ms;             /* given out last */
    uint64_t disconnected_ms;    /* 0: connected */
    bool made, started, leaving; /* made: the streams are there */
    bool intake_stopped;
    void (*left)(void *arg);
    void *left_arg;
};

/* Told by the copy. */
void engine_nats_copy_failed(void *ctx, int err);
struct engine_callbacks engine_nats_copy_callbacks(struct engine *e);

/* Connected, and the streams are there: what works with them begins. */
void engine_nats_make_parts(struct engine *e);
void engine_nats_start_parts(struct engine *e);

extern const struct engine_peers ENGINE_NATS_PEERS;
void engine_nats_describe(void *ctx, struct engine_peer *ret); /* of an engine: this node */
void engine_nats_make_peers(struct engine *e);
void engine_nats_cluster_stats(struct engine *e, struct engine_cluster_stats *ret);

#endif
