/* move.h - everything that a single node keeps in its data_dir, into the streams of a cluster that
 * is new: as if the cluster had always been there. On the main thread of a command, while neither
 * runs.
 *
 * In P_mark the key `move` says "begun" from before the first message until after the last one, and
 * then "done": a node that finds "begun" waits (records_load.c). Whatever is in the streams while
 * it says so is ours alone, so a move that was broken off is done again from the beginning, after
 * purging all of it.
 *
 *   P_REC   triggers, operations, revocations and dead letters, by their ids
 *   P_BAT   of each path a message that says where its history begins (batch_wire.h), and its
 *           batches, in their order, as clients get them: so every event's id leads where it led
 *   P_SNAP  of each shard its registries' images, tags and what is known of deleted ones, senders'
 *           ids, and pushes that wait for their digests
 *   P_EV    events that are not in batches of all their triggers, with numbers behind the old ones
 *   P_mark  of each shard where all that is, the last event's id, and how far its triggers are */
#ifndef BROKER_CLUSTER_MOVE_H
#define BROKER_CLUSTER_MOVE_H

#include "config.h"

struct move_report {
    uint64_t triggers, operations, revocations, letters;
    uint64_t paths, batches, batch_bytes;
    uint64_t batches_over; /* moved, and gone again by the cluster's limits */
    uint64_t events;       /* without a batch, of some trigger */
    uint64_t poison;       /* of those, set aside because they had ended the process too often */
    uint64_t images, tags, tombstones, sender_ids, lookups;
    uint64_t lost_commits; /* of the journal, noticed as by a start */
    bool already;          /* all of it was moved before: nothing was done */
    char why[512];         /* after an error: what is to be done, for the operator */
};

/* `cfg`: the cluster's, engine nats. `dir` is left as it is. Errors:
 *   -EALREADY  a process uses `dir`
 *   -EBUSY     a node of the cluster lives
 *   -EEXIST    the cluster is in use, or something was moved into it before
 *   -ENODATA   `dir` has no journal, or it cannot be read; -ENOTSUP: a newer version wrote it
 *   -ETIMEDOUT, -ENOTCONN, -ENOSPC, -EMSGSIZE, ...: the servers; to be done again */
MUST_CHECK int move_run(const struct config *cfg, const char *dir, struct move_report *ret);

/* Whether a value of the key `move` means that nodes have to wait. (pure) */
#define MOVE_KEY "move"
bool move_is_under_way(struct slice value);

#endif
