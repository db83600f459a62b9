/* scrape_spec.h - prints for /metrics what is counted of paths of the specification and of the
 * requests to their backends; nothing without gateway.spec. Front's thread. */
#ifndef GATEWAY_SCRAPE_SPEC_H
#define GATEWAY_SCRAPE_SPEC_H

#include "worker.h"

MUST_CHECK int scrape_spec_print(const struct shared *s, struct buf *out);

#endif
