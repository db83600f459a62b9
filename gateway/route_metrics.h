/* route_metrics.h - counts for each path of the specification that somebody has asked for: requests
 * by operation and status, how long they took, connections, and messages to and from backends. They
 * are printed under the original's names (docs/metrics.md, "Paths of the specification").
 *
 * Each worker has cells of its own and is their only writer; which cells are whose is agreed in one
 * table of names for all workers. ROUTE_METRICS_MAX paths have cells, the first that somebody asks
 * for; all others are counted together as "other". Nothing is counted for a broadcast. */
#ifndef GATEWAY_ROUTE_METRICS_H
#define GATEWAY_ROUTE_METRICS_H

#include "access_log.h"
#include "buf.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ROUTE_METRICS_MAX  500
#define ROUTE_METRICS_ROOM 1024 /* of the table: a power of two, at least half of it empty */

/* Names of the paths that have cells, by a hash of the name; each is set once. Zeroed is empty. */
struct route_names {
    char *_Atomic at[ROUTE_METRICS_ROOM];
    _Atomic unsigned n;
};
void route_names_fini(struct route_names *names); /* no worker counts any more */

struct route_cells;

/* Of one worker: 8 KiB, and as much as 2 KiB for each path that it has counted something of. */
struct route_metrics {
    struct route_names *names;
    struct route_cells *_Atomic at[ROUTE_METRICS_ROOM + 1]; /* the last one is "other" */
};
void route_metrics_init(struct route_metrics *m, struct route_names *names);
void route_metrics_fini(struct route_metrics *m);

/* `route` is the path as the specification has it, and is looked at during the call only. The
 * worker's thread. */

/* A request was answered with that status (0: it was not) after so many milliseconds. */
void route_metrics_request(struct route_metrics *m, const char *route,
                           enum access_operation operation, unsigned status, uint64_t ms);
/* A WebSocket was opened, and closed with that code (1006: without a close frame). */
void route_metrics_opened(struct route_metrics *m, const char *route);
void route_metrics_closed(struct route_metrics *m, const char *route, unsigned code);
/* A message of a client's, or one for a single client: what a backend answers, or somebody sends by
 * ConnectionService. */
enum route_direction { ROUTE_INCOMING, ROUTE_OUTCOMING }; /* as the original spells it */
void route_metrics_message(struct route_metrics *m, const char *route,
                           enum route_direction direction, bool binary, uint64_t bytes);

/* The sums over all `n` workers, as Prometheus reads them. Any thread. 0 or buf's errors. */
MUST_CHECK int route_metrics_print(const struct route_metrics *const *all, size_t n,
                                   const char *gateway_id, struct buf *out);

#endif
