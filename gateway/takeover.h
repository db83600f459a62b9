/* takeover.h - takes the place of a running regcastd (`--takeover`): its listening sockets first,
 * then, when all is checked and ready, data_dir. Afterwards it is sent each batch, for the clients
 * that it still has, until the last one has gone. What is said: handover_wire.h.
 *
 * takeover_meet() and takeover_go() wait, with time limits, on the main thread before there are
 * others; the rest is the front's. */
#ifndef GATEWAY_TAKEOVER_H
#define GATEWAY_TAKEOVER_H

#include "handover_wire.h"
#include "inherited.h"
#include "supervisor.h"
#include "worker.h"

struct takeover {
    struct courier courier;
    struct shared *shared;
    struct supervisor *supervisor;
    uv_poll_t talk;
    bool has_handle, moved;
    uint64_t met_ms;
    int64_t pid; /* of the other one */
};

/* There was no hand-over, and the other one goes on, if there is one: exit status EX_UNAVAILABLE of
 * sysexits.h. */
#define TAKEOVER_FAILED (-ECANCELED)

/* Finds the one that runs and adds its sockets to `in`; `supervisor` becomes what it has, muted, if
 * it has one. 0 or TAKEOVER_FAILED, logged; on an error nothing has happened. */
MUST_CHECK int takeover_meet(struct takeover *t, const struct config *cfg, struct inherited *in,
                             struct supervisor *supervisor);
/* Everything here is ready: data_dir is wanted. 0: it is free, as it is when the other one has died
 * meanwhile; TAKEOVER_FAILED as above. */
MUST_CHECK int takeover_go(struct takeover *t, const struct config *cfg, struct path_table *paths);
/* We serve: takes over what is left, and relays. 0 or libuv's error. */
MUST_CHECK int takeover_serve(struct takeover *t, struct shared *s, uv_loop_t *loop);
void takeover_close(struct takeover *t); /* before the loop ends. Fine for a zeroed struct */

#endif
