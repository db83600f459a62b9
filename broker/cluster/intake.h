/* intake.h - webhooks on their way into P_IN, and the outbox (outbox.h), which keeps them on this
 * node's disk meanwhile. By intake.ack, a webhook is acknowledged when it is in the outbox
 * (journal), in the stream (stream), or in both; with both, a second without the stream's
 * acknowledgement is enough. What is in the outbox is sent again until it is in the stream, and
 * kept for twice nats.sync_interval after that, because servers may lose what they acknowledged so
 * lately. */
#ifndef BROKER_CLUSTER_INTAKE_H
#define BROKER_CLUSTER_INTAKE_H

#include "cluster/cluster.h"
#include "ingest.h"

struct intake;
typedef void intake_done(void *arg, int err, const struct ingest_counts *counts);
/* Opens data_dir/outbox.db: 0, or a negative error with what happened logged. What an earlier run
 * has left goes on its way when there is a connection. */
MUST_CHECK int intake_open(const struct config *cfg, struct metrics *metrics,
                           struct mailbox *mailbox, struct intake **ret);
struct intake_port {
    void *ctx;
    uint64_t (*records)(void *ctx);     /* the highest sequence of P_REC that is applied here */
    void (*failed)(void *ctx, int err); /* -EIO, -EBADMSG: the outbox takes nothing any more */
};
/* Nothing is taken before. `port` is copied. */
void intake_start(struct intake *in, struct cluster *c, const struct intake_port *port);
/* -EAGAIN: over intake.outbox_bytes wait. -EIO: the outbox cannot be written. */
MUST_CHECK int intake_can_take(const struct intake *in);
/* `done` when it is acknowledged: with what became of it, if its owner has said so within 250 ms of
 * that (subject in the header Answer), else with counts that say nothing but .queued = 1. Copied.
 * Errors: -EAGAIN, -ENOSPC, -EIO: not taken; but it may be in the stream all the same, when its
 * acknowledgement did not come in 5 s (stream) or its row could not be written while it was on its
 * way: then the sender's next attempt is recognized by the sender's id. Maybe before this returns.
 */
void intake_take(struct intake *in, unsigned shard, struct slice webhook, intake_done *done,
                 void *arg);
/* P_IN has less than it had, or is another one: everything kept goes again. Where it ends now does
 * not tell what it has lost: other nodes may have filled it up. What is still there is recognized
 * by its Nats-Msg-Id. */
void intake_regressed(struct intake *in);
struct intake_stats {
    uint64_t waiting, waiting_bytes; /* not in the stream */
    uint64_t kept;                   /* in the outbox */
    uint64_t overdue_ms;             /* the oldest that waits; 0: none */
};
void intake_stats(const struct intake *in, struct intake_stats *ret);
void intake_stop(struct intake *in, void (*done)(void *arg), void *arg); /* bounded: 2 s */
/* Stopped, and the cluster's js_free() has been called; its mailbox and loop are open. What waits
 * stays in the outbox. NULL is fine. */
void intake_close(struct intake *in);

/* What the owner tells: for the message `m` of P_IN. Headers of one: Id: <16 hex digits node and
 * start><16 hex digits number> (also its Nats-Msg-Id; the same when it is sent again), Rec: the
 * highest sequence of P_REC that its node had applied, Answer: where its node waits. */
void intake_answer(struct cluster *c, const struct js_msg *m, const struct ingest_counts *counts);

#endif
