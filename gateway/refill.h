/* refill.h - after a start the events of late are those of the newest stored batches: reads some of
 * each path's history, little by little, while everything else goes on already. Front's thread. */
#ifndef GATEWAY_REFILL_H
#define GATEWAY_REFILL_H

#include "worker.h"

#define REFILL_PATHS 64 /* the first that have a history */

/* Begins; it ends by itself. The front waits for its last answer before it ends. */
void refill_start(struct shared *s);

#endif
