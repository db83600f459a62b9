/* batch.h - gathers the events of one trigger until size, bytes or cutoff, and writes the message
 * {"messages":[...]}. (pure: the caller gives the time) Broker thread. */
#ifndef BROKER_BATCH_H
#define BROKER_BATCH_H

#include "event.h"

#include <stdint.h>

enum batch_flush {
    BATCH_SIZE,
    BATCH_CUTOFF,
    BATCH_BYTES,
    BATCH_DRAIN,
    BATCH_REPLAY /* no trigger's: a stored message once more (pipeline_resend.h) */
};
extern const char *const BATCH_FLUSH_NAMES[]; /* "size", "cutoff", "bytes", "drain", "replay" */

/* A finished batch; everything borrowed for the call. */
struct batch_message {
    enum batch_flush why;
    struct slice json; /* the whole message, UTF-8 */
    size_t n_events;
    const char *first_event_id, *last_event_id;
    struct slice ids;  /* of all its events in order, ID_PACKED_SIZE bytes each */
    uint64_t last_seq; /* the number of its last event */
};

struct batch {
    uint64_t size;      /* events, 1..1000 */
    uint64_t cutoff_ms; /* from the first event, monotonic */
    size_t max_bytes;   /* of the encoded message */
    void (*flush)(void *ctx, const struct batch_message *m);
    void *ctx;
    /* private */
    uint64_t n, deadline_ms, first_seq, last_seq;
    struct buf json, ids;
    char first_id[ID_SIZE], last_id[ID_SIZE];
};

void batch_init(struct batch *b, uint64_t size, uint64_t cutoff_ms, size_t max_bytes,
                void (*flush)(void *ctx, const struct batch_message *m), void *ctx);
void batch_fini(struct batch *b); /* what is still gathered is dropped: flush first */

/* Adds one event (its JSON is copied); flushes before it when the message would pass max_bytes, and
 * after it when `size` is reached. An event that alone passes max_bytes: -EMSGSIZE, nothing added.
 */
MUST_CHECK int batch_add(struct batch *b, const struct event *e, uint64_t now_ms);
void batch_flush(struct batch *b, enum batch_flush why); /* nothing when empty */
void batch_drop(struct batch *b);                /* what is gathered is somebody else's to send */
uint64_t batch_waiting(const struct batch *b);   /* events in it */
uint64_t batch_first_seq(const struct batch *b); /* of its first event; UINT64_MAX when empty */
/* The monotonic time at which batch_flush(BATCH_CUTOFF) is due; UINT64_MAX when empty. */
uint64_t batch_deadline(const struct batch *b);

#endif
