/* fanout.h - cursor to socket. A sweep brings a group's connections to the tail of their path log
 * in slices, so that a big path never delays pings, accepts or another path; a full socket leaves
 * the sweep; slow consumers are closed or skipped as their path says. Nothing here allocates, locks
 * or copies per connection while sockets take what they are given. Loop's thread. */
#ifndef GATEWAY_FANOUT_H
#define GATEWAY_FANOUT_H

#include "group.h"
#include "transport.h"

#include <uv.h>

#define FANOUT_TURN_US       1000 /* sweeping per loop turn, all groups together */
#define FANOUT_SLICE         64 /* sends before the clock is read and the next group has its turn; */
#define FANOUT_SLICE_BYTES   (1 << 20) /* and bytes, since who is behind gets much with one */
#define FANOUT_FRONT_TURN_US 200       /* on the broker's thread, where webhooks wait meanwhile */
#define FANOUT_CHECK_MS      250       /* how often blocked connections are measured */

/* Puts the group into the worker's sweep (fine when it is there). */
void fanout_start(struct group *g);
/* Runs the active sweeps for one turn. */
void fanout_turn(struct worker *w);
/* Has the loop come round to fanout_turn() again at once. */
void fanout_keep_turning(struct worker *w);
/* Sends a span, cut to whole messages, to a member that is not blocked, in the form that it takes.
 * True: as much has left as was converted at once, or all. Else the rest of a cut message is queued
 * and fanout_unblocked() follows, or the connection has ended. */
struct fanout_sent {
    uint64_t messages, bytes;
};
bool fanout_send(struct group *g, struct member *m, const struct segment_span *span,
                 struct fanout_sent *ret);
/* Sends what is new for one connection, now; nothing while it is sent messages from the store. */
void fanout_flush(struct group *g, struct conn *c);
/* libuv holds the rest of a write of an open connection: its lag is watched from here on. */
void fanout_blocked(struct group *g, struct rest *r);
/* The connection's cut write has left: back into the sweep. */
void fanout_unblocked(struct group *g, struct conn *c);
/* Applies the slow-consumer policy to the blocked connections of all groups of the worker. */
void fanout_check(struct worker *w);

#endif
