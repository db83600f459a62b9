/* member_table.h - the nodes that live, as one of them knows it: which were heard of, when, and who
 * of them should have a shard. (pure: the caller gives the time, in milliseconds of CLOCK_BOOTTIME)
 *
 * A node counts for shards once it has been able for a tenth of the lease's time: several that
 * start together then share at once, rather than the first having all and giving most of it back.
 * Those that were there before us count at once. So does nobody before we have said that we live,
 * which is what the others know of us: when that has not reached the bucket for a lease's time, we
 * are as new as to them. */
#ifndef BROKER_CLUSTER_MEMBER_TABLE_H
#define BROKER_CLUSTER_MEMBER_TABLE_H

#include "cluster/member_entry.h"

#define MEMBER_TABLE_MAX 256 /* nodes; more are not seen */

struct member_table;
/* `self`: its node, nonce and start; copied. Never NULL. */
struct member_table *member_table_new(const struct member_entry *self, uint64_t ttl_ms);
void member_table_free(struct member_table *t); /* NULL is fine */

/* All of these return whether a node has come, gone, or changed whether it counts. */

/* Its entry, of revision `seq`. `before`: it was there before we looked. -- Of our own name and
 * another process: the newer of the two wins, see member_table_twin(). */
bool member_table_heard(struct member_table *t, const struct member_entry *e, uint64_t seq,
                        bool before, uint64_t now_ms);
bool member_table_left(struct member_table *t, const char *node, uint64_t seq);
/* Our own entry is in the bucket; it was sent at `sent_ms`. */
bool member_table_announced(struct member_table *t, bool able, uint64_t sent_ms);
/* We do not count any more, whether or not that can be said. */
bool member_table_unable(struct member_table *t);
/* Those that have been silent go, those that have waited count. */
bool member_table_turn(struct member_table *t, uint64_t now_ms);

/* A newer process has our name: what should be this node's is its, as long as it lives. */
bool member_table_twin(const struct member_table *t);
bool member_table_alive(const struct member_table *t, const char *node);
/* Nobody waits to count. */
bool member_table_settled(const struct member_table *t);
/* "": nobody. Borrowed until the table changes. */
const char *member_table_owner(const struct member_table *t, unsigned shard);
/* It is this process. */
bool member_table_ours(const struct member_table *t, unsigned shard);
/* All that live but this one, by name: at most `cap` of them; returns how many there are.
 * ret->seen_ms: of CLOCK_BOOTTIME here. */
size_t member_table_others(const struct member_table *t, struct engine_peer *ret, size_t cap);

#endif
