/* pipeline.h - the broker: the only file that knows the order of stages.
 *   ingest > catalog > engine (safe) > triggers > batch > engine (to every node) > frame > path log
 * > wake Broker thread, but for the path logs it writes. */
#ifndef BROKER_PIPELINE_H
#define BROKER_PIPELINE_H

#include "ingest.h"
#include "path.h"

#include <uv.h>

struct pipeline;

/* Uses `loop` for its timers; borrows everything. 0: *ret for pipeline_free(). UV errors. */
MUST_CHECK int pipeline_new(const struct config *cfg, uv_loop_t *loop, struct path_table *paths,
                            struct metrics *metrics, struct pipeline **ret);
struct ingest *pipeline_ingest(struct pipeline *p);
/* Flushes the open batches to the path logs; later webhooks are answered 503. */
void pipeline_drain(struct pipeline *p);
/* Closes the timers: on the loop's thread, which must turn once more before pipeline_free(). */
void pipeline_close(struct pipeline *p);
void pipeline_free(struct pipeline *p); /* NULL is fine */

#endif
