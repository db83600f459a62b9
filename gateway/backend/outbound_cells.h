/* outbound_cells.h - the counts of an outbound (outbound.h) where another thread may read them: its
 * own thread stores what they are, once in a turn of the loop at most; who prints /metrics sums
 * them up. Each number is whole; together they may be of two moments. */
#ifndef BACKEND_OUTBOUND_CELLS_H
#define BACKEND_OUTBOUND_CELLS_H

#include "outbound.h"

#include <stdatomic.h>

enum outbound_result {
    OUTBOUND_ANSWERED, /* or nobody waited for it any more */
    OUTBOUND_FAILED,
    OUTBOUND_EGRESS,
    OUTBOUND_BUSY,
    OUTBOUND_BREAKER,
    OUTBOUND_N_RESULTS
};
extern const char *const OUTBOUND_RESULTS[OUTBOUND_N_RESULTS];

/* Zeroed is an outbound that has done nothing. */
struct outbound_cells {
    _Atomic uint64_t calls[OUTBOUND_N_RESULTS], opened_connections;
    _Atomic uint64_t under_way, waiting, open_breakers;
};

/* The outbound's thread. */
void outbound_cells_store(struct outbound_cells *cells, const struct outbound_counts *counts);

#endif
