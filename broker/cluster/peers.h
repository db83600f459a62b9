/* peers.h - questions between nodes, over core NATS: P.rpc.all.<verb> is heard by all nodes,
 * P.rpc.<node>.<verb> by one. Whoever asks knows by members.h who should answer, and waits no
 * longer than for these. What is lost on the way is missing, not asked again.
 *
 * A question has the header From: <node>.<nonce>; an answer too, and Refused: <why> with no data
 * when it is none: the verb is unknown there, too much is being answered, or the answer is too
 * long. */
#ifndef BROKER_CLUSTER_PEERS_H
#define BROKER_CLUSTER_PEERS_H

#include "cluster/cluster.h"
#include "cluster/members.h"
#include "engine.h"

#define PEERS_ANSWER_MAX ((size_t) 4 << 20)  /* of one node; also a question */
#define PEERS_SUM_MAX    ((size_t) 32 << 20) /* of all nodes to one question; more are missing */

struct peers;
/* The cluster's connection is there. Subscribes. Never NULL. */
struct peers *peers_new(struct cluster *c, struct members *m);
/* Who asks is told that all others are missing. What is still being answered here may be answered
 * after that. Before the members go; its timer is closed by the loop's next turn. NULL is fine. */
void peers_free(struct peers *p);
/* engine_peers. */
void peers_ask(struct peers *p, const struct engine_question *q);
void peers_serve(struct peers *p, const char *verb,
                 void (*serve)(void *ctx, struct slice request, void *token), void *ctx);
void peers_answer(void *token, struct slice answer);
void peers_describe(struct peers *p, void (*self)(void *ctx, struct engine_peer *ret), void *ctx);
size_t peers_list(const struct peers *p, struct engine_peer *ret, size_t cap);

#endif
