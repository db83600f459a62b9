/* batch_wire.h - a message of P_BAT: one or several batches of one trigger, one after the other.
 * (pure) In headers, so that a reader who wants no data learns how far a trigger is:
 *   Trigger: <id>   Prev, Last: numbers of events: the batches hold what the trigger wants of those
 *   above Prev up to Last   Node: <node>.<nonce> who wrote it
 * Nats-Msg-Id is <trigger id>@<Prev>: of two that go on behind the same batch, one is stored.
 * A message without batches, of no trigger, stands in front of a path's history that was moved here
 * (move.h):
 *   Floor: <event id>   who has last seen an event above it has missed nothing before this message
 *
 * The data, little endian, is for each batch: u32 length of what follows; u8 why; u64 last event
 * number; u32 n ids, and so many packed ids (ID_PACKED_SIZE each); u16 and the trigger's name; the
 * encoded WebSocket message as the rest. Unknown `why` counts as BATCH_SIZE; whatever a newer
 * version adds comes in headers. */
#ifndef BROKER_CLUSTER_BATCH_WIRE_H
#define BROKER_CLUSTER_BATCH_WIRE_H

#include "batch.h"
#include "nats/nats.h"

#define BATCH_WIRE_FLOOR "Floor"

struct batch_wire {
    char trigger_id[ID_SIZE];
    uint64_t prev_seq, last_seq;
    const char *writer; /* <node>.<nonce>; borrowed */
};
struct batch_wire_item {
    enum batch_flush why;
    uint64_t last_seq;
    struct slice ids, name, frames; /* borrowed */
};

/* Into `out`, lines as js_publish.headers has them. -ENOMEM. */
MUST_CHECK int batch_wire_put_headers(struct buf *out, const struct batch_wire *w);
MUST_CHECK int batch_wire_put_item(struct buf *out, const struct batch_wire_item *item);
/* -EBADMSG: not one of these. `writer` is not NUL-terminated here: it goes to *ret_writer. */
MUST_CHECK int batch_wire_read_headers(struct slice headers, struct batch_wire *ret,
                                       struct slice *ret_writer);
/* The first of `in`, which moves past it. -EBADMSG; -ENOENT: there is none left. */
MUST_CHECK int batch_wire_next(struct slice *in, struct batch_wire_item *ret);

#endif
