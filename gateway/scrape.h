/* scrape.h - /metrics: counters of all threads, what is counted per path and worker, and the
 * catalog. Broker thread. */
#ifndef GATEWAY_SCRAPE_H
#define GATEWAY_SCRAPE_H

#include "worker.h"

/* Appends the Prometheus text. Errors: buf_append()'s. */
MUST_CHECK int scrape_print(struct shared *s, struct buf *out);

#endif
