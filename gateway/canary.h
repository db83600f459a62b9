/* canary.h - an event of our own that goes the whole way once in a while: a webhook request, its
 * adapter, the journal, a trigger, a batch, the path's log, a worker, the bytes that a WebSocket
 * client reads. Each round has a client and a sender of its own, which speak HTTP and WebSocket
 * over socket pairs, so that certificates, proxies, addresses, tokens and caps of the listeners are
 * not on the way; workers take turns. What the round needs of the configuration is config_canary.h.
 *
 * The event's trace id is the round's, and what it is known by when it arrives. Its image is
 * deleted by the same request, so the catalog is as before. Front's thread. */
#ifndef GATEWAY_CANARY_H
#define GATEWAY_CANARY_H

#include "worker.h"

enum canary_stage {
    CANARY_RESTS,    /* until the next round */
    CANARY_CONNECTS, /* the client waits for its 101 */
    CANARY_FLIES     /* the webhook is posted */
};

struct canary_side;

struct canary {
    struct shared *shared;
    uv_timer_t timer; /* RESTS: the next round; else the end of this one's time */
    enum canary_stage stage;
    struct canary_side *client, *sender; /* of this round; NULL: not there, or closing */
    unsigned rounds;
    uint64_t began_ms, posted_us; /* clock_mono_*() */
    uint64_t lost;                /* rounds since one went well */
    bool answered, arrived, stopped;
    char trace_id[33];
};

/* Begins when the server is ready, with the interval of the configuration in force then. */
MUST_CHECK int canary_start(struct canary *c, struct shared *s, uv_loop_t *loop);
void canary_stop(struct canary *c); /* no round any more; twice is fine */
/* Before the loop ends; it must turn once more. */
void canary_close(struct canary *c);

#endif
