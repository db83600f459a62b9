/* move_private.h - the parts of a move, shared by its files:
 *   move.c          whether it may be, in which order, what is said of it
 *   move_records.c  P_REC
 *   move_paths.c    P_BAT
 *   move_shards.c   P_SNAP, P_EV, P_mark */
#ifndef BROKER_CLUSTER_MOVE_PRIVATE_H
#define BROKER_CLUSTER_MOVE_PRIVATE_H

#include "cluster/move.h"
#include "cluster/move_link.h"
#include "id.h"
#include "move_source.h"

/* Numbers here are the old ones. */
struct move_trigger {
    char id[ID_SIZE];
    unsigned shard;
    uint64_t batched_seq; /* events up to it are in its batches */
    bool paused;
    uint64_t paused_seq; /* if so: later ones are not its */
    uint64_t rec_seq;    /* of its record in P_REC */
};
struct move {
    const struct config *cfg;
    struct move_source source;
    struct move_link *link;
    struct cluster *c; /* the link's */
    struct move_report *report;
    struct move_trigger *triggers; /* in the order of their records; the paused ones last */
    size_t n_triggers;
    uint64_t rec_seq; /* of the last trigger's record; 0: there is none */
};

/* What is to be done, for the operator; returns `err`. */
int move_fail(struct move *m, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same for what a function of the store or the link has returned; 0 is nothing. Keeps what was
 * said before. */
int move_source_failed(struct move *m, int err);
int move_link_failed(struct move *m, int err);

/* --- move_records.c --- */

MUST_CHECK int move_records(struct move *m); /* fills m->triggers */
MUST_CHECK int move_letters(struct move *m);
/* With which sequence of P_REC the event of that old number counts as derived: behind the records
 * of triggers that were paused before it, before those that were paused later. */
uint64_t move_derived_with(const struct move *m, uint64_t old_seq);

/* --- move_paths.c --- */

MUST_CHECK int move_paths(struct move *m);

/* --- move_shards.c --- */

MUST_CHECK int move_shards(struct move *m); /* the records are there */

#endif
