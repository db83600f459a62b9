/* replay.h - a connection that is sent what only the store holds: segments made by history, until
 * its cursor is in the memory of the path log and it is an ordinary member of the sweep. Loop's
 * thread. */
#ifndef GATEWAY_REPLAY_H
#define GATEWAY_REPLAY_H

#include "conn.h"
#include "group.h"

#define REPLAY_TURN_BYTES (256u << 10) /* one connection, before the others have their turn */

/* The member's cursor lies before the path log's window: it leaves the sweep for as long. There is
 * a history. */
void replay_start(struct group *g, struct conn *c);
/* One piece for one of worker->replaying, which is not empty. */
void replay_next(struct worker *w);
/* The socket has room again. */
void replay_unblocked(struct conn *c);
/* It has kept a segment for more than `most_ms` while others wait for there to be room for theirs.
 */
bool replay_in_the_way(const struct conn *c, uint64_t now, uint64_t most_ms);
/* The connection ends. An answer that comes later finds nobody. */
void replay_drop(struct conn *c);

#endif
