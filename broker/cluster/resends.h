/* resends.h - messages that an operator has sent again, and samples, on their way into P_BAT. They
 * are part of no trigger's chain: each has an id of its own, which its message id is, and is sent
 * until it is stored, for at most ten seconds: the operator waits. Broker thread. */
#ifndef BROKER_CLUSTER_RESENDS_H
#define BROKER_CLUSTER_RESENDS_H

#include "cluster/cluster.h"
#include "engine.h"

struct resends;
struct resends *resends_new(struct cluster *c);
/* `b` as pipeline_resend.c makes it; copied. -ENOMEM; -ENOBUFS: 1,000 are under way. */
MUST_CHECK int resends_send(struct resends *r, const struct engine_broadcast *b);
size_t resends_pending(const struct resends *r);
void resends_free(struct resends *r); /* as chains_free(). NULL is fine */

#endif
