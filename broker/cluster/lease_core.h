/* lease_core.h - what to do about each lease of the bucket P_lease: take, renew, hand over, give
 * up. (pure: the caller gives the time, in milliseconds of CLOCK_BOOTTIME, and carries out what the
 * port asks for. From inside acquired(), lost() and release() it may call lease_core_released() and
 * _resign(), nothing else)
 *
 * One that is ours counts from before the message that took or renewed it was sent, for 0.8 of its
 * time: the bucket keeps it a whole one from when it was stored, so no other node has it sooner, as
 * long as no clock goes wrong by a fifth. It is renewed each third. An answer that is missing is no
 * loss: what the bucket has is looked at before the lease is believed to be another's.
 *
 * One that should be ours is tried for when there is none in the bucket as far as is known, and
 * when its holder is not alive or has not been heard of for its whole time: then every twentieth to
 * tenth of it, at least 100 ms. */
#ifndef BROKER_CLUSTER_LEASE_CORE_H
#define BROKER_CLUSTER_LEASE_CORE_H

#include "cluster/cluster.h"

#define LEASE_HOLDER_SIZE 96 /* "<node>.<nonce>" */

enum lease_owner { LEASE_NOBODYS, LEASE_OURS, LEASE_ANOTHERS }; /* who should have it */

struct lease_core;
struct lease_core_port {
    void *ctx;
    /* To be answered by lease_core_put(), _gone() and _looked(); one at a time of a shard. */
    void (*put)(void *ctx, unsigned shard, uint64_t revision); /* 0: there is none */
    void (*del)(void *ctx, unsigned shard, uint64_t revision);
    void (*look)(void *ctx, unsigned shard);
    bool (*alive)(void *ctx, const char *node);
    /* As in leases.h; lost() not for what was handed over or resigned. */
    void (*acquired)(void *ctx, unsigned shard);
    void (*lost)(void *ctx, unsigned shard, const char *why);
    void (*release)(void *ctx, unsigned shard);
};
/* `holder`: what we are called in the bucket; copied. `seed` is for the pauses. Never NULL. */
struct lease_core *lease_core_new(const char *holder, uint64_t ttl_ms, uint64_t seed,
                                  const struct lease_core_port *port);
void lease_core_free(struct lease_core *c); /* NULL is fine */

/* Everything there is in the bucket has been seen once: from here on leases are tried for. */
void lease_core_current(struct lease_core *c);
void lease_core_aim(struct lease_core *c, unsigned shard, enum lease_owner owner);
/* False: nodes are about to come, so nothing new is tried for, for half a lease's time at most. */
void lease_core_settled(struct lease_core *c, bool settled, uint64_t now_ms);
/* The bucket has changed: `holder` "": there is none. */
void lease_core_seen(struct lease_core *c, unsigned shard, struct slice holder, uint64_t revision,
                     uint64_t now_ms);
/* The answers, as js.h has them. */
void lease_core_put(struct lease_core *c, unsigned shard, int err, uint64_t revision,
                    uint64_t now_ms);
void lease_core_gone(struct lease_core *c, unsigned shard, int err, uint64_t now_ms);
void lease_core_looked(struct lease_core *c, unsigned shard, int err, struct slice holder,
                       uint64_t revision, uint64_t now_ms);
/* release() has been followed; or it is given up without that (lost() does not come). */
void lease_core_released(struct lease_core *c, unsigned shard, uint64_t now_ms);
void lease_core_resign(struct lease_core *c, unsigned shard, uint64_t now_ms);
/* Whatever is due now; after anything above, and every fortieth of a lease's time at least. */
void lease_core_turn(struct lease_core *c, uint64_t now_ms);

bool lease_core_valid(const struct lease_core *c, unsigned shard, uint64_t now_ms);
unsigned lease_core_n(const struct lease_core *c); /* owned */
/* From here on all should be others'. */
void lease_core_stop(struct lease_core *c);
bool lease_core_stopped(const struct lease_core *c); /* and none is left in the bucket */

#endif
