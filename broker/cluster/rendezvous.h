/* rendezvous.h - which of several nodes should have a shard, by rendezvous hashing (Thaler and
 * Ravishankar, 1998): each node draws a number for the shard from its name, and the highest has it.
 * So all who know the same nodes agree, and a node that comes or goes moves only what it gets or
 * had. (pure) Any thread. */
#ifndef BROKER_CLUSTER_RENDEZVOUS_H
#define BROKER_CLUSTER_RENDEZVOUS_H

#include <stdbool.h>
#include <stdint.h>

/* The same for ever, in every version. */
uint64_t rendezvous_score(const char *node, unsigned shard);
/* Whether `a` goes before `b`. */
bool rendezvous_before(const char *a, const char *b, unsigned shard);

#endif
