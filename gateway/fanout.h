/* fanout.h - cursor to socket. A sweep brings a group's connections to the tail of their path log
 * in slices, so that a big path never delays pings, accepts or another path; a full socket leaves
 * the sweep; slow consumers are closed or skipped as their path says. Nothing here allocates, locks
 * or copies per connection while sockets take what they are given. Loop's thread. */
#ifndef GATEWAY_FANOUT_H
#define GATEWAY_FANOUT_H

#include "group.h"
#include "transport.h"

#include <uv.h>

#define FANOUT_TURN_US  2000 /* sweeping per loop turn, all groups together */
#define FANOUT_SLICE    64   /* sends before the clock is read and the next group has its turn */
#define FANOUT_CHECK_MS 250  /* how often blocked connections are measured */

/* Puts the group into the worker's sweep (fine when it is there). */
void fanout_start(struct group *g);
/* Runs the active sweeps for one turn. */
void fanout_turn(struct worker *w);
/* Sends what is new for one connection, now. */
void fanout_flush(struct group *g, struct conn *c);
/* libuv holds the rest of a write of an open connection: its lag is watched from here on. */
void fanout_blocked(struct group *g, struct rest *r);
/* The connection's cut write has left: back into the sweep. */
void fanout_unblocked(struct group *g, struct conn *c);
/* Applies the slow-consumer policy to the blocked connections of all groups of the worker. */
void fanout_check(struct worker *w);

#endif
