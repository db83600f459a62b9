/* gap.h - what a path's clients have not got any more is lost for good: they are told, on all
 * workers. */
#ifndef GATEWAY_GAP_H
#define GATEWAY_GAP_H

#include "worker.h"

/* pipeline_gap of a `struct shared`: who speaks regcast.v1 or reads events gets a notice, and a
 * WebSocket is closed with 4009, as one that comes back too late. Front's thread. */
void gap_tell(void *shared, struct path *p);

#endif
