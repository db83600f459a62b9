/* scrape_cluster.h - what an engine of several nodes tells of itself, for /metrics. */
#ifndef GATEWAY_SCRAPE_CLUSTER_H
#define GATEWAY_SCRAPE_CLUSTER_H

#include "buf.h"

struct pipeline;

/* Appends the Prometheus text; nothing with an engine of one node. Front's thread. Errors:
 * buf_append()'s. */
MUST_CHECK int scrape_cluster_print(struct pipeline *p, struct buf *out);

#endif
