/* chain_core.h - of each trigger the batches that are not known to be stored, as messages one
 * behind the other, of which the first is on its way; and what an answer to it means. (pure: the
 * caller gives the time, in milliseconds of CLOCK_BOOTTIME, and carries out what the port asks for)
 *
 * Messages of a trigger are told apart by where they go on (Prev), and the stream stores one of
 * each. One that it says to have already may be ours of an earlier attempt, whose answer was lost:
 * then it says so (its writer is us), and it goes as far as ours does. Whatever else it is, we have
 * gone on from what is not the end any more. */
#ifndef BROKER_CLUSTER_CHAIN_CORE_H
#define BROKER_CLUSTER_CHAIN_CORE_H

#include "cluster/batch_wire.h"
#include "cluster/cluster.h"
#include "list.h"

#define CHAIN_MESSAGE_BYTES ((size_t) 256 << 10) /* unless one batch alone is longer */
#define CHAIN_PENDING_BYTES ((uint64_t) 64 << 20)

struct chain;
struct chain_core;

enum chain_state { CHAIN_WAITING, CHAIN_SENT, CHAIN_LOOKING };
struct chain_message {
    void *ctx; /* the port's; NULL: dropped while it was on its way; its answer frees it */
    struct path *path;
    char trigger_id[ID_SIZE];
    uint64_t prev_seq, last_seq;
    struct buf data;
    /* private */
    struct chain *chain;
    struct list in_chain;
    enum chain_state state;
    unsigned attempts;
    uint64_t unsure_ms; /* when an answer was missing first; 0: none was */
    uint64_t retry_ms;  /* not before */
    uint64_t seq;       /* of what the stream has in its place */
    uint64_t behind;    /* chain_core's `stored` when it was tried first */
};

struct chain_core_port {
    void *ctx;
    const char *writer; /* "<node>.<nonce>": what is in our messages' headers; borrowed */
    /* To be answered by chain_core_sent() and _looked(), not from inside. */
    void (*send)(void *ctx, struct chain_message *m);
    void (*look)(void *ctx, struct chain_message *m, uint64_t seq);
    bool (*valid)(void *ctx, unsigned shard); /* it is ours now */
    /* As in chain.h. */
    void (*refused)(void *ctx, unsigned shard);
    void (*quiet)(void *ctx, unsigned shard);
};

struct chain_core *chain_core_new(const struct chain_core_port *port); /* never NULL */
/* No answer comes any more. NULL is fine. */
void chain_core_free(struct chain_core *c);

/* As in chain.h. */
void chain_core_load(struct chain_core *c, unsigned shard, const char *trigger_id,
                     uint64_t batched_seq);
/* Also -ENOMEM, and -EINVAL: it does not go on behind what was appended last. */
MUST_CHECK int chain_core_append(struct chain_core *c, const char *trigger_id, struct path *path,
                                 const struct batch_wire_item *item);
void chain_core_drop(struct chain_core *c, unsigned shard);
void chain_core_drop_trigger(struct chain_core *c, const char *trigger_id);
uint64_t chain_core_pending_first(const struct chain_core *c, unsigned shard);
void chain_core_marks(const struct chain_core *c, unsigned shard,
                      void (*one)(void *ctx, const char *trigger_id, uint64_t stored_seq),
                      void *ctx);
uint64_t chain_core_stored(const struct chain_core *c);
uint64_t chain_core_pending_bytes(const struct chain_core *c);

/* Sends what may be sent now. False: nothing waits for another turn. */
bool chain_core_turn(struct chain_core *c, uint64_t now_ms);
/* An answer, as js.h has it. */
void chain_core_sent(struct chain_message *m, int err, uint64_t seq, bool duplicate,
                     uint64_t now_ms);
/* What the stream has at that sequence; `found` NULL with an error. */
void chain_core_looked(struct chain_message *m, int err, const struct batch_wire *found,
                       struct slice writer, uint64_t now_ms);

#endif
