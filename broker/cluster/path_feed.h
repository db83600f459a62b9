/* path_feed.h - what a path's clients get on this node: batches from P_BAT, in the order of their
 * sequences, each once. A path is subscribed to (P.cast.<path>) only while it has clients on this
 * node, and for 30 s after the last one. Each message says which one was before it on its path
 * (Nats-Last-Sequence): one that is missing is read from the stream first. So are, when a path is
 * followed again or for the first time, those that came since, or all that its history limits
 * allow. At most 64 paths read at once, the others wait.
 *
 * A trigger's batch that begins before its last one ended is left out: somebody who had lost his
 * lease wrote it.
 *
 * The last message of a path may get lost between the servers without a trace. So every 5 s, and
 * after each new connection, the stream is asked where the paths that are followed end. */
#ifndef BROKER_CLUSTER_PATH_FEED_H
#define BROKER_CLUSTER_PATH_FEED_H

#include "cluster/batch_wire.h"
#include "cluster/cluster.h"
#include "engine.h"

struct path_feed;
struct path_feed_port {
    void *ctx;
    /* Puts it on the path's log and into its history, soon: in the order of these calls and those
     * below. 0 or a negative error: nobody will get it. */
    int (*deliver)(void *ctx, const struct engine_broadcast *b);
    void (*delivered)(void *ctx); /* the last of this turn */
    /* `done` when all that was delivered or cut before is on the logs and in the histories. */
    void (*settle)(void *ctx, void (*done)(void *arg), void *arg);
    /* What comes next does not follow what was there: the path's log and history begin anew.
     * Whoever asks for what came after an event with an id up to `floor` (packed) is to be told
     * that it is gone. Of a path that has clients: they are told, too. */
    void (*gap)(void *ctx, struct path *path, const uint8_t floor[ID_PACKED_SIZE]);
    void (*cut)(void *ctx, struct path *path,
                const uint8_t floor[ID_PACKED_SIZE]); /* it has none */
};
/* From here on no path is current until it is followed. */
struct path_feed *path_feed_new(struct cluster *c, struct path_table *paths,
                                const struct path_feed_port *port);
void path_feed_add_path(struct path_feed *f, struct path *path); /* the same for one that is new */
void path_feed_start(struct path_feed *f);
/* Who still waits gets -EAGAIN. Its timer is closed by the loop's next turn. NULL is fine. */
void path_feed_free(struct path_feed *f);
/* engine_ops.follow. -ETIMEDOUT after 3 s. Maybe before this returns. */
void path_feed_follow(struct path_feed *f, struct path *path, void (*done)(void *arg, int err),
                      void *arg);
/* P_BAT has less than it had, or is another one. */
void path_feed_regressed(struct path_feed *f);
struct path_feed_stats {
    uint64_t followed, queued, reading; /* paths: subscribed to; of them that wait for their turn to
                                           be read, and that are read */
    uint64_t filled;                    /* messages that were read from the stream */
    uint64_t dropped;                   /* messages left out */
    uint64_t gaps;                      /* times that something was missing for good */
};
void path_feed_stats(const struct path_feed *f, struct path_feed_stats *ret);

#endif
