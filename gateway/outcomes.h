/* outcomes.h - what became of a batch, client by client: who has been sent it, who is behind, and
 * who will not get it. Nothing is noted for this while broadcasts are sent: a cursor behind the
 * batch says that it was. (Sent means given to the kernel.) Worker's thread, as part of
 * connections_ask(). */
#ifndef GATEWAY_OUTCOMES_H
#define GATEWAY_OUTCOMES_H

#include "connections.h"

#define OUTCOMES_NAMED 100 /* connections, of each outcome */

enum outcome { OUTCOME_DROPPED, OUTCOME_PENDING, OUTCOME_WRITTEN, OUTCOME_N };
extern const char *const OUTCOME_NAMES[OUTCOME_N]; /* "dropped", ... */

struct outcomes {
    /* The batch. */
    const struct path *path;
    uint64_t start, end; /* its positions */
    /* All zero at first; each answer adds its worker's. Of clients that came after the batch
     * nothing is said, whether or not they asked for it. */
    uint64_t n[OUTCOME_N];
    uint64_t skipped; /* private: dropped, and yet their cursors are behind it */
    struct recipient {
        char id[ID_SIZE];
        const char *reason; /* a literal; "" */
    } named[OUTCOME_N][OUTCOMES_NAMED];
    size_t n_named[OUTCOME_N];
};

/* CONNECTIONS_OUTCOMES. */
void outcomes_collect(struct worker *w, struct connections_ask *ask);
/* When all have answered. */
uint64_t outcomes_written(const struct outcomes *o);

#endif
