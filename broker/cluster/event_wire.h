/* event_wire.h - a message of P_EV: what an owner made of one or several webhooks of its shard, in
 * order. (pure) Reading never trusts it: -EBADMSG for anything that event_wire_put() would not have
 * written.
 *
 * Little endian: u8 version; u64 number, which gives its events theirs (cluster_event_seq()): one
 * more than the message before has, or more than any that may have been given, where what a stream
 * had acknowledged is gone; u64 number of the message before. Then for each submission: u32 length
 * of what follows; u64 Unix time in ms; u64 sequence in P_IN of the webhook it came from (0: none);
 * u64 sequence of P_REC that its owner had applied; u64 letter that goes; u32 n events, u32 n
 * records; u32 lengths of Ids of webhooks (16 bytes each), events, senders' ids, notes, letters and
 * records, and those. A record: u8 kind, u8 length of its id, u32 length of its value, id and a
 * NUL, value.
 *
 * The chunks of a snapshot (P_SNAP) are the same, numbered from 1 on, without events. */
#ifndef BROKER_CLUSTER_EVENT_WIRE_H
#define BROKER_CLUSTER_EVENT_WIRE_H

#include "cluster/cluster.h"
#include "engine.h"

#define EVENT_WIRE_HEAD       17
#define EVENT_WIRE_ITEM       68                       /* the least of a submission */
#define EVENT_WIRE_MAX_EVENTS (1u << CLUSTER_SEQ_BITS) /* of a message */
#define EVENT_WIRE_IN_ID      SEEN_KEY_SIZE

struct event_wire_head {
    uint64_t number, before;
};
/* A webhook's place in P_IN. */
struct event_wire_in {
    uint64_t seq;       /* 0: none */
    struct seen_key id; /* all zero: none */
};
/* Where a submission comes from. */
struct event_wire_origin {
    struct event_wire_in in;
    uint64_t at_ms, rec_seq;
};
struct event_wire_item {
    uint64_t at_ms, in_seq, rec_seq, letter;
    uint32_t n_events, n_records;
    struct slice in_ids, events, sender_ids, notes, letters, records; /* borrowed */
};

/* -ENOMEM, -EMSGSIZE (the buffer's limit, or too much for any message): nothing was appended. */
MUST_CHECK int event_wire_put_head(struct buf *out, const struct event_wire_head *head);
MUST_CHECK int event_wire_put(struct buf *out, const struct engine_submission *s,
                              const struct event_wire_origin *from);
MUST_CHECK int event_wire_put_item(struct buf *out, const struct event_wire_item *item);
MUST_CHECK int event_wire_put_record(struct buf *out, const struct engine_record *r);

/* `in` moves past what was read; -EBADMSG leaves it. */
MUST_CHECK int event_wire_read_head(struct slice *in, struct event_wire_head *ret);
/* -ENOENT: there is none left. */
MUST_CHECK int event_wire_next(struct slice *in, struct event_wire_item *ret);
/* Of item.records; ids are NUL-terminated where they lie. */
MUST_CHECK int event_wire_next_record(struct slice *records, struct engine_record *ret);

#endif
