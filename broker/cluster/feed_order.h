/* feed_order.h - which message of a path comes next for a reader. (pure) Messages come from the
 * stream itself, in order and without holes, or republished: each of those says which one was
 * before it on its path, some may be missing, and some come twice. A message is one trigger's; what
 * a trigger's message says that it goes on behind must not lie before the end of the one taken
 * last: of two owners that both appended, all readers believe the one whose message is first. */
#ifndef BROKER_CLUSTER_FEED_ORDER_H
#define BROKER_CLUSTER_FEED_ORDER_H

#include "id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FEED_TRIGGERS_MAX                                                                          \
    4096 /* of a path that are remembered; then the one unused for longest goes */

struct feed_trigger {
    char id[ID_SIZE];
    uint64_t last, used; /* number of an event; sequence of a message */
};
struct feed_order { /* zeroed: nothing was taken */
    uint64_t seq;   /* of the message taken last, or up to which there is nothing more to come */
    bool moved;     /* the stream was cut: the message before the next one may lie before `seq` */
    struct feed_trigger *triggers;
    size_t n, cap;
};
void feed_order_fini(struct feed_order *o);
void feed_order_forget(struct feed_order *o); /* the triggers: the stream is not what it was */

enum feed_verdict {
    FEED_TAKE,
    FEED_OLD,  /* was taken, or passed over */
    FEED_HOLD, /* one before it is missing */
    FEED_OTHER /* cannot be of the stream that the others were of */
};
/* Republished: `seq` with `prev` before it, 0 with none. */
enum feed_verdict feed_order_judge(const struct feed_order *o, uint64_t seq, uint64_t prev);

/* The message of that sequence is taken, or there is nothing up to it. */
void feed_order_pass(struct feed_order *o, uint64_t seq);
/* It is taken, as the trigger's events above `prev_seq` up to `last_seq`. False: they are to be
 * left out. */
bool feed_order_take(struct feed_order *o, uint64_t seq, const char *trigger_id, uint64_t prev_seq,
                     uint64_t last_seq);

#endif
