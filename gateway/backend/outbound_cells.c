/* outbound_cells.c - see outbound_cells.h. */
#include "outbound_cells.h"

const char *const OUTBOUND_RESULTS[OUTBOUND_N_RESULTS] = {
    [OUTBOUND_ANSWERED] = "answered", [OUTBOUND_FAILED] = "failed",   [OUTBOUND_EGRESS] = "egress",
    [OUTBOUND_BUSY] = "busy",         [OUTBOUND_BREAKER] = "breaker",
};

static void store(_Atomic uint64_t *cell, uint64_t value)
{
    atomic_store_explicit(cell, value, memory_order_relaxed);
}

/* Of what has begun and is neither under way nor waiting, all that did not fail was answered: that
 * number cannot shrink, since whatever ends leaves one of the others. */
static uint64_t answered(const struct outbound_counts *n)
{
    uint64_t others = n->failures + n->refused_egress + n->refused_busy + n->refused_breaker +
                      n->under_way + n->waiting;
    return n->calls > others ? n->calls - others : 0;
}

void outbound_cells_store(struct outbound_cells *cells, const struct outbound_counts *counts)
{
    store(&cells->calls[OUTBOUND_ANSWERED], answered(counts));
    store(&cells->calls[OUTBOUND_FAILED], counts->failures);
    store(&cells->calls[OUTBOUND_EGRESS], counts->refused_egress);
    store(&cells->calls[OUTBOUND_BUSY], counts->refused_busy);
    store(&cells->calls[OUTBOUND_BREAKER], counts->refused_breaker);
    store(&cells->opened_connections, counts->opened_connections);
    store(&cells->under_way, counts->under_way);
    store(&cells->waiting, counts->waiting);
    store(&cells->open_breakers, counts->open_breakers);
}
