/* move_link.h - the servers of a cluster for a command: a loop and a connection of its own, calls
 * that return when they have been answered, and messages that are on their way together, each to be
 * stored right behind the one before it in its stream. Nothing is ever sent twice: whatever goes
 * wrong, all of it is to be done again.
 *
 * Errors: js.h's. -EEXIST: somebody else writes into a stream, too. After an error of
 * move_link_put() nothing more is sent, and each call returns it. */
#ifndef BROKER_CLUSTER_MOVE_LINK_H
#define BROKER_CLUSTER_MOVE_LINK_H

#include "cluster/cluster.h"

enum move_stream { MOVE_IN, MOVE_EV, MOVE_BAT, MOVE_REC, MOVE_SNAP, MOVE_STREAMS };

struct move_link;
/* Connects and makes the streams as `cfg` says. -ETIMEDOUT: not within `patience_ms`; -ENOTSUP,
 * -EMSGSIZE: servers that cannot be used (logged). */
MUST_CHECK int move_link_open(const struct config *cfg, uint64_t patience_ms,
                              struct move_link **ret);
void move_link_close(struct move_link *l); /* NULL is fine */
struct cluster *move_link_cluster(struct move_link *l);
uint64_t move_link_max_payload(const struct move_link *l); /* of a message with its headers */

/* From here on messages are expected behind what the stream has now. */
MUST_CHECK int move_link_info(struct move_link *l, enum move_stream which, struct js_stream *ret);
MUST_CHECK int move_link_purge(struct move_link *l, enum move_stream which);
/* Nodes that live. */
MUST_CHECK int move_link_nodes(struct move_link *l, uint64_t *ret);
MUST_CHECK int move_link_rest(struct move_link *l); /* for a moment; what was lost is noticed */

/* Copied. *ret_seq (NULL is fine): its sequence, if all goes well. */
MUST_CHECK int move_link_put(struct move_link *l, enum move_stream which, const char *subject,
                             struct slice headers, struct slice data, uint64_t *ret_seq);
MUST_CHECK int move_link_settle(struct move_link *l); /* all of them are stored */
uint64_t move_link_last(const struct move_link *l, enum move_stream which);

/* The bucket of marks. -ENOENT. `ret` is appended to. */
MUST_CHECK int move_link_get(struct move_link *l, const char *key, struct buf *ret,
                             uint64_t *ret_revision);
/* As kv_put(). */
MUST_CHECK int move_link_set(struct move_link *l, const char *key, struct slice value,
                             uint64_t *revision);

#endif
