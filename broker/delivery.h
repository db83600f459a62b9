/* delivery.h - batches from the engine into their paths' logs: plain, and in each other form that a
 * client of the path takes (permessage-deflate, server-sent events); then the readers are woken.
 * Broker thread. */
#ifndef BROKER_DELIVERY_H
#define BROKER_DELIVERY_H

#include "deflater.h"
#include "engine.h"

#define DELIVERY_WAKE_BYTES (256u << 10) /* appended at most before the readers are woken */
#define DELIVERY_KEEP_MS    60000        /* what a form needs, after its last message */

struct delivery {
    struct path_table *paths;
    struct metrics *metrics;
    bool *touched; /* by path index: appended to, readers not yet woken */
    size_t n_known, n_touched, unseen_bytes;
    int level;                 /* of deflating */
    uint64_t min_bytes;        /* of an encoded message: shorter ones are not deflated */
    struct deflater *deflater; /* NULL while nobody has wanted it for a while */
    struct buf deflated;       /* scratch; there while the deflater is */
    uint64_t deflated_ms;      /* when it was wanted last */
    struct buf event;          /* scratch; there while somebody takes events */
    uint64_t event_ms;         /* the same */
};

void delivery_init(struct delivery *d, const struct config *cfg, struct path_table *paths,
                   struct metrics *metrics); /* borrows all */
void delivery_fini(struct delivery *d);      /* fine for a zeroed struct */
/* Paths have been added to those that `paths` knows, or this is another table of the same. */
void delivery_know(struct delivery *d, struct path_table *paths);
void delivery_configure(struct delivery *d, const struct config *cfg); /* of a changed one */

/* Puts a batch on its path's log. Its readers are woken by delivery_wake(), or before, when much
 * has come. 0 or pathlog_append_at()'s errors. */
MUST_CHECK int delivery_add(struct delivery *d, const struct engine_batch *b, uint64_t now_ms);
/* Wakes once per path for all that came: what a sweep finds together leaves together. */
void delivery_wake(struct delivery *d);
/* Expires what the logs need not keep. Call it now and then. */
void delivery_expire(struct delivery *d, uint64_t now_ms);

#endif
