/* connections.h - asks the workers about their connections and acts on them: by mail to the worker
 * that an id names, and back. No lock, nothing on the way of broadcasts. */
#ifndef GATEWAY_CONNECTIONS_H
#define GATEWAY_CONNECTIONS_H

#include "conn.h"
#include "frame.h"
#include "worker.h"

#define CONNECTIONS_AT_ONCE 64 /* that a LIST describes, */
#define CONNECTIONS_LOOK                                                                           \
    4096 /* and slots it (or OUTCOMES, REVOKED, FOLLOW) looks at, before the worker goes on with   \
            its work */

struct outcomes;

struct connection_info {
    char id[ID_SIZE];
    const char *path; /* lives as long as the process */
    char address[INET6_ADDRSTRLEN];
    uint16_t port;
    char user_agent[CONN_USER_AGENT_MAX + 1];
    uint64_t connected_ms, active_ms;         /* Unix time */
    uint64_t lag_bytes, lag_messages, lag_ms; /* what it has not been sent yet; of what is older
                                                 than the path log holds, only the bytes */
    bool v1, deflate, sse; /* subprotocol regcast.v1, permessage-deflate; events, no WebSocket */
};

enum connections_kind {
    CONNECTIONS_GET,
    CONNECTIONS_SEND,
    CONNECTIONS_DISCONNECT,
    CONNECTIONS_LIST,
    CONNECTIONS_RANK,     /* keeps those that are first in an order, of all that it comes by */
    CONNECTIONS_OUTCOMES, /* adds to what is known of a batch: outcomes.h */
    CONNECTIONS_REVOKED,  /* closes those whose pass was revoked */
    CONNECTIONS_FOLLOW    /* lets all go by the configuration that counts now: session_follow() */
};

enum connections_order {
    CONNECTIONS_BY_LAG, /* what it has not been sent yet, in bytes: the most first */
    CONNECTIONS_BY_AGE  /* the oldest first */
};

/* A question; the asker's until connections_ask(), and again from `done` on. */
struct connections_ask {
    enum connections_kind kind;
    char id[ID_SIZE];             /* GET, SEND, DISCONNECT */
    enum frame_opcode opcode;     /* SEND */
    struct slice data;            /* SEND; stays until `done`. Text is valid UTF-8 */
    const char *path;             /* LIST, RANK: only this one, by address; NULL: all */
    enum connections_order order; /* RANK */
    struct outcomes *outcomes;    /* OUTCOMES; the asker's memory */
    unsigned worker;              /* all but GET, SEND and DISCONNECT */
    uint32_t from;                /* the same: the first slot */
    size_t most;                  /* LIST, RANK: room in `at` */
    void (*done)(struct connections_ask *ask); /* front's thread, once */

    /* The answer: 0; -ENOENT: there is no such open connection; -EAGAIN: we are going down;
     * -EMSGSIZE: longer than the path's messages; -ENOBUFS: too much waits for it already;
     * -EPROTOTYPE: it reads events, which are text. */
    int err;
    struct connection_info *at; /* GET: one; LIST, RANK: `most`. The asker's memory */
    size_t n;                   /* LIST: maybe none, and there are more; REVOKED: closed ones. RANK:
                                   goes on from what it was, until connections_ranked() a heap */
    uint32_t next; /* all but GET, SEND and DISCONNECT: the slot to go on from; 0: that was the last
                      one */

    /* private */
    struct mail mail;
    struct shared *shared;
    struct worker *asked;
};

/* Front's thread. `done` may come before this returns. The front's loop goes on until it came. */
void connections_ask(struct shared *s, struct connections_ask *ask);
/* After the last answer to a RANK: `at` is in order. */
void connections_ranked(struct connections_ask *ask);

#endif
