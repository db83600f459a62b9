/* grpc_private.h - what grpc.c (the session) and grpc_call.c (its calls) share. Front's thread. */
#ifndef GATEWAY_GRPC_PRIVATE_H
#define GATEWAY_GRPC_PRIVATE_H

#include "grpc_call.h"
#include "grpc_frame.h"
#include "h2.h"

struct grpc_session {
    struct conn *c;
    struct h2 *h2;
    struct list calls; /* grpc_stream.in_session */
    uint64_t idle_ms;  /* since when there is no stream; loop time */
    uint64_t look_ms;  /* when to look at it again while there are streams; loop time */
    size_t counted;    /* bytes of answer_bytes */
    bool busy;         /* grpc.c is at work: what was given to h2 leaves at the end of it */
    bool draining;
};
/* What was given to h2 leaves, unless the session is busy. It may be gone on return. */
void grpc_session_flush(struct grpc_session *g);
void grpc_session_count(struct grpc_session *g); /* answers that wait, in answer_bytes */

/* A call's state while it is served. */
struct grpc_stream {
    struct grpc_call call;
    struct list in_session;
    struct grpc_frame frame;
    struct slice message; /* of a method that takes one: it runs at the end of the request */
    struct buf held;      /* what came while the peer does not read our answers */
    size_t counted;       /* bytes of inflight_bytes */
    uint64_t due_ms;      /* the client's deadline; loop time, UINT64_MAX: none */
    uint64_t patience_ms; /* ours: for the rest of the request, then for the answer */
    bool has_message;
    bool ended;     /* the request is complete */
    bool submitted; /* the method has run */
    bool running;   /* it is at work: what ends is freed when it returns */
    bool answering; /* the answer's head was sent */
    bool waiting;   /* what was written has not left */
    bool noted;     /* in metrics and log */
    bool finished;
};

/* h2's handler; its ctx is the session. */
extern const struct h2_handler GRPC_CALLS;
/* Loop time when something of the session's calls is due; UINT64_MAX: nothing. */
uint64_t grpc_call_due(const struct grpc_session *g);
/* Ends calls whose time is over and lets streams look around. */
void grpc_call_tick(struct grpc_session *g, uint64_t now_ms);

#endif
