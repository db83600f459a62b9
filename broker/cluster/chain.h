/* chain.h - batches on their way into P_BAT: of each trigger one after the other, each behind the
 * one before it, so that of two owners that go on from the same batch only one is believed. At most
 * one message of a trigger is on its way; what comes meanwhile goes together in the next one, up to
 * 256 KiB. One whose acknowledgement is missing is sent again, the same, for as long as the shard
 * is ours. */
#ifndef BROKER_CLUSTER_CHAIN_H
#define BROKER_CLUSTER_CHAIN_H

#include "cluster/batch_wire.h"
#include "cluster/leases.h"
#include "engine.h"

struct chains;
struct chains_port {
    void *ctx;
    /* Another node has gone on where we wanted to, or what became of a batch is not known after a
     * minute: the shard must be given up (leases_resign()), dropped, and loaded again. Nothing of
     * it is sent before chains_drop(), which may come from inside. */
    void (*refused)(void *ctx, unsigned shard);
    /* All that was pending of a shard has been stored. */
    void (*quiet)(void *ctx, unsigned shard);
};
struct chains *chains_new(struct cluster *c, struct leases *l, const struct chains_port *port);
void chains_free(struct chains *cs); /* as members_free() */
/* A trigger's batches go on behind event number `batched_seq`. Of one that is not known yet, or
 * whose shard was dropped since. */
void chains_load(struct chains *cs, unsigned shard, const char *trigger_id, uint64_t batched_seq);
/* Everything copied. -ENOENT: not loaded; -ENOBUFS: over 64 MiB wait; -ENOMEM; -EINVAL: its last
 * event is not behind what was appended before. */
MUST_CHECK int chains_append(struct chains *cs, const struct engine_broadcast *b);
void chains_flush(struct chains *cs); /* what was appended since goes on its way together */
void chains_drop(struct chains *cs, unsigned shard); /* what is pending is forgotten */
void chains_drop_trigger(struct chains *cs, const char *trigger_id); /* it was deleted */
/* Events with numbers below are in stored batches as far as they were appended; UINT64_MAX: nothing
 * is pending. */
uint64_t chains_pending_first(const struct chains *cs, unsigned shard);
/* Of each trigger of a shard. */
void chains_marks(const struct chains *cs, unsigned shard,
                  void (*one)(void *ctx, const char *trigger_id, uint64_t stored_seq), void *ctx);
/* A sequence in P_BAT: whatever of ours is behind it is known to be stored, or still pending. */
uint64_t chains_stored(const struct chains *cs);
uint64_t chains_pending_bytes(const struct chains *cs);

#endif
