/* resend.h - sends messages of a path's history once more: as new messages to all that are on the
 * path, or to one connection alone. Broadcasts go a piece at a time, each when the one before is
 * delivered, so that webhooks and other paths have their turns; to one connection as fast as it
 * reads. Front's thread. */
#ifndef GATEWAY_RESEND_H
#define GATEWAY_RESEND_H

#include "connections.h"
#include "pick.h"
#include "replayed.h"

#include <uv.h>

#define RESEND_PIECE_BYTES (256u << 10)
#define RESEND_DEADLINE_MS 8000 /* for one connection to take all of it */
#define RESEND_RETRY_MS    20

struct resend_message { /* borrowed from `pick` */
    struct slice events;
    const uint8_t *ids;
    size_t n;
};

struct resend {
    /* The question; the asker's again from `done` on. */
    struct shared *shared;
    struct path *path;
    struct pick pick;               /* answered */
    char connection_id[ID_SIZE];    /* "": all that are on the path */
    void (*done)(struct resend *r); /* once, never before resend_start() has returned */
    /* The answer. 0; -EMSGSIZE: an event is too long with its mark, nothing was sent; -ENOENT:
     * there is no such connection (any more); -EXDEV: it is on another path; -ETIMEDOUT: it does
     * not read; or as of pipeline_resend(), connections_ask(). */
    int err;
    char replay_id[ID_SIZE];
    size_t n_sent;
    uint64_t events, connections; /* in all; on the path at the beginning */
    /* private */
    struct resend_message *messages;
    size_t n;
    struct replayed_mark mark;
    struct connections_ask ask;
    struct connection_info info;
    struct buf text;
    uv_timer_t timer;
    uint64_t end_ms; /* loop time */
};

/* Zeroed but for the question. The front's loop goes on until `done` came. */
void resend_start(struct resend *r);
/* After `done`: frees the parts, also those of `pick`. */
void resend_fini(struct resend *r);

#endif
