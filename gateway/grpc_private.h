/* grpc_private.h - what grpc.c (the session), grpc_call.c (its calls), grpc_head.c and
 * grpc_answer.c share. Front's thread. */
#ifndef GATEWAY_GRPC_PRIVATE_H
#define GATEWAY_GRPC_PRIVATE_H

#include "grpc_call.h"
#include "grpc_frame.h"
#include "h2.h"
#include "worker.h"

struct grpc_session {
    struct conn *c;
    struct h2 *h2;
    struct list calls;           /* grpc_stream.in_session */
    uint64_t idle_ms;            /* since when there is no stream; loop time */
    uint64_t look_ms;            /* when to look at it again while there are streams; loop time */
    uint64_t heard_ms, asked_ms; /* when something came last, and when a ping was sent; loop time */
    size_t counted;              /* bytes of answer_bytes */
    bool busy; /* grpc.c is at work: what was given to h2 leaves at the end of it */
    bool draining;
};
static inline uint64_t grpc_session_now(const struct grpc_session *g) /* loop time */
{
    return uv_now(&g->c->worker->loop);
}
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
    unsigned running;     /* so often our caller is at work on it: it is freed when none is */
    bool has_message;
    bool ended;     /* the request is complete */
    bool submitted; /* the method has run */
    bool answering; /* the answer's head was sent */
    bool waiting;   /* what was written has not left */
    bool noted;     /* in metrics and log */
    bool finished;
};

/* --- grpc_call.c --- */

/* h2's handler; its ctx is the session. */
extern const struct h2_handler GRPC_CALLS;
/* Loop time when something of the session's calls is due; UINT64_MAX: nothing. */
uint64_t grpc_call_due(const struct grpc_session *g);
/* Ends calls whose time is over and lets streams look around. */
void grpc_call_tick(struct grpc_session *g, uint64_t now_ms);
static inline struct caps *grpc_call_caps(const struct grpc_stream *st)
{
    return &st->call.shared->caps[LISTENER_GRPC];
}
/* Of what may be held in all: strangers together leave half of it to those whom we know. */
uint64_t grpc_call_share(const struct grpc_stream *st, uint64_t most);
#define GRPC_LITTLE 1024 /* bytes that are taken of and for each call: health checks go on */
bool grpc_call_is_stream(const struct grpc_stream *st);
void grpc_call_forget(struct grpc_stream *st); /* gives back what it holds of the request */

/* --- grpc_head.c --- */

/* What is no gRPC call, or comes from where none may come: told so by HTTP. */
enum refuse grpc_head_check(const struct conn *c, const struct h2_head *head);
/* Finds the method and who asks, and readies the stream for the messages; what is wrong is in
 * *error. */
void grpc_head_read(struct grpc_stream *st, const struct h2_head *head, struct status *error);

/* --- grpc_answer.c; the call is gone when it returns, unless its method is at work --- */

void grpc_answer_status(struct grpc_stream *st, enum status_code code, const char *message);
/* The stream is no more. A method that is still at work on a single answer goes on. */
void grpc_answer_gone(struct grpc_stream *st);
/* Its time is over, which the client is told; a method goes on as above. */
void grpc_answer_expired(struct grpc_stream *st, enum status_code code, const char *message);
/* Ends what `running++` began. False: the call is gone. */
bool grpc_answer_worked(struct grpc_stream *st);

#endif
