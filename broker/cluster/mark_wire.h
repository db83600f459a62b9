/* mark_wire.h - the value of a shard in P_mark: how far its events are in batches, and where its
 * last snapshot is. (pure) Little endian: u8 version; the numbers in the order of struct mark_wire;
 * the last event's id, packed (zeros: none); u32 n triggers, and of each 20 characters and u64. */
#ifndef BROKER_CLUSTER_MARK_WIRE_H
#define BROKER_CLUSTER_MARK_WIRE_H

#include "cluster/event_wire.h"

/* Chunks in P_SNAP; n_chunks 0: there is none. */
struct mark_snapshot {
    uint64_t generation, n_chunks;
    uint64_t first_seq;       /* in P_SNAP, of the first chunk */
    uint64_t ev_seq;          /* in P_EV: it holds what follows from the messages up to there */
    uint64_t bytes, taken_ms; /* of all chunks; Unix time */
};
struct mark_trigger {
    char id[ID_SIZE];
    uint64_t batched_seq; /* above that of the mark */
};
struct mark_wire {
    uint64_t owner;       /* of the process that has written it */
    uint64_t number;      /* of the last message in P_EV then */
    uint64_t batched_seq; /* events up to it are in batches of all triggers that want them */
    uint64_t ev_seq;      /* in P_EV: messages up to there have no others */
    uint64_t bat_seq;     /* in P_BAT: batches of later events are behind it */
    uint64_t rec_seq;     /* in P_REC: applied by its owner */
    struct event_wire_in in;
    struct mark_snapshot snapshot;
    char last_event_id[ID_SIZE]; /* "": none */
    struct mark_trigger *triggers;
    size_t n_triggers;
};

MUST_CHECK int mark_wire_put(struct buf *out, const struct mark_wire *mark);
/* -EBADMSG, -ENOMEM: nothing is in *ret. */
MUST_CHECK int mark_wire_read(struct slice in, struct mark_wire *ret);
void mark_wire_fini(struct mark_wire *mark); /* zeroed afterwards; fine for a zeroed one */

#endif
