/* cluster.h - what the parts of the engine `nats` share: the connection, names of streams, buckets
 * and subjects, and the shards. Broker thread, as everything here.
 *
 * What is where (P is nats.prefix, ss a shard in two hex digits, <path> the first 32 hex digits of
 * the SHA-256 of the path's name):
 *
 *   stream P_IN     P.in.ss          webhooks as they came; one is purged when it is in P_EV
 *   stream P_EV     P.ev.ss          what its owner made of them: events, senders' ids, catalog
 *   stream P_BAT    P.bat.<path>     batches; republished to P.cast.<path>
 *   stream P_REC    P.rec.<kind>.<id>  records (engine.h) and dead letters, the last of each
 *   stream P_SNAP   P.snap.ss.<n>    an owner's state, so that P_EV need not be kept for ever
 *   bucket P_lease  s<ss>            the owner of a shard; goes by itself after nats.lease_ttl
 *   bucket P_nodes  <node>           the nodes that live; the same
 *   bucket P_mark   s<ss>            how far a shard's events are in batches
 *                   move             whether a single node's data is being moved here (move.h)
 *   subject P.rpc.all.<verb>, P.rpc.<node>.<verb>   questions between nodes
 *
 * A shard is owned by one node at a time: it alone reads P.in.ss and appends to P.ev.ss, each time
 * behind the message that it knows to be the last (so that one that has lost its lease without
 * noticing is refused), and it forms the batches of the triggers of the shard's registries. */
#ifndef BROKER_CLUSTER_CLUSTER_H
#define BROKER_CLUSTER_CLUSTER_H

#include "config.h"
#include "metrics.h"
#include "nats/consumer.h"

#define CLUSTER_SHARDS       64
#define CLUSTER_SUBJECT_SIZE 192

struct cluster {
    const struct config *cfg;
    struct metrics *metrics; /* the broker thread's */
    uv_loop_t *loop;
    struct nats *nats;
    struct js *js;
    char node[64];    /* [a-z0-9_-]: what this node is called */
    char nonce[17];   /* of this process */
    uint64_t sync_ms; /* nats.sync_interval: what is acknowledged may be lost for so long */
    void *ensuring;   /* streams.c's: what streams_ensure() is at */
};

/* What there is before there is a connection: cfg, metrics, node, nonce, sync_ms. */
void cluster_init(struct cluster *c, const struct config *cfg, struct metrics *metrics);

/* (pure) By the registry's id: the same for ever, on every node. */
unsigned cluster_shard(const char *registry_id);

/* printf-like below the prefix: cluster_subject(c, s, "in.%02x", shard). */
void cluster_subject(const struct cluster *c, char ret[CLUSTER_SUBJECT_SIZE], const char *format,
                     ...) __attribute__((format(printf, 3, 4)));
/* "P_IN": a stream's or bucket's name. */
void cluster_name(const struct cluster *c, char ret[CLUSTER_SUBJECT_SIZE], const char *name);
/* P.<kind>.<path>; kind "bat" or "cast". */
void cluster_path_subject(const struct cluster *c, char ret[CLUSTER_SUBJECT_SIZE], const char *kind,
                          const char *path_name);

/* Event numbers: the sequence of the message in P_EV and the place in it, so that numbers of a
 * shard go up, whoever gives them. */
#define CLUSTER_SEQ_BITS 16
static inline uint64_t cluster_event_seq(uint64_t stream_seq, unsigned place)
{
    return stream_seq << CLUSTER_SEQ_BITS | place;
}

#endif
