/* leases.h - which shards this node owns. A lease (bucket P_lease) says who; who should, follows
 * from the nodes that live (members.h) by rendezvous hashing, so that one that comes or goes moves
 * only its own share. A lease is only for liveness: what is written under it is fenced as well.
 *
 * Ours count by our own clock (CLOCK_BOOTTIME: it goes on while we are stopped or the machine
 * sleeps): from before the message that took or renewed it was sent, for 0.8 of its time. */
#ifndef BROKER_CLUSTER_LEASES_H
#define BROKER_CLUSTER_LEASES_H

#include "cluster/cluster.h"
#include "cluster/members.h"

struct leases;
struct leases_port {
    void *ctx;
    /* It is ours: load it, derive it. leases_valid() says at any time whether it still is. */
    void (*acquired)(void *ctx, unsigned shard);
    /* It is not ours any more, nothing may be written. */
    void (*lost)(void *ctx, unsigned shard, const char *why);
    /* Another node should have it: finish what is under way, then call leases_released(). After
     * half a lease's time it is given up anyway, with lost(). */
    void (*release)(void *ctx, unsigned shard);
};
struct leases *leases_new(struct cluster *c, struct members *m, const struct leases_port *port);
void leases_start(struct leases *l);                    /* connected; members are started */
void leases_released(struct leases *l, unsigned shard); /* deletes it */
/* Something refused us as its writer: gives it up at once; lost() is not called. It may be acquired
 * again. */
void leases_resign(struct leases *l, unsigned shard);
bool leases_valid(const struct leases *l, unsigned shard); /* ask before each write */
unsigned leases_n(const struct leases *l);                 /* owned */
/* Says that we are not able any more, and releases all (release() for each); `done` when they are
 * gone, or after a lease's time. Others take each as soon as it is released. */
void leases_stop(struct leases *l, void (*done)(void *arg), void *arg);
void leases_free(struct leases *l); /* as members_free(), which comes after this */

#endif
