/* set_aside.h - accepted events that no trigger can send, among the dead letters that all nodes
 * share. (pure, but for the records) */
#ifndef BROKER_CLUSTER_SET_ASIDE_H
#define BROKER_CLUSTER_SET_ASIDE_H

#include "cluster/records.h"
#include "store.h"

#define SET_ASIDE_SLOTS (CLUSTER_SHARDS * 256) /* ids of letters of one millisecond */

/* Its letter's id follows from the event's: the next owner of its shard sets it aside again, and it
 * is the same one. Without memory it is left out. */
void set_aside_event(struct records *r, struct event *event, const char *why);
/* The letter of such an event, at the end of `out`: *ret_id is its. -ENOMEM. */
MUST_CHECK int set_aside_put(struct buf *out, struct event *event, const char *why,
                             uint64_t *ret_id);
/* What the store keeps as `l`, for the records; borrows. */
struct record_letter set_aside_shared(const struct store_letter *l);
/* As the store keeps it; borrows. `letter` NULL: it goes. */
struct store_letter set_aside_kept(uint64_t id, const struct record_letter *letter);

#endif
