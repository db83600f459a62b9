/* handover.h - gives the service away to another regcastd that asks for it (`--takeover`):
 * listening sockets, data_dir, HTTP connections between two requests. Clients stay until they are
 * sent away, and go on getting every batch, which the other one relays. Front's thread.
 *
 * Until data_dir is closed everything can be undone, and is when the other one says nothing for too
 * long, ends, or is not what it should be. What is said, and in which order: handover_wire.h. */
#ifndef GATEWAY_HANDOVER_H
#define GATEWAY_HANDOVER_H

#include "addresses.h"
#include "deadline.h"
#include "handover_door.h"
#include "supervisor.h"
#include "worker.h"

enum handover_state {
    HANDOVER_OFF,      /* nobody is listened to (any more) */
    HANDOVER_WAITING,  /* for somebody */
    HANDOVER_GREETING, /* somebody has come */
    HANDOVER_OFFERING, /* he has been sent our sockets, and makes himself ready */
    HANDOVER_QUIET,    /* nobody is accepted; requests under way are answered */
    HANDOVER_SETTLING, /* batches are sent, and made safe */
    HANDOVER_CLOSING, /* data_dir is; the last answers come in. From here on there is no way back */
    HANDOVER_RELEASED, /* he has everything, and starts */
    HANDOVER_RELAYING, /* he serves; our clients go */
    HANDOVER_N_STATES
};

struct handover_peer;

struct handover {
    struct shared *shared;
    struct pipeline *pipeline;
    struct supervisor *supervisor;
    const struct addresses *addresses;
    /* data_dir is another process's. 0: it serves, and our clients are to be sent away in order;
     * else it has ended before that, or hangs: nobody serves, and we cannot. */
    void (*gone)(void *ctx, int err);
    void *ctx;
    /* private */
    enum handover_state state;
    struct handover_door door;
    bool has_handles;
    bool moving;                /* connections wait to be sent, and the front for that */
    struct handover_peer *peer; /* NULL: none */
    uv_timer_t limit, look;     /* how long a step may take; looks while quiet */
    uint64_t quiet_end_ms, attempt;
    struct mail closed;
    struct deadline deadline; /* of closing data_dir */
};

/* Listens in data_dir, which is ours by now; what is above `private` was set. With an engine that
 * keeps nothing there, or on several nodes, nobody is listened to. 0, also when the socket cannot
 * be made (logged); else libuv's error. */
MUST_CHECK int handover_start(struct handover *h, uv_loop_t *loop);
/* We end by ourselves: whoever is about to take over is told `why`, and nobody can from now on.
 * False: too late, somebody has. */
bool handover_cancel(struct handover *h, const char *why);
/* Before the loop ends; it must turn once more. Fine when handover_start() has failed. */
void handover_close(struct handover *h);

#endif
