/* shed.h - keeps the process within max_memory: looks how much it has, and gives up what memory.h
 * says at that level. The front's thread looks; each worker closes its own connections. */
#ifndef GATEWAY_SHED_H
#define GATEWAY_SHED_H

#include "memory.h"

#include <stdatomic.h>
#include <uv.h>

struct shared;
struct worker;

struct shed {
    uv_timer_t timer;
    struct shared *shared;
    uint64_t max; /* 0: it never looks */
    uint64_t trimmed_ms;
    /* any thread */
    _Atomic unsigned level; /* enum memory_level */
    _Atomic uint64_t used;  /* when it was last looked at */
};

/* From here on the loop, which is the front's, looks once in a while until shed_unwatch(). */
MUST_CHECK int shed_watch(struct shed *s, struct shared *shared, uv_loop_t *loop);
void shed_unwatch(struct shed *s);
/* `max` counts from now on. Front's thread. */
void shed_configure(struct shed *s, uint64_t max);

void shed_look(struct shed *s, uint64_t used); /* the memory is that; front's thread */
void shed_connections(struct worker *w);       /* as the level asks for. Worker's thread */

static inline enum memory_level shed_level(const struct shed *s)
{
    return (enum memory_level) atomic_load_explicit(&s->level, memory_order_relaxed);
}

#endif
