/* scrape_process.h - what Prometheus' own client libraries tell of a process, by their names. */
#ifndef GATEWAY_SCRAPE_PROCESS_H
#define GATEWAY_SCRAPE_PROCESS_H

#include "buf.h"

/* Appends the Prometheus text; what the system does not tell is left out. Any thread. Errors:
 * buf_append()'s. */
MUST_CHECK int scrape_process_print(struct buf *out);

#endif
