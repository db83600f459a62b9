/* shards.h - the shards that this node owns: loaded from the streams when their lease is acquired,
 * fed with webhooks from P_IN, their events appended to P_EV. Broker thread.
 *
 * Their clock, of senders' ids and of what catalogs know of deleted things, is Unix time in ms,
 * which all nodes share as well as they can. */
#ifndef BROKER_CLUSTER_SHARDS_H
#define BROKER_CLUSTER_SHARDS_H

#include "cluster/chain.h"
#include "cluster/cluster.h"
#include "cluster/leases.h"
#include "cluster/records.h"
#include "engine.h"

struct shards;
struct shards *shards_new(struct cluster *c, struct leases *leases, struct chains *chains,
                          struct records *records, const struct engine_callbacks *cb);
/* Gives up what is owned: done() of what is under way and cb.close_shard come from inside. Its
 * timer is closed by the loop's next turn; js_free() follows before that. NULL is fine. */
void shards_free(struct shards *s);
void shards_acquired(struct shards *s, unsigned shard);
void shards_lost(struct shards *s, unsigned shard, const char *why);
/* Ends with leases_released(), or with shards_lost(). */
void shards_release(struct shards *s, unsigned shard);
/* engine_ops.submit: from inside cb.read, of that shard; or of a shard by its registry, for what is
 * complete now and what an operator posts. Numbers the events. -EAGAIN: it is not owned (or not any
 * more: what was under way then). -EMSGSIZE: more than the server takes in one message, or 4 MiB;
 * nothing else of its epoch is refused for that. */
void shards_submit(struct shards *s, unsigned shard, const struct engine_submission *submission);
void shards_flush(struct shards *s);
void shards_quiet(struct shards *s, unsigned shard); /* chains_port.quiet */
/* chains_port.refused: somebody else has gone on. */
void shards_refused(struct shards *s, unsigned shard);
uint64_t shards_queued_bytes(const struct shards *s);
/* A stream has less than it had: all shards are given up, to be loaded again. */
void shards_regressed(struct shards *s);
bool shards_owned(const struct shards *s, unsigned shard); /* and loaded */
/* The number of the event of a shard that was submitted last; 0: it is not owned. */
uint64_t shards_submitted(const struct shards *s, unsigned shard);

#endif
