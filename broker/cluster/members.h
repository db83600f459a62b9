/* members.h - the nodes that live (bucket P_nodes): this one says every third of nats.lease_ttl
 * that it does; one that has said nothing for a whole one, by our clock, is gone; one that leaves
 * deletes its entry. Of two processes of one name the newer has it: the other logs an error, and
 * nothing is its as long as that one lives. */
#ifndef BROKER_CLUSTER_MEMBERS_H
#define BROKER_CLUSTER_MEMBERS_H

#include "cluster/cluster.h"
#include "engine.h"

struct members;
struct members_port {
    void *ctx;
    /* A node has come, gone, or changed whether it is able: once a turn of the loop at most. NULL:
     * nobody asks. */
    void (*changed)(void *ctx);
    /* What is to be said of us: address, version, start, connections, shards, ready. NULL: another
     * port says it. */
    void (*self)(void *ctx, struct engine_peer *ret);
};
struct members *members_new(struct cluster *c);
void members_watch(struct members *m, const struct members_port *port); /* up to 4 */
void members_start(struct members *m);
/* Whether shards should be ours: false while we start, leave, or cannot work. */
void members_set_able(struct members *m, bool able);
void members_leave(struct members *m); /* deletes our entry; the last thing said of us */
/* js_free() follows before the loop goes on: no callback comes any more, and what is under way is
 * not answered. NULL is fine. */
void members_free(struct members *m);
/* This node first, then by name; all that live, also those not able. Returns how many. */
size_t members_list(const struct members *m, struct engine_peer *ret, size_t cap);
/* Who should own a shard: of the able ones, by rendezvous hashing; "": none. (borrowed) A node that
 * has just come counts when it has been able for a tenth of nats.lease_ttl. */
const char *members_owner(const struct members *m, unsigned shard);
bool members_ours(const struct members *m, unsigned shard); /* it is this process */
bool members_settled(const struct members *m);              /* nobody has just come */
bool members_alive(const struct members *m, const char *node);

#endif
