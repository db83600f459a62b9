/* consumer.h - an ordered consumer: every message of a stream that fits, in order, once, for as
 * long as it lives. A gap, a missed heartbeat or a new connection makes it anew behind the last
 * message it has given out (ADR-17). Ephemeral, in the server's memory, without acknowledgements,
 * with flow control. Same loop and thread as nats.h. */
#ifndef BROKER_NATS_CONSUMER_H
#define BROKER_NATS_CONSUMER_H

#include "js.h"

enum consumer_from {
    FROM_ALL,
    FROM_SEQ,  /* .seq and later; 0 is 1 */
    FROM_TIME, /* .time_ns and later */
    FROM_LAST_PER_SUBJECT,
    FROM_NEW
};
struct consumer_options {
    const char *stream;
    const char *const *filters; /* subjects, of which several may be given */
    size_t n_filters;           /* 0: all of the stream */
    enum consumer_from from;
    uint64_t seq, time_ns;
    bool headers_only;
    void (*on_msg)(void *ctx, const struct js_msg *m); /* may free the consumer */
    /* Everything that was there when it was made has been given out: once, behind the last of it,
     * at once when there was none. May free the consumer. NULL: nobody asks. */
    void (*on_current)(void *ctx);
    /* It could not be made, and is tried again every so often: -ENOENT (no stream), others. NULL as
     * above. */
    void (*on_error)(void *ctx, int err);
    /* The first message after `seq` is not there any more: the next one is `first`. Of FROM_SEQ
     * only, and of a stream that was made anew. NULL as above. */
    void (*on_lost)(void *ctx, uint64_t first);
    void *ctx;
};
struct consumer;
struct consumer *consumer_new(struct js *js, const struct consumer_options *options); /* copied */
void consumer_free(struct consumer *c); /* no callback any more. NULL is fine */
/* Holds it: at most what is on its way still comes, and is kept for consumer_resume(). */
void consumer_pause(struct consumer *c);
void consumer_resume(struct consumer *c);
uint64_t consumer_seq(const struct consumer *c); /* of the last message given out; 0: none */

#endif
