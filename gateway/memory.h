/* memory.h - how much memory the process has, and which part of max_memory that is. */
#ifndef GATEWAY_MEMORY_H
#define GATEWAY_MEMORY_H

#include "err.h"

#include <stdint.h>

/* What is given up, one more at each level. */
enum memory_level {
    MEMORY_FINE,
    MEMORY_NO_NEWCOMERS, /* from 85 %: new WebSocket clients get 503 */
    MEMORY_NO_REPLAYS,   /* 90 %: clients that are sent stored history are closed with 1013 */
    MEMORY_NO_LAGGARDS,  /* 95 %: so are those that do not read, or are in the middle of a message
                            of theirs, the oldest first */
    MEMORY_NO_WEBHOOKS,  /* 100 %: webhooks get 503 */
    MEMORY_N_LEVELS
};
extern const char *const MEMORY_LEVELS[MEMORY_N_LEVELS];

enum memory_level memory_level(uint64_t used, uint64_t max); /* max 0: MEMORY_FINE. (pure) */

/* Bytes of RAM that only this process has: those of its program and of files are not in it, nor
 * what the kernel keeps for its sockets. 0 or a negative error. */
MUST_CHECK int memory_used(uint64_t *ret);

#endif
