/* h2_private.h - what h2.c and h2_stream.c share: a connection and its streams. */
#ifndef GATEWAY_H2_PRIVATE_H
#define GATEWAY_H2_PRIVATE_H

#include "h2.h"
#include "h2_wall.h"
#include "list.h"

#include <nghttp2/nghttp2.h>

struct fields; /* h2_stream.c */

struct stream {
    struct h2_stream pub;
    struct list in_session, in_drained;
    struct buf answer; /* its bytes, of which the first `taken` have been sent */
    size_t taken;
    uint64_t sent;
    struct h2_stall stall;
    struct fields *trailers; /* to follow `answer`; NULL: not yet known, or given to nghttp2 */
    bool shown;              /* head() was called */
    bool closing;            /* all was said about the answer: the handler hears of gone() only */
    bool body_ended, answered;
};

/* A head or trailers as they arrive. */
struct block {
    struct buf bytes;
    size_t n;
    struct {
        size_t at, name_len, value_len;
    } fields[H2_MAX_FIELDS];
};

enum drain { DRAIN_NONE, DRAIN_ANNOUNCED, DRAIN_DONE };

struct h2 {
    struct h2_handler handler;
    void *ctx;
    nghttp2_session *session;
    uint64_t now_ms;
    struct h2_wall wall;
    struct block block;
    struct buf out;
    struct list streams, drained;
    size_t n_streams, waiting; /* bytes, of all streams */
    uint64_t sent;
    struct h2_stall stall;  /* of the connection's window */
    uint64_t half_since_ms; /* when the frame or header block that is being read began */
    uint64_t drain_since_ms;
    enum drain drain;
    enum refuse refusal;
    bool handed;        /* `out` was borrowed by the last h2_take() */
    bool no_data;       /* nghttp2 is to send all but DATA */
    bool useful;        /* the frame that is being read brought something */
    bool started;       /* SETTINGS have come */
    bool left;          /* a GOAWAY has */
    bool head_offended; /* a head was too large once */
    bool terminated;    /* nghttp2 has been told of the refusal, or told us */
    bool said_goodbye;  /* the last GOAWAY is in `out`: nothing follows */
    bool no_memory;
};

static inline void h2_refuse(struct h2 *h, enum refuse why)
{
    if (h->refusal == REFUSE_NONE)
        h->refusal = why;
}

static inline size_t stream_waiting(const struct stream *s)
{
    return s->answer.len - s->taken;
}

/* h2_stream.c: nghttp2's callbacks for what concerns one stream. */
void h2_stream_callbacks(nghttp2_session_callbacks *callbacks);
/* A request's or its trailers' last frame, a body's frame. */
void h2_stream_received(struct h2 *h, const nghttp2_frame *frame);
void h2_stream_sent(struct h2 *h, const nghttp2_frame *frame);
void h2_stream_gone(struct h2 *h, struct stream *s, uint32_t error); /* frees it */

#endif
