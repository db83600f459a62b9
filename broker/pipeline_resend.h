/* pipeline_resend.h - stored messages broadcast once more, as new messages of their path: durable,
 * in order with what triggers send, and in the path's history. Broker thread. */
#ifndef BROKER_PIPELINE_RESEND_H
#define BROKER_PIPELINE_RESEND_H

#include "pipeline.h"
#include "replayed.h"

/* A replay's mark, of now; `ret` borrows `ret_id`. The one of a message differs by its `resume`. */
void pipeline_resend_mark(struct pipeline *p, char ret_id[ID_SIZE], struct replayed_mark *ret);

struct pipeline_resend {
    struct path *path;
    const struct replayed_mark *mark;
    struct slice events; /* as replayed_next() has them: the message fits the path */
    size_t n_events;
    const uint8_t *ids; /* theirs, packed */
};
/* 0 when it is on its way; -EAGAIN (going down, or overloaded), -EIO, -ENOTCONN (the path is
 * configured no more), -ENOMEM. Goes with the turn, or with pipeline_settle(). */
MUST_CHECK int pipeline_resend(struct pipeline *p, const struct pipeline_resend *r);
/* `done` comes when all that was sent before is safe and delivered, or can not be. */
void pipeline_settle(struct pipeline *p, void (*done)(void *arg), void *arg);

#endif
